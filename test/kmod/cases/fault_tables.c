// SPDX-License-Identifier: Apache-2.0
/*
 * fault_tables.c - what the first version of dm-user got wrong about tables and targets:
 * faults 4, 13 to 16 and 25 of the 26.
 */
#define _GNU_SOURCE
#include "harness.h"

static void make_and_drop(int times)
{
	for (int i = 0; i < times; i++) {
		struct disk disk;
		char path[128];
		int fd;

		disk_make(&disk, MEGABYTE, "");
		fd = channel(&disk);
		if (i % 2)
			close(fd);
		disk_remove(&disk);
		if (i % 2 == 0)
			close(fd);
		snprintf(path, sizeof(path), "/dev/dm-user/%s", disk.name);
		check(access(path, F_OK) < 0 && errno == ENOENT);
	}
}

static long kernel_memory(void)
{
	sync();
	return number_from("/proc/meminfo", "SUnreclaim:") +
	       number_from("/proc/meminfo", "Percpu:") +
	       number_from("/proc/meminfo", "VmallocUsed:");
}

CASE("fault 4: a removed target gives everything back: node, memory, module reference", 150)
{
	long before, after;

	make_and_drop(8);
	before = kernel_memory();
	make_and_drop(run_long ? 500 : 30);
	/* RCU frees late: wait for it. */
	for (int attempt = 0; attempt < 30; attempt++) {
		after = kernel_memory();
		if (after - before < 600)
			break;
		usleep(200000);
	}
	note("kernel memory %+ld kB", after - before);
	if (slowness == 1)
		check(after - before < 600);
	check_equal(number_from("/sys/module/dm_user/refcnt", ""), 0);
}

DISK_CASE("fault 13: a name in use is refused without a stack dump; the same table can be reloaded",
	  20, "")
{
	struct disk second = {.name = "test-second"};
	char arguments[256];
	struct dm_line line = {.type = "user", .arguments = arguments};
	struct dm_user_message request;
	struct io *io;
	int result;

	/* Another device whose target wants the same name. */
	snprintf(arguments, sizeof(arguments), "0 %llu %s", (unsigned long long)f->disk.sectors,
		 f->disk.name);
	line.length = f->disk.sectors;
	check_equal(dm_create(second.name), 0);
	result = dm_load(second.name, &line, 1);
	if (!result)
		result = dm_resume(second.name);
	check_equal(result, -EBUSY);
	check_equal(dm_remove(second.name, false), 0);
	/* The device's own table, again, while the first is live. */
	check_equal(dm_load(f->disk.name, &line, 1), 0);
	check_equal(dm_suspend(f->disk.name, true), 0);
	check_equal(dm_resume(f->disk.name), 0);
	io = io_start(f->device, IO_READ, 0, 4096, 0);
	open_channel(f);
	request = expect(f->fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	succeed(f->fd, &request, 0x09);
	check_equal(io_finish(io), 4096);
	/* And one that is loaded but dropped. */
	check_equal(dm_load(f->disk.name, &line, 1), 0);
	check_equal(dm_clear(f->disk.name), 0);
	serve_read(f, 0, 4096, 0x0a);
}

static int load_line(uint64_t length, const char *arguments)
{
	struct dm_line line = {.length = length, .type = "user", .arguments = arguments};
	int result;

	check_equal(dm_create("test-line"), 0);
	result = dm_load("test-line", &line, 1);
	if (!result)
		result = dm_resume("test-line");
	check_equal(dm_remove("test-line", false), 0);
	return result;
}

CASE("fault 14: a name that is a path, empty or too long is refused", 20)
{
	static const char *const names[] = {"../evil",        "a/b", "/etc/evil", ".",     "..",
					    "sub/../../evil", "x/",  "a\tb",      "a\x01z"};
	char arguments[512], name[300];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(arguments, sizeof(arguments), "0 2048 %s", names[i]);
		if (!load_line(2048, arguments))
			fail(__FILE__, __LINE__, "\"%s\" was taken", names[i]);
	}
	memset(name, 'n', sizeof(name));
	name[299] = '\0';
	snprintf(arguments, sizeof(arguments), "0 2048 %s", name);
	check(load_line(2048, arguments) < 0);
	check(load_line(2048, "0 2048 ") < 0);
	check(access("/dev/evil", F_OK) < 0);
	check(access("/dev/dm-user/evil", F_OK) < 0);
	check_equal(load_line(2048, "0 2048 plain-Name_0.1"), 0);
}

