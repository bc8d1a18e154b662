// SPDX-License-Identifier: Apache-2.0
#include "channel_stop.h"

#include <csignal>
#include <mutex>

#include "../request.h"

namespace bioscope
{

namespace
{
void nothing(int)
{
}
} // namespace

int ChannelStop::wake_signal()
{
	return SIGRTMIN + 9;
}

ChannelStop::ChannelStop()
{
	static std::once_flag once;
	std::call_once(once, [] {
		struct sigaction action {
		};
		action.sa_handler = nothing;
		// No SA_RESTART: ending the system call is the purpose.
		sigaction(wake_signal(), &action, nullptr);
	});
}

void ChannelStop::request()
{
	uint64_t expected = 0;
	give_up_ns_.compare_exchange_strong(expected, monotonic_ns() + grace_ns,
					    std::memory_order_acq_rel);
}

bool ChannelStop::given_up() const
{
	uint64_t limit = give_up_ns_.load(std::memory_order_acquire);
	return limit != 0 && monotonic_ns() > limit;
}

void ChannelStop::interrupt(pthread_t thread)
{
	pthread_kill(thread, wake_signal());
}

} // namespace bioscope
