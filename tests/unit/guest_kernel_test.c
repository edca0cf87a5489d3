// SPDX-License-Identifier: Apache-2.0
/*
 * What agent, runtime, containers and the programs in them find in the guest's kernel: an option
 * that the kernel's configuration loses is missed here and not by a user. Runs in a guest
 * (check-guest) and nowhere else: another machine's kernel may have modules that are loaded on
 * demand.
 */

#include "tests/unit/suite.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/scope.h"
#include "base/str.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/landlock.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/seccomp.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* linux/netfilter_ipv4/ip_tables.h cannot be included beside net/if.h of all C libraries. */
enum { IPT_GET_INFO = 64, IPT_GET_REVISION_MATCH = 66, IPT_GET_REVISION_TARGET = 67 };
enum { IP6T_GET_REVISION_MATCH = 68, IP6T_GET_REVISION_TARGET = 69 };

struct revision {
	char name[29];
	uint8_t revision;
};

static bool has_word(const char *path, const char *word)
{
	AUTO(buf) struct buf text = BUF_INIT(0);
	struct err err = ERR_INIT;

	ck_assert_msg(file_read(AT_FDCWD, path, 1 << 20, &text, &err) == 0, "%s", err.msg);
	for (const char *at = buf_cstr(&text); *at;) {
		size_t len = strcspn(at, " \t\n");

		if (len == strlen(word) && strncmp(at, word, len) == 0)
			return true;
		at += len;
		at += strspn(at, " \t\n");
	}
	return false;
}

static void check_words(const char *path, const char *const *words)
{
	for (; *words; words++)
		ck_assert_msg(has_word(path, *words), "%s has no %s", path, *words);
}

START_TEST(file_systems)
{
	check_words("/proc/filesystems",
		    (const char *[]){ "9p",     "binfmt_misc", "bpf",       "cgroup", "cgroup2",
				      "devpts", "devtmpfs",    "erofs",     "ext2",   "ext4",
				      "fuse",   "fuseblk",     "hugetlbfs", "mqueue", "overlay",
				      "proc",   "squashfs",    "sysfs",     "tmpfs",  "virtiofs",
				      "xfs",    NULL });
}
END_TEST

START_TEST(control_groups)
{
	check_words("/proc/cgroups",
		    (const char *[]){ "blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer",
				      "hugetlb", "memory", "net_cls", "net_prio", "perf_event",
				      "pids", NULL });
	check_words("/sys/fs/cgroup/cgroup.controllers",
		    (const char *[]){ "cpu", "cpuset", "hugetlb", "io", "memory", "pids", NULL });
}
END_TEST

static void check_paths(const char *const *paths)
{
	for (; *paths; paths++)
		ck_assert_msg(access(*paths, F_OK) == 0, "there is no %s", *paths);
}

