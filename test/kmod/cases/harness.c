// SPDX-License-Identifier: Apache-2.0
/*
 * harness.c - what the cases are written with: disks, daemons, programs. Requests: traffic.c.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <stdarg.h>
#include <sys/prctl.h>
#include <time.h>

double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* xorshift64*: the seed is printed, so a run can be repeated as far as timing lets it. */
uint64_t random64(void)
{
	static _Thread_local uint64_t state;

	if (!state)
		state = seed ^ ((uint64_t)gettid() * 0x9E3779B97F4A7C15ULL);
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545F4914F6CDD1DULL;
}

uint64_t random_below(uint64_t limit)
{
	return random64() % limit;
}

void note(const char *format, ...)
{
	char text[1024];
	va_list words;

	va_start(words, format);
	vsnprintf(text, sizeof(text), format, words);
	va_end(words);
	dprintf(STDOUT_FILENO, "# %s\n", text);
}

void fail(const char *file, int line, const char *format, ...)
{
	char text[1024];
	va_list words;

	va_start(words, format);
	vsnprintf(text, sizeof(text), format, words);
	va_end(words);
	dprintf(STDOUT_FILENO, "# %s:%d: %s\n", strrchr(file, '/') ? strrchr(file, '/') + 1 : file,
		line, text);
	_exit(1);
}

long number_from(const char *path, const char *key)
{
	char line[256];
	long value = -1;
	FILE *file = fopen(path, "r");

	check(file);
	while (value < 0 && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)))
			value = strtol(line + strlen(key), NULL, 10);
	fclose(file);
	return value;
}

/* ---- disks ---- */

int disk_try(struct disk *disk, size_t bytes, const char *options)
{
	static int serial;
	char arguments[512];
	struct dm_line line = {.type = "user", .arguments = arguments};
	int result;

	if (!disk->name[0])
		snprintf(disk->name, sizeof(disk->name), TEST_PREFIX "%d-%d", getpid(), serial++);
	disk->sectors = bytes / 512;
	snprintf(disk->backing, sizeof(disk->backing), "/dev/shm/%s", disk->name);
	snprintf(arguments, sizeof(arguments), "0 %llu %s%s%s", (unsigned long long)disk->sectors,
		 disk->name, options[0] ? " " : "", options);
	line.length = disk->sectors;
	result = dm_create(disk->name);
	if (result)
		return result;
	result = dm_load(disk->name, &line, 1);
	if (!result)
		result = dm_resume(disk->name);
	if (result)
		dm_remove(disk->name, false);
	else
		snprintf(disk->node, sizeof(disk->node), "/dev/dm-%d", dm_minor(disk->name));
	return result;
}

void disk_make(struct disk *disk, size_t bytes, const char *options)
{
	int result;

	memset(disk, 0, sizeof(*disk));
	result = disk_try(disk, bytes, options);
	if (result)
		fail(__FILE__, __LINE__, "making a disk with \"%s\": %s", options,
		     strerror(-result));
}

int disk_open(const struct disk *disk)
{
	int fd = open(disk->node, O_RDWR | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		fail(__FILE__, __LINE__, "open %s: %s", disk->node, strerror(errno));
	return fd;
}

void disk_remove(const struct disk *disk)
{
	int result = -EBUSY;

	for (int attempt = 0; result == -EBUSY && attempt < 6000; attempt++) {
		if (attempt)
			usleep(10000);
		result = dm_remove(disk->name, false);
	}
	if (result)
		fail(__FILE__, __LINE__, "remove %s: %s", disk->name, strerror(-result));
	unlink(disk->backing);
}

/* The fields of the status line, in order. */
static const char *const status_fields[] = {"queued",    "in flight", "channels",
					    "completed", "errors",    "unsupported",
					    "requeued",  "aborted",   "timed out"};

uint64_t disk_status(const struct disk *disk, const char *field)
{
	char text[1024];
	uint64_t values[9];
	int error = dm_show(disk->name, true, text, sizeof(text));
	char *word = strstr(text, " user ");

	if (error || !word)
		fail(__FILE__, __LINE__, "status of %s: %s", disk->name, strerror(-error));
	word += strlen(" user ");
	for (int i = 0; i < 9; i++) {
		char *end;

		values[i] = strtoull(word, &end, 10);
		if (end == word)
			fail(__FILE__, __LINE__, "status: \"%s\"", text);
		word = end;
	}
	for (int i = 0; i < 9; i++)
		if (!strcmp(status_fields[i], field))
			return values[i];
	fail(__FILE__, __LINE__, "no field %s", field);
}

void disk_state(const struct disk *disk, const char *state)
{
	char text[1024];

	dm_show(disk->name, true, text, sizeof(text));
	if (!strrchr(text, ' ') || strcmp(strrchr(text, ' ') + 1, state))
		fail(__FILE__, __LINE__, "status is \"%s\", not %s", text, state);
}

void disk_await(const struct disk *disk, const char *field, uint64_t value)
{
	for (int attempt = 0; attempt < 6000; attempt++) {
		if (disk_status(disk, field) == value)
			return;
		usleep(10000);
	}
	fail(__FILE__, __LINE__, "%s of %s stays %llu, not %llu", field, disk->name,
	     (unsigned long long)disk_status(disk, field), (unsigned long long)value);
}

struct suspension {
	char name[64];
	bool flush;
};

static void *suspend(void *data)
{
	struct suspension suspension = *(struct suspension *)data;

	free(data);
	return (void *)(long)dm_suspend(suspension.name, suspension.flush);
}

pthread_t suspend_start(const struct disk *disk, bool flush)
{
	struct suspension *suspension = malloc(sizeof(*suspension));
	pthread_t thread;

	strcpy(suspension->name, disk->name);
	suspension->flush = flush;
	check(!pthread_create(&thread, NULL, suspend, suspension));
	return thread;
}

/* ---- programs ---- */

static pid_t spawn(const char *path, char *const *words)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(STDOUT_FILENO, STDERR_FILENO);
	execvp(path, words);
	dprintf(STDOUT_FILENO, "# cannot run %s: %s\n", path, strerror(errno));
	_exit(127);
}

pid_t start(const char *program, ...)
{
	char *words[64] = {(char *)program};
	va_list rest;
	int count = 1;

	va_start(rest, program);
	while (count < 63 && (words[count] = va_arg(rest, char *)))
		count++;
	va_end(rest);
	words[count] = NULL;
	return spawn(program, words);
}

int finish(pid_t pid)
{
	int state;

	while (waitpid(pid, &state, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
}

pid_t daemon_start(const struct disk *disk, const char *kind, int threads)
{
	char path[300], size[32], number[16];

	snprintf(path, sizeof(path), "%s/daemon-%s", programs, kind);
	snprintf(size, sizeof(size), "%llu", (unsigned long long)disk->sectors * 512);
	snprintf(number, sizeof(number), "%d", threads);
	/* It looks twice for requests, so both ways to read are used. */
	return start(path, disk->name, disk->backing, size, number, "2", NULL);
}

void daemon_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	finish(pid);
}

int daemon_wait(pid_t pid)
{
	return finish(pid);
}
