// SPDX-License-Identifier: Apache-2.0
// The channels of a target as one route, and what a next engine goes on with.
#include "support.h"

#include <array>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <thread>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../native/engine/backends/raw_file.h"
#include "../../native/engine/disk.h"
#include "../../native/engine/routes/dm_user_route.h"
#include "../../native/engine/trace_file.h"
#include "../../native/engine/trace_reader.h"
#include "memory_backend.h"

using namespace bioscope;
using namespace bioscope_test;

namespace
{
// Socketpairs in place of the control device: the kernel's ends are the test's.
class RouteFixture
{
public:
	explicit RouteFixture(unsigned channels, unsigned workers)
	{
		DiskOptions options;
		options.number = 3;
		options.route = BIOSCOPE_ROUTE_DM_USER;
		options.workers = workers;
		options.trace_path = directory / "trace";
		options.ring_capacity = 1024;
		options.payload_limit = 1 << 20;
		disk = std::make_unique<Disk>(std::make_unique<MemoryBackend>(1 << 20), options);
		for (unsigned i = 0; i < channels; i++) {
			int pair[2];
			REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
			kernel.push_back(pair[0]);
			descriptors.push_back(pair[1]);
		}
	}
	~RouteFixture()
	{
		route.reset();
		for (int descriptor : kernel)
			close(descriptor);
	}
	RouteFixture(const RouteFixture &) = delete;
	RouteFixture &operator=(const RouteFixture &) = delete;

	void start()
	{
		route = std::make_unique<DmUserRoute>(*disk, options());
		route->start();
	}
	DmUserRouteOptions options()
	{
		return {descriptors, [this](const std::string &why) {
				std::lock_guard lock(mutex);
				ends.push_back(why);
				changed.notify_all();
			}};
	}
	// How the route ended; waits for that.
	std::string end()
	{
		std::unique_lock lock(mutex);
		REQUIRE(changed.wait_for(lock, std::chrono::seconds(30),
					 [&] { return !ends.empty(); }));
		CHECK(ends.size() == 1);
		return ends[0];
	}
	size_t end_count()
	{
		std::lock_guard lock(mutex);
		return ends.size();
	}
	void ask(size_t channel, uint64_t sequence, uint64_t type, uint64_t length)
	{
		dm_user_message message{sequence, type, 0, 8, length};
		REQUIRE(write(kernel[channel], &message, sizeof(message)) == sizeof(message));
	}
	// The type of the next answer; its payload is read past. -1 at the end of the stream.
	int answer(size_t channel, uint64_t sequence)
	{
		dm_user_message message{};
		ssize_t got = recv(kernel[channel], &message, sizeof(message), MSG_WAITALL);
		if (got <= 0)
			return -1;
		CHECK(message.sequence == sequence);
		std::vector<std::byte> payload(message.length);
		if (!payload.empty())
			CHECK(recv(kernel[channel], payload.data(), payload.size(), MSG_WAITALL) ==
			      static_cast<ssize_t>(payload.size()));
		return static_cast<int>(message.type);
	}

	TemporaryDirectory directory;
	std::unique_ptr<Disk> disk;
	std::unique_ptr<DmUserRoute> route;
	std::vector<int> kernel, descriptors;
	std::mutex mutex;
	std::condition_variable changed;
	std::vector<std::string> ends;
};
} // namespace

TEST_CASE("dm-user route: every channel is served, and it ends once, with the last of them")
{
	RouteFixture fixture(2, 4);
	fixture.start();
	for (size_t channel : {0, 1, 0}) {
		fixture.ask(channel, 7, DM_USER_REQUEST_READ, 4096);
		CHECK(fixture.answer(channel, 7) == DM_USER_RESPONSE_SUCCESS);
	}
	shutdown(fixture.kernel[0], SHUT_RDWR);
	fixture.ask(1, 8, DM_USER_REQUEST_READ, 512);
	CHECK(fixture.answer(1, 8) == DM_USER_RESPONSE_SUCCESS);
	CHECK(fixture.end_count() == 0);
	shutdown(fixture.kernel[1], SHUT_RDWR);
	CHECK(fixture.end().empty());
	CHECK(fixture.disk->counters().reads == 4);
}