START_TEST(paths)
{
	check_paths((const char *[]){
		/* namespaces */
		"/proc/self/ns/cgroup", "/proc/self/ns/ipc", "/proc/self/ns/mnt",
		"/proc/self/ns/net", "/proc/self/ns/pid", "/proc/self/ns/time",
		"/proc/self/ns/user", "/proc/self/ns/uts",
		/* devices */
		"/dev/fuse", "/dev/hwrng", "/dev/loop-control", "/dev/mapper/control",
		"/dev/net/tun", "/dev/ptmx", "/dev/vsock",
		/* drivers of what the machine may have */
		"/sys/bus/acpi/drivers/nfit", "/sys/bus/acpi/drivers/vmgenid",
		"/sys/bus/nd/drivers/nd_pmem", "/sys/bus/pci/drivers/pcieport",
		"/sys/bus/pci/drivers/virtio-pci", "/sys/bus/pci_express/drivers/pciehp",
		"/sys/bus/pnp/drivers/rtc_cmos", "/sys/bus/platform/drivers/virtio-mmio",
		"/sys/bus/scsi/drivers/sd", "/sys/bus/virtio/drivers/9pnet_virtio",
		"/sys/bus/virtio/drivers/virtio_balloon", "/sys/bus/virtio/drivers/virtio_blk",
		"/sys/bus/virtio/drivers/virtio_console", "/sys/bus/virtio/drivers/virtio_mem",
		"/sys/bus/virtio/drivers/virtio_net", "/sys/bus/virtio/drivers/virtio_pmem",
		"/sys/bus/virtio/drivers/virtio_rng", "/sys/bus/virtio/drivers/virtio_scsi",
		"/sys/bus/virtio/drivers/virtiofs",
		"/sys/bus/virtio/drivers/vmw_vsock_virtio_transport", "/sys/module/acpiphp",
		"/sys/module/dm_verity",
		/* what grows and shrinks */
		"/sys/devices/system/cpu/cpu0/topology", "/sys/devices/system/cpu/vulnerabilities",
		"/sys/devices/system/memory/auto_online_blocks", "/sys/kernel/mm/hugepages",
		"/sys/kernel/mm/transparent_hugepage/enabled",
		/* what programs read */
		"/proc/config.gz", "/proc/kallsyms", "/proc/pressure/cpu", "/proc/pressure/io",
		"/proc/pressure/memory", "/proc/self/coredump_filter", "/proc/self/io",
		"/proc/self/pagemap", "/proc/self/schedstat", "/proc/swaps",
		"/proc/thread-self/children", "/proc/net/netfilter/nfnetlink_queue",
		"/proc/sys/net/netfilter/nf_conntrack_events",
		"/proc/sys/net/netfilter/nf_conntrack_sctp_timeout_established",
		"/proc/sys/fs/binfmt_misc", "/proc/sys/fs/fanotify", "/proc/sys/fs/inotify",
		"/proc/sys/fs/mqueue", "/proc/sys/kernel/sysrq",
		"/proc/sys/net/bridge/bridge-nf-call-iptables", "/proc/sys/net/ipv4/tcp_syncookies",
		"/proc/sys/net/ipv6/conf/all", "/proc/sys/net/netfilter/nf_conntrack_max", NULL });
	check_words("/sys/devices/system/memory/auto_online_blocks",
		    (const char *[]){ "online", NULL });
	check_words("/proc/sys/net/ipv4/tcp_available_congestion_control",
		    (const char *[]){ "bbr", "cubic", "reno", NULL });
	check_words("/proc/crypto", (const char *[]){ "crc32c", "sha256", NULL });
}
END_TEST

/* Each fails for its arguments, or does nothing. */
START_TEST(system_calls)
{
	static const struct {
		const char *name;
		long number, args[5];
	} calls[] = {
		{ "bpf", SYS_bpf, { -1 } },
		{ "clone3", SYS_clone3, { 0, 0 } },
		{ "epoll_create1", SYS_epoll_create1, { -1 } },
		{ "eventfd2", SYS_eventfd2, { 0, -1 } },
		{ "fanotify_init", SYS_fanotify_init, { -1, -1 } },
		{ "futex", SYS_futex, { 0, 1 } },
		{ "inotify_init1", SYS_inotify_init1, { -1 } },
		{ "io_setup", SYS_io_setup, { 0, 0 } },
		{ "io_uring_setup", SYS_io_uring_setup, { 0, 0 } },
		{ "kcmp", SYS_kcmp, { 0, 0, -1 } },
		{ "keyctl", SYS_keyctl, { -1 } },
		{ "membarrier", SYS_membarrier, { -1, -1 } },
		{ "memfd_create", SYS_memfd_create, { 0, -1 } },
		{ "mq_open", SYS_mq_open, { 0, 0 } },
		{ "msgget", SYS_msgget, { 1, 0 } },
		{ "name_to_handle_at", SYS_name_to_handle_at, { -1, 0, 0, 0, -1 } },
		{ "perf_event_open", SYS_perf_event_open, { 0, -1, -1, -1, -1 } },
		{ "process_vm_readv", SYS_process_vm_readv, { -1 } },
		{ "rseq", SYS_rseq, { 0, 0, -1, 0 } },
		{ "seccomp", SYS_seccomp, { -1 } },
		{ "semget", SYS_semget, { 1, 0, 0 } },
		{ "shmget", SYS_shmget, { 1, 0, 0 } },
		{ "signalfd4", SYS_signalfd4, { -1, 0, 0, -1 } },
		{ "swapoff", SYS_swapoff, { 0 } },
		{ "timer_create", SYS_timer_create, { -1, 0, 0 } },
		{ "timerfd_create", SYS_timerfd_create, { -1, -1 } },
		{ "userfaultfd", SYS_userfaultfd, { -1 } },
#ifdef SYS_modify_ldt
		{ "modify_ldt", SYS_modify_ldt, { -1 } },
#endif
	};

	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		const long *a = calls[i].args;

		errno = 0;
		(void)syscall(calls[i].number, a[0], a[1], a[2], a[3], a[4]);
		ck_assert_msg(errno != ENOSYS, "no system call %s", calls[i].name);
	}
	ck_assert_int_ge(
		(int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION),
		1);
	for (size_t i = 0; i < 2; i++) {
		uint32_t action = i ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ERRNO;

		ck_assert_int_eq((int)syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action),
				 0);
	}
}
END_TEST

