// SPDX-License-Identifier: Apache-2.0
/*
 * Registration below a root directory with the configurations of each manager: what is written,
 * that it is taken out again byte for byte, also around what an administrator wrote meanwhile, and
 * which manager is taken for being there.
 */

#include "tests/unit/expect.h"
#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "deploy/cri/backend.h"
#include "deploy/cri/containerd.h"
#include "deploy/cri/default.h"
#include "deploy/cri/docker-json.h"
#include "deploy/cri/restart.h"
#include "toml/toml.h"
#include "json/json.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILE_LIMIT = 1 << 20 };

static char root[SCRATCH_DIR];
static char scratch[SCRATCH_DIR]; /* root, while it is the root of this process (own_node()) */
static int outside = -1;          /* the root directory before that */
static struct err err;

static const struct cri_handler handlers[] = { { "kata", NULL },
					       { "kata-qemu", "/opt/kata/etc/qemu.toml" } };

static void set_up(void)
{
	scratch_make(root, "cri");
	err_clear(&err);
	log_set_level(LOG_FATAL);
}

static void tear_down(void)
{
	if (*scratch) {
		ck_assert_int_eq(umount2("/proc", MNT_DETACH), 0);
		ck_assert(fchdir(outside) == 0 && chroot(".") == 0);
		memcpy(root, scratch, sizeof(root));
	}
	fd_close(&outside);
	scratch_remove(root);
}

static char *in_root(const char *path)
{
	return str_fmt("%s%s", root, path);
}

static void put(const char *path, const char *text)
{
	AUTO(str) char *full = in_root(path);
	AUTO(str) char *dir = str_fmt("%.*s", (int)(path_basename(full) - full), full);

	OK(path_make(dir, 0755, &err));
	OK(file_replace_volatile(AT_FDCWD, full, text, strlen(text), 0644, &err));
}

static char *get(const char *path)
{
	AUTO(buf) struct buf b = BUF_INIT(FILE_LIMIT);
	AUTO(str) char *full = in_root(path);

	if (!path_exists(full))
		return NULL;
	OK(file_read(AT_FDCWD, full, FILE_LIMIT, &b, &err));
	return str_fmt("%s", buf_cstr(&b));
}

static char *data(const char *name)
{
	AUTO(buf) struct buf b = BUF_INIT(FILE_LIMIT);
	AUTO(str) char *path = str_fmt("tests/data/cri/%s", name);

	OK(file_read(AT_FDCWD, path, FILE_LIMIT, &b, &err));
	return str_fmt("%s", buf_cstr(&b));
}

static struct cri_options options(void)
{
	return (struct cri_options){ .root = root,
				     .prefix = "/opt/kata",
				     .handlers = handlers,
				     .nhandlers = ARRAY_LEN(handlers) };
}

/* Applies a change as the engine does, without a journal. */
static void apply(const struct cri_change *c)
{
	for (size_t i = 0; i < c->change.nfiles; i++) {
		const struct deploy_file *f = &c->change.files[i];

		AUTO(str) char *now = NULL;

		ck_assert(str_starts(f->path, root));
		now = get(f->path + strlen(root));
		ck_assert_str_eq(f->base, now ? now : "");
		if (f->data)
			put(f->path + strlen(root), f->data);
		else
			ck_assert_int_eq(unlink(f->path), 0);
	}
	/* Below another root no manager runs. */
	ck_assert(!c->restart && c->change.nsteps == 0);
	ck_assert_ptr_nonnull(c->reason);
}

/* Returns the record as text, for a later uninstall; the caller frees it. */
static char *install(const struct cri_options *o, const char *recorded, size_t *nfiles)
{
	AUTO(cri) struct cri *c = NULL;
	AUTO(cri_change) struct cri_change change = CRI_CHANGE_INIT;
	AUTO(json) struct json *before = NULL;
	const struct json *record;

	if (recorded)
		before = json_parse(recorded, strlen(recorded), "record", &err);
	OK(cri_find(o, &c, &err));
	OK(cri_register(c, before, &change, &record, &err));
	if (nfiles)
		*nfiles = change.change.nfiles;
	apply(&change);
	return json_format(record, false);
}

static void uninstall(const char *recorded)
{
	struct cri_options o = options();
	AUTO(cri_change) struct cri_change change = CRI_CHANGE_INIT;
	AUTO(json) struct json *record = json_parse(recorded, strlen(recorded), "record", &err);

	ck_assert_ptr_nonnull(record);
	OK(cri_unregister(&o, record, &change, &err));
	apply(&change);
}

static void same(const char *path, const char *text)
{
	AUTO(str) char *now = get(path);

	if (text)
		ck_assert_str_eq(now ? now : "(no file)", text);
	else
		ck_assert_msg(!now, "%s is there: %s", path, now);
}

/* --- each manager's own configuration --- */

#define K3S  "/var/lib/rancher/k3s/agent/etc/containerd/"
#define RKE2 "/var/lib/rancher/rke2/agent/etc/containerd/"
#define ETC  "/etc/containerd/"
#define SNAP "/var/snap/microk8s/current/args/"

/* written: the file that has the handlers afterwards; text: what must be in it. */
static const struct {
	const char *manager, *data, *config, *written, *text;
	bool edits_config;
} managers[] = {
	{ "containerd", "debian-1.6.toml", ETC "config.toml", ETC "config.toml",
	  "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n", true },
	{ "containerd", "kubeadm-1.7.toml", ETC "config.toml", ETC "config.toml",
	  "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.kata-qemu]\n", true },
	{ "containerd", "containerd-2.0.toml", ETC "config.toml", ETC "conf.d/kata-deploy.toml",
	  "\nversion = 3\n[plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.kata]\n"
	  "runtime_type = \"io.containerd.kata.v2\"\n"
	  "runtime_path = \"/opt/kata/bin/containerd-shim-kata-v2\"\n",
	  true },
	{ "containerd", "containerd-2.2.toml", ETC "config.toml", ETC "conf.d/kata-deploy.toml",
	  "\nversion = 3\n", false },
	{ "containerd", "containerd-2.3.toml", ETC "config.toml", ETC "conf.d/kata-deploy.toml",
	  "\nversion = 4\n[plugins.\"io.containerd.cri.v1.runtime\"", true },
	{ "k3s", "k3s-1.7.toml", K3S "config.toml", K3S "config.toml.tmpl",
	  "{{ template \"base\" . }}\n# kata-deploy: begin", false },
	{ "k3s", "k3s-2.1.toml", K3S "config.toml", K3S "config-v3.toml.d/kata-deploy.toml",
	  "\nversion = 3\n", false },
	{ "rke2", "rke2-1.7.toml", RKE2 "config.toml", RKE2 "config.toml.tmpl",
	  "ConfigPath = \"/opt/kata/etc/qemu.toml\"\n", false },
	{ "rke2", "rke2-2.1.toml", RKE2 "config.toml", RKE2 "config-v3.toml.d/kata-deploy.toml",
	  "\nversion = 3\n", false },
	{ "k0s", "k0s-1.7.toml", "/etc/k0s/containerd.toml",
	  "/etc/k0s/containerd.d/kata-deploy.toml",
	  "\n# remove it, start k0s, and run `kata-deploy upgrade`; a DaemonSet's pod does that "
	  "itself.\nversion = 2\n[plugins.\"io.containerd.grpc.v1.cri\"",
	  false },
	{ "k0s", "k0s-2.0.toml", "/etc/k0s/containerd.toml",
	  "/etc/k0s/containerd.d/kata-deploy.toml",
	  "\nversion = 3\n[plugins.\"io.containerd.cri.v1.runtime\"", false },
	{ "microk8s", "microk8s-1.6.toml", SNAP "containerd-template.toml",
	  SNAP "containerd-template.toml",
	  "privileged_without_host_devices = true\npod_annotations = [\"io.katacontainers.*\"]\n",
	  true },
	{ "microk8s", "microk8s-kata.toml", SNAP "containerd-template.toml",
	  SNAP "containerd-template.toml",
	  "that does not have io.containerd.kata.v2.\n"
	  "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.kata]\n",
	  true },
	{ "microk8s", "microk8s-2.0.toml", SNAP "containerd-template.toml",
	  SNAP "conf.d/kata-deploy.toml", "\nversion = 3\n", true },
	{ "crio", "crio.conf", "/etc/crio/crio.conf", "/etc/crio/crio.conf.d/99-kata-deploy.conf",
	  "[crio.runtime.runtimes.kata-qemu]\n"
	  "runtime_path = \"/opt/kata/bin/containerd-shim-kata-v2\"\n"
	  "runtime_type = \"vm\"\nruntime_root = \"/run/vc\"\n"
	  "runtime_config_path = \"/opt/kata/etc/qemu.toml\"\n"
	  "privileged_without_host_devices = true\n",
	  false },
	{ "docker", "docker-plain.json", "/etc/docker/daemon.json", "/etc/docker/daemon.json",
	  "  },\n  \"runtimes\": {\"kata\": "
	  "{\"runtimeType\":\"/opt/kata/bin/containerd-shim-kata-v2\"}",
	  true },
	{ "docker", "docker-nvidia.json", "/etc/docker/daemon.json", "/etc/docker/daemon.json",
	  "        },\n        \"kata\": {", true },
	{ "docker", "docker-empty.json", "/etc/docker/daemon.json", "/etc/docker/daemon.json",
	  "{\"runtimes\": {\"kata\": ", true },
	{ "docker", "docker-line.json", "/etc/docker/daemon.json", "/etc/docker/daemon.json",
	  "{\"runtimes\":{\"kata\": ", true },
};

/* Parses the file as its manager does; templates are no TOML. */
static void check_readable(const char *path)
{
	AUTO(str) char *text = get(path);

	ck_assert_ptr_nonnull(text);
	if (str_ends(path, ".json")) {
		AUTO(json) struct json *j = json_parse(text, strlen(text), path, &err);

		ck_assert_msg(j != NULL, "%s", err.msg);
	} else if (!str_ends(path, ".tmpl")) {
		AUTO(toml) struct toml_value *v = toml_parse(path, text, strlen(text), NULL, &err);

		ck_assert_msg(v != NULL, "%s", err.msg);
	}
}

