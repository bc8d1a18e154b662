// SPDX-License-Identifier: Apache-2.0
/*
 * runner.c - cases [--list] [--long] [--slow N] [TEXT ...]: runs the cases whose names
 * contain one of the texts, or all. A line each:
 *
 *   ok - NAME (SECONDS)
 *   not ok - NAME (SECONDS)
 *   # a line of detail
 */
#define _GNU_SOURCE
#include "harness.h"

#include <dirent.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/swap.h>
#include <time.h>

int slowness = 1;
static int patience = 5; /* time limits: emulated, on a machine that may be slow and busy */
bool run_long;
uint64_t seed;
char programs[256];
static struct test_case *first, **last = &first;

void add_case(struct test_case *test)
{
	*last = test;
	last = &test->next;
}

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

/* How much of what follows a complaint is shown: most of a stack. */
#define LOG_CONTEXT 20

static bool is_complaint(const char *text, bool injected)
{
	for (size_t i = 0; i < sizeof(complaints) / sizeof(*complaints); i++)
		if (strstr(text, complaints[i]))
			/* Where memory is refused the kernel may say by whose stack. */
			return !injected || strcmp(complaints[i], "Call Trace");
	return false;
}

/* True when the kernel's log said nothing bad since the last call. */
static bool log_is_clean(bool injected)
{
	int context = 0;
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
		text[strcspn(text, "\n")] = '\0';
		if (is_complaint(text, injected)) {
			clean = false;
			context = LOG_CONTEXT;
		}
		if (context > 0 && context--)
			note("kernel: %s", text);
	}
	return clean;
}

static void log_mark(const char *name)
{
	char text[256];
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	/* In one piece, and not by dprintf: it asks for a position, which this file has none of. */
	snprintf(text, sizeof(text), "test: %.240s\n", name);
	if (write(fd, text, strlen(text)) < 0)
		note("/dev/kmsg: %s", strerror(errno));
	close(fd);
}

static void remove_leftover(const char *name, void *data)
{
	bool *left = data;
	char point[96], node[64];

	if (strncmp(name, TEST_PREFIX, strlen(TEST_PREFIX)))
		return;
	*left = true;
	snprintf(point, sizeof(point), "/run/%s", name);
	umount2(point, MNT_DETACH);
	snprintf(node, sizeof(node), "/dev/dm-%d", dm_minor(name));
	/* First of all: whatever else is done may wait for what this frees. */
	dm_message(name, 0, "abort", NULL, 0);
	dm_message(name, 0, "no_daemon fail", NULL, 0);
	dm_resume(name);
	swapoff(node);
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
	if (!log_is_clean(test->needs_fail))
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
			patience = slowness > 1 ? 20 : 5;
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
