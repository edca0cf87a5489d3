// SPDX-License-Identifier: Apache-2.0
/* The agent as PID 1 of a VM: its life, containers, the network, what is plugged in. */

#include "tests/unit/agent_vm_lab.h"

#include "base/buf.h"
#include "base/deadline.h"
#include "base/file.h"
#include "base/path.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void create_sandbox(void)
{
	Grpc__CreateSandboxRequest r = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	Grpc__Storage shm = GRPC__STORAGE__INIT;
	Grpc__Storage *storages[] = { &shm };
	char *options[] = { (char *)"noexec", (char *)"nosuid", (char *)"nodev",
			    (char *)"mode=1777", (char *)"size=1048576" };
	char *dns[] = { (char *)"nameserver 10.9.8.7" };

	shm.driver = (char *)"ephemeral";
	shm.source = (char *)"shm";
	shm.fstype = (char *)"tmpfs";
	shm.options = options;
	shm.n_options = ARRAY_LEN(options);
	shm.mount_point = (char *)"/run/kata-containers/sandbox/shm";
	r.sandbox_id = (char *)"vm";
	r.hostname = (char *)"in-a-vm";
	r.storages = storages;
	r.n_storages = 1;
	r.dns = dns;
	r.n_dns = 1;
	(void)lab_must("CreateSandbox", &r, NULL);
}

static void run_containers(void)
{
	ck_assert_int_eq(lab_output("one", "echo hello; id -u; cat /proc/sys/kernel/hostname",
				    "hello\n0\nin-a-vm\n"),
			 0);
	ck_assert_int_eq(lab_output("two", "echo two; exit 7", "two\n"), 7);
	lab_run("three", "sleep 1000", false);
}

static void pause_and_measure(void)
{
	Grpc__PauseContainerRequest pause = GRPC__PAUSE_CONTAINER_REQUEST__INIT;
	Grpc__ResumeContainerRequest resume = GRPC__RESUME_CONTAINER_REQUEST__INIT;
	Grpc__StatsContainerRequest stats = GRPC__STATS_CONTAINER_REQUEST__INIT;
	Grpc__GetMetricsRequest metrics = GRPC__GET_METRICS_REQUEST__INIT;
	Grpc__StatsContainerResponse *reply;
	Grpc__Metrics *text;
	const char *rss;

	pause.container_id = resume.container_id = stats.container_id = (char *)"three";
	(void)lab_must("PauseContainer", &pause, NULL);
	(void)lab_must("ResumeContainer", &resume, NULL);
	reply = lab_must("StatsContainer", &stats, &grpc__stats_container_response__descriptor);
	ck_assert_uint_gt(reply->cgroup_stats->memory_stats->usage->usage, 0);
	ck_assert_uint_eq(reply->cgroup_stats->pids_stats->current, 1);
	protobuf_c_message_free_unpacked(&reply->base, NULL);
	text = lab_must("GetMetrics", &metrics, &grpc__metrics__descriptor);
	rss = strstr(text->metrics, "\nkata_agent_total_rss ");
	ck_assert_ptr_nonnull(rss);
	(void)printf("agent's RSS in the VM: %lu KiB\n", strtoul(rss + 22, NULL, 10) / 1024);
	ck_assert_uint_le(strtoul(rss + 22, NULL, 10), 3 << 20);
	protobuf_c_message_free_unpacked(&text->base, NULL);
}

START_TEST(a_sandbox_in_a_vm)
{
	uint64_t before = clock_ms();
	Grpc__SetGuestDateTimeRequest date = GRPC__SET_GUEST_DATE_TIME_REQUEST__INIT;
	Grpc__ReseedRandomDevRequest seed = GRPC__RESEED_RANDOM_DEV_REQUEST__INIT;

	vm_boot("quiet");
	create_sandbox();
	(void)printf("first answer of the VM: %lu ms\n", (unsigned long)(clock_ms() - before));
	date.sec = 1234567890;
	(void)lab_must("SetGuestDateTime", &date, NULL);
	seed.data.data = (uint8_t *)"0123456789abcdef";
	seed.data.len = 16;
	(void)lab_must("ReseedRandomDev", &seed, NULL);
	vm_copy_busybox();
	ck_assert_int_eq(lab_output("v2", "cat /proc/1/cgroup", "0::/\n"), 0);
	run_containers();
	pause_and_measure();
	vm_end();
}
END_TEST

