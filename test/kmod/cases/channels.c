// SPDX-License-Identifier: Apache-2.0
/*
 * channels.c - requests, their channels and their answers.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/uio.h>

DISK_CASE("requeue: requests of a closed channel come again, in order, before later ones", 20, "")
{
	enum { COUNT = 6, HELD = 3 };
	struct dm_user_message request;
	struct io *ios[COUNT];

	for (int i = 0; i < COUNT; i++) {
		ios[i] = io_start(f->device, IO_READ, 4096 * i, 4096, 0);
		disk_await(&f->disk, "queued", (uint64_t)i + 1);
	}
	open_channel(f);
	for (unsigned int i = 0; i < HELD; i++)
		expect(f->fd, DM_USER_REQUEST_READ, 8 * i, 4096, NULL);
	check_equal(disk_status(&f->disk, "in flight"), HELD);
	check_equal(disk_status(&f->disk, "queued"), COUNT - HELD);
	close_channel(f);
	disk_await(&f->disk, "queued", COUNT);
	check_equal(disk_status(&f->disk, "requeued"), HELD);
	check_equal(disk_status(&f->disk, "in flight"), 0);
	open_channel(f);
	for (unsigned int i = 0; i < COUNT; i++) {
		request = expect(f->fd, DM_USER_REQUEST_READ, 8 * i, 4096, NULL);
		succeed(f->fd, &request, 0x40 + (int)i);
	}
	for (int i = 0; i < COUNT; i++) {
		check_equal(io_finish(ios[i]), 4096);
		check_equal(ios[i]->buffer[7], 0x40 + i);
	}
	check_equal(disk_status(&f->disk, "completed"), COUNT);
}

DISK_CASE("requeue: a request half read, or half answered, counts as unanswered at every byte", 60,
	  "")
{
	struct dm_user_message request;
	unsigned char payload[4136];
	struct io *io;

	for (size_t bytes = 0; bytes < sizeof(payload); bytes += bytes < 48 ? 1 : 509) {
		io = io_start(f->device, IO_WRITE, 4096, 4096, 0x71);
		open_channel(f);
		check_equal(read_fully(f->fd, payload, bytes), 0);
		close_channel(f);
		open_channel(f);
		void *data;
		request = expect(f->fd, DM_USER_REQUEST_WRITE, 8, 4096, &data);
		check(((unsigned char *)data)[0] == 0x71 && ((unsigned char *)data)[4095] == 0x71);
		free(data);
		succeed(f->fd, &request, 0);
		check_equal(io_finish(io), 4096);
		close_channel(f);
	}
	for (size_t bytes = 0; bytes < sizeof(payload); bytes += bytes < 48 ? 1 : 509) {
		io = io_start(f->device, IO_READ, 8192, 4096, 0);
		open_channel(f);
		request = expect(f->fd, DM_USER_REQUEST_READ, 16, 4096, NULL);
		memset(payload, 0xee, sizeof(payload));
		memcpy(payload, &request, sizeof(request));
		((struct dm_user_message *)payload)->type = DM_USER_RESPONSE_SUCCESS;
		check_equal(write_fully(f->fd, payload, bytes), 0);
		close_channel(f);
		check(!atomic_load(&io->done));
		open_channel(f);
		request = expect(f->fd, DM_USER_REQUEST_READ, 16, 4096, NULL);
		succeed(f->fd, &request, 0x72);
		check_equal(io_finish(io), 4096);
		for (int i = 0; i < 4096; i++)
			check_equal(io->buffer[i], 0x72);
		close_channel(f);
	}
}

DISK_CASE("channels: answers in any order, each on the channel of its request", 20, "")
{
	struct dm_user_message requests[3][4];
	struct io *ios[12];
	int fds[3];

	for (int i = 0; i < 3; i++)
		fds[i] = channel(&f->disk);
	for (int i = 0; i < 12; i++) {
		ios[i] = io_start(f->device, IO_READ, 4096 * i, 4096, 0);
		disk_await(&f->disk, "queued", 1);
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
}

CHANNEL_CASE("channels: messages may be split at any byte, and gathered with readv and writev", 60,
	     "")
{
	for (size_t step = 1; step < 60; step += step < 8 ? 1 : 13) {
		struct dm_user_message request;
		unsigned char bytes[40 + 512];
		struct io *io = io_start(f->device, IO_WRITE, 512, 512, 0x21);

		for (size_t at = 0; at < sizeof(bytes); at += step) {
			size_t part = at + step < sizeof(bytes) ? step : sizeof(bytes) - at;

			check_equal(read(f->fd, bytes + at, part), part);
		}
		memcpy(&request, bytes, 40);
		check_equal(request.length, 512);
		for (size_t i = 40; i < sizeof(bytes); i++)
			check_equal(bytes[i], 0x21);
		succeed(f->fd, &request, 0);
		check_equal(io_finish(io), 512);

		io = io_start(f->device, IO_READ, 1024, 512, 0);
		request = expect(f->fd, DM_USER_REQUEST_READ, 2, 512, NULL);
		request.type = DM_USER_RESPONSE_SUCCESS;
		memcpy(bytes, &request, 40);
		memset(bytes + 40, (int)step, 512);
		for (size_t at = 0; at < sizeof(bytes); at += step) {
			size_t part = at + step < sizeof(bytes) ? step : sizeof(bytes) - at;

			check_equal(write(f->fd, bytes + at, part), part);
		}
		check_equal(io_finish(io), 512);
		check_equal(io->buffer[511], step);
	}
	for (int round = 0; round < 10; round++) {
		struct dm_user_message request;
		unsigned char payload[4096];
		struct iovec pieces[4] = {
		    {&request, 13}, {(char *)&request + 13, 27}, {payload, 1}, {payload + 1, 4095}};
		struct io *io = io_start(f->device, IO_WRITE, 4096, 4096, 0x31 + round);

		disk_await(&f->disk, "queued", 1);
		check_equal(readv(f->fd, pieces, 4), 4136);
		check_equal(payload[0], 0x31 + round);
		check_equal(payload[4095], 0x31 + round);
		succeed(f->fd, &request, 0);
		check_equal(io_finish(io), 4096);
		io = io_start(f->device, IO_READ, 4096, 4096, 0);
		request = expect(f->fd, DM_USER_REQUEST_READ, 8, 4096, NULL);
		request.type = DM_USER_RESPONSE_SUCCESS;
		memset(payload, 0x51 + round, sizeof(payload));
		check_equal(writev(f->fd, pieces, 4), 4136);
		check_equal(io_finish(io), 4096);
		check_equal(io->buffer[4095], 0x51 + round);
	}
}

CHANNEL_CASE("answers: a header that cannot be is EINVAL, and the right one is still taken", 20, "")
{
	struct dm_user_message request, wrong;
	struct io *io;

	io = io_start(f->device, IO_READ, 0, 4096, 0);
	request = expect(f->fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	wrong = request;
	wrong.type = 3;
	check_equal(write(f->fd, &wrong, sizeof(wrong)), -1);
	check_equal(errno, EINVAL);
	wrong = request;
	wrong.type = DM_USER_RESPONSE_SUCCESS;
	wrong.length = 4095;
	check_equal(write(f->fd, &wrong, sizeof(wrong)), -1);
	check_equal(errno, EINVAL);
	wrong.length = ~0ULL;
	check_equal(write(f->fd, &wrong, sizeof(wrong)), -1);
	check_equal(errno, EINVAL);
	succeed(f->fd, &request, 0x13);
	check_equal(io_finish(io), 4096);
	check_equal(io->buffer[0], 0x13);
	/* SUCCESS before the payload was read is a lie. */
	io = io_start(f->device, IO_WRITE, 0, 4096, 0x14);
	check_equal(read_fully(f->fd, &request, sizeof(request)), 0);
	wrong = request;
	wrong.type = DM_USER_RESPONSE_SUCCESS;
	check_equal(write(f->fd, &wrong, sizeof(wrong)), -1);
	check_equal(errno, EINVAL);
	unsigned char payload[4096];
	check_equal(read_fully(f->fd, payload, sizeof(payload)), 0);
	check_equal(payload[4095], 0x14);
	succeed(f->fd, &request, 0);
	check_equal(io_finish(io), 4096);
}
