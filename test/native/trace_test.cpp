// SPDX-License-Identifier: Apache-2.0
#include "support.h"

#include <atomic>
#include <cstring>
#include <memory>
#include <thread>

#include <sys/stat.h>

#include "../../native/engine/trace_file.h"

using namespace bioscope;
using namespace bioscope_test;

namespace
{

using From = TraceReader::From;

// A record whose every field follows from its sequence, so that a torn one shows.
bioscope_trace_record record_of(uint64_t sequence)
{
	bioscope_trace_record record{};
	record.sequence = sequence;
	record.arrival_ns = sequence * 3;
	record.completion_ns = sequence * 5;
	record.sector = sequence * 7;
	record.length = sequence * 512;
	record.flags = static_cast<uint32_t>(sequence * 11);
	record.backend_delay_ns = static_cast<uint32_t>(sequence * 13);
	record.queue = static_cast<uint16_t>(sequence * 17);
	record.disk = static_cast<uint32_t>(sequence * 19);
	return record;
}

bool whole(const bioscope_trace_record &record)
{
	bioscope_trace_record expected = record_of(record.sequence);
	return std::memcmp(&record, &expected, sizeof(record)) == 0;
}

std::vector<bioscope_trace_record> take(TraceReader &reader, size_t most, uint64_t &lost)
{
	std::vector<bioscope_trace_record> records(most);
	auto result = reader.read(records);
	records.resize(result.count);
	lost += result.lost;
	return records;
}

void overwrite(const std::string &path, off_t offset, uint64_t value, size_t bytes)
{
	int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
	REQUIRE(pwrite(fd, &value, bytes, offset) == static_cast<ssize_t>(bytes));
	close(fd);
}

} // namespace

TEST_CASE("trace: records are read back whole, in order, once")
{
	TemporaryDirectory directory;
	TraceFile file(directory / "trace", 9, 1, 64);
	TraceReader reader(directory / "trace", From::oldest);
	CHECK(reader.header().disk == 9);
	CHECK(reader.header().ring_capacity == 64);
	CHECK(reader.header().daemon_pid == static_cast<uint32_t>(getpid()));
	uint64_t lost = 0;
	CHECK(take(reader, 10, lost).empty());
	for (uint64_t i = 1; i <= 20; i++)
		file.append(0, record_of(i));
	auto first = take(reader, 15, lost);
	auto rest = take(reader, 15, lost);
	REQUIRE(first.size() == 15);
	REQUIRE(rest.size() == 5);
	for (size_t i = 0; i < 15; i++)
		CHECK((first[i].sequence == i + 1 && whole(first[i])));
	CHECK(rest.back().sequence == 20);
	CHECK(take(reader, 15, lost).empty());
	CHECK(lost == 0);
}

TEST_CASE("trace: the file is private and has all its blocks")
{
	TemporaryDirectory directory;
	TraceFile file(directory / "trace", 1, 2, 1024);
	struct stat status {
	};
	REQUIRE(stat((directory / "trace").c_str(), &status) == 0);
	CHECK((status.st_mode & 0777) == 0600);
	CHECK(status.st_size == 4096 + 2 * (4096 + 1024 * 64));
	CHECK(status.st_blocks * 512 >= status.st_size);
}

TEST_CASE("trace: a reader that fell behind learns exactly how many records it lost")
{
	TemporaryDirectory directory;
	TraceFile file(directory / "trace", 1, 1, 64);
	TraceReader reader(directory / "trace", From::oldest);
	uint64_t lost = 0;
	for (uint64_t i = 1; i <= 1000; i++)
		file.append(0, record_of(i));
	auto records = take(reader, 2000, lost);
	// The slot of the next record may be in the writer's hands: 63, not 64.
	REQUIRE(records.size() == 63);
	CHECK(lost == 1000 - 63);
	CHECK(records.front().sequence == 938);
	CHECK(records.back().sequence == 1000);
	for (uint64_t i = 1001; i <= 1063; i++)
		file.append(0, record_of(i));
	lost = 0;
	CHECK(take(reader, 2000, lost).size() == 63);
	CHECK(lost == 0);
}

