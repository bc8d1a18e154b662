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
// goes on without. Memory keys go back to what a process begins with: see
// drop_memory_keys().
void become_serving_thread();

// V8 keeps its machine code behind a memory protection key, and every thread inherits the
// register that says what it may do with it. A thread whose register is not as the kernel's
// own has it loaded at every switch to it and from it, and the processor may have to forget
// its translations (an emulated one does: half of a small request's time). A thread that
// runs no JavaScript needs none of those keys. Of the calling thread; where there are no
// keys nothing happens.
void drop_memory_keys();

// Locks `memory` as its pages are touched. What fails is noted likewise.
void lock_memory(std::span<const std::byte> memory);

// Locks the code and the static data of this program and its libraries, once. Not the heap
// as a whole (mlockall): V8 gives parts of its heap back with MADV_DONTNEED, which
// the kernel refuses for locked memory, and V8 ends the process at that.
void lock_code();

// The first failure of each kind in this process so far. Any thread.
MemoryPromise memory_promise();

} // namespace bioscope
