# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154 # deploy is theirs
#
# An installation below a temporary directory, for measurements of the installer. Needs figures.sh and $deploy.
#
#	bench_begin [KEY]		sets LAB, common and offered; EXIT cleans up; default: LAB/key.pub
#	bench_serve DIR			by HTTP on loopback, as $url
#	install RELEASE [OPTION...]	uninstall
#	peer RELEASE-DIRECTORY		what unpacking costs anybody: to $LAB/peer, nothing verified
#	cold_installs NAME RELEASE-DIRECTORY URL RUNS
#					one beside the other, with the bar
#	stops				pids that end with it

# shellcheck source=tests/integration/wait.sh
. "$(dirname "${BASH_SOURCE[0]}")/../integration/wait.sh"

LAB='' stops=''

bench_begin() { # [KEY]
	LAB=$(mktemp -d /tmp/kata-bench-XXXXXX)
	trap bench_end EXIT
	common=(--prefix "$LAB/opt" --lock "$LAB/lock" --trust-memory "$LAB/memory")
	offered=(--key "${1:-$LAB/key.pub}" --cache "$LAB/cache" --trust-dir "$LAB/none" --cri none)
}
bench_end() {
	# shellcheck disable=SC2086
	[ -z "$stops" ] || kill $stops 2>/dev/null
	! mountpoint -q "$LAB/disk" || umount -l "$LAB/disk"
	rm -rf "$LAB"
}

bench_serve() { # DIR
	local server
	busybox httpd -f -p 127.0.0.1:0 -h "$1" >/dev/null 2>&1 &
	server=$!
	stops="$stops $server"
	# shellcheck disable=SC2034
	url=http://127.0.0.1:$(port_of "$server")
}

install() { # RELEASE [OPTION...]
	local from=$1
	shift
	"$deploy" install --release "$from" "${offered[@]}" "${common[@]}" --no-proof --yes --quiet "$@"
}
uninstall() { "$deploy" uninstall "${common[@]}" --forget-trust --force --yes --quiet; }
peer() { # RELEASE-DIRECTORY
	local blob
	mkdir -p "$LAB/peer"
	for blob in "$1"/blobs/*; do zstd -dcq "$blob" | tar -C "$LAB/peer" -xf -; done
	sync -f "$LAB/peer"
}

cold_installs() { # NAME RELEASE-DIRECTORY URL RUNS
	local p o
	rm -f "$LAB"/{ours,peers,shares}
	for _ in $(seq "$4"); do # interleaved: the machine's speed drifts
		p=$(ms peer "$2")
		rm -rf "$LAB/peer"
		o=$(ms install "$3")
		uninstall
		echo "$p" >>"$LAB/peers"
		echo "$o" >>"$LAB/ours"
		ratio "$o" "$p" >>"$LAB/shares"
	done
	row "zstd -d | tar x, one syncfs, $1" "$(median <"$LAB/peers")" ms
	row "install over HTTP, two digests verified, $1" "$(median <"$LAB/ours")" ms
	row "install / (zstd | tar), each time, $1" "$(median <"$LAB/shares")" x 1.25
}
