// SPDX-License-Identifier: Apache-2.0
/*
 * lifecycle.c - tables, suspend, removal, and what becomes of requests when daemons come
 * and go.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

CASE("requeue: requests of a closed channel come again, in order, before later ones", 20)
{
	enum { COUNT = 6, HELD = 3 };
	struct dm_user_message request;
	struct io *ios[COUNT];
	struct disk disk;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	for (int i = 0; i < COUNT; i++) {
		ios[i] = io_start(device, IO_READ, 4096 * i, 4096, 0);
		disk_await(&disk, "queued", (uint64_t)i + 1);
	}
	fd = channel(&disk);
	for (unsigned int i = 0; i < HELD; i++)
		expect(fd, DM_USER_REQUEST_READ, 8 * i, 4096, NULL);
	check_equal(disk_status(&disk, "in flight"), HELD);
	check_equal(disk_status(&disk, "queued"), COUNT - HELD);
	close(fd);
	disk_await(&disk, "queued", COUNT);
	check_equal(disk_status(&disk, "requeued"), HELD);
	check_equal(disk_status(&disk, "in flight"), 0);
	fd = channel(&disk);
	for (unsigned int i = 0; i < COUNT; i++) {
		request = expect(fd, DM_USER_REQUEST_READ, 8 * i, 4096, NULL);
		succeed(fd, &request, 0x40 + (int)i);
	}
	for (int i = 0; i < COUNT; i++) {
		check_equal(io_finish(ios[i]), 4096);
		check_equal(ios[i]->buffer[7], 0x40 + i);
	}
	check_equal(disk_status(&disk, "completed"), COUNT);
	close(fd);
	close(device);
	disk_remove(&disk);
}

CASE("requeue: a request half read, or half answered, counts as unanswered at every byte", 60)
{
	struct dm_user_message request;
	unsigned char payload[4136];
	struct disk disk;
	struct io *io;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	for (size_t bytes = 0; bytes < sizeof(payload); bytes += bytes < 48 ? 1 : 509) {
		io = io_start(device, IO_WRITE, 4096, 4096, 0x71);
		fd = channel(&disk);
		check_equal(read_fully(fd, payload, bytes), 0);
		close(fd);
		fd = channel(&disk);
		void *data;
		request = expect(fd, DM_USER_REQUEST_WRITE, 8, 4096, &data);
		check(((unsigned char *)data)[0] == 0x71 && ((unsigned char *)data)[4095] == 0x71);
		free(data);
		succeed(fd, &request, 0);
		check_equal(io_finish(io), 4096);
		close(fd);
	}
	for (size_t bytes = 0; bytes < sizeof(payload); bytes += bytes < 48 ? 1 : 509) {
		io = io_start(device, IO_READ, 8192, 4096, 0);
		fd = channel(&disk);
		request = expect(fd, DM_USER_REQUEST_READ, 16, 4096, NULL);
		memset(payload, 0xee, sizeof(payload));
		memcpy(payload, &request, sizeof(request));
		((struct dm_user_message *)payload)->type = DM_USER_RESPONSE_SUCCESS;
		check_equal(write_fully(fd, payload, bytes), 0);
		close(fd);
		check(!atomic_load(&io->done));
		fd = channel(&disk);
		request = expect(fd, DM_USER_REQUEST_READ, 16, 4096, NULL);
		succeed(fd, &request, 0x72);
		check_equal(io_finish(io), 4096);
		for (int i = 0; i < 4096; i++)
			check_equal(io->buffer[i], 0x72);
		close(fd);
	}
	close(device);
	disk_remove(&disk);
}

CASE("channels: answers in any order, each on the channel of its request", 20)
{
	struct dm_user_message requests[3][4];
	struct io *ios[12];
	struct disk disk;
	int device, fds[3];

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	for (int i = 0; i < 3; i++)
		fds[i] = channel(&disk);
	for (int i = 0; i < 12; i++) {
		ios[i] = io_start(device, IO_READ, 4096 * i, 4096, 0);
		disk_await(&disk, "queued", 1);
		check_equal(read_fully(fds[i % 3], &requests[i % 3][i / 3], 40), 0);
		check_equal(requests[i % 3][i / 3].sector, 8 * i);
	}
	for (int k = 0; k < 12; k++) {
		int i = (k * 7 + 5) % 12;

		succeed(fds[i % 3], &requests[i % 3][i / 3], 0x10 + i);
		check_equal(io_finish(ios[i]), 4096);
		check_equal(ios[i]->buffer[0], 0x10 + i);
	}
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	close(device);
	disk_remove(&disk);
}

CASE("channels: messages may be split at any byte, and gathered with readv and writev", 60)
{
	struct disk disk;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	fd = channel(&disk);
	for (size_t step = 1; step < 60; step += step < 8 ? 1 : 13) {
		struct dm_user_message request;
		unsigned char bytes[40 + 512];
		struct io *io = io_start(device, IO_WRITE, 512, 512, 0x21);

		for (size_t at = 0; at < sizeof(bytes); at += step) {
			size_t part = at + step < sizeof(bytes) ? step : sizeof(bytes) - at;

			check_equal(read(fd, bytes + at, part), part);
		}
		memcpy(&request, bytes, 40);
		check_equal(request.length, 512);
		for (size_t i = 40; i < sizeof(bytes); i++)
			check_equal(bytes[i], 0x21);
		succeed(fd, &request, 0);
		check_equal(io_finish(io), 512);

		io = io_start(device, IO_READ, 1024, 512, 0);
		request = expect(fd, DM_USER_REQUEST_READ, 2, 512, NULL);
		request.type = DM_USER_RESPONSE_SUCCESS;
		memcpy(bytes, &request, 40);
		memset(bytes + 40, (int)step, 512);
		for (size_t at = 0; at < sizeof(bytes); at += step) {
			size_t part = at + step < sizeof(bytes) ? step : sizeof(bytes) - at;

			check_equal(write(fd, bytes + at, part), part);
		}
		check_equal(io_finish(io), 512);
		check_equal(io->buffer[511], step);
	}
	for (int round = 0; round < 10; round++) {
		struct dm_user_message request;
		unsigned char payload[4096];
		struct iovec pieces[4] = {
		    {&request, 13}, {(char *)&request + 13, 27}, {payload, 1}, {payload + 1, 4095}};
		struct io *io = io_start(device, IO_WRITE, 4096, 4096, 0x31 + round);

		disk_await(&disk, "queued", 1);
		check_equal(readv(fd, pieces, 4), 4136);
		check_equal(payload[0], 0x31 + round);
		check_equal(payload[4095], 0x31 + round);
		succeed(fd, &request, 0);
		check_equal(io_finish(io), 4096);
		io = io_start(device, IO_READ, 4096, 4096, 0);
		request = expect(fd, DM_USER_REQUEST_READ, 8, 4096, NULL);
		request.type = DM_USER_RESPONSE_SUCCESS;
		memset(payload, 0x51 + round, sizeof(payload));
		check_equal(writev(fd, pieces, 4), 4136);
		check_equal(io_finish(io), 4096);
		check_equal(io->buffer[4095], 0x51 + round);
	}
	close(fd);
	close(device);
	disk_remove(&disk);
}

CASE("answers: a header that cannot be is EINVAL, and the right one is still taken", 20)
{
	struct dm_user_message request, wrong;
	struct disk disk;
	struct io *io;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	fd = channel(&disk);
	io = io_start(device, IO_READ, 0, 4096, 0);
	request = expect(fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	wrong = request;
	wrong.type = 3;
	check_equal(write(fd, &wrong, sizeof(wrong)), -1);
	check_equal(errno, EINVAL);
	wrong = request;
	wrong.type = DM_USER_RESPONSE_SUCCESS;
	wrong.length = 4095;
	check_equal(write(fd, &wrong, sizeof(wrong)), -1);
	check_equal(errno, EINVAL);
	wrong.length = ~0ULL;
	check_equal(write(fd, &wrong, sizeof(wrong)), -1);
	check_equal(errno, EINVAL);
	succeed(fd, &request, 0x13);
	check_equal(io_finish(io), 4096);
	check_equal(io->buffer[0], 0x13);
	/* SUCCESS before the payload was read is a lie. */
	io = io_start(device, IO_WRITE, 0, 4096, 0x14);
	check_equal(read_fully(fd, &request, sizeof(request)), 0);
	wrong = request;
	wrong.type = DM_USER_RESPONSE_SUCCESS;
	check_equal(write(fd, &wrong, sizeof(wrong)), -1);
	check_equal(errno, EINVAL);
	unsigned char payload[4096];
	check_equal(read_fully(fd, payload, sizeof(payload)), 0);
	check_equal(payload[4095], 0x14);
	succeed(fd, &request, 0);
	check_equal(io_finish(io), 4096);
	close(fd);
	close(device);
	disk_remove(&disk);
}

