// SPDX-License-Identifier: Apache-2.0
#include "trace_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "error.h"
#include "request.h"

namespace bioscope
{

bool trace_capacity_valid(uint64_t capacity)
{
	return std::has_single_bit(capacity) && capacity >= 2 && capacity <= trace_capacity_limit;
}

uint64_t trace_ring_bytes(uint64_t capacity)
{
	return BIOSCOPE_TRACE_RING_BYTES + capacity * BIOSCOPE_TRACE_RECORD_BYTES;
}

static uint64_t realtime_ns()
{
	timespec now{};
	clock_gettime(CLOCK_REALTIME, &now);
	return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 +
	       static_cast<uint64_t>(now.tv_nsec);
}

TraceFile::TraceFile(const std::string &path, uint32_t disk, uint32_t ring_count,
		     uint64_t ring_capacity)
    : ring_count_(ring_count), capacity_(ring_capacity),
      ring_bytes_(trace_ring_bytes(ring_capacity))
{
	if (!trace_capacity_valid(ring_capacity) || ring_count == 0 ||
	    ring_count > trace_ring_limit)
		throw_error(EINVAL, "trace ring size", path);
	bytes_ = BIOSCOPE_TRACE_HEADER_BYTES + ring_count * ring_bytes_;

	int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		throw_error(errno, "open", path);
	const char *step = nullptr;
	int error = posix_fallocate(fd, 0, static_cast<off_t>(bytes_));
	if (error) {
		step = "posix_fallocate";
	} else {
		void *map = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (map == MAP_FAILED) {
			error = errno;
			step = "mmap";
		} else {
			base_ = static_cast<std::byte *>(map);
		}
	}
	::close(fd);
	if (error) {
		unlink(path.c_str());
		throw_error(error, step, path);
	}

	heads_ = std::make_unique<Head[]>(ring_count);
	bioscope_trace_header header{};
	header.magic = BIOSCOPE_TRACE_MAGIC;
	header.version = BIOSCOPE_TRACE_VERSION;
	header.header_bytes = BIOSCOPE_TRACE_HEADER_BYTES;
	header.record_bytes = BIOSCOPE_TRACE_RECORD_BYTES;
	header.ring_count = ring_count;
	header.ring_capacity = ring_capacity;
	header.ring_bytes = ring_bytes_;
	header.epoch_monotonic_ns = monotonic_ns();
	header.epoch_realtime_ns = realtime_ns();
	header.disk = disk;
	header.daemon_pid = static_cast<uint32_t>(getpid());
	header.state = BIOSCOPE_TRACE_OPEN;
	std::memcpy(base_, &header, sizeof(header));
}

TraceFile::TraceFile(std::byte *base, uint32_t ring_count, uint64_t ring_capacity)
    : base_(base), ring_count_(ring_count), capacity_(ring_capacity),
      ring_bytes_(trace_ring_bytes(ring_capacity)), heads_(std::make_unique<Head[]>(ring_count))
{
	bytes_ = BIOSCOPE_TRACE_HEADER_BYTES + ring_count * ring_bytes_;
}

bool trace_header_valid(const bioscope_trace_header &header, uint64_t file_bytes)
{
	if (header.magic != BIOSCOPE_TRACE_MAGIC || header.version != BIOSCOPE_TRACE_VERSION ||
	    header.header_bytes != BIOSCOPE_TRACE_HEADER_BYTES ||
	    header.record_bytes != BIOSCOPE_TRACE_RECORD_BYTES || header.ring_count == 0 ||
	    header.ring_count > trace_ring_limit || !trace_capacity_valid(header.ring_capacity) ||
	    header.ring_bytes != trace_ring_bytes(header.ring_capacity))
		return false;
	// The limits above keep this product far from overflow.
	return BIOSCOPE_TRACE_HEADER_BYTES + header.ring_count * header.ring_bytes <= file_bytes;
}

std::unique_ptr<TraceFile> TraceFile::resume(const std::string &path, uint32_t disk)
{
	auto trace = prepare(path, disk);
	trace->take_over();
	return trace;
}

std::unique_ptr<TraceFile> TraceFile::prepare(const std::string &path, uint32_t disk)
{
	int fd = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		throw_error(errno, "open", path);
	auto fail = [&](int error, const char *call) {
		::close(fd);
		throw_error(error, call, path);
	};
	struct stat status {
	};
	bioscope_trace_header header{};
	if (fstat(fd, &status) != 0)
		fail(errno, "fstat");
	if (pread(fd, &header, sizeof(header), 0) != static_cast<ssize_t>(sizeof(header)))
		fail(EBADMSG, "trace header");
	if (!S_ISREG(status.st_mode) || header.disk != disk ||
	    !trace_header_valid(header, static_cast<uint64_t>(status.st_size)))
		fail(EBADMSG, "trace header");
	const uint64_t bytes = BIOSCOPE_TRACE_HEADER_BYTES + header.ring_count * header.ring_bytes;
	void *map = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		fail(errno, "mmap");
	::close(fd);
	auto *base = static_cast<std::byte *>(map);
	return std::unique_ptr<TraceFile>(
	    new TraceFile(base, header.ring_count, header.ring_capacity));
}

void TraceFile::take_over()
{
	for (uint32_t index = 0; index < ring_count_; index++)
		heads_[index].value = std::atomic_ref(*ring(index)).load(std::memory_order_acquire);
	auto *pid =
	    reinterpret_cast<uint32_t *>(base_ + offsetof(bioscope_trace_header, daemon_pid));
	auto *state = reinterpret_cast<uint32_t *>(base_ + offsetof(bioscope_trace_header, state));
	std::atomic_ref(*pid).store(static_cast<uint32_t>(getpid()), std::memory_order_relaxed);
	std::atomic_ref(*state).store(BIOSCOPE_TRACE_OPEN, std::memory_order_release);
}

uint64_t *TraceFile::ring(uint32_t index) const
{
	return reinterpret_cast<uint64_t *>(base_ + BIOSCOPE_TRACE_HEADER_BYTES +
					    index * ring_bytes_);
}

uint64_t TraceFile::last_sequence() const
{
	// Records lie in the order of completion: the greatest sequence is among the
	// last as many as there may have been requests in flight.
	constexpr uint64_t deepest = 4096;
	uint64_t last = 0;
	for (uint32_t index = 0; index < ring_count_; index++) {
		const uint64_t head = heads_[index].value;
		const auto *records = reinterpret_cast<const bioscope_trace_record *>(
		    reinterpret_cast<const std::byte *>(ring(index)) + BIOSCOPE_TRACE_RING_BYTES);
		const uint64_t count = std::min({head, capacity_, deepest});
		for (uint64_t number = head - count; number < head; number++)
			last = std::max(last, records[number & (capacity_ - 1)].sequence);
	}
	return last;
}

TraceFile::~TraceFile()
{
	if (base_)
		munmap(base_, bytes_);
}

void TraceFile::append(uint32_t ring, const bioscope_trace_record &record)
{
	constexpr size_t words = sizeof(record) / sizeof(uint64_t);
	auto *start = reinterpret_cast<std::byte *>(this->ring(ring));
	uint64_t head = heads_[ring].value;
	auto *slot = reinterpret_cast<uint64_t *>(start + BIOSCOPE_TRACE_RING_BYTES +
						  (head & (capacity_ - 1)) * sizeof(record));
	uint64_t from[words];
	std::memcpy(from, &record, sizeof(record));

	// A reader may look at the slot right now. It finds out afterwards, from the
	// head, that what it copied is not whole; until then the words must only be
	// free of data races. Slot n is in the writer's hands while head == n, so the
	// stores below must not become visible before head == n did: the fence.
	std::atomic_thread_fence(std::memory_order_release);
	for (size_t i = 0; i < words; i++)
		std::atomic_ref(slot[i]).store(from[i], std::memory_order_relaxed);
	heads_[ring].value = head + 1;
	auto *shared = reinterpret_cast<uint64_t *>(start);
	std::atomic_ref(*shared).store(head + 1, std::memory_order_release);
}

void TraceFile::close()
{
	auto *state = reinterpret_cast<uint32_t *>(base_ + offsetof(bioscope_trace_header, state));
	std::atomic_ref(*state).store(BIOSCOPE_TRACE_CLOSED, std::memory_order_release);
}

} // namespace bioscope
