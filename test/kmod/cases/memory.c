// SPDX-License-Identifier: Apache-2.0
/*
 * memory.c - memory that is refused. Only where the kernel injects faults (failslab):
 * the n-th allocation of this thread fails, for every n that there is.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/stat.h>

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
	close(fd);
}

static void be_quiet(void)
{
	put("/sys/kernel/debug/failslab/verbose", "0");
	put("/sys/kernel/debug/failslab/ignore-gfp-wait", "N");
	put("/sys/kernel/debug/fail_page_alloc/verbose", "0");
	put("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N");
}

static int nth_fd(void)
{
	int fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);

	check(fd >= 0);
	return fd;
}

static void arm(int fd, int nth)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d", nth);

	check_equal(pwrite(fd, text, (size_t)length, 0), length);
}

/* True when the armed failure took place. */
static bool disarm(int fd)
{
	char text[16] = "";

	check(pread(fd, text, sizeof(text) - 1, 0) > 0);
	check_equal(pwrite(fd, "0", 1, 0), 1);
	return atoi(text) == 0;
}

CASE_FAILSLAB("failslab: every allocation of create, load and resume may fail", 200)
{
	int fd = nth_fd(), failures = 0;

	be_quiet();
	for (int nth = 1; nth < 600; nth++) {
		struct dm_line line = {.length = 2048,
				       .type = "user",
				       .arguments = "0 2048 test-short 2 discards write_zeroes"};
		bool hit;
		int result;

		check_equal(dm_create("test-short"), 0);
		arm(fd, nth);
		result = dm_load("test-short", &line, 1);
		if (!result)
			result = dm_resume("test-short");
		hit = disarm(fd);
		if (result) {
			failures++;
			check(hit);
			/*
			 * The block layer takes no notice when there is no memory for the
			 * name of a disk, and then refuses it for want of a name.
			 */
			if (result != -ENOMEM)
				check_equal(result, -EINVAL);
			check(access("/dev/dm-user/test-short", F_OK) < 0 ||
			      dm_clear("test-short") == 0);
		}
		dm_resume("test-short");
		check_equal(dm_remove("test-short", false), 0);
		check(access("/dev/dm-user/test-short", F_OK) < 0);
		if (!hit)
			break;
	}
	note("%d of the allocations made it fail", failures);
	check(failures > 3);
}

CASE_FAILSLAB("failslab: opening a channel is ENOMEM or works", 60)
{
	struct disk disk;
	char path[128];
	int fd = nth_fd(), failures = 0;

	be_quiet();
	disk_make(&disk, MEGABYTE, "");
	snprintf(path, sizeof(path), "/dev/dm-user/%s", disk.name);
	for (int nth = 1; nth < 200; nth++) {
		int file, error;
		bool hit;

		arm(fd, nth);
		file = open(path, O_RDWR | O_CLOEXEC);
		error = errno;
		hit = disarm(fd);
		if (file < 0) {
			failures++;
			check(hit);
			check_equal(error, ENOMEM);
		} else {
			close(file);
		}
		if (!hit)
			break;
	}
	disk_await(&disk, "channels", 0);
	note("%d of the allocations made it fail", failures);
	check(failures > 0);
	disk_remove(&disk);
}

CASE_FAILSLAB("failslab: a request is served or fails; its memory may be refused anywhere", 200)
{
	struct backing backing;
	struct disk disk;
	unsigned char *buffer;
	int device, fd, nth_file = nth_fd(), failures = 0;

	be_quiet();
	disk_make(&disk, 16 * MEGABYTE, "2 discards write_zeroes");
	device = disk_open(&disk);
	fd = channel(&disk);
	check_equal(backing_open(&backing, disk.backing, 16 * MEGABYTE), 0);
	serve_in_background(fd, &backing);
	check(!posix_memalign((void **)&buffer, 4096, 65536));
	for (int kind = 0; kind < 4; kind++)
		for (int nth = 1; nth < 200; nth++) {
			ssize_t result;
			bool hit;

			arm(nth_file, nth);
			if (kind == 0)
				result = pread(device, buffer, 65536, 0);
			else if (kind == 1)
				result = pwrite(device, buffer, 65536, 0);
			else if (kind == 2)
				result = fsync(device);
			else
				result = fallocate(
				    device, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 65536);
			hit = disarm(nth_file);
			if (result < 0) {
				failures++;
				check(hit);
			}
			if (!hit)
				break;
		}
	note("%d of the requests failed", failures);
	disk_await(&disk, "in flight", 0);
	disk_await(&disk, "queued", 0);
	close(device);
	disk_remove(&disk);
	close(fd);
}

