// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dm-user: what the block layer has to know of a device: block sizes, lengths,
 * operations.
 *
 * The core asks for it when a table becomes a device's first. When a table
 * without data devices below replaces another, it keeps the limits as they
 * were, with a look at multipath; for us the new options would have no effect.
 * So before such a device is resumed its limits are put right here.
 */
#include <linux/slab.h>

#include "compat.h"
#include "internal.h"

/* Limits of one target, into @limits as initialised for stacking. Any context. */
void dm_user_limits_hint(const struct dm_user_options *options,
			 struct queue_limits *limits)
{
	limits->logical_block_size = options->logical_block_size;
	limits->physical_block_size = options->physical_block_size;
	limits->io_min = options->physical_block_size;
	/* The block layer insists on a page; the core splits further. */
	limits->max_hw_sectors = max_t(unsigned int, options->max_io, PAGE_SECTORS);
	limits->max_sectors = limits->max_hw_sectors;
	limits->max_secure_erase_sectors = options->secure_erase_sectors;
	limits->max_write_zeroes_sectors = options->write_zeroes_sectors;
	dm_user_limits_discard(limits, options->discard_sectors,
			       max(options->discard_granularity,
				   options->physical_block_size));
	dm_user_limits_no_poll(limits);
}

/* What the targets of a table have in common. */
struct dm_user_sum {
	struct dm_table *table;
	sector_t length;	/* of all of them */
	bool discards;		/* each has them */
	bool secure_erase;	/* each has it */
	bool flush;		/* one has it */
	struct queue_limits limits;
};

void dm_user_add_target(struct dm_user_sum *sum, struct dm_user_target *target)
{
	const struct dm_user_options *options = &target->options;
	struct queue_limits limits;

	if (target->ti->table != sum->table)
		return;
	sum->length += target->ti->len;
	sum->discards &= options->discard_sectors != 0;
	sum->secure_erase &= options->secure_erase_sectors != 0;
	sum->flush |= !options->no_flush;
	blk_set_stacking_limits(&limits);
	dm_user_limits_hint(options, &limits);
	blk_stack_limits(&sum->limits, &limits, 0);
}

/*
 * Process context, may sleep; the core holds the device's suspend lock, and no
 * BIO is on its way.
 */
int dm_user_limits_renew(struct dm_target *ti)
{
	struct dm_user_sum *sum;
	int r = 0;

	sum = kzalloc(sizeof(*sum), GFP_NOIO);
	if (!sum)
		return -ENOMEM;
	sum->table = ti->table;
	sum->discards = true;
	sum->secure_erase = true;
	blk_set_stacking_limits(&sum->limits);
	dm_user_add_targets(sum);

	if (!sum->discards)
		dm_user_limits_discard(&sum->limits, 0, 0);
	if (!sum->secure_erase)
		sum->limits.max_secure_erase_sectors = 0;
	/* Among others the core has seen to it. */
	if (sum->length == dm_table_get_size(ti->table))
		r = dm_user_limits_apply(dm_disk(dm_table_get_md(ti->table))->queue,
					 &sum->limits, sum->flush);
	kfree(sum);
	return r;
}
