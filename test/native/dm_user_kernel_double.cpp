// SPDX-License-Identifier: Apache-2.0
#include "dm_user_kernel_double.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

namespace bioscope_test
{

namespace
{
[[noreturn]] void fail(const char *call)
{
	throw std::system_error(errno, std::generic_category(), call);
}

void write_all(int descriptor, std::span<const std::byte> bytes)
{
	while (!bytes.empty()) {
		ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0 && errno == EAGAIN) {
			pollfd entry{descriptor, POLLOUT, 0};
			::poll(&entry, 1, 1000);
			continue;
		}
		if (written < 0)
			fail("write to the channel");
		bytes = bytes.subspan(static_cast<size_t>(written));
	}
}

void close_once(int &descriptor)
{
	if (descriptor >= 0)
		::close(descriptor);
	descriptor = -1;
}
} // namespace

PacedPort::PacedPort(std::unique_ptr<bioscope::ChannelPort> inner, Pacing pacing, bool gone,
		     uint32_t seed)
    : inner_(std::move(inner)), pacing_(pacing), gone_(gone), read_random_(seed),
      write_random_(seed + 1)
{
}

size_t PacedPort::limit(std::mt19937 &random, size_t piece, size_t room) const
{
	switch (pacing_) {
	case Pacing::batched:
		return room;
	case Pacing::seed:
		return std::min(piece, room);
	case Pacing::bytewise:
		return 1;
	case Pacing::random:
		return std::min<size_t>(std::uniform_int_distribution<size_t>(1, 97)(random), room);
	}
	return room;
}

// Keeps track of where in a message the reader is.
void PacedPort::follow(std::span<const std::byte> bytes)
{
	while (!bytes.empty()) {
		if (payload_left_ > 0) {
			size_t taken = std::min<uint64_t>(bytes.size(), payload_left_);
			payload_left_ -= taken;
			bytes = bytes.subspan(taken);
			continue;
		}
		size_t taken = std::min(bytes.size(), sizeof(dm_user_message) - header_.size());
		header_.insert(header_.end(), bytes.begin(), bytes.begin() + taken);
		bytes = bytes.subspan(taken);
		if (header_.size() == sizeof(dm_user_message)) {
			dm_user_message header;
			std::memcpy(&header, header_.data(), sizeof(header));
			if (header.type == DM_USER_REQUEST_WRITE)
				payload_left_ = header.length;
			header_.clear();
		}
	}
}

ssize_t PacedPort::read(std::span<std::byte> into)
{
	// Now and then a signal arrives instead: nothing may be lost by it.
	if (pacing_ != Pacing::batched && ++reads_ % 7 == 0) {
		errno = EINTR;
		return -1;
	}
	size_t piece = payload_left_ > 0 ? payload_left_ : sizeof(dm_user_message) - header_.size();
	ssize_t count = inner_->read(into.first(limit(read_random_, piece, into.size())));
	if (count == 0 && gone_) {
		errno = ENOTBLK;
		return -1;
	}
	if (count > 0 && pacing_ == Pacing::seed)
		follow(into.first(static_cast<size_t>(count)));
	return count;
}

ssize_t PacedPort::write(std::span<const iovec> from)
{
	if (pacing_ == Pacing::batched || pacing_ == Pacing::seed)
		return inner_->write(from);
	iovec first = from[0];
	first.iov_len = std::min(first.iov_len, limit(write_random_, first.iov_len, first.iov_len));
	return inner_->write({&first, 1});
}

int PacedPort::wait(bool for_reading, int milliseconds)
{
	return inner_->wait(for_reading, milliseconds);
}

KernelDouble::KernelDouble(Wire wire, bool nonblocking)
{
	if (wire == Wire::socket) {
		int ends[2];
		if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
			fail("socketpair");
		to_daemon_ = ends[0];
		from_daemon_ = ::dup(ends[0]);
		daemon_reads_ = daemon_writes_ = ends[1];
	} else {
		int requests[2];
		int replies[2];
		if (::pipe2(requests, O_CLOEXEC) != 0 || ::pipe2(replies, O_CLOEXEC) != 0)
			fail("pipe2");
		daemon_reads_ = requests[0];
		to_daemon_ = requests[1];
		from_daemon_ = replies[0];
		daemon_writes_ = replies[1];
	}
	if (nonblocking) {
		::fcntl(daemon_reads_, F_SETFL, O_NONBLOCK);
		::fcntl(daemon_writes_, F_SETFL, O_RDWR | O_NONBLOCK);
	}
}

