// SPDX-License-Identifier: Apache-2.0
// Records as packed columns, which cross a process boundary with less than half of
// their bytes. app/contract/packed-columns.ts says how they are packed, and unpacks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace bioscope
{

// The fields of a trace record but the disk, in their order there.
constexpr std::array<size_t, 14> column_widths = {8, 8, 8, 8, 8, 4, 4, 2, 2, 2, 1, 1, 1, 1};

// One for each caller: not to be used by two threads at once.
class ColumnPacker
{
public:
	// Packs of `columns` (the values of each field) the rows `rows`, in that order,
	// into `into`. Returns the bytes needed; when `into` has fewer, what is in it then
	// is of no use. Every row must be there in every column.
	size_t pack(const std::array<const std::byte *, column_widths.size()> &columns,
		    std::span<const uint32_t> rows, std::span<std::byte> into);

private:
	// Room for three columns in the order of the rows.
	std::vector<std::byte> scratch_;
};

} // namespace bioscope
