// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dm-user: what happens to a request, from its arrival to its end.
 *
 * Everything here works under the endpoint's lock, which is held for a few
 * list operations at a time. BIOs are completed after it was dropped, since
 * their end may submit others to this very endpoint.
 */
#include <linux/jiffies.h>
#include <linux/list_sort.h>
#include <linux/poll.h>
#include <linux/slab.h>

#include "compat.h"
#include "internal.h"

/* How many requests are ended at a time where each may need a tombstone. */
#define DM_USER_BATCH 32

struct dm_user_flag {
	blk_opf_t request;
	u64 wire;
};

static const struct dm_user_flag dm_user_flags[] = {
	{ REQ_FAILFAST_DEV, DM_USER_FLAG_FAILFAST_DEV },
	{ REQ_FAILFAST_TRANSPORT, DM_USER_FLAG_FAILFAST_TRANSPORT },
	{ REQ_FAILFAST_DRIVER, DM_USER_FLAG_FAILFAST_DRIVER },
	{ REQ_SYNC, DM_USER_FLAG_SYNC },
	{ REQ_META, DM_USER_FLAG_META },
	{ REQ_PRIO, DM_USER_FLAG_PRIO },
	{ REQ_NOMERGE, DM_USER_FLAG_NOMERGE },
	{ REQ_IDLE, DM_USER_FLAG_IDLE },
	{ REQ_INTEGRITY, DM_USER_FLAG_INTEGRITY },
	{ REQ_FUA, DM_USER_FLAG_FUA },
	{ REQ_PREFLUSH, DM_USER_FLAG_PREFLUSH },
	{ REQ_RAHEAD, DM_USER_FLAG_RAHEAD },
	{ REQ_BACKGROUND, DM_USER_FLAG_BACKGROUND },
	{ REQ_NOWAIT, DM_USER_FLAG_NOWAIT },
	{ DM_USER_REQ_CGROUP_PUNT, DM_USER_FLAG_CGROUP_PUNT },
	{ REQ_NOUNMAP, DM_USER_FLAG_NOUNMAP },
	{ REQ_POLLED, DM_USER_FLAG_HIPRI },
	{ REQ_DRV, DM_USER_FLAG_DRV },
	{ REQ_SWAP, DM_USER_FLAG_SWAP },
};

/* Flags of a BIO on the wire. Those that the protocol does not know are left out. */
static u64 dm_user_wire_flags(blk_opf_t opf)
{
	u64 wire = 0;
	int i;

	/* The usual cases: none, and SYNC alone. */
	opf &= ~(blk_opf_t)REQ_OP_MASK;
	if (!opf)
		return 0;
	for (i = 0; i < ARRAY_SIZE(dm_user_flags); i++)
		if (opf & dm_user_flags[i].request)
			wire |= dm_user_flags[i].wire;
	return wire;
}

/* The type of a BIO on the wire, or -EOPNOTSUPP. */
static int dm_user_wire_type(struct bio *bio)
{
	switch (bio_op(bio)) {
	case REQ_OP_READ:
		return DM_USER_REQUEST_READ;
	case REQ_OP_WRITE:
		/* What device-mapper sends for a flush. */
		if ((bio->bi_opf & REQ_PREFLUSH) && !bio->bi_iter.bi_size)
			return DM_USER_REQUEST_FLUSH;
		return DM_USER_REQUEST_WRITE;
	case REQ_OP_FLUSH:
		return DM_USER_REQUEST_FLUSH;
	case REQ_OP_DISCARD:
		return DM_USER_REQUEST_DISCARD;
	case REQ_OP_SECURE_ERASE:
		return DM_USER_REQUEST_SECURE_ERASE;
	case REQ_OP_WRITE_ZEROES:
		return DM_USER_REQUEST_WRITE_ZEROES;
	default:
		/* Zones: the target is never a zoned device. */
		return -EOPNOTSUPP;
	}
}

static bool dm_user_has_payload(const struct dm_user_request *request)
{
	return request->type == DM_USER_REQUEST_WRITE;
}

/* No lock of the endpoint held. The request is gone afterwards. */
static void dm_user_complete(struct dm_user_endpoint *endpoint,
			     struct dm_user_request *request)
{
	struct bio *bio = dm_user_bio(request);

	bio->bi_status = request->status;
	bio_endio(bio);
	if (atomic_dec_and_test(&endpoint->busy) && waitqueue_active(&endpoint->idle))
		wake_up(&endpoint->idle);
}

/* As dm_user_complete(), for a list that nobody else can see. */
static void dm_user_complete_all(struct dm_user_endpoint *endpoint,
				 struct list_head *requests)
{
	struct dm_user_request *request, *next;

