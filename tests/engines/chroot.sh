#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes a root directory of a Debian suite, if it does not exist yet, and prints its path: chroot.sh [SET]
#
#	engines			sid, with containerd, Docker, QEMU, virtiofsd, valgrind and the tests' tools
#	engines-trixie		the same of trixie: QEMU 10, containerd 1.7
#	bookworm, trixie, sid	a node with that suite's containerd, in sid also Docker, and no QEMU
#	sbom			Go and SPDX's own library in Go, for tests/sbom
#	small			nothing but busybox, and sid's containerd with the libraries that it needs
#
# It is kept outside the tree, below ENGINES_CACHE (~/.cache/kata/engines; nodes: ~/.cache/kata/nodes), under a name
# made from its suite and packages. Delete the directory to get newer packages. They come from the archive that this
# machine's apt uses.
set -euo pipefail

set=${1:-engines}
suite=$set kind=nodes
node=(containerd runc busybox-static ca-certificates)
case $set in
engines | engines-trixie)
	suite=sid kind=engines
	[ "$set" = engines ] || suite=${set#*-}
	packages=(
		# engines
		containerd containernetworking-plugins docker.io docker-cli runc crun qemu-system-x86 virtiofsd
		# shared libraries of our programs
		libarchive13t64 libcap2 libcurl4t64 libjansson4 libprotobuf-c1 libseccomp2 libssl3t64 libyaml-0-2
		libzstd1
		# programs that the tests call
		busybox-static ca-certificates coreutils e2fsprogs erofs-utils gawk gcc iproute2 iptables jq kmod
		minisign mount nghttp2-server openssl procps psmisc strace tini util-linux xfsprogs xz-utils zstd
		# the unit tests
		libc6-dbg libsubunit0 valgrind
	)
	;;
bookworm | trixie) packages=("${node[@]}") ;;
sid) packages=("${node[@]}" docker.io docker-cli) ;;
sbom) suite=trixie packages=(golang-go golang-github-spdx-tools-golang-dev ca-certificates) ;;
small) suite=sid packages=("busybox and the containerd of" "${node[@]}") ;;
*)
	echo "engines: there is no set $set" >&2
	exit 2
	;;
esac

cache=${ENGINES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kata/$kind}
digest=$(printf '%s\n' "$suite" "${packages[@]}" | sha256sum | cut -c1-12)
root=$cache/$set-$digest
log=$cache/$set.log
[ "$kind" = nodes ] || root=$cache/$suite-$digest

fail() {
	echo "engines: $*" >&2
	exit 1
}

# Prints the URI of the archive that this machine's packages come from.
mirror() {
	# shellcheck disable=SC2016 # the dollar signs are apt's
	apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' 'Created-By: Packages' |
		awk '$2 == "Debian" && $3 == "Debian" { print $1; exit }'
}

make_root() { # DIR
	local uri
	[ "$(id -u)" = 0 ] || fail "run as root to make $root"
	command -v debootstrap >/dev/null || {
		apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy --no-install-recommends install debootstrap
	} >"$log" 2>&1 || fail "debootstrap cannot be installed, see $log"
	uri=$(mirror)
	[ -n "$uri" ] || fail "apt has no index of Debian's packages; run apt-get update"
	echo "engines: making $root (minutes, up to 1 GiB), log: $log" >&2
	debootstrap --variant=minbase "$suite" "$1" "$uri" >"$log" 2>&1 || fail "debootstrap failed, see $log"
	# Packages must not start their services.
	printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
	chmod 0755 "$1/usr/sbin/policy-rc.d"
	DEBIAN_FRONTEND=noninteractive chroot "$1" apt-get -qy --no-install-recommends install \
		"${packages[@]}" >>"$log" 2>&1 || fail "packages cannot be installed, see $log"
	chroot "$1" apt-get clean
}

# A minimal node: no package manager, no shell except busybox's.
make_small() { # DIR
	local from program programs library
	from=$("$0" sid)
	mkdir -p "$1"/{bin,dev,etc/containerd,mnt,opt,proc,root,run,sys,tmp,usr/bin,var/lib}
	cp "$from/usr/bin/busybox" "$1/bin/busybox"
	for program in $("$1/bin/busybox" --list); do
		[ "$program" = busybox ] || ln -s busybox "$1/bin/$program"
	done
	programs=(/usr/bin/containerd /usr/bin/containerd-shim-runc-v2 /usr/bin/ctr /usr/sbin/runc)
	for program in "${programs[@]}"; do
		cp "$from$program" "$1/usr/bin/"
	done
	chroot "$from" ldd "${programs[@]}" | grep -o '/[^ :]*' | grep '\.so' | sort -u | while read -r library; do
		install -D "$from$library" "$1$library"
	done
	printf 'root:x:0:0::/root:/bin/sh\n' >"$1/etc/passwd"
	printf 'version = 3\n' >"$1/etc/containerd/config.toml"
}

mkdir -p "$cache"
exec 9>"$cache/$set.lock"
flock 9
if [ ! -e "$root/.complete" ]; then
	rm -rf --one-file-system "$root" "$root.new"
	if [ "$set" = small ]; then make_small "$root.new"; else make_root "$root.new"; fi >&2
	[ "$kind" = nodes ] || mkdir -p "$root.new/src"
	touch "$root.new/.complete"
	mv "$root.new" "$root"
fi
echo "$root"
