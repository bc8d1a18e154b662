/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dm-user: what its files share.
 *
 * A target (one line of a table) hands its BIOs to an endpoint, the control
 * device of the same name. An endpoint outlives the target when its table is
 * replaced by another that names it. Each open of it is a channel.
 *
 *   target.c    the device-mapper side: constructor, map, status, messages
 *   options.c   the arguments of a table line, there and back
 *   limits.c    what the block layer has to know of them
 *   endpoint.c  names, control devices, life and death
 *   queue.c     requests that wait, and their end
 *   policy.c    what ends them when no daemon does
 *   stream.c    requests as messages, and answers
 *   channel.c   read, write and poll: the byte streams
 *
 * A request lives in the per-BIO data that device-mapper allocates: nothing is
 * allocated between the arrival of a BIO and its end.
 *
 *   submit -> pending -> take -> held by a channel -> end -> complete
 *                ^                      |
 *                +---- channel closed --+
 *
 * Locks, outermost first:
 *
 *   dm_user_registry    mutex, endpoint.c: names, targets of an endpoint
 *   misc_mtx            the misc core's: taken by its register and deregister,
 *                       held while it calls our open
 *   channel read_mutex  one reader of a channel at a time: channel->out
 *   channel write_mutex one writer of a channel at a time: channel->in
 *   endpoint lock       spinlock, process context only: queues and requests
 *
 * read_mutex and write_mutex are never held together. A BIO is completed with
 * no lock of ours but at most one of these two mutexes held.
 */
#ifndef DM_USER_INTERNAL_H
#define DM_USER_INTERNAL_H

#include <linux/atomic.h>
#include <linux/bio.h>
#include <linux/device-mapper.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "dm-user.h"

#define DM_MSG_PREFIX "user"

#define DM_USER_NAME_MAX 127
#define DM_USER_BUCKETS 256
/* Answers that a channel may still owe to requests that ended without it. */
#define DM_USER_TOMBSTONES_MAX 65536

/* Values of dm_user_options.no_daemon; anything greater: seconds. */
#define DM_USER_NO_DAEMON_WAIT (-1)
#define DM_USER_NO_DAEMON_FAIL 0

struct dm_user_options {
	bool no_flush;
	unsigned int discard_sectors;	   /* 0: not supported */
	unsigned int secure_erase_sectors; /* 0: not supported */
	unsigned int write_zeroes_sectors; /* 0: not supported */
	unsigned int discard_granularity;  /* bytes */
	unsigned int logical_block_size;   /* bytes */
	unsigned int physical_block_size;  /* bytes */
	unsigned int max_io;		   /* sectors */
	int no_daemon;
	unsigned int timeout;		   /* seconds; 0: none */
};

/* What a sequence number stands for on a channel. */
struct dm_user_slot {
	struct hlist_node node;
	u64 sequence;
	u32 answer_bytes; /* payload of a SUCCESS */
	bool tombstone;	  /* the request has ended already; nothing but a slot */
};

/*
 * A BIO on its way, in its per-BIO data. Everything here belongs to the
 * endpoint's lock once the request is submitted.
 */
struct dm_user_request {
	struct dm_user_slot slot;
	struct list_head node; /* in endpoint->pending or channel->held */
	struct dm_user_channel *channel; /* that holds it, or NULL */
	u64 order;	       /* of arrival at the endpoint */
	unsigned long arrived; /* jiffies */
	u32 type;	       /* DM_USER_REQUEST_* */
	bool sent;	       /* the payload was read to its end */
	bool copying;	       /* a thread copies from or to the BIO's pages */
	bool ended;	       /* while copying: that thread has to complete it */
	blk_status_t status;   /* valid once ended */
};

struct dm_user_counters {
	u64 completed;
	u64 errors;
	u64 unsupported;
	u64 requeued;
	u64 aborted;
	u64 timed_out;
};

