// SPDX-License-Identifier: Apache-2.0
#include "dm_user_fixture.h"

#include <algorithm>
#include <cerrno>
#include <set>
#include <thread>

using bioscope::ChannelEnd;
using bioscope_test::ChannelFixture;
using bioscope_test::KernelDouble;
using bioscope_test::Pacing;
using bioscope_test::pattern;
using bioscope_test::Reply;
using bioscope_test::Wire;

namespace
{
constexpr uint64_t flush_flags = DM_USER_FLAG_PREFLUSH | DM_USER_FLAG_SYNC;

// Writes, reads back, in several sizes; every answer checked to the byte.
void write_and_read_back(KernelDouble &kernel, uint64_t first_sector, int rounds)
{
	for (int round = 0; round < rounds; round++) {
		size_t length = 512 * (1 + round * 5 % 17);
		uint64_t sector = first_sector + round * 20;
		auto data = pattern(length, sector * 512);
		uint64_t written = kernel.submit(DM_USER_REQUEST_WRITE, sector, length, 0, data);
		Reply answer = kernel.receive();
		CHECK(answer.header.sequence == written);
		CHECK(answer.header.type == DM_USER_RESPONSE_SUCCESS);
		CHECK(answer.header.length == 0);
		uint64_t asked = kernel.submit(DM_USER_REQUEST_READ, sector, length);
		answer = kernel.receive();
		CHECK(answer.header.sequence == asked);
		CHECK(answer.header.type == DM_USER_RESPONSE_SUCCESS);
		CHECK(answer.header.length == length);
		CHECK(answer.header.sector == sector);
		CHECK(answer.payload == data);
	}
	CHECK(kernel.unread_bytes() == 0);
}
} // namespace

TEST_CASE(
    "dm-user channel: writes and reads back whatever the splits, over a socket and over pipes")
{
	for (Wire wire : {Wire::socket, Wire::pipes}) {
		for (Pacing pacing :
		     {Pacing::batched, Pacing::seed, Pacing::bytewise, Pacing::random}) {
			for (bool nonblocking : {false, true}) {
				CAPTURE(static_cast<int>(wire));
				CAPTURE(static_cast<int>(pacing));
				CAPTURE(nonblocking);
				ChannelFixture fixture(
				    {.wire = wire, .pacing = pacing, .nonblocking = nonblocking});
				write_and_read_back(fixture.kernel(), 8, 12);
				ChannelEnd end = fixture.end();
				CHECK(end.reason == ChannelEnd::Reason::target_gone);
				CHECK(end.text == "the dm-user target is gone");
			}
		}
	}
}

TEST_CASE("dm-user channel: requests that come together are all answered before the next read")
{
	for (Pacing pacing : {Pacing::batched, Pacing::seed, Pacing::random}) {
		CAPTURE(static_cast<int>(pacing));
		ChannelFixture fixture({.pacing = pacing});
		KernelDouble &kernel = fixture.kernel();
		kernel.gather();
		std::set<uint64_t> open;
		for (uint64_t i = 0; i < 32; i++) {
			open.insert(
			    kernel.submit(DM_USER_REQUEST_WRITE, i * 8, 4096, 0, pattern(4096, i)));
			open.insert(kernel.submit(DM_USER_REQUEST_READ, 4096 + i * 8, 4096));
		}
		std::thread sender([&] { kernel.send_gathered(); });
		sender.join();
		for (int i = 0; i < 64; i++) {
			Reply answer = kernel.receive();
			CHECK(answer.header.type == DM_USER_RESPONSE_SUCCESS);
			CHECK(open.erase(answer.header.sequence) == 1);
		}
		CHECK(open.empty());
		for (uint64_t i = 0; i < 32; i++)
			CHECK(fixture.backend->bytes(i * 4096, 4096) == pattern(4096, i));
	}
}

TEST_CASE("dm-user channel: more requests than one batch holds")
{
	ChannelFixture fixture;
	KernelDouble &kernel = fixture.kernel();
	kernel.gather();
	constexpr int count = 3000;
	for (int i = 0; i < count; i++)
		kernel.submit(DM_USER_REQUEST_READ, i % 1024, 512);
	std::thread sender([&] { kernel.send_gathered(); });
	uint64_t last = 0;
	for (int i = 0; i < count; i++) {
		Reply answer = kernel.receive();
		CHECK(answer.header.sequence == last + 1); // reads of one lane keep their order
		last = answer.header.sequence;
	}
	sender.join();
	CHECK(fixture.records().size() == count);
}

