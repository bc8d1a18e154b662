/* SPDX-License-Identifier: Apache-2.0 */
/* Group "module": the one module that Bioscope has. */
#include "internal.h"

#include <stdio.h>

int module_load(struct work *work)
{
	static struct output output;
	const char *const arguments[] = {"modprobe", "--", "dm-user", NULL};
	int error = run_program(PROGRAM_MODPROBE, arguments, &output);
	if (!error)
		return 0;
	snprintf(work->reply.text, sizeof(work->reply.text), "%.*s",
		 (int)sizeof(work->reply.text) - 1, output.words);
	return failed(work, "modprobe", error);
}
