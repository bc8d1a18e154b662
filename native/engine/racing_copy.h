// SPDX-License-Identifier: Apache-2.0
// Copies of memory that somebody else may be changing at the same time.
#pragma once

#include <cstddef>

namespace bioscope
{

// Copies `bytes` where another thread, another process or the kernel may be writing to
// either side: what comes of it may be a mixture, never anything worse. The caller finds
// out by other means, or does not mind (two requests for one sector at a time).
void racing_copy(std::byte *to, const std::byte *from, size_t bytes);

// The same where one side is a mapped file, of which a page may not be had (the file was
// cut short, no room for the block of a hole, a read error): false then, and any part may
// have been copied. Only inside these calls such a fault is caught. Any thread that does not
// block SIGBUS; catch_bus_errors() must have been called.
bool guarded_copy(std::byte *to, const std::byte *from, size_t bytes);

// Reads a byte of each page of 4 KiB: true if all can be had, now. Otherwise as above.
bool guarded_touch(const std::byte *from, size_t bytes);

// Installs the signal handler for the guarded functions, once a process. Every other SIGBUS goes
// where it went before. Throws Error.
void catch_bus_errors();

} // namespace bioscope
