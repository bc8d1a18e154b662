/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dm.h - device mapper's ioctls, as far as the tests need them. Straight to the
 * kernel: starting dmsetup thousands of times would take longer than the tests.
 *
 * All return 0 (or what is said) and -errno.
 */
#ifndef BIOSCOPE_TEST_DM_H
#define BIOSCOPE_TEST_DM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dm_line {
	uint64_t start;
	uint64_t length;
	const char *type;
	const char *arguments;
};

int dm_create(const char *name);
int dm_load(const char *name, const struct dm_line *lines, unsigned int count);
int dm_resume(const char *name);
int dm_suspend(const char *name, bool flush);
int dm_remove(const char *name, bool deferred);
int dm_rename(const char *name, const char *to);
int dm_clear(const char *name);
int dm_message(const char *name, uint64_t sector, const char *text, char *reply, size_t room);
/* What `dmsetup table` or `dmsetup status` prints of all targets, a line each. */
int dm_show(const char *name, bool status, char *text, size_t room);
/* The minor number of the device; and whether it exists, is open, has a live table. */
int dm_minor(const char *name);
int dm_open_count(const char *name);
/* Calls back for every device that exists. */
int dm_each(void (*visit)(const char *name, void *data), void *data);

#endif
