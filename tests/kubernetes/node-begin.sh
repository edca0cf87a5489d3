#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Puts itself into the control groups of a node and begins it: node-begin.sh NODE-FOLDER (lib.sh).
set -euo pipefail
for controller in "$1"/../cgroups/*; do
	echo $$ >"$controller/$(basename "$1")/cgroup.procs"
done
exec unshare --mount --uts --ipc --pid --cgroup --fork --kill-child "$(dirname "$0")/node.sh" "$1"