CASE("no_daemon:fail: requests fail while no channel is open, and only then", 20)
{
	struct dm_user_message request;
	struct disk disk;
	struct io *io;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "1 no_daemon:fail");
	disk_state(&disk, "failing");
	device = disk_open(&disk);
	io = io_start(device, IO_READ, 0, 4096, 0);
	check_equal(io_finish(io), -EIO);
	fd = channel(&disk);
	disk_state(&disk, "ready");
	io = io_start(device, IO_READ, 0, 4096, 0);
	request = expect(fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	succeed(fd, &request, 1);
	check_equal(io_finish(io), 4096);
	io = io_start(device, IO_READ, 0, 4096, 0);
	expect(fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	close(fd);
	check_equal(io_finish(io), -EIO);
	/* As a message: back to waiting. */
	check_equal(dm_message(disk.name, 0, "no_daemon wait", NULL, 0), 0);
	disk_state(&disk, "waiting");
	io = io_start(device, IO_READ, 0, 4096, 0);
	check(io_waits(io, 50));
	check_equal(dm_message(disk.name, 0, "no_daemon fail", NULL, 0), 0);
	check_equal(io_finish(io), -EIO);
	close(device);
	disk_remove(&disk);
}

CASE("no_daemon:SECONDS: requests wait so long for a daemon, then fail until one comes", 30)
{
	struct dm_user_message request;
	struct disk disk;
	struct io *io;
	double begun;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "1 no_daemon:1");
	device = disk_open(&disk);
	fd = channel(&disk);
	io = io_start(device, IO_READ, 0, 4096, 0);
	expect(fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	begun = now();
	close(fd);
	check_equal(io_finish(io), -EIO);
	note("failed after %.2f s", now() - begun);
	check(now() - begun >= 0.95);
	disk_state(&disk, "failing");
	begun = now();
	check_equal(io_finish(io_start(device, IO_READ, 0, 4096, 0)), -EIO);
	check(now() - begun < 0.5 * slowness);
	fd = channel(&disk);
	io = io_start(device, IO_READ, 0, 4096, 0);
	request = expect(fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	succeed(fd, &request, 1);
	check_equal(io_finish(io), 4096);
	/* A daemon in time. */
	check_equal(dm_message(disk.name, 0, "no_daemon 30", NULL, 0), 0);
	io = io_start(device, IO_READ, 0, 4096, 0);
	expect(fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	close(fd);
	check(io_waits(io, 100));
	fd = channel(&disk);
	request = expect(fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	succeed(fd, &request, 1);
	check_equal(io_finish(io), 4096);
	close(fd);
	close(device);
	disk_remove(&disk);
}

CASE("timeout: a request that nobody answers fails with ETIMEDOUT, wherever it is", 30)
{
	struct dm_user_message request;
	struct disk disk;
	struct io *queued, *half, *held;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "1 timeout:1");
	device = disk_open(&disk);
	fd = channel(&disk);
	held = io_start(device, IO_READ, 0, 4096, 0);
	request = expect(fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	half = io_start(device, IO_WRITE, 4096, 4096, 0);
	struct dm_user_message header;
	check_equal(read_fully(fd, &header, sizeof(header)), 0);
	queued = io_start(device, IO_READ, 8192, 4096, 0);
	check_equal(io_finish(held), -ETIMEDOUT);
	check_equal(io_finish(half), -ETIMEDOUT);
	check_equal(io_finish(queued), -ETIMEDOUT);
	check_equal(disk_status(&disk, "timed out"), 3);
	/* Too late, but no harm. */
	succeed(fd, &request, 0);
	check_equal(dm_message(disk.name, 0, "timeout 0", NULL, 0), 0);
	close(fd);
	fd = channel(&disk);
	held = io_start(device, IO_READ, 0, 4096, 0);
	request = expect(fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	check(io_waits(held, 1500));
	succeed(fd, &request, 0x61);
	check_equal(io_finish(held), 4096);
	close(fd);
	close(device);
	disk_remove(&disk);
}

CASE("messages: anything but the known ones is EINVAL", 20)
{
	static const char *const refused[] = {"nonsense",        "abort now", "no_daemon",
					      "no_daemon never", "timeout",   "timeout 1 2",
					      "timeout -1",      "ABORTED",   "timeout 86401"};
	struct disk disk;

	disk_make(&disk, MEGABYTE, "");
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		int result = dm_message(disk.name, 0, refused[i], NULL, 0);

		if (result != -EINVAL)
			fail(__FILE__, __LINE__, "\"%s\": %d", refused[i], result);
	}
	disk_remove(&disk);
}

static void *suspend_with_flush(void *data)
{
	return (void *)(long)dm_suspend(((struct disk *)data)->name, true);
}

static void *suspend_without_flush(void *data)
{
	return (void *)(long)dm_suspend(((struct disk *)data)->name, false);
}

CASE("suspend with flush waits for all requests; those that come meanwhile wait for resume", 30)
{
	struct dm_user_message request;
	struct disk disk;
	struct io *held, *queued, *later;
	pthread_t thread;
	void *result;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	fd = channel(&disk);
	held = io_start(device, IO_READ, 0, 4096, 0);
	request = expect(fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	queued = io_start(device, IO_WRITE, 4096, 4096, 0x19);
	disk_await(&disk, "queued", 1);
	check(!pthread_create(&thread, NULL, suspend_with_flush, &disk));
	usleep(200000);
	check_equal(pthread_tryjoin_np(thread, &result), EBUSY);
	succeed(fd, &request, 0x18);
	check_equal(io_finish(held), 4096);
	usleep(50000);
	check_equal(pthread_tryjoin_np(thread, &result), EBUSY);
	request = expect(fd, DM_USER_REQUEST_WRITE, 8, 4096, NULL);
	succeed(fd, &request, 0);
	check_equal(io_finish(queued), 4096);
	pthread_join(thread, &result);
	check_equal((long)result, 0);
	later = io_start(device, IO_READ, 0, 4096, 0);
	check(io_waits(later, 50));
	check_equal(disk_status(&disk, "queued"), 0);
	check_equal(dm_resume(disk.name), 0);
	request = expect(fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	succeed(fd, &request, 0x1a);
	check_equal(io_finish(later), 4096);
	close(fd);
	close(device);
	disk_remove(&disk);
}

CASE("suspend without flush waits for what a daemon holds; the queue comes again after resume", 30)
{
	enum { COUNT = 3 };
	struct dm_user_message request;
	struct disk disk;
	struct io *held, *queued[COUNT];
	pthread_t thread;
	void *result;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	fd = channel(&disk);
	held = io_start(device, IO_READ, 0, 4096, 0);
	request = expect(fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	for (int i = 0; i < COUNT; i++) {
		queued[i] = io_start(device, IO_WRITE, 4096 * (i + 1), 4096, 0x20 + i);
		disk_await(&disk, "queued", (uint64_t)i + 1);
	}
	check(!pthread_create(&thread, NULL, suspend_without_flush, &disk));
	disk_await(&disk, "queued", 0);
	usleep(100000);
	check_equal(pthread_tryjoin_np(thread, &result), EBUSY);
	succeed(fd, &request, 0x18);
	check_equal(io_finish(held), 4096);
	pthread_join(thread, &result);
	check_equal((long)result, 0);
	for (int i = 0; i < COUNT; i++)
		check(io_waits(queued[i], 10));
	check_equal(dm_resume(disk.name), 0);
	for (int i = 0; i < COUNT; i++) {
		void *payload;

		check_equal(next_request(fd, &request, &payload), 0);
		check_equal(request.type, DM_USER_REQUEST_WRITE);
		check_equal(request.length, 4096);
		check_equal(((unsigned char *)payload)[9], 0x20 + request.sector / 8 - 1);
		succeed(fd, &request, 0);
	}
	for (int i = 0; i < COUNT; i++)
		check_equal(io_finish(queued[i]), 4096);
	close(fd);
	close(device);
	disk_remove(&disk);
}

CASE("suspend: the message abort frees a suspend that waits", 30)
{
	struct disk disk;
	pthread_t thread;
	void *result;
	struct io *io;
	int device;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	io = io_start(device, IO_READ, 0, 4096, 0);
	disk_await(&disk, "queued", 1);
	check(!pthread_create(&thread, NULL, suspend_with_flush, &disk));
	usleep(200000);
	check_equal(pthread_tryjoin_np(thread, &result), EBUSY);
	check_equal(dm_message(disk.name, 0, "abort", NULL, 0), 0);
	check_equal(io_finish(io), -EIO);
	pthread_join(thread, &result);
	check_equal((long)result, 0);
	check_equal(dm_resume(disk.name), 0);
	close(device);
	disk_remove(&disk);
}

/* Another table with dm-user alone, live at once. */
static void reload(const struct disk *disk, uint64_t sectors, const char *options)
{
	char arguments[256];
	struct dm_line line = {.length = sectors, .type = "user", .arguments = arguments};

	snprintf(arguments, sizeof(arguments), "0 %llu %s%s%s", (unsigned long long)sectors,
		 disk->name, options[0] ? " " : "", options);
	check_equal(dm_load(disk->name, &line, 1), 0);
	check_equal(dm_suspend(disk->name, true), 0);
	check_equal(dm_resume(disk->name), 0);
}

CASE("reload: another size and other options while a daemon works; its channel stays", 30)
{
	struct dm_user_message request;
	struct disk disk;
	struct io *io;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	fd = channel(&disk);
	reload(&disk, disk.sectors, "2 max_io:16 no_daemon:fail");
	io = io_start(device, IO_READ, 0, 16384, 0);
	for (unsigned int i = 0; i < 2; i++) {
		request = expect(fd, DM_USER_REQUEST_READ, 16 * i, 8192, NULL);
		succeed(fd, &request, 0x43);
	}
	check_equal(io_finish(io), 16384);
	reload(&disk, disk.sectors * 2, "");
	io = io_start(device, IO_READ, 24 * (off_t)MEGABYTE, 16384, 0);
	request = expect(fd, DM_USER_REQUEST_READ, 24 * MEGABYTE / 512, 16384, NULL);
	succeed(fd, &request, 0x44);
	check_equal(io_finish(io), 16384);
	close(fd);
	disk_state(&disk, "waiting");
	close(device);
	disk_remove(&disk);
}

CASE("table: several targets in one device; the sector is the device's own", 20)
{
	struct dm_line lines[2] = {
	    {0, 2048, "user", "0 2048 test-low"},
	    {2048, 2048, "user", "2048 2048 test-high 1 discards"},
	};
	struct dm_user_message request;
	struct disk low = {.name = "test-low"}, high = {.name = "test-high"};
	char node[64];
	struct io *io;
	int device, low_fd, high_fd;

	check_equal(dm_create("test-two"), 0);
	check_equal(dm_load("test-two", lines, 2), 0);
	check_equal(dm_resume("test-two"), 0);
	snprintf(node, sizeof(node), "/dev/dm-%d", dm_minor("test-two"));
	device = open(node, O_RDWR | O_DIRECT);
	check(device >= 0);
	low_fd = channel(&low);
	high_fd = channel(&high);
	io = io_start(device, IO_WRITE, 1044480, 8192, 0x55);
	request = expect(low_fd, DM_USER_REQUEST_WRITE, 2040, 4096, NULL);
	succeed(low_fd, &request, 0);
	request = expect(high_fd, DM_USER_REQUEST_WRITE, 2048, 4096, NULL);
	check(!io_waits(io, 0) || !atomic_load(&io->done));
	succeed(high_fd, &request, 0);
	check_equal(io_finish(io), 8192);
	/* An empty flush goes to each. */
	io = io_start(device, IO_FLUSH, 0, 0, 0);
	check_equal(read_fully(low_fd, &request, 40), 0);
	check_equal(request.type, DM_USER_REQUEST_FLUSH);
	check_equal(request.length, 0);
	succeed(low_fd, &request, 0);
	check_equal(read_fully(high_fd, &request, 40), 0);
	check_equal(request.type, DM_USER_REQUEST_FLUSH);
	check(io_waits(io, 20));
	succeed(high_fd, &request, 0);
	check_equal(io_finish(io), 0);
	close(device);
	close(low_fd);
	close(high_fd);
	check_equal(dm_remove("test-two", false), 0);
	/* The same name twice in one table. */
	lines[1].arguments = "2048 2048 test-low";
	check_equal(dm_create("test-two"), 0);
	check_equal(dm_load("test-two", lines, 2), -EBUSY);
	check_equal(dm_remove("test-two", false), 0);
}

CASE("rename: the device's name changes, the channel's stays", 20)
{
	struct dm_user_message request;
	struct disk disk, other;
	struct io *io;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	check_equal(dm_rename(disk.name, "test-renamed"), 0);
	fd = channel(&disk);
	io = io_start(device, IO_READ, 0, 4096, 0);
	request = expect(fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	succeed(fd, &request, 0);
	check_equal(io_finish(io), 4096);
	close(fd);
	close(device);
	other = disk;
	strcpy(other.name, "test-renamed");
	disk_remove(&other);
}

CASE("remove: refused while the disk is open, at its last close when deferred", 20)
{
	struct disk disk;
	char path[128];
	int device, fd;
	char byte;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	fd = channel(&disk);
	check_equal(dm_remove(disk.name, false), -EBUSY);
	check_equal(dm_remove(disk.name, true), 0);
	check(dm_minor(disk.name) >= 0);
	close(device);
	check_equal(read(fd, &byte, 1), -1);
	check_equal(errno, ENOTBLK);
	check_equal(dm_minor(disk.name), -ENXIO);
	snprintf(path, sizeof(path), "/dev/dm-user/%s", disk.name);
	check(access(path, F_OK) < 0);
	close(fd);
}

static int count_of(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	check(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return atoi(text);
}

CASE("rmmod: refused while a target or a channel lives, then clean, and the module loads again", 60)
{
	const char *module = getenv("MODULE");
	struct disk disk;
	int fd;

	check(module);
	disk_make(&disk, MEGABYTE, "");
	check(syscall(SYS_delete_module, "dm_user", O_NONBLOCK) < 0);
	fd = channel(&disk);
	disk_remove(&disk);
	/* The file alone keeps the code. */
	check(count_of("/sys/module/dm_user/refcnt") > 0);
	check(syscall(SYS_delete_module, "dm_user", O_NONBLOCK) < 0);
	close(fd);
	for (int i = 0; i < 3; i++) {
		int result = -1;

		for (int attempt = 0; result && attempt < 200; attempt++) {
			result = (int)syscall(SYS_delete_module, "dm_user", O_NONBLOCK);
			if (result)
				usleep(10000);
		}
		if (result)
			fail(__FILE__, __LINE__, "rmmod: %s", strerror(errno));
		check_equal(run("insmod", module, NULL), 0);
	}
	disk_make(&disk, MEGABYTE, "");
	disk_remove(&disk);
}

static unsigned long queue_limit(const struct disk *disk, const char *what)
{
	char path[160];

	snprintf(path, sizeof(path), "/sys/block/%s/queue/%s", disk->node + 5, what);
	return (unsigned long)count_of(path);
}

CASE("reload: the block layer's limits are those of the new table, there and back", 30)
{
	struct dm_user_message request;
	struct disk disk;
	struct io *io;
	int device, fd;

	/* Device mapper itself would keep those of the first table. */
	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	fd = channel(&disk);
	check_equal(io_finish(io_start(device, IO_DISCARD, 0, 4096, 0)), -EOPNOTSUPP);
	reload(&disk, disk.sectors, "3 discards:64 no_flush max_io:16");
	check_equal(queue_limit(&disk, "discard_max_bytes"), 32768);
	check_equal(queue_limit(&disk, "max_hw_sectors_kb"), 8);
	check_equal(queue_limit(&disk, "fua"), 0);
	io = io_start(device, IO_DISCARD, 0, 4096, 0);
	request = expect(fd, DM_USER_REQUEST_DISCARD, 0, 4096, NULL);
	succeed(fd, &request, 0);
	check_equal(io_finish(io), 0);
	reload(&disk, disk.sectors, "");
	check_equal(queue_limit(&disk, "discard_max_bytes"), 0);
	check_equal(queue_limit(&disk, "max_hw_sectors_kb"), 1024);
	check_equal(queue_limit(&disk, "fua"), 1);
	check_equal(io_finish(io_start(device, IO_DISCARD, 0, 4096, 0)), -EOPNOTSUPP);
	close(fd);
	close(device);
	disk_remove(&disk);
}

CASE("limits: block sizes, max_io, discard limits and the write cache are as asked for", 20)
{
	struct dm_user_message request;
	struct disk disk;
	struct io *io;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "");
	check_equal(queue_limit(&disk, "logical_block_size"), 512);
	check_equal(queue_limit(&disk, "discard_max_bytes"), 0);
	check_equal(queue_limit(&disk, "write_zeroes_max_bytes"), 0);
	check_equal(queue_limit(&disk, "fua"), 1);
	disk_remove(&disk);
	disk_make(&disk, 16 * MEGABYTE,
		  "7 no_flush discards:64 write_zeroes:128 discard_granularity:32768 "
		  "logical_block_size:4096 physical_block_size:16384 max_io:16");
	check_equal(queue_limit(&disk, "logical_block_size"), 4096);
	check_equal(queue_limit(&disk, "physical_block_size"), 16384);
	check_equal(queue_limit(&disk, "discard_max_bytes"), 32768);
	check_equal(queue_limit(&disk, "discard_granularity"), 32768);
	check_equal(queue_limit(&disk, "write_zeroes_max_bytes"), 65536);
	check_equal(queue_limit(&disk, "fua"), 0);
	device = disk_open(&disk);
	fd = channel(&disk);
	check_equal(io_finish(io_start(device, IO_FLUSH, 0, 0, 0)), 0);
	check_equal(io_finish(io_start(device, IO_READ, 512, 512, 0)), -EINVAL);
	/* 16 KiB from 4 KiB on: never across a multiple of 8 KiB. */
	io = io_start(device, IO_READ, 4096, 16384, 0);
	for (int i = 0; i < 3; i++) {
		check_equal(read_fully(fd, &request, 40), 0);
		check_equal(request.type, DM_USER_REQUEST_READ);
		check(request.length <= 8192);
		check_equal(request.sector / 16, (request.sector + request.length / 512 - 1) / 16);
		succeed(fd, &request, 0x35);
	}
	check_equal(io_finish(io), 16384);
	close(fd);
	close(device);
	disk_remove(&disk);
}

CASE("secure erase reaches the daemon where it was asked for", 20)
{
	struct dm_user_message request;
	struct disk disk;
	struct io *io;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "1 secure_erase");
	device = disk_open(&disk);
	fd = channel(&disk);
	io = io_start(device, IO_ERASE, 4096, 8192, 0);
	request = expect(fd, DM_USER_REQUEST_SECURE_ERASE, 8, 8192, NULL);
	succeed(fd, &request, 0);
	check_equal(io_finish(io), 0);
	close(fd);
	close(device);
	disk_remove(&disk);
}

CASE("the control device is root's alone, and knows no ioctl, seek or offset", 20)
{
	struct stat status;
	struct disk disk;
	char path[128], byte;
	int fd;

	disk_make(&disk, MEGABYTE, "");
	fd = channel(&disk);
	snprintf(path, sizeof(path), "/dev/dm-user/%s", disk.name);
	check_equal(stat(path, &status), 0);
	check_equal(status.st_mode & 07777, 0600);
	check(lseek(fd, 0, SEEK_SET) < 0 && errno == ESPIPE);
	check(pread(fd, &byte, 1, 0) < 0 && errno == ESPIPE);
	check(pwrite(fd, &byte, 1, 0) < 0 && errno == ESPIPE);
	check(ioctl(fd, BLKGETSIZE64, &byte) < 0 && errno == ENOTTY);
	close(fd);
	disk_remove(&disk);
}

CASE("dmsetup itself: create, table, status, message, remove", 60)
{
	struct disk disk = {.name = "test-tool"};

	check_equal(
	    run("sh", "-e", "-c",
		"dmsetup create test-tool --table '0 2048 user 0 2048 test-tool 1 discards'\n"
		"dmsetup table test-tool >/tmp/table\n"
		"grep -qx '0 2048 user 0 2048 test-tool 1 discards' /tmp/table\n"
		"dmsetup status test-tool | grep -qx '0 2048 user 0 0 0 0 0 0 0 0 0 waiting'\n"
		"dmsetup message test-tool 0 abort\n"
		"dmsetup reload test-tool /tmp/table\n"
		"dmsetup suspend test-tool\n"
		"dmsetup resume test-tool\n"
		"dmsetup targets | grep -q '^user '\n"
		"dmsetup remove test-tool",
		NULL),
	    0);
	check_equal(dm_minor(disk.name), -ENXIO);
}
