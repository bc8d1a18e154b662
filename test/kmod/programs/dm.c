// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "dm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define ROOM 32768

union request {
	struct dm_ioctl head;
	char bytes[ROOM];
};

static int control(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	return fd;
}

static void prepare(union request *request, const char *name)
{
	memset(&request->head, 0, sizeof(request->head));
	request->head.version[0] = DM_VERSION_MAJOR;
	request->head.data_size = sizeof(*request);
	request->head.data_start = sizeof(request->head);
	if (name)
		snprintf(request->head.name, sizeof(request->head.name), "%s", name);
}

static int call(unsigned long command, union request *request)
{
	return ioctl(control(), command, request) < 0 ? -errno : 0;
}

static int simple(unsigned long command, const char *name, unsigned int flags)
{
	union request *request = calloc(1, sizeof(*request));
	int result;

	prepare(request, name);
	request->head.flags = flags;
	result = call(command, request);
	free(request);
	return result;
}

int dm_create(const char *name)
{
	return simple(DM_DEV_CREATE, name, 0);
}

int dm_resume(const char *name)
{
	return simple(DM_DEV_SUSPEND, name, 0);
}

int dm_suspend(const char *name, bool flush)
{
	unsigned int flags = DM_SUSPEND_FLAG | DM_SKIP_LOCKFS_FLAG;

	return simple(DM_DEV_SUSPEND, name, flush ? flags : flags | DM_NOFLUSH_FLAG);
}

int dm_remove(const char *name, bool deferred)
{
	return simple(DM_DEV_REMOVE, name, deferred ? DM_DEFERRED_REMOVE : 0);
}

int dm_clear(const char *name)
{
	return simple(DM_TABLE_CLEAR, name, 0);
}

int dm_load(const char *name, const struct dm_line *lines, unsigned int count)
{
	union request *request = calloc(1, sizeof(*request));
	size_t at = sizeof(request->head);
	int result;

	prepare(request, name);
	request->head.target_count = count;
	for (unsigned int i = 0; i < count; i++) {
		struct dm_target_spec *spec = (void *)(request->bytes + at);
		size_t size = sizeof(*spec) + strlen(lines[i].arguments) + 1;

		size = (size + 7) & ~(size_t)7;
		if (at + size > ROOM) {
			free(request);
			return -E2BIG;
		}
		memset(spec, 0, size);
		spec->sector_start = lines[i].start;
		spec->length = lines[i].length;
		spec->next = (uint32_t)size;
		snprintf(spec->target_type, sizeof(spec->target_type), "%s", lines[i].type);
		strcpy((char *)(spec + 1), lines[i].arguments);
		at += size;
	}
	result = call(DM_TABLE_LOAD, request);
	free(request);
	return result;
}

int dm_rename(const char *name, const char *to)
{
	union request *request = calloc(1, sizeof(*request));
	int result;

	prepare(request, name);
	strcpy(request->bytes + sizeof(request->head), to);
	result = call(DM_DEV_RENAME, request);
	free(request);
	return result;
}

int dm_message(const char *name, uint64_t sector, const char *text, char *reply, size_t room)
{
	union request *request = calloc(1, sizeof(*request));
	struct dm_target_msg *message = (void *)(request->bytes + sizeof(request->head));
	int result;

	prepare(request, name);
	message->sector = sector;
	strcpy(message->message, text);
	result = call(DM_TARGET_MSG, request);
	if (reply && room) {
		reply[0] = '\0';
		if (!result && (request->head.flags & DM_DATA_OUT_FLAG))
			snprintf(reply, room, "%s", request->bytes + request->head.data_start);
	}
	free(request);
	return result;
}

int dm_show(const char *name, bool status, char *text, size_t room)
{
	union request *request = calloc(1, sizeof(*request));
	size_t used = 0;
	int result;

	prepare(request, name);
	request->head.flags = status ? 0 : DM_STATUS_TABLE_FLAG;
	result = call(DM_TABLE_STATUS, request);
	text[0] = '\0';
	if (!result) {
		size_t at = request->head.data_start;

		for (unsigned int i = 0; i < request->head.target_count && used < room; i++) {
			struct dm_target_spec *spec = (void *)(request->bytes + at);

			used +=
			    (size_t)snprintf(text + used, room - used, "%s%llu %llu %s %s",
					     i ? "\n" : "", (unsigned long long)spec->sector_start,
					     (unsigned long long)spec->length, spec->target_type,
					     (char *)(spec + 1));
			at = request->head.data_start + spec->next;
		}
	}
	free(request);
	return result;
}

static int status(const char *name, struct dm_ioctl *head)
{
	union request *request = calloc(1, sizeof(*request));
	int result;

	prepare(request, name);
	result = call(DM_DEV_STATUS, request);
	*head = request->head;
	free(request);
	return result;
}

int dm_minor(const char *name)
{
	struct dm_ioctl head;
	int result = status(name, &head);

	return result ? result : (int)minor(head.dev);
}

int dm_open_count(const char *name)
{
	struct dm_ioctl head;
	int result = status(name, &head);

	return result ? result : head.open_count;
}

int dm_each(void (*visit)(const char *name, void *data), void *data)
{
	union request *request = calloc(1, sizeof(*request));
	int result;

	prepare(request, NULL);
	result = call(DM_LIST_DEVICES, request);
	if (!result) {
		struct dm_name_list *entry = (void *)(request->bytes + request->head.data_start);

		while (entry->dev) {
			visit(entry->name, data);
			if (!entry->next)
				break;
			entry = (void *)((char *)entry + entry->next);
		}
	}
	free(request);
	return result;
}
