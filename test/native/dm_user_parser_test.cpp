// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "../../native/engine/routes/dm_user_parser.h"
#include "dm_user_kernel_double.h"

using bioscope::ChannelRequest;
using bioscope::DmUserParser;
using bioscope_test::pattern;

namespace
{
struct Taken {
	dm_user_message header;
	std::vector<std::byte> payload;
	bool oversized;
};

std::vector<std::byte> message(uint64_t sequence, uint64_t type, uint64_t length,
			       size_t payload_bytes)
{
	dm_user_message header{sequence, type, 0, sequence * 8, length};
	std::vector<std::byte> bytes(sizeof(header));
	std::memcpy(bytes.data(), &header, sizeof(header));
	std::vector<std::byte> payload = pattern(payload_bytes, sequence);
	bytes.insert(bytes.end(), payload.begin(), payload.end());
	return bytes;
}

// Feeds `bytes` in pieces whose sizes `piece` gives; what came out.
template <typename Piece>
std::vector<Taken> feed(DmUserParser &parser, std::span<const std::byte> bytes, Piece piece)
{
	std::vector<Taken> taken;
	while (!bytes.empty()) {
		std::span<std::byte> room = parser.room();
		REQUIRE_FALSE(room.empty());
		size_t count = std::min({room.size(), bytes.size(), piece()});
		std::memcpy(room.data(), bytes.data(), count);
		parser.received(count);
		bytes = bytes.subspan(count);
		ChannelRequest request;
		while (parser.next(request) == DmUserParser::Next::request)
			taken.push_back({request.header,
					 {request.payload.begin(), request.payload.end()},
					 request.oversized});
	}
	return taken;
}

std::vector<std::byte> sample()
{
	std::vector<std::byte> bytes;
	for (uint64_t sequence = 1; sequence <= 40; sequence++) {
		bool write = sequence % 3 != 0;
		size_t length = 512 * (1 + sequence * 7 % 19);
		auto one = message(sequence, write ? DM_USER_REQUEST_WRITE : DM_USER_REQUEST_READ,
				   length, write ? length : 0);
		bytes.insert(bytes.end(), one.begin(), one.end());
	}
	return bytes;
}

void check_sample(const std::vector<Taken> &taken)
{
	REQUIRE(taken.size() == 40);
	for (uint64_t sequence = 1; sequence <= 40; sequence++) {
		const Taken &one = taken[sequence - 1];
		size_t length = 512 * (1 + sequence * 7 % 19);
		CHECK(one.header.sequence == sequence);
		CHECK(one.header.sector == sequence * 8);
		CHECK(one.header.length == length);
		CHECK_FALSE(one.oversized);
		if (one.header.type == DM_USER_REQUEST_WRITE)
			CHECK(one.payload == pattern(length, sequence));
		else
			CHECK(one.payload.empty());
	}
}
} // namespace

TEST_CASE("dm-user parser: one read may carry many requests")
{
	DmUserParser parser;
	check_sample(feed(parser, sample(), [] { return SIZE_MAX; }));
	CHECK(parser.idle());
}

TEST_CASE("dm-user parser: a request may be split at any byte")
{
	std::vector<std::byte> bytes = message(1, DM_USER_REQUEST_WRITE, 512, 512);
	auto second = message(2, DM_USER_REQUEST_READ, 512, 0);
	bytes.insert(bytes.end(), second.begin(), second.end());
	for (size_t cut = 1; cut < bytes.size(); cut++) {
		DmUserParser parser;
		bool first = true;
		auto taken = feed(parser, bytes,
				  [&] { return std::exchange(first, false) ? cut : SIZE_MAX; });
		REQUIRE(taken.size() == 2);
		CHECK(taken[0].payload == pattern(512, 1));
		CHECK(taken[1].header.sequence == 2);
		CHECK(parser.idle());
	}
}

TEST_CASE("dm-user parser: byte by byte")
{
	DmUserParser parser;
	check_sample(feed(parser, sample(), [] { return size_t{1}; }));
}

