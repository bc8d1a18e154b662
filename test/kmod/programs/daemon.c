// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "daemon.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct backing backing;
int polls;
static const char *name;

void die(const char *what, int error)
{
	if (error != -ENOTBLK)
		fprintf(stderr, "%s %s: %s: %s\n", program_invocation_short_name, name, what,
			strerror(-error));
	exit(error == -ENOTBLK ? 0 : 1);
}

static void *serve_channel(void *unused)
{
	int fd = channel_open(name, 0);

	(void)unused;
	if (fd < 0)
		die("open", fd);
	serve(fd);
}

int main(int count, char **words)
{
	int threads = count > 4 ? atoi(words[4]) : 1;
	int error;

	if (count < 4) {
		fprintf(stderr, "usage: %s NAME FILE BYTES [THREADS [POLLS]]\n",
			program_invocation_short_name);
		return 2;
	}
	name = words[1];
	polls = count > 5 ? atoi(words[5]) : 0;
	error = backing_open(&backing, words[2], strtoull(words[3], NULL, 0));
	if (error)
		die("backing", error);
	for (int i = 1; i < threads; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, serve_channel, NULL))
			die("thread", -EAGAIN);
	}
	serve_channel(NULL);
}
