// SPDX-License-Identifier: Apache-2.0
#include "column_packer.h"

#include <algorithm>
#include <bit>
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
	uint16_t width;
	uint16_t shift;
	uint32_t offset;
	double base;
};
static_assert(sizeof(Head) == 16);

// Zero bits at the end that all values have in common are not packed, up to so many.
constexpr int most_shift = 16;

size_t aligned(size_t bytes)
{
	return (bytes + 7) / 8 * 8;
}

uint16_t width_of(uint64_t most)
{
	if (most == 0)
		return 0;
	if (most <= std::numeric_limits<uint8_t>::max())
		return 1;
	if (most <= std::numeric_limits<uint16_t>::max())
		return 2;
	return most <= std::numeric_limits<uint32_t>::max() ? 4 : 8;
}

// The values of a column's rows, in their order: where they lie, if they lie side by side.
template <typename Value>
const Value *gathered(const std::byte *column, std::span<const uint32_t> rows, bool is_run,
		      Value *into)
{
	const auto *values = reinterpret_cast<const Value *>(column);
	if (is_run)
		return values + rows.front();
	for (size_t i = 0; i < rows.size(); i++)
		into[i] = values[rows[i]];
	return into;
}

// Lowest and highest of values.
template <typename Value> struct Span {
	Value least = std::numeric_limits<Value>::max();
	Value most = 0;

	void add(Value value)
	{
		least = std::min(least, value);
		most = std::max(most, value);
	}
};

template <typename Packed, typename Value>
void put_as(const Value *values, size_t count, Value base, int shift, std::byte *to)
{
	auto *packed = reinterpret_cast<Packed *>(to);
	for (size_t i = 0; i < count; i++)
		packed[i] = static_cast<Packed>((values[i] - base) >> shift);
}

// Room in what is packed, filled column by column. Knows what it would need, too.
class Packing
{
public:
	explicit Packing(std::span<std::byte> into) : into_(into) {}

	// The values above `base`, without `shift` bits that none of them has.
	template <typename Value>
	void add(const Value *values, size_t count, uint16_t width, Value base, int shift)
	{
		const Head head{width, static_cast<uint16_t>(shift), static_cast<uint32_t>(end_),
				static_cast<double>(base)};
		const size_t field = field_++;
		end_ = aligned(end_ + width * count);
		if (end_ > into_.size())
			return;
		std::memcpy(into_.data() + field * sizeof(Head), &head, sizeof(head));
		std::byte *to = into_.data() + head.offset;
		if (width == 1)
			put_as<uint8_t>(values, count, base, shift, to);
		else if (width == 2)
			put_as<uint16_t>(values, count, base, shift, to);
		else if (width == 4)
			put_as<uint32_t>(values, count, base, shift, to);
		else if (width == 8)
			std::memcpy(to, values, width * count);
	}

	size_t bytes() const { return end_; }

private:
	std::span<std::byte> into_;
	size_t field_ = 0;
	size_t end_ = column_widths.size() * sizeof(Head);
};

// A column of 32 bits and less. It has a base where all values are the same.
template <typename Value>
void pack_narrow(const std::byte *column, std::span<const uint32_t> rows, bool is_run,
		 std::byte *scratch, Packing &packing)
{
	const auto *values = gathered(column, rows, is_run, reinterpret_cast<Value *>(scratch));
	Span<Value> span;
	for (size_t i = 0; i < rows.size(); i++)
		span.add(values[i]);
	const Value base = span.least == span.most ? span.most : Value{0};
	packing.add(values, rows.size(), width_of(span.most - base), base, 0);
}

// A column of 64 bits: of `values` is packed what they are above something else.
void pack_wide(const uint64_t *values, const uint64_t *above, size_t count, Packing &packing)
{
	Span<uint64_t> span;
	uint64_t bits = 0;
	uint64_t differences = 0;
	for (size_t i = 0; i < count; i++) {
		span.add(above[i]);
		// What is less than the other is huge here.
		bits |= values[i] | above[i];
		differences |= above[i] ^ above[0];
	}
	const int shift = std::min(most_shift, std::countr_zero(differences));
	const uint64_t most = (span.most - span.least) >> shift;
	if (bits >= exact || most > std::numeric_limits<uint32_t>::max())
		packing.add(values, count, 8, uint64_t{0}, 0);
	else
		packing.add(above, count, width_of(most), span.least, most == 0 ? 0 : shift);
}
} // namespace

size_t ColumnPacker::pack(const std::array<const std::byte *, column_widths.size()> &columns,
			  std::span<const uint32_t> rows, std::span<std::byte> into)
{
	Packing packing(into);
	const size_t count = rows.size();
	scratch_.resize(std::max(scratch_.size(), 3 * count * sizeof(uint64_t)));
	auto *values = reinterpret_cast<uint64_t *>(scratch_.data());
	uint64_t *others = values + count;
	uint64_t *above = others + count;
	bool is_run = count > 0;
	for (size_t i = 1; i < count && is_run; i++)
		is_run = rows[i] == rows[0] + i;
	for (size_t field = 0; field < column_widths.size(); field++) {
		const std::byte *column = columns[field];
		if (count == 0) {
			packing.add(values, 0, 0, uint64_t{0}, 0);
		} else if (column_widths[field] == 1) {
			pack_narrow<uint8_t>(column, rows, is_run, scratch_.data(), packing);
		} else if (column_widths[field] == 2) {
			pack_narrow<uint16_t>(column, rows, is_run, scratch_.data(), packing);
		} else if (column_widths[field] == 4) {
			pack_narrow<uint32_t>(column, rows, is_run, scratch_.data(), packing);
		} else {
			const auto *wide = gathered(column, rows, is_run, values);
			if (field == sequence) {
				for (size_t i = 0; i < count; i++)
					above[i] = wide[i] - i;
			} else if (field == completion) {
				const auto *arrivals =
				    gathered(columns[arrival], rows, is_run, others);
				for (size_t i = 0; i < count; i++)
					above[i] = wide[i] - arrivals[i];
			}
			const bool follows = field == sequence || field == completion;
			pack_wide(wide, follows ? above : wide, count, packing);
		}
	}
	return packing.bytes();
}

} // namespace bioscope