struct dm_user_endpoint {
	struct kref kref;	     /* the registry and each channel hold one */
	struct list_head node;	     /* dm_user_registry */
	struct list_head targets;    /* dm_user_registry */
	struct mapped_device *md;    /* to compare with, never to follow */
	struct miscdevice misc;
	char path[sizeof("dm-user/") + DM_USER_NAME_MAX];

	wait_queue_head_t readers;   /* readers, each exclusive, and pollers */
	wait_queue_head_t idle;	     /* the destructor, for busy */
	atomic_t busy;		     /* BIOs submitted and not yet completed */
	struct delayed_work expire;  /* timeout */
	struct delayed_work give_up; /* no_daemon */

	spinlock_t lock;	     /* protects everything below */
	struct list_head pending;    /* by order */
	struct list_head channels;
	unsigned int queued;
	unsigned int in_flight;
	unsigned int open;	     /* channels */
	u64 last_order;
	u64 last_sequence;
	struct dm_user_counters count;
	int no_daemon;
	unsigned int timeout;
	unsigned long lonely_since;  /* jiffies; valid while open is 0 */
	bool failing;		     /* no daemon, for too long */
	bool pushback;		     /* suspending without flush */
	bool dead;		     /* no target any more */
};

/* The message that a channel is reading. Protected by its read_mutex. */
struct dm_user_outgoing {
	struct dm_user_message header;
	u32 total;		/* bytes of the message; 0: there is none */
	u32 done;		/* bytes read so far */
	struct bvec_iter iter;	/* the rest of the payload */
	/*
	 * These two also under the endpoint's lock. The request is NULL when
	 * it has no payload, or has ended: the rest is then read as zeroes,
	 * unless the daemon itself ended it: then the rest is dropped.
	 */
	struct dm_user_request *request;
	bool dropped;
};

/* The message that a channel is writing. Protected by its write_mutex. */
struct dm_user_incoming {
	struct dm_user_message header;
	u32 have;		/* bytes of the header written so far */
	u32 left;		/* bytes of payload to come; 0: header */
	struct bvec_iter iter;	/* where they go */
	/* Also under the endpoint's lock; NULL: the payload is swallowed. */
	struct dm_user_request *request;
};

struct dm_user_channel {
	struct dm_user_endpoint *endpoint;
	struct mutex read_mutex;  /* out */
	struct mutex write_mutex; /* in */
	struct dm_user_outgoing out;
	struct dm_user_incoming in;
	atomic_t sleepers;	/* threads that wait to read from it */

	/* Under the endpoint's lock: */
	struct list_head node;
	struct list_head held;
	unsigned int tombstones;
	struct hlist_head slots[DM_USER_BUCKETS];
};

struct dm_user_target {
	struct dm_target *ti;
	struct dm_user_endpoint *endpoint;
	struct list_head node;	/* endpoint->targets, dm_user_registry */
	struct dm_user_options options;
};

extern struct workqueue_struct *dm_user_workqueue;
extern const struct file_operations dm_user_channel_operations;

static inline struct bio *dm_user_bio(struct dm_user_request *request)
{
	return dm_bio_from_per_bio_data(request, sizeof(*request));
}

/* options.c. May sleep. */
int dm_user_options_parse(struct dm_target *ti, struct dm_arg_set *args,
			  struct dm_user_options *options);
unsigned int dm_user_options_print(const struct dm_user_options *options,
				   char *result, unsigned int maxlen);
int dm_user_parse_no_daemon(const char *value, int *no_daemon);
int dm_user_parse_timeout(const char *value, unsigned int *timeout);

/* limits.c */
void dm_user_limits_hint(const struct dm_user_options *options,
			 struct queue_limits *limits);
int dm_user_limits_renew(struct dm_target *ti);
struct dm_user_sum;
/* Needs dm_user_registry. */
void dm_user_add_target(struct dm_user_sum *sum, struct dm_user_target *target);

/* endpoint.c. May sleep; take dm_user_registry. */
/* Calls dm_user_add_target() for every target of every endpoint. */
void dm_user_add_targets(struct dm_user_sum *sum);
int dm_user_endpoint_attach(struct dm_user_target *target, const char *name);
void dm_user_endpoint_detach(struct dm_user_target *target);
/* Any context that may free memory. */
void dm_user_endpoint_put(struct dm_user_endpoint *endpoint);

