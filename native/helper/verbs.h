/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verbs.h - what Bioscope needs root for, as a closed set of functions.
 *
 * Each checks its arguments itself, returns 0 or a positive errno, and names the
 * step that failed in `failure`. They may block, may be called from any thread,
 * and leave nothing behind when they fail.
 */
#ifndef BIOSCOPE_HELPER_VERBS_H
#define BIOSCOPE_HELPER_VERBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The step that failed: a constant string such as "LOOP_CONFIGURE"; NULL after success. */
struct bioscope_failure {
	const char *step;
};

/* The kernel's limit for a loop device's label, its final NUL included. */
#define BIOSCOPE_LOOP_LABEL_BYTES 64
/* Room for "/dev/loop" and any number. */
#define BIOSCOPE_LOOP_PATH_BYTES 32

/*
 * Opens /dev/fuse and mounts it on `directory` (absolute, no symbolic link at its
 * end) with allow_other and default_permissions, reads of up to 1 MiB. `*fd` is
 * the connection; whoever has it serves the file system, with `uid` as owner.
 */
int bioscope_mount_fuse(const char *directory, uid_t uid, gid_t gid, int *fd,
			struct bioscope_failure *failure);

/* Takes the mount off its directory; it lives on for those who use it. */
int bioscope_unmount_lazily(const char *directory, struct bioscope_failure *failure);

/*
 * Puts a free loop device over the regular file `path` (absolute) with direct
 * I/O, sectors of 512 bytes and a partition scan. `device` receives its path. No
 * autoclear, and no fd of the loop device stays open: the device outlives the
 * caller until it is detached.
 */
int bioscope_attach_loop(const char *path, bool read_only, const char *label,
			 char device[BIOSCOPE_LOOP_PATH_BYTES], struct bioscope_failure *failure);

/*
 * The same over a regular file that is open, for both directions unless `read_only`. With
 * `held` the device goes with the last who has it open, and `*held` is the caller's own
 * descriptor (for reading): whoever dies leaves nothing. (Before Linux 5.8 a device is made
 * in two steps, and between them this is not so yet.)
 */
int bioscope_attach_loop_file(int file, bool read_only, const char *label, int *held,
			      char device[BIOSCOPE_LOOP_PATH_BYTES],
			      struct bioscope_failure *failure);

struct bioscope_loop_state {
	uint64_t backing_device; /* st_dev of the backing file */
	uint64_t backing_inode;  /* st_ino of the backing file */
	char label[BIOSCOPE_LOOP_LABEL_BYTES];
	bool read_only;
	bool direct_io;
	bool autoclear;
};

/* ENXIO when `device` is a loop device but not configured. */
int bioscope_loop_status(const char *device, struct bioscope_loop_state *status,
			 struct bioscope_failure *failure);

/*
 * Detaches `device`. Without `force`: EBUSY (step "open") while it is mounted or
 * otherwise claimed, then its caches are flushed, it is cleared, and the call
 * waits until it is gone, up to `wait_ms`; a device that somebody still has open
 * then is given back (EBUSY, step "wait"): nothing has changed. With `force` (its
 * daemon is dead) it is neither claimed nor flushed, and one that is still in use
 * after the wait (EBUSY, step "wait") goes by itself with its last user.
 * ENXIO when it is not configured.
 */
int bioscope_detach_loop(const char *device, bool force, unsigned wait_ms,
			 struct bioscope_failure *failure);

/*
 * The same for a device that was lent to somebody who must not stay behind on it
 * (native/helper/README.md): `loop` is the only open file of it that is the caller's, had
 * since before, and stays open. 0 when nobody else has the device open: it is clear, or
 * will be as soon as `loop` is closed (bioscope_loop_is_gone). One that stays in spite
 * of `force` is the caller's to go on with (bioscope_clear_loop).
 */
int bioscope_release_loop(const char *device, int loop, bool force, unsigned wait_ms,
			  struct bioscope_failure *failure);

/* Whether the device is not configured, or stops being so within `wait_ms`. */
bool bioscope_loop_is_gone(const char *device, unsigned wait_ms);

/*
 * Tries once to clear the device behind `loop`, without flushing it. True when no
 * other fd of it is open: it is clear, or will be as soon as `loop` is closed.
 */
bool bioscope_clear_loop(int loop);

#ifdef __cplusplus
}
#endif

#endif
