// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dm-user: the optional arguments of a table line. README.md describes them.
 * Process context, no lock needed.
 */
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "internal.h"

#define DM_USER_SECTORS_DEFAULT (SZ_1G >> SECTOR_SHIFT)
#define DM_USER_SECTORS_MAX (UINT_MAX >> SECTOR_SHIFT)
#define DM_USER_MAX_IO_DEFAULT (SZ_1M >> SECTOR_SHIFT)
#define DM_USER_MAX_IO_MAX (SZ_32M >> SECTOR_SHIFT)
#define DM_USER_SECONDS_MAX 86400

enum dm_user_option {
	DM_USER_NO_FLUSH,
	DM_USER_DISCARDS,
	DM_USER_SECURE_ERASE,
	DM_USER_WRITE_ZEROES,
	DM_USER_DISCARD_GRANULARITY,
	DM_USER_LOGICAL_BLOCK_SIZE,
	DM_USER_PHYSICAL_BLOCK_SIZE,
	DM_USER_MAX_IO,
	DM_USER_NO_DAEMON,
	DM_USER_TIMEOUT,
	DM_USER_OPTIONS,
};

static const char *const dm_user_option_names[DM_USER_OPTIONS] = {
	[DM_USER_NO_FLUSH] = "no_flush",
	[DM_USER_DISCARDS] = "discards",
	[DM_USER_SECURE_ERASE] = "secure_erase",
	[DM_USER_WRITE_ZEROES] = "write_zeroes",
	[DM_USER_DISCARD_GRANULARITY] = "discard_granularity",
	[DM_USER_LOGICAL_BLOCK_SIZE] = "logical_block_size",
	[DM_USER_PHYSICAL_BLOCK_SIZE] = "physical_block_size",
	[DM_USER_MAX_IO] = "max_io",
	[DM_USER_NO_DAEMON] = "no_daemon",
	[DM_USER_TIMEOUT] = "timeout",
};

/* A decimal number in a range; nothing else. */
static int dm_user_number(const char *value, unsigned int min, unsigned int max,
			  unsigned int *number)
{
	unsigned int n;

	/* kstrtouint() would take a sign. */
	if (!value || *value < '0' || *value > '9' || kstrtouint(value, 10, &n) ||
	    n < min || n > max)
		return -EINVAL;
	*number = n;
	return 0;
}

static int dm_user_power(const char *value, unsigned int min, unsigned int max,
			 unsigned int *number)
{
	unsigned int n;

	if (dm_user_number(value, min, max, &n) || !is_power_of_2(n))
		return -EINVAL;
	*number = n;
	return 0;
}

/* As a feature: alone with the default limit, or with one. */
static int dm_user_sectors(const char *value, unsigned int *sectors)
{
	if (!value) {
		*sectors = DM_USER_SECTORS_DEFAULT;
		return 0;
	}
	return dm_user_number(value, 1, DM_USER_SECTORS_MAX, sectors);
}

int dm_user_parse_no_daemon(const char *value, int *no_daemon)
{
	unsigned int seconds;

	if (!value)
		return -EINVAL;
	if (!strcmp(value, "wait")) {
		*no_daemon = DM_USER_NO_DAEMON_WAIT;
		return 0;
	}
	if (!strcmp(value, "fail")) {
		*no_daemon = DM_USER_NO_DAEMON_FAIL;
		return 0;
	}
	if (dm_user_number(value, 1, DM_USER_SECONDS_MAX, &seconds))
		return -EINVAL;
	*no_daemon = seconds;
	return 0;
}

int dm_user_parse_timeout(const char *value, unsigned int *timeout)
{
	return dm_user_number(value, 0, DM_USER_SECONDS_MAX, timeout);
}

static int dm_user_set_option(struct dm_user_options *options,
			      enum dm_user_option option, const char *value)
{
	switch (option) {
	case DM_USER_NO_FLUSH:
		options->no_flush = true;
		return value ? -EINVAL : 0;
	case DM_USER_DISCARDS:
		return dm_user_sectors(value, &options->discard_sectors);
	case DM_USER_SECURE_ERASE:
		return dm_user_sectors(value, &options->secure_erase_sectors);
	case DM_USER_WRITE_ZEROES:
		return dm_user_sectors(value, &options->write_zeroes_sectors);
	case DM_USER_DISCARD_GRANULARITY:
		return dm_user_power(value, SECTOR_SIZE, SZ_1G,
				     &options->discard_granularity);
	case DM_USER_LOGICAL_BLOCK_SIZE:
		return dm_user_power(value, SECTOR_SIZE, PAGE_SIZE,
				     &options->logical_block_size);
	case DM_USER_PHYSICAL_BLOCK_SIZE:
		return dm_user_power(value, SECTOR_SIZE, SZ_1M,
				     &options->physical_block_size);
	case DM_USER_MAX_IO:
		return dm_user_number(value, 1, DM_USER_MAX_IO_MAX, &options->max_io);
	case DM_USER_NO_DAEMON:
		return dm_user_parse_no_daemon(value, &options->no_daemon);
	case DM_USER_TIMEOUT:
		return dm_user_parse_timeout(value, &options->timeout);
	default:
		return -EINVAL;
	}
}

/* Fills in what depends on other options, and checks one against the other. */
static int dm_user_options_check(struct dm_target *ti,
				 struct dm_user_options *options)
{
	unsigned int block = options->logical_block_size;
	unsigned int sectors = block >> SECTOR_SHIFT;

