// SPDX-License-Identifier: Apache-2.0
// The payloads of the last requests, addressable by sequence, without a copy:
// a route receives from the kernel and reads from the backend straight into the
// arena, and what it used there is kept in place until newer payloads need the
// room. Of large requests not even that: what was read or written lies in the image,
// is referred to there, and goes into the arena once it is about to be changed.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "backend.h"
#include "referred_pages.h"

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

	// Keeps where the payload of `sequence` lies in the image, as it is after `change`
	// changes of referred pages.
	void refer(uint64_t sequence, uint64_t offset, uint64_t length, uint64_t change);

	// Keeps what lies at `offset` of the image before the change of this number is made:
	// `fill` copies it, or says that it cannot be had. As in keep(), of a copy, no room
	// may be reserved that is not claimed. Without `fill` only that it is lost is kept.
	using Fill = std::function<bool(std::span<std::byte>)>;
	void keep_earlier(uint64_t number, uint64_t offset, uint64_t length, const Fill &fill);

	// False where the limit is 0.
	bool keeps() const { return limit_ > 0; }
	// All of it, kept or not.
	std::span<const std::byte> memory() const { return {memory_, size_}; }

	// The readers' side: any thread.

	// A payload that is still kept, or referred to.
	struct Found {
		uint64_t position; // in the arena
		uint64_t length;
		uint64_t image_offset; // nowhere: it lies in the arena
		uint64_t change;       // as in refer()
		const PayloadArena *arena;
	};
	static constexpr uint64_t nowhere = UINT64_MAX;
	std::optional<Found> find(uint64_t sequence) const;
	// Copies so much of the arena from `position`; false if that is overwritten, and then
	// anything was copied.
	bool copy(uint64_t position, std::span<std::byte> into) const;

	// What a range of the image held before a change.
	struct Earlier {
		uint64_t number; // of the change
		uint64_t offset; // in the image
		uint64_t length;
		uint64_t position; // in the arena; nowhere: lost
		const PayloadArena *arena;
	};
	// Adds what overlaps the range and was changed after `change` changes, and not after
	// `upto`. False if the arena does not remember so far back.
	bool find_earlier(uint64_t offset, uint64_t length, uint64_t change, uint64_t upto,
			  std::vector<Earlier> &found) const;

	// Without what is referred to.
	uint64_t kept_bytes() const { return kept_.load(std::memory_order_relaxed); }

private:
	// One kept payload. `sequence` is 0 while the slot is being changed.
	struct Entry {
		std::atomic<uint64_t> sequence{0};
		std::atomic<uint64_t> position{0};
		std::atomic<uint64_t> length{0};
		std::atomic<uint64_t> image_offset{0};
		std::atomic<uint64_t> change{0};
	};
	// One kept range. `number` is 0 while the slot is being changed.
	struct EarlierEntry {
		std::atomic<uint64_t> number{0};
		std::atomic<uint64_t> offset{0};
		std::atomic<uint64_t> length{0};
		std::atomic<uint64_t> position{0};
	};
	struct Claim {
		uint64_t position;
		bool open;
	};

	bool inside(std::span<const std::byte> bytes) const;
	uint64_t position_of(const std::byte *byte) const;
	void raise_floor(uint64_t floor);
	void forget_oldest();
	void add(uint64_t sequence, const Found &payload);

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
	std::vector<EarlierEntry> earlier_;     // a ring like entries_
	std::atomic<uint64_t> earlier_made_{0}; // so far
	std::atomic<uint64_t> forgotten_{0};    // the highest number that earlier_ has lost
};

// The arenas of a disk.
class PayloadStore
{
public:
	// Splits `limit` bytes evenly over `arenas`; `image` is what is referred to. Throws
	// Error ENOMEM.
	PayloadStore(unsigned arenas, uint64_t limit, Backend &image);

	PayloadArena &arena(unsigned index) { return *arenas_[index]; }
	ReferredPages &referred() { return referred_; }

	// About to change this range of the image, by the thread whose arena `index` is; the
	// generations of ReferredPages::Change. referred().end_change() comes afterwards.
	uint64_t begin_change(unsigned index, uint64_t offset, uint64_t length)
	{
		const auto change = referred_.begin_change(offset, length);
		if (change.referred)
			keep_referred(index, offset, length);
		return change.generations;
	}
	// Somebody else may change the image from now on, or has: what is referred to so far
	// is not kept any more. Any thread.
	void forget_referred();

	// While somebody holds one of these, payloads are copied, and none is referred to: for
	// who takes every payload, and so late that the same place may be changed twice before.
	using Copies = std::shared_ptr<void>;
	Copies want_copies();
	bool copies_wanted() const { return copiers_->load(std::memory_order_relaxed) > 0; }

	// Bytes of the whole payload, if it is still kept. Any thread.
	std::optional<uint64_t> find(uint64_t sequence) const;
	// Copies from `offset` of the payload as much as is there and fits; the number of
	// bytes, or nothing if it is not kept (any more). What is referred to is read from
	// the image, and may block. Any thread.
	std::optional<size_t> read(uint64_t sequence, uint64_t offset,
				   std::span<std::byte> into) const;
	uint64_t kept_bytes() const;

private:
	using Found = PayloadArena::Found;
	using Earlier = PayloadArena::Earlier;

	void keep_referred(unsigned index, uint64_t offset, uint64_t length);
	std::optional<Found> look_up(uint64_t sequence) const;
	std::optional<std::vector<Earlier>> earlier_of(const Found &referred) const;
	bool read_referred(const Found &referred, uint64_t offset, std::span<std::byte> into) const;

	Backend &image_;
	ReferredPages referred_;
	std::vector<std::unique_ptr<PayloadArena>> arenas_;
	std::atomic<uint64_t> forgotten_{0}; // as an arena's
	// How many hold a Copies; they may outlive the store.
	std::shared_ptr<std::atomic<unsigned>> copiers_ =
	    std::make_shared<std::atomic<unsigned>>(0);
};

} // namespace bioscope
