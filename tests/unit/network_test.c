// SPDX-License-Identifier: Apache-2.0
/* runtime/network against the kernel, with namespaces as network plugins leave them. Needs root and
 * ip(8). */

#include "tests/unit/sanitized.h"
#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "network/network.h"

#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct child holder; /* of the namespace */
static char path[64];
static struct runtime_config config;
static struct network net;
static struct err err;

#define must(call) ck_assert_msg((call) == 0, "%s", err.msg)

/* Runs a shell script in the namespace; returns its output, which the caller frees. */
static char *shell(const char *script)
{
	AUTO(str) char *enter = str_fmt("--net=%s", path);
	struct spawn s = { .argv = ARGV("nsenter", enter, "sh", "-ec", script) };
	struct buf out = BUF_INIT(1 << 20);

	ck_assert_msg(spawn_run(&s, NULL, 0, &out, deadline_in(60000), &err) == 0, "%s: %s", script,
		      err.msg);
	return buf_steal(&out);
}

static void run(const char *script)
{
	free(shell(script));
}

/* The kernel must not add IPv6 addresses itself: it does so some time after the carrier is up,
 * maybe after a test has read the addresses. */
static void setup(void)
{
	struct spawn s = { .argv = ARGV("unshare", "-n", "sh", "-c",
					"echo ready; exec sleep 1000") };
	int ends[2];
	char ready[6];

	err_clear(&err);
	must(fd_pipe(ends, &err));
	s.fds = &(struct spawn_fd){ ends[1], 1 };
	s.nfds = 1;
	must(spawn_start(&s, &holder, &err));
	fd_close(&ends[1]);
	ck_assert_int_eq(fd_read_full(ends[0], ready, sizeof(ready), &err), sizeof(ready));
	fd_close(&ends[0]);
	(void)str_print(path, sizeof(path), "/proc/%d/ns/net", (int)holder.pid);
	config = (struct runtime_config){ .net_model = (char *)"tcfilter" };
	net = (struct network)NETWORK_INIT;
	run("ip link add peer mtu 1400 type veth peer name eth0 mtu 1400\n"
	    "ip addr add 10.1.2.3/24 dev eth0; ip addr add fd00::3/64 dev eth0 nodad\n"
	    "ip link set peer addrgenmode none; ip link set eth0 addrgenmode none\n"
	    "ip link set lo up; ip link set peer up; ip link set eth0 up");
}

static void teardown(void)
{
	network_release(&net);
	spawn_kill(&holder);
}

/* The number of taps and ingress qdiscs. */
static int ours(void)
{
	AUTO(str)
	char *n =
		shell("{ ip -o link | grep _kata; tc qdisc | grep ingress; } | grep -c . || true");

	return (int)strtol(n, NULL, 10);
}

/* The number of rate limits. */
static int buckets(void)
{
	AUTO(str) char *n = shell("tc qdisc | grep -c tbf || true");

	return (int)strtol(n, NULL, 10);
}

static bool is_where_it_was(ino_t where)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) == 0 && st.st_ino == where;
}

START_TEST(interfaces_of_the_plugin_are_read)
{
	const struct endpoint *e;
	struct stat st;

	ck_assert(stat("/proc/self/ns/net", &st) == 0);
	run("ip route add default via 10.1.2.1; ip -6 route add default via fd00::1\n"
	    "ip route add 10.9.0.0/16 via 10.1.2.9 mtu 1300 metric 77\n"
	    "ip neigh add 10.1.2.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent\n"
	    "ip neigh add 10.1.2.8 lladdr 02:00:00:00:00:08 dev eth0 nud stale\n"
	    "ip link add idle type bridge");
	must(network_scan(&net, &config, path, &err));
	ck_assert_uint_eq(net.endpoints.list.n, 1);
	e = &net.endpoints.list.v[0];
	ck_assert_str_eq(e->link.name, "eth0");
	ck_assert_str_eq(e->tap, "tap0_kata");
	ck_assert_uint_eq(e->link.mtu, 1400);
	ck_assert_str_eq(e->link.addresses.v[0].address, "10.1.2.3");
	ck_assert_uint_eq(net.routes.routes.n, 3);
	ck_assert_uint_eq(net.routes.routes.v[1].metric, 77);
	ck_assert_uint_eq(net.neighbours.neighbours.n, 1);
	ck_assert_str_eq(net.neighbours.neighbours.v[0].address, "10.1.2.9");
	ck_assert_str_eq(network_name_of(&net, e->link.index), "eth0");
	ck_assert_int_eq(ours(), 0);
	ck_assert(is_where_it_was(st.st_ino));
}
END_TEST

