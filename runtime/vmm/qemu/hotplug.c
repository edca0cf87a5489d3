// SPDX-License-Identifier: Apache-2.0
/*
 * Plugging and unplugging. Each device gets a new name in QEMU, from a counter, so that a late
 * answer or event cannot be mistaken for one about a later device.
 */

#include "vmm/qemu/hotplug.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "vmm/qemu/cmdline.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { UNDO_MS = 5000, NAME_SIZE = 24, LUNS = 256, SCSI_MAX = 256 * LUNS };

/* A device that is plugged, or is being plugged or unplugged. */
struct plug {
	char *id; /* NULL: QEMU has not confirmed its removal, so the address stays taken */
	enum vmm_device_kind kind;
	char name[NAME_SIZE]; /* of back end and front end in QEMU */
	bool scsi;
	unsigned at;  /* index of the slot behind the bridge, or of the SCSI address; from 0 */
	bool busy;    /* a flow adds, grows or removes it */
	bool left;    /* a flow could not remove it: it ends when the guest lets go of it */
	bool gone;    /* event: the front end has been removed */
	bool refused; /* event: the guest refuses to release it */
	bool asked;   /* device_del was sent */
};

struct hotplug {
	struct qmp *qmp;
	const struct runtime_config *config;
	bool kvm;
	struct qmp_subscription events;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	VEC(struct plug *) plugs;
	unsigned counter;
	bool ended; /* QEMU's connection has ended: no event will come */
};

/* --- events --- */

/* With the lock held. */
static struct plug *named(const struct hotplug *h, const char *name)
{
	for (size_t i = 0; i < h->plugs.n; i++) {
		if (str_eq(h->plugs.v[i]->name, name))
			return h->plugs.v[i];
	}
	return NULL;
}

static void end_left(struct hotplug *h, struct plug *p);

/* Loop. The event's data names the device; events about parts of a device have no name. */
static void on_event(void *arg, const char *event, const struct json *data)
{
	struct hotplug *h = arg;
	const char *name = data ? json_get_text(data, "device") : NULL;
	struct plug *p;

	(void)pthread_mutex_lock(&h->lock);
	h->ended |= !event;
	p = name ? named(h, name) : NULL;
	if (p && str_eq(event, "DEVICE_DELETED"))
		p->gone = true;
	if (p && str_eq(event, "DEVICE_UNPLUG_GUEST_ERROR"))
		p->refused = true;
	if (p)
		end_left(h, p);
	(void)pthread_cond_broadcast(&h->changed);
	(void)pthread_mutex_unlock(&h->lock);
}

struct hotplug *hotplug_new(struct qmp *q, const struct runtime_config *config, bool kvm)
{
	struct hotplug *h = NEW(struct hotplug);

	h->qmp = q;
	h->config = config;
	h->kvm = kvm;
	(void)pthread_mutex_init(&h->lock, NULL);
	cond_init(&h->changed);
	h->events = (struct qmp_subscription){ .fn = on_event, .arg = h };
	qmp_subscribe(q, &h->events);
	return h;
}

static void plug_free(struct plug *p)
{
	free(p->id);
	free(p);
}

void hotplug_free(struct hotplug *h)
{
	if (!h)
		return;
	qmp_unsubscribe(h->qmp, &h->events);
	vec_each(struct plug *, p, &h->plugs)
		plug_free(*p);
	vec_release(&h->plugs);
	(void)pthread_mutex_destroy(&h->lock);
	(void)pthread_cond_destroy(&h->changed);
	free(h);
}

/* --- addresses --- */

int hotplug_will(const struct runtime_config *config, enum vmm_capability what, struct err *err)
{
	unsigned will = qemu_has_bridge(config) ? VMM_CAN_PLUG_DISK | VMM_CAN_PLUG_NIC : 0;

	if (qemu_has_scsi(config))
		will |= VMM_CAN_PLUG_DISK;
	if ((will & what) == what)
		return 0;
	if (str_eq(config->machine_type, "microvm")) {
		err_set(err, E_UNSUPPORTED, "the machine microvm takes no devices while it runs");
		return err_hint(err, "set machine_type = \"q35\" in [hypervisor.qemu]");
	}
	err_set(err, E_UNSUPPORTED, "the VM has no bridge for devices that come later");
	return err_hint(err, "set default_bridges = 1 in [hypervisor.qemu]");
}

bool hotplug_can(const struct hotplug *h, enum vmm_capability what)
{
	struct err ignored = ERR_INIT;

	return hotplug_will(h->config, what, &ignored) == 0;
}

