#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Measures the installer, beside peers in the same run: deploy.sh KATA-DEPLOY DEAF [MIB [RUNS]]
# Writes medians to the file FIGURES.
#
# The release is made of real programs and libraries of this machine, since zeros and random bytes do not compress like
# programs.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=tests/bench/figures.sh
. tests/bench/figures.sh
# shellcheck source=tests/bench/deploy-lib.sh
. tests/bench/deploy-lib.sh
deploy=$(realpath "$1") deaf=$(realpath "$2") mib=${3:-300} runs=${4:-5}
FIGURES=$(realpath "${FIGURES:?}")

bench_begin "" # the key is generated below

# --- the release: half of it programs, in four components

collect() {
	local have=0 want=$((mib << 20)) n=0 file size
	mkdir -p "$LAB/tree/bin" "$LAB/tree/lib/a" "$LAB/tree/lib/b" "$LAB/tree/lib/c"
	while [ "$have" -lt "$want" ] && read -r size file; do
		case $((n % 4)) in
		0) to=bin ;;
		1) to=lib/a ;;
		2) to=lib/b ;;
		*) to=lib/c ;;
		esac
		cp -L "$file" "$LAB/tree/$to/f$n-$(basename "$file" | tr -c 'A-Za-z0-9._\n-' _)"
		n=$((n + 1)) have=$((have + size))
	done < <(find -L /usr/lib/x86_64-linux-gnu /usr/bin /usr/lib/llvm* -xdev -maxdepth 3 -type f \
		-size +64k -size -40M -printf '%s %i %p\n' 2>/dev/null | sort -k2,2n -u |
		sort -k1,1nr | awk '{ print $1, $3 }')
	[ "$have" -ge "$want" ] || echo "  only $((have >> 20)) MiB were found" >&2
}
collect
cat >"$LAB/components.yaml" <<-EOF2
	components:
	  - {name: programs, text: programs, required: true, paths: [bin]}
	  - {name: a, text: libraries, required: true, paths: [lib/a]}
	  - {name: b, text: libraries, required: true, paths: [lib/b]}
	  - {name: c, text: libraries, required: true, paths: [lib/c]}
	copies: []
EOF2
release() { # NAME VERSION [OLD]
	"$deploy" release build --tree "$LAB/tree" --out "$LAB/$1" --components "$LAB/components.yaml" \
		--version "$2" --serial "${2%%.*}" --created 1700000000 \
		--expires 2099-01-01T00:00:00Z --channel-expires 2099-01-01T00:00:00Z --level 3 \
		${3:+--old "$LAB/$3"} >/dev/null
	"$deploy" release sign --key "$LAB/key.key" "$LAB/$1" >/dev/null
}
"$deploy" keys generate --no-passphrase "$LAB/key" >/dev/null
release one 1.0.0
# One of the many files gets changes in several places, like a rebuilt program.
changed=$(find "$LAB/tree/bin" -type f -printf '%s %p\n' | sort -n | tail -n 1 | cut -d' ' -f2)
printf 'rebuilt' | dd of="$changed" bs=1 seek=4096 conv=notrunc status=none
for at in 100000 200000 300000; do
	printf '%s' "$at" | dd of="$changed" bs=1 seek=$at conv=notrunc status=none
done
release two 2.0.0 one

bench_serve "$LAB"

# --- install, compared with unpacking without verification

cold_installs "$mib MiB" "$LAB/one" "$url/one/" "$runs"
install "$url/one/" --timings 2>"$LAB/timings"
sed -n 's/^/    /p' "$LAB/timings"
row "peak memory of the installer" "$(sed -n 's/^ *\([0-9]*\) KiB peak memory.*/\1/p' "$LAB/timings")" KiB 32768
row "peak memory of its largest child" "$(sed -n 's/.*, \([0-9]*\) KiB of the largest.*/\1/p' "$LAB/timings")" KiB 32768

# --- with two mirrors, one of which drops all packets, and with two that work

"$deaf" >"$LAB/port" &
stops="$stops $!"
until [ -s "$LAB/port" ]; do sleep 0.05; done
dropped=http://127.0.0.1:$(cat "$LAB/port")
uninstall
rm -f "$LAB"/{plan,plans,set,sets}
plan_of_two() {
	"$deploy" plan --release "$1/one/" --release "$url/one/" "${offered[@]}" "${common[@]}" 2>/dev/null
}
install_of_two() { install "$1/one/" --release "$url/one/" 2>/dev/null; }
for _ in $(seq "$runs"); do
	a=$(ms plan_of_two "$url")
	b=$(ms plan_of_two "$dropped")
	awk -v a="$a" -v b="$b" 'BEGIN { printf "%.1f\n", b - a }' >>"$LAB/plans"
	a=$(ms install_of_two "$url")
	uninstall
	b=$(ms install_of_two "$dropped")
	uninstall
	awk -v a="$a" -v b="$b" 'BEGIN { printf "%.1f\n", b - a }' >>"$LAB/sets"
