// SPDX-License-Identifier: Apache-2.0
#include "request.h"

#include <ctime>

namespace bioscope
{

uint64_t monotonic_ns()
{
	timespec now{};
	clock_gettime(CLOCK_MONOTONIC, &now);
	return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 +
	       static_cast<uint64_t>(now.tv_nsec);
}

} // namespace bioscope
