/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - the parts of bioscope-helper.
 *
 *   main.c      who started us, for whom, for which group; then confine, then serve
 *   confine.c   what is given up: environment, descriptors, capabilities, system calls
 *   serve.c     the loop: requests in, a worker process for each, replies out
 *   check.c     the verbs, and what a request may hold
 *   targets.c   group "dm-user" and "adopt": argument vectors for dmsetup
 *   module.c    group "module"
 *   fuse_loop.c group "fuse-loop": mounts and loop devices
 *   loops.c     the loop devices that the one that serves keeps open
 *   run.c       runs a program: absolute path, argument vector, environment of our own
 *   node.c      lends a device's node to the user
 *
 * A worker is a fork of the one that serves. It does one verb, may block, and
 * may die of it; the one that serves never waits for anything that a user can
 * hold up, so that it can always clean up after the end of its socket. The last
 * of that does wait: README.md, "A loop device that was lent".
 */
#ifndef BIOSCOPE_HELPER_INTERNAL_H
#define BIOSCOPE_HELPER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../../wire/helper.h"
#include "../verbs.h"

enum group { GROUP_MODULE, GROUP_DM_USER, GROUP_ADOPT, GROUP_FUSE_LOOP, GROUP_ANY };

/* For whom and what this helper works; fixed at its start. */
struct session {
	uid_t uid;
	gid_t gid;
	pid_t asker; /* the daemon's process, for the log */
	enum group group;
};

/* The name of a group, as in argv[1]; and back, GROUP_ANY for none. */
const char *group_name(enum group group);
enum group group_of(const char *name);

/* A request together with what a worker hands back for it. */
struct work {
	const struct session *session;
	struct bioscope_helper_request request;
	struct bioscope_helper_reply reply;
	int fds[BIOSCOPE_HELPER_CHANNELS_MOST]; /* reply.count of them */
	int mount; /* the mount that request.handle stands for, or -1 */
	int loop;  /* the open loop device that the server keeps, or is to keep; or -1 */
	/* Returns once the server has let go of `loop`: the worker's is the last descriptor. */
	void (*let_go)(const struct work *work);
	/* Sends one of several replies: a row of a list. */
	int (*send_row)(const struct work *work);
};

/* What is known of a verb before it is carried out. */
struct verb {
	uint32_t number;
	const char *name; /* for the log */
	enum group group;
	uint32_t flags; /* those it may have */
	enum { NAME_NONE, NAME_TAG, NAME_TARGET, NAME_FILE, NAME_LOOP } named;
	bool counts, sized, on_mount, labelled;
	/* Carried out in a worker: 0 or an errno, the step in reply.step. NULL: by the server. */
	int (*work)(struct work *work);
};

/* check.c */
/* The verb of a request that is sound and allowed to this group; else NULL and `*error`. */
const struct verb *check_request(const struct session *session,
				 const struct bioscope_helper_request *request, int *error);
/* True for a tag, and for the name of a target that no user of ours could have made. */
bool is_tag(const char *text);
bool is_foreign_name(const char *text);

/* Notes in the reply what failed and returns the errno. */
int failed(struct work *work, const char *step, int error);

/* targets.c, module.c */
int target_create(struct work *work);
int target_open(struct work *work);
int target_suspend(struct work *work);
int target_resume(struct work *work);
int target_reload(struct work *work);
int target_abort(struct work *work);
int target_status(struct work *work);
int target_remove(struct work *work);
int target_list(struct work *work);
int foreign_list(struct work *work);
int foreign_open(struct work *work);
int module_load(struct work *work);

/* fuse_loop.c; the first is the server's, since the mount is */
int fuse_mount(struct work *work);
int loop_attach(struct work *work);
int loop_status(struct work *work);
int loop_detach(struct work *work);
/* Takes back what a helper that was killed had lent to this user. */
void loop_sweep(uid_t uid);

/* loops.c: BIOSCOPE_HELPER_LOOPS_MOST of them; only a call of the server's */
struct held_loop {
	char device[BIOSCOPE_LOOP_PATH_BYTES]; /* "": this place is free */
	int fd;
	bool detaching; /* a worker is at it, with the same open file */
	bool leaving;   /* detached by force: it goes when nobody else has it open */
};
/* The one of that name, "" for a free place; or NULL. */
struct held_loop *find_loop(struct held_loop loops[], const char *device);
size_t count_loops(const struct held_loop loops[]);
/* Takes `fd`. There must be a free place. */
void keep_loop(struct held_loop loops[], const char *device, int fd);
/* Closes it and frees its place. */
void drop_loop(struct held_loop *loop);
/* After a worker that has not let go of it: kept, unless it is clear in spite of that. */
void end_detach(struct held_loop *loop, bool died, bool force);
bool has_leaving_loops(const struct held_loop loops[]);
/* Clears those that leave, or all, as far as nobody else has them open. True: none is left. */
void clear_leaving_loops(struct held_loop loops[]);
bool clear_loops(struct held_loop loops[]);
/* Takes back the nodes of all. */
void give_back_loops(const struct held_loop loops[]);

/* run.c */
enum program { PROGRAM_DMSETUP, PROGRAM_MODPROBE, PROGRAM_COUNT };
/* Absolute paths where it may be, the first that exists counts; ends with NULL. In paths.c. */
extern const char *const program_paths[PROGRAM_COUNT][3];
/* The folder of the control devices. In paths.c. */
extern const char control_directory[];

#define OUTPUT_BYTES 262144
struct output {
	char text[OUTPUT_BYTES]; /* standard output, as far as it fits */
	char words[512];         /* standard error, the first line */
};
/*
 * Runs it to its end. 0 when it ended with status 0; else the errno that its words
 * name, or EIO. `arguments` is argv from the program's own name on, NULL at the end.
 */
int run_program(enum program program, const char *const arguments[], struct output *output);

/* node.c */
/*
 * Makes `uid` the owner of a block device's node in /dev; its group and mode stay.
 * The number and, unless NULL, the device-mapper UUID must be those of the node.
 */
int lend_node(const char *path, unsigned major, unsigned minor, const char *uuid, uid_t uid);

/* confine.c */
/* Ends the process with a sentence on stderr when something cannot be given up. */
void forget_the_caller(void);
void confine(enum group group);

/* serve.c: until the socket ends. */
void serve(const struct session *session, int socket);

#endif
