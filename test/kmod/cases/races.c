// SPDX-License-Identifier: Apache-2.0
/*
 * races.c - everything at once: devices made and removed, channels opened and closed, from
 * many threads, and a daemon that means harm. What counts is that the kernel stays well
 * and that a good daemon finds a disk that works.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/mman.h>
#include <sys/uio.h>

static double deadline;

static bool time_is_up(void)
{
	return now() >= deadline;
}

static void set_time(int quick, int much)
{
	deadline = now() + (run_long ? much : quick);
}

/* Waits until nothing of the disk is in the hands of anybody, with a good daemon at work. */
static void check_it_works(const struct disk *disk)
{
	struct backing backing;
	struct io *io;
	int device = disk_open(disk), fd = channel(disk);
	pthread_t thread;

	check_equal(backing_open(&backing, disk->backing, disk->sectors * 512), 0);
	thread = serve_in_background(fd, &backing);
	for (int i = 0; i < 8; i++) {
		io = io_start(device, IO_WRITE, 8192 * i, 8192, 0x30 + i);
		check_equal(io_finish(io), 8192);
		io = io_start(device, IO_READ, 8192 * i, 8192, 0);
		check_equal(io_finish(io), 8192);
		check_equal(io->buffer[8191], 0x30 + i);
	}
	disk_await(disk, "queued", 0);
	disk_await(disk, "in flight", 0);
	close(device);
	disk_remove(disk);
	pthread_join(thread, NULL);
	close(fd);
}

static atomic_long made, opened, requests;

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
	if (!strncmp(name, "test-", 5))
		dm_message(name, 0, "abort", NULL, 0);
}

static void remove_all(const char *name, void *data)
{
	bool *left = data;

	if (strncmp(name, "test-", 5))
		return;
	*left = true;
	dm_resume(name);
	dm_remove(name, false);
}

/* By itself: what waits for an abort may hold up everything else. */
static void *keep_aborting(void *data)
{
	atomic_bool *stop = data;

	while (!atomic_load(stop)) {
		dm_each(abort_all, NULL);
		usleep(1000);
	}
	return NULL;
}

CASE("race: devices made, loaded, suspended, removed while channels and disks open and close", 120)
{
	enum { THREADS = 9 };
	void *(*const works[])(void *) = {make_and_remove, open_and_close, open_devices};
	pthread_t threads[THREADS], aborter;
	atomic_bool stop = false;
	struct disk disk;

	set_time(4, 60);
	for (int i = 0; i < THREADS; i++)
		check(!pthread_create(&threads[i], NULL, works[i % 3], NULL));
	while (!time_is_up())
		usleep(10000);
	/* A thread may wait in a suspend, or for a request: free it. */
	check(!pthread_create(&aborter, NULL, keep_aborting, &stop));
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (bool left = true; left;) {
		left = false;
		dm_each(remove_all, &left);
	}
	atomic_store(&stop, true);
	pthread_join(aborter, NULL);
	note("%ld tables, %ld channels, %ld requests", atomic_load(&made), atomic_load(&opened),
	     atomic_load(&requests));
	check(atomic_load(&made) > 0 && atomic_load(&opened) > 0);
	disk_make(&disk, 16 * MEGABYTE, "");
	check_it_works(&disk);
}

/* ---- requests from above, whatever comes of them ---- */

static void *load_the_disk(void *data)
{
	struct disk *disk = data;
	int fd = disk_open(disk);
	unsigned char *buffer;

	check(!posix_memalign((void **)&buffer, 4096, 1 << 18));
	while (!time_is_up()) {
		struct io io = {.fd = fd, .buffer = buffer};
		ssize_t ignored;

		io.offset = (off_t)random_below(disk->sectors / 2) * 512;
		io.length = (random_below(random_below(4) ? 16 : 512) + 1) * 512;
		switch (random_below(8)) {
		case 0:
			fsync(fd);
			break;
		case 1:
			ignored = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					    io.offset, (off_t)io.length);
			break;
		case 2:
		case 3:
		case 4:
			ignored = pread(fd, buffer, io.length, io.offset);
			break;
		default:
			ignored = pwrite(fd, buffer, io.length, io.offset);
		}
		(void)ignored;
		atomic_fetch_add(&requests, 1);
	}
	close(fd);
	free(buffer);
	return NULL;
}

/* ---- a daemon that means harm ---- */

#define SCRATCH ((size_t)1 << 19)

struct memory {
	unsigned char *bytes; /* followed by a page that is not there */
	struct dm_user_message seen[32];
	unsigned int count;
};

/* Somewhere in the scratch memory, at its end (short of room), or nowhere at all. */
static void *some_place(struct memory *memory, size_t length)
{
	switch (random_below(12)) {
	case 0:
		return (void *)random_below(4096);
	case 1:
		return (void *)(random64() | 1ULL << 63);
	case 2:
		return memory->bytes + SCRATCH - random_below(length + 1);
	default:
		return memory->bytes + random_below(SCRATCH - length);
	}
}

/* Whether it looks like a request: what the enemy read may begin anywhere in the stream. */
static bool plausible(const struct dm_user_message *message)
{
	return message->type <= DM_USER_REQUEST_WRITE_ZEROES && message->length <= MEGABYTE &&
	       message->sector < 1 << 20 && message->sequence < 1ULL << 48 &&
	       message->flags < 1ULL << 20;
}

/* Remembers the headers in what was read, to answer them, rightly or wrongly. */
static void learn(struct memory *memory, const unsigned char *bytes, size_t length)
{
	if (bytes < memory->bytes || bytes + length > memory->bytes + SCRATCH)
		return;
	for (size_t at = 0; at + 40 <= length && at < 8192; at++) {
		struct dm_user_message message;

		memcpy(&message, bytes + at, sizeof(message));
		if (!message.length || !plausible(&message))
			continue;
		memory->seen[memory->count++ % 32] = message;
		at += 39;
	}
}

