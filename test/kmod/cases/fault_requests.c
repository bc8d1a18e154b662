// SPDX-License-Identifier: Apache-2.0
/*
 * fault_requests.c - what the first version of dm-user got wrong about requests: faults 1,
 * 2, 12, 17 and 19 to 22 of the 26.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/swap.h>

DISK_CASE("fault 1: a request held by a killed daemon goes to the next one", 20, "")
{
	struct dm_user_message request;
	struct io *io;
	pid_t pid;

	for (int round = 0; round < 20; round++) {
		int told[2];
		char byte;

		io = io_start(f->device, IO_READ, 4096 * round, 4096, 0);
		check(!pipe(told));
		pid = fork();
		if (!pid) {
			open_channel(f);
			expect(f->fd, DM_USER_REQUEST_READ, 8ULL * (unsigned)round, 4096, NULL);
			check(write(told[1], "x", 1) == 1);
			pause();
		}
		check(read(told[0], &byte, 1) == 1);
		daemon_kill(pid);
		close(told[0]);
		close(told[1]);
		check(io_waits(io, 20));
		open_channel(f);
		request = expect(f->fd, DM_USER_REQUEST_READ, 8ULL * (unsigned)round, 4096, NULL);
		succeed(f->fd, &request, 0x5a);
		check_equal(io_finish(io), 4096);
		check_equal(io->buffer[4095], 0x5a);
		close_channel(f);
	}
}

CHANNEL_CASE("fault 2: requests without a payload reach the daemon (discard, write zeroes)", 20,
	     "2 discards write_zeroes")
{
	struct dm_user_message request;
	struct io *io;

	io = io_start(f->device, IO_ZERO, 65536, 131072, 0);
	request = expect(f->fd, DM_USER_REQUEST_WRITE_ZEROES, 128, 131072, NULL);
	succeed(f->fd, &request, 0);
	check_equal(io_finish(io), 0);
	io = io_start(f->device, IO_DISCARD, 1048576, 65536, 0);
	request = expect(f->fd, DM_USER_REQUEST_DISCARD, 2048, 65536, NULL);
	succeed(f->fd, &request, 0);
	check_equal(io_finish(io), 0);
}

CASE("fault 12: a reader that waits dies when it is killed", 20)
{
	struct disk disk;
	pid_t pid;

	disk_make(&disk, MEGABYTE, "");
	pid = fork();
	if (!pid) {
		struct dm_user_message request;

		read_fully(channel(&disk), &request, sizeof(request));
		_exit(0);
	}
	disk_await(&disk, "channels", 1);
	usleep(20000);
	kill(pid, SIGTERM);
	check_equal(finish(pid), 128 + SIGTERM);
	disk_await(&disk, "channels", 0);
	disk_remove(&disk);
}

DISK_CASE("fault 12: the message abort fails what waits, with no daemon and with one that holds",
	  20, "")
{
	struct dm_user_message request;
	struct io *ios[4];

	for (int i = 0; i < 4; i++)
		ios[i] = io_start(f->device, i % 2 ? IO_READ : IO_WRITE, 4096 * i, 4096, 0);
	check(io_waits(ios[3], 50));
	check_equal(dm_message(f->disk.name, 0, "abort", NULL, 0), 0);
	for (int i = 0; i < 4; i++)
		check_equal(io_finish(ios[i]), -EIO);

	open_channel(f);
	for (int i = 0; i < 4; i++)
		ios[i] = io_start(f->device, IO_READ, 4096 * i, 4096, 0);
	check_equal(read_fully(f->fd, &request, sizeof(request)), 0);
	check(io_waits(ios[0], 20));
	check_equal(dm_message(f->disk.name, 0, "abort", NULL, 0), 0);
	for (int i = 0; i < 4; i++)
		check_equal(io_finish(ios[i]), -EIO);
	/* The daemon's answer comes too late: it is taken and dropped. */
	succeed(f->fd, &request, 0);
	ios[0] = io_start(f->device, IO_READ, 0, 4096, 0);
	request = expect(f->fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	succeed(f->fd, &request, 0x31);
	check_equal(io_finish(ios[0]), 4096);
}

