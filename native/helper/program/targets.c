/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups "dm-user" and "adopt": targets, through dmsetup.
 *
 * A target is found by its UUID, which only root can give and which holds the
 * uid; so nothing that is another's can even be named here.
 */
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_BYTES  128 /* of a target, NUL included; its UUID has no more */
#define TABLE_BYTES 512

/* One device-mapper device, of a line of `dmsetup info`. */
struct device {
	unsigned major, minor, opens;
	bool live, suspended, read_only;
	char uuid[NAME_BYTES + 1];
	char name[NAME_BYTES];
};

/* For the one verb that a worker carries out. */
static struct output output;

static void make_name(const struct work *work, const char *tag, char name[NAME_BYTES])
{
	snprintf(name, NAME_BYTES, "bioscope-%u-%.63s", (unsigned)work->session->uid, tag);
}

static void make_uuid(const struct work *work, const char *tag, char uuid[NAME_BYTES])
{
	snprintf(uuid, NAME_BYTES, "BIOSCOPE-%u-%.63s", (unsigned)work->session->uid, tag);
}

/* Runs dmsetup; what it said goes into the reply when it failed. */
static int dmsetup(struct work *work, const char *step, const char *const arguments[])
{
	int error = run_program(PROGRAM_DMSETUP, arguments, &output);
	if (!error)
		return 0;
	snprintf(work->reply.text, sizeof(work->reply.text), "%.*s",
		 (int)sizeof(work->reply.text) - 1, output.words);
	return failed(work, step, error);
}

/* "254<TAB>0<TAB>1<TAB>L--w<TAB>UUID<TAB>name": false for any other line. */
static bool parse_device(char *line, struct device *device)
{
	char *fields[6];
	for (size_t i = 0; i < 6; i++) {
		fields[i] = strsep(&line, "\t");
		if (fields[i] == NULL)
			return false;
	}
	char *end = NULL;
	device->major = (unsigned)strtoul(fields[0], &end, 10);
	if (end == fields[0] || *end != '\0' || strlen(fields[3]) < 4)
		return false;
	device->minor = (unsigned)strtoul(fields[1], NULL, 10);
	device->opens = (unsigned)strtoul(fields[2], NULL, 10);
	device->live = fields[3][0] == 'L';
	device->suspended = fields[3][2] == 's';
	device->read_only = fields[3][3] == 'r';
	size_t uuid_length = strlen(fields[4]);
	size_t name_length = strlen(fields[5]);
	if (uuid_length >= sizeof(device->uuid) || name_length >= sizeof(device->name))
		return false;
	memcpy(device->uuid, fields[4], uuid_length + 1);
	memcpy(device->name, fields[5], name_length + 1);
	return true;
}

/* All devices: `*devices` is malloc'd, of `*count`. */
static int list_devices(struct work *work, struct device **devices, size_t *count)
{
	const char *const arguments[] = {
	    "dmsetup",     "info", "--columns", "--noheadings",
	    "--separator", "\t",   "-o",        "major,minor,open,attr,uuid,name",
	    NULL};
	*devices = NULL;
	*count = 0;
	int error = dmsetup(work, "dmsetup info", arguments);
	if (error)
		return error;
	size_t lines = 1;
	for (const char *c = output.text; *c; c++)
		lines += *c == '\n';
	*devices = calloc(lines, sizeof(**devices));
	if (*devices == NULL)
		return failed(work, "memory", ENOMEM);
	char *rest = output.text;
	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
		if (parse_device(line, &(*devices)[*count]))
			(*count)++;
	return 0;
}

/* The tag in a UUID of this user's, or NULL. */
static const char *own_tag(const struct work *work, const char *uuid)
{
	char prefix[NAME_BYTES];
	make_uuid(work, "", prefix);
	size_t length = strlen(prefix);
	return strncmp(uuid, prefix, length) == 0 && is_tag(uuid + length) ? uuid + length : NULL;
}

