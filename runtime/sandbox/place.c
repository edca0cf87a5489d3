// SPDX-License-Identifier: Apache-2.0
/* Control groups, processors and the VMM's user of a sandbox: records them, and calls
 * runtime/host. */

#include "sandbox/place.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host/cgroup.h"
#include "host/user.h"
#include "host/vcpu.h"
#include "sandbox/record.h"

#include <stdlib.h>

/* --- control groups and processors; with s->placing held --- */

static int record_groups(struct sandbox *s, struct err *err)
{
	for (const char *const *path = host_cgroup_paths(s->cgroup); *path; path++)
		record_cgroup(s->record, *path);
	return record_write(s->record, err);
}

static int enter(struct sandbox *s, const struct sandbox_wanted *wanted, struct err *err)
{
	const struct host_cgroup_where where = { .path = wanted->cgroup,
						 .key = s->key,
						 .only = s->config->sandbox_cgroup_only };

	str_set(&s->cpus, wanted->cpus ? wanted->cpus : "");
	str_set(&s->mems, wanted->mems ? wanted->mems : "");
	if (host_cgroup_new(&where, &s->cgroup, err) < 0)
		return -1;
	if (!s->cgroup) {
		log_warn("this machine has no control groups: the sandbox is in none");
		return 0;
	}
	if (record_groups(s, err) < 0 || host_cgroup_enter(s->cgroup, err) < 0)
		return -1;
	return *s->cpus || *s->mems ? host_cgroup_set_cpus(s->cgroup, s->cpus, s->mems, err) : 0;
}

static int pin(const struct sandbox *s, const pid_t *threads, size_t n, struct err *err)
{
	cpu_set_t set;
	int pinned;

	if (!s->config->pin_vcpus)
		return 0;
	pinned = cpu_list_parse(s->cpus, &set, err) < 0 ? -1 : vcpu_pin(threads, n, &set, err);
	if (pinned < 0)
		return err_wrap(err, "pin the processors of the VM");
	log_info(pinned ? "the processors of the VM are pinned"
			: "the processors of the VM are not pinned: it has another number of them "
			  "than its set",
		 LOG_S("set", s->cpus), LOG_I("processors", (int64_t)n));
	return 0;
}

static int place_threads(struct sandbox *s, struct deadline deadline, struct err *err)
{
	AUTO(mem) pid_t *threads = NULL;
	size_t n;

	if (!s->config->pin_vcpus && (!s->cgroup || s->config->sandbox_cgroup_only))
		return 0;
	if (s->vm->vmm.ops->vcpu_threads(&s->vm->vmm, &threads, &n, deadline, err) < 0 ||
	    (s->cgroup && host_cgroup_add_vcpus(s->cgroup, threads, n, err) < 0))
		return -1;
	return pin(s, threads, n, err);
}

/* --- the same, taking the lock --- */

int place_enter(struct sandbox *s, const struct sandbox_wanted *wanted, struct err *err)
{
	int result;

	(void)pthread_mutex_lock(&s->placing);
	result = enter(s, wanted, err);
	(void)pthread_mutex_unlock(&s->placing);
	return result;
}

int place_vmm(struct sandbox *s, struct err *err)
{
	int result;

	(void)pthread_mutex_lock(&s->placing);
	result = s->cgroup ? host_cgroup_add_vmm(s->cgroup, s->vm->vmm.child.pid, err) : 0;
	(void)pthread_mutex_unlock(&s->placing);
	return result;
}

int sandbox_place_vcpus(struct sandbox *s, struct deadline deadline, struct err *err)
{
	int result;

	(void)pthread_mutex_lock(&s->placing);
	result = s->placed ? place_threads(s, deadline, err) : 0;
	(void)pthread_mutex_unlock(&s->placing);
	return result;
}

int sandbox_set_cpus(struct sandbox *s, const char *cpus, const char *mems,
		     struct deadline deadline, struct err *err)
{
	int result = 0;

	(void)pthread_mutex_lock(&s->placing);
	if (s->placed && !(str_eq(s->cpus, cpus) && str_eq(s->mems, mems))) {
		if (s->cgroup)
			result = host_cgroup_set_cpus(s->cgroup, cpus, mems, err);
		if (result == 0) {
			str_set(&s->cpus, cpus);
			str_set(&s->mems, mems);
			result = place_threads(s, deadline, err);
		}
	}
	(void)pthread_mutex_unlock(&s->placing);
	return result;
}

/* --- user --- */

enum { USER_TRIES = 64 };

static int take_user(struct sandbox *s, struct err *err)
{
	for (int i = 0; i < USER_TRIES; i++) {
		uid_t uid = host_user_pick();
		int taken;

		record_user(s->record, uid);
		if (record_write(s->record, err) < 0)
			return -1;
		taken = host_user_take(uid, s->key, err);
		if (taken)
			s->user = taken > 0 ? uid : 0;
		if (taken)
			return taken < 0 ? -1 : 0;
	}
	return err_set(err, E_LIMIT, "no user is free for the VMM; end pods of this node");
}

int place_take_user(struct sandbox *s, struct err *err)
{
	return !s->config->rootless    ? 0
	       : take_user(s, err) < 0 ? err_wrap(err, "rootless = true")
				       : 0;
}

/* With s->placing held. */
static void give_back_user(struct sandbox *s)
{
	struct err err = ERR_INIT;

	if (!s->user)
		return;
	if (host_user_give_back(s->user, s->key, &err) < 0) {
		log_err(LOG_WARN, &err, "cannot give back the user of the VMM");
		return;
	}
	s->user = 0;
	record_user(s->record, 0);
	if (record_write(s->record, &err) < 0)
		log_err(LOG_WARN, &err, "cannot record that the user of the VMM is given back");
}

/* --- the end --- */

static void remove_groups(struct sandbox *s)
{
	struct err err = ERR_INIT;

	if (host_cgroup_leave(s->cgroup, &err) < 0) {
		log_err(LOG_WARN, &err, "cannot remove the control groups of the sandbox");
		return;
	}
	record_forget_cgroups(s->record);
	if (record_write(s->record, &err) < 0)
		log_err(LOG_WARN, &err, "cannot record that the control groups are gone");
}

void place_move_back(struct sandbox *s)
{
	struct err ignored = ERR_INIT;

	(void)pthread_mutex_lock(&s->placing);
	s->placed = false;
	if (s->cgroup)
		(void)!host_cgroup_move_back(s->cgroup, &ignored);
	(void)pthread_mutex_unlock(&s->placing);
}

void place_leave(struct sandbox *s)
{
	(void)pthread_mutex_lock(&s->placing);
	s->placed = false;
	give_back_user(s);
	if (s->cgroup)
		remove_groups(s);
	host_cgroup_free(s->cgroup);
	s->cgroup = NULL;
	(void)pthread_mutex_unlock(&s->placing);
}
