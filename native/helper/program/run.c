/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a program: absolute path, argument vector, an environment of our own, never a shell. */
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ERRNO_MOST 133

/* In a child that has one thread: only what is async-signal-safe and execve. */
static void become(const char *path, const char *const arguments[], int out, int words)
{
	/* Without udev dmsetup would wait for it for ever. */
	bool has_udev = access("/run/udev/control", F_OK) == 0;
	const char *environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
				     has_udev ? NULL : "DM_DISABLE_UDEV=1", NULL};
	/* It must not go on when its worker is gone. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(out, 1) < 0 || dup2(words, 2) < 0 ||
	    close_range(3, ~0U, 0) != 0)
		_exit(126);
	execve(path, (char *const *)arguments, (char *const *)environment);
	_exit(127);
}

/* Takes what there is to read; false at the end. What does not fit is dropped. */
static bool drain(int fd, char *text, size_t size, size_t *length)
{
	char dropped[4096];
	size_t room = size - 1 - *length;
	ssize_t got =
	    room > 0 ? read(fd, text + *length, room) : read(fd, dropped, sizeof(dropped));
	if (got < 0)
		return errno == EINTR;
	if (room > 0)
		*length += (size_t)got;
	return got > 0;
}

static void collect(int out, int words, struct output *output)
{
	struct pollfd polled[2] = {{.fd = out, .events = POLLIN}, {.fd = words, .events = POLLIN}};
	size_t lengths[2] = {0, 0};
	while (polled[0].fd >= 0 || polled[1].fd >= 0) {
		if (poll(polled, 2, -1) < 0 && errno != EINTR)
			break;
		if (polled[0].fd >= 0 && polled[0].revents &&
		    !drain(out, output->text, sizeof(output->text), &lengths[0]))
			polled[0].fd = -1;
		if (polled[1].fd >= 0 && polled[1].revents &&
		    !drain(words, output->words, sizeof(output->words), &lengths[1]))
			polled[1].fd = -1;
	}
	output->text[lengths[0]] = '\0';
	output->words[lengths[1]] = '\0';
	output->words[strcspn(output->words, "\n")] = '\0';
}

/* The errno behind "...: Device or resource busy"; EIO when the words name none. */
static int error_in(const char *words)
{
	if (strstr(words, "not found in directory") != NULL)
		return ENOENT;
	const char *last = words;
	for (const char *next = strstr(words, ": "); next; next = strstr(last, ": "))
		last = next + 2;
	for (int error = 1; error <= ERRNO_MOST; error++) {
		const char *text = strerrordesc_np(error);
		if (text != NULL && strcmp(last, text) == 0)
			return error;
	}
	return EIO;
}

int run_program(enum program program, const char *const arguments[], struct output *output)
{
	int out[2], words[2], status = 0;
	memset(output->words, 0, sizeof(output->words));
	output->text[0] = '\0';
	const char *path = NULL;
	for (const char *const *each = program_paths[program]; *each && !path; each++)
		if (access(*each, X_OK) == 0)
			path = *each;
	if (path == NULL) {
		snprintf(output->words, sizeof(output->words), "%s is not installed",
			 program_paths[program][0]);
		return ENOPKG;
	}
	if (pipe2(out, O_CLOEXEC) != 0)
		return errno;
	if (pipe2(words, O_CLOEXEC) != 0) {
		int error = errno;
		close(out[0]);
		close(out[1]);
		return error;
	}
	pid_t child = fork();
	if (child == 0)
		become(path, arguments, out[1], words[1]);
	int error = child < 0 ? errno : 0;
	close(out[1]);
	close(words[1]);
	if (!error)
		collect(out[0], words[0], output);
	close(out[0]);
	close(words[0]);
	if (error)
		return error;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return errno;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return error_in(output->words);
}
