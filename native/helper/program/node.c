/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device's node in /dev, lent to the user whose image is behind it. Only the
 * owner changes, to what udev leaves alone; the group "disk" keeps its access.
 */
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* True when the device-mapper device of this number has this UUID. */
static bool has_uuid(unsigned major, unsigned minor, const char *uuid)
{
	char path[64], text[160] = "";
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/dm/uuid", major, minor);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t length = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (length < 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	return strcmp(text, uuid) == 0;
}

int lend_node(const char *path, unsigned major, unsigned minor, const char *uuid, uid_t uid)
{
	struct stat status;
	/* O_PATH: the device itself is not opened. */
	int node = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (node < 0)
		return errno;
	int error = 0;
	if (fstat(node, &status) != 0 || !S_ISBLK(status.st_mode) ||
	    status.st_rdev != makedev(major, minor))
		error = ENOTBLK;
	/* Looked up after the node was pinned: a device that came later has another node. */
	else if (uuid != NULL && !has_uuid(major, minor, uuid))
		error = ENXIO;
	else if (fchownat(node, "", uid, (gid_t)-1, AT_EMPTY_PATH) != 0)
		error = errno;
	close(node);
	return error;
}
