// SPDX-License-Identifier: Apache-2.0
/*
 * tables.c - tables, limits, names, removal, the module itself.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Another table with dm-user alone, live at once. */
static void reload(const struct disk *disk, uint64_t sectors, const char *options)
{
	char arguments[256];
	struct dm_line line = {.length = sectors, .type = "user", .arguments = arguments};

	snprintf(arguments, sizeof(arguments), "0 %llu %s%s%s", (unsigned long long)sectors,
		 disk->name, options[0] ? " " : "", options);
	check_equal(dm_load(disk->name, &line, 1), 0);
	check_equal(dm_suspend(disk->name, true), 0);
	check_equal(dm_resume(disk->name), 0);
}

CHANNEL_CASE("reload: another size and other options while a daemon works; its channel stays", 30,
	     "")
{
	struct dm_user_message request;
	struct io *io;

	reload(&f->disk, f->disk.sectors, "2 max_io:16 no_daemon:fail");
	io = io_start(f->device, IO_READ, 0, 16384, 0);
	for (unsigned int i = 0; i < 2; i++) {
		request = expect(f->fd, DM_USER_REQUEST_READ, 16 * i, 8192, NULL);
		succeed(f->fd, &request, 0x43);
	}
	check_equal(io_finish(io), 16384);
	reload(&f->disk, f->disk.sectors * 2, "");
	serve_read(f, 24 * (off_t)MEGABYTE, 16384, 0x44);
	close_channel(f);
	disk_state(&f->disk, "waiting");
}

CASE("table: several targets in one device; the sector is the device's own", 20)
{
	struct dm_line lines[2] = {
	    {0, 2048, "user", "0 2048 test-low"},
	    {2048, 2048, "user", "2048 2048 test-high 1 discards"},
	};
	struct dm_user_message request;
	struct disk low = {.name = "test-low"}, high = {.name = "test-high"};
	char node[64];
	struct io *io;
	int device, low_fd, high_fd;

	check_equal(dm_create("test-two"), 0);
	check_equal(dm_load("test-two", lines, 2), 0);
	check_equal(dm_resume("test-two"), 0);
	snprintf(node, sizeof(node), "/dev/dm-%d", dm_minor("test-two"));
	device = open(node, O_RDWR | O_DIRECT);
	check(device >= 0);
	low_fd = channel(&low);
	high_fd = channel(&high);
	io = io_start(device, IO_WRITE, 1044480, 8192, 0x55);
	request = expect(low_fd, DM_USER_REQUEST_WRITE, 2040, 4096, NULL);
	succeed(low_fd, &request, 0);
	request = expect(high_fd, DM_USER_REQUEST_WRITE, 2048, 4096, NULL);
	check(!io_waits(io, 0) || !atomic_load(&io->done));
	succeed(high_fd, &request, 0);
	check_equal(io_finish(io), 8192);
	/* An empty flush goes to each. */
	io = io_start(device, IO_FLUSH, 0, 0, 0);
	check_equal(read_fully(low_fd, &request, 40), 0);
	check_equal(request.type, DM_USER_REQUEST_FLUSH);
	check_equal(request.length, 0);
	succeed(low_fd, &request, 0);
	check_equal(read_fully(high_fd, &request, 40), 0);
	check_equal(request.type, DM_USER_REQUEST_FLUSH);
	check(io_waits(io, 20));
	succeed(high_fd, &request, 0);
	check_equal(io_finish(io), 0);
	close(device);
	close(low_fd);
	close(high_fd);
	check_equal(dm_remove("test-two", false), 0);
	/* The same name twice in one table. */
	lines[1].arguments = "2048 2048 test-low";
	check_equal(dm_create("test-two"), 0);
	check_equal(dm_load("test-two", lines, 2), -EBUSY);
	check_equal(dm_remove("test-two", false), 0);
}

