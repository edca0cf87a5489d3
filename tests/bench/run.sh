#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Measures the runtime, beside lower bounds and peers in the same run: run.sh PREFIX FLOOR [RUNS]
#
# Writes medians to the file FIGURES.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=tests/integration/lib.sh
. tests/integration/lib.sh
# shellcheck source=tests/bench/machines.sh
. tests/bench/machines.sh
# shellcheck source=tests/bench/figures.sh
. tests/bench/figures.sh
prefix=$1 runs=${3:-7}
FIGURES=$(realpath "${FIGURES:?}")
TOOLS=$(dirname "$2")

once() { lab_ctr run --rm --runtime "$1" "$IMAGE" "$(lab_id)" true; }

lab_start "$prefix"
lab_image
once "$RUNTIME" # the first container finds out which accelerator works
accelerator=$(cat /run/vc/accelerator)

# It finds QEMU, kernel and initrd relative to itself, like the runtime.
floor=$LAB_PREFIX/bin/floor
cp "$TOOLS/floor" "$floor"
# The same with Debian's QEMU.
sed 's|^path = .*|path = "/usr/bin/qemu-system-x86_64"|' "$prefix/share/defaults/kata-containers/configuration.toml" \
	>"$LAB/node.toml"

# With an image as root instead of the initrd. Paths without a leading slash are the release's.
sed -e 's|^initrd = .*|initrd = ""|' -e 's|^image = .*|image = "share/kata-containers/kata-containers.img"|' \
	"$prefix/share/defaults/kata-containers/configuration.toml" >"$LAB/image.toml"

debian=$(debian_kernel "${KATA_BENCH_CACHE:-$TOOLS/../bench}")
small_initrd "$LAB/hello.img" "echo $MARKER; exec /bin/busybox sleep 1000"
rm -f "$LAB"/{floor,kata,runc,debian,prices,boots,own,verity,verities}
for _ in $(seq "$runs"); do # interleaved: the machine's speed drifts
	f=$("$floor" "$prefix/share/defaults/kata-containers/configuration.toml" "$accelerator" 1)
	n=$("$floor" "$LAB/node.toml" "$accelerator" 1)
	i=$("$floor" "$LAB/image.toml" "$accelerator" 1)
	k=$(ms once "$RUNTIME")
	r=$(ms once io.containerd.runc.v2)
	d=$(debian_boot "$debian" "$LAB/hello.img" "$accelerator")
	echo "$f" >>"$LAB/floor"
	echo "$k" >>"$LAB/kata"
	echo "$r" >>"$LAB/runc"
	echo "$d" >>"$LAB/debian"
	ratio "$k" "$(awk -v a="$f" -v b="$r" 'BEGIN { print a + b }')" >>"$LAB/prices"
	ratio "$f" "$d" >>"$LAB/boots"
	ratio "$f" "$n" >>"$LAB/own"
	echo "$i" >>"$LAB/verity"
	ratio "$i" "$f" >>"$LAB/verities"
done
f=$(median <"$LAB/floor") k=$(median <"$LAB/kata") r=$(median <"$LAB/runc")
d=$(median <"$LAB/debian")
row "boot floor: exec of QEMU to first answer" "$f" ms
row "the same, the root an image (erofs, dm-verity)" "$(median <"$LAB/verity")" ms
row "image / initrd, each time" "$(median <"$LAB/verities")" x 1.15
row "start with the release's QEMU / with Debian's" "$(median <"$LAB/own")" x 1.0
row "Debian's kernel, to the first byte of PID 1" "$d" ms
row "floor / Debian's, each time" "$(median <"$LAB/boots")" x 0.35
row "ctr run --rm true, runc" "$r" ms
row "ctr run --rm true, kata" "$k" ms
row "kata / (floor + runc), each time" "$(median <"$LAB/prices")" x 1.25

