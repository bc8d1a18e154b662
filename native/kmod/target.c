// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dm-user: a device-mapper target whose requests are served by a process.
 *
 * This file is the side that device-mapper sees. internal.h tells what the
 * other files are for, README.md is the reference of the protocol.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "internal.h"

#define DM_USER_ARGUMENTS 3

struct workqueue_struct *dm_user_workqueue;

/* A sector number: decimal digits and nothing else. */
static int dm_user_parse_sectors(const char *value, sector_t *sectors)
{
	unsigned long long n;

	if (*value < '0' || *value > '9' || kstrtoull(value, 10, &n))
		return -EINVAL;
	*sectors = n;
	return *sectors == n ? 0 : -EINVAL;
}

/*
 * The name becomes a path below /dev and a name in sysfs, where ! stands for a
 * slash. No more characters than device-mapper's own tools take unescaped.
 */
static bool dm_user_valid_name(const char *name)
{
	static const char others[] = "#+-.:=@_";
	size_t length = strlen(name);
	size_t i;

	if (!length || length > DM_USER_NAME_MAX || name[0] == '.')
		return false;
	for (i = 0; i < length; i++) {
		char c = name[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      (c >= '0' && c <= '9') || strchr(others, c)))
			return false;
	}
	return true;
}

/*
 * <start> <length> <name> [<number of options> <option>...]
 *
 * Process context, may sleep. The device may be running on another table.
 */
static int dm_user_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct dm_arg_set args = { .argc = argc, .argv = argv };
	struct dm_user_target *target;
	sector_t start, length;
	const char *name;
	int r;

	if (argc < DM_USER_ARGUMENTS) {
		ti->error = "Needs a start, a length and a name";
		return -EINVAL;
	}
	if (dm_user_parse_sectors(dm_shift_arg(&args), &start) || start != ti->begin) {
		ti->error = "Start is not that of the table line";
		return -EINVAL;
	}
	if (dm_user_parse_sectors(dm_shift_arg(&args), &length) || length != ti->len) {
		ti->error = "Length is not that of the table line";
		return -EINVAL;
	}
	name = dm_shift_arg(&args);
	if (!dm_user_valid_name(name)) {
		ti->error = "Invalid name";
		return -EINVAL;
	}

	target = kzalloc(sizeof(*target), GFP_KERNEL);
	if (!target) {
		ti->error = "Cannot allocate the target";
		return -ENOMEM;
	}
	target->ti = ti;

	r = dm_user_options_parse(ti, &args, &target->options);
	if (r)
		goto free_target;
	r = dm_set_target_max_io_len(ti, target->options.max_io);
	if (r)
		goto free_target;
	r = dm_user_endpoint_attach(target, name);
	if (r)
		goto free_target;

	ti->private = target;
	ti->per_io_data_size = sizeof(struct dm_user_request);
	ti->limit_swap_bios = true;
	if (!target->options.no_flush) {
		ti->num_flush_bios = 1;
		ti->flush_supported = true;
	}
	if (target->options.discard_sectors) {
		ti->num_discard_bios = 1;
		ti->discards_supported = true;
	}
	if (target->options.secure_erase_sectors)
		ti->num_secure_erase_bios = 1;
	if (target->options.write_zeroes_sectors)
		ti->num_write_zeroes_bios = 1;
	return 0;

free_target:
	kfree(target);
	return r;
}

/* Process context, may sleep. No BIO comes any more. */
static void dm_user_dtr(struct dm_target *ti)
{
	struct dm_user_target *target = ti->private;

	dm_user_endpoint_detach(target);
	kfree(target);
}

/* Process context. Never sleeps, so REQ_NOWAIT needs no care. */
static int dm_user_map(struct dm_target *ti, struct bio *bio)
{
	struct dm_user_target *target = ti->private;

	return dm_user_submit(target->endpoint, bio);
}

/*
 * The four below: process context, may sleep, called one at a time.
 *
 * While the core suspends it waits for all BIOs. With flush, the daemon goes on
 * serving them. Without, those that no daemon has seen are handed back to the
 * core, to be mapped again after resume; those that a daemon holds are waited
 * for, since it might act on them late, after newer ones.
 */
static void dm_user_presuspend(struct dm_target *ti)
{
	struct dm_user_target *target = ti->private;

	if (dm_noflush_suspending(ti))
		dm_user_pushback(target->endpoint);
}

static void dm_user_presuspend_undo(struct dm_target *ti)
{
	struct dm_user_target *target = ti->private;

	dm_user_resume(target->endpoint, &target->options);
}

static void dm_user_target_resume(struct dm_target *ti)
{
	struct dm_user_target *target = ti->private;

	dm_user_resume(target->endpoint, &target->options);
}