	list_for_each_entry_safe(request, next, requests, node)
		dm_user_complete(endpoint, request);
}

static struct hlist_head *dm_user_bucket(struct dm_user_channel *channel,
					 u64 sequence)
{
	return &channel->slots[sequence % DM_USER_BUCKETS];
}

/* Needs the endpoint's lock. */
static struct dm_user_slot *dm_user_find(struct dm_user_channel *channel,
					 u64 sequence)
{
	struct dm_user_slot *slot;

	hlist_for_each_entry(slot, dm_user_bucket(channel, sequence), node)
		if (slot->sequence == sequence)
			return slot;
	return NULL;
}

/*
 * Takes a request out of the queue or away from its channel. Returns whether
 * the caller has to complete it; if not, the thread that copies will.
 * Needs the endpoint's lock.
 */
static bool dm_user_end(struct dm_user_endpoint *endpoint,
			struct dm_user_request *request, blk_status_t status)
{
	struct dm_user_channel *channel = request->channel;

	list_del_init(&request->node);
	request->status = status;
	if (!channel) {
		endpoint->queued--;
		return true;
	}

	endpoint->in_flight--;
	request->channel = NULL;
	hlist_del_init(&request->slot.node);
	if (request->copying) {
		request->ended = true;
		return false;
	}
	if (channel->out.request == request)
		channel->out.request = NULL;
	if (channel->in.request == request)
		channel->in.request = NULL;
	return true;
}

/*
 * Gives up the pages of a request after a copy. Returns whether the request
 * ended meanwhile, and the caller has to complete it.
 * Needs the endpoint's lock.
 */
