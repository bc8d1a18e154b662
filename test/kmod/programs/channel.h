/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel.h - what the daemons and the tests share: opening a channel, and moving
 * messages through it in the ways that the protocol allows.
 */
#ifndef BIOSCOPE_TEST_CHANNEL_H
#define BIOSCOPE_TEST_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "../../../native/wire/dm-user.h"

/* Opens /dev/dm-user/NAME; flags are added to O_RDWR. Waits up to 30 s for it to appear. */
int channel_open(const char *name, int flags);

/*
 * Exact-size transfers, as the first daemons did them: a short read() or write() is
 * gone on with, EINTR and EAGAIN are tried again. 0, or -errno.
 */
int read_fully(int fd, void *buffer, size_t length);
int write_fully(int fd, const void *buffer, size_t length);

/* The bytes that follow the header of a request, and of a response to it. */
size_t request_payload(const struct dm_user_message *request);
size_t response_payload(const struct dm_user_message *request, uint64_t answer);

/* One request: the header, then as much of its payload as there is (for the caller to free). */
int next_request(int fd, struct dm_user_message *request, void **payload);

/* One answer, header and payload in two writes. -errno of the one that failed. */
int answer(int fd, const struct dm_user_message *request, uint64_t type, const void *payload);

/* A disk's contents in a file that outlives the daemon: mapped, made and grown as needed. */
struct backing {
	unsigned char *bytes;
	size_t size;
};

int backing_open(struct backing *backing, const char *path, size_t size);

/* Where a request's bytes are; NULL where it is out of range. */
unsigned char *backing_at(const struct backing *backing, const struct dm_user_message *request);

/*
 * Does what a request asks for to the backing; *data is what a READ is answered with.
 * The response type. Anything out of range is an ERROR.
 */
uint64_t backing_serve(struct backing *backing, const struct dm_user_message *request,
		       const void *payload, const void **data);

#endif
