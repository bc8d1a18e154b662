// SPDX-License-Identifier: Apache-2.0
/*
 * expert.c - a daemon that means harm and knows the protocol well: right and wrong answers,
 * whole and cut, of which it can tell what each has to return.
 */
#define _GNU_SOURCE
#include "load.h"

#include <sys/mman.h>
#include <sys/uio.h>

static atomic_long wrong_answers, refusals, successes;

/*
 * What the disk holds, always and everywhere: each byte of a sector has this value. Reads
 * that succeed and writes that arrive can be checked without a model.
 */
static int byte_of(uint64_t sector)
{
	return (int)(sector * 7 + 1) & 0xff;
}

static void fill_sectors(unsigned char *bytes, uint64_t sector, size_t length)
{
	for (size_t at = 0; at < length; at += 512)
		memset(bytes + at, byte_of(sector + at / 512), 512);
}

static bool holds_sectors(const unsigned char *bytes, uint64_t sector, size_t length)
{
	for (size_t at = 0; at < length; at++)
		if (bytes[at] != byte_of(sector + at / 512))
			return false;
	return true;
}

#define EXPERT_BYTES ((size_t)65536)
#define EXPERT_HELD  16

/* A daemon that knows exactly what each of its writes has to return. */
struct expert {
	const struct disk *disk;
	bool aborts; /* somebody sends aborts meanwhile */
	int fd;
	struct dm_user_message held[EXPERT_HELD]; /* read to the end, not yet answered */
	unsigned int count;
	unsigned char *bytes; /* a header and a payload; then a page that is not there */
};

static struct dm_user_message pick(struct expert *expert)
{
	unsigned int index = (unsigned int)random_below(expert->count);
	struct dm_user_message request = expert->held[index];

	expert->held[index] = expert->held[--expert->count];
	return request;
}

static void answer_nothing(struct expert *expert, const struct dm_user_message *request)
{
	struct dm_user_message response = *request;

	response.type = DM_USER_RESPONSE_ERROR;
	check_equal(write(expert->fd, &response, sizeof(response)), sizeof(response));
}

/* The next request, if there is one; of a WRITE perhaps not the whole payload. */
static void take_request(struct expert *expert)
{
	struct dm_user_message request;
	ssize_t got = read(expert->fd, &request, sizeof(request));
	size_t length, done = 0;

	if (got < 0) {
		check_equal(errno, EAGAIN);
		usleep(200);
		return;
	}
	check_equal(got, sizeof(request));
	check(request.type <= DM_USER_REQUEST_FLUSH && request.length <= EXPERT_BYTES);
	length = request_payload(&request);
	while (done < length) {
		size_t part = random_below(length - done) + 1;

		if (!random_below(12)) {
			answer_nothing(expert, &request);
			return;
		}
		got = read(expert->fd, expert->bytes + done, part);
		check_equal(got, part);
		done += part;
	}
	/* After an abort the rest comes as zeroes. */
	if (!expert->aborts)
		check(holds_sectors(expert->bytes, request.sector, length));
	expert->held[expert->count++] = request;
}

/* A header that must be refused, in one piece or two, with something behind it or not. */
static void answer_wrongly(struct expert *expert)
{
	struct dm_user_message wrong = expert->held[random_below(expert->count)];
	struct iovec pieces[2] = {{&wrong, sizeof(wrong)},
				  {expert->bytes, random_below(EXPERT_BYTES)}};

	switch (random_below(expert->aborts ? 2 : 3)) {
	case 0:
		wrong.type = 3 + random_below(1000);
		break;
	case 1:
		wrong.type = random_below(3);
		wrong.sequence ^= 1ULL << (40 + random_below(24));
		break;
	default:
		/* 0 is allowed. */
		wrong.type = DM_USER_RESPONSE_SUCCESS;
		wrong.length += random_below(2) ? 512 : ~0ULL;
		if (!wrong.length)
			wrong.length = 1;
	}
	if (random_below(2)) {
		size_t begin = random_below(39) + 1;

		check_equal(write(expert->fd, &wrong, begin), begin);
		pieces[0] = (struct iovec){(char *)&wrong + begin, sizeof(wrong) - begin};
	}
	check_equal(writev(expert->fd, pieces, 1 + (int)random_below(2)), -1);
	check_equal(errno, EINVAL);
	atomic_fetch_add(&wrong_answers, 1);
}

