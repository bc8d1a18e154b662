// SPDX-License-Identifier: Apache-2.0
#include "disk.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "error.h"
#include "serving_thread.h"

namespace bioscope
{

static const DiskOptions &checked(const DiskOptions &options)
{
	if (options.workers == 0 || options.workers > trace_ring_limit)
		throw_error(EINVAL, "number of engine threads");
	if (options.succeeds && !options.resume_trace)
		throw_error(EINVAL, "a trace to go on with");
	return options;
}

static std::unique_ptr<TraceFile> trace_of(const DiskOptions &options)
{
	if (options.resume_trace)
		return (options.succeeds ? TraceFile::prepare
					 : TraceFile::resume)(options.trace_path, options.number);
	return std::make_unique<TraceFile>(options.trace_path, options.number, options.workers,
					   options.ring_capacity);
}

// A ring has one writer. What a trace has more of rings stays as it was left.
static unsigned workers_of(const DiskOptions &options, const TraceFile &trace)
{
	return std::min(options.workers, trace.ring_count());
}

Disk::Disk(std::unique_ptr<Backend> backend, const DiskOptions &options)
    : options_(checked(options)), backend_(std::move(backend)), trace_(trace_of(options)),
      trace_is_ours_(!options.succeeds),
      payloads_(workers_of(options, *trace_), options.trace ? options.payload_limit : 0, *backend_)
{
	for (unsigned index = 0; index < workers_of(options, *trace_); index++)
		workers_.push_back(std::make_unique<Worker>(*this, index));
	if (trace_is_ours_)
		next_sequence_ = trace_->last_sequence() + 1;
}

void Disk::take_over()
{
	trace_->take_over();
	trace_is_ours_ = true;
	next_sequence_ = trace_->last_sequence() + 1;
}

Disk::~Disk() = default;

Counters Disk::counters() const
{
	Counters sum{};
	auto get = [](const std::atomic<uint64_t> &counter) {
		return counter.load(std::memory_order_relaxed);
	};
	for (const auto &worker : workers_) {
		const auto &from = worker->counters_;
		sum.reads += get(from.reads);
		sum.writes += get(from.writes);
		sum.flushes += get(from.flushes);
		sum.discards += get(from.discards);
		sum.zeroes += get(from.zeroes);
		sum.read_bytes += get(from.read_bytes);
		sum.written_bytes += get(from.written_bytes);
		sum.errors += get(from.errors);
	}
	sum.in_flight = in_flight_.load(std::memory_order_relaxed);
	return sum;
}

void Disk::lock_memory()
{
	bioscope::lock_memory(trace_->memory());
	for (unsigned index = 0; index < worker_count(); index++)
		bioscope::lock_memory(payloads_.arena(index).memory());
	bioscope::lock_memory(payloads_.referred().memory());
}

void Disk::close_trace()
{
	if (trace_is_ours_)
		trace_->close();
}

Worker::Worker(Disk &disk, unsigned index) : disk_(disk), index_(index)
{
}

PayloadArena &Worker::arena()
{
	return disk_.payloads_.arena(index_);
}

uint64_t Worker::now() const
{
	return disk_.options_.trace ? monotonic_ns() : 0;
}

InFlight Worker::arrive(const Request &request)
{
	InFlight flight;
	flight.request = request;
	uint32_t depth = disk_.in_flight_.fetch_add(1, std::memory_order_relaxed) + 1;
	flight.depth =
	    static_cast<uint16_t>(std::min<uint32_t>(depth, std::numeric_limits<uint16_t>::max()));
	if (disk_.options_.trace) {
		flight.sequence = disk_.next_sequence_.fetch_add(1, std::memory_order_relaxed);
		flight.arrival_ns = monotonic_ns();
	}
	return flight;
}

int Worker::execute(InFlight &flight, std::span<std::byte> data)
{
	const Request &request = flight.request;
	if (request.length % DM_USER_SECTOR_BYTES != 0 ||
	    request.sector > std::numeric_limits<uint64_t>::max() / DM_USER_SECTOR_BYTES)
		return EINVAL;
	const int error = execute_within(flight, request.offset(), request.length, data);
	if (error == 0 && request.operation == Operation::write && may_refer(request.length) &&
	    disk_.backend_->has_view(request.offset(), request.length)) {
		auto moment = disk_.payloads_.referred().refer(request.offset(), request.length);
		if (moment && moment->generations == generations_)
			flight.referred = moment; // nobody else has written there meanwhile
	}
	return error;
}

bool Worker::may_refer(uint64_t length)
{
	// What is larger was never kept: nobody has room for it.
	return length >= least_referred_bytes && length <= PayloadArena::largest_room &&
	       arena().keeps() && !disk_.payloads_.copies_wanted();
}

Lent Worker::lend(InFlight &flight)
{
	const Request &request = flight.request;
	const uint64_t size = disk_.backend_->size();
	if (request.operation != Operation::read || request.length < least_referred_bytes ||
	    disk_.payloads_.copies_wanted() || request.length % DM_USER_SECTOR_BYTES != 0 ||
	    request.length > size ||
	    request.sector > (size - request.length) / DM_USER_SECTOR_BYTES)
		return {};
	const uint64_t called_ns = now();
	Lent lent{disk_.backend_->view(request.offset(), request.length), {}};
	if (lent.bytes.empty())
		return {};
	if (may_refer(request.length)) {
		lent.moment = disk_.payloads_.referred().refer(request.offset(), request.length);
		if (!lent.moment)
			return {}; // being changed: a copy says what was sent
	}
	flight.backend_ns = called_ns;
	return lent;
}

int Worker::execute_within(InFlight &flight, uint64_t offset, uint64_t length,
			   std::span<std::byte> data)
{
	flight.backend_ns = now();
	return run(flight.request, offset, length, data);
}

template <typename Call> int Worker::change(uint64_t offset, uint64_t length, Call call)
{
	generations_ = disk_.payloads_.begin_change(index_, offset, length);
	const int error = call();
	disk_.payloads_.referred().end_change(offset, length);
	return error;
}

int Worker::run(const Request &request, uint64_t offset, uint64_t length, std::span<std::byte> data)
{
	Backend &backend = *disk_.backend_;
	const uint64_t size = backend.size();
	if (length > size || offset > size - length)
		return EIO; // as the block layer reports a request beyond the device
	if (request.operation == Operation::read) {
		if (data.size() != length)
			return EINVAL;
		return backend.read(offset, data);
	}
	if (request.operation == Operation::flush)
		return backend.flush();

	if (backend.read_only())
		return EROFS;
	switch (request.operation) {
	case Operation::write: {
		if (data.size() != length)
			return EINVAL;
		// An empty write with PREFLUSH is how the first dm-user sends a flush.
		int error = 0;
		if (request.flags & DM_USER_FLAG_PREFLUSH)
			error = backend.flush();
		if (!error && length > 0)
			error = change(offset, length, [&] { return backend.write(offset, data); });
		if (!error && length > 0 && (request.flags & DM_USER_FLAG_FUA))
			error = backend.flush();
		return error;
	}
	case Operation::discard:
		return change(offset, length, [&] { return backend.discard(offset, length); });
	case Operation::write_zeroes: {
		int error = 0;
		if (request.flags & DM_USER_FLAG_PREFLUSH)
			error = backend.flush();
		if (!error)
			error = change(offset, length, [&] {
				return backend.write_zeroes(offset, length,
							    request.flags & DM_USER_FLAG_NOUNMAP);
			});
		if (!error && (request.flags & DM_USER_FLAG_FUA))
			error = backend.flush();
		return error;
	}
	default:
		// Secure erase cannot be promised by any file; the rest is for zoned
		// devices and kernels long gone.
		return EOPNOTSUPP;
	}
}

// A single thread writes each counter, so an increment need not be atomic as a
// whole; only the store must be.
static void add(std::atomic<uint64_t> &counter, uint64_t amount)
{
	counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

void Worker::count(const Request &request, int error)
{
	switch (request.operation) {
	case Operation::read:
		add(counters_.reads, 1);
		if (!error)
			add(counters_.read_bytes, request.length);
		break;
	case Operation::write:
		// An empty write is the flush it carries.
		add(request.length > 0 ? counters_.writes : counters_.flushes, 1);
		if (!error)
			add(counters_.written_bytes, request.length);
		break;
	case Operation::flush:
		add(counters_.flushes, 1);
		break;
	case Operation::discard:
	case Operation::secure_erase:
		add(counters_.discards, 1);
		break;
	case Operation::write_zeroes:
		add(counters_.zeroes, 1);
		break;
	default:
		break;
	}
	if (error)
		add(counters_.errors, 1);
}

static uint8_t result_of(int error)
{
	if (error == 0)
		return BIOSCOPE_RESULT_OK;
	return error == EOPNOTSUPP ? BIOSCOPE_RESULT_UNSUPPORTED : BIOSCOPE_RESULT_ERROR;
}

void Worker::complete(const InFlight &flight, int error, std::span<const std::byte> payload)
{
	const uint64_t now_ns = now();
	// Kept before the record is published: who has read the record finds the payload.
	bool kept = flight.referred.has_value();
	if (kept)
		arena().refer(flight.sequence, flight.request.offset(), flight.request.length,
			      flight.referred->change);
	else if (disk_.options_.trace && !payload.empty())
		kept = arena().keep(flight.sequence, payload);
	finish(flight, error, now_ns, kept);
}

void Worker::complete(const InFlight &flight, const Lent &lent)
{
	const uint64_t now_ns = now();
	const uint64_t offset = flight.request.offset();
	const bool referred = lent.moment && disk_.payloads_.referred().unchanged(
						 offset, lent.bytes.size(), *lent.moment);
	if (referred)
		arena().refer(flight.sequence, offset, lent.bytes.size(), lent.moment->change);
	finish(flight, 0, now_ns, referred);
}

void Worker::finish(const InFlight &flight, int error, uint64_t now_ns, bool kept)
{
	const Request &request = flight.request;
	if (disk_.options_.trace) {
		bioscope_trace_record record{};
		record.sequence = flight.sequence;
		record.arrival_ns = flight.arrival_ns;
		record.completion_ns = now_ns;
		record.sector = request.sector;
		record.length = request.length;
		record.flags = request.flags;
		if (flight.backend_ns > flight.arrival_ns)
			record.backend_delay_ns = static_cast<uint32_t>(
			    std::min<uint64_t>(flight.backend_ns - flight.arrival_ns,
					       std::numeric_limits<uint32_t>::max()));
		record.queue = static_cast<uint16_t>(index_);
		record.depth = flight.depth;
		record.error = static_cast<uint16_t>(error);
		record.operation = static_cast<uint8_t>(request.operation);
		record.result = result_of(error);
		record.route = disk_.options_.route;
		if (kept)
			record.marks = BIOSCOPE_MARK_PAYLOAD;
		record.disk = disk_.options_.number;
		disk_.trace_->append(index_, record);
	}
	count(request, error);
	disk_.in_flight_.fetch_sub(1, std::memory_order_relaxed);
}

} // namespace bioscope
