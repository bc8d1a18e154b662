/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Group "fuse-loop": a FUSE connection for the user, and a loop device over the
 * file that the user's daemon serves on it.
 *
 * The mount is never put into the tree: it is an open descriptor here, and the
 * file is looked up from it. No path of the user's is looked up by root, nothing
 * can be mounted over anything, and nothing is left when this process ends.
 */
#define _GNU_SOURCE
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* How long a device may stay open elsewhere (udev looks at it) before detaching gives up. */
#define DETACH_WAIT_MS 3000

/* One parameter of the file system that is being made. */
static int configure(int context, const char *key, unsigned value)
{
	char text[32];
	snprintf(text, sizeof(text), "%u", value);
	return fsconfig(context, FSCONFIG_SET_STRING, key, text, 0);
}

static int make_mount(struct work *work, int context, int connection)
{
	if (configure(context, "fd", (unsigned)connection) != 0 ||
	    fsconfig(context, FSCONFIG_SET_STRING, "rootmode", "40000", 0) != 0 ||
	    configure(context, "user_id", work->session->uid) != 0 ||
	    configure(context, "group_id", work->session->gid) != 0 ||
	    configure(context, "max_read", 1048576) != 0 ||
	    fsconfig(context, FSCONFIG_SET_FLAG, "allow_other", NULL, 0) != 0 ||
	    fsconfig(context, FSCONFIG_SET_FLAG, "default_permissions", NULL, 0) != 0)
		return failed(work, "fsconfig", errno);
	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0)
		return failed(work, "mount", errno);
	work->mount =
	    fsmount(context, FSMOUNT_CLOEXEC,
		    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOATIME);
	return work->mount < 0 ? failed(work, "fsmount", errno) : 0;
}

/* Does not wait for anybody: the connection's first request is sent, not awaited. */
int fuse_mount(struct work *work)
{
	int connection = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (connection < 0)
		return failed(work, "open /dev/fuse", errno);
	int context = fsopen("fuse", FSOPEN_CLOEXEC);
	int error =
	    context < 0 ? failed(work, "fsopen", errno) : make_mount(work, context, connection);
	if (context >= 0)
		close(context);
	if (error) {
		close(connection);
		return error;
	}
	work->fds[0] = connection;
	work->reply.count = 1;
	return 0;
}

/* "bioscope:x" as the kernel keeps it for this user: "bioscope@1000:x". */
static void label_in_kernel(uid_t uid, const char *label, char text[BIOSCOPE_LOOP_LABEL_BYTES])
{
	snprintf(text, BIOSCOPE_LOOP_LABEL_BYTES, "bioscope@%u:%s", (unsigned)uid,
		 label + strlen("bioscope:"));
}

/* The part of a kernel's label after "bioscope@<uid>:", or NULL when it is not this user's. */
static const char *own_label(uid_t uid, const char *label)
{
	char prefix[32];
	int length = snprintf(prefix, sizeof(prefix), "bioscope@%u:", (unsigned)uid);
	return strncmp(label, prefix, (size_t)length) == 0 ? label + length : NULL;
}

/*
 * The loop device, open, with its label read from that very descriptor: as long as it
 * is open, nobody can clear the device and set it up for something else.
 */
