// SPDX-License-Identifier: Apache-2.0
/*
 * uring.c - channels under io_uring, by its system calls: what a daemon of today would use.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

struct ring {
	int fd;
	unsigned char *memory; /* the two queues' indices, and the completions */
	struct io_uring_sqe *entries;
	struct io_uring_params parameters;
	unsigned int prepared; /* and not yet handed to the kernel */
};

static _Atomic unsigned int *index_at(const struct ring *ring, unsigned int offset)
{
	return (_Atomic unsigned int *)(ring->memory + offset);
}

static void ring_open(struct ring *ring)
{
	struct io_uring_params *parameters = &ring->parameters;
	size_t bytes;

	memset(ring, 0, sizeof(*ring));
	ring->fd = (int)syscall(SYS_io_uring_setup, 16, parameters);
	if (ring->fd < 0)
		fail(__FILE__, __LINE__, "io_uring_setup: %s", strerror(errno));
	check(parameters->features & IORING_FEAT_SINGLE_MMAP);
	bytes = parameters->cq_off.cqes + parameters->cq_entries * sizeof(struct io_uring_cqe);
	if (bytes < parameters->sq_off.array + parameters->sq_entries * sizeof(unsigned int))
		bytes = parameters->sq_off.array + parameters->sq_entries * sizeof(unsigned int);
	ring->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			    ring->fd, IORING_OFF_SQ_RING);
	check(ring->memory != MAP_FAILED);
	ring->entries =
	    mmap(NULL, parameters->sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQES);
	check(ring->entries != MAP_FAILED);
}

/* The next entry; `tag` comes back with its completion. */
static struct io_uring_sqe *prepare(struct ring *ring, uint8_t operation, int fd,
				    const void *buffer, size_t length, uint64_t tag)
{
	_Atomic unsigned int *tail = index_at(ring, ring->parameters.sq_off.tail);
	unsigned int mask = ring->parameters.sq_entries - 1;
	unsigned int index = atomic_load(tail) & mask;
	struct io_uring_sqe *entry = &ring->entries[index];

	*entry = (struct io_uring_sqe){
	    .opcode = operation,
	    .fd = fd,
	    .off = ~0ULL,
	    .addr = (uintptr_t)buffer,
	    .len = (uint32_t)length,
	    .user_data = tag,
	};
	((unsigned int *)(ring->memory + ring->parameters.sq_off.array))[index] = index;
	atomic_fetch_add(tail, 1);
	ring->prepared++;
	return entry;
}

/* Hands over what was prepared, and waits until so many completions are there. */
static void enter(struct ring *ring, unsigned int completions)
{
	int taken = (int)syscall(SYS_io_uring_enter, ring->fd, ring->prepared, completions,
				 completions ? IORING_ENTER_GETEVENTS : 0, NULL, 0);

	check_equal(taken, ring->prepared);
	ring->prepared = 0;
}

/* The next completion; false if there is none. */
static bool completion(struct ring *ring, struct io_uring_cqe *out)
{
	_Atomic unsigned int *head = index_at(ring, ring->parameters.cq_off.head);
	unsigned int mask = ring->parameters.cq_entries - 1;
	const struct io_uring_cqe *all =
	    (const void *)(ring->memory + ring->parameters.cq_off.cqes);

	if (atomic_load(head) == atomic_load(index_at(ring, ring->parameters.cq_off.tail)))
		return false;
	*out = all[atomic_load(head) & mask];
	atomic_fetch_add(head, 1);
	return true;
}

/* Waits for the next completion and checks whose it is; its result. */
static int result_of(struct ring *ring, uint64_t tag)
{
	struct io_uring_cqe done;

	if (!completion(ring, &done)) {
		enter(ring, 1);
		check(completion(ring, &done));
	}
	check_equal(done.user_data, tag);
	return done.res;
}

