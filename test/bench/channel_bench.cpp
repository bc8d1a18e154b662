// SPDX-License-Identifier: Apache-2.0
// The dm-user channel of the engine against a bare C loop, on the same socketpair
// or pipes, with the same load. One JSON line a measurement on stdout.
//
//   channel_bench [--rounds N] [--milliseconds N]
//
// Servers: `bare` (batched C loop), `bare-again` (the same: the noise), `bare-single`
// (one read and one write a message), `engine`, `engine-untraced`. In every round
// all are measured one after the other, so that a round's ratios are of neighbours.
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../native/engine/backends/raw_file.h"
#include "../../native/engine/disk.h"
#include "../../native/engine/routes/channel_port.h"
#include "../../native/engine/routes/dm_user_channel.h"
#include "bare_loop.h"

namespace
{

constexpr uint64_t image_bytes = 256 << 20;
constexpr uint64_t block_bytes = 4096;
// Before a measurement: more than the payload memory holds (32 MiB a worker), so
// that the first touch of its pages is not counted as the cost of a request.
constexpr uint64_t warm_requests = 10'000;

double seconds_of(clockid_t clock)
{
	timespec now{};
	clock_gettime(clock, &now);
	return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

[[noreturn]] void fail(const std::string &what)
{
	throw std::runtime_error(what + ": " + std::strerror(errno));
}

// The kernel's ends and the daemon's ends of a channel.
struct Ends {
	int to_daemon, from_daemon, daemon_reads, daemon_writes;
};

Ends open_wire(bool socket)
{
	if (socket) {
		int ends[2];
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
			fail("socketpair");
		return {ends[0], dup(ends[0]), ends[1], ends[1]};
	}
	int requests[2];
	int replies[2];
	if (pipe2(requests, O_CLOEXEC) != 0 || pipe2(replies, O_CLOEXEC) != 0)
		fail("pipe2");
	return {requests[1], replies[0], requests[0], replies[1]};
}

// Keeps `depth` requests in flight: for all answers of one read() it sends the
// next requests in one write(). Batched as our own kernel module batches.
class Load
{
public:
	Load(const Ends &ends, uint64_t type, unsigned depth)
	    : ends_(ends), type_(type), depth_(depth), buffer_(2 << 20)
	{
	}

	// Answers received in `seconds`, at least `least`; those in flight at the end
	// are waited for.
	uint64_t run(double seconds, uint64_t least = 1)
	{
		double end = seconds_of(CLOCK_MONOTONIC) + seconds;
		send(depth_);
		uint64_t answered = 0;
		unsigned open = depth_;
		while (open > 0) {
			unsigned count = receive();
			answered += count;
			open -= count;
			if (answered < least || seconds_of(CLOCK_MONOTONIC) < end) {
				send(count);
				open += count;
			}
		}
		return answered;
	}

private:
	void send(unsigned count)
	{
		size_t payload = type_ == DM_USER_REQUEST_WRITE ? block_bytes : 0;
		out_.resize(count * (DM_USER_HEADER_BYTES + payload));
		for (unsigned i = 0; i < count; i++) {
			uint64_t block = random_() % (image_bytes / block_bytes);
			dm_user_message message{++sequence_, type_, 0,
						block * (block_bytes / DM_USER_SECTOR_BYTES),
						block_bytes};
			std::memcpy(out_.data() + i * (DM_USER_HEADER_BYTES + payload), &message,
				    sizeof(message));
		}
		for (size_t sent = 0; sent < out_.size();) {
			ssize_t written =
			    write(ends_.to_daemon, out_.data() + sent, out_.size() - sent);
			if (written < 0)
				fail("write of requests");
			sent += static_cast<size_t>(written);
		}
	}

	// One read(); the number of answers it completed.
	unsigned receive()
	{
		ssize_t count =
		    read(ends_.from_daemon, buffer_.data() + have_, buffer_.size() - have_);
		if (count <= 0)
			fail("read of answers");
		have_ += static_cast<size_t>(count);
		size_t taken = 0;
		unsigned answers = 0;
		while (have_ - taken >= DM_USER_HEADER_BYTES) {
			dm_user_message message;
			std::memcpy(&message, buffer_.data() + taken, sizeof(message));
			if (message.type != DM_USER_RESPONSE_SUCCESS)
				throw std::runtime_error("an answer that is no success");
			size_t payload = type_ == DM_USER_REQUEST_READ ? block_bytes : 0;
			if (have_ - taken < DM_USER_HEADER_BYTES + payload)
				break;
			taken += DM_USER_HEADER_BYTES + payload;
			answers++;
		}
		have_ -= taken;
		std::memmove(buffer_.data(), buffer_.data() + taken, have_);
		return answers;
	}

	const Ends &ends_;
	uint64_t type_;
	unsigned depth_;
	std::vector<std::byte> buffer_;
	std::vector<std::byte> out_;
	size_t have_ = 0;
	uint64_t sequence_ = 0;
	std::minstd_rand random_{12345};
};

struct Cell {
	bool socket;
	uint64_t type;
	unsigned depth;
};

struct Context {
	std::string directory;
	std::string image;
	double seconds;
};

// Runs the load against a server that is there already. The CPU is that of the
// whole process without this thread's: the server's.
void measure(const Cell &cell, const Ends &ends, const char *server, int round, double seconds)
{
	Load load(ends, cell.type, cell.depth);
	load.run(0, warm_requests);
	double wall = seconds_of(CLOCK_MONOTONIC);
	double all = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
	double own = seconds_of(CLOCK_THREAD_CPUTIME_ID);
	uint64_t answered = load.run(seconds);
	own = seconds_of(CLOCK_THREAD_CPUTIME_ID) - own;
	all = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - all;
	wall = seconds_of(CLOCK_MONOTONIC) - wall;
	double count = static_cast<double>(answered);
	std::printf("{\"bench\":\"channel\",\"wire\":\"%s\",\"operation\":\"%s\",\"depth\":%u,"
		    "\"server\":\"%s\",\"round\":%d,\"perSecond\":%.0f,\"cpuMicroseconds\":%.3f}\n",
		    cell.socket ? "socket" : "pipe",
		    cell.type == DM_USER_REQUEST_READ ? "read" : "write", cell.depth, server, round,
		    count / wall, (all - own) * 1e6 / count);
	std::fflush(stdout);
}

void bare(const Cell &cell, const Context &context, const char *name, bool batched, int round)
{
	Ends ends = open_wire(cell.socket);
	int image = open(context.image.c_str(), O_RDWR | O_CLOEXEC);
	if (image < 0)
		fail("open of the image");
	int error = 0;
	std::thread server(
	    [&] { error = bare_loop(ends.daemon_reads, ends.daemon_writes, image, batched); });
	measure(cell, ends, name, round, context.seconds);
	shutdown(ends.to_daemon, SHUT_WR);
	close(ends.to_daemon);
	server.join();
	close(ends.from_daemon);
	close(ends.daemon_reads);
	if (ends.daemon_writes != ends.daemon_reads)
		close(ends.daemon_writes);
	close(image);
	if (error != 0)
		throw std::runtime_error(std::string("the bare loop: ") + std::strerror(error));
}

void engine(const Cell &cell, const Context &context, const char *name, bool trace, int round)
{
	Ends ends = open_wire(cell.socket);
	bioscope::DiskOptions options;
	options.route = BIOSCOPE_ROUTE_DM_USER;
	options.workers = 2;
	options.trace_path = context.directory + "/trace";
	options.trace = trace;
	{
		bioscope::Disk disk(bioscope::RawFile::open(context.image, false), options);
		bioscope::DmUserChannel channel(disk, 0, 1,
						std::make_unique<bioscope::DescriptorPort>(
						    ends.daemon_reads, ends.daemon_writes));
		channel.start();
		measure(cell, ends, name, round, context.seconds);
		shutdown(ends.to_daemon, SHUT_WR);
		close(ends.to_daemon);
		channel.wait();
	}
	close(ends.from_daemon);
	std::filesystem::remove(options.trace_path);
}

void run(const Context &context, int rounds)
{
	using Server = std::function<void(const Cell &, int)>;
	std::vector<Server> servers{
	    [&](const Cell &cell, int round) { bare(cell, context, "bare", true, round); },
	    [&](const Cell &cell, int round) { engine(cell, context, "engine", true, round); },
	    [&](const Cell &cell, int round) { bare(cell, context, "bare-again", true, round); },
	    [&](const Cell &cell, int round) {
		    engine(cell, context, "engine-untraced", false, round);
	    },
	    [&](const Cell &cell, int round) { bare(cell, context, "bare-single", false, round); },
	};
	std::vector<Cell> cells;
	for (bool socket : {true, false})
		for (unsigned depth : {1U, 32U})
			cells.push_back({socket, DM_USER_REQUEST_READ, depth});
	cells.push_back({true, DM_USER_REQUEST_WRITE, 32});
	for (int round = 0; round < rounds; round++) {
		for (const Cell &cell : cells)
			for (const Server &server : servers)
				server(cell, round);
		// Whatever favours the first or the last of a round falls to each in turn.
		std::reverse(servers.begin(), servers.end());
	}
}

} // namespace

int main(int argc, char **argv)
try {
	int rounds = 9;
	double seconds = 0.3;
	for (int i = 1; i + 1 < argc; i += 2) {
		std::string_view option = argv[i];
		if (option == "--rounds")
			rounds = std::stoi(argv[i + 1]);
		else if (option == "--milliseconds")
			seconds = std::stoi(argv[i + 1]) / 1000.0;
		else
			throw std::invalid_argument("unknown option " + std::string(option));
	}
	std::signal(SIGPIPE, SIG_IGN);
	// tmpfs: the medium must not be what is measured.
	std::string directory = "/dev/shm/bioscope-bench-XXXXXX";
	if (mkdtemp(directory.data()) == nullptr)
		fail("a directory in /dev/shm");
	Context context{directory, directory + "/image", seconds};
	int status = 0;
	try {
		int image = open(context.image.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		std::vector<char> block(1 << 20, 'b');
		for (uint64_t at = 0; at < image_bytes; at += block.size())
			if (pwrite(image, block.data(), block.size(), static_cast<off_t>(at)) !=
			    static_cast<ssize_t>(block.size()))
				fail("filling the image");
		close(image);
		run(context, rounds);
	} catch (const std::exception &error) {
		std::fprintf(stderr, "channel_bench: %s\n", error.what());
		status = 1;
	}
	std::filesystem::remove_all(directory);
	return status;
} catch (const std::exception &error) {
	std::fprintf(stderr, "channel_bench: %s\n", error.what());
	return 2;
}
