/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.h - many threads for a bounded time: what races.c and hostile.c have in common.
 */
#ifndef BIOSCOPE_TEST_LOAD_H
#define BIOSCOPE_TEST_LOAD_H

#include "harness.h"

/*
 * From now on so many seconds, in the quick run and in the long one; and longer, on a slow
 * machine, until `enough` says that there was something to see.
 */
void set_time(int quick, int much, bool (*enough)(void));
bool time_is_up(void);

/* A thread: requests of all kinds to a struct disk until time is up, whatever comes of them. */
void *load_the_disk(void *disk);
extern atomic_long requests; /* that such threads sent */

/*
 * A good daemon comes: whatever is still in anybody's hands ends, and the disk works. The
 * disk is removed.
 */
void check_it_works(const struct disk *disk);

#endif
