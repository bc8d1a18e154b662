// SPDX-License-Identifier: Apache-2.0
// Large requests over a channel: answered from, and kept in, the image.
#include "dm_user_fixture.h"

#include <cerrno>
#include <map>
#include <thread>

#include <sys/mman.h>

using bioscope::ChannelEnd;
using bioscope_test::ChannelFixture;
using bioscope_test::KernelDouble;
using bioscope_test::Pacing;
using bioscope_test::pattern;

TEST_CASE("dm-user channel: large requests go from and stay in the image, between small ones")
{
	constexpr uint64_t large = 128 << 10;
	for (Pacing pacing : {Pacing::batched, Pacing::random}) {
		CAPTURE(static_cast<int>(pacing));
		ChannelFixture fixture({.pacing = pacing});
		fixture.backend->lends = true;
		KernelDouble &kernel = fixture.kernel();
		std::map<uint64_t, std::vector<std::byte>> expected; // by the record's sequence
		uint64_t sequence = 0;
		auto round = [&](uint64_t start) {
			kernel.gather();
			std::vector<std::pair<uint64_t, std::vector<std::byte>>> reads;
			for (uint64_t i = 0; i < 4; i++) {
				const auto data = pattern(large, start + i * large);
				const auto small = pattern(4096, start + i);
				kernel.submit(DM_USER_REQUEST_WRITE, i * 256, large,
					      i == 3 ? DM_USER_FLAG_FUA : 0, data);
				expected[++sequence] = data;
				kernel.submit(DM_USER_REQUEST_WRITE, 4000 + i * 8, 4096, 0, small);
				expected[++sequence] = small;
			}
			std::thread writer([&] { kernel.send_gathered(); });
			for (int i = 0; i < 8; i++)
				CHECK(kernel.receive().header.type == DM_USER_RESPONSE_SUCCESS);
			writer.join();
			kernel.gather();
			for (uint64_t i = 0; i < 4; i++) {
				reads.emplace_back(
				    kernel.submit(DM_USER_REQUEST_READ, i * 256, large),
				    pattern(large, start + i * large));
				expected[++sequence] = reads.back().second;
				reads.emplace_back(
				    kernel.submit(DM_USER_REQUEST_READ, 4000 + i * 8, 4096),
				    pattern(4096, start + i));
				expected[++sequence] = reads.back().second;
			}
			kernel.send_gathered();
			for (const auto &[asked, data] : reads)
				CHECK((kernel.receive(asked).payload == data));
		};
		// Each round writes over what the rounds before are kept of.
		for (uint64_t start = 0; start < 3; start++)
			round(start << 32);
		kernel.submit(DM_USER_REQUEST_WRITE, 256 + 8, 512, 0, pattern(512, 1));
		kernel.receive();
		fixture.end();
		std::vector<std::byte> kept(large);
		for (const auto &[number, data] : expected) {
			CAPTURE(number);
			REQUIRE(fixture.disk->payloads().read(number, 0, kept) == data.size());
			CHECK((std::vector(kept.begin(), kept.begin() + static_cast<ptrdiff_t>(
									    data.size())) == data));
		}
		CHECK(fixture.disk->counters().errors == 0);
	}
}

TEST_CASE("dm-user channel: ends where the image goes away under an answer, and says so")
{
	constexpr size_t bytes = 1 << 20;
	void *gone = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(gone != MAP_FAILED);
	{
		ChannelFixture fixture;
		fixture.backend->instead = {static_cast<std::byte *>(gone), bytes};
		fixture.kernel().submit(DM_USER_REQUEST_READ, 0, 64 << 10);
		ChannelEnd end = fixture.channel().wait();
		CHECK(end.reason == ChannelEnd::Reason::failed);
		CHECK(end.error == EFAULT);
		CHECK(end.text ==
		      "the image was cut short, or could not be read, while it was being sent");
	}
	munmap(gone, bytes);
}
