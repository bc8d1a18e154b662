// SPDX-License-Identifier: Apache-2.0
// A real image behind a real FUSE mount. Needs root and /dev/fuse.
#pragma once

#include "support.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include <sys/stat.h>

#include "../../native/engine/backends/raw_file.h"
#include "../../native/engine/disk.h"
#include "../../native/engine/routes/fuse_file.h"
#include "../../native/helper/verbs.h"

namespace bioscope_test
{

class FuseFixture
{
public:
	explicit FuseFixture(std::unique_ptr<bioscope::Backend> backend, unsigned workers = 3)
	{
		bioscope::DiskOptions options;
		options.number = 4;
		options.workers = workers;
		options.trace_path = directory / "trace";
		disk = std::make_unique<bioscope::Disk>(std::move(backend), options);
		mount_point = directory / "mount";
		REQUIRE(mkdir(mount_point.c_str(), 0700) == 0);
		bioscope_failure failure{};
		int fd = -1;
		REQUIRE(bioscope_mount_fuse(mount_point.c_str(), 0, 0, &fd, &failure) == 0);
		mounted_ = true;
		bioscope::FuseFileOptions fuse;
		fuse.fd = fd;
		fuse.file_name = "disk.img";
		fuse.on_end = [this](const std::string &why) {
			std::lock_guard lock(mutex_);
			ended_ = why;
			changed_.notify_all();
		};
		route = std::make_unique<bioscope::FuseFile>(*disk, std::move(fuse));
		route->start();
	}
	~FuseFixture()
	{
		unmount();
		route.reset();
	}
	FuseFixture(const FuseFixture &) = delete;
	FuseFixture &operator=(const FuseFixture &) = delete;

	std::string file() const { return mount_point + "/disk.img"; }

	void unmount()
	{
		bioscope_failure failure{};
		if (mounted_)
			CHECK(bioscope_unmount_lazily(mount_point.c_str(), &failure) == 0);
		mounted_ = false;
	}

	// Why the route ended; nothing if it did not within five seconds.
	std::optional<std::string> wait_for_end()
	{
		std::unique_lock lock(mutex_);
		changed_.wait_for(lock, std::chrono::seconds(5),
				  [&] { return ended_.has_value(); });
		return ended_;
	}

	// The records, once there are `count`: a record is written after the reply,
	// so the program that made the request may be faster.
	std::vector<bioscope_trace_record> records(size_t count)
	{
		for (int i = 0; i < 500; i++) {
			auto found = all_records(directory / "trace");
			if (found.size() >= count)
				return found;
			std::this_thread::sleep_for(std::chrono::milliseconds(10));
		}
		return all_records(directory / "trace");
	}

	TemporaryDirectory directory;
	std::string mount_point;
	std::unique_ptr<bioscope::Disk> disk;
	std::unique_ptr<bioscope::FuseFile> route;

private:
	std::mutex mutex_;
	std::condition_variable changed_;
	std::optional<std::string> ended_;
	bool mounted_ = false;
};

// A raw image of `bytes` bytes of make_image() in a directory of its own.
class Image
{
public:
	explicit Image(size_t bytes) { make_image(path(), bytes); }
	std::string path() const { return directory_ / "image"; }
	std::unique_ptr<bioscope::RawFile> open(bool read_only = false) const
	{
		return bioscope::RawFile::open(path(), read_only);
	}

private:
	TemporaryDirectory directory_;
};

class FileDescriptor
{
public:
	FileDescriptor(const std::string &path, int flags)
	    : fd_(::open(path.c_str(), flags | O_CLOEXEC))
	{
		REQUIRE(fd_ >= 0);
	}
	~FileDescriptor() { close(fd_); }
	FileDescriptor(const FileDescriptor &) = delete;
	FileDescriptor &operator=(const FileDescriptor &) = delete;
	operator int() const { return fd_; }

private:
	int fd_;
};

} // namespace bioscope_test
