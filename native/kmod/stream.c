// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dm-user: requests between a channel and its daemon: handed out as messages,
 * found again by the sequence of an answer.
 *
 * Process context; read_mutex or write_mutex held as internal.h says.
 */
#include <linux/kernel.h>
#include <linux/slab.h>

#include "compat.h"
#include "internal.h"

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

static bool dm_user_has_payload(const struct dm_user_request *request)
{
	return request->type == DM_USER_REQUEST_WRITE;
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
