// SPDX-License-Identifier: Apache-2.0
/* The table of files, directories and commands of a report, and how each is read. */
#include "utils/collect/gather.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "utils/collect/mask.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

enum { WORDS_MAX = 32, COMMAND_MS = 30000, OUTPUT_MAX = 16 << 20, DEPTH_MAX = 3 };

/* In words "@" at the start stands for the prefix of the installation. */
struct source {
	const char *name; /* in the report: a file, or a folder for FILES_OF */
	enum { FILE_OF, FILES_OF, OUTPUT_OF } kind;
	bool log;
	/* FILE_OF: the path. FILES_OF: the path of a directory, the suffix of files. OUTPUT_OF: the
	 * command. */
	const char *words[WORDS_MAX];
};

static const struct source sources[] = {
	{ "doctor.txt", OUTPUT_OF, false, { "@/bin/kata-deploy", "doctor", "--prefix", "@" } },
	{ "status.json",
	  OUTPUT_OF,
	  false,
	  { "@/bin/kata-deploy", "status", "--json", "--prefix", "@" } },
	{ "runtime-check.txt", OUTPUT_OF, false, { "@/bin/kata-runtime", "check" } },
	{ "runtime-env.json", OUTPUT_OF, false, { "@/bin/kata-runtime", "env", "--json" } },

	{ "versions/os-release", FILE_OF, false, { "/etc/os-release" } },
	{ "versions/kernel", FILE_OF, false, { "/proc/version" } },
	{ "versions/kata-deploy.txt", OUTPUT_OF, false, { "kata-deploy", "--version" } },
	{ "versions/containerd.txt", OUTPUT_OF, false, { "containerd", "--version" } },
	{ "versions/dockerd.txt", OUTPUT_OF, false, { "dockerd", "--version" } },
	{ "versions/crio.txt", OUTPUT_OF, false, { "crio", "--version" } },
	{ "versions/k3s.txt", OUTPUT_OF, false, { "k3s", "--version" } },
	{ "versions/kubelet.txt", OUTPUT_OF, false, { "kubelet", "--version" } },
	{ "versions/runc.txt", OUTPUT_OF, false, { "runc", "--version" } },
	{ "versions/qemu.txt", OUTPUT_OF, false, { "qemu-system-x86_64", "--version" } },
	{ "versions/packages-deb.txt",
	  OUTPUT_OF,
	  false,
	  { "dpkg-query", "-W", "*kata*", "*containerd*", "docker*", "*qemu*", "virtiofsd", "runc",
	    "crun" } },
	{ "versions/packages-rpm.txt",
	  OUTPUT_OF,
	  false,
	  { "rpm", "-q", "kata-containers", "containerd", "containerd.io", "docker-ce", "cri-o",
	    "qemu-kvm", "virtiofsd", "runc" } },

	{ "config/kata", FILES_OF, false, { "@/etc", ".toml" } },
	{ "config/kata-new", FILES_OF, false, { "@/etc", ".new" } },
	{ "config/defaults", FILES_OF, false, { "@/share/defaults/kata-containers", ".toml" } },
	{ "config/etc-kata-containers", FILES_OF, false, { "/etc/kata-containers", ".toml" } },
	{ "config/containerd", FILES_OF, false, { "/etc/containerd", ".toml" } },
	{ "config/containerd-effective.toml",
	  OUTPUT_OF,
	  false,
	  { "containerd", "config", "dump" } },
	{ "config/docker/daemon.json", FILE_OF, false, { "/etc/docker/daemon.json" } },
	{ "config/crio", FILES_OF, false, { "/etc/crio", ".conf" } },
	{ "config/k3s", FILES_OF, false, { "/var/lib/rancher/k3s/agent/etc/containerd", ".toml" } },
	{ "config/rke2",
	  FILES_OF,
	  false,
	  { "/var/lib/rancher/rke2/agent/etc/containerd", ".toml" } },
	/* The templates, which have our lines where drop-ins are not imported. */
	{ "config/k3s", FILES_OF, false, { "/var/lib/rancher/k3s/agent/etc/containerd", ".tmpl" } },
	{ "config/rke2",
	  FILES_OF,
	  false,
	  { "/var/lib/rancher/rke2/agent/etc/containerd", ".tmpl" } },
	{ "config/k0s", FILES_OF, false, { "/etc/k0s", ".toml" } },
	{ "config/microk8s", FILES_OF, false, { "/var/snap/microk8s/current/args", ".toml" } },

	{ "state/install.json", FILE_OF, false, { "@/state/install.json" } },
	{ "state/journal", FILE_OF, false, { "@/state/journal" } },
	{ "state/trust.json", FILE_OF, false, { "@/state/trust.json" } },
	{ "state/trust-kept.json", FILE_OF, false, { "/var/lib/kata-deploy/trust.json" } },
	{ "state/timer.json", FILE_OF, false, { "@/state/timer.json" } },
	{ "sandboxes", FILES_OF, false, { "/run/vc/sbs", ".json" } },

	{ "hardware/cpuinfo", FILE_OF, false, { "/proc/cpuinfo" } },
	{ "hardware/meminfo", FILE_OF, false, { "/proc/meminfo" } },
	{ "hardware/modules", FILE_OF, false, { "/proc/modules" } },
	{ "hardware/devices.txt",
	  OUTPUT_OF,
	  false,
	  { "ls", "-l", "/dev/kvm", "/dev/vhost-vsock", "/dev/vhost-net", "/dev/vfio" } },
	{ "hardware/pci.txt", OUTPUT_OF, false, { "lspci", "-nn" } },
	{ "system/cmdline", FILE_OF, false, { "/proc/cmdline" } },
	{ "system/mounts", FILE_OF, false, { "/proc/self/mountinfo" } },
	{ "system/cgroups", FILE_OF, false, { "/proc/cgroups" } },
	{ "system/pressure-memory", FILE_OF, false, { "/proc/pressure/memory" } },
	{ "system/disk.txt", OUTPUT_OF, false, { "df", "-h", "@", "/run", "/var/lib" } },

	{ "logs/vms", FILES_OF, true, { "/run/vc/vm", ".log" } },
	{ "logs/journal-kata.txt",
	  OUTPUT_OF,
	  true,
	  { "journalctl", "--no-pager", "-n", "4000", "-t", "kata", "-t", "kata-runtime", "-t",
	    "containerd-shim-kata-v2", "-t", "kata-deploy" } },
	{ "logs/journal-manager.txt",
	  OUTPUT_OF,
	  true,
	  { "journalctl", "--no-pager",
	    "-n",         "4000",
	    "-u",         "containerd",
	    "-u",         "docker",
	    "-u",         "crio",
	    "-u",         "kubelet",
	    "-u",         "k3s",
	    "-u",         "k3s-agent",
	    "-u",         "rke2-server",
	    "-u",         "rke2-agent",
	    "-u",         "k0scontroller",
	    "-u",         "k0sworker",
	    "-u",         "snap.microk8s.daemon-containerd",
	    "-u",         "snap.microk8s.daemon-kubelite" } },
	{ "logs/kernel.txt", OUTPUT_OF, true, { "dmesg" } },
};

