// SPDX-License-Identifier: Apache-2.0
/*
 * fault_streams.c - what the first version of dm-user got wrong about its two streams of
 * bytes: faults 3, 9 to 11, 18, 23 and 26 of the 26.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/uio.h>

/* One of several threads that serve READs on one and the same channel. */
static void *serve_shared(void *data)
{
	int fd = *(int *)data;

	for (;;) {
		struct dm_user_message request;
		unsigned char payload[4096];
		struct iovec pieces[2] = {{&request, sizeof(request)}, {payload, sizeof(payload)}};
		ssize_t got = read(fd, &request, sizeof(request));

		if (got < 0 && errno == ENOTBLK)
			return NULL;
		check_equal(got, sizeof(request));
		check_equal(request.type, DM_USER_REQUEST_READ);
		check_equal(request.length, sizeof(payload));
		memset(payload, (int)(request.sector / 8) & 0xff, sizeof(payload));
		request.type = DM_USER_RESPONSE_SUCCESS;
		check_equal(writev(fd, pieces, 2), sizeof(request) + sizeof(payload));
	}
}

CASE("fault 3: several threads may read and answer on one channel", 30)
{
	struct io *ios[16];
	pthread_t threads[4];
	struct disk disk;
	int device, fd;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	fd = channel(&disk);
	for (int i = 0; i < 4; i++)
		check(!pthread_create(&threads[i], NULL, serve_shared, &fd));
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 16; i++)
			ios[i] = io_start(device, IO_READ, 4096 * (round * 16 + i), 4096, 0);
		for (int i = 0; i < 16; i++) {
			check_equal(io_finish(ios[i]), 4096);
			check_equal(ios[i]->buffer[100], (round * 16 + i) & 0xff);
		}
	}
	close(device);
	disk_remove(&disk);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	close(fd);
}

/* Volatile, lest the compiler see how bad it is. */
static void *volatile bad_pointer = (void *)16;

CHANNEL_CASE("fault 9: a bad pointer is EFAULT and the stream stays where it was", 20, "")
{
	struct dm_user_message request, response;
	unsigned char payload[4096];
	struct io *io;

	io = io_start(f->device, IO_WRITE, 4096, 4096, 0x66);
	check_equal(read(f->fd, bad_pointer, sizeof(request)), -1);
	check_equal(errno, EFAULT);
	check_equal(read_fully(f->fd, &request, 16), 0);
	check_equal(read(f->fd, bad_pointer, 24), -1);
	check_equal(errno, EFAULT);
	check_equal(read_fully(f->fd, (char *)&request + 16, 24), 0);
	check_equal(request.type, DM_USER_REQUEST_WRITE);
	check_equal(request.sector, 8);
	check_equal(request.length, 4096);
	check_equal(read(f->fd, bad_pointer, 4096), -1);
	check_equal(errno, EFAULT);
	check_equal(read_fully(f->fd, payload, 4096), 0);
	check(payload[0] == 0x66 && payload[4095] == 0x66);
	check_equal(write(f->fd, bad_pointer, sizeof(request)), -1);
	check_equal(errno, EFAULT);
	succeed(f->fd, &request, 0);
	check_equal(io_finish(io), 4096);

	io = io_start(f->device, IO_READ, 0, 4096, 0);
	request = expect(f->fd, DM_USER_REQUEST_READ, 0, 4096, NULL);
	response = request;
	response.type = DM_USER_RESPONSE_SUCCESS;
	check_equal(write(f->fd, &response, 20), 20);
	check_equal(write(f->fd, bad_pointer, 20), -1);
	check_equal(errno, EFAULT);
	check_equal(write(f->fd, (char *)&response + 20, 20), 20);
	memset(payload, 0x77, sizeof(payload));
	check_equal(write(f->fd, payload, 1000), 1000);
	check_equal(write(f->fd, bad_pointer, 3096), -1);
	check_equal(errno, EFAULT);
	check_equal(write(f->fd, payload, 3096), 3096);
	check_equal(io_finish(io), 4096);
	for (int i = 0; i < 4096; i++)
		check_equal(io->buffer[i], 0x77);
}

CHANNEL_CASE("fault 10: transfers of no bytes return at once and do nothing", 20, "")
{
	struct dm_user_message request;
	struct io *io;

	check_equal(read(f->fd, &request, 0), 0);
	check_equal(write(f->fd, &request, 0), 0);
	io = io_start(f->device, IO_READ, 0, 4096, 0);
	check_equal(read_fully(f->fd, &request, 7), 0);
	check_equal(read(f->fd, &request, 0), 0);
	check_equal(write(f->fd, &request, 0), 0);
	check_equal(read_fully(f->fd, (char *)&request + 7, 33), 0);
	check_equal(request.length, 4096);
	check_equal(write(f->fd, &request, 0), 0);
	succeed(f->fd, &request, 0x12);
	check_equal(io_finish(io), 4096);
}