TEST_CASE("trace: what was overwritten before a reader came does not count as lost")
{
	TemporaryDirectory directory;
	TraceFile file(directory / "trace", 1, 1, 64);
	for (uint64_t i = 1; i <= 500; i++)
		file.append(0, record_of(i));
	TraceReader oldest(directory / "trace", From::oldest);
	TraceReader newest(directory / "trace", From::newest);
	for (uint64_t i = 501; i <= 510; i++)
		file.append(0, record_of(i));
	uint64_t lost = 0;
	auto records = take(oldest, 100, lost);
	REQUIRE(records.size() == 63);
	CHECK(records.front().sequence == 448);
	CHECK(lost == 0);
	records = take(newest, 100, lost);
	REQUIRE(records.size() == 10);
	CHECK(records.front().sequence == 501);
	CHECK(lost == 0);

	// But what was written after it came does, also before its first read.
	TraceReader late(directory / "trace", From::oldest);
	for (uint64_t i = 511; i <= 610; i++)
		file.append(0, record_of(i));
	CHECK(take(late, 100, lost).size() == 63);
	CHECK(lost == 100 - 63);
}

TEST_CASE("trace: the rings of several threads are merged by sequence")
{
	TemporaryDirectory directory;
	TraceFile file(directory / "trace", 1, 3, 4096);
	TraceReader reader(directory / "trace", From::oldest);
	for (uint64_t i = 1; i <= 6000; i++)
		file.append(static_cast<uint32_t>(i * i % 3), record_of(i));
	// A thread with several requests in flight completes them out of order.
	file.append(0, record_of(6002));
	file.append(0, record_of(6001));
	uint64_t lost = 0;
	uint64_t expected = 1;
	for (;;) {
		auto records = take(reader, 700, lost);
		if (records.empty())
			break;
		for (const auto &record : records)
			REQUIRE(record.sequence == expected++);
	}
	CHECK(expected == 6003);
	CHECK(lost == 0);
}

TEST_CASE("trace: with writers and readers at full speed each record arrives whole or is counted")
{
	TemporaryDirectory directory;
	constexpr uint32_t rings = 2;
	constexpr uint64_t records_each = 200'000;
	TraceFile file(directory / "trace", 1, rings, 256);
	std::atomic<bool> torn{false};
	std::atomic<bool> disorder{false};
	struct Sum {
		uint64_t seen = 0, lost = 0;
	};
	// Opened before anything is written: they are owed every record.
	TraceReader fast_reader(directory / "trace", From::oldest);
	TraceReader slow_reader(directory / "trace", From::oldest);
	auto read_all = [&](TraceReader &reader, Sum &sum, size_t batch) {
		for (;;) {
			bool last = reader.closed();
			auto records = take(reader, batch, sum.lost);
			for (size_t i = 0; i < records.size(); i++) {
				torn = torn || !whole(records[i]);
				disorder = disorder ||
					   (i > 0 && records[i].sequence < records[i - 1].sequence);
			}
			sum.seen += records.size();
			if (last && records.empty())
				return;
		}
	};
	Sum fast, slow;
	std::thread fast_thread(read_all, std::ref(fast_reader), std::ref(fast), 4096);
	std::thread slow_thread(read_all, std::ref(slow_reader), std::ref(slow), 10);
	std::vector<std::thread> writers;
	for (uint32_t ring = 0; ring < rings; ring++)
		writers.emplace_back([&file, ring] {
			for (uint64_t i = 1; i <= records_each; i++)
				file.append(ring, record_of(i * rings + ring));
		});
	for (auto &writer : writers)
		writer.join();
	file.close();
	fast_thread.join();
	slow_thread.join();
	CHECK_FALSE(torn);
	CHECK_FALSE(disorder);
	CHECK(fast.seen + fast.lost == rings * records_each);
	CHECK(slow.seen + slow.lost == rings * records_each);
	CHECK(slow.seen > 0);
}

TEST_CASE("trace: a reader there from the start accounts for every record under load")
{
	TemporaryDirectory directory;
	constexpr uint64_t records_all = 300'000;
	TraceFile file(directory / "trace", 1, 1, 128);
	TraceReader reader(directory / "trace", From::oldest);
	std::thread writer([&] {
		for (uint64_t i = 1; i <= records_all; i++)
			file.append(0, record_of(i));
		file.close();
	});
	uint64_t seen = 0, lost = 0, previous = 0;
	bool good = true;
	for (;;) {
		bool last = reader.closed();
		auto records = take(reader, 100, lost);
		for (const auto &record : records) {
			good = good && whole(record) && record.sequence > previous;
			previous = record.sequence;
		}
		seen += records.size();
		if (last && records.empty())
			break;
	}
	writer.join();
	CHECK(good);
	CHECK(previous == records_all);
	CHECK(seen + lost == records_all);
}

