#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Measures pods over the CRI, beside runc and a minimal boot in the same run: cri.sh PREFIX FLOOR [RUNS]
#
# Writes medians to the file FIGURES.
set -eu
# shellcheck source=tests/cri/lib.sh
. "$(dirname "$0")/../cri/lib.sh"
lab_apart "$0" "$@"
prefix=$(realpath "$1") TOOLS=$(realpath "$(dirname "$2")") runs=${3:-7}
FIGURES=$(realpath "${FIGURES:?}")
cd "$(dirname "$0")/../.."
# shellcheck source=tests/bench/figures.sh
. tests/bench/figures.sh
cores=$(nproc)

# shellcheck disable=SC2034 # for cri_now
TEST_GROUP=
exec </dev/null
trap 'exit 130' INT TERM
cri_start "$prefix" || exit
HANDLER=kata
p=$(pod settles) # the first pod finds out which accelerator works
pod_gone "$p"
accelerator=$(cat /run/vc/accelerator)
# It finds QEMU, kernel and initrd relative to itself, like the runtime.
cp "$TOOLS/floor" "$LAB_PREFIX/bin/floor"

floor() { "$LAB_PREFIX/bin/floor" "$prefix/share/defaults/kata-containers/configuration.toml" "$accelerator" 1; }
seconds_of_floor() { # of processor time
	local TIMEFORMAT='%U %S'
	{ time floor >/dev/null; } 2>&1 | awk '{ print $1 + $2 }'
}

pod_with_container() { # NAME
	local pod
	pod=$(pod "$1")
	started "$pod" c1 'sleep 1000' >/dev/null
	echo "$pod" >"$LAB/pod"
}
of_handler() { # HANDLER COMMAND...
	local HANDLER=$1
	shift
	"$@"
}

rm -f "$LAB"/{floor,kata,runc,prices}
for i in $(seq "$runs"); do # interleaved: the machine's speed drifts
	f=$(floor)
	k=$(ms of_handler kata pod_with_container "k$i")
	pod_gone "$(<"$LAB/pod")"
	r=$(ms of_handler runc pod_with_container "r$i")
	pod_gone "$(<"$LAB/pod")"
	echo "$f" >>"$LAB/floor"
	echo "$k" >>"$LAB/kata"
	echo "$r" >>"$LAB/runc"
	ratio "$k" "$(awk -v a="$f" -v b="$r" 'BEGIN { print a + b }')" >>"$LAB/prices"
done
row "CRI: boot floor beside it" "$(median <"$LAB/floor")" ms
row "CRI: run pod to container running, runc" "$(median <"$LAB/runc")" ms
row "CRI: run pod to container running, kata" "$(median <"$LAB/kata")" ms
row "CRI: run pod, kata / (floor + runc), each time" "$(median <"$LAB/prices")" x 1.25

kata=$(of_handler kata pod kata)
runc=$(of_handler runc pod runc)
more_kata() { started "$kata" "c$1" 'sleep 1000'; }
more_runc() { started "$runc" "c$1" 'sleep 1000'; }
beside_runc "CRI: one more container" 1.5 "$runs" more_kata more_runc
for p in "$kata" "$runc"; do pod_gone "$p"; done

kata=$(of_handler kata pod kata)
runc=$(of_handler runc pod runc)
kata_c=$(started "$kata" c1 'sleep 1000') runc_c=$(started "$runc" c1 'sleep 1000')
exec_kata() { in_container "$kata_c" true; }
exec_runc() { in_container "$runc_c" true; }
beside_runc "CRI: exec sync" 1.5 $((runs * 3)) exec_kata exec_runc
for p in "$kata" "$runc"; do pod_gone "$p"; done

# Starts all at the same time; the time ends when the last one's container runs.
many=8
at_once() {
	local i list=()
	for i in $(seq "$many"); do
		(p=$(of_handler kata pod "m$1-$i") && started "$p" c1 'sleep 1000' >/dev/null && echo "$p" >>"$LAB/many") &
		list+=($!)
	done
	for i in "${list[@]}"; do wait "$i"; done
}
rm -f "$LAB"/{cpu,kata,prices}
for i in $(seq $(((runs + 1) / 2))); do
	c=$(seconds_of_floor)
	: >"$LAB/many"
	k=$(ms at_once "$i")
	while read -r p; do pod_gone "$p"; done <"$LAB/many"
	echo "$c" | awk '{ printf "%.1f\n", $1 * 1000 }' >>"$LAB/cpu"
	echo "$k" >>"$LAB/kata"
	awk -v k="$k" -v c="$c" -v n="$many" -v cores="$cores" \
		'BEGIN { printf "%.2f\n", k / (n * c * 1000 / cores) }' >>"$LAB/prices"
done
row "processor time of a boot floor" "$(median <"$LAB/cpu")" ms
row "CRI: $many pods at once, kata" "$(median <"$LAB/kata")" ms
row "CRI: $many pods at once / floors, each time" "$(median <"$LAB/prices")" x 1.3