void report_release(struct report *r)
{
	vec_each(struct part, p, &r->parts) {
		free(p->name);
		free(p->from);
		free(p->problem);
		buf_release(&p->text);
	}
	vec_release(&r->parts);
}

/* --- parts --- */

/* Adds a part: the last PART_MAX bytes, masked. It is masked before it is cut, since the name that
 * identifies a secret comes before the secret. */
static void add(const struct gather_options *o, struct report *r, const char *name,
		const char *from, const struct buf *raw, const char *problem)
{
	struct part p = { .name = xstrdup(name),
			  .from = xstrdup(from),
			  .text = BUF_INIT(PART_MAX) };
	AUTO(buf) struct buf masked = BUF_INIT(MASK_ROOM(raw->len));
	AUTO(buf) struct buf hidden = BUF_INIT(MASK_ROOM(MASK_ROOM(raw->len)));
	size_t cut;

	p.secrets = mask_text(buf_cstr(raw), raw->len, &masked);
	p.secrets += mask_words(buf_cstr(&masked), masked.len, o->hide, &hidden);
	cut = hidden.len > PART_MAX ? hidden.len - PART_MAX : 0;
	buf_add(&p.text, buf_cstr(&hidden) + cut, hidden.len - cut);
	if (problem) {
		AUTO(buf) struct buf why = BUF_INIT(4096), shown = BUF_INIT(MASK_ROOM(4096));

		(void)mask_text(problem, strlen(problem), &why);
		(void)mask_words(buf_cstr(&why), why.len, o->hide, &shown);
		AUTO(strv) char **lines = strv_split(buf_cstr(&shown), "\n");
		p.problem = strv_join(lines, "; ");
	} else if (cut) {
		p.problem = str_fmt("the first %zu bytes are left out", cut);
	}
	vec_push(&r->parts, p);
}

static bool is_full(const struct report *r)
{
	return r->parts.n >= PARTS_MAX;
}

/* Reads the end of a regular file, or the whole file where the size is not known, as in /proc.
 * Never blocks. */
static int read_end(const char *path, struct buf *out, struct err *err)
{
	AUTO(fd) int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	AUTO(mem) char *chunk = xmalloc(64 << 10);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "open %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, E_INVALID, "%s is not a file", path);
	if (st.st_size > OUTPUT_MAX && lseek(fd, st.st_size - OUTPUT_MAX, SEEK_SET) < 0)
		return err_sys(err, "read %s", path);
	while (!out->over && (n = fd_read_full(fd, chunk, 64 << 10, err)) != 0) {
		if (n < 0)
			return err_wrap(err, "%s", path);
		buf_add(out, chunk, (size_t)n);
	}
	return 0;
}