START_TEST(install_then_uninstall)
{
	AUTO(str) char *text = data(managers[_i].data);
	AUTO(str) char *record = NULL, *written = NULL, *again = NULL;
	struct cri_options o = options();
	AUTO(cri) struct cri *c = NULL;
	bool own = !str_eq(managers[_i].config, managers[_i].written);
	size_t n;

	put(managers[_i].config, text);
	OK(cri_find(&o, &c, &err));
	ck_assert_str_eq(cri_name(c), managers[_i].manager);
	record = install(&o, NULL, &n);
	ck_assert_uint_eq(n, (size_t)own + managers[_i].edits_config);
	written = get(managers[_i].written);
	ck_assert_msg(written && strstr(written, managers[_i].text), "%s", written);
	check_readable(managers[_i].written);
	check_readable(managers[_i].config);
	if (!managers[_i].edits_config)
		same(managers[_i].config, text);
	again = install(&o, record, &n);
	ck_assert_uint_eq(n, 0);
	ck_assert_str_eq(again, record);
	uninstall(record);
	same(managers[_i].config, text);
	if (own)
		same(managers[_i].written, NULL);
	/* Once more: there is nothing left to take out. */
	uninstall(record);
	same(managers[_i].config, text);
}
END_TEST

/* Edits of an administrator: at the top and at the end. */
static char *edited(const char *path, const char *text)
{
	if (str_ends(path, ".json")) {
		const char *end = strrchr(text, '}');
		const char *comma = strchr(text, ':') ? "," : "";

		return str_fmt("{ \"live-restore\": true%s%.*s\n, \"ip\": \"::1\" }\n", comma,
			       (int)(end - strchr(text, '{') - 1), strchr(text, '{') + 1);
	}
	return str_fmt("# mine\n%s# and the end\n", text);
}

START_TEST(edited_in_between)
{
	AUTO(str) char *text = data(managers[_i].data);
	AUTO(str) char *record = NULL, *with = NULL, *now = NULL, *without = NULL;
	struct cri_options o = options();

	/* An empty object has no place for an edit. */
	if (str_eq(managers[_i].data, "docker-empty.json"))
		return;
	put(managers[_i].config, text);
	record = install(&o, NULL, NULL);
	with = get(managers[_i].config);
	now = edited(managers[_i].config, with);
	put(managers[_i].config, now);
	uninstall(record);
	without = edited(managers[_i].config, text);
	same(managers[_i].config, without);
}
END_TEST

/* --- missing files --- */

static const struct {
	const char *manager, *there, *config, *made;
} fresh[] = {
	{ "containerd", "/usr/bin/containerd", ETC "config.toml", "version = 2\n" },
	{ "docker", "/usr/bin/dockerd", "/etc/docker/daemon.json", "{\"runtimes\": {" },
	{ "crio", "/usr/bin/crio", "/etc/crio/crio.conf.d/99-kata-deploy.conf", "[crio.runtime." },
	{ "k0s", "/var/lib/k0s/bin/containerd", "/etc/k0s/containerd.d/kata-deploy.toml",
	  "\nversion = 2\n" },
};

START_TEST(no_configuration_yet)
{
	struct cri_options o = options();
	AUTO(str) char *record = NULL, *text = NULL;

	put(fresh[_i].there, "");
	record = install(&o, NULL, NULL);
	text = get(fresh[_i].config);
	ck_assert_msg(text && strstr(text, fresh[_i].made), "%s", text);
	uninstall(record);
	same(fresh[_i].config, NULL);
}
END_TEST

/* A file that we made and an administrator extended is kept. */
START_TEST(no_configuration_then_edited)
{
	struct cri_options o = options();
	AUTO(str) char *record = NULL, *text = NULL, *more = NULL;
	static const char table[] = "[debug]\nlevel = \"info\"\n";

	put("/usr/bin/containerd", "");
	record = install(&o, NULL, NULL);
	text = get(ETC "config.toml");
	more = str_fmt("%s%s", text, table);
	put(ETC "config.toml", more);
	uninstall(record);
	same(ETC "config.toml", "version = 2\n[debug]\nlevel = \"info\"\n");
}
END_TEST

/* All lines between our marks are removed, even if they were edited. */
START_TEST(block_edited_by_hand)
{
	struct cri_options o = options();
	AUTO(str) char *text = data("kubeadm-1.7.toml");
	AUTO(str) char *record = NULL, *with = NULL, *now = NULL;
	char *at;

	put(ETC "config.toml", text);
	record = install(&o, NULL, NULL);
	with = get(ETC "config.toml");
	at = strstr(with, "privileged_without_host_devices = true");
	ck_assert_ptr_nonnull(at);
	memcpy(at, "# ", 2);
	now = str_fmt("%s# more\n", with);
	put(ETC "config.toml", now);
	uninstall(record);
	now = (free(now), str_fmt("%s# more\n", text));
	same(ETC "config.toml", now);
}
END_TEST

/* Of two installations one has lost its lines: those of the other one stay. */
START_TEST(lines_of_another_installation_stay)
{
	static const struct cri_handler other = { "other", "/srv/kata/etc/configuration.toml" };
	struct cri_options o = options(), second = options();
	AUTO(str) char *text = data("kubeadm-1.7.toml");
	AUTO(str) char *record = NULL, *record_of_second = NULL, *left = NULL;

	second.prefix = "/srv/kata";
	second.handlers = &other;
	second.nhandlers = 1;
	put(ETC "config.toml", text);
	record = install(&o, NULL, NULL);
	put(ETC "config.toml", text);
	record_of_second = install(&second, NULL, NULL);
	left = get(ETC "config.toml");
	ck_assert_ptr_nonnull(strstr(left, "runtimes.other]"));
	uninstall(record);
	same(ETC "config.toml", left);
	uninstall(record_of_second);
	same(ETC "config.toml", text);
}
END_TEST

/* For containerd_edit(): a containerd 2 whose configuration has the default path. */
static struct cri containerd_2(const struct cri_options *o, bool *have)
{
	return (struct cri){ .back = &backend_containerd,
			     .o = o,
			     .root = root,
			     .config = (char *)ETC "config.toml",
			     .version = (char *)"2.2.3",
			     .have = have };
}

static const struct {
	const char *text, *version;
} empty[] = {
	{ "# nothing yet", NULL },    { "", NULL },    { "# nothing yet\n", NULL },
	{ "# nothing yet", "2.2.3" }, { "", "2.2.3" },
};

/* A file without a version, which it gets, for both of two installations; and in which a drop-in may not
 * have a higher one. */
START_TEST(a_file_with_comments_only)
{
	static const struct cri_handler other = { "other", "/srv/kata/etc/configuration.toml" };
	struct cri_options o = options(), second = options();
	bool have[ARRAY_LEN(handlers)] = { false };
	AUTO(str) char *record = NULL, *record_of_second = NULL, *again = NULL, *now = NULL;
	size_t n;

	second.prefix = "/srv/kata";
	second.handlers = &other;
	second.nhandlers = 1;
	put(ETC "config.toml", empty[_i].text);
	if (empty[_i].version) {
		struct cri c = containerd_2(&o, have);
		AUTO(edits) struct edits e = EDITS_INIT(root), undo = EDITS_INIT(root);
		AUTO(json) struct json *edited = json_make_object();
		const char *text;

		OK(containerd_edit(&c, &e, &err));
		OK(edits_read(&e, ETC "config.toml", &text, &err));
		ck_assert_msg(strstr(text, "version = 3\nimports = ["), "%s", text);
		put(ETC "config.toml", text);
		json_put(edited, "edits", edits_record(&e));
		OK(edits_undo(&undo, edited, &err));
		OK(edits_read(&undo, ETC "config.toml", &text, &err));
		ck_assert_str_eq(text, empty[_i].text);
		return;
	}
	record = install(&o, NULL, NULL);
	record_of_second = install(&second, NULL, NULL);
	again = install(&o, record, &n);
	ck_assert_uint_eq(n, 0);
	ck_assert_str_eq(again, record);
	uninstall(again);
	now = get(ETC "config.toml");
	ck_assert_msg(strstr(now, "version = 2\n") && strstr(now, "runtimes.other]"), "%s", now);
	free(install(&second, record_of_second, &n));
	ck_assert_uint_eq(n, 0);
	uninstall(record_of_second);
	put(ETC "config.toml", empty[_i].text);
	free(record);
	record = install(&o, NULL, NULL);
	uninstall(record);
	same(ETC "config.toml", empty[_i].text);
}
END_TEST

/* Somebody took out the lines and left the marks. */
START_TEST(marks_that_are_left_go)
{
	struct cri_options o = options();
	AUTO(str) char *text = data("kubeadm-1.7.toml");
	AUTO(str) char *record = NULL, *with = NULL, *now = NULL;
	const char *first, *last;

	put(ETC "config.toml", text);
	record = install(&o, NULL, NULL);
	with = get(ETC "config.toml");
	first = strchr(strstr(with, "# kata-deploy: begin"), '\n') + 1;
	last = strstr(with, "# kata-deploy: end");
	now = str_fmt("%.*s%s", (int)(first - with), with, last);
	put(ETC "config.toml", now);
	uninstall(record);
	same(ETC "config.toml", text);
}
END_TEST

/* Returns a file as another program would write it, which reads it as TOML: without comments. */
static char *rewritten(const char *text)
{
	AUTO(buf) struct buf out = BUF_INIT(FILE_LIMIT);

	for (const char *line = text; *line; line = strchr(line, '\n') + 1)
		if (*line != '#')
			buf_add(&out, line, (size_t)(strchr(line, '\n') + 1 - line));
	return xstrdup(buf_cstr(&out));
}

/* The installers of other runtimes write containerd's file anew. */
START_TEST(a_block_without_its_comments)
{
	struct cri_options o = options();
	AUTO(str) char *text = data("kubeadm-1.7.toml");
	AUTO(str) char *record = NULL, *again = NULL, *with = NULL, *now = NULL, *left = NULL;
	size_t n;

	put(ETC "config.toml", text);
	record = install(&o, NULL, NULL);
	with = get(ETC "config.toml");
	now = rewritten(with);
	left = rewritten(text);
	put(ETC "config.toml", now);
	/* Nothing is changed, so containerd is not restarted. */
	again = install(&o, record, &n);
	ck_assert_uint_eq(n, 0);
	uninstall(again);
	same(ETC "config.toml", left);
	/* The administrator's handler of that name stays. */
	put(ETC "config.toml",
	    "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.kata]\n"
	    "runtime_type = \"/usr/local/bin/containerd-shim-kata-v2\"\n");
	free(left);
	left = get(ETC "config.toml");
	uninstall(again);
	same(ETC "config.toml", left);
}
END_TEST

