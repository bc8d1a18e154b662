/* SPDX-License-Identifier: (GPL-2.0-or-later WITH Linux-syscall-note) OR Apache-2.0 */
/*
 * trace.h - one traced request, and the shared-memory file that holds them.
 *
 * One trace file a disk, mapped by the engine (which writes) and by any number
 * of readers. All integers are in the byte order of the machine.
 *
 *   offset 0                          struct bioscope_trace_header
 *   header_bytes + ring * ring_bytes  struct bioscope_trace_ring of engine thread `ring`
 *   ... + BIOSCOPE_TRACE_RING_BYTES   ring_capacity records
 *
 * A ring has one writer and any number of readers, each with a cursor of its
 * own that counts records since the ring began. Record n lies in slot
 * n % ring_capacity. The writer fills the slot and then stores head = n + 1
 * (release). A reader loads head (acquire), copies the records it wants, issues
 * an acquire fence and loads head again: a copied record n is whole if
 * n + ring_capacity > that second head (the slot of record head may be in the
 * writer's hands at this moment). What the reader missed is exactly the
 * difference: it is counted, never guessed.
 */
#ifndef BIOSCOPE_WIRE_TRACE_H
#define BIOSCOPE_WIRE_TRACE_H

#include <stddef.h>
#include <stdint.h>

#define BIOSCOPE_TRACE_MAGIC        0x3165636172746f62ULL /* "botrace1" as little-endian bytes */
#define BIOSCOPE_TRACE_VERSION      1
#define BIOSCOPE_TRACE_HEADER_BYTES 4096
#define BIOSCOPE_TRACE_RING_BYTES   4096
#define BIOSCOPE_TRACE_RECORD_BYTES 64

/* Results of a request. `error` of the record holds the errno. */
#define BIOSCOPE_RESULT_OK          0 /* done */
#define BIOSCOPE_RESULT_ERROR       1 /* failed with an errno */
#define BIOSCOPE_RESULT_UNSUPPORTED 2 /* the backend cannot do this operation */

/* Routes: how a request reached the engine. */
#define BIOSCOPE_ROUTE_FUSE_LOOP 1 /* a FUSE file under a loop device */
#define BIOSCOPE_ROUTE_DM_USER   2 /* a dm-user target's channel */

/* Marks of a record. */
#define BIOSCOPE_MARK_PAYLOAD  0x1 /* the payload was kept when the request completed */
#define BIOSCOPE_MARK_INJECTED 0x2 /* the result was injected, not the backend's own */

/* States of a trace file. */
#define BIOSCOPE_TRACE_OPEN   1 /* the engine may still write */
#define BIOSCOPE_TRACE_CLOSED 2 /* the engine has written its last record */

struct bioscope_trace_record {
	uint64_t sequence;         /* of the request on its disk, from 1, in the order of arrival */
	uint64_t arrival_ns;       /* CLOCK_MONOTONIC when the engine had the whole request */
	uint64_t completion_ns;    /* CLOCK_MONOTONIC when its answer was handed to the kernel */
	uint64_t sector;           /* first sector, in units of 512 bytes */
	uint64_t length;           /* bytes */
	uint32_t flags;            /* DM_USER_FLAG_* as far as the route shows them */
	uint32_t backend_delay_ns; /* from arrival to the call of the backend; saturates */
	uint16_t queue;            /* the engine thread, which is also the ring */
	uint16_t depth;    /* requests in flight on the disk at arrival, this one included */
	uint16_t error;    /* errno, 0 when the result is OK */
	uint8_t operation; /* DM_USER_REQUEST_* */
	uint8_t result;    /* BIOSCOPE_RESULT_* */
	uint8_t route;     /* BIOSCOPE_ROUTE_* */
	uint8_t marks;     /* BIOSCOPE_MARK_* */
	uint16_t reserved; /* 0 */
	uint32_t disk;     /* number of the disk in its daemon */
};