static char *expand(const struct gather_options *o, const char *word)
{
	return *word == '@' ? str_fmt("%s%s", o->prefix, word + 1) : xstrdup(word);
}

/* Returns a path with root, heap; NULL: a dangling symlink. */
static char *locate(const struct gather_options *o, const char *path)
{
	struct err ignored = ERR_INIT;

	return o->root ? path_from_root(o->root, path, &ignored) : xstrdup(path);
}

static void add_file(const struct gather_options *o, struct report *r, const char *name,
		     const char *path)
{
	AUTO(buf) struct buf raw = BUF_INIT(OUTPUT_MAX + (64 << 10));
	AUTO(str) char *real = locate(o, path);
	struct err err = ERR_INIT;

	if (is_full(r) || !real)
		return;
	if (read_end(real, &raw, &err) < 0 && err.code == E_NOT_FOUND)
		return;
	add(o, r, name, path, &raw, err.code ? err.msg : NULL);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int visible(const struct dirent *e)
{
	return *e->d_name != '.';
}

static void add_files(const struct gather_options *o, struct report *r, const char *name,
		      const char *path, const char *suffix, unsigned depth)
{
	AUTO(str) char *real = locate(o, path);
	struct dirent **list = NULL;
	int n = real ? scandir(real, &list, visible, by_name) : -1;

	for (int i = 0; i < n; i++) {
		AUTO(str) char *below = path_join(path, list[i]->d_name);
		AUTO(str) char *to = path_join(name, list[i]->d_name);
		AUTO(str) char *at = path_join(real, list[i]->d_name);
		struct stat st;

		if (!is_full(r) && lstat(at, &st) == 0) {
			if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
				add_files(o, r, to, below, suffix, depth + 1);
			else if (!S_ISDIR(st.st_mode) && str_ends(below, suffix))
				add_file(o, r, to, below);
		}
		free(list[i]);
	}
	free(list);
}

/* Returns the program of the installation, or if that does not exist its name, for PATH; heap. */
static char *program(const struct gather_options *o, const char *word)
{
	AUTO(str) char *path = expand(o, word);

	return *word != '@' || path_exists(path) ? STEAL(path, NULL) : xstrdup(path_basename(word));
}

/* Adds the output of a command; a program that does not exist is left out. */
static void add_output(const struct gather_options *o, struct report *r, const struct source *s)
{
	AUTO(buf) struct buf raw = BUF_INIT(OUTPUT_MAX);
	AUTO(strv) char **argv = NULL;
	struct spawn run = { .argv = NULL };
	struct err err = ERR_INIT;
	int status;

	for (size_t i = 0; i < WORDS_MAX && s->words[i]; i++) {
		AUTO(str)
		char *word = i ? expand(o, s->words[i]) : program(o, s->words[i]);

		strv_push(&argv, word);
	}
	run.argv = argv;
	if (is_full(r))
		return;
	status = spawn_run(&run, NULL, 0, &raw, deadline_in(COMMAND_MS), &err);
	if (status < 0 && err.code == E_NOT_FOUND)
		return;
	AUTO(str) char *line = strv_join(argv, " ");
	AUTO(str)
	char *ended = status > 0 ? str_fmt("it ended with %d: %s", status, err.msg) : NULL;
	add(o, r, s->name, line, &raw, status < 0 ? err.msg : ended);
}

/* Adds the environment variables that affect our programs and containerd, and no others. */
static void add_environment(const struct gather_options *o, struct report *r)
{
	static const char *const starts[] = { "KATA_",        "CONTAINERD_", "http_proxy=",
					      "https_proxy=", "no_proxy=",   "HTTP_PROXY=",
					      "HTTPS_PROXY=", "NO_PROXY=",   "ALL_PROXY=",
					      "PATH=",        "LANG=",       "container=" };
	AUTO(buf) struct buf raw = BUF_INIT(1 << 20);

	strv_each(pair, environ) {
		for (size_t i = 0; i < ARRAY_LEN(starts); i++)
			if (str_starts(*pair, starts[i]))
				buf_fmt(&raw, "%s\n", *pair);
	}
	add(o, r, "system/environment", "the environment", &raw, NULL);
}

void gather(const struct gather_options *o, struct report *out)
{
	for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
		const struct source *s = &sources[i];
		AUTO(str) char *path = expand(o, s->words[0]);

		if (s->log && o->no_logs)
			continue;
		switch (s->kind) {
		case FILE_OF:
			add_file(o, out, s->name, path);
			break;
		case FILES_OF:
			add_files(o, out, s->name, path, s->words[1], 0);
			break;
		case OUTPUT_OF:
			if (!o->root)
				add_output(o, out, s);
			break;
		}
	}
	if (!o->root)
		add_environment(o, out);
}
