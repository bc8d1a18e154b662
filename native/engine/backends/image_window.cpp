// SPDX-License-Identifier: Apache-2.0
#include "image_window.h"

#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "../error.h"
#include "../page_groups.h"
#include "../racing_copy.h"

namespace bioscope
{

namespace
{
// When there is too much, so much is let go of at once, to do it seldom; and no more
// chunks are looked at for it, since a request is waiting.
constexpr uint64_t room_bytes = 4 << 20;
constexpr uint64_t most_looks = 1 << 14;
// XFS's magic number is not among the kernel's public headers.
constexpr unsigned xfs_magic = 0x58465342;

// File systems whose mappings and system calls see one page cache. FUSE, 9p, CIFS and
// their like may bypass it. Of overlayfs a mapping goes on with the lower file when somebody
// else's writing puts an upper one in its place: not so where we have opened it for writing.
bool one_page_cache(unsigned type, bool read_only)
{
	if (type == OVERLAYFS_SUPER_MAGIC && read_only)
		return false;
	constexpr std::array<unsigned, 8> known{EXT4_SUPER_MAGIC,  xfs_magic,
						BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC,
						TMPFS_MAGIC,       OVERLAYFS_SUPER_MAGIC,
						MSDOS_SUPER_MAGIC, EXFAT_SUPER_MAGIC};
	return std::find(known.begin(), known.end(), type) != known.end();
}
} // namespace

// Whether mincore() tells of the file's pages: of others' files, which the process may not
// write, it says that all are there (mm/mincore.c, can_do_mincore).
static bool tells_residence(int fd, bool read_only)
{
	struct stat status {
	};
	return !read_only ||
	       (fstat(fd, &status) == 0 && (status.st_uid == geteuid() || geteuid() == 0));
}

// The first store to a clean page asks the file system (page_mkwrite), which may wait: for
// its journal, or while it is frozen. Before Linux 6.7 the memory map of the whole process
// is locked meanwhile, and with it every other disk. tmpfs is not asked.
static bool stores_block_nobody()
{
	static const bool answer = [] {
		struct utsname system {
		};
		if (uname(&system) != 0)
			return false;
		char *rest = nullptr;
		const unsigned long major = std::strtoul(system.release, &rest, 10);
		const unsigned long minor = *rest == '.' ? std::strtoul(rest + 1, nullptr, 10) : 0;
		return std::pair(major, minor) >= std::pair(6UL, 7UL);
	}();
	return answer;
}

std::unique_ptr<ImageWindow> ImageWindow::open(int fd, uint64_t bytes, bool read_only)
{
	struct statfs system {
	};
	if (fstatfs(fd, &system) != 0 ||
	    !one_page_cache(static_cast<unsigned>(system.f_type), read_only) ||
	    sysconf(_SC_PAGESIZE) != static_cast<long>(page_bytes))
		return nullptr;
	const bool in_memory = system.f_type == TMPFS_MAGIC;
	if (in_memory && !tells_residence(fd, read_only))
		return nullptr;
	bytes = std::min(bytes, most_bytes);
	catch_bus_errors();
	void *base =
	    mmap(nullptr, bytes, PROT_READ | (read_only ? 0 : PROT_WRITE), MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return nullptr;
	const uint64_t chunks = (bytes + chunk_bytes - 1) / chunk_bytes;
	const uint64_t group_memory = chunks * chunk_groups * sizeof(Group);
	void *groups = mmap(nullptr, group_memory, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (groups == MAP_FAILED) {
		munmap(base, bytes);
		return nullptr;
	}
	// A program that the process starts has no business with the image, and a core dump
	// is not to contain it.
	madvise(base, bytes, MADV_DONTFORK);
	madvise(base, bytes, MADV_DONTDUMP);
	return std::unique_ptr<ImageWindow>(
	    new ImageWindow(static_cast<std::byte *>(base), bytes, static_cast<Group *>(groups),
			    chunks, in_memory, !read_only && (in_memory || stores_block_nobody())));
}

ImageWindow::ImageWindow(std::byte *base, uint64_t bytes, Group *groups, uint64_t chunks,
			 bool in_memory, bool takes_writes)
    : base_(base), bytes_(bytes), groups_(groups), chunks_(chunks), in_memory_(in_memory),
      takes_writes_(takes_writes)
{
}

ImageWindow::~ImageWindow()
{
	munmap(base_, bytes_);
	munmap(groups_, chunks_ * chunk_groups * sizeof(Group));
}

void ImageWindow::let_go()
{
	// In its place, at once: who reads meets no memory that is not there, or another's.
	if (mmap(base_, bytes_, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
		 -1, 0) == MAP_FAILED)
		throw_error(errno, "mmap");
}

bool ImageWindow::inside(uint64_t offset, uint64_t length) const
{
	return length <= bytes_ && offset <= bytes_ - length;
}

bool ImageWindow::knows(uint64_t offset, uint64_t length) const
{
	return inside(offset, length) &&
	       each_page_group(offset, length, [this](uint64_t group, uint32_t mask, uint64_t) {
		       return (groups_[group].load(std::memory_order_relaxed) & mask) == mask;
	       });
}

uint64_t ImageWindow::resident_bytes() const
{
	return used_groups_.load(std::memory_order_relaxed) * group_bytes;
}

bool ImageWindow::read(uint64_t offset, std::span<std::byte> into)
{
	if (!knows(offset, into.size()))
		return false;
	if (guarded_copy(into.data(), base_ + offset, into.size()))
		return true;
	forget_all(); // the file may be shorter now
	return false;
}

std::span<const std::byte> ImageWindow::view(uint64_t offset, uint64_t length)
{
	if (!knows(offset, length))
		return {};
	if (guarded_touch(base_ + offset, length))
		return {base_ + offset, length};
	forget_all(); // the file may be shorter now
	return {};
}

bool ImageWindow::write(uint64_t offset, std::span<const std::byte> from)
{
	if (!takes_writes_ || (from.size() >= large_write_bytes && !in_memory_) ||
	    !knows(offset, from.size()))
		return false;
	if (guarded_copy(base_ + offset, from.data(), from.size()))
		return true;
	forget_all();
	return false;
}

void ImageWindow::was_read(uint64_t offset, uint64_t length)
{
	if (!inside(offset, length))
		return;
	if (!in_memory_) {
		mark(offset, length);
		return;
	}
	// Read from a hole of a file in memory, there is no page, and to touch the mapping
	// would make one. Asked once: what is written later is marked then.
	each_page_group(offset, length, [this](uint64_t group, uint32_t, uint64_t) {
		if ((groups_[group].load(std::memory_order_relaxed) & asked) == 0)
			ask(group);
		return true;
	});
}

void ImageWindow::was_written(uint64_t offset, uint64_t length)
{
	if (inside(offset, length))
		mark(offset, length);
}

// Marks the pages of the group that are in memory.
void ImageWindow::ask(uint64_t group)
{
	std::array<unsigned char, group_pages> pages{};
	const uint64_t start = group * group_bytes;
	const uint64_t bytes = std::min(group_bytes, bytes_ - start);
	groups_[group].fetch_or(asked, std::memory_order_relaxed);
	if (mincore(base_ + start, bytes, pages.data()) != 0)
		return;
	for (size_t index = 0; index * page_bytes < bytes; index++) {
		if (pages[index] & 1)
			mark(start + index * page_bytes, 1);
	}
}

void ImageWindow::mark(uint64_t offset, uint64_t length)
{
	uint64_t fresh = 0;
	each_page_group(offset, length, [&](uint64_t group, uint32_t mask, uint64_t) {
		// Most often it is known already, and then the line stays shared.
		if ((groups_[group].load(std::memory_order_relaxed) & mask) != mask &&
		    (groups_[group].fetch_or(mask, std::memory_order_relaxed) & known) == 0)
			fresh++;
		return true;
	});
	if (fresh == 0)
		return;
	const uint64_t used = used_groups_.fetch_add(fresh, std::memory_order_relaxed) + fresh;
	if (used * group_bytes > most_resident_bytes)
		make_room();
}

void ImageWindow::forget(uint64_t offset, uint64_t length)
{
	if (offset >= bytes_ || length == 0)
		return;
	uint64_t emptied = 0;
	each_page_group(offset, std::min(length, bytes_ - offset),
			[&](uint64_t group, uint32_t mask, uint64_t) {
				if (groups_[group].load(std::memory_order_relaxed) & mask) {
					const uint32_t before = groups_[group].fetch_and(
					    ~mask, std::memory_order_relaxed);
					if ((before & known) != 0 && (before & known & ~mask) == 0)
						emptied++;
				}
				return true;
			});
	used_groups_.fetch_sub(emptied, std::memory_order_relaxed);
}

void ImageWindow::make_room()
{
	if (making_room_.test_and_set(std::memory_order_acquire))
		return; // another thread is at it
	for (uint64_t looks = 0; looks < std::min(chunks_, most_looks) &&
				 used_groups_.load(std::memory_order_relaxed) * group_bytes >
				     most_resident_bytes - room_bytes;
	     looks++) {
		drop(hand_);
		hand_ = (hand_ + 1) % chunks_;
	}
	making_room_.clear(std::memory_order_release);
}

void ImageWindow::forget_all()
{
	for (uint64_t chunk = 0; chunk < chunks_; chunk++)
		drop(chunk);
}

// A thread that copies from or to the chunk right now meets page faults, no more.
void ImageWindow::drop(uint64_t chunk)
{
	uint64_t emptied = 0;
	for (uint64_t index = 0; index < chunk_groups; index++) {
		Group &group = groups_[chunk * chunk_groups + index];
		if (group.load(std::memory_order_relaxed) != 0 &&
		    (group.exchange(0, std::memory_order_relaxed) & known) != 0)
			emptied++;
	}
	if (emptied == 0)
		return;
	used_groups_.fetch_sub(emptied, std::memory_order_relaxed);
	const uint64_t start = chunk * chunk_bytes;
	madvise(base_ + start, std::min(chunk_bytes, bytes_ - start), MADV_DONTNEED);
}

} // namespace bioscope
