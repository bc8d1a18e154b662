// SPDX-License-Identifier: Apache-2.0
#include "record_packer.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace bioscope
{

namespace
{
// Records taken apart at a time: they stay in the first cache while each of their
// fields is looked at.
constexpr size_t block_records = 256;

// Values of `width` bytes, `stride` bytes apart, one behind the other.
template <size_t width>
void gather(const std::byte *from, size_t stride, size_t count, std::byte *to)
{
	for (size_t i = 0; i < count; i++)
		std::memcpy(to + i * width, from + i * stride, width);
}

void gather_of_width(size_t width, const std::byte *from, size_t stride, size_t count,
		     std::byte *to)
{
	switch (width) {
	case 1:
		return gather<1>(from, stride, count, to);
	case 2:
		return gather<2>(from, stride, count, to);
	case 4:
		return gather<4>(from, stride, count, to);
	default:
		return gather<8>(from, stride, count, to);
	}
}
} // namespace

// The fields lie one behind the other in a record, the narrower ones last.
static_assert(offsetof(bioscope_trace_record, marks) + sizeof(uint8_t) ==
	      std::accumulate(column_widths.begin(), column_widths.end(), size_t{0}));

size_t RecordPacker::pack(std::span<const bioscope_trace_record> records, std::span<std::byte> into)
{
	const size_t count = records.size();
	if (rows_.size() < count) {
		rows_.resize(count);
		std::iota(rows_.begin(), rows_.end(), 0);
		for (size_t field = 0; field < columns_.size(); field++)
			columns_[field].resize(count * column_widths[field]);
	}
	for (size_t first = 0; first < count; first += block_records) {
		const auto block =
		    std::as_bytes(records.subspan(first, std::min(block_records, count - first)));
		size_t offset = 0;
		for (size_t field = 0; field < columns_.size(); field++) {
			const size_t width = column_widths[field];
			gather_of_width(width, block.data() + offset, sizeof(bioscope_trace_record),
					block.size() / sizeof(bioscope_trace_record),
					columns_[field].data() + first * width);
			offset += width;
		}
	}
	std::array<const std::byte *, column_widths.size()> columns{};
	for (size_t field = 0; field < columns.size(); field++)
		columns[field] = columns_[field].data();
	return packer_.pack(columns, {rows_.data(), count}, into);
}

} // namespace bioscope
