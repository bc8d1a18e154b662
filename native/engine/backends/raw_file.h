// SPDX-License-Identifier: Apache-2.0
// A raw image: a regular file or a block device whose bytes are the disk's.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "../backend.h"
#include "image_window.h"

namespace bioscope
{

// If the image is cut short by somebody else while it is open (the lock is
// advisory), reading past its end is EIO and so is the next flush; writing there
// makes the file grow again, as in any file.
//
// What lies in the page cache is read and written through a window (image_window.h), all
// else, and all of a block device, by system calls. Within the page of the new end the
// window reads zeroes until the end is met: by a request behind that page, or a flush.
class RawFile : public Backend
{
public:
	// Opens and locks the image: flock for a file (exclusive when writable),
	// O_EXCL for a block device. Throws Error: EAGAIN from flock when another
	// process has it locked, EBUSY for a claimed block device, EISDIR, EINVAL for
	// other things that are not images, ENODATA when not even one sector fits.
	static std::unique_ptr<RawFile> open(const std::string &path, bool read_only);
	// The same for a file that another engine has locked still: lock() before it is used.
	static std::unique_ptr<RawFile> open_unlocked(const std::string &path, bool read_only);
	// Locks a file, and takes the size it has now. Throws as open() does, after 50 ms: one
	// that dies gives up its locks one after the other.
	void lock();
	// Gives a file's lock to the next engine. It is not used any more.
	void unlock();
	// Holds the image no longer open or mapped, though this object stays. Waits for
	// nobody: what is read meanwhile may be anything, and is_gone() afterwards; reading
	// is EIO from then on. Throws Error; it may be held still then. Any thread.
	void let_go();
	bool is_gone() const { return is_gone_.load(); }
	~RawFile() override;
	RawFile(const RawFile &) = delete;
	RawFile &operator=(const RawFile &) = delete;

	uint64_t size() const override { return size_.load(std::memory_order_relaxed); }
	bool read_only() const override { return read_only_; }
	// Bytes past the last whole sector; not part of the device, never touched.
	uint64_t tail() const { return tail_.load(std::memory_order_relaxed); }
	// The image's size as it is now, whole sectors, in bytes. Throws Error.
	uint64_t present_size() const;
	// From now on the disk has the size that the image has now; ENODATA when not even
	// one sector is left. Requests beyond it fail with EIO. Throws Error. Any thread.
	void take_present_size();
	bool block_device() const { return block_device_; }
	// Null where everything goes by system calls.
	ImageWindow *window() const { return window_.load(std::memory_order_acquire); }

	int read(uint64_t offset, std::span<std::byte> into) override;
	std::span<const std::byte> view(uint64_t offset, uint64_t length) override;
	bool has_view(uint64_t offset, uint64_t length) const override;
	int write(uint64_t offset, std::span<const std::byte> from) override;
	int flush() override;
	int discard(uint64_t offset, uint64_t length) override;
	int write_zeroes(uint64_t offset, uint64_t length, bool keep_allocated) override;

protected:
	// Takes the fd over.
	RawFile(int fd, uint64_t bytes, bool read_only, bool block_device);
	// fallocate(2); 0 or an errno. The tests replace it to play a file system
	// that cannot do it.
	virtual int allocate(int mode, uint64_t offset, uint64_t length);

	// Without the lock of a file.
	static int open_image(const std::string &path, bool read_only, uint64_t &bytes,
			      bool &block_device);

private:
	uint64_t present_bytes() const;
	int read_file(uint64_t offset, std::span<std::byte> into);
	int write_file(uint64_t offset, std::span<const std::byte> from);
	int write_zero_bytes(uint64_t offset, uint64_t length);
	void open_window(uint64_t bytes);

	const int fd_;
	std::atomic<uint64_t> size_;
	std::atomic<uint64_t> tail_;
	const bool read_only_;
	const bool block_device_;
	std::atomic<bool> is_gone_{false};
	// What the file system has refused once is not asked for again.
	std::atomic<bool> can_punch_{true};
	std::atomic<bool> can_zero_{true};
	// The last of windows_. Those before it were too small; a thread may still be using
	// one, so they stay.
	std::atomic<ImageWindow *> window_{nullptr};
	std::mutex windows_mutex_; // guards windows_
	std::vector<std::unique_ptr<ImageWindow>> windows_;
};

} // namespace bioscope
