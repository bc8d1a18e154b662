// SPDX-License-Identifier: Apache-2.0
/*
 * daemon-batched: serves with as few system calls as the module allows: one read() takes
 * all the requests that fit, one writev() gives all their answers, data straight from the
 * backing.
 */
#define _GNU_SOURCE
#include "daemon.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* A buffer holds any request with its payload; a writev() takes so many pieces at most. */
#define BUFFER_BYTES (4U << 20)
#define PIECES       1024

struct batch {
	struct iovec pieces[PIECES];
	struct dm_user_message responses[PIECES];
	int count;
};

/* Writes out all answers; a short write is gone on with. */
static void send_batch(int fd, struct batch *batch)
{
	struct iovec *piece = batch->pieces;
	int left = batch->count;

	while (left > 0) {
		ssize_t put = writev(fd, piece, left);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			die("answers", -errno);
		while (left > 0 && (size_t)put >= piece->iov_len) {
			put -= (ssize_t)piece->iov_len;
			piece++;
			left--;
		}
		if (left > 0) {
			piece->iov_base = (char *)piece->iov_base + put;
			piece->iov_len -= (size_t)put;
		}
	}
	batch->count = 0;
}

static void add_answer(int fd, struct batch *batch, const struct dm_user_message *request,
		       const void *payload)
{
	struct dm_user_message *response;
	const void *data;

	if (batch->count > PIECES - 2)
		send_batch(fd, batch);
	response = &batch->responses[batch->count];
	*response = *request;
	response->type = backing_serve(&backing, request, payload, &data);
	batch->pieces[batch->count].iov_base = response;
	batch->pieces[batch->count++].iov_len = sizeof(*response);
	if (response_payload(request, response->type)) {
		batch->pieces[batch->count].iov_base = (void *)data;
		batch->pieces[batch->count++].iov_len = request->length;
	}
}

/* What there is to read. To look again costs less than to sleep and be woken. */
static ssize_t read_requests(int fd, void *buffer, size_t room)
{
	struct iovec piece = {buffer, room};

	for (int i = 0; i < polls; i++) {
		ssize_t got = preadv2(fd, &piece, 1, -1, RWF_NOWAIT);

		if (got >= 0 || errno != EAGAIN)
			return got;
		sched_yield();
	}
	return read(fd, buffer, room);
}

void serve(int fd)
{
	unsigned char *buffer = malloc(BUFFER_BYTES);
	struct batch *batch = calloc(1, sizeof(*batch));
	size_t filled = 0;

	if (!buffer || !batch)
		die("a buffer", -ENOMEM);
	for (;;) {
		ssize_t got = read_requests(fd, buffer + filled, BUFFER_BYTES - filled);
		size_t used = 0;

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			die("requests", got < 0 ? -errno : -EPIPE);
		filled += (size_t)got;
		while (filled - used >= sizeof(struct dm_user_message)) {
			struct dm_user_message request;
			size_t size;

			memcpy(&request, buffer + used, sizeof(request));
			size = sizeof(request) + request_payload(&request);
			if (size > BUFFER_BYTES)
				die("a request too long", -EMSGSIZE);
			if (filled - used < size)
				break;
			add_answer(fd, batch, &request, buffer + used + sizeof(request));
			used += size;
		}
		send_batch(fd, batch);
		memmove(buffer, buffer + used, filled - used);
		filled -= used;
	}
}
