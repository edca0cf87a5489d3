#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests kata-deploy on a Kubernetes cluster on this machine: [CLUSTER_LONG=1] run.sh BUILD [TEST...]
#
# BUILD has kubernetes/ (build.sh), bin/, tools/ and demo/ (make demo-releases). Each test is a function
# test_* of cases/; they run in the order of the files' names, on one cluster, each under "set -e" in a
# subshell, so that the first command that fails ends it.
set -u
# shellcheck source=tests/kubernetes/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/expect.sh
. "$(dirname "$0")/../integration/expect.sh"
cluster_apart "$0" "$@"
BUILD=$(realpath -e -- "$1") || exit
shift
cd "$(dirname "$0")/../.." || exit
# shellcheck disable=SC2034 # for the cases
TOOLS=$BUILD/tools
exec </dev/null # no test may depend on our own standard input

all=() LONG=() # LONG: cases that are run only if they are named, or CLUSTER_LONG is set
for cases in tests/kubernetes/cases/*.sh; do
	# shellcheck source=/dev/null
	. "$cases"
	mapfile -t -O "${#all[@]}" all < <(grep -oE '^test_[a-z0-9_]+' "$cases")
done
if [ $# = 0 ] && [ -n "${CLUSTER_LONG:-}" ]; then
	set -- "${all[@]}"
elif [ $# = 0 ]; then
	mapfile -t all < <(printf '%s\n' "${all[@]}" | grep -vxF "$(printf '%s\n' "${LONG[@]}")")
	echo "  skipped: ${#LONG[@]} long cases; CLUSTER_LONG=1 make check-kubernetes runs them"
	set -- "${all[@]}"
fi

cluster_start "$BUILD/kubernetes" || exit
for node in one two three; do
	node_made "$node" && node_power_on "$node" || exit
done
for node in one two three; do
	node_ready "$node" || exit
done
cluster_images || exit
for t; do
	start=$SECONDS
	(
		set -e
		trap - EXIT
		"$t"
	)
	counted $? "$t" "$start" || cluster_says
done
totals kubernetes
