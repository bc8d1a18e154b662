// SPDX-License-Identifier: Apache-2.0
// The writing end of a disk's trace file (native/wire/trace.h).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
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
// True for the header of a whole trace file of this version, in a file of so many bytes.
bool trace_header_valid(const bioscope_trace_header &header, uint64_t file_bytes);

class TraceFile
{
public:
	// Makes the file, mode 0600, with every block allocated: a full runtime
	// directory is an error here and never a SIGBUS later. Throws
	// std::system_error; EEXIST if the path is taken. Leaves no file behind then.
	TraceFile(const std::string &path, uint32_t disk, uint32_t ring_count,
		  uint64_t ring_capacity);
	// Goes on writing the file that an engine before this one left, which must not
	// write any more: its records stay, readers that have it open go on, and so it keeps
	// the rings it has. Throws std::system_error; EBADMSG if it is no trace of this disk.
	static std::unique_ptr<TraceFile> resume(const std::string &path, uint32_t disk);
	// The same while that engine writes still: nothing is written before take_over().
	static std::unique_ptr<TraceFile> prepare(const std::string &path, uint32_t disk);
	// Goes on where the other engine, which must not write any more, has ended. Before
	// the first append.
	void take_over();
	~TraceFile();
	TraceFile(const TraceFile &) = delete;
	TraceFile &operator=(const TraceFile &) = delete;

	// Publishes one record. Each ring has one writing thread.
	void append(uint32_t ring, const bioscope_trace_record &record);

	uint32_t ring_count() const { return ring_count_; }
	// Records a ring.
	uint64_t ring_capacity() const { return capacity_; }

	// The greatest sequence among the newest records of every ring; 0 if none.
	uint64_t last_sequence() const;

	// The whole file, as it is mapped.
	std::span<const std::byte> memory() const { return {base_, bytes_}; }

	// Marks the file as complete; any thread, after the last append.
	void close();

private:
	// Takes a mapping of the whole file over.
	TraceFile(std::byte *base, uint32_t ring_count, uint64_t ring_capacity);
	uint64_t *ring(uint32_t index) const;

	struct alignas(64) Head {
		uint64_t value = 0; // the writer's own copy: the shared one is never read back
	};

	std::byte *base_ = nullptr;
	uint64_t bytes_ = 0;
	uint32_t ring_count_;
	uint64_t capacity_;
	uint64_t ring_bytes_;
	std::unique_ptr<Head[]> heads_;
};

} // namespace bioscope
