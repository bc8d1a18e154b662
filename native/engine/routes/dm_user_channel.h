// SPDX-License-Identifier: Apache-2.0
// The dm-user route: one open of /dev/dm-user/<name>, served by one engine
// thread and its slow lane. The protocol is in native/wire/dm-user.h.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "../disk.h"
#include "channel_port.h"
#include "channel_stop.h"
#include "dm_user_parser.h"
#include "reply_sender.h"
#include "slow_lane.h"

namespace bioscope
{

// Why a channel ended.
struct ChannelEnd {
	enum class Reason {
		target_gone, // ENOTBLK or a closed peer: the ordinary end
		stopped,     // stop() was called
		protocol,    // what came was no dm-user stream
		failed,      // read or write failed with `error`
	};
	Reason reason = Reason::stopped;
	int error = 0; // errno, of `failed`
	std::string text;
};

// A disk may have many channels; each needs two workers of the disk for itself.
// Answers are gathered while whole requests lie in the receive buffer and go out
// together before the next read(), which may block: the first dm-user module has
// no poll to ask first. So nothing waits for a request that has not come yet.
class DmUserChannel
{
public:
	// `worker` and `slow_worker` are indexes into the disk's workers.
	DmUserChannel(Disk &disk, unsigned worker, unsigned slow_worker,
		      std::unique_ptr<ChannelPort> port);
	~DmUserChannel(); // stop(), and the threads are gone
	DmUserChannel(const DmUserChannel &) = delete;
	DmUserChannel &operator=(const DmUserChannel &) = delete;

	// Starts both threads. Once. Throws std::system_error. `on_end` is called on the
	// channel's own thread when it has ended and its descriptor is closed, so that the
	// kernel has what it held for others. With `waits` nothing is read before go().
	void start(std::function<void(const ChannelEnd &)> on_end = {}, bool waits = false);
	// Lets the channel read. Any thread.
	void go();
	// The beginning of stop(), without waiting for the end. Any thread.
	void begin_stop();
	// Answers every request that has wholly arrived, then ends the channel, also
	// while it waits in read(). Returns when it has ended. A reader that the
	// kernel does not let go even for a signal (seen with the first dm-user
	// module while its target is suspended) holds this call until it does. Any thread.
	void stop();
	// Blocks until the channel has ended. Any thread.
	ChannelEnd wait();

private:
	// A request of the batch at hand.
	struct Pending {
		dm_user_message header;
		InFlight flight;
		std::span<std::byte> data; // a write's payload, or the room of a read
		int error;                 // known before the backend is asked, or 0
		Lent lent;                 // of a read that needs no room
	};

	void run();
	// Makes the system calls of both threads return. With end_mutex_, before the end.
	void interrupt();
	ChannelEnd serve_until_end();
	// Room in the payload arena for what is read next, so that writes are kept where
	// they arrive; empty where nothing is kept, where no writes came last, or only such as
	// are referred to in the image (memory used again and again is the faster), or where a
	// request is half received.
	std::span<std::byte> room_to_keep();
	// Serves every whole request of the receive buffer. Returns false when the
	// channel must end, with why in `end`.
	bool serve_received(ChannelEnd &end);
	void accept(const ChannelRequest &request);
	int serve_batch();
	// Hands the reads of the batch what they are lent, or room. Returns what must be
	// released.
	std::span<std::byte> give_read_room();
	std::span<std::byte> own_read_room(size_t bytes);
	// Sends the answers gathered and completes their requests, [from, to).
	int answer(size_t from, size_t to);

	Worker &worker_;
	std::unique_ptr<ChannelPort> port_;
	ChannelStop stop_;
	ReplySender sender_;
	SlowLane slow_lane_;
	DmUserParser parser_;
	ReplyBatch replies_;
	std::vector<Pending> pending_;
	uint64_t pending_read_bytes_ = 0; // each rounded up to read_alignment
	bool pending_writes_ = false;
	bool copied_writes_ = false; // by the last read() came writes that are not referred to
	// For reads that the payload arena has no room for.
	std::unique_ptr<std::byte[]> read_room_;
	size_t read_capacity_ = 0;

	std::function<void(const ChannelEnd &)> on_end_;
	std::thread thread_;
	std::atomic<bool> waits_{false}; // for go()
	std::mutex end_mutex_;
	std::condition_variable ended_changed_;
	bool ended_ = false; // guarded by end_mutex_, as is end_
	ChannelEnd end_;
};

} // namespace bioscope
