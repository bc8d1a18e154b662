/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs between the kernels that the module builds on (6.1 and later).
 */
#ifndef DM_USER_COMPAT_H
#define DM_USER_COMPAT_H

#include <linux/blkdev.h>

/* Gone from the flags of newer kernels. */
#if defined(REQ_CGROUP_PUNT)
#define DM_USER_REQ_CGROUP_PUNT REQ_CGROUP_PUNT
#else
#define DM_USER_REQ_CGROUP_PUNT ((__force blk_opf_t)0)
#endif

/*
 * Polling for a process burns the CPU that the process needs. Kernels before
 * 6.11 derive the feature from iterate_devices and do not ask.
 */
static inline void dm_user_limits_no_poll(struct queue_limits *limits)
{
#if defined(BLK_FEAT_POLL)
	limits->features &= ~BLK_FEAT_POLL;
#endif
}

/* Since 6.9 max_discard_sectors is derived, from the hardware's and the user's. */
static inline void dm_user_limits_discard(struct queue_limits *limits,
					  unsigned int sectors)
{
	limits->max_hw_discard_sectors = sectors;
	limits->max_discard_sectors = sectors;
}

#endif
