// SPDX-License-Identifier: Apache-2.0
// A disk: a backend, its trace and its counters, and the engine threads
// ("workers") that carry requests from a route to the backend.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend.h"
#include "payload_store.h"
#include "request.h"
#include "trace_file.h"

namespace bioscope
{

struct DiskOptions {
	uint32_t number = 0; // in the trace records
	uint8_t route = BIOSCOPE_ROUTE_FUSE_LOOP;
	unsigned workers = 4;                 // engine threads, each with a ring; fewer
					      // where a trace gone on with has fewer rings
	std::string trace_path;               // the trace file; must not exist yet,
	bool resume_trace = false;            // unless it is to be gone on with,
	bool succeeds = false;                // from when take_over() is called
	uint64_t ring_capacity = 1 << 16;     // records, a power of two; of a new trace
	uint64_t payload_limit = 64ULL << 20; // bytes over all workers; 0 keeps none
	bool trace = true;                    // false: no records, no payloads
};

// Counters since the disk was opened. Read without stopping anybody.
struct Counters {
	uint64_t reads, writes, flushes, discards, zeroes;
	uint64_t read_bytes, written_bytes, errors;
	uint32_t in_flight;
};

class Worker;

// What a read is answered with from where it lies in the image.
struct Lent {
	std::span<const std::byte> bytes; // empty: nothing is lent
	// Nothing where no payloads are kept.
	std::optional<ReferredPages::Moment> moment;
};

class Disk
{
public:
	// Makes the trace file, or goes on with it. Throws std::system_error.
	Disk(std::unique_ptr<Backend> backend, const DiskOptions &options);
	~Disk();

	// Goes on with the trace of another engine, which must not write any more. With the
	// option `succeeds`: once, before the first request.
	void take_over();

	Backend &backend() { return *backend_; }
	const DiskOptions &options() const { return options_; }
	// The worker of engine thread `index`; used by that thread alone.
	Worker &worker(unsigned index) { return *workers_[index]; }
	unsigned worker_count() const { return static_cast<unsigned>(workers_.size()); }

	// Records that the trace keeps, over all its rings.
	uint64_t trace_capacity() const { return trace_->ring_count() * trace_->ring_capacity(); }
	Counters counters() const; // any thread
	PayloadStore &payloads() { return payloads_; }
	// Locks the rings and the payloads into memory, as their pages are touched; see
	// serving_thread.h for what becomes of a failure.
	void lock_memory();
	// Marks the trace as complete, where it is this engine's. After the last worker
	// has ended.
	void close_trace();

private:
	friend class Worker;

	DiskOptions options_;
	std::unique_ptr<Backend> backend_;
	std::unique_ptr<TraceFile> trace_;
	bool trace_is_ours_ = true;
	PayloadStore payloads_;
	std::vector<std::unique_ptr<Worker>> workers_;
	std::atomic<uint64_t> next_sequence_{1};
	std::atomic<uint32_t> in_flight_{0};
};

// A request that has arrived and is not answered yet.
struct InFlight {
	Request request;
	uint64_t sequence = 0;
	uint64_t arrival_ns = 0;
	uint64_t backend_ns = 0; // when the backend was called
	uint16_t depth = 0;
	// Of a large write: its payload is what lies in the image since.
	std::optional<ReferredPages::Moment> referred;
};

// The part of a disk that belongs to one engine thread. Use, for each request:
//
//	InFlight flight = worker.arrive(request);     // whole request is here
//	int error = worker.execute(flight, data);     // calls the backend
//	... hand the answer to the kernel ...
//	worker.complete(flight, error, payload);      // record, counters, payload
//
// Several flights of one worker may be open at a time and complete in any order,
// but always on the worker's own thread. A flight may be handed on before it is
// executed (a channel's slow lane does that, so that the arrival is the real one):
// execute and complete it then with the worker of the thread that took it.
class Worker
{
public:
	Worker(Disk &disk, unsigned index);

	// Counts the request in and gives it its sequence number and arrival time.
	InFlight arrive(const Request &request);

	// Runs the request on the backend. `data` is the payload of a write, or the
	// room for a read, of request.length bytes; empty otherwise. PREFLUSH and FUA
	// are honoured around a write. Out of range, misaligned or unknown requests
	// are refused here. Returns 0 or a positive errno.
	int execute(InFlight &flight, std::span<std::byte> data);

	// Instead of execute(), a large read that lies in memory: its answer is sent from
	// there, without a copy, and completed with what was lent. Where that is empty nothing
	// has happened, and it must be executed. If the image is cut short before the answer is
	// sent, sending it fails with EFAULT.
	Lent lend(InFlight &flight);
	// From here on payloads are referred to in the image where they can be.
	static constexpr uint64_t least_referred_bytes = 32 << 10;

	// The same as execute() for a route whose requests begin and end at any byte: runs the
	// operation on [offset, offset + length) only, which lies inside the sectors
	// that the request names. `data` is `length` bytes for a read or a write.
	int execute_within(InFlight &flight, uint64_t offset, uint64_t length,
			   std::span<std::byte> data);

	// Writes the trace record and counts the request out. `payload` is what was
	// read or written and shall be kept: bytes inside this worker's payload arena
	// (kept in place, see PayloadArena) or anywhere else (copied); empty for none.
	// Of a large write that execute() could refer to in the image nothing is kept.
	void complete(const InFlight &flight, int error, std::span<const std::byte> payload);
	// The same for a read that was answered with what was lent. Its payload is referred to
	// in the image, unless that was being changed at the same time.
	void complete(const InFlight &flight, const Lent &lent);

	// This worker's piece of the payload store: room that a route can receive
	// and read into, so that keeping a payload costs no copy.
	PayloadArena &arena();

	unsigned index() const { return index_; }

private:
	friend class Disk;

	int run(const Request &request, uint64_t offset, uint64_t length,
		std::span<std::byte> data);
	// Calls the backend for what changes [offset, offset + length).
	template <typename Call> int change(uint64_t offset, uint64_t length, Call call);
	bool may_refer(uint64_t length);
	void finish(const InFlight &flight, int error, uint64_t now_ns, bool kept);
	uint64_t now() const; // 0 where nothing is traced
	void count(const Request &request, int error);

	Disk &disk_;
	unsigned index_;
	uint64_t generations_ = 0; // of the last change; see ReferredPages::Change
	// Single writer (this thread), any reader: plain atomics, relaxed.
	struct alignas(64) {
		std::atomic<uint64_t> reads, writes, flushes, discards, zeroes;
		std::atomic<uint64_t> read_bytes, written_bytes, errors;
	} counters_{};
};

} // namespace bioscope
