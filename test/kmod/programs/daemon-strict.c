// SPDX-License-Identifier: Apache-2.0
/*
 * daemon-strict: serves the way the first daemons did, so that it would work with their
 * kernels too: blocking reads and writes of exactly one header or one payload.
 */
#include "daemon.h"

#include <errno.h>
#include <stdlib.h>

void serve(int fd)
{
	void *buffer = NULL;
	size_t room = 0;

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
}
