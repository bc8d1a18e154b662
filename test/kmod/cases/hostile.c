// SPDX-License-Identifier: Apache-2.0
/*
 * hostile.c - a daemon that means harm and throws anything at its channel.
 */
#define _GNU_SOURCE
#include "load.h"

#include <sys/mman.h>
#include <sys/uio.h>

static atomic_long steps;

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

static bool some_harm(void)
{
	return atomic_load(&steps) > 2000;
}

CASE("hostile daemon: random bytes, sizes, sequences and closes; a good one goes on after it", 400)
{
	enum { ENEMIES = 6, LOADS = 8 };
	pthread_t enemies[ENEMIES], loads[LOADS];
	struct enemy enemy[ENEMIES];
	struct disk disk;
	struct backing backing;
	int shared, fd;

	set_time(6, 300, some_harm);
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
