/* SPDX-License-Identifier: Apache-2.0 */
/* Mounting a FUSE connection for somebody who will serve it. */
#define _GNU_SOURCE
#include "verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

static int failed(struct bioscope_failure *failure, const char *step, int error)
{
	failure->step = step;
	return error;
}

int bioscope_mount_fuse(const char *directory, uid_t uid, gid_t gid, int *fd,
			struct bioscope_failure *failure)
{
	failure->step = NULL;
	*fd = -1;
	if (directory[0] != '/')
		return failed(failure, "directory", EINVAL);
	/*
	 * The directory is looked up once; what is mounted on is what was opened,
	 * whoever renames things meanwhile.
	 */
	int target = open(directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0)
		return failed(failure, "directory", errno);
	int connection = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (connection < 0) {
		int error = errno;
		close(target);
		return failed(failure, "open /dev/fuse", error);
	}
	char where[64];
	char options[256];
	snprintf(where, sizeof(where), "/proc/self/fd/%d", target);
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=%u,group_id=%u,allow_other,"
		 "default_permissions,max_read=1048576",
		 connection, (unsigned)uid, (unsigned)gid);
	if (mount("bioscope", where, "fuse.bioscope", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME,
		  options) != 0) {
		int error = errno;
		close(connection);
		close(target);
		return failed(failure, "mount", error);
	}
	close(target);
	*fd = connection;
	return 0;
}

int bioscope_unmount_lazily(const char *directory, struct bioscope_failure *failure)
{
	failure->step = NULL;
	if (directory[0] != '/')
		return failed(failure, "directory", EINVAL);
	if (umount2(directory, MNT_DETACH | UMOUNT_NOFOLLOW) != 0)
		return failed(failure, "umount2", errno);
	return 0;
}