TEST_CASE("dm-user channel: every operation is answered by its rule and recorded with its flags")
{
	ChannelFixture fixture;
	KernelDouble &kernel = fixture.kernel();
	constexpr uint64_t all_flags = 0x7ffff;
	std::vector<dm_user_message> sent;
	for (uint64_t type = 0; type <= DM_USER_REQUEST_ZONE_RESET_ALL; type++) {
		bool write = type == DM_USER_REQUEST_WRITE;
		uint64_t length = type == DM_USER_REQUEST_FLUSH ? 0 : 4096;
		uint64_t sequence =
		    kernel.submit(type, type * 8, length, all_flags,
				  write ? pattern(4096, 1) : std::vector<std::byte>());
		sent.push_back({sequence, type, all_flags, type * 8, length});
		Reply answer = kernel.receive();
		CAPTURE(type);
		CHECK(answer.header.sequence == sequence);
		bool known =
		    type <= DM_USER_REQUEST_DISCARD || type == DM_USER_REQUEST_WRITE_ZEROES;
		CHECK(answer.header.type ==
		      (known ? DM_USER_RESPONSE_SUCCESS : DM_USER_RESPONSE_UNSUPPORTED));
		CHECK(answer.payload.size() == (type == DM_USER_REQUEST_READ ? 4096 : 0));
		CHECK(kernel.unread_bytes() == 0);
	}
	fixture.end();
	auto records = fixture.records();
	REQUIRE(records.size() == sent.size());
	for (size_t i = 0; i < records.size(); i++) {
		CAPTURE(i);
		CHECK(records[i].operation == sent[i].type);
		CHECK(records[i].flags == all_flags);
		CHECK(records[i].sector == sent[i].sector);
		CHECK(records[i].length == sent[i].length);
		CHECK(records[i].route == BIOSCOPE_ROUTE_DM_USER);
		CHECK(records[i].disk == 7);
		CHECK(records[i].completion_ns >= records[i].arrival_ns);
	}
	CHECK(records[DM_USER_REQUEST_ZONE_OPEN].result == BIOSCOPE_RESULT_UNSUPPORTED);
	CHECK(records[DM_USER_REQUEST_ZONE_OPEN].error == EOPNOTSUPP);
}

TEST_CASE("dm-user channel: each flag alone reaches the record")
{
	ChannelFixture fixture;
	KernelDouble &kernel = fixture.kernel();
	for (int bit = 0; bit < 19; bit++) {
		kernel.submit(DM_USER_REQUEST_READ, 0, 512, uint64_t{1} << bit);
		kernel.receive();
	}
	fixture.end();
	auto records = fixture.records();
	REQUIRE(records.size() == 19);
	for (int bit = 0; bit < 19; bit++)
		CHECK(records[bit].flags == uint32_t{1} << bit);
}

TEST_CASE("dm-user channel: both ways to ask for a flush flush")
{
	ChannelFixture fixture;
	KernelDouble &kernel = fixture.kernel();
	kernel.submit(DM_USER_REQUEST_WRITE, 0, 0, flush_flags);
	CHECK(kernel.receive().header.type == DM_USER_RESPONSE_SUCCESS);
	kernel.submit(DM_USER_REQUEST_FLUSH, 0, 0);
	CHECK(kernel.receive().header.type == DM_USER_RESPONSE_SUCCESS);
	fixture.end();
	CHECK(fixture.backend->calls() == std::vector<std::string>{"flush", "flush"});
	auto records = fixture.records();
	REQUIRE(records.size() == 2);
	CHECK(records[0].operation == DM_USER_REQUEST_FLUSH);
	CHECK(records[0].flags == flush_flags);
	CHECK(records[1].operation == DM_USER_REQUEST_FLUSH);
	CHECK(fixture.disk->counters().flushes == 2);
}

TEST_CASE("dm-user channel: PREFLUSH comes before the write, FUA's flush after it")
{
	ChannelFixture fixture;
	KernelDouble &kernel = fixture.kernel();
	kernel.submit(DM_USER_REQUEST_WRITE, 8, 512, DM_USER_FLAG_PREFLUSH | DM_USER_FLAG_FUA,
		      pattern(512, 5));
	CHECK(kernel.receive().header.type == DM_USER_RESPONSE_SUCCESS);
	CHECK(fixture.backend->calls() == std::vector<std::string>{"flush", "write", "flush"});
	CHECK(fixture.backend->bytes(4096, 512) == pattern(512, 5));
}

