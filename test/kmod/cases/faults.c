// SPDX-License-Identifier: Apache-2.0
/*
 * faults.c - what the first version of dm-user got wrong, a case for each of the 26
 * faults (numbers as in native/kmod/README.md).
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/uio.h>

CASE("fault 1: a request held by a killed daemon goes to the next one", 20)
{
	struct dm_user_message request;
	struct disk disk;
	struct io *io;
	int device, fd;
	pid_t pid;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	for (int round = 0; round < 20; round++) {
		int told[2];
		char byte;

		io = io_start(device, IO_READ, 4096 * round, 4096, 0);
		check(!pipe(told));
		pid = fork();
		if (!pid) {
			fd = channel(&disk);
			expect(fd, DM_USER_REQUEST_READ, 8ULL * (unsigned)round, 4096, NULL);
			check(write(told[1], "x", 1) == 1);
			pause();
		}
		check(read(told[0], &byte, 1) == 1);
		daemon_kill(pid);
		close(told[0]);
		close(told[1]);
		check(io_waits(io, 20));
		fd = channel(&disk);
		request = expect(fd, DM_USER_REQUEST_READ, 8ULL * (unsigned)round, 4096, NULL);
		succeed(fd, &request, 0x5a);
		check_equal(io_finish(io), 4096);
		check_equal(io->buffer[4095], 0x5a);
		close(fd);
	}
	close(device);
	disk_remove(&disk);
}

CASE("fault 2: requests without a payload reach the daemon (discard, write zeroes)", 20)
{
	struct dm_user_message request;
	struct disk disk;
	struct io *io;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "2 discards write_zeroes");
	device = disk_open(&disk);
	fd = channel(&disk);
	io = io_start(device, IO_ZERO, 65536, 131072, 0);
	request = expect(fd, DM_USER_REQUEST_WRITE_ZEROES, 128, 131072, NULL);
	succeed(fd, &request, 0);
	check_equal(io_finish(io), 0);
	io = io_start(device, IO_DISCARD, 1048576, 65536, 0);
	request = expect(fd, DM_USER_REQUEST_DISCARD, 2048, 65536, NULL);
	succeed(fd, &request, 0);
	check_equal(io_finish(io), 0);
	close(fd);
	close(device);
	disk_remove(&disk);
}

/* One of several threads that serve READs on one and the same channel. */
static void *serve_shared(void *data)
{
	int fd = *(int *)data;

	for (;;) {
		struct dm_user_message request;
		unsigned char payload[4096];
		struct iovec pieces[2] = {{&request, sizeof(request)}, {payload, sizeof(payload)}};
		ssize_t got = read(fd, &request, sizeof(request));

		if (got < 0 && errno == ENOTBLK)
			return NULL;
		check_equal(got, sizeof(request));
		check_equal(request.type, DM_USER_REQUEST_READ);
		check_equal(request.length, sizeof(payload));
		memset(payload, (int)(request.sector / 8) & 0xff, sizeof(payload));
		request.type = DM_USER_RESPONSE_SUCCESS;
		check_equal(writev(fd, pieces, 2), sizeof(request) + sizeof(payload));
	}
}

CASE("fault 3: several threads may read and answer on one channel", 30)
{
	struct io *ios[16];
	pthread_t threads[4];
	struct disk disk;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	fd = channel(&disk);
	for (int i = 0; i < 4; i++)
		check(!pthread_create(&threads[i], NULL, serve_shared, &fd));
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 16; i++)
			ios[i] = io_start(device, IO_READ, 4096 * (round * 16 + i), 4096, 0);
		for (int i = 0; i < 16; i++) {
			check_equal(io_finish(ios[i]), 4096);
			check_equal(ios[i]->buffer[100], (round * 16 + i) & 0xff);
		}
	}
	close(device);
	disk_remove(&disk);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	close(fd);
}

static long number_from(const char *path, const char *key)
{
	char line[256];
	long value = -1;
	FILE *file = fopen(path, "r");

	check(file);
	while (value < 0 && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)))
			value = strtol(line + strlen(key), NULL, 10);
	fclose(file);
	return value;
}

static void make_and_drop(int times)
{
	for (int i = 0; i < times; i++) {
		struct disk disk;
		char path[128];
		int fd;

		disk_make(&disk, MEGABYTE, "");
		fd = channel(&disk);
		if (i % 2)
			close(fd);
		disk_remove(&disk);
		if (i % 2 == 0)
			close(fd);
		snprintf(path, sizeof(path), "/dev/dm-user/%s", disk.name);
		check(access(path, F_OK) < 0 && errno == ENOENT);
	}
}

static long kernel_memory(void)
{
	sync();
	return number_from("/proc/meminfo", "SUnreclaim:") +
	       number_from("/proc/meminfo", "Percpu:") +
	       number_from("/proc/meminfo", "VmallocUsed:");
}

