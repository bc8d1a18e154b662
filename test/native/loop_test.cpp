// SPDX-License-Identifier: Apache-2.0
#include "fuse_fixture.h"

#include <algorithm>
#include <cstdlib>

#include <linux/fs.h>
#include <linux/loop.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

using namespace bioscope;
using namespace bioscope_test;

namespace
{

constexpr size_t image_bytes = 4 << 20;
constexpr unsigned wait_ms = 3000;

// A loop device of the test's own; detached at the end, whatever happens.
class Loop
{
public:
	Loop(const std::string &path, bool read_only, const std::string &label = "bioscope-test:1")
	{
		bioscope_failure failure{};
		int error =
		    bioscope_attach_loop(path.c_str(), read_only, label.c_str(), device_, &failure);
		INFO("step ", failure.step ? failure.step : "none");
		REQUIRE(error == 0);
	}
	~Loop()
	{
		bioscope_failure failure{};
		if (!detached_)
			bioscope_detach_loop(device_, true, wait_ms, &failure);
	}
	Loop(const Loop &) = delete;
	Loop &operator=(const Loop &) = delete;

	const char *device() const { return device_; }
	int detach(bool force, bioscope_failure &failure, unsigned wait = wait_ms)
	{
		int error = bioscope_detach_loop(device_, force, wait, &failure);
		detached_ = error == 0;
		return error;
	}

private:
	char device_[BIOSCOPE_LOOP_PATH_BYTES];
	bool detached_ = false;
};

bioscope_loop_state state_of(const Loop &loop)
{
	bioscope_failure failure{};
	bioscope_loop_state state{};
	REQUIRE(bioscope_loop_status(loop.device(), &state, &failure) == 0);
	return state;
}

size_t count(const std::vector<bioscope_trace_record> &records, unsigned operation)
{
	return static_cast<size_t>(
	    std::count_if(records.begin(), records.end(),
			  [&](const auto &record) { return record.operation == operation; }));
}

} // namespace

TEST_SUITE_BEGIN("loop" * doctest::skip(!has_loop()));

TEST_CASE("loop: attached with direct I/O, labelled, and gone after the detach")
{
	Image image(image_bytes);
	Loop loop(image.path(), false, "bioscope-test:label");
	bioscope_loop_state state = state_of(loop);
	struct stat status {
	};
	REQUIRE(stat(image.path().c_str(), &status) == 0);
	CHECK(std::string(state.label) == "bioscope-test:label");
	CHECK(state.backing_inode == status.st_ino);
	CHECK_FALSE(state.read_only);
	CHECK_FALSE(state.autoclear);
	bioscope_failure failure{};
	CHECK(loop.detach(false, failure) == 0);
	CHECK(failure.step == nullptr);
	CHECK(bioscope_loop_status(loop.device(), &state, &failure) == ENXIO);
	CHECK(loop.detach(false, failure) == ENXIO);
}

TEST_CASE("loop: read-only is read-only")
{
	Image image(image_bytes);
	Loop loop(image.path(), true);
	CHECK(state_of(loop).read_only);
	FileDescriptor device(loop.device(), O_RDONLY);
	int read_only = 0;
	REQUIRE(ioctl(device, BLKROGET, &read_only) == 0);
	CHECK(read_only == 1);
}

TEST_CASE("loop: what it needs is checked, and the step that failed is named")
{
	Image image(image_bytes);
	char device[BIOSCOPE_LOOP_PATH_BYTES];
	auto attach = [&](const std::string &path, const std::string &label, std::string &step) {
		bioscope_failure failure{};
		int error =
		    bioscope_attach_loop(path.c_str(), false, label.c_str(), device, &failure);
		step = failure.step ? failure.step : "";
		return error;
	};
	std::string step;
	CHECK(attach("relative", "label", step) == EINVAL);
	CHECK(step == "path");
	CHECK(attach("/nonexistent", "label", step) == ENOENT);
	CHECK(step == "open");
	CHECK(attach("/dev/null", "label", step) == EINVAL);
	CHECK(attach(image.path(), "", step) == EINVAL);
	CHECK(step == "label");
	CHECK(attach(image.path(), std::string(64, 'x'), step) == EINVAL);
	CHECK(device[0] == '\0');

	bioscope_failure failure{};
	bioscope_loop_state state{};
	for (const char *name : {"/dev/loop", "/dev/loop1x", "/dev/sda", "loop0",
				 "/dev/../dev/loop0", "/dev/loop-control", "/dev/loop99999999"})
		CHECK(bioscope_loop_status(name, &state, &failure) == EINVAL);
	CHECK(bioscope_detach_loop("/dev/null", true, 0, &failure) == EINVAL);
	CHECK(std::string(failure.step) == "open");
}