static void load_error_table(const struct disk *disk)
{
	struct dm_line line = {.length = disk->sectors, .type = "error", .arguments = ""};

	check_equal(dm_load(disk->name, &line, 1), 0);
}

DISK_CASE("fault 12: what no daemon has taken does not stop `remove --force`", 20, "")
{
	struct dm_user_message request;
	struct io *io;

	io = io_start(f->device, IO_WRITE, 4096, 4096, 0);
	disk_await(&f->disk, "queued", 1);
	open_channel(f);
	/* What dmsetup does: the error target in place of ours. */
	load_error_table(&f->disk);
	check_equal(dm_suspend(f->disk.name, false), 0);
	check(io_waits(io, 50));
	check_equal(dm_resume(f->disk.name), 0);
	check_equal(io_finish(io), -EIO);
	check_equal(read(f->fd, &request, sizeof(request)), -1);
	check_equal(errno, ENOTBLK);
}

CHANNEL_CASE("fault 12: a daemon that holds a request stops `remove --force` until abort", 20, "")
{
	pthread_t thread;
	struct io *io;
	void *result;

	io = io_start(f->device, IO_READ, 0, 4096, 0);
	expect(f->fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	load_error_table(&f->disk);
	thread = suspend_start(&f->disk, false);
	usleep(200000);
	check_equal(pthread_tryjoin_np(thread, &result), EBUSY);
	check_equal(dm_message(f->disk.name, 0, "abort", NULL, 0), 0);
	check_equal(io_finish(io), -EIO);
	pthread_join(thread, &result);
	check_equal((long)result, 0);
	check_equal(dm_resume(f->disk.name), 0);
}

CHANNEL_CASE("fault 17: no request is longer than the limit", 60, "")
{
	size_t total = 0, longest = 0;
	struct io *io;

	io = io_start(f->device, IO_WRITE, 0, 8 * MEGABYTE, 0x0f);
	while (total < 8 * MEGABYTE) {
		struct dm_user_message request;
		void *payload;

		check_equal(next_request(f->fd, &request, &payload), 0);
		check_equal(request.type, DM_USER_REQUEST_WRITE);
		total += request.length;
		if (request.length > longest)
			longest = request.length;
		free(payload);
		succeed(f->fd, &request, 0);
	}
	check_equal(io_finish(io), 8 * MEGABYTE);
	note("the longest of an 8 MiB write: %zu bytes", longest);
	check(longest <= MEGABYTE);
}

CHANNEL_CASE("fault 19: flush and FUA reach the daemon, and fsync waits for it", 20, "")
{
	struct dm_user_message request;
	struct io *io;

	io = io_start(f->device, IO_FLUSH, 0, 0, 0);
	request = expect(f->fd, DM_USER_REQUEST_FLUSH, 0, 0, NULL);
	check(io_waits(io, 50));
	succeed(f->fd, &request, 0);
	check_equal(io_finish(io), 0);
	io = io_start(f->device, IO_FLUSH, 0, 0, 0);
	request = expect(f->fd, DM_USER_REQUEST_FLUSH, 0, 0, NULL);
	check_equal(answer(f->fd, &request, DM_USER_RESPONSE_ERROR, NULL), 0);
	check_equal(io_finish(io), -EIO);
	io = io_start(f->device, IO_WRITE_FUA, 4096, 4096, 0x42);
	request = expect(f->fd, DM_USER_REQUEST_WRITE, 8, 4096, NULL);
	check(request.flags & DM_USER_FLAG_FUA);
	check(io_waits(io, 20));
	succeed(f->fd, &request, 0);
	/* The kernel's O_DSYNC is careful: a flush too. */
	request = expect(f->fd, DM_USER_REQUEST_FLUSH, 0, 0, NULL);
	succeed(f->fd, &request, 0);
	check_equal(io_finish(io), 4096);
}

/*
 * Where the kernel has the memory controller: no more than this for us from now on. Not
 * memory.max, which kills where the daemon is slow to take pages.
 */
static void limit_memory(size_t allowed)
{
	char text[64];
	int fd = open("/sys/fs/cgroup/cgroup.subtree_control", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "+memory", 7) != 7) {
		note("no memory controller: pages are sent to swap one by one");
		return;
	}
	close(fd);
	mkdir("/sys/fs/cgroup/tight", 0755);
	fd = open("/sys/fs/cgroup/tight/memory.high", O_WRONLY | O_CLOEXEC);
	snprintf(text, sizeof(text), "%zu", allowed);
	check(fd >= 0 && write(fd, text, strlen(text)) > 0);
	close(fd);
	fd = open("/sys/fs/cgroup/tight/cgroup.procs", O_WRONLY | O_CLOEXEC);
	check(fd >= 0 && write(fd, "0", 1) == 1);
	close(fd);
}