static int open_loop(struct work *work, const char *device, struct loop_info64 *info, int *loop)
{
	struct stat status;
	memset(info, 0, sizeof(*info));
	*loop = open(device, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (*loop < 0)
		return failed(work, "open", errno);
	int error = 0;
	if (fstat(*loop, &status) != 0 || !S_ISBLK(status.st_mode))
		error = failed(work, "open", ENOTBLK);
	else if (ioctl(*loop, LOOP_GET_STATUS64, info) != 0)
		error = failed(work, "LOOP_GET_STATUS64", errno);
	info->lo_file_name[sizeof(info->lo_file_name) - 1] = '\0';
	if (error) {
		close(*loop);
		*loop = -1;
	}
	return error;
}

static int lend(const char *device, uid_t uid)
{
	struct stat status;
	if (lstat(device, &status) != 0)
		return errno;
	return lend_node(device, major(status.st_rdev), minor(status.st_rdev), NULL, uid);
}

int loop_attach(struct work *work)
{
	/* Not past the mount, through no link, and a regular file: a daemon may serve anything. */
	struct open_how how = {
	    .flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
	    .resolve =
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS,
	};
	bool read_only = work->request.flags & BIOSCOPE_HELPER_READ_ONLY;
	how.flags |= read_only ? O_RDONLY : O_RDWR;
	int file = (int)syscall(SYS_openat2, work->mount, work->request.name, &how, sizeof(how));
	if (file < 0)
		return failed(work, "open", errno);
	struct bioscope_failure failure;
	char label[BIOSCOPE_LOOP_LABEL_BYTES], device[BIOSCOPE_LOOP_PATH_BYTES];
	label_in_kernel(work->session->uid, work->request.label, label);
	/*
	 * The server keeps it open for as long as it is lent; should this worker die before it
	 * has handed it over, the device goes.
	 */
	int error =
	    bioscope_attach_loop_file(file, read_only, label, &work->loop, device, &failure);
	close(file);
	if (error) {
		work->loop = -1;
		return failed(work, failure.step, error);
	}
	if (work->session->uid != 0)
		(void)lend(device, work->session->uid);
	snprintf(work->reply.name, sizeof(work->reply.name), "%s", device);
	return 0;
}

int loop_status(struct work *work)
{
	struct loop_info64 info;
	struct bioscope_helper_reply *reply = &work->reply;
	int loop = -1;
	int error = open_loop(work, work->request.name, &info, &loop);
	if (error)
		return error;
	close(loop);
	reply->backing_device = info.lo_device;
	reply->backing_inode = info.lo_inode;
	reply->flags = (info.lo_flags & LO_FLAGS_READ_ONLY ? BIOSCOPE_HELPER_REPLY_READ_ONLY : 0U) |
		       (info.lo_flags & LO_FLAGS_DIRECT_IO ? BIOSCOPE_HELPER_REPLY_DIRECT_IO : 0U);
	snprintf(reply->name, sizeof(reply->name), "%s", work->request.name);
	const char *own = own_label(work->session->uid, (const char *)info.lo_file_name);
	if (own != NULL)
		snprintf(reply->label, sizeof(reply->label), "bioscope:%s", own);
	return 0;
}

/* A device that this helper did not make: of one that was killed, or of another of this user. */
static int open_unheld(struct work *work, const char *device, int *loop)
{
	struct loop_info64 info;
	int error = open_loop(work, device, &info, loop);
	if (error)
		return error;
	if (own_label(work->session->uid, (const char *)info.lo_file_name) != NULL)
		return 0;
	close(*loop);
	*loop = -1;
	return failed(work, "label", EPERM);
}

int loop_detach(struct work *work)
{
	const char *device = work->request.name;
	bool force = work->request.flags & BIOSCOPE_HELPER_FORCE;
	bool held = work->loop >= 0;
	/* What is held since it was made is ours, whatever its borrower has made of its label. */
	int loop = work->loop;
	int error = held ? 0 : open_unheld(work, device, &loop);
	if (error)
		return error;
	/* Taken back first: from here on it can only become free. */
	if (work->session->uid != 0)
		(void)lend(device, 0);
	struct bioscope_failure failure;
	error = bioscope_release_loop(device, loop, force, DETACH_WAIT_MS, &failure);
	if (!error) {
		if (held)
			work->let_go(work);
		close(loop);
		return bioscope_loop_is_gone(device, DETACH_WAIT_MS) ? 0
								     : failed(work, "wait", EBUSY);
	}
	/* It stays, and is the user's as before. */
	if (!force && work->session->uid != 0)
		(void)lend(device, work->session->uid);
	/* One that is not held has, as a rule, another helper to see to it: two would wait
	 * for each other. */
	close(loop);
	return failed(work, failure.step, error);
}

void loop_sweep(uid_t uid)
{
	struct work look = {0};
	struct loop_info64 info;
	struct stat status;
	DIR *folder = opendir("/dev");
	if (folder == NULL)
		return;
	for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
		char path[300];
		int loop = -1;
		if (strncmp(entry->d_name, "loop", 4) != 0 ||
		    strchr("0123456789", entry->d_name[4]) == NULL)
			continue;
		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		if (lstat(path, &status) != 0 || !S_ISBLK(status.st_mode) || status.st_uid != uid)
			continue;
		/* Another helper of this user may be serving it. */
		bool own = open_loop(&look, path, &info, &loop) == 0 &&
			   own_label(uid, (const char *)info.lo_file_name) != NULL;
		if (!own)
			(void)lend(path, 0);
		if (loop >= 0)
			close(loop);
	}
	closedir(folder);
}