TEST_CASE("dm-user route: a channel that fails is closed, and the others go on")
{
	RouteFixture fixture(2, 4);
	fixture.start();
	fixture.ask(0, 1, DM_USER_REQUEST_WRITE, uint64_t{1} << 40);
	CHECK(fixture.answer(0, 1) == -1); // its descriptor is closed: the kernel has its requests
	fixture.ask(1, 2, DM_USER_REQUEST_READ, 512);
	CHECK(fixture.answer(1, 2) == DM_USER_RESPONSE_SUCCESS);
	CHECK(fixture.end_count() == 0);
	shutdown(fixture.kernel[1], SHUT_RDWR);
	CHECK(fixture.end() == "a write request claims more than 4 GiB: this is no dm-user stream");
}

TEST_CASE("dm-user route: a stop answers what has arrived and closes every descriptor")
{
	RouteFixture fixture(2, 4);
	fixture.start();
	fixture.ask(0, 1, DM_USER_REQUEST_READ, 512);
	CHECK(fixture.answer(0, 1) == DM_USER_RESPONSE_SUCCESS);
	fixture.route->stop();
	CHECK(fixture.end().empty());
	CHECK(fixture.answer(0, 2) == -1);
	CHECK(fixture.answer(1, 2) == -1);
	fixture.route->stop(); // again does nothing
	CHECK(fixture.end_count() == 1);
}

TEST_CASE("dm-user route: more channels than there are threads for are refused, and closed")
{
	RouteFixture fixture(2, 3);
	CHECK(error_of([&] { DmUserRoute route(*fixture.disk, fixture.options()); }) == EINVAL);
	CHECK(fixture.answer(0, 1) == -1);
	CHECK(fixture.answer(1, 1) == -1);
}

TEST_CASE("a trace is gone on with: its records stay, its readers see the new ones")
{
	TemporaryDirectory directory;
	std::string path = directory / "trace";
	auto record = [](uint64_t sequence) {
		bioscope_trace_record made{};
		made.sequence = sequence;
		return made;
	};
	{
		TraceFile first(path, 5, 2, 8);
		for (uint64_t sequence : {1, 2, 4})
			first.append(0, record(sequence));
		first.append(1, record(3));
	}
	TraceReader reader(path, TraceReader::From::oldest);
	auto second = TraceFile::resume(path, 5);
	CHECK(second->ring_count() == 2);
	CHECK(second->ring_capacity() == 8);
	CHECK(second->last_sequence() == 4);
	second->append(1, record(5));
	CHECK_FALSE(reader.closed());
	std::vector<bioscope_trace_record> records(16);
	auto result = reader.read(records);
	CHECK(result.count == 5);
	CHECK(result.lost == 0);
	CHECK(records[4].sequence == 5);
	second->close();
	CHECK(reader.closed());
}

TEST_CASE("what is no whole trace, or one of another disk, is not gone on with")
{
	TemporaryDirectory directory;
	std::string path = directory / "trace";
	TraceFile first(path, 5, 2, 8);
	CHECK(error_of([&] { TraceFile::resume(path, 6); }) == EBADMSG);
	CHECK(error_of([&] { TraceFile::resume(directory / "none", 5); }) == ENOENT);
	make_image(directory / "short", 10);
	CHECK(error_of([&] { TraceFile::resume(directory / "short", 5); }) == EBADMSG);

	// Its header promises a ring more than it has, then more than any may have, or none.
	for (uint32_t rings : {3u, trace_ring_limit + 1, 0u}) {
		int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
		CHECK(pwrite(fd, &rings, sizeof(rings),
			     offsetof(bioscope_trace_header, ring_count)) == sizeof(rings));
		close(fd);
		CHECK(error_of([&] { TraceFile::resume(path, 5); }) == EBADMSG);
	}
}