KernelDouble::~KernelDouble()
{
	close_all();
	close_once(daemon_reads_);
}

std::unique_ptr<bioscope::ChannelPort> KernelDouble::port(Pacing pacing, bool gone, uint32_t seed)
{
	auto inner = std::make_unique<bioscope::DescriptorPort>(daemon_reads_, daemon_writes_);
	daemon_reads_ = daemon_writes_ = -1;
	return std::make_unique<PacedPort>(std::move(inner), pacing, gone, seed);
}

void KernelDouble::send_raw(std::span<const std::byte> bytes)
{
	if (gathering_)
		gathered_.insert(gathered_.end(), bytes.begin(), bytes.end());
	else
		write_all(to_daemon_, bytes);
}

void KernelDouble::send_gathered()
{
	gathering_ = false;
	send_raw(gathered_);
	gathered_.clear();
}

uint64_t KernelDouble::submit(uint64_t type, uint64_t sector, uint64_t length, uint64_t flags,
			      std::span<const std::byte> payload)
{
	dm_user_message header{next_sequence_++, type, flags, sector, length};
	open_[header.sequence] = header;
	std::vector<std::byte> message(sizeof(header) + payload.size());
	std::memcpy(message.data(), &header, sizeof(header));
	std::copy(payload.begin(), payload.end(), message.begin() + sizeof(header));
	send_raw(message);
	return header.sequence;
}

bool KernelDouble::replies_within(int milliseconds)
{
	pollfd entry{from_daemon_, POLLIN, 0};
	return ::poll(&entry, 1, milliseconds) == 1 && (entry.revents & POLLIN) != 0;
}

size_t KernelDouble::unread_bytes()
{
	int bytes = 0;
	if (::ioctl(from_daemon_, FIONREAD, &bytes) != 0)
		fail("FIONREAD");
	return static_cast<size_t>(bytes);
}

void KernelDouble::read_exactly(std::span<std::byte> into)
{
	while (!into.empty()) {
		if (!replies_within(10'000))
			throw std::runtime_error("no answer within ten seconds");
		ssize_t count = ::read(from_daemon_, into.data(), into.size());
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			fail("read from the channel");
		if (count == 0)
			throw std::runtime_error("the channel ended where an answer was due");
		into = into.subspan(static_cast<size_t>(count));
	}
}

Reply KernelDouble::receive()
{
	if (!aside_.empty()) {
		auto first = aside_.begin();
		Reply reply = std::move(first->second);
		aside_.erase(first);
		return reply;
	}
	Reply reply;
	read_exactly({reinterpret_cast<std::byte *>(&reply.header), sizeof(reply.header)});
	auto found = open_.find(reply.header.sequence);
	if (found == open_.end())
		throw std::runtime_error("an answer to nothing that is open: sequence " +
					 std::to_string(reply.header.sequence));
	const dm_user_message &request = found->second;
	if (request.type == DM_USER_REQUEST_READ && reply.header.type == DM_USER_RESPONSE_SUCCESS) {
		reply.payload.resize(request.length);
		read_exactly(reply.payload);
	}
	open_.erase(found);
	return reply;
}

Reply KernelDouble::receive(uint64_t sequence)
{
	if (auto found = aside_.find(sequence); found != aside_.end()) {
		Reply reply = std::move(found->second);
		aside_.erase(found);
		return reply;
	}
	std::map<uint64_t, Reply> earlier;
	earlier.swap(aside_); // receive() must look at the wire
	for (;;) {
		Reply reply = receive();
		if (reply.header.sequence == sequence) {
			aside_.swap(earlier);
			return reply;
		}
		earlier.emplace(reply.header.sequence, std::move(reply));
	}
}

void KernelDouble::destroy_target()
{
	// A socket is closed in this direction only, so that answers still come.
	::shutdown(to_daemon_, SHUT_WR);
	close_once(to_daemon_);
}

void KernelDouble::close_all()
{
	close_once(to_daemon_);
	close_once(from_daemon_);
}

std::vector<std::byte> pattern(size_t length, uint64_t start)
{
	std::vector<std::byte> bytes(length);
	for (size_t i = 0; i < length; i++) {
		uint64_t word = (start + i) / 8 * 0x9e3779b97f4a7c15ULL;
		bytes[i] = static_cast<std::byte>(word >> ((start + i) % 8 * 8));
	}
	return bytes;
}

} // namespace bioscope_test
