// SPDX-License-Identifier: Apache-2.0
/* Which VM the kernel kills when the node is out of memory: one whose containers it would kill. */

#include "shim/shim.h"

#include "base/log.h"

/* The sandbox container of a pod does nothing, and kubelets protect it whatever the pod is: it
 * counts only if it is alone. *score: the lowest of the scores, since all containers end with the
 * VM. False if no container asks for one. */
static bool lowest_score(const struct shim *s, bool alone, int64_t *score)
{
	bool found = false;

	for (size_t i = 0; i < s->containers.n; i++) {
		const struct container *c = s->containers.v[i];
		const struct oci_process *p = c->spec && !c->leaving ? c->spec->process : NULL;

		if (!p || !p->oom_score_adj.set || (c->kind == KIND_POD) != alone)
			continue;
		if (!found || p->oom_score_adj.v < *score)
			*score = p->oom_score_adj.v;
		found = true;
	}
	return found;
}

void shim_score(struct shim *s)
{
	struct err err = ERR_INIT;
	int64_t score = 0;
	bool found;

	(void)pthread_mutex_lock(&s->lock);
	found = lowest_score(s, false, &score) || lowest_score(s, true, &score);
	(void)pthread_mutex_unlock(&s->lock);
	/* Without CAP_SYS_RESOURCE it cannot become lower than the manager's. */
	if (found && vm_set_score(s->sandbox->vm, score, &err) < 0)
		log_err(LOG_INFO, &err, "the VM keeps its score for the lack of memory");
}
