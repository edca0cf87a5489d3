#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Measures the network of a pod, compared with a bare QEMU on a tap: network.sh PREFIX TOOLS [RUNS]
#
# Both have the same kernel, one processor, shareable memory, a virtio card and the same program. The other end is in a
# network namespace that represents the node: it has the bare machine's tap, and a veth to the pod's interface. The two
# are measured in turn and compared in one row, since only measurements of the same time are comparable. Writes the results
# to the file FIGURES.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=tests/integration/lib.sh
. tests/integration/lib.sh
# shellcheck source=tests/bench/machines.sh
. tests/bench/machines.sh
# shellcheck source=tests/bench/figures.sh
. tests/bench/figures.sh
prefix=$(realpath "$1") TOOLS=$(realpath "$2") runs=${3:-7}
FIGURES=$(realpath "${FIGURES:?}")
mib=64 rounds=2000
node=bench-node-$$ ns=bench-pod-$$

lab_start "$prefix"
lab_image
cp "$TOOLS/talk" "$LAB/image/bin/talk"

bare='' pods=()
network_stop() {
	apart
	local status=$? id
	[ -z "$bare" ] || apart || true
	for id in "${pods[@]}"; do
		lab_ctr tasks kill -s KILL "$id" >/dev/null 2>&1 || true
		lab_ctr tasks delete -f "$id" >/dev/null 2>&1 || true
		lab_ctr containers rm "$id" >/dev/null 2>&1 || true
	done
	[ -z "$bare" ] || { kill "$bare" && wait "$bare"; } 2>/dev/null || true
	ip netns del "$ns" 2>/dev/null || true
	ip netns del "$node" 2>/dev/null || true
	(exit "$status") || true
	lab_stop
}
trap network_stop EXIT

ip netns add "$node"
ip netns add "$ns"
ip -n "$node" link set lo up
ip -n "$node" tuntap add tap0 mode tap vnet_hdr
ip -n "$node" addr add 10.88.1.1/24 dev tap0
ip -n "$node" link set tap0 up
ip -n "$node" link add veth0 type veth peer name eth0 netns "$ns"
ip -n "$node" addr add 10.88.2.1/24 dev veth0
ip -n "$node" link set veth0 up
ip -n "$ns" addr add 10.88.2.2/24 dev eth0
ip -n "$ns" link set eth0 up

# The first container finds out which accelerator works.
lab_ctr run --rm --runtime "$RUNTIME" "$IMAGE" "$(lab_id)" true
accelerator=$(cat /run/vc/accelerator)
cpu=host words=quiet
[ "$accelerator" = kvm ] || {
	cpu=max,erms=off,fsrm=off
	words="quiet norandmaps no_timer_check"
}

# The bare machine: the same QEMU and kernel, and one program.
small_initrd "$LAB/talk.img" "/bin/busybox ip link set lo up
/bin/busybox ip addr add 10.88.1.2/24 dev eth0
/bin/busybox ip link set eth0 up
exec /bin/talk serve :: 7000" "$TOOLS/talk"
nsenter --net="/run/netns/$node" "$LAB_PREFIX/bin/qemu-system-x86_64" -name bare,debug-threads=on \
	-machine "q35,accel=$accelerator,memory-backend=ram" -cpu "$cpu" -m 256M -smp 1 \
	-object memory-backend-memfd,id=ram,size=256M,share=on -nodefaults -display none -no-reboot -kernel "$prefix/share/kata-containers/vmlinux.container" \
	-initrd "$LAB/talk.img" -append "$words panic=-1 noreplace-smp lapic_timer_hz=1000000000 net.ifnames=0" \
	-netdev tap,id=net0,ifname=tap0,script=no,downscript=no -device virtio-net-pci,netdev=net0,romfile= \
	</dev/null >"$LAB/bare.log" 2>&1 &
bare=$!

