// SPDX-License-Identifier: Apache-2.0
// The pages of a disk in groups, for what is known of them in a bit each.
#pragma once

#include <algorithm>
#include <cstdint>

namespace bioscope
{

inline constexpr uint64_t page_bytes = 4096;
inline constexpr uint64_t group_pages = 16; // 64 KiB, as the kernel maps them around a fault

// Calls visit(group, mask of its pages, its first page) for every group that the range
// [offset, offset + length), in bytes, touches, until one returns false. Returns whether
// none did.
template <typename Visit> bool each_page_group(uint64_t offset, uint64_t length, Visit visit)
{
	uint64_t page = offset / page_bytes;
	const uint64_t end = (offset + length + page_bytes - 1) / page_bytes;
	while (page < end) {
		const uint64_t first = page % group_pages;
		const uint64_t count = std::min(group_pages - first, end - page);
		const uint32_t mask = ((1U << count) - 1) << first;
		if (!visit(page / group_pages, mask, page - first))
			return false;
		page += count;
	}
	return true;
}

} // namespace bioscope
