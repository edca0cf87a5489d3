// SPDX-License-Identifier: Apache-2.0
/* The processors and memory nodes of the host on which a sandbox runs: the union of its
 * containers'. */

#include "shim/shim.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>

/* Appends to a list. Parts may overlap: the kernel merges them. */
static void add(char **sum, const char *list)
{
	char *longer;

	if (str_empty(list))
		return;
	longer = **sum ? str_fmt("%s,%s", *sum, list) : xstrdup(list);
	free(*sum);
	*sum = longer;
}

void shim_cpus(struct shim *s, char **cpus, char **mems)
{
	*cpus = xstrdup("");
	*mems = xstrdup("");
	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->containers.n; i++) {
		const struct container *c = s->containers.v[i];
		const struct oci_resources *r = c->spec ? c->spec->linux_.resources : NULL;

		if (!r || c->leaving)
			continue;
		add(cpus, r->cpu.cpus);
		add(mems, r->cpu.mems);
	}
	(void)pthread_mutex_unlock(&s->lock);
}

int shim_place(struct shim *s, struct deadline deadline, struct err *err)
{
	AUTO(str) char *cpus = NULL, *mems = NULL;

	shim_cpus(s, &cpus, &mems);
	return sandbox_set_cpus(s->sandbox, cpus, mems, deadline, err);
}
