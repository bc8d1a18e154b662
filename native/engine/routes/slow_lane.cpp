// SPDX-License-Identifier: Apache-2.0
#include "slow_lane.h"

#include <new>

#include "../serving_thread.h"

namespace bioscope
{

SlowLane::SlowLane(Worker &worker, ReplySender &sender) : worker_(worker), sender_(sender)
{
}

SlowLane::~SlowLane()
{
	finish();
	if (thread_.joinable())
		thread_.join();
}

void SlowLane::start()
{
	done_ = false;
	try {
		thread_ = std::thread(&SlowLane::run, this);
	} catch (...) {
		done_ = true;
		throw;
	}
}

bool SlowLane::submit(const dm_user_message &header, const InFlight &flight,
		      std::span<const std::byte> payload)
try {
	std::vector<std::byte> copy(payload.begin(), payload.end());
	std::unique_lock lock(mutex_);
	changed_.wait(lock, [&] {
		return queue_.empty() || (queue_.size() < longest_queue &&
					  queued_bytes_ + copy.size() <= largest_queue);
	});
	size_t bytes = copy.size();
	queue_.push_back({header, flight, std::move(copy)});
	queued_bytes_ += bytes;
	changed_.notify_all();
	return true;
} catch (const std::bad_alloc &) {
	return false;
}

void SlowLane::finish()
{
	std::unique_lock lock(mutex_);
	finishing_ = true;
	changed_.notify_all();
	changed_.wait(lock, [&] { return done_; });
}

void SlowLane::interrupt()
{
	if (thread_.joinable())
		ChannelStop::interrupt(thread_.native_handle());
}

void SlowLane::run()
{
	pthread_setname_np(pthread_self(), "channel-slow");
	become_serving_thread();
	std::unique_lock lock(mutex_);
	for (;;) {
		changed_.wait(lock, [&] { return finishing_ || !queue_.empty(); });
		if (queue_.empty())
			break;
		Entry entry = std::move(queue_.front());
		queue_.pop_front();
		queued_bytes_ -= entry.payload.size();
		changed_.notify_all();
		lock.unlock();
		serve(entry);
		lock.lock();
	}
	done_ = true;
	changed_.notify_all();
}

void SlowLane::serve(Entry &entry)
{
	int error = worker_.execute(entry.flight, entry.payload);
	dm_user_message reply = reply_header(entry.header, error);
	iovec piece{&reply, sizeof(reply)};
	// A failed write also fails the next one of the channel's own thread, which
	// ends the channel; the request itself was done, and the record says so.
	sender_.send({&piece, 1});
	worker_.complete(entry.flight, error, entry.payload);
}

} // namespace bioscope
