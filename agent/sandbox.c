// SPDX-License-Identifier: Apache-2.0
/* The sandbox: its lists, making it, ending it. */

#include "agent/agent.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

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
	/* Until it is created nobody but its creator may use it. */
	if (e && (!e->core || e->removing))
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

	oom_watch_release(e);
	for (size_t i = 0; i < e->processes.n; i++)
		process_free(e->processes.v[i]);
	vec_release(&e->processes);
	strv_free(e->storages);
	free(e->id);
	free(e->state_dir);
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
	for (size_t i = 0; e && e->core && i < e->processes.n; i++) {
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

void answer(struct ttrpc_call *call, int result, const struct err *err)
{
	Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;

	if (result < 0)
		ttrpc_fail(call, err);
	else
		ttrpc_reply(call, &empty);
}

/* ------------------------------------------------------------------------------------ the requests
 */

static int write_dns(const Grpc__CreateSandboxRequest *r, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(64 * 1024);

	if (!r->n_dns)
		return 0;
	for (size_t i = 0; i < r->n_dns; i++)
		buf_fmt(&text, "%s\n", r->dns[i]);
	if (buf_check(&text, "the DNS configuration", err) < 0 ||
	    path_make(GUEST_DIR "/sandbox", 0700, err) < 0)
		return -1;
	return file_replace_volatile(AT_FDCWD, GUEST_DIR "/sandbox/resolv.conf", text.data,
				     text.len, 0644, err);
}

static int create_sandbox(struct sandbox *s, const Grpc__CreateSandboxRequest *r, struct err *err)
{
	if (s->id)
		return err_set(err, E_EXISTS, "sandbox %s exists already", s->id);
	if (str_check_id(r->sandbox_id, "sandbox id", err) < 0)
		return -1;
	if (r->n_kernel_modules)
		return err_set(err, E_UNSUPPORTED,
			       "kernel module %s: the guest kernel has no modules; build what is "
			       "needed into it",
			       r->kernel_modules[0]->name);
	if (!str_empty(r->hostname) && sethostname(r->hostname, strnlen(r->hostname, 64)) < 0)
		return err_sys(err, "set hostname %s", r->hostname);
	for (size_t i = 0; i < r->n_storages; i++) {
		if (storage_add(s, r->storages[i], err) < 0)
			return -1;
	}
	if (write_dns(r, err) < 0)
		return -1;
	log_set_common("sandbox", r->sandbox_id);
	s->id = xstrdup(r->sandbox_id);
	return 0;
}

HANDLER(create_sandbox)
{
	struct err err = ERR_INIT;

	answer(call, create_sandbox(arg, request, &err), &err);
}

static void end_on_loop(void *arg)
{
	struct sandbox *s = arg;

	s->ending = true;
	loop_stop(s->loop);
}

HANDLER(destroy_sandbox)
{
	struct sandbox *s = arg;
	struct err ignored = ERR_INIT;

	(void)request;
	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->entries.n; i++) {
		struct entry *e = s->entries.v[i];

		if (e->core && container_signal_all(e->core, SIGKILL, &ignored) < 0)
			err_clear(&ignored); /* the VM ends anyway */
	}
	(void)pthread_mutex_unlock(&s->lock);
	answer(call, 0, NULL);
	loop_post(s->loop, end_on_loop, s);
}
