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
      entries_(limit / 512 + 1), earlier_(limit / ReferredPages::page_bytes + 1)
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
	if (entry.image_offset.load(std::memory_order_relaxed) == nowhere)
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
	add(sequence, {position, payload.size(), nowhere, 0, this});
	kept_.store(kept_.load(std::memory_order_relaxed) + payload.size(),
		    std::memory_order_relaxed);
	while (kept_.load(std::memory_order_relaxed) > limit_)
		forget_oldest();
	return true;
}

// It takes no memory, but it has its place among those that do, and is forgotten with them.
void PayloadArena::refer(uint64_t sequence, uint64_t offset, uint64_t length, uint64_t change)
{
	add(sequence, {head_, length, offset, change, this});
}

void PayloadArena::add(uint64_t sequence, const Found &payload)
{
	uint64_t number = newest_.load(std::memory_order_relaxed);
	if (number - oldest_.load(std::memory_order_relaxed) == entries_.size())
		forget_oldest();
	Entry &entry = entries_[number % entries_.size()];
	entry.sequence.store(0, std::memory_order_relaxed);
	std::atomic_thread_fence(std::memory_order_release);
	entry.position.store(payload.position, std::memory_order_relaxed);
	entry.length.store(payload.length, std::memory_order_relaxed);
	entry.image_offset.store(payload.image_offset, std::memory_order_relaxed);
	entry.change.store(payload.change, std::memory_order_relaxed);
	entry.sequence.store(sequence, std::memory_order_release);
	newest_.store(number + 1, std::memory_order_release);
}

void PayloadArena::keep_earlier(uint64_t number, uint64_t offset, uint64_t length, const Fill &fill)
{
	uint64_t position = nowhere;
	if (fill && length <= limit_) {
		std::span<std::byte> room = reserve(length);
		if (!room.empty() && fill(room)) {
			position = position_of(room.data());
			head_ = position + length;
		}
	}
	uint64_t made = earlier_made_.load(std::memory_order_relaxed);
	EarlierEntry &entry = earlier_[made % earlier_.size()];
	// Whoever finds the slot changed finds what it has lost, too.
	uint64_t lost = entry.number.load(std::memory_order_relaxed);
	forgotten_.store(std::max(lost, forgotten_.load(std::memory_order_relaxed)));
	entry.number.store(0);
	std::atomic_thread_fence(std::memory_order_release);
	entry.offset.store(offset, std::memory_order_relaxed);
	entry.length.store(length, std::memory_order_relaxed);
	entry.position.store(position, std::memory_order_relaxed);
	entry.number.store(number);
	earlier_made_.store(made + 1);
}

std::optional<PayloadArena::Found> PayloadArena::find(uint64_t sequence) const
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
			    entry.length.load(std::memory_order_relaxed),
			    entry.image_offset.load(std::memory_order_relaxed),
			    entry.change.load(std::memory_order_relaxed), this};
		std::atomic_thread_fence(std::memory_order_acquire);
		if (entry.sequence.load(std::memory_order_relaxed) != sequence ||
		    found.position < floor_.load(std::memory_order_relaxed))
			return std::nullopt;
		return found;
	}
	return std::nullopt;
}

bool PayloadArena::copy(uint64_t position, std::span<std::byte> into) const
{
	// What another thread, or the kernel on its behalf, may be overwriting: the copy
	// is thrown away if that has happened.
	racing_copy(into.data(), memory_ + position % size_, into.size());
	std::atomic_thread_fence(std::memory_order_acquire);
	return position >= floor_.load(std::memory_order_relaxed);
}

bool PayloadArena::find_earlier(uint64_t offset, uint64_t length, uint64_t change, uint64_t upto,
				std::vector<Earlier> &found) const
{
	const uint64_t count = std::min<uint64_t>(earlier_made_.load(), earlier_.size());
	for (uint64_t index = 0; index < count; index++) {
		const EarlierEntry &entry = earlier_[index];
		const uint64_t number = entry.number.load();
		if (number <= change || number > upto)
			continue;
		Earlier earlier{number, entry.offset.load(std::memory_order_relaxed),
				entry.length.load(std::memory_order_relaxed),
				entry.position.load(std::memory_order_relaxed), this};
		std::atomic_thread_fence(std::memory_order_acquire);
		if (entry.number.load() != number)
			return false; // forgotten while we looked
		if (earlier.offset >= offset + length || offset >= earlier.offset + earlier.length)
			continue;
		if (earlier.position < floor_.load(std::memory_order_relaxed))
			earlier.position = nowhere;
		found.push_back(earlier);
	}
	return forgotten_.load() <= change;
}

// Half of the arenas are those of threads that serve large requests, so this many bytes of
// payloads would be in them.
PayloadStore::PayloadStore(unsigned arenas, uint64_t limit, Backend &image)
    : image_(image), referred_(limit / 2)
{
	for (unsigned i = 0; i < arenas; i++)
		arenas_.push_back(std::make_unique<PayloadArena>(limit / arenas));
}

