// SPDX-License-Identifier: Apache-2.0
// Writes made-up requests into the trace file of an idle disk, through the
// engine's own ring writer and at a given pace, for scripts/bench/trace.mjs.
//
//   trace_flood FILE DISK COUNT PER_SECOND
//
// Prints one line of JSON: how many were written, the first sequence, and the seconds it took.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>

#include "../../native/engine/trace_file.h"
#include "../../native/wire/dm-user.h"

namespace
{

using Clock = std::chrono::steady_clock;

// A number that looks random, the same for the same request.
uint64_t mix(uint64_t value)
{
	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
	value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
	return value ^ (value >> 31);
}

// Four reads and five writes of ten, the tenth a flush; one write of eight with FUA.
bioscope_trace_record make(uint64_t sequence, uint64_t now, uint32_t disk, uint32_t rings)
{
	const uint64_t dice = mix(sequence);
	const uint64_t kind = dice % 10;
	bioscope_trace_record record{};
	record.sequence = sequence;
	record.arrival_ns = now;
	record.completion_ns = now + 8000 + (dice >> 40) % 200000;
	record.queue = static_cast<uint16_t>(sequence % rings);
	record.depth = static_cast<uint16_t>(1 + (dice >> 8) % 32);
	record.route = BIOSCOPE_ROUTE_FUSE_LOOP;
	record.disk = disk;
	record.backend_delay_ns = 2000;
	if (kind == 9) {
		record.operation = DM_USER_REQUEST_FLUSH;
		return record;
	}
	record.operation = kind < 4 ? DM_USER_REQUEST_READ : DM_USER_REQUEST_WRITE;
	record.sector = ((dice >> 16) % 500000) * 8;
	record.length = 4096ULL << ((dice >> 12) % 6);
	if (kind >= 4 && (dice >> 50) % 8 == 0)
		record.flags = DM_USER_FLAG_FUA;
	return record;
}

} // namespace

int main(int argc, char **argv)
{
	if (argc != 5) {
		std::fprintf(stderr, "usage: trace_flood FILE DISK COUNT PER_SECOND\n");
		return 2;
	}
	const auto disk = static_cast<uint32_t>(std::strtoul(argv[2], nullptr, 10));
	const uint64_t count = std::strtoull(argv[3], nullptr, 10);
	const double pace = std::strtod(argv[4], nullptr);
	const std::unique_ptr<bioscope::TraceFile> trace =
	    bioscope::TraceFile::resume(argv[1], disk);
	const uint32_t rings = trace->ring_count();
	const uint64_t first = trace->last_sequence() + 1;
	const Clock::time_point began = Clock::now();
	uint64_t written = 0;
	while (written < count) {
		const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
		const auto due = static_cast<uint64_t>(seconds * pace);
		const auto now = static_cast<uint64_t>(
		    std::chrono::nanoseconds(Clock::now().time_since_epoch()).count());
		// As requests come: a few at a time, not a ring full after a pause.
		const uint64_t until = std::min({due, count, written + 4096});
		for (; written < until; written++) {
			const uint64_t sequence = first + written;
			trace->append(static_cast<uint32_t>(sequence % rings),
				      make(sequence, now, disk, rings));
		}
		std::this_thread::sleep_for(std::chrono::microseconds(200));
	}
	const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
	std::printf("{\"written\":%llu,\"first\":%llu,\"seconds\":%.3f}\n",
		    static_cast<unsigned long long>(written),
		    static_cast<unsigned long long>(first), seconds);
	return 0;
}
