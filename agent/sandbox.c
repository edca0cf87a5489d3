// SPDX-License-Identifier: Apache-2.0
/* The sandbox: its lists, CreateSandbox and DestroySandbox. */

#include "agent/agent.h"
#include "agent/rpc/rpc.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define DNS_FILE GUEST_DIR "/sandbox/resolv.conf"

enum { HOSTNAME_MAX = 64, CREATE_MS = 60000, DESTROY_MS = 30000 };

/* loop, with the lock held */
static void on_reaped(struct process *p)
{
	struct entry *e = p->entry;

	if (!*p->exec_id && (e->state == ENTRY_NEW || e->state == ENTRY_READY))
		container_init_ended(e->core);
}

static void on_over(struct process *p)
{
	struct entry *e = p->entry;

	(void)pthread_mutex_lock(&e->sandbox->lock);
	for (size_t i = 0; i < e->processes.n; i++) {
		if (e->processes.v[i] == p) {
			vec_remove(&e->processes, i);
			break;
		}
	}
	(void)pthread_mutex_unlock(&e->sandbox->lock);
	process_free(p);
}

void sandbox_init(struct sandbox *s, const struct settings *settings, struct loop *loop)
{
	*s = (struct sandbox){ .loop = loop,
			       .settings = settings,
			       .lock = PTHREAD_MUTEX_INITIALIZER,
			       .ipc_ns = -1,
			       .uts_ns = -1,
			       .pid_ns = -1 };
	s->processes = (struct process_owner){ .loop = loop,
					       .lock = &s->lock,
					       .pipe_size = settings->pipe_size,
					       .reaped = on_reaped,
					       .over = on_over };
	cond_init(&s->released);
	storages_init(&s->storages, loop, settings->hotplug_ms);
}

static struct entry *find_locked(struct sandbox *s, const char *id)
{
	for (size_t i = 0; i < s->entries.n; i++) {
		if (str_eq(s->entries.v[i]->id, id))
			return s->entries.v[i];
	}
	return NULL;
}

struct entry *entry_get(struct sandbox *s, const char *id, struct err *err)
{
	struct entry *e;

	(void)pthread_mutex_lock(&s->lock);
	e = find_locked(s, id);
	if (e && e->state != ENTRY_READY)
		e = NULL;
	if (e)
		e->refs++;
	(void)pthread_mutex_unlock(&s->lock);
	if (!e)
		err_set(err, E_NOT_FOUND, "there is no container '%.128s'", id);
	return e;
}

static void free_on_loop(void *arg)
{
	struct entry *e = arg;

	oom_watch_release(&e->oom);
	for (size_t i = 0; i < e->processes.n; i++)
		process_free(e->processes.v[i]);
	vec_release(&e->processes);
	strv_free(e->storages);
	free(e->id);
	free(e->bundle);
	free(e->termination_log);
	free(e);
}

void entry_put(struct entry *e)
{
	struct sandbox *s = e->sandbox;
	bool last;

	(void)pthread_mutex_lock(&s->lock);
	last = --e->refs == 0;
	(void)pthread_cond_broadcast(&s->released);
	(void)pthread_mutex_unlock(&s->lock);
	if (last)
		loop_post(s->loop, free_on_loop, e);
}

int entry_add(struct sandbox *s, struct entry *e, struct err *err)
{
	bool exists;

	(void)pthread_mutex_lock(&s->lock);
	exists = find_locked(s, e->id) != NULL;
	if (!exists) {
		e->refs = 1;
		vec_push(&s->entries, e);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return exists ? err_set(err, E_EXISTS, "container %s exists already", e->id) : 0;
}

void entry_drop(struct entry *e)
{
	struct sandbox *s = e->sandbox;

	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->entries.n; i++) {
		if (s->entries.v[i] == e) {
			vec_remove(&s->entries, i);
			break;
		}
	}
	(void)pthread_mutex_unlock(&s->lock);
	entry_put(e);
}

struct process *process_find(struct sandbox *s, const char *id, const char *exec_id,
			     struct err *err)
{
	struct process *found = NULL;
	struct entry *e;

	(void)pthread_mutex_lock(&s->lock);
	e = find_locked(s, id);
	for (size_t i = 0; e && e->state != ENTRY_NEW && i < e->processes.n; i++) {
		/* Upstream names the first process by the container's id. */
		if (str_eq(e->processes.v[i]->exec_id, str_eq(exec_id, id) ? "" : exec_id))
			found = e->processes.v[i];
	}
	(void)pthread_mutex_unlock(&s->lock);
	if (!found)
		err_set(err, E_NOT_FOUND, "there is no process '%.128s' of container '%.128s'",
			exec_id, id);
	return found;
}

