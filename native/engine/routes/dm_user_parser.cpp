// SPDX-License-Identifier: Apache-2.0
#include "dm_user_parser.h"

#include <algorithm>
#include <cstring>

namespace bioscope
{

namespace
{
// A read shorter than this would give away batching, so the rest of a small
// message is moved to the front first.
constexpr size_t least_room = 64 << 10;

uint64_t payload_of(const dm_user_message &header)
{
	return header.type == DM_USER_REQUEST_WRITE ? header.length : 0;
}
} // namespace

DmUserParser::DmUserParser()
    : own_(std::make_unique_for_overwrite<std::byte[]>(initial_capacity)),
      own_capacity_(initial_capacity), memory_(memory())
{
}

size_t DmUserParser::wanted() const
{
	if (available() < DM_USER_HEADER_BYTES)
		return DM_USER_HEADER_BYTES;
	dm_user_message header;
	std::memcpy(&header, memory_.data() + begin_, sizeof(header));
	// next() has taken longer ones as oversized before room() is called.
	return DM_USER_HEADER_BYTES + std::min(payload_of(header), payload_limit);
}

// Moves what is not taken yet to the front of the parser's own memory.
void DmUserParser::make_room(size_t bytes)
{
	size_t capacity = std::max(bytes, initial_capacity);
	const std::byte *from = memory_.data() + begin_;
	if (capacity > own_capacity_) {
		auto larger = std::make_unique_for_overwrite<std::byte[]>(capacity);
		std::memcpy(larger.get(), from, available());
		own_ = std::move(larger);
		own_capacity_ = capacity;
	} else {
		std::memmove(own_.get(), from, available());
	}
	memory_ = memory();
	end_ -= begin_;
	begin_ = 0;
}

std::span<std::byte> DmUserParser::room(std::span<std::byte> lent)
{
	if (begin_ == end_) {
		begin_ = end_ = 0;
		if (own_capacity_ > initial_capacity) {
			// One huge request must not cost its memory for ever.
			own_ = std::make_unique_for_overwrite<std::byte[]>(initial_capacity);
			own_capacity_ = initial_capacity;
		}
		memory_ = lent.empty() ? memory() : lent;
		return memory_;
	}
	size_t bytes = wanted();
	bool is_lent = memory_.data() != own_.get();
	bool fits = memory_.size() - begin_ >= bytes;
	bool cramped = memory_.size() - end_ < least_room && available() < least_room;
	if (is_lent || !fits || (cramped && begin_ > 0))
		make_room(bytes);
	return memory_.subspan(end_);
}

bool DmUserParser::skip(ChannelRequest &out)
{
	size_t taken = std::min<uint64_t>(available(), skip_left_);
	begin_ += taken;
	skip_left_ -= taken;
	if (skip_left_ > 0)
		return false;
	out = {.header = skipped_, .payload = {}, .oversized = true};
	return true;
}

DmUserParser::Next DmUserParser::next(ChannelRequest &out)
{
	if (skip_left_ > 0)
		return skip(out) ? Next::request : Next::more;
	if (available() < DM_USER_HEADER_BYTES)
		return Next::more;
	dm_user_message header;
	std::memcpy(&header, memory_.data() + begin_, sizeof(header));
	uint64_t payload = payload_of(header);
	if (payload > longest_bio)
		return Next::broken;
	if (payload > payload_limit) {
		begin_ += DM_USER_HEADER_BYTES;
		skipped_ = header;
		skip_left_ = payload;
		return skip(out) ? Next::request : Next::more;
	}
	if (available() - DM_USER_HEADER_BYTES < payload)
		return Next::more;
	out = {.header = header,
	       .payload = {memory_.data() + begin_ + DM_USER_HEADER_BYTES, payload},
	       .oversized = false};
	begin_ += DM_USER_HEADER_BYTES + payload;
	return Next::request;
}

} // namespace bioscope