CASE("fault 15: start, length and every other argument are checked against the table", 20)
{
	static const char *const refused[] = {
	    "0 2047 test-x",
	    "0 2049 test-x",
	    "8 2048 test-x",
	    "-1 2048 test-x",
	    "zero 2048 test-x",
	    "0 2048k test-x",
	    "0 18446744073709551616 test-x",
	    "0 test-x",
	    "",
	    "0 2048 test-x 1",
	    "0 2048 test-x 1 nonsense",
	    "0 2048 test-x 2 discards",
	    "0 2048 test-x discards",
	    "0 2048 test-x 1 discards discards",
	    "0 2048 test-x 9999999 discards",
	    "0 2048 test-x -1",
	    "0 2048 test-x 2 discards discards",
	    "0 2048 test-x 1 discards:",
	    "0 2048 test-x 1 discards:-1",
	    "0 2048 test-x 1 discards:1x",
	    "0 2048 test-x 1 logical_block_size:256",
	    "0 2048 test-x 1 logical_block_size:513",
	    "0 2048 test-x 1 logical_block_size:1048576",
	    "0 2048 test-x 2 logical_block_size:4096 physical_block_size:512",
	    "0 2048 test-x 1 discard_granularity:1000",
	    "0 2048 test-x 1 max_io:0",
	    "0 2048 test-x 1 max_io:65537",
	    "0 2048 test-x 2 logical_block_size:4096 max_io:1",
	    "0 2048 test-x 1 no_daemon:never",
	    "0 2048 test-x 1 no_daemon:0",
	    "0 2048 test-x 1 no_daemon:86401",
	    "0 2048 test-x 1 no_daemon",
	    "0 2048 test-x 1 timeout:86401",
	    "0 2048 test-x 1 timeout:",
	    "0 2048 test-x 2 no_daemon:wait no_daemon:fail",
	};

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		int result = load_line(2048, refused[i]);

		if (result != -EINVAL)
			fail(__FILE__, __LINE__, "\"%s\": %d", refused[i], result);
	}
	check_equal(load_line(2048, "0 2048 test-x"), 0);
	check_equal(load_line(2048, "0 2048 test-x 0"), 0);
	check_equal(load_line(2048, "0 2048 test-x 1 discards"), 0);
	check_equal(load_line(2047, "0 2047 test-x 1 logical_block_size:4096"), -EINVAL);
}

CASE("fault 16: dmsetup table prints the line again, status the counters", 20)
{
	static const char *const options[] = {
	    "",
	    "1 discards",
	    "2 discards write_zeroes",
	    "3 discards:1024 secure_erase:8 write_zeroes:65536",
	    "4 no_flush logical_block_size:1024 physical_block_size:4096 max_io:64",
	    "3 discards discard_granularity:8192 no_daemon:fail",
	    "2 no_daemon:17 timeout:86400",
	};
	char want[512], text[1024];
	struct disk disk;

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		disk_make(&disk, 4 * MEGABYTE, options[i]);
		check_equal(dm_show(disk.name, false, text, sizeof(text)), 0);
		snprintf(want, sizeof(want), "0 8192 user 0 8192 %s%s%s", disk.name,
			 options[i][0] ? " " : "", options[i]);
		if (strcmp(text, want))
			fail(__FILE__, __LINE__, "table is \"%s\", not \"%s\"", text, want);
		check_equal(disk_status(&disk, "channels"), 0);
		int fd = channel(&disk);
		disk_await(&disk, "channels", 1);
		close(fd);
		disk_await(&disk, "channels", 0);
		disk_remove(&disk);
	}
	/* Options in another order, or what is the default anyway: the same table. */
	disk_make(&disk, 4 * MEGABYTE, "4 timeout:0 write_zeroes max_io:2048 discards:2097152");
	check_equal(dm_show(disk.name, false, text, sizeof(text)), 0);
	snprintf(want, sizeof(want), "0 8192 user 0 8192 %s 2 discards write_zeroes", disk.name);
	if (strcmp(text, want))
		fail(__FILE__, __LINE__, "table is \"%s\", not \"%s\"", text, want);
	disk_remove(&disk);
}

static void *remove_at_once(void *data)
{
	struct disk *disk = data;

	while (dm_remove(disk->name, false) == -EBUSY)
		sched_yield();
	return NULL;
}

CASE("fault 25: the target may go the moment its last request completes", 100)
{
	for (int round = 0; round < (run_long ? 200 : 15); round++) {
		struct dm_user_message request;
		pthread_t thread;
		struct disk disk;
		struct io *io;
		int device, fd;

		disk_make(&disk, MEGABYTE, "");
		device = disk_open(&disk);
		fd = channel(&disk);
		io = io_start(device, IO_READ, 0, 4096, 0);
		request = expect(fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
		/* The request keeps the device open after this close. */
		check(!pthread_create(&thread, NULL, remove_at_once, &disk));
		succeed(fd, &request, 0);
		check_equal(io_finish(io), 4096);
		close(device);
		pthread_join(thread, NULL);
		close(fd);
	}
}