static int ready(int fd, short events, int milliseconds)
{
	struct pollfd entry = {.fd = fd, .events = events};

	check(poll(&entry, 1, milliseconds) >= 0);
	return entry.revents;
}

CASE("fault 11: O_NONBLOCK, poll and epoll say what is so", 20)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	struct dm_user_message request;
	struct disk disk;
	struct io *io;
	int device, fd, set;

	disk_make(&disk, 16 * MEGABYTE, "");
	device = disk_open(&disk);
	fd = channel_nonblocking(&disk);
	set = epoll_create1(EPOLL_CLOEXEC);
	check_equal(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
	check_equal(read(fd, &request, sizeof(request)), -1);
	check_equal(errno, EAGAIN);
	check_equal(ready(fd, POLLIN, 0), 0);
	check_equal(ready(fd, POLLOUT, 0), POLLOUT);
	check_equal(epoll_wait(set, &event, 1, 0), 0);
	for (int round = 0; round < 5; round++) {
		io = io_start(device, IO_WRITE, 0, 4096, 1);
		check_equal(epoll_wait(set, &event, 1, 60000), 1);
		check_equal(ready(fd, POLLIN, 60000), POLLIN);
		check_equal(read(fd, &request, sizeof(request)), sizeof(request));
		/* The payload is there to be read. */
		check_equal(ready(fd, POLLIN, 0), POLLIN);
		char payload[4096];
		check_equal(read(fd, payload, sizeof(payload)), sizeof(payload));
		check_equal(ready(fd, POLLIN, 0), 0);
		check_equal(read(fd, payload, 1), -1);
		check_equal(errno, EAGAIN);
		succeed(fd, &request, 0);
		check_equal(io_finish(io), 4096);
		check_equal(epoll_wait(set, &event, 1, 0), 0);
	}
	/* A reader that waits is woken by the target's end, and so is a poll. */
	close(device);
	check_equal(ready(fd, POLLIN, 0), 0);
	disk_remove(&disk);
	check(ready(fd, POLLIN, 60000) & (POLLIN | POLLHUP | POLLERR));
	check_equal(epoll_wait(set, &event, 1, 60000), 1);
	check_equal(read(fd, &request, sizeof(request)), -1);
	check_equal(errno, ENOTBLK);
	close(fd);
}

DISK_CASE("fault 18: one read() takes many requests, one write() many answers", 20, "")
{
	enum { COUNT = 8, SIZE = 4096 };
	static unsigned char bytes[COUNT * (40 + SIZE)], out[COUNT * (40 + SIZE)];
	struct io *ios[COUNT];
	size_t used = 0, filled = 0;
	bool seen[COUNT] = {false};
	ssize_t got;

	for (int i = 0; i < COUNT; i++)
		ios[i] = io_start(f->device, i % 2 ? IO_READ : IO_WRITE, i * SIZE, SIZE, 0xa0 + i);
	disk_await(&f->disk, "queued", COUNT);
	open_channel(f);
	got = read(f->fd, bytes, sizeof(bytes));
	check_equal(got, COUNT * 40 + COUNT / 2 * SIZE);
	while (used < (size_t)got) {
		struct dm_user_message request;
		unsigned int index;

		memcpy(&request, bytes + used, 40);
		used += 40;
		index = (unsigned int)(request.sector * 512 / SIZE);
		check(index < COUNT && !seen[index]);
		seen[index] = true;
		check_equal(request.type, index % 2 ? DM_USER_REQUEST_READ : DM_USER_REQUEST_WRITE);
		if (index % 2 == 0) {
			for (int i = 0; i < SIZE; i++)
				check_equal(bytes[used + (size_t)i], 0xa0 + index);
			used += SIZE;
		}
		request.type = DM_USER_RESPONSE_SUCCESS;
		memcpy(out + filled, &request, 40);
		filled += 40;
		if (index % 2) {
			memset(out + filled, 0xb0 + (int)index, SIZE);
			filled += SIZE;
		}
	}
	check_equal(write(f->fd, out, filled), filled);
	for (int i = 0; i < COUNT; i++) {
		check_equal(io_finish(ios[i]), SIZE);
		check_equal(ios[i]->buffer[SIZE - 1], i % 2 ? 0xb0 + i : 0xa0 + i);
	}
}

