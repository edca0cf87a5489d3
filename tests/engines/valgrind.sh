#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs unit tests, and our programs that they start, under valgrind, inside enter.sh: valgrind.sh PIDFD.SO PROGRAM...
#
# Any report of valgrind is a failure; reports are printed at the end, by process. KATA_TREE is the path of this tree
# outside, which is compiled into some tests.
set -eu
cd "$(dirname "$0")/../.."
mkdir -p "$(dirname "$KATA_TREE")"
ln -sfn /src "$KATA_TREE"
pidfd=$(realpath "$1") # of pidfd.c
shift
said=/opt/valgrind # no test mounts anything over this directory
mkdir "$said"
chmod 1777 "$said"
UNDER="env LD_PRELOAD=$pidfd valgrind --quiet --vgdb=no --error-exitcode=99 --log-file=$said/%p --num-callers=24"
UNDER+=" --suppressions=$PWD/tests/engines/valgrind.supp --trace-children=yes --trace-children-skip=/usr/*,/bin/*,/sbin/*"
UNDER+=" --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --track-fds=bad"
export UNDER UNIT_TIMEOUT=3600 CK_TIMEOUT_MULTIPLIER=10 CK_FORK=${KATA_CK_FORK:-yes}
status=0
tests/unit/run.sh "$@" || status=1
# Ignore valgrind's messages about system calls that it does not know.
find "$said" -type f -exec sed -i '/^--[0-9]*-- /d' {} +
find "$said" -type f -size +0 | while read -r f; do
	sed "s/^/    ${f##*/}: /" "$f"
done
[ -z "$(find "$said" -type f -size +0)" ] || status=1
exit "$status"