/* The guest's kernel makes the routes to its networks itself, but not to a peer. */
START_TEST(routes_that_the_guest_would_not_make_are_read)
{
	run("ip addr flush dev eth0; ip addr add 10.1.2.3/25 dev eth0\n"
	    "ip addr add 10.7.0.1 peer 10.7.0.2/32 dev eth0\n"
	    "ip addr add fd00::3/60 dev eth0 nodad; ip addr add fd01::3/128 dev eth0 nodad\n"
	    "ip -6 route add default via fd00::1 dev eth0 proto ra");
	must(network_scan(&net, &config, path, &err));
	ck_assert_uint_eq(net.routes.routes.n, 1);
	ck_assert_str_eq(net.routes.routes.v[0].dest, "10.7.0.2/32");
	ck_assert_str_eq(net.routes.routes.v[0].source, "10.7.0.1");
}
END_TEST

START_TEST(a_gateway_of_the_other_family_is_read)
{
	run("ip route add 10.9.0.0/16 via inet6 fe80::1 dev eth0");
	must(network_scan(&net, &config, path, &err));
	ck_assert_uint_eq(net.routes.routes.n, 1);
	ck_assert_str_eq(net.routes.routes.v[0].dest, "10.9.0.0/16");
	ck_assert_str_eq(net.routes.routes.v[0].gateway, "fe80::1");
}
END_TEST

START_TEST(the_next_hop_of_an_object_is_read)
{
	run("ip nexthop add id 7 via 10.1.2.1 dev eth0; ip route add 10.9.0.0/16 nhid 7");
	must(network_scan(&net, &config, path, &err));
	ck_assert_uint_eq(net.routes.routes.n, 1);
	ck_assert_str_eq(net.routes.routes.v[0].gateway, "10.1.2.1");
}
END_TEST

/* Sends a ping to an address behind the interface. True if its frame arrives at the tap. */
static bool arrives(int tap)
{
	AUTO(str)
	char *ping = str_fmt(
		"ip addr replace 10.1.2.1/32 dev peer; ip route replace 10.1.2.77 dev peer\n"
		"ip neigh replace 10.1.2.77 lladdr %s dev peer\n"
		"busybox ping -c 1 -W 1 10.1.2.77 >/dev/null || true",
		net.endpoints.list.v[0].link.mac);
	uint8_t packet[2048] = { 0 };
	bool seen = false;

	run(ping);
	for (int i = 0; i < 1000 && !seen; i++) {
		ssize_t n = read(tap, packet, sizeof(packet));

		/* A header of 10 bytes, then the frame: to 10.1.2.77. */
		seen = n > 44 && memcmp(packet + 10 + 30, "\x0a\x01\x02\x4d", 4) == 0;
		(void)usleep(1000);
	}
	return seen;
}

/* Sends an ARP request from the tap. True if the other end of the veth counts it. */
static bool leaves(int tap)
{
	static const char count[] = "ip -s -o link show peer | sed 's/.*RX:[^0-9]*[0-9]* *//; "
				    "s/ .*//'";
	uint8_t packet[10 + 60] = { 0 };
	AUTO(str) char *before = shell(count), *after = NULL;

	memset(packet + 10, 0xff, 6);
	packet[16] = 2;
	packet[22] = 8, packet[23] = 6;
	ck_assert_int_eq(write(tap, packet, sizeof(packet)), (ssize_t)sizeof(packet));
	after = shell(count);
	return strtoll(after, NULL, 10) > strtoll(before, NULL, 10);
}

