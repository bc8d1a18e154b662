// SPDX-License-Identifier: Apache-2.0
// Large reads that are answered from where they lie, and payloads that are referred to in the
// image: they stay what was read or written whatever becomes of it.
#include "support.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <thread>

#include "../../native/engine/backends/raw_file.h"
#include "../../native/engine/disk.h"
#include "../../native/engine/racing_copy.h"
#include "memory_backend.h"

using namespace bioscope;
using namespace bioscope_test;

namespace
{

constexpr uint64_t page = ReferredPages::page_bytes;
constexpr uint64_t disk_bytes = 4 << 20;

struct Fixture {
	explicit Fixture(uint64_t payload_limit = 8 << 20, unsigned workers = 2)
	{
		auto memory = std::make_unique<MemoryBackend>(disk_bytes);
		backend = memory.get();
		backend->lends = true;
		DiskOptions options;
		options.workers = workers;
		options.trace_path = directory / "trace";
		options.ring_capacity = 1 << 14;
		options.payload_limit = payload_limit;
		disk = std::make_unique<Disk>(std::move(memory), options);
	}

	// Answered from where it lies, or not at all: its sequence.
	uint64_t read(uint64_t offset, uint64_t length, bool expect_lent = true)
	{
		Worker &worker = disk->worker(0);
		InFlight flight = worker.arrive({Operation::read, 0, offset / 512, length});
		Lent lent = worker.lend(flight);
		CHECK(lent.bytes.empty() == !expect_lent);
		if (lent.bytes.empty())
			worker.complete(flight, 0, {});
		else
			worker.complete(flight, lent);
		return flight.sequence;
	}

	uint64_t change(Operation operation, uint64_t offset, uint64_t length,
			std::span<std::byte> data = {}, unsigned index = 1)
	{
		Worker &worker = disk->worker(index);
		InFlight flight = worker.arrive({operation, 0, offset / 512, length});
		CHECK(worker.execute(flight, data) == 0);
		worker.complete(flight, 0, data);
		return flight.sequence;
	}
	uint64_t write(uint64_t offset, std::vector<std::byte> data, unsigned index = 1)
	{
		return change(Operation::write, offset, data.size(), data, index);
	}

	std::optional<std::vector<std::byte>> payload(uint64_t sequence)
	{
		auto total = disk->payloads().find(sequence);
		if (!total)
			return std::nullopt;
		std::vector<std::byte> bytes(*total);
		REQUIRE(disk->payloads().read(sequence, 0, bytes) == *total);
		return bytes;
	}
	bool marked(uint64_t sequence)
	{
		for (const auto &record : all_records(directory / "trace")) {
			if (record.sequence == sequence)
				return (record.marks & BIOSCOPE_MARK_PAYLOAD) != 0;
		}
		return false;
	}

	TemporaryDirectory directory;
	MemoryBackend *backend = nullptr;
	std::unique_ptr<Disk> disk;
};

} // namespace

TEST_CASE("lent reads: only large ones inside the disk, and only of what lies in memory")
{
	Fixture fixture;
	fixture.read(0, Worker::least_referred_bytes);
	fixture.read(0, Worker::least_referred_bytes - 512, false);
	fixture.read(disk_bytes - (64 << 10), 64 << 10);
	fixture.read(disk_bytes - (64 << 10) + 512, 64 << 10, false);
	fixture.read(1ULL << 60, 64 << 10, false);
	fixture.read(0, disk_bytes + 512, false);
	fixture.backend->lends = false;
	fixture.read(0, 128 << 10, false);
}

TEST_CASE("lent reads: the payload is what was read, and costs no memory")
{
	Fixture fixture;
	const auto content = pattern(128 << 10, 3);
	fixture.write(1 << 20, content);
	const uint64_t before = fixture.disk->payloads().kept_bytes();
	const uint64_t sequence = fixture.read(1 << 20, 128 << 10);
	CHECK(fixture.marked(sequence));
	CHECK(fixture.payload(sequence) == content);
	CHECK(fixture.disk->payloads().kept_bytes() == before);
	// From any offset, as every payload.
	std::vector<std::byte> part(5000);
	CHECK(fixture.disk->payloads().read(sequence, 4095, part) == 5000);
	CHECK(std::equal(part.begin(), part.end(), content.begin() + 4095));
	CHECK(fixture.disk->payloads().read(sequence, (128 << 10) - 7, part) == 7);
	CHECK(fixture.disk->payloads().read(sequence, 128 << 10, part) == 0);
}

