// SPDX-License-Identifier: Apache-2.0
/*
 * waiting.c - requests that no daemon answers: what ends them, or holds them.
 */
#define _GNU_SOURCE
#include "harness.h"

DISK_CASE("no_daemon:fail: requests fail while no channel is open, and only then", 20,
	  "1 no_daemon:fail")
{
	struct io *io;

	disk_state(&f->disk, "failing");
	check_equal(io_finish(io_start(f->device, IO_READ, 0, 4096, 0)), -EIO);
	open_channel(f);
	disk_state(&f->disk, "ready");
	serve_read(f, 0, 4096, 1);
	io = io_start(f->device, IO_READ, 0, 4096, 0);
	expect(f->fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	close_channel(f);
	check_equal(io_finish(io), -EIO);
	/* As a message: back to waiting. */
	check_equal(dm_message(f->disk.name, 0, "no_daemon wait", NULL, 0), 0);
	disk_state(&f->disk, "waiting");
	io = io_start(f->device, IO_READ, 0, 4096, 0);
	check(io_waits(io, 50));
	check_equal(dm_message(f->disk.name, 0, "no_daemon fail", NULL, 0), 0);
	check_equal(io_finish(io), -EIO);
}

CHANNEL_CASE("no_daemon:SECONDS: requests wait so long for a daemon, then fail until one comes", 30,
	     "1 no_daemon:1")
{
	struct dm_user_message request;
	struct io *io;
	double begun;

	io = io_start(f->device, IO_READ, 0, 4096, 0);
	expect(f->fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	begun = now();
	close_channel(f);
	check_equal(io_finish(io), -EIO);
	note("failed after %.2f s", now() - begun);
	check(now() - begun >= 0.95);
	disk_state(&f->disk, "failing");
	check_equal(io_finish(io_start(f->device, IO_READ, 0, 4096, 0)), -EIO);
	open_channel(f);
	serve_read(f, 0, 4096, 1);
	/* A daemon in time. */
	check_equal(dm_message(f->disk.name, 0, "no_daemon 30", NULL, 0), 0);
	io = io_start(f->device, IO_READ, 0, 4096, 0);
	expect(f->fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	close_channel(f);
	check(io_waits(io, 100));
	open_channel(f);
	request = expect(f->fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	succeed(f->fd, &request, 1);
	check_equal(io_finish(io), 4096);
}

CHANNEL_CASE("timeout: a request that nobody answers fails with ETIMEDOUT, wherever it is", 30, "")
{
	struct dm_user_message request, header;
	struct io *queued, *half, *held;

	held = io_start(f->device, IO_READ, 0, 4096, 0);
	request = expect(f->fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	half = io_start(f->device, IO_WRITE, 4096, 4096, 0);
	check_equal(read_fully(f->fd, &header, sizeof(header)), 0);
	queued = io_start(f->device, IO_READ, 8192, 4096, 0);
	disk_await(&f->disk, "queued", 1);
	check_equal(dm_message(f->disk.name, 0, "timeout 1", NULL, 0), 0);
	check_equal(io_finish(held), -ETIMEDOUT);
	check_equal(io_finish(half), -ETIMEDOUT);
	check_equal(io_finish(queued), -ETIMEDOUT);
	check_equal(disk_status(&f->disk, "timed out"), 3);
	/* Too late, but no harm. */
	succeed(f->fd, &request, 0);
	check_equal(dm_message(f->disk.name, 0, "timeout 0", NULL, 0), 0);
	close_channel(f);
	open_channel(f);
	held = io_start(f->device, IO_READ, 0, 4096, 0);
	request = expect(f->fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	check(io_waits(held, 1500));
	succeed(f->fd, &request, 0x61);
	check_equal(io_finish(held), 4096);
}

DISK_CASE("timeout: as an option it counts from the request's arrival", 30, "1 timeout:1")
{
	double begun = now();

	check_equal(io_finish(io_start(f->device, IO_READ, 0, 4096, 0)), -ETIMEDOUT);
	check(now() - begun >= 0.95);
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

CHANNEL_CASE("suspend with flush waits for all requests; those that come meanwhile wait for resume",
	     30, "")
{
	struct dm_user_message request;
	struct io *held, *queued, *later;
	pthread_t thread;
	void *result;

	held = io_start(f->device, IO_READ, 0, 4096, 0);
	request = expect(f->fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	queued = io_start(f->device, IO_WRITE, 4096, 4096, 0x19);
	disk_await(&f->disk, "queued", 1);
	thread = suspend_start(&f->disk, true);
	usleep(200000);
	check_equal(pthread_tryjoin_np(thread, &result), EBUSY);
	succeed(f->fd, &request, 0x18);
	check_equal(io_finish(held), 4096);
	usleep(50000);
	check_equal(pthread_tryjoin_np(thread, &result), EBUSY);
	request = expect(f->fd, DM_USER_REQUEST_WRITE, 8, 4096, NULL);
	succeed(f->fd, &request, 0);
	check_equal(io_finish(queued), 4096);
	pthread_join(thread, &result);
	check_equal((long)result, 0);
	later = io_start(f->device, IO_READ, 0, 4096, 0);
	check(io_waits(later, 50));
	check_equal(disk_status(&f->disk, "queued"), 0);
	check_equal(dm_resume(f->disk.name), 0);
	request = expect(f->fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	succeed(f->fd, &request, 0x1a);
	check_equal(io_finish(later), 4096);
}

CHANNEL_CASE(
    "suspend without flush waits for what a daemon holds; the queue comes again after resume", 30,
    "")
{
	enum { COUNT = 3 };
	struct dm_user_message request;
	struct io *held, *queued[COUNT];
	pthread_t thread;
	void *result;

	held = io_start(f->device, IO_READ, 0, 4096, 0);
	request = expect(f->fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	for (int i = 0; i < COUNT; i++) {
		queued[i] = io_start(f->device, IO_WRITE, 4096 * (i + 1), 4096, 0x20 + i);
		disk_await(&f->disk, "queued", (uint64_t)i + 1);
	}
	thread = suspend_start(&f->disk, false);
	disk_await(&f->disk, "queued", 0);
	usleep(100000);
	check_equal(pthread_tryjoin_np(thread, &result), EBUSY);
	succeed(f->fd, &request, 0x18);
	check_equal(io_finish(held), 4096);
	pthread_join(thread, &result);
	check_equal((long)result, 0);
	for (int i = 0; i < COUNT; i++)
		check(io_waits(queued[i], 10));
	check_equal(dm_resume(f->disk.name), 0);
	for (int i = 0; i < COUNT; i++) {
		void *payload;

		check_equal(next_request(f->fd, &request, &payload), 0);
		check_equal(request.type, DM_USER_REQUEST_WRITE);
		check_equal(request.length, 4096);
		check_equal(((unsigned char *)payload)[9], 0x20 + request.sector / 8 - 1);
		succeed(f->fd, &request, 0);
	}
	for (int i = 0; i < COUNT; i++)
		check_equal(io_finish(queued[i]), 4096);
}

DISK_CASE("suspend: the message abort frees a suspend that waits", 30, "")
{
	pthread_t thread;
	void *result;
	struct io *io;

	io = io_start(f->device, IO_READ, 0, 4096, 0);
	disk_await(&f->disk, "queued", 1);
	thread = suspend_start(&f->disk, true);
	usleep(200000);
	check_equal(pthread_tryjoin_np(thread, &result), EBUSY);
	check_equal(dm_message(f->disk.name, 0, "abort", NULL, 0), 0);
	check_equal(io_finish(io), -EIO);
	pthread_join(thread, &result);
	check_equal((long)result, 0);
	check_equal(dm_resume(f->disk.name), 0);
}
