// SPDX-License-Identifier: Apache-2.0
#include "column_packer.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace bioscope
{

namespace
{
// Which columns follow another: the number of the row, or the arrival.
constexpr size_t sequence = 0;
constexpr size_t arrival = 1;
constexpr size_t completion = 2;

// Numbers that JavaScript has exactly are below it.
constexpr uint64_t exact = 1ULL << 53;

struct Head {
	uint32_t width;
	uint32_t offset;
	double base;
};
static_assert(sizeof(Head) == 16);

size_t aligned(size_t bytes)
{
	return (bytes + 7) / 8 * 8;
}

uint32_t width_of(uint64_t most)
{
	if (most == 0)
		return 0;
	if (most <= std::numeric_limits<uint8_t>::max())
		return 1;
	if (most <= std::numeric_limits<uint16_t>::max())
		return 2;
	return most <= std::numeric_limits<uint32_t>::max() ? 4 : 8;
}

// Lowest and highest of what was gathered.
struct Span {
	uint64_t least = std::numeric_limits<uint64_t>::max();
	uint64_t most = 0;

	void add(uint64_t value)
	{
		least = std::min(least, value);
		most = std::max(most, value);
	}
};

template <typename Value>
Span gather(const std::byte *column, std::span<const uint32_t> rows, uint64_t *into)
{
	const auto *values = reinterpret_cast<const Value *>(column);
	Span span;
	for (size_t i = 0; i < rows.size(); i++) {
		into[i] = values[rows[i]];
		span.add(into[i]);
	}
	return span;
}

// What the values are above their rows' numbers, or above another column. False
// where that is negative or a number is not exact: such a column is not packed.
bool gather_above_rows(const std::byte *column, std::span<const uint32_t> rows, uint64_t *into,
		       Span &span)
{
	const auto *values = reinterpret_cast<const uint64_t *>(column);
	uint64_t highest = 0;
	bool negative = false;
	for (size_t i = 0; i < rows.size(); i++) {
		uint64_t value = values[rows[i]];
		highest = std::max(highest, value);
		negative |= value < i;
		into[i] = value - i;
		span.add(into[i]);
	}
	return highest < exact && !negative;
}

bool gather_above(const std::byte *column, const std::byte *other, std::span<const uint32_t> rows,
		  uint64_t *into, Span &span)
{
	const auto *values = reinterpret_cast<const uint64_t *>(column);
	const auto *bases = reinterpret_cast<const uint64_t *>(other);
	uint64_t highest = 0;
	bool negative = false;
	for (size_t i = 0; i < rows.size(); i++) {
		uint64_t value = values[rows[i]];
		uint64_t base = bases[rows[i]];
		highest = std::max(highest, value);
		negative |= value < base;
		into[i] = value - base;
		span.add(into[i]);
	}
	return highest < exact && !negative;
}

template <typename Value>
void put(const uint64_t *values, size_t count, uint64_t base, std::byte *to)
{
	auto *packed = reinterpret_cast<Value *>(to);
	for (size_t i = 0; i < count; i++)
		packed[i] = static_cast<Value>(values[i] - base);
}

Span gather_of_width(size_t width, const std::byte *column, std::span<const uint32_t> rows,
		     uint64_t *into)
{
	switch (width) {
	case 1:
		return gather<uint8_t>(column, rows, into);
	case 2:
		return gather<uint16_t>(column, rows, into);
	case 4:
		return gather<uint32_t>(column, rows, into);
	default:
		return gather<uint64_t>(column, rows, into);
	}
}
} // namespace

size_t ColumnPacker::pack(const std::array<const std::byte *, column_widths.size()> &columns,
			  std::span<const uint32_t> rows, std::span<std::byte> into)
{
	const size_t count = rows.size();
	scratch_.resize(std::max(scratch_.size(), count));
	uint64_t *values = scratch_.data();
	size_t offset = column_widths.size() * sizeof(Head);
	for (size_t field = 0; field < column_widths.size(); field++) {
		const size_t full = column_widths[field];
		const std::byte *column = columns[field];
		Span span;
		bool is_packed = true;
		if (field == sequence) {
			is_packed = gather_above_rows(column, rows, values, span);
		} else if (field == completion) {
			is_packed = gather_above(column, columns[arrival], rows, values, span);
		} else {
			span = gather_of_width(full, column, rows, values);
			is_packed = span.most < exact;
		}
		if (is_packed && count > 0 && span.most - span.least > UINT32_MAX)
			is_packed = false;
		if (!is_packed) {
			gather<uint64_t>(column, rows, values);
			span = {};
		}
		uint64_t base = count > 0 && is_packed ? span.least : 0;
		// Narrow values have no base but where they are all the same.
		if (full < 8 && span.least != span.most)
			base = 0;
		Head head{is_packed ? width_of(count > 0 ? span.most - base : 0) : 8,
			  static_cast<uint32_t>(offset), static_cast<double>(base)};
		const size_t end = aligned(offset + head.width * count);
		if (end <= into.size()) {
			std::memcpy(into.data() + field * sizeof(Head), &head, sizeof(head));
			std::byte *to = into.data() + offset;
			if (head.width == 1)
				put<uint8_t>(values, count, base, to);
			else if (head.width == 2)
				put<uint16_t>(values, count, base, to);
			else if (head.width == 4)
				put<uint32_t>(values, count, base, to);
			else if (head.width == 8)
				put<uint64_t>(values, count, base, to);
		}
		offset = end;
	}
	return offset;
}

} // namespace bioscope