START_TEST(an_agent_that_cannot_start_says_why_and_ends_the_vm)
{
	AUTO(str) char *path = path_join(vm_dir, "console");
	AUTO(buf) struct buf text = BUF_INIT(1 << 20);
	struct err err = ERR_INIT;

	vm_boot("quiet agent.log=no-such-level");
	ck_assert_int_eq(vm_code(), 0);
	lab_disconnect();
	ck_assert(file_read(AT_FDCWD, path, 1 << 20, &text, &err) == 0);
	ck_assert_msg(strstr(buf_cstr(&text), "no-such-level"), "%s", buf_cstr(&text));
}
END_TEST

START_TEST(the_agent_accepts_a_new_connection_after_a_disconnect)
{
	AUTO(str) char *path = path_join(vm_dir, "agent");
	Grpc__GuestDetailsRequest details = GRPC__GUEST_DETAILS_REQUEST__INIT;

	vm_boot("quiet");
	(void)lab_must("GetGuestDetails", &details, NULL);
	for (int i = 0; i < 3; i++) {
		lab_disconnect();
		lab_connect(path);
		(void)lab_must("GetGuestDetails", &details, NULL);
	}
	vm_end();
}
END_TEST

START_TEST(cgroup_v1_on_request)
{
	vm_boot("quiet agent.unified_cgroup_hierarchy=false");
	create_sandbox();
	vm_copy_busybox();
	ck_assert_int_eq(
		lab_output("v1", "grep -c . /proc/self/cgroup >/dev/null && echo ok", "ok\n"), 0);
	run_containers();
	pause_and_measure();
	vm_end();
}
END_TEST

/* --- network --- */

#define MAC "02:00:00:00:00:07"

static void configure_network(void)
{
	Grpc__UpdateInterfaceRequest update = GRPC__UPDATE_INTERFACE_REQUEST__INIT;
	Types__Interface eth = TYPES__INTERFACE__INIT;
	Types__IPAddress v4 = TYPES__IPADDRESS__INIT, v6 = TYPES__IPADDRESS__INIT;
	Types__IPAddress *addresses[] = { &v4, &v6 };
	Grpc__UpdateRoutesRequest set = GRPC__UPDATE_ROUTES_REQUEST__INIT;
	Grpc__Routes routes = GRPC__ROUTES__INIT;
	Types__Route all = TYPES__ROUTE__INIT, net = TYPES__ROUTE__INIT;
	Types__Route own = TYPES__ROUTE__INIT, gateway = TYPES__ROUTE__INIT;
	Types__Route own6 = TYPES__ROUTE__INIT, gateway6 = TYPES__ROUTE__INIT;
	Types__Route *list[] = { &all, &net, &own, &gateway, &own6, &gateway6 };

	v4.address = (char *)"10.7.0.2";
	v4.mask = (char *)"24";
	v6.family = TYPES__IPFAMILY__v6;
	v6.address = (char *)"fd07::2";
	v6.mask = (char *)"64";
	eth.hwaddr = (char *)MAC;
	eth.name = (char *)"eth7";
	eth.mtu = 1400;
	eth.ipaddresses = addresses;
	eth.n_ipaddresses = ARRAY_LEN(addresses);
	update.interface = &eth;
	for (int twice = 0; twice < 2; twice++)
		(void)lab_must("UpdateInterface", &update, NULL);
	all.gateway = (char *)"192.168.9.1"; /* reached through the second one */
	all.device = net.device = (char *)"eth7";
	net.dest = (char *)"192.168.9.0/24";
	net.scope = 253;
	/* The way to the own network is by a gateway, too, and not by the link. */
	own.device = gateway.device = own6.device = gateway6.device = (char *)"eth7";
	own.dest = (char *)"10.7.0.0/24";
	own.gateway = (char *)"10.7.0.1";
	gateway.dest = (char *)"10.7.0.1/32";
	gateway.scope = 253;
	own6.family = gateway6.family = TYPES__IPFAMILY__v6;
	own6.dest = (char *)"fd07::/64";
	own6.gateway = (char *)"fd07::1";
	gateway6.dest = (char *)"fd07::1/128";
	routes.routes = list;
	routes.n_routes = ARRAY_LEN(list);
	set.routes = &routes;
	for (int twice = 0; twice < 2; twice++)
		(void)lab_must("UpdateRoutes", &set, NULL);
}

