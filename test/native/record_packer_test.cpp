// SPDX-License-Identifier: Apache-2.0
// Records as packed columns: the same as their columns packed, and never past the end.
// That the window unpacks what was packed is tested with both (test/app/feed).
#include <cstring>
#include <numeric>
#include <vector>

#include "../../native/engine/record_packer.h"
#include "support.h"

using namespace bioscope;

namespace
{
// Every field has a value of its own, which no other field could be taken for.
std::vector<bioscope_trace_record> records_of(size_t count)
{
	std::vector<bioscope_trace_record> records(count);
	for (size_t i = 0; i < count; i++) {
		bioscope_trace_record &record = records[i];
		record.sequence = 1000 + i;
		record.arrival_ns = 5'000'000 + 100 * i;
		record.completion_ns = record.arrival_ns + 40 + i % 7;
		record.sector = i * 8 % 4096;
		record.length = 512 * (1 + i % 3);
		record.flags = static_cast<uint32_t>(i << 9);
		record.backend_delay_ns = static_cast<uint32_t>(3 * i);
		record.queue = static_cast<uint16_t>(i % 4);
		record.depth = static_cast<uint16_t>(1 + i % 32);
		record.error = static_cast<uint16_t>(i % 5 == 0 ? 300 + i % 5 : 0);
		record.operation = static_cast<uint8_t>(i % 6);
		record.result = static_cast<uint8_t>(i % 2);
		record.route = static_cast<uint8_t>(1 + i % 2);
		record.marks = static_cast<uint8_t>(i % 9);
		record.reserved = 0;
		record.disk = 77;
	}
	return records;
}

template <typename Value, typename Field>
std::vector<std::byte> column(const std::vector<bioscope_trace_record> &records, Field field)
{
	std::vector<Value> values;
	for (const auto &record : records)
		values.push_back(record.*field);
	std::vector<std::byte> bytes(values.size() * sizeof(Value));
	if (!bytes.empty())
		std::memcpy(bytes.data(), values.data(), bytes.size());
	return bytes;
}

std::vector<std::byte> packed_by_column(const std::vector<bioscope_trace_record> &records)
{
	using Record = bioscope_trace_record;
	const std::vector<std::vector<std::byte>> values{
	    column<uint64_t>(records, &Record::sequence),
	    column<uint64_t>(records, &Record::arrival_ns),
	    column<uint64_t>(records, &Record::completion_ns),
	    column<uint64_t>(records, &Record::sector),
	    column<uint64_t>(records, &Record::length),
	    column<uint32_t>(records, &Record::flags),
	    column<uint32_t>(records, &Record::backend_delay_ns),
	    column<uint16_t>(records, &Record::queue),
	    column<uint16_t>(records, &Record::depth),
	    column<uint16_t>(records, &Record::error),
	    column<uint8_t>(records, &Record::operation),
	    column<uint8_t>(records, &Record::result),
	    column<uint8_t>(records, &Record::route),
	    column<uint8_t>(records, &Record::marks),
	};
	std::array<const std::byte *, column_widths.size()> starts{};
	for (size_t field = 0; field < starts.size(); field++)
		starts[field] = values[field].data();
	std::vector<uint32_t> rows(records.size());
	std::iota(rows.begin(), rows.end(), 0);
	ColumnPacker packer;
	std::vector<std::byte> into(packer.pack(starts, rows, {}));
	packer.pack(starts, rows, into);
	return into;
}
} // namespace

TEST_CASE("record packer: each field is in its column, whatever was packed before")
{
	RecordPacker packer;
	for (size_t count : {256, 1, 1000, 0, 255, 257}) {
		CAPTURE(count);
		const auto records = records_of(count);
		const auto wanted = packed_by_column(records);
		std::vector<std::byte> into(wanted.size());
		CHECK(packer.pack(records, into) == wanted.size());
		CHECK(into == wanted);
	}
}

TEST_CASE("record packer: with less room than it needs it says how much it needs")
{
	RecordPacker packer;
	const auto records = records_of(300);
	const size_t whole = packer.pack(records, {});
	for (size_t room = 0; room < whole; room += 64) {
		std::vector<std::byte> into(room);
		CHECK(packer.pack(records, into) == whole);
	}
}
