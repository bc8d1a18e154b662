// SPDX-License-Identifier: Apache-2.0
#include "support.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <memory>
#include <thread>

#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../../native/engine/backends/image_window.h"
#include "../../native/engine/backends/raw_file.h"
#include "../../native/engine/racing_copy.h"

using namespace bioscope;
using namespace bioscope_test;

namespace
{

constexpr uint64_t page = ImageWindow::page_bytes;

std::vector<std::byte> read_back(RawFile &file, uint64_t offset, size_t bytes)
{
	std::vector<std::byte> into(bytes);
	REQUIRE(file.read(offset, into) == 0);
	return into;
}

uint64_t allocated(const std::string &path)
{
	struct stat status {
	};
	REQUIRE(stat(path.c_str(), &status) == 0);
	return static_cast<uint64_t>(status.st_blocks) * 512;
}

// Another program's hand on the image.
class OtherProgram
{
public:
	explicit OtherProgram(const std::string &path) : fd_(open(path.c_str(), O_RDWR | O_CLOEXEC))
	{
		REQUIRE(fd_ >= 0);
	}
	~OtherProgram() { close(fd_); }
	OtherProgram(const OtherProgram &) = delete;
	OtherProgram &operator=(const OtherProgram &) = delete;

	void write(uint64_t offset, std::span<const std::byte> from)
	{
		REQUIRE(pwrite(fd_, from.data(), from.size(), static_cast<off_t>(offset)) ==
			static_cast<ssize_t>(from.size()));
	}
	void cut(uint64_t bytes) { REQUIRE(ftruncate(fd_, static_cast<off_t>(bytes)) == 0); }
	void punch(uint64_t offset, uint64_t length)
	{
		REQUIRE(fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				  static_cast<off_t>(offset), static_cast<off_t>(length)) == 0);
	}

private:
	int fd_;
};

// What a child process that runs `body` ends with; as waitpid() says it.
template <typename Body> int status_of_child(Body body)
{
	const pid_t child = fork();
	REQUIRE(child >= 0);
	if (child == 0) {
		// It is to die of a signal: neither a core nor a sanitizer's report of it.
		const rlimit none{};
		setrlimit(RLIMIT_CORE, &none);
		close(STDERR_FILENO);
		body();
		_exit(0);
	}
	int status = 0;
	REQUIRE(waitpid(child, &status, 0) == child);
	return status;
}

} // namespace

TEST_CASE("racing copy: every length and alignment, and no byte beyond")
{
	const auto source = pattern(400, 1);
	for (size_t from = 0; from < 9; from++) {
		for (size_t to = 0; to < 9; to++) {
			for (size_t bytes : {0, 1, 7, 8, 9, 63, 64, 65, 128, 200, 327}) {
				std::vector<std::byte> target(400, std::byte{0xee});
				racing_copy(target.data() + to, source.data() + from, bytes);
				CAPTURE(bytes);
				auto at = [&](size_t index) {
					return target.begin() + static_cast<ptrdiff_t>(index);
				};
				REQUIRE(std::equal(at(to), at(to + bytes), source.data() + from));
				REQUIRE(std::all_of(target.begin(), at(to), [](std::byte byte) {
					return byte == std::byte{0xee};
				}));
				REQUIRE(
				    std::all_of(at(to + bytes), target.end(), [](std::byte byte) {
					    return byte == std::byte{0xee};
				    }));
			}
		}
	}
}

TEST_CASE("image window: a SIGBUS that is not a guarded copy's ends the process as before")
{
	TemporaryDirectory directory;
	make_image(directory / "file", 2 * page);
	catch_bus_errors();
	int fd = open((directory / "file").c_str(), O_RDWR | O_CLOEXEC);
	REQUIRE(fd >= 0);
	OtherProgram(directory / "file").cut(page);
	auto map = [&] {
		void *made = mmap(nullptr, 2 * page, PROT_READ, MAP_SHARED, fd, 0);
		return made == MAP_FAILED ? nullptr : static_cast<std::byte *>(made);
	};
	// A sanitizer that caught it before us ends the process itself, with a status.
	auto died = [](int status) { return WIFSIGNALED(status) || WEXITSTATUS(status) != 0; };
	CHECK(died(status_of_child([&] {
		std::byte *base = map();
		if (base != nullptr)
			static_cast<void>(*static_cast<volatile std::byte *>(base + page));
	})));
	CHECK(died(status_of_child([] { raise(SIGBUS); })));
	// And inside of one it does not; the next one works again.
	CHECK(status_of_child([&] {
		      std::byte *base = map();
		      std::vector<std::byte> into(2 * page);
		      for (int turn = 0; turn < 3; turn++) {
			      if (base == nullptr || !guarded_copy(into.data(), base, page) ||
				  guarded_copy(into.data(), base, 2 * page))
				      _exit(1);
		      }
	      }) == 0);
	close(fd);
}

