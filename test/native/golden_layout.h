/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the bytes in test/golden mean, through the wire headers. Compiled by the
 * C compiler (golden_layout.c) and by the C++ compiler (golden_test.cpp): both
 * must see the same. Each function returns the first field that differs, or NULL.
 */
#ifndef BIOSCOPE_TEST_GOLDEN_LAYOUT_H
#define BIOSCOPE_TEST_GOLDEN_LAYOUT_H

#include <stddef.h>
#include <string.h>

#include "../../native/wire/dm-user.h"
#include "../../native/wire/trace.h"

#define GOLDEN_FIELD(structure, field, value)                                                      \
	do {                                                                                       \
		if ((structure).field != (value))                                                  \
			return #field;                                                             \
	} while (0)

static inline const char *golden_record_difference(const void *bytes)
{
	struct bioscope_trace_record record;
	memcpy(&record, bytes, sizeof(record));
	GOLDEN_FIELD(record, sequence, 0x0807060504030201ULL);
	GOLDEN_FIELD(record, arrival_ns, 0x1817161514131211ULL);
	GOLDEN_FIELD(record, completion_ns, 0x2827262524232221ULL);
	GOLDEN_FIELD(record, sector, 0x3837363534333231ULL);
	GOLDEN_FIELD(record, length, 0x4847464544434241ULL);
	GOLDEN_FIELD(record, flags, 0x54535251U);
	GOLDEN_FIELD(record, backend_delay_ns, 0x64636261U);
	GOLDEN_FIELD(record, queue, 0x7271U);
	GOLDEN_FIELD(record, depth, 0x8281U);
	GOLDEN_FIELD(record, error, 0x9291U);
	GOLDEN_FIELD(record, operation, 0xa1U);
	GOLDEN_FIELD(record, result, 0xb1U);
	GOLDEN_FIELD(record, route, 0xc1U);
	GOLDEN_FIELD(record, marks, 0xd1U);
	GOLDEN_FIELD(record, reserved, 0U);
	GOLDEN_FIELD(record, disk, 0xe4e3e2e1U);
	return NULL;
}

static inline const char *golden_header_difference(const void *bytes)
{
	struct bioscope_trace_header header;
	memcpy(&header, bytes, sizeof(header));
	GOLDEN_FIELD(header, magic, BIOSCOPE_TRACE_MAGIC);
	GOLDEN_FIELD(header, version, BIOSCOPE_TRACE_VERSION);
	GOLDEN_FIELD(header, header_bytes, BIOSCOPE_TRACE_HEADER_BYTES);
	GOLDEN_FIELD(header, record_bytes, BIOSCOPE_TRACE_RECORD_BYTES);
	GOLDEN_FIELD(header, ring_count, 4U);
	GOLDEN_FIELD(header, ring_capacity, 65536U);
	GOLDEN_FIELD(header, ring_bytes, 4096U + 65536U * 64U);
	GOLDEN_FIELD(header, epoch_monotonic_ns, 123456789U);
	GOLDEN_FIELD(header, epoch_realtime_ns, 0x17c02aa7dca70000ULL);
	GOLDEN_FIELD(header, disk, 7U);
	GOLDEN_FIELD(header, daemon_pid, 4321U);
	GOLDEN_FIELD(header, state, BIOSCOPE_TRACE_OPEN);
	GOLDEN_FIELD(header, reserved, 0U);
	return NULL;
}

static inline const char *golden_messages_difference(const void *bytes)
{
	struct dm_user_message message[3];
	memcpy(message, bytes, sizeof(message));
	GOLDEN_FIELD(message[0], sequence, 42U);
	GOLDEN_FIELD(message[0], type, DM_USER_REQUEST_WRITE);
	GOLDEN_FIELD(message[0], flags, DM_USER_FLAG_SYNC | DM_USER_FLAG_FUA);
	GOLDEN_FIELD(message[0], sector, 2048U);
	GOLDEN_FIELD(message[0], length, 4096U);
	GOLDEN_FIELD(message[1], sequence, UINT64_MAX);
	GOLDEN_FIELD(message[1], type, DM_USER_REQUEST_READ);
	GOLDEN_FIELD(message[1], flags, DM_USER_FLAG_RAHEAD);
	GOLDEN_FIELD(message[1], sector, (1ULL << 54) - 1);
	GOLDEN_FIELD(message[1], length, 512U);
	GOLDEN_FIELD(message[2], sequence, 42U);
	GOLDEN_FIELD(message[2], type, DM_USER_RESPONSE_UNSUPPORTED);
	GOLDEN_FIELD(message[2], flags, 0U);
	GOLDEN_FIELD(message[2], sector, 2048U);
	GOLDEN_FIELD(message[2], length, 4096U);
	return NULL;
}

#endif
