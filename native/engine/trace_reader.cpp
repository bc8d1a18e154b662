// SPDX-License-Identifier: Apache-2.0
#include "trace_reader.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "error.h"
#include "trace_file.h"

namespace bioscope
{

// Records fetched from a ring at a time: enough to make the look at the head
// cheap, few enough that the batch is seldom overtaken by the writer.
static constexpr uint64_t batch_records = 512;

TraceReader::TraceReader(const std::string &path, From from) : path_(path)
{
	fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd_ < 0)
		throw_error(errno, "open", path);
	auto fail = [&](int error, const char *call) {
		::close(fd_);
		throw_error(error, call, path);
	};
	struct stat status {
	};
	if (fstat(fd_, &status) != 0)
		fail(errno, "fstat");
	if (!S_ISREG(status.st_mode) || status.st_size < BIOSCOPE_TRACE_HEADER_BYTES)
		fail(EBADMSG, "trace header");
	ssize_t got = pread(fd_, &header_, sizeof(header_), 0);
	if (got != static_cast<ssize_t>(sizeof(header_)))
		fail(got < 0 ? errno : EBADMSG, "pread");
	if (!trace_header_valid(header_, static_cast<uint64_t>(status.st_size)))
		fail(EBADMSG, "trace header");
	bytes_ = BIOSCOPE_TRACE_HEADER_BYTES + header_.ring_count * header_.ring_bytes;
	void *map = mmap(nullptr, bytes_, PROT_READ, MAP_SHARED, fd_, 0);
	if (map == MAP_FAILED)
		fail(errno, "mmap");
	base_ = static_cast<const std::byte *>(map);
	rings_.resize(header_.ring_count);
	for (uint32_t ring = 0; ring < header_.ring_count; ring++) {
		uint64_t now = head(ring);
		rings_[ring].opened = now;
		if (from == From::newest)
			rings_[ring].cursor = now;
		else if (now >= header_.ring_capacity)
			rings_[ring].cursor = now - header_.ring_capacity + 1;
	}
}

TraceReader::~TraceReader()
{
	munmap(const_cast<std::byte *>(base_), bytes_);
	::close(fd_);
}

// atomic_ref wants a mutable object even for a load; the mapping is read-only,
// and a relaxed or acquire load of a word never writes.
template <typename Word> static Word load(const std::byte *from, std::memory_order order)
{
	auto *word = reinterpret_cast<Word *>(const_cast<std::byte *>(from));
	return std::atomic_ref(*word).load(order);
}

uint64_t TraceReader::head(uint32_t ring) const
{
	const std::byte *start = base_ + BIOSCOPE_TRACE_HEADER_BYTES + ring * header_.ring_bytes;
	return load<uint64_t>(start, std::memory_order_acquire);
}

bool TraceReader::closed() const
{
	uint32_t state = load<uint32_t>(base_ + offsetof(bioscope_trace_header, state),
					std::memory_order_acquire);
	return state == BIOSCOPE_TRACE_CLOSED;
}

// Fills the batch of one ring, if there is anything new.
void TraceReader::fetch(uint32_t index, uint64_t &lost)
{
	constexpr size_t words = sizeof(bioscope_trace_record) / sizeof(uint64_t);
	Ring &ring = rings_[index];
	const std::byte *records = base_ + BIOSCOPE_TRACE_HEADER_BYTES +
				   index * header_.ring_bytes + BIOSCOPE_TRACE_RING_BYTES;
	const uint64_t capacity = header_.ring_capacity;
	ring.batch.clear();
	ring.next = 0;

	// The writer may lap us while we copy; then nothing of the batch is left and
	// we try again further on. It must lap us each time for this to go on, so a
	// few rounds are enough, and the next call carries on anyway.
	for (int round = 0; round < 4 && ring.batch.empty(); round++) {
		uint64_t now = head(index);
		if (now < ring.cursor)
			throw_error(EBADMSG, "trace ring", path_);
		if (now == ring.cursor)
			return;
		uint64_t oldest = now >= capacity ? now - capacity + 1 : 0;
		uint64_t first = std::max(ring.cursor, oldest);
		uint64_t count = std::min(now - first, batch_records);
		ring.batch.resize(count);
		for (uint64_t i = 0; i < count; i++) {
			const std::byte *slot = records + ((first + i) & (capacity - 1)) *
							      sizeof(bioscope_trace_record);
			uint64_t copy[words];
			for (size_t word = 0; word < words; word++)
				copy[word] = load<uint64_t>(slot + word * sizeof(uint64_t),
							    std::memory_order_relaxed);
			std::memcpy(&ring.batch[i], copy, sizeof(copy));
		}
		std::atomic_thread_fence(std::memory_order_acquire);
		uint64_t after = head(index);
		uint64_t whole = after >= capacity ? after - capacity + 1 : 0;
		uint64_t torn = whole > first ? std::min(whole - first, count) : 0;
		ring.batch.erase(ring.batch.begin(),
				 ring.batch.begin() + static_cast<ptrdiff_t>(torn));
		uint64_t counted = ring.fresh ? std::max(ring.cursor, ring.opened) : ring.cursor;
		lost += first + torn > counted ? first + torn - counted : 0;
		ring.cursor = first + count;
		if (!ring.batch.empty())
			ring.fresh = false;
	}
}

TraceReader::Result TraceReader::read(std::span<bioscope_trace_record> target)
{
	// A file cut short under the mapping would be a SIGBUS.
	struct stat status {
	};
	if (fstat(fd_, &status) != 0 || static_cast<uint64_t>(status.st_size) < bytes_)
		throw_error(EBADMSG, "trace file", path_);

	Result result{0, 0};
	// Rings that have something, merged by the sequence of their first record.
	std::vector<Ring *> ready;
	for (uint32_t i = 0; i < rings_.size(); i++) {
		if (rings_[i].next == rings_[i].batch.size())
			fetch(i, result.lost);
		if (rings_[i].next < rings_[i].batch.size())
			ready.push_back(&rings_[i]);
	}
	while (result.count < target.size() && !ready.empty()) {
		auto least = std::min_element(ready.begin(), ready.end(),
					      [](const Ring *left, const Ring *right) {
						      return left->batch[left->next].sequence <
							     right->batch[right->next].sequence;
					      });
		Ring &ring = **least;
		target[result.count++] = ring.batch[ring.next++];
		if (ring.next == ring.batch.size()) {
			fetch(static_cast<uint32_t>(&ring - rings_.data()), result.lost);
			if (ring.batch.empty())
				ready.erase(least);
		}
	}
	// A ring holds records in the order of completion, which is not that of
	// arrival where a thread has several requests in flight.
	auto by_sequence = [](const bioscope_trace_record &left,
			      const bioscope_trace_record &right) {
		return left.sequence < right.sequence;
	};
	auto filled = target.first(result.count);
	if (!std::is_sorted(filled.begin(), filled.end(), by_sequence))
		std::sort(filled.begin(), filled.end(), by_sequence);
	return result;
}

} // namespace bioscope