/* ERROR or UNSUPPORTED, to a READ with its payload or without; the other fields are ignored. */
static void refuse(struct expert *expert)
{
	struct dm_user_message request = pick(expert);
	size_t length =
	    request.type == DM_USER_REQUEST_READ && random_below(2) ? request.length : 0;
	struct iovec pieces[2] = {{&request, sizeof(request)}, {expert->bytes, length}};

	memset(expert->bytes, 0xa5, length);
	request.type = 1 + random_below(2);
	request.flags = random64();
	request.sector = random64();
	request.length = random64();
	check_equal(writev(expert->fd, pieces, 2), sizeof(request) + length);
	atomic_fetch_add(&refusals, 1);
}

/*
 * Puts the answer's first `length` bytes through, in pieces that often reach into the page
 * that is not there, and in one that is all there where they do.
 */
static void put_in_pieces(struct expert *expert, const unsigned char *answer, size_t length)
{
	unsigned char *end = expert->bytes + EXPERT_BYTES + 4096;

	for (size_t done = 0; done < length;) {
		size_t part = random_below(length - done) + 1;
		size_t beyond = random_below(3) ? 0 : random_below(600) + 1;
		ssize_t put;

		/* No further than this answer goes. */
		if (part + beyond > length - done)
			beyond = length - done - part;
		memcpy(end - part, answer + done, part);
		put = write(expert->fd, end - part, part + beyond);
		if (put < 0)
			check_equal(errno, EFAULT);
		else
			done += (size_t)put;
		/* The payload of a request that was aborted is not looked at. */
		check(put <= (ssize_t)(expert->aborts ? part + beyond : part));
	}
}

/* SUCCESS, with its payload; or not all of it, and then the channel is closed. */
static void fulfil(struct expert *expert, bool to_the_end)
{
	static _Thread_local unsigned char answer[40 + EXPERT_BYTES];
	struct dm_user_message request = pick(expert);
	size_t length = request.type == DM_USER_REQUEST_READ ? request.length : 0;

	fill_sectors(answer + 40, request.sector, length);
	request.type = DM_USER_RESPONSE_SUCCESS;
	if (random_below(2))
		request.length = 0;
	memcpy(answer, &request, 40);
	length += 40;
	put_in_pieces(expert, answer, to_the_end ? length : random_below(length));
	if (to_the_end) {
		atomic_fetch_add(&successes, 1);
		return;
	}
	close(expert->fd);
	expert->count = 0;
	expert->fd = channel_nonblocking(expert->disk);
}

/* Several answers in one write, the last of them wrong: those before it count. */
static void answer_many(struct expert *expert)
{
	struct dm_user_message answers[EXPERT_HELD + 1];
	unsigned int count = 0;

	while (expert->count > 0) {
		answers[count] = pick(expert);
		answers[count++].type = 1 + random_below(2);
	}
	answers[count] = answers[count - 1];
	answers[count].sequence ^= 1ULL << 50;
	check_equal(write(expert->fd, answers, (count + 1) * 40), count * 40);
	check_equal(write(expert->fd, answers + count, 40), -1);
	check_equal(errno, EINVAL);
}