/* 0 and the device of request.name, or ENXIO; `*own` counts this user's. */
static int find_own(struct work *work, struct device *found, unsigned *own)
{
	struct device *devices = NULL;
	size_t count = 0;
	int error = list_devices(work, &devices, &count);
	if (error)
		return error;
	error = ENXIO;
	*own = 0;
	for (size_t i = 0; i < count; i++) {
		const char *tag = own_tag(work, devices[i].uuid);
		*own += tag != NULL;
		if (tag != NULL && strcmp(tag, work->request.name) == 0) {
			*found = devices[i];
			error = 0;
		}
	}
	free(devices);
	return error ? failed(work, "find", error) : 0;
}

/* A device as a row of the reply. Its table is looked at where it has one. */
static int describe(struct work *work, const struct device *device, const char *name)
{
	struct bioscope_helper_reply *reply = &work->reply;
	reply->sectors = 0;
	reply->major = device->major;
	reply->minor = device->minor;
	reply->count = device->opens;
	reply->flags = (device->live ? BIOSCOPE_HELPER_REPLY_LIVE : 0U) |
		       (device->suspended ? BIOSCOPE_HELPER_REPLY_SUSPENDED : 0U) |
		       (device->read_only ? BIOSCOPE_HELPER_REPLY_READ_ONLY : 0U);
	snprintf(reply->name, sizeof(reply->name), "%s", name);
	reply->text[0] = '\0';
	if (!device->live)
		return 0;
	char major[16], minor[16];
	snprintf(major, sizeof(major), "%u", device->major);
	snprintf(minor, sizeof(minor), "%u", device->minor);
	const char *const arguments[] = {"dmsetup", "status",  "--noflush", "--major",
					 major,     "--minor", minor,       NULL};
	int error = dmsetup(work, "dmsetup status", arguments);
	if (error)
		return error;
	/* One line, "0 2048 user ...": of a table of several lines the first tells enough. */
	output.text[strcspn(output.text, "\n")] = '\0';
	char *end = output.text;
	uint64_t start = strtoull(output.text, &end, 10);
	char *after = end;
	uint64_t sectors = strtoull(end, &after, 10);
	if (end == output.text || after == end)
		return failed(work, "dmsetup status", EPROTO);
	reply->sectors = start + sectors;
	const char *status = after + strspn(after, " ");
	if (strncmp(status, "user", 4) == 0)
		status += status[4] == ' ' ? 5 : 4;
	snprintf(reply->text, sizeof(reply->text), "%.*s", (int)sizeof(reply->text) - 1, status);
	return 0;
}

static void make_table(const struct work *work, const char *name, char table[TABLE_BYTES])
{
	uint64_t sectors = work->request.sectors;
	bool discards = work->request.flags & BIOSCOPE_HELPER_DISCARDS;
	bool zeroes = work->request.flags & BIOSCOPE_HELPER_WRITE_ZEROES;
	int length = snprintf(table, TABLE_BYTES, "0 %" PRIu64 " user 0 %" PRIu64 " %s", sectors,
			      sectors, name);
	/* Without options no number of them either: other modules take three arguments. */
	if (discards || zeroes)
		snprintf(table + length, TABLE_BYTES - (size_t)length, " %d%s%s", discards + zeroes,
			 discards ? " discards" : "", zeroes ? " write_zeroes" : "");
}

int target_status(struct work *work)
{
	struct device device;
	unsigned own = 0;
	int error = find_own(work, &device, &own);
	return error ? error : describe(work, &device, work->request.name);
}

/* A target that was made, and of which nobody will hear: it must not stay. */
static void undo_create(const struct work *work, const char *name, const char *uuid)
{
	struct work unheard = *work;
	const char *const abort[] = {"dmsetup", "message", "--uuid", uuid, "0", "abort", NULL};
	const char *const remove[] = {"dmsetup",    "remove", "--noudevsync",
				      "--deferred", name,     NULL};
	/* udev's first look at it may be waiting for an answer. */
	(void)dmsetup(&unheard, "dmsetup message", abort);
	(void)dmsetup(&unheard, "dmsetup remove", remove);
}