/* Process context. The endpoint's lock is taken for the counters. */
static void dm_user_status(struct dm_target *ti, status_type_t type,
			   unsigned int status_flags, char *result,
			   unsigned int maxlen)
{
	struct dm_user_target *target = ti->private;
	struct dm_user_endpoint *endpoint = target->endpoint;
	const char *name = endpoint->path + strlen("dm-user/");
	struct dm_user_counters count;
	unsigned int queued, in_flight, open;
	unsigned int sz = 0;
	bool failing;

	switch (type) {
	case STATUSTYPE_INFO:
		spin_lock(&endpoint->lock);
		count = endpoint->count;
		queued = endpoint->queued;
		in_flight = endpoint->in_flight;
		open = endpoint->open;
		failing = endpoint->failing;
		spin_unlock(&endpoint->lock);
		DMEMIT("%u %u %u %llu %llu %llu %llu %llu %llu %s",
		       queued, in_flight, open, count.completed, count.errors,
		       count.unsupported, count.requeued, count.aborted,
		       count.timed_out,
		       open ? "ready" : failing ? "failing" : "waiting");
		break;
	case STATUSTYPE_TABLE:
		DMEMIT("%llu %llu %s", (unsigned long long)ti->begin,
		       (unsigned long long)ti->len, name);
		sz += dm_user_options_print(&target->options, result + sz, maxlen - sz);
		break;
	case STATUSTYPE_IMA:
		DMEMIT_TARGET_NAME_VERSION(ti->type);
		DMEMIT(",name=%s;", name);
		break;
	}
}

/* Process context, may sleep; also while the device is being suspended. */
static int dm_user_message(struct dm_target *ti, unsigned int argc, char **argv,
			   char *result, unsigned int maxlen)
{
	struct dm_user_target *target = ti->private;
	struct dm_user_options *options = &target->options;

	if (argc == 1 && !strcasecmp(argv[0], "abort")) {
		dm_user_abort(target->endpoint, BLK_STS_IOERR);
		return 0;
	}
	if (argc == 2 && !strcasecmp(argv[0], "no_daemon")) {
		int no_daemon;

		if (dm_user_parse_no_daemon(argv[1], &no_daemon))
			goto invalid;
		WRITE_ONCE(options->no_daemon, no_daemon);
	} else if (argc == 2 && !strcasecmp(argv[0], "timeout")) {
		unsigned int timeout;

		if (dm_user_parse_timeout(argv[1], &timeout))
			goto invalid;
		WRITE_ONCE(options->timeout, timeout);
	} else {
		goto invalid;
	}
	dm_user_policy(target->endpoint, options->no_daemon, options->timeout);
	return 0;

invalid:
	DMERR("unknown message, or an invalid value");
	return -EINVAL;
}

/*
 * There is no device below. But without this method the core takes neither our
 * limits nor WRITE_ZEROES, SECURE_ERASE or REQ_NOWAIT. Any context.
 */
static int dm_user_iterate_devices(struct dm_target *ti,
				   iterate_devices_callout_fn fn, void *data)
{
	return 0;
}

/* Process context. */
static void dm_user_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct dm_user_target *target = ti->private;

	dm_user_limits_hint(&target->options, limits);
}

static struct target_type dm_user_target_type = {
	.name = "user",
	.version = { 1, 0, 0 },
	.features = DM_TARGET_NOWAIT,
	.module = THIS_MODULE,
	.ctr = dm_user_ctr,
	.dtr = dm_user_dtr,
	.map = dm_user_map,
	.presuspend = dm_user_presuspend,
	.presuspend_undo = dm_user_presuspend_undo,
	.preresume = dm_user_limits_renew,
	.resume = dm_user_target_resume,
	.status = dm_user_status,
	.message = dm_user_message,
	.iterate_devices = dm_user_iterate_devices,
	.io_hints = dm_user_io_hints,
};

static int __init dm_user_init(void)
{
	int r;

	/* Ending requests may be what frees memory. */
	dm_user_workqueue = alloc_workqueue("dm-user", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!dm_user_workqueue)
		return -ENOMEM;
	r = dm_register_target(&dm_user_target_type);
	if (r)
		destroy_workqueue(dm_user_workqueue);
	return r;
}

static void __exit dm_user_exit(void)
{
	dm_unregister_target(&dm_user_target_type);
	destroy_workqueue(dm_user_workqueue);
}

module_init(dm_user_init);
module_exit(dm_user_exit);

MODULE_DESCRIPTION(DM_NAME " target whose requests are served by a process");
MODULE_AUTHOR("The Bioscope authors");
MODULE_LICENSE("GPL");
MODULE_VERSION("1.0.0");
