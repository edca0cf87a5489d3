// SPDX-License-Identifier: Apache-2.0
/*
 * The back end of MicroK8s: a containerd whose root file is a template. It is valid TOML, with
 * ${VARIABLES} in strings only.
 */
#include "base/path.h"
#include "base/str.h"
#include "cri/client.h"
#include "deploy/cri/backend.h"
#include "deploy/cri/containerd.h"

static bool is_mine(const struct process *p)
{
	return str_eq(path_basename(p->exe), "containerd") && str_starts(p->exe, "/snap/microk8s/");
}

static const char *const marks[] = { "/var/snap/microk8s/current/args", NULL };
static const char *const binaries[] = { "/snap/microk8s/current/bin/containerd", NULL };
static const char *const units[] = { "snap.microk8s.daemon-containerd", NULL };

const struct cri_backend backend_microk8s = {
	.name = "microk8s",
	.config = "/var/snap/microk8s/current/args/containerd-template.toml",
	.state = "/var/snap/microk8s/common/run/containerd",
	.socket = "/var/snap/microk8s/common/run/containerd.sock",
	.marks = marks,
	.binaries = binaries,
	.units = units,
	.own = containerd_own,
	.is_mine = is_mine,
	.clients = containerd_clients,
	.restart = RESTART_COMMAND,
	.edit = containerd_edit,
	.check = containerd_check,
	.answers = containerd_answers,
	.served = cri_client_handlers,
};
