// SPDX-License-Identifier: Apache-2.0
#include "fuse_fixture.h"

#include <algorithm>
#include <random>

#include <dirent.h>
#include <linux/falloc.h>
#include <sys/statvfs.h>

#include "memory_backend.h"

using namespace bioscope;
using namespace bioscope_test;

namespace
{

constexpr size_t image_bytes = 4 << 20;

// Payload of a record, when it was kept.
std::vector<std::byte> payload_of(Disk &disk, const bioscope_trace_record &record)
{
	std::vector<std::byte> bytes(record.length);
	auto got = disk.payloads().read(record.sequence, 0, bytes);
	REQUIRE(got);
	bytes.resize(*got);
	return bytes;
}

} // namespace

TEST_SUITE_BEGIN("fuse" * doctest::skip(!has_fuse()));

TEST_CASE("fuse: the directory holds one file, which looks like the device")
{
	Image image(image_bytes + 100);
	FuseFixture fuse(image.open());
	struct stat status {
	};
	REQUIRE(stat(fuse.file().c_str(), &status) == 0);
	CHECK(status.st_size == image_bytes);
	CHECK((status.st_mode & 07777) == 0600);
	CHECK(S_ISREG(status.st_mode));
	CHECK(stat((fuse.mount_point + "/other").c_str(), &status) == -1);
	CHECK(errno == ENOENT);
	std::vector<std::string> names;
	for (const auto &entry : std::filesystem::directory_iterator(fuse.mount_point))
		names.push_back(entry.path().filename());
	CHECK(names == std::vector<std::string>{"disk.img"});
	struct statvfs space {
	};
	REQUIRE(statvfs(fuse.file().c_str(), &space) == 0);
	CHECK(space.f_blocks * space.f_frsize == image_bytes);
	CHECK(fuse.records(0).empty());
}

