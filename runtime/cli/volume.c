// SPDX-License-Identifier: Apache-2.0
/* kata-runtime direct-volume add, remove, stats and resize. */

#include "volume.h"

#include "base/opt.h"
#include "base/path.h"
#include "base/str.h"
#include "cli/subverb.h"
#include "device/volume.h"
#include "manage/manage.h"
#include "json/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { ANSWER_MAX = 1 << 20, ASK_MS = 70000 };

static struct {
	const char *path, *info, *size;
} o;

#define PATH_OPTION OPT_PATH(0, "volume-path", "PATH", &o.path, "path that pods mount")

static int check(const char *value, const char *name, struct err *err)
{
	return str_empty(value) ? err_set(err, E_USAGE, "--%s is missing; see --help", name) : 0;
}

static int cmd_add(int argc, char **argv, struct err *err)
{
	(void)argc;
	(void)argv;
	if (check(o.path, "volume-path", err) < 0 || check(o.info, "mount-info", err) < 0)
		return -1;
	return volume_add(o.path, o.info, err);
}

static int cmd_remove(int argc, char **argv, struct err *err)
{
	(void)argc;
	(void)argv;
	return check(o.path, "volume-path", err) < 0 ? -1 : volume_remove(o.path, err);
}

/* Asks the sandboxes that are marked as users, until one has the volume: the mark of a sandbox, and
 * its socket, may have outlived it. Others that have it are not asked: the file systems that can grow
 * may be mounted by several kernels only if none of these writes, and then none can grow it. */
static int ask_users(const char *method, const char *target, const char *body, struct buf *answer,
		     struct err *err)
{
	AUTO(strv) char **dirs = NULL;

	if (volume_users(o.path, &dirs, err) < 0)
		return -1;
	strv_each(dir, dirs) {
		AUTO(str) char *socket = path_join(*dir, MANAGE_SOCKET);

		err_clear(err);
		if (manage_ask(socket, method, target, body, deadline_in(ASK_MS), answer, err) ==
			    0 ||
		    (err->code != E_NOT_FOUND && err->sys != ECONNREFUSED))
			break;
	}
	return err->code ? -1 : 0;
}

/* The text as a value in a query, heap: special characters as %XX. */
static char *escape(const char *text)
{
	AUTO(buf) struct buf out = BUF_INIT(64 * 1024);

	for (; *text; text++) {
		if (strchr("/-_.~", *text) || (*text >= '0' && *text <= '9') ||
		    (*text >= 'A' && *text <= 'Z') || (*text >= 'a' && *text <= 'z'))
			buf_chr(&out, *text);
		else
			buf_fmt(&out, "%%%02x", (unsigned char)*text);
	}
	return buf_steal(&out);
}

static int cmd_stats(int argc, char **argv, struct err *err)
{
	AUTO(buf) struct buf answer = BUF_INIT(ANSWER_MAX);
	AUTO(str) char *path = NULL, *target = NULL;

	(void)argc;
	(void)argv;
	if (check(o.path, "volume-path", err) < 0)
		return -1;
	path = escape(o.path);
	target = str_fmt("/direct-volume/stats?path=%s", path);
	if (ask_users("GET", target, NULL, &answer, err) < 0)
		return -1;
	(void)puts(buf_cstr(&answer));
	return 0;
}

static int cmd_resize(int argc, char **argv, struct err *err)
{
	AUTO(buf) struct buf answer = BUF_INIT(ANSWER_MAX);
	AUTO(json) struct json *j = json_make_object();
	AUTO(str) char *body = NULL;
	uint64_t size;

	(void)argc;
	(void)argv;
	if (check(o.path, "volume-path", err) < 0 || check(o.size, "size", err) < 0 ||
	    str_u64(o.size, 10, 1, INT64_MAX, "--size", &size, err) < 0)
		return -1;
	json_put(j, "VolumePath", json_make_string(o.path));
	json_put(j, "Size", json_make_u64(size));
	body = json_format(j, false);
	return ask_users("POST", "/direct-volume/resize", body, &answer, err);
}

int volume_verb(int argc, char **argv, struct err *err)
{
	static const struct opt add[] = {
		PATH_OPTION, OPT_STR(0, "mount-info", "JSON", &o.info, "device and file system"),
		OPT_END
	};
	static const struct opt one[] = { PATH_OPTION, OPT_END };
	static const struct opt grow[] = {
		PATH_OPTION, OPT_STR(0, "size", "BYTES", &o.size, "new size of the file system"),
		OPT_END
	};
	static const struct subverb verbs[] = {
		{ "add", "", "record the block device of a volume", add, cmd_add, 0, 0 },
		{ "remove", "", "remove the record of a volume", one, cmd_remove, 0, 0 },
		{ "stats", "", "print a volume's usage as JSON", one, cmd_stats, 0, 0 },
		{ "resize", "", "grow a volume while a pod uses it", grow, cmd_resize, 0, 0 },
		{ NULL, NULL, NULL, NULL, NULL, 0, 0 },
	};

	argv[0] = (char *)"kata-runtime direct-volume"; /* the name in help and messages */
	return subverb_run(verbs, argc, argv, err);
}