START_TEST(template_is_extended)
{
	struct cri_options o = options();
	AUTO(str) char *text = data("k3s-1.7.toml"), *template = data("k3s-template.tmpl");
	AUTO(str) char *record = NULL, *now = NULL;

	put(K3S "config.toml", text);
	put(K3S "config.toml.tmpl", template);
	record = install(&o, NULL, NULL);
	now = get(K3S "config.toml.tmpl");
	ck_assert(str_starts(now, template) && strstr(now, "runtimes.kata]"));
	/* The built-in template once, or every table would be there twice. */
	ck_assert_ptr_null(strstr(now + strlen(template), "{{"));
	/* The rendered file has the handlers then; they still count as ours. */
	free(now);
	now = str_fmt("%s[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.kata]\n"
		      "runtime_type = \"/opt/kata/bin/containerd-shim-kata-v2\"\n",
		      text);
	put(K3S "config.toml", now);
	free(install(&o, record, NULL));
	uninstall(record);
	same(K3S "config.toml.tmpl", template);
}
END_TEST

/* A newer k3s imports drop-ins. What it has rendered from our lines in the template does not count:
 * these lines go. */
START_TEST(a_k3s_that_learns_to_import)
{
	struct cri_options o = options();
	AUTO(str) char *text = data("k3s-2.1.toml");
	AUTO(str) char *record = NULL, *again = NULL, *lines = NULL, *rendered = NULL, *mine = NULL;
	static const char old[] = "version = 3\n[plugins.\"io.containerd.cri.v1.runtime\"]\n";
	size_t n;

	put(K3S "config.toml", old);
	record = install(&o, NULL, NULL);
	lines = get(K3S "config-v3.toml.tmpl");
	ck_assert(lines && str_starts(lines, "{{ template \"base\" . }}\n"));
	rendered = str_fmt("%s%s", text, strchr(lines, '\n') + 1);
	put(K3S "config.toml", rendered);
	again = install(&o, record, NULL);
	same(K3S "config-v3.toml.tmpl", NULL);
	put(K3S "config.toml", text);
	free(install(&o, again, &n));
	ck_assert_uint_eq(n, 0);
	free(lines);
	lines = get(K3S "config-v3.toml.d/kata-deploy.toml");
	ck_assert(lines && strstr(lines, "runtimes.kata]") && strstr(lines, "runtimes.kata-qemu]"));
	uninstall(again);
	same(K3S "config-v3.toml.d/kata-deploy.toml", NULL);
	/* An administrator's handler in a template is left alone. */
	mine = rewritten(rendered);
	put(K3S "config.toml", mine);
	put(K3S "config-v3.toml.tmpl",
	    "{{ template \"base\" . }}\n"
	    "[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.kata]\n");
	free(install(&o, NULL, NULL));
	free(lines);
	lines = get(K3S "config-v3.toml.d/kata-deploy.toml");
	ck_assert(lines && !strstr(lines, "runtimes.kata]") &&
		  strstr(lines, "runtimes.kata-qemu]"));
}
END_TEST

/* A k3s with containerd 1 becomes one with containerd 2: without our template, in the old version of the
 * schema, it renders the new version. With an administrator's it does not. */
START_TEST(a_k3s_that_gets_containerd_2)
{
	static const char rendered[] = "version = 2\nimports = [\"config.toml.d/*.toml\"]\n";
	bool have[ARRAY_LEN(handlers)] = { false };
	struct cri_options o = options();
	struct cri c = { .back = &backend_k3s,
			 .o = &o,
			 .root = root,
			 .config = (char[]){ K3S "config.toml" },
			 .version = (char[]){ "2.1.5-k3s1" },
			 .have = have };
	AUTO(edits) struct edits e = EDITS_INIT(root), other = EDITS_INIT(root);
	AUTO(str) char *record = NULL;
	const char *text;

	put(K3S "config.toml", "version = 2\n");
	record = install(&o, NULL, NULL);
	put(K3S "config.toml", rendered);
	AUTO(json) struct json *before = json_parse(record, strlen(record), "record", &err);
	OK(edits_undo(&e, before, &err));
	OK(backend_k3s.edit(&c, &e, &err));
	OK(edits_read(&e, K3S "config.toml.tmpl", &text, &err));
	ck_assert_ptr_null(text);
	OK(edits_read(&e, K3S "config-v3.toml.d/kata-deploy.toml", &text, &err));
	ck_assert(text && strstr(text, "\nversion = 3\n"));
	put(K3S "config.toml.tmpl", "{{ template \"base\" . }}\n# mine\n");
	OK(backend_k3s.edit(&c, &other, &err));
	OK(edits_read(&other, K3S "config.toml.d/kata-deploy.toml", &text, &err));
	ck_assert(text && strstr(text, "\nversion = 2\n"));
}
END_TEST

/* k0s before 1.36 imports one file, into which it merges all drop-ins. */
START_TEST(what_k0s_has_merged)
{
	static const struct cri_handler changed[] = { { "kata", "/etc/kata.toml" },
						      { "kata-qemu", NULL } };
	struct cri_options o = options();
	AUTO(str) char *text = data("k0s-1.7.toml");
	AUTO(str) char *record = NULL, *own = NULL, *again = NULL, *mine = NULL;
	size_t n;

	put("/etc/k0s/containerd.toml", text);
	record = install(&o, NULL, NULL);
	own = get("/etc/k0s/containerd.d/kata-deploy.toml");
	put("/run/k0s/containerd-cri.toml", own);
	again = install(&o, record, &n);
	ck_assert_uint_eq(n, 0);
	ck_assert_str_eq(again, record);
	/* Nor is what it has merged in the way of a change. */
	o.handlers = changed;
	free(install(&o, record, &n));
	ck_assert_uint_eq(n, 1);
	o.handlers = handlers;
	free(install(&o, record, NULL));
	/* A handler in another drop-in is its administrator's. */
	uninstall(record);
	put("/etc/k0s/containerd.d/mine.toml",
	    "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.kata]\n"
	    "runtime_path = \"/opt/kata/bin/containerd-shim-kata-v2\"\n");
	free(install(&o, NULL, NULL));
	mine = get("/etc/k0s/containerd.d/kata-deploy.toml");
	ck_assert(mine && !strstr(mine, "runtimes.kata]") && strstr(mine, "runtimes.kata-qemu]"));
}
END_TEST

START_TEST(handlers_come_and_go)
{
	struct cri_options o = options();
	AUTO(str) char *text = data("debian-1.6.toml");
	AUTO(str) char *one = NULL, *two = NULL, *now = NULL;

	put(ETC "config.toml", text);
	one = install(&o, NULL, NULL);
	o.nhandlers = 1;
	two = install(&o, one, NULL);
	now = get(ETC "config.toml");
	ck_assert(strstr(now, "runtimes.kata]") && !strstr(now, "kata-qemu"));
	uninstall(two);
	same(ETC "config.toml", text);
}
END_TEST

START_TEST(a_containerd_without_cri_needs_no_registration)
{
	struct cri_options o = options();
	AUTO(str) char *text = data("docker-containerd.toml");
	AUTO(cri) struct cri *c = NULL;
	AUTO(cri_change) struct cri_change change = CRI_CHANGE_INIT;
	const struct json *record;

	put(ETC "config.toml", text);
	OK(cri_find(&o, &c, &err));
	OK(cri_register(c, NULL, &change, &record, &err));
	ck_assert_uint_eq(change.change.nfiles, 0);
	ck_assert_ptr_nonnull(strstr(change.reason, "is disabled"));
}
END_TEST

/* --- refusals --- */

static int try_register(const struct cri_options *o)
{
	AUTO(cri) struct cri *c = NULL;
	AUTO(cri_change) struct cri_change change = CRI_CHANGE_INIT;
	const struct json *record;

	if (cri_find(o, &c, &err) < 0)
		return -1;
	return cri_register(c, NULL, &change, &record, &err);
}

/* The second installation extends the template that the first one has made. */
/* k3s writes its file at each start, in place: it is empty for a moment. Its schema, which decides
 * what we write and where, is not known then. */
START_TEST(a_file_that_k3s_is_writing)
{
	struct cri_options o = options();

	put(K3S "config.toml", "");
	FAILS(try_register(&o), E_STATE);
	/* With an empty template it stays empty. */
	put(K3S "config-v3.toml.tmpl", "\n");
	FAILS(try_register(&o), E_CONFIG);
}
END_TEST

START_TEST(template_of_two_installations)
{
	static const struct cri_handler other = { "other", "/srv/kata/etc/configuration.toml" };
	struct cri_options o = options(), second = options();
	AUTO(str) char *text = data("k3s-1.7.toml");
	AUTO(str) char *record = NULL, *record_of_second = NULL, *now = NULL;
	size_t n;

	second.prefix = "/srv/kata";
	second.handlers = &other;
	second.nhandlers = 1;
	put(K3S "config.toml", text);
	record = install(&o, NULL, NULL);
	record_of_second = install(&second, NULL, NULL);
	now = get(K3S "config.toml.tmpl");
	ck_assert_ptr_nonnull(strstr(now, "runtimes.other]"));
	ck_assert_ptr_nonnull(strstr(now, "{{ template \"base\" . }}"));
	ck_assert_ptr_null(strstr(strstr(now, "{{") + 1, "{{"));
	free(install(&o, record, &n));
	ck_assert_uint_eq(n, 0);
	uninstall(record_of_second);
	uninstall(record);
	same(K3S "config.toml.tmpl", NULL);
	put(K3S "config.toml.tmpl", "\n");
	FAILS(try_register(&o), E_CONFIG);
}
END_TEST

/* A runtime that somebody has put in the place of ours stays, and is in the way. */
START_TEST(a_runtime_of_docker_that_was_replaced)
{
	struct cri_options o = options();
	AUTO(str) char *text = data("docker-plain.json");
	AUTO(str) char *record = NULL, *now = NULL;
	AUTO(cri) struct cri *c = NULL;
	AUTO(cri_change) struct cri_change change = CRI_CHANGE_INIT;
	AUTO(json) struct json *before = NULL;
	const struct json *again;

	o.name = "docker";
	put("/etc/docker/daemon.json", text);
	record = install(&o, NULL, NULL);
	put("/etc/docker/daemon.json",
	    "{\"runtimes\": {\"kata\": {\"runtimeType\": \"io.containerd.kata.v2\"}, "
	    "\"kata-qemu\": {\"runtimeType\": \"/opt/kata//bin/containerd-shim-kata-v2\"}}}\n");
	now = get("/etc/docker/daemon.json");
	before = json_parse(record, strlen(record), "record", &err);
	OK(cri_find(&o, &c, &err));
	FAILS(cri_register(c, before, &change, &again, &err), E_EXISTS);
	same("/etc/docker/daemon.json", now);
	uninstall(record);
	same("/etc/docker/daemon.json",
	     "{\"runtimes\": {\"kata\": {\"runtimeType\": \"io.containerd.kata.v2\"}}}\n");
}
END_TEST

