// SPDX-License-Identifier: Apache-2.0
// One block request on its way through the engine, whatever route brought it.
#pragma once

#include <cstdint>

#include "../wire/dm-user.h"
#include "../wire/trace.h"

namespace bioscope
{

// What is asked for. The numbers are those of the dm-user protocol.
enum class Operation : uint8_t {
	read = DM_USER_REQUEST_READ,
	write = DM_USER_REQUEST_WRITE,
	flush = DM_USER_REQUEST_FLUSH,
	discard = DM_USER_REQUEST_DISCARD,
	secure_erase = DM_USER_REQUEST_SECURE_ERASE,
	write_same = DM_USER_REQUEST_WRITE_SAME,
	write_zeroes = DM_USER_REQUEST_WRITE_ZEROES,
	zone_open = DM_USER_REQUEST_ZONE_OPEN,
	zone_close = DM_USER_REQUEST_ZONE_CLOSE,
	zone_finish = DM_USER_REQUEST_ZONE_FINISH,
	zone_append = DM_USER_REQUEST_ZONE_APPEND,
	zone_reset = DM_USER_REQUEST_ZONE_RESET,
	zone_reset_all = DM_USER_REQUEST_ZONE_RESET_ALL,
};

// A request as the route read it from the kernel. Plain data, owned by one
// engine thread from arrival to completion.
struct Request {
	Operation operation = Operation::read;
	uint32_t flags = 0;  // DM_USER_FLAG_*
	uint64_t sector = 0; // units of 512 bytes, from the start of the device
	uint64_t length = 0; // bytes

	uint64_t offset() const { return sector * DM_USER_SECTOR_BYTES; }
};

// Nanoseconds of CLOCK_MONOTONIC. Any thread.
uint64_t monotonic_ns();

} // namespace bioscope