TEST_CASE("fuse: bytes go through, and every request is in the trace with its payload")
{
	Image image(image_bytes);
	FuseFixture fuse(image.open());
	FileDescriptor file(fuse.file(), O_RDWR);
	auto data = pattern(65'536, 4);
	std::vector<std::byte> back(16'384);
	REQUIRE(pwrite(file, data.data(), data.size(), 8192) == 65'536);
	REQUIRE(pread(file, back.data(), back.size(), 8192 + 4096) == 16'384);
	REQUIRE(fsync(file) == 0);
	CHECK(std::equal(back.begin(), back.end(), data.begin() + 4096));
	CHECK(file_bytes(image.path(), 8192, data.size()) == data);

	auto records = fuse.records(3);
	REQUIRE(records.size() == 3);
	CHECK(records[0].operation == DM_USER_REQUEST_WRITE);
	CHECK(records[0].sector == 16);
	CHECK(records[0].length == 65'536);
	CHECK(records[0].marks == BIOSCOPE_MARK_PAYLOAD);
	CHECK(payload_of(*fuse.disk, records[0]) == data);
	CHECK(records[1].operation == DM_USER_REQUEST_READ);
	CHECK(records[1].sector == 24);
	CHECK(records[1].length == 16'384);
	CHECK(payload_of(*fuse.disk, records[1]) == back);
	CHECK(records[2].operation == DM_USER_REQUEST_FLUSH);
	CHECK(records[2].length == 0);
	CHECK(records[2].marks == 0);
	for (const auto &record : records) {
		CHECK(record.result == BIOSCOPE_RESULT_OK);
		CHECK(record.disk == 4);
		CHECK(record.route == BIOSCOPE_ROUTE_FUSE_LOOP);
		CHECK(record.completion_ns >= record.arrival_ns);
	}
}

TEST_CASE("fuse: one request carries up to 1 MiB")
{
	Image image(image_bytes);
	FuseFixture fuse(image.open());
	FileDescriptor file(fuse.file(), O_RDWR | O_DIRECT);
	void *memory = nullptr;
	REQUIRE(posix_memalign(&memory, 4096, 1 << 20) == 0);
	auto data = pattern(1 << 20, 6);
	std::copy(data.begin(), data.end(), static_cast<std::byte *>(memory));
	REQUIRE(pwrite(file, memory, 1 << 20, 1 << 20) == 1 << 20);
	REQUIRE(pread(file, memory, 1 << 20, 0) == 1 << 20);
	free(memory);
	auto records = fuse.records(2);
	REQUIRE(records.size() == 2);
	CHECK(records[0].length == 1 << 20);
	CHECK(records[1].length == 1 << 20);
	CHECK(payload_of(*fuse.disk, records[0]) == data);
	CHECK(file_bytes(image.path(), 1 << 20, 1 << 20) == data);
}

TEST_CASE("fuse: a punched hole is a discard, a zero range is zeroes that keep their blocks")
{
	Image image(image_bytes);
	FuseFixture fuse(image.open());
	FileDescriptor file(fuse.file(), O_RDWR);
	CHECK(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192) == 0);
	CHECK(fallocate(file, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 16'384, 512) == 0);
	CHECK(fallocate(file, 0, 0, 4096) == -1);
	CHECK(errno == EOPNOTSUPP);
	auto zeroes = std::vector<std::byte>(8192);
	CHECK(file_bytes(image.path(), 4096, 8192) == zeroes);
	CHECK(file_bytes(image.path(), 16'384, 512) == std::vector<std::byte>(512));
	CHECK(file_bytes(image.path(), 12'288, 1) != std::vector<std::byte>(1));
	auto records = fuse.records(2);
	REQUIRE(records.size() == 2);
	CHECK(records[0].operation == DM_USER_REQUEST_DISCARD);
	CHECK(records[0].sector == 8);
	CHECK(records[0].length == 8192);
	CHECK(records[0].flags == 0);
	CHECK(records[1].operation == DM_USER_REQUEST_WRITE_ZEROES);
	CHECK(records[1].sector == 32);
	CHECK(records[1].length == 512);
	CHECK(records[1].flags == DM_USER_FLAG_NOUNMAP);
}

TEST_CASE("fuse: any byte range can be read and written; the record names its sectors")
{
	Image image(image_bytes);
	FuseFixture fuse(image.open());
	FileDescriptor file(fuse.file(), O_RDWR);
	auto data = pattern(1000, 2);
	auto around = file_bytes(image.path(), 0, 4096);
	REQUIRE(pwrite(file, data.data(), 1000, 700) == 1000);
	std::copy(data.begin(), data.end(), around.begin() + 700);
	CHECK(file_bytes(image.path(), 0, 4096) == around);
	std::vector<std::byte> back(3);
	REQUIRE(pread(file, back.data(), 3, 511) == 3);
	CHECK(std::equal(back.begin(), back.end(), around.begin() + 511));
	CHECK(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 10) == 0);
	auto records = fuse.records(3);
	REQUIRE(records.size() == 3);
	CHECK(records[0].sector == 1);
	CHECK(records[0].length == 3 * 512);
	CHECK(records[0].marks == 0);
	CHECK(records[1].sector == 0);
	CHECK(records[1].length == 1024);
	CHECK(records[2].sector == 0);
	CHECK(records[2].length == 512);
	CHECK(file_bytes(image.path(), 99, 12)[0] == around[99]);
	CHECK(file_bytes(image.path(), 99, 12)[1] == std::byte{0});
	CHECK(file_bytes(image.path(), 99, 12)[11] == around[110]);
}

TEST_CASE("fuse: the end of the file is the end of the device")
{
	Image image(image_bytes + 77); // the tail is out of reach
	FuseFixture fuse(image.open());
	FileDescriptor file(fuse.file(), O_RDWR);
	std::vector<std::byte> bytes(4096);
	CHECK(pread(file, bytes.data(), 4096, image_bytes - 512) == 512);
	CHECK(pread(file, bytes.data(), 4096, image_bytes) == 0);
	CHECK(pwrite(file, bytes.data(), 4096, image_bytes) == -1);
	CHECK(errno == ENOSPC);
	CHECK(pwrite(file, bytes.data(), 4096, image_bytes - 512) == 512);
	// Emptying it does nothing, as with a device; another size is refused.
	CHECK(ftruncate(file, 0) == 0);
	CHECK(ftruncate(file, 8 << 20) == -1);
	CHECK(errno == EINVAL);
	{
		FileDescriptor emptied(fuse.file(), O_RDWR | O_TRUNC);
	}
	struct stat status {
	};
	REQUIRE(fstat(file, &status) == 0);
	CHECK(status.st_size == image_bytes);
	CHECK(std::filesystem::file_size(image.path()) == image_bytes + 77);
	CHECK(pread(file, bytes.data(), 4096, 4096) == 4096);
	CHECK(bytes == file_bytes(image.path(), 4096, 4096));
}

TEST_CASE("fuse: a read-only image cannot be opened for writing")
{
	Image image(image_bytes);
	FuseFixture fuse(image.open(true));
	CHECK(open(fuse.file().c_str(), O_RDWR | O_CLOEXEC) == -1);
	CHECK(errno == EROFS);
	FileDescriptor file(fuse.file(), O_RDONLY);
	std::vector<std::byte> bytes(512);
	CHECK(pread(file, bytes.data(), 512, 512) == 512);
	CHECK(bytes == file_bytes(image.path(), 512, 512));
	struct stat status {
	};
	REQUIRE(fstat(file, &status) == 0);
	CHECK((status.st_mode & 0777) == 0400);
}

TEST_CASE("fuse: a backend's error reaches the program, and the trace")
{
	auto memory = std::make_unique<MemoryBackend>(image_bytes);
	MemoryBackend &backend = *memory;
	FuseFixture fuse(std::move(memory));
	FileDescriptor file(fuse.file(), O_RDWR);
	auto data = pattern(4096, 1);
	backend.write_error = ENOSPC;
	CHECK(pwrite(file, data.data(), 4096, 0) == -1);
	CHECK(errno == ENOSPC);
	backend.read_error = EIO;
	CHECK(pread(file, data.data(), 4096, 0) == -1);
	CHECK(errno == EIO);
	auto records = fuse.records(2);
	REQUIRE(records.size() == 2);
	CHECK(records[0].error == ENOSPC);
	CHECK(records[0].result == BIOSCOPE_RESULT_ERROR);
	// What could not be written is as interesting as what could.
	CHECK(payload_of(*fuse.disk, records[0]) == pattern(4096, 1));
	CHECK(records[1].error == EIO);
	CHECK(records[1].marks == 0);
	CHECK(fuse.disk->counters().errors == 2);
}

TEST_CASE("fuse: many threads at once, every byte right, every request traced")
{
	Image image(image_bytes);
	FuseFixture fuse(image.open(), 4);
	constexpr unsigned threads = 4, rounds = 400;
	constexpr size_t share = image_bytes / threads;
	std::atomic<unsigned> wrong{0};
	std::vector<std::thread> users;
	for (unsigned thread = 0; thread < threads; thread++)
		users.emplace_back([&, thread] {
			int fd = open(fuse.file().c_str(), O_RDWR | O_CLOEXEC);
			std::mt19937 random(thread);
			for (unsigned round = 0; round < rounds; round++) {
				size_t bytes = 512 * (1 + random() % 64);
				size_t offset =
				    thread * share + random() % ((share - bytes) / 512) * 512;
				auto data = pattern(bytes, thread * 1000 + round);
				std::vector<std::byte> back(bytes);
				bool good =
				    pwrite(fd, data.data(), bytes, static_cast<off_t>(offset)) ==
					static_cast<ssize_t>(bytes) &&
				    pread(fd, back.data(), bytes, static_cast<off_t>(offset)) ==
					static_cast<ssize_t>(bytes) &&
				    back == data;
				wrong += !good;
			}
			close(fd);
		});
	for (auto &user : users)
		user.join();
	CHECK(wrong == 0);
	auto records = fuse.records(threads * rounds * 2);
	REQUIRE(records.size() == threads * rounds * 2);
	for (size_t i = 0; i < records.size(); i++)
		REQUIRE(records[i].sequence == i + 1);
	CHECK(fuse.disk->counters().in_flight == 0);
}

TEST_CASE("fuse: after the unmount the route ends by itself, without a reason")
{
	Image image(image_bytes);
	FuseFixture fuse(image.open());
	{
		FileDescriptor file(fuse.file(), O_RDWR);
		fuse.unmount();
		// As long as somebody has the file, it lives on.
		auto data = pattern(4096, 1);
		CHECK(pwrite(file, data.data(), 4096, 0) == 4096);
	}
	auto why = fuse.wait_for_end();
	REQUIRE(why);
	CHECK(*why == "");
	fuse.route->stop();
}

TEST_CASE("fuse: stop ends idle threads, and what comes after fails")
{
	Image image(image_bytes);
	FuseFixture fuse(image.open());
	FileDescriptor file(fuse.file(), O_RDWR);
	fuse.route->stop();
	CHECK(fuse.wait_for_end() == "");
	std::vector<std::byte> bytes(512);
	CHECK(pread(file, bytes.data(), 512, 0) == -1);
	CHECK((errno == ENOTCONN || errno == ECONNABORTED));
	fuse.route->stop(); // again
}

TEST_CASE("fuse: stop under load completes what is being served and fails the rest")
{
	Image image(image_bytes);
	FuseFixture fuse(image.open());
	std::atomic<uint64_t> done{0};
	std::vector<std::thread> users;
	for (unsigned thread = 0; thread < 4; thread++)
		users.emplace_back([&, thread] {
			int fd = open(fuse.file().c_str(), O_RDWR | O_CLOEXEC);
			std::vector<std::byte> bytes(4096, static_cast<std::byte>(thread));
			while (pwrite(fd, bytes.data(), bytes.size(), thread * 4096L) == 4096)
				done++;
			close(fd);
		});
	while (done < 500)
		std::this_thread::yield();
	fuse.route->stop();
	for (auto &user : users)
		user.join();
	CHECK(fuse.disk->counters().in_flight == 0);
	// Who was told that the write succeeded has it in the trace.
	auto records = fuse.records(done);
	CHECK(records.size() >= done);
}

TEST_CASE("fuse: a connection that was never mounted is an error, not a wait for ever")
{
	Image image(image_bytes);
	TemporaryDirectory directory;
	DiskOptions options;
	options.trace_path = directory / "trace";
	Disk disk(image.open(), options);
	FuseFileOptions fuse;
	fuse.fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	fuse.file_name = "disk.img";
	bool ended = false;
	fuse.on_end = [&](const std::string &) { ended = true; };
	FuseFile route(disk, std::move(fuse));
	CHECK(error_of([&] { route.start(); }) == ENOTCONN);
	CHECK_FALSE(ended);
}

TEST_CASE("fuse: mounting checks its directory")
{
	bioscope_failure failure{};
	int fd = -1;
	CHECK(bioscope_mount_fuse("relative", 0, 0, &fd, &failure) == EINVAL);
	CHECK(std::string(failure.step) == "directory");
	CHECK(bioscope_mount_fuse("/nonexistent/directory", 0, 0, &fd, &failure) == ENOENT);
	TemporaryDirectory directory;
	REQUIRE(symlink("/tmp", (directory / "link").c_str()) == 0);
	CHECK(bioscope_mount_fuse((directory / "link").c_str(), 0, 0, &fd, &failure) == ENOTDIR);
	make_image(directory / "file", 1);
	CHECK(bioscope_mount_fuse((directory / "file").c_str(), 0, 0, &fd, &failure) == ENOTDIR);
	CHECK(fd == -1);
}

TEST_SUITE_END();