START_TEST(the_network_is_configured_as_requested)
{
	Grpc__ListInterfacesRequest links = GRPC__LIST_INTERFACES_REQUEST__INIT;
	Grpc__ListRoutesRequest routes = GRPC__LIST_ROUTES_REQUEST__INIT;
	Grpc__AddARPNeighborsRequest add = GRPC__ADD_ARPNEIGHBORS_REQUEST__INIT;
	Grpc__ARPNeighbors neighbours = GRPC__ARPNEIGHBORS__INIT;
	Types__ARPNeighbor n = TYPES__ARPNEIGHBOR__INIT, *list[] = { &n };
	Types__IPAddress to = TYPES__IPADDRESS__INIT;
	Grpc__Interfaces *found;
	Grpc__Routes *all;
	int seen = 0;

	vm_boot_with("quiet", ARGV("-netdev", "hubport,hubid=0,id=n", "-device",
				   "virtio-net-pci,netdev=n,mac=" MAC));
	configure_network();
	found = lab_must("ListInterfaces", &links, &grpc__interfaces__descriptor);
	for (size_t i = 0; i < found->n_interfaces; i++) {
		const Types__Interface *f = found->interfaces[i];

		if (!str_eq(f->hwaddr, MAC))
			continue;
		seen |= 1;
		ck_assert_str_eq(f->name, "eth7");
		ck_assert_uint_eq(f->mtu, 1400);
		ck_assert_str_eq(f->ipaddresses[0]->address, "10.7.0.2");
		ck_assert_str_eq(f->ipaddresses[0]->mask, "24");
	}
	protobuf_c_message_free_unpacked(&found->base, NULL);
	all = lab_must("ListRoutes", &routes, &grpc__routes__descriptor);
	for (size_t i = 0; i < all->n_routes; i++) {
		if (str_eq(all->routes[i]->dest, "0.0.0.0/0")) {
			seen |= 2;
			ck_assert_str_eq(all->routes[i]->gateway, "192.168.9.1");
		} else if (str_eq(all->routes[i]->dest, "10.7.0.0/24")) {
			seen |= 4;
			ck_assert_str_eq(all->routes[i]->gateway, "10.7.0.1");
		} else if (str_eq(all->routes[i]->dest, "fd07::/64")) {
			seen |= 8;
			ck_assert_str_eq(all->routes[i]->gateway, "fd07::1");
		}
	}
	protobuf_c_message_free_unpacked(&all->base, NULL);
	ck_assert_int_eq(seen, 15);
	to.address = (char *)"10.7.0.9";
	n.toipaddress = &to;
	n.device = (char *)"eth7";
	n.lladdr = (char *)"02:00:00:00:00:09";
	neighbours.arpneighbors = list;
	neighbours.n_arpneighbors = 1;
	add.neighbors = &neighbours;
	(void)lab_must("AddARPNeighbors", &add, NULL);
	vm_end();
}
END_TEST

/* --- hotplug --- */

START_TEST(a_device_that_does_not_appear_is_a_timeout)
{
	Grpc__Storage s = GRPC__STORAGE__INIT;
	Grpc__Storage *list[] = { &s };
	struct lab_container c;

	vm_boot("quiet agent.hotplug_timeout=1");
	create_sandbox();
	s.driver = (char *)"blk";
	s.source = (char *)"07/00";
	s.fstype = (char *)"ext4";
	s.mount_point = (char *)"/run/kata-containers/sandbox/storage/vol";
	lab_container(&c, "late", "true", false);
	c.request.storages = list;
	c.request.n_storages = 1;
	lab_must_fail("CreateContainer", &c.request, E_TIMEOUT);
	lab_container_free(&c);
	vm_end();
}
END_TEST

