// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dm-user: the control device as its daemons see it. Two byte streams.
 *
 * Data is copied straight between the BIO's pages and the daemon's memory. A
 * page of the daemon that is not there is faulted in before the copy, never
 * during it: the daemon's memory may itself depend on the device, and a request
 * has to be able to end while a daemon waits for its page. So a copy never
 * sleeps, and what ends a request waits for no daemon.
 */
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "internal.h"

/* How often a page may vanish again between its fault and its use. */
#define DM_USER_FAULT_TRIES 16

/*
 * Called with misc_mtx held, which a daemon may need to come to its feet: no
 * allocation may wait for I/O.
 */
static int dm_user_open(struct inode *inode, struct file *file)
{
	struct dm_user_endpoint *endpoint =
		container_of(file->private_data, struct dm_user_endpoint, misc);
	struct dm_user_channel *channel;

	channel = kzalloc(sizeof(*channel), GFP_NOIO);
	if (!channel)
		return -ENOMEM;
	mutex_init(&channel->read_mutex);
	mutex_init(&channel->write_mutex);
	atomic_set(&channel->sleepers, 0);
	channel->endpoint = endpoint;
	/* The registry's reference is there: it is dropped after deregister. */
	kref_get(&endpoint->kref);
	dm_user_channel_join(channel);

	file->private_data = channel;
	/* io_uring: both calls honour IOCB_NOWAIT. */
	file->f_mode |= FMODE_NOWAIT;
	return stream_open(inode, file);
}

static int dm_user_release(struct inode *inode, struct file *file)
{
	struct dm_user_channel *channel = file->private_data;
	struct dm_user_endpoint *endpoint = channel->endpoint;

	dm_user_channel_leave(channel);
	kfree(channel);
	dm_user_endpoint_put(endpoint);
	return 0;
}

static bool dm_user_nonblocking(const struct kiocb *iocb)
{
	return (iocb->ki_flags & IOCB_NOWAIT) ||
	       (iocb->ki_filp->f_flags & O_NONBLOCK);
}

static int dm_user_lock(struct mutex *mutex, const struct kiocb *iocb)
{
	if (dm_user_nonblocking(iocb))
		return mutex_trylock(mutex) ? 0 : -EAGAIN;
	return mutex_lock_interruptible(mutex) ? -ERESTARTSYS : 0;
}

/*
 * Copies up to @count bytes between the pages at @at and the iterator, in the
 * latter's direction, and moves @at on. Never sleeps: returns a short count
 * where the daemon's memory is not there.
 */
static size_t dm_user_copy_pages(struct bio *bio, struct bvec_iter *at,
				 size_t count, struct iov_iter *iter)
{
	bool to_daemon = iov_iter_rw(iter) == READ;
	size_t copied = 0;

	while (copied < count) {
		struct bio_vec bvec = bio_iter_iovec(bio, *at);
		size_t want = min_t(size_t, bvec.bv_len, count - copied);
		size_t n;

		if (to_daemon)
			n = copy_page_to_iter(bvec.bv_page, bvec.bv_offset, want, iter);
		else
			n = copy_page_from_iter(bvec.bv_page, bvec.bv_offset, want, iter);
		if (!to_daemon)
			flush_dcache_page(bvec.bv_page);
		bio_advance_iter_single(bio, at, n);
		copied += n;
		if (n < want)
			break;
	}
	return copied;
}

/*
 * Copies what comes next of channel->out. Returns the bytes that went; fewer
 * than fit where the daemon's memory is not there. Needs read_mutex, and the
 * pages of out.request. Never sleeps.
 */
static size_t dm_user_send(struct dm_user_channel *channel, struct iov_iter *to)
{
	struct dm_user_outgoing *out = &channel->out;
	u32 done = out->done;
	size_t copied = 0;
	size_t want;

	pagefault_disable();
	if (done < DM_USER_HEADER_BYTES) {
		want = min_t(size_t, DM_USER_HEADER_BYTES - done, iov_iter_count(to));
		copied = copy_to_iter((char *)&out->header + done, want, to);
		done += copied;
		if (copied < want)
			goto out;
	}
	want = min_t(size_t, out->total - done, iov_iter_count(to));
	if (!want)
		goto out;
	if (out->request)
		copied += dm_user_copy_pages(dm_user_bio(out->request), &out->iter,
					     want, to);
	else
		copied += iov_iter_zero(want, to);
out:
	pagefault_enable();
	return copied;
}

/*
 * Fills the buffer with as many messages, and parts of messages, as there are
 * and fit. Needs read_mutex.
 */
static ssize_t dm_user_fill(struct dm_user_channel *channel, struct iov_iter *to)
{
	struct dm_user_outgoing *out = &channel->out;
	unsigned int tries = 0;
	size_t copied = 0, total = 0;
	int r;

	while ((r = dm_user_turn(channel, copied, iov_iter_count(to))) > 0) {
		size_t want = min_t(size_t, out->total - out->done, iov_iter_count(to));

		copied = dm_user_send(channel, to);
		total += copied;
		if (copied == want)
			continue;

		/* Without the pages of the request. */
		dm_user_turn(channel, copied, false);
		tries = copied ? 0 : tries + 1;
		want -= copied;
		copied = 0;
		if (tries > DM_USER_FAULT_TRIES || fatal_signal_pending(current) ||
		    fault_in_iov_iter_writeable(to, want) == want) {
			r = -EFAULT;
			break;
		}
	}
	return total ? total : r;
}