mib=64
small_initrd "$LAB/raw.img" "/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox dd if=/dev/zero of=/dev/vport0p1 bs=256k count=$((mib * 4)) 2>/dev/null
exec /bin/busybox sleep 1000"
rm -f "$LAB"/{raw,stdio,portions}
for _ in $(seq "$runs"); do # in pairs, because only measurements of the same time are comparable
	w=$(raw_rate "$prefix/share/kata-containers/vmlinux.container" "$LAB/raw.img" "$accelerator" \
		"$mib")
	o=$(lab_ctr run --rm --runtime "$RUNTIME" "$IMAGE" "$(lab_id)" \
		dd if=/dev/zero bs=256k count=$((mib * 4)) 2>/dev/null | rate "$mib")
	echo "$w" >>"$LAB/raw"
	echo "$o" >>"$LAB/stdio"
	ratio "$o" "$w" >>"$LAB/portions"
done
row "transport alone, to the host" "$(median <"$LAB/raw")" MiBs
row "standard output of a container" "$(median <"$LAB/stdio")" MiBs
row "standard output / transport, each time" "$(median <"$LAB/portions")" x 0.5 least

kata=$(lab_id) runc=$(lab_id)
lab_ctr run -d --runtime "$RUNTIME" "$IMAGE" "$kata" sleep 1000
lab_ctr run -d --runtime io.containerd.runc.v2 "$IMAGE" "$runc" sleep 1000
exec_in() { lab_ctr tasks exec --exec-id "e$2" "$1" true; } # CONTAINER RUN
exec_kata() { exec_in "$kata" "$1"; }
exec_runc() { exec_in "$runc" "$1"; }
beside_runc "exec of true" 2 "$runs" exec_kata exec_runc

# Creation with a whole processor and with 1 % of one: the creation itself must not be slowed.
detached() { # ID CTR-ARGS...
	local id=$1
	shift
	lab_ctr run -d --runtime "$RUNTIME" "$@" "$IMAGE" "$id" sleep 1000
}
made_in() { # CTR-ARGS...: prints the milliseconds to the event of the container's creation
	local id begin said
	id=$(lab_id)
	begin=$EPOCHREALTIME
	detached "$id" "$@"
	until said=$(grep -F "$id" "$LAB/events" | grep -m 1 -F ' /tasks/create ' | cut -d ' ' -f 1,2) &&
		[ -n "$said" ]; do sleep 0.05; done
	awk -v b="$begin" -v e="$(date -u -d "$said" +%s.%N)" 'BEGIN { printf "%.1f\n", (e - b) * 1000 }'
	lab_ctr tasks delete -f "$id" >/dev/null 2>&1 || true
	lab_ctr containers rm "$id"
}
ctr --address "$LAB/containerd.sock" events >"$LAB/events" &
events=$!
rm -f "$LAB"/{free,slow,prices}
for _ in $(seq "$runs"); do
	f=$(made_in --cpu-quota 100000 --cpu-period 100000)
	s=$(made_in --cpu-quota 1000 --cpu-period 100000)
	echo "$f" >>"$LAB/free"
	echo "$s" >>"$LAB/slow"
	ratio "$s" "$f" >>"$LAB/prices"
done
kill "$events"
row "create, a whole processor" "$(median <"$LAB/free")" ms
row "create, 1 % of a processor" "$(median <"$LAB/slow")" ms
row "create, 1 % / a whole one, each time" "$(median <"$LAB/prices")" x 1.5

on_terminal() { # CONTAINER RUN
	"$TOOLS/pty" ctr --address "$LAB/containerd.sock" tasks exec -t --exec-id "t$2" "$1" \
		seq 100000 </dev/null
}
terminal_kata() { on_terminal "$kata" "$1"; }
terminal_runc() { on_terminal "$runc" "$1"; }
beside_runc "100 000 lines on a terminal" 5 "$runs" terminal_kata terminal_runc

