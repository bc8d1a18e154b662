// SPDX-License-Identifier: Apache-2.0
// The reading end of a trace file: a cursor for each ring, and an exact count of
// what was missed.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "../wire/trace.h"

namespace bioscope
{

class TraceReader
{
public:
	enum class From { oldest, newest };
	struct Result {
		size_t count;  // records written to the target
		uint64_t lost; // records overwritten before they could be read, since last time
	};

	// Maps `path` read-only. Throws Error: EBADMSG if it is not a trace file of
	// this version or its sizes do not fit the file.
	TraceReader(const std::string &path, From from);
	~TraceReader();
	TraceReader(const TraceReader &) = delete;
	TraceReader &operator=(const TraceReader &) = delete;

	const bioscope_trace_header &header() const { return header_; }
	// The engine has written its last record. A read that begins after this
	// returned true and returns no record has seen everything.
	bool closed() const;

	// Fills `target` with whole records, ascending by sequence within this call.
	// Never blocks. Every record written since this reader was opened is either
	// handed out or counted as lost; of those written before, the ones overwritten
	// until the first fetch are not, for it was not there. Throws Error EBADMSG
	// if the file has been cut short or a head moves backwards. One thread at a
	// time.
	Result read(std::span<bioscope_trace_record> target);

private:
	struct Ring {
		uint64_t cursor = 0; // next record to fetch from the shared ring
		uint64_t opened = 0; // head when the reader was opened
		bool fresh = true;   // nothing was fetched yet
		std::vector<bioscope_trace_record> batch; // fetched, whole
		size_t next = 0;                          // first of the batch not handed out
	};

	uint64_t head(uint32_t ring) const;
	void fetch(uint32_t ring, uint64_t &lost);

	std::string path_;
	int fd_ = -1;
	const std::byte *base_ = nullptr;
	uint64_t bytes_ = 0;
	bioscope_trace_header header_{};
	std::vector<Ring> rings_;
};

} // namespace bioscope
