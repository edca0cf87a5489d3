// SPDX-License-Identifier: Apache-2.0
/* The list of containers, references to them, and what happens when a process of one ends. */

#include "agent/entry.h"

#include "agent/paths.h"
#include "base/deadline.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <signal.h>
#include <stdlib.h>

/* --- processes --- */

/* Kills the processes that a container's first process has left behind. Only for containers in use:
 * removing one kills them anyway. */
static void kill_rest(struct entry *e)
{
	struct err err = ERR_INIT;

	if (e->core && container_signal_all(e->core, SIGKILL, &err) < 0)
		log_err(LOG_WARN, &err, "cannot kill the processes that a container has left",
			LOG_S("container", e->id));
}

/* loop, with the lock held */
static void on_reaped(struct process *p)
{
	struct entry *e = p->entry;

	/* Before the end is reported, since the runtime may then stop the VM. */
	oom_check(&e->oom);
	if (*p->exec_id || (e->state != ENTRY_NEW && e->state != ENTRY_READY))
		return;
	container_init_ended(e->core);
	if (e->in_pid_ns_of_others)
		kill_rest(e);
}

static void on_over(struct process *p)
{
	struct entry *e = p->entry;

	(void)pthread_mutex_lock(&e->list->lock);
	for (size_t i = 0; i < e->processes.n; i++) {
		if (e->processes.v[i] == p) {
			vec_remove(&e->processes, i);
			break;
		}
	}
	(void)pthread_mutex_unlock(&e->list->lock);
	process_free(p);
}

/* --- the list --- */

void entries_init(struct entries *list, struct loop *loop, unsigned pipe_size)
{
	*list = (struct entries){ .loop = loop, .lock = PTHREAD_MUTEX_INITIALIZER };
	list->processes = (struct process_owner){ .loop = loop,
						  .lock = &list->lock,
						  .pipe_size = pipe_size,
						  .reaped = on_reaped,
						  .over = on_over };
	cond_init(&list->changed);
}

void entries_drop(struct entries *list)
{
	while (list->v.n)
		entry_drop(list->v.v[0]);
}

void entries_release(struct entries *list)
{
	oom_release(&list->oom);
	vec_release(&list->v);
}

void entries_kill(struct entries *list)
{
	struct err ignored = ERR_INIT; /* the VM ends in any case */

	(void)pthread_mutex_lock(&list->lock);
	for (size_t i = 0; i < list->v.n; i++) {
		struct entry *e = list->v.v[i];

		if (e->state == ENTRY_READY && container_signal_all(e->core, SIGKILL, &ignored) < 0)
			err_clear(&ignored);
	}
	(void)pthread_mutex_unlock(&list->lock);
}

char **entries_ids(struct entries *list)
{
	char **ids = NULL;

	(void)pthread_mutex_lock(&list->lock);
	for (size_t i = 0; i < list->v.n; i++)
		strv_push(&ids, list->v.v[i]->id);
	(void)pthread_mutex_unlock(&list->lock);
	return ids;
}

/* --- an entry --- */

struct entry *entry_new(struct entries *list, const char *id)
{
	struct entry *e = NEW(struct entry);

	e->list = list;
	e->id = xstrdup(id);
	e->oom = (struct oom_watch)OOM_WATCH_INIT(list->loop, &list->oom, e->id);
	e->bundle = str_fmt(GUEST_DIR "/%s", id);
	return e;
}

struct entry *entries_find(struct entries *list, const char *id)
{
	for (size_t i = 0; i < list->v.n; i++) {
		if (str_eq(list->v.v[i]->id, id))
			return list->v.v[i];
	}
	return NULL;
}

struct entry *entry_get(struct entries *list, const char *id, struct err *err)
{
	struct entry *e;

	(void)pthread_mutex_lock(&list->lock);
	e = entries_find(list, id);
	if (e && e->state != ENTRY_READY)
		e = NULL;
	if (e)
		e->refs++;
	(void)pthread_mutex_unlock(&list->lock);
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
	vec_release(&e->numbers.list);
	free(e->id);
	free(e->bundle);
	free(e->termination_log);
	free(e);
}

void entry_put(struct entry *e)
{
	struct entries *list = e->list;
	bool last;

	(void)pthread_mutex_lock(&list->lock);
	last = --e->refs == 0;
	(void)pthread_cond_broadcast(&list->changed);
	(void)pthread_mutex_unlock(&list->lock);
	if (last)
		loop_post(list->loop, free_on_loop, e);
}

int entry_add(struct entry *e, struct err *err)
{
	struct entries *list = e->list;
	bool exists;

	(void)pthread_mutex_lock(&list->lock);
	exists = entries_find(list, e->id) != NULL;
	if (!exists) {
		e->refs = 1;
		vec_push(&list->v, e);
	}
	(void)pthread_mutex_unlock(&list->lock);
	return exists ? err_set(err, E_EXISTS, "container %s exists already", e->id) : 0;
}

void entry_drop(struct entry *e)
{
	struct entries *list = e->list;

	(void)pthread_mutex_lock(&list->lock);
	for (size_t i = 0; i < list->v.n; i++) {
		if (list->v.v[i] == e) {
			vec_remove(&list->v, i);
			break;
		}
	}
	(void)pthread_mutex_unlock(&list->lock);
	entry_put(e);
}

struct process *process_find(struct entries *list, const char *id, const char *exec_id,
			     struct err *err)
{
	struct process *found = NULL;
	struct entry *e;

	(void)pthread_mutex_lock(&list->lock);
	e = entries_find(list, id);
	for (size_t i = 0; e && e->state != ENTRY_NEW && i < e->processes.n; i++) {
		/* Upstream names the first process by the container's id. */
		if (str_eq(e->processes.v[i]->exec_id, str_eq(exec_id, id) ? "" : exec_id))
			found = e->processes.v[i];
	}
	(void)pthread_mutex_unlock(&list->lock);
	if (!found)
		err_set(err, E_NOT_FOUND, "there is no process '%.128s' of container '%.128s'",
			exec_id, id);
	return found;
}

void entry_set_state(struct entry *e, enum entry_state state)
{
	(void)pthread_mutex_lock(&e->list->lock);
	e->state = state;
	(void)pthread_cond_broadcast(&e->list->changed);
	(void)pthread_mutex_unlock(&e->list->lock);
}
