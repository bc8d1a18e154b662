// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dm-user: requests that no daemon answers. What ends them: a message, a time
 * limit, the want of a daemon, a suspend, the end of the target.
 *
 * Process context, no lock held, unless a function says otherwise.
 */
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "internal.h"

/* How many requests are ended at a time where each may need a tombstone. */
#define DM_USER_BATCH 32

/*
 * Puts a tombstone where the request was, so that the daemon, which does not
 * know that it ended, may answer it. Without one (no memory) a late answer is
 * refused. Needs the endpoint's lock, before dm_user_end().
 */
static void dm_user_bury(struct dm_user_request *request,
			 struct dm_user_slot *tombstone)
{
	struct dm_user_channel *channel = request->channel;

	if (hlist_unhashed(&request->slot.node) ||
	    channel->tombstones >= DM_USER_TOMBSTONES_MAX) {
		kfree(tombstone);
		return;
	}
	channel->tombstones++;
	tombstone->tombstone = true;
	tombstone->sequence = request->slot.sequence;
	tombstone->answer_bytes = request->slot.answer_bytes;
	hlist_add_head(&tombstone->node, dm_user_bucket(channel, tombstone->sequence));
}

/* Which requests are to end, and how. */
struct dm_user_sentence {
	u64 order;	      /* those that are not younger than this one */
	bool timed;	      /* and, if set, */
	unsigned long before; /* arrived not after this */
	blk_status_t status;
	u64 *counter;	      /* in endpoint->count, or NULL */
};

static bool dm_user_concerns(const struct dm_user_sentence *sentence,
			     const struct dm_user_request *request)
{
	return request->order <= sentence->order &&
	       (!sentence->timed ||
		time_before_eq(request->arrived, sentence->before));
}

/*
 * Ends up to DM_USER_BATCH requests that channels hold. Each needs a tombstone.
 * Returns whether there may be more. May sleep, no lock held.
 */
static bool dm_user_end_held(struct dm_user_endpoint *endpoint,
			     const struct dm_user_sentence *sentence)
{
	struct dm_user_slot *tombstones[DM_USER_BATCH];
	struct dm_user_channel *channel;
	struct dm_user_request *request, *next;
	unsigned int ended = 0;
	LIST_HEAD(finished);
	int i;

	for (i = 0; i < DM_USER_BATCH; i++)
		tombstones[i] = kzalloc(sizeof(*tombstones[i]),
					GFP_NOIO | __GFP_NOWARN);

	spin_lock(&endpoint->lock);
	list_for_each_entry(channel, &endpoint->channels, node) {
		list_for_each_entry_safe(request, next, &channel->held, node) {
			if (!dm_user_concerns(sentence, request))
				continue;
			if (ended == DM_USER_BATCH)
				goto full;
			if (tombstones[ended]) {
				dm_user_bury(request, tombstones[ended]);
				tombstones[ended] = NULL;
			}
			ended++;
			if (sentence->counter)
				(*sentence->counter)++;
			if (dm_user_end(endpoint, request, sentence->status))
				list_add_tail(&request->node, &finished);
		}
	}
full:
	spin_unlock(&endpoint->lock);

	for (i = 0; i < DM_USER_BATCH; i++)
		kfree(tombstones[i]);
	dm_user_complete_all(endpoint, &finished);
	cond_resched();
	return ended == DM_USER_BATCH;
}

/*
 * Ends what waits in the queue, and moves it to @finished. Needs the endpoint's
 * lock.
 */
static void dm_user_end_pending(struct dm_user_endpoint *endpoint,
				const struct dm_user_sentence *sentence,
				struct list_head *finished)
{
	struct dm_user_request *request, *next;

	list_for_each_entry_safe(request, next, &endpoint->pending, node) {
		/* Those behind it are younger. */
		if (!dm_user_concerns(sentence, request))
			break;
		if (sentence->counter)
			(*sentence->counter)++;
		dm_user_end(endpoint, request, sentence->status);
		list_add_tail(&request->node, finished);
	}
}

/* Ends what the sentence concerns, wherever it is. May sleep, no lock held. */
static void dm_user_execute(struct dm_user_endpoint *endpoint,
			    const struct dm_user_sentence *sentence)
{
	LIST_HEAD(finished);

	spin_lock(&endpoint->lock);
	dm_user_end_pending(endpoint, sentence, &finished);
	spin_unlock(&endpoint->lock);
	dm_user_complete_all(endpoint, &finished);

	while (dm_user_end_held(endpoint, sentence))
		;
}

void dm_user_abort(struct dm_user_endpoint *endpoint, blk_status_t status)
{
	struct dm_user_sentence sentence = {
		.status = status,
		.counter = &endpoint->count.aborted,
	};

	/* Not those that arrive from now on, or it might never end. */
	spin_lock(&endpoint->lock);
	sentence.order = endpoint->last_order;
	spin_unlock(&endpoint->lock);
	dm_user_execute(endpoint, &sentence);
}

/* Needs the endpoint's lock. */
void dm_user_push_pending_back(struct dm_user_endpoint *endpoint,
			       struct list_head *finished)
{
	const struct dm_user_sentence sentence = {
		.order = U64_MAX,
		.status = BLK_STS_DM_REQUEUE,
	};

	dm_user_end_pending(endpoint, &sentence, finished);
}