static bool dm_user_unclaim(struct dm_user_request *request)
{
	request->copying = false;
	return request->ended;
}

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
static void dm_user_push_pending_back(struct dm_user_endpoint *endpoint,
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
static void dm_user_reconsider(struct dm_user_endpoint *endpoint,
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

void dm_user_queue_init(struct dm_user_endpoint *endpoint)
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

int dm_user_submit(struct dm_user_endpoint *endpoint, struct bio *bio)
{
	struct dm_user_request *request =
		dm_per_bio_data(bio, sizeof(struct dm_user_request));
	int type = dm_user_wire_type(bio);
	bool expires;

	if (type < 0) {
		bio->bi_status = BLK_STS_NOTSUPP;
		bio_endio(bio);
		return DM_MAPIO_SUBMITTED;
	}

	INIT_HLIST_NODE(&request->slot.node);
	request->slot.tombstone = false;
	request->slot.answer_bytes =
		type == DM_USER_REQUEST_READ ? bio->bi_iter.bi_size : 0;
	request->channel = NULL;
	request->arrived = jiffies;
	request->type = type;
	request->sent = false;
	request->copying = false;
	request->ended = false;

	spin_lock(&endpoint->lock);
	if (unlikely(endpoint->pushback)) {
		spin_unlock(&endpoint->lock);
		return DM_MAPIO_REQUEUE;
	}
	if (unlikely(endpoint->failing || endpoint->dead)) {
		endpoint->count.aborted++;
		spin_unlock(&endpoint->lock);
		return DM_MAPIO_KILL;
	}
	request->order = ++endpoint->last_order;
	list_add_tail(&request->node, &endpoint->pending);
	endpoint->queued++;
	atomic_inc(&endpoint->busy);
	expires = endpoint->timeout && !delayed_work_pending(&endpoint->expire);
	if (unlikely(expires))
		queue_delayed_work(dm_user_workqueue, &endpoint->expire,
				   (unsigned long)endpoint->timeout * HZ);
	spin_unlock(&endpoint->lock);

	/* The barrier in there pairs with that of a reader going to sleep. */
	if (wq_has_sleeper(&endpoint->readers))
		wake_up_interruptible_poll(&endpoint->readers, EPOLLIN | EPOLLRDNORM);
	return DM_MAPIO_SUBMITTED;
}

void dm_user_wake_next(struct dm_user_endpoint *endpoint)
{
	if (READ_ONCE(endpoint->queued))
		wake_up_interruptible_poll(&endpoint->readers,
					   EPOLLIN | EPOLLRDNORM);
}

bool dm_user_channel_readable(struct dm_user_channel *channel)
{
	struct dm_user_endpoint *endpoint = channel->endpoint;

	return READ_ONCE(channel->out.total) ||
	       READ_ONCE(endpoint->queued) ||
	       READ_ONCE(endpoint->dead);
}

void dm_user_channel_join(struct dm_user_channel *channel)
{
	struct dm_user_endpoint *endpoint = channel->endpoint;

	INIT_LIST_HEAD(&channel->held);
	spin_lock(&endpoint->lock);
	list_add_tail(&channel->node, &endpoint->channels);
	endpoint->open++;
	endpoint->failing = false;
	spin_unlock(&endpoint->lock);
}

/* A comparison for list_sort(). */
static int dm_user_by_order(void *unused, const struct list_head *a,
			    const struct list_head *b)
{
	return list_entry(a, struct dm_user_request, node)->order >
	       list_entry(b, struct dm_user_request, node)->order;
}

/*
 * Merges @requests, sorted, into the queue, where most of them come first.
 * Needs the endpoint's lock.
 */
static void dm_user_requeue(struct dm_user_endpoint *endpoint,
			    struct list_head *requests)
{
	struct list_head *at = endpoint->pending.next;
	struct dm_user_request *request, *next;

	list_for_each_entry_safe(request, next, requests, node) {
		while (at != &endpoint->pending &&
		       list_entry(at, struct dm_user_request, node)->order < request->order)
			at = at->next;
		list_move_tail(&request->node, at);
	}
}

void dm_user_channel_leave(struct dm_user_channel *channel)
{
	struct dm_user_endpoint *endpoint = channel->endpoint;
	struct dm_user_request *request;
	struct dm_user_slot *slot;
	struct hlist_node *next;
	LIST_HEAD(finished);
	int i;

	spin_lock(&endpoint->lock);
	list_sort(NULL, &channel->held, dm_user_by_order);
	list_for_each_entry(request, &channel->held, node) {
		hlist_del_init(&request->slot.node);
		request->channel = NULL;
		request->sent = false;
		endpoint->in_flight--;
		endpoint->queued++;
		endpoint->count.requeued++;
	}
	dm_user_requeue(endpoint, &channel->held);
	list_del(&channel->node);
	if (!--endpoint->open) {
		endpoint->lonely_since = jiffies;
		dm_user_reconsider(endpoint, &finished);
	}
	if (endpoint->pushback)
		dm_user_push_pending_back(endpoint, &finished);
	spin_unlock(&endpoint->lock);

	dm_user_complete_all(endpoint, &finished);
	/* Many requests, and perhaps the readers of other channels all sleep. */
	if (READ_ONCE(endpoint->queued))
		wake_up_all(&endpoint->readers);

	/* Nothing but tombstones is left, and nobody else sees them. */
	for (i = 0; i < DM_USER_BUCKETS; i++)
		hlist_for_each_entry_safe(slot, next, &channel->slots[i], node)
			kfree(slot);
}

/*
 * Hands the first waiting request to the channel. Needs the endpoint's lock and
 * read_mutex; the channel has no message to read.
 */
static void dm_user_take(struct dm_user_channel *channel)
{
	struct dm_user_endpoint *endpoint = channel->endpoint;
	struct dm_user_outgoing *out = &channel->out;
	struct dm_user_request *request;
	struct bio *bio;

	request = list_first_entry(&endpoint->pending, struct dm_user_request, node);
	bio = dm_user_bio(request);
	list_move_tail(&request->node, &channel->held);
	endpoint->queued--;
	endpoint->in_flight++;
	request->channel = channel;
	request->slot.sequence = endpoint->last_sequence++;
	hlist_add_head(&request->slot.node,
		       dm_user_bucket(channel, request->slot.sequence));

	out->header.sequence = request->slot.sequence;
	out->header.type = request->type;
	out->header.flags = dm_user_wire_flags(bio->bi_opf);
	out->header.sector = bio->bi_iter.bi_sector;
	out->header.length = bio->bi_iter.bi_size;
	out->done = 0;
	out->dropped = false;
	out->iter = bio->bi_iter;
	if (dm_user_has_payload(request)) {
		out->request = request;
		WRITE_ONCE(out->total, DM_USER_HEADER_BYTES + bio->bi_iter.bi_size);
	} else {
		request->sent = true;
		out->request = NULL;
		WRITE_ONCE(out->total, DM_USER_HEADER_BYTES);
	}
}

int dm_user_turn(struct dm_user_channel *channel, size_t copied, bool more)
{
	struct dm_user_endpoint *endpoint = channel->endpoint;
	struct dm_user_outgoing *out = &channel->out;
	struct dm_user_request *finished = NULL;
	int result = 0;

	spin_lock(&endpoint->lock);
	if (out->total) {
		out->done += copied;
		if (out->request && dm_user_unclaim(out->request)) {
			finished = out->request;
			out->request = NULL;
		}
		if (out->done == out->total || out->dropped) {
			if (out->request)
				out->request->sent = true;
			out->request = NULL;
			WRITE_ONCE(out->total, 0);
		}
	}
	if (more) {
		if (endpoint->dead) {
			result = -ENOTBLK;
		} else {
			if (!out->total && !list_empty(&endpoint->pending))
				dm_user_take(channel);
			if (out->request)
				out->request->copying = true;
			result = out->total ? 1 : 0;
		}
	}
	spin_unlock(&endpoint->lock);

	if (finished)
		dm_user_complete(endpoint, finished);
	return result;
}

bool dm_user_expects(struct dm_user_channel *channel, u64 sequence)
{
	struct dm_user_endpoint *endpoint = channel->endpoint;
	bool found;

	spin_lock(&endpoint->lock);
	found = dm_user_find(channel, sequence);
	spin_unlock(&endpoint->lock);
	return found;
}

/* The daemon answered before it read the rest: it will not. Needs the lock. */
static void dm_user_drop_rest(struct dm_user_channel *channel, u64 sequence)
{
	struct dm_user_outgoing *out = &channel->out;

	if (out->total && out->header.sequence == sequence)
		out->dropped = true;
}

/* The request ended before this answer came. Needs the endpoint's lock. */
static void dm_user_answer_late(struct dm_user_channel *channel,
				struct dm_user_slot *tombstone, u32 *forgivable)
{
	struct dm_user_incoming *in = &channel->in;

	in->request = NULL;
	if (in->header.type == DM_USER_RESPONSE_SUCCESS)
		in->left = tombstone->answer_bytes;
	else
		*forgivable = tombstone->answer_bytes;
	dm_user_drop_rest(channel, tombstone->sequence);
	hlist_del(&tombstone->node);
	channel->tombstones--;
	kfree(tombstone);
}

int dm_user_answer(struct dm_user_channel *channel, u32 *forgivable)
{
	struct dm_user_endpoint *endpoint = channel->endpoint;
	struct dm_user_incoming *in = &channel->in;
	struct dm_user_request *request = NULL;
	struct dm_user_slot *slot;
	blk_status_t status;
	struct bio *bio;
	int result = -EINVAL;

	spin_lock(&endpoint->lock);
	if (endpoint->dead) {
		result = -ENOTBLK;
		goto out;
	}
	slot = dm_user_find(channel, in->header.sequence);
	if (!slot || in->header.type > DM_USER_RESPONSE_UNSUPPORTED)
		goto out;
	if (slot->tombstone) {
		dm_user_answer_late(channel, slot, forgivable);
		result = 0;
		goto out;
	}

	request = container_of(slot, struct dm_user_request, slot);
	bio = dm_user_bio(request);
	if (in->header.type == DM_USER_RESPONSE_SUCCESS &&
	    (!request->sent ||
	     (in->header.length && in->header.length != bio->bi_iter.bi_size))) {
		request = NULL;
		goto out;
	}

	result = 0;
	dm_user_drop_rest(channel, slot->sequence);
	switch (in->header.type) {
	case DM_USER_RESPONSE_SUCCESS:
		if (slot->answer_bytes) {
			in->request = request;
			in->left = slot->answer_bytes;
			in->iter = bio->bi_iter;
			request->copying = true;
			/* No second answer; it stays with the channel's. */
			hlist_del_init(&slot->node);
			request = NULL;
			goto out;
		}
		status = BLK_STS_OK;
		endpoint->count.completed++;
		break;
	case DM_USER_RESPONSE_UNSUPPORTED:
		status = BLK_STS_NOTSUPP;
		*forgivable = slot->answer_bytes;
		endpoint->count.unsupported++;
		break;
	default:
		status = BLK_STS_IOERR;
		*forgivable = slot->answer_bytes;
		endpoint->count.errors++;
		break;
	}
	if (!dm_user_end(endpoint, request, status))
		request = NULL;
out:
	spin_unlock(&endpoint->lock);
	if (request)
		dm_user_complete(endpoint, request);
	return result;
}

void dm_user_receive(struct dm_user_channel *channel)
{
	struct dm_user_endpoint *endpoint = channel->endpoint;

	spin_lock(&endpoint->lock);
	if (channel->in.request)
		channel->in.request->copying = true;
	spin_unlock(&endpoint->lock);
}

void dm_user_received(struct dm_user_channel *channel, size_t copied)
{
	struct dm_user_endpoint *endpoint = channel->endpoint;
	struct dm_user_incoming *in = &channel->in;
	struct dm_user_request *request;
	bool finished = false;

	spin_lock(&endpoint->lock);
	in->left -= copied;
	request = in->request;
	if (request) {
		finished = dm_user_unclaim(request);
		if (!finished && !in->left) {
			endpoint->count.completed++;
			finished = dm_user_end(endpoint, request, BLK_STS_OK);
		}
		if (finished)
			in->request = NULL;
	}
	spin_unlock(&endpoint->lock);

	if (finished)
		dm_user_complete(endpoint, request);
}