/* Reads exactly length bytes to the end of a page after which nothing is mapped, retrying. */
static void read_at_the_edge(int fd, unsigned char *page, size_t size, unsigned char *into,
			     size_t length, size_t overhang)
{
	size_t done = 0;

	while (done < length) {
		size_t want = length - done;
		/* The transfer begins so that `overhang` bytes of it have nowhere to go. */
		size_t good = want > overhang ? want - overhang : 0;
		ssize_t got;

		if (good > size)
			good = size;
		got = read(fd, page + size - good, want);
		if (got < 0) {
			check_equal(errno, EFAULT);
			got = read(fd, into + done, 1);
			check_equal(got, 1);
		} else {
			check((size_t)got <= good);
			memcpy(into + done, page + size - good, (size_t)got);
		}
		done += (size_t)got;
		overhang = (size_t)random_below(40) + 1;
	}
}

CHANNEL_CASE("fault 23: a copy cut short by a bad page loses nothing of the stream", 60, "")
{
	enum { SIZE = 8192 };
	unsigned char *page =
	    mmap(NULL, 3 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char payload[SIZE];

	check(page != MAP_FAILED);
	check_equal(mprotect(page + 2 * SIZE, SIZE, PROT_NONE), 0);
	for (int round = 0; round < 60; round++) {
		struct io *io = io_start(f->device, IO_WRITE, 0, SIZE, 0);
		struct dm_user_message request;
		size_t done;

		read_at_the_edge(f->fd, page, 2 * SIZE, (void *)&request, 40, random_below(39) + 1);
		check_equal(request.type, DM_USER_REQUEST_WRITE);
		check_equal(request.sector, 0);
		check_equal(request.length, SIZE);
		read_at_the_edge(f->fd, page, 2 * SIZE, payload, SIZE, random_below(SIZE) + 1);
		for (int i = 0; i < SIZE; i++)
			check_equal(payload[i], 0);
		succeed(f->fd, &request, 0);
		check_equal(io_finish(io), SIZE);

		io = io_start(f->device, IO_READ, 0, SIZE, 0);
		request = expect(f->fd, DM_USER_REQUEST_READ, 0, SIZE, NULL);
		request.type = DM_USER_RESPONSE_SUCCESS;
		check_equal(write_fully(f->fd, &request, 40), 0);
		for (int i = 0; i < SIZE; i++)
			payload[i] = (unsigned char)(i * 7 + round);
		for (done = 0; done < SIZE;) {
			size_t good = random_below(SIZE - done + 1);
			unsigned char *from = page + 2 * SIZE - good;
			ssize_t put;

			memcpy(from, payload + done, good);
			put = write(f->fd, from, SIZE - done);
			if (put < 0) {
				check_equal(errno, EFAULT);
				put = write(f->fd, payload + done, 1);
				check_equal(put, 1);
			}
			check((size_t)put <= good || put == 1);
			done += (size_t)put;
		}
		check_equal(io_finish(io), SIZE);
		check(!memcmp(io->buffer, payload, SIZE));
		free(io->buffer);
		free(io);
	}
}

CASE("fault 26: channels of a target that is gone say ENOTBLK and close in any order", 30)
{
	struct dm_user_message request;
	struct disk disk;
	int fds[6];

	for (int round = 0; round < 10; round++) {
		struct io *ios[3];
		int device;

		disk_make(&disk, 16 * MEGABYTE, "");
		device = disk_open(&disk);
		for (int i = 0; i < 6; i++)
			fds[i] = channel(&disk);
		for (int i = 0; i < 3; i++) {
			ios[i] = io_start(device, i ? IO_READ : IO_WRITE, 4096 * i, 4096, 0);
			check_equal(read_fully(fds[2 * i], &request, 17 + 10 * (size_t)i), 0);
		}
		check_equal(dm_message(disk.name, 0, "abort", NULL, 0), 0);
		for (int i = 0; i < 3; i++)
			check_equal(io_finish(ios[i]), -EIO);
		close(device);
		disk_remove(&disk);
		for (int i = 0; i < 6; i++) {
			int fd = fds[(i * 5 + round) % 6];
			char byte;

			check_equal(read(fd, &byte, 1), -1);
			check_equal(errno, ENOTBLK);
			check_equal(write(fd, &request, sizeof(request)), -1);
			check_equal(errno, ENOTBLK);
			close(fd);
		}
		check(open("/dev/dm-user/none-such", O_RDWR) < 0);
	}
}
