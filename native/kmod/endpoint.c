// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dm-user: the control devices and their names.
 *
 * An endpoint comes into being with the first target that names it and dies
 * with the last. In between the tables of its device may be replaced: the new
 * target joins before the old one leaves, and the daemon notices nothing.
 * Memory lives on until the last channel is closed.
 */
#include <linux/jiffies.h>
#include <linux/slab.h>

#include "internal.h"

/* Protects dm_user_endpoints and each endpoint's targets. Process context. */
static DEFINE_MUTEX(dm_user_registry);
static LIST_HEAD(dm_user_endpoints);

static void dm_user_endpoint_free(struct kref *kref)
{
	kfree(container_of(kref, struct dm_user_endpoint, kref));
}

void dm_user_endpoint_put(struct dm_user_endpoint *endpoint)
{
	kref_put(&endpoint->kref, dm_user_endpoint_free);
}

/* Needs dm_user_registry. */
static struct dm_user_endpoint *dm_user_endpoint_find(const char *path)
{
	struct dm_user_endpoint *endpoint;

	list_for_each_entry(endpoint, &dm_user_endpoints, node)
		if (!strcmp(endpoint->path, path))
			return endpoint;
	return NULL;
}

/* Needs dm_user_registry. May sleep. */
static struct dm_user_endpoint *
dm_user_endpoint_create(struct mapped_device *md, const char *path, char **error)
{
	struct dm_user_endpoint *endpoint;
	int r;

	endpoint = kzalloc(sizeof(*endpoint), GFP_KERNEL);
	if (!endpoint) {
		*error = "Cannot allocate the control device";
		return ERR_PTR(-ENOMEM);
	}
	kref_init(&endpoint->kref);
	INIT_LIST_HEAD(&endpoint->targets);
	endpoint->md = md;
	strscpy(endpoint->path, path, sizeof(endpoint->path));
	dm_user_policy_init(endpoint);

	endpoint->misc.minor = MISC_DYNAMIC_MINOR;
	endpoint->misc.name = endpoint->path;
	endpoint->misc.nodename = endpoint->path;
	endpoint->misc.mode = 0600;
	endpoint->misc.fops = &dm_user_channel_operations;
	r = misc_register(&endpoint->misc);
	if (r) {
		*error = "Cannot register the control device";
		dm_user_endpoint_put(endpoint);
		return ERR_PTR(r);
	}
	list_add_tail(&endpoint->node, &dm_user_endpoints);
	return endpoint;
}

/* Whether the endpoint may serve the target's table. Needs dm_user_registry. */
static int dm_user_endpoint_admit(struct dm_user_endpoint *endpoint,
				  struct dm_target *ti)
{
	struct dm_user_target *other;

	if (endpoint->md != dm_table_get_md(ti->table)) {
		ti->error = "The name is in use by another device";
		return -EBUSY;
	}
	list_for_each_entry(other, &endpoint->targets, node) {
		if (other->ti->table == ti->table) {
			ti->error = "The name is used twice in one table";
			return -EBUSY;
		}
	}
	return 0;
}

void dm_user_add_targets(struct dm_user_sum *sum)
{
	struct dm_user_endpoint *endpoint;
	struct dm_user_target *target;

	mutex_lock(&dm_user_registry);
	list_for_each_entry(endpoint, &dm_user_endpoints, node)
		list_for_each_entry(target, &endpoint->targets, node)
			dm_user_add_target(sum, target);
	mutex_unlock(&dm_user_registry);
}

int dm_user_endpoint_attach(struct dm_user_target *target, const char *name)
{
	struct dm_target *ti = target->ti;
	struct dm_user_endpoint *endpoint;
	char path[sizeof(endpoint->path)];
	int r = 0;

	snprintf(path, sizeof(path), "dm-user/%s", name);

	mutex_lock(&dm_user_registry);
	endpoint = dm_user_endpoint_find(path);
	if (endpoint) {
		r = dm_user_endpoint_admit(endpoint, ti);
	} else {
		endpoint = dm_user_endpoint_create(dm_table_get_md(ti->table), path,
						   &ti->error);
		if (IS_ERR(endpoint))
			r = PTR_ERR(endpoint);
	}
	if (!r) {
		target->endpoint = endpoint;
		list_add_tail(&target->node, &endpoint->targets);
	}
	mutex_unlock(&dm_user_registry);
	return r;
}

void dm_user_endpoint_detach(struct dm_user_target *target)
{
	struct dm_user_endpoint *endpoint = target->endpoint;

	mutex_lock(&dm_user_registry);
	list_del(&target->node);
	if (list_empty(&endpoint->targets)) {
		/*
		 * Under the mutex to the end, or a new target of the same name
		 * would find it taken in sysfs.
		 */
		misc_deregister(&endpoint->misc);
		dm_user_kill(endpoint);
		list_del(&endpoint->node);
		dm_user_endpoint_put(endpoint);
	}
	mutex_unlock(&dm_user_registry);
}