/* With the lock held. */
static bool is_taken(const struct hotplug *h, bool scsi, unsigned at)
{
	for (size_t i = 0; i < h->plugs.n; i++) {
		if (h->plugs.v[i]->scsi == scsi && h->plugs.v[i]->at == at)
			return true;
	}
	return false;
}

static int no_address(const struct plug *p, struct err *err)
{
	if (p->scsi)
		return err_set(err, E_LIMIT, "all %d SCSI addresses are taken; use fewer disks",
			       SCSI_MAX);
	err_set(err, E_LIMIT, "the VM has %d devices that came later, and no room for more",
		QEMU_BRIDGE_PLACES);
	return p->kind == VMM_DISK
		       ? err_hint(err, "set block_device_driver = \"virtio-scsi\" in "
				       "[hypervisor.qemu], whose disks need no place of their own")
		       : -1;
}

/* With the lock held: sets p->at to the first free one. */
static int choose_address(const struct hotplug *h, struct plug *p, struct err *err)
{
	unsigned most = p->scsi ? SCSI_MAX : QEMU_BRIDGE_PLACES;

	for (p->at = 0; p->at < most; p->at++) {
		if (!is_taken(h, p->scsi, p->at))
			return 0;
	}
	return no_address(p, err);
}

static void set_address(const struct plug *p, struct vmm_address *address)
{
	*address = (struct vmm_address){ "", "" };
	if (p->scsi)
		(void)!str_print(address->scsi, sizeof(address->scsi), "%u:%u", p->at / LUNS,
				 p->at % LUNS);
	else
		(void)!str_print(address->pci, sizeof(address->pci), "%02x/%02x", QEMU_BRIDGE_SLOT,
				 QEMU_BRIDGE_FIRST + p->at);
}

/* With the lock held. */
static struct plug *find(const struct hotplug *h, const char *id)
{
	for (size_t i = 0; i < h->plugs.n; i++) {
		if (str_eq(h->plugs.v[i]->id, id))
			return h->plugs.v[i];
	}
	return NULL;
}

/* Adds a new, busy one to the list and returns it. */
static struct plug *begin_add(struct hotplug *h, const char *id, enum vmm_device_kind kind,
			      struct err *err)
{
	struct plug *p = NEW(struct plug);

	p->kind = kind;
	p->scsi = kind == VMM_DISK && qemu_has_scsi(h->config);
	p->busy = true;
	(void)pthread_mutex_lock(&h->lock);
	if (find(h, id))
		err_set(err, E_EXISTS, "it is plugged in already");
	else
		(void)!choose_address(h, p, err);
	if (!err->code) {
		p->id = xstrdup(id);
		(void)!str_print(p->name, sizeof(p->name), "plug%u", h->counter++);
		vec_push(&h->plugs, p);
	}
	(void)pthread_mutex_unlock(&h->lock);
	if (!err->code)
		return p;
	plug_free(p);
	return NULL;
}

/* Finds one that is plugged, and makes it busy. */
static struct plug *begin_use(struct hotplug *h, const char *id, struct err *err)
{
	struct plug *p;

	(void)pthread_mutex_lock(&h->lock);
	p = find(h, id);
	if (!p)
		err_set(err, E_NOT_FOUND, "it is not plugged in");
	else if (p->busy)
		err_set(err, E_STATE, "it is just being plugged in or out");
	else
		p->busy = true;
	(void)pthread_mutex_unlock(&h->lock);
	return err->code ? NULL : p;
}

/* With the lock held. */
static void drop(struct hotplug *h, struct plug *p)
{
	for (size_t i = 0; i < h->plugs.n; i++) {
		if (h->plugs.v[i] == p) {
			vec_remove(&h->plugs, i);
			break;
		}
	}
	plug_free(p);
}

static void forget(struct hotplug *h, struct plug *p)
{
	(void)pthread_mutex_lock(&h->lock);
	drop(h, p);
	(void)pthread_mutex_unlock(&h->lock);
}

static void no_longer_busy(struct hotplug *h, struct plug *p)
{
	(void)pthread_mutex_lock(&h->lock);
	p->busy = false;
	(void)pthread_mutex_unlock(&h->lock);
}

/* The guest did not let go of it in time. It may still do so at any time. */
static void leave(struct hotplug *h, struct plug *p)
{
	(void)pthread_mutex_lock(&h->lock);
	p->busy = false;
	p->left = true;
	end_left(h, p); /* perhaps just now */
	(void)pthread_mutex_unlock(&h->lock);
}

