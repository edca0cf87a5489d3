#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs unit tests under valgrind, inside of enter.sh: valgrind.sh PIDFD.SO PROGRAM...
#
# With them run our programs that they start. What valgrind says is printed in the end, by process, and is
# a failure. KATA_TREE is the place of this tree outside: some tests have it compiled in.
set -eu
cd "$(dirname "$0")/../.."
mkdir -p "$(dirname "$KATA_TREE")"
ln -sfn /src "$KATA_TREE"
pidfd=$(realpath "$1") # of pidfd.c
shift
said=/opt/valgrind # no test mounts anything there
mkdir "$said"
chmod 1777 "$said"
UNDER="env LD_PRELOAD=$pidfd valgrind --quiet --vgdb=no --error-exitcode=99 --log-file=$said/%p --num-callers=24"
UNDER+=" --suppressions=$PWD/tests/engines/valgrind.supp --trace-children=yes --trace-children-skip=/usr/*,/bin/*,/sbin/*"
UNDER+=" --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --track-fds=bad"
export UNDER UNIT_TIMEOUT=3600 CK_TIMEOUT_MULTIPLIER=10 CK_FORK=${KATA_CK_FORK:-yes}
status=0
tests/unit/run.sh "$@" || status=1
# What it says of itself, of system calls that it does not know, is not of interest.
find "$said" -type f -exec sed -i '/^--[0-9]*-- /d' {} +
find "$said" -type f -size +0 | while read -r f; do
	sed "s/^/    ${f##*/}: /" "$f"
done
[ -z "$(find "$said" -type f -size +0)" ] || status=1
exit "$status"
