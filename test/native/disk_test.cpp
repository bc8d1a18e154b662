// SPDX-License-Identifier: Apache-2.0
#include "support.h"

#include <limits>
#include <memory>

#include "../../native/engine/disk.h"
#include "memory_backend.h"

using namespace bioscope;
using namespace bioscope_test;

namespace
{

constexpr uint64_t disk_bytes = 1 << 20;

class Locked : public Backend
{
public:
	uint64_t size() const override { return disk_bytes; }
	bool read_only() const override { return true; }
	int read(uint64_t, std::span<std::byte>) override { return 0; }
	int write(uint64_t, std::span<const std::byte>) override { return EIO; }
	int flush() override { return 0; }
	int discard(uint64_t, uint64_t) override { return EIO; }
	int write_zeroes(uint64_t, uint64_t, bool) override { return EIO; }
};

struct Fixture {
	explicit Fixture(std::unique_ptr<Backend> other = nullptr, bool trace = true)
	{
		auto memory = std::make_unique<MemoryBackend>(disk_bytes);
		backend = memory.get();
		DiskOptions options;
		options.number = 12;
		options.workers = 2;
		options.trace_path = directory / "trace";
		options.ring_capacity = 1024;
		options.trace = trace;
		disk =
		    std::make_unique<Disk>(other ? std::move(other) : std::move(memory), options);
	}

	// One request, whole; its error.
	int serve(Operation operation, uint64_t sector, uint64_t length, uint32_t flags = 0,
		  std::span<std::byte> data = {}, unsigned worker = 0)
	{
		Request request{operation, flags, sector, length};
		InFlight flight = disk->worker(worker).arrive(request);
		int error = disk->worker(worker).execute(flight, data);
		disk->worker(worker).complete(flight, error, error ? std::span<std::byte>{} : data);
		return error;
	}

	TemporaryDirectory directory;
	MemoryBackend *backend = nullptr;
	std::unique_ptr<Disk> disk;
};

} // namespace

TEST_CASE("disk: a request leaves one record with everything in it")
{
	Fixture fixture;
	auto data = pattern(4096, 1);
	uint64_t before = monotonic_ns();
	CHECK(fixture.serve(Operation::write, 8, 4096, DM_USER_FLAG_SYNC, data, 1) == 0);
	uint64_t after = monotonic_ns();
	auto records = all_records(fixture.directory / "trace");
	REQUIRE(records.size() == 1);
	const auto &record = records[0];
	CHECK(record.sequence == 1);
	CHECK(record.arrival_ns >= before);
	CHECK(record.completion_ns >= record.arrival_ns + record.backend_delay_ns);
	CHECK(record.completion_ns <= after);
	CHECK(record.sector == 8);
	CHECK(record.length == 4096);
	CHECK(record.flags == DM_USER_FLAG_SYNC);
	CHECK(record.queue == 1);
	CHECK(record.depth == 1);
	CHECK(record.error == 0);
	CHECK(record.operation == DM_USER_REQUEST_WRITE);
	CHECK(record.result == BIOSCOPE_RESULT_OK);
	CHECK(record.route == BIOSCOPE_ROUTE_FUSE_LOOP);
	CHECK(record.marks == BIOSCOPE_MARK_PAYLOAD);
	CHECK(record.disk == 12);
	std::vector<std::byte> payload(4096);
	CHECK(fixture.disk->payloads().read(1, 0, payload) == 4096);
	CHECK(payload == data);
}

TEST_CASE("disk: depth counts the requests in flight, over all threads")
{
	Fixture fixture;
	Request request{Operation::flush, 0, 0, 0};
	InFlight first = fixture.disk->worker(0).arrive(request);
	InFlight second = fixture.disk->worker(1).arrive(request);
	InFlight third = fixture.disk->worker(0).arrive(request);
	CHECK(first.depth == 1);
	CHECK(second.depth == 2);
	CHECK(third.depth == 3);
	CHECK(third.sequence == 3);
	CHECK(fixture.disk->counters().in_flight == 3);
	fixture.disk->worker(0).complete(third, 0, {});
	fixture.disk->worker(1).complete(second, EIO, {});
	fixture.disk->worker(0).complete(first, 0, {});
	CHECK(fixture.disk->counters().in_flight == 0);
	CHECK(fixture.disk->counters().errors == 1);
	CHECK(all_records(fixture.directory / "trace")[1].error == EIO);
}

TEST_CASE("disk: a request outside of the device or not of whole sectors is refused")
{
	Fixture fixture;
	constexpr uint64_t sectors = disk_bytes / 512;
	auto data = pattern(1024, 1);
	CHECK(fixture.serve(Operation::read, sectors - 2, 1024, 0, data) == 0);
	CHECK(fixture.serve(Operation::read, sectors - 1, 1024, 0, data) == EIO);
	CHECK(fixture.serve(Operation::write, sectors, 1024, 0, data) == EIO);
	CHECK(fixture.serve(Operation::discard, 0, disk_bytes + 512) == EIO);
	CHECK(fixture.serve(Operation::discard, 1, std::numeric_limits<uint64_t>::max() - 511) ==
	      EIO);
	CHECK(fixture.serve(Operation::read, std::numeric_limits<uint64_t>::max() / 512 + 1, 1024,
			    0, data) == EINVAL);
	CHECK(fixture.serve(Operation::read, 0, 1023, 0, std::span(data).first(1023)) == EINVAL);
	CHECK(fixture.serve(Operation::read, 0, 512, 0, data) == EINVAL);
	CHECK(fixture.serve(Operation::write, 0, 512, 0, {}) == EINVAL);
	CHECK(fixture.backend->calls().empty());
}

