// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The verbs of a node. Each is a row of the table in cli/main.c and has a file in this folder, with
 * the struct of its options. argv holds the operands only. They return 0, or -1 and the error.
 */

#include "base/err.h"
#include "base/opt.h"
#include "cli/subverb.h"

extern const struct opt install_opts[], plan_opts[], rollback_opts[], uninstall_opts[],
	status_opts[], verify_opts[], repair_opts[], gc_opts[], recover_opts[], fetch_opts[],
	doctor_opts[], prove_opts[], node_opts[], report_opts[], withdraw_opts[];
MUST_CHECK int verb_install(int argc, char **argv, struct err *err);
MUST_CHECK int verb_upgrade(int argc, char **argv, struct err *err);
MUST_CHECK int verb_plan(int argc, char **argv, struct err *err);
MUST_CHECK int verb_rollback(int argc, char **argv, struct err *err);
MUST_CHECK int verb_uninstall(int argc, char **argv, struct err *err);
MUST_CHECK int verb_status(int argc, char **argv, struct err *err);
MUST_CHECK int verb_verify(int argc, char **argv, struct err *err);
MUST_CHECK int verb_repair(int argc, char **argv, struct err *err);
MUST_CHECK int verb_gc(int argc, char **argv, struct err *err);
MUST_CHECK int verb_recover(int argc, char **argv, struct err *err);
MUST_CHECK int verb_fetch(int argc, char **argv, struct err *err);
MUST_CHECK int verb_doctor(int argc, char **argv, struct err *err);
MUST_CHECK int verb_prove(int argc, char **argv, struct err *err);
/* verb_node() and verb_report() run until a signal ends them. The operands of node are options for
 * its plan and install. */
MUST_CHECK int verb_node(int argc, char **argv, struct err *err);
MUST_CHECK int verb_report(int argc, char **argv, struct err *err);
MUST_CHECK int verb_withdraw(int argc, char **argv, struct err *err);

/* `kata-deploy timer enable|disable|status|run|unhold|unit`: a node that upgrades itself. argv[0]
 * is the verb, argv[1] the subverb, as those of packager.h. */
extern const struct subverb timer_verbs[];
MUST_CHECK int verb_timer(int argc, char **argv, struct err *err);