TEST_CASE("dm-user channel: NOUNMAP keeps the blocks, its absence need not")
{
	ChannelFixture fixture;
	KernelDouble &kernel = fixture.kernel();
	kernel.submit(DM_USER_REQUEST_WRITE_ZEROES, 0, 4096, DM_USER_FLAG_NOUNMAP);
	kernel.receive();
	kernel.submit(DM_USER_REQUEST_WRITE_ZEROES, 0, 4096);
	kernel.receive();
	kernel.submit(DM_USER_REQUEST_DISCARD, 0, 4096);
	kernel.receive();
	CHECK(fixture.backend->calls() ==
	      std::vector<std::string>{"zeroes, kept", "zeroes", "discard"});
}

TEST_CASE("dm-user channel: reads and writes do not wait behind a flush")
{
	ChannelFixture fixture;
	KernelDouble &kernel = fixture.kernel();
	fixture.backend->hold_flushes();
	uint64_t flush = kernel.submit(DM_USER_REQUEST_FLUSH, 0, 0);
	uint64_t forced =
	    kernel.submit(DM_USER_REQUEST_WRITE, 64, 512, DM_USER_FLAG_FUA, pattern(512, 9));
	fixture.backend->wait_until_held();
	write_and_read_back(kernel, 128, 20);
	CHECK_FALSE(kernel.replies_within(20));
	fixture.backend->let_go();
	std::set<uint64_t> late{kernel.receive().header.sequence, kernel.receive().header.sequence};
	CHECK(late == std::set<uint64_t>{flush, forced});
	fixture.end();
	auto records = fixture.records();
	CHECK(records[0].operation == DM_USER_REQUEST_FLUSH);
	CHECK(records[0].sequence == 1); // in the order of arrival, not of completion
	CHECK(records[0].completion_ns > records.back().completion_ns);
	CHECK(records[0].queue != records.back().queue);
}

TEST_CASE("dm-user channel: a backend's error becomes ERROR without payload, its errno is recorded")
{
	ChannelFixture fixture;
	KernelDouble &kernel = fixture.kernel();
	fixture.backend->read_error = EIO;
	fixture.backend->write_error = ENOSPC;
	kernel.submit(DM_USER_REQUEST_READ, 0, 4096);
	Reply answer = kernel.receive();
	CHECK(answer.header.type == DM_USER_RESPONSE_ERROR);
	CHECK(answer.header.length == 0);
	kernel.submit(DM_USER_REQUEST_WRITE, 0, 4096, 0, pattern(4096, 0));
	CHECK(kernel.receive().header.type == DM_USER_RESPONSE_ERROR);
	fixture.backend->read_error = EOPNOTSUPP;
	kernel.submit(DM_USER_REQUEST_READ, 0, 4096);
	CHECK(kernel.receive().header.type == DM_USER_RESPONSE_UNSUPPORTED);
	CHECK(kernel.unread_bytes() == 0);
	fixture.end();
	auto records = fixture.records();
	REQUIRE(records.size() == 3);
	CHECK(records[0].error == EIO);
	CHECK(records[0].result == BIOSCOPE_RESULT_ERROR);
	CHECK(records[1].error == ENOSPC);
	CHECK(records[2].result == BIOSCOPE_RESULT_UNSUPPORTED);
	CHECK(fixture.disk->counters().errors == 3);
}