static const struct {
	const char *manager, *config, *text, *other;
} defaults[] = {
	{ "containerd", ETC "config.toml",
	  "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n"
	  "default_runtime_name = \"kata\"\n",
	  "version = 2\n" },
	{ "containerd", ETC "config.toml",
	  "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.containerd]\n"
	  "default_runtime_name = 'kata-qemu'\n",
	  "version = 3\n" },
	{ "k3s", K3S "config.toml",
	  "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n"
	  "default_runtime_name = \"kata\"\n"
	  "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.kata]\n",
	  "version = 2\n" },
	{ "crio", "/etc/crio/crio.conf", "[crio.runtime]\ndefault_runtime = \"kata\"\n", "" },
	{ "crio", "/etc/crio/crio.conf.d/01.conf", "[crio.runtime]\ndefault_runtime = \"kata\"\n",
	  "[crio.runtime]\ndefault_runtime = \"crun\"\n" },
	{ "crio", "/etc/crio/crio.conf.d/50-site/.01.conf",
	  "[crio.runtime]\ndefault_runtime = \"kata\"\n",
	  "[crio.runtime]\ndefault_runtime = \"crun\"\n" },
	{ "docker", "/etc/docker/daemon.json", "{\"default-runtime\": \"kata\"}", "{}" },
};

/* Without its default runtime a manager does not start, or starts no container. */
START_TEST(the_default_runtime_is_not_removed)
{
	struct cri_options o = options();
	AUTO(cri_change) struct cri_change change = CRI_CHANGE_INIT;
	AUTO(str) char *record = NULL;
	AUTO(json) struct json *before = NULL;
	size_t n;

	o.name = defaults[_i].manager;
	put(defaults[_i].config, defaults[_i].text);
	record = install(&o, NULL, NULL);
	free(install(&o, record, &n));
	ck_assert_uint_eq(n, 0);
	before = json_parse(record, strlen(record), "record", &err);
	FAILS(cri_unregister(&o, before, &change, &err), E_STATE);
	/* Nor if the record was lost, except where the file is generated. */
	if (!str_eq(o.name, "k3s")) {
		AUTO(cri_change) struct cri_change left = CRI_CHANGE_INIT;

		o.nhandlers = 0;
		FAILS(cri_drop_left(&o, &left, &err), E_STATE);
	}
	put(defaults[_i].config, defaults[_i].other);
	uninstall(record);
}
END_TEST

/* An editor's copy beside a drop-in is no reason to keep the registration. */
START_TEST(a_dropin_without_text_does_not_prevent_an_uninstall)
{
	static const char nul[] = "U3210\0";
	struct cri_options o = options();
	AUTO(str) char *record = NULL, *swap = in_root("/etc/crio/crio.conf.d/.mine.conf.swp");

	o.name = "crio";
	put("/etc/crio/crio.conf.d/mine.conf", "[crio]\n");
	put("/etc/crio/crio.conf", "[crio]\n");
	record = install(&o, NULL, NULL);
	OK(file_replace_volatile(AT_FDCWD, swap, nul, sizeof(nul), 0644, &err));
	uninstall(record);
	same("/etc/crio/crio.conf.d/99-kata-deploy.conf", NULL);
}
END_TEST

/* The handler that MicroK8s comes with gives way, and returns; another one of that name does not. */
START_TEST(the_handler_of_microk8s)
{
	struct cri_options o = options();
	AUTO(str) char *text = data("microk8s-kata.toml");
	AUTO(str) char *record = NULL, *again = NULL, *now = NULL, *edited_text = NULL;
	char *at;
	size_t n;

	put(SNAP "containerd-template.toml", text);
	record = install(&o, NULL, NULL);
	now = get(SNAP "containerd-template.toml");
	check_readable(SNAP "containerd-template.toml");
	ck_assert(strstr(now, "io.containerd.kata.v2") &&
		  !strstr(now, "BinaryName = \"kata-runtime\""));
	again = install(&o, record, &n);
	ck_assert_uint_eq(n, 0);
	ck_assert_str_eq(again, record);
	/* A refresh of the snap changes other lines. */
	at = strstr(now, "pause:3.10");
	ck_assert_ptr_nonnull(at);
	at[9] = '1';
	put(SNAP "containerd-template.toml", now);
	edited_text = xstrdup(text);
	strstr(edited_text, "pause:3.10")[9] = '1';
	uninstall(record);
	same(SNAP "containerd-template.toml", edited_text);
	/* It is there again: it is not put back a second time. */
	put(SNAP "containerd-template.toml", edited_text);
	uninstall(record);
	same(SNAP "containerd-template.toml", edited_text);
	at = strstr(edited_text, "kata-runtime");
	memcpy(at, "mine", 4);
	put(SNAP "containerd-template.toml", edited_text);
	FAILS(try_register(&o), E_EXISTS);
}
END_TEST

static const struct {
	const char *config, *text;
	enum err_code code;
} refusals[] = {
	{ ETC "config.toml", "version = 2\n[plugins\n", E_CONFIG },
	{ ETC "config.toml", "version = \"2\"\n", E_CONFIG },
	{ ETC "config.toml", "version = 3\nimports = \"x\"\n", E_CONFIG },
	/* An inline table cannot be extended. */
	{ ETC "config.toml",
	  "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n"
	  "runtimes = { runc = { runtime_type = \"io.containerd.runc.v2\" } }\n",
	  E_CONFIG },
	{ ETC "config.toml",
	  "version = 3\n[plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.kata]\n"
	  "runtime_type = \"io.containerd.kata.v2\"\nruntime_path = \"/usr/local/bin/other\"\n",
	  E_EXISTS },
	{ ETC "config.toml", "version = 3\nimports = [\"mine/*.toml\"]\n", E_EXISTS },
	{ "/etc/crio/crio.conf", "[crio.runtime.runtimes.kata]\n", E_EXISTS },
	/* Our program, but run as runc is; with another configuration. */
	{ "/etc/crio/crio.conf",
	  "[crio.runtime.runtimes.kata]\n"
	  "runtime_path = \"/opt/kata/bin/containerd-shim-kata-v2\"\nruntime_type = \"oci\"\n",
	  E_EXISTS },
	{ "/etc/crio/crio.conf",
	  "[crio.runtime.runtimes.kata]\n"
	  "runtime_path = \"/opt/kata/bin/containerd-shim-kata-v2\"\nruntime_type = \"vm\"\n"
	  "runtime_config_path = \"/etc/mine.toml\"\n",
	  E_EXISTS },
	{ "/etc/crio/crio.conf.d/.hidden/10-mine", "[crio.runtime.runtimes.kata]\n", E_EXISTS },
	{ "/etc/crio/crio.conf.d/1/2/3/4/5/6/7/8/9/mine.conf", "", E_CONFIG },
	{ "/etc/crio/crio.conf", "[crio\n", E_CONFIG },
	{ "/etc/docker/daemon.json", "{ \"runtimes\": { \"kat\\u0061\": {} } }", E_EXISTS },
	{ "/etc/docker/daemon.json", "{ \"runtimes\": [] }", E_CONFIG },
	{ "/etc/docker/daemon.json", "[]", E_CONFIG },
	{ "/etc/docker/daemon.json", "{ // not JSON\n}", E_CONFIG },
	{ "/etc/k0s/containerd.toml", "version = 2\n", E_UNSUPPORTED },
};

START_TEST(configurations_that_cannot_be_edited_are_refused)
{
	struct cri_options o = options();

	put(refusals[_i].config, refusals[_i].text);
	put(ETC "mine/nvidia.toml",
	    "version = 3\n[plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.kata]\n");
	o.name = strstr(refusals[_i].config, "crio")     ? "crio"
		 : strstr(refusals[_i].config, "docker") ? "docker"
		 : strstr(refusals[_i].config, "k0s")    ? "k0s"
							 : "containerd";
	FAILS(try_register(&o), refusals[_i].code);
	same(refusals[_i].config, refusals[_i].text);
}
END_TEST

#define OF_CONTAINERD "version = 3\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n"
#define RUNTIMES_3    "[plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes."

/* What an administrator has written: one of our handlers, and the lines that the other needs. */
static const struct {
	const char *manager, *config, *base, *file, *one, *two, *own;
} theirs[] = {
	{ "containerd", ETC "config.toml", OF_CONTAINERD, ETC "conf.d/mine.toml",
	  "version = 3\n" RUNTIMES_3 "kata]\nruntime_type = \"io.containerd.kata.v2\"\n"
	  "runtime_path = \"/opt/kata/bin/containerd-shim-kata-v2\"\n",
	  RUNTIMES_3 "kata-qemu]\nruntime_type = \"io.containerd.kata.v2\"\n"
		     "runtime_path = \"/opt/kata/bin/containerd-shim-kata-v2\"\n" RUNTIMES_3
		     "kata-qemu.options]\nConfigPath = \"/opt/kata/etc/qemu.toml\"\n",
	  ETC "conf.d/kata-deploy.toml" },
	{ "crio", "/etc/crio/crio.conf", "[crio]\n", "/etc/crio/crio.conf.d/10-mine.conf",
	  "[crio.runtime.runtimes.kata]\nruntime_type = \"vm\"\n"
	  "runtime_path = \"/opt/kata/bin/containerd-shim-kata-v2\"\n",
	  "[crio.runtime.runtimes.kata-qemu]\nruntime_type = \"vm\"\n"
	  "runtime_path = \"/opt/kata/bin/containerd-shim-kata-v2\"\n"
	  "runtime_config_path = \"/opt/kata/etc/qemu.toml\"\n",
	  "/etc/crio/crio.conf.d/99-kata-deploy.conf" },
};

