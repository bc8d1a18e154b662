/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile requests to the helper's verbs, with programs that say anything.
 *
 * The input is a request, then what the programs that it leads to answer with. They
 * are not run: what they would have been run with is held against the rules instead.
 * A broken rule aborts. The seeds are whole requests, one a verb (seed.py).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../native/helper/program/internal.h"

#define OWNER 1000

static const uint8_t *input;
static size_t input_left;

#define RULE(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "broken rule, line %d: %s\n", __LINE__, #condition);       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static uint8_t take_byte(void)
{
	if (input_left == 0)
		return 0;
	input_left--;
	return *input++;
}

/* A string of up to `size` - 1 bytes of the input, to the next zero. */
static void take_text(char *text, size_t size)
{
	size_t length = 0;
	for (uint8_t byte = take_byte(); byte != 0 && length < size - 1; byte = take_byte())
		text[length++] = (char)byte;
	text[length] = '\0';
}

/* Not the helper's own is_tag: that is what is being tested. */
static bool is_ours(const char *text, const char *prefix)
{
	size_t length = strlen(prefix);
	size_t tag = strlen(text) - length;
	return strncmp(text, prefix, length) == 0 && tag > 0 && tag <= 63 && text[length] != '-' &&
	       strspn(text + length, "abcdefghijklmnopqrstuvwxyz0123456789-") == tag;
}

static bool is_number(const char *text)
{
	return text[0] != '\0' && strspn(text, "0123456789") == strlen(text);
}

/* "0 N user 0 N bioscope-1000-tag" and the two options there are. */
static void check_table(const char *table)
{
	char name[256] = "", rest[64] = "";
	uint64_t start = 1, sectors = 0, again_start = 1, again = 0;
	int fields = sscanf(table, "%lu %lu user %lu %lu %255s %63[^\n]", &start, &sectors,
			    &again_start, &again, name, rest);
	RULE(fields >= 5);
	RULE(start == 0 && again_start == 0 && sectors == again && sectors > 0);
	RULE(sectors <= BIOSCOPE_HELPER_SECTORS_MOST);
	RULE(is_ours(name, "bioscope-1000-"));
	RULE(fields == 5 || strcmp(rest, "1 discards") == 0 ||
	     strcmp(rest, "1 write_zeroes") == 0 || strcmp(rest, "2 discards write_zeroes") == 0);
}

static void check_arguments(const char *const arguments[])
{
	static const char *const options[] = {"--columns",  "--noheadings", "--noflush",
					      "--deferred", "--retry",      "--noudevsync",
					      "--readonly"};
	const char *verb = arguments[1];
	bool reads = !strcmp(verb, "info") || !strcmp(verb, "status") || !strcmp(verb, "table");
	bool about_uuid = false;
	RULE(strcmp(arguments[0], "dmsetup") == 0);
	for (size_t i = 2; arguments[i]; i++) {
		const char *next = arguments[i + 1];
		bool known = false;
		for (size_t j = 0; j < sizeof(options) / sizeof(options[0]); j++)
			known = known || strcmp(arguments[i], options[j]) == 0;
		if (known)
			continue;
		if (strcmp(arguments[i], "--uuid") == 0) {
			RULE(next != NULL && is_ours(next, "BIOSCOPE-1000-"));
			about_uuid = true;
			i++;
		} else if (strcmp(arguments[i], "--table") == 0) {
			RULE(next != NULL);
			check_table(next);
			i++;
		} else if (strcmp(arguments[i], "--major") == 0 ||
			   strcmp(arguments[i], "--minor") == 0) {
			RULE(reads && next != NULL && is_number(next));
			i++;
		} else if (strcmp(arguments[i], "--separator") == 0 ||
			   strcmp(arguments[i], "-o") == 0) {
			RULE(reads && next != NULL);
			i++;
		} else if (strcmp(verb, "message") == 0) {
			RULE(about_uuid);
			RULE(strcmp(arguments[i], "0") == 0 || strcmp(arguments[i], "abort") == 0);
		} else {
			RULE(strcmp(verb, "create") == 0 || strcmp(verb, "remove") == 0);
			RULE(is_ours(arguments[i], "bioscope-1000-"));
		}
	}
	RULE(reads || about_uuid || strcmp(verb, "remove") == 0);
}

