// SPDX-License-Identifier: Apache-2.0
#include "dm_user_channel.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>

#include "../serving_thread.h"

namespace bioscope
{

namespace
{
constexpr size_t read_alignment = 64;
// Before the first header in the arena: the payload after it is aligned then.
constexpr size_t header_gap = read_alignment - DM_USER_HEADER_BYTES % read_alignment;
// A batch is closed once its reads need this much room: more does not make it
// cheaper, and the arena gives 1 MiB at once.
constexpr uint64_t enough_read_bytes = 512 << 10;
// Memory of our own above this is given back after the batch.
constexpr size_t largest_kept_room = 4 << 20;
// A batch that has taken this long so far answers what it has: a slow backend
// must not make the first request wait for the last.
constexpr uint64_t longest_wait_ns = 100'000;
// So does one of so many requests, or with so many bytes written: whoever sent them goes on,
// on another processor, while the rest is served. Large reads rather leave together: most of
// their cost is in the write() of the answers, which completes them one after the other.
constexpr size_t enough_answers = 16;
constexpr uint64_t enough_written_bytes = 64 << 10;
// How long an empty non-blocking descriptor is waited for at a time.
constexpr int wait_ms = 100;

uint64_t aligned(uint64_t bytes)
{
	return (bytes + read_alignment - 1) / read_alignment * read_alignment;
}

bool is_slow(const dm_user_message &header)
{
	switch (header.type) {
	case DM_USER_REQUEST_WRITE:
		return (header.flags & (DM_USER_FLAG_FUA | DM_USER_FLAG_PREFLUSH)) != 0;
	case DM_USER_REQUEST_FLUSH:
	case DM_USER_REQUEST_DISCARD:
	case DM_USER_REQUEST_SECURE_ERASE:
	case DM_USER_REQUEST_WRITE_ZEROES:
		return true;
	default:
		return false;
	}
}

Request to_request(const dm_user_message &header)
{
	Request request;
	// The record has one byte for the operation: what no protocol knows is 255.
	request.operation = static_cast<Operation>(std::min<uint64_t>(header.type, UINT8_MAX));
	if (header.type == DM_USER_REQUEST_WRITE && header.length == 0 &&
	    (header.flags & DM_USER_FLAG_PREFLUSH) != 0)
		request.operation = Operation::flush; // how the first module sends one
	request.flags = static_cast<uint32_t>(header.flags);
	request.sector = header.sector;
	request.length = header.length;
	return request;
}

// What is refused before the backend is asked; 0 for the rest.
int refusal(const ChannelRequest &request)
{
	if (request.header.type > DM_USER_REQUEST_ZONE_RESET_ALL)
		return EOPNOTSUPP;
	bool huge_read = request.header.type == DM_USER_REQUEST_READ &&
			 request.header.length > DmUserParser::payload_limit;
	return request.oversized || huge_read ? EMSGSIZE : 0;
}

ChannelEnd failure_of(int error, const char *call)
{
	switch (error) {
	case ENOTBLK: // what the kernel says when the target is destroyed
		return {ChannelEnd::Reason::target_gone, 0, "the dm-user target is gone"};
	case EPIPE:
	case ECONNRESET:
		return {ChannelEnd::Reason::target_gone, 0, "the other end is closed"};
	case EFAULT: // only what is lent can go (Worker::lend)
		return {ChannelEnd::Reason::failed, error,
			"the image was cut short, or could not be read, while it was being sent"};
	case ECANCELED:
		return {ChannelEnd::Reason::stopped, 0, "stopped with answers not taken"};
	default:
		return {ChannelEnd::Reason::failed, error,
			std::string(call) + " of the channel: " + std::strerror(error)};
	}
}

// Signals that are meant for the process shall not land in a channel's threads,
// and a closed socket is an errno here, not SIGPIPE.
class SignalsBlocked
{
public:
	SignalsBlocked()
	{
		sigset_t all;
		sigfillset(&all);
		sigdelset(&all, ChannelStop::wake_signal());
		// A fault of the thread itself must still reach its handler.
		for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS})
			sigdelset(&all, fault);
		pthread_sigmask(SIG_SETMASK, &all, &before_);
	}
	~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
	SignalsBlocked(const SignalsBlocked &) = delete;
	SignalsBlocked &operator=(const SignalsBlocked &) = delete;

private:
	sigset_t before_{};
};
} // namespace

DmUserChannel::DmUserChannel(Disk &disk, unsigned worker, unsigned slow_worker,
			     std::unique_ptr<ChannelPort> port)
    : worker_(disk.worker(worker)), port_(std::move(port)), sender_(*port_, stop_),
      slow_lane_(disk.worker(slow_worker), sender_)
{
	pending_.reserve(ReplyBatch::capacity);
}

