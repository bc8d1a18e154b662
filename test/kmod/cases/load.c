// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "load.h"

static double deadline;
static bool (*enough)(void);
atomic_long requests;

bool time_is_up(void)
{
	return now() >= deadline && enough();
}

void set_time(int quick, int much, bool (*until)(void))
{
	enough = until;
	deadline = now() + (run_long ? much : quick);
}

void check_it_works(const struct disk *disk)
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

void *load_the_disk(void *data)
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
