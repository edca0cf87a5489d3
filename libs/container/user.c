// SPDX-License-Identifier: Apache-2.0
/* The identity of the process: ids, groups, umask, home. No name service: the passwd file is read
 * here. */

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "container/init.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* The streams belong to root; chown them, so that the user can open /dev/stdout. */
static void own_streams(uid_t uid)
{
	for (int fd = 0; fd <= 2; fd++) {
		struct stat st;

		/* The owner of /dev/null and of other files must not change. */
		if (fstat(fd, &st) == 0 && st.st_uid != uid &&
		    (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
			(void)!fchown(fd, uid, (gid_t)-1);
	}
}

/* In a user namespace where setgroups is denied, an empty list works only if we have no groups. */
int user_groups(const struct oci_user *u, struct err *err)
{
	gid_t *groups = xcalloc(u->n_additional_gids + 1, sizeof(*groups));
	int r;

	for (size_t i = 0; i < u->n_additional_gids; i++)
		groups[i] = u->additional_gids[i];
	r = setgroups(u->n_additional_gids, groups);
	free(groups);
	if (r < 0 && (u->n_additional_gids || errno != EPERM))
		return err_sys(err, "set the additional groups");
	return 0;
}

/* To the kernel, -1 means that an id stays as it is: root's. */
static int check_ids(const struct oci_user *u, struct err *err)
{
	if (u->uid == (uid_t)-1 || u->gid == (gid_t)-1)
		return err_set(err, E_INVALID, "%s %u is not an id",
			       u->uid == (uid_t)-1 ? "uid" : "gid", (unsigned)-1);
	return 0;
}

int user_become(const struct oci_user *u, struct err *err)
{
	if (check_ids(u, err) < 0)
		return -1;
	own_streams(u->uid);
	(void)umask(u->umask.set ? (mode_t)u->umask.v & 0777 : 022);
	if (user_groups(u, err) < 0)
		return -1;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_sys(err, "keep capabilities");
	if (setresgid(u->gid, u->gid, u->gid) < 0)
		return err_sys(err, "become gid %u", u->gid);
	if (setresuid(u->uid, u->uid, u->uid) < 0)
		return err_sys(err, "become uid %u", u->uid);
	return 0;
}

int user_view_enter(const struct oci_user *u, const struct capability_sets *caps,
		    struct user_view *view, struct err *err)
{
	/* setfsuid and setfsgid change only this thread, not the ids of the process. */
	if (check_ids(u, err) < 0 || user_groups(u, err) < 0 ||
	    capabilities_effective(~0ULL, &view->effective, err) < 0)
		return -1;
	(void)setfsgid(u->gid);
	(void)setfsuid(u->uid);
	if (capabilities_effective(caps->effective, NULL, err) == 0)
		return 0;
	user_view_leave(view);
	return -1;
}

/* Root again with its capabilities, but without groups: the next steps need none. */
void user_view_leave(const struct user_view *view)
{
	struct err ignored = ERR_INIT; /* a step that needs them will fail and report it */

	(void)!capabilities_effective(view->effective, NULL, &ignored);
	(void)setfsuid(geteuid());
	(void)setfsgid(getegid());
}

char *user_home_in(const char *passwd, uid_t uid)
{
	AUTO(str) char *want = str_fmt("%u", (unsigned)uid);

	while (*passwd) {
		size_t len = strcspn(passwd, "\n");
		const char *field[7], *p = passwd, *end = passwd + len;
		size_t n = 0;

		while (n < ARRAY_LEN(field)) {
			const char *colon = memchr(p, ':', (size_t)(end - p));

			field[n++] = p;
			if (!colon)
				break;
			p = colon + 1;
		}
		/* name:password:uid:gid:gecos:home:shell */
		if (n >= 6 && (size_t)(field[3] - field[2]) == strlen(want) + 1 &&
		    strncmp(field[2], want, strlen(want)) == 0) {
			const char *home_end = n == 7 ? field[6] - 1 : end;

			return home_end > field[5]
				       ? xstrndup(field[5], (size_t)(home_end - field[5]))
				       : NULL;
		}
		passwd += len + (passwd[len] ? 1 : 0);
	}
	return NULL;
}

void user_set_home(struct oci_process *p)
{
	struct err ignored = ERR_INIT; /* no passwd file: HOME is "/" */
	AUTO(buf) struct buf text = BUF_INIT(0);
	AUTO(str) char *home = NULL;
	struct stat st;

	if (!str_empty(strv_env_get(p->env, "HOME")))
		return;
	AUTO(fd) int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* Only a regular file: a FIFO would block, a device could have side effects. */
	AUTO(fd)
	int fd = path_open(root, "etc/passwd", PATH_IN_ROOT, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0,
			   &ignored);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    file_read_fd(fd, "/etc/passwd", 1 << 20, &text, &ignored) == 0)
		home = user_home_in(buf_cstr(&text), p->user.uid);
	strv_env_set(&p->env, "HOME", home ? home : "/");
}