/* --- commands --- */

static void put(struct json *to, const char *key, const char *value)
{
	json_put(to, key, json_make_string(value));
}

static int ask(struct hotplug *h, const char *command, struct json *arguments,
	       struct deadline deadline, struct err *err)
{
	return qmp_execute(h->qmp, command, arguments, deadline, NULL, err);
}

/* Sends a command with one argument, a text. */
static int ask_about(struct hotplug *h, const char *command, const char *key, const char *value,
		     struct deadline deadline, struct err *err)
{
	struct json *arguments = json_make_object();

	put(arguments, key, value);
	return ask(h, command, arguments, deadline, err);
}

/* --- disks --- */

static struct json *describe_cache(const struct runtime_config *c)
{
	struct json *cache = json_make_object();

	json_put(cache, "direct", json_make_bool(c->block_cache_direct));
	json_put(cache, "no-flush", json_make_bool(c->block_cache_noflush));
	return cache;
}

/* Makes the back end. What the guest discards is discarded on the host. */
static int add_block_node(struct hotplug *h, const struct plug *p, const struct vmm_device *d,
			  struct deadline deadline, struct err *err)
{
	const struct runtime_config *c = h->config;
	struct json *file, *node;
	struct stat st;

	if (stat(d->disk.path, &st) < 0)
		return err_sys(err, "disk %s", d->disk.path);
	if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
		return err_set(err, E_INVALID, "disk %s is neither a block device nor a file",
			       d->disk.path);
	file = json_make_object();
	put(file, "driver", S_ISBLK(st.st_mode) ? "host_device" : "file");
	put(file, "filename", d->disk.path);
	put(file, "aio", c->block_aio);
	node = json_make_object();
	put(node, "node-name", p->name);
	put(node, "driver", "raw");
	put(node, "discard", "unmap");
	json_put(node, "read-only", json_make_bool(d->disk.readonly));
	json_put(node, "file", file);
	if (c->block_cache_set) {
		json_put(file, "cache", describe_cache(c));
		json_put(node, "cache", describe_cache(c));
	}
	if (ask(h, "blockdev-add", node, deadline, err) == 0)
		return 0;
	return c->rootless && err->code == E_FAILED
		       ? err_hint(err, "rootless = true: QEMU's user must be allowed to open it")
		       : -1;
}

/* share-rw: another VM may use the same device, as cluster file systems do. */
static void describe_disk(const struct hotplug *h, const struct plug *p, const struct vmm_device *d,
			  struct json *to)
{
	const struct runtime_config *c = h->config;

	(void)d;
	put(to, "driver", p->scsi ? "scsi-hd" : "virtio-blk-pci");
	put(to, "drive", p->name);
	json_put(to, "share-rw", json_make_bool(true));
	if (c->logical_sector)
		json_put(to, "logical_block_size", json_make_int(c->logical_sector));
	/* QEMU refuses a physical sector size below the logical one. */
	if (c->logical_sector || c->physical_sector)
		json_put(
			to, "physical_block_size",
			json_make_int(c->physical_sector ? c->physical_sector : c->logical_sector));
	if (p->scsi) {
		put(to, "bus", "scsi0.0");
		json_put(to, "scsi-id", json_make_int(p->at / LUNS));
		json_put(to, "lun", json_make_int(p->at % LUNS));
	}
}

/* --- network cards --- */

static bool uses_vhost(const struct hotplug *h, const struct vmm_device *d)
{
	return d->nic.vhost >= 0 && h->kvm;
}

/* Closes an fd in QEMU that was passed to it and that no netdev uses. */
static void close_passed_fd(struct hotplug *h, const char *name)
{
	struct err ignored = ERR_INIT; /* a netdev uses it, or QEMU did not get it */

	(void)!ask_about(h, "closefd", "fdname", name, deadline_in(UNDO_MS), &ignored);
}

static int add_netdev(struct hotplug *h, const struct plug *p, const struct vmm_device *d,
		      struct deadline deadline, struct err *err)
{
	AUTO(str) char *tap = str_fmt("%s-tap", p->name), *vhost = str_fmt("%s-vhost", p->name);
	struct json *netdev;