static const char *const models[] = { "tcfilter", "macvtap" };

/* Through the fd that the VMM would hold, in both directions. */
START_TEST(frames_pass_between_interface_and_vmm)
{
	struct vmm_device card;
	AUTO(str) char *before = shell("ip -4 -o addr show dev eth0"), *after = NULL;
	bool macvtap = str_eq(models[_i], "macvtap");

	config.net_model = (char *)models[_i];
	must(network_scan(&net, &config, path, &err));
	must(network_connect(&net, &err));
	ck_assert_int_eq(ours(), macvtap ? 1 : 3);
	card = network_device(&net.endpoints.list.v[0]);
	ck_assert_int_eq(card.kind, VMM_NIC);
	ck_assert_str_eq(card.nic.mac, net.endpoints.list.v[0].link.mac);
	ck_assert(arrives(card.nic.tap));
	ck_assert(leaves(card.nic.tap));
	must(network_disconnect(&net, &err));
	ck_assert_int_eq(ours(), 0);
	after = shell("ip -4 -o addr show dev eth0");
	ck_assert_str_eq(before, after);
	must(network_disconnect(&net, &err));
}
END_TEST

/* By another process, from the record. */
START_TEST(wires_of_a_dead_process_are_undone)
{
	struct netns_identity other;

	config.net_model = (char *)models[_i];
	config.rx_max_rate = _i ? 0 : 1000000;
	config.tx_max_rate = 1000000;
	must(network_scan(&net, &config, path, &err));
	other = net.identity;
	other.inode++;
	must(network_connect(&net, &err));
	/* Another namespace has this path now: nothing is undone. */
	must(network_undo(path, &other, "eth0", "tap0_kata", models[_i], &err));
	must(network_undo("/no/such", &net.identity, "eth0", "tap0_kata", models[_i], &err));
	ck_assert_int_eq(ours(), _i ? 1 : 3);
	ck_assert_int_eq(buckets(), _i ? 1 : 2);
	network_hand_over(&net); /* a tap goes with its last fd, a macvtap stays */
	ck_assert_int_eq(ours(), 1);
	ck_assert_int_eq(network_undo(path, &net.identity, "eth0", "tap0_kata", "x", &err), -1);
	ck_assert_int_eq(err.code, E_UNSUPPORTED);
	err_clear(&err);
	for (int twice = 0; twice < 2; twice++) {
		must(network_undo(path, &net.identity, "eth0", "tap0_kata", models[_i], &err));
		ck_assert_int_eq(ours() + buckets(), 0);
	}
}
END_TEST

/* In both directions, with a rate of more than 32 bits; a qdisc of somebody else stays. */
START_TEST(rates_are_limited)
{
	AUTO(str) char *qdiscs = NULL;

	config.rx_max_rate = 80000000;
	config.tx_max_rate = INT64_C(80000000000);
	must(network_scan(&net, &config, path, &err));
	must(network_connect(&net, &err));
	qdiscs = shell("tc qdisc");
	ck_assert_ptr_nonnull(strstr(qdiscs, "qdisc tbf 6b61: dev tap0_kata root"));
	ck_assert_ptr_nonnull(strstr(qdiscs, "rate 80Mbit"));
	ck_assert_ptr_nonnull(strstr(qdiscs, "qdisc tbf 6b61: dev eth0 root"));
	ck_assert_ptr_nonnull(strstr(qdiscs, "rate 80Gbit"));
	must(network_disconnect(&net, &err));
	ck_assert_int_eq(ours() + buckets(), 0);
	run("tc qdisc add dev eth0 root handle 7: pfifo");
	network_release(&net);
	must(network_scan(&net, &config, path, &err));
	ck_assert_int_eq(network_connect(&net, &err), -1);
	ck_assert_msg(strstr(err.msg, "interface eth0: limit what leaves by link"), "%s", err.msg);
	err_clear(&err);
	must(network_disconnect(&net, &err));
	run("tc qdisc show dev eth0 | grep -q pfifo");
	ck_assert_int_eq(ours(), 0);
}
END_TEST