# The share: a new container of each runtime in turn reads and writes the same files.
mkdir -p "$LAB"/files/small/{1..50}
head -c 64M /dev/urandom >"$LAB/files/large"
for dir in "$LAB"/files/small/*; do
	for i in $(seq 100); do echo "$dir $i" >"$dir/$i"; done
done
tar -C "$LAB/files/small" -cf "$LAB/files/tar" {1..10}
share_work=("read 64 MiB" "find 5000 files" "read 5000 files" "unpack 1000 files")
share_does=('cat /mnt/large' 'find /mnt/small -size -1000' 'find /mnt/small -type f -exec cat {} +'
	'tar -xf /mnt/tar -C /mnt/new')
share() { # RUNTIME: prints the milliseconds of each operation, one per line
	local begin i
	rm -rf "$LAB/files/new"
	mkdir "$LAB/files/new"
	# shellcheck disable=SC2016
	coproc lab_ctr run --rm --runtime "$1" \
		--mount "type=bind,src=$LAB/files,dst=/mnt,options=rbind:rw" "$IMAGE" "$(lab_id)" \
		sh -c 'echo; while read -r work; do eval "$work" >/dev/null; echo; done'
	local to=${COPROC[1]} from=${COPROC[0]} pid=$COPROC_PID
	read -r _ <&"$from"
	for i in "${!share_does[@]}"; do
		begin=$EPOCHREALTIME
		echo "${share_does[$i]}" >&"$to"
		read -r _ <&"$from"
		awk -v b="$begin" -v e="$EPOCHREALTIME" 'BEGIN { printf "%.1f\n", (e - b) * 1000 }'
	done
	exec {to}>&-
	wait "$pid"
}
share io.containerd.runc.v2 >/dev/null # puts the files into the host's page cache
rm -f "$LAB"/{kata,runc}
for _ in $(seq "$runs"); do
	share "$RUNTIME" | paste -s >>"$LAB/kata"
	share io.containerd.runc.v2 | paste -s >>"$LAB/runc"
done
for i in "${!share_work[@]}"; do
	k=$(cut -f $((i + 1)) "$LAB/kata" | median) r=$(cut -f $((i + 1)) "$LAB/runc" | median)
	row "${share_work[$i]}, runc" "$r" ms
	row "${share_work[$i]} on the default share" "$k" ms
	row "${share_work[$i]}, kata / runc" "$(ratio "$k" "$r")" x
done

memory() { # FIELD PID: KiB
	awk -v f="$1:" '$1 == f { print $2 }' "/proc/$2/smaps_rollup"
}
shim=$(pgrep -of "containerd-shim-kata-v2.*-id $kata")
vmm=$(pgrep -f "qemu-system.*sandbox-$kata")
shim_kib=$(memory Pss "$shim") vmm_kib=$(memory Pss "$vmm")
fs_kib=$(for p in $(pgrep -f "virtiofsd.*$kata"); do memory Pss "$p"; done | awk '{ s += $1 } END { print s }')
row "shim PSS, one container" "$shim_kib" KiB 4096
row "QEMU PSS, idle VM of 256 MiB" "$vmm_kib" KiB
row "virtiofsd PSS, idle VM of 256 MiB" "$fs_kib" KiB
row "footprint on the host, together" $((shim_kib + vmm_kib + fs_kib)) KiB

# In the guest's own /proc, bind-mounted into a container, PID 1 is the agent.
mkdir "$LAB/image/guest"
# shellcheck disable=SC2016 # the dollar is awk's
lab_spec "$LAB/rss.json" '["awk","/^VmRSS/ { print $2 }","/guest/1/status"]'
sed -i 's|"mounts":\[|&{"destination":"/guest","type":"bind","source":"/proc",\
	"options":["rbind","ro"]},|' "$LAB/rss.json"
row "agent RSS in the guest, one container" \
	"$(lab_ctr run --rm --runtime "$RUNTIME" --config "$LAB/rss.json" "$(lab_id)")" KiB 3072

size() { stat -c %s "$1"; }
row "shim, stripped" "$(size "$prefix/bin/containerd-shim-kata-v2")" B 1500000
strip -o "$LAB/agent" "$TOOLS/../bin/kata-agent"
row "agent, stripped" "$(size "$LAB/agent")" B 1500000
row "initrd" "$(size "$prefix/share/kata-containers/kata-containers-initrd.img")" B 4000000
row "kernel image" "$(size "$prefix/share/kata-containers/vmlinux.container")" B 16000000
row "QEMU" "$(size "$prefix/bin/qemu-system-x86_64")" B 12000000
for id in "$kata" "$runc"; do
	lab_ctr tasks kill -s KILL "$id"
	lab_ctr tasks delete -f "$id" >/dev/null 2>&1 || true
	lab_ctr containers rm "$id"
done
