// SPDX-License-Identifier: Apache-2.0
#include "serving_thread.h"

#include <link.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>

namespace bioscope
{

namespace
{
// Below where a serving thread begins: far more than its calls go down.
constexpr size_t serving_stack = 64 << 10;
constexpr uintptr_t page_bytes = 4096;

std::atomic<int> first_flusher_error{0};
std::atomic<int> first_lock_error{0};

void note(std::atomic<int> &first, int error)
{
	int none = 0;
	first.compare_exchange_strong(none, error);
}

void lock_range(uintptr_t from, uintptr_t to)
{
	from &= ~(page_bytes - 1);
	if (mlock2(reinterpret_cast<void *>(from), to - from, MLOCK_ONFAULT) != 0)
		note(first_lock_error, errno);
}

void lock_objects()
{
	auto lock = [](dl_phdr_info *object, size_t, void *) {
		for (unsigned index = 0; index < object->dlpi_phnum; index++) {
			const auto &part = object->dlpi_phdr[index];
			if (part.p_type != PT_LOAD || part.p_memsz == 0)
				continue;
			uintptr_t from = object->dlpi_addr + part.p_vaddr;
			lock_range(from, from + part.p_memsz);
		}
		return 0;
	};
	dl_iterate_phdr(lock, nullptr);
}
} // namespace

void drop_memory_keys()
{
#if defined(__x86_64__)
	unsigned a = 0;
	unsigned b = 0;
	unsigned c = 0;
	unsigned d = 0;
	// pkey_set() does not ask whether the processor and the kernel have keys.
	if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (c & bit_OSPKE) == 0)
		return;
	constexpr int keys = 16;
	for (int key = 1; key < keys; key++)
		pkey_set(key, PKEY_DISABLE_ACCESS);
#endif
}

void become_serving_thread()
{
	drop_memory_keys();
	if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) != 0)
		note(first_flusher_error, errno);
	char here = 0;
	auto top = reinterpret_cast<uintptr_t>(&here);
	if (mlock(reinterpret_cast<void *>((top - serving_stack) & ~(page_bytes - 1)),
		  serving_stack + page_bytes) != 0)
		note(first_lock_error, errno);
}

void lock_memory(std::span<const std::byte> memory)
{
	if (memory.empty())
		return;
	auto from = reinterpret_cast<uintptr_t>(memory.data());
	lock_range(from, from + memory.size());
}

void lock_code()
{
	static std::once_flag once;
	std::call_once(once, lock_objects);
}

MemoryPromise memory_promise()
{
	return {first_flusher_error.load(), first_lock_error.load()};
}

} // namespace bioscope
