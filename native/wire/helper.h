/* SPDX-License-Identifier: (GPL-2.0-or-later WITH Linux-syscall-note) OR Apache-2.0 */
/*
 * helper.h - what the daemon and the privileged helper say to each other.
 *
 * The helper's standard input is one end of a socketpair, AF_UNIX and
 * SOCK_SEQPACKET: a frame is one message. The daemon sends requests of exactly
 * sizeof(struct bioscope_helper_request) bytes, the helper answers with replies
 * of exactly sizeof(struct bioscope_helper_reply), of which some carry
 * descriptors (SCM_RIGHTS). Requests carry none. All integers are in the byte
 * order of the machine; strings end with NUL, and what follows that is zero too.
 *
 * Each request is answered, in any order, keyed by id; a list is several
 * replies, all but the last with BIOSCOPE_HELPER_REPLY_MORE. A frame that breaks
 * these rules ends the helper, and so does the end of the socket.
 *
 * A helper is started for one group of verbs, which is its only argument and
 * has a polkit action of its own; every other verb is refused with EPERM.
 *
 * Nobody names a target: a request gives a tag, and the helper makes the rest.
 *
 *   name of the target and its control device   bioscope-<uid>-<tag>
 *   device-mapper UUID, by which it is found    BIOSCOPE-<uid>-<tag>
 *
 * The label of a loop device is "bioscope:<rest>" in requests and replies, and
 * "bioscope@<uid>:<rest>" in the kernel. So what belongs to whom is the kernel's
 * to remember, and no user can name what is another's.
 */
#ifndef BIOSCOPE_WIRE_HELPER_H
#define BIOSCOPE_WIRE_HELPER_H

#include <stddef.h>
#include <stdint.h>

#define BIOSCOPE_HELPER_VERSION       1
#define BIOSCOPE_HELPER_REQUEST_BYTES 368
#define BIOSCOPE_HELPER_REPLY_BYTES   896

/* Limits. */
#define BIOSCOPE_HELPER_TAG_MOST       63  /* bytes of a tag: a-z 0-9, later also - */
#define BIOSCOPE_HELPER_CHANNELS_MOST  64  /* channels opened by one request */
#define BIOSCOPE_HELPER_MOUNTS_MOST    256 /* FUSE mounts of one helper */
#define BIOSCOPE_HELPER_LOOPS_MOST     256 /* loop devices of one user */
#define BIOSCOPE_HELPER_TARGETS_MOST   256 /* targets of one user */
#define BIOSCOPE_HELPER_IN_FLIGHT_MOST 16  /* requests at a time; more get EAGAIN */
#define BIOSCOPE_HELPER_SECTORS_MOST   0x20000000000000ULL /* 2^53 sectors: 2^62 bytes */

/* Verbs of every group. */
#define BIOSCOPE_HELPER_HELLO 1 /* who are you: `owner` and `name` (the group) */

/* Group "module". */
#define BIOSCOPE_HELPER_MODULE_LOAD 2 /* modprobe dm-user */

/* Group "dm-user". `name` of the request is the tag, of the reply too. */
#define BIOSCOPE_HELPER_TARGET_CREATE  10 /* a target of `sectors`; reply as of STATUS */
#define BIOSCOPE_HELPER_TARGET_OPEN    11 /* `count` channels, as descriptors */
#define BIOSCOPE_HELPER_TARGET_SUSPEND 12 /* NO_FLUSH: waiting requests are kept */
#define BIOSCOPE_HELPER_TARGET_RESUME  13 /* also puts a reloaded table in force */
#define BIOSCOPE_HELPER_TARGET_RELOAD  14 /* a table, in force with RESUME */
#define BIOSCOPE_HELPER_TARGET_ABORT   15 /* every request that waits fails with EIO */
#define BIOSCOPE_HELPER_TARGET_STATUS  16 /* what it is; ENXIO: there is none */
#define BIOSCOPE_HELPER_TARGET_REMOVE  17 /* EBUSY while open; DEFERRED: then later */
#define BIOSCOPE_HELPER_TARGET_LIST    18 /* this user's, each as of STATUS */

/* Group "adopt": dm-user targets that somebody made by hand. `name` is the target's own. */
#define BIOSCOPE_HELPER_FOREIGN_LIST 20 /* nobody's of ours, each as of STATUS */
#define BIOSCOPE_HELPER_FOREIGN_OPEN 21 /* `count` channels, as descriptors */

/* Group "fuse-loop". */
#define BIOSCOPE_HELPER_FUSE_MOUNT   30 /* a connection (descriptor), its `handle` */
#define BIOSCOPE_HELPER_FUSE_UNMOUNT 31 /* forgets the mount `handle` */
#define BIOSCOPE_HELPER_LOOP_ATTACH  32 /* over the file `name` of `handle` */
#define BIOSCOPE_HELPER_LOOP_STATUS  33 /* of the device `name`; ENXIO: none */
#define BIOSCOPE_HELPER_LOOP_DETACH  34 /* FORCE: its daemon is dead */