TEST_CASE("loop: a device somebody claims or has open is not detached, and nothing changes")
{
	Image image(image_bytes);
	Loop loop(image.path(), false);
	bioscope_failure failure{};
	{
		FileDescriptor claim(loop.device(), O_RDONLY | O_EXCL); // as a mount does
		CHECK(loop.detach(false, failure) == EBUSY);
		CHECK(std::string(failure.step) == "open");
		CHECK_FALSE(state_of(loop).autoclear);
	}
	{
		FileDescriptor reader(loop.device(), O_RDONLY);
		CHECK(loop.detach(false, failure, 50) == EBUSY);
		CHECK(std::string(failure.step) == "wait");
		std::vector<std::byte> bytes(512);
		CHECK(pread(reader, bytes.data(), 512, 0) == 512);
	}
	// Its last user has gone, and it is still there.
	CHECK_FALSE(state_of(loop).autoclear);
	CHECK(loop.detach(false, failure) == 0);
}

TEST_CASE("loop: forced, a device in use goes with its last user")
{
	Image image(image_bytes);
	Loop loop(image.path(), false);
	bioscope_failure failure{};
	{
		FileDescriptor reader(loop.device(), O_RDONLY);
		CHECK(loop.detach(true, failure, 50) == EBUSY);
		CHECK(std::string(failure.step) == "wait");
		CHECK(state_of(loop).autoclear);
	}
	bioscope_loop_state state{};
	int error = 0;
	for (int i = 0; i < 100 && error == 0; i++) {
		usleep(10'000);
		error = bioscope_loop_status(loop.device(), &state, &failure);
	}
	CHECK(error == ENXIO);
}

TEST_CASE("loop: many at once find devices of their own")
{
	constexpr unsigned threads = 4, rounds = 5;
	std::vector<std::unique_ptr<Image>> images;
	for (unsigned i = 0; i < threads; i++)
		images.push_back(std::make_unique<Image>(65'536));
	std::atomic<unsigned> wrong{0};
	std::vector<std::thread> users;
	for (unsigned i = 0; i < threads; i++)
		users.emplace_back([&, i] {
			for (unsigned round = 0; round < rounds; round++) {
				bioscope_failure failure{};
				char device[BIOSCOPE_LOOP_PATH_BYTES];
				bioscope_loop_state state{};
				std::string label = "bioscope-test:" + std::to_string(i);
				if (bioscope_attach_loop(images[i]->path().c_str(), false,
							 label.c_str(), device, &failure) ||
				    bioscope_loop_status(device, &state, &failure) ||
				    label != state.label ||
				    bioscope_detach_loop(device, false, wait_ms, &failure))
					wrong++;
			}
		});
	for (auto &user : users)
		user.join();
	CHECK(wrong == 0);
}

TEST_CASE("loop: over the FUSE file it is a block device whose requests are all traced")
{
	Image image(image_bytes);
	FuseFixture fuse(image.open());
	Loop loop(fuse.file(), false);
	fuse.unmount(); // the device keeps it alive
	CHECK(state_of(loop).direct_io);
	std::vector<std::byte> data = pattern(65'536, 8);
	{
		FileDescriptor device(loop.device(), O_RDWR | O_CLOEXEC);
		uint64_t size = 0;
		REQUIRE(ioctl(device, BLKGETSIZE64, &size) == 0);
		CHECK(size == image_bytes);
		REQUIRE(pwrite(device, data.data(), data.size(), 12'288) == 65'536);
		REQUIRE(fsync(device) == 0);
		uint64_t range[2] = {131'072, 65'536};
		REQUIRE(ioctl(device, BLKDISCARD, range) == 0);
		REQUIRE(ioctl(device, BLKZEROOUT, range) == 0);
	}
	bioscope_failure failure{};
	CHECK(loop.detach(false, failure) == 0);
	CHECK(fuse.wait_for_end() == ""); // nothing holds the file system any more
	fuse.route->stop();
	CHECK(file_bytes(image.path(), 12'288, data.size()) == data);
	CHECK(file_bytes(image.path(), 131'072, 65'536) == std::vector<std::byte>(65'536));

	auto records = all_records(fuse.directory / "trace");
	uint64_t written = 0;
	for (const auto &record : records) {
		CHECK(record.error == 0);
		if (record.operation == DM_USER_REQUEST_WRITE)
			written += record.length;
	}
	CHECK(written == data.size());
	CHECK(count(records, DM_USER_REQUEST_FLUSH) >= 1);
	CHECK(count(records, DM_USER_REQUEST_DISCARD) +
		  count(records, DM_USER_REQUEST_WRITE_ZEROES) >=
	      2);
	CHECK(fuse.disk->counters().in_flight == 0);
}

// A daemon that is killed leaves the loop device and nothing else, and the label
// is still there to be read: LOOP_GET_STATUS64 asks the dead file system for
// attributes, which the kernel therefore must have cached for good.
TEST_CASE("loop: after its daemon was killed the device is recognised and cleared")
{
	Image image(image_bytes);
	TemporaryDirectory directory;
	int told[2];
	REQUIRE(pipe2(told, O_CLOEXEC) == 0);
	// The daemon: a process of its own, for it must die with all its threads.
	pid_t daemon = fork();
	REQUIRE(daemon >= 0);
	if (daemon == 0) {
		char device[BIOSCOPE_LOOP_PATH_BYTES] = {};
		try {
			bioscope_failure failure{};
			FuseFixture fuse(image.open());
			if (bioscope_attach_loop(fuse.file().c_str(), false, "bioscope-test:dead",
						 device, &failure) == 0) {
				fuse.unmount();
				std::filesystem::remove_all(fuse.directory.path());
				(void)!write(told[1], device, sizeof(device));
				pause();
			}
		} catch (...) {
		}
		_exit(1);
	}
	close(told[1]);
	char device[BIOSCOPE_LOOP_PATH_BYTES] = {};
	ssize_t got = read(told[0], device, sizeof(device));
	close(told[0]);
	kill(daemon, SIGKILL);
	waitpid(daemon, nullptr, 0);
	REQUIRE(got == sizeof(device));

	bioscope_failure failure{};
	bioscope_loop_state state{};
	CHECK(bioscope_loop_status(device, &state, &failure) == 0);
	CHECK(std::string(state.label) == "bioscope-test:dead");
	{
		FileDescriptor dead(device, O_RDONLY);
		std::vector<std::byte> bytes(4096);
		CHECK(pread(dead, bytes.data(), 4096, 0) == -1);
		CHECK(errno == EIO);
	}
	CHECK(bioscope_detach_loop(device, true, wait_ms, &failure) == 0);
	CHECK(bioscope_loop_status(device, &state, &failure) == ENXIO);
	// Nothing keeps the image locked.
	CHECK(error_of([&] { image.open(); }) == 0);
}

TEST_CASE("loop: one that was lent is not let go of while its borrower has it open")
{
	Image image(image_bytes);
	Loop loop(image.path(), false, "bioscope-test:lent");
	bioscope_failure failure{};
	bioscope_loop_state state{};
	int ours = open(loop.device(), O_RDONLY | O_CLOEXEC);
	REQUIRE(ours >= 0);
	int lent = open(loop.device(), O_RDWR | O_CLOEXEC);
	REQUIRE(lent >= 0);

	CHECK(bioscope_release_loop(loop.device(), ours, false, 20, &failure) == EBUSY);
	CHECK(std::string(failure.step) == "wait");
	// Given back as it was: neither marked to go nor claimed.
	CHECK_FALSE(state_of(loop).autoclear);
	{
		FileDescriptor claim(loop.device(), O_RDONLY | O_EXCL);
		CHECK(static_cast<int>(claim) >= 0);
	}

	// Who borrowed it asks for its end himself, and gets no empty device for that.
	REQUIRE(ioctl(lent, LOOP_CLR_FD) == 0);
	CHECK_FALSE(bioscope_clear_loop(ours));
	REQUIRE(bioscope_loop_status(loop.device(), &state, &failure) == 0);
	CHECK(std::string(state.label) == "bioscope-test:lent");

	close(lent);
	CHECK(bioscope_release_loop(loop.device(), ours, false, wait_ms, &failure) == 0);
	close(ours);
	CHECK(bioscope_loop_is_gone(loop.device(), wait_ms));
	CHECK(bioscope_loop_status(loop.device(), &state, &failure) == ENXIO);
}

TEST_CASE("loop: one that was lent and is mounted is refused, and stays held")
{
	Image image(image_bytes);
	Loop loop(image.path(), false);
	bioscope_failure failure{};
	int ours = open(loop.device(), O_RDONLY | O_CLOEXEC);
	REQUIRE(ours >= 0);
	{
		FileDescriptor claim(loop.device(), O_RDONLY | O_EXCL);
		CHECK(bioscope_release_loop(loop.device(), ours, false, wait_ms, &failure) ==
		      EBUSY);
		CHECK(std::string(failure.step) == "open");
		CHECK(fcntl(ours, F_GETFD) >= 0);
		CHECK_FALSE(bioscope_clear_loop(ours));
	}
	CHECK(bioscope_release_loop(loop.device(), ours, true, wait_ms, &failure) == 0);
	close(ours);
	CHECK(bioscope_loop_is_gone(loop.device(), wait_ms));
}

TEST_SUITE_END();