CASE_FAILSLAB("failslab: reading and answering lose nothing when memory is refused", 200)
{
	struct disk disk;
	int device, fd, nth_file = nth_fd();

	be_quiet();
	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	fd = channel(&disk);
	for (int nth = 1; nth < 40; nth++) {
		struct io *io = io_start(device, IO_WRITE, 0, 65536, nth);
		unsigned char bytes[40 + 65536];
		struct dm_user_message request;
		size_t done = 0;
		bool hit = false;

		disk_await(&disk, "queued", 1);
		while (done < sizeof(bytes)) {
			ssize_t got;

			arm(nth_file, nth);
			got = read(fd, bytes + done, sizeof(bytes) - done);
			hit |= disarm(nth_file);
			if (got < 0)
				check(errno == ENOMEM || errno == EFAULT);
			else
				done += (size_t)got;
		}
		memcpy(&request, bytes, 40);
		check_equal(request.length, 65536);
		check_equal(bytes[40 + 65535], nth);
		request.type = DM_USER_RESPONSE_SUCCESS;
		for (ssize_t put = -1; put != 40;) {
			arm(nth_file, nth);
			put = write(fd, &request, 40);
			hit |= disarm(nth_file);
			check(put == 40 || errno == ENOMEM || errno == EFAULT);
		}
		check_equal(io_finish(io), 65536);
		free(io->buffer);
		if (!hit)
			break;
	}
	close(fd);
	close(device);
	disk_remove(&disk);
}

static void *load_with_failures(void *data)
{
	struct disk *disk = data;
	int fails, device = disk_open(disk);
	unsigned char *buffer;
	ssize_t ignored;

	check(!posix_memalign((void **)&buffer, 4096, 65536));
	/* Opened before: later that may fail as well. */
	fails = open("/proc/thread-self/make-it-fail", O_WRONLY | O_CLOEXEC);
	check(fails >= 0);
	check_equal(pwrite(fails, "1", 1, 0), 1);
	for (int i = 0; i < 3000; i++) {
		off_t offset = (off_t)random_below(2048) * 4096;

		if (i % 3)
			ignored = pwrite(device, buffer, (random_below(16) + 1) * 4096, offset);
		else
			ignored = pread(device, buffer, (random_below(16) + 1) * 4096, offset);
	}
	(void)ignored;
	while (pwrite(fails, "0", 1, 0) != 1)
		check_equal(errno, ENOMEM);
	close(fails);
	close(device);
	return NULL;
}

CASE_FAILSLAB("failslab: load from many threads while one allocation in ten fails", 200)
{
	enum { LOADS = 4 };
	struct backing backing;
	pthread_t loads[LOADS];
	struct disk disk;
	int fd;

	be_quiet();
	put("/sys/kernel/debug/failslab/task-filter", "Y");
	put("/sys/kernel/debug/failslab/probability", "10");
	put("/sys/kernel/debug/failslab/times", "-1");
	disk_make(&disk, 16 * MEGABYTE, "");
	fd = channel(&disk);
	check_equal(backing_open(&backing, disk.backing, 16 * MEGABYTE), 0);
	serve_in_background(fd, &backing);
	for (int i = 0; i < LOADS; i++)
		check(!pthread_create(&loads[i], NULL, load_with_failures, &disk));
	for (int i = 0; i < LOADS; i++)
		pthread_join(loads[i], NULL);
	put("/sys/kernel/debug/failslab/probability", "0");
	disk_await(&disk, "in flight", 0);
	disk_await(&disk, "queued", 0);
	disk_remove(&disk);
	close(fd);
}