DmUserChannel::~DmUserChannel()
{
	stop();
	if (thread_.joinable())
		thread_.join();
}

void DmUserChannel::start(std::function<void(const ChannelEnd &)> on_end, bool waits)
{
	on_end_ = std::move(on_end);
	waits_ = waits;
	SignalsBlocked inherited_by_the_threads;
	slow_lane_.start();
	thread_ = std::thread(&DmUserChannel::run, this);
}

void DmUserChannel::go()
{
	waits_ = false;
	waits_.notify_all();
}

void DmUserChannel::begin_stop()
{
	stop_.request();
	go();
	if (!thread_.joinable())
		return;
	std::lock_guard lock(end_mutex_);
	if (!ended_)
		interrupt();
}

void DmUserChannel::stop()
{
	begin_stop();
	if (!thread_.joinable())
		return;
	constexpr std::chrono::milliseconds patience{5};
	std::unique_lock lock(end_mutex_);
	while (!ended_changed_.wait_for(lock, patience, [&] { return ended_; }))
		interrupt();
}

void DmUserChannel::interrupt()
{
	ChannelStop::interrupt(thread_.native_handle());
	slow_lane_.interrupt();
}

ChannelEnd DmUserChannel::wait()
{
	std::unique_lock lock(end_mutex_);
	ended_changed_.wait(lock, [&] { return ended_; });
	return end_;
}

void DmUserChannel::run()
{
	pthread_setname_np(pthread_self(), "channel");
	become_serving_thread();
	lock_memory(parser_.memory());
	waits_.wait(true);
	ChannelEnd end;
	try {
		end = serve_until_end();
	} catch (const std::bad_alloc &) {
		end = {ChannelEnd::Reason::failed, ENOMEM, "no memory for the channel"};
	}
	slow_lane_.finish();
	port_.reset();
	if (on_end_)
		on_end_(end);
	std::lock_guard lock(end_mutex_);
	end_ = std::move(end);
	ended_ = true;
	ended_changed_.notify_all();
}

std::span<std::byte> DmUserChannel::room_to_keep()
{
	if (!copied_writes_ || !worker_.arena().keeps() || !parser_.idle())
		return {};
	return worker_.arena().reserve(PayloadArena::largest_room);
}

ChannelEnd DmUserChannel::serve_until_end()
{
	ChannelEnd end;
	while (!stop_.requested()) {
		std::span<std::byte> kept = room_to_keep();
		ssize_t count =
		    port_->read(parser_.room(kept.empty() ? kept : kept.subspan(header_gap)));
		if (count < 0) {
			int error = errno;
			if (error == EAGAIN)
				port_->wait(true, wait_ms);
			else if (error != EINTR)
				return failure_of(error, "read");
			continue;
		}
		if (count == 0) {
			if (parser_.idle())
				return {ChannelEnd::Reason::target_gone, 0,
					"the other end is closed"};
			return {ChannelEnd::Reason::protocol, 0,
				"the channel ended in the middle of a request"};
		}
		parser_.received(static_cast<size_t>(count));
		if (!kept.empty()) {
			kept = kept.first(header_gap + static_cast<size_t>(count));
			worker_.arena().claim(kept);
		}
		copied_writes_ = false;
		bool goes_on = serve_received(end);
		worker_.arena().release(kept);
		if (!goes_on)
			return end;
	}
	return {ChannelEnd::Reason::stopped, 0, "stopped"};
}

bool DmUserChannel::serve_received(ChannelEnd &end)
{
	for (;;) {
		auto next = DmUserParser::Next::more;
		ChannelRequest request;
		while (pending_.size() < ReplyBatch::capacity &&
		       pending_read_bytes_ < enough_read_bytes) {
			next = parser_.next(request);
			if (next != DmUserParser::Next::request)
				break;
			accept(request);
		}
		if (int error = serve_batch()) {
			end = failure_of(error, "write");
			return false;
		}
		if (next == DmUserParser::Next::more)
			return true;
		if (next == DmUserParser::Next::broken) {
			end = {ChannelEnd::Reason::protocol, 0,
			       "a write request claims more than 4 GiB: this is no dm-user stream"};
			return false;
		}
	}
}

