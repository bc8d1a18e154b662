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
    : buffer_(std::make_unique_for_overwrite<std::byte[]>(initial_capacity)),
      capacity_(initial_capacity)
{
}

size_t DmUserParser::wanted() const
{
	if (available() < DM_USER_HEADER_BYTES)
		return DM_USER_HEADER_BYTES;
	dm_user_message header;
	std::memcpy(&header, buffer_.get() + begin_, sizeof(header));
	// next() has taken longer ones as oversized before room() is called.
	return DM_USER_HEADER_BYTES + std::min(payload_of(header), payload_limit);
}

void DmUserParser::make_room(size_t bytes)
{
	size_t capacity = std::max(bytes, initial_capacity);
	if (capacity > capacity_) {
		auto larger = std::make_unique_for_overwrite<std::byte[]>(capacity);
		std::memcpy(larger.get(), buffer_.get() + begin_, available());
		buffer_ = std::move(larger);
		capacity_ = capacity;
	} else {
		std::memmove(buffer_.get(), buffer_.get() + begin_, available());
	}
	end_ -= begin_;
	begin_ = 0;
}

std::span<std::byte> DmUserParser::room()
{
	if (begin_ == end_) {
		begin_ = end_ = 0;
		if (capacity_ > initial_capacity) {
			// One huge request must not cost its memory for ever.
			buffer_ = std::make_unique_for_overwrite<std::byte[]>(initial_capacity);
			capacity_ = initial_capacity;
		}
	}
	size_t bytes = wanted();
	bool fits = capacity_ - begin_ >= bytes;
	bool cramped = capacity_ - end_ < least_room && available() < least_room;
	if (!fits || (cramped && begin_ > 0))
		make_room(bytes);
	return {buffer_.get() + end_, capacity_ - end_};
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
	std::memcpy(&header, buffer_.get() + begin_, sizeof(header));
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
	       .payload = {buffer_.get() + begin_ + DM_USER_HEADER_BYTES, payload},
	       .oversized = false};
	begin_ += DM_USER_HEADER_BYTES + payload;
	return Next::request;
}

} // namespace bioscope