/* A macvtap on a macvlan would become a sibling of it on the node's device; it gets a tap. */
START_TEST(a_macvtap_serves_a_veth)
{
	config.net_model = (char *)"macvtap";
	run("ip link add other link eth0 type macvlan mode bridge; ip addr flush dev eth0\n"
	    "ip addr add 10.1.2.4/24 dev other; ip link set other up");
	must(network_scan(&net, &config, path, &err));
	must(network_connect(&net, &err));
	ck_assert_str_eq(network_model_of(&net.endpoints.list.v[0]), "tcfilter");
	must(network_disconnect(&net, &err));
	ck_assert_int_eq(ours(), 0);
}
END_TEST

static const struct endpoint *called(const char *name)
{
	vec_each(const struct endpoint, e, &net.endpoints.list) {
		if (str_eq(e->link.name, name))
			return e;
	}
	ck_abort_msg("no %s", name);
}

/* Interfaces that appear, change and disappear; the watch only reports that something changed. */
START_TEST(changes_of_the_namespace_are_found_by_a_rescan)
{
	AUTO(fd) int fd = -1;
	struct pollfd ready = { .events = POLLIN };

	must(network_scan(&net, &config, path, &err));
	must(network_connect(&net, &err));
	net.endpoints.list.v[0].synced = net.routes_synced = net.neighbours_synced = true;
	ready.fd = fd = network_watch(&net, &err);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(poll(&ready, 1, 0), 0);
	must(network_rescan(&net, &err));
	ck_assert_uint_eq(net.endpoints.list.n, 1);
	ck_assert(called("eth0")->synced);
	ck_assert(net.routes_synced);
	ck_assert(net.neighbours_synced);
	/* Two new interfaces, one of which cannot be connected; more messages than the socket
	 * buffers. */
	run("ip link add peer1 type veth peer name net1; ip addr add 10.2.2.3/24 dev net1\n"
	    "ip link set net1 up; ip link add wrong type bridge; ip addr add 10.3.3.3/24 dev "
	    "wrong\n"
	    "for i in $(seq 300); do ip link set net1 mtu 1400; ip link set net1 mtu 1300; done\n"
	    "ip route add 10.9.0.0/16 via 10.1.2.9");
	ck_assert_int_eq(poll(&ready, 1, 10000), 1);
	netlink_watch_drain(fd);
	ck_assert_int_eq(poll(&ready, 1, 0), 0);
	must(network_rescan(&net, &err));
	ck_assert_uint_eq(net.endpoints.list.n, 3);
	ck_assert(called("eth0")->synced && !net.routes_synced && net.neighbours_synced);
	ck_assert(!called("net1")->connected && !called("net1")->skipped);
	ck_assert_str_ne(called("net1")->tap, called("wrong")->tap);
	ck_assert(called("wrong")->skipped);
	for (size_t i = 0; i < 3; i++) {
		if (str_eq(net.endpoints.list.v[i].link.name, "net1"))
			must(network_plug(&net, &net.endpoints.list.v[i], &err));
	}
	ck_assert_int_eq(ours(), 6);
	/* One interface changes, one disappears. */
	run("ip addr add 10.1.2.9/24 dev eth0; ip link del peer1");
	must(network_rescan(&net, &err));
	ck_assert(!called("eth0")->synced && !called("eth0")->gone && called("net1")->gone);
	for (size_t i = net.endpoints.list.n; i-- > 0;) {
		if (net.endpoints.list.v[i].gone)
			network_drop(&net, i);
	}
	ck_assert_int_eq(ours(), 3);
	must(network_disconnect(&net, &err));
	ck_assert_int_eq(ours(), 0);
}
END_TEST

/* The number of lines of the log that say so. */
static unsigned count_lines(int log, const char *says)
{
	AUTO(buf) struct buf text = BUF_INIT(1 << 20);
	AUTO(strv) char **lines = NULL;
	unsigned n = 0;

	ck_assert_int_eq(lseek(log, 0, SEEK_SET), 0);
	must(file_read_fd(log, "the log", 1 << 20, &text, &err));
	lines = strv_split(buf_cstr(&text), "\n");
	strv_each(line, lines)
		n += strstr(*line, says) != NULL;
	return n;
}