static void touch_and_swap(size_t bytes, int rounds)
{
	volatile unsigned char *area;

	area = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(area != MAP_FAILED);
	for (int round = 0; round < rounds; round++) {
		for (size_t at = 0; at < bytes; at += 4096) {
			if (round)
				check_equal(area[at + 5], (at >> 12) & 0xff);
			area[at + 5] = (unsigned char)(at >> 12);
		}
		check_equal(madvise((void *)area, bytes, MADV_PAGEOUT), 0);
	}
}

static void swap_on(const char *daemon, size_t allowed)
{
	struct disk disk;
	pid_t server, pid;
	char command[128];

	disk_make(&disk, 128 * MEGABYTE, "2 discards write_zeroes");
	server = daemon_start(&disk, daemon, 2);
	snprintf(command, sizeof(command), "mkswap %s >/dev/null", disk.node);
	check_equal(run("sh", "-c", command, NULL), 0);
	check_equal(swapon(disk.node, 0), 0);
	pid = fork();
	if (!pid) {
		if (allowed)
			limit_memory(allowed);
		touch_and_swap(allowed ? 20 * MEGABYTE : 24 * MEGABYTE, 2);
		_exit(0);
	}
	check_equal(finish(pid), 0);
	check_equal(swapoff(disk.node), 0);
	note("%llu requests, swap in and out", (unsigned long long)disk_status(&disk, "completed"));
	check(disk_status(&disk, "completed") > 20);
	check_equal(disk_status(&disk, "errors"), 0);
	disk_remove(&disk);
	check_equal(daemon_wait(server), 0);
}

CASE("fault 20: swap works on the device, and no flag is met with a warning", 60)
{
	swap_on("strict", 0);
}

static long switches(pid_t thread)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", thread);
	return number_from(path, "voluntary_ctxt_switches:");
}

static _Atomic pid_t reader_ids[8];

static void *wait_and_serve(void *data)
{
	struct disk *disk = ((struct disk **)data)[0];
	long index = (long)((void **)data)[1];
	int fd = channel(disk);
	struct dm_user_message request;

	atomic_store(&reader_ids[index], gettid());
	while (read(fd, &request, sizeof(request)) == sizeof(request))
		succeed(fd, &request, 0);
	close(fd);
	return NULL;
}

CASE("fault 21: a request wakes one reader, not all", 30)
{
	enum { READERS = 8, REQUESTS = 200 };
	void *arguments[READERS][2];
	pthread_t threads[READERS];
	struct disk disk;
	long before = 0, after = 0;
	int device;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	for (long i = 0; i < READERS; i++) {
		arguments[i][0] = &disk;
		arguments[i][1] = (void *)i;
		check(!pthread_create(&threads[i], NULL, wait_and_serve, arguments[i]));
	}
	disk_await(&disk, "channels", READERS);
	usleep(300000 * slowness);
	for (int i = 0; i < READERS; i++)
		before += switches(reader_ids[i]);
	for (int i = 0; i < REQUESTS; i++) {
		struct io *io = io_start(device, IO_READ, 0, 4096, 0);

		check_equal(io_finish(io), 4096);
		free(io->buffer);
		free(io);
	}
	usleep(300000 * slowness);
	for (int i = 0; i < READERS; i++)
		after += switches(reader_ids[i]);
	note("%d requests, %d readers: %ld wake-ups", REQUESTS, READERS, after - before);
	/* Woken all together they would be 1,600. */
	check(after - before <= REQUESTS * 2);
	close(device);
	disk_remove(&disk);
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
}

CASE("fault 22: requests complete while memory is short", 60)
{
	swap_on("batched", 12 * MEGABYTE);
}
