/* SPDX-License-Identifier: Apache-2.0 */
/* The C compiler's view of the golden bytes, for golden_test.cpp. */
#include "golden_layout.h"

const char *golden_record_difference_in_c(const void *bytes);
const char *golden_header_difference_in_c(const void *bytes);
const char *golden_messages_difference_in_c(const void *bytes);

const char *golden_record_difference_in_c(const void *bytes)
{
	return golden_record_difference(bytes);
}

const char *golden_header_difference_in_c(const void *bytes)
{
	return golden_header_difference(bytes);
}

const char *golden_messages_difference_in_c(const void *bytes)
{
	return golden_messages_difference(bytes);
}
