// SPDX-License-Identifier: Apache-2.0
#include "fuse_operations.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fuse.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "fuse_file.h"

namespace bioscope
{

static constexpr fuse_ino_t file_inode = 2;
// Seconds that the kernel may rely on names and attributes: they never change.
// It must be for ever: LOOP_GET_STATUS64 asks for the attributes, and only
// cached ones let the next daemon recognise a loop device whose daemon is dead.
static constexpr double for_ever = 1e9;

static thread_local Worker *current_worker = nullptr;

void set_fuse_worker(Worker *worker)
{
	current_worker = worker;
}

// Reaches into FuseFile for its callbacks.
struct FuseOperations {
	static FuseFile &file(fuse_req_t request)
	{
		return *static_cast<FuseFile *>(fuse_req_userdata(request));
	}

	static struct stat attributes(fuse_req_t request, fuse_ino_t inode)
	{
		FuseFile &self = file(request);
		struct stat status {
		};
		status.st_ino = inode;
		status.st_uid = self.options_.owner_uid;
		status.st_gid = self.options_.owner_gid;
		status.st_mtim.tv_sec = self.mounted_at_;
		status.st_atim = status.st_ctim = status.st_mtim;
		if (inode == FUSE_ROOT_ID) {
			status.st_mode = S_IFDIR | 0500;
			status.st_nlink = 2;
		} else {
			Backend &backend = self.disk_.backend();
			status.st_mode = S_IFREG | (backend.read_only() ? 0400 : 0600);
			status.st_nlink = 1;
			status.st_size = static_cast<off_t>(backend.size());
			status.st_blocks = static_cast<blkcnt_t>(backend.size() / 512);
			status.st_blksize = 4096;
		}
		return status;
	}

	static const std::string &file_name(fuse_req_t request)
	{
		return file(request).options_.file_name;
	}

	static Backend &backend(fuse_req_t request) { return file(request).disk_.backend(); }
};

static void on_init(void *, fuse_conn_info *connection)
{
	connection->max_read = fuse_largest_transfer;
	connection->max_write = fuse_largest_transfer;
	// A loop device sends its whole queue at once; the default of 12 would make
	// the kernel hold requests back.
	connection->max_background = 1024;
	connection->congestion_threshold = 768;
	// Splicing costs more system calls than the copy it saves; O_TRUNC is to come
	// as a setattr, which can be ignored as a block device ignores it; and the
	// attributes never change behind the kernel's back.
	connection->want &= ~static_cast<unsigned>(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
						   FUSE_CAP_SPLICE_MOVE | FUSE_CAP_ATOMIC_O_TRUNC |
						   FUSE_CAP_AUTO_INVAL_DATA);
	if (connection->capable & FUSE_CAP_ASYNC_DIO)
		connection->want |= FUSE_CAP_ASYNC_DIO;
}

static void on_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	if (parent != FUSE_ROOT_ID || FuseOperations::file_name(request) != name) {
		fuse_reply_err(request, ENOENT);
		return;
	}
	fuse_entry_param entry{};
	entry.ino = file_inode;
	entry.attr = FuseOperations::attributes(request, file_inode);
	entry.attr_timeout = for_ever;
	entry.entry_timeout = for_ever;
	fuse_reply_entry(request, &entry);
}

static void on_getattr(fuse_req_t request, fuse_ino_t inode, fuse_file_info *)
{
	struct stat status = FuseOperations::attributes(request, inode);
	fuse_reply_attr(request, &status, for_ever);
}

// Nothing can be changed. Emptying the file is accepted and ignored, as a block
// device does: `dd of=` and `cp` open with O_TRUNC. So are times.
static void on_setattr(fuse_req_t request, fuse_ino_t inode, struct stat *to, int which,
		       fuse_file_info *)
{
	struct stat status = FuseOperations::attributes(request, inode);
	if ((which & FUSE_SET_ATTR_SIZE) && to->st_size != 0 && to->st_size != status.st_size) {
		fuse_reply_err(request, EINVAL);
		return;
	}
	if (which & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) {
		fuse_reply_err(request, EPERM);
		return;
	}
	fuse_reply_attr(request, &status, for_ever);
}

static void on_readdir(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset,
		       fuse_file_info *)
{
	struct Name {
		const char *name;
		fuse_ino_t inode;
	};
	const std::array<Name, 3> names{{{".", FUSE_ROOT_ID},
					 {"..", FUSE_ROOT_ID},
					 {FuseOperations::file_name(request).c_str(), file_inode}}};
	if (inode != FUSE_ROOT_ID) {
		fuse_reply_err(request, ENOTDIR);
		return;
	}
	std::array<char, 1024> buffer{};
	size_t room = std::min(size, buffer.size());
	size_t used = 0;
	for (auto i = static_cast<size_t>(offset); i < names.size(); i++) {
		struct stat status = FuseOperations::attributes(request, names[i].inode);
		size_t length =
		    fuse_add_direntry(request, buffer.data() + used, room - used, names[i].name,
				      &status, static_cast<off_t>(i) + 1);
		if (length > room - used)
			break;
		used += length;
	}
	fuse_reply_buf(request, buffer.data(), used);
}

static void on_open(fuse_req_t request, fuse_ino_t inode, fuse_file_info *info)
{
	if (inode != file_inode) {
		fuse_reply_err(request, EISDIR);
		return;
	}
	if ((info->flags & O_ACCMODE) != O_RDONLY && FuseOperations::backend(request).read_only()) {
		fuse_reply_err(request, EROFS);
		return;
	}
	// By hand: libfuse 3.14 has no field for parallel direct writes, without
	// which the kernel lets one write through at a time.
	fuse_open_out reply{};
	reply.open_flags = FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES | FOPEN_NOFLUSH;
	fuse_reply_buf(request, reinterpret_cast<const char *>(&reply), sizeof(reply));
}

