// SPDX-License-Identifier: Apache-2.0
#include "racing_copy.h"

#include <atomic>
#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <mutex>

#include "error.h"

namespace bioscope
{

namespace
{
// At any address, and of any type's bytes.
struct __attribute__((packed, may_alias)) Word {
	uint64_t value;
};

// Where a fault of this thread's guarded copy goes on; null outside of one. In the static
// block of thread-local storage: a signal handler must not be the one that allocates it.
thread_local sigjmp_buf *landing __attribute__((tls_model("initial-exec"))) = nullptr;

struct sigaction before_us;

// Without us: the default ends the process where the fault is met again, and one that was
// sent by a program is sent again.
void as_before(int signal, siginfo_t *info, void *context)
{
	if (before_us.sa_flags & SA_SIGINFO) {
		before_us.sa_sigaction(signal, info, context);
	} else if (before_us.sa_handler == SIG_DFL || before_us.sa_handler == SIG_IGN) {
		sigaction(signal, &before_us, nullptr);
		if (info->si_code <= 0)
			raise(signal);
	} else {
		before_us.sa_handler(signal);
	}
}

void on_bus_error(int signal, siginfo_t *info, void *context)
{
	// Positive: from the kernel, about what this thread was doing.
	if (landing == nullptr || info->si_code <= 0) {
		as_before(signal, info, context);
		return;
	}
	// Leaving by a jump does not do this, and to save the mask for the jump would be a
	// system call for each copy.
	pthread_sigmask(SIG_SETMASK, &static_cast<ucontext_t *>(context)->uc_sigmask, nullptr);
	siglongjmp(*landing, 1);
}
} // namespace

// Not a memcpy, which may assume that nobody else is there; every word is read once.
// Volatile, and not atomic, for the sake of any alignment; ThreadSanitizer is told not to
// look, as it would see the race that is allowed here.
__attribute__((no_sanitize("thread"), noinline)) void
racing_copy(std::byte *to, const std::byte *from, size_t bytes)
{
	constexpr size_t step = 8;
	const auto *source = reinterpret_cast<const volatile Word *>(from);
	auto *target = reinterpret_cast<volatile Word *>(to);
	for (; bytes >= step * sizeof(Word); bytes -= step * sizeof(Word)) {
		uint64_t words[step];
#pragma GCC unroll 8
		for (size_t index = 0; index < step; index++)
			words[index] = source[index].value;
#pragma GCC unroll 8
		for (size_t index = 0; index < step; index++)
			target[index].value = words[index];
		source += step;
		target += step;
	}
	for (; bytes >= sizeof(Word); bytes -= sizeof(Word))
		(target++)->value = (source++)->value;
	const auto *last = reinterpret_cast<const volatile uint8_t *>(source);
	auto *place = reinterpret_cast<volatile uint8_t *>(target);
	for (; bytes > 0; bytes--)
		*place++ = *last++;
}

// Whether `access` met no fault. Nothing of it may need a destructor.
template <typename Access> static bool guarded(Access access)
{
	sigjmp_buf here;
	// Without the signal mask: the handler restores it.
	if (sigsetjmp(here, 0) != 0) {
		landing = nullptr;
		return false;
	}
	landing = &here;
	std::atomic_signal_fence(std::memory_order_seq_cst);
	access();
	std::atomic_signal_fence(std::memory_order_seq_cst);
	landing = nullptr;
	return true;
}

bool guarded_copy(std::byte *to, const std::byte *from, size_t bytes)
{
	return guarded([=] { racing_copy(to, from, bytes); });
}

__attribute__((no_sanitize("thread"), noinline)) static void touch(const std::byte *from,
								   size_t bytes)
{
	constexpr size_t page = 4096;
	const auto *bytes_of = reinterpret_cast<const volatile uint8_t *>(from);
	for (size_t at = 0; at < bytes; at += page)
		(void)bytes_of[at];
	if (bytes > 0)
		(void)bytes_of[bytes - 1]; // where the range does not begin with a page
}

bool guarded_touch(const std::byte *from, size_t bytes)
{
	return guarded([=] { touch(from, bytes); });
}

void catch_bus_errors()
{
	static std::once_flag once;
	std::call_once(once, [] {
		if (sigaction(SIGBUS, nullptr, &before_us) != 0)
			throw_error(errno, "sigaction");
		struct sigaction action {
		};
		action.sa_sigaction = on_bus_error;
		action.sa_flags = SA_SIGINFO | SA_ONSTACK;
		if (sigaction(SIGBUS, &action, nullptr) != 0)
			throw_error(errno, "sigaction");
	});
}

} // namespace bioscope