void dm_user_pushback(struct dm_user_endpoint *endpoint)
{
	LIST_HEAD(finished);

	spin_lock(&endpoint->lock);
	endpoint->pushback = true;
	dm_user_push_pending_back(endpoint, &finished);
	spin_unlock(&endpoint->lock);
	dm_user_complete_all(endpoint, &finished);
}

/*
 * Whether requests wait or fail while no channel is open. Needs the endpoint's
 * lock; what must fail is moved to @finished.
 */
void dm_user_reconsider(struct dm_user_endpoint *endpoint,
			struct list_head *finished)
{
	const struct dm_user_sentence sentence = {
		.order = U64_MAX,
		.status = BLK_STS_IOERR,
		.counter = &endpoint->count.aborted,
	};
	unsigned long due;

	endpoint->failing = false;
	if (endpoint->open || endpoint->dead ||
	    endpoint->no_daemon == DM_USER_NO_DAEMON_WAIT)
		return;

	due = endpoint->lonely_since + endpoint->no_daemon * HZ;
	if (time_before(jiffies, due)) {
		mod_delayed_work(dm_user_workqueue, &endpoint->give_up, due - jiffies);
		return;
	}
	endpoint->failing = true;
	dm_user_end_pending(endpoint, &sentence, finished);
}

static void dm_user_give_up(struct work_struct *work)
{
	struct dm_user_endpoint *endpoint =
		container_of(to_delayed_work(work), struct dm_user_endpoint, give_up);
	LIST_HEAD(finished);

	spin_lock(&endpoint->lock);
	dm_user_reconsider(endpoint, &finished);
	spin_unlock(&endpoint->lock);
	dm_user_complete_all(endpoint, &finished);
}

/* When the oldest request arrived; false if there is none. Needs the lock. */
static bool dm_user_oldest(struct dm_user_endpoint *endpoint,
			   unsigned long *arrived)
{
	struct dm_user_channel *channel;
	struct dm_user_request *request;
	bool found = false;

	request = list_first_entry_or_null(&endpoint->pending,
					   struct dm_user_request, node);
	if (request) {
		*arrived = request->arrived;
		found = true;
	}
	list_for_each_entry(channel, &endpoint->channels, node) {
		list_for_each_entry(request, &channel->held, node) {
			if (found && time_after_eq(request->arrived, *arrived))
				continue;
			*arrived = request->arrived;
			found = true;
		}
	}
	return found;
}

static void dm_user_expire(struct work_struct *work)
{
	struct dm_user_endpoint *endpoint =
		container_of(to_delayed_work(work), struct dm_user_endpoint, expire);
	struct dm_user_sentence sentence = {
		.order = U64_MAX,
		.timed = true,
		.status = BLK_STS_TIMEOUT,
		.counter = &endpoint->count.timed_out,
	};
	unsigned long timeout, oldest, due;

	timeout = (unsigned long)READ_ONCE(endpoint->timeout) * HZ;
	if (!timeout)
		return;
	sentence.before = jiffies - timeout;
	dm_user_execute(endpoint, &sentence);

	spin_lock(&endpoint->lock);
	if (!endpoint->dead && dm_user_oldest(endpoint, &oldest)) {
		due = oldest + timeout;
		mod_delayed_work(dm_user_workqueue, &endpoint->expire,
				 time_after(due, jiffies) ? due - jiffies : 1);
	}
	spin_unlock(&endpoint->lock);
}

void dm_user_policy_init(struct dm_user_endpoint *endpoint)
{
	spin_lock_init(&endpoint->lock);
	init_waitqueue_head(&endpoint->readers);
	init_waitqueue_head(&endpoint->idle);
	INIT_LIST_HEAD(&endpoint->pending);
	INIT_LIST_HEAD(&endpoint->channels);
	INIT_DELAYED_WORK(&endpoint->expire, dm_user_expire);
	INIT_DELAYED_WORK(&endpoint->give_up, dm_user_give_up);
	endpoint->no_daemon = DM_USER_NO_DAEMON_WAIT;
	endpoint->lonely_since = jiffies;
}

void dm_user_resume(struct dm_user_endpoint *endpoint,
		    const struct dm_user_options *options)
{
	spin_lock(&endpoint->lock);
	endpoint->pushback = false;
	endpoint->lonely_since = jiffies;
	spin_unlock(&endpoint->lock);
	if (options)
		dm_user_policy(endpoint, options->no_daemon, options->timeout);
}

void dm_user_policy(struct dm_user_endpoint *endpoint, int no_daemon,
		    unsigned int timeout)
{
	LIST_HEAD(finished);

	spin_lock(&endpoint->lock);
	endpoint->no_daemon = no_daemon;
	WRITE_ONCE(endpoint->timeout, timeout);
	dm_user_reconsider(endpoint, &finished);
	spin_unlock(&endpoint->lock);
	dm_user_complete_all(endpoint, &finished);
	if (timeout)
		mod_delayed_work(dm_user_workqueue, &endpoint->expire, 0);
}

/* The last target is gone. Sleeps until no BIO of its is left. */
void dm_user_kill(struct dm_user_endpoint *endpoint)
{
	spin_lock(&endpoint->lock);
	endpoint->dead = true;
	spin_unlock(&endpoint->lock);

	/* Readers and pollers alike: no key, so every event. */
	wake_up_all(&endpoint->readers);
	cancel_delayed_work_sync(&endpoint->give_up);
	cancel_delayed_work_sync(&endpoint->expire);
	dm_user_abort(endpoint, BLK_STS_IOERR);
	wait_event(endpoint->idle, !atomic_read(&endpoint->busy));
}