// One request on each worker of the disk, and the sequences they got.
static std::vector<uint64_t> serve_on_each(Disk &disk)
{
	std::vector<uint64_t> sequences;
	for (unsigned index = 0; index < disk.worker_count(); index++) {
		Request request{};
		request.operation = Operation::flush;
		InFlight flight = disk.worker(index).arrive(request);
		int error = disk.worker(index).execute(flight, {});
		disk.worker(index).complete(flight, error, {});
		sequences.push_back(flight.sequence);
	}
	return sequences;
}

TEST_CASE("succession: an engine with fewer threads, or with more, loses nothing of the trace")
{
	TemporaryDirectory directory;
	const std::string path = directory / "image";
	make_image(path, 1 << 20);
	DiskOptions options;
	options.number = 3;
	options.workers = 4;
	options.trace_path = directory / "trace";
	options.ring_capacity = 64;
	options.payload_limit = 8 << 20;
	std::vector<uint64_t> sequences;
	auto note = [&](const std::vector<uint64_t> &more) {
		sequences.insert(sequences.end(), more.begin(), more.end());
	};
	auto old = std::make_unique<Disk>(RawFile::open(path, false), options);
	note(serve_on_each(*old));
	TraceReader reader(options.trace_path, TraceReader::From::oldest);

	// Its workers beside the old one's until it takes over, then after its death.
	struct Successor {
		unsigned wanted, has;
		bool succeeds;
	};
	for (const Successor &successor : {Successor{2, 2, true}, Successor{6, 4, true},
					   Successor{2, 2, false}, Successor{64, 4, false}}) {
		CAPTURE(successor.wanted);
		const bool succeeds = successor.succeeds;
		DiskOptions next_options = options;
		next_options.workers = successor.wanted;
		next_options.ring_capacity = 1024; // whatever is set for new ones
		next_options.resume_trace = true;
		next_options.succeeds = succeeds;
		if (!succeeds)
			old.reset();
		auto next = std::make_unique<Disk>(succeeds ? RawFile::open_unlocked(path, false)
							    : RawFile::open(path, false),
						   next_options);
		CHECK(next->worker_count() == successor.has);
		CHECK(next->trace_capacity() == 4 * 64);
		if (succeeds) {
			note(serve_on_each(*old));
			old.reset();
			next->take_over();
		}
		note(serve_on_each(*next));
		old = std::move(next);
	}

	std::vector<bioscope_trace_record> records(64);
	auto result = reader.read(records);
	CHECK(result.lost == 0);
	REQUIRE(result.count == sequences.size());
	for (size_t index = 0; index < sequences.size(); index++) {
		CHECK(sequences[index] == index + 1);
		CHECK(records[index].sequence == index + 1);
	}
	// A reader that comes later finds the same, in the rings that nobody writes any more too.
	TraceReader late(options.trace_path, TraceReader::From::oldest);
	CHECK(late.read(records).count == sequences.size());
}

TEST_CASE("succession: the payloads are divided among the threads that there are")
{
	TemporaryDirectory directory;
	make_image(directory / "image", 1 << 20);
	DiskOptions options;
	options.workers = 4;
	options.trace_path = directory / "trace";
	options.ring_capacity = 64;
	options.payload_limit = 4 << 20;
	std::vector<std::byte> payload(2 << 20);
	// What a thread may keep of one: a fourth of the limit at first, then half of it.
	CHECK_FALSE(Disk(RawFile::open(directory / "image", false), options)
			.worker(0)
			.arena()
			.keep(1, payload));
	options.workers = 2;
	options.resume_trace = true;
	Disk next(RawFile::open(directory / "image", false), options);
	CHECK(next.worker(0).arena().keep(1, std::span(payload).first(1 << 20)));
	CHECK(next.payloads().find(1) == 1 << 20);
}

