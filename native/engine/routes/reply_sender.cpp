// SPDX-License-Identifier: Apache-2.0
#include "reply_sender.h"

#include <algorithm>
#include <cerrno>

namespace bioscope
{

namespace
{
// How long a full descriptor is waited for before a look at the stop request.
constexpr int wait_ms = 100;
} // namespace

int ReplySender::send(std::span<iovec> pieces)
{
	std::lock_guard lock(mutex_);
	if (failure_ == 0)
		failure_ = send_locked(pieces);
	return failure_;
}

int ReplySender::send_locked(std::span<iovec> pieces)
{
	while (!pieces.empty()) {
		ssize_t written = port_.write(pieces);
		if (written < 0) {
			int error = errno;
			if (error != EINTR && error != EAGAIN)
				return error;
			// The device always takes an answer; a socket whose peer does not
			// read would hold a stop for ever.
			if (stop_.given_up())
				return ECANCELED;
			if (error == EAGAIN)
				port_.wait(false, wait_ms);
			continue;
		}
		if (written == 0)
			return EIO; // no progress, no reason: not worth a busy loop
		auto left = static_cast<size_t>(written);
		while (!pieces.empty() && left >= pieces[0].iov_len) {
			left -= pieces[0].iov_len;
			pieces = pieces.subspan(1);
		}
		if (left > 0) {
			pieces[0].iov_base = static_cast<std::byte *>(pieces[0].iov_base) + left;
			pieces[0].iov_len -= left;
		}
	}
	return 0;
}

dm_user_message reply_header(const dm_user_message &request, int error)
{
	dm_user_message reply{};
	reply.sequence = request.sequence;
	reply.sector = request.sector;
	if (error == 0) {
		reply.type = DM_USER_RESPONSE_SUCCESS;
		if (request.type == DM_USER_REQUEST_READ)
			reply.length = request.length;
	} else {
		reply.type =
		    error == EOPNOTSUPP ? DM_USER_RESPONSE_UNSUPPORTED : DM_USER_RESPONSE_ERROR;
	}
	return reply;
}

void ReplyBatch::add(const dm_user_message &header, std::span<const std::byte> data)
{
	headers_[count_] = header;
	auto append = [&](const void *address, size_t length) {
		// What lies side by side in memory goes out as one piece.
		if (piece_count_ > 0) {
			iovec &last = pieces_[piece_count_ - 1];
			if (static_cast<std::byte *>(last.iov_base) + last.iov_len == address) {
				last.iov_len += length;
				return;
			}
		}
		pieces_[piece_count_++] = {const_cast<void *>(address), length};
	};
	append(&headers_[count_++], sizeof(dm_user_message));
	if (!data.empty())
		append(data.data(), data.size());
}

int ReplyBatch::send(ReplySender &sender)
{
	if (count_ == 0)
		return 0;
	int error = sender.send(std::span(pieces_.data(), piece_count_));
	count_ = piece_count_ = 0;
	return error;
}

} // namespace bioscope
