// SPDX-License-Identifier: Apache-2.0
// An image file mapped into memory: what lies in the page cache is copied from and to it
// without a system call.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "../page_groups.h"

namespace bioscope
{

// The window knows, page by page, what an earlier pread() or pwrite() has brought into the
// page cache, and serves nothing else: what is not there yet comes in by pread(), with the
// file system's reading ahead, and a whole page is written without being read first.
//
// What it knows is only a hint. Where a page has gone since, the copy takes longer; where
// it cannot be had at all (cut short, no room, an error of the disk), the answer is "no",
// and the system call that the caller then makes says what is wrong.
//
// Pages that it maps count as the process's own (RSS), by which the kernel chooses whom to
// end for want of memory: beyond most_resident_bytes it lets go of some, each in its turn.
// Their page tables stay (before Linux 6.14), 4 KiB for 2 MiB: hence most_bytes.
//
// A file that somebody cuts short within a page keeps the rest of that page, zeroed, in
// memory: what lies there is read as zeroes, and written without effect, until the window
// meets the file's end or RawFile::flush() does. Beyond that page it is met at once.
//
// Every function may be called by any number of threads at once.
class ImageWindow
{
public:
	static constexpr uint64_t page_bytes = bioscope::page_bytes;
	static constexpr uint64_t most_resident_bytes = 256 << 20;
	// Of a file that is larger, the rest goes by system calls.
	static constexpr uint64_t most_bytes = 64ULL << 30;
	// On a file system that writes pages back, the first store to a clean page costs a
	// page fault each; from here on a pwrite(), which takes many pages at a time, is
	// the faster.
	static constexpr size_t large_write_bytes = 64 << 10;

	// Of the first `bytes` of `fd`, a regular file, which may be closed afterwards; of
	// most_bytes at most. Null where it cannot be mapped, or where the file system is not
	// known to keep one page cache for read(), write() and mappings.
	static std::unique_ptr<ImageWindow> open(int fd, uint64_t bytes, bool read_only);
	~ImageWindow();
	ImageWindow(const ImageWindow &) = delete;
	ImageWindow &operator=(const ImageWindow &) = delete;

	uint64_t size() const { return bytes_; }

	// The whole range, or false: it is not known to be in the page cache, or does not lie
	// in the window, or could not be had. After false any part may have been copied.
	bool read(uint64_t offset, std::span<std::byte> into);
	bool write(uint64_t offset, std::span<const std::byte> from);
	// Where the whole range lies, or empty, as read() says false. All of it could be had a
	// moment ago.
	std::span<const std::byte> view(uint64_t offset, uint64_t length);

	// A pread() or pwrite() of the range has succeeded.
	void was_read(uint64_t offset, uint64_t length);
	void was_written(uint64_t offset, uint64_t length);
	// The range was given back to the file system, or is not to be served any more.
	void forget(uint64_t offset, uint64_t length);
	// Lets go of everything: nothing is resident, but for what is being copied.
	void forget_all();

	// Maps the file no longer: what is read is anything, and nothing may be written any
	// more. Throws Error, and maps it still.
	void let_go();

	// True if the whole range would be served.
	bool knows(uint64_t offset, uint64_t length) const;
	// What may be resident, at most, by what the window knows.
	uint64_t resident_bytes() const;

private:
	// The pages of 64 KiB, as the kernel maps them around a fault: a bit for each that is
	// known, and one that says that the kernel was asked which are there.
	using Group = std::atomic<uint32_t>;
	static constexpr uint32_t known = (1U << group_pages) - 1;
	static constexpr uint32_t asked = 1U << group_pages;
	static constexpr uint64_t group_bytes = group_pages * page_bytes;
	// What is let go of at a time: two cache lines of groups.
	static constexpr uint64_t chunk_groups = 32;
	static constexpr uint64_t chunk_bytes = chunk_groups * group_bytes;

	ImageWindow(std::byte *base, uint64_t bytes, Group *groups, uint64_t chunks, bool in_memory,
		    bool takes_writes);

	bool inside(uint64_t offset, uint64_t length) const;
	void mark(uint64_t offset, uint64_t length);
	void ask(uint64_t group);
	void make_room();
	void drop(uint64_t chunk);

	std::byte *const base_;
	const uint64_t bytes_;
	Group *const groups_; // a mapping of its own: pages of it that say nothing take no memory
	const uint64_t chunks_;
	const bool in_memory_; // tmpfs: no writing back, and a mapped hole takes memory
	const bool takes_writes_;
	std::atomic<uint64_t> used_groups_{0}; // that know of any page
	std::atomic_flag making_room_{};       // guards hand_
	uint64_t hand_ = 0;                    // the chunk to be let go of next
};

} // namespace bioscope
