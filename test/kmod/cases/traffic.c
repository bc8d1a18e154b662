// SPDX-License-Identifier: Apache-2.0
/*
 * traffic.c - the requests of a case from both sides: sent to the device, taken from a channel
 * and answered; and the fixture that has both ends open.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

/* ---- requests to a device ---- */

static int perform(struct io *io)
{
	uint64_t range[2] = {(uint64_t)io->offset, io->length};
	struct iovec piece = {.iov_base = io->buffer, .iov_len = io->length};
	ssize_t result = 0;

	switch (io->kind) {
	case IO_READ:
		result = pread(io->fd, io->buffer, io->length, io->offset);
		break;
	case IO_WRITE:
		result = pwrite(io->fd, io->buffer, io->length, io->offset);
		break;
	case IO_WRITE_FUA:
		result = pwritev2(io->fd, &piece, 1, io->offset, RWF_DSYNC);
		break;
	case IO_FLUSH:
		result = fsync(io->fd);
		break;
	case IO_DISCARD:
		result = ioctl(io->fd, BLKDISCARD, range);
		break;
	case IO_ERASE:
		result = ioctl(io->fd, BLKSECDISCARD, range);
		break;
	case IO_ZERO:
		/* Without a fallback: BLKZEROOUT would write zeroes instead. */
		result = fallocate(io->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, io->offset,
				   (off_t)io->length);
		break;
	}
	return result < 0 ? -errno : (int)result;
}

static void *io_thread(void *data)
{
	struct io *io = data;

	io->result = perform(io);
	atomic_store(&io->done, true);
	return NULL;
}

struct io *io_start(int fd, enum io_kind kind, off_t offset, size_t length, int fill)
{
	struct io *io = calloc(1, sizeof(*io));

	io->kind = kind;
	io->fd = fd;
	io->offset = offset;
	io->length = length;
	if (length && kind <= IO_WRITE_FUA) {
		if (posix_memalign((void **)&io->buffer, 4096, length))
			fail(__FILE__, __LINE__, "no memory");
		memset(io->buffer, fill, length);
	}
	if (pthread_create(&io->thread, NULL, io_thread, io))
		fail(__FILE__, __LINE__, "no thread");
	return io;
}

int io_finish(struct io *io)
{
	pthread_join(io->thread, NULL);
	return io->result;
}

void io_free(struct io *io)
{
	free(io->buffer);
	free(io);
}

bool io_waits(struct io *io, int milliseconds)
{
	for (int waited = 0; waited < milliseconds * slowness; waited += 10) {
		if (atomic_load(&io->done))
			return false;
		usleep(10000);
	}
	return !atomic_load(&io->done);
}

/* ---- channels ---- */

static int channel_with(const struct disk *disk, int flags)
{
	int fd = channel_open(disk->name, flags);

	if (fd < 0)
		fail(__FILE__, __LINE__, "channel of %s: %s", disk->name, strerror(-fd));
	return fd;
}

int channel(const struct disk *disk)
{
	return channel_with(disk, 0);
}

int channel_nonblocking(const struct disk *disk)
{
	return channel_with(disk, O_NONBLOCK);
}

struct dm_user_message expect(int fd, uint64_t type, uint64_t sector, uint64_t length,
			      void **payload)
{
	struct dm_user_message request;
	void *data;
	int error = next_request(fd, &request, &data);

	if (error)
		fail(__FILE__, __LINE__, "reading a request: %s", strerror(-error));
	if (request.type != type || request.sector != sector || request.length != length)
		fail(__FILE__, __LINE__,
		     "request type %llu sector %llu length %llu, not type %llu sector %llu length "
		     "%llu",
		     (unsigned long long)request.type, (unsigned long long)request.sector,
		     (unsigned long long)request.length, (unsigned long long)type,
		     (unsigned long long)sector, (unsigned long long)length);
	if (payload)
		*payload = data;
	else
		free(data);
	return request;
}

void succeed(int fd, const struct dm_user_message *request, int fill)
{
	size_t length = response_payload(request, DM_USER_RESPONSE_SUCCESS);
	void *data = NULL;
	int error;

	if (length) {
		data = malloc(length);
		memset(data, fill, length);
	}
	error = answer(fd, request, DM_USER_RESPONSE_SUCCESS, data);
	free(data);
	if (error)
		fail(__FILE__, __LINE__, "answering: %s", strerror(-error));
}

struct service {
	int fd;
	struct backing *backing;
};

static void *serve(void *data)
{
	struct service service = *(struct service *)data;

	free(data);
	for (;;) {
		struct dm_user_message request;
		const void *bytes;
		void *payload;
		uint64_t type;

		if (next_request(service.fd, &request, &payload))
			return NULL;
		type = backing_serve(service.backing, &request, payload, &bytes);
		free(payload);
		if (answer(service.fd, &request, type, bytes))
			return NULL;
	}
}

pthread_t serve_in_background(int fd, struct backing *backing)
{
	struct service *service = malloc(sizeof(*service));
	pthread_t thread;

	service->fd = fd;
	service->backing = backing;
	if (pthread_create(&thread, NULL, serve, service))
		fail(__FILE__, __LINE__, "no thread");
	return thread;
}

/* ---- fixtures ---- */

void set_up(struct fixture *f, const char *options, bool with_channel)
{
	disk_make(&f->disk, FIXTURE_BYTES, options);
	f->device = disk_open(&f->disk);
	f->fd = -1;
	if (with_channel)
		open_channel(f);
}

void tear_down(struct fixture *f)
{
	close_channel(f);
	if (f->device >= 0)
		close(f->device);
	disk_remove(&f->disk);
}

void open_channel(struct fixture *f)
{
	f->fd = channel(&f->disk);
}

void close_channel(struct fixture *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

void serve_read(struct fixture *f, off_t offset, size_t length, int fill)
{
	struct io *io = io_start(f->device, IO_READ, offset, length, ~fill);
	struct dm_user_message request =
	    expect(f->fd, DM_USER_REQUEST_READ, (uint64_t)offset / 512, length, NULL);

	succeed(f->fd, &request, fill);
	check_equal(io_finish(io), length);
	for (size_t i = 0; i < length; i++)
		check_equal(io->buffer[i], fill & 0xff);
	io_free(io);
}
