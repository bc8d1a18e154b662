// SPDX-License-Identifier: Apache-2.0
#include "fuse_file.h"

#include <pthread.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <exception>
#include <utility>

#include "../error.h"
#include "../serving_thread.h"
#include "fuse_operations.h"

namespace bioscope
{

// Where a message is received in the room: its two headers (40 bytes each for a
// write) end, and the payload begins, on a cache line.
static constexpr size_t message_offset = 128 - 80;
static constexpr size_t message_room = PayloadArena::largest_room - message_offset;

FuseFile::FuseFile(Disk &disk, FuseFileOptions options) : disk_(disk), options_(std::move(options))
{
}

FuseFile::~FuseFile()
{
	stop();
}

// fusermount3 is run by libfuse; as root, it mounts by itself.
void FuseFile::open_session()
{
	auto refuse = [this](int error, const char *call, const std::string &path) {
		if (options_.fd >= 0)
			::close(options_.fd);
		options_.fd = -1;
		throw_error(error, call, path);
	};
	std::string name = "bioscope";
	std::string values = "-omax_read=" + std::to_string(fuse_largest_transfer);
	std::string more = "-ofsname=bioscope,subtype=bioscope,default_permissions,noatime";
	std::array<char *, 3> arguments{name.data(), values.data(), more.data()};
	// With an fd these are the business of whoever mounted it.
	fuse_args parsed = FUSE_ARGS_INIT(options_.fd >= 0 ? 2 : 3, arguments.data());
	session_ = fuse_session_new(&parsed, &fuse_operations(), sizeof(fuse_lowlevel_ops), this);
	fuse_opt_free_args(&parsed);
	if (!session_)
		refuse(ENOMEM, "fuse_session_new", {});
	std::string where =
	    options_.fd >= 0 ? "/dev/fd/" + std::to_string(options_.fd) : options_.directory;
	errno = 0;
	if (fuse_session_mount(session_, where.c_str()) != 0) {
		int error = errno;
		fuse_session_destroy(session_);
		session_ = nullptr;
		// libfuse and fusermount3 explain themselves on stderr only.
		refuse(error ? error : EPERM, "fusermount3", options_.directory);
	}
	fd_ = fuse_session_fd(session_);
}

void FuseFile::close_session()
{
	if (!session_)
		return;
	if (options_.fd < 0)
		fuse_session_unmount(session_);
	// Closes the fd; the kernel aborts the connection with its last one.
	fuse_session_destroy(session_);
	session_ = nullptr;
	fd_ = -1;
}

void FuseFile::start_threads()
{
	// stop() may be called at any time: before this it forbids the start, after
	// it finds all threads.
	std::lock_guard once(stopping_);
	if (stop_.requested()) {
		if (options_.fd >= 0)
			::close(options_.fd);
		throw_error(ECANCELED, "start");
	}
	open_session();
	mounted_at_ = time(nullptr);
	// Signals are for the program that the engine is in, not for its threads,
	// except for the one that ends a thread's wait.
	sigset_t all, before;
	sigfillset(&all);
	for (int own : {ChannelStop::wake_signal(), SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT})
		sigdelset(&all, own);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	std::lock_guard lock(mutex_);
	try {
		for (unsigned index = 0; index < disk_.worker_count(); index++) {
			threads_.emplace_back(&FuseFile::run, this, index);
			running_++;
		}
	} catch (const std::system_error &error) {
		failure_ = error.what();
		stop_.request(); // those that are there already end, and start() sees it
	}
	pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void FuseFile::start()
{
	start_threads();
	std::unique_lock lock(mutex_);
	changed_.wait(lock, [this] { return initialized_.load() || running_ == 0; });
	if (!initialized_.load()) {
		std::string why = failure_;
		lock.unlock();
		stop();
		throw_error(ENOTCONN, "FUSE_INIT", why.empty() ? options_.directory : why);
	}
}

void FuseFile::stop()
{
	std::lock_guard once(stopping_);
	stop_.request();
	// See ChannelStop: a signal may come just before the read() it is to end, so
	// it is repeated until the threads are gone.
	std::unique_lock lock(mutex_);
	while (running_ > 0) {
		for (std::thread &thread : threads_)
			ChannelStop::interrupt(thread.native_handle());
		changed_.wait_for(lock, std::chrono::milliseconds(10));
	}
	lock.unlock();
	for (std::thread &thread : threads_)
		thread.join();
	threads_.clear();
	close_session();
}

void FuseFile::run(unsigned index)
{
	Worker &worker = disk_.worker(index);
	std::array<char, 16> name{};
	snprintf(name.data(), name.size(), "fuse-%u", index);
	pthread_setname_np(pthread_self(), name.data());
	set_fuse_worker(&worker);
	drop_memory_keys();
	try {
		while (!stop_.requested() && serve(worker)) {
		}
	} catch (const std::exception &error) {
		fail(error.what());
	}
	thread_ended();
}

bool FuseFile::serve(Worker &worker)
{
	// libfuse's own loops receive into memory of libfuse's; this one receives
	// where the payload stays.
	std::span<std::byte> room = worker.arena().reserve(PayloadArena::largest_room);
	std::byte *start = room.data() + message_offset;
	ssize_t got = read(fd_, start, message_room);
	if (got < 0) {
		switch (errno) {
		case EINTR:
		case EAGAIN:
		case ENOENT: // the request was interrupted before we took it
			return true;
		// Unmounted, and the last user has gone. ECONNABORTED is the same, met with
		// a request in hand, such as that user's RELEASE (fs/fuse/dev.c,
		// fuse_dev_do_read); an abort could only be told from it with
		// FUSE_ABORT_ERROR, which libfuse does not ask for.
		case ENODEV:
		case ECONNABORTED:
			return false;
		default:
			fail(std::string("reading /dev/fuse: ") + std::strerror(errno));
			return false;
		}
	}
	fuse_buf message{};
	message.size = static_cast<size_t>(got);
	message.mem = start;
	fuse_session_process_buf(session_, &message);
	// The kernel sends nothing else before its FUSE_INIT is answered.
	if (!initialized_.load(std::memory_order_relaxed)) {
		if (fuse_session_exited(session_)) {
			fail("the kernel's FUSE and libfuse do not go together");
			return false;
		}
		initialized();
	}
	return true;
}

void FuseFile::initialized()
{
	std::lock_guard lock(mutex_);
	initialized_.store(true, std::memory_order_relaxed);
	changed_.notify_all();
}

void FuseFile::fail(const std::string &why)
{
	std::lock_guard lock(mutex_);
	if (failure_.empty())
		failure_ = why;
}

void FuseFile::thread_ended()
{
	std::unique_lock lock(mutex_);
	// If only this one failed (no memory), the others go on serving.
	bool last = --running_ == 0;
	std::string why = failure_;
	changed_.notify_all();
	lock.unlock();
	// The thread is joined before this object goes.
	if (last && initialized_.load(std::memory_order_relaxed) && options_.on_end)
		options_.on_end(why);
}

} // namespace bioscope
