// SPDX-License-Identifier: Apache-2.0
// Plays the kernel's side of a dm-user channel over a socketpair or two pipes,
// with the rules of the first module: one message at most a read(), header and
// payload in separate reads, split anywhere, ENOTBLK when the target is gone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "../../native/engine/routes/channel_port.h"
#include "../../native/wire/dm-user.h"

namespace bioscope_test
{

// How reads and writes of the daemon are cut.
enum class Pacing {
	batched,  // as many messages as there are, as our own module gives them
	seed,     // one piece (a header, or a payload) at most a read
	bytewise, // one byte a read, one byte a write
	random,   // 1 … 97 bytes, seeded
};

// The daemon's end: the real descriptors with the pacing put over them. The
// end of the stream becomes ENOTBLK, as of a destroyed target, if `gone` is set.
class PacedPort final : public bioscope::ChannelPort
{
public:
	PacedPort(std::unique_ptr<bioscope::ChannelPort> inner, Pacing pacing, bool gone,
		  uint32_t seed);

	ssize_t read(std::span<std::byte> into) override;
	ssize_t write(std::span<const iovec> from) override;
	int wait(bool for_reading, int milliseconds) override;

private:
	size_t limit(std::mt19937 &random, size_t piece, size_t room) const;
	void follow(std::span<const std::byte> bytes);

	std::unique_ptr<bioscope::ChannelPort> inner_;
	Pacing pacing_;
	bool gone_;
	// Reads and writes come from different threads: each has its own numbers.
	std::mt19937 read_random_;
	std::mt19937 write_random_;
	std::vector<std::byte> header_; // of the message being read, as far as read
	uint64_t payload_left_ = 0;
	unsigned reads_ = 0;
};

struct Reply {
	dm_user_message header{};
	std::vector<std::byte> payload;
};

enum class Wire { socket, pipes };

class KernelDouble
{
public:
	explicit KernelDouble(Wire wire = Wire::socket, bool nonblocking = false);
	~KernelDouble();
	KernelDouble(const KernelDouble &) = delete;
	KernelDouble &operator=(const KernelDouble &) = delete;

	// The daemon's end; once.
	std::unique_ptr<bioscope::ChannelPort> port(Pacing pacing = Pacing::batched,
						    bool gone = true, uint32_t seed = 1);

	// Sends a request and returns its sequence.
	uint64_t submit(uint64_t type, uint64_t sector, uint64_t length, uint64_t flags = 0,
			std::span<const std::byte> payload = {});
	// Gathers requests instead of sending them, until send_gathered().
	void gather() { gathering_ = true; }
	void send_gathered();
	void send_raw(std::span<const std::byte> bytes);

	// The next reply, whoever asked; its payload by the rule of the protocol.
	// Throws std::runtime_error at the end of the stream or after ten seconds.
	Reply receive();
	// The reply to `sequence`; others that come first are put aside.
	Reply receive(uint64_t sequence);
	// True if a reply arrives within `milliseconds`.
	bool replies_within(int milliseconds);
	// Bytes still to be read, without waiting.
	size_t unread_bytes();

	// The target is destroyed: nothing more will be asked.
	void destroy_target();
	// The other direction too: the daemon's writes fail.
	void close_all();

private:
	void read_exactly(std::span<std::byte> into);

	int to_daemon_ = -1;
	int from_daemon_ = -1;
	int daemon_reads_ = -1;
	int daemon_writes_ = -1;
	uint64_t next_sequence_ = 1;
	bool gathering_ = false;
	std::vector<std::byte> gathered_;
	// Requests that are not answered: whether a payload follows is known from here.
	std::map<uint64_t, dm_user_message> open_;
	std::map<uint64_t, Reply> aside_;
};

// `length` bytes that tell their place: every 8 bytes hold their offset from `start`.
std::vector<std::byte> pattern(size_t length, uint64_t start);

} // namespace bioscope_test