CASE("fault 4: a removed target gives everything back: node, memory, module reference", 150)
{
	long before, after;

	make_and_drop(8);
	before = kernel_memory();
	make_and_drop(run_long ? 500 : 30);
	/* RCU frees late: wait for it. */
	for (int attempt = 0; attempt < 30; attempt++) {
		after = kernel_memory();
		if (after - before < 600)
			break;
		usleep(200000);
	}
	note("kernel memory %+ld kB", after - before);
	if (slowness == 1)
		check(after - before < 600);
	check_equal(number_from("/sys/module/dm_user/refcnt", ""), 0);
}

CASE("fault 5: an ERROR to a READ is an I/O error, without a warning, as often as one likes", 20)
{
	struct disk disk;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	fd = channel(&disk);
	for (int round = 0; round < 50; round++) {
		struct io *io = io_start(device, IO_READ, 4096, 4096, 0);
		struct dm_user_message request = expect(fd, DM_USER_REQUEST_READ, 8, 4096, NULL);

		check_equal(answer(fd, &request, DM_USER_RESPONSE_ERROR, NULL), 0);
		check_equal(io_finish(io), -EIO);
	}
	close(fd);
	close(device);
	disk_remove(&disk);
}

CASE("fault 6: an ERROR to a READ may carry its payload, in one write or without", 20)
{
	static const uint64_t answers[] = {DM_USER_RESPONSE_ERROR, DM_USER_RESPONSE_UNSUPPORTED};
	static unsigned char bytes[40 + 8192];
	struct disk disk;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	fd = channel(&disk);
	for (int round = 0; round < 8; round++) {
		size_t length = round & 2 ? 4096 : 512;
		size_t sent = round & 1 ? 40 + length : 40;
		struct io *io = io_start(device, IO_READ, 0, length, 0);
		struct dm_user_message request = expect(fd, DM_USER_REQUEST_READ, 0, length, NULL);

		request.type = answers[round >> 2];
		memset(bytes, round * 37, sizeof(bytes));
		memcpy(bytes, &request, 40);
		check_equal(write(fd, bytes, sent), sent);
		check_equal(io_finish(io), round >> 2 ? -EOPNOTSUPP : -EIO);
		io = io_start(device, IO_READ, 4096, 4096, 0);
		request = expect(fd, DM_USER_REQUEST_READ, 8, 4096, NULL);
		succeed(fd, &request, 0x61);
		check_equal(io_finish(io), 4096);
		check_equal(io->buffer[4095], 0x61);
	}
	close(fd);
	close(device);
	disk_remove(&disk);
}

CASE("fault 6: answers that follow an ERROR are not taken for its payload, of whatever size", 20)
{
	/* 64 headers are as long as a READ of five sectors. */
	enum { COUNT = 65, LENGTH = 2560 };
	static struct dm_user_message headers[COUNT];
	static unsigned char bytes[COUNT * (40 + LENGTH)];
	struct io *ios[COUNT];
	struct disk disk;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	fd = channel(&disk);
	for (int i = 0; i < COUNT; i++)
		ios[i] = io_start(device, IO_READ, 4096 * i, LENGTH, 0);
	disk_await(&disk, "queued", COUNT);
	check_equal(read(fd, bytes, sizeof(bytes)), COUNT * 40);
	memcpy(headers, bytes, sizeof(headers));
	for (int i = 0; i < COUNT; i++)
		headers[i].type = DM_USER_RESPONSE_ERROR;
	check_equal(write(fd, headers, sizeof(headers)), sizeof(headers));
	for (int i = 0; i < COUNT; i++)
		check_equal(io_finish(ios[i]), -EIO);
	close(fd);
	close(device);
	disk_remove(&disk);
}

CASE("fault 7: an ERROR to a WRITE may come before its payload was read", 20)
{
	struct disk disk;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	fd = channel(&disk);
	for (size_t taken = 0; taken <= 8192; taken += 1365) {
		struct io *io = io_start(device, IO_WRITE, 0, 8192, 0x11);
		struct dm_user_message request;
		char part[8192];

		check_equal(read_fully(fd, &request, sizeof(request)), 0);
		check_equal(request.type, DM_USER_REQUEST_WRITE);
		check_equal(read_fully(fd, part, taken), 0);
		check_equal(answer(fd, &request, DM_USER_RESPONSE_ERROR, NULL), 0);
		check_equal(io_finish(io), -EIO);
		/* The rest of that payload is not to come: next is a header. */
		io = io_start(device, IO_READ, 4096, 4096, 0);
		request = expect(fd, DM_USER_REQUEST_READ, 8, 4096, NULL);
		succeed(fd, &request, 0x22);
		check_equal(io_finish(io), 4096);
		check_equal(io->buffer[0], 0x22);
	}
	close(fd);
	close(device);
	disk_remove(&disk);
}

