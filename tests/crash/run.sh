#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the crash walk with one process for each CPU. Each has a directory of its own, in memory if possible, because the
# walk creates and removes thousands of small trees.
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
if [ "${1:-}" = --no-control ]; then # the subject has no mode without a journal
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
