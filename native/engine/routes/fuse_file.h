// SPDX-License-Identifier: Apache-2.0
// The fuse-loop route: a FUSE file system of one file, which a loop device with
// direct I/O turns into a block device.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <sys/types.h>
#include <thread>
#include <vector>

#include "../disk.h"
#include "channel_stop.h"
#include "route.h"

struct fuse_session;

namespace bioscope
{

struct FuseFileOptions {
	// An fd of /dev/fuse that is mounted already (owned by the route from the
	// call of start() on), or -1: then fusermount3 mounts on `directory`.
	int fd = -1;
	std::string directory;
	std::string file_name; // no slash
	uid_t owner_uid = 0;
	gid_t owner_gid = 0;
	// Called once, by the last thread as it ends: empty when the file was
	// unmounted or the route stopped, else what went wrong.
	std::function<void(const std::string &)> on_end;
};

// How the file's requests appear in the trace:
//
//	FUSE                    as it comes from the loop driver   operation
//	READ                    read                               read
//	WRITE                   write                              write
//	FSYNC                   flush (loop has no FUA: the block  flush
//	                        layer sends a flush instead)
//	FALLOCATE punch hole    discard, and write zeroes that     discard
//	                        may unmap: loop does not tell
//	FALLOCATE zero range    write zeroes, NOUNMAP              write_zeroes + NOUNMAP
//
// LOOKUP, GETATTR, OPEN and their like are not block requests and not traced;
// the kernel caches them for good. A loop device passes whole sectors only; a
// program that works on the file itself may read and write any bytes: its record
// names the sectors it touched, and its payload, which would not fit them, is
// not kept. The other flags of a BIO do not survive the loop driver.
//
// One thread per worker of the disk; each serves one request at a time, from the
// read() of /dev/fuse to the reply.
class FuseFile final : public Route
{
public:
	FuseFile(Disk &disk, FuseFileOptions options);
	// Stops. The disk must outlive it.
	~FuseFile() override;
	FuseFile(const FuseFile &) = delete;
	FuseFile &operator=(const FuseFile &) = delete;

	// Mounts where needed, starts the threads and returns once the kernel's
	// FUSE_INIT is answered, so that the file can be opened. Once. Throws Error;
	// nothing is left mounted then, and the fd is closed.
	void start() override;

	// Ends the threads, each after the request it is serving, and closes the
	// connection: what the kernel still had queued fails with ECONNABORTED. Any
	// thread but the route's own; idempotent.
	void stop() override;

private:
	friend struct FuseOperations;

	void start_threads();
	void open_session();
	void close_session();
	void run(unsigned index);
	// One message. False when the thread is to end.
	bool serve(Worker &worker);
	void initialized();
	void thread_ended();
	void fail(const std::string &why);

	Disk &disk_;
	FuseFileOptions options_;
	ChannelStop stop_;
	fuse_session *session_ = nullptr;
	int fd_ = -1;
	int64_t mounted_at_ = 0; // seconds since 1970: the file's times
	std::vector<std::thread> threads_;
	std::mutex stopping_; // held by the one that ends the threads

	// Set once; looked at after each message, so not under the lock.
	std::atomic<bool> initialized_{false};
	std::mutex mutex_; // guards what follows
	std::condition_variable changed_;
	unsigned running_ = 0;
	std::string failure_;
};

} // namespace bioscope
