// SPDX-License-Identifier: Apache-2.0
// Ending a thread that sits in a blocking read() or write() of a channel.
#pragma once

#include <atomic>
#include <cstdint>
#include <pthread.h>

namespace bioscope
{

// The request to stop, shared by the threads of one channel. Any thread.
//
// The first dm-user module knows neither poll nor O_NONBLOCK, so the only thing
// that ends its read() is a signal. A signal that comes just before the call is
// lost on it: whoever stops a channel repeats interrupt() until the thread has
// ended, which needs no locking and cannot miss. (An eventfd beside poll() would
// cost a system call a batch on every channel, to help only at the end.)
class ChannelStop
{
public:
	// How long a writer goes on trying to hand over answers after the request.
	static constexpr uint64_t grace_ns = 2'000'000'000;

	// Installs the empty signal handler, once a process.
	ChannelStop();

	void request();
	bool requested() const { return give_up_ns_.load(std::memory_order_acquire) != 0; }
	// True when the grace is over too.
	bool given_up() const;

	// A real-time signal that neither libuv, V8 nor libfuse uses; channel threads
	// must not block it.
	static int wake_signal();
	// Makes a blocking system call of `thread` return EINTR. It must not be joined yet.
	static void interrupt(pthread_t thread);

private:
	std::atomic<uint64_t> give_up_ns_{0}; // 0: nobody asked
};

} // namespace bioscope