start() { # MODEL: starts the pod with that internetworking_model
	local id
	id=$(lab_id)
	lab_spec "$LAB/$id.json" '["talk","serve","::","7000"]' ",\"annotations\":{
		\"io.katacontainers.config.runtime.internetworking_model\":\"$1\"}"
	sed -i "s|{\"type\":\"network\"}|{\"type\":\"network\",\"path\":\"/run/netns/$ns\"}|" "$LAB/$id.json"
	lab_ctr run -d --runtime "$RUNTIME" --config "$LAB/$id.json" "$id"
	pods=("$id")
}

stop() {
	lab_ctr tasks kill -s KILL "${pods[0]}" >/dev/null
	lab_ctr tasks delete -f "${pods[0]}" >/dev/null 2>&1 || true
	lab_ctr containers rm "${pods[0]}"
	pods=()
}

# group_of PID/TID: prints its control group for processor time
group_of() {
	awk -F : '$2 ~ /(^|,)cpu(,|$)/ { print "/sys/fs/cgroup/cpu" $3 }' "/proc/${1%/*}/task/${1#*/}/cgroup"
}

# Puts the bare machine's threads into groups like the pod's. Otherwise the scheduler of a busy host would be measured.
beside() {
	local vmm task group
	vmm=$(pgrep -f "^[^ ]*qemu-system.*sandbox-${pods[0]}@")
	for task in "/proc/$bare/task"/*; do
		task=${task##*/} group=
		case $(<"/proc/$bare/task/$task/comm") in
		CPU*) group=$(group_of "$vmm/$(grep -l '^CPU' "/proc/$vmm/task"/*/comm | sed 's|/comm$||; s|.*/||')") ;;
		*) group=$(group_of "$vmm/$vmm") ;;
		esac
		[ ! -e "$group/tasks" ] || echo "$task" >"$group/tasks"
	done
}

apart() {
	[ ! -e /sys/fs/cgroup/cpu/cgroup.procs ] || echo "$bare" >/sys/fs/cgroup/cpu/cgroup.procs
}

from_node() { nsenter --net="/run/netns/$node" "$TOOLS/talk" "$@"; }

reached() { # ADDRESS
	for _ in $(seq 600); do
		from_node rtt "$1" 7000 1 >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	echo "no answer from $1" >&2
	return 1
}

declare -A got address=([bare]=10.88.1.2 [kata]=10.88.2.2)
reached "${address[bare]}"
for model in tcfilter macvtap; do
	start "$model"
	reached "${address[kata]}"
	beside
	rm -f "$LAB"/{bare,kata,part}-*
	for run in $(seq "$runs"); do # in turn, alternating which one is first
		for what in send fetch rtt; do
			amount=$mib
			[ "$what" != rtt ] || amount=$rounds
			order=(bare kata)
			[ $((run % 2)) = 0 ] || order=(kata bare)
			for who in "${order[@]}"; do
				figure=$(from_node "$what" "${address[$who]}" 7000 "$amount")
				echo "$figure" >>"$LAB/$who-$what"
				got[$who]=$figure
			done
			if [ "$what" = rtt ]; then ratio "${got[bare]}" "${got[kata]}"; else ratio "${got[kata]}" "${got[bare]}"; fi >>"$LAB/part-$what"
		done
	done
	for what in send fetch; do
		way="to a pod"
		[ "$what" = send ] || way="from a pod"
		row "network $way, $model" "$(median <"$LAB/kata-$what")" MiBs
		row "the same of a bare QEMU on a tap" "$(median <"$LAB/bare-$what")" MiBs
		row "network $way, $model / bare, each time" "$(median <"$LAB/part-$what")" x 0.7 least
	done
	row "round trip to a pod, $model" "$(median <"$LAB/kata-rtt")" us
	row "the same of a bare QEMU on a tap" "$(median <"$LAB/bare-rtt")" us
	row "round trip, bare / $model, each time" "$(median <"$LAB/part-rtt")" x 0.7 least
	apart # a group with the bare machine's threads could not be removed
	stop
done
