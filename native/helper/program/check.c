/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs, and what a request may hold. Nothing here touches the system. */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const group_names[] = {
    [GROUP_MODULE] = "module", [GROUP_DM_USER] = "dm-user",
    [GROUP_ADOPT] = "adopt",   [GROUP_FUSE_LOOP] = "fuse-loop",
    [GROUP_ANY] = "",
};

#define TABLE_FLAGS                                                                                \
	(BIOSCOPE_HELPER_READ_ONLY | BIOSCOPE_HELPER_DISCARDS | BIOSCOPE_HELPER_WRITE_ZEROES)

/* clang-format off */
static const struct verb verbs[] = {
	{.number = BIOSCOPE_HELPER_HELLO, .name = "hello", .group = GROUP_ANY},
	{.number = BIOSCOPE_HELPER_MODULE_LOAD, .name = "load the module", .group = GROUP_MODULE,
	 .work = module_load},
	{.number = BIOSCOPE_HELPER_TARGET_CREATE, .name = "create", .group = GROUP_DM_USER,
	 .named = NAME_TAG, .sized = true, .flags = TABLE_FLAGS, .work = target_create},
	{.number = BIOSCOPE_HELPER_TARGET_OPEN, .name = "open", .group = GROUP_DM_USER,
	 .named = NAME_TAG, .counts = true, .work = target_open},
	{.number = BIOSCOPE_HELPER_TARGET_SUSPEND, .name = "suspend", .group = GROUP_DM_USER,
	 .named = NAME_TAG, .flags = BIOSCOPE_HELPER_NO_FLUSH, .work = target_suspend},
	{.number = BIOSCOPE_HELPER_TARGET_RESUME, .name = "resume", .group = GROUP_DM_USER,
	 .named = NAME_TAG, .work = target_resume},
	{.number = BIOSCOPE_HELPER_TARGET_RELOAD, .name = "reload", .group = GROUP_DM_USER,
	 .named = NAME_TAG, .sized = true, .flags = TABLE_FLAGS, .work = target_reload},
	{.number = BIOSCOPE_HELPER_TARGET_ABORT, .name = "abort", .group = GROUP_DM_USER,
	 .named = NAME_TAG, .work = target_abort},
	{.number = BIOSCOPE_HELPER_TARGET_STATUS, .name = "status", .group = GROUP_DM_USER,
	 .named = NAME_TAG, .work = target_status},
	{.number = BIOSCOPE_HELPER_TARGET_REMOVE, .name = "remove", .group = GROUP_DM_USER,
	 .named = NAME_TAG, .flags = BIOSCOPE_HELPER_DEFERRED, .work = target_remove},
	{.number = BIOSCOPE_HELPER_TARGET_LIST, .name = "list", .group = GROUP_DM_USER,
	 .work = target_list},
	{.number = BIOSCOPE_HELPER_FOREIGN_LIST, .name = "list foreign", .group = GROUP_ADOPT,
	 .work = foreign_list},
	{.number = BIOSCOPE_HELPER_FOREIGN_OPEN, .name = "open foreign", .group = GROUP_ADOPT,
	 .named = NAME_TARGET, .counts = true, .work = foreign_open},
	{.number = BIOSCOPE_HELPER_FUSE_MOUNT, .name = "mount", .group = GROUP_FUSE_LOOP},
	{.number = BIOSCOPE_HELPER_FUSE_UNMOUNT, .name = "unmount", .group = GROUP_FUSE_LOOP,
	 .on_mount = true},
	{.number = BIOSCOPE_HELPER_LOOP_ATTACH, .name = "attach", .group = GROUP_FUSE_LOOP,
	 .named = NAME_FILE, .on_mount = true, .labelled = true,
	 .flags = BIOSCOPE_HELPER_READ_ONLY, .work = loop_attach},
	{.number = BIOSCOPE_HELPER_LOOP_STATUS, .name = "loop status", .group = GROUP_FUSE_LOOP,
	 .named = NAME_LOOP, .work = loop_status},
	{.number = BIOSCOPE_HELPER_LOOP_DETACH, .name = "detach", .group = GROUP_FUSE_LOOP,
	 .named = NAME_LOOP, .flags = BIOSCOPE_HELPER_FORCE, .work = loop_detach},
};
/* clang-format on */

const char *group_name(enum group group)
{
	return group_names[group];
}

enum group group_of(const char *name)
{
	for (enum group group = 0; group < GROUP_ANY; group++)
		if (strcmp(name, group_names[group]) == 0)
			return group;
	return GROUP_ANY;
}

