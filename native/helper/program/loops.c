/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop devices that the one that serves keeps open, from before they are lent until
 * nobody else has them open (README.md, "A loop device that was lent").
 */
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct held_loop *find_loop(struct held_loop loops[], const char *device)
{
	for (size_t i = 0; i < BIOSCOPE_HELPER_LOOPS_MOST; i++)
		if (strcmp(loops[i].device, device) == 0)
			return &loops[i];
	return NULL;
}

size_t count_loops(const struct held_loop loops[])
{
	size_t count = 0;
	for (size_t i = 0; i < BIOSCOPE_HELPER_LOOPS_MOST; i++)
		count += loops[i].device[0] != '\0';
	return count;
}

void keep_loop(struct held_loop loops[], const char *device, int fd)
{
	struct held_loop *loop = find_loop(loops, "");
	*loop = (struct held_loop){.fd = fd};
	snprintf(loop->device, sizeof(loop->device), "%s", device);
}

void drop_loop(struct held_loop *loop)
{
	close(loop->fd);
	*loop = (struct held_loop){.fd = -1};
}

void end_detach(struct held_loop *loop, bool died, bool force)
{
	struct loop_info64 info;
	loop->detaching = false;
	/* One that is still here after a forced detach has somebody else on it. */
	loop->leaving = loop->leaving || (force && !died);
	/* Cleared before it died: the number may be anybody's by now, and is not ours to clear. */
	if (died && ioctl(loop->fd, LOOP_GET_STATUS64, &info) != 0 && errno == ENXIO)
		drop_loop(loop);
}

bool has_leaving_loops(const struct held_loop loops[])
{
	for (size_t i = 0; i < BIOSCOPE_HELPER_LOOPS_MOST; i++)
		if (loops[i].device[0] && loops[i].leaving && !loops[i].detaching)
			return true;
	return false;
}

void clear_leaving_loops(struct held_loop loops[])
{
	for (size_t i = 0; i < BIOSCOPE_HELPER_LOOPS_MOST; i++)
		if (loops[i].device[0] && loops[i].leaving && !loops[i].detaching &&
		    bioscope_clear_loop(loops[i].fd))
			drop_loop(&loops[i]);
}

bool clear_loops(struct held_loop loops[])
{
	bool all = true;
	for (size_t i = 0; i < BIOSCOPE_HELPER_LOOPS_MOST; i++) {
		if (loops[i].device[0] == '\0')
			continue;
		if (bioscope_clear_loop(loops[i].fd))
			drop_loop(&loops[i]);
		else
			all = false;
	}
	return all;
}

void give_back_loops(const struct held_loop loops[])
{
	struct stat status;
	for (size_t i = 0; i < BIOSCOPE_HELPER_LOOPS_MOST; i++) {
		const char *device = loops[i].device;
		if (device[0] && lstat(device, &status) == 0)
			(void)lend_node(device, major(status.st_rdev), minor(status.st_rdev), NULL,
					0);
	}
}
