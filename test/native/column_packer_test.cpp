// SPDX-License-Identifier: Apache-2.0
// Packed columns: what is written where, and never past the end. That the window
// unpacks what was packed is tested with both (test/app/capture).
#include <cstring>
#include <numeric>
#include <vector>

#include "../../native/engine/column_packer.h"
#include "support.h"

using namespace bioscope;

namespace
{
struct Head {
	uint16_t width;
	uint16_t shift;
	uint32_t offset;
	double base;
};

// Columns of zeroes, each in memory of its own, for a sanitizer to watch.
struct Columns {
	std::vector<std::vector<std::byte>> values;
	std::array<const std::byte *, column_widths.size()> starts{};

	explicit Columns(size_t rows)
	{
		for (size_t width : column_widths)
			values.emplace_back(width * rows);
		for (size_t field = 0; field < values.size(); field++)
			starts[field] = values[field].data();
	}

	void set(size_t field, size_t row, uint64_t value)
	{
		const size_t width = column_widths[field];
		std::memcpy(values[field].data() + row * width, &value, width);
	}
};

Head head_of(const std::vector<std::byte> &packed, size_t field)
{
	Head head;
	std::memcpy(&head, packed.data() + field * sizeof(head), sizeof(head));
	return head;
}

std::vector<std::byte> packed(const Columns &columns, std::span<const uint32_t> rows)
{
	ColumnPacker packer;
	std::vector<std::byte> into(packer.pack(columns.starts, rows, {}));
	CHECK(packer.pack(columns.starts, rows, into) == into.size());
	return into;
}
} // namespace

TEST_CASE("column packer: what is the same in every row takes no room")
{
	Columns columns(1000);
	for (size_t row = 0; row < 1000; row++) {
		columns.set(0, row, 70 + row);
		columns.set(4, row, 4096);
		columns.set(9, row, 5);
	}
	std::vector<uint32_t> rows(1000);
	std::iota(rows.begin(), rows.end(), 0);
	auto bytes = packed(columns, rows);
	CHECK(bytes.size() == column_widths.size() * sizeof(Head));
	CHECK(head_of(bytes, 0).base == 70);
	CHECK(head_of(bytes, 4).base == 4096);
	CHECK(head_of(bytes, 9).base == 5);
}

TEST_CASE("column packer: a column is as wide as its values")
{
	Columns columns(3);
	const std::vector<uint32_t> rows{2, 0, 1};
	const uint64_t first = 1ULL << 40;
	struct {
		uint64_t most;
		uint16_t width;
	} cases[] = {{0, 0},
		     {UINT8_MAX, 1},
		     {UINT8_MAX + 2, 2},
		     {UINT16_MAX, 2},
		     {UINT16_MAX + 2ULL, 4},
		     {UINT32_MAX, 4},
		     {(1ULL << 32) + 1, 8}};
	for (auto [most, width] : cases) {
		CAPTURE(most);
		columns.set(3, 0, first);
		columns.set(3, 1, first + most);
		columns.set(3, 2, first);
		auto bytes = packed(columns, rows);
		const Head head = head_of(bytes, 3);
		CHECK(head.width == width);
		CHECK(head.base == (width == 8 ? 0 : static_cast<double>(first)));
		if (width == 0)
			continue;
		uint64_t last = 0;
		std::memcpy(&last, bytes.data() + head.offset + size_t{2} * width, width);
		CHECK(last == (width == 8 ? first + most : most));
	}
}

TEST_CASE("column packer: zero bits that all values end with take no room, 16 at most")
{
	Columns columns(3);
	const std::vector<uint32_t> rows{0, 1, 2};
	struct {
		uint64_t step;
		uint16_t shift;
		uint16_t width;
	} cases[] = {{512, 9, 1}, {1ULL << 16, 16, 1}, {1ULL << 20, 16, 1}, {1ULL << 40, 16, 4}};
	for (auto [step, shift, width] : cases) {
		CAPTURE(step);
		// Not so the base: what is above it counts.
		columns.set(4, 0, 7);
		columns.set(4, 1, 7 + step);
		columns.set(4, 2, 7 + 10 * step);
		auto bytes = packed(columns, rows);
		const Head head = head_of(bytes, 4);
		CHECK(head.base == 7);
		CHECK(head.shift == shift);
		CHECK(head.width == width);
		uint64_t last = 0;
		std::memcpy(&last, bytes.data() + head.offset + size_t{2} * width, width);
		CHECK((last << shift) == 10 * step);
	}
}

TEST_CASE("column packer: a completion before its arrival and numbers beyond 2^53 stay as they are")
{
	Columns columns(2);
	const std::vector<uint32_t> rows{0, 1};
	columns.set(1, 0, 100);
	columns.set(2, 0, 99);
	columns.set(3, 1, 1ULL << 53);
	auto bytes = packed(columns, rows);
	CHECK(head_of(bytes, 2).width == 8);
	CHECK(head_of(bytes, 3).width == 8);
}

TEST_CASE("column packer: with less room than it needs it writes nothing past the end")
{
	Columns columns(64);
	std::vector<uint32_t> rows(64);
	std::iota(rows.begin(), rows.end(), 0);
	for (size_t field = 0; field < column_widths.size(); field++) {
		for (size_t row = 0; row < 64; row++)
			columns.set(field, row, row * row * 1'000'003);
	}
	ColumnPacker packer;
	const size_t whole = packer.pack(columns.starts, rows, {});
	for (size_t room = 0; room <= whole; room += 8) {
		std::vector<std::byte> into(room);
		CHECK(packer.pack(columns.starts, rows, into) == whole);
	}
	CHECK(packer.pack(columns.starts, {}, {}) == column_widths.size() * sizeof(Head));
}
