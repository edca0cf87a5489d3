// SPDX-License-Identifier: Apache-2.0
/* Makes the sandbox, and undoes that. */

#include "agent/sandbox.h"

#include "agent/namespaces.h"
#include "agent/paths.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define DNS_FILE GUEST_DIR "/sandbox/resolv.conf"

enum { HOSTNAME_MAX = 64 };

void sandbox_init(struct sandbox *s, const struct settings *settings, struct loop *loop)
{
	*s = (struct sandbox){ .loop = loop,
			       .settings = settings,
			       .lock = PTHREAD_MUTEX_INITIALIZER,
			       .ipc_ns = -1,
			       .uts_ns = -1,
			       .pid_ns = -1 };
	entries_init(&s->containers, loop, settings->pipe_size);
	storages_init(&s->storages, loop, settings->hotplug_ms);
	connections_init(&s->connections, loop);
}

void sandbox_release(struct sandbox *s)
{
	connections_release(&s->connections);
	entries_drop(&s->containers);
	sandbox_empty(s);
	entries_release(&s->containers);
	storages_release(&s->storages);
}

/* Binds the sandbox's resolver configuration over the guest image's. */
static int write_dns(struct sandbox *s, const struct sandbox_request *r, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(64 * 1024);

	if (!r->n_dns)
		return 0;
	for (size_t i = 0; i < r->n_dns; i++)
		buf_fmt(&text, "%s\n", r->dns[i]);
	if (buf_check(&text, "the DNS configuration", err) < 0 ||
	    path_make(GUEST_DIR "/sandbox", 0700, err) < 0 ||
	    file_replace_volatile(AT_FDCWD, DNS_FILE, text.data, text.len, 0644, err) < 0)
		return -1;
	if (!path_exists("/etc/resolv.conf"))
		return 0; /* an image without the file has no resolver */
	if (mount(DNS_FILE, "/etc/resolv.conf", NULL, MS_BIND, NULL) < 0)
		return err_sys(err, "bind the DNS configuration");
	s->dns_bound = true;
	return 0;
}

static int load_modules(const struct sandbox_request *r, struct deadline deadline, struct err *err)
{
	for (size_t i = 0; i < r->n_modules; i++) {
		const struct sandbox_module *m = &r->modules[i];
		AUTO(strv) char **argv = NULL;
		struct spawn modprobe = { 0 };

		if (access("/sbin/modprobe", X_OK) < 0)
			return err_set(
				err, E_UNSUPPORTED,
				"kernel module %.64s: the guest kernel supports no modules; build "
				"the driver into it",
				m->name);
		strv_push(&argv, "/sbin/modprobe");
		strv_push(&argv, "-v");
		strv_push(&argv, "--");
		strv_push(&argv, m->name);
		for (size_t k = 0; k < m->n_parameters; k++)
			strv_push(&argv, m->parameters[k]);
		modprobe.argv = argv;
		if (spawn_run(&modprobe, NULL, 0, NULL, deadline, err) != 0)
			return err_wrap(err, "kernel module %.64s", m->name);
	}
	return 0;
}

/* Sets the id, by which only one of two concurrent requests succeeds. */
static int claim_sandbox(struct sandbox *s, const char *id, struct err *err)
{
	int result = 0;

	(void)pthread_mutex_lock(&s->lock);
	if (s->id)
		result = err_set(err, E_EXISTS, "sandbox %s exists already", s->id);
	else
		s->id = xstrdup(id);
	(void)pthread_mutex_unlock(&s->lock);
	return result;
}

static int set_identity(struct sandbox *s, const struct sandbox_request *r, struct err *err)
{
	size_t len = strnlen(r->hostname, HOSTNAME_MAX);
	int result;

	if (*r->hostname && sethostname(r->hostname, len) < 0)
		return err_sys(err, "set hostname %.64s", r->hostname);
	(void)pthread_mutex_lock(&s->lock);
	s->hostname = *r->hostname ? xstrndup(r->hostname, len) : NULL;
	s->hook_path = *r->hook_path ? xstrdup(r->hook_path) : NULL;
	result = namespaces_make(s->hostname, &s->ipc_ns, &s->uts_ns, err);
	(void)pthread_mutex_unlock(&s->lock);
	return result;
}

static int fill_sandbox(struct sandbox *s, const struct sandbox_request *r,
			struct deadline deadline, struct err *err)
{
	if (path_make(GUEST_DIR, GUEST_DIR_MODE, err) < 0 || load_modules(r, deadline, err) < 0 ||
	    set_identity(s, r, err) < 0)
		return -1;
	for (size_t i = 0; i < r->n_storages; i++) {
		if (storage_add(&s->storages, r->storages[i], deadline, err) < 0)
			return -1;
	}
	return write_dns(s, r, err);
}

void sandbox_empty(struct sandbox *s)
{
	storage_drop_all(&s->storages);
	(void)pthread_mutex_lock(&s->lock);
	if (s->dns_bound)
		(void)umount2("/etc/resolv.conf", MNT_DETACH);
	s->dns_bound = false;
	fd_close(&s->ipc_ns);
	fd_close(&s->uts_ns);
	fd_close(&s->pid_ns);
	str_set(&s->hostname, NULL);
	str_set(&s->hook_path, NULL);
	str_set(&s->id, NULL);
	(void)pthread_mutex_unlock(&s->lock);
	log_set_common("sandbox", NULL);
}

int sandbox_create(struct sandbox *s, const struct sandbox_request *r, struct deadline deadline,
		   struct err *err)
{
	if (str_check_id(r->id, "sandbox id", err) < 0 || claim_sandbox(s, r->id, err) < 0)
		return -1;
	if (fill_sandbox(s, r, deadline, err) < 0) {
		sandbox_empty(s);
		return -1;
	}
	log_set_common("sandbox", r->id);
	return 0;
}