	if (!options->physical_block_size)
		options->physical_block_size = block;
	if (!options->discard_granularity)
		options->discard_granularity = block;

	if (options->physical_block_size < block) {
		ti->error = "physical_block_size is less than logical_block_size";
		return -EINVAL;
	}
	if (options->discard_granularity < block) {
		ti->error = "discard_granularity is less than logical_block_size";
		return -EINVAL;
	}
	if (options->max_io % sectors) {
		ti->error = "max_io is not a multiple of logical_block_size";
		return -EINVAL;
	}
	if ((ti->begin | ti->len) & (sectors - 1)) {
		ti->error = "Start or length is not a multiple of logical_block_size";
		return -EINVAL;
	}
	return 0;
}

int dm_user_options_parse(struct dm_target *ti, struct dm_arg_set *args,
			  struct dm_user_options *options)
{
	static const struct dm_arg counts[] = {
		{ 0, DM_USER_OPTIONS, "Invalid number of options" },
	};
	unsigned long given = 0;
	unsigned int count = 0;
	int r;

	*options = (struct dm_user_options){
		.logical_block_size = SECTOR_SIZE,
		.max_io = DM_USER_MAX_IO_DEFAULT,
		.no_daemon = DM_USER_NO_DAEMON_WAIT,
	};

	if (args->argc) {
		r = dm_read_arg_group(counts, args, &count, &ti->error);
		if (r)
			return r;
		if (args->argc != count) {
			ti->error = "Number of options is not as announced";
			return -EINVAL;
		}
	}

	while (count--) {
		char *value = (char *)dm_shift_arg(args);
		const char *name = strsep(&value, ":");
		int option = match_string(dm_user_option_names, DM_USER_OPTIONS, name);

		if (option < 0) {
			ti->error = "Unknown option";
			return -EINVAL;
		}
		if (__test_and_set_bit(option, &given)) {
			ti->error = "Option given twice";
			return -EINVAL;
		}
		if (dm_user_set_option(options, option, value)) {
			ti->error = "Invalid value of an option";
			return -EINVAL;
		}
	}
	return dm_user_options_check(ti, options);
}

/* What an option looks like in a table line, with the space before it. */
#define DM_USER_OPTION_BYTES 40

/* As dm_user_print_option(), for what dm_user_sectors() took. */
static bool dm_user_print_sectors(const char *name, unsigned int sectors,
				  char text[DM_USER_OPTION_BYTES])
{
	if (sectors == DM_USER_SECTORS_DEFAULT)
		snprintf(text, DM_USER_OPTION_BYTES, " %s", name);
	else
		snprintf(text, DM_USER_OPTION_BYTES, " %s:%u", name, sectors);
	return sectors;
}

/*
 * Prints one option. Returns false if it is as by default, and need not be.
 */
static bool dm_user_print_option(const struct dm_user_options *options,
				 enum dm_user_option option,
				 char text[DM_USER_OPTION_BYTES])
{
	const char *name = dm_user_option_names[option];
	unsigned int block = options->logical_block_size;
	unsigned int number, usual;

	switch (option) {
	case DM_USER_NO_FLUSH:
		snprintf(text, DM_USER_OPTION_BYTES, " %s", name);
		return options->no_flush;
	case DM_USER_DISCARDS:
		return dm_user_print_sectors(name, options->discard_sectors, text);
	case DM_USER_SECURE_ERASE:
		return dm_user_print_sectors(name, options->secure_erase_sectors, text);
	case DM_USER_WRITE_ZEROES:
		return dm_user_print_sectors(name, options->write_zeroes_sectors, text);
	case DM_USER_DISCARD_GRANULARITY:
		number = options->discard_granularity;
		usual = block;
		break;
	case DM_USER_LOGICAL_BLOCK_SIZE:
		number = block;
		usual = SECTOR_SIZE;
		break;
	case DM_USER_PHYSICAL_BLOCK_SIZE:
		number = options->physical_block_size;
		usual = block;
		break;
	case DM_USER_MAX_IO:
		number = options->max_io;
		usual = DM_USER_MAX_IO_DEFAULT;
		break;
	case DM_USER_NO_DAEMON:
		if (options->no_daemon == DM_USER_NO_DAEMON_FAIL)
			snprintf(text, DM_USER_OPTION_BYTES, " %s:fail", name);
		else
			snprintf(text, DM_USER_OPTION_BYTES, " %s:%d", name,
				 options->no_daemon);
		return options->no_daemon != DM_USER_NO_DAEMON_WAIT;
	case DM_USER_TIMEOUT:
		number = options->timeout;
		usual = 0;
		break;
	default:
		return false;
	}

	snprintf(text, DM_USER_OPTION_BYTES, " %s:%u", name, number);
	return number != usual;
}

unsigned int dm_user_options_print(const struct dm_user_options *options,
				   char *result, unsigned int maxlen)
{
	char text[DM_USER_OPTION_BYTES];
	unsigned int count = 0;
	unsigned int sz = 0;
	int option;

	for (option = 0; option < DM_USER_OPTIONS; option++)
		count += dm_user_print_option(options, option, text);
	if (!count)
		return 0;

	DMEMIT(" %u", count);
	for (option = 0; option < DM_USER_OPTIONS; option++)
		if (dm_user_print_option(options, option, text))
			DMEMIT("%s", text);
	return sz;
}
