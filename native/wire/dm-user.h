/* SPDX-License-Identifier: (GPL-2.0-or-later WITH Linux-syscall-note) OR Apache-2.0 */
/*
 * dm-user.h - the protocol between a dm-user target and the daemon that serves it.
 *
 * Source of the facts: "dm-user: New target that proxies BIOs to userspace",
 * Palmer Dabbelt, dm-devel, December 2020 (v1). Written anew.
 *
 * Every message is a header of 40 bytes in the byte order of the machine, then
 * its payload if it has one:
 *
 *   request  WRITE                  length bytes follow
 *   request  anything else          nothing follows
 *   response to a READ, SUCCESS     length bytes follow
 *   response, anything else         nothing follows
 *
 * read() and write() on a channel may split a message at any byte. A response
 * goes to the channel that its request came from, in any order, keyed by
 * sequence. read() fails with ENOTBLK once the target is gone.
 */
#ifndef BIOSCOPE_WIRE_DM_USER_H
#define BIOSCOPE_WIRE_DM_USER_H

#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/stddef.h>
#include <linux/types.h>
typedef u64 bioscope_u64;
#else
#include <stddef.h>
#include <stdint.h>
typedef uint64_t bioscope_u64;
#endif

/* Request types: what the kernel asks for. */
#define DM_USER_REQUEST_READ           0  /* read sectors */
#define DM_USER_REQUEST_WRITE          1  /* write sectors */
#define DM_USER_REQUEST_FLUSH          2  /* make everything completed so far durable */
#define DM_USER_REQUEST_DISCARD        3  /* the sectors are no longer needed */
#define DM_USER_REQUEST_SECURE_ERASE   4  /* discard, and leave nothing readable */
#define DM_USER_REQUEST_WRITE_SAME     5  /* one block, many times (old kernels) */
#define DM_USER_REQUEST_WRITE_ZEROES   6  /* the sectors must read as zeroes */
#define DM_USER_REQUEST_ZONE_OPEN      7  /* zoned: open a zone */
#define DM_USER_REQUEST_ZONE_CLOSE     8  /* zoned: close a zone */
#define DM_USER_REQUEST_ZONE_FINISH    9  /* zoned: fill a zone up */
#define DM_USER_REQUEST_ZONE_APPEND    10 /* zoned: write at the write pointer */
#define DM_USER_REQUEST_ZONE_RESET     11 /* zoned: rewind one zone */
#define DM_USER_REQUEST_ZONE_RESET_ALL 12 /* zoned: rewind all zones */

/* Response types, in the same field of the header. */
#define DM_USER_RESPONSE_SUCCESS     0 /* done */
#define DM_USER_RESPONSE_ERROR       1 /* failed: BLK_STS_IOERR */
#define DM_USER_RESPONSE_UNSUPPORTED 2 /* not supported: BLK_STS_NOTSUPP */

/* Flags of a request: the REQ_* bits of the BIO, renumbered. */
#define DM_USER_FLAG_FAILFAST_DEV       0x1ULL   /* no retry on device errors */
#define DM_USER_FLAG_FAILFAST_TRANSPORT 0x2ULL   /* no retry on transport errors */
#define DM_USER_FLAG_FAILFAST_DRIVER    0x4ULL   /* no retry on driver errors */
#define DM_USER_FLAG_SYNC               0x8ULL   /* somebody waits for this request */
#define DM_USER_FLAG_META               0x10ULL  /* file system metadata */
#define DM_USER_FLAG_PRIO               0x20ULL  /* boosted by the I/O scheduler */
#define DM_USER_FLAG_NOMERGE            0x40ULL  /* must not be merged with a neighbour */
#define DM_USER_FLAG_IDLE               0x80ULL  /* more is expected soon: do not idle */
#define DM_USER_FLAG_INTEGRITY          0x100ULL /* carries integrity data */
#define DM_USER_FLAG_FUA                0x200ULL /* must be on stable storage before it completes */
#define DM_USER_FLAG_PREFLUSH           0x400ULL /* flush the cache before this request */
#define DM_USER_FLAG_RAHEAD             0x800ULL /* read-ahead: may fail at any time */
#define DM_USER_FLAG_BACKGROUND         0x1000ULL  /* background write-back */
#define DM_USER_FLAG_NOWAIT             0x2000ULL  /* must not block: fail instead */
#define DM_USER_FLAG_CGROUP_PUNT        0x4000ULL  /* submitted for another control group */
#define DM_USER_FLAG_NOUNMAP            0x8000ULL  /* write zeroes: keep the blocks allocated */
#define DM_USER_FLAG_HIPRI              0x10000ULL /* completion is polled for */
#define DM_USER_FLAG_DRV                0x20000ULL /* private to the driver */
#define DM_USER_FLAG_SWAP               0x40000ULL /* swap I/O */

#define DM_USER_SECTOR_BYTES 512
#define DM_USER_HEADER_BYTES 40

struct dm_user_message {
	bioscope_u64 sequence; /* identifies the request on its channel */
	bioscope_u64 type;     /* DM_USER_REQUEST_* or DM_USER_RESPONSE_* */
	bioscope_u64 flags;    /* DM_USER_FLAG_*; ignored in a response */
	bioscope_u64 sector;   /* first sector of the device, in units of 512 bytes */
	bioscope_u64 length;   /* bytes; of the payload where there is one */
};

#ifdef __cplusplus
#define BIOSCOPE_WIRE_ASSERT(condition, text) static_assert(condition, text)
#else
#define BIOSCOPE_WIRE_ASSERT(condition, text) _Static_assert(condition, text)
#endif

BIOSCOPE_WIRE_ASSERT(sizeof(struct dm_user_message) == 40, "a header is 40 bytes");
BIOSCOPE_WIRE_ASSERT(offsetof(struct dm_user_message, sequence) == 0, "sequence");
BIOSCOPE_WIRE_ASSERT(offsetof(struct dm_user_message, type) == 8, "type");
BIOSCOPE_WIRE_ASSERT(offsetof(struct dm_user_message, flags) == 16, "flags");
BIOSCOPE_WIRE_ASSERT(offsetof(struct dm_user_message, sector) == 24, "sector");
BIOSCOPE_WIRE_ASSERT(offsetof(struct dm_user_message, length) == 32, "length");

#endif
