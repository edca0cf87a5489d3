#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Moves itself into the control groups of a node and starts the node: node-begin.sh NODE-FOLDER (called by lib.sh).
set -euo pipefail
for controller in "$1"/../cgroups/*; do
	echo $$ >"$controller/$(basename "$1")/cgroup.procs"
done
exec unshare --mount --uts --ipc --pid --cgroup --fork --kill-child "$(dirname "$0")/node.sh" "$1"