/* --- the requests --- */

/* Binds the sandbox's resolver configuration over the guest image's. */
static int write_dns(struct sandbox *s, const Grpc__CreateSandboxRequest *r, struct err *err)
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

static int load_modules(const Grpc__CreateSandboxRequest *r, struct deadline deadline,
			struct err *err)
{
	for (size_t i = 0; i < r->n_kernel_modules; i++) {
		const Grpc__KernelModule *m = r->kernel_modules[i];
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

/* Only one of two concurrent requests may succeed. */
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

static int set_identity(struct sandbox *s, const Grpc__CreateSandboxRequest *r, struct err *err)
{
	size_t len = strnlen(r->hostname, HOSTNAME_MAX);

	if (*r->hostname && sethostname(r->hostname, len) < 0)
		return err_sys(err, "set hostname %.64s", r->hostname);
	(void)pthread_mutex_lock(&s->lock);
	s->hostname = *r->hostname ? xstrndup(r->hostname, len) : NULL;
	s->hook_path = *r->guest_hook_path ? xstrdup(r->guest_hook_path) : NULL;
	(void)pthread_mutex_unlock(&s->lock);
	return namespaces_share(s, err);
}

static int fill_sandbox(struct sandbox *s, const Grpc__CreateSandboxRequest *r,
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

/* Restores the initial state, so that CreateSandbox may be retried. */
static void empty_sandbox(struct sandbox *s)
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

static int create_sandbox(struct sandbox *s, const Grpc__CreateSandboxRequest *r,
			  struct deadline deadline, struct err *err)
{
	if (str_check_id(r->sandbox_id, "sandbox id", err) < 0 ||
	    claim_sandbox(s, r->sandbox_id, err) < 0)
		return -1;
	if (fill_sandbox(s, r, deadline, err) < 0) {
		empty_sandbox(s);
		return -1;
	}
	log_set_common("sandbox", r->sandbox_id);
	return 0;
}

void on_create_sandbox(struct ttrpc_call *call, const void *request, void *arg)
{
	struct err err = ERR_INIT;

	answer(call, create_sandbox(arg, request, flow_deadline(call, CREATE_MS), &err), &err);
}

/* --- end --- */

static void kill_all(struct sandbox *s)
{
	struct err ignored = ERR_INIT; /* the VM ends anyway */

	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->entries.n; i++) {
		struct entry *e = s->entries.v[i];

		if (e->state == ENTRY_READY && container_signal_all(e->core, SIGKILL, &ignored) < 0)
			err_clear(&ignored);
	}
	(void)pthread_mutex_unlock(&s->lock);
}

/* The containers' ids, or NULL. */
static char **list_ids(struct sandbox *s)
{
	char **ids = NULL;

	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->entries.n; i++)
		strv_push(&ids, s->entries.v[i]->id);
	(void)pthread_mutex_unlock(&s->lock);
	return ids;
}

/* An agent that is not PID 1 must remove cgroups and mounts from the machine. */
static void remove_all(struct sandbox *s, struct deadline deadline)
{
	AUTO(strv) char **ids = list_ids(s);

	strv_each(id, ids) {
		struct err err = ERR_INIT;

		if (container_remove(s, *id, deadline, &err) < 0)
			log_err(LOG_WARN, &err, "cannot remove a container",
				LOG_S("container", *id));
	}
	empty_sandbox(s);
}

void sandbox_release(struct sandbox *s)
{
	while (s->entries.n)
		entry_drop(s->entries.v[0]);
	empty_sandbox(s);
	oom_release(&s->oom);
	vec_release(&s->entries);
	storages_release(&s->storages);
}

static void end_on_loop(void *arg)
{
	struct sandbox *s = arg;

	s->ending = true;
	loop_stop(s->loop);
}

void on_destroy_sandbox(struct ttrpc_call *call, const void *request, void *arg)
{
	struct sandbox *s = arg;

	(void)request;
	kill_all(s);
	if (getpid() != 1)
		remove_all(s, flow_deadline(call, DESTROY_MS));
	answer(call, 0, NULL);
	loop_post(s->loop, end_on_loop, s);
}
