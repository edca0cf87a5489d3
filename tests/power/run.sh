#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Cuts the power of a node: run.sh STATIC-KATA-DEPLOY KERNEL MKINITRD [N]
#
# kata-deploy runs in a VM, on a disk with ext4 or xfs. QEMU is killed at a random moment, so data that the guest had not
# flushed is lost. After the next boot the node must be exactly as before the verb or exactly as after it, and the verb must
# succeed. SEED repeats a run, VERBS chooses verbs.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=tests/signed-release.sh
. tests/signed-release.sh
deploy=$(realpath "$1") kernel=$(realpath "$2") mkinitrd=$(realpath "$3") n=${4:-10}
SEED=${SEED:-$RANDOM}
RANDOM=$SEED

LAB=$(mktemp -d /tmp/kata-power-XXXXXX)
qemu=
finish() {
	[ -z "$qemu" ] || kill -9 "$qemu" 2>/dev/null || true
	rm -rf "$LAB"
}
trap finish EXIT
mkfifo "$LAB/silence"

# --- releases and the machine

mkdir -p "$LAB/tree/bin" "$LAB/tree/lib/d" "$LAB/tree/etc"
head -c 3000000 /dev/urandom >"$LAB/tree/bin/shim"
head -c 1500000 /dev/urandom >"$LAB/tree/lib/data"
for i in $(seq 40); do echo "file $i" >"$LAB/tree/lib/d/$i"; done
mkdir "$LAB/releases"
serial=0
for name in one two three; do
	serial=$((serial + 1))
	echo "value = $serial" >"$LAB/tree/etc/configuration.toml"
	head -c 200000 /dev/urandom >"$LAB/tree/bin/small"
	signed_release "$LAB/key" "$LAB/tree" "$LAB/releases/$name" "$serial.0.0" "$serial"
done
cp "$LAB/key.pub" "$LAB/releases/key.pub"
truncate -s 48M "$LAB/releases.img"
mkfs.ext4 -q -d "$LAB/releases" "$LAB/releases.img"
cat >"$LAB/manifest" <<-END
	dir  /bin     0755 0 0
	dir  /dev     0755 0 0
	file /bin/busybox 0755 0 0 /bin/busybox
	file /bin/kata-deploy 0755 0 0 $deploy
	file /init    0755 0 0 $PWD/tests/power/init.sh
	node /dev/console 0600 0 0 c 5 1
END
"$mkinitrd" -z none -o "$LAB/initrd" "$LAB/manifest"
accel=tcg
if [ "$(cat /run/vc/accelerator 2>/dev/null)" = kvm ]; then accel=kvm; fi

# Starts a machine; its console is fd 9.
machine() { # DISK WORDS
	exec 9< <(exec qemu-system-x86_64 -machine "q35,accel=$accel" -cpu max,erms=off,fsrm=off -m 256M -smp 1 -nodefaults \
		-display none -no-reboot -kernel "$kernel" -initrd "$LAB/initrd" \
		-append "console=ttyS0 quiet panic=-1 no_timer_check $2" -serial stdio \
		-drive "file=$1,if=virtio,format=raw,cache=writeback" \
		-drive "file=$LAB/releases.img,if=virtio,format=raw,readonly=on" <>"$LAB/silence" 2>"$LAB/qemu.log")
	qemu=$!
}
# Waits until the machine prints the word, or ends; its output is in $LAB/said.
until_says() { # WORD
	local line
	: >"$LAB/said"
	while IFS= read -t 600 -r line <&9; do
		line=${line%$'\r'}
		echo "$line" >>"$LAB/said"
		[ "$line" != "$1" ] || return 0
	done
	echo "the machine did not say $1; its last words:" >&2
	tail -n 5 "$LAB/said" >&2
	return 1
}
power_off() {
	kill -9 "$qemu" 2>/dev/null || true
	wait "$qemu" 2>/dev/null || true
	exec 9<&-
	qemu=
}
whole() { # DISK WORDS: runs a machine from its start to its end
	machine "$1" "$2"
	until_says END
	power_off
	! grep -q '^FAIL' "$LAB/said" || {
		cat "$LAB/said" >&2
		return 1
	}
}
said() { sed -n "s/^$1 //p" "$LAB/said"; } # WORD

# --- the states before and after each verb, and its duration

declare -A before after took
prepare() { # VERB FS
	local disk=$LAB/$1-$2.img words="verb=$1 fs=$2" begin
	truncate -s 320M "$disk"
	if [ "$2" = xfs ]; then mkfs.xfs -q "$disk"; else mkfs.ext4 -q "$disk"; fi
	whole "$disk" "task=prepare $words"
	before[$1-$2]=$(said DIGEST)
	cp --sparse=always "$disk" "$LAB/work.img"
	machine "$LAB/work.img" "task=run $words"
	until_says GO
	begin=$EPOCHREALTIME
	until_says DONE
	took[$1-$2]=$(awk -v b="$begin" -v e="$EPOCHREALTIME" 'BEGIN { print e - b }')
	power_off
	cp --sparse=always "$disk" "$LAB/work.img"
	whole "$LAB/work.img" "task=digest $words"
	after[$1-$2]=$(said DIGEST)
}

read -r -a verbs <<<"${VERBS:-install upgrade rollback uninstall gc}"
systems=(ext4)
if command -v mkfs.xfs >/dev/null; then
	systems+=(xfs)
else
	echo "skipped: xfs: there is no mkfs.xfs"
fi
passed=0 failed=0 old=0 new=0
for i in $(seq "$n"); do
	verb=${verbs[RANDOM % ${#verbs[@]}]} fs=${systems[i % ${#systems[@]}]}
	case=$verb-$fs words="verb=$verb fs=$fs"
	[ -n "${took[$case]:-}" ] || prepare "$verb" "$fs"
	cp --sparse=always "$LAB/$case.img" "$LAB/work.img"
	wait=$(awk -v t="${took[$case]}" -v r="$RANDOM" 'BEGIN { printf "%.3f", t * 1.1 * r / 32767 }')
	machine "$LAB/work.img" "task=run $words"
	until_says GO
	# The only wait for a time and not for an event: the power fails at a random moment.
	read -t "$wait" -r _ <>"$LAB/silence" || true
	power_off
	machine "$LAB/work.img" "task=check $words"
	ended=1
	until_says END || ended=
	power_off
	is=$(said DIGEST) again=$(said AGAIN)
	case $is in
	"") which="no state was printed" ;;
	"${before[$case]}") which=old old=$((old + 1)) ;;
	"${after[$case]}") which=new new=$((new + 1)) ;;
	*) which=NEITHER ;;
	esac
	[ "$again" != skipped ] || again=${after[$case]}
	if [ -z "$ended" ] || [ "$which" = NEITHER ] || [ "$again" != "${after[$case]}" ] ||
		grep -q '^FAIL' "$LAB/said"; then
		failed=$((failed + 1))
		echo "  FAIL  $verb on $fs, cut after $wait s of ${took[$case]}: $which"
		sed 's/^/        /' "$LAB/said" | tail -n 8
	else
		passed=$((passed + 1))
	fi
done
echo "power: $old times the old state, $new times the new one (SEED=$SEED)"
echo "power: $passed passed, $failed failed"
[ "$failed" = 0 ]
