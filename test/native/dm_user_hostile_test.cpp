// SPDX-License-Identifier: Apache-2.0
// What no kernel sends: it must be refused, bounded, and never crash.
#include "dm_user_fixture.h"

#include <cerrno>
#include <random>
#include <thread>

using bioscope::ChannelEnd;
using bioscope::DmUserParser;
using bioscope_test::ChannelFixture;
using bioscope_test::KernelDouble;
using bioscope_test::Pacing;
using bioscope_test::pattern;
using bioscope_test::Reply;

namespace
{
void still_works(KernelDouble &kernel)
{
	auto data = pattern(512, 4);
	uint64_t written = kernel.submit(DM_USER_REQUEST_WRITE, 16, 512, 0, data);
	CHECK(kernel.receive(written).header.type == DM_USER_RESPONSE_SUCCESS);
	uint64_t asked = kernel.submit(DM_USER_REQUEST_READ, 16, 512);
	CHECK(kernel.receive(asked).payload == data);
	CHECK(kernel.unread_bytes() == 0);
}
} // namespace

TEST_CASE("dm-user channel: unknown operations are UNSUPPORTED and leave the stream in step")
{
	ChannelFixture fixture;
	KernelDouble &kernel = fixture.kernel();
	for (uint64_t type : {uint64_t{13}, uint64_t{200}, uint64_t{256}, uint64_t{257},
			      uint64_t{1} << 32, UINT64_MAX}) {
		CAPTURE(type);
		kernel.submit(type, 0, 4096);
		CHECK(kernel.receive().header.type == DM_USER_RESPONSE_UNSUPPORTED);
	}
	still_works(kernel);
	fixture.end();
	auto records = fixture.records();
	CHECK(records[0].operation == 13);
	// 256 and 257 must not be taken for the read and the write in their low byte.
	CHECK(records[2].operation == 255);
	CHECK(records[3].operation == 255);
	CHECK(records[3].error == EOPNOTSUPP);
}

TEST_CASE("dm-user channel: requests outside the disk or out of step with sectors are errors")
{
	ChannelFixture fixture;
	KernelDouble &kernel = fixture.kernel();
	struct {
		uint64_t type, sector, length;
	} requests[] = {
	    {DM_USER_REQUEST_READ, 16384, 512},
	    {DM_USER_REQUEST_READ, 16383, 1024},
	    {DM_USER_REQUEST_READ, UINT64_MAX, 512},
	    {DM_USER_REQUEST_READ, UINT64_MAX / 512 + 1, 512},
	    {DM_USER_REQUEST_READ, 0, 511},
	    {DM_USER_REQUEST_WRITE, 16384, 512},
	    {DM_USER_REQUEST_WRITE, 0, 100},
	    {DM_USER_REQUEST_DISCARD, 0, UINT64_MAX},
	    {DM_USER_REQUEST_DISCARD, 16383, 4096},
	    {DM_USER_REQUEST_WRITE_ZEROES, UINT64_MAX - 1, UINT64_MAX - 511},
	};
	for (const auto &request : requests) {
		CAPTURE(request.type);
		CAPTURE(request.sector);
		bool write = request.type == DM_USER_REQUEST_WRITE;
		uint64_t sequence = kernel.submit(request.type, request.sector, request.length, 0,
						  pattern(write ? request.length : 0, 0));
		CHECK(kernel.receive(sequence).header.type == DM_USER_RESPONSE_ERROR);
	}
	still_works(kernel);
	CHECK(fixture.backend->calls() == std::vector<std::string>{"write"});
}

TEST_CASE("dm-user channel: reads of absurd length cost no memory")
{
	ChannelFixture fixture;
	KernelDouble &kernel = fixture.kernel();
	for (uint64_t length :
	     {DmUserParser::payload_limit + 512, uint64_t{1} << 40, UINT64_MAX - 511, UINT64_MAX}) {
		CAPTURE(length);
		kernel.submit(DM_USER_REQUEST_READ, 0, length);
		Reply answer = kernel.receive();
		CHECK(answer.header.type == DM_USER_RESPONSE_ERROR);
		CHECK(answer.header.length == 0);
	}
	still_works(kernel);
	fixture.end();
	CHECK(fixture.records()[0].error == EMSGSIZE);
}

TEST_CASE("dm-user channel: a write over the limit is refused after its payload was read past")
{
	ChannelFixture fixture;
	KernelDouble &kernel = fixture.kernel();
	constexpr uint64_t length = DmUserParser::payload_limit + 4096;
	uint64_t sequence =
	    kernel.submit(DM_USER_REQUEST_WRITE, 0, length, 0, std::vector<std::byte>(length));
	CHECK(kernel.receive(sequence).header.type == DM_USER_RESPONSE_ERROR);
	still_works(kernel);
	fixture.end();
	CHECK(fixture.records()[0].error == EMSGSIZE);
	CHECK(fixture.records()[0].length == length);
}

TEST_CASE("dm-user channel: a write that no BIO can be ends the channel and says why")
{
	ChannelFixture fixture;
	fixture.kernel().submit(DM_USER_REQUEST_WRITE, 0, uint64_t{1} << 40);
	ChannelEnd end = fixture.channel().wait();
	CHECK(end.reason == ChannelEnd::Reason::protocol);
	CHECK(end.text.find("no dm-user stream") != std::string::npos);
	CHECK(fixture.disk->counters().in_flight == 0);
}

TEST_CASE("dm-user channel: a flood for the slow lane is held back, not gathered without end")
{
	ChannelFixture fixture;
	KernelDouble &kernel = fixture.kernel();
	fixture.backend->hold_flushes();
	constexpr int count = 2000;
	kernel.gather();
	for (int i = 0; i < count; i++)
		kernel.submit(DM_USER_REQUEST_FLUSH, 0, 0);
	std::thread sender([&] { kernel.send_gathered(); });
	fixture.backend->wait_until_held();
	CHECK_FALSE(kernel.replies_within(100));
	// The lane's queue, the one it works on, and the one that waits to be let in.
	CHECK(fixture.disk->counters().in_flight <= bioscope::SlowLane::longest_queue + 2);
	fixture.backend->let_go();
	for (int i = 0; i < count; i++)
		CHECK(kernel.receive().header.type == DM_USER_RESPONSE_SUCCESS);
	sender.join();
	fixture.end();
	CHECK(fixture.disk->counters().flushes == count);
}

TEST_CASE("dm-user channel: random bytes never crash it and always come to an end")
{
	for (uint32_t seed = 1; seed <= 60; seed++) {
		CAPTURE(seed);
		ChannelFixture fixture(
		    {.pacing = seed % 2 ? Pacing::batched : Pacing::random, .size = 1 << 20});
		std::mt19937_64 random(seed);
		std::vector<std::byte> noise(8192);
		for (std::byte &byte : noise)
			byte = static_cast<std::byte>(random());
		if (seed % 3 == 0) {
			// Headers that are nearly right go deeper than pure noise.
			for (size_t at = 0; at + 40 <= noise.size(); at += 40) {
				dm_user_message header{random(), random() % 14, random() & 0xfffff,
						       random() % 4096,
						       (random() % 64) * (seed % 2 ? 512 : 173)};
				std::memcpy(noise.data() + at, &header, sizeof(header));
			}
		}
		fixture.kernel().send_raw(noise);
		fixture.kernel().destroy_target();
		ChannelEnd end = fixture.channel().wait();
		CHECK((end.reason == ChannelEnd::Reason::target_gone ||
		       end.reason == ChannelEnd::Reason::protocol));
		CHECK(fixture.disk->counters().in_flight == 0);
	}
}