static inline struct hlist_head *
dm_user_bucket(struct dm_user_channel *channel, u64 sequence)
{
	return &channel->slots[sequence % DM_USER_BUCKETS];
}

/* queue.c */

/* Never sleeps. Returns what a map function returns. */
int dm_user_submit(struct dm_user_endpoint *endpoint, struct bio *bio);
/*
 * Takes a request out of the queue or away from its channel. Returns whether
 * the caller has to complete it; if not, the thread that copies will.
 * Needs the endpoint's lock.
 */
bool dm_user_end(struct dm_user_endpoint *endpoint,
		 struct dm_user_request *request, blk_status_t status);
/*
 * The request is gone afterwards. Process context, no lock held but
 * read_mutex or write_mutex.
 */
void dm_user_complete(struct dm_user_endpoint *endpoint,
		      struct dm_user_request *request);
/* The same for a list that nobody else can see. */
void dm_user_complete_all(struct dm_user_endpoint *endpoint,
			  struct list_head *requests);
void dm_user_channel_join(struct dm_user_channel *channel);
/* What the channel holds goes back to the queue. No read or write is on. */
void dm_user_channel_leave(struct dm_user_channel *channel);
/* Any context; a hint without the lock. */
bool dm_user_channel_readable(struct dm_user_channel *channel);
/* If somebody is to read what waits, but this reader did not: wake the next. */
void dm_user_wake_next(struct dm_user_endpoint *endpoint);

/* policy.c: process context, no lock held, but where said otherwise. */

void dm_user_policy_init(struct dm_user_endpoint *endpoint);
/* Ends every request that there is with @status. */
void dm_user_abort(struct dm_user_endpoint *endpoint, blk_status_t status);
/* From now on every request that is not held is pushed back to the core. */
void dm_user_pushback(struct dm_user_endpoint *endpoint);
/* Not any more; and the daemon's absence counts from now. */
void dm_user_resume(struct dm_user_endpoint *endpoint,
		    const struct dm_user_options *options);
/* Sets what happens to requests that wait. */
void dm_user_policy(struct dm_user_endpoint *endpoint, int no_daemon,
		    unsigned int timeout);
/* The last target is gone. Sleeps until no BIO of its is left. */
void dm_user_kill(struct dm_user_endpoint *endpoint);
/*
 * Whether requests wait or fail while no channel is open; and what a suspend
 * pushes back. Need the endpoint's lock. What ends is moved to @finished.
 */
void dm_user_reconsider(struct dm_user_endpoint *endpoint,
			struct list_head *finished);
void dm_user_push_pending_back(struct dm_user_endpoint *endpoint,
			       struct list_head *finished);

/* stream.c: process context. */

/*
 * Accounts for @copied more bytes of channel->out; then, if @more, makes sure
 * that there is a message to read. Returns 1 if so, 0 if nothing waits, or
 * -ENOTBLK. After a 1 the caller owns the pages of out.request until it calls
 * again. Needs read_mutex.
 */
int dm_user_turn(struct dm_user_channel *channel, size_t copied, bool more);
/*
 * Acts on the complete header in channel->in. Returns 0, or -EINVAL or -ENOTBLK
 * with nothing done. If in.left is not 0 then the caller owns the pages of
 * in.request until it calls dm_user_received(). Sets *@forgivable if the answer
 * has no payload where a SUCCESS would have that many bytes. Needs write_mutex.
 */
int dm_user_answer(struct dm_user_channel *channel, u32 *forgivable);
/* Accounts for @copied more bytes of the payload. Needs write_mutex. */
void dm_user_received(struct dm_user_channel *channel, size_t copied);
/* Claims the pages of in.request again for a further copy. Needs write_mutex. */
void dm_user_receive(struct dm_user_channel *channel);
/* Is the sequence one that the channel may answer? */
bool dm_user_expects(struct dm_user_channel *channel, u64 sequence);

#endif
