// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dm-user: requests from their arrival to a channel, and their end.
 *
 * Everything here works under the endpoint's lock, which is held for a few
 * list operations at a time. BIOs are completed after it was dropped, since
 * their end may submit others to this very endpoint.
 */
#include <linux/jiffies.h>
#include <linux/list_sort.h>
#include <linux/poll.h>
#include <linux/slab.h>

#include "internal.h"

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

/* No lock of the endpoint held. The request is gone afterwards. */
void dm_user_complete(struct dm_user_endpoint *endpoint,
		      struct dm_user_request *request)
{
	struct bio *bio = dm_user_bio(request);

	bio->bi_status = request->status;
	bio_endio(bio);
	/* waitqueue_active: the decrement is a full barrier. */
	if (atomic_dec_and_test(&endpoint->busy) && waitqueue_active(&endpoint->idle))
		wake_up(&endpoint->idle);
}

/* As dm_user_complete(), for a list that nobody else can see. */
void dm_user_complete_all(struct dm_user_endpoint *endpoint,
			  struct list_head *requests)
{
	struct dm_user_request *request, *next;

	list_for_each_entry_safe(request, next, requests, node)
		dm_user_complete(endpoint, request);
}

/*
 * Takes a request out of the queue or away from its channel. Returns whether
 * the caller has to complete it; if not, the thread that copies will.
 * Needs the endpoint's lock.
 */
bool dm_user_end(struct dm_user_endpoint *endpoint,
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
