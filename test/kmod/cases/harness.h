/* SPDX-License-Identifier: Apache-2.0 */
/*
 * harness.h - how a test of the module is written.
 *
 * Each CASE runs in a process of its own with a time limit. It fails when a check
 * fails, when it takes too long, or when the kernel's log complains meanwhile; devices
 * that it leaves are removed.
 */
#ifndef BIOSCOPE_TEST_HARNESS_H
#define BIOSCOPE_TEST_HARNESS_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../programs/channel.h"
#include "../programs/dm.h"

struct test_case {
	const char *name;
	void (*work)(void);
	int seconds;     /* its time limit, on a kernel without debugging */
	bool is_long;    /* not part of the quick run */
	bool needs_fail; /* needs the kernel's fault injection */
	struct test_case *next;
};

void add_case(struct test_case *test);

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)
#define CASE_(id, text, limit, ...)                                                                \
	static void JOIN(work_, id)(void);                                                         \
	static struct test_case JOIN(case_, id) = {                                                \
	    .name = text, .work = JOIN(work_, id), .seconds = limit, __VA_ARGS__};                 \
	__attribute__((constructor)) static void JOIN(add_, id)(void)                              \
	{                                                                                          \
		add_case(&JOIN(case_, id));                                                        \
	}                                                                                          \
	static void JOIN(work_, id)(void)

/* CASE("what it asserts", seconds) { ... } */
#define CASE(text, limit)      CASE_(__LINE__, text, limit, .is_long = false)
#define CASE_LONG(text, limit) CASE_(__LINE__, text, limit, .is_long = true)
/* With fault injection only: listed where the kernel has it. */
#define CASE_FAILSLAB(text, limit) CASE_(__LINE__, text, limit, .needs_fail = true)

/*
 * A case on a fixture `f`, which is made before it and taken down after it. DISK_CASE: a
 * disk that is open, without a channel; CHANNEL_CASE: with one.
 */
#define FIXTURE_CASE_(id, text, limit, options, with_channel)                                      \
	static void JOIN(on_disk_, id)(struct fixture * f);                                        \
	CASE_(id, text, limit, .is_long = false)                                                   \
	{                                                                                          \
		struct fixture fixture;                                                            \
		set_up(&fixture, options, with_channel);                                           \
		JOIN(on_disk_, id)(&fixture);                                                      \
		tear_down(&fixture);                                                               \
	}                                                                                          \
	static void JOIN(on_disk_, id)(struct fixture * f)
#define DISK_CASE(text, limit, options)    FIXTURE_CASE_(__LINE__, text, limit, options, false)
#define CHANNEL_CASE(text, limit, options) FIXTURE_CASE_(__LINE__, text, limit, options, true)

#define check(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fail(__FILE__, __LINE__, "%s", #condition);                                \
	} while (0)

#define check_equal(got, want)                                                                     \
	do {                                                                                       \
		long long got_ = (long long)(got), want_ = (long long)(want);                      \
		if (got_ != want_)                                                                 \
			fail(__FILE__, __LINE__, "%s is %lld, not %lld (%s)", #got, got_, want_,   \
			     #want);                                                               \
	} while (0)

/* Ends the case. */
void fail(const char *file, int line, const char *format, ...)
    __attribute__((noreturn, format(printf, 3, 4)));
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

extern int slowness;  /* 1, or how much longer everything takes on a debugging kernel */
extern bool run_long; /* the long run: random tests run longer */
extern uint64_t seed;
extern char programs[256]; /* the directory of the daemons: where this program lies */
double now(void);          /* seconds */
uint64_t random64(void);
uint64_t random_below(uint64_t limit);
/* The number after `key` at the beginning of a line of a file of the kernel's; -1: none. */
long number_from(const char *path, const char *key);

/* A device with a dm-user target over all of it. */
struct disk {
	char name[64]; /* of the device, of the target's channel, of its backing */
	char node[64]; /* /dev/dm-N */
	char backing[96];
	uint64_t sectors;
};

#define MEGABYTE ((size_t)1 << 20)
/* What the names of all devices begin with that the cases make. */
#define TEST_PREFIX "test-"

/* options: what follows the name in the table ("" for none). */
void disk_make(struct disk *disk, size_t bytes, const char *options);
/* The same, where it may fail: -errno. disk->name may be preset. */
int disk_try(struct disk *disk, size_t bytes, const char *options);
int disk_open(const struct disk *disk); /* O_DIRECT */
/* Removes the device; waits until those who had it open are gone. */
void disk_remove(const struct disk *disk);
/* A counter of the status line: "queued", "in flight", "channels", "completed" ... */
uint64_t disk_status(const struct disk *disk, const char *field);
/* Waits until it has the value. */
void disk_await(const struct disk *disk, const char *field, uint64_t value);
/* Fails the case unless the last field is `state`. */
void disk_state(const struct disk *disk, const char *state);
/* Suspends from a thread of its own, which returns what dm_suspend() did. */
pthread_t suspend_start(const struct disk *disk, bool flush);

/* A daemon of ours on the disk, kind "strict" or "batched". */
pid_t daemon_start(const struct disk *disk, const char *kind, int threads);
/* SIGKILL, and waits for it. */
void daemon_kill(pid_t pid);
/* Waits for its end: its exit code, or 128 + the signal. */
int daemon_wait(pid_t pid);

/* Starts a program without a shell; NULL-terminated. Output into the case's own. */
pid_t start(const char *program, ...);
int finish(pid_t pid);
#define run(...) finish(start(__VA_ARGS__))

/* One request to the device, from a thread of its own. */
enum io_kind { IO_READ, IO_WRITE, IO_WRITE_FUA, IO_FLUSH, IO_DISCARD, IO_ZERO, IO_ERASE };
struct io {
	pthread_t thread;
	enum io_kind kind;
	int fd;
	off_t offset;
	size_t length;
	unsigned char *buffer; /* aligned; reads arrive here */
	atomic_bool done;
	int result; /* bytes or -errno */
};

struct io *io_start(int fd, enum io_kind kind, off_t offset, size_t length, int fill);
/* Waits; the result. Frees nothing that the caller may still look at. */
int io_finish(struct io *io);
void io_free(struct io *io);
bool io_waits(struct io *io, int milliseconds); /* still not done after so long */

/* A channel of the disk; fails the case when it cannot be opened. */
int channel(const struct disk *disk);
int channel_nonblocking(const struct disk *disk);
/* The next request of a channel, with its payload; fails the case on any error. */
struct dm_user_message expect(int fd, uint64_t type, uint64_t sector, uint64_t length,
			      void **payload);
/* A SUCCESS; READs are answered with bytes of value fill. */
void succeed(int fd, const struct dm_user_message *request, int fill);
/* Answers all that comes with SUCCESS in the background until the target is gone. */
pthread_t serve_in_background(int fd, struct backing *backing);

/* What most cases begin with. */
struct fixture {
	struct disk disk;
	int device; /* O_DIRECT; a case that closes it sets it to -1 */
	int fd;     /* the channel, or -1 */
};

#define FIXTURE_BYTES (16 * MEGABYTE)

void set_up(struct fixture *f, const char *options, bool with_channel);
void tear_down(struct fixture *f);
void open_channel(struct fixture *f);
void close_channel(struct fixture *f);
/* A READ, answered with bytes of value fill: it succeeds, and these are its bytes. */
void serve_read(struct fixture *f, off_t offset, size_t length, int fill);

#endif
