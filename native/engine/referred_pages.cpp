// SPDX-License-Identifier: Apache-2.0
#include "referred_pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>

#include "error.h"

namespace bioscope
{

// Calls visit(group, mask of its pages, its first page) for every group that the range
// touches, until one returns false. Returns whether none did.
template <typename Visit>
bool ReferredPages::each_group(uint64_t offset, uint64_t length, Visit visit) const
{
	if (length == 0 || offset >= most_bytes)
		return true;
	return each_page_group(offset, std::min(length, most_bytes - offset),
			       [&](uint64_t group, uint64_t mask, uint64_t page) {
				       return visit(groups_[group], mask, page);
			       });
}

static void *zeroed_mapping(uint64_t bytes)
{
	void *map = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		throw_error(errno, "mmap");
	return map;
}

ReferredPages::ReferredPages(uint64_t young_bytes)
    : young_bytes_(young_bytes),
      groups_(static_cast<Group *>(zeroed_mapping(groups * sizeof(Group))))
{
}

ReferredPages::~ReferredPages()
{
	munmap(groups_, groups * sizeof(Group));
}

std::span<const std::byte> ReferredPages::memory() const
{
	return {reinterpret_cast<const std::byte *>(groups_), groups * sizeof(Group)};
}

std::optional<ReferredPages::Moment> ReferredPages::refer(uint64_t offset, uint64_t length)
{
	if (length > most_bytes || offset > most_bytes - length)
		return std::nullopt;
	const uint64_t at = referred_bytes_.fetch_add(length, std::memory_order_relaxed) + length;
	// The changes are counted at one moment for all groups: who has given up a page before
	// it was marked has a number up to this, and who finds the mark a higher one.
	constexpr int tries = 4;
	for (int tried = 0; tried < tries; tried++) {
		Moment moment{changes_.load(), 0};
		if (!mark(offset, length, at, moment.generations))
			return std::nullopt;
		if (changes_.load() == moment.change)
			return moment;
	}
	return std::nullopt;
}

bool ReferredPages::mark(uint64_t offset, uint64_t length, uint64_t at, uint64_t &generations)
{
	return each_group(offset, length, [&](Group &group, uint64_t mask, uint64_t) {
		group.referred_at.store(at, std::memory_order_relaxed);
		uint64_t before = group.state.load();
		do {
			if ((before & all_changing) != 0)
				return false;
		} while ((before & mask) != mask &&
			 !group.state.compare_exchange_weak(before, before | mask));
		generations += before / one_generation;
		return true;
	});
}

bool ReferredPages::unchanged(uint64_t offset, uint64_t length, const Moment &moment) const
{
	uint64_t generations = 0;
	each_group(offset, length, [&](const Group &group, uint64_t, uint64_t) {
		generations += group.state.load() / one_generation;
		return true;
	});
	return generations == moment.generations;
}

ReferredPages::Change ReferredPages::begin_change(uint64_t offset, uint64_t length)
{
	Change change{false, 0};
	bool alone = true;
	each_group(offset, length, [&](Group &group, uint64_t mask, uint64_t) {
		const uint64_t begun = one_generation + one_changing;
		const uint64_t state = group.state.fetch_add(begun) + begun;
		change.referred |= (state & mask) != 0;
		change.generations += state / one_generation;
		alone &= (state & all_changing) == one_changing;
		return true;
	});
	if (!alone)
		change.generations = never;
	return change;
}

void ReferredPages::end_change(uint64_t offset, uint64_t length)
{
	each_group(offset, length, [](Group &group, uint64_t, uint64_t) {
		group.state.fetch_sub(one_changing);
		return true;
	});
}

// A page between two that are referred to is given up with them. If it is not referred to it
// may be changing already; but who referred to it once finds what was kept at that time.
void ReferredPages::give_up(uint64_t offset, uint64_t length,
			    const std::function<void(const GivenUp &)> &keep)
{
	std::lock_guard lock(giving_up_);
	const uint64_t now = referred_bytes_.load(std::memory_order_relaxed);
	GivenUp old{0, 0, 0, false}; // groups in a row are one
	auto end_old = [&] {
		if (old.length > 0)
			keep(old);
		old.length = 0;
	};
	uint64_t number = 0;
	each_group(offset, length, [&](Group &group, uint64_t mask, uint64_t page) {
		const uint64_t marks = group.state.load() & mask;
		if (marks == 0)
			return true; // or another thread was here first
		if (number == 0)
			number = number_change();
		const auto first = page + static_cast<uint64_t>(std::countr_zero(marks));
		const auto end = page + static_cast<uint64_t>(std::bit_width(marks));
		if (now - group.referred_at.load(std::memory_order_relaxed) < young_bytes_) {
			end_old();
			keep({first * page_bytes, (end - first) * page_bytes, number, true});
		} else {
			if (old.length == 0)
				old = {first * page_bytes, 0, number, false};
			old.length = end * page_bytes - old.offset;
		}
		return true;
	});
	end_old();
	if (number == 0)
		return;
	// Only now: who finds no mark goes on and changes the page.
	each_group(offset, length, [](Group &group, uint64_t mask, uint64_t) {
		group.state.fetch_and(~mask);
		return true;
	});
}

} // namespace bioscope
