// SPDX-License-Identifier: Apache-2.0
// A disk with channels, each with a kernel double at its other end.
#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <stdlib.h>

#include "../../native/engine/disk.h"
#include "../../native/engine/routes/dm_user_channel.h"
#include "../../native/engine/trace_reader.h"
#include "dm_user_kernel_double.h"
#include "memory_backend.h"

namespace bioscope_test
{

class ChannelFixture
{
public:
	struct Setup {
		Wire wire = Wire::socket;
		Pacing pacing = Pacing::batched;
		unsigned channels = 1;
		bool gone = true; // the end of the stream reads as ENOTBLK
		bool nonblocking = false;
		uint64_t size = 8 << 20;
	};

	explicit ChannelFixture(const Setup &setup) { open(setup); }
	ChannelFixture() { open(Setup{}); }
	~ChannelFixture()
	{
		backend->let_go();
		channels.clear();
		disk.reset();
		std::filesystem::remove_all(directory_);
	}
	ChannelFixture(const ChannelFixture &) = delete;
	ChannelFixture &operator=(const ChannelFixture &) = delete;

	KernelDouble &kernel(size_t index = 0) { return *kernels[index]; }
	bioscope::DmUserChannel &channel(size_t index = 0) { return *channels[index]; }

	// Every record so far, by sequence.
	std::vector<bioscope_trace_record> records()
	{
		bioscope::TraceReader reader(trace_path(), bioscope::TraceReader::From::oldest);
		std::vector<bioscope_trace_record> all(65536);
		auto result = reader.read(all);
		REQUIRE(result.lost == 0);
		all.resize(result.count);
		std::sort(all.begin(), all.end(), [](const auto &left, const auto &right) {
			return left.sequence < right.sequence;
		});
		return all;
	}

	// Ends the channels as a destroyed target does, and says how they ended.
	bioscope::ChannelEnd end(size_t index = 0)
	{
		kernels[index]->destroy_target();
		return channels[index]->wait();
	}

	MemoryBackend *backend = nullptr; // owned by the disk
	std::unique_ptr<bioscope::Disk> disk;
	std::vector<std::unique_ptr<KernelDouble>> kernels;
	std::vector<std::unique_ptr<bioscope::DmUserChannel>> channels;

private:
	std::string trace_path() const { return directory_ + "/trace"; }

	void open(const Setup &setup)
	{
		std::string name = std::filesystem::temp_directory_path() / "bioscope-XXXXXX";
		REQUIRE(mkdtemp(name.data()) != nullptr);
		directory_ = name;
		auto memory = std::make_unique<MemoryBackend>(setup.size);
		backend = memory.get();
		bioscope::DiskOptions options;
		options.number = 7;
		options.route = BIOSCOPE_ROUTE_DM_USER;
		options.workers = setup.channels * 2;
		options.trace_path = trace_path();
		options.ring_capacity = 1 << 14;
		options.payload_limit = uint64_t{8} << 20;
		disk = std::make_unique<bioscope::Disk>(std::move(memory), options);
		for (unsigned i = 0; i < setup.channels; i++) {
			kernels.push_back(
			    std::make_unique<KernelDouble>(setup.wire, setup.nonblocking));
			channels.push_back(std::make_unique<bioscope::DmUserChannel>(
			    *disk, 2 * i, 2 * i + 1,
			    kernels[i]->port(setup.pacing, setup.gone, 1000 + i)));
			channels[i]->start();
		}
	}

	std::string directory_;
};

} // namespace bioscope_test
