// SPDX-License-Identifier: Apache-2.0
/*
 * races.c - everything at once: devices made and removed, channels opened and closed, from
 * many threads. What counts is that the kernel stays well and that a good daemon finds a
 * disk that works.
 */
#define _GNU_SOURCE
#include "load.h"

static atomic_long made, opened, cut_short;

/* The same few names from all threads: most attempts meet another's. */
static void *make_and_remove(void *data)
{
	(void)data;
	while (!time_is_up()) {
		char arguments[128], name[64];
		struct dm_line line = {.length = 2048, .type = "user", .arguments = arguments};

		snprintf(name, sizeof(name), "test-race-%d", (int)random_below(3));
		snprintf(arguments, sizeof(arguments), "0 2048 test-node-%d", (int)random_below(3));
		switch (random_below(8)) {
		case 0:
			dm_create(name);
			break;
		case 1:
		case 2:
			if (!dm_load(name, &line, 1))
				atomic_fetch_add(&made, 1);
			break;
		case 3:
			dm_resume(name);
			break;
		case 4:
			dm_suspend(name, random_below(2));
			break;
		case 5:
			dm_message(name, 0, random_below(2) ? "abort" : "no_daemon 1", NULL, 0);
			break;
		case 6:
			dm_clear(name);
			break;
		default:
			dm_remove(name, random_below(2));
		}
	}
	return NULL;
}

static void *open_and_close(void *data)
{
	(void)data;
	while (!time_is_up()) {
		unsigned char bytes[300];
		char path[128];
		int fd;

		snprintf(path, sizeof(path), "/dev/dm-user/test-node-%d", (int)random_below(3));
		fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			continue;
		atomic_fetch_add(&opened, 1);
		for (int i = (int)random_below(6); i > 0; i--) {
			ssize_t got = read(fd, bytes, random_below(sizeof(bytes)));

			if (got >= 40) {
				((struct dm_user_message *)bytes)->type = DM_USER_RESPONSE_ERROR;
				if (write(fd, bytes, 40) == 40)
					atomic_fetch_add(&requests, 1);
			}
		}
		close(fd);
	}
	return NULL;
}

static void *open_devices(void *data)
{
	(void)data;
	while (!time_is_up()) {
		char node[64], name[64];
		unsigned char *buffer;
		int minor, fd;

		snprintf(name, sizeof(name), "test-race-%d", (int)random_below(3));
		minor = dm_minor(name);
		if (minor < 0)
			continue;
		snprintf(node, sizeof(node), "/dev/dm-%d", minor);
		fd = open(node, O_RDWR | O_DIRECT | O_CLOEXEC);
		if (fd < 0)
			continue;
		/* Fails when no daemon takes it for a second, or an abort comes. */
		if (!posix_memalign((void **)&buffer, 4096, 4096)) {
			if (pread(fd, buffer, 4096, 0) < 0)
				atomic_fetch_add(&requests, 1);
			free(buffer);
		}
		close(fd);
	}
	return NULL;
}

static void abort_all(const char *name, void *data)
{
	(void)data;
	if (!strncmp(name, TEST_PREFIX, strlen(TEST_PREFIX)))
		dm_message(name, 0, "abort", NULL, 0);
}

static void remove_all(const char *name, void *data)
{
	bool *left = data;

	if (strncmp(name, TEST_PREFIX, strlen(TEST_PREFIX)))
		return;
	*left = true;
	dm_resume(name);
	dm_remove(name, false);
}

static void resume_all(const char *name, void *data)
{
	(void)data;
	if (!strncmp(name, TEST_PREFIX, strlen(TEST_PREFIX)))
		dm_resume(name);
}

static atomic_bool all_free;

/* Each by itself: what waits for an abort may hold up everything else. */
static void *keep_aborting(void *unused)
{
	(void)unused;
	while (!atomic_load(&all_free)) {
		dm_each(abort_all, NULL);
		usleep(1000);
	}
	return NULL;
}

static void *keep_resuming(void *unused)
{
	(void)unused;
	while (!atomic_load(&all_free)) {
		dm_each(resume_all, NULL);
		usleep(1000);
	}
	return NULL;
}

static bool some_met(void)
{
	return atomic_load(&made) > 2 && atomic_load(&opened) > 2;
}

