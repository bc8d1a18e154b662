// SPDX-License-Identifier: Apache-2.0
// Cuts the bytes of a dm-user channel into requests, wherever they were split.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "../../wire/dm-user.h"

namespace bioscope
{

// A whole request as it lies in the receive buffer.
struct ChannelRequest {
	dm_user_message header{};
	// Of a WRITE: its bytes, in place. They stay until the next room().
	std::span<std::byte> payload;
	// A WRITE longer than payload_limit: its bytes were read past and are lost.
	// It must be refused; the stream is still in step.
	bool oversized = false;
};

// One thread. Use: fill room(), say how much with received(), take requests with
// next() until it wants more. Memory is bounded by payload_limit whatever comes.
class DmUserParser
{
public:
	// The longest payload that is kept. The first dm-user module sets no limit
	// (32 MiB have been seen); ours splits at 1 MiB.
	static constexpr uint64_t payload_limit = 64ULL << 20;
	// A BIO's size is 32 bits: what claims more is no request, and there is no
	// telling where the next one begins.
	static constexpr uint64_t longest_bio = UINT32_MAX;
	static constexpr size_t initial_capacity = 1 << 20;

	enum class Next {
		request, // `out` is filled
		more,    // read more first
		broken,  // no dm-user stream: the channel must end
	};

	DmUserParser();

	// Where to read to; never empty. Invalidates the payloads handed out. `lent`, of a
	// header's size at least, is used where nothing is half received, until the next
	// call; what has begun in it by then goes on in memory of the parser's own.
	std::span<std::byte> room(std::span<std::byte> lent = {});
	// The first `count` bytes of the last room() are filled.
	void received(size_t count) { end_ += count; }
	Next next(ChannelRequest &out);

	// The parser's own memory as it is now, for locking it.
	std::span<std::byte> memory() { return {own_.get(), own_capacity_}; }

	// True between two requests: nothing is half received.
	bool idle() const { return begin_ == end_ && skip_left_ == 0; }

private:
	size_t available() const { return end_ - begin_; }
	// Bytes of the request at begin_, as far as they are known.
	size_t wanted() const;
	void make_room(size_t bytes);
	bool skip(ChannelRequest &out);

	std::unique_ptr<std::byte[]> own_;
	size_t own_capacity_;
	std::span<std::byte> memory_; // own_, or what was lent
	size_t begin_ = 0;            // of what is not taken yet
	size_t end_ = 0;              // of what was received
	// An oversized WRITE: its header, and how much of its payload is to come.
	dm_user_message skipped_{};
	uint64_t skip_left_ = 0;
};

} // namespace bioscope