static size_t some_size(void)
{
	static const size_t edges[] = {0, 1, 39, 40, 41, 80, 512, 4095, 4096, 4136, 65536};

	switch (random_below(4)) {
	case 0:
		return edges[random_below(sizeof(edges) / sizeof(*edges))];
	case 1:
		return 40;
	case 2:
		return random_below(200);
	default:
		return random_below(SCRATCH / 2);
	}
}

/* A header that was seen, and up to two fields of it wrong. */
static struct dm_user_message some_answer(struct memory *memory)
{
	struct dm_user_message message = memory->seen[random_below(32)];

	/* Rather a young one, and every third time nothing wrong with it. */
	if (memory->count && random_below(2))
		message = memory->seen[(memory->count - 1) % 32];
	if (!random_below(3)) {
		message.type = random_below(3);
		return message;
	}
	message.type = random_below(8) ? random_below(3) : random64();
	for (int i = (int)random_below(3); i > 0; i--)
		switch (random_below(6)) {
		case 0:
			message.sequence += random_below(5) - 2;
			break;
		case 1:
			message.sequence = random64();
			break;
		case 2:
			message.length = random_below(2) ? random64() : random_below(8192);
			break;
		case 3:
			message.length = 0;
			break;
		case 4:
			message.flags = random64();
			break;
		default:
			message.sector = random64();
		}
	return message;
}

static void hostile_step(int fd, struct memory *memory)
{
	size_t size = some_size();
	void *place = some_place(memory, size);
	struct iovec pieces[5];
	ssize_t got;

	switch (random_below(10)) {
	case 0:
	case 1:
	case 2:
		got = read(fd, place, size);
		if (got > 0)
			learn(memory, place, (size_t)got);
		break;
	case 3:
		/* As a daemon should. */
		got = read(fd, memory->bytes, random_below(2) ? 40 : SCRATCH);
		if (got > 0)
			learn(memory, memory->bytes, (size_t)got);
		break;
	case 4:
		got = write(fd, place, size);
		break;
	case 5:
	case 6:
	case 7: {
		struct dm_user_message message = some_answer(memory);

		pieces[0] = (struct iovec){&message, random_below(10) ? 40 : random_below(41)};
		pieces[1] = (struct iovec){place, random_below(2) ? (size_t)message.length & 0x1ffff
								  : size};
		got = writev(fd, pieces, 1 + (int)random_below(2));
		break;
	}
	case 8:
		for (int i = 0; i < 5; i++) {
			size_t part = some_size();

			pieces[i] = (struct iovec){some_place(memory, part), part};
		}
		got = random_below(2) ? readv(fd, pieces, 5) : writev(fd, pieces, 5);
		break;
	default: {
		struct pollfd entry = {.fd = fd, .events = POLLIN | POLLOUT};

		poll(&entry, 1, 0);
	}
	}
	(void)got;
}

struct enemy {
	struct disk *disk;
	int shared; /* a channel that several use at once, or -1 */
};

static atomic_long steps;

static void *do_harm(void *data)
{
	struct enemy *enemy = data;
	struct memory memory = {0};
	int fd = -1;

	memory.bytes =
	    mmap(NULL, SCRATCH + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(memory.bytes != MAP_FAILED);
	check_equal(mprotect(memory.bytes + SCRATCH, 4096, PROT_NONE), 0);
	while (!time_is_up()) {
		if (enemy->shared >= 0) {
			fd = enemy->shared;
		} else if (fd < 0 || !random_below(40)) {
			if (fd >= 0)
				close(fd);
			fd = channel_open(enemy->disk->name, O_NONBLOCK);
			check(fd >= 0);
		}
		hostile_step(fd, &memory);
		atomic_fetch_add(&steps, 1);
	}
	if (enemy->shared < 0)
		close(fd);
	munmap(memory.bytes, SCRATCH + 4096);
	return NULL;
}

CASE("hostile daemon: random bytes, sizes, sequences and closes; a good one goes on after it", 400)
{
	enum { ENEMIES = 6, LOADS = 8 };
	pthread_t enemies[ENEMIES], loads[LOADS];
	struct enemy enemy[ENEMIES];
	struct disk disk;
	struct backing backing;
	int shared, fd;

	set_time(6, 300);
	disk_make(&disk, 16 * MEGABYTE, "2 discards write_zeroes");
	shared = channel_nonblocking(&disk);
	for (int i = 0; i < LOADS; i++)
		check(!pthread_create(&loads[i], NULL, load_the_disk, &disk));
	for (int i = 0; i < ENEMIES; i++) {
		enemy[i] = (struct enemy){&disk, i < 3 ? shared : -1};
		check(!pthread_create(&enemies[i], NULL, do_harm, &enemy[i]));
	}
	for (int i = 0; i < ENEMIES; i++)
		pthread_join(enemies[i], NULL);
	close(shared);
	note("%ld hostile calls, %ld requests from above, %llu answered, %llu errors",
	     atomic_load(&steps), atomic_load(&requests),
	     (unsigned long long)disk_status(&disk, "completed"),
	     (unsigned long long)disk_status(&disk, "errors"));
	/* Whoever still waits is served now. */
	fd = channel(&disk);
	check_equal(backing_open(&backing, disk.backing, disk.sectors * 512), 0);
	serve_in_background(fd, &backing);
	for (int i = 0; i < LOADS; i++)
		pthread_join(loads[i], NULL);
	check_it_works(&disk);
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
			atomic_fetch_add(&steps, 1);
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

	set_time(3, 60);
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
	     atomic_load(&requests), atomic_load(&steps),
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

	set_time(3, 60);
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