TEST_CASE("lent reads: the payload stays what was read when smaller writes change the image")
{
	Fixture fixture;
	auto content = pattern(128 << 10, 3);
	fixture.write(1 << 20, content, 0);
	const uint64_t sequence = fixture.read(1 << 20, 128 << 10);
	// Inside, over both ends, twice at the same place, by both threads, less than a page.
	fixture.write((1 << 20) + 5 * page, pattern(page, 10), 0);
	fixture.write((1 << 20) + 5 * page, pattern(page, 11), 1);
	fixture.write((1 << 20) + 4 * page, pattern(3 * page, 12), 1);
	fixture.write((1 << 20) - page, pattern(2 * page, 13), 0);
	fixture.write((1 << 20) + (128 << 10) - 512, pattern(1024, 14), 1);
	fixture.change(Operation::write_zeroes, (1 << 20) + 20 * page, 2 * page);
	fixture.change(Operation::discard, (1 << 20) + 21 * page, 2 * page);
	CHECK(fixture.payload(sequence) == content);
	// What is read now is what is there now, and the first stays what it was.
	const auto now = fixture.backend->bytes(1 << 20, 128 << 10);
	CHECK(now != content);
	const uint64_t second = fixture.read(1 << 20, 128 << 10);
	fixture.write((1 << 20) + 5 * page, pattern(page, 15), 0);
	CHECK(fixture.payload(second) == now);
	CHECK(fixture.payload(sequence) == content);
}

TEST_CASE("lent reads: what was referred to long ago is given up for a change, what is young kept")
{
	Fixture fixture; // 4 MiB are young
	fixture.write(0, pattern(1 << 20, 1));
	const uint64_t first = fixture.read(0, 64 << 10);
	const uint64_t second = fixture.read(64 << 10, 64 << 10);
	const uint64_t third = fixture.read(256 << 10, 64 << 10);
	const uint64_t fourth = fixture.read(448 << 10, 128 << 10);
	for (unsigned round = 0; round < 4; round++)
		fixture.read(2 << 20, 1 << 20);
	const auto content = fixture.backend->bytes(512 << 10, 64 << 10);
	const uint64_t young = fixture.read(512 << 10, 64 << 10);
	for (uint64_t sequence : {first, second, third, fourth, young})
		CHECK(fixture.payload(sequence)); // age alone takes nothing away
	fixture.write((64 << 10) + page, pattern(page, 2));
	fixture.change(Operation::discard, 256 << 10, 192 << 10);
	CHECK(fixture.payload(first));
	CHECK_FALSE(fixture.payload(second));
	CHECK_FALSE(fixture.payload(third));
	CHECK(fixture.payload(fourth));
	std::vector<std::byte> bytes(64 << 10);
	CHECK_FALSE(fixture.disk->payloads().read(second, 0, bytes));
	// One change of both.
	fixture.change(Operation::write_zeroes, 448 << 10, 128 << 10);
	CHECK_FALSE(fixture.payload(fourth));
	CHECK(fixture.payload(young) == content);
	fixture.write(512 << 10, pattern(64 << 10, 3));
	CHECK(fixture.payload(young) == content);
}

TEST_CASE("payloads in the image: a large write's is what was written, and costs no memory")
{
	Fixture fixture;
	const auto data = pattern(128 << 10, 7);
	const uint64_t sequence = fixture.write(1 << 20, data);
	CHECK(fixture.marked(sequence));
	CHECK(fixture.disk->payloads().kept_bytes() == 0);
	CHECK(fixture.payload(sequence) == data);
	fixture.write((1 << 20) + page, pattern(page, 8), 0);
	const auto next = pattern(64 << 10, 9);
	const uint64_t second = fixture.write((1 << 20) + 512, next, 0);
	CHECK(fixture.payload(sequence) == data);
	CHECK(fixture.payload(second) == next);
	// A small one's is a copy, and so is that of one that another change meets.
	CHECK(fixture.payload(fixture.write(0, pattern(page, 10))) == pattern(page, 10));
	CHECK(fixture.disk->payloads().kept_bytes() == 2 * page);
	ReferredPages &pages = fixture.disk->payloads().referred();
	CHECK_FALSE(pages.begin_change(2 * page, page).referred);
	CHECK(fixture.payload(fixture.write(0, next)) == next);
	pages.end_change(2 * page, page);
	// Nor is it known who wrote last where the other one has ended before us.
	CHECK_FALSE(pages.begin_change(2 * page, page).referred);
	const uint64_t generations = pages.begin_change(0, 64 << 10).generations;
	pages.end_change(2 * page, page);
	pages.end_change(0, 64 << 10);
	CHECK(pages.refer(0, 64 << 10)->generations != generations);
	CHECK(fixture.disk->payloads().kept_bytes() == 2 * page + (64 << 10));
	// And where the image does not lie in memory.
	fixture.backend->lends = false;
	CHECK(fixture.payload(fixture.write(2 << 20, next)) == next);
	CHECK(fixture.disk->payloads().kept_bytes() == 2 * page + (128 << 10));
}