TEST_CASE("dm-user channel: the newest payloads are whole after the memory for them has gone round")
{
	for (Pacing pacing : {Pacing::batched, Pacing::random}) {
		CAPTURE(static_cast<int>(pacing));
		ChannelFixture fixture({.pacing = pacing});
		KernelDouble &kernel = fixture.kernel();
		constexpr uint64_t rounds = 80, writes = 16;
		std::vector<std::byte> kept(8192);
		for (uint64_t round = 0; round < rounds; round++) {
			kernel.gather();
			for (uint64_t i = 0; i < writes; i++) {
				kernel.submit(DM_USER_REQUEST_WRITE, i * 8, 4096, 0,
					      pattern(4096, round * 100 + i));
				kernel.submit(DM_USER_REQUEST_READ, i * 8, 4096);
			}
			std::thread sender([&] { kernel.send_gathered(); });
			for (uint64_t i = 0; i < writes * 2; i++)
				kernel.receive();
			sender.join();
		}
		fixture.end();
		uint64_t first = (rounds - 1) * writes * 2 + 1;
		for (uint64_t i = 0; i < writes; i++) {
			CAPTURE(i);
			for (uint64_t sequence : {first + i * 2, first + i * 2 + 1}) {
				auto count = fixture.disk->payloads().read(sequence, 0, kept);
				REQUIRE(count == 4096);
				CHECK(std::vector(kept.begin(), kept.begin() + 4096) ==
				      pattern(4096, (rounds - 1) * 100 + i));
			}
		}
		CHECK_FALSE(fixture.disk->payloads().find(1).has_value());
	}
}

TEST_CASE("dm-user channel: what was read and written is kept by sequence, also in mixed batches")
{
	ChannelFixture fixture;
	KernelDouble &kernel = fixture.kernel();
	kernel.gather();
	for (uint64_t i = 0; i < 20; i++)
		kernel.submit(DM_USER_REQUEST_WRITE, i * 8, 4096, 0, pattern(4096, i * 4096));
	kernel.send_gathered();
	for (int i = 0; i < 20; i++)
		kernel.receive();
	kernel.gather();
	for (uint64_t i = 0; i < 20; i++) {
		kernel.submit(DM_USER_REQUEST_READ, i * 8, 4096);
		kernel.submit(DM_USER_REQUEST_WRITE, 1000 + i * 8, 1024, 0, pattern(1024, i));
	}
	kernel.submit(DM_USER_REQUEST_WRITE, 2000, 512, DM_USER_FLAG_FUA, pattern(512, 77));
	kernel.send_gathered();
	for (int i = 0; i < 41; i++)
		kernel.receive();
	fixture.end();
	std::vector<std::byte> kept(8192);
	auto expect = [&](uint64_t sequence, const std::vector<std::byte> &data) {
		CAPTURE(sequence);
		auto count = fixture.disk->payloads().read(sequence, 0, kept);
		REQUIRE(count.has_value());
		CHECK(std::vector(kept.begin(), kept.begin() + *count) == data);
	};
	for (uint64_t i = 0; i < 20; i++) {
		expect(1 + i, pattern(4096, i * 4096));
		expect(21 + i * 2, pattern(4096, i * 4096));
		expect(22 + i * 2, pattern(1024, i));
	}
	expect(61, pattern(512, 77));
	for (const auto &record : fixture.records())
		CHECK(record.marks == BIOSCOPE_MARK_PAYLOAD);
}

TEST_CASE("dm-user channel: a request of 32 MiB, as the first module sends them")
{
	constexpr size_t length = 32 << 20;
	ChannelFixture fixture({.size = 64 << 20});
	KernelDouble &kernel = fixture.kernel();
	auto data = pattern(length, 3);
	kernel.submit(DM_USER_REQUEST_WRITE, 8, length, 0, data);
	CHECK(kernel.receive().header.type == DM_USER_RESPONSE_SUCCESS);
	kernel.submit(DM_USER_REQUEST_READ, 8, length);
	Reply answer = kernel.receive();
	CHECK(answer.header.length == length);
	CHECK((answer.payload == data));
	write_and_read_back(kernel, 8, 3);
}

TEST_CASE("dm-user channel: many channels on one disk, each answered on its own")
{
	constexpr unsigned count = 4;
	ChannelFixture fixture({.pacing = Pacing::random, .channels = count});
	std::vector<std::thread> threads;
	for (unsigned i = 0; i < count; i++)
		threads.emplace_back(
		    [&, i] { write_and_read_back(fixture.kernel(i), 1024 * (i + 1), 30); });
	for (std::thread &thread : threads)
		thread.join();
	for (unsigned i = 0; i < count; i++)
		CHECK(fixture.end(i).reason == ChannelEnd::Reason::target_gone);
	auto records = fixture.records();
	REQUIRE(records.size() == count * 60);
	for (size_t i = 0; i < records.size(); i++)
		CHECK(records[i].sequence == i + 1);
	CHECK(fixture.disk->counters().in_flight == 0);
	CHECK(fixture.disk->counters().reads == count * 30);
}

