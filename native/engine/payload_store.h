// SPDX-License-Identifier: Apache-2.0
// The payloads of the last requests, addressable by sequence, without a copy:
// a route receives from the kernel and reads from the backend straight into the
// arena, and what it used there is kept in place until newer payloads need the
// room.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace bioscope
{

// The payload memory of one engine thread. Positions count bytes since the arena
// began and never wrap; byte p lies at p % size. [floor, floor + size) is what
// the memory may hold. The writer raises the floor before it touches a byte; a
// reader copies, then looks at the floor, and throws the copy away if it was
// overtaken (a seqlock with the floor as its sequence).
class PayloadArena
{
public:
	// The most that can be reserved: a FUSE message of 1 MiB with its header.
	static constexpr size_t largest_room = (1 << 20) + 8192;

	// Keeps up to `limit` bytes. Throws Error ENOMEM.
	explicit PayloadArena(uint64_t limit);
	~PayloadArena();
	PayloadArena(const PayloadArena &) = delete;
	PayloadArena &operator=(const PayloadArena &) = delete;

	// The writer's side: one thread.

	// `bytes` (at most largest_room) of room at the head, 64-byte aligned; the
	// same room again until something of it is claimed or kept. Empty if the
	// room is still claimed by a request in flight: the caller then uses memory
	// of its own.
	std::span<std::byte> reserve(size_t bytes);

	// For a worker with several requests in flight: moves the head past `used`
	// (part of the room last reserved), so that the next room is another one, and
	// guards it until release() with the same span; keeping payloads inside it
	// does not end the claim. A worker that finishes each request before it
	// reserves again need not claim.
	void claim(std::span<const std::byte> used);
	void release(std::span<const std::byte> used);

	// Keeps `payload` as that of request `sequence`: in place if it lies in the
	// arena, copied otherwise. False if it is empty or larger than the limit.
	bool keep(uint64_t sequence, std::span<const std::byte> payload);

	// False where the limit is 0.
	bool keeps() const { return limit_ > 0; }
	// All of it, kept or not.
	std::span<const std::byte> memory() const { return {memory_, size_}; }

	// The readers' side: any thread.

	// Bytes of the whole payload, if it is still kept.
	std::optional<uint64_t> find(uint64_t sequence) const;
	// Copies from `offset` of the payload as much as is there and fits; the
	// number of bytes, or nothing if it is not kept (any more).
	std::optional<size_t> read(uint64_t sequence, uint64_t offset,
				   std::span<std::byte> into) const;
	uint64_t kept_bytes() const { return kept_.load(std::memory_order_relaxed); }

private:
	// One kept payload. `sequence` is 0 while the slot is being changed.
	struct Entry {
		std::atomic<uint64_t> sequence{0};
		std::atomic<uint64_t> position{0};
		std::atomic<uint64_t> length{0};
	};
	struct Claim {
		uint64_t position;
		bool open;
	};
	struct Found {
		uint64_t position, length;
	};

	bool inside(std::span<const std::byte> bytes) const;
	uint64_t position_of(const std::byte *byte) const;
	void raise_floor(uint64_t floor);
	void forget_oldest();
	std::optional<Found> look_up(uint64_t sequence) const;

	const uint64_t limit_;
	uint64_t size_; // of the memory
	std::byte *memory_;
	std::vector<Entry> entries_;      // a ring: number n lies in slot n % entries_.size()
	uint64_t head_ = 0;               // position of the first byte not taken
	std::deque<Claim> claims_;        // in the order of their positions
	std::atomic<uint64_t> oldest_{0}; // number of the oldest entry still kept
	std::atomic<uint64_t> newest_{0}; // entries made so far
	std::atomic<uint64_t> floor_{0};
	std::atomic<uint64_t> kept_{0};
};

// The arenas of a disk.
class PayloadStore
{
public:
	// Splits `limit` bytes evenly over `arenas`. Throws Error ENOMEM.
	PayloadStore(unsigned arenas, uint64_t limit);

	PayloadArena &arena(unsigned index) { return *arenas_[index]; }

	// Any thread; as in PayloadArena.
	std::optional<uint64_t> find(uint64_t sequence) const;
	std::optional<size_t> read(uint64_t sequence, uint64_t offset,
				   std::span<std::byte> into) const;
	uint64_t kept_bytes() const;

private:
	std::vector<std::unique_ptr<PayloadArena>> arenas_;
};

} // namespace bioscope