struct bioscope_trace_header {
	uint64_t magic;              /* BIOSCOPE_TRACE_MAGIC */
	uint32_t version;            /* BIOSCOPE_TRACE_VERSION */
	uint32_t header_bytes;       /* BIOSCOPE_TRACE_HEADER_BYTES */
	uint32_t record_bytes;       /* BIOSCOPE_TRACE_RECORD_BYTES */
	uint32_t ring_count;         /* rings in this file: engine threads at its start */
	uint64_t ring_capacity;      /* records a ring, a power of two */
	uint64_t ring_bytes;         /* from the start of one ring to the next */
	uint64_t epoch_monotonic_ns; /* the two clocks, read together when the file was made: */
	uint64_t epoch_realtime_ns;  /* realtime = ns - epoch_monotonic_ns + epoch_realtime_ns */
	uint32_t disk;               /* number of the disk in its daemon */
	uint32_t daemon_pid;         /* the process that writes */
	uint32_t state;              /* BIOSCOPE_TRACE_OPEN or _CLOSED; atomic */
	uint32_t reserved;           /* 0 */
};

struct bioscope_trace_ring {
	uint64_t head; /* records written since the ring began; atomic */
};

#ifdef __cplusplus
#define BIOSCOPE_TRACE_ASSERT(condition, text) static_assert(condition, text)
#else
#define BIOSCOPE_TRACE_ASSERT(condition, text) _Static_assert(condition, text)
#endif

BIOSCOPE_TRACE_ASSERT(sizeof(struct bioscope_trace_record) == 64, "a record is 64 bytes");
BIOSCOPE_TRACE_ASSERT(offsetof(struct bioscope_trace_record, sequence) == 0, "sequence");
BIOSCOPE_TRACE_ASSERT(offsetof(struct bioscope_trace_record, arrival_ns) == 8, "arrival_ns");
BIOSCOPE_TRACE_ASSERT(offsetof(struct bioscope_trace_record, completion_ns) == 16, "completion_ns");
BIOSCOPE_TRACE_ASSERT(offsetof(struct bioscope_trace_record, sector) == 24, "sector");
BIOSCOPE_TRACE_ASSERT(offsetof(struct bioscope_trace_record, length) == 32, "length");
BIOSCOPE_TRACE_ASSERT(offsetof(struct bioscope_trace_record, flags) == 40, "flags");
BIOSCOPE_TRACE_ASSERT(offsetof(struct bioscope_trace_record, backend_delay_ns) == 44,
		      "backend_delay_ns");
BIOSCOPE_TRACE_ASSERT(offsetof(struct bioscope_trace_record, queue) == 48, "queue");
BIOSCOPE_TRACE_ASSERT(offsetof(struct bioscope_trace_record, depth) == 50, "depth");
BIOSCOPE_TRACE_ASSERT(offsetof(struct bioscope_trace_record, error) == 52, "error");
BIOSCOPE_TRACE_ASSERT(offsetof(struct bioscope_trace_record, operation) == 54, "operation");
BIOSCOPE_TRACE_ASSERT(offsetof(struct bioscope_trace_record, result) == 55, "result");
BIOSCOPE_TRACE_ASSERT(offsetof(struct bioscope_trace_record, route) == 56, "route");
BIOSCOPE_TRACE_ASSERT(offsetof(struct bioscope_trace_record, marks) == 57, "marks");
BIOSCOPE_TRACE_ASSERT(offsetof(struct bioscope_trace_record, reserved) == 58, "reserved");
BIOSCOPE_TRACE_ASSERT(offsetof(struct bioscope_trace_record, disk) == 60, "disk");
BIOSCOPE_TRACE_ASSERT(sizeof(struct bioscope_trace_header) == 72, "the header's fields");
BIOSCOPE_TRACE_ASSERT(offsetof(struct bioscope_trace_header, ring_capacity) == 24, "ring_capacity");
BIOSCOPE_TRACE_ASSERT(offsetof(struct bioscope_trace_header, epoch_monotonic_ns) == 40,
		      "epoch_monotonic_ns");
BIOSCOPE_TRACE_ASSERT(offsetof(struct bioscope_trace_header, epoch_realtime_ns) == 48,
		      "epoch_realtime_ns");
BIOSCOPE_TRACE_ASSERT(offsetof(struct bioscope_trace_header, state) == 64, "state");

#endif