/* Flags of a request. */
#define BIOSCOPE_HELPER_READ_ONLY    0x1  /* CREATE, RELOAD, LOOP_ATTACH */
#define BIOSCOPE_HELPER_DISCARDS     0x2  /* CREATE, RELOAD: DISCARD is sent */
#define BIOSCOPE_HELPER_WRITE_ZEROES 0x4  /* CREATE, RELOAD: so is WRITE_ZEROES */
#define BIOSCOPE_HELPER_NO_FLUSH     0x8  /* SUSPEND */
#define BIOSCOPE_HELPER_DEFERRED     0x10 /* REMOVE */
#define BIOSCOPE_HELPER_FORCE        0x20 /* LOOP_DETACH */

/* Flags of a reply. */
#define BIOSCOPE_HELPER_REPLY_MORE      0x1  /* another reply with this id follows */
#define BIOSCOPE_HELPER_REPLY_READ_ONLY 0x2  /* the device is read-only */
#define BIOSCOPE_HELPER_REPLY_SUSPENDED 0x4  /* the target is suspended */
#define BIOSCOPE_HELPER_REPLY_LIVE      0x8  /* the target has a table in force */
#define BIOSCOPE_HELPER_REPLY_DIRECT_IO 0x10 /* the loop device does direct I/O */
#define BIOSCOPE_HELPER_REPLY_NONE      0x20 /* the end of a list, no member of it */

struct bioscope_helper_request {
	uint64_t id;       /* comes back in the reply */
	uint64_t sectors;  /* size of a target, in units of 512 bytes */
	uint32_t version;  /* BIOSCOPE_HELPER_VERSION */
	uint32_t verb;     /* BIOSCOPE_HELPER_* */
	uint32_t flags;    /* of those that the verb has, else 0 */
	uint32_t count;    /* channels, where the verb opens some, else 0 */
	uint32_t handle;   /* of a FUSE mount, where the verb is about one, else 0 */
	uint32_t reserved; /* 0 */
	char name[256];    /* tag, target, file or device, where the verb has one */
	char label[64];    /* LOOP_ATTACH: "bioscope:..." of A-Z a-z 0-9 . _ : - */
	uint64_t padding;  /* 0 */
};

struct bioscope_helper_reply {
	uint64_t id;             /* of the request */
	uint64_t sectors;        /* size of the target */
	uint64_t backing_device; /* LOOP_STATUS: st_dev and st_ino of the backing file */
	uint64_t backing_inode;
	uint32_t version; /* BIOSCOPE_HELPER_VERSION */
	uint32_t verb;    /* of the request */
	uint32_t error;   /* errno, 0 when done */
	uint32_t flags;   /* BIOSCOPE_HELPER_REPLY_* */
	uint32_t handle;  /* FUSE_MOUNT */
	uint32_t count;   /* descriptors that come with it; STATUS, LIST: how often it is open */
	uint32_t owner;   /* HELLO: the uid it works for */
	uint32_t major;   /* of the target's block device */
	uint32_t minor;
	uint32_t reserved; /* 0 */
	char step[32];     /* what failed, e.g. "LOOP_CONFIGURE" */
	char name[256];    /* tag, target or device */
	char label[64];    /* LOOP_STATUS */
	char text[472];    /* the target's status line; after an error the words of the program that
			      failed */
};

#ifdef __cplusplus
#define BIOSCOPE_HELPER_ASSERT(condition, text) static_assert(condition, text)
#else
#define BIOSCOPE_HELPER_ASSERT(condition, text) _Static_assert(condition, text)
#endif

BIOSCOPE_HELPER_ASSERT(sizeof(struct bioscope_helper_request) == 368, "a request");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_request, id) == 0, "id");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_request, sectors) == 8, "sectors");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_request, version) == 16, "version");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_request, verb) == 20, "verb");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_request, flags) == 24, "flags");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_request, count) == 28, "count");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_request, handle) == 32, "handle");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_request, reserved) == 36, "reserved");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_request, name) == 40, "name");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_request, label) == 296, "label");
BIOSCOPE_HELPER_ASSERT(sizeof(struct bioscope_helper_reply) == 896, "a reply");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_reply, id) == 0, "id");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_reply, sectors) == 8, "sectors");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_reply, backing_device) == 16,
		       "backing_device");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_reply, backing_inode) == 24,
		       "backing_inode");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_reply, version) == 32, "version");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_reply, verb) == 36, "verb");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_reply, error) == 40, "error");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_reply, flags) == 44, "flags");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_reply, handle) == 48, "handle");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_reply, count) == 52, "count");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_reply, owner) == 56, "owner");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_reply, major) == 60, "major");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_reply, minor) == 64, "minor");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_reply, step) == 72, "step");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_reply, name) == 104, "name");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_reply, label) == 360, "label");
BIOSCOPE_HELPER_ASSERT(offsetof(struct bioscope_helper_reply, text) == 424, "text");

#endif
