#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs unit tests, and our programs that they start, under valgrind, inside enter.sh: valgrind.sh CALLS.SO PROGRAM...
#
# Any report of valgrind is a failure; reports are printed at the end, by process. They are written to a FIFO, because
# valgrind opens a file per process again after each fork, and the child may be in a container's root directory by then.
# KATA_TREE is the path of this tree outside, which is compiled into some tests.
set -eu
cd "$(dirname "$0")/../.."
mkdir -p "$(dirname "$KATA_TREE")"
ln -sfn /src "$KATA_TREE"
calls=$(realpath "$1") # of valgrind-calls.c
shift
said=/opt/valgrind # no test mounts anything over this directory
mkdir "$said"
mkfifo -m 0666 "$said/fifo"
exec 8<>"$said/fifo" # so that nobody who opens it waits
cat <&8 >"$said/all" 8>&- &
UNDER="env LD_PRELOAD=$calls valgrind --quiet --vgdb=no --error-exitcode=99 --log-file=$said/fifo --num-callers=24"
UNDER+=" --suppressions=$PWD/tests/engines/valgrind.supp --trace-children=yes --trace-children-skip=/usr/*,/bin/*,/sbin/*,/tmp/*"
UNDER+=" --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --track-fds=bad"
export UNDER UNIT_TIMEOUT=3600 CK_TIMEOUT_MULTIPLIER=10 CK_FORK=${KATA_CK_FORK:-yes}
status=0
tests/unit/run.sh "$@" || status=1
end="no more" # the reader has everything before this line
echo "$end" >&8
exec 8>&-
until tail -n 1 "$said/all" | grep -qx "$end"; do sleep 0.1; done
# Ignore valgrind's messages about system calls that it does not know, and about files whose symbols it cannot read in a
# container.
sed -i "/^--[0-9]*-- /d; /^==[0-9]*== warning: connection to image .* failed/d; /^$end\$/d" "$said/all"
[ ! -s "$said/all" ] || {
	sort --stable --field-separator== --key=3,3n "$said/all" | sed 's/^/    /'
	status=1
}
exit "$status"
