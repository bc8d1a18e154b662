// SPDX-License-Identifier: Apache-2.0
#include "support.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>

#include <linux/falloc.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "../../native/engine/backends/raw_file.h"
#include "../../native/helper/verbs.h"

using namespace bioscope;
using namespace bioscope_test;

namespace
{

bool zero(const std::vector<std::byte> &bytes)
{
	return std::all_of(bytes.begin(), bytes.end(),
			   [](std::byte byte) { return byte == std::byte{0}; });
}

uint64_t allocated(const std::string &path)
{
	struct stat status {
	};
	REQUIRE(stat(path.c_str(), &status) == 0);
	return static_cast<uint64_t>(status.st_blocks) * 512;
}

// Plays a file system or device that refuses some kinds of fallocate.
class Refusing : public RawFile
{
public:
	static std::unique_ptr<Refusing> open(const std::string &path, int modes, int error)
	{
		uint64_t bytes = 0;
		bool block_device = false;
		int fd = open_image(path, false, bytes, block_device);
		return std::unique_ptr<Refusing>(
		    new Refusing(fd, bytes, block_device, modes, error));
	}
	int calls = 0;

private:
	Refusing(int fd, uint64_t bytes, bool block_device, int modes, int error)
	    : RawFile(fd, bytes, false, block_device), modes_(modes), error_(error)
	{
	}
	int allocate(int mode, uint64_t offset, uint64_t length) override
	{
		calls++;
		return mode & modes_ ? error_ : RawFile::allocate(mode, offset, length);
	}
	int modes_, error_;
};

} // namespace

