// SPDX-License-Identifier: Apache-2.0
/* Opens, makes and enters network namespaces. */

#include "network/netns.h"

#include "base/fd.h"
#include "base/title.h"
#include "netlink/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static bool is_netns(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == NSFS_MAGIC &&
	       ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET;
}

static int open_identified(const char *path, struct netns_identity *identity)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0) {
		fd_close(&fd);
		return -1;
	}
	*identity = (struct netns_identity){ st.st_dev, st.st_ino };
	return fd;
}

int netns_open(const char *path, struct netns_identity *identity, struct err *err)
{
	AUTO(fd) int fd = open_identified(path, identity);

	if (fd < 0)
		return err_sys(err, "network namespace %s", path);
	if (!is_netns(fd))
		return err_set(err, E_INVALID, "%s is not a network namespace", path);
	return STEAL(fd, -1);
}

int netns_reopen(const char *path, const struct netns_identity *identity)
{
	struct netns_identity now;
	AUTO(fd) int fd = open_identified(path, &now);

	if (fd < 0 || now.device != identity->device || now.inode != identity->inode ||
	    !is_netns(fd))
		return -1;
	return STEAL(fd, -1);
}

struct netns_task {
	int netns;
	thread_fn fn;
	void *arg;
};

static int enter_and_run(void *arg, struct err *err)
{
	struct netns_task *t = arg;

	if ((t->netns < 0 ? unshare(CLONE_NEWNET) : setns(t->netns, CLONE_NEWNET)) < 0)
		return err_sys(err, "enter the network namespace");
	return t->fn(t->arg, err);
}

int netns_call(int netns, thread_fn fn, void *arg, struct err *err)
{
	struct netns_task t = { netns, fn, arg };

	return thread_call(enter_and_run, &t, err);
}

/* --- a new namespace --- */

DEFINE_AUTO(netlink, struct netlink *, NULL, netlink_close)

static int loopback_up(struct err *err)
{
	AUTO(netlink) struct netlink *nl = NULL;
	struct netlink_link lo;
	int result;

	if (netlink_open(&nl, err) < 0 || netlink_find_link(nl, "lo", NULL, &lo, err) < 0)
		return -1;
	result = netlink_set_up(nl, lo.index, true, err);
	netlink_link_release(&lo);
	return result;
}

/* On a thread in the new namespace: mounts it at the path. */
static int pin_new_netns(void *arg, struct err *err)
{
	const char *path = arg;
	AUTO(fd) int at = open(path, O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC, 0600);

	if (at < 0)
		return err_sys(err, "make %s", path);
	if (mount("/proc/thread-self/ns/net", path, NULL, MS_BIND, NULL) < 0) {
		err_sys(err, "mount the new network namespace at %s", path);
		(void)unlink(path);
		return -1;
	}
	return loopback_up(err);
}

int netns_make(const char *path, struct err *err)
{
	return netns_call(-1, pin_new_netns, (void *)path, err);
}

/* --- holder processes --- */

struct holder_start {
	const char *title;
	struct netns_holder *out;
	int lifeline; /* the child's end of it */
};

/* In the child: waits until the other end of the lifeline is closed, with no other fd open. */
_Noreturn static void holder_main(const char *title, int lifeline)
{
	char c;

	title_set(title);
	if (lifeline > 0)
		(void)close_range(0, (unsigned)lifeline - 1, 0);
	(void)close_range((unsigned)lifeline + 1, ~0U, 0);
	while (read(lifeline, &c, 1) < 0 && errno == EINTR)
		;
	_exit(0);
}

/* On a thread in the namespace, which its child inherits. */
static int fork_holder(void *arg, struct err *err)
{
	const struct holder_start *s = arg;
	int who = spawn_fork(&s->out->child, err);

	if (who == 0)
		holder_main(s->title, s->lifeline);
	return who < 0 ? -1 : 0;
}

int netns_holder_start(const char *path, const char *title, struct netns_holder *out,
		       struct err *err)
{
	struct netns_identity identity;
	AUTO(fd) int netns = netns_open(path, &identity, err), lifeline = -1;
	int ends[2], result;

	*out = (struct netns_holder)NETNS_HOLDER_NONE;
	if (netns < 0 || fd_pipe(ends, err) < 0)
		return -1;
	lifeline = ends[0];
	out->lifeline = ends[1];
	result = netns_call(netns, fork_holder, &(struct holder_start){ title, out, lifeline },
			    err);
	if (result < 0)
		netns_holder_stop(out);
	return result;
}

void netns_holder_stop(struct netns_holder *p)
{
	fd_close(&p->lifeline);
	spawn_kill(&p->child);
}
