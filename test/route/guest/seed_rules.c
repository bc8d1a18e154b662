/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seed_rules.c - makes a channel of our module as narrow as the first dm-user's: a read or
 * write moves at most one piece, a header or (a part of) its payload. Loaded into the
 * daemon with LD_PRELOAD; every other descriptor is left alone.
 *
 * One thread reads a channel, and its writers take turns: no lock is needed here.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../../../native/wire/dm-user.h"

enum { most_descriptors = 1024, most_requests = 4096 };

/* Where one direction of a channel stands. */
struct stream {
	unsigned char header[DM_USER_HEADER_BYTES];
	size_t have; /* bytes of the header */
	uint64_t payload_left;
};

static struct stream requests[most_descriptors], answers[most_descriptors];
/* Sequences of READs, whose answers have a payload when they succeed. */
static uint64_t reads[most_descriptors][most_requests];

static int is_channel(int descriptor)
{
	char path[64], target[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
	ssize_t length = readlink(path, target, sizeof(target) - 1);
	if (length < 0 || descriptor >= most_descriptors)
		return 0;
	target[length] = '\0';
	return strncmp(target, "/dev/dm-user/", strlen("/dev/dm-user/")) == 0;
}

/* How much of `count` belongs to the piece at hand. */
static size_t piece(const struct stream *stream, size_t count)
{
	uint64_t left =
	    stream->payload_left ? stream->payload_left : DM_USER_HEADER_BYTES - stream->have;
	return count < left ? count : left;
}

/* Follows `count` bytes of the piece at hand; true when a header is complete. */
static int follow(struct stream *stream, const void *bytes, size_t count)
{
	if (stream->payload_left) {
		stream->payload_left -= count;
		return 0;
	}
	memcpy(stream->header + stream->have, bytes, count);
	stream->have += count;
	if (stream->have < DM_USER_HEADER_BYTES)
		return 0;
	stream->have = 0;
	return 1;
}

ssize_t read(int descriptor, void *buffer, size_t count)
{
	static ssize_t (*real)(int, void *, size_t);
	if (!real)
		real = (ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
	if (!is_channel(descriptor))
		return real(descriptor, buffer, count);
	struct stream *stream = &requests[descriptor];
	ssize_t got = real(descriptor, buffer, piece(stream, count));
	if (got > 0 && follow(stream, buffer, (size_t)got)) {
		struct dm_user_message message;
		memcpy(&message, stream->header, sizeof(message));
		if (message.type == DM_USER_REQUEST_WRITE)
			stream->payload_left = message.length;
		uint64_t *slot = &reads[descriptor][message.sequence % most_requests];
		*slot = message.type == DM_USER_REQUEST_READ ? message.sequence + 1 : 0;
	}
	return got;
}

/* write(2) itself. */
static ssize_t real_write(int descriptor, const void *bytes, size_t count)
{
	static ssize_t (*real)(int, const void *, size_t);
	if (!real)
		real = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
	return real(descriptor, bytes, count);
}

static ssize_t put_piece(int descriptor, const void *bytes, size_t count)
{
	struct stream *stream = &answers[descriptor];
	ssize_t put = real_write(descriptor, bytes, piece(stream, count));
	if (put > 0 && follow(stream, bytes, (size_t)put)) {
		struct dm_user_message message;
		memcpy(&message, stream->header, sizeof(message));
		if (message.type == DM_USER_RESPONSE_SUCCESS &&
		    reads[descriptor][message.sequence % most_requests] == message.sequence + 1)
			stream->payload_left = message.length;
	}
	return put;
}

ssize_t write(int descriptor, const void *bytes, size_t count)
{
	if (!is_channel(descriptor))
		return real_write(descriptor, bytes, count);
	return put_piece(descriptor, bytes, count);
}

ssize_t writev(int descriptor, const struct iovec *pieces, int count)
{
	static ssize_t (*real)(int, const struct iovec *, int);
	if (!real)
		real = (ssize_t(*)(int, const struct iovec *, int))dlsym(RTLD_NEXT, "writev");
	if (count == 0 || !is_channel(descriptor))
		return real(descriptor, pieces, count);
	return put_piece(descriptor, pieces[0].iov_base, pieces[0].iov_len);
}