	if (qmp_give_fd(h->qmp, d->nic.tap, tap, deadline, err) == 0 &&
	    (!uses_vhost(h, d) || qmp_give_fd(h->qmp, d->nic.vhost, vhost, deadline, err) == 0)) {
		netdev = json_make_object();
		put(netdev, "type", "tap");
		put(netdev, "id", p->name);
		put(netdev, "fd", tap);
		if (uses_vhost(h, d)) {
			json_put(netdev, "vhost", json_make_bool(true));
			put(netdev, "vhostfd", vhost);
		}
		if (ask(h, "netdev_add", netdev, deadline, err) == 0)
			return 0;
	}
	close_passed_fd(h, tap);
	if (uses_vhost(h, d))
		close_passed_fd(h, vhost);
	return -1;
}

/* Without an option ROM: nothing boots from the network. */
static void describe_nic(const struct hotplug *h, const struct plug *p, const struct vmm_device *d,
			 struct json *to)
{
	(void)h;
	put(to, "driver", "virtio-net-pci");
	put(to, "netdev", p->name);
	put(to, "mac", d->nic.mac);
	put(to, "romfile", "");
}

static const struct kind {
	enum vmm_capability capability;
	/* Makes the back end. */
	int (*open)(struct hotplug *h, const struct plug *p, const struct vmm_device *d,
		    struct deadline deadline, struct err *err);
	/* The command that removes it, and the argument that is its name. */
	const char *close, *key;
	/* Adds to device_add's arguments for the front end all but name and address. */
	void (*describe)(const struct hotplug *h, const struct plug *p, const struct vmm_device *d,
			 struct json *to);
} kinds[] = {
	[VMM_NIC] = { VMM_CAN_PLUG_NIC, add_netdev, "netdev_del", "id", describe_nic },
	[VMM_DISK] = { VMM_CAN_PLUG_DISK, add_block_node, "blockdev-del", "node-name",
		       describe_disk },
};

static const struct kind *kind_of(enum vmm_device_kind kind)
{
	return (size_t)kind < ARRAY_LEN(kinds) && kinds[kind].open ? &kinds[kind] : NULL;
}

/* --- front ends --- */

static int add_device(struct hotplug *h, const struct plug *p, const struct vmm_device *d,
		      struct deadline deadline, struct err *err)
{
	struct json *device = json_make_object();
	AUTO(str) char *slot = str_fmt("0x%x", QEMU_BRIDGE_FIRST + p->at);

	kind_of(p->kind)->describe(h, p, d, device);
	put(device, "id", p->name);
	if (!p->scsi) {
		put(device, "bus", "bridge0");
		put(device, "addr", slot);
		put(device, "disable-legacy", "on"); /* the bridge has no I/O ports */
	}
	return ask(h, "device_add", device, deadline, err);
}

/* Waits for the event that the front end has been removed. */
static int await_gone(struct hotplug *h, struct plug *p, struct deadline deadline, struct err *err)
{
	(void)pthread_mutex_lock(&h->lock);
	while (!p->gone && !p->refused && !h->ended &&
	       cond_wait_until(&h->changed, &h->lock, deadline))
		;
	if (p->gone)
		;
	else if (h->ended)
		err_set(err, E_GONE, "QEMU has ended");
	else if (p->refused)
		err_set(err, E_STATE, "the guest refuses to let go of it");
	else
		err_set(err, E_TIMEOUT, "the guest did not let go of it in time");
	(void)pthread_mutex_unlock(&h->lock);
	return err->code ? -1 : 0;
}

/* Removes the front end. The event may come before the answer, or may have come earlier when the
 * guest ejected the device by itself. After a first device_del QEMU may refuse a second one because
 * the first is still pending; then the event alone counts. */
static int remove_device(struct hotplug *h, struct plug *p, struct deadline deadline,
			 struct err *err)
{
	struct err refused = ERR_INIT;
	bool gone, asked;

	(void)pthread_mutex_lock(&h->lock);
	gone = p->gone;
	asked = p->asked;
	p->asked = true;
	p->refused = false;
	(void)pthread_mutex_unlock(&h->lock);
	if (!gone && ask_about(h, "device_del", "id", p->name, deadline, &refused) < 0 && !asked &&
	    refused.code == E_FAILED) {
		struct err ignored = ERR_INIT; /* the refusal is reported */

		if (await_gone(h, p, deadline_in(0), &ignored) == 0)
			return 0;
		*err = refused;
		return -1;
	}
	return await_gone(h, p, deadline, err);
}

/* --- whole devices --- */

static int close_back_end(struct hotplug *h, const struct plug *p, struct deadline deadline,
			  struct err *err)
{
	const struct kind *k = kind_of(p->kind);