TEST_CASE("payloads in the image: copied while somebody takes them all")
{
	Fixture fixture;
	const auto data = pattern(128 << 10, 7);
	const uint64_t before = fixture.write(0, data);
	auto copies = fixture.disk->payloads().want_copies();
	auto more = fixture.disk->payloads().want_copies();
	copies.reset();
	fixture.read(0, 64 << 10, false);
	CHECK(fixture.payload(fixture.write(1 << 20, data)) == data);
	CHECK(fixture.disk->payloads().kept_bytes() == 128 << 10);
	CHECK(fixture.payload(before) == data);
	more.reset();
	fixture.read(0, 64 << 10);
	// Who wanted them may live longer than the disk.
	auto last = fixture.disk->payloads().want_copies();
	fixture.disk.reset();
}

TEST_CASE("lent reads: one that something changes meanwhile is copied, or its payload not kept")
{
	Fixture fixture;
	ReferredPages &pages = fixture.disk->payloads().referred();
	// A change that has begun before.
	CHECK_FALSE(pages.begin_change(2 * page, page).referred);
	fixture.read(0, 64 << 10, false);
	fixture.read(64 << 10, 64 << 10); // of its own 64 KiB
	pages.end_change(2 * page, page);
	const uint64_t quiet = fixture.read(0, 64 << 10);
	CHECK(fixture.marked(quiet));
	// One that begins between the read and its answer.
	Worker &worker = fixture.disk->worker(0);
	InFlight flight = worker.arrive({Operation::read, 0, 0, 64 << 10});
	Lent lent = worker.lend(flight);
	REQUIRE_FALSE(lent.bytes.empty());
	fixture.write(3 * page, pattern(page, 1));
	worker.complete(flight, lent);
	CHECK_FALSE(fixture.marked(flight.sequence));
	CHECK_FALSE(fixture.payload(flight.sequence));
	CHECK(fixture.payload(quiet) == std::vector<std::byte>(64 << 10));
}

