// SPDX-License-Identifier: Apache-2.0
/*
 * cases [--list] [--long] [--slow N] [TEXT ...]: runs the cases whose names contain one
 * of the texts, or all. A line each:
 *
 *   ok - NAME (SECONDS)
 *   not ok - NAME (SECONDS)
 *   # a line of detail
 */
#define _GNU_SOURCE
#include "harness.h"

#include <dirent.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

#define PREFIX "test-"

int slowness = 1;
static int patience = 1; /* time limits: a debugging kernel, emulated, on a busy machine */
bool run_long;
static char programs[256]; /* the directory of the daemons: where this program lies */
static struct test_case *first, **last = &first;
static uint64_t seed;

void add_case(struct test_case *test)
{
	*last = test;
	last = &test->next;
}

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

/* ---- disks ---- */

int disk_try(struct disk *disk, size_t bytes, const char *options)
{
	static int serial;
	char arguments[512];
	struct dm_line line = {.type = "user", .arguments = arguments};
	int result;

	if (!disk->name[0])
		snprintf(disk->name, sizeof(disk->name), PREFIX "%d-%d", getpid(), serial++);
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

	for (int attempt = 0; result == -EBUSY && attempt < 500 * slowness; attempt++) {
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
	for (int attempt = 0; attempt < 500 * slowness; attempt++) {
		if (disk_status(disk, field) == value)
			return;
		usleep(10000);
	}
	fail(__FILE__, __LINE__, "%s of %s stays %llu, not %llu", field, disk->name,
	     (unsigned long long)disk_status(disk, field), (unsigned long long)value);
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
	return start(path, disk->name, disk->backing, size, number, NULL);
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

/* ---- single requests ---- */

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

/* ---- running them ---- */

static const char *const complaints[] = {
    "BUG:",
    "Oops",
    "WARNING:",
    "INFO: task",
    "INFO: rcu",
    "INFO: trying",
    "KASAN",
    "possible recursive",
    "possible circ",
    "possible irq",
    "inconsistent lock",
    "list_del corruption",
    "list_add corruption",
    "refcount_t",
    "general protection",
    "sysfs: cannot create",
    "UBSAN",
    "Call Trace",
};

static int log_fd = -1;

/* True when the kernel's log said nothing bad since the last call. */
static bool log_is_clean(void)
{
	char record[8192];
	bool clean = true;
	ssize_t length;

	while ((length = read(log_fd, record, sizeof(record) - 1)) > 0 || errno == EPIPE) {
		char *text;

		if (length <= 0)
			continue;
		record[length] = '\0';
		text = strchr(record, ';');
		text = text ? text + 1 : record;
		for (size_t i = 0; i < sizeof(complaints) / sizeof(*complaints); i++)
			if (strstr(text, complaints[i])) {
				text[strcspn(text, "\n")] = '\0';
				note("kernel: %s", text);
				clean = false;
				break;
			}
	}
	return clean;
}

static void log_mark(const char *name)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	dprintf(fd, "test: %s\n", name);
	close(fd);
}

static void remove_leftover(const char *name, void *data)
{
	bool *left = data;
	char point[96];

	if (strncmp(name, PREFIX, strlen(PREFIX)))
		return;
	*left = true;
	snprintf(point, sizeof(point), "/run/%s", name);
	umount2(point, MNT_DETACH);
	/* First of all: whatever else is done may wait for what this frees. */
	dm_message(name, 0, "abort", NULL, 0);
	dm_message(name, 0, "no_daemon fail", NULL, 0);
	dm_resume(name);
	if (dm_remove(name, false) == -EBUSY)
		dm_remove(name, true);
}

static void clean_up(void)
{
	for (;;) {
		bool left = false;

		dm_each(remove_leftover, &left);
		if (!left)
			_exit(0);
		usleep(10000);
	}
}

/* Waits for a child until a time; whether it has ended. */
static bool ends_by(pid_t pid, double time, int *state)
{
	while (waitpid(pid, state, WNOHANG) != pid) {
		if (now() >= time)
			return false;
		usleep(2000);
	}
	return true;
}

static size_t read_text(char *text, size_t room, const char *format, ...)
{
	char path[128];
	va_list words;
	ssize_t got = 0;
	int fd;

	va_start(words, format);
	vsnprintf(path, sizeof(path), format, words);
	va_end(words);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		got = read(fd, text, room - 1);
		close(fd);
	}
	text[got > 0 ? got : 0] = '\0';
	return strlen(text);
}