START_TEST(a_route_that_the_guest_cannot_get_is_logged_once)
{
	static const char says[] = "the route to 10.9.0.0/16 has an encapsulation";
	AUTO(fd) int log = memfd_create("log", MFD_CLOEXEC);

	ck_assert_int_ge(log, 0);
	must(network_scan(&net, &config, path, &err));
	net.routes_synced = true;
	run("ip route add 10.9.0.0/16 encap ip id 1 dst 10.1.2.9 via 10.1.2.1");
	(void)log_set_fd(log);
	must(network_rescan(&net, &err));
	ck_assert_uint_eq(net.routes.routes.n, 0);
	ck_assert_uint_eq(count_lines(log, says), 1);
	run("ip route add 10.8.0.0/16 via 10.1.2.1");
	must(network_rescan(&net, &err));
	(void)log_set_fd(STDERR_FILENO);
	ck_assert_uint_eq(net.routes.routes.n, 1);
	ck_assert_uint_eq(count_lines(log, says), 1);
}
END_TEST

/* A plugin may take the address away before the interface is connected. */
START_TEST(an_interface_that_loses_its_address_in_time_is_not_the_guests)
{
	must(network_scan(&net, &config, path, &err));
	must(network_connect(&net, &err));
	run("ip link add peer1 type veth peer name net1; ip addr add 10.2.2.3/24 dev net1");
	must(network_rescan(&net, &err));
	ck_assert(!called("net1")->gone);
	run("ip addr flush dev net1; ip addr flush dev eth0");
	must(network_rescan(&net, &err));
	ck_assert(called("net1")->gone && !called("eth0")->gone);
	must(network_disconnect(&net, &err));
}
END_TEST

/* The second interface cannot be connected: the wire of the first is undone, and somebody else's
 * tap stays. */
START_TEST(a_failed_connect_is_undone)
{
	run("ip link add peer1 type veth peer name eth1; ip addr add 10.2.2.3/24 dev eth1");
	must(network_scan(&net, &config, path, &err));
	ck_assert_uint_eq(net.endpoints.list.n, 2);
	run("ip tuntap add tap1_kata mode tap");
	ck_assert_int_eq(network_connect(&net, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "interface eth1: make the tap tap1_kata"));
	err_clear(&err);
	must(network_disconnect(&net, &err));
	ck_assert_int_eq(ours(), 1);
}
END_TEST

/* Who calls knows from that what is still to be undone. */
START_TEST(what_could_not_be_disconnected_stays_connected)
{
	struct rlimit usual, none;

	must(network_scan(&net, &config, path, &err));
	must(network_connect(&net, &err));
	network_hand_over(&net);
	ck_assert(getrlimit(RLIMIT_NOFILE, &usual) == 0);
	none = (struct rlimit){ 3, usual.rlim_max };
	ck_assert(setrlimit(RLIMIT_NOFILE, &none) == 0);
	ck_assert_int_eq(network_disconnect(&net, &err), -1);
	ck_assert(setrlimit(RLIMIT_NOFILE, &usual) == 0);
	ck_assert(net.endpoints.list.v[0].connected);
	err_clear(&err);
	must(network_disconnect(&net, &err));
	ck_assert(!net.endpoints.list.v[0].connected);
	ck_assert_int_eq(ours(), 0);
}
END_TEST

/* A second VM fails, and the first keeps all of its wires. */
START_TEST(a_namespace_serves_one_vm)
{
	struct network late;
	bool macvtap = str_eq(models[_i], "macvtap");

	config.net_model = (char *)models[_i];
	must(network_scan(&net, &config, path, &err));
	must(network_scan(&late, &config, path, &err));
	must(network_connect(&net, &err));
	ck_assert_int_eq(network_connect(&late, &err), -1);
	ck_assert_msg(strstr(err.msg, macvtap ? "interface eth0: add the macvtap tap0_kata"
					      : "interface eth0: make the tap tap0_kata"),
		      "%s", err.msg);
	err_clear(&err);
	must(network_disconnect(&late, &err));
	network_release(&late);
	ck_assert_int_eq(ours(), macvtap ? 1 : 3);
	must(network_disconnect(&net, &err));
	ck_assert_int_eq(ours(), 0);
}
END_TEST

