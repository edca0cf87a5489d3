// SPDX-License-Identifier: Apache-2.0
/* The list of containers. */

#include "shim/shim.h"

#include "base/mem.h"

#include <stdlib.h>

struct container *container_new(struct shim *s, const char *id)
{
	struct container *c = NEW(struct container);

	c->shim = s;
	c->refs = 1;
	c->id = xstrdup(id);
	c->creating = true;
	vec_push(&s->containers, c);
	return c;
}

void container_unref(struct container *c)
{
	if (--c->refs)
		return;
	vec_release(&c->execs);
	oci_spec_free(c->spec);
	free(c->id);
	free(c->bundle);
	free(c->rootfs);
	free(c);
}

void container_remove(struct container *c)
{
	struct shim *s = c->shim;

	for (size_t i = 0; i < s->containers.n; i++) {
		if (s->containers.v[i] == c) {
			vec_remove(&s->containers, i);
			break;
		}
	}
	container_unref(c);
}

bool shim_is_empty(const struct shim *s)
{
	return s->containers.n == 0;
}