/* What the threads of a process group wait for in the kernel. */
static void show_waiting(pid_t group)
{
	DIR *processes = opendir("/proc");
	struct dirent *process, *thread;

	while (processes && (process = readdir(processes))) {
		char text[4096], *place;
		DIR *threads;
		int pgrp;

		if (process->d_name[0] < '1' || process->d_name[0] > '9')
			continue;
		read_text(text, sizeof(text), "/proc/%.10s/stat", process->d_name);
		place = strrchr(text, ')');
		if (!place || sscanf(place, ") %*c %*d %d", &pgrp) != 1 || pgrp != group)
			continue;
		place = strchr(text, '(');
		place[strcspn(place, ")")] = '\0';
		note("%s %s", process->d_name, place + 1);
		snprintf(text, sizeof(text), "/proc/%.10s/task", process->d_name);
		threads = opendir(text);
		while (threads && (thread = readdir(threads))) {
			if (thread->d_name[0] == '.')
				continue;
			read_text(text, sizeof(text), "/proc/%.10s/task/%.10s/stack",
				  process->d_name, thread->d_name);
			note("  thread %s", thread->d_name);
			for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
				note("    %s", line);
		}
		if (threads)
			closedir(threads);
	}
	if (processes)
		closedir(processes);
}

static void show_device(const char *name, void *data)
{
	char text[1024];

	(void)data;
	dm_show(name, true, text, sizeof(text));
	note("%s: open %d, %s", name, dm_open_count(name), text);
}

static bool run_case(struct test_case *test)
{
	double begun = now(), limit = test->seconds * patience;
	bool good = true, ended;
	int state = 0, ignored;
	pid_t pid, cleaner;

	log_mark(test->name);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		signal(SIGPIPE, SIG_IGN);
		test->work();
		_exit(0);
	}
	setpgid(pid, pid);
	ended = ends_by(pid, begun + limit, &state);
	if (!ended) {
		note("not done after %.0f s", limit);
		dm_each(show_device, NULL);
		show_waiting(pid);
		good = false;
	} else if (WIFSIGNALED(state)) {
		note("killed by signal %d", WTERMSIG(state));
		good = false;
	} else if (WEXITSTATUS(state)) {
		good = false;
	}
	kill(-pid, SIGKILL);
	/* In a process of its own: it may hang too. */
	cleaner = fork();
	if (!cleaner) {
		setpgid(0, 0);
		clean_up();
	}
	if (!ends_by(cleaner, now() + 10 * patience, &ignored)) {
		note("its devices cannot be removed");
		show_waiting(cleaner);
		show_waiting(pid);
		dm_each(show_device, NULL);
		kill(cleaner, SIGKILL);
		good = false;
	}
	if (!ended && !ends_by(pid, now() + 5 * patience, &ignored)) {
		note("its process cannot be killed");
		good = false;
	}
	if (!log_is_clean())
		good = false;
	printf("%s - %s (%.1f s)\n", good ? "ok" : "not ok", test->name, now() - begun);
	fflush(stdout);
	return good;
}

int main(int count, char **words)
{
	bool list = false, injection = !access("/sys/kernel/debug/failslab", F_OK);
	const char *wanted[64];
	int wishes = 0, failed = 0;

	for (int i = 1; i < count; i++) {
		if (!strcmp(words[i], "--list"))
			list = true;
		else if (!strcmp(words[i], "--long"))
			run_long = true;
		else if (!strcmp(words[i], "--injection"))
			injection = true;
		else if (!strcmp(words[i], "--slow") && i + 1 < count) {
			slowness = atoi(words[++i]);
			patience = slowness > 1 ? 20 : 1;
		} else if (wishes < 64)
			wanted[wishes++] = words[i];
	}
	seed = (uint64_t)time(NULL);
	if (getenv("SEED"))
		seed = strtoull(getenv("SEED"), NULL, 0);
	snprintf(programs, sizeof(programs), "%s", words[0]);
	*strrchr(programs, '/') = '\0';
	if (!list) {
		note("seed %llu", (unsigned long long)seed);
		log_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (log_fd < 0 || lseek(log_fd, 0, SEEK_END) < 0) {
			perror("/dev/kmsg");
			return 2;
		}
	}
	for (struct test_case *test = first; test; test = test->next) {
		bool chosen = !wishes;

		for (int i = 0; i < wishes; i++)
			chosen |= strstr(test->name, wanted[i]) != NULL;
		if (!chosen || (test->is_long && !run_long) || (test->needs_fail && !injection))
			continue;
		if (list)
			printf("%s\n", test->name);
		else if (!run_case(test))
			failed++;
	}
	return failed ? 1 : 0;
}