TEST_CASE("dm-user parser: random pieces, also across the end of the buffer")
{
	for (uint32_t seed = 1; seed <= 20; seed++) {
		CAPTURE(seed);
		std::mt19937 random(seed);
		std::uniform_int_distribution<size_t> sizes(1, seed % 2 == 0 ? 100 : 60'000);
		DmUserParser parser;
		// Often enough that the 1 MiB buffer is filled several times.
		for (int round = 0; round < 16; round++)
			check_sample(feed(parser, sample(), [&] { return sizes(random); }));
	}
}

TEST_CASE("dm-user parser: a payload larger than the buffer makes it grow, and it shrinks again")
{
	DmUserParser parser;
	constexpr size_t length = 32 << 20; // seen from the first module
	auto bytes = message(1, DM_USER_REQUEST_WRITE, length, length);
	auto taken = feed(parser, bytes, [] { return size_t{100'000}; });
	REQUIRE(taken.size() == 1);
	CHECK(taken[0].payload == pattern(length, 1));
	CHECK(parser.room().size() == DmUserParser::initial_capacity);
}

TEST_CASE(
    "dm-user parser: a write over the limit is read past and told, and the stream stays in step")
{
	DmUserParser parser;
	constexpr size_t length = DmUserParser::payload_limit + 512;
	auto bytes = message(1, DM_USER_REQUEST_WRITE, length, length);
	auto next = message(2, DM_USER_REQUEST_WRITE, 512, 512);
	bytes.insert(bytes.end(), next.begin(), next.end());
	auto taken = feed(parser, bytes, [] { return size_t{300'000}; });
	REQUIRE(taken.size() == 2);
	CHECK(taken[0].oversized);
	CHECK(taken[0].payload.empty());
	CHECK(taken[0].header.length == length);
	CHECK_FALSE(taken[1].oversized);
	CHECK(taken[1].payload == pattern(512, 2));
	CHECK(parser.room().size() <= DmUserParser::initial_capacity);
}

TEST_CASE("dm-user parser: whole requests stay in memory that was lent")
{
	DmUserParser parser;
	std::vector<std::byte> lent(16 << 10);
	auto bytes = message(1, DM_USER_REQUEST_WRITE, 512, 512);
	for (int round = 0; round < 3; round++) {
		std::span<std::byte> room = parser.room(lent);
		CHECK(room.data() == lent.data());
		CHECK(room.size() == lent.size());
		std::memcpy(room.data(), bytes.data(), bytes.size());
		parser.received(bytes.size());
		ChannelRequest request;
		REQUIRE(parser.next(request) == DmUserParser::Next::request);
		CHECK(request.payload.data() == lent.data() + DM_USER_HEADER_BYTES);
		CHECK(parser.next(request) == DmUserParser::Next::more);
	}
}

TEST_CASE("dm-user parser: what is half received leaves lent memory with the next call")
{
	auto bytes = sample();
	DmUserParser whole_parser;
	auto whole = feed(whole_parser, bytes, [] { return size_t{1} << 20; });
	for (size_t piece : {1, 39, 40, 41, 700, 5000}) {
		CAPTURE(piece);
		DmUserParser parser;
		std::vector<std::byte> lent(700);
		std::vector<Taken> taken;
		std::span<const std::byte> rest = bytes;
		while (!rest.empty()) {
			std::span<std::byte> room = parser.room(lent);
			// From here on it is somebody else's, unless it is the room.
			if (room.data() != lent.data())
				std::fill(lent.begin(), lent.end(), std::byte{0xaa});
			size_t count = std::min({room.size(), rest.size(), piece});
			std::memcpy(room.data(), rest.data(), count);
			parser.received(count);
			rest = rest.subspan(count);
			ChannelRequest request;
			while (parser.next(request) == DmUserParser::Next::request)
				taken.push_back({request.header,
						 {request.payload.begin(), request.payload.end()},
						 request.oversized});
		}
		REQUIRE(taken.size() == whole.size());
		for (size_t i = 0; i < taken.size(); i++) {
			CHECK(taken[i].header.sequence == whole[i].header.sequence);
			CHECK(taken[i].payload == whole[i].payload);
		}
		CHECK(parser.idle());
	}
}

TEST_CASE("dm-user parser: a write that no BIO can be is told as broken")
{
	for (uint64_t length : {uint64_t{UINT32_MAX} + 1, uint64_t{1} << 63, UINT64_MAX}) {
		DmUserParser parser;
		auto bytes = message(1, DM_USER_REQUEST_WRITE, length, 0);
		std::memcpy(parser.room().data(), bytes.data(), bytes.size());
		parser.received(bytes.size());
		ChannelRequest request;
		CHECK(parser.next(request) == DmUserParser::Next::broken);
	}
}

TEST_CASE("dm-user parser: the length of anything but a write announces no payload")
{
	DmUserParser parser;
	std::vector<std::byte> bytes;
	for (uint64_t type = 0; type < 20; type++) {
		if (type == DM_USER_REQUEST_WRITE)
			continue;
		auto one = message(type + 1, type, UINT64_MAX, 0);
		bytes.insert(bytes.end(), one.begin(), one.end());
	}
	auto taken = feed(parser, bytes, [] { return SIZE_MAX; });
	REQUIRE(taken.size() == 19);
	CHECK(taken[18].header.type == 19);
	CHECK(parser.idle());
}