static void *be_an_expert(void *data)
{
	struct expert *expert = data;
	const size_t room = EXPERT_BYTES + 4096;

	expert->bytes =
	    mmap(NULL, room + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(expert->bytes != MAP_FAILED);
	check_equal(mprotect(expert->bytes + room, 4096, PROT_NONE), 0);
	expert->fd = channel_nonblocking(expert->disk);
	while (!time_is_up()) {
		unsigned int choice = (unsigned int)random_below(16);

		if (expert->count < EXPERT_HELD && (choice < 6 || !expert->count))
			take_request(expert);
		else if (!expert->count)
			continue;
		else if (choice < 9)
			answer_wrongly(expert);
		else if (choice < 11)
			refuse(expert);
		else if (choice < 14)
			fulfil(expert, true);
		else if (choice < 15)
			fulfil(expert, false);
		else
			answer_many(expert);
	}
	close(expert->fd);
	return NULL;
}

/* READs and WRITEs of sectors that hold what they should: right, or an error. */
static void *load_with_pattern(void *data)
{
	struct disk *disk = data;
	int fd = disk_open(disk);
	unsigned char *buffer;

	check(!posix_memalign((void **)&buffer, 4096, EXPERT_BYTES));
	while (!time_is_up()) {
		size_t length = (random_below(random_below(4) ? 8 : EXPERT_BYTES / 512) + 1) * 512;
		uint64_t sector = random_below(disk->sectors - length / 512);
		bool is_read = random_below(2);
		ssize_t result;

		if (is_read) {
			memset(buffer, 0, length);
			result = pread(fd, buffer, length, (off_t)sector * 512);
		} else {
			fill_sectors(buffer, sector, length);
			result = pwrite(fd, buffer, length, (off_t)sector * 512);
		}
		if (result < 0)
			check(errno == EIO || errno == EOPNOTSUPP);
		else
			check_equal(result, length);
		if (result > 0 && is_read)
			check(holds_sectors(buffer, sector, length));
		atomic_fetch_add(&requests, 1);
		if (!random_below(50))
			fsync(fd);
	}
	close(fd);
	return NULL;
}

static void *abort_now_and_then(void *data)
{
	struct disk *disk = data;

	while (!time_is_up()) {
		usleep((unsigned int)random_below(20000));
		check_equal(dm_message(disk->name, 0, "abort", NULL, 0), 0);
	}
	return NULL;
}

static bool much_answered(void)
{
	return atomic_load(&wrong_answers) >= 50 && atomic_load(&refusals) >= 50 &&
	       atomic_load(&successes) >= 50;
}

static void with_experts(bool aborts)
{
	enum { EXPERTS = 3, LOADS = 8 };
	pthread_t experts[EXPERTS], loads[LOADS], aborter;
	struct expert expert[EXPERTS];
	struct backing backing;
	struct fixture f;

	set_time(3, 60, much_answered);
	/* Lengths that an expert has room for. */
	set_up(&f, "1 max_io:128", false);
	check_equal(backing_open(&backing, f.disk.backing, FIXTURE_BYTES), 0);
	fill_sectors(backing.bytes, 0, FIXTURE_BYTES);
	for (int i = 0; i < LOADS; i++)
		check(!pthread_create(&loads[i], NULL, load_with_pattern, &f.disk));
	for (int i = 0; i < EXPERTS; i++) {
		expert[i] = (struct expert){.disk = &f.disk, .aborts = aborts};
		check(!pthread_create(&experts[i], NULL, be_an_expert, &expert[i]));
	}
	if (aborts) {
		check(!pthread_create(&aborter, NULL, abort_now_and_then, &f.disk));
		pthread_join(aborter, NULL);
	}
	for (int i = 0; i < EXPERTS; i++)
		pthread_join(experts[i], NULL);
	note("answers: %ld wrong, %ld errors, %ld right; %ld requests from above, %llu requeued, "
	     "%llu aborted",
	     atomic_load(&wrong_answers), atomic_load(&refusals), atomic_load(&successes),
	     atomic_load(&requests), (unsigned long long)disk_status(&f.disk, "requeued"),
	     (unsigned long long)disk_status(&f.disk, "aborted"));
	/* Whoever still waits is served now. */
	open_channel(&f);
	serve_in_background(f.fd, &backing);
	for (int i = 0; i < LOADS; i++)
		pthread_join(loads[i], NULL);
	close(f.device);
	check_it_works(&f.disk);
}

CASE("hostile daemon: right and wrong answers, cut anywhere, do what the protocol says", 120)
{
	with_experts(false);
}

CASE("hostile daemon: the same while requests are aborted in its hands", 120)
{
	with_experts(true);
}