/* Only the handlers that are missing are written; the administrator's stay. */
START_TEST(a_handler_that_runs_our_shim_is_kept)
{
	struct cri_options o = options();
	AUTO(str) char *record = NULL, *own = NULL, *again = NULL;
	AUTO(str) char *both = str_fmt("%s%s", theirs[_i].one, theirs[_i].two);

	o.name = theirs[_i].manager;
	put(theirs[_i].config, theirs[_i].base);
	put(theirs[_i].file, theirs[_i].one);
	record = install(&o, NULL, NULL);
	own = get(theirs[_i].own);
	ck_assert_msg(own && strstr(own, "runtimes.kata-qemu]") && !strstr(own, "runtimes.kata]"),
		      "%s", own);
	/* With both there is nothing to write. */
	uninstall(record);
	put(theirs[_i].file, both);
	again = install(&o, NULL, NULL);
	same(theirs[_i].own, NULL);
	uninstall(again);
	same(theirs[_i].file, both);
	same(theirs[_i].config, theirs[_i].base);
}
END_TEST

static const struct {
	const char *manager, *config, *text, *own, *copy;
} copies[] = {
	{ "containerd", ETC "config.toml", OF_CONTAINERD, ETC "conf.d/kata-deploy.toml",
	  ETC "conf.d/99-copy.toml" },
	{ "k3s", K3S "config.toml", "version = 3\nimports = [\"" K3S "config-v3.toml.d/*.toml\"]\n",
	  K3S "config-v3.toml.d/kata-deploy.toml", K3S "config-v3.toml.d/99-copy.toml" },
	{ "k0s", "/etc/k0s/containerd.toml", "# k0s_managed=true\nversion = 3\n",
	  "/etc/k0s/containerd.d/kata-deploy.toml", "/etc/k0s/containerd.d/99-copy.toml" },
	{ "crio", "/etc/crio/crio.conf", "[crio]\n", "/etc/crio/crio.conf.d/99-kata-deploy.conf",
	  "/etc/crio/crio.conf.d/10-copy.conf" },
};

/* Such as the output of `containerd config dump`. Who removes it would remove the last registration;
 * and the change would need a restart. */
START_TEST(a_copy_of_our_handlers_does_not_replace_them)
{
	struct cri_options o = options();
	AUTO(str) char *record = NULL, *again = NULL, *own = NULL, *copy = NULL;
	size_t n;

	o.name = copies[_i].manager;
	put(copies[_i].config, copies[_i].text);
	record = install(&o, NULL, NULL);
	own = get(copies[_i].own);
	ck_assert_ptr_nonnull(own);
	/* Without the comment that makes a file ours. */
	copy = xstrdup(strchr(own, '\n') + 1);
	put(copies[_i].copy, copy);
	again = install(&o, record, &n);
	ck_assert_uint_eq(n, 0);
	ck_assert_str_eq(again, record);
	/* Nor if the record was lost. */
	free(install(&o, NULL, &n));
	ck_assert_uint_eq(n, 0);
	uninstall(record);
	same(copies[_i].own, NULL);
	same(copies[_i].copy, copy);
}
END_TEST

/* Edits a file as for containerd 2, with the schema of containerd 1, for which our lines are a block;
 * returns its text, heap. */
static char *edit_block_of_2(const struct json *recorded, struct json *record)
{
	struct cri_options o = options();
	bool have[ARRAY_LEN(handlers)] = { false };
	struct cri c = containerd_2(&o, have);
	AUTO(edits) struct edits e = EDITS_INIT(root);
	const char *text;

	OK(edits_undo(&e, recorded, &err));
	OK(containerd_edit(&c, &e, &err));
	OK(edits_read(&e, ETC "config.toml", &text, &err));
	json_put(record, "edits", edits_record(&e));
	return xstrdup(text);
}

START_TEST(a_copy_of_our_lines_does_not_replace_them)
{
	AUTO(json) struct json *record = json_make_object(), *again = json_make_object();
	AUTO(str) char *first = NULL, *second = NULL;

	put(ETC "config.toml", "version = 2\nimports = [\"mine/*.toml\"]\n");
	first = edit_block_of_2(NULL, record);
	ck_assert_msg(strstr(first, "runtimes.kata-qemu]"), "%s", first);
	put(ETC "config.toml", first);
	put(ETC "mine/copy.toml", first);
	second = edit_block_of_2(record, again);
	ck_assert_str_eq(second, first);
	AUTO(str) char *was = json_format(record, false), *now = json_format(again, false);
	ck_assert_str_eq(now, was);
}
END_TEST

static const char *const names[] = { "", "Kata", "kata_x", "-kata", "kata-", "runc", "a.b", "a b" };

START_TEST(bad_names)
{
	struct cri_handler h = { names[_i], NULL };
	struct cri_options o = options();

	put(ETC "config.toml", "");
	o.handlers = &h;
	o.nhandlers = 1;
	FAILS(try_register(&o), E_USAGE);
}
END_TEST

START_TEST(bad_options)
{
	const struct cri_handler twice[] = { { "kata", NULL }, { "kata", NULL } };
	struct cri_options o = options();

	put(ETC "config.toml", "");
	o.name = "lxd";
	FAILS(try_register(&o), E_USAGE);
	o = options();
	o.handlers = twice;
	FAILS(try_register(&o), E_USAGE);
	o = options();
	o.config = "config.toml";
	FAILS(try_register(&o), E_USAGE);
}
END_TEST

/* --- the choice of the manager --- */

START_TEST(nothing_is_found)
{
	struct cri_options o = options();

	FAILS(try_register(&o), E_NOT_FOUND);
	o.name = "crio";
	FAILS(try_register(&o), E_NOT_FOUND);
}
END_TEST

START_TEST(the_distribution_comes_first)
{
	struct cri_options o = options();
	AUTO(cri) struct cri *c = NULL;
	AUTO(cri_seen_list) struct cri_seen_list l = CRI_SEEN_INIT;

	put("/usr/bin/containerd", "");
	put("/usr/bin/dockerd", "");
	put("/usr/bin/nerdctl", "");
	put("/etc/rancher/k3s/k3s.yaml", "");
	OK(cri_find(&o, &c, &err));
	ck_assert_str_eq(cri_name(c), "k3s");
	OK(cri_list(&o, &l, &err));
	ck_assert_uint_eq(l.rows.n, 4);
	ck_assert(l.rows.v[0].chosen && !l.rows.v[1].chosen);
	ck_assert_str_eq(l.rows.v[0].why, "/etc/rancher/k3s exists");
	ck_assert_str_eq(l.rows.v[1].config, ETC "config.toml");
}
END_TEST

static const struct {
	const char *words, *exe, *runs_as; /* runs_as: NULL: of no manager */
	uid_t uid;
} runs[] = {
	{ "containerd", "/usr/bin/containerd", "containerd", 0 },
	{ "containerd --config /etc/x.toml", "/usr/local/bin/containerd", "containerd", 0 },
	{ "containerd config dump", "/usr/bin/containerd", NULL, 0 },
	{ "dockerd", "/usr/bin/dockerd", "docker", 0 },
	{ "crio", "/usr/bin/crio", "crio", 0 },
	{ "/var/lib/k0s/bin/containerd --config=/etc/k0s/containerd.toml",
	  "/var/lib/k0s/bin/containerd", "k0s", 0 },
	/* k0s with --data-dir */
	{ "/data/k0s/bin/containerd --root=/data/k0s/containerd --state=/run/k0s/containerd "
	  "--address=/run/k0s/containerd.sock --config=/etc/k0s/containerd.toml",
	  "/data/k0s/bin/containerd", "k0s", 0 },
	/* rootless: it has the root directory of the node, but not its configuration */
	{ "containerd", "/usr/bin/containerd", NULL, 4711 },
	{ "dockerd", "/usr/bin/dockerd", NULL, 4711 },
	/* Helpers that a manager runs with its own program, at each container or image */
	{ "libnetwork-setkey -exec-root=/var/run/docker 0af", "/usr/bin/dockerd", NULL, 0 },
	{ "docker-untar / /var/lib/docker", "/usr/bin/dockerd", NULL, 0 },
	{ "storage-untar / /var/lib/containers", "/usr/bin/crio", NULL, 0 },
	/* It ended after its program was read. */
	{ NULL, "/usr/bin/containerd", NULL, 0 },
	{ NULL, "/data/rke2/bin/containerd", NULL, 0 },
};

START_TEST(processes_of_managers)
{
	AUTO(strv) char **argv = runs[_i].words ? strv_split(runs[_i].words, " ") : NULL;
	const struct process p = { .exe = (char *)runs[_i].exe, .argv = argv, .uid = runs[_i].uid };

	for (size_t i = 0; backends[i]; i++)
		ck_assert_msg(backend_runs_as(backends[i], &p) ==
				      str_eq(backends[i]->name, runs[_i].runs_as),
			      "%s", backends[i]->name);
}
END_TEST

/* While a manager starts a program, the new process looks like the manager. */
START_TEST(a_manager_that_starts_a_program_is_one)
{
	const char *const words[] = { "containerd --config /etc/a.toml",
				      _i ? "containerd --config /etc/b.toml"
					 : "containerd --config /etc/a.toml" };
	struct cri_options o = options();
	AUTO(processes) struct processes all = PROCESSES_INIT;
	AUTO(cri) struct cri *c = NULL;

	o.root = "";
	o.socket = "/nowhere/containerd.sock";
	for (int i = 0; i < 2; i++)
		vec_push(&all.rows, ((struct process){ .pid = i + 2,
						       .exe = xstrdup("/usr/bin/containerd"),
						       .argv = strv_split(words[i], " ") }));
	if (_i) {
		FAILS(cri_look(&o, &backend_containerd, &all, &c, &err), E_STATE);
		return;
	}
	OK(cri_look(&o, &backend_containerd, &all, &c, &err));
	ck_assert_str_eq(c->config, "/etc/a.toml");
}
END_TEST

static const struct {
	const char *manager, *config, *text, *socket;
} sockets[] = {
	{ "containerd", ETC "config.toml", "", "/run/containerd/containerd.sock" },
	{ "containerd", ETC "config.toml", "[grpc]\naddress = \"/run/a\"\n", "/run/a" },
	{ "containerd", ETC "config.toml",
	  "version = 4\n[plugins.\"io.containerd.server.v1.grpc\"]\naddress = \"/run/a\"\n",
	  "/run/a" },
	{ "crio", "/etc/crio/crio.conf", "[crio]\n[crio.api]\nlisten = \"/run/a\"\n", "/run/a" },
	{ "crio", "/etc/crio/crio.conf", "crio = 1", "/var/run/crio/crio.sock" },
};