int target_create(struct work *work)
{
	char name[NAME_BYTES], uuid[NAME_BYTES], table[TABLE_BYTES], path[NAME_BYTES + 16];
	struct device device;
	unsigned own = 0;
	int error = find_own(work, &device, &own);
	if (error == 0)
		return failed(work, "create", EEXIST);
	if (error != ENXIO)
		return error;
	if (own >= BIOSCOPE_HELPER_TARGETS_MOST)
		return failed(work, "create", EDQUOT);
	make_name(work, work->request.name, name);
	make_uuid(work, work->request.name, uuid);
	make_table(work, name, table);
	bool read_only = work->request.flags & BIOSCOPE_HELPER_READ_ONLY;
	/* udev reads a new device, which nobody serves yet: it must not be waited for. */
	const char *const arguments[] = {"dmsetup",
					 "create",
					 name,
					 "--noudevsync",
					 "--uuid",
					 uuid,
					 "--table",
					 table,
					 read_only ? "--readonly" : NULL,
					 NULL};
	error = dmsetup(work, "dmsetup create", arguments);
	if (error)
		return error;
	error = find_own(work, &device, &own);
	if (error) {
		undo_create(work, name, uuid);
		return error;
	}
	snprintf(path, sizeof(path), "/dev/dm-%u", device.minor);
	/* Where it cannot be lent the user goes through root, as with any other device. */
	(void)lend_node(path, device.major, device.minor, uuid, work->session->uid);
	/* Where there is no udev this is another node, not a link. */
	snprintf(path, sizeof(path), "/dev/mapper/%.120s", name);
	(void)lend_node(path, device.major, device.minor, uuid, work->session->uid);
	error = describe(work, &device, work->request.name);
	if (error)
		undo_create(work, name, uuid);
	return error;
}

/* A verb that needs no more than the UUID, with at most one option before it. */
static int on_target(struct work *work, const char *step, const char *verb, const char *option)
{
	char uuid[NAME_BYTES];
	make_uuid(work, work->request.name, uuid);
	const char *arguments[8] = {"dmsetup", verb};
	size_t count = 2;
	if (option != NULL)
		arguments[count++] = option;
	arguments[count++] = "--uuid";
	arguments[count] = uuid;
	return dmsetup(work, step, arguments);
}

int target_suspend(struct work *work)
{
	bool no_flush = work->request.flags & BIOSCOPE_HELPER_NO_FLUSH;
	return on_target(work, "dmsetup suspend", "suspend", no_flush ? "--noflush" : NULL);
}

int target_resume(struct work *work)
{
	return on_target(work, "dmsetup resume", "resume", "--noudevsync");
}

int target_remove(struct work *work)
{
	char name[NAME_BYTES];
	struct device device;
	unsigned own = 0;
	/* By name: only then dmsetup takes the node in /dev/mapper away where there is no udev. */
	make_name(work, work->request.name, name);
	int error = find_own(work, &device, &own);
	if (error)
		return error;
	if (strcmp(device.name, name) != 0)
		return failed(work, "find", ENXIO);
	bool deferred = work->request.flags & BIOSCOPE_HELPER_DEFERRED;
	/* udev opens a device for a moment now and then: that is tried again. */
	const char *const arguments[] = {
	    "dmsetup", "remove", "--noudevsync", deferred ? "--deferred" : "--retry", name, NULL};
	return dmsetup(work, "dmsetup remove", arguments);
}

int target_reload(struct work *work)
{
	char name[NAME_BYTES], uuid[NAME_BYTES], table[TABLE_BYTES];
	make_name(work, work->request.name, name);
	make_uuid(work, work->request.name, uuid);
	make_table(work, name, table);
	bool read_only = work->request.flags & BIOSCOPE_HELPER_READ_ONLY;
	const char *const arguments[] = {
	    "dmsetup", "reload", "--uuid", uuid, "--table", table, read_only ? "--readonly" : NULL,
	    NULL};
	return dmsetup(work, "dmsetup reload", arguments);
}

int target_abort(struct work *work)
{
	char uuid[NAME_BYTES];
	make_uuid(work, work->request.name, uuid);
	const char *const arguments[] = {"dmsetup", "message", "--uuid", uuid, "0", "abort", NULL};
	return dmsetup(work, "dmsetup message", arguments);
}

