#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the crash walk, one process for each CPU, in directories of its own: in memory where there is
# room for it, since thousands of small trees are made and removed.
#
#	run.sh WALK SUBJECT [--no-control] [--short] [--only NAME]
set -eu

walk=$1 subject=$(realpath "$2")
shift 2
base=${CRASH_DIR:-}
if [ -z "$base" ]; then
	base=/dev/shm
	[ -w "$base" ] || base=${TMPDIR:-/tmp}
fi
dir=$(mktemp -d "$base/crash-walk.XXXXXX")
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/control"
control=1
if [ "${1:-}" = --no-control ]; then # a subject that cannot be careless
	control=0
	shift
fi
if [ "$control" = 1 ] && "$walk" --short --only control "$subject" "$dir/control" >/dev/null 2>&1; then
	echo "crash walk: a change without a journal was not noticed" >&2
	exit 1
fi
n=$(nproc) failed=0 pids=()
for ((i = 0; i < n; i++)); do
	mkdir "$dir/$i"
	"$walk" "$@" --part "$i/$n" "$subject" "$dir/$i" &
	pids+=($!)
done
for pid in "${pids[@]}"; do
	wait "$pid" || failed=1
done
exit "$failed"