done
row "a dead mirror of two adds to plan" "$(median <"$LAB/plans")" ms 1000
row "a dead mirror of two adds to install" "$(median <"$LAB/sets")" ms 1000
install "$url/one/"

# --- nothing to do, verify, upgrade, rollback

rm -f "$LAB"/{nothing,verify,openssl}
find "$LAB/opt/store" -type f >"$LAB/files"
for _ in $(seq "$runs"); do
	ms install "$url/one/" >>"$LAB/nothing"
	ms "$deploy" verify "${common[@]}" --quiet >>"$LAB/verify"
	ms xargs -a "$LAB/files" openssl dgst -sha256 >>"$LAB/openssl"
done
v=$(median <"$LAB/verify") s=$(median <"$LAB/openssl")
row "nothing to do" "$(median <"$LAB/nothing")" ms 50
row "openssl dgst -sha256 on the same files" "$s" ms
row "verify" "$v" ms
row "speed of verify / openssl" "$(ratio "$s" "$v")" x 0.8 least

used() { du -sk "$LAB/opt" | cut -f1; }
before=$(used)
result=$(install "$url/two/" --json)
after=$(used)
size=$(stat -c %s "$changed")
blob=$(zstd -qc "$changed" | wc -c)
received=$(sed -n 's/.*"received": \([0-9]*\).*/\1/p' <<<"$result")
row "upgrade of one file: downloaded" "${received:?}" B
row "upgrade of one file: downloaded / compressed" "$(ratio "$received" "$blob")" x 0.6
row "upgrade of one file: disk grows / its size" "$(ratio $(((after - before) * 1024)) "$size")" x 1.10
rm -f "$LAB/rollback"
for _ in $(seq "$runs"); do
	ms "$deploy" rollback "${common[@]}" --yes --quiet >>"$LAB/rollback"
done
row "rollback" "$(median <"$LAB/rollback")" ms 100
uninstall

# --- with few file descriptors

few() { (ulimit -n 32 && install "$url/one/"); }
rm -f "$LAB/few"
for _ in $(seq "$runs"); do
	a=$(ms install "$url/one/")
	uninstall
	b=$(ms few)
	uninstall
	ratio "$b" "$a" >>"$LAB/few"
done
row "install with ulimit -n 32 / without a limit" "$(median <"$LAB/few")" x 1.25

# --- uninstall on a full disk

mkdir "$LAB/disk"
if mount -t tmpfs -o "size=$((2 * mib))m" none "$LAB/disk" 2>/dev/null; then
	full=(--prefix "$LAB/disk/opt" --lock "$LAB/lock")
	rm -f "$LAB/full"
	for _ in $(seq "$runs"); do
		"$deploy" install --release "$LAB/one" "${offered[@]}" "${full[@]}" --no-proof --yes --quiet
		cat /dev/zero >"$LAB/disk/filler" 2>/dev/null || true
		[ "$(stat -f -c %a "$LAB/disk")" = 0 ]
		ms "$deploy" uninstall "${full[@]}" --yes --quiet >>"$LAB/full"
		rm "$LAB/disk/filler"
	done
	row "uninstall, 0 bytes free" "$(median <"$LAB/full")" ms
	umount "$LAB/disk"
fi

# --- a very large manifest

rm -rf "$LAB/tree" "$LAB/one" "$LAB/two"
mkdir -p "$LAB/tree"
awk -v dir="$LAB/tree" 'BEGIN {
	for (i = 0; i < 20000; i++) {
		if (i % 200 == 0) { d = sprintf("%s/lib/a/%03d", dir, i / 200); system("mkdir -p " d) }
		f = sprintf("%s/file-%05d", d, i); print i > f; close(f)
	}
}'
mkdir -p "$LAB/tree/bin" "$LAB/tree/lib/b" "$LAB/tree/lib/c"
for f in bin/x lib/b/x lib/c/x; do echo x >"$LAB/tree/$f"; done
release one 1.0.0
plan() {
	"$deploy" plan --release "$LAB/one" "${offered[@]}" "${common[@]}" --timings 2>"$LAB/timings" >/dev/null
}
row "plan of 20 000 files" "$(ms plan)" ms 2000
row "its peak memory" "$(sed -n 's/^ *\([0-9]*\) KiB peak memory.*/\1/p' "$LAB/timings")" KiB 65536
