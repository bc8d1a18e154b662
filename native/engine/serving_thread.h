// SPDX-License-Identifier: Apache-2.0
// Threads that serve a block device must go on when memory is short: the kernel may
// be waiting for them to write pages back, so they must not wait for it.
#pragma once

#include <cstddef>
#include <span>

namespace bioscope
{

// What could be promised; each is 0 or the errno of the first step that failed.
struct MemoryPromise {
	int io_flusher = 0; // PR_SET_IO_FLUSHER of a serving thread
	int locked = 0;     // mlock of what serving needs
};

// Called by a serving thread as it begins: its allocations start no I/O
// (PR_SET_IO_FLUSHER, which needs CAP_SYS_RESOURCE), and the part of its stack that
// serving uses is locked. What fails is noted for memory_promise(), and serving
// goes on without.
void become_serving_thread();

// Locks `memory` as its pages are touched. What fails is noted likewise.
void lock_memory(std::span<const std::byte> memory);

// Locks the code and the static data of this program and its libraries, once. Not the heap
// as a whole (mlockall): V8 gives parts of its heap back with MADV_DONTNEED, which
// the kernel refuses for locked memory, and V8 ends the process at that.
void lock_code();

// The first failure of each kind in this process so far. Any thread.
MemoryPromise memory_promise();

} // namespace bioscope