TEST_CASE("lent reads: what was kept before changes is forgotten with age, never mistaken")
{
	// Room for a few pages only.
	Fixture fixture(128 << 10);
	fixture.write(0, pattern(1 << 20, 1), 0);
	const auto content = fixture.backend->bytes(0, 64 << 10);
	const uint64_t sequence = fixture.read(0, 64 << 10);
	fixture.write(0, pattern(page, 2));
	CHECK(fixture.payload(sequence) == content);
	unsigned changes = 0;
	for (; fixture.payload(sequence) && changes < 10'000; changes++) {
		CHECK(fixture.payload(sequence) == content);
		const uint64_t offset = (1 << 20) + changes % 64 * page;
		fixture.read((1 << 20) + changes % 2 * (128 << 10), 128 << 10);
		fixture.write(offset, pattern(page, changes));
	}
	CHECK(changes > 4);
	CHECK(changes < 10'000);
}

TEST_CASE("lent reads: more than are remembered, between payloads of their own memory")
{
	Fixture fixture(256 << 10, 1);
	fixture.write(0, pattern(1 << 20, 1), 0);
	uint64_t last = 0;
	for (unsigned round = 0; round < 2000; round++) {
		last = fixture.read(round % 8 * (128 << 10), 128 << 10);
		if (round % 3 == 0)
			fixture.write(2 << 20, pattern(page, round), 0);
		REQUIRE(fixture.disk->payloads().kept_bytes() <= 256 << 10);
	}
	CHECK(fixture.payload(last) == fixture.backend->bytes(1999 % 8 * (128 << 10), 128 << 10));
	CHECK_FALSE(fixture.payload(2));
	CHECK(fixture.disk->payloads().kept_bytes() > (256 << 10) - 2 * page);
}

TEST_CASE("lent reads: of an image that others may change nothing is kept from before")
{
	Fixture fixture;
	const auto content = pattern(64 << 10, 1);
	fixture.write(0, content);
	const uint64_t before = fixture.read(0, 64 << 10);
	fixture.disk->payloads().forget_referred();
	CHECK_FALSE(fixture.payload(before));
	const uint64_t after = fixture.read(0, 64 << 10);
	CHECK(fixture.payload(after) == content);
}

TEST_CASE("lent reads: nothing is kept where no payloads are, and they are lent all the same")
{
	Fixture fixture(0);
	const uint64_t sequence = fixture.read(0, 64 << 10);
	CHECK_FALSE(fixture.marked(sequence));
	CHECK_FALSE(fixture.payload(sequence));
}

TEST_CASE("lent reads: the last page of an image need not be whole, and the largest have an end")
{
	TemporaryDirectory directory;
	make_image(directory / "image", 4 * (1 << 20) + 512);
	auto image = RawFile::open(directory / "image", false);
	REQUIRE(image->window() != nullptr);
	std::vector<std::byte> all(image->size());
	REQUIRE(image->read(0, all) == 0); // it lies in memory now
	DiskOptions options;
	options.workers = 1;
	options.trace_path = directory / "trace";
	Disk disk(std::move(image), options);
	Worker &worker = disk.worker(0);
	auto read = [&](uint64_t offset, uint64_t length) {
		InFlight flight = worker.arrive({Operation::read, 0, offset / 512, length});
		Lent lent = worker.lend(flight);
		CHECK(lent.bytes.size() == length);
		worker.complete(flight, lent);
		return flight.sequence;
	};
	const uint64_t sequence = read(all.size() - (32 << 10), 32 << 10);
	auto data = pattern(1024, 1);
	InFlight flight = worker.arrive({Operation::write, 0, all.size() / 512 - 2, 1024});
	REQUIRE(worker.execute(flight, data) == 0);
	worker.complete(flight, 0, data);
	std::vector<std::byte> found(32 << 10);
	CHECK(disk.payloads().read(sequence, 0, found) == found.size());
	CHECK(std::equal(found.begin(), found.end(), all.end() - (32 << 10)));
	// As large as an arena gives room for, and no larger: nobody could take it.
	CHECK(disk.payloads().find(read(0, 1 << 20)));
	CHECK_FALSE(disk.payloads().find(read(0, 2 << 20)));
}

TEST_CASE("lent reads: beside writers at full speed, what is kept is what was sent, or nothing")
{
	constexpr unsigned writers = 3;
	constexpr uint64_t area = 512 << 10;
	Fixture fixture(8 << 20, writers + 1);
	PayloadStore &payloads = fixture.disk->payloads();
	std::atomic<bool> stop{false};
	std::atomic<uint64_t> written_wrong{0};
	std::vector<std::thread> threads;
	for (unsigned index = 1; index <= writers; index++) {
		threads.emplace_back([&, index] {
			Worker &worker = fixture.disk->worker(index);
			std::minstd_rand random(index);
			for (unsigned round = 0; !stop; round++) {
				const uint64_t bytes = round % 4 == 0 ? page * (8 + random() % 40)
								      : 512 * (1 + random() % 40);
				auto data = pattern(bytes, random());
				const uint64_t sector = random() % ((area - bytes) / 512);
				InFlight flight =
				    worker.arrive({Operation::write, 0, sector, bytes});
				worker.execute(flight, data);
				worker.complete(flight, 0, data);
				std::vector<std::byte> found(bytes);
				if (payloads.read(flight.sequence, 0, found) && found != data)
					written_wrong++;
			}
		});
	}
	Worker &worker = fixture.disk->worker(0);
	std::minstd_rand random(99);
	std::vector<std::pair<uint64_t, std::vector<std::byte>>> sent;
	uint64_t right = 0, gone = 0, wrong = 0, lent_reads = 0;
	for (unsigned round = 0; right < 300 && round < 300'000; round++) {
		const uint64_t length = page * (8 + random() % 60);
		const uint64_t sector = random() % ((area - length) / 512);
		InFlight flight = worker.arrive({Operation::read, 0, sector, length});
		Lent lent = worker.lend(flight);
		if (!lent.bytes.empty()) {
			lent_reads++;
			std::vector<std::byte> copy(length);
			racing_copy(copy.data(), lent.bytes.data(), length); // the kernel's
			worker.complete(flight, lent);
			sent.emplace_back(flight.sequence, std::move(copy));
		} else {
			worker.complete(flight, 0, {});
		}
		if (sent.size() < 20)
			continue;
		for (const auto &[sequence, bytes] : sent) {
			std::vector<std::byte> found(bytes.size());
			if (!payloads.read(sequence, 0, found))
				gone++;
			else
				(found == bytes ? right : wrong)++;
		}
		sent.clear();
	}
	stop = true;
	for (auto &thread : threads)
		thread.join();
	CHECK(wrong == 0);
	CHECK(written_wrong == 0);
	CHECK(right >= 300);
	MESSAGE("lent ", lent_reads, ", right ", right, ", not kept ", gone);
}