TEST_CASE("dm-user channel: the depth at arrival is that of the kernel's queue")
{
	ChannelFixture fixture;
	KernelDouble &kernel = fixture.kernel();
	kernel.gather();
	for (int i = 0; i < 8; i++)
		kernel.submit(DM_USER_REQUEST_READ, 0, 512);
	kernel.send_gathered();
	for (int i = 0; i < 8; i++)
		kernel.receive();
	fixture.end();
	auto records = fixture.records();
	REQUIRE(records.size() == 8);
	for (int i = 0; i < 8; i++)
		CHECK(records[i].depth == i + 1);
}

TEST_CASE("dm-user channel: stop ends a channel that waits in read, blocking or not")
{
	for (bool nonblocking : {false, true}) {
		for (Wire wire : {Wire::socket, Wire::pipes}) {
			ChannelFixture fixture({.wire = wire, .nonblocking = nonblocking});
			write_and_read_back(fixture.kernel(), 8, 1);
			fixture.channel().stop();
			ChannelEnd end = fixture.channel().wait();
			CHECK(end.reason == ChannelEnd::Reason::stopped);
			CHECK(end.text == "stopped");
			fixture.channel().stop(); // twice does no harm
		}
	}
}

TEST_CASE("dm-user channel: stop answers what has arrived, the slow lane's too")
{
	ChannelFixture fixture;
	KernelDouble &kernel = fixture.kernel();
	fixture.backend->hold_flushes();
	uint64_t first = kernel.submit(DM_USER_REQUEST_FLUSH, 0, 0);
	uint64_t second =
	    kernel.submit(DM_USER_REQUEST_WRITE, 8, 512, DM_USER_FLAG_FUA, pattern(512, 1));
	fixture.backend->wait_until_held();
	write_and_read_back(kernel, 128, 1); // so both have been read
	std::thread stopper([&] { fixture.channel().stop(); });
	fixture.backend->let_go();
	CHECK(kernel.receive(first).header.type == DM_USER_RESPONSE_SUCCESS);
	CHECK(kernel.receive(second).header.type == DM_USER_RESPONSE_SUCCESS);
	stopper.join();
	CHECK(fixture.disk->counters().in_flight == 0);
}

TEST_CASE("dm-user channel: stop gives up on a peer that takes no answers")
{
	ChannelFixture fixture;
	KernelDouble &kernel = fixture.kernel();
	// Far more than a socket's buffer holds.
	for (int i = 0; i < 64; i++)
		kernel.submit(DM_USER_REQUEST_READ, 0, 256 << 10);
	CHECK(kernel.replies_within(5000));
	fixture.channel().stop();
	CHECK(fixture.channel().wait().reason == ChannelEnd::Reason::stopped);
	CHECK(fixture.disk->counters().in_flight == 0);
}

TEST_CASE("dm-user channel: a peer that closes ends it, in the middle of a request as an error")
{
	{
		ChannelFixture fixture({.gone = false});
		ChannelEnd end = fixture.end();
		CHECK(end.reason == ChannelEnd::Reason::target_gone);
		CHECK(end.text == "the other end is closed");
	}
	{
		ChannelFixture fixture({.gone = false});
		fixture.kernel().send_raw(pattern(39, 0));
		ChannelEnd end = fixture.end();
		CHECK(end.reason == ChannelEnd::Reason::protocol);
		CHECK(end.text == "the channel ended in the middle of a request");
	}
	{
		ChannelFixture fixture({.gone = false});
		fixture.kernel().submit(DM_USER_REQUEST_WRITE, 0, 4096, 0, pattern(100, 0));
		CHECK(fixture.end().reason == ChannelEnd::Reason::protocol);
	}
}

TEST_CASE("dm-user channel: a write to a closed channel is an ordinary end, not a signal")
{
	ChannelFixture fixture({.wire = Wire::pipes});
	KernelDouble &kernel = fixture.kernel();
	fixture.backend->hold_flushes();
	kernel.submit(DM_USER_REQUEST_FLUSH, 0, 0);
	fixture.backend->wait_until_held();
	kernel.close_all();
	fixture.backend->let_go();
	CHECK(fixture.channel().wait().reason == ChannelEnd::Reason::target_gone);
	CHECK(fixture.disk->counters().in_flight == 0);
}