START_TEST(a_processor_comes_online)
{
	Grpc__OnlineCPUMemRequest online = GRPC__ONLINE_CPUMEM_REQUEST__INIT;
	Grpc__GetMetricsRequest metrics = GRPC__GET_METRICS_REQUEST__INIT;
	Grpc__Metrics *text;
	int fd;

	vm_boot("quiet");
	create_sandbox();
	fd = vm_qmp_open();
	vm_qmp(fd, "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"max-x86_64-cpu\","
		   "\"id\":\"c1\",\"socket-id\":0,\"core-id\":1,\"thread-id\":0}}");
	online.nb_cpus = 1;
	(void)lab_must("OnlineCPUMem", &online, NULL);
	text = lab_must("GetMetrics", &metrics, &grpc__metrics__descriptor);
	ck_assert_ptr_nonnull(
		strstr(text->metrics, "kata_guest_cpu_time{cpu=\"1\",item=\"user\"}"));
	protobuf_c_message_free_unpacked(&text->base, NULL);
	(void)close(fd);
	vm_end();
}
END_TEST

/* What a container's shell prints, as a number. */
static long number_in(const char *id, const char *script)
{
	AUTO(str) char *out = NULL;

	lab_run(id, script, false);
	out = lab_read("ReadStdout", id, "");
	ck_assert_int_eq(lab_wait(id, ""), 0);
	lab_remove(id);
	return strtol(out, NULL, 10);
}

START_TEST(the_clock_follows_the_host)
{
	static const char now[] = "echo >/made; stat -c %Y /made";
	Grpc__FollowClockRequest follow = GRPC__FOLLOW_CLOCK_REQUEST__INIT;
	long before, after;

	vm_boot_with("quiet", ARGV("-rtc", "base=2020-01-01T00:00:00"));
	create_sandbox();
	vm_copy_busybox();
	before = number_in("before", now);
	ck_assert_int_gt(time(NULL) - before, 86400);
	follow.sec = time(NULL);
	(void)lab_must("FollowClock", &follow, NULL);
	after = number_in("after", now);
	ck_assert(after >= follow.sec && after < follow.sec + 60);
	vm_end();
}
END_TEST

/* --- limits --- */

enum { LIMITS = 19 }; /* of limits_in() */

START_TEST(containers_have_limits_as_on_a_node)
{
	vm_boot("quiet");
	create_sandbox();
	vm_copy_busybox();
	ck_assert_int_eq(
		lab_output("l",
			   "ulimit -n; ulimit -Hn; ulimit -u; ulimit -Hu; ulimit -i; "
			   "cat /proc/sys/fs/file-max /proc/sys/fs/epoll/max_user_watches "
			   "/proc/sys/kernel/pid_max /proc/sys/fs/nr_open",
			   "1048576\n1048576\nunlimited\nunlimited\n65536\n9223372036854775807\n"
			   "9223372036854775807\n4194304\n1073741816\n"),
		0);
	ck_assert_int_eq(lab_output("t",
				    "set -- $(cat /proc/sys/net/ipv4/tcp_mem); "
				    "mem=$(awk '/MemTotal/ { print $2 }' /proc/meminfo); "
				    "echo $(($3 * 4 * 5 >= mem))",
				    "1\n"),
			 0);
	vm_end();
}
END_TEST

/* The limits of the guest, from a container; heap. */
static unsigned long *limits_in(const char *id)
{
	unsigned long *found = xcalloc(LIMITS, sizeof(*found));
	AUTO(str) char *out = NULL;
	char *at;

	lab_run(id,
		"cd /proc/sys; cat kernel/threads-max net/ipv4/tcp_mem net/ipv4/udp_mem "
		"net/ipv4/tcp_max_orphans net/ipv4/tcp_max_tw_buckets "
		"fs/inotify/max_user_watches "
		"net/netfilter/nf_conntrack_max user/max_*_namespaces",
		false);
	at = out = lab_read("ReadStdout", id, "");
	ck_assert_int_eq(lab_wait(id, ""), 0);
	for (size_t i = 0; i < LIMITS; i++)
		found[i] = strtoul(at, &at, 10);
	ck_assert_str_eq(at, "\n");
	return found;
}

static unsigned long memory(void)
{
	static const char name[] = "kata_guest_meminfo{item=\"memtotal\"} ";
	Grpc__GetMetricsRequest r = GRPC__GET_METRICS_REQUEST__INIT;
	Grpc__Metrics *text = lab_must("GetMetrics", &r, &grpc__metrics__descriptor);
	const char *at = strstr(text->metrics, name);
	unsigned long bytes;

	ck_assert_ptr_nonnull(at);
	bytes = strtoul(at + strlen(name), NULL, 10);
	protobuf_c_message_free_unpacked(&text->base, NULL);
	return bytes;
}