TEST_CASE("disk: operations that no backend has are unsupported, and say so in the trace")
{
	Fixture fixture;
	for (auto operation :
	     {Operation::secure_erase, Operation::zone_reset_all, static_cast<Operation>(200)})
		CHECK(fixture.serve(operation, 0, 512) == EOPNOTSUPP);
	auto records = all_records(fixture.directory / "trace");
	REQUIRE(records.size() == 3);
	CHECK(records[2].operation == 200);
	CHECK(records[2].result == BIOSCOPE_RESULT_UNSUPPORTED);
	CHECK(records[2].error == EOPNOTSUPP);
}

TEST_CASE("disk: flushes around a write happen, in order")
{
	Fixture fixture;
	auto data = pattern(512, 1);
	using Calls = std::vector<std::string>;
	SUBCASE("plain")
	{
		fixture.serve(Operation::write, 0, 512, 0, data);
		CHECK(fixture.backend->calls() == Calls{"write"});
	}
	SUBCASE("PREFLUSH and FUA")
	{
		fixture.serve(Operation::write, 0, 512, DM_USER_FLAG_PREFLUSH | DM_USER_FLAG_FUA,
			      data);
		CHECK(fixture.backend->calls() == Calls{"flush", "write", "flush"});
	}
	SUBCASE("an empty write with PREFLUSH is a flush")
	{
		fixture.serve(Operation::write, 0, 0, DM_USER_FLAG_PREFLUSH);
		CHECK(fixture.backend->calls() == Calls{"flush"});
		CHECK(fixture.disk->counters().flushes == 1);
		CHECK(fixture.disk->counters().writes == 0);
	}
	SUBCASE("zeroes with NOUNMAP keep their blocks")
	{
		fixture.serve(Operation::write_zeroes, 0, 512, DM_USER_FLAG_NOUNMAP);
		fixture.serve(Operation::write_zeroes, 0, 512, DM_USER_FLAG_FUA);
		CHECK(fixture.backend->calls() == Calls{"zeroes, kept", "zeroes", "flush"});
	}
	SUBCASE("a failed write is not flushed")
	{
		fixture.backend->write_error = ENOSPC;
		CHECK(fixture.serve(Operation::write, 0, 512, DM_USER_FLAG_FUA, data) == ENOSPC);
		CHECK(fixture.backend->calls().empty());
	}
}

TEST_CASE("disk: a read-only image refuses what would change it")
{
	Fixture fixture(std::make_unique<Locked>());
	auto data = pattern(512, 1);
	CHECK(fixture.serve(Operation::write, 0, 512, 0, data) == EROFS);
	CHECK(fixture.serve(Operation::discard, 0, 512) == EROFS);
	CHECK(fixture.serve(Operation::write_zeroes, 0, 512) == EROFS);
	CHECK(fixture.serve(Operation::read, 0, 512, 0, data) == 0);
	CHECK(fixture.serve(Operation::flush, 0, 0) == 0);
}

TEST_CASE("disk: counters tell kinds and bytes apart, and count failures")
{
	Fixture fixture;
	auto data = pattern(1024, 1);
	fixture.serve(Operation::read, 0, 1024, 0, data);
	fixture.serve(Operation::read, 0, 512, 0, std::span(data).first(512), 1);
	fixture.serve(Operation::write, 0, 1024, 0, data, 1);
	fixture.serve(Operation::flush, 0, 0);
	fixture.serve(Operation::discard, 0, 4096);
	fixture.serve(Operation::write_zeroes, 0, 4096);
	fixture.backend->read_error = EIO;
	fixture.serve(Operation::read, 0, 1024, 0, data);
	Counters counters = fixture.disk->counters();
	CHECK(counters.reads == 3);
	CHECK(counters.read_bytes == 1536);
	CHECK(counters.writes == 1);
	CHECK(counters.written_bytes == 1024);
	CHECK(counters.flushes == 1);
	CHECK(counters.discards == 1);
	CHECK(counters.zeroes == 1);
	CHECK(counters.errors == 1);
	CHECK(counters.in_flight == 0);
}

TEST_CASE("disk: without a trace there are counters, but no records and no payloads")
{
	Fixture fixture(nullptr, false);
	auto data = pattern(1024, 1);
	CHECK(fixture.serve(Operation::write, 0, 1024, 0, data) == 0);
	CHECK(fixture.disk->counters().writes == 1);
	CHECK(all_records(fixture.directory / "trace").empty());
	CHECK(fixture.disk->payloads().kept_bytes() == 0);
}