TEST_CASE("image window: serves what was read or written before, and nothing else" *
	  doctest::skip(!is_root()))
{
	SmallFileSystem small(4096);
	make_image(small / "image", 1 << 20);
	auto file = RawFile::open(small / "image", false);
	ImageWindow *window = file->window();
	REQUIRE(window != nullptr);
	CHECK_FALSE(window->knows(0, 512));

	std::vector<std::byte> into(10'000);
	CHECK_FALSE(window->read(8192, into));
	CHECK(read_back(*file, 8192, into.size()) == file_bytes(small / "image", 8192, 10'000));
	CHECK(window->knows(8192, 12'288));
	// In memory the kernel is asked about 64 KiB at once.
	CHECK(window->knows(0, 64 << 10));
	CHECK_FALSE(window->knows((64 << 10) - 1, 2));
	CHECK(window->read(8192, into));
	CHECK(into == file_bytes(small / "image", 8192, into.size()));

	// Through the window or not, there is one truth.
	const auto other = pattern(4096, 5);
	OtherProgram(small / "image").write(8192 + 100, other);
	CHECK(read_back(*file, 8192 + 100, other.size()) == other);
	const auto ours = pattern(3 * page, 9);
	CHECK(window->write(8192, ours));
	CHECK(file_bytes(small / "image", 8192, ours.size()) == ours);
	CHECK_FALSE(window->write(500'000, ours));
	CHECK(file->write(500'000, ours) == 0);
	CHECK(window->knows(500'000, ours.size()));

	// The end of the image, and beyond it.
	CHECK(file->write((1 << 20) - 512, std::span(ours).first(512)) == 0);
	CHECK(window->knows((1 << 20) - 512, 512));
	CHECK_FALSE(window->knows((1 << 20) - 512, 1024));
	CHECK_FALSE(window->knows(UINT64_MAX - 511, 512));
}

TEST_CASE("image window: an image cut short under us is an error, and then as any file" *
	  doctest::skip(!is_root()))
{
	SmallFileSystem small(4096);
	make_image(small / "image", 1 << 20);
	auto file = RawFile::open(small / "image", false);
	const auto data = pattern(1 << 20, 2);
	REQUIRE(file->write(0, data) == 0);
	ImageWindow *window = file->window();
	REQUIRE(window != nullptr);
	REQUIRE(window->knows(0, 1 << 20));
	OtherProgram(small / "image").cut(100'000);

	std::vector<std::byte> into(8192);
	CHECK(file->read(500'000, into) == EIO);
	CHECK_FALSE(window->knows(500'000, into.size()));
	CHECK(file->read(98'304, into) == EIO);
	CHECK(file->flush() == EIO);
	CHECK(file->read(40'960, into) == 0);
	CHECK(std::equal(into.begin(), into.end(), data.begin() + 40'960));
	// The file grows again; also where the window knew what has gone since.
	for (int turn = 0; turn < 2; turn++) {
		CHECK(file->write(800'000, std::span(data).first(4096)) == 0);
		CHECK(std::filesystem::file_size(small / "image") == 804'096);
		OtherProgram(small / "image").cut(100'000);
		REQUIRE(window->knows(800'000, 4096));
	}
	CHECK(file->write(800'000, std::span(data).first(4096)) == 0);
	CHECK(read_back(*file, 800'000, 4096) ==
	      std::vector<std::byte>(data.begin(), data.begin() + 4096));
}

TEST_CASE("image window: an image cut short within a page is found out by a flush" *
	  doctest::skip(!is_root()))
{
	SmallFileSystem small(4096);
	make_image(small / "image", 1 << 20);
	auto file = RawFile::open(small / "image", false);
	const auto data = pattern(1 << 20, 2);
	REQUIRE(file->write(0, data) == 0);
	// Three sectors into a page; the window knows the page.
	const uint64_t end = 24 * page + 1536;
	OtherProgram(small / "image").cut(end);
	CHECK(file->flush() == EIO);
	std::vector<std::byte> into(512);
	CHECK(file->read(end, into) == EIO);
	CHECK(file->read(end - 512, into) == 0);
	CHECK(
	    std::equal(into.begin(), into.end(), data.begin() + static_cast<ptrdiff_t>(end - 512)));
	// Known again, and cut again: the first request behind the page finds it out, too.
	REQUIRE(file->write(0, data) == 0);
	OtherProgram(small / "image").cut(end);
	CHECK(file->read(25 * page, into) == EIO);
	CHECK(file->read(end, into) == EIO);
	// Written there, it is in the file, and the file has grown.
	CHECK(file->write(end, std::span(data).first(512)) == 0);
	CHECK(std::filesystem::file_size(small / "image") == end + 512);
}

TEST_CASE("image window: a full disk under a page that it knew is ENOSPC" *
	  doctest::skip(!is_root()))
{
	SmallFileSystem small(1024);
	make_image(small / "image", 512 << 10);
	auto file = RawFile::open(small / "image", false);
	const auto data = pattern(64 << 10, 4);
	REQUIRE(file->write(0, data) == 0);
	ImageWindow *window = file->window();
	REQUIRE(window != nullptr);
	// By another program's hand, so that the window does not know.
	OtherProgram(small / "image").punch(0, 64 << 10);
	make_image(small / "filler", 512 << 10);
	int filler = open((small / "filler").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
	REQUIRE(filler >= 0);
	while (write(filler, data.data(), page) > 0) {
	}
	CHECK(errno == ENOSPC);
	close(filler);
	REQUIRE(window->knows(0, 64 << 10));
	CHECK(file->write(0, data) == ENOSPC);
	std::filesystem::remove(small / "filler");
	CHECK(file->write(0, data) == 0);
	CHECK(read_back(*file, 0, data.size()) == data);
}

TEST_CASE("image window: to read a hole of an image in memory takes no memory" *
	  doctest::skip(!is_root()))
{
	SmallFileSystem small(4096);
	make_image(small / "image", 512);
	REQUIRE(truncate((small / "image").c_str(), 1 << 20) == 0);
	auto file = RawFile::open(small / "image", false);
	REQUIRE(file->window() != nullptr);
	const uint64_t before = allocated(small / "image");
	for (int turn = 0; turn < 3; turn++) {
		const auto bytes = read_back(*file, 8192, 1 << 19);
		CHECK(std::all_of(bytes.begin(), bytes.end(),
				  [](std::byte byte) { return byte == std::byte{0}; }));
	}
	CHECK(allocated(small / "image") == before);
	// Nor after a discard of what was there.
	const auto data = pattern(1 << 18, 6);
	REQUIRE(file->write(8192, data) == 0);
	REQUIRE(file->window()->knows(8192, data.size()));
	REQUIRE(file->discard(8192, data.size()) == 0);
	CHECK_FALSE(file->window()->knows(8192, 512));
	CHECK(read_back(*file, 8192, data.size()) == std::vector<std::byte>(data.size()));
	CHECK(read_back(*file, 8192, data.size()) == std::vector<std::byte>(data.size()));
	CHECK(allocated(small / "image") == before);
	CHECK(file->window()->resident_bytes() <= 64 << 10);
}

TEST_CASE("image window: a file in memory that is somebody else's is not mapped" *
	  doctest::skip(!is_root()))
{
	// Its holes cannot be told from what is there, and would be filled by reading.
	SmallFileSystem small(4096);
	make_image(small / "image", 64 << 10);
	int fd = open((small / "image").c_str(), O_RDONLY | O_CLOEXEC);
	REQUIRE(fd >= 0);
	CHECK(ImageWindow::open(fd, 64 << 10, true) != nullptr);
	constexpr uid_t somebody = 65534;
	CHECK(status_of_child([&] {
		      if (setuid(somebody) != 0)
			      _exit(2);
		      _exit(ImageWindow::open(fd, 64 << 10, true) == nullptr ? 0 : 1);
	      }) == 0);
	close(fd);
}

TEST_CASE("image window: read-only images are read through it, and not written")
{
	TemporaryDirectory directory;
	make_image(directory / "image", 64 << 10);
	auto file = RawFile::open(directory / "image", true);
	const auto whole = file_bytes(directory / "image", 0, 64 << 10);
	for (int turn = 0; turn < 2; turn++)
		CHECK(read_back(*file, 0, whole.size()) == whole);
	if (ImageWindow *window = file->window()) {
		CHECK(window->knows(0, whole.size()));
		CHECK_FALSE(window->write(0, whole));
	}
	CHECK(file_bytes(directory / "image", 0, 64 << 10) == whole);
}

TEST_CASE("image window: large writes and small ones leave the same bytes in a file on a disk")
{
	TemporaryDirectory directory;
	make_image(directory / "image", 1 << 20);
	auto expected = file_bytes(directory / "image", 0, 1 << 20);
	auto file = RawFile::open(directory / "image", false);
	const size_t large = ImageWindow::large_write_bytes;
	for (unsigned turn = 0; turn < 3; turn++) {
		for (size_t bytes : {size_t{512}, page, large - 512, large, 3 * large}) {
			const uint64_t offset = turn * 512 + bytes;
			const auto data = pattern(bytes, turn + static_cast<unsigned>(bytes));
			REQUIRE(file->write(offset, data) == 0);
			std::copy(data.begin(), data.end(),
				  expected.begin() + static_cast<ptrdiff_t>(offset));
			REQUIRE(read_back(*file, offset, bytes) == data);
		}
		REQUIRE(file->flush() == 0);
	}
	CHECK(file_bytes(directory / "image", 0, 1 << 20) == expected);
	CHECK(read_back(*file, 0, 1 << 20) == expected);
}

TEST_CASE("image window: an image that has grown is served to its new end" *
	  doctest::skip(!is_root()))
{
	SmallFileSystem small(4096);
	make_image(small / "image", 64 << 10);
	auto file = RawFile::open(small / "image", false);
	const auto data = pattern(64 << 10, 8);
	REQUIRE(file->write(0, data) == 0);
	REQUIRE(truncate((small / "image").c_str(), 256 << 10) == 0);
	file->take_present_size();
	CHECK(file->size() == 256 << 10);
	REQUIRE(file->write(192 << 10, data) == 0);
	CHECK(file->window()->knows(192 << 10, data.size()));
	CHECK(read_back(*file, 192 << 10, data.size()) == data);
	CHECK(read_back(*file, 0, data.size()) == data);
	// Shorter again: the engine asks for nothing beyond the end.
	REQUIRE(truncate((small / "image").c_str(), 128 << 10) == 0);
	file->take_present_size();
	CHECK(file->size() == 128 << 10);
	CHECK(read_back(*file, 0, data.size()) == data);
	std::vector<std::byte> into(4096);
	CHECK(file->read(192 << 10, into) == EIO);
}

TEST_CASE("image window: what is resident stays within its bound" * doctest::skip(!is_root()))
{
	constexpr uint64_t step = 64 << 10;
	constexpr uint64_t bytes = ImageWindow::most_resident_bytes + (64 << 20);
	SmallFileSystem small(48 << 10);
	make_image(small / "image", 512);
	REQUIRE(truncate((small / "image").c_str(), bytes) == 0);
	auto file = RawFile::open(small / "image", false);
	ImageWindow *window = file->window();
	REQUIRE(window != nullptr);
	uint64_t most = 0;
	for (unsigned turn = 0; turn < 2; turn++) {
		for (uint64_t offset = 0; offset < bytes; offset += step) {
			REQUIRE(file->write(offset, pattern(512, static_cast<unsigned>(
								     offset / step))) == 0);
			REQUIRE(window->knows(offset, 512));
			most = std::max(most, window->resident_bytes());
		}
	}
	CHECK(most <= ImageWindow::most_resident_bytes);
	CHECK(most > ImageWindow::most_resident_bytes / 2);
	// What was let go of is there all the same.
	uint64_t known = 0;
	for (uint64_t offset = 0; offset < bytes; offset += step) {
		known += window->knows(offset, 512) ? step : 0;
		REQUIRE(read_back(*file, offset, 512) ==
			pattern(512, static_cast<unsigned>(offset / step)));
	}
	CHECK(known <= ImageWindow::most_resident_bytes);
	window->forget_all();
	CHECK(window->resident_bytes() == 0);
	CHECK_FALSE(window->knows(0, 512));
}

TEST_CASE("image window: many threads read, write, discard and let go at a time" *
	  doctest::skip(!is_root()))
{
	constexpr uint64_t part = 128 << 10;
	constexpr unsigned threads = 4;
	SmallFileSystem small(4096);
	make_image(small / "image", (threads + 1) * part);
	auto file = RawFile::open(small / "image", false);
	std::atomic<unsigned> wrong{0};
	auto serve = [&](unsigned index) {
		const uint64_t own = index * part;
		const uint64_t shared = threads * part;
		std::vector<std::byte> into(part);
		for (unsigned turn = 0; turn < 60; turn++) {
			const auto data = pattern(part, turn * threads + index);
			// Each its own part: what was written is read.
			for (uint64_t at = 0; at < part; at += 3 * page) {
				const uint64_t length = std::min<uint64_t>(3 * page, part - at);
				wrong +=
				    file->write(own + at, std::span(data).subspan(at, length)) != 0;
			}
			wrong += file->read(own, into) != 0 || into != data;
			// One part of all: any of the bytes, and no report of a race.
			wrong += file->write(shared, data) != 0;
			wrong += file->read(shared, into) != 0;
			if (turn % 8 == index)
				wrong += file->discard(shared, part) != 0;
			if (turn % 16 == index)
				file->window()->forget_all();
		}
	};
	std::vector<std::thread> all;
	for (unsigned index = 0; index < threads; index++)
		all.emplace_back(serve, index);
	for (std::thread &thread : all)
		thread.join();
	CHECK(wrong == 0);
	CHECK(file->window()->resident_bytes() <= (threads + 1) * part);
	file->window()->forget_all();
	CHECK(file->window()->resident_bytes() == 0);
}

TEST_CASE("image window: shows where a range lies, if all of it is there")
{
	TemporaryDirectory directory;
	make_image(directory / "file", 64 * page);
	auto file = RawFile::open(directory / "file", false);
	REQUIRE(file->window() != nullptr);
	CHECK(file->view(0, 8 * page).empty()); // not known yet
	CHECK_FALSE(file->has_view(0, 8 * page));
	const auto content = pattern(8 * page, 1);
	REQUIRE(file->write(0, content) == 0);
	read_back(*file, 0, 8 * page);
	CHECK(file->has_view(0, 8 * page));
	const auto seen = file->view(512, 7 * page);
	REQUIRE(seen.size() == 7 * page);
	CHECK(std::equal(seen.begin(), seen.end(), content.begin() + 512));
	CHECK(file->view(0, 9 * page).empty());
	CHECK(file->view(63 * page, 2 * page).empty());
	// It shows what comes there.
	REQUIRE(file->write(page, pattern(page, 2)) == 0);
	CHECK(seen[page] == pattern(page, 2)[512]);
	// Cut short by somebody else: not what is not there, and all is looked at anew.
	OtherProgram(directory / "file").cut(4 * page);
	CHECK(file->view(0, 8 * page).empty());
	CHECK_FALSE(file->has_view(0, page));
}

TEST_CASE("guarded touch: every page of the range, and nothing where one is missing")
{
	TemporaryDirectory directory;
	make_image(directory / "file", 4 * page);
	catch_bus_errors();
	const int fd = open((directory / "file").c_str(), O_RDWR | O_CLOEXEC);
	void *map = mmap(nullptr, 8 * page, PROT_READ, MAP_SHARED, fd, 0);
	REQUIRE(map != MAP_FAILED);
	const auto *bytes = static_cast<const std::byte *>(map);
	CHECK(guarded_touch(bytes, 4 * page));
	CHECK(guarded_touch(bytes, 0));
	CHECK_FALSE(guarded_touch(bytes, 4 * page + 1));
	// The last byte alone is in the page that is missing.
	CHECK_FALSE(guarded_touch(bytes + page - 512, 3 * page + 513));
	CHECK_FALSE(guarded_touch(bytes + 5 * page, 1));
	munmap(map, 8 * page);
	close(fd);
}