/* CRI-O takes the last of its files that sets a key: of all, also hidden ones, in the order of their
 * names, each directory at its place. */
START_TEST(a_dropin_names_the_socket)
{
	struct cri_options o = options();
	AUTO(cri) struct cri *c = NULL;

	o.name = "crio";
	put("/etc/crio/crio.conf", "[crio.api]\nlisten = \"/run/a\"\n");
	put("/etc/crio/crio.conf.d/10-b.conf", "[crio.api]\nlisten = \"/run/b\"\n");
	put("/etc/crio/crio.conf.d/20-c.conf", "[crio.api]\nlisten = \"/run/c\"\n");
	put("/etc/crio/crio.conf.d/30-d.conf", "[crio.runtime]\n");
	put("/etc/crio/crio.conf.d/.40-e.conf", "[crio.api]\nlisten = \"/run/e\"\n");
	OK(cri_find(&o, &c, &err));
	ck_assert_str_eq(cri_socket(c), "/run/c");
	cri_free(STEAL(c, NULL));
	put("/etc/crio/crio.conf.d/25-site/.f.conf", "[crio.api]\nlisten = \"/run/f\"\n");
	OK(cri_find(&o, &c, &err));
	ck_assert_str_eq(cri_socket(c), "/run/f");
}
END_TEST

START_TEST(the_configuration_names_the_socket)
{
	struct cri_options o = options();
	AUTO(cri) struct cri *c = NULL;

	o.name = sockets[_i].manager;
	put(sockets[_i].config, sockets[_i].text);
	OK(cri_find(&o, &c, &err));
	ck_assert_str_eq(cri_socket(c), sockets[_i].socket);
}
END_TEST

START_TEST(the_command_line_names_the_socket)
{
	AUTO(strv) char **argv = strv_split("crio --listen /run/a", " ");
	const struct process p = { .exe = (char *)"/usr/bin/crio", .argv = argv };
	AUTO(str) char *socket = backend_crio.socket_of(&p);

	ck_assert_str_eq(socket, "/run/a");
}
END_TEST

START_TEST(nerdctl_needs_nothing)
{
	struct cri_options o = options();
	AUTO(cri) struct cri *c = NULL;
	AUTO(cri_change) struct cri_change change = CRI_CHANGE_INIT;
	const struct json *record;

	put("/usr/bin/nerdctl", "");
	OK(cri_find(&o, &c, &err));
	ck_assert_str_eq(cri_name(c), "nerdctl");
	OK(cri_register(c, NULL, &change, &record, &err));
	ck_assert_uint_eq(change.change.nfiles, 0);
	ck_assert_ptr_nonnull(strstr(change.reason, "/opt/kata/bin/containerd-shim-kata-v2"));
}
END_TEST

/* --- managers that run --- */

/* Mounts empty /run and /etc in a mount namespace of this test. */
static bool own_directories(void)
{
	if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("none", "/run", "tmpfs", 0, NULL) == 0 &&
	    mount("none", "/etc", "tmpfs", 0, NULL) == 0)
		return true;
	(void)printf("skipped: directories of one's own: %s\n", strerror(errno));
	return false;
}

/* Makes the scratch directory the root of this process: a node with no processes of others, and no
 * files but those that the test puts there. Until tear_down(). */
static bool own_node(void)
{
	AUTO(str) char *proc = in_root("/proc");

	outside = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (unshare(CLONE_NEWNS | CLONE_FS) == 0 &&
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && mkdir(proc, 0755) == 0 &&
	    mount("/proc", proc, NULL, MS_BIND | MS_REC, NULL) == 0 && chroot(root) == 0 &&
	    chdir("/") == 0) {
		memcpy(scratch, root, sizeof(scratch));
		root[0] = '\0';
		return true;
	}
	(void)printf("skipped: a root directory of one's own: %s\n", strerror(errno));
	return false;
}

static int listen_at(const char *socket)
{
	AUTO(str) char *dir = xstrndup(socket, (size_t)(path_basename(socket) - socket));
	int fd;

	OK(path_make(dir, 0755, &err));
	fd = fd_unix_listen(socket, &err);
	ck_assert_msg(fd >= 0, "%s", err.msg);
	return fd;
}

START_TEST(back_ends_are_complete)
{
	for (size_t i = 0; backends[i]; i++) {
		ck_assert_msg(backends[i]->edit && backends[i]->answers && backends[i]->served,
			      "%s", backends[i]->name);
		ck_assert(backends[i]->config && backends[i]->socket);
	}
}
END_TEST

START_TEST(nerdctl_has_no_problem)
{
	static const struct cri_options o = { .root = "",
					      .prefix = "/opt/kata",
					      .name = "nerdctl" };
	AUTO(cri) struct cri *c = NULL;
	AUTO(str) char *problem = NULL;

	if (!own_node())
		return;
	AUTO(fd) int listener = listen_at("/run/containerd/containerd.sock");
	OK(cri_find(&o, &c, &err));
	ck_assert(cri_runs(c));
	problem = cri_problem(c, ARGV("kata"));
	ck_assert_msg(!problem, "%s", problem);
}
END_TEST

/* nerdctl is a program: what answers at its socket is a containerd, even if that has another one
 * now. */
START_TEST(nerdctl_takes_no_precedence)
{
	static const struct cri_options o = { .root = "", .prefix = "/opt/kata" };
	AUTO(cri) struct cri *c = NULL;

	if (!own_node())
		return;
	put("/usr/bin/containerd", "");
	put("/usr/bin/nerdctl", "");
	put("/etc/containerd/config.toml", "[grpc]\naddress = \"/run/elsewhere\"\n");
	AUTO(fd) int listener = listen_at("/run/containerd/containerd.sock");
	OK(cri_find(&o, &c, &err));
	ck_assert_str_eq(cri_name(c), "containerd");
}
END_TEST

/* Docker would not start again without it. */
START_TEST(the_default_runtime_of_the_command_line_is_not_removed)
{
	static const struct cri_options o = { .root = "", .prefix = "/opt/kata" };
	AUTO(strv) char **argv = strv_split("dockerd --default-runtime=kata", " ");
	struct process row = { .pid = 1, .exe = (char *)"/usr/bin/dockerd", .argv = argv };
	const struct processes all = { .rows = { .v = &row, .n = 1 } };
	AUTO(edits) struct edits e = EDITS_INIT("");
	AUTO(json) struct json *record = json_parse("{\"handlers\": [\"kata\"]}", 22, "r", &err);
	AUTO(cri) struct cri *c = NULL;

	if (!own_node())
		return;
	put("/etc/docker/daemon.json", "{\"runtimes\": {\"kata\": {}}}");
	OK(cri_look(&o, &backend_docker, &all, &c, &err));
	OK(default_check(c, &e, record, &err));
	put("/etc/docker/daemon.json", "{}");
	edits_release(&e);
	e = (struct edits)EDITS_INIT("");
	FAILS(default_check(c, &e, record, &err), E_STATE);
	ck_assert_ptr_nonnull(strstr(err.msg, "--default-runtime"));
}
END_TEST

/* The manager of the record is being restarted while another one runs. */
static const struct {
	const char *registered, *config; /* that record */
	const char *runs;                /* the socket of the other one */
	const char *returns;             /* the socket that is there after a while; NULL: none */
	const char *named;               /* --cri */
	const char *chosen;
} restarted[] = {
	{ NULL, NULL, "/var/run/docker.sock", "/run/containerd/containerd.sock", NULL, "docker" },
	{ "containerd", ETC "config.toml", "/var/run/docker.sock",
	  "/run/containerd/containerd.sock", NULL, "containerd" },
	{ "containerd", ETC "config.toml", "/var/run/docker.sock",
	  "/run/containerd/containerd.sock", "docker", "docker" },
	/* It does not come back: another one has its place. */
	{ "containerd", ETC "config.toml", "/var/run/docker.sock", NULL, NULL, "docker" },
	/* None runs: nothing indicates that another one has its place. */
	{ "containerd", ETC "config.toml", NULL, NULL, NULL, "containerd" },
	/* Not installed any more */
	{ "crio", "/etc/crio/crio.conf", "/var/run/docker.sock", NULL, NULL, "docker" },
	{ "lost", "/etc/lost", "/var/run/docker.sock", NULL, NULL, "docker" },
};

START_TEST(the_registered_manager_is_being_restarted)
{
	struct cri_options o = { .root = "",
				 .prefix = "/opt/kata",
				 .name = restarted[_i].named,
				 .registered = restarted[_i].registered,
				 .registered_config = restarted[_i].config,
				 .restart_seconds = restarted[_i].returns ? 60 : 1 };
	AUTO(cri) struct cri *c = NULL;
	AUTO(fd) int other = -1;
	pid_t child = -1;
	int ready[2];

	if (!own_node())
		return;
	put("/usr/bin/containerd", "");
	put("/etc/rancher/k3s/k3s.yaml", "");
	if (restarted[_i].runs)
		other = listen_at(restarted[_i].runs);
	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	if (restarted[_i].returns)
		child = fork();
	if (child == 0) {
		char any;

		/* The parent closes its end a moment before it looks. */
		close(ready[1]);
		(void)!read(ready[0], &any, 1);
		usleep(300000);
		(void)!listen_at(restarted[_i].returns);
		pause();
	}
	close(ready[0]);
	close(ready[1]);
	OK(cri_find(&o, &c, &err));
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	ck_assert_str_eq(cri_name(c), restarted[_i].chosen);
}
END_TEST

/* --- restarts --- */

static const struct {
	const char *made[2], *unit, *with, *command;
	enum err_code code;
} restarts[] = {
	{ { "/run/systemd/system" },
	  "k3s-agent.service",
	  NULL,
	  "systemctl restart k3s-agent.service",
	  E_OK },
	{ { "/run/systemd/system", "/etc/systemd/system/k3s-agent.service" },
	  NULL,
	  NULL,
	  "systemctl restart k3s-agent",
	  E_OK },
	{ { "/run/systemd/system" }, NULL, NULL, "systemctl restart k3s", E_OK },
	{ { "/run/openrc", "/etc/init.d/k3s-agent" },
	  NULL,
	  NULL,
	  "rc-service k3s-agent restart",
	  E_OK },
	{ { "/run/systemd/system" }, NULL, "  sv  restart k3s ", "sv restart k3s", E_OK },
	{ { NULL }, NULL, NULL, NULL, E_UNSUPPORTED },
	{ { NULL }, NULL, " ", NULL, E_USAGE },
};