TEST_CASE("raw file: it takes the size that the image has now when it is told to")
{
	TemporaryDirectory directory;
	std::string path = directory / "image";
	make_image(path, 8192);
	auto file = RawFile::open(path, false);
	std::filesystem::resize_file(path, 16384 + 100);
	CHECK(file->size() == 8192);
	CHECK(file->present_size() == 16384);
	file->take_present_size();
	CHECK(file->size() == 16384);
	CHECK(file->tail() == 100);
	std::filesystem::resize_file(path, 100);
	CHECK(error_of([&] { file->take_present_size(); }) == ENODATA);
	CHECK(file->size() == 16384);
}

TEST_CASE("dm-user route: one that waits reads nothing before it may")
{
	RouteFixture fixture(2, 4);
	DmUserRouteOptions options = fixture.options();
	options.waits = true;
	fixture.route = std::make_unique<DmUserRoute>(*fixture.disk, std::move(options));
	auto &route = static_cast<DmUserRoute &>(*fixture.route);
	route.start();
	fixture.ask(0, 7, DM_USER_REQUEST_READ, 4096);
	fixture.ask(1, 8, DM_USER_REQUEST_READ, 4096);
	std::this_thread::sleep_for(std::chrono::milliseconds(20));
	CHECK(fixture.disk->counters().reads == 0);
	CHECK(fixture.disk->counters().in_flight == 0);
	route.go();
	CHECK(fixture.answer(0, 7) == DM_USER_RESPONSE_SUCCESS);
	CHECK(fixture.answer(1, 8) == DM_USER_RESPONSE_SUCCESS);
}

TEST_CASE("dm-user route: one that waits can be stopped, and what it never read is still there")
{
	RouteFixture fixture(1, 2);
	DmUserRouteOptions options = fixture.options();
	options.waits = true;
	int left = dup(fixture.descriptors[0]);
	fixture.route = std::make_unique<DmUserRoute>(*fixture.disk, std::move(options));
	fixture.route->start();
	fixture.ask(0, 7, DM_USER_REQUEST_READ, 4096);
	fixture.route->stop();
	CHECK(fixture.end().empty());
	dm_user_message message{};
	CHECK(recv(left, &message, sizeof(message), MSG_DONTWAIT) == sizeof(message));
	CHECK(message.sequence == 7);
	close(left);
}

TEST_CASE("succession: the next engine opens image and trace while the old one serves still")
{
	TemporaryDirectory directory;
	const std::string path = directory / "image";
	make_image(path, 1 << 20);
	DiskOptions options;
	options.number = 3;
	options.workers = 2;
	options.trace_path = directory / "trace";
	options.ring_capacity = 64;
	options.payload_limit = 0;
	auto image = RawFile::open(path, false);
	RawFile &old_image = *image;
	Disk old(std::move(image), options);
	auto serve = [](Disk &disk) {
		Request request{};
		request.operation = Operation::flush;
		InFlight flight = disk.worker(0).arrive(request);
		int error = disk.worker(0).execute(flight, {});
		disk.worker(0).complete(flight, error, {});
		return flight.sequence;
	};
	CHECK(serve(old) == 1);

	DiskOptions next_options = options;
	next_options.succeeds = true;
	CHECK(error_of([&] {
		      Disk without_a_trace(RawFile::open_unlocked(path, false), next_options);
	      }) == EINVAL);
	next_options.resume_trace = true;
	auto next_image = RawFile::open_unlocked(path, false);
	RawFile &locks = *next_image;
	Disk next(std::move(next_image), next_options);
	CHECK(error_of([&] { locks.lock(); }) == EAGAIN);
	CHECK(serve(old) == 2);
	next.close_trace(); // is not its own yet
	TraceReader reader(options.trace_path, TraceReader::From::oldest);
	CHECK_FALSE(reader.closed());

	std::filesystem::resize_file(path, 2 << 20); // since it was opened
	old_image.unlock();
	locks.lock();
	next.take_over();
	CHECK(next.backend().size() == 2 << 20);
	CHECK(serve(next) == 3);
	std::array<bioscope_trace_record, 8> records{};
	CHECK(reader.read(records).count == 3);
	next.close_trace();
	CHECK(reader.closed());
	CHECK(error_of([&] { RawFile::open(path, false); }) == EAGAIN);
}