CASE("rename: the device's name changes, the channel's stays", 20)
{
	struct dm_user_message request;
	struct disk disk, other;
	struct io *io;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	check_equal(dm_rename(disk.name, "test-renamed"), 0);
	fd = channel(&disk);
	io = io_start(device, IO_READ, 0, 4096, 0);
	request = expect(fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	succeed(fd, &request, 0);
	check_equal(io_finish(io), 4096);
	close(fd);
	close(device);
	other = disk;
	strcpy(other.name, "test-renamed");
	disk_remove(&other);
}

CASE("remove: refused while the disk is open, at its last close when deferred", 20)
{
	struct disk disk;
	char path[128];
	int device, fd;
	char byte;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	fd = channel(&disk);
	check_equal(dm_remove(disk.name, false), -EBUSY);
	check_equal(dm_remove(disk.name, true), 0);
	check(dm_minor(disk.name) >= 0);
	close(device);
	check_equal(read(fd, &byte, 1), -1);
	check_equal(errno, ENOTBLK);
	check_equal(dm_minor(disk.name), -ENXIO);
	snprintf(path, sizeof(path), "/dev/dm-user/%s", disk.name);
	check(access(path, F_OK) < 0);
	close(fd);
}

static void unload(void)
{
	int result = -1;

	for (int attempt = 0; result && attempt < 6000; attempt++) {
		result = (int)syscall(SYS_delete_module, "dm_user", O_NONBLOCK);
		if (result)
			usleep(10000);
	}
	if (result)
		fail(__FILE__, __LINE__, "rmmod: %s", strerror(errno));
}

CASE("rmmod: refused while a target or a channel lives, then clean, and the module loads again", 60)
{
	const char *module = getenv("MODULE");
	struct disk disk;
	int fd;

	check(module);
	disk_make(&disk, MEGABYTE, "");
	check(syscall(SYS_delete_module, "dm_user", O_NONBLOCK) < 0);
	fd = channel(&disk);
	disk_remove(&disk);
	/* The file alone keeps the code. */
	check(number_from("/sys/module/dm_user/refcnt", "") > 0);
	check(syscall(SYS_delete_module, "dm_user", O_NONBLOCK) < 0);
	close(fd);
	for (int i = 0; i < 3; i++) {
		unload();
		check_equal(run("insmod", module, NULL), 0);
	}
	disk_make(&disk, MEGABYTE, "");
	disk_remove(&disk);
}

CASE("make install: modprobe finds the module, and a table that names the target loads it", 60)
{
	const char *installed = getenv("INSTALLED");
	struct disk disk = {.name = ""};
	char modules[512];
	int result;

	check(installed);
	unload();
	check_equal(run("modprobe", "-d", installed, "dm-user", NULL), 0);
	unload();
	/* Device mapper has modprobe look in the usual place. */
	snprintf(modules, sizeof(modules), "%s/lib/modules", installed);
	mkdir("/lib/modules", 0755);
	check_equal(mount(modules, "/lib/modules", NULL, MS_BIND, NULL), 0);
	result = disk_try(&disk, MEGABYTE, "");
	check_equal(umount2("/lib/modules", MNT_DETACH), 0);
	check_equal(result, 0);
	disk_remove(&disk);
}

static unsigned long queue_limit(const struct disk *disk, const char *what)
{
	char path[160];

	snprintf(path, sizeof(path), "/sys/block/%s/queue/%s", disk->node + 5, what);
	return (unsigned long)number_from(path, "");
}

CHANNEL_CASE("reload: the block layer's limits are those of the new table, there and back", 30, "")
{
	struct dm_user_message request;
	struct io *io;

	/* Device mapper itself would keep those of the first table. */
	check_equal(io_finish(io_start(f->device, IO_DISCARD, 0, 4096, 0)), -EOPNOTSUPP);
	reload(&f->disk, f->disk.sectors, "3 discards:64 no_flush max_io:16");
	check_equal(queue_limit(&f->disk, "discard_max_bytes"), 32768);
	check_equal(queue_limit(&f->disk, "max_hw_sectors_kb"), 8);
	check_equal(queue_limit(&f->disk, "fua"), 0);
	io = io_start(f->device, IO_DISCARD, 0, 4096, 0);
	request = expect(f->fd, DM_USER_REQUEST_DISCARD, 0, 4096, NULL);
	succeed(f->fd, &request, 0);
	check_equal(io_finish(io), 0);
	reload(&f->disk, f->disk.sectors, "");
	check_equal(queue_limit(&f->disk, "discard_max_bytes"), 0);
	check_equal(queue_limit(&f->disk, "max_hw_sectors_kb"), 1024);
	check_equal(queue_limit(&f->disk, "fua"), 1);
	check_equal(io_finish(io_start(f->device, IO_DISCARD, 0, 4096, 0)), -EOPNOTSUPP);
}

CASE("limits: block sizes, max_io, discard limits and the write cache are as asked for", 20)
{
	struct dm_user_message request;
	struct disk disk;
	struct io *io;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "");
	check_equal(queue_limit(&disk, "logical_block_size"), 512);
	check_equal(queue_limit(&disk, "discard_max_bytes"), 0);
	check_equal(queue_limit(&disk, "write_zeroes_max_bytes"), 0);
	check_equal(queue_limit(&disk, "fua"), 1);
	disk_remove(&disk);
	disk_make(&disk, 16 * MEGABYTE,
		  "7 no_flush discards:64 write_zeroes:128 discard_granularity:32768 "
		  "logical_block_size:4096 physical_block_size:16384 max_io:16");
	check_equal(queue_limit(&disk, "logical_block_size"), 4096);
	check_equal(queue_limit(&disk, "physical_block_size"), 16384);
	check_equal(queue_limit(&disk, "discard_max_bytes"), 32768);
	check_equal(queue_limit(&disk, "discard_granularity"), 32768);
	check_equal(queue_limit(&disk, "write_zeroes_max_bytes"), 65536);
	check_equal(queue_limit(&disk, "fua"), 0);
	device = disk_open(&disk);
	fd = channel(&disk);
	check_equal(io_finish(io_start(device, IO_FLUSH, 0, 0, 0)), 0);
	check_equal(io_finish(io_start(device, IO_READ, 512, 512, 0)), -EINVAL);
	/* 16 KiB from 4 KiB on: never across a multiple of 8 KiB. */
	io = io_start(device, IO_READ, 4096, 16384, 0);
	for (int i = 0; i < 3; i++) {
		check_equal(read_fully(fd, &request, 40), 0);
		check_equal(request.type, DM_USER_REQUEST_READ);
		check(request.length <= 8192);
		check_equal(request.sector / 16, (request.sector + request.length / 512 - 1) / 16);
		succeed(fd, &request, 0x35);
	}
	check_equal(io_finish(io), 16384);
	close(fd);
	close(device);
	disk_remove(&disk);
}