PayloadStore::Copies PayloadStore::want_copies()
{
	copiers_->fetch_add(1);
	return {nullptr, [copiers = copiers_](void *) { copiers->fetch_sub(1); }};
}

void PayloadStore::keep_referred(unsigned index, uint64_t offset, uint64_t length)
{
	using GivenUp = ReferredPages::GivenUp;
	// Others who change something wait for this: so much, and no more.
	const bool keeps = length <= PayloadArena::largest_room;
	referred_.give_up(offset, length, [&](const GivenUp &pages) {
		// The last page may be longer than the image.
		const uint64_t bytes = std::min(pages.length, image_.size() - pages.offset);
		auto copy = [&](std::span<std::byte> room) {
			auto old = image_.view(pages.offset, bytes);
			return !old.empty() && guarded_copy(room.data(), old.data(), bytes);
		};
		arena(index).keep_earlier(pages.number, pages.offset, pages.length,
					  keeps && pages.young ? copy : PayloadArena::Fill());
	});
}

void PayloadStore::forget_referred()
{
	const uint64_t now = referred_.number_change();
	uint64_t before = forgotten_.load();
	while (before < now && !forgotten_.compare_exchange_weak(before, now))
		;
}

std::optional<PayloadStore::Found> PayloadStore::look_up(uint64_t sequence) const
{
	for (const auto &arena : arenas_) {
		if (auto found = arena->find(sequence))
			return found;
	}
	return std::nullopt;
}

// What was kept of a range that is referred to, the last first: laid upon each other in this
// order, the first change that followed is on top, which has what was there before them all.
// Nothing if a part of it is lost.
std::optional<std::vector<PayloadStore::Earlier>>
PayloadStore::earlier_of(const Found &referred) const
{
	// The arenas are not looked at all at once. What is kept meanwhile may have been
	// changed by something that is in an arena seen before: it came after we read the image.
	const uint64_t upto = referred_.changes();
	std::vector<Earlier> earlier;
	for (const auto &arena : arenas_) {
		if (!arena->find_earlier(referred.image_offset, referred.length, referred.change,
					 upto, earlier))
			return std::nullopt;
	}
	if (forgotten_ > referred.change)
		return std::nullopt;
	std::sort(earlier.begin(), earlier.end(), [](const Earlier &one, const Earlier &other) {
		return one.number > other.number;
	});
	constexpr uint64_t page = ReferredPages::page_bytes;
	const uint64_t first = referred.image_offset / page;
	std::vector<bool> lost((referred.image_offset + referred.length - 1) / page - first + 1);
	for (const Earlier &one : earlier) {
		const uint64_t from = std::max(one.offset / page, first) - first;
		const uint64_t to = std::min((one.offset + one.length) / page - first, lost.size());
		for (uint64_t index = from; index < to; index++)
			lost[index] = one.position == PayloadArena::nowhere;
	}
	if (std::find(lost.begin(), lost.end(), true) != lost.end())
		return std::nullopt;
	return earlier;
}

bool PayloadStore::read_referred(const Found &referred, uint64_t offset,
				 std::span<std::byte> into) const
{
	const uint64_t start = referred.image_offset + offset;
	const uint64_t end = start + into.size();
	// The image first: of a change that is half in it we find what was kept.
	if (image_.read(start, into) != 0)
		return false;
	std::atomic_thread_fence(std::memory_order_seq_cst);
	auto earlier = earlier_of(referred);
	if (!earlier)
		return false;
	for (const Earlier &one : *earlier) {
		const uint64_t from = std::max(one.offset, start);
		const uint64_t to = std::min(one.offset + one.length, end);
		if (one.position != PayloadArena::nowhere && from < to &&
		    !one.arena->copy(one.position + (from - one.offset),
				     into.subspan(from - start, to - from)))
			return false;
	}
	return true;
}

std::optional<uint64_t> PayloadStore::find(uint64_t sequence) const
{
	auto found = look_up(sequence);
	if (!found || (found->image_offset != PayloadArena::nowhere && !earlier_of(*found)))
		return std::nullopt;
	return found->length;
}

std::optional<size_t> PayloadStore::read(uint64_t sequence, uint64_t offset,
					 std::span<std::byte> into) const
{
	auto found = look_up(sequence);
	if (!found)
		return std::nullopt;
	if (offset >= found->length)
		return 0;
	into = into.first(std::min<uint64_t>(into.size(), found->length - offset));
	const bool whole = found->image_offset == PayloadArena::nowhere
			       ? found->arena->copy(found->position + offset, into)
			       : read_referred(*found, offset, into);
	if (!whole)
		return std::nullopt;
	return into.size();
}

uint64_t PayloadStore::kept_bytes() const
{
	uint64_t bytes = 0;
	for (const auto &arena : arenas_)
		bytes += arena->kept_bytes();
	return bytes;
}

} // namespace bioscope