	return ask_about(h, k->close, k->key, p->name, deadline, err);
}

/* Of a device that was not plugged in. */
static void undo_open(struct hotplug *h, const struct plug *p)
{
	struct err err = ERR_INIT;

	if (close_back_end(h, p, deadline_in(UNDO_MS), &err) < 0 && err.code != E_FAILED)
		log_err(LOG_WARN, &err, "cannot close a device that was not plugged in");
}

/* With the lock held, on any thread: if the guest has let go of a device that was left, closes its
 * back end, so that the host has its disk or tap back, and its address is free. */
static void end_left(struct hotplug *h, struct plug *p)
{
	struct json *arguments;

	if (p->busy || !p->left || !p->gone)
		return;
	arguments = json_make_object();
	put(arguments, kind_of(p->kind)->key, p->name);
	qmp_tell(h->qmp, kind_of(p->kind)->close, arguments);
	log_info("the guest has let go of a device", LOG_S("device", p->id ? p->id : ""));
	drop(h, p);
}

/* device_add has timed out, but QEMU may still execute it: removes the front end that it may make.
 * Until QEMU confirms that, the address stays taken. */
static void withdraw(struct hotplug *h, struct plug *p)
{
	struct err err = ERR_INIT;

	if (remove_device(h, p, deadline_in(UNDO_MS), &err) < 0 && err.code != E_FAILED) {
		log_err(LOG_WARN, &err, "a device is left in the VM, and its place taken",
			LOG_S("device", p->id));
		(void)pthread_mutex_lock(&h->lock);
		str_set(&p->id, NULL);
		(void)pthread_mutex_unlock(&h->lock);
		leave(h, p);
		return;
	}
	undo_open(h, p);
	forget(h, p);
}

static int plug_in(struct hotplug *h, struct plug *p, const struct vmm_device *d,
		   struct deadline deadline, struct err *err)
{
	if (kind_of(p->kind)->open(h, p, d, deadline, err) < 0) {
		/* QEMU executes commands in order, so this follows the one that timed out. */
		if (err->code == E_TIMEOUT)
			undo_open(h, p);
		forget(h, p);
		return -1;
	}
	if (add_device(h, p, d, deadline, err) == 0)
		return 0;
	if (err->code == E_TIMEOUT) {
		withdraw(h, p);
		return -1;
	}
	undo_open(h, p);
	forget(h, p);
	return -1;
}

int hotplug_add(struct hotplug *h, const char *id, const struct vmm_device *d,
		struct vmm_address *address, struct deadline deadline, struct err *err)
{
	struct plug *p;

	if (!kind_of(d->kind))
		return err_set(err, E_UNSUPPORTED,
			       "plug in %s: QEMU takes this kind of device only at its start", id);
	if (hotplug_will(h->config, kind_of(d->kind)->capability, err) < 0)
		return err_wrap(err, "plug in %s", id);
	p = begin_add(h, id, d->kind, err);
	if (!p || plug_in(h, p, d, deadline, err) < 0)
		return err_wrap(err, "plug in %s", id);
	set_address(p, address);
	no_longer_busy(h, p);
	return 0;
}

int hotplug_remove(struct hotplug *h, const char *id, struct deadline deadline, struct err *err)
{
	struct plug *p = begin_use(h, id, err);

	if (!p)
		return err_wrap(err, "unplug %s", id);
	if (remove_device(h, p, deadline, err) < 0) {
		leave(h, p);
		return err_wrap(err, "unplug %s", id);
	}
	/* After a time-out QEMU still executes it, and before any later command. */
	if (close_back_end(h, p, deadline, err) == 0 || err->code == E_TIMEOUT)
		forget(h, p);
	else
		no_longer_busy(h, p);
	return err->code ? err_wrap(err, "unplug %s", id) : 0;
}

int hotplug_grow(struct hotplug *h, const char *id, uint64_t bytes, struct deadline deadline,
		 struct err *err)
{
	struct plug *p = begin_use(h, id, err);
	struct json *arguments;
	int result;

	if (!p)
		return err_wrap(err, "grow %s", id);
	arguments = json_make_object();
	put(arguments, "node-name", p->name);
	json_put(arguments, "size", json_make_u64(bytes));
	result = ask(h, "block_resize", arguments, deadline, err);
	no_longer_busy(h, p);
	return result < 0 ? err_wrap(err, "grow %s", id) : 0;
}