TEST_CASE("raw file: what was written is read back, and is in the image")
{
	TemporaryDirectory directory;
	make_image(directory / "image", 1 << 20);
	auto file = RawFile::open(directory / "image", false);
	CHECK(file->size() == 1 << 20);
	CHECK(file->tail() == 0);
	CHECK_FALSE(file->block_device());
	CHECK_FALSE(file->read_only());
	auto data = pattern(70'000, 3);
	CHECK(file->write(4096 + 17, data) == 0);
	std::vector<std::byte> back(data.size());
	CHECK(file->read(4096 + 17, back) == 0);
	CHECK(back == data);
	CHECK(file->flush() == 0);
	CHECK(file_bytes(directory / "image", 4096 + 17, data.size()) == data);
}

TEST_CASE("raw file: the bytes past the last whole sector are not part of the device")
{
	TemporaryDirectory directory;
	make_image(directory / "image", 10 * 512 + 99);
	auto file = RawFile::open(directory / "image", false);
	CHECK(file->size() == 10 * 512);
	CHECK(file->tail() == 99);
}

TEST_CASE("raw file: what is no image is refused with the reason")
{
	TemporaryDirectory directory;
	std::string call;
	auto open_error = [&](const std::string &path) {
		return error_of([&] { RawFile::open(path, true); }, &call);
	};
	CHECK(open_error(directory / "missing") == ENOENT);
	CHECK(call == "stat");
	CHECK(open_error(directory.path()) == EISDIR);
	make_image(directory / "empty", 0);
	CHECK(open_error(directory / "empty") == ENODATA);
	CHECK(call == "size");
	make_image(directory / "short", 511);
	CHECK(open_error(directory / "short") == ENODATA);
	REQUIRE(mkfifo((directory / "pipe").c_str(), 0600) == 0);
	CHECK(open_error(directory / "pipe") == EINVAL);
	CHECK(open_error("/dev/null") == EINVAL);
}

TEST_CASE("raw file: a writer locks others out, readers share")
{
	TemporaryDirectory directory;
	make_image(directory / "image", 4096);
	std::string call;
	auto open_error = [&](bool read_only) {
		return error_of([&] { RawFile::open(directory / "image", read_only); }, &call);
	};
	{
		auto writer = RawFile::open(directory / "image", false);
		CHECK(open_error(false) == EAGAIN);
		CHECK(call == "flock");
		CHECK(open_error(true) == EAGAIN);
	}
	auto reader = RawFile::open(directory / "image", true);
	CHECK(reader->read_only());
	CHECK(open_error(true) == 0);
	CHECK(open_error(false) == EAGAIN);
}

TEST_CASE("raw file: a full disk under a sparse image is ENOSPC, to writes and to zeroes" *
	  doctest::skip(!is_root()))
{
	SmallFileSystem small(1024);
	make_image(small / "image", 512);
	REQUIRE(truncate((small / "image").c_str(), 8 << 20) == 0);
	auto file = RawFile::open(small / "image", false);
	auto data = pattern(1 << 20, 1);
	CHECK(file->write(0, std::span(data).first(512 << 10)) == 0);
	CHECK(file->write(4 << 20, data) == ENOSPC);
	CHECK(file->write_zeroes(6 << 20, 1 << 20, true) == ENOSPC);
	// What had been written stays readable, and a discard makes room again.
	std::vector<std::byte> back(512 << 10);
	CHECK(file->read(0, back) == 0);
	CHECK(std::equal(back.begin(), back.end(), data.begin()));
	CHECK(file->discard(0, 8 << 20) == 0);
	CHECK(file->write(4 << 20, std::span(data).first(512 << 10)) == 0);
}

TEST_CASE("raw file: a discarded range reads as zeroes and gives its blocks back" *
	  doctest::skip(!is_root()))
{
	SmallFileSystem small(4096);
	make_image(small / "image", 1 << 20);
	auto file = RawFile::open(small / "image", false);
	uint64_t before = allocated(small / "image");
	// Not on page boundaries: the edges are zeroed, the middle is punched.
	CHECK(file->discard(1000, 500'000) == 0);
	CHECK(zero(file_bytes(small / "image", 1000, 500'000)));
	CHECK_FALSE(zero(file_bytes(small / "image", 990, 10)));
	CHECK_FALSE(zero(file_bytes(small / "image", 501'000, 10)));
	CHECK(allocated(small / "image") < before - 400'000);
	CHECK(std::filesystem::file_size(small / "image") == 1 << 20);
	CHECK(file->write_zeroes(600'000, 100'000, false) == 0);
	CHECK(zero(file_bytes(small / "image", 600'000, 100'000)));
	CHECK(allocated(small / "image") < before - 480'000);
}

TEST_CASE("raw file: zeroes that keep their blocks leave them allocated" *
	  doctest::skip(!is_root()))
{
	SmallFileSystem small(4096); // tmpfs knows no zero range: the fallback writes
	make_image(small / "image", 512);
	REQUIRE(truncate((small / "image").c_str(), 1 << 20) == 0);
	auto file = RawFile::open(small / "image", false);
	CHECK(allocated(small / "image") <= 4096);
	CHECK(file->write_zeroes(0, 1 << 20, true) == 0);
	CHECK(allocated(small / "image") == 1 << 20);
	CHECK(zero(file_bytes(small / "image", 0, 1 << 20)));
}

TEST_CASE("raw file: without hole punching a discard still leaves zeroes")
{
	TemporaryDirectory directory;
	make_image(directory / "image", 4 << 20);
	SUBCASE("zero range takes its place")
	{
		auto file = Refusing::open(directory / "image", FALLOC_FL_PUNCH_HOLE, EOPNOTSUPP);
		CHECK(file->discard(512, 3 << 20) == 0);
		CHECK(zero(file_bytes(directory / "image", 512, 3 << 20)));
		CHECK(allocated(directory / "image") == 4 << 20);
	}
	SUBCASE("neither: zeroes are written, and the file system is not asked again")
	{
		auto file = Refusing::open(directory / "image",
					   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE, EOPNOTSUPP);
		CHECK(file->discard(512, 3 << 20) == 0);
		CHECK(file->calls == 2);
		CHECK(file->discard(3 << 20, 8192) == 0);
		CHECK(file->write_zeroes((3 << 20) + 8192, 1536, false) == 0);
		CHECK(file->calls == 2);
		CHECK(zero(file_bytes(directory / "image", 512, (3 << 20) + 8192 + 1536 - 512)));
		CHECK_FALSE(zero(file_bytes(directory / "image", 0, 512)));
		CHECK_FALSE(zero(file_bytes(directory / "image", (3 << 20) + 8192 + 1536, 512)));
	}
	SUBCASE("a range that does not fit the device's blocks is no reason to give up")
	{
		auto file = Refusing::open(directory / "image",
					   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE, EINVAL);
		CHECK(file->discard(512, 1024) == 0);
		CHECK(file->discard(512, 1024) == 0);
		CHECK(file->calls == 4);
		CHECK(zero(file_bytes(directory / "image", 512, 1024)));
	}
	SUBCASE("a real error is passed on")
	{
		auto file = Refusing::open(directory / "image", FALLOC_FL_PUNCH_HOLE, EIO);
		CHECK(file->discard(512, 1024) == EIO);
		CHECK_FALSE(zero(file_bytes(directory / "image", 512, 1024)));
	}
}

TEST_CASE("raw file: an image cut short under us gives EIO, not zeroes")
{
	TemporaryDirectory directory;
	make_image(directory / "image", 1 << 20);
	auto file = RawFile::open(directory / "image", false);
	REQUIRE(truncate((directory / "image").c_str(), 100'000) == 0);
	std::vector<std::byte> bytes(4096);
	CHECK(file->read(0, bytes) == 0);
	CHECK(file->read(98'304, bytes) == EIO);
	CHECK(file->read(500'000, bytes) == EIO);
	CHECK(file->flush() == EIO);
	CHECK(file->size() == 1 << 20);
}

TEST_CASE("raw file: a block device is claimed, read, written and zeroed" *
	  doctest::skip(!has_loop()))
{
	TemporaryDirectory directory;
	make_image(directory / "image", 1 << 20);
	bioscope_failure failure{};
	char device[BIOSCOPE_LOOP_PATH_BYTES];
	REQUIRE(bioscope_attach_loop((directory / "image").c_str(), false, "bioscope-test:raw",
				     device, &failure) == 0);
	{
		auto file = RawFile::open(device, false);
		CHECK(file->block_device());
		CHECK(file->window() == nullptr);
		CHECK(file->size() == 1 << 20);
		std::string call;
		CHECK(error_of([&] { RawFile::open(device, true); }, &call) == EBUSY);
		CHECK(call == "open");
		auto data = pattern(8192, 9);
		CHECK(file->write(512, data) == 0);
		std::vector<std::byte> back(8192);
		CHECK(file->read(512, back) == 0);
		CHECK(back == data);
		CHECK(file->discard(1024, 4096) == 0);
		CHECK(file->write_zeroes(5120, 512, true) == 0);
		CHECK(file->read(512, back) == 0);
		CHECK(std::equal(back.begin(), back.begin() + 512, data.begin()));
		CHECK(zero({back.begin() + 512, back.begin() + 512 + 4608}));
		CHECK(std::equal(back.begin() + 5120, back.end(), data.begin() + 5120));
		CHECK(file->flush() == 0);
	}
	CHECK(bioscope_detach_loop(device, false, 3000, &failure) == 0);
	CHECK(zero(file_bytes(directory / "image", 1024, 4608)));
}

TEST_CASE("raw file: one that was let go of does not keep its file system mounted" *
	  doctest::skip(!is_root()))
{
	SmallFileSystem small(1024);
	make_image(small / "image", 512);
	auto file = RawFile::open(small / "image", false);
	auto data = pattern(64 << 10, 5);
	REQUIRE(file->write(0, data) == 0);
	std::vector<std::byte> back(data.size());
	REQUIRE(file->read(0, back) == 0);
	REQUIRE(back == data);
	REQUIRE(file->window() != nullptr);
	CHECK_FALSE(file->is_gone());
	CHECK(umount2(small.path().c_str(), 0) != 0);
	CHECK(errno == EBUSY);

	file->let_go();
	CHECK(file->is_gone());
	auto next = RawFile::open(small / "image", false); // it is locked no more
	CHECK(next->read(0, back) == 0);
	CHECK(back == data);
	next.reset();
	CHECK(umount2(small.path().c_str(), 0) == 0);
	CHECK(file->read(0, back) == EIO);
	CHECK(file->read(256 << 10, back) == EIO);
}

TEST_CASE("raw file: who reads while it is let go of gets what is there, or finds out")
{
	TemporaryDirectory directory;
	constexpr size_t bytes = 1 << 20;
	make_image(directory / "image", bytes);
	auto file = RawFile::open(directory / "image", false);
	const auto data = pattern(bytes, 7);
	REQUIRE(file->write(0, data) == 0);
	std::atomic<unsigned> reads{0};
	std::atomic<bool> wrong{false};
	std::thread reader([&] {
		std::vector<std::byte> back(bytes);
		while (!file->is_gone()) {
			const bool is_read = file->read(0, back) == 0;
			if (is_read && !file->is_gone() && back != data)
				wrong = true;
			reads++;
		}
	});
	while (reads == 0)
		std::this_thread::yield();
	file->let_go();
	reader.join();
	CHECK_FALSE(wrong);
}