CHANNEL_CASE("io_uring: a read waits in the ring for a request; the answer and the next read are "
	     "linked",
	     30, "")
{
	enum { SIZE = 4096 };
	static unsigned char bytes[40 + SIZE];
	struct dm_user_message request;
	struct io_uring_cqe none;
	struct ring ring;

	ring_open(&ring);
	prepare(&ring, IORING_OP_READ, f->fd, bytes, sizeof(bytes), 1);
	enter(&ring, 0);
	for (int round = 0; round < 20; round++) {
		struct io *io;
		struct iovec pieces[2] = {{&request, sizeof(request)}, {bytes + 40, SIZE}};

		check(!completion(&ring, &none));
		io = io_start(f->device, round % 2 ? IO_READ : IO_WRITE, SIZE * round, SIZE,
			      0x40 + round);
		check_equal(result_of(&ring, 1), round % 2 ? 40 : 40 + SIZE);
		memcpy(&request, bytes, 40);
		check_equal(request.sector, SIZE / 512 * round);
		check_equal(request.length, SIZE);
		if (round % 2 == 0)
			check(bytes[40] == 0x40 + round && bytes[39 + SIZE] == 0x40 + round);
		request.type = DM_USER_RESPONSE_SUCCESS;
		memset(bytes + 40, 0x80 + round, SIZE);
		prepare(&ring, IORING_OP_WRITEV, f->fd, pieces, 1 + (size_t)round % 2, 2)->flags =
		    IOSQE_IO_LINK;
		prepare(&ring, IORING_OP_READ, f->fd, bytes, sizeof(bytes), 1);
		enter(&ring, 1);
		check_equal(result_of(&ring, 2), round % 2 ? 40 + SIZE : 40);
		check_equal(io_finish(io), SIZE);
		if (round % 2)
			check(io->buffer[0] == 0x80 + round &&
			      io->buffer[SIZE - 1] == 0x80 + round);
		io_free(io);
	}
	/* A bad answer is an error of its own; the read goes on waiting. */
	request.sequence ^= 1ULL << 50;
	prepare(&ring, IORING_OP_WRITE, f->fd, &request, sizeof(request), 3);
	enter(&ring, 1);
	check_equal(result_of(&ring, 3), -EINVAL);
	check(!completion(&ring, &none));
	close(ring.fd);
}

CASE("io_uring: of many reads that wait each gets a request; the target's end ends the others", 30)
{
	enum { COUNT = 4, SIZE = 4096 };
	struct dm_user_message requests[COUNT];
	unsigned char payload[SIZE];
	struct io *ios[COUNT];
	struct disk disk;
	struct ring ring;
	bool seen[COUNT] = {false};
	int device, fd;

	ring_open(&ring);
	disk_make(&disk, FIXTURE_BYTES, "");
	device = disk_open(&disk);
	fd = channel(&disk);
	for (int i = 0; i < COUNT; i++)
		prepare(&ring, IORING_OP_READ, fd, &requests[i], sizeof(requests[i]), (uint64_t)i);
	enter(&ring, 0);
	for (int i = 0; i < COUNT; i++)
		ios[i] = io_start(device, IO_READ, SIZE * i, SIZE, 0);
	enter(&ring, COUNT);
	for (int i = 0; i < COUNT; i++) {
		struct io_uring_cqe done;

		check(completion(&ring, &done));
		check_equal(done.res, sizeof(struct dm_user_message));
		check(done.user_data < COUNT && !seen[done.user_data]);
		seen[done.user_data] = true;
	}
	memset(payload, 0x77, sizeof(payload));
	for (int i = 0; i < COUNT; i++) {
		struct iovec pieces[2] = {{&requests[i], sizeof(requests[i])}, {payload, SIZE}};

		check_equal(requests[i].type, DM_USER_REQUEST_READ);
		requests[i].type = DM_USER_RESPONSE_SUCCESS;
		prepare(&ring, IORING_OP_WRITEV, fd, pieces, 2, 9);
		enter(&ring, 1);
		check_equal(result_of(&ring, 9), sizeof(requests[i]) + SIZE);
	}
	for (int i = 0; i < COUNT; i++) {
		check_equal(io_finish(ios[i]), SIZE);
		check_equal(ios[i]->buffer[SIZE - 1], 0x77);
	}
	for (int i = 0; i < COUNT; i++)
		prepare(&ring, IORING_OP_READ, fd, &requests[i], sizeof(requests[i]), 5);
	enter(&ring, 0);
	close(device);
	disk_remove(&disk);
	for (int i = 0; i < COUNT; i++)
		check_equal(result_of(&ring, 5), -ENOTBLK);
	close(fd);
	close(ring.fd);
}
