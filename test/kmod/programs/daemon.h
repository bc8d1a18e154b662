/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon.h - what the daemons have in common: DAEMON NAME FILE BYTES [THREADS [POLLS]]
 * serves the dm-user target NAME from FILE, with a channel for each thread.
 *
 * They end with 0 when the target goes away (ENOTBLK).
 */
#ifndef BIOSCOPE_TEST_DAEMON_H
#define BIOSCOPE_TEST_DAEMON_H

#include "channel.h"

extern struct backing backing;
extern int polls; /* how often a daemon may look for requests before it sleeps */

/* Each daemon's own: serves one channel, for ever. */
void serve(int fd) __attribute__((noreturn));

/* Ends the process; error is a negative errno. */
void die(const char *what, int error) __attribute__((noreturn));

#endif
