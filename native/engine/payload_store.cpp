// SPDX-License-Identifier: Apache-2.0
#include "payload_store.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "error.h"
#include "racing_copy.h"

namespace bioscope
{

static constexpr uint64_t alignment = 64;
static constexpr uint64_t huge_page = 2ULL << 20;

static uint64_t round_up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) / unit * unit;
}

// Room beyond the limit: one room to receive into and one to read into are given
// away at the head, and up to one more is skipped at the end of the memory; headers
// and alignment lie between payloads. An entry for every 512 bytes, so that the
// limit is reached with the smallest requests, too.
PayloadArena::PayloadArena(uint64_t limit)
    : limit_(limit), size_(round_up(limit + limit / 8 + 3 * largest_room, huge_page)),
      entries_(limit / 512 + 1)
{
	// Huge pages: a payload is seldom touched twice, so the page faults and TLB
	// misses of small pages would be paid by every request.
	void *map = mmap(nullptr, size_, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		throw_error(errno, "mmap");
	madvise(map, size_, MADV_HUGEPAGE);
	memory_ = static_cast<std::byte *>(map);
}

PayloadArena::~PayloadArena()
{
	munmap(memory_, size_);
}

bool PayloadArena::inside(std::span<const std::byte> bytes) const
{
	return bytes.data() >= memory_ && bytes.data() + bytes.size() <= memory_ + size_;
}

// The one position in [floor, floor + size) that lies at this byte.
uint64_t PayloadArena::position_of(const std::byte *byte) const
{
	uint64_t floor = floor_.load(std::memory_order_relaxed);
	uint64_t position = floor - floor % size_ + static_cast<uint64_t>(byte - memory_);
	return position < floor ? position + size_ : position;
}

void PayloadArena::forget_oldest()
{
	uint64_t oldest = oldest_.load(std::memory_order_relaxed);
	const Entry &entry = entries_[oldest % entries_.size()];
	kept_.store(kept_.load(std::memory_order_relaxed) -
			entry.length.load(std::memory_order_relaxed),
		    std::memory_order_relaxed);
	oldest_.store(oldest + 1, std::memory_order_relaxed);
}

void PayloadArena::raise_floor(uint64_t floor)
{
	if (floor <= floor_.load(std::memory_order_relaxed))
		return;
	floor_.store(floor, std::memory_order_relaxed);
	// No byte below the floor may change before the floor is seen to have risen.
	std::atomic_thread_fence(std::memory_order_release);
	for (;;) {
		uint64_t oldest = oldest_.load(std::memory_order_relaxed);
		if (oldest == newest_.load(std::memory_order_relaxed))
			return;
		const Entry &entry = entries_[oldest % entries_.size()];
		if (entry.position.load(std::memory_order_relaxed) >= floor)
			return;
		forget_oldest();
	}
}

std::span<std::byte> PayloadArena::reserve(size_t bytes)
{
	if (bytes > largest_room)
		return {};
	uint64_t position = round_up(head_, alignment);
	uint64_t left = size_ - position % size_;
	if (left < bytes)
		position += left;
	uint64_t end = position + bytes;
	if (end > size_) {
		if (!claims_.empty() && claims_.front().position < end - size_)
			return {};
		raise_floor(end - size_);
	}
	return {memory_ + position % size_, bytes};
}

void PayloadArena::claim(std::span<const std::byte> used)
{
	uint64_t position = position_of(used.data());
	claims_.push_back({position, true});
	head_ = position + used.size();
}

void PayloadArena::release(std::span<const std::byte> used)
{
	if (!inside(used))
		return;
	uint64_t position = position_of(used.data());
	for (Claim &claim : claims_) {
		if (claim.position == position) {
			claim.open = false;
			break;
		}
	}
	while (!claims_.empty() && !claims_.front().open)
		claims_.pop_front();
}

bool PayloadArena::keep(uint64_t sequence, std::span<const std::byte> payload)
{
	bool in_place = inside(payload);
	if (payload.empty() || payload.size() > limit_)
		return false;
	if (!in_place) {
		std::span<std::byte> room = reserve(payload.size());
		if (room.empty())
			return false;
		std::memcpy(room.data(), payload.data(), payload.size());
		payload = room;
	}
	uint64_t position = position_of(payload.data());
	head_ = std::max(head_, position + payload.size());

	uint64_t number = newest_.load(std::memory_order_relaxed);
	if (number - oldest_.load(std::memory_order_relaxed) == entries_.size())
		forget_oldest();
	Entry &entry = entries_[number % entries_.size()];
	entry.sequence.store(0, std::memory_order_relaxed);
	std::atomic_thread_fence(std::memory_order_release);
	entry.position.store(position, std::memory_order_relaxed);
	entry.length.store(payload.size(), std::memory_order_relaxed);
	entry.sequence.store(sequence, std::memory_order_release);
	newest_.store(number + 1, std::memory_order_release);
	kept_.store(kept_.load(std::memory_order_relaxed) + payload.size(),
		    std::memory_order_relaxed);
	while (kept_.load(std::memory_order_relaxed) > limit_)
		forget_oldest();
	return true;
}

std::optional<PayloadArena::Found> PayloadArena::look_up(uint64_t sequence) const
{
	if (sequence == 0)
		return std::nullopt;
	// Newest first. A linear look at even 100,000 entries takes some 0.1 ms, and
	// somebody looks only when a person selects a row.
	uint64_t oldest = oldest_.load(std::memory_order_acquire);
	uint64_t newest = newest_.load(std::memory_order_acquire);
	uint64_t count = std::min<uint64_t>(newest - oldest, entries_.size());
	for (uint64_t i = 1; i <= count; i++) {
		const Entry &entry = entries_[(newest - i) % entries_.size()];
		if (entry.sequence.load(std::memory_order_acquire) != sequence)
			continue;
		Found found{entry.position.load(std::memory_order_relaxed),
			    entry.length.load(std::memory_order_relaxed)};
		std::atomic_thread_fence(std::memory_order_acquire);
		if (entry.sequence.load(std::memory_order_relaxed) != sequence ||
		    found.position < floor_.load(std::memory_order_relaxed))
			return std::nullopt;
		return found;
	}
	return std::nullopt;
}

std::optional<uint64_t> PayloadArena::find(uint64_t sequence) const
{
	auto found = look_up(sequence);
	if (!found)
		return std::nullopt;
	return found->length;
}

std::optional<size_t> PayloadArena::read(uint64_t sequence, uint64_t offset,
					 std::span<std::byte> into) const
{
	auto found = look_up(sequence);
	if (!found)
		return std::nullopt;
	if (offset >= found->length)
		return 0;
	size_t bytes = std::min<uint64_t>(into.size(), found->length - offset);
	// What another thread, or the kernel on its behalf, may be overwriting: the copy
	// is thrown away if that has happened.
	racing_copy(into.data(), memory_ + (found->position + offset) % size_, bytes);
	std::atomic_thread_fence(std::memory_order_acquire);
	if (found->position < floor_.load(std::memory_order_relaxed))
		return std::nullopt;
	return bytes;
}

PayloadStore::PayloadStore(unsigned arenas, uint64_t limit)
{
	for (unsigned i = 0; i < arenas; i++)
		arenas_.push_back(std::make_unique<PayloadArena>(limit / arenas));
}

std::optional<uint64_t> PayloadStore::find(uint64_t sequence) const
{
	for (const auto &arena : arenas_) {
		if (auto length = arena->find(sequence))
			return length;
	}
	return std::nullopt;
}

std::optional<size_t> PayloadStore::read(uint64_t sequence, uint64_t offset,
					 std::span<std::byte> into) const
{
	for (const auto &arena : arenas_) {
		if (auto bytes = arena->read(sequence, offset, into))
			return bytes;
	}
	return std::nullopt;
}

uint64_t PayloadStore::kept_bytes() const
{
	uint64_t bytes = 0;
	for (const auto &arena : arenas_)
		bytes += arena->kept_bytes();
	return bytes;
}

} // namespace bioscope