/* In the place of run.c. */
int run_program(enum program program, const char *const arguments[], struct output *output)
{
	if (program == PROGRAM_DMSETUP) {
		check_arguments(arguments);
	} else {
		RULE(strcmp(arguments[1], "--") == 0 && strcmp(arguments[2], "dm-user") == 0 &&
		     arguments[3] == NULL);
	}
	take_text(output->text, sizeof(output->text));
	take_text(output->words, sizeof(output->words));
	return take_byte() & 1 ? EBUSY : 0;
}

/* In the place of node.c. */
int lend_node(const char *path, unsigned major, unsigned minor, const char *uuid, uid_t uid)
{
	(void)major;
	(void)minor;
	RULE(uid == OWNER);
	RULE(is_ours(uuid, "BIOSCOPE-1000-"));
	if (strncmp(path, "/dev/dm-", 8) == 0) {
		RULE(is_number(path + 8));
	} else {
		RULE(strncmp(path, "/dev/mapper/", 12) == 0);
		RULE(is_ours(path + 12, "bioscope-1000-"));
	}
	return 0;
}

/* In the place of paths.c: nothing is there to be opened. */
const char *const program_paths[PROGRAM_COUNT][3] = {{NULL}};
const char control_directory[] = "/nonexistent";

/* In the place of fuse_loop.c, which is nothing but calls of the system. */
int loop_attach(struct work *work)
{
	RULE(strchr(work->request.name, '/') == NULL && strcmp(work->request.name, "..") != 0);
	RULE(strncmp(work->request.label, "bioscope:", 9) == 0);
	RULE(strlen(work->request.label) + strlen("@4294967295") < BIOSCOPE_LOOP_LABEL_BYTES);
	RULE(work->request.handle != 0);
	return 0;
}
int loop_status(struct work *work)
{
	RULE(strncmp(work->request.name, "/dev/loop", 9) == 0 && is_number(work->request.name + 9));
	return 0;
}
int loop_detach(struct work *work)
{
	return loop_status(work);
}

static int send_row(const struct work *work)
{
	RULE(work->reply.flags & BIOSCOPE_HELPER_REPLY_MORE);
	return 0;
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);
/*
 * A string must have zeroes to its end, which changes of any one byte rarely leave: every
 * other time a string is changed as such.
 */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
	struct bioscope_helper_request request;
	if (seed % 2 == 0 || size < 1 + sizeof(request))
		return LLVMFuzzerMutate(data, size, most);
	memcpy(&request, data + 1, sizeof(request));
	char *text = seed % 8 == 1 ? request.label : request.name;
	size_t room = text == request.label ? sizeof(request.label) : sizeof(request.name);
	size_t length = LLVMFuzzerMutate((uint8_t *)text, strnlen(text, room - 1), room - 1);
	memset(text + length, 0, room - length);
	memcpy(data + 1, &request, sizeof(request));
	return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session session = {.uid = OWNER, .gid = OWNER};
	struct work work = {.session = &session, .mount = -1, .loop = -1, .send_row = send_row};
	if (size < 1 + sizeof(work.request))
		return -1;
	session.group = data[0] % GROUP_ANY;
	memcpy(&work.request, data + 1, sizeof(work.request));
	input = data + 1 + sizeof(work.request);
	input_left = size - 1 - sizeof(work.request);
	int error = 0;
	const struct verb *verb = check_request(&session, &work.request, &error);
	RULE((verb == NULL) == (error != 0));
	if (verb == NULL || verb->work == NULL)
		return 0;
	RULE(verb->group == session.group);
	error = verb->work(&work);
	RULE(error >= 0);
	/* Whatever the programs said, the reply's strings have an end. */
	RULE(memchr(work.reply.step, '\0', sizeof(work.reply.step)) != NULL);
	RULE(memchr(work.reply.name, '\0', sizeof(work.reply.name)) != NULL);
	RULE(memchr(work.reply.text, '\0', sizeof(work.reply.text)) != NULL);
	RULE(!verb->counts || work.reply.count <= BIOSCOPE_HELPER_CHANNELS_MOST);
	return 0;
}
