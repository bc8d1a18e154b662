/* SPDX-License-Identifier: Apache-2.0 */
#include "bare_loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../native/wire/dm-user.h"

#define BUFFER_BYTES (1 << 20)

static int write_all(int descriptor, const char *bytes, size_t count)
{
	while (count > 0) {
		ssize_t written = write(descriptor, bytes, count);

		if (written < 0)
			return errno;
		bytes += written;
		count -= (size_t)written;
	}
	return 0;
}

int bare_loop(int read_descriptor, int write_descriptor, int image, int batched)
{
	char *in = malloc(BUFFER_BYTES);
	char *out = malloc(BUFFER_BYTES);
	size_t have = 0;
	int error = 0;

	if (!in || !out)
		error = ENOMEM;
	while (!error) {
		size_t room = batched ? BUFFER_BYTES - have : DM_USER_HEADER_BYTES - have;
		ssize_t count = read(read_descriptor, in + have, room);
		size_t taken = 0;
		size_t ready = 0;

		if (count <= 0) {
			error = count < 0 ? errno : 0;
			break;
		}
		have += (size_t)count;
		while (have - taken >= DM_USER_HEADER_BYTES) {
			struct dm_user_message message;
			size_t payload;
			off_t offset;

			memcpy(&message, in + taken, sizeof(message));
			offset = (off_t)(message.sector * DM_USER_SECTOR_BYTES);
			payload = message.type == DM_USER_REQUEST_WRITE ? message.length : 0;
			if (payload > 0 && !batched) {
				/* The rest of this one message, in a read of its own. */
				while (have < DM_USER_HEADER_BYTES + payload) {
					count = read(read_descriptor, in + have,
						     DM_USER_HEADER_BYTES + payload - have);
					if (count <= 0)
						break;
					have += (size_t)count;
				}
			}
			if (have - taken < DM_USER_HEADER_BYTES + payload)
				break;
			if (ready + DM_USER_HEADER_BYTES + message.length > BUFFER_BYTES) {
				error = write_all(write_descriptor, out, ready);
				ready = 0;
			}
			if (payload > 0 && pwrite(image, in + taken + DM_USER_HEADER_BYTES, payload,
						  offset) != (ssize_t)payload)
				error = EIO;
			taken += DM_USER_HEADER_BYTES + payload;
			if (message.type == DM_USER_REQUEST_READ) {
				if (pread(image, out + ready + DM_USER_HEADER_BYTES, message.length,
					  offset) != (ssize_t)message.length)
					error = EIO;
				payload = message.length;
			} else {
				payload = 0;
				message.length = 0;
			}
			message.type = DM_USER_RESPONSE_SUCCESS;
			memcpy(out + ready, &message, sizeof(message));
			ready += DM_USER_HEADER_BYTES + payload;
			if (error)
				break;
		}
		memmove(in, in + taken, have - taken);
		have -= taken;
		if (!error && ready > 0)
			error = write_all(write_descriptor, out, ready);
	}
	free(in);
	free(out);
	return error == EPIPE ? 0 : error;
}
