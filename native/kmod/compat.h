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
					  unsigned int sectors,
					  unsigned int granularity)
{
	limits->max_hw_discard_sectors = sectors;
	limits->max_discard_sectors = sectors;
	limits->discard_granularity = sectors ? granularity : 0;
}

/* The limits that are ours, from one to the other. Returns whether any changed. */
static inline bool dm_user_limits_copy(struct queue_limits *to,
				       const struct queue_limits *from, bool flush)
{
	struct queue_limits old = *to;

	to->logical_block_size = from->logical_block_size;
	to->physical_block_size = from->physical_block_size;
	to->io_min = from->io_min;
	to->max_hw_sectors = from->max_hw_sectors;
	to->max_secure_erase_sectors = from->max_secure_erase_sectors;
	to->max_write_zeroes_sectors = from->max_write_zeroes_sectors;
	to->max_hw_discard_sectors = from->max_hw_discard_sectors;
	to->discard_granularity = from->discard_granularity;
#if defined(BLK_FEAT_WRITE_CACHE)
	to->features &= ~(BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA);
	if (flush)
		to->features |= BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA;
#endif
	if (!memcmp(to, &old, sizeof(old)))
		return false;
	/* What the user may have lowered since. */
	to->max_sectors = from->max_sectors;
	to->max_discard_sectors = from->max_discard_sectors;
	return true;
}

/* Needs a suspended device. May sleep. */
static inline int dm_user_limits_apply(struct request_queue *queue,
				       const struct queue_limits *limits, bool flush)
{
#if defined(BLK_FEAT_WRITE_CACHE)
	struct queue_limits changed = queue_limits_start_update(queue);

	if (dm_user_limits_copy(&changed, limits, flush))
		return queue_limits_commit_update(queue, &changed);
	mutex_unlock(&queue->limits_lock);
#else
	/* Before 6.11: as plain data; the core has dealt with flushes itself. */
	dm_user_limits_copy(&queue->limits, limits, flush);
#endif
	return 0;
}

#endif
