// SPDX-License-Identifier: Apache-2.0
// Which pages of a disk a kept payload refers to instead of being a copy of them, and
// whether anybody is changing them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>

#include "page_groups.h"

namespace bioscope
{

// Whoever answers a read from where it lies in the image refers to those pages first, and
// looks afterwards whether they are unchanged: then what lies there is what was sent. Whoever
// changes pages says so before and after, and what is referred to is kept first, by a copy.
// Whoever has written what it received refers to it in the image, if nobody else has changed
// the same pages meanwhile.
//
// Offsets and lengths are in bytes; what lies beyond most_bytes cannot be referred to, and
// may be changed freely. Any thread may call any function.
class ReferredPages
{
public:
	static constexpr uint64_t page_bytes = bioscope::page_bytes;
	static constexpr uint64_t most_bytes = 64ULL << 30;

	// What was referred to before so many bytes were referred to is old, and not worth a
	// copy. Throws Error ENOMEM.
	explicit ReferredPages(uint64_t young_bytes);
	~ReferredPages();
	ReferredPages(const ReferredPages &) = delete;
	ReferredPages &operator=(const ReferredPages &) = delete;

	// When a range was referred to: after so many changes of referred pages, and after
	// changes of this range, counted.
	struct Moment {
		uint64_t change;
		uint64_t generations;
	};

	// Nothing if the range is being changed just now.
	std::optional<Moment> refer(uint64_t offset, uint64_t length);
	// True if no change of the range has begun since.
	bool unchanged(uint64_t offset, uint64_t length, const Moment &moment) const;

	// Around every change of the disk's bytes: give_up() if `referred`, before the first
	// byte is changed. A Moment after the change has the same `generations` if nobody else
	// has changed the range since this one began: never, if somebody did so already.
	struct Change {
		bool referred;
		uint64_t generations;
	};
	static constexpr uint64_t never = UINT64_MAX;
	Change begin_change(uint64_t offset, uint64_t length);
	void end_change(uint64_t offset, uint64_t length);

	// The pages [offset, offset + length) are about to be changed, by the change of this
	// number, and somebody refers to them: not for long, if `young`. Numbers begin with 1
	// and rise.
	struct GivenUp {
		uint64_t offset, length, number;
		bool young;
	};
	// Calls `keep` for what is referred to of the range, in its order. It is not referred to
	// any more when this returns. Between begin_change() and end_change() of the range.
	void give_up(uint64_t offset, uint64_t length,
		     const std::function<void(const GivenUp &)> &keep);

	// The number of a change that is no thread's: of everything, by somebody else.
	uint64_t number_change() { return changes_.fetch_add(1) + 1; }
	// The highest number so far. What the changes before gave up is kept by now; what this
	// one gives up may not be yet, and it has changed nothing then.
	uint64_t changes() const { return changes_.load(); }

	std::span<const std::byte> memory() const;

private:
	// 64 KiB of the disk.
	struct Group {
		// A bit for each page that is referred to, how many are changing the group now,
		// and how many changes have begun (which falls off at the top).
		std::atomic<uint64_t> state;
		std::atomic<uint64_t> referred_at; // by referred_bytes_, the last time
	};
	static constexpr uint64_t group_bytes = group_pages * page_bytes;
	static constexpr uint64_t groups = most_bytes / group_bytes;
	static constexpr uint64_t one_changing = 1ULL << 16;
	static constexpr uint64_t all_changing = 0xffffULL << 16;
	static constexpr uint64_t one_generation = 1ULL << 32;

	template <typename Visit>
	bool each_group(uint64_t offset, uint64_t length, Visit visit) const;
	bool mark(uint64_t offset, uint64_t length, uint64_t at, uint64_t &generations);

	const uint64_t young_bytes_;
	Group *const groups_; // a mapping: groups that were never touched take no memory
	std::atomic<uint64_t> referred_bytes_{0};
	std::atomic<uint64_t> changes_{0};
	std::mutex giving_up_; // so that nobody copies what another is changing already
};

} // namespace bioscope