static ssize_t dm_user_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct dm_user_channel *channel = iocb->ki_filp->private_data;
	struct dm_user_endpoint *endpoint = channel->endpoint;
	ssize_t r;

	if (!iov_iter_count(to))
		return 0;

	for (;;) {
		r = dm_user_lock(&channel->read_mutex, iocb);
		if (!r) {
			r = dm_user_fill(channel, to);
			mutex_unlock(&channel->read_mutex);
		}
		if (r)
			break;
		if (dm_user_nonblocking(iocb))
			return -EAGAIN;

		/* One request wakes one of those who sleep here. */
		atomic_inc(&channel->sleepers);
		r = wait_event_interruptible_exclusive(endpoint->readers,
						       dm_user_channel_readable(channel));
		atomic_dec(&channel->sleepers);
		if (r)
			break;
	}

	/*
	 * Woken for a request that is still there; and the rest of a message
	 * is for any reader of this very channel.
	 */
	if (r < 0)
		dm_user_wake_next(endpoint);
	else if (READ_ONCE(channel->out.total) && atomic_read(&channel->sleepers))
		wake_up_all(&endpoint->readers);
	return r;
}

/*
 * Daemons of the first version send the payload along with an ERROR to a READ.
 * It is dropped if it is all that is left of this write and does not begin
 * with the header of another answer. Needs write_mutex.
 */
static size_t dm_user_skip_payload(struct dm_user_channel *channel, u32 bytes,
				   const struct iov_iter *from)
{
	struct dm_user_message next;
	struct iov_iter peek = *from;

	if (!bytes || iov_iter_count(from) != bytes)
		return 0;
	if (copy_from_iter(&next, sizeof(next), &peek) == sizeof(next) &&
	    next.type <= DM_USER_RESPONSE_UNSUPPORTED &&
	    dm_user_expects(channel, next.sequence))
		return 0;
	return bytes;
}

/*
 * Takes the next bytes of a header, and acts on it when it is complete. Returns
 * the bytes taken or a negative errno with nothing taken. Needs write_mutex.
 */
static ssize_t dm_user_take_header(struct dm_user_channel *channel,
				   struct iov_iter *from)
{
	struct dm_user_incoming *in = &channel->in;
	size_t want = min_t(size_t, DM_USER_HEADER_BYTES - in->have,
			    iov_iter_count(from));
	size_t copied, skipped;
	u32 forgivable = 0;
	int r;

	copied = copy_from_iter((char *)&in->header + in->have, want, from);
	if (!copied)
		return -EFAULT;
	in->have += copied;
	if (in->have < DM_USER_HEADER_BYTES)
		return copied;

	in->have = 0;
	r = dm_user_answer(channel, &forgivable);
	if (r) {
		iov_iter_revert(from, copied);
		return r;
	}
	skipped = dm_user_skip_payload(channel, forgivable, from);
	iov_iter_advance(from, skipped);
	return copied + skipped;
}

/*
 * Takes the next bytes of a payload. The caller owns the pages of in.request
 * if @claimed. Returns the bytes taken or -EFAULT. Needs write_mutex.
 */
static ssize_t dm_user_take_payload(struct dm_user_channel *channel,
				    struct iov_iter *from, bool claimed)
{
	struct dm_user_incoming *in = &channel->in;
	unsigned int tries = 0;
	size_t total = 0;

	for (;;) {
		size_t want = min_t(size_t, in->left, iov_iter_count(from));
		size_t copied = 0;

		if (!claimed)
			dm_user_receive(channel);
		claimed = false;
		if (!want) {
			/* Nothing to copy: in the next write. */
		} else if (in->request) {
			pagefault_disable();
			copied = dm_user_copy_pages(dm_user_bio(in->request), &in->iter,
						    want, from);
			pagefault_enable();
		} else {
			iov_iter_advance(from, want);
			copied = want;
		}
		dm_user_received(channel, copied);
		total += copied;
		if (copied == want)
			return total;

		tries = copied ? 0 : tries + 1;
		want -= copied;
		if (tries > DM_USER_FAULT_TRIES || fatal_signal_pending(current) ||
		    fault_in_iov_iter_readable(from, want) == want)
			return total ? total : -EFAULT;
	}
}

static ssize_t dm_user_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct dm_user_channel *channel = iocb->ki_filp->private_data;
	struct dm_user_incoming *in = &channel->in;
	size_t total = 0;
	ssize_t r;

	if (!iov_iter_count(from))
		return 0;
	r = dm_user_lock(&channel->write_mutex, iocb);
	if (r)
		return r;
	if (READ_ONCE(channel->endpoint->dead))
		r = -ENOTBLK;

	while (r >= 0 && iov_iter_count(from)) {
		if (in->left) {
			r = dm_user_take_payload(channel, from, false);
		} else {
			r = dm_user_take_header(channel, from);
			if (r > 0 && in->left) {
				total += r;
				r = dm_user_take_payload(channel, from, true);
			}
		}
		if (r > 0)
			total += r;
	}
	mutex_unlock(&channel->write_mutex);
	return total ? total : r;
}

static __poll_t dm_user_poll(struct file *file, poll_table *wait)
{
	struct dm_user_channel *channel = file->private_data;
	struct dm_user_endpoint *endpoint = channel->endpoint;
	__poll_t events = EPOLLOUT | EPOLLWRNORM;

	poll_wait(file, &endpoint->readers, wait);
	if (dm_user_channel_readable(channel))
		events |= EPOLLIN | EPOLLRDNORM;
	if (READ_ONCE(endpoint->dead))
		events |= EPOLLHUP | EPOLLERR;
	return events;
}

const struct file_operations dm_user_channel_operations = {
	.owner = THIS_MODULE,
	.open = dm_user_open,
	.release = dm_user_release,
	.read_iter = dm_user_read_iter,
	.write_iter = dm_user_write_iter,
	.poll = dm_user_poll,
};