/* The guest takes memory some time after it was plugged. */
static void plug_memory(void)
{
	const struct deadline deadline = deadline_in(10000);
	unsigned long before = memory();
	AUTO(fd) int fd = vm_qmp_open();

	vm_qmp(fd, "{\"execute\":\"object-add\",\"arguments\":{\"qom-type\":"
		   "\"memory-backend-ram\",\"id\":\"m\",\"size\":805306368}}");
	vm_qmp(fd, "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"pc-dimm\","
		   "\"id\":\"d\",\"memdev\":\"m\"}}");
	while (memory() < before + 805306368 && !deadline_passed(deadline))
		(void)usleep(10000);
}

/* The limit of tasks of all containers, which is that of the topmost group: here the container's own. */
static unsigned long most_tasks(void)
{
	Grpc__StatsContainerRequest r = GRPC__STATS_CONTAINER_REQUEST__INIT;
	Grpc__StatsContainerResponse *reply;
	unsigned long most;

	r.container_id = (char *)"before";
	reply = lab_must("StatsContainer", &r, &grpc__stats_container_response__descriptor);
	most = reply->cgroup_stats->pids_stats->limit;
	protobuf_c_message_free_unpacked(&reply->base, NULL);
	return most;
}

/* As a program that runs already sees it. */
static long threads_max(const char *exec)
{
	AUTO(str) char *out = NULL;

	lab_exec("runs", exec, "cat /proc/sys/kernel/threads-max", false);
	out = lab_read("ReadStdout", "runs", exec);
	return strtol(out, NULL, 10);
}

/* From 256 MiB to 1 GiB. */
START_TEST(more_memory_raises_the_limits_that_depend_on_it)
{
	Grpc__UpdateContainerRequest update = GRPC__UPDATE_CONTAINER_REQUEST__INIT;
	Grpc__OnlineCPUMemRequest online = GRPC__ONLINE_CPUMEM_REQUEST__INIT;
	Grpc__LinuxResources none = GRPC__LINUX_RESOURCES__INIT;
	long threads;
	AUTO(mem) unsigned long *before = NULL, *after = NULL;
	unsigned long tasks;

	vm_boot_with("quiet", ARGV("-m", "256M,slots=1,maxmem=1G"));
	create_sandbox();
	vm_copy_busybox();
	before = limits_in("before");
	tasks = most_tasks();
	lab_run("runs", "sleep 1000", false);
	threads = threads_max("a");
	plug_memory();
	(void)lab_must("OnlineCPUMem", &online, NULL);
	ck_assert_int_gt(threads_max("b"), 3 * threads);
	update.container_id = (char *)"before";
	update.resources = &none;
	(void)lab_must("UpdateContainer", &update, NULL);
	ck_assert_uint_gt(most_tasks(), 3 * tasks);
	after = limits_in("after");
	for (size_t i = 0; i < LIMITS; i++)
		ck_assert_msg(after[i] > 3 * before[i] && after[i] < 5 * before[i],
			      "limit %zu is %lu, was %lu", i, after[i], before[i]);
	ck_assert_int_eq(lab_output("sockets", "cd /proc/sys/net/ipv4; cat tcp_rmem tcp_wmem",
				    "4096\t131072\t6291456\n4096\t16384\t4194304\n"),
			 0);
	lab_remove("runs");
	vm_end();
}
END_TEST

/* --- the odd ones --- */

