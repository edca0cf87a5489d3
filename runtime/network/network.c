// SPDX-License-Identifier: Apache-2.0
/* Reads a network namespace, and connects its interfaces with a VM. */

#include "network/network.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "network/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

DEFINE_AUTO(netlink, struct netlink *, NULL, netlink_close)

/* --- reading the namespace --- */

/* False for interfaces that the guest does not get, or no longer, or not yet. */
static bool is_for_guest(const struct endpoint *e)
{
	return !e->skipped && !e->waiting;
}

static bool is_endpoint(const struct network *n, const char *device)
{
	vec_each(const struct endpoint, e, &n->endpoints.list) {
		if (is_for_guest(e) && str_eq(e->link.name, device))
			return true;
	}
	return false;
}

const char *network_name_of(const struct network *n, int index)
{
	vec_each(const struct endpoint, e, &n->endpoints.list) {
		if (is_for_guest(e) && e->link.index == index)
			return e->link.name;
	}
	return NULL;
}

/* True if the route leads to the network of the address. For each address the kernel makes such a
 * route, directly over the link. */
static bool is_network_of(const struct netlink_address *a, const struct netlink_route *r)
{
	AUTO(str) char *dest = xstrdup(r->dest), *prefix = str_fmt("/%u", a->prefix);
	uint8_t network[16] = { 0 }, address[16] = { 0 };
	char *slash = strchr(dest, '/');

	if (a->family != r->family || !slash || !str_eq(slash, prefix))
		return false;
	*slash = '\0';
	if (inet_pton(a->family, dest, network) != 1 ||
	    inet_pton(a->family, a->address, address) != 1)
		return false;
	for (unsigned bit = a->prefix; bit < 128; bit++)
		address[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return memcmp(network, address, sizeof(network)) == 0;
}

/* True for a route that the guest's kernel makes itself, for an address that it gets or when a router
 * announces it. It does not make one to the peer of an address: the agent's protocol has no peers.
 * The namespace loses announced routes in time, since the announcements go to the guest alone. */
static bool guest_makes(const struct network *n, const struct netlink_route *r)
{
	if (r->protocol == RTPROT_RA)
		return true;
	vec_each(const struct endpoint, e, &n->endpoints.list) {
		if (!str_eq(e->link.name, r->device))
			continue;
		vec_each(const struct netlink_address, a, &e->link.addresses) {
			if (is_network_of(a, r))
				return r->protocol == RTPROT_KERNEL;
		}
	}
	return false;
}

/* True if the route is over an interface that the guest gets. One that names no interface may be. */
static bool is_over_endpoint(const struct network *n, const struct netlink_route *r)
{
	return *r->device ? is_endpoint(n, r->device) : r->beyond && n->endpoints.list.n;
}

/* *out: the routes that the guest gets; *refused: those that it should and cannot get. */
static int find_routes(const struct network *n, struct netlink *nl, struct netlink_routes *out,
		       struct netlink_routes *refused, struct err *err)
{
	struct netlink_routes all;

	*out = *refused = (struct netlink_routes){ .routes = VEC_INIT };
	if (netlink_list_routes(nl, &all, err) < 0)
		return -1;
	vec_each(struct netlink_route, r, &all.routes) {
		if (!guest_makes(n, r) && is_over_endpoint(n, r))
			vec_push(r->beyond ? &refused->routes : &out->routes, *r);
	}
	netlink_routes_release(&all);
	return 0;
}

static int refuse_route(const struct netlink_route *r, struct err *err)
{
	err_set(err, E_UNSUPPORTED, "the route to %s has %s, which a VM cannot be given",
		*r->dest ? r->dest : "everywhere", r->beyond);
	return err_hint(err, "let the network plugin make a plain one");
}

static int find_neighbours(const struct network *n, struct netlink *nl,
			   struct netlink_neighbours *out, struct err *err)
{
	struct netlink_neighbours all;

	*out = (struct netlink_neighbours){ .neighbours = VEC_INIT };
	if (netlink_list_neighbours(nl, &all, err) < 0)
		return -1;
	vec_each(struct netlink_neighbour, one, &all.neighbours) {
		if (network_name_of(n, one->index))
			vec_push(&out->neighbours, *one);
	}
	netlink_neighbours_release(&all);
	return 0;
}

static int scan(void *arg, struct err *err)
{
	AUTO(netlink) struct netlink *nl = NULL;
	struct network *n = arg;

	if (netlink_open(&nl, err) < 0 || endpoints_find(nl, n->model, &n->endpoints, err) < 0 ||
	    find_routes(n, nl, &n->routes, &n->refused, err) < 0)
		return -1;
	return n->refused.routes.n ? refuse_route(n->refused.routes.v, err)
				   : find_neighbours(n, nl, &n->neighbours, err);
}

int network_scan(struct network *n, const struct runtime_config *config, const char *path,
		 struct err *err)
{
	*n = (struct network)NETWORK_INIT;
	if (str_empty(path))
		return 0;
	n->netns = netns_open(path, &n->identity, err);
	if (n->netns < 0)
		return -1;
	n->path = xstrdup(path);
	n->model = config->net_model;
	n->vhost = !config->vhost_net_off;
	n->limits = (struct endpoint_limits){ (uint64_t)config->rx_max_rate,
					      (uint64_t)config->tx_max_rate };
	if (str_eq(n->model, "none"))
		return 0;
	if (netns_call(n->netns, scan, n, err) == 0)
		return 0;
	err_wrap(err, "network namespace %s", path);
	network_release(n);
	return -1;
}

/* --- connecting --- */

/* Opens the kernel's back end for virtio-net, or returns -1: without it the VMM copies the
 * packets. */
static int open_vhost(void)
{
	int fd = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		log_debug("no /dev/vhost-net", LOG_S("why", strerror(errno)));
	return fd;
}

static int connect_one(const struct network *n, struct netlink *nl, struct endpoint *e,
		       struct err *err)
{
	if (e->wire->connect(nl, e, err) < 0)
		return err_wrap(err, "interface %s", e->link.name);
	e->connected = true;
	if (limits_set(nl, e, &n->limits, err) < 0)
		return err_wrap(err, "interface %s", e->link.name);
	e->vhost_fd = n->vhost ? open_vhost() : -1;
	log_info("interface connected", LOG_S("interface", e->link.name),
		 LOG_S("kind", e->link.kind), LOG_S("by", e->wire->model),
		 LOG_S("address", e->link.addresses.v->address), LOG_I("mtu", e->link.mtu),
		 LOG_S("vhost", e->vhost_fd >= 0 ? "yes" : "no"));
	return 0;
}

static int disconnect_one(struct netlink *nl, const struct wire *wire, const char *interface,
			  const char *tap, struct err *err)
{
	if (wire->disconnect(nl, interface, tap, err) < 0 || limits_lift(nl, interface, err) < 0)
		return err_wrap(err, "interface %s", interface);
	return 0;
}

static int connect_all(void *arg, struct err *err)
{
	AUTO(netlink) struct netlink *nl = NULL;
	struct network *n = arg;

	if (netlink_open(&nl, err) < 0)
		return -1;
	vec_each(struct endpoint, e, &n->endpoints.list) {
		if (connect_one(n, nl, e, err) < 0)
			return -1;
	}
	return 0;
}

int network_connect(struct network *n, struct err *err)
{
	if (!n->endpoints.list.n || netns_call(n->netns, connect_all, n, err) == 0)
		return 0;
	return err_wrap(err, "network namespace %s", n->path);
}

struct vmm_device network_device(const struct endpoint *e)
{
	return (struct vmm_device){ .kind = VMM_NIC,
				    .nic = { e->link.mac, e->tap_fd, e->vhost_fd } };
}

void network_hand_over(struct network *n)
{
	vec_each(struct endpoint, e, &n->endpoints.list) {
		fd_close(&e->tap_fd);
		fd_close(&e->vhost_fd);
	}
}

static int disconnect_all(void *arg, struct err *err)
{
	AUTO(netlink) struct netlink *nl = NULL;
	struct network *n = arg;
	int result = 0;

	if (netlink_open(&nl, err) < 0)
		return -1;
	vec_each(struct endpoint, e, &n->endpoints.list) {
		struct err why = ERR_INIT;

		if (e->connected)
			e->connected = disconnect_one(nl, e->wire, e->link.name, e->tap, &why) < 0;
		if (!e->connected || result < 0)
			continue;
		*err = why;
		result = -1;
	}
	return result;
}

int network_disconnect(struct network *n, struct err *err)
{
	network_hand_over(n);
	if (!n->endpoints.list.n || netns_call(n->netns, disconnect_all, n, err) == 0)
		return 0;
	return err_wrap(err, "network namespace %s", n->path);
}

/* --- while the VM runs --- */

struct watching {
	int fd;
};

static int watch(void *arg, struct err *err)
{
	struct watching *w = arg;

	w->fd = netlink_watch(err);
	return w->fd < 0 ? -1 : 0;
}

int network_watch(const struct network *n, struct err *err)
{
	struct watching w = { -1 };

	return netns_call(n->netns, watch, &w, err) < 0 ? -1 : w.fd;
}

static bool same_route(const struct netlink_route *a, const struct netlink_route *b)
{
	return a->family == b->family && str_eq(a->dest, b->dest) &&
	       str_eq(a->gateway, b->gateway) && str_eq(a->source, b->source) &&
	       str_eq(a->device, b->device) && a->scope == b->scope && a->flags == b->flags &&
	       a->mtu == b->mtu && a->metric == b->metric && str_eq(a->beyond, b->beyond);
}

static bool same_routes(const struct netlink_routes *a, const struct netlink_routes *b)
{
	if (a->routes.n != b->routes.n)
		return false;
	for (size_t i = 0; i < a->routes.n; i++) {
		if (!same_route(&a->routes.v[i], &b->routes.v[i]))
			return false;
	}
	return true;
}

static bool same_neighbours(const struct netlink_neighbours *a, const struct netlink_neighbours *b)
{
	if (a->neighbours.n != b->neighbours.n)
		return false;
	for (size_t i = 0; i < a->neighbours.n; i++) {
		const struct netlink_neighbour *x = &a->neighbours.v[i], *y = &b->neighbours.v[i];

		if (x->index != y->index || x->family != y->family || x->state != y->state ||
		    x->flags != y->flags || !str_eq(x->address, y->address) ||
		    !str_eq(x->mac, y->mac))
			return false;
	}
	return true;
}

static void take_routes(struct network *n, struct netlink_routes *now)
{
	n->routes_synced &= same_routes(&n->routes, now);
	netlink_routes_release(&n->routes);
	n->routes = *now;
}

static bool has_route(const struct netlink_routes *list, const struct netlink_route *r)
{
	vec_each(const struct netlink_route, one, &list->routes) {
		if (same_route(one, r))
			return true;
	}
	return false;
}

static void take_refused(struct network *n, struct netlink_routes *now)
{
	vec_each(const struct netlink_route, r, &now->routes) {
		struct err why = ERR_INIT;

		if (!has_route(&n->refused, r) && refuse_route(r, &why) < 0)
			log_err(LOG_WARN, &why, "the guest does not get a route that has come");
	}
	netlink_routes_release(&n->refused);
	n->refused = *now;
}

static void take_neighbours(struct network *n, struct netlink_neighbours *now)
{
	n->neighbours_synced &= same_neighbours(&n->neighbours, now);
	netlink_neighbours_release(&n->neighbours);
	n->neighbours = *now;
}

static int look(void *arg, struct err *err)
{
	AUTO(netlink) struct netlink *nl = NULL;
	struct network *n = arg;
	struct netlink_routes routes, refused;
	struct netlink_neighbours neighbours;

	if (netlink_open(&nl, err) < 0 || endpoints_rescan(nl, n->model, &n->endpoints, err) < 0 ||
	    find_routes(n, nl, &routes, &refused, err) < 0)
		return -1;
	take_routes(n, &routes);
	take_refused(n, &refused);
	if (find_neighbours(n, nl, &neighbours, err) < 0)
		return -1;
	take_neighbours(n, &neighbours);
	return 0;
}

int network_rescan(struct network *n, struct err *err)
{
	if (netns_call(n->netns, look, n, err) == 0)
		return 0;
	return err_wrap(err, "network namespace %s", n->path);
}

struct plugging {
	const struct network *n;
	struct endpoint *e;
};

static int plug(void *arg, struct err *err)
{
	const struct plugging *p = arg;
	AUTO(netlink) struct netlink *nl = NULL;

	return netlink_open(&nl, err) < 0 ? -1 : connect_one(p->n, nl, p->e, err);
}

static int unplug(void *arg, struct err *err)
{
	AUTO(netlink) struct netlink *nl = NULL;
	struct endpoint *e = arg;

	return netlink_open(&nl, err) < 0 ? -1
					  : disconnect_one(nl, e->wire, e->link.name, e->tap, err);
}

void network_unplug(struct network *n, struct endpoint *e)
{
	struct err err = ERR_INIT;

	fd_close(&e->tap_fd);
	fd_close(&e->vhost_fd);
	if (e->connected && netns_call(n->netns, unplug, e, &err) < 0)
		log_err(LOG_WARN, &err, "cannot disconnect an interface");
	e->connected = false;
}

int network_plug(struct network *n, struct endpoint *e, struct err *err)
{
	if (netns_call(n->netns, plug, &(struct plugging){ n, e }, err) == 0)
		return 0;
	network_unplug(n, e);
	return -1;
}

static int adjust(void *arg, struct err *err)
{
	const struct endpoint *e = arg;
	AUTO(netlink) struct netlink *nl = NULL;

	return netlink_open(&nl, err) < 0 ? -1
					  : netlink_set_mtu(nl, e->tap_index, e->link.mtu, err);
}

int network_adjust(struct network *n, const struct endpoint *e, struct err *err)
{
	return netns_call(n->netns, adjust, (void *)e, err);
}

void network_drop(struct network *n, size_t index)
{
	endpoint_release(&n->endpoints.list.v[index]);
	vec_remove(&n->endpoints.list, index);
}

void network_release(struct network *n)
{
	endpoints_release(&n->endpoints);
	netlink_routes_release(&n->routes);
	netlink_routes_release(&n->refused);
	netlink_neighbours_release(&n->neighbours);
	fd_close(&n->netns);
	free(n->path);
	n->path = NULL;
}

/* --- after a crash --- */

const char *network_model_of(const struct endpoint *e)
{
	return e->wire->model;
}

struct undo_args {
	const struct wire *wire;
	const char *interface, *tap;
};

static int undo(void *arg, struct err *err)
{
	AUTO(netlink) struct netlink *nl = NULL;
	const struct undo_args *r = arg;

	return netlink_open(&nl, err) < 0 ? -1
					  : disconnect_one(nl, r->wire, r->interface, r->tap, err);
}

int network_undo(const char *path, const struct netns_identity *identity, const char *interface,
		 const char *tap, const char *model, struct err *err)
{
	AUTO(fd) int netns = netns_reopen(path, identity);
	struct undo_args r = { wire_named(model), interface, tap };

	if (netns < 0)
		return 0;
	if (!r.wire)
		return err_set(err, E_UNSUPPORTED, "interface %s is connected by '%.32s'",
			       interface, model);
	return netns_call(netns, undo, &r, err);
}
