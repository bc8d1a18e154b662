// SPDX-License-Identifier: Apache-2.0
// The second thread of a channel: what may take long (flush, discard, zeroes,
// forced-unit-access writes) is done here, so that reads and writes that came
// later do not wait behind it. Answers leave in whatever order they are ready.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "../disk.h"
#include "channel_stop.h"
#include "reply_sender.h"

namespace bioscope
{

class SlowLane
{
public:
	// Requests that may wait here; submit() blocks when there are more.
	static constexpr size_t longest_queue = 256;
	// The same for the payloads that wait, in bytes; one is always let in.
	static constexpr size_t largest_queue = 64 << 20;

	// `worker` belongs to this lane's thread. Nothing runs before start().
	SlowLane(Worker &worker, ReplySender &sender);
	~SlowLane(); // finish(), and the thread is gone
	SlowLane(const SlowLane &) = delete;
	SlowLane &operator=(const SlowLane &) = delete;

	void start(); // throws std::system_error
	// Copies the payload; false if there is no memory for it. Called by the
	// channel's own thread alone.
	bool submit(const dm_user_message &header, const InFlight &flight,
		    std::span<const std::byte> payload);
	// Serves what was submitted and ends the thread; returns when it has.
	// Called by the channel's own thread, or by the destructor.
	void finish();
	// Makes a blocked write return; any thread, between start() and the destructor.
	void interrupt();

private:
	struct Entry {
		dm_user_message header;
		InFlight flight;
		std::vector<std::byte> payload;
	};

	void run();
	void serve(Entry &entry);

	Worker &worker_;
	ReplySender &sender_;
	std::thread thread_;
	std::mutex mutex_;
	std::condition_variable changed_;
	std::deque<Entry> queue_; // this and what follows: guarded by mutex_
	size_t queued_bytes_ = 0;
	bool finishing_ = false;
	bool done_ = true;
};

} // namespace bioscope
