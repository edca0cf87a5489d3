// SPDX-License-Identifier: Apache-2.0
/* Each limit is a file of numbers below /proc/sys. */

#include "agent/scale.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

enum { NUMBERS = 3 };
#define TCP_MEM "/proc/sys/net/ipv4/tcp_mem"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static uint64_t pages; /* of memory, to which the limits belong; 0: not initialized */
static struct limit {
	const char *file;
	size_t first;  /* of the numbers that depend on memory */
	uint64_t most; /* that the kernel chooses; 0: any number */
	size_t n;      /* 0: the kernel has no such limit, or somebody has changed it */
	uint64_t v[NUMBERS];
} limits[] = {
	{ .file = "/proc/sys/kernel/threads-max" },
	{ .file = TCP_MEM },
	{ .file = "/proc/sys/net/ipv4/udp_mem" },
	{ .file = "/proc/sys/net/ipv4/tcp_rmem", .first = 2, .most = 6 << 20 },
	{ .file = "/proc/sys/net/ipv4/tcp_wmem", .first = 2, .most = 4 << 20 },
	{ .file = "/proc/sys/net/ipv4/tcp_max_orphans" },
	{ .file = "/proc/sys/net/ipv4/tcp_max_tw_buckets" },
	{ .file = "/proc/sys/fs/inotify/max_user_watches", .most = 1048576 },
	{ .file = "/proc/sys/net/netfilter/nf_conntrack_max", .most = 262144 },
	{ .file = "/proc/sys/user/max_cgroup_namespaces" },
	{ .file = "/proc/sys/user/max_ipc_namespaces" },
	{ .file = "/proc/sys/user/max_mnt_namespaces" },
	{ .file = "/proc/sys/user/max_net_namespaces" },
	{ .file = "/proc/sys/user/max_pid_namespaces" },
	{ .file = "/proc/sys/user/max_time_namespaces" },
	{ .file = "/proc/sys/user/max_user_namespaces" },
	{ .file = "/proc/sys/user/max_uts_namespaces" },
};

static uint64_t pages_now(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES);
}

static int read_numbers(struct limit *l, struct err *err)
{
	AUTO(str) char *text = file_read_line(AT_FDCWD, l->file, err);
	AUTO(strv) char **words = text ? strv_split(text, "\t ") : NULL;

	l->n = 0;
	strv_each(word, words) {
		if (l->n == NUMBERS)
			return err_set(err, E_PROTOCOL, "%s has too many numbers", l->file);
		if (str_u64(*word, 10, 0, INT64_MAX, l->file, &l->v[l->n], err) < 0)
			return -1;
		l->n++;
	}
	return text ? 0 : -1;
}

static bool is_same(const struct limit *a, const struct limit *b)
{
	for (size_t i = 0; i < a->n; i++) {
		if (a->v[i] != b->v[i])
			return false;
	}
	return a->n == b->n;
}

/* At most l->most, unless it is more already. */
static uint64_t scaled(const struct limit *l, uint64_t number, double factor)
{
	uint64_t more = (uint64_t)((double)number * factor);

	if (l->most && more > l->most)
		more = number > l->most ? number : l->most;
	return more;
}

static int write_numbers(const struct limit *l, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(256);

	for (size_t i = 0; i < l->n; i++)
		buf_fmt(&text, "%s%llu", i ? " " : "", (unsigned long long)l->v[i]);
	return file_write(AT_FDCWD, l->file, buf_cstr(&text), err);
}

static int scale(struct limit *l, double factor, struct err *err)
{
	struct limit now = *l;

	if (read_numbers(&now, err) < 0)
		return -1;
	if (!is_same(l, &now)) {
		l->n = 0;
		return 0;
	}
	for (size_t i = l->first; i < l->n; i++)
		l->v[i] = scaled(l, l->v[i], factor);
	return write_numbers(l, err);
}

static int raise_tcp(struct err *err)
{
	struct limit tcp = { .file = TCP_MEM };
	uint64_t most = pages_now() / 4;

	if (read_numbers(&tcp, err) < 0)
		return -1;
	if (tcp.n != NUMBERS || tcp.v[NUMBERS - 1] >= most)
		return 0;
	tcp.v[NUMBERS - 1] = most;
	return write_numbers(&tcp, err);
}

void scale_raise_tcp(void)
{
	struct err err = ERR_INIT;

	if (raise_tcp(&err) < 0)
		log_err(LOG_WARN, &err, "TCP keeps the kernel's limit of memory");
}

void scale_init(void)
{
	(void)pthread_mutex_lock(&lock);
	pages = pages_now();
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		struct err ignored = ERR_INIT; /* a kernel without it */

		if (read_numbers(&limits[i], &ignored) < 0)
			limits[i].n = 0;
	}
	(void)pthread_mutex_unlock(&lock);
}

/* A little more memory does not count: the kernel frees what it needed to boot. */
void scale_limits(void)
{
	uint64_t now = pages_now();

	(void)pthread_mutex_lock(&lock);
	if (pages && now > pages + pages / 16) {
		for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
			struct err err = ERR_INIT;

			if (limits[i].n && scale(&limits[i], (double)now / (double)pages, &err) < 0)
				log_err(LOG_WARN, &err, "a limit stays that of less memory");
		}
		pages = now;
	}
	(void)pthread_mutex_unlock(&lock);
}
