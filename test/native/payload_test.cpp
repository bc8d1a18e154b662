// SPDX-License-Identifier: Apache-2.0
#include "support.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

#include "../../native/engine/payload_store.h"
#include "memory_backend.h"

using namespace bioscope;
using namespace bioscope_test;

namespace
{

MemoryBackend image(1 << 20); // of which nothing is referred to

std::vector<std::byte> kept(const PayloadStore &store, uint64_t sequence)
{
	auto total = store.find(sequence);
	REQUIRE(total);
	std::vector<std::byte> bytes(*total);
	REQUIRE(store.read(sequence, 0, bytes) == *total);
	return bytes;
}

} // namespace

TEST_CASE("payloads: found by sequence, in any arena, from any offset")
{
	PayloadStore store(3, 3 << 20, image);
	for (unsigned i = 1; i <= 30; i++)
		CHECK(store.arena(i % 3).keep(i, pattern(1000 + i, i)));
	for (unsigned i = 1; i <= 30; i++)
		CHECK(kept(store, i) == pattern(1000 + i, i));
	std::vector<std::byte> part(100);
	auto all = pattern(1007, 7);
	CHECK(store.read(7, 900, part) == 100);
	CHECK(std::equal(part.begin(), part.end(), all.begin() + 900));
	CHECK(store.read(7, 1000, part) == 7);
	CHECK(store.read(7, 1007, part) == 0);
	CHECK(store.read(7, UINT64_MAX, part) == 0);
	CHECK_FALSE(store.find(0));
	CHECK_FALSE(store.find(31));
	CHECK_FALSE(store.read(31, 0, part));
}

TEST_CASE("payloads: the newest up to the limit are kept, older ones are gone")
{
	constexpr uint64_t limit = 4 << 20;
	PayloadStore store(1, limit, image);
	// More than the arena's memory, so that it wraps; sizes that do not divide it.
	constexpr unsigned count = 20'000;
	for (unsigned i = 1; i <= count; i++)
		REQUIRE(store.arena(0).keep(i, pattern(1500, i)));
	CHECK(store.kept_bytes() <= limit);
	CHECK(store.kept_bytes() > limit - 1500);
	unsigned expected = limit / 1500;
	for (unsigned i = count - expected + 1; i <= count; i++)
		REQUIRE(kept(store, i) == pattern(1500, i));
	CHECK_FALSE(store.find(count - expected));
	CHECK_FALSE(store.find(1));
}

TEST_CASE("payloads: the limit holds for the smallest and the largest requests")
{
	constexpr uint64_t limit = 8 << 20;
	PayloadStore store(1, limit, image);
	for (size_t size : {size_t{512}, size_t{1} << 20}) {
		for (unsigned i = 1; i <= 3 * limit / size; i++)
			REQUIRE(store.arena(0).keep(size + i, pattern(size, i)));
		CHECK(store.kept_bytes() <= limit);
		CHECK(store.kept_bytes() > limit - 2 * size);
	}
}

TEST_CASE("payloads: what lies in the arena is kept without a copy")
{
	PayloadStore store(1, 1 << 20, image);
	PayloadArena &arena = store.arena(0);
	std::span<std::byte> room = arena.reserve(8192);
	REQUIRE(room.size() == 8192);
	CHECK(arena.reserve(8192).data() == room.data());
	auto content = pattern(4096, 5);
	std::copy(content.begin(), content.end(), room.begin() + 80);
	CHECK(arena.keep(1, room.subspan(80, 4096)));
	CHECK(kept(store, 1) == content);
	// The room given away next lies behind it.
	std::span<std::byte> next = arena.reserve(8192);
	CHECK(next.data() >= room.data() + 80 + 4096);
	std::fill(next.begin(), next.end(), std::byte{0xff});
	CHECK(kept(store, 1) == content);
}

TEST_CASE("payloads: room that is claimed is not given away again")
{
	PayloadStore store(1, 0, image); // 4 MiB of memory: a few rooms
	PayloadArena &arena = store.arena(0);
	std::vector<std::span<std::byte>> claimed;
	for (;;) {
		std::span<std::byte> room = arena.reserve(1 << 20);
		if (room.empty())
			break;
		for (const auto &other : claimed)
			CHECK((room.data() + room.size() <= other.data() ||
			       other.data() + other.size() <= room.data()));
		arena.claim(room);
		claimed.push_back(room);
		REQUIRE(claimed.size() < 10);
	}
	CHECK(claimed.size() >= 2);
	// Out of order: the oldest keeps all of it until it is released, too.
	arena.release(claimed[1]);
	CHECK(arena.reserve(1 << 20).empty());
	arena.release(claimed[0]);
	CHECK(arena.reserve(1 << 20).data() == claimed[0].data());
}

TEST_CASE("payloads: none is kept where the limit is 0, or smaller than the payload")
{
	PayloadStore none(2, 0, image);
	CHECK_FALSE(none.arena(0).keep(1, pattern(512, 1)));
	CHECK_FALSE(none.find(1));
	PayloadStore small(1, 1000, image);
	CHECK_FALSE(small.arena(0).keep(1, pattern(1001, 1)));
	CHECK(small.arena(0).keep(2, pattern(1000, 1)));
	CHECK_FALSE(small.arena(0).keep(3, {}));
	CHECK(small.kept_bytes() == 1000);
}

TEST_CASE("payloads: more room than a request can need is refused")
{
	PayloadStore store(1, 1 << 20, image);
	CHECK(store.arena(0).reserve(PayloadArena::largest_room).size() ==
	      PayloadArena::largest_room);
	CHECK(store.arena(0).reserve(PayloadArena::largest_room + 1).empty());
}

TEST_CASE("payloads: a reader beside a writer at full speed gets the right bytes or none")
{
	// A small store, so that the writer laps the reader all the time.
	PayloadStore store(1, 256 << 10, image);
	std::atomic<uint64_t> newest{0};
	std::atomic<bool> stop{false};
	std::thread writer([&] {
		PayloadArena &arena = store.arena(0);
		for (uint64_t sequence = 1; !stop; sequence++) {
			size_t size = 512 + sequence * 7919 % 20'000;
			std::span<std::byte> room = arena.reserve(PayloadArena::largest_room);
			std::memset(room.data() + 48, static_cast<int>(sequence & 0xff), size);
			arena.keep(sequence, room.subspan(48, size));
			newest = sequence;
		}
	});
	uint64_t right = 0, gone = 0, wrong = 0;
	std::vector<std::byte> bytes(32'768);
	for (unsigned round = 0; right < 2000 || round < 20'000; round++) {
		uint64_t last = newest;
		uint64_t back = round % 40;
		if (last <= back)
			continue;
		uint64_t sequence = last - back;
		auto got = store.read(sequence, 0, bytes);
		if (!got) {
			gone++;
			continue;
		}
		auto expected = static_cast<std::byte>(sequence & 0xff);
		size_t size = 512 + sequence * 7919 % 20'000;
		bool good = *got == size &&
			    std::all_of(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size),
					[&](std::byte byte) { return byte == expected; });
		(good ? right : wrong)++;
	}
	stop = true;
	writer.join();
	CHECK(wrong == 0);
	CHECK(right >= 2000);
	MESSAGE("right ", right, ", overtaken ", gone);
}
