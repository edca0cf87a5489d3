// SPDX-License-Identifier: Apache-2.0
/* The steps of an install. */

#include "deploy/cli/install.h"

#include "base/interrupt.h"
#include "deploy/cli/progress.h"
#include "deploy/cli/say.h"

void install_release(struct install *in)
{
	memory_release(&in->memory);
	registration_release(&in->reg);
	offer_release(&in->offer);
	deploy_close(in->d);
}

/* Sets in->needed, from the files and the switch only: there are steps only because of changes. The
 * memory of trust is not part of the change yet: a new decision alone does not make it needed. */
static int is_needed(struct install *in, struct err *err)
{
	AUTO(plan) struct plan p = PLAN_INIT;
	struct deploy_change files = in->reg.change;

	files.nsteps = 0;
	if (deploy_plan_lay_down(in->d, &in->offer.layout, &files, &p, err) < 0)
		return -1;
	in->needed = !plan_is_empty(&p) || in->reg.told.restart;
	return 0;
}

/* For a first install only: over an installed release there may be nothing to do. */
static int can_prove(struct install *in, enum deploy_access access, struct err *err)
{
	if (access != DEPLOY_CHANGE || deploy_installed(in->d)->current)
		return 0;
	return registration_can_prove(in->d, &in->reg, err);
}

int install_prepare(struct install *in, enum deploy_access access, struct err *err)
{
	const struct release *r = &in->offer.release;
	struct prove_expect expect;

	if (say_begin(&in->o->talk, err) < 0 || node_check_handlers(&in->o->manager, err) < 0 ||
	    node_open(&in->o->place, access, &in->d, err) < 0 || can_prove(in, access, err) < 0 ||
	    offer_open(in->d, &in->offer, err) < 0)
		return -1;
	expect = (struct prove_expect){ r->guest_kernel, r->agent };
	progress_phase("plan");
	if (registration_add(in->d, in->offer.memory, &expect, &in->reg, err) < 0)
		return -1;
	if (is_needed(in, err) < 0)
		return -1;
	memory_add(&in->o->place, in->offer.trust, &in->reg.change, &in->memory);
	return 0;
}

int install_learn(struct install *in, struct err *err)
{
	return trust_has_learned(in->offer.trust)
		       ? memory_commit(in->d, &in->o->place, in->offer.trust, err)
		       : 0;
}

int install_fetch(struct install *in, struct err *err)
{
	if (offer_stage(in->d, &in->offer, "release", err) == 0)
		return 0;
	return interrupt_signal() ? err_hint(err, "nothing was changed") : -1;
}

int install_commit(struct install *in, struct err *err)
{
	progress_phase("commit");
	return deploy_lay_down(in->d, &in->offer.layout, "release", &in->reg.change, err);
}