START_TEST(restart_command)
{
	AUTO(json) struct json *plan = json_make_object();
	AUTO(strv) char **words = NULL;
	AUTO(str) char *command = NULL;
	struct cri_options o = options();
	struct cri c = { .back = &backend_k3s, .o = &o, .running = true };

	if (!own_directories())
		return;
	for (size_t i = 0; i < 2 && restarts[_i].made[i]; i++)
		OK(path_make(restarts[_i].made[i], 0755, &err));
	o.restart_with = restarts[_i].with;
	c.unit = restarts[_i].unit ? xstrdup(restarts[_i].unit) : NULL;
	err_clear(&err);
	ck_assert_int_eq(restart_plan(&c, plan, &err), restarts[_i].code ? -1 : 0);
	free(c.unit);
	ck_assert_msg(err.code == restarts[_i].code, "%s", err.msg);
	if (err.code)
		return;
	for (size_t i = 0; i < json_count(json_get(plan, "command")); i++)
		strv_push(&words, json_text(json_at(json_get(plan, "command"), i)));
	command = strv_join(words, " ");
	ck_assert_str_eq(command, restarts[_i].command);
}
END_TEST

/* A restart of the service would start a second one. */
START_TEST(no_service_is_restarted_for_a_manager_of_a_user)
{
	AUTO(json) struct json *plan = json_make_object();
	struct cri_options o = options();
	struct cri c = { .back = &backend_k3s, .o = &o, .running = true, .login = true };

	if (!own_directories())
		return;
	OK(path_make("/run/systemd/system", 0755, &err));
	OK(path_make("/etc/systemd/system/k3s.service", 0755, &err));
	FAILS(restart_plan(&c, plan, &err), E_UNSUPPORTED);
	o.restart_with = "sv restart k3s";
	OK(restart_plan(&c, plan, &err));
}
END_TEST

/* Another directory of data is found by the path that containerd is started with. k3s hides its own
 * options. */
START_TEST(configuration_of_a_distribution)
{
	static const struct {
		const struct cri_backend *back;
		const char *config;
		struct {
			const char *words, *exe;
		} rows[3];
	} cases[] = {
		{ &backend_k3s,
		  "/data/k3s/agent/etc/containerd/config.toml",
		  { { "/usr/local/bin/k3s server", "/data/k3s/data/0af/bin/k3s" },
		    { "containerd -c /data/k3s/agent/etc/containerd/config.toml",
		      "/data/k3s/data/0af/bin/k3s" },
		    { "k3s server -c /etc/rancher/k3s/config.yaml",
		      "/data/k3s/data/0af/bin/k3s" } } },
		{ &backend_rke2,
		  "/data/rke2/agent/etc/containerd/config.toml",
		  { { "/usr/local/bin/rke2 server", "/usr/local/bin/rke2" },
		    { "containerd -c /data/rke2/agent/etc/containerd/config.toml",
		      "/data/rke2/data/v1.34.1-rke2r1-0af/bin/containerd" },
		    { "containerd --config /etc/containerd/config.toml",
		      "/usr/bin/containerd" } } },
	};
	enum { ROWS = ARRAY_LEN(cases[0].rows) };
	const struct cri_backend *back = cases[_i / ROWS].back;
	struct cri_options o = options();
	struct processes all = PROCESSES_INIT;
	AUTO(cri) struct cri *c = NULL;

	o.root = "";
	o.socket = "/nowhere/containerd.sock";
	/* Whichever is found first. */
	for (int i = 0; i < ROWS; i++) {
		int k = (i + _i) % ROWS;
		const char *words = cases[_i / ROWS].rows[k].words;
		struct process p = { .pid = k + 1,
				     .exe = xstrdup(cases[_i / ROWS].rows[k].exe),
				     .argv = strv_split(words, " ") };

		vec_push(&all.rows, p);
		ck_assert(!backend_runs_as(&backend_containerd, &p) ||
			  str_eq(p.exe, "/usr/bin/containerd"));
	}
	OK(cri_look(&o, back, &all, &c, &err));
	ck_assert_str_eq(c->config, cases[_i / ROWS].config);
	ck_assert(c->running);
	processes_release(&all);
}
END_TEST

/* The service of k3s and RKE2 counts as started when the whole node is. */
START_TEST(restart_time)
{
	static const struct {
		const struct cri_backend *back;
		unsigned given;
		int64_t seconds;
	} cases[] = {
		{ &backend_containerd, 0, 60 }, { &backend_crio, 0, 60 }, { &backend_k3s, 0, 300 },
		{ &backend_rke2, 0, 300 },      { &backend_rke2, 7, 7 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(json) struct json *plan = json_make_object();
		struct cri_options o = options();
		struct cri c = { .back = cases[i].back, .o = &o, .running = true };

		o.restart_with = "true";
		o.restart_seconds = cases[i].given;
		OK(restart_plan(&c, plan, &err));
		ck_assert_int_eq(json_int(json_get(plan, "seconds")), cases[i].seconds);
	}
}
END_TEST

/* A script in the place of systemctl records its arguments. The manager answers all the time,
 * from the process of the record, so it was not restarted. */
START_TEST(failures_of_the_unit_are_reset_before_a_restart)
{
	AUTO(str) char *told = in_root("/told"), *sock = in_root("/s");
	AUTO(str) char *script = str_fmt("#!/bin/sh\necho \"$@\" >>%s\n", told);
	AUTO(str) char *bin = in_root("/bin/systemctl"), *now = NULL;
	AUTO(str) char *path = str_fmt("%s/bin:%s", root, getenv("PATH"));
	AUTO(json) struct json *record = json_make_object();
	struct json *command = json_make_array();
	int listener = fd_unix_listen(sock, &err);

	ck_assert_int_ge(listener, 0);
	put("/bin/systemctl", script);
	ck_assert(chmod(bin, 0755) == 0 && setenv("PATH", path, 1) == 0);
	json_add(command, json_make_string("systemctl"));
	json_add(command, json_make_string("restart"));
	json_add(command, json_make_string("k3s"));
	json_put(record, "command", command);
	json_put(record, "name", json_make_string("k3s"));
	json_put(record, "how", json_make_string("command"));
	json_put(record, "socket", json_make_string(sock));
	json_put(record, "seconds", json_make_int(1));
	json_put(record, "pid", json_make_int(1));
	json_put(record, "start", json_make_int(1));
	json_put(record, "answers", json_make_bool(false));
	ck_assert_str_eq(cri_step_kinds[0]->kind, "cri-watch");
	err_clear(&err);
	/* Process 1 of the record still runs. */
	ck_assert_int_eq(cri_step_kinds[0]->undo(NULL, record, &err), -1);
	ck_assert_int_eq(err.code, E_TIMEOUT);
	now = get("/told");
	ck_assert_str_eq(now, "reset-failed k3s\nrestart k3s\n");
	(void)close(listener);
}
END_TEST

/* Adds a process to a /proc that is a tmpfs. */
static void put_process(int pid, const char *exe, const char *words, int start)
{
	AUTO(str) char *dir = str_fmt("/proc/%d", pid), *link = path_join(dir, "exe");
	AUTO(str) char *name = path_join(dir, "cmdline"), *cgroup = path_join(dir, "cgroup");
	AUTO(str) char *stat = path_join(dir, "stat"), *to = path_join(dir, "root");
	AUTO(str) char *line = str_fmt("%d (x) S 1", pid);

	for (int field = 5; field < 22; field++) {
		char *longer = str_fmt("%s 0", line);

		free(line);
		line = longer;
	}
	AUTO(str) char *whole = str_fmt("%s %d\n", line, start);

	put(stat, whole);
	put(cgroup, "");
	put(name, words);
	ck_assert(symlink(exe, link) == 0 && symlink("/", to) == 0);
}

static struct json *docker_plan(const char *socket)
{
	struct json *plan = json_make_object();

	json_put(plan, "name", json_make_string("docker"));
	json_put(plan, "how", json_make_string("hangup"));
	json_put(plan, "socket", json_make_string(socket));
	json_put(plan, "command", json_make_array());
	json_put(plan, "seconds", json_make_int(1));
	return plan;
}

/* Returns the pid that the restart of a Docker finds if process 1 has opened its socket; -1: not to be
 * tried here. */
static int64_t find_docker(int order)
{
	AUTO(json) struct json *plan = docker_plan("/run/docker.sock");
	AUTO(json) struct json *record = json_make_object();
	struct deploy_step step = { .ops = cri_step_kinds[1], .name = "restart", .arg = plan };

	if (!own_node() || mount("none", "/proc", "tmpfs", 0, NULL) < 0)
		return -1;
	AUTO(fd) int listener = listen_at("/run/docker.sock");
	/* tmpfs lists the newest first. */
	if (order == 0)
		put_process(103, "/usr/bin/dockerd", "docker-untar", 20);
	if (order == 1)
		put_process(100, "/usr/bin/dockerd", "dockerd", 10);
	put_process(102, "/usr/bin/dockerd", "dockerd", 20);
	if (order == 0)
		put_process(100, "/usr/bin/dockerd", "dockerd", 10);
	OK(step.ops->prepare(&step, record, &err));
	return json_int(json_get(record, "pid"));
}

/* The same as process 1 of a namespace; tells the result to the test. */
static void find_docker_as_init(int order, int tell)
{
	int64_t found = -1;

	if (unshare(CLONE_NEWPID) < 0)
		(void)printf("skipped: processes of one's own: %s\n", strerror(errno));
	else if (fork() != 0)
		return;
	else if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0)
		found = find_docker(order);
	(void)!write(tell, &found, sizeof(found));
}

/* Process 1 has opened Docker's socket, so its process is searched for. While it starts a program,
 * the new process looks like it; its helpers have its program. */
