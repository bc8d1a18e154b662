// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int channel_open(const char *name, int flags)
{
	char path[256];

	snprintf(path, sizeof(path), "/dev/dm-user/%s", name);
	for (int attempt = 0; attempt < 3000; attempt++) {
		int fd = open(path, O_RDWR | O_CLOEXEC | flags);

		if (fd >= 0)
			return fd;
		if (errno != ENOENT && errno != ENXIO && errno != ENODEV)
			return -errno;
		usleep(10000);
	}
	return -errno;
}

static void wait_for(int fd, short events)
{
	struct pollfd entry = {.fd = fd, .events = events};

	poll(&entry, 1, -1);
}

int read_fully(int fd, void *buffer, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t got = read(fd, (char *)buffer + done, length - done);

		if (got > 0)
			done += (size_t)got;
		else if (got == 0)
			return -EPIPE;
		else if (errno == EAGAIN)
			wait_for(fd, POLLIN);
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

int write_fully(int fd, const void *buffer, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t put = write(fd, (const char *)buffer + done, length - done);

		if (put > 0)
			done += (size_t)put;
		else if (put == 0)
			return -EPIPE;
		else if (errno == EAGAIN)
			wait_for(fd, POLLOUT);
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

size_t request_payload(const struct dm_user_message *request)
{
	return request->type == DM_USER_REQUEST_WRITE ? request->length : 0;
}

size_t response_payload(const struct dm_user_message *request, uint64_t answer)
{
	bool data = request->type == DM_USER_REQUEST_READ && answer == DM_USER_RESPONSE_SUCCESS;

	return data ? request->length : 0;
}

int next_request(int fd, struct dm_user_message *request, void **payload)
{
	int error = read_fully(fd, request, sizeof(*request));
	size_t length;

	*payload = NULL;
	if (error)
		return error;
	length = request_payload(request);
	if (!length)
		return 0;
	*payload = malloc(length);
	return read_fully(fd, *payload, length);
}

int answer(int fd, const struct dm_user_message *request, uint64_t type, const void *payload)
{
	struct dm_user_message response = *request;
	size_t length = response_payload(request, type);
	int error;

	response.type = type;
	error = write_fully(fd, &response, sizeof(response));
	if (!error && length)
		error = write_fully(fd, payload, length);
	return error;
}

int backing_open(struct backing *backing, const char *path, size_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) < 0)
		return -errno;
	backing->bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (backing->bytes == MAP_FAILED)
		return -errno;
	backing->size = size;
	return 0;
}

unsigned char *backing_at(const struct backing *backing, const struct dm_user_message *request)
{
	uint64_t offset = request->sector * DM_USER_SECTOR_BYTES;

	if (offset > backing->size || request->length > backing->size - offset)
		return NULL;
	return backing->bytes + offset;
}

uint64_t backing_serve(struct backing *backing, const struct dm_user_message *request,
		       const void *payload, const void **data)
{
	unsigned char *place;

	*data = NULL;
	switch (request->type) {
	case DM_USER_REQUEST_FLUSH:
		return DM_USER_RESPONSE_SUCCESS;
	case DM_USER_REQUEST_READ:
	case DM_USER_REQUEST_WRITE:
	case DM_USER_REQUEST_DISCARD:
	case DM_USER_REQUEST_SECURE_ERASE:
	case DM_USER_REQUEST_WRITE_ZEROES:
		break;
	default:
		return DM_USER_RESPONSE_UNSUPPORTED;
	}
	place = backing_at(backing, request);
	if (!place)
		return DM_USER_RESPONSE_ERROR;
	if (request->type == DM_USER_REQUEST_READ)
		*data = place;
	else if (request->type == DM_USER_REQUEST_WRITE)
		memcpy(place, payload, request->length);
	else
		memset(place, 0, request->length);
	return DM_USER_RESPONSE_SUCCESS;
}