// A byte range of the file, and the request for the sectors it touches.
struct Range {
	Request request;
	uint64_t offset, length;

	Range(Operation operation, uint64_t first, uint64_t bytes, uint32_t flags = 0)
	    : offset(first), length(bytes)
	{
		constexpr uint64_t sector = DM_USER_SECTOR_BYTES;
		uint64_t end = (offset + length + sector - 1) / sector * sector;
		request.operation = operation;
		request.flags = flags;
		request.sector = offset / sector;
		request.length = length == 0 ? 0 : end - request.offset();
	}

	// A payload is kept only where its bytes are those of the record's sectors.
	bool whole_sectors() const { return request.length == length; }
};

// Bytes of [offset, offset + length) that lie inside the file; 0 past its end.
static uint64_t inside(const Backend &backend, off_t offset, uint64_t length)
{
	auto start = static_cast<uint64_t>(offset);
	return start >= backend.size() ? 0 : std::min(length, backend.size() - start);
}

static void on_read(fuse_req_t request, fuse_ino_t, size_t size, off_t offset, fuse_file_info *)
{
	Worker &worker = *current_worker;
	uint64_t length = inside(FuseOperations::backend(request), offset, size);
	if (length == 0) {
		fuse_reply_buf(request, nullptr, 0); // end of file
		return;
	}
	Range range(Operation::read, static_cast<uint64_t>(offset), length);
	InFlight flight = worker.arrive(range.request);
	// The message itself was received into the same room; it is used up.
	std::span<std::byte> room = worker.arena().reserve(length);
	int error =
	    room.empty() ? ENOMEM : worker.execute_within(flight, range.offset, length, room);
	if (error)
		fuse_reply_err(request, error);
	else
		fuse_reply_buf(request, reinterpret_cast<const char *>(room.data()), length);
	if (error || !range.whole_sectors())
		room = {};
	worker.complete(flight, error, room);
}

static void on_write(fuse_req_t request, fuse_ino_t, const char *data, size_t size, off_t offset,
		     fuse_file_info *)
{
	Worker &worker = *current_worker;
	uint64_t length = inside(FuseOperations::backend(request), offset, size);
	if (length == 0) {
		fuse_reply_err(request, ENOSPC); // as at the end of a block device
		return;
	}
	Range range(Operation::write, static_cast<uint64_t>(offset), length);
	InFlight flight = worker.arrive(range.request);
	// libfuse hands out const what was received into our own room.
	auto *bytes = reinterpret_cast<std::byte *>(const_cast<char *>(data));
	std::span<std::byte> payload(bytes, length);
	int error = worker.execute_within(flight, range.offset, length, payload);
	if (error)
		fuse_reply_err(request, error);
	else
		fuse_reply_write(request, length);
	if (!range.whole_sectors())
		payload = {};
	worker.complete(flight, error, payload);
}

static void on_fsync(fuse_req_t request, fuse_ino_t, int, fuse_file_info *)
{
	Worker &worker = *current_worker;
	InFlight flight = worker.arrive(Range(Operation::flush, 0, 0).request);
	int error = worker.execute(flight, {});
	fuse_reply_err(request, error);
	worker.complete(flight, error, {});
}

static void on_fallocate(fuse_req_t request, fuse_ino_t, int mode, off_t offset, off_t length,
			 fuse_file_info *)
{
	Worker &worker = *current_worker;
	const bool punch = mode == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
	// The size is fixed, so a zero range that may extend the file must not.
	const bool zero = (mode & ~FALLOC_FL_KEEP_SIZE) == FALLOC_FL_ZERO_RANGE;
	if (!punch && !zero) {
		fuse_reply_err(request, EOPNOTSUPP);
		return;
	}
	uint64_t inner =
	    inside(FuseOperations::backend(request), offset, static_cast<uint64_t>(length));
	if (inner != static_cast<uint64_t>(length) && (zero || inner == 0)) {
		// A hole past the end is no hole; zeroes past the end would be growth.
		fuse_reply_err(request, punch ? 0 : ENOSPC);
		return;
	}
	Range range(punch ? Operation::discard : Operation::write_zeroes,
		    static_cast<uint64_t>(offset), inner, punch ? 0 : DM_USER_FLAG_NOUNMAP);
	InFlight flight = worker.arrive(range.request);
	int error = worker.execute_within(flight, range.offset, range.length, {});
	fuse_reply_err(request, error);
	worker.complete(flight, error, {});
}

static void on_statfs(fuse_req_t request, fuse_ino_t)
{
	struct statvfs status {
	};
	status.f_bsize = 512;
	status.f_frsize = 512;
	status.f_blocks = FuseOperations::backend(request).size() / 512;
	status.f_namemax = 255;
	fuse_reply_statfs(request, &status);
}

const fuse_lowlevel_ops &fuse_operations()
{
	static const fuse_lowlevel_ops operations = [] {
		fuse_lowlevel_ops made{};
		made.init = on_init;
		made.lookup = on_lookup;
		made.getattr = on_getattr;
		made.setattr = on_setattr;
		made.readdir = on_readdir;
		made.open = on_open;
		made.read = on_read;
		made.write = on_write;
		made.fsync = on_fsync;
		made.fallocate = on_fallocate;
		made.statfs = on_statfs;
		return made;
	}();
	return operations;
}

} // namespace bioscope