#ifdef __x86_64__
/* By the gate that programs of 32 bits use. */
static long call_as_old(long number)
{
	long result = number;

	__asm__ volatile("int $0x80"
			 : "+a"(result)
			 : "b"(0L), "c"(0L), "d"(0L), "S"(0L), "D"(0L)
			 : "r8", "r9", "r10", "r11", "memory");
	return (int)result;
}

static bool has_old_calls(void)
{
	/* futex, nanosleep, clock_gettime, rt_sigtimedwait, recvmmsg: with a time of 32 bits; they fail for
	 * their arguments. */
	static const long timed[] = { 240, 162, 265, 177, 337 };

	for (size_t i = 0; i < ARRAY_LEN(timed); i++) {
		if (call_as_old(timed[i]) == -ENOSYS)
			return false;
	}
	return call_as_old(20) == getpid();
}

START_TEST(old_programs)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(has_old_calls() ? 0 : 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST
#endif

/* Sends a request to a netlink family and returns the error that it answers with, 0 for none. */
static int ask(int family, const void *request, size_t len)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	AUTO(fd) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, family);
	_Alignas(struct nlmsghdr) char answer[8192];
	const struct nlmsghdr *h = (const struct nlmsghdr *)answer;
	ssize_t n;

	ck_assert_msg(fd >= 0, "no netlink family %d", family);
	ck_assert_int_eq(
		sendto(fd, request, len, 0, (const struct sockaddr *)&kernel, sizeof(kernel)),
		(ssize_t)len);
	n = recv(fd, answer, sizeof(answer), 0);
	ck_assert_int_ge(n, (ssize_t)sizeof(*h));
	return h->nlmsg_type == NLMSG_ERROR ? -((const struct nlmsgerr *)NLMSG_DATA(h))->error : 0;
}

/* A link message, or one of traffic control, with the name of a kind in it. */
struct request {
	struct nlmsghdr head;
	union {
		struct ifinfomsg link;
		struct tcmsg tc;
	};
	char attributes[256];
};