CASE("race: devices made, loaded, suspended, removed while channels and disks open and close", 120)
{
	enum { THREADS = 9 };
	void *(*const works[])(void *) = {make_and_remove, open_and_close, open_devices};
	pthread_t threads[THREADS], aborter, resumer;
	struct disk disk;

	set_time(4, 60, some_met);
	for (int i = 0; i < THREADS; i++)
		check(!pthread_create(&threads[i], NULL, works[i % 3], NULL));
	while (!time_is_up())
		usleep(10000);
	/* A thread may wait in a suspend, for a request, or for a resume: free it. */
	check(!pthread_create(&aborter, NULL, keep_aborting, NULL));
	check(!pthread_create(&resumer, NULL, keep_resuming, NULL));
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (bool left = true; left;) {
		left = false;
		dm_each(remove_all, &left);
	}
	atomic_store(&all_free, true);
	pthread_join(aborter, NULL);
	pthread_join(resumer, NULL);
	note("%ld tables, %ld channels, %ld requests", atomic_load(&made), atomic_load(&opened),
	     atomic_load(&requests));
	disk_make(&disk, 16 * MEGABYTE, "");
	check_it_works(&disk);
}

static bool some_work(void)
{
	return atomic_load(&requests) > 20;
}

static void *open_read_close(void *data)
{
	struct disk *disk = data;

	while (!time_is_up()) {
		int fd = channel_open(disk->name, O_NONBLOCK);
		unsigned char bytes[9000];

		check(fd >= 0);
		/* Often in the midst of a header or a payload. */
		if (read(fd, bytes, random_below(sizeof(bytes))) > 0)
			atomic_fetch_add(&cut_short, 1);
		close(fd);
	}
	return NULL;
}

CASE("race: channels opened and closed at every point under load lose no request", 120)
{
	enum { THREADS = 6, LOADS = 3 };
	pthread_t threads[THREADS], loads[LOADS];
	struct disk disk;
	pid_t daemon;

	set_time(3, 60, some_work);
	disk_make(&disk, 16 * MEGABYTE, "2 discards write_zeroes");
	daemon = daemon_start(&disk, "batched", 2);
	for (int i = 0; i < LOADS; i++)
		check(!pthread_create(&loads[i], NULL, load_the_disk, &disk));
	for (int i = 0; i < THREADS; i++)
		check(!pthread_create(&threads[i], NULL, open_read_close, &disk));
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < LOADS; i++)
		pthread_join(loads[i], NULL);
	note("%ld requests, %ld reads cut short, %llu went to another channel",
	     atomic_load(&requests), atomic_load(&cut_short),
	     (unsigned long long)disk_status(&disk, "requeued"));
	check_equal(disk_status(&disk, "errors"), 0);
	check_equal(disk_status(&disk, "in flight"), 0);
	check_equal(disk_status(&disk, "queued"), 0);
	disk_remove(&disk);
	check_equal(daemon_wait(daemon), 0);
}

static void *abort_often(void *data)
{
	struct disk *disk = data;

	while (!time_is_up()) {
		usleep((unsigned int)random_below(20000));
		check_equal(dm_message(disk->name, 0, "abort", NULL, 0), 0);
	}
	return NULL;
}

static void *suspend_often(void *data)
{
	struct disk *disk = data;

	while (!time_is_up()) {
		usleep((unsigned int)random_below(30000));
		check_equal(dm_suspend(disk->name, random_below(2)), 0);
		check_equal(dm_resume(disk->name), 0);
	}
	return NULL;
}

CASE("race: aborts and suspends under load, with daemons at work; all ends and none hangs", 120)
{
	enum { LOADS = 4 };
	pthread_t loads[LOADS], aborter, suspender, closer;
	struct disk disk;
	pid_t daemon;

	set_time(3, 60, some_work);
	disk_make(&disk, 16 * MEGABYTE, "2 discards write_zeroes");
	daemon = daemon_start(&disk, "batched", 2);
	for (int i = 0; i < LOADS; i++)
		check(!pthread_create(&loads[i], NULL, load_the_disk, &disk));
	check(!pthread_create(&aborter, NULL, abort_often, &disk));
	check(!pthread_create(&suspender, NULL, suspend_often, &disk));
	check(!pthread_create(&closer, NULL, open_read_close, &disk));
	pthread_join(aborter, NULL);
	pthread_join(suspender, NULL);
	pthread_join(closer, NULL);
	for (int i = 0; i < LOADS; i++)
		pthread_join(loads[i], NULL);
	note("%ld requests, %llu aborted", atomic_load(&requests),
	     (unsigned long long)disk_status(&disk, "aborted"));
	disk_await(&disk, "in flight", 0);
	check_it_works(&disk);
	check_equal(daemon_wait(daemon), 0);
}