void DmUserChannel::accept(const ChannelRequest &request)
{
	const dm_user_message &header = request.header;
	int error = refusal(request);
	// Everything in the receive buffer has arrived now: the depth and the times
	// of the records are those of the kernel's queue, not of our loop.
	InFlight flight = worker_.arrive(to_request(header));
	if (error == 0 && is_slow(header)) {
		if (slow_lane_.submit(header, flight, request.payload))
			return;
		error = ENOMEM;
	}
	pending_.push_back({header, flight, request.payload, error, {}});
	if (error != 0)
		return;
	if (header.type == DM_USER_REQUEST_READ)
		pending_read_bytes_ += aligned(header.length);
	else if (header.type == DM_USER_REQUEST_WRITE)
		pending_writes_ = true;
}

std::span<std::byte> DmUserChannel::own_read_room(size_t bytes)
{
	if (bytes > read_capacity_) {
		read_room_.reset(new (std::nothrow) std::byte[bytes]);
		read_capacity_ = read_room_ ? bytes : 0;
	}
	return {read_room_.get(), read_room_ ? bytes : 0};
}

std::span<std::byte> DmUserChannel::give_read_room()
{
	if (pending_read_bytes_ == 0)
		return {};
	size_t bytes = 0;
	for (Pending &pending : pending_) {
		if (pending.error != 0 || pending.header.type != DM_USER_REQUEST_READ)
			continue;
		pending.lent = worker_.lend(pending.flight);
		if (pending.lent.bytes.empty())
			bytes += aligned(pending.header.length);
	}
	if (bytes == 0)
		return {};
	std::span<std::byte> room = worker_.arena().reserve(bytes);
	std::span<std::byte> claimed;
	if (room.empty()) {
		room = own_read_room(bytes);
	} else if (pending_writes_) {
		// A write that is kept is copied to the arena's head: not into this room.
		worker_.arena().claim(room);
		claimed = room;
	}
	size_t used = 0;
	for (Pending &pending : pending_) {
		if (pending.error != 0 || pending.header.type != DM_USER_REQUEST_READ ||
		    !pending.lent.bytes.empty())
			continue;
		if (room.empty()) {
			pending.error = ENOMEM;
			continue;
		}
		pending.data = room.subspan(used, pending.header.length);
		used += aligned(pending.header.length);
	}
	return claimed;
}

int DmUserChannel::serve_batch()
{
	if (pending_.empty())
		return 0;
	std::span<std::byte> claimed = give_read_room();
	uint64_t begun_ns = pending_[0].flight.arrival_ns;
	uint64_t written_bytes = 0; // since the last answers
	size_t answered = 0;
	int failure = 0;
	for (size_t i = 0; i < pending_.size(); i++) {
		Pending &pending = pending_[i];
		if (pending.error == 0 && pending.lent.bytes.empty())
			pending.error = worker_.execute(pending.flight, pending.data);
		dm_user_message reply = reply_header(pending.header, pending.error);
		std::span<const std::byte> data;
		if (reply.length > 0)
			data = pending.lent.bytes.empty() ? pending.data : pending.lent.bytes;
		replies_.add(reply, data);
		if (pending.header.type == DM_USER_REQUEST_WRITE)
			written_bytes += pending.data.size();
		// The backend's own stamp of the request before: no clock is read for this.
		if (replies_.size() >= enough_answers || written_bytes >= enough_written_bytes ||
		    pending.flight.backend_ns > begun_ns + longest_wait_ns) {
			failure = answer(answered, i + 1);
			answered = i + 1;
			written_bytes = 0;
			begun_ns = pending.flight.backend_ns;
		}
		if (failure != 0) {
			// The channel is at its end: what is left was never done.
			for (i++; i < pending_.size(); i++)
				pending_[i].error = ECANCELED;
		}
	}
	int error = answer(answered, pending_.size());
	if (failure == 0)
		failure = error;
	if (!claimed.empty())
		worker_.arena().release(claimed);
	pending_.clear();
	pending_read_bytes_ = 0;
	pending_writes_ = false;
	if (read_capacity_ > largest_kept_room) {
		read_room_.reset();
		read_capacity_ = 0;
	}
	return failure;
}

int DmUserChannel::answer(size_t from, size_t to)
{
	int failure = replies_.send(sender_);
	for (size_t i = from; i < to; i++) {
		const Pending &pending = pending_[i];
		if (!pending.lent.bytes.empty() && pending.error == 0) {
			if (failure == 0)
				worker_.complete(pending.flight, pending.lent);
			else // it may be what could not be sent
				worker_.complete(pending.flight, failure, {});
			continue;
		}
		bool read_failed =
		    pending.error != 0 && pending.flight.request.operation == Operation::read;
		if (pending.header.type == DM_USER_REQUEST_WRITE && !pending.flight.referred)
			copied_writes_ = true;
		worker_.complete(pending.flight, pending.error,
				 read_failed ? std::span<const std::byte>() : pending.data);
	}
	return failure;
}

} // namespace bioscope