static const char *const kinds[][2] = {
	{ "macvlan", "ip link add other link eth0 type macvlan mode bridge" },
	{ "tun", "ip tuntap add other mode tap" },
};

START_TEST(other_kinds_are_connected)
{
	run(kinds[_i][1]);
	run("ip addr flush dev eth0; ip addr add 10.1.2.4/24 dev other; ip link set other up");
	must(network_scan(&net, &config, path, &err));
	ck_assert_uint_eq(net.endpoints.list.n, 1);
	ck_assert_str_eq(net.endpoints.list.v[0].link.kind, kinds[_i][0]);
	must(network_connect(&net, &err));
	ck_assert_int_eq(ours(), 3);
	must(network_disconnect(&net, &err));
	ck_assert_int_eq(ours(), 0);
}
END_TEST

/* Scripts that make an interface which cannot be connected, and a part of the error. */
static const struct {
	const char *script, *says;
	enum err_code code;
} refused[] = {
	{ "ip link add br9 type bridge; ip addr add 10.3.0.1/24 dev br9",
	  "interface br9: a device of kind 'bridge'", E_UNSUPPORTED },
	{ "ip tuntap add tun9 mode tun; ip addr add 10.3.0.1/24 dev tun9",
	  "interface tun9: a device of kind 'tun'", E_UNSUPPORTED },
	{ "tc qdisc add dev eth0 ingress", "interface eth0 has an ingress qdisc", E_STATE },
	{ "ip route add 10.9.0.0/16 nexthop via 10.1.2.1 nexthop via "
	  "10.1.2.2",
	  "the route to 10.9.0.0/16 has several next hops", E_UNSUPPORTED },
	{ "ip route add 10.9.0.0/16 encap ip id 1 dst 10.1.2.9 via 10.1.2.1",
	  "the route to 10.9.0.0/16 has an encapsulation", E_UNSUPPORTED },
	{ "ip -6 route add fd09::/64 from fd08::/64 via fd00::1",
	  "the route to fd09::/64 has a source prefix", E_UNSUPPORTED },
	{ "ip route add 10.9.0.0/16 tos 4 via 10.1.2.1",
	  "the route to 10.9.0.0/16 has a type of service", E_UNSUPPORTED },
	{ "sysctl -qw net.ipv4.nexthop_compat_mode=0; ip nexthop add id 7 via 10.1.2.1 dev eth0\n"
	  "ip route add 10.9.0.0/16 nhid 7",
	  "the route to 10.9.0.0/16 has a next hop object", E_UNSUPPORTED },
};

START_TEST(an_interface_that_cannot_be_connected_is_named)
{
	int before;

	run(refused[_i].script);
	before = ours();
	ck_assert_int_eq(network_scan(&net, &config, path, &err), -1);
	ck_assert_msg(err.code == refused[_i].code && strstr(err.msg, refused[_i].says) &&
			      strstr(err.msg, path),
		      "%s", err.msg);
	ck_assert_int_eq(ours(), before);
}
END_TEST

/* The inode of a process's network namespace. */
static ino_t home_of(pid_t pid)
{
	AUTO(str) char *link = str_fmt("/proc/%d/ns/net", (int)pid);
	struct stat st;

	ck_assert(stat(link, &st) == 0);
	return st.st_ino;
}

