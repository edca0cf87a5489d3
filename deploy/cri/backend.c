// SPDX-License-Identifier: Apache-2.0
/* The table of back ends. */
#include "deploy/cri/backend.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "deploy/cri/containerd.h"

#include <string.h>

/* The first that is found is used: managers that include a containerd come before containerd. */
const struct cri_backend *const backends[] = {
	&backend_k3s,      &backend_rke2,    &backend_k0s,
	&backend_microk8s, &backend_crio,    &backend_containerd,
	&backend_docker,   &backend_nerdctl, NULL
};

const struct cri_backend *backend_find(const char *name)
{
	for (size_t i = 0; backends[i]; i++)
		if (str_eq(backends[i]->name, name))
			return backends[i];
	return NULL;
}

char *backend_names(void)
{
	AUTO(strv) char **list = NULL;

	for (size_t i = 0; backends[i]; i++)
		strv_push(&list, backends[i]->name);
	return strv_join(list, ", ");
}

static bool is_client(const struct cri_backend *back, const struct process *p)
{
	for (size_t i = 0; back->clients && back->clients[i]; i++) {
		strv_each(word, p->argv) {
			if (str_eq(word == p->argv ? path_basename(*word) : *word,
				   back->clients[i]))
				return true;
		}
	}
	return false;
}

/* Docker and CRI-O run their program under other names too, for a moment at each container or image:
 * "docker-untar". */
static bool has_own_name(const struct process *p)
{
	return str_eq(path_basename(p->argv[0]), path_basename(p->exe));
}

bool backend_runs_as(const struct cri_backend *back, const struct process *p)
{
	/* A rootless manager has its configuration in a home directory and serves one user. One
	 * without a command line has ended since its program was read. */
	if (p->uid != 0 || !p->argv || is_client(back, p))
		return false;
	if (back->is_mine)
		return back->is_mine(p);
	for (size_t i = 0; back->exes && back->exes[i]; i++) {
		const char *exe = back->exes[i];

		if (strchr(exe, '/') ? str_starts(p->exe, exe)
				     : str_eq(path_basename(p->exe), exe) && has_own_name(p))
			return true;
	}
	return false;
}

char *cri_path(const struct cri *c, const char *path)
{
	return str_fmt("%s%s", c->root, path);
}

/* Appends a path as one word. Different paths become different words, since '-' and '_' are
 * escaped. */
static void add_word(struct buf *out, const char *path)
{
	for (; *path; path++) {
		if (*path == '-' || *path == '_')
			buf_chr(out, '_');
		buf_chr(out, *path == '/' ? '-' : *path);
	}
}

char *cri_own_file(const struct cri *c, const char *name)
{
	AUTO(buf) struct buf full = BUF_INIT(CRI_FILE_MAX);
	const char *suffix = strrchr(name, '.');

	buf_add(&full, name, (size_t)(suffix - name));
	if (!str_eq(c->o->prefix, DEPLOY_PREFIX))
		add_word(&full, c->o->prefix);
	buf_str(&full, suffix);
	return beside(c->config, buf_cstr(&full));
}

char *cri_shim(const struct cri *c)
{
	if (c->spelled)
		return xstrdup(c->spelled);
	return str_fmt("%s/bin/containerd-shim-kata-v2", c->o->prefix);
}
