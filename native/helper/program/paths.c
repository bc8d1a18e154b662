/* SPDX-License-Identifier: Apache-2.0 */
/* Where the helper finds what it uses. The tests have a file of their own in its place. */
#include "internal.h"

const char *const program_paths[PROGRAM_COUNT][3] = {
    [PROGRAM_DMSETUP] = {"/usr/sbin/dmsetup", "/sbin/dmsetup", NULL},
    [PROGRAM_MODPROBE] = {"/usr/sbin/modprobe", "/sbin/modprobe", NULL},
};

const char control_directory[] = "/dev/dm-user";