START_TEST(a_namespace_of_our_own_has_a_holder)
{
	char dir[SCRATCH_DIR];
	struct netns_holder r;
	ino_t home = home_of(getpid());
	AUTO(str) char *own = NULL, *open_files = NULL, *out = NULL, *ask_name = NULL, *name = NULL;
	struct stat st;

	scratch_make(dir, "netns");
	own = path_join(dir, "netns");
	must(netns_make(own, &err));
	ck_assert(is_where_it_was(home));
	ck_assert(stat(own, &st) == 0 && st.st_ino != home);
	ck_assert_int_eq(netns_make(own, &err), -1); /* it exists */
	err_clear(&err);
	must(netns_holder_start(own, "stand-in for one", &r, &err));
	ck_assert(home_of(r.child.pid) == st.st_ino);
	must(network_scan(&net, &config, own, &err));
	ck_assert_uint_eq(net.endpoints.list.n, 0);
	/* The holder has no fd of ours but a pipe, and ends when we close the other end. */
	open_files = str_fmt("for i in $(seq 100); do n=$(ls /proc/%d/fd | wc -l)\n"
			     "[ $n != 1 ] || break; sleep 0.1; done; echo $n",
			     (int)r.child.pid);
	out = shell(open_files);
	if (!UNDER_VALGRIND) /* which has some of its own */
		ck_assert_str_eq(out, "1\n");
	ask_name = str_fmt("cat /proc/%d/comm", (int)r.child.pid);
	name = shell(ask_name);
	ck_assert_str_eq(name, "stand-in\n");
	fd_close(&r.lifeline);
	must(spawn_wait(&r.child, deadline_in(60000), &(int){ 0 }, &err));
	netns_holder_stop(&r);
	must(netns_holder_start(own, "stand-in", &r, &err));
	netns_holder_stop(&r);
	ck_assert(umount2(own, MNT_DETACH) == 0);
	ck_assert(unlink(own) == 0 && rmdir(dir) == 0);
	ck_assert_int_eq(netns_holder_start(own, "stand-in", &r, &err), -1);
}
END_TEST

START_TEST(only_namespaces_are_entered)
{
	ck_assert_int_eq(network_scan(&net, &config, "/no/such", &err), -1);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(err.msg, "network namespace /no/such"));
	err_clear(&err);
	ck_assert_int_eq(network_scan(&net, &config, "/proc/self/ns/mnt", &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "is not a network namespace"));
	err_clear(&err);
	ck_assert_int_eq(network_scan(&net, &config, "/dev/null", &err), -1);
	err_clear(&err);
	config.net_model = (char *)"none";
	must(network_scan(&net, &config, path, &err));
	ck_assert_uint_eq(net.endpoints.list.n, 0);
	must(network_connect(&net, &err));
	must(network_disconnect(&net, &err));
	network_release(&net);
	must(network_scan(&net, &config, NULL, &err));
	ck_assert_int_eq(net.netns, -1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("network");
	TCase *tc = tcase_create("kernel");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, interfaces_of_the_plugin_are_read);
	tcase_add_test(tc, routes_that_the_guest_would_not_make_are_read);
	tcase_add_test(tc, a_gateway_of_the_other_family_is_read);
	tcase_add_test(tc, the_next_hop_of_an_object_is_read);
	tcase_add_loop_test(tc, frames_pass_between_interface_and_vmm, 0, (int)ARRAY_LEN(models));
	tcase_add_loop_test(tc, wires_of_a_dead_process_are_undone, 0, (int)ARRAY_LEN(models));
	tcase_add_test(tc, rates_are_limited);
	tcase_add_test(tc, a_macvtap_serves_a_veth);
	tcase_add_test(tc, changes_of_the_namespace_are_found_by_a_rescan);
	tcase_add_test(tc, a_route_that_the_guest_cannot_get_is_logged_once);
	tcase_add_test(tc, an_interface_that_loses_its_address_in_time_is_not_the_guests);
	tcase_add_test(tc, a_failed_connect_is_undone);
	tcase_add_test(tc, what_could_not_be_disconnected_stays_connected);
	tcase_add_loop_test(tc, a_namespace_serves_one_vm, 0, (int)ARRAY_LEN(models));
	tcase_add_loop_test(tc, other_kinds_are_connected, 0, (int)ARRAY_LEN(kinds));
	tcase_add_loop_test(tc, an_interface_that_cannot_be_connected_is_named, 0,
			    (int)ARRAY_LEN(refused));
	tcase_add_test(tc, a_namespace_of_our_own_has_a_holder);
	tcase_add_test(tc, only_namespaces_are_entered);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