CASE("fault 8: an answer with a wrong sequence is refused at once and does no harm", 20)
{
	struct dm_user_message request, wrong;
	struct disk disk;
	struct io *io;
	int device, fd, other;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	fd = channel(&disk);
	other = channel(&disk);
	io = io_start(device, IO_READ, 0, 4096, 0);
	request = expect(fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	wrong = request;
	wrong.sequence ^= 0x55555;
	for (int i = 0; i < 3; i++) {
		check_equal(write(fd, &wrong, sizeof(wrong)), -1);
		check_equal(errno, EINVAL);
	}
	/* Right, but on a channel that never had the request. */
	wrong = request;
	wrong.type = DM_USER_RESPONSE_ERROR;
	check_equal(write(other, &wrong, sizeof(wrong)), -1);
	check_equal(errno, EINVAL);
	check(io_waits(io, 20));
	succeed(fd, &request, 0x33);
	check_equal(io_finish(io), 4096);
	check_equal(io->buffer[0], 0x33);
	/* Answered once is answered. */
	check_equal(write(fd, &wrong, sizeof(wrong)), -1);
	check_equal(errno, EINVAL);
	io = io_start(device, IO_READ, 8192, 4096, 0);
	request = expect(fd, DM_USER_REQUEST_READ, 16, 4096, NULL);
	succeed(fd, &request, 0x44);
	check_equal(io_finish(io), 4096);
	close(fd);
	close(other);
	close(device);
	disk_remove(&disk);
}

/* Volatile, lest the compiler see how bad it is. */
static void *volatile bad_pointer = (void *)16;

CASE("fault 9: a bad pointer is EFAULT and the stream stays where it was", 20)
{
	struct dm_user_message request, response;
	unsigned char payload[4096];
	struct disk disk;
	struct io *io;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	fd = channel(&disk);
	io = io_start(device, IO_WRITE, 4096, 4096, 0x66);
	check_equal(read(fd, bad_pointer, sizeof(request)), -1);
	check_equal(errno, EFAULT);
	check_equal(read_fully(fd, &request, 16), 0);
	check_equal(read(fd, bad_pointer, 24), -1);
	check_equal(errno, EFAULT);
	check_equal(read_fully(fd, (char *)&request + 16, 24), 0);
	check_equal(request.type, DM_USER_REQUEST_WRITE);
	check_equal(request.sector, 8);
	check_equal(request.length, 4096);
	check_equal(read(fd, bad_pointer, 4096), -1);
	check_equal(errno, EFAULT);
	check_equal(read_fully(fd, payload, 4096), 0);
	check(payload[0] == 0x66 && payload[4095] == 0x66);
	check_equal(write(fd, bad_pointer, sizeof(request)), -1);
	check_equal(errno, EFAULT);
	succeed(fd, &request, 0);
	check_equal(io_finish(io), 4096);

	io = io_start(device, IO_READ, 0, 4096, 0);
	request = expect(fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	response = request;
	response.type = DM_USER_RESPONSE_SUCCESS;
	check_equal(write(fd, &response, 20), 20);
	check_equal(write(fd, bad_pointer, 20), -1);
	check_equal(errno, EFAULT);
	check_equal(write(fd, (char *)&response + 20, 20), 20);
	memset(payload, 0x77, sizeof(payload));
	check_equal(write(fd, payload, 1000), 1000);
	check_equal(write(fd, bad_pointer, 3096), -1);
	check_equal(errno, EFAULT);
	check_equal(write(fd, payload, 3096), 3096);
	check_equal(io_finish(io), 4096);
	for (int i = 0; i < 4096; i++)
		check_equal(io->buffer[i], 0x77);
	close(fd);
	close(device);
	disk_remove(&disk);
}

CASE("fault 10: transfers of no bytes return at once and do nothing", 20)
{
	struct dm_user_message request;
	struct disk disk;
	struct io *io;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	fd = channel(&disk);
	check_equal(read(fd, &request, 0), 0);
	check_equal(write(fd, &request, 0), 0);
	io = io_start(device, IO_READ, 0, 4096, 0);
	check_equal(read_fully(fd, &request, 7), 0);
	check_equal(read(fd, &request, 0), 0);
	check_equal(write(fd, &request, 0), 0);
	check_equal(read_fully(fd, (char *)&request + 7, 33), 0);
	check_equal(request.length, 4096);
	check_equal(write(fd, &request, 0), 0);
	succeed(fd, &request, 0x12);
	check_equal(io_finish(io), 4096);
	close(fd);
	close(device);
	disk_remove(&disk);
}

static int ready(int fd, short events, int milliseconds)
{
	struct pollfd entry = {.fd = fd, .events = events};

	check(poll(&entry, 1, milliseconds) >= 0);
	return entry.revents;
}

CASE("fault 11: O_NONBLOCK, poll and epoll say what is so", 20)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	struct dm_user_message request;
	struct disk disk;
	struct io *io;
	int device, fd, set;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	fd = channel_nonblocking(&disk);
	set = epoll_create1(EPOLL_CLOEXEC);
	check_equal(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
	check_equal(read(fd, &request, sizeof(request)), -1);
	check_equal(errno, EAGAIN);
	check_equal(ready(fd, POLLIN, 0), 0);
	check_equal(ready(fd, POLLOUT, 0), POLLOUT);
	check_equal(epoll_wait(set, &event, 1, 0), 0);
	for (int round = 0; round < 5; round++) {
		io = io_start(device, IO_WRITE, 0, 4096, 1);
		check_equal(epoll_wait(set, &event, 1, 5000), 1);
		check_equal(ready(fd, POLLIN, 5000), POLLIN);
		check_equal(read(fd, &request, sizeof(request)), sizeof(request));
		/* The payload is there to be read. */
		check_equal(ready(fd, POLLIN, 0), POLLIN);
		char payload[4096];
		check_equal(read(fd, payload, sizeof(payload)), sizeof(payload));
		check_equal(ready(fd, POLLIN, 0), 0);
		check_equal(read(fd, payload, 1), -1);
		check_equal(errno, EAGAIN);
		succeed(fd, &request, 0);
		check_equal(io_finish(io), 4096);
		check_equal(epoll_wait(set, &event, 1, 0), 0);
	}
	/* A reader that waits is woken by the target's end, and so is a poll. */
	close(device);
	check_equal(ready(fd, POLLIN, 0), 0);
	disk_remove(&disk);
	check(ready(fd, POLLIN, 5000) & (POLLIN | POLLHUP | POLLERR));
	check_equal(epoll_wait(set, &event, 1, 5000), 1);
	check_equal(read(fd, &request, sizeof(request)), -1);
	check_equal(errno, ENOTBLK);
	close(fd);
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

CASE("fault 12: the message abort fails what waits, with no daemon and with one that holds", 20)
{
	struct dm_user_message request;
	struct disk disk;
	struct io *ios[4];
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	for (int i = 0; i < 4; i++)
		ios[i] = io_start(device, i % 2 ? IO_READ : IO_WRITE, 4096 * i, 4096, 0);
	check(io_waits(ios[3], 50));
	check_equal(dm_message(disk.name, 0, "abort", NULL, 0), 0);
	for (int i = 0; i < 4; i++)
		check_equal(io_finish(ios[i]), -EIO);

	fd = channel(&disk);
	for (int i = 0; i < 4; i++)
		ios[i] = io_start(device, IO_READ, 4096 * i, 4096, 0);
	check_equal(read_fully(fd, &request, sizeof(request)), 0);
	check(io_waits(ios[0], 20));
	check_equal(dm_message(disk.name, 0, "abort", NULL, 0), 0);
	for (int i = 0; i < 4; i++)
		check_equal(io_finish(ios[i]), -EIO);
	/* The daemon's answer comes too late: it is taken and dropped. */
	succeed(fd, &request, 0);
	ios[0] = io_start(device, IO_READ, 0, 4096, 0);
	request = expect(fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	succeed(fd, &request, 0x31);
	check_equal(io_finish(ios[0]), 4096);
	close(fd);
	close(device);
	disk_remove(&disk);
}

static void load_error_table(const struct disk *disk)
{
	struct dm_line line = {.length = disk->sectors, .type = "error", .arguments = ""};

	check_equal(dm_load(disk->name, &line, 1), 0);
}

CASE("fault 12: what no daemon has taken does not stop `remove --force`", 20)
{
	struct dm_user_message request;
	struct disk disk;
	struct io *io;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	io = io_start(device, IO_WRITE, 4096, 4096, 0);
	disk_await(&disk, "queued", 1);
	fd = channel(&disk);
	/* What dmsetup does: the error target in place of ours. */
	load_error_table(&disk);
	check_equal(dm_suspend(disk.name, false), 0);
	check(io_waits(io, 50));
	check_equal(dm_resume(disk.name), 0);
	check_equal(io_finish(io), -EIO);
	check_equal(read(fd, &request, sizeof(request)), -1);
	check_equal(errno, ENOTBLK);
	close(fd);
	close(device);
	disk_remove(&disk);
}

static void *suspend_without_flush(void *data)
{
	return (void *)(long)dm_suspend(((struct disk *)data)->name, false);
}

CASE("fault 12: a daemon that holds a request stops `remove --force` until abort", 20)
{
	struct disk disk;
	pthread_t thread;
	struct io *io;
	void *result;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	fd = channel(&disk);
	io = io_start(device, IO_READ, 0, 4096, 0);
	expect(fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	load_error_table(&disk);
	check(!pthread_create(&thread, NULL, suspend_without_flush, &disk));
	usleep(200000);
	check_equal(pthread_tryjoin_np(thread, &result), EBUSY);
	check_equal(dm_message(disk.name, 0, "abort", NULL, 0), 0);
	check_equal(io_finish(io), -EIO);
	pthread_join(thread, &result);
	check_equal((long)result, 0);
	check_equal(dm_resume(disk.name), 0);
	close(fd);
	close(device);
	disk_remove(&disk);
}

CASE("fault 13: a name in use is refused without a stack dump; the same table can be reloaded", 20)
{
	struct disk disk, second = {.name = "test-second"};
	char arguments[256];
	struct dm_line line = {.type = "user", .arguments = arguments};
	struct dm_user_message request;
	struct io *io;
	int device, fd, result;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	/* Another device whose target wants the same name. */
	snprintf(arguments, sizeof(arguments), "0 %llu %s", (unsigned long long)disk.sectors,
		 disk.name);
	line.length = disk.sectors;
	check_equal(dm_create(second.name), 0);
	result = dm_load(second.name, &line, 1);
	if (!result)
		result = dm_resume(second.name);
	check_equal(result, -EBUSY);
	check_equal(dm_remove(second.name, false), 0);
	/* The device's own table, again, while the first is live. */
	check_equal(dm_load(disk.name, &line, 1), 0);
	check_equal(dm_suspend(disk.name, true), 0);
	check_equal(dm_resume(disk.name), 0);
	io = io_start(device, IO_READ, 0, 4096, 0);
	fd = channel(&disk);
	request = expect(fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	succeed(fd, &request, 0x09);
	check_equal(io_finish(io), 4096);
	/* And one that is loaded but dropped. */
	check_equal(dm_load(disk.name, &line, 1), 0);
	check_equal(dm_clear(disk.name), 0);
	io = io_start(device, IO_READ, 0, 4096, 0);
	request = expect(fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	succeed(fd, &request, 0x0a);
	check_equal(io_finish(io), 4096);
	close(fd);
	close(device);
	disk_remove(&disk);
}

static int load_line(uint64_t length, const char *arguments)
{
	struct dm_line line = {.length = length, .type = "user", .arguments = arguments};
	int result;

	check_equal(dm_create("test-line"), 0);
	result = dm_load("test-line", &line, 1);
	if (!result)
		result = dm_resume("test-line");
	check_equal(dm_remove("test-line", false), 0);
	return result;
}

CASE("fault 14: a name that is a path, empty or too long is refused", 20)
{
	static const char *const names[] = {"../evil",        "a/b", "/etc/evil", ".",     "..",
					    "sub/../../evil", "x/",  "a\tb",      "a\x01z"};
	char arguments[512], name[300];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(arguments, sizeof(arguments), "0 2048 %s", names[i]);
		if (!load_line(2048, arguments))
			fail(__FILE__, __LINE__, "\"%s\" was taken", names[i]);
	}
	memset(name, 'n', sizeof(name));
	name[299] = '\0';
	snprintf(arguments, sizeof(arguments), "0 2048 %s", name);
	check(load_line(2048, arguments) < 0);
	check(load_line(2048, "0 2048 ") < 0);
	check(access("/dev/evil", F_OK) < 0);
	check(access("/dev/dm-user/evil", F_OK) < 0);
	check_equal(load_line(2048, "0 2048 plain-Name_0.1"), 0);
}

CASE("fault 15: start, length and every other argument are checked against the table", 20)
{
	static const char *const refused[] = {
	    "0 2047 test-x",
	    "0 2049 test-x",
	    "8 2048 test-x",
	    "-1 2048 test-x",
	    "zero 2048 test-x",
	    "0 2048k test-x",
	    "0 18446744073709551616 test-x",
	    "0 test-x",
	    "",
	    "0 2048 test-x 1",
	    "0 2048 test-x 1 nonsense",
	    "0 2048 test-x 2 discards",
	    "0 2048 test-x discards",
	    "0 2048 test-x 1 discards discards",
	    "0 2048 test-x 9999999 discards",
	    "0 2048 test-x -1",
	    "0 2048 test-x 2 discards discards",
	    "0 2048 test-x 1 discards:",
	    "0 2048 test-x 1 discards:-1",
	    "0 2048 test-x 1 discards:1x",
	    "0 2048 test-x 1 logical_block_size:256",
	    "0 2048 test-x 1 logical_block_size:513",
	    "0 2048 test-x 1 logical_block_size:1048576",
	    "0 2048 test-x 2 logical_block_size:4096 physical_block_size:512",
	    "0 2048 test-x 1 discard_granularity:1000",
	    "0 2048 test-x 1 max_io:0",
	    "0 2048 test-x 1 max_io:65537",
	    "0 2048 test-x 2 logical_block_size:4096 max_io:1",
	    "0 2048 test-x 1 no_daemon:never",
	    "0 2048 test-x 1 no_daemon:0",
	    "0 2048 test-x 1 no_daemon:86401",
	    "0 2048 test-x 1 no_daemon",
	    "0 2048 test-x 1 timeout:86401",
	    "0 2048 test-x 1 timeout:",
	    "0 2048 test-x 2 no_daemon:wait no_daemon:fail",
	};

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		int result = load_line(2048, refused[i]);

		if (result != -EINVAL)
			fail(__FILE__, __LINE__, "\"%s\": %d", refused[i], result);
	}
	check_equal(load_line(2048, "0 2048 test-x"), 0);
	check_equal(load_line(2048, "0 2048 test-x 0"), 0);
	check_equal(load_line(2048, "0 2048 test-x 1 discards"), 0);
	check_equal(load_line(2047, "0 2047 test-x 1 logical_block_size:4096"), -EINVAL);
}

CASE("fault 16: dmsetup table prints the line again, status the counters", 20)
{
	static const char *const options[] = {
	    "",
	    "1 discards",
	    "2 discards write_zeroes",
	    "3 discards:1024 secure_erase:8 write_zeroes:65536",
	    "4 no_flush logical_block_size:1024 physical_block_size:4096 max_io:64",
	    "3 discards discard_granularity:8192 no_daemon:fail",
	    "2 no_daemon:17 timeout:86400",
	};
	char want[512], text[1024];
	struct disk disk;

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		disk_make(&disk, 4 * MEGABYTE, options[i]);
		check_equal(dm_show(disk.name, false, text, sizeof(text)), 0);
		snprintf(want, sizeof(want), "0 8192 user 0 8192 %s%s%s", disk.name,
			 options[i][0] ? " " : "", options[i]);
		if (strcmp(text, want))
			fail(__FILE__, __LINE__, "table is \"%s\", not \"%s\"", text, want);
		check_equal(disk_status(&disk, "channels"), 0);
		int fd = channel(&disk);
		disk_await(&disk, "channels", 1);
		close(fd);
		disk_await(&disk, "channels", 0);
		disk_remove(&disk);
	}
	/* Options in another order, or what is the default anyway: the same table. */
	disk_make(&disk, 4 * MEGABYTE, "4 timeout:0 write_zeroes max_io:2048 discards:2097152");
	check_equal(dm_show(disk.name, false, text, sizeof(text)), 0);
	snprintf(want, sizeof(want), "0 8192 user 0 8192 %s 2 discards write_zeroes", disk.name);
	if (strcmp(text, want))
		fail(__FILE__, __LINE__, "table is \"%s\", not \"%s\"", text, want);
	disk_remove(&disk);
}

CASE("fault 17: no request is longer than the limit", 60)
{
	struct disk disk;
	struct io *io;
	int device, fd;
	size_t total = 0, longest = 0;

	disk_make(&disk, 64 * MEGABYTE, "");
	device = disk_open(&disk);
	fd = channel(&disk);
	io = io_start(device, IO_WRITE, 0, 32 * MEGABYTE, 0x0f);
	while (total < 32 * MEGABYTE) {
		struct dm_user_message request;
		void *payload;

		check_equal(next_request(fd, &request, &payload), 0);
		check_equal(request.type, DM_USER_REQUEST_WRITE);
		total += request.length;
		if (request.length > longest)
			longest = request.length;
		free(payload);
		succeed(fd, &request, 0);
	}
	check_equal(io_finish(io), 32 * MEGABYTE);
	note("the longest of a 32 MiB write: %zu bytes", longest);
	check(longest <= MEGABYTE);
	close(fd);
	close(device);
	disk_remove(&disk);
}

CASE("fault 18: one read() takes many requests, one write() many answers", 20)
{
	enum { COUNT = 8, SIZE = 4096 };
	static unsigned char bytes[COUNT * (40 + SIZE)], out[COUNT * (40 + SIZE)];
	struct io *ios[COUNT];
	struct disk disk;
	int device, fd;
	size_t used = 0, filled = 0;
	bool seen[COUNT] = {false};
	ssize_t got;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	for (int i = 0; i < COUNT; i++)
		ios[i] = io_start(device, i % 2 ? IO_READ : IO_WRITE, i * SIZE, SIZE, 0xa0 + i);
	disk_await(&disk, "queued", COUNT);
	fd = channel(&disk);
	got = read(fd, bytes, sizeof(bytes));
	check_equal(got, COUNT * 40 + COUNT / 2 * SIZE);
	while (used < (size_t)got) {
		struct dm_user_message request;
		unsigned int index;

		memcpy(&request, bytes + used, 40);
		used += 40;
		index = (unsigned int)(request.sector * 512 / SIZE);
		check(index < COUNT && !seen[index]);
		seen[index] = true;
		check_equal(request.type, index % 2 ? DM_USER_REQUEST_READ : DM_USER_REQUEST_WRITE);
		if (index % 2 == 0) {
			for (int i = 0; i < SIZE; i++)
				check_equal(bytes[used + (size_t)i], 0xa0 + index);
			used += SIZE;
		}
		request.type = DM_USER_RESPONSE_SUCCESS;
		memcpy(out + filled, &request, 40);
		filled += 40;
		if (index % 2) {
			memset(out + filled, 0xb0 + (int)index, SIZE);
			filled += SIZE;
		}
	}
	check_equal(write(fd, out, filled), filled);
	for (int i = 0; i < COUNT; i++) {
		check_equal(io_finish(ios[i]), SIZE);
		check_equal(ios[i]->buffer[SIZE - 1], i % 2 ? 0xb0 + i : 0xa0 + i);
	}
	close(fd);
	close(device);
	disk_remove(&disk);
}

CASE("fault 19: flush and FUA reach the daemon, and fsync waits for it", 20)
{
	struct dm_user_message request;
	struct disk disk;
	struct io *io;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	fd = channel(&disk);
	io = io_start(device, IO_FLUSH, 0, 0, 0);
	request = expect(fd, DM_USER_REQUEST_FLUSH, 0, 0, NULL);
	check(io_waits(io, 50));
	succeed(fd, &request, 0);
	check_equal(io_finish(io), 0);
	io = io_start(device, IO_FLUSH, 0, 0, 0);
	request = expect(fd, DM_USER_REQUEST_FLUSH, 0, 0, NULL);
	check_equal(answer(fd, &request, DM_USER_RESPONSE_ERROR, NULL), 0);
	check_equal(io_finish(io), -EIO);
	io = io_start(device, IO_WRITE_FUA, 4096, 4096, 0x42);
	request = expect(fd, DM_USER_REQUEST_WRITE, 8, 4096, NULL);
	check(request.flags & DM_USER_FLAG_FUA);
	check(io_waits(io, 20));
	succeed(fd, &request, 0);
	/* The kernel's O_DSYNC is careful: a flush too. */
	request = expect(fd, DM_USER_REQUEST_FLUSH, 0, 0, NULL);
	succeed(fd, &request, 0);
	check_equal(io_finish(io), 4096);
	close(fd);
	close(device);
	disk_remove(&disk);
}

/* Where the kernel has the memory controller: no more than this for us from now on. */
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
	fd = open("/sys/fs/cgroup/tight/memory.max", O_WRONLY | O_CLOEXEC);
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

/* Reads exactly length bytes to the end of a page after which nothing is mapped, retrying. */
static void read_at_the_edge(int fd, unsigned char *page, size_t size, unsigned char *into,
			     size_t length, size_t overhang)
{
	size_t done = 0;

	while (done < length) {
		size_t want = length - done;
		/* The transfer begins so that `overhang` bytes of it have nowhere to go. */
		size_t good = want > overhang ? want - overhang : 0;
		ssize_t got;

		if (good > size)
			good = size;
		got = read(fd, page + size - good, want);
		if (got < 0) {
			check_equal(errno, EFAULT);
			got = read(fd, into + done, 1);
			check_equal(got, 1);
		} else {
			check((size_t)got <= good);
			memcpy(into + done, page + size - good, (size_t)got);
		}
		done += (size_t)got;
		overhang = (size_t)random_below(40) + 1;
	}
}

CASE("fault 23: a copy cut short by a bad page loses nothing of the stream", 60)
{
	enum { SIZE = 8192 };
	unsigned char *page =
	    mmap(NULL, 3 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char payload[SIZE];
	struct disk disk;
	int device, fd;

	check(page != MAP_FAILED);
	check_equal(mprotect(page + 2 * SIZE, SIZE, PROT_NONE), 0);
	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	fd = channel(&disk);
	for (int round = 0; round < 60; round++) {
		struct io *io = io_start(device, IO_WRITE, 0, SIZE, 0);
		struct dm_user_message request;
		size_t done;

		read_at_the_edge(fd, page, 2 * SIZE, (void *)&request, 40, random_below(39) + 1);
		check_equal(request.type, DM_USER_REQUEST_WRITE);
		check_equal(request.sector, 0);
		check_equal(request.length, SIZE);
		read_at_the_edge(fd, page, 2 * SIZE, payload, SIZE, random_below(SIZE) + 1);
		for (int i = 0; i < SIZE; i++)
			check_equal(payload[i], 0);
		succeed(fd, &request, 0);
		check_equal(io_finish(io), SIZE);

		io = io_start(device, IO_READ, 0, SIZE, 0);
		request = expect(fd, DM_USER_REQUEST_READ, 0, SIZE, NULL);
		request.type = DM_USER_RESPONSE_SUCCESS;
		check_equal(write_fully(fd, &request, 40), 0);
		for (int i = 0; i < SIZE; i++)
			payload[i] = (unsigned char)(i * 7 + round);
		for (done = 0; done < SIZE;) {
			size_t good = random_below(SIZE - done + 1);
			unsigned char *from = page + 2 * SIZE - good;
			ssize_t put;

			memcpy(from, payload + done, good);
			put = write(fd, from, SIZE - done);
			if (put < 0) {
				check_equal(errno, EFAULT);
				put = write(fd, payload + done, 1);
				check_equal(put, 1);
			}
			check((size_t)put <= good || put == 1);
			done += (size_t)put;
		}
		check_equal(io_finish(io), SIZE);
		check(!memcmp(io->buffer, payload, SIZE));
		free(io->buffer);
		free(io);
	}
	close(fd);
	close(device);
	disk_remove(&disk);
}

CASE("fault 24: UNSUPPORTED is \"not supported\", not an I/O error", 20)
{
	struct dm_user_message request;
	struct disk disk;
	struct io *io;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "2 discards write_zeroes");
	device = disk_open(&disk);
	fd = channel(&disk);
	io = io_start(device, IO_READ, 0, 4096, 0);
	request = expect(fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	check_equal(answer(fd, &request, DM_USER_RESPONSE_UNSUPPORTED, NULL), 0);
	check_equal(io_finish(io), -EOPNOTSUPP);
	io = io_start(device, IO_WRITE, 0, 4096, 0);
	check_equal(read_fully(fd, &request, 40), 0);
	check_equal(answer(fd, &request, DM_USER_RESPONSE_UNSUPPORTED, NULL), 0);
	check_equal(io_finish(io), -EOPNOTSUPP);
	io = io_start(device, IO_DISCARD, 0, 4096, 0);
	request = expect(fd, DM_USER_REQUEST_DISCARD, 0, 4096, NULL);
	check_equal(answer(fd, &request, DM_USER_RESPONSE_UNSUPPORTED, NULL), 0);
	io_finish(io); /* a discard is only advice: the block layer may hide this */
	io = io_start(device, IO_READ, 0, 4096, 0);
	request = expect(fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	succeed(fd, &request, 0);
	check_equal(io_finish(io), 4096);
	close(fd);
	close(device);
	disk_remove(&disk);
}

static void *remove_at_once(void *data)
{
	struct disk *disk = data;

	while (dm_remove(disk->name, false) == -EBUSY)
		sched_yield();
	return NULL;
}

CASE("fault 25: the target may go the moment its last request completes", 100)
{
	for (int round = 0; round < (run_long ? 200 : 15); round++) {
		struct dm_user_message request;
		pthread_t thread;
		struct disk disk;
		struct io *io;
		int device, fd;

		disk_make(&disk, MEGABYTE, "");
		device = disk_open(&disk);
		fd = channel(&disk);
		io = io_start(device, IO_READ, 0, 4096, 0);
		request = expect(fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
		/* The request keeps the device open after this close. */
		check(!pthread_create(&thread, NULL, remove_at_once, &disk));
		succeed(fd, &request, 0);
		check_equal(io_finish(io), 4096);
		close(device);
		pthread_join(thread, NULL);
		close(fd);
	}
}

CASE("fault 26: channels of a target that is gone say ENOTBLK and close in any order", 30)
{
	struct dm_user_message request;
	struct disk disk;
	int fds[6];

	for (int round = 0; round < 10; round++) {
		struct io *ios[3];
		int device;

		disk_make(&disk, 16 * MEGABYTE, "");
		device = disk_open(&disk);
		for (int i = 0; i < 6; i++)
			fds[i] = channel(&disk);
		for (int i = 0; i < 3; i++) {
			ios[i] = io_start(device, i ? IO_READ : IO_WRITE, 4096 * i, 4096, 0);
			check_equal(read_fully(fds[2 * i], &request, 17 + 10 * (size_t)i), 0);
		}
		check_equal(dm_message(disk.name, 0, "abort", NULL, 0), 0);
		for (int i = 0; i < 3; i++)
			check_equal(io_finish(ios[i]), -EIO);
		close(device);
		disk_remove(&disk);
		for (int i = 0; i < 6; i++) {
			int fd = fds[(i * 5 + round) % 6];
			char byte;

			check_equal(read(fd, &byte, 1), -1);
			check_equal(errno, ENOTBLK);
			check_equal(write(fd, &request, sizeof(request)), -1);
			check_equal(errno, ENOTBLK);
			close(fd);
		}
		check(open("/dev/dm-user/none-such", O_RDWR) < 0);
	}
}