int failed(struct work *work, const char *step, int error)
{
	snprintf(work->reply.step, sizeof(work->reply.step), "%s", step);
	return error;
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return is_lower(c) || (c >= 'A' && c <= 'Z');
}

bool is_tag(const char *text)
{
	size_t length = strlen(text);
	if (length == 0 || length > BIOSCOPE_HELPER_TAG_MOST || text[0] == '-')
		return false;
	for (const char *c = text; *c; c++)
		if (!is_lower(*c) && !is_digit(*c) && *c != '-')
			return false;
	return true;
}

bool is_foreign_name(const char *text)
{
	size_t length = strlen(text);
	if (length == 0 || length > 127 || text[0] == '.' || strncmp(text, "bioscope-", 9) == 0)
		return false;
	for (const char *c = text; *c; c++)
		if (!is_letter(*c) && !is_digit(*c) && strchr("#+-.:=@_", *c) == NULL)
			return false;
	return true;
}

/* One component of a path: the FUSE file's name, which is the image's. */
static bool is_file_name(const char *text)
{
	return text[0] != '\0' && strchr(text, '/') == NULL && strcmp(text, ".") != 0 &&
	       strcmp(text, "..") != 0;
}

static bool is_loop_device(const char *text)
{
	static const char prefix[] = "/dev/loop";
	if (strncmp(text, prefix, sizeof(prefix) - 1) != 0)
		return false;
	const char *digits = text + sizeof(prefix) - 1;
	size_t length = strlen(digits);
	/* One way to write a number: "loop07" would be another name of the same. */
	return length > 0 && length <= 7 && strspn(digits, "0123456789") == length &&
	       (length == 1 || digits[0] != '0');
}

static bool is_label(const char *text)
{
	static const char prefix[] = "bioscope:";
	if (strncmp(text, prefix, sizeof(prefix) - 1) != 0)
		return false;
	/* In the kernel "@<uid>" comes in between; there must be room for it. */
	size_t length = strlen(text);
	if (length + sizeof("@4294967295") > BIOSCOPE_LOOP_LABEL_BYTES)
		return false;
	for (const char *c = text + sizeof(prefix) - 1; *c; c++)
		if (!is_letter(*c) && !is_digit(*c) && strchr("._:-", *c) == NULL)
			return false;
	return text[sizeof(prefix) - 1] != '\0';
}

/* True when `text` ends with a NUL, and nothing but zeroes follows. */
static bool is_string(const char *text, size_t size)
{
	const char *end = memchr(text, '\0', size);
	if (end == NULL)
		return false;
	for (const char *c = end; c < text + size; c++)
		if (*c != '\0')
			return false;
	return true;
}

static bool is_named_rightly(const struct verb *verb, const char *name)
{
	switch (verb->named) {
	case NAME_NONE:
		return name[0] == '\0';
	case NAME_TAG:
		return is_tag(name);
	case NAME_TARGET:
		return is_foreign_name(name);
	case NAME_FILE:
		return is_file_name(name);
	case NAME_LOOP:
		return is_loop_device(name);
	}
	return false;
}

const struct verb *check_request(const struct session *session,
				 const struct bioscope_helper_request *request, int *error)
{
	const struct verb *verb = NULL;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (verbs[i].number == request->verb)
			verb = &verbs[i];
	*error = EPROTO;
	if (request->version != BIOSCOPE_HELPER_VERSION || verb == NULL)
		return NULL;
	*error = EPERM;
	if (verb->group != GROUP_ANY && verb->group != session->group)
		return NULL;
	*error = EINVAL;
	if (request->reserved != 0 || request->padding != 0 || (request->flags & ~verb->flags) != 0)
		return NULL;
	if (!is_string(request->name, sizeof(request->name)) ||
	    !is_string(request->label, sizeof(request->label)))
		return NULL;
	if (!is_named_rightly(verb, request->name))
		return NULL;
	if (verb->labelled ? !is_label(request->label) : request->label[0] != '\0')
		return NULL;
	if (verb->sized ? request->sectors == 0 || request->sectors > BIOSCOPE_HELPER_SECTORS_MOST
			: request->sectors != 0)
		return NULL;
	if (verb->counts ? request->count == 0 || request->count > BIOSCOPE_HELPER_CHANNELS_MOST
			 : request->count != 0)
		return NULL;
	if (verb->on_mount ? request->handle == 0 : request->handle != 0)
		return NULL;
	*error = 0;
	return verb;
}
