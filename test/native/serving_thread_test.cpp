// SPDX-License-Identifier: Apache-2.0
#include "support.h"

#include <sys/mman.h>

#include <thread>

#include "../../native/engine/serving_thread.h"

using namespace bioscope;

TEST_CASE("a serving thread drops the memory keys that it inherited")
{
	// As V8 does: memory that the threads of the process may read, and not write.
	const int key = pkey_alloc(0, PKEY_DISABLE_WRITE);
	int inherited = -1;
	int left = -1;
	std::thread([&] {
		inherited = key < 0 ? -1 : pkey_get(key);
		drop_memory_keys(); // must do no harm where there are no keys
		left = key < 0 ? -1 : pkey_get(key);
	}).join();
#if defined(__x86_64__)
	if (key >= 0 && inherited >= 0) {
		CHECK(inherited == PKEY_DISABLE_WRITE);
		CHECK(left == PKEY_DISABLE_ACCESS);
		CHECK(pkey_get(key) == PKEY_DISABLE_WRITE);
		pkey_free(key);
		return;
	}
#endif
	CHECK(left == inherited);
	if (key >= 0)
		pkey_free(key);
}