START_TEST(the_process_behind_a_socket_of_process_1)
{
	int64_t found = 0;
	int told[2];
	pid_t child;

	ck_assert_int_eq(pipe2(told, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		find_docker_as_init(_i, told[1]);
		/* LeakSanitizer cannot look into these processes: they do not end by themselves. */
		for (;;)
			(void)pause();
	}
	close(told[1]);
	ck_assert_int_eq(read(told[0], &found, sizeof(found)), sizeof(found));
	close(told[0]);
	(void)kill(child, SIGKILL);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	ck_assert(found == 100 || found == -1);
}
END_TEST

/* Of a change by a newer version: a damaged record would let recover give up the undo. */
START_TEST(an_unknown_restart_is_not_a_damaged_one)
{
	static const struct {
		const char *name, *how;
		enum err_code code;
	} cases[] = {
		{ "containerd", "telepathy", E_UNSUPPORTED },
		{ "rkt", "none", E_UNSUPPORTED },
		{ "containerd", NULL, E_INVALID },
		{ NULL, "none", E_INVALID },
	};
	AUTO(json) struct json *record = json_make_object();

	if (cases[_i].name)
		json_put(record, "name", json_make_string(cases[_i].name));
	if (cases[_i].how)
		json_put(record, "how", json_make_string(cases[_i].how));
	json_put(record, "command", json_make_array());
	json_put(record, "seconds", json_make_int(1));
	ck_assert_int_eq(cri_step_kinds[0]->undo(NULL, record, &err), -1);
	ck_assert_msg(err.code == cases[_i].code, "%s", err.msg);
}
END_TEST

/* --- containerd's own parser --- */

/* Plays containerd 2 merging its files: prints the root file, then the imported ones. */
#define MERGE                                                                           \
	"put_together() { grep -v '^imports' $2; "                                      \
	"sed -n 's/^imports = //p' $2 | tr -d '[]\" ' | tr , '\\n' | while read f; do " \
	"[ -z $f ] || grep -v '^version' $f; done; }\n"

static const struct {
	const char *script;
	enum err_code code; /* E_OK: accepted */
	const char *says;
} parsers[] = {
	{ MERGE "put_together \"$@\"", E_OK, NULL },
	/* Zeros that only one of the two prints do not matter. */
	{ MERGE "[ $4 = dump ] && put_together \"$@\" | sed '/^root/aoom_score = 0'", E_OK, NULL },
	/* Nor does the default of a runtime that 1.7 prints for the built-in one only. */
	{ MERGE "put_together \"$@\"; echo '[plugins.runc]'; grep -q /proc/ $2 || "
		"echo 'sandbox_mode = \"podsandbox\"'",
	  E_OK, NULL },
	{ MERGE "put_together \"$@\"; echo '[plugins.runc]'; if grep -q /proc/ $2; then "
		"echo 'sandbox_mode = \"\"'; else echo 'sandbox_mode = \"podsandbox\"'; fi",
	  E_OK, NULL },
	{ MERGE "put_together \"$@\"; echo '[plugins.runc]'; grep -q /proc/ $2 || "
		"echo 'sandbox_mode = \"shim\"'",
	  E_CONFIG, "would also change 'plugins.runc.sandbox_mode'" },
	{ "grep -v ^imports $2", E_CONFIG, "would ignore the runtime handlers" },
	{ MERGE "put_together \"$@\" | if grep -q /proc/ $2; then sed "
		"'s,^root.*,root = \"/elsewhere\",'; else cat; fi",
	  E_CONFIG, "would also change 'root'" },
	{ MERGE "put_together \"$@\" | if grep -q /proc/ $2; then sed "
		"'/address/d'; else cat; fi",
	  E_CONFIG, "would also change 'grpc.address'" },
	{ "echo 'expected version 3, got 2' >&2; exit 1", E_CONFIG, "expected version 3, got 2" },
	{ MERGE "grep -q /proc/ $2 && { echo no such key >&2; exit 1; }; "
		"put_together \"$@\"",
	  E_CONFIG, "would not accept the new configuration" },
	{ "head -c 6000000 /dev/zero", E_LIMIT, NULL },
	{ "echo '[not toml'", E_CONFIG, NULL },
	{ "exec 2>&-; kill -9 $$", E_CONFIG, NULL },
};

START_TEST(checked_by_the_manager)
{
	static const char text[] = "version = 3\nroot = \"/r\"\n[grpc]\naddress = \"/s\"\n";
	AUTO(str) char *binary = in_root("/containerd");
	AUTO(str) char *script = str_fmt("#!/bin/sh\n%s\n", parsers[_i].script);
	AUTO(str) char *config = in_root("/config.toml");
	AUTO(str) char *why = NULL;
	bool have[ARRAY_LEN(handlers)] = { false };
	struct cri_options o = options();
	struct cri c = { .back = &backend_containerd,
			 .o = &o,
			 .root = (char[]){ "" },
			 .config = config,
			 .binary = binary,
			 .have = have };
	AUTO(edits) struct edits e = EDITS_INIT("");
	int rc;

	put("/containerd", script);
	ck_assert_int_eq(chmod(binary, 0755), 0);
	put("/config.toml", text);
	OK(containerd_edit(&c, &e, &err));
	err_clear(&err);
	rc = containerd_check(&c, &e, config, &why, &err);
	ck_assert_msg(err.code == parsers[_i].code && (rc == 0) == (err.code == E_OK), "%s",
		      err.msg);
	if (parsers[_i].says)
		ck_assert_msg(strstr(err.msg, parsers[_i].says) != NULL, "%s", err.msg);
	same("/config.toml", text);
}
END_TEST

/* --- records --- */

static const char *const damaged[] = {
	"{}",
	"{\"name\": \"lxd\"}",
	"{\"name\": \"containerd\", \"edits\": {}}",
	"{\"name\": \"containerd\", \"edits\": [1]}",
	"{\"name\": \"containerd\", \"edits\": [{\"kind\": \"block\", \"path\": \"/x\"}]}",
	"{\"name\": \"containerd\", \"edits\": [{\"kind\": \"file\", \"path\": \"x\"}]}",
	"{\"name\": \"containerd\", \"edits\": [{\"kind\": \"magic\", \"path\": \"/x\"}]}",
};

START_TEST(damaged_record)
{
	struct cri_options o = options();
	AUTO(cri_change) struct cri_change change = CRI_CHANGE_INIT;
	AUTO(json)
	struct json *record = json_parse(damaged[_i], strlen(damaged[_i]), "record", &err);

	FAILS(cri_unregister(&o, record, &change, &err), E_INVALID);
}
END_TEST

START_TEST(versions)
{
	ck_assert_int_eq(version_major("1.6.20"), 1);
	ck_assert_int_eq(version_minor("1.6.20"), 6);
	ck_assert_int_eq(version_major("2.3.0-beta.1"), 2);
	ck_assert_int_eq(version_major(NULL), -1);
	ck_assert_int_eq(version_minor("2"), -1);
	ck_assert_int_eq(version_major("x"), -1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cri");
	TCase *tc = tcase_create("cri");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, install_then_uninstall, 0, ARRAY_LEN(managers));
	tcase_add_loop_test(tc, edited_in_between, 0, ARRAY_LEN(managers));
	tcase_add_loop_test(tc, no_configuration_yet, 0, ARRAY_LEN(fresh));
	tcase_add_test(tc, no_configuration_then_edited);
	tcase_add_test(tc, block_edited_by_hand);
	tcase_add_test(tc, lines_of_another_installation_stay);
	tcase_add_loop_test(tc, a_file_with_comments_only, 0, ARRAY_LEN(empty));
	tcase_add_test(tc, marks_that_are_left_go);
	tcase_add_test(tc, a_block_without_its_comments);
	tcase_add_test(tc, template_is_extended);
	tcase_add_test(tc, a_file_that_k3s_is_writing);
	tcase_add_test(tc, template_of_two_installations);
	tcase_add_test(tc, a_k3s_that_learns_to_import);
	tcase_add_test(tc, a_k3s_that_gets_containerd_2);
	tcase_add_test(tc, what_k0s_has_merged);
	tcase_add_test(tc, handlers_come_and_go);
	tcase_add_test(tc, the_handler_of_microk8s);
	tcase_add_loop_test(tc, the_default_runtime_is_not_removed, 0, ARRAY_LEN(defaults));
	tcase_add_test(tc, a_runtime_of_docker_that_was_replaced);
	tcase_add_test(tc, a_containerd_without_cri_needs_no_registration);
	tcase_add_loop_test(tc, configurations_that_cannot_be_edited_are_refused, 0,
			    ARRAY_LEN(refusals));
	tcase_add_test(tc, a_dropin_without_text_does_not_prevent_an_uninstall);
	tcase_add_loop_test(tc, a_handler_that_runs_our_shim_is_kept, 0, ARRAY_LEN(theirs));
	tcase_add_loop_test(tc, a_copy_of_our_handlers_does_not_replace_them, 0, ARRAY_LEN(copies));
	tcase_add_test(tc, a_copy_of_our_lines_does_not_replace_them);
	tcase_add_loop_test(tc, bad_names, 0, ARRAY_LEN(names));
	tcase_add_test(tc, bad_options);
	tcase_add_test(tc, nothing_is_found);
	tcase_add_test(tc, the_distribution_comes_first);
	tcase_add_loop_test(tc, processes_of_managers, 0, ARRAY_LEN(runs));
	tcase_add_loop_test(tc, a_manager_that_starts_a_program_is_one, 0, 2);
	tcase_add_loop_test(tc, the_configuration_names_the_socket, 0, ARRAY_LEN(sockets));
	tcase_add_test(tc, a_dropin_names_the_socket);
	tcase_add_test(tc, the_command_line_names_the_socket);
	tcase_add_test(tc, nerdctl_needs_nothing);
	tcase_add_test(tc, back_ends_are_complete);
	tcase_add_test(tc, nerdctl_has_no_problem);
	tcase_add_test(tc, the_default_runtime_of_the_command_line_is_not_removed);
	tcase_add_test(tc, nerdctl_takes_no_precedence);
	tcase_add_loop_test(tc, the_registered_manager_is_being_restarted, 0, ARRAY_LEN(restarted));
	tcase_add_loop_test(tc, restart_command, 0, ARRAY_LEN(restarts));
	tcase_add_test(tc, no_service_is_restarted_for_a_manager_of_a_user);
	tcase_add_test(tc, restart_time);
	tcase_add_loop_test(tc, configuration_of_a_distribution, 0, 6);
	tcase_add_test(tc, failures_of_the_unit_are_reset_before_a_restart);
	tcase_add_loop_test(tc, the_process_behind_a_socket_of_process_1, 0, 2);
	tcase_add_loop_test(tc, an_unknown_restart_is_not_a_damaged_one, 0, 4);
	tcase_add_loop_test(tc, checked_by_the_manager, 0, ARRAY_LEN(parsers));
	tcase_add_loop_test(tc, damaged_record, 0, ARRAY_LEN(damaged));
	tcase_add_test(tc, versions);
	suite_add_tcase(s, tc);
	return suite_run(s);
}