CHANNEL_CASE("secure erase reaches the daemon where it was asked for", 20, "1 secure_erase")
{
	struct dm_user_message request;
	struct io *io;

	io = io_start(f->device, IO_ERASE, 4096, 8192, 0);
	request = expect(f->fd, DM_USER_REQUEST_SECURE_ERASE, 8, 8192, NULL);
	succeed(f->fd, &request, 0);
	check_equal(io_finish(io), 0);
}

CASE("the control device is root's alone, and knows no ioctl, seek or offset", 20)
{
	struct stat status;
	struct disk disk;
	char path[128], byte;
	int fd;

	disk_make(&disk, MEGABYTE, "");
	fd = channel(&disk);
	snprintf(path, sizeof(path), "/dev/dm-user/%s", disk.name);
	check_equal(stat(path, &status), 0);
	check_equal(status.st_mode & 07777, 0600);
	check(lseek(fd, 0, SEEK_SET) < 0 && errno == ESPIPE);
	check(pread(fd, &byte, 1, 0) < 0 && errno == ESPIPE);
	check(pwrite(fd, &byte, 1, 0) < 0 && errno == ESPIPE);
	check(ioctl(fd, BLKGETSIZE64, &byte) < 0 && errno == ENOTTY);
	close(fd);
	disk_remove(&disk);
}

CASE("dmsetup itself: create, table, status, message, remove", 60)
{
	struct disk disk = {.name = "test-tool"};

	check_equal(
	    run("sh", "-e", "-c",
		"dmsetup create test-tool --table '0 2048 user 0 2048 test-tool 1 discards'\n"
		"dmsetup table test-tool >/tmp/table\n"
		"grep -qx '0 2048 user 0 2048 test-tool 1 discards' /tmp/table\n"
		"dmsetup status test-tool | grep -qx '0 2048 user 0 0 0 0 0 0 0 0 0 waiting'\n"
		"dmsetup message test-tool 0 abort\n"
		"dmsetup reload test-tool /tmp/table\n"
		"dmsetup suspend test-tool\n"
		"dmsetup resume test-tool\n"
		"dmsetup targets | grep -q '^user '\n"
		"dmsetup remove test-tool",
		NULL),
	    0);
	check_equal(dm_minor(disk.name), -ENXIO);
}