TEST_CASE("trace: a file that is none, or lies about its sizes, is refused")
{
	TemporaryDirectory directory;
	std::string path = directory / "trace";
	{
		TraceFile file(path, 1, 2, 64);
		file.append(0, record_of(1));
	}
	auto open_error = [&] { return error_of([&] { TraceReader reader(path, From::oldest); }); };
	CHECK(open_error() == 0);
	SUBCASE("magic")
	{
		overwrite(path, offsetof(bioscope_trace_header, magic), 0, 8);
	}
	SUBCASE("version")
	{
		overwrite(path, offsetof(bioscope_trace_header, version), 2, 4);
	}
	SUBCASE("header size")
	{
		overwrite(path, offsetof(bioscope_trace_header, header_bytes), 72, 4);
	}
	SUBCASE("record size")
	{
		overwrite(path, offsetof(bioscope_trace_header, record_bytes), 128, 4);
	}
	SUBCASE("no rings")
	{
		overwrite(path, offsetof(bioscope_trace_header, ring_count), 0, 4);
	}
	SUBCASE("more rings than the file holds")
	{
		overwrite(path, offsetof(bioscope_trace_header, ring_count), 3, 4);
	}
	SUBCASE("capacity not a power of two")
	{
		overwrite(path, offsetof(bioscope_trace_header, ring_capacity), 63, 8);
	}
	SUBCASE("capacity whose product overflows")
	{
		overwrite(path, offsetof(bioscope_trace_header, ring_capacity), 1ULL << 60, 8);
	}
	SUBCASE("rings closer than they are long")
	{
		overwrite(path, offsetof(bioscope_trace_header, ring_bytes), 4096, 8);
	}
	SUBCASE("cut short")
	{
		REQUIRE(truncate(path.c_str(), 8192) == 0);
	}
	SUBCASE("empty")
	{
		REQUIRE(truncate(path.c_str(), 0) == 0);
	}
	CHECK(open_error() == EBADMSG);
}

TEST_CASE("trace: a file that changes for the worse while it is read is an error, not a crash")
{
	TemporaryDirectory directory;
	std::string path = directory / "trace";
	TraceFile file(path, 1, 1, 64);
	for (uint64_t i = 1; i <= 10; i++)
		file.append(0, record_of(i));
	TraceReader reader(path, From::oldest);
	uint64_t lost = 0;
	CHECK(take(reader, 100, lost).size() == 10);
	SUBCASE("its head moves backwards")
	{
		overwrite(path, BIOSCOPE_TRACE_HEADER_BYTES, 3, 8);
	}
	SUBCASE("it is cut short")
	{
		REQUIRE(truncate(path.c_str(), 4096) == 0);
	}
	CHECK(error_of([&] { take(reader, 100, lost); }) == EBADMSG);
}

TEST_CASE("trace: a missing file and a directory are told apart from a bad one")
{
	TemporaryDirectory directory;
	CHECK(error_of([&] { TraceReader reader(directory / "none", From::oldest); }) == ENOENT);
	CHECK(error_of([&] { TraceReader reader(directory.path(), From::oldest); }) == EBADMSG);
}

TEST_CASE("trace: an existing file is not overwritten")
{
	TemporaryDirectory directory;
	make_image(directory / "trace", 100);
	std::string call;
	CHECK(error_of([&] { TraceFile file(directory / "trace", 1, 1, 64); }, &call) == EEXIST);
	CHECK(call == "open");
	CHECK(std::filesystem::file_size(directory / "trace") == 100);
}

TEST_CASE("trace: a full directory is an error at once, and nothing is left" *
	  doctest::skip(!is_root()))
{
	SmallFileSystem small(64);
	std::string call;
	CHECK(error_of([&] { TraceFile file(small / "trace", 1, 1, 65536); }, &call) == ENOSPC);
	CHECK(call == "posix_fallocate");
	CHECK_FALSE(std::filesystem::exists(small / "trace"));
}

TEST_CASE("trace: impossible ring sizes are refused")
{
	TemporaryDirectory directory;
	for (uint64_t capacity : {0ULL, 1ULL, 3ULL, 1ULL << 40})
		CHECK(error_of([&] { TraceFile file(directory / "trace", 1, 1, capacity); }) ==
		      EINVAL);
	CHECK(error_of([&] { TraceFile file(directory / "trace", 1, 65, 64); }) == EINVAL);
	CHECK_FALSE(std::filesystem::exists(directory / "trace"));
}