/* Opens request.count channels of the control device `name`; all or none. */
static int open_channels(struct work *work, const char *name)
{
	int folder = open(control_directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder < 0)
		return failed(work, "open /dev/dm-user", errno);
	int error = 0;
	struct stat status;
	while (!error && work->reply.count < work->request.count) {
		int fd = openat(folder, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0) {
			error = errno;
			break;
		}
		work->fds[work->reply.count++] = fd;
		if (fstat(fd, &status) != 0 || !S_ISCHR(status.st_mode))
			error = ENODEV;
	}
	close(folder);
	if (!error)
		return 0;
	while (work->reply.count > 0)
		close(work->fds[--work->reply.count]);
	return failed(work, "open control device", error);
}

int target_open(struct work *work)
{
	char name[NAME_BYTES];
	struct device device;
	unsigned own = 0;
	/* The control device's name is as good as the UUID; that it has both is checked all the
	 * same. */
	int error = find_own(work, &device, &own);
	if (error)
		return error;
	make_name(work, work->request.name, name);
	if (strcmp(device.name, name) != 0)
		return failed(work, "find", ENXIO);
	return open_channels(work, name);
}

/* Sends every device that `tag_of` has a name for. */
static int send_list(struct work *work,
		     const char *(*name_of)(const struct work *work, const struct device *device))
{
	struct device *devices = NULL;
	size_t count = 0;
	int error = list_devices(work, &devices, &count);
	for (size_t i = 0; !error && i < count; i++) {
		const char *name = name_of(work, &devices[i]);
		if (name == NULL)
			continue;
		error = describe(work, &devices[i], name);
		if (error == ENXIO) { /* removed in between */
			error = 0;
			continue;
		}
		work->reply.flags |= BIOSCOPE_HELPER_REPLY_MORE;
		if (!error)
			error = work->send_row(work);
	}
	free(devices);
	if (error)
		return error;
	memset(&work->reply, 0, sizeof(work->reply));
	work->reply.flags = BIOSCOPE_HELPER_REPLY_NONE;
	return 0;
}

static const char *own_name(const struct work *work, const struct device *device)
{
	return own_tag(work, device->uuid);
}

int target_list(struct work *work)
{
	return send_list(work, own_name);
}

/*
 * Of a target made by hand the control device is called as its table says; it is
 * nobody's of ours, neither by its name nor by its UUID.
 */
static bool is_foreign(const struct device *device)
{
	return device->live && is_foreign_name(device->name) &&
	       strncmp(device->uuid, "BIOSCOPE-", 9) != 0;
}

/* Whether a live target's table line is of the type "user", and its control device's name. */
static int control_name(struct work *work, const struct device *device, char name[NAME_BYTES])
{
	char major[16], minor[16];
	snprintf(major, sizeof(major), "%u", device->major);
	snprintf(minor, sizeof(minor), "%u", device->minor);
	const char *const arguments[] = {"dmsetup", "table", "--major", major,
					 "--minor", minor,   NULL};
	int error = dmsetup(work, "dmsetup table", arguments);
	if (error)
		return error;
	char *rest = output.text;
	const char *fields[6] = {0};
	for (size_t i = 0; i < 6; i++)
		fields[i] = strsep(&rest, " \n");
	if (fields[2] == NULL || strcmp(fields[2], "user") != 0)
		return failed(work, "find", ENXIO);
	/* The first module prints no arguments: there the target's own name is used, as people do.
	 */
	const char *found = fields[5] != NULL && fields[5][0] != '\0' ? fields[5] : device->name;
	if (!is_foreign_name(found))
		return failed(work, "find", EPERM);
	snprintf(name, NAME_BYTES, "%s", found);
	return 0;
}

static const char *foreign_name(const struct work *work, const struct device *device)
{
	char control[NAME_BYTES];
	struct work look = *work;
	return is_foreign(device) && control_name(&look, device, control) == 0 ? device->name
									       : NULL;
}

int foreign_list(struct work *work)
{
	return send_list(work, foreign_name);
}

int foreign_open(struct work *work)
{
	struct device *devices = NULL;
	size_t count = 0;
	char control[NAME_BYTES];
	int error = list_devices(work, &devices, &count);
	if (error)
		return error;
	error = failed(work, "find", ENXIO);
	for (size_t i = 0; i < count; i++)
		if (strcmp(devices[i].name, work->request.name) == 0 && is_foreign(&devices[i]))
			error = control_name(work, &devices[i], control);
	free(devices);
	return error ? error : open_channels(work, control);
}
