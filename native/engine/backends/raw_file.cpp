// SPDX-License-Identifier: Apache-2.0
#include "raw_file.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <thread>

#include "../../wire/dm-user.h"
#include "../error.h"

namespace bioscope
{

// Opens and checks. Looks before it opens: opening some special files (a tape, a pipe)
// has effects of its own.
int RawFile::open_image(const std::string &path, bool read_only, uint64_t &bytes,
			bool &block_device)
{
	struct stat status {
	};
	if (stat(path.c_str(), &status) != 0)
		throw_error(errno, "stat", path);
	if (S_ISDIR(status.st_mode))
		throw_error(EISDIR, "open", path);
	if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
		throw_error(EINVAL, "open", path);

	int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	if (S_ISBLK(status.st_mode))
		flags |= O_EXCL;
	int fd = ::open(path.c_str(), flags);
	if (fd < 0)
		throw_error(errno, "open", path);
	auto fail = [&](int error, const char *call) {
		::close(fd);
		throw_error(error, call, path);
	};
	if (fstat(fd, &status) != 0)
		fail(errno, "fstat");
	block_device = S_ISBLK(status.st_mode);
	if (block_device) {
		// Without O_EXCL (the path was exchanged between the two looks) it would
		// not be ours.
		if (!(flags & O_EXCL))
			fail(EAGAIN, "open");
		if (ioctl(fd, BLKGETSIZE64, &bytes) != 0)
			fail(errno, "BLKGETSIZE64");
	} else if (S_ISREG(status.st_mode)) {
		bytes = static_cast<uint64_t>(status.st_size);
	} else {
		fail(EINVAL, "open");
	}
	if (bytes < DM_USER_SECTOR_BYTES)
		fail(ENODATA, "size");
	return fd;
}

// 0 or an errno, EAGAIN where another process has it locked.
static int try_lock(int fd, bool read_only)
{
	// A file system without locks cannot have the image locked elsewhere.
	if (flock(fd, (read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0 && errno != EOPNOTSUPP &&
	    errno != ENOLCK && errno != ENOSYS)
		return errno;
	return 0;
}

static void lock_file(int fd, bool read_only, const std::string &path)
{
	if (int error = try_lock(fd, read_only))
		throw_error(error, "flock", path);
}

std::unique_ptr<RawFile> RawFile::open(const std::string &path, bool read_only)
{
	std::unique_ptr<RawFile> image = open_unlocked(path, read_only);
	if (!image->block_device_)
		lock_file(image->fd_, read_only, path);
	return image;
}

std::unique_ptr<RawFile> RawFile::open_unlocked(const std::string &path, bool read_only)
{
	uint64_t bytes = 0;
	bool block_device = false;
	int fd = open_image(path, read_only, bytes, block_device);
	return std::unique_ptr<RawFile>(new RawFile(fd, bytes, read_only, block_device));
}

void RawFile::lock()
{
	if (!block_device_) {
		constexpr std::chrono::milliseconds pause{1};
		for (unsigned pauses = 0; pauses < 50 && try_lock(fd_, read_only_) == EAGAIN;
		     pauses++)
			std::this_thread::sleep_for(pause);
		lock_file(fd_, read_only_, {});
	}
	take_present_size();
}

void RawFile::unlock()
{
	if (!block_device_)
		flock(fd_, LOCK_UN);
}

void RawFile::let_go()
{
	// First: who reads looks at it last.
	is_gone_ = true;
	std::lock_guard lock(windows_mutex_);
	window_.store(nullptr, std::memory_order_release);
	for (auto &window : windows_)
		window->let_go();
	// In the place of the image: its number must not become another file's.
	const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (nothing < 0)
		throw_error(errno, "open", "/dev/null");
	const int error = dup3(nothing, fd_, O_CLOEXEC) < 0 ? errno : 0;
	::close(nothing);
	if (error)
		throw_error(error, "dup3");
}

RawFile::RawFile(int fd, uint64_t bytes, bool read_only, bool block_device)
    : fd_(fd), size_(bytes - bytes % DM_USER_SECTOR_BYTES), tail_(bytes % DM_USER_SECTOR_BYTES),
      read_only_(read_only), block_device_(block_device)
{
	open_window(bytes);
}

RawFile::~RawFile()
{
	::close(fd_);
}

void RawFile::open_window(uint64_t bytes)
{
	if (block_device_)
		return;
	std::unique_ptr<ImageWindow> window = ImageWindow::open(fd_, bytes, read_only_);
	std::lock_guard lock(windows_mutex_);
	if (ImageWindow *smaller = window_.load(std::memory_order_relaxed))
		smaller->forget_all();
	window_.store(window.get(), std::memory_order_release);
	if (window)
		windows_.push_back(std::move(window));
}

uint64_t RawFile::present_bytes() const
{
	if (block_device_) {
		uint64_t bytes = 0;
		if (ioctl(fd_, BLKGETSIZE64, &bytes) != 0)
			throw_error(errno, "BLKGETSIZE64");
		return bytes;
	}
	struct stat status {
	};
	if (fstat(fd_, &status) != 0)
		throw_error(errno, "fstat");
	return static_cast<uint64_t>(status.st_size);
}

uint64_t RawFile::present_size() const
{
	const uint64_t bytes = present_bytes();
	return bytes - bytes % DM_USER_SECTOR_BYTES;
}

void RawFile::take_present_size()
{
	const uint64_t bytes = present_bytes();
	if (bytes < DM_USER_SECTOR_BYTES)
		throw_error(ENODATA, "size");
	size_.store(bytes - bytes % DM_USER_SECTOR_BYTES, std::memory_order_relaxed);
	tail_.store(bytes % DM_USER_SECTOR_BYTES, std::memory_order_relaxed);
	const ImageWindow *seen = window();
	if (seen != nullptr && seen->size() < std::min(bytes, ImageWindow::most_bytes))
		open_window(bytes);
}

int RawFile::read(uint64_t offset, std::span<std::byte> into)
{
	ImageWindow *seen = window();
	if (seen != nullptr && seen->read(offset, into))
		return 0;
	const int error = read_file(offset, into);
	if (seen != nullptr && error == 0)
		seen->was_read(offset, into.size());
	return error;
}

std::span<const std::byte> RawFile::view(uint64_t offset, uint64_t length)
{
	ImageWindow *seen = window();
	return seen == nullptr ? std::span<const std::byte>() : seen->view(offset, length);
}

bool RawFile::has_view(uint64_t offset, uint64_t length) const
{
	const ImageWindow *seen = window();
	return seen != nullptr && seen->knows(offset, length);
}

int RawFile::write(uint64_t offset, std::span<const std::byte> from)
{
	ImageWindow *seen = window();
	if (seen != nullptr && seen->write(offset, from))
		return 0;
	const int error = write_file(offset, from);
	if (seen != nullptr && error == 0)
		seen->was_written(offset, from.size());
	return error;
}

int RawFile::read_file(uint64_t offset, std::span<std::byte> into)
{
	while (!into.empty()) {
		ssize_t got = pread(fd_, into.data(), into.size(), static_cast<off_t>(offset));
		if (got < 0) {
			if (errno == EINTR)
				continue;
			return errno;
		}
		if (got == 0)
			return EIO; // cut short under us
		offset += static_cast<uint64_t>(got);
		into = into.subspan(static_cast<size_t>(got));
	}
	return 0;
}

int RawFile::write_file(uint64_t offset, std::span<const std::byte> from)
{
	while (!from.empty()) {
		ssize_t put = pwrite(fd_, from.data(), from.size(), static_cast<off_t>(offset));
		if (put < 0) {
			if (errno == EINTR)
				continue;
			return errno;
		}
		if (put == 0)
			return EIO;
		offset += static_cast<uint64_t>(put);
		from = from.subspan(static_cast<size_t>(put));
	}
	return 0;
}

int RawFile::flush()
{
	while (fdatasync(fd_) != 0) {
		if (errno != EINTR)
			return errno;
	}
	if (block_device_)
		return 0;
	// Durable is what there is; if the end of it is gone, say so.
	struct stat status {
	};
	if (fstat(fd_, &status) != 0)
		return errno;
	if (static_cast<uint64_t>(status.st_size) >= size_)
		return 0;
	if (ImageWindow *seen = window())
		seen->forget_all(); // of its last page more is mapped than is in the file
	return EIO;
}

int RawFile::allocate(int mode, uint64_t offset, uint64_t length)
{
	while (fallocate(fd_, mode, static_cast<off_t>(offset), static_cast<off_t>(length)) != 0) {
		if (errno != EINTR)
			return errno;
	}
	return 0;
}

// The fallback that always works. Written bytes are allocated bytes, too.
int RawFile::write_zero_bytes(uint64_t offset, uint64_t length)
{
	static const std::array<std::byte, 65536> zeroes{};
	while (length > 0) {
		std::array<iovec, 16> parts{};
		int count = 0;
		uint64_t left = length;
		while (count < static_cast<int>(parts.size()) && left > 0) {
			size_t bytes = std::min<uint64_t>(left, zeroes.size());
			parts[static_cast<size_t>(count++)] = {
			    const_cast<std::byte *>(zeroes.data()), bytes};
			left -= bytes;
		}
		ssize_t put = pwritev(fd_, parts.data(), count, static_cast<off_t>(offset));
		if (put < 0) {
			if (errno == EINTR)
				continue;
			return errno;
		}
		if (put == 0)
			return EIO;
		offset += static_cast<uint64_t>(put);
		length -= static_cast<uint64_t>(put);
	}
	return 0;
}

// EINVAL is a block device's word for a range that does not fit its own blocks.
static bool refused(int error)
{
	return error == EOPNOTSUPP || error == ENOSYS || error == EINVAL || error == ENODEV;
}

// A discarded range must read as zeroes: the loop driver turns a WRITE_ZEROES
// that may unmap into the same hole punch, and mkfs believes the result. So not
// BLKDISCARD, which promises nothing; on a block device the kernel does a hole
// punch only by a command that leaves zeroes.
int RawFile::discard(uint64_t offset, uint64_t length)
{
	if (length == 0)
		return 0;
	if (can_punch_.load(std::memory_order_relaxed)) {
		int error = allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
		if (ImageWindow *seen = window())
			seen->forget(offset, length);
		if (!refused(error))
			return error;
		if (error != EINVAL)
			can_punch_.store(false, std::memory_order_relaxed);
	}
	return write_zeroes(offset, length, true);
}

int RawFile::write_zeroes(uint64_t offset, uint64_t length, bool keep_allocated)
{
	if (length == 0)
		return 0;
	if (!keep_allocated && can_punch_.load(std::memory_order_relaxed))
		return discard(offset, length);
	if (can_zero_.load(std::memory_order_relaxed)) {
		int error = allocate(FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, offset, length);
		if (ImageWindow *seen = window())
			seen->forget(offset, length);
		if (!refused(error))
			return error;
		if (error != EINVAL)
			can_zero_.store(false, std::memory_order_relaxed);
	}
	return write_zero_bytes(offset, length);
}

} // namespace bioscope
