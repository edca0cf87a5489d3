#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes, once, a root directory with the container engines of Debian's newest suite, and prints its path:
# chroot.sh
#
# It is kept outside of the tree, below ENGINES_CACHE (~/.cache/kata/engines), under a name made from
# what this file says. Delete that directory to get newer packages. Packages come from the archive that
# this machine's own apt is configured with.
set -euo pipefail

suite=sid
packages=(
	# engines
	containerd docker.io docker-cli runc crun qemu-system-x86 virtiofsd
	# libraries that the programs of a release are linked with
	libarchive13t64 libcap2 libcurl4t64 libjansson4 libprotobuf-c1 libseccomp2 libssl3t64 libyaml-0-2
	libzstd1
	# what the tests call
	busybox-static ca-certificates coreutils gawk gcc iproute2 iptables jq kmod minisign mount openssl
	procps psmisc strace tini util-linux xz-utils zstd
)

cache=${ENGINES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kata/engines}
digest=$(printf '%s\n' "$suite" "${packages[@]}" | sha256sum | cut -c1-12)
root=$cache/$suite-$digest

fail() {
	echo "engines: $*" >&2
	exit 1
}

# The archive that serves this machine's own packages.
mirror() {
	# shellcheck disable=SC2016 # the dollar signs are apt's
	apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' 'Created-By: Packages' |
		awk '$2 == "Debian" && $3 == "Debian" { print $1; exit }'
}

make_root() { # DIR
	local uri log=$cache/$suite.log
	[ "$(id -u)" = 0 ] || fail "run as root to make $root"
	command -v debootstrap >/dev/null || {
		apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy --no-install-recommends install debootstrap
	} >"$log" 2>&1 || fail "debootstrap cannot be installed, see $log"
	uri=$(mirror)
	[ -n "$uri" ] || fail "apt has no index of Debian's packages; run apt-get update"
	echo "engines: making $root (minutes, about 1 GiB), log: $log" >&2
	debootstrap --variant=minbase "$suite" "$1" "$uri" >"$log" 2>&1 || fail "debootstrap failed, see $log"
	# No service is to be started by its package.
	printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
	chmod 0755 "$1/usr/sbin/policy-rc.d"
	DEBIAN_FRONTEND=noninteractive chroot "$1" apt-get -qy --no-install-recommends install \
		"${packages[@]}" >>"$log" 2>&1 || fail "packages cannot be installed, see $log"
	chroot "$1" apt-get clean
}

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [ ! -e "$root/.complete" ]; then
	rm -rf "$root" "$root.new"
	make_root "$root.new" >&2
	mkdir -p "$root.new/src"
	touch "$root.new/.complete"
	mv "$root.new" "$root"
fi
echo "$root"