/* Those of a service mesh, and some that few use: every extension is in the guest. */
static void rules(bool ipv6)
{
	static const char text[] =
		"*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 99 -j DROP\nCOMMIT\n"
		"*nat\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:MESH - [0:0]\n"
		"-A OUTPUT -p tcp -m owner ! --uid-owner root -m comment --comment \"to the mesh\" "
		"-j MESH\n"
		"-A POSTROUTING -m statistic --mode nth --every 3 --packet 0 -j MASQUERADE\n"
		"-A MESH -p tcp -m multiport --dports 80,443 -j REDIRECT --to-ports 15001\nCOMMIT\n"
		"*mangle\n:PREROUTING ACCEPT [0:0]\n"
		"-A PREROUTING -m dscp --dscp 0x0a -j DSCP --set-dscp 0x00\n"
		"-A PREROUTING -p sctp -m conntrack --ctstate NEW -m length --length 0:99 "
		"-j MARK --set-xmark 0x1/0xffffffff\nCOMMIT\n";
	static const char *const wanted[] = {
		"-A INPUT -p tcp -m tcp --dport 99 -j DROP\n",
		"-A OUTPUT -p tcp -m owner ! --uid-owner 0 -m comment --comment \"to the mesh\" "
		"-j MESH\n",
		"-A POSTROUTING -m statistic --mode nth --every 3 --packet 0 -j MASQUERADE\n",
		"-A MESH -p tcp -m multiport --dports 80,443 -j REDIRECT --to-ports 15001\n",
		"-A PREROUTING -m dscp --dscp 0x0a -j DSCP --set-dscp 0x00\n",
		"-A PREROUTING -p sctp -m conntrack --ctstate NEW -m length --length 0:99 "
		"-j MARK --set-xmark 0x1/0xffffffff\n",
	};
	Grpc__SetIPTablesRequest set = GRPC__SET_IPTABLES_REQUEST__INIT;
	Grpc__GetIPTablesRequest get = GRPC__GET_IPTABLES_REQUEST__INIT;
	Grpc__GetIPTablesResponse *reply;
	AUTO(str) char *got = NULL;

	set.is_ipv6 = get.is_ipv6 = ipv6;
	set.data.data = (uint8_t *)text;
	set.data.len = strlen(text);
	(void)lab_must("SetIPTables", &set, NULL);
	reply = lab_must("GetIPTables", &get, &grpc__get_iptables_response__descriptor);
	got = xstrndup((char *)reply->data.data, reply->data.len);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		ck_assert_msg(strstr(got, wanted[i]) != NULL, "%zu is not in %s", i, got);
	protobuf_c_message_free_unpacked(&reply->base, NULL);
	set.data.data = (uint8_t *)"nonsense\n";
	set.data.len = strlen("nonsense\n");
	lab_must_fail("SetIPTables", &set, E_FAILED);
}

START_TEST(rules_and_memory)
{
	uint64_t address = 1ULL << 32;
	Grpc__GuestDetailsRequest ask = GRPC__GUEST_DETAILS_REQUEST__INIT;
	Grpc__MemHotplugByProbeRequest probe = GRPC__MEM_HOTPLUG_BY_PROBE_REQUEST__INIT;
	Grpc__GuestDetailsResponse *details;

	vm_boot("quiet");
	rules(false);
	rules(true);
	ask.mem_block_size = ask.mem_hotplug_probe = true;
	details = lab_must("GetGuestDetails", &ask, &grpc__guest_details_response__descriptor);
	ck_assert_uint_eq(details->mem_block_size_bytes, 128 << 20);
	/* Without the file it is an error that names it, as the details say. */
	if (!details->support_mem_hotplug_probe) {
		probe.memhotplugprobeaddr = &address;
		probe.n_memhotplugprobeaddr = 1;
		lab_must_fail("MemHotplugByProbe", &probe, E_NOT_FOUND);
	}
	protobuf_c_message_free_unpacked(&details->base, NULL);
	vm_end();
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_test(tc, a_sandbox_in_a_vm);
	tcase_add_test(tc, an_agent_that_cannot_start_says_why_and_ends_the_vm);
	tcase_add_test(tc, the_agent_accepts_a_new_connection_after_a_disconnect);
	tcase_add_test(tc, cgroup_v1_on_request);
	tcase_add_test(tc, the_network_is_configured_as_requested);
	tcase_add_test(tc, a_device_that_does_not_appear_is_a_timeout);
	tcase_add_test(tc, a_processor_comes_online);
	tcase_add_test(tc, the_clock_follows_the_host);
	tcase_add_test(tc, containers_have_limits_as_on_a_node);
	tcase_add_test(tc, more_memory_raises_the_limits_that_depend_on_it);
	tcase_add_test(tc, rules_and_memory);
}

int main(void)
{
	return vm_main("agent in a VM", add_tests);
}