static struct rtattr *attribute(struct request *r, unsigned short type, const char *text)
{
	struct rtattr *a = (struct rtattr *)((char *)r + NLMSG_ALIGN(r->head.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(text ? strlen(text) + 1 : 0);
	if (text)
		memcpy(RTA_DATA(a), text, strlen(text) + 1);
	r->head.nlmsg_len = NLMSG_ALIGN(r->head.nlmsg_len) + RTA_ALIGN(a->rta_len);
	return a;
}

/* The kernel says "not supported" of a kind that it does not know, and another thing of one that it
 * does. */
static int ask_link(const char *kind)
{
	struct request r = { .head = { .nlmsg_len = NLMSG_LENGTH(sizeof(r.link)),
				       .nlmsg_type = RTM_NEWLINK,
				       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE |
						      NLM_F_EXCL } };
	struct rtattr *info = attribute(&r, IFLA_LINKINFO, NULL);

	(void)attribute(&r, IFLA_INFO_KIND, kind);
	info->rta_len = (unsigned short)((char *)&r + r.head.nlmsg_len - (char *)info);
	return ask(NETLINK_ROUTE, &r, r.head.nlmsg_len);
}

static int ask_tc(unsigned short type, uint32_t parent, uint32_t info, const char *kind)
{
	struct request r = { .head = { .nlmsg_len = NLMSG_LENGTH(sizeof(r.tc)),
				       .nlmsg_type = type,
				       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE |
						      NLM_F_EXCL },
			     .tc = { .tcm_ifindex = 1, .tcm_parent = parent, .tcm_info = info } };

	(void)attribute(&r, TCA_KIND, kind);
	return ask(NETLINK_ROUTE, &r, r.head.nlmsg_len);
}

static void check_sctp(void)
{
	AUTO(fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SCTP);

	ck_assert_msg(fd >= 0, "no sockets of SCTP: %m");
}

/* A kernel that cannot list the sockets of a family does not find it; others want a list asked for. */
START_TEST(sockets_are_listed)
{
	static const uint8_t families[] = { AF_NETLINK, AF_PACKET };

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		/* All requests begin with the family; none is longer. */
		struct {
			struct nlmsghdr head;
			uint8_t family, rest[63];
		} r = { .head = { .nlmsg_len = sizeof(r),
				  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
				  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
			.family = families[i] };

		ck_assert_msg(ask(NETLINK_SOCK_DIAG, &r, sizeof(r)) != ENOENT,
			      "sockets of family %d cannot be listed", families[i]);
	}
}
END_TEST

START_TEST(network)
{
	static const char *const kinds[] = { "bridge", "dummy", "ipvlan", "macvlan",
					     "veth",   "vlan",  "vxlan",  "wireguard" };
	static const char *const queues[] = {
		"htb", "tbf", "fq", "fq_codel", "netem", "prio", "sfq"
	};
	static const int families[] = {
		AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_UNIX, AF_VSOCK
	};

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		AUTO(fd)
		int fd = socket(families[i],
				families[i] == AF_VSOCK ? SOCK_STREAM : SOCK_DGRAM | SOCK_CLOEXEC,
				0);

		ck_assert_msg(fd >= 0, "no sockets of family %d: %m", families[i]);
	}
	check_sctp();
	ck_assert_int_eq(ask_link("nonsense"), EOPNOTSUPP);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		ck_assert_msg(ask_link(kinds[i]) != EOPNOTSUPP, "no links of kind %s", kinds[i]);
	ck_assert_int_eq(ask_tc(RTM_NEWQDISC, TC_H_ROOT, 0, "nonsense"), ENOENT);
	/* Each in a namespace of its own: beside one that exists another kind is not looked for. */
	for (size_t i = 0; i < ARRAY_LEN(queues); i++) {
		ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
		ck_assert_msg(ask_tc(RTM_NEWQDISC, TC_H_ROOT, 0, queues[i]) != ENOENT,
			      "no queueing discipline %s", queues[i]);
	}
	ck_assert_int_eq(ask_tc(RTM_NEWQDISC, TC_H_INGRESS, 0, "ingress"), 0);
	ck_assert_int_eq(ask_tc(RTM_NEWTFILTER, TC_H_MAKE(TC_H_INGRESS, 0),
				TC_H_MAKE(1U << 16, htons(0x0800)), "nonsense"),
			 ENOENT);
	ck_assert_int_ne(ask_tc(RTM_NEWTFILTER, TC_H_MAKE(TC_H_INGRESS, 0),
				TC_H_MAKE(1U << 16, htons(0x0800)), "bpf"),
			 ENOENT);
	ck_assert_int_ne(ask_tc(RTM_NEWTFILTER, TC_H_MAKE(TC_H_INGRESS, 0),
				TC_H_MAKE(2U << 16, htons(0x0800)), "u32"),
			 ENOENT);
	ck_assert_int_ne(ask_tc(RTM_NEWTFILTER, TC_H_MAKE(TC_H_INGRESS, 0),
				TC_H_MAKE(3U << 16, htons(0x0800)), "matchall"),
			 ENOENT);
}
END_TEST

static void check_tables(int family, int level)
{
	static const char *const tables[] = { "filter", "nat", "mangle", "raw" };
	static const char *const matches[] = { "addrtype",  "comment", "connlimit", "connmark",
					       "conntrack", "dscp",    "hashlimit", "iprange",
					       "length",    "limit",   "mac",       "mark",
					       "multiport", "owner",   "physdev",   "pkttype",
					       "quota",     "recent",  "rpfilter",  "sctp",
					       "set",       "socket",  "state",     "statistic",
					       "string",    "tcpmss",  "time" };
	static const char *const targets[] = { "CHECKSUM", "CONNMARK", "CT",      "DNAT",
					       "DSCP",     "LOG",      "MARK",    "MASQUERADE",
					       "NETMAP",   "NFLOG",    "NFQUEUE", "REDIRECT",
					       "REJECT",   "SET",      "SNAT",    "TCPMSS",
					       "TPROXY" };
	AUTO(fd) int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

	ck_assert_int_ge(fd, 0);
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		char info[84] = { 0 };
		socklen_t len = sizeof(info);

		(void)snprintf(info, sizeof(info), "%s", tables[i]);
		ck_assert_msg(getsockopt(fd, level, IPT_GET_INFO, info, &len) == 0,
			      "no table %s: %m", tables[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(matches) + ARRAY_LEN(targets); i++) {
		bool match = i < ARRAY_LEN(matches);
		bool v6 = family == AF_INET6;
		int option = match ? (v6 ? IP6T_GET_REVISION_MATCH : IPT_GET_REVISION_MATCH)
				   : (v6 ? IP6T_GET_REVISION_TARGET : IPT_GET_REVISION_TARGET);
		struct revision r = { .revision = 0 };
		socklen_t len = sizeof(r);

		(void)snprintf(r.name, sizeof(r.name), "%s",
			       match ? matches[i] : targets[i - ARRAY_LEN(matches)]);
		/* Another revision than the first: "protocol not supported". */
		ck_assert_msg(getsockopt(fd, level, option, &r, &len) == 0 ||
				      errno == EPROTONOSUPPORT,
			      "no %s %s: %m", match ? "match" : "target", r.name);
	}
}

/* Of a connection in a zone; without zones the attribute is "not supported". */
START_TEST(connections_have_zones)
{
	struct {
		struct nlmsghdr head;
		struct nfgenmsg body;
		struct nlattr zone;
		uint16_t number, padding;
	} get = { .head = { .nlmsg_len = sizeof(get),
			    .nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		  .body = { .nfgen_family = AF_INET },
		  .zone = { .nla_len = NLA_HDRLEN + sizeof(get.number), .nla_type = CTA_ZONE },
		  .number = htons(1) };

	ck_assert_int_eq(ask(NETLINK_NETFILTER, &get, sizeof(get)), EINVAL); /* no addresses */
}
END_TEST

START_TEST(filters)
{
	struct {
		struct nlmsghdr head;
		struct nfgenmsg body;
	} generation = { .head = { .nlmsg_len = sizeof(generation),
				   .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN,
				   .nlmsg_flags = NLM_F_REQUEST } };

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	check_tables(AF_INET, SOL_IP);
	check_tables(AF_INET6, SOL_IPV6);
	ck_assert_int_eq(ask(NETLINK_NETFILTER, &generation, sizeof(generation)), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("guest kernel");
	TCase *c = tcase_create("options");

	if (getenv("KATA_GUEST")) {
		tcase_add_test(c, file_systems);
		tcase_add_test(c, control_groups);
		tcase_add_test(c, paths);
		tcase_add_test(c, system_calls);
#ifdef __x86_64__
		tcase_add_test(c, old_programs);
#endif
		tcase_add_test(c, sockets_are_listed);
		tcase_add_test(c, network);
		tcase_add_test(c, connections_have_zones);
		tcase_add_test(c, filters);
	}
	suite_add_tcase(s, c);
	return suite_run(s);
}
