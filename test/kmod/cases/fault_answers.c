// SPDX-License-Identifier: Apache-2.0
/*
 * fault_answers.c - what the first version of dm-user got wrong about answers: faults 5 to
 * 8 and 24 of the 26.
 */
#define _GNU_SOURCE
#include "harness.h"

CHANNEL_CASE(
    "fault 5: an ERROR to a READ is an I/O error, without a warning, as often as one likes", 20, "")
{
	for (int round = 0; round < 50; round++) {
		struct io *io = io_start(f->device, IO_READ, 4096, 4096, 0);
		struct dm_user_message request = expect(f->fd, DM_USER_REQUEST_READ, 8, 4096, NULL);

		check_equal(answer(f->fd, &request, DM_USER_RESPONSE_ERROR, NULL), 0);
		check_equal(io_finish(io), -EIO);
	}
}

CHANNEL_CASE("fault 6: an ERROR to a READ may carry its payload, in one write or without", 20, "")
{
	static const uint64_t answers[] = {DM_USER_RESPONSE_ERROR, DM_USER_RESPONSE_UNSUPPORTED};
	static unsigned char bytes[40 + 8192];

	for (int round = 0; round < 8; round++) {
		size_t length = round & 2 ? 4096 : 512;
		size_t sent = round & 1 ? 40 + length : 40;
		struct io *io = io_start(f->device, IO_READ, 0, length, 0);
		struct dm_user_message request =
		    expect(f->fd, DM_USER_REQUEST_READ, 0, length, NULL);

		request.type = answers[round >> 2];
		memset(bytes, round * 37, sizeof(bytes));
		memcpy(bytes, &request, 40);
		check_equal(write(f->fd, bytes, sent), sent);
		check_equal(io_finish(io), round >> 2 ? -EOPNOTSUPP : -EIO);
		serve_read(f, 4096, 4096, 0x61);
	}
}

CHANNEL_CASE(
    "fault 6: answers that follow an ERROR are not taken for its payload, of whatever size", 20, "")
{
	/* 64 headers are as long as a READ of five sectors. */
	enum { COUNT = 65, LENGTH = 2560 };
	static struct dm_user_message headers[COUNT];
	static unsigned char bytes[COUNT * (40 + LENGTH)];
	struct io *ios[COUNT];

	for (int i = 0; i < COUNT; i++)
		ios[i] = io_start(f->device, IO_READ, 4096 * i, LENGTH, 0);
	disk_await(&f->disk, "queued", COUNT);
	check_equal(read(f->fd, bytes, sizeof(bytes)), COUNT * 40);
	memcpy(headers, bytes, sizeof(headers));
	for (int i = 0; i < COUNT; i++)
		headers[i].type = DM_USER_RESPONSE_ERROR;
	check_equal(write(f->fd, headers, sizeof(headers)), sizeof(headers));
	for (int i = 0; i < COUNT; i++)
		check_equal(io_finish(ios[i]), -EIO);
}

CHANNEL_CASE("fault 7: an ERROR to a WRITE may come before its payload was read", 20, "")
{
	for (size_t taken = 0; taken <= 8192; taken += 1365) {
		struct io *io = io_start(f->device, IO_WRITE, 0, 8192, 0x11);
		struct dm_user_message request;
		char part[8192];

		check_equal(read_fully(f->fd, &request, sizeof(request)), 0);
		check_equal(request.type, DM_USER_REQUEST_WRITE);
		check_equal(read_fully(f->fd, part, taken), 0);
		check_equal(answer(f->fd, &request, DM_USER_RESPONSE_ERROR, NULL), 0);
		check_equal(io_finish(io), -EIO);
		/* The rest of that payload is not to come: next is a header. */
		serve_read(f, 4096, 4096, 0x22);
	}
}

CHANNEL_CASE("fault 8: an answer with a wrong sequence is refused at once and does no harm", 20, "")
{
	struct dm_user_message request, wrong;
	struct io *io;
	int other;

	other = channel(&f->disk);
	io = io_start(f->device, IO_READ, 0, 4096, 0);
	request = expect(f->fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	wrong = request;
	wrong.sequence ^= 0x55555;
	for (int i = 0; i < 3; i++) {
		check_equal(write(f->fd, &wrong, sizeof(wrong)), -1);
		check_equal(errno, EINVAL);
	}
	/* Right, but on a channel that never had the request. */
	wrong = request;
	wrong.type = DM_USER_RESPONSE_ERROR;
	check_equal(write(other, &wrong, sizeof(wrong)), -1);
	check_equal(errno, EINVAL);
	check(io_waits(io, 20));
	succeed(f->fd, &request, 0x33);
	check_equal(io_finish(io), 4096);
	check_equal(io->buffer[0], 0x33);
	/* Answered once is answered. */
	check_equal(write(f->fd, &wrong, sizeof(wrong)), -1);
	check_equal(errno, EINVAL);
	serve_read(f, 8192, 4096, 0x44);
	close_channel(f);
	close(other);
}

CHANNEL_CASE("fault 24: UNSUPPORTED is \"not supported\", not an I/O error", 20,
	     "2 discards write_zeroes")
{
	struct dm_user_message request;
	struct io *io;

	io = io_start(f->device, IO_READ, 0, 4096, 0);
	request = expect(f->fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	check_equal(answer(f->fd, &request, DM_USER_RESPONSE_UNSUPPORTED, NULL), 0);
	check_equal(io_finish(io), -EOPNOTSUPP);
	io = io_start(f->device, IO_WRITE, 0, 4096, 0);
	check_equal(read_fully(f->fd, &request, 40), 0);
	check_equal(answer(f->fd, &request, DM_USER_RESPONSE_UNSUPPORTED, NULL), 0);
	check_equal(io_finish(io), -EOPNOTSUPP);
	io = io_start(f->device, IO_DISCARD, 0, 4096, 0);
	request = expect(f->fd, DM_USER_REQUEST_DISCARD, 0, 4096, NULL);
	check_equal(answer(f->fd, &request, DM_USER_RESPONSE_UNSUPPORTED, NULL), 0);
	io_finish(io); /* a discard is only advice: the block layer may hide this */
	serve_read(f, 0, 4096, 0);
}
