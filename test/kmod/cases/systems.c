// SPDX-License-Identifier: Apache-2.0
/*
 * systems.c - whole programs on the disk: fio with verification, a file system, and
 * daemons that are killed under them.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define OPTIONS "2 discards write_zeroes"

/* fio with verification, once over the whole disk. */
static pid_t fio_start(const struct disk *disk, const char *pattern, int depth)
{
	char file[96], mode[64], many[32];

	snprintf(file, sizeof(file), "--filename=%s", disk->node);
	snprintf(mode, sizeof(mode), "--rw=%s", pattern);
	snprintf(many, sizeof(many), "--iodepth=%d", depth);
	return start("fio", "--name=verify", file, mode, many, "--ioengine=libaio", "--direct=1",
		     "--bsrange=512-64k", "--verify=crc32c", "--verify_fatal=1",
		     "--verify_backlog=128", "--randrepeat=0", "--fsync=64", "--thread",
		     "--eta=never", "--minimal", "--output=/dev/null", "--fallocate=none",
		     "--group_reporting", NULL);
}

static void verify_with(const char *kind, int threads)
{
	struct disk disk;
	pid_t daemon;

	disk_make(&disk, (run_long ? 64 : 4) * MEGABYTE, OPTIONS);
	daemon = daemon_start(&disk, kind, threads);
	check_equal(finish(fio_start(&disk, "randwrite", 16)), 0);
	if (run_long)
		check_equal(finish(fio_start(&disk, "write", 4)), 0);
	note("%llu requests", (unsigned long long)disk_status(&disk, "completed"));
	check_equal(disk_status(&disk, "errors"), 0);
	disk_remove(&disk);
	check_equal(daemon_wait(daemon), 0);
}

CASE("fio verify: strict daemon, one thread", 120)
{
	verify_with("strict", 1);
}

CASE_LONG("fio verify: strict daemon, four channels", 240)
{
	verify_with("strict", 4);
}

CASE_LONG("fio verify: batched daemon, one thread", 240)
{
	verify_with("batched", 1);
}

CASE("fio verify: batched daemon, three channels", 120)
{
	verify_with("batched", 3);
}

/* Waits for the next requests to be answered. */
static void disk_await_work(const struct disk *disk)
{
	uint64_t before = disk_status(disk, "completed");

	for (int i = 0; i < 6000 && disk_status(disk, "completed") < before + 8; i++)
		usleep(10000);
}

/* Kills and replaces the daemon `times` times while fio verifies; fio must see nothing. */
static void kill_under_fio(int times)
{
	struct disk disk;
	pid_t daemon, fio = 0;
	int kills = 0, runs = 0;

	disk_make(&disk, 8 * MEGABYTE, OPTIONS);
	daemon = daemon_start(&disk, "strict", 2);
	while (kills < times || fio) {
		int state;

		if (!fio) {
			fio = fio_start(&disk, runs++ % 2 ? "randrw" : "randwrite", 32);
			/* Until it is at work. */
			disk_await_work(&disk);
		}
		/* Mostly when it has just taken requests over. */
		for (int i = 0; i < 6000 && !disk_status(&disk, "channels"); i++)
			usleep(2000);
		usleep((unsigned int)random_below(random_below(3) ? 20000 : 100000));
		if (waitpid(fio, &state, WNOHANG) == fio) {
			check(WIFEXITED(state));
			check_equal(WEXITSTATUS(state), 0);
			fio = 0;
		} else if (kills < times) {
			daemon_kill(daemon);
			kills++;
			daemon = daemon_start(&disk, kills % 2 ? "batched" : "strict",
					      1 + (int)random_below(3));
		}
	}
	note("%d daemons killed, %d runs of fio, %llu requests answered, %llu went to the next "
	     "daemon",
	     kills, runs, (unsigned long long)disk_status(&disk, "completed"),
	     (unsigned long long)disk_status(&disk, "requeued"));
	check(kills >= times);
	check_equal(disk_status(&disk, "errors"), 0);
	check_equal(disk_status(&disk, "aborted"), 0);
	check(disk_status(&disk, "requeued") > 0);
	daemon_kill(daemon);
	disk_remove(&disk);
}

CASE("daemons killed 50 times under fio verify: no error, nothing lost", 180)
{
	kill_under_fio(50);
}

CASE_LONG("daemons killed 1000 times under fio verify: no error, nothing lost", 1800)
{
	kill_under_fio(1000);
}

/* ---- a file system, and random operations on a file with a model beside it ---- */

#define MODEL_BYTES (1 << 20)

struct model {
	unsigned char bytes[MODEL_BYTES];
	size_t size;
	const char *path;
	int fd;
};

static void compare(struct model *model, const char *when)
{
	static unsigned char got[MODEL_BYTES];
	struct stat status;

	check_equal(fstat(model->fd, &status), 0);
	check_equal(status.st_size, model->size);
	check_equal(pread(model->fd, got, sizeof(got), 0), model->size);
	if (!memcmp(got, model->bytes, model->size))
		return;
	for (size_t i = 0; i < model->size; i++)
		if (got[i] != model->bytes[i])
			fail(__FILE__, __LINE__, "%s: byte %zu is %d, not %d", when, i, got[i],
			     model->bytes[i]);
}

