#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Measures the memory that a pod costs, and the memory of a VM that a workload can use: memory.sh PREFIX
#
# Writes the results to the file FIGURES.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=tests/integration/lib.sh
. tests/integration/lib.sh
# shellcheck source=tests/bench/figures.sh
. tests/bench/figures.sh
FIGURES=$(realpath "${FIGURES:?}")

# Starts a container of a pod with the annotations of containerd's CRI plugin.
member() { # ID ARGS-JSON [SANDBOX]
	local kind=sandbox
	[ -z "${3:-}" ] || kind=container
	lab_spec "$LAB/$1.json" "$2" ",\"annotations\":{\"io.kubernetes.cri.container-type\":\"$kind\",
		\"io.kubernetes.cri.sandbox-id\":\"${3:-$1}\"}"
	lab_ctr run -d --runtime "$RUNTIME" --config "$LAB/$1.json" "$1"
}
in_member() { # ID COMMAND...
	local id=$1
	shift
	lab_ctr tasks exec --exec-id "e$RANDOM$RANDOM" "$id" "$@"
}

# Prints the memory of processes in KiB, as their PSS would be on a node where no other process runs their programs: private
# pages, and once the pages that several of the processes share. Mappings by other processes of this machine are ignored.
# KIND is "guest", the guest's memory; "code", code that TCG has translated; "kernel", the files that a VM boots from, of
# which a node has one copy for all pods; or "own", the rest.
pss() { # KIND PID...
	local kind=$1 pid
	shift
	for pid; do
		echo "exe $(readlink "/proc/$pid/exe")"
		cat "/proc/$pid/smaps"
	done | awk -v kind="$kind" '
		function most(what, kib) {
			if (kib > shared[what]) shared[what] = kib
		}
		$1 == "exe" { exe = $2 }
		/^[0-9a-f]+-[0-9a-f]+ / {
			at = "own"
			if ($2 ~ /^rwx/) at = "code"
			if (/memfd:memory-backend-memfd/) at = "guest"
			if (/\/share\/kata-containers\//) at = "kernel"
			split($1, range, "-")
			memory = exe " " range[1]
			file = $5 == 0 ? memory : $4 " " $5 " " $3
			if (at == "guest") memory = file
		}
		at != kind { next }
		/^Private_Dirty:/ { sum += $2 }
		/^Shared_Dirty:/ { most("dirty " memory, $2) }
		/^Private_Clean:/ { clean = $2 }
		/^Shared_Clean:/ { shared_clean = $2 }
		/^Referenced:/ { most("clean " file, clean + shared_clean) }
		END {
			for (what in shared) sum += shared[what]
			print sum + 0
		}'
}

lab_start "$1"
lab_image
pod=$(lab_id) one=$(lab_id) two=$(lab_id)
member "$pod" '["sleep","1000"]'
member "$one" '["sleep","1000"]' "$pod"
member "$two" '["sleep","1000"]' "$pod"
sleep 3 # idle
shim=$(pgrep -of "containerd-shim-kata-v2.*-id $pod")
shim+=" $(pgrep -P "$shim" kata-container | paste -sd ' ')"
vmm=$(pgrep -f "^[^ ]*qemu-system.*sandbox-$pod@")
daemon=$(pgrep -f "virtiofsd.*$pod" || true)
# shellcheck disable=SC2086 # a list: with the processes that stand for the containers
row "idle pod, two containers: shim PSS" "$(pss own $shim)" KiB 4096
row "idle pod: QEMU PSS" "$(pss own "$vmm")" KiB
# shellcheck disable=SC2086 # a list
row "idle pod: virtiofsd PSS" "$(pss own $daemon)" KiB
# shellcheck disable=SC2086
row "idle pod: all of them" "$(pss own $shim $vmm $daemon)" KiB 40960
# shellcheck disable=SC2086
row "idle pod: what the guest has touched" "$(pss guest $vmm $daemon)" KiB
row "idle pod: kernel and initrd, mapped by QEMU" "$(pss kernel "$vmm")" KiB
row "idle pod: code that TCG has translated" "$(pss code "$vmm")" KiB
for id in "$two" "$one" "$pod"; do
	lab_ctr tasks kill -s KILL "$id"
	lab_ctr tasks delete -f "$id" >/dev/null 2>&1 || true
	lab_ctr containers rm "$id"
done

# Finds the largest block that a single process can fill in a VM of 256 MiB.
id=$(lab_id)
lab_ctr run -d --runtime "$RUNTIME" "$IMAGE" "$id" sleep 1000
low=$((192 * 1024)) high=$((256 * 1024)) # KiB
while [ $((high - low)) -gt 128 ]; do
	kib=$(((low + high) / 2))
	if in_member "$id" dd if=/dev/zero of=/dev/null bs="${kib}k" count=1 2>/dev/null; then
		low=$kib
	else
		high=$kib
	fi
done
# shellcheck disable=SC2016 # awk's
total=$(in_member "$id" awk '/^MemTotal/ { print $2 }' /proc/meminfo)
row "a 256 MiB guest's kernel leaves, of 256 MiB" "$(ratio "$total" 262144)" x
# The same with an image as root, whose blocks the guest can drop from memory.
# shellcheck disable=SC2016 # awk's
left=$(in_member "$id" awk '/^MemAvailable/ { print $2 }' /proc/meminfo)
mkdir -p "$LAB/conf/config.d"
cp "$1/share/defaults/kata-containers/configuration.toml" "$LAB/conf/"
printf '[hypervisor.qemu]\ninitrd = ""\nimage = "share/kata-containers/kata-containers.img"\n' >"$LAB/conf/config.d/image.toml"
# shellcheck disable=SC2016 # awk's
on_image=$(lab_ctr run --rm --runtime "$RUNTIME" --annotation "io.katacontainers.config_path=$LAB/conf/configuration.toml" \
	"$IMAGE" "$(lab_id)" awk '/^MemAvailable/ { print $2 }' /proc/meminfo)
row "a 256 MiB guest has free, its root an initrd" "$left" KiB
row "a 256 MiB guest has free, its root an image" "$on_image" KiB
row "a workload can have, of a 256 MiB guest" "$low" KiB
row "the same, of 256 MiB" "$(awk -v l="$low" 'BEGIN { printf "%.3f", l / 262144 }')" x 0.85 least
lab_ctr tasks kill -s KILL "$id"
lab_ctr tasks delete -f "$id" >/dev/null 2>&1 || true
lab_ctr containers rm "$id"
