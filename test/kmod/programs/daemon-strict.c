// SPDX-License-Identifier: Apache-2.0
/*
 * daemon-strict NAME FILE BYTES [THREADS]: serves a dm-user target the way the first
 * daemons did, so that it would work with their kernels too: blocking reads and
 * writes of exactly one header or one payload, one channel a thread.
 *
 * Ends with 0 when the target goes away (ENOTBLK).
 */
#include "channel.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct backing backing;
static const char *name;

static void die(const char *what, int error)
{
	if (error != -ENOTBLK)
		fprintf(stderr, "daemon-strict %s: %s: %s\n", name, what, strerror(-error));
	exit(error == -ENOTBLK ? 0 : 1);
}

static void *serve(void *unused)
{
	int fd = channel_open(name, 0);
	void *buffer = NULL;
	size_t room = 0;

	(void)unused;
	if (fd < 0)
		die("open", fd);
	for (;;) {
		struct dm_user_message request;
		const void *data;
		uint64_t type;
		int error = read_fully(fd, &request, sizeof(request));

		if (error)
			die("header", error);
		if (request_payload(&request) > room) {
			room = request_payload(&request);
			free(buffer);
			buffer = malloc(room);
			if (!buffer)
				die("a buffer", -ENOMEM);
		}
		if (request_payload(&request)) {
			error = read_fully(fd, buffer, request_payload(&request));
			if (error)
				die("payload", error);
		}
		type = backing_serve(&backing, &request, buffer, &data);
		error = answer(fd, &request, type, data);
		if (error)
			die("answer", error);
	}
	return NULL;
}

int main(int count, char **words)
{
	int threads = count > 4 ? atoi(words[4]) : 1;
	int error;

	if (count < 4) {
		fprintf(stderr, "usage: daemon-strict NAME FILE BYTES [THREADS]\n");
		return 2;
	}
	name = words[1];
	error = backing_open(&backing, words[2], strtoull(words[3], NULL, 0));
	if (error)
		die("backing", error);
	for (int i = 1; i < threads; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, serve, NULL))
			die("thread", -EAGAIN);
	}
	serve(NULL);
}
