// SPDX-License-Identifier: Apache-2.0
/*
 * daemon-batched: serves with few system calls. One read takes the rest of a WRITE that was
 * begun, straight to its place in the backing, and then as many requests as fit; one writev()
 * gives many answers, data straight from the backing.
 *
 * Not all that waits at once: whoever sent the requests goes on at the first answers, on
 * another processor, while this one serves the rest.
 */
#define _GNU_SOURCE
#include "daemon.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

/* What is read at once, but for the rest of a WRITE: some WRITEs of 4 KiB, or many READs. */
#define BUFFER_BYTES (32U << 10)
/* Answers wait for others until there are so many, or so many bytes. */
#define BATCH_ANSWERS 8
#define BATCH_BYTES   (32U << 10)

struct batch {
	struct iovec pieces[2 * BATCH_ANSWERS];
	struct dm_user_message responses[BATCH_ANSWERS];
	int pieces_used;
	int answers;
	size_t bytes;
};

struct server {
	int fd;
	struct batch batch;
	/* A WRITE of which a part was read: where the rest belongs. */
	struct dm_user_message write;
	unsigned char *place;
	size_t rest;
	/* Bytes of requests that were read and not yet acted upon. */
	unsigned char buffer[BUFFER_BYTES];
	size_t filled;
};

/* Writes out all answers; a short write is gone on with. */
static void send_batch(struct server *server)
{
	struct batch *batch = &server->batch;
	struct iovec *piece = batch->pieces;
	int left = batch->pieces_used;

	while (left > 0) {
		ssize_t put = writev(server->fd, piece, left);

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
	batch->pieces_used = 0;
	batch->answers = 0;
	batch->bytes = 0;
}

static void add_piece(struct batch *batch, const void *bytes, size_t length)
{
	struct iovec *next = &batch->pieces[batch->pieces_used];

	batch->bytes += length;
	/* Headers without a payload between them lie one behind the other. */
	if (batch->pieces_used && (char *)next[-1].iov_base + next[-1].iov_len == bytes) {
		next[-1].iov_len += length;
		return;
	}
	*next = (struct iovec){(void *)bytes, length};
	batch->pieces_used++;
}

/* data: what a READ is answered with. */
static void add_answer(struct server *server, const struct dm_user_message *request, uint64_t type,
		       const void *data)
{
	struct batch *batch = &server->batch;
	struct dm_user_message *response = &batch->responses[batch->answers++];

	*response = *request;
	response->type = type;
	add_piece(batch, response, sizeof(*response));
	if (response_payload(request, type))
		add_piece(batch, data, request->length);
	if (batch->answers == BATCH_ANSWERS || batch->bytes >= BATCH_BYTES)
		send_batch(server);
}

/* What there is to read. To look again costs less than to sleep and be woken. */
static ssize_t read_pieces(int fd, const struct iovec *pieces, int count)
{
	for (int i = 0; i < polls; i++) {
		ssize_t got = preadv2(fd, pieces, count, -1, RWF_NOWAIT);

		if (got >= 0 || errno != EAGAIN)
			return got;
		sched_yield();
	}
	return readv(fd, pieces, count);
}

/* Reads what fits, and puts the rest of a WRITE in its place. */
static void read_requests(struct server *server)
{
	struct iovec pieces[] = {
	    {server->place, server->rest},
	    {server->buffer + server->filled, BUFFER_BYTES - server->filled},
	};
	bool rest = server->rest > 0;
	ssize_t got;
	size_t part;

	do
		got = read_pieces(server->fd, rest ? pieces : pieces + 1, rest ? 2 : 1);
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		die("requests", got < 0 ? -errno : -EPIPE);
	part = (size_t)got < server->rest ? (size_t)got : server->rest;
	server->place += part;
	server->rest -= part;
	server->filled += (size_t)got - part;
	if (rest && !server->rest)
		add_answer(server, &server->write, DM_USER_RESPONSE_SUCCESS, NULL);
}

/* A WRITE of whose payload there are so many bytes. The rest goes to its place as it is read. */
static void begin_write(struct server *server, const struct dm_user_message *request,
			const unsigned char *payload, size_t there)
{
	unsigned char *place = backing_at(&backing, request);

	if (!place) {
		/* What was not read of it will not come any more. */
		add_answer(server, request, DM_USER_RESPONSE_ERROR, NULL);
		return;
	}
	memcpy(place, payload, there);
	server->write = *request;
	server->place = place + there;
	server->rest = request->length - there;
}

/* Acts on what is in the buffer; part of a header may be left there. */
static void serve_requests(struct server *server)
{
	size_t used = 0;

	while (server->filled - used >= sizeof(struct dm_user_message)) {
		unsigned char *payload = server->buffer + used + sizeof(struct dm_user_message);
		size_t there = server->filled - used - sizeof(struct dm_user_message);
		struct dm_user_message request;
		const void *data;
		uint64_t type;

		memcpy(&request, server->buffer + used, sizeof(request));
		if (there < request_payload(&request)) {
			begin_write(server, &request, payload, there);
			used = server->filled;
			break;
		}
		type = backing_serve(&backing, &request, payload, &data);
		add_answer(server, &request, type, data);
		used += sizeof(request) + request_payload(&request);
	}
	memmove(server->buffer, server->buffer + used, server->filled - used);
	server->filled -= used;
}

void serve(int fd)
{
	struct server *server = calloc(1, sizeof(*server));

	if (!server)
		die("a buffer", -ENOMEM);
	server->fd = fd;
	for (;;) {
		read_requests(server);
		serve_requests(server);
		/* Before it may sleep. */
		send_batch(server);
	}
}
