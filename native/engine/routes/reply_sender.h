// SPDX-License-Identifier: Apache-2.0
// Writes answers to a channel: many in one system call, never one inside another.
#pragma once

#include <array>
#include <cstddef>
#include <mutex>
#include <span>
#include <sys/uio.h>

#include "../../wire/dm-user.h"
#include "channel_port.h"
#include "channel_stop.h"

namespace bioscope
{

// Shared by the threads of one channel; send() may be called by any of them.
class ReplySender
{
public:
	ReplySender(ChannelPort &port, const ChannelStop &stop) : port_(port), stop_(stop) {}

	// Writes all of `pieces` (whole answers; changed on the way) with nothing of
	// another thread between them. Blocks. Returns 0 or a positive errno; after a
	// failure the stream is cut somewhere, so every later call fails the same way.
	int send(std::span<iovec> pieces);

private:
	int send_locked(std::span<iovec> pieces);

	ChannelPort &port_;
	const ChannelStop &stop_;
	std::mutex mutex_;
	int failure_ = 0; // guarded by mutex_
};

// The answer to `request` for an errno of the engine (0: success).
dm_user_message reply_header(const dm_user_message &request, int error);

// Answers gathered by one thread. `data` must stay until they are sent.
class ReplyBatch
{
public:
	static constexpr size_t capacity = 256;

	void add(const dm_user_message &header, std::span<const std::byte> data);
	size_t size() const { return count_; }
	bool full() const { return count_ == capacity; }
	// Sends what is there and is empty afterwards. Returns 0 or an errno.
	int send(ReplySender &sender);

private:
	std::array<dm_user_message, capacity> headers_;
	std::array<iovec, capacity * 2> pieces_;
	size_t count_ = 0;
	size_t piece_count_ = 0;
};

} // namespace bioscope
