// SPDX-License-Identifier: Apache-2.0
// The writing end of a disk's trace file (native/wire/trace.h).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "../wire/trace.h"

namespace bioscope
{

// The most rings a trace file may have, and the most records a ring. Readers
// refuse more: a header beyond this is not ours.
inline constexpr uint32_t trace_ring_limit = 64;
inline constexpr uint64_t trace_capacity_limit = 1ULL << 26;

// True for what native/wire/trace.h allows: a power of two within the limit.
bool trace_capacity_valid(uint64_t capacity);
// Bytes from the start of one ring to the next.
uint64_t trace_ring_bytes(uint64_t capacity);

class TraceFile
{
public:
	// Makes the file, mode 0600, with every block allocated: a full runtime
	// directory is an error here and never a SIGBUS later. Throws
	// std::system_error; EEXIST if the path is taken. Leaves no file behind then.
	TraceFile(const std::string &path, uint32_t disk, uint32_t ring_count,
		  uint64_t ring_capacity);
	~TraceFile();
	TraceFile(const TraceFile &) = delete;
	TraceFile &operator=(const TraceFile &) = delete;

	// Publishes one record. Each ring has one writing thread.
	void append(uint32_t ring, const bioscope_trace_record &record);

	// Marks the file as complete; any thread, after the last append.
	void close();

private:
	struct alignas(64) Head {
		uint64_t value = 0; // the writer's own copy: the shared one is never read back
	};

	std::byte *base_ = nullptr;
	uint64_t bytes_ = 0;
	uint64_t capacity_;
	uint64_t ring_bytes_;
	std::unique_ptr<Head[]> heads_;
};

} // namespace bioscope