/* Bytes of which no two neighbours are alike, different every time. */
static void fill(unsigned char *bytes, size_t length)
{
	uint64_t start = random64();

	for (size_t i = 0; i < length; i++)
		bytes[i] = (unsigned char)(start + i * (start >> 8 | 1));
}

static void step(struct model *model)
{
	size_t offset = random_below(MODEL_BYTES);
	size_t length = random_below(random_below(4) ? 9000 : 200000) + 1;
	unsigned char *map;

	if (offset + length > MODEL_BYTES)
		length = MODEL_BYTES - offset;
	switch (random_below(10)) {
	case 0:
	case 1:
	case 2:
		if (offset > model->size)
			memset(model->bytes + model->size, 0, offset - model->size);
		fill(model->bytes + offset, length);
		check_equal(pwrite(model->fd, model->bytes + offset, length, (off_t)offset),
			    length);
		if (offset + length > model->size)
			model->size = offset + length;
		break;
	case 3:
		check_equal(ftruncate(model->fd, (off_t)offset), 0);
		if (offset > model->size)
			memset(model->bytes + model->size, 0, offset - model->size);
		model->size = offset;
		break;
	case 4:
		if (offset >= model->size)
			break;
		if (offset + length > model->size)
			length = model->size - offset;
		map = mmap(NULL, model->size, PROT_READ | PROT_WRITE, MAP_SHARED, model->fd, 0);
		check(map != MAP_FAILED);
		fill(model->bytes + offset, length);
		memcpy(map + offset, model->bytes + offset, length);
		munmap(map, model->size);
		break;
	case 5:
		if (fallocate(model->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
			      (off_t)length))
			fail(__FILE__, __LINE__, "punch: %s", strerror(errno));
		for (size_t i = offset; i < offset + length && i < model->size; i++)
			model->bytes[i] = 0;
		break;
	case 6:
		check_equal(fsync(model->fd), 0);
		break;
	case 7:
		check_equal(fdatasync(model->fd), 0);
		check_equal(posix_fadvise(model->fd, 0, 0, POSIX_FADV_DONTNEED), 0);
		compare(model, "after dropping the cache");
		break;
	default:
		compare(model, "as it goes");
	}
}

/* A daemon that was just started has our files open until it execs. */
static void unmount(const char *point)
{
	for (int i = 0; umount(point); i++) {
		if (errno != EBUSY || i == 6000)
			fail(__FILE__, __LINE__, "umount: %s", strerror(errno));
		usleep(10000);
	}
}

static void file_system(const char *kind, int steps, bool kill_daemons)
{
	static struct model model;
	char point[96], path[128], command[160];
	struct disk disk;
	double next = now() + 0.2;
	pid_t daemon;
	int kills = 0;

	disk_make(&disk, 64 * MEGABYTE, OPTIONS);
	daemon = daemon_start(&disk, kind, 2);
	check_equal(run("mkfs.ext4", "-q", "-F", disk.node, NULL), 0);
	snprintf(point, sizeof(point), "/run/%s", disk.name);
	snprintf(path, sizeof(path), "%s/file", point);
	check_equal(mkdir(point, 0700), 0);
	check_equal(mount(disk.node, point, "ext4", 0, "discard"), 0);
	model.path = path;
	model.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	check(model.fd >= 0);
	for (int i = 0; i < steps; i++) {
		step(&model);
		if (kill_daemons && now() > next) {
			daemon_kill(daemon);
			kills++;
			daemon = daemon_start(&disk, kills % 2 ? "strict" : "batched", 2);
			next = now() + 0.02 + (double)random_below(200) / 1000;
		}
	}
	compare(&model, "at the end");
	close(model.fd);
	unmount(point);
	snprintf(command, sizeof(command),
		 "e2fsck -f -n %s >/tmp/e2fsck 2>&1 || { cat /tmp/e2fsck; exit 1; }", disk.node);
	check_equal(run("sh", "-c", command, NULL), 0);
	check_equal(mount(disk.node, point, "ext4", 0, ""), 0);
	model.fd = open(path, O_RDWR | O_CLOEXEC);
	compare(&model, "after another mount");
	close(model.fd);
	unmount(point);
	rmdir(point);
	if (kill_daemons)
		note("%d daemons killed", kills);
	daemon_kill(daemon);
	disk_remove(&disk);
}

CASE("ext4: mkfs, mount, random file operations against a model, e2fsck; strict daemon", 400)
{
	file_system("strict", run_long ? 8000 : 200 / slowness, false);
}

CASE_LONG("ext4: mkfs, mount, random file operations against a model, e2fsck; batched daemon", 400)
{
	file_system("batched", run_long ? 8000 : 200 / slowness, false);
}

CASE("ext4: the same while daemons are killed", 600)
{
	file_system("batched", run_long ? 8000 : 200 / slowness, true);
}
