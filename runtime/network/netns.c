// SPDX-License-Identifier: Apache-2.0
/* Entering a network namespace. */

#include "network/netns.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
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

struct visit {
	int netns;
	netns_fn fn;
	void *arg;
	struct err *err;
	int result;
};

static void *visit_main(void *arg)
{
	struct visit *v = arg;

	if (setns(v->netns, CLONE_NEWNET) < 0)
		v->result = err_sys(v->err, "enter the network namespace");
	else
		v->result = v->fn(v->arg, v->err);
	return NULL;
}

int netns_call(int netns, netns_fn fn, void *arg, struct err *err)
{
	struct visit v = { netns, fn, arg, err, -1 };
	pthread_t thread;

	errno = pthread_create(&thread, NULL, visit_main, &v);
	if (errno)
		return err_sys(err, "make a thread for the network namespace");
	(void)pthread_join(thread, NULL);
	return v.result;
}
