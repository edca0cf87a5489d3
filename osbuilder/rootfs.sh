#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes a root image of a distribution, with systemd and the agent as its service:
#
#   osbuilder/rootfs.sh [OPTIONS] DISTRO
#
#   -o IMAGE    the image (default kata-containers-DISTRO.img); its root hash goes to IMAGE.verity
#   -a AGENT    the agent's program (default build/bin/kata-agent)
#   -p PACKAGE  an additional package; may be repeated
#   -f DIR      a directory whose files are copied over the root, owned by root; may be repeated. For guest hooks use
#               DIR/usr/share/oci/hooks/prestart/NAME, with guest_hook_path = "/usr/share/oci/hooks"
#   -t TYPE     erofs (default; compressed) or ext4
#   -r DIR      build the root in this directory, and keep it
#   -l          list the distributions
#   -h          print this text
#
# Environment, with the names of Kata Containers' osbuilder
#   OS_VERSION        the distribution's version (debian: bookworm)
#   EXTRA_PKGS        more packages
#   AGENT_INIT        yes: no systemd, the agent is PID 1
#   REPO_URL          the mirror (default: the distribution's own)
#   SOURCE_DATE_EPOCH times of files (default 0); the same packages make the same image
#   MKROOT            the program mkroot (default build/tools/mkroot)
#
# Needs root, for the owners of files, and mmdebstrap, but no loop device. The image has no kernel modules, because
# our kernel has none.
set -euo pipefail
export LC_ALL=C SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-0} DEBIAN_FRONTEND=noninteractive
export PATH=$PATH:/usr/sbin:/sbin
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
distros=(debian)
arguments=("$@")
init=${AGENT_INIT:-no} agent=build/bin/kata-agent mkroot=${MKROOT:-build/tools/mkroot}
image='' type=erofs keep=''
packages=() files=()
read -ra packages <<<"${EXTRA_PKGS:-}"

die() {
	echo "rootfs.sh: $*" >&2
	exit 1
}

usage() { sed -n '3,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0"; }

while getopts a:f:hlo:p:r:t: option; do
	case $option in
	a) agent=$OPTARG ;;
	f)
		[ -d "$OPTARG" ] || die "-f $OPTARG: no such directory"
		files+=("$OPTARG")
		;;
	h)
		usage
		exit 0
		;;
	l)
		printf '%s\n' "${distros[@]}"
		exit 0
		;;
	o) image=$OPTARG ;;
	p) packages+=("$OPTARG") ;;
	r) keep=$OPTARG ;;
	t) type=$OPTARG ;;
	*) die "see $0 -h" ;;
	esac
done
shift $((OPTIND - 1))
[ $# -eq 1 ] || die "one distribution is required, of: ${distros[*]}"
distro=$1
[[ " ${distros[*]} " == *" $distro "* ]] || die "unknown distribution '$distro'; known are: ${distros[*]}"
[[ $init == yes || $init == no ]] || die "AGENT_INIT=$init is neither yes nor no"
[[ $type == erofs || $type == ext4 ]] || die "-t $type: neither erofs nor ext4"
[ "$(id -u)" = 0 ] || die "needs root, for the owners of files"
[[ -f $agent && -x $agent ]] || die "$agent: no such program; make all builds the agent, -a names another"
[[ -f $mkroot && -x $mkroot ]] || die "$mkroot: no such program; make rootimage builds it, MKROOT names another"
[ -z "$keep" ] || [ ! -e "$keep" ] || [ -z "$(ls -A "$keep")" ] || die "-r $keep is not empty"
command -v mmdebstrap >/dev/null || die "mmdebstrap was not found; install the package mmdebstrap"
image=${image:-kata-containers-$distro.img}
[ -w "$(dirname -- "$image")" ] || die "-o $image: its directory does not exist, or is not writable"

# In a mount namespace of our own, so that mmdebstrap's mounts disappear when this script ends, however it ends, and
# the clean-up cannot delete files below them.
if [ -z "${KATA_ROOTFS_ALONE:-}" ]; then
	export KATA_ROOTFS_ALONE=1
	exec unshare --mount --propagation private -- "$0" "${arguments[@]}"
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/kata-rootfs-XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
root=${keep:-$work/root}
chmod 755 "$work"

# Installs the packages that dpkg calls essential, and those that a guest needs; no documentation.
make_debian() {
	local wanted=(iptables kmod) options=() path

	[ "$init" = yes ] || wanted+=(systemd-sysv chrony)
	wanted+=("${packages[@]}")
	for path in doc man info locale lintian; do
		options+=(--dpkgopt="path-exclude=/usr/share/$path/*")
	done
	# Except the licences.
	options+=(--dpkgopt='path-include=/usr/share/doc/*/copyright')
	mmdebstrap --quiet --mode=root --variant=essential --format=directory "${options[@]}" \
		--aptopt='APT::Install-Recommends "false"' --include="$(IFS=, && echo "${wanted[*]}")" \
		"${OS_VERSION:-bookworm}" "$root" ${REPO_URL:+"$REPO_URL"}
	version=$(cat "$root/etc/debian_version")
}

# Removes traces of the build, and disables the parts of systemd that a guest has no use for.
clean() {
	local unit

	rm -rf "$root"/var/{cache,log,tmp}/* "$root"/var/lib/{apt,dpkg/info/*.md5sums} "$root"/var/cache \
		"${root:?}"/{boot,media,home,dev}/* "$root"/etc/{machine-id,resolv.conf,mtab}
	mkdir -p "$root"/var/{cache,log,lib}
	rm -rf "$root/var/tmp"
	ln -s ../tmp "$root/var/tmp"
	# The agent mounts the sandbox's file over it.
	: >"$root/etc/resolv.conf"
	echo localhost >"$root/etc/hostname"
	[ "$init" = no ] || return 0
	: >"$root/etc/machine-id"
	for unit in getty.target systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket \
		systemd-journald-audit.socket systemd-journal-flush.service systemd-journal-catalog-update.service \
		systemd-random-seed.service systemd-timesyncd.service systemd-tmpfiles-setup.service \
		systemd-tmpfiles-setup-dev.service systemd-tmpfiles-clean.timer systemd-update-utmp.service \
		systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket \
		systemd-udev-trigger.service systemd-hwdb-update.service systemd-sysusers.service \
		systemd-network-generator.service systemd-pstore.service systemd-firstboot.service \
		systemd-update-done.service systemd-machine-id-commit.service systemd-ask-password-console.path \
		systemd-ask-password-wall.path proc-sys-fs-binfmt_misc.automount ldconfig.service \
		apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
		e2scrub_reap.service fstrim.timer dev-hugepages.mount sys-kernel-debug.mount \
		sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount \
		kmod-static-nodes.service systemd-modules-load.service modprobe@.service systemd-binfmt.service \
		systemd-sysctl.service systemd-boot-system-token.service; do
		ln -sf /dev/null "$root/etc/systemd/system/$unit"
	done
	rm -f "$root"/usr/lib/systemd/system-generators/* "$root"/lib/systemd/system-generators/*
}

# Lets chrony take the time from the host's clock, where the kernel provides that as a device.
set_clock() {
	[ -e "$root/etc/chrony/chrony.conf" ] || return 0
	cat >"$root/etc/chrony/chrony.conf" <<-END
		refclock PHC /dev/ptp0 poll 3 dpoll -2 offset 0
		makestep 1 -1
		cmdport 0
	END
	mkdir -p "$root/etc/systemd/system/chrony.service.d"
	printf '[Unit]\nConditionPathExists=/dev/ptp0\n' >"$root/etc/systemd/system/chrony.service.d/kata.conf"
}

add_agent() {
	install -s -m 0755 "$agent" "$root/usr/bin/kata-agent"
	if [ "$init" = yes ]; then
		ln -sf ../usr/bin/kata-agent "$root/sbin/init"
		return
	fi
	install -m 0644 "$here"/systemd/kata-agent.service "$here"/systemd/kata-containers.target \
		"$root/etc/systemd/system/"
	# Debian installs this unit disabled, outside systemd's search path.
	cp "$root/usr/share/systemd/tmp.mount" "$root/etc/systemd/system/tmp.mount"
	ln -sf kata-containers.target "$root/etc/systemd/system/default.target"
}

# Directories that the root has keep their modes: DIR may be private, as one of mktemp is, but / of a guest must not.
add_files() {
	local dir name

	for dir in "${files[@]}"; do
		while IFS= read -r -d '' name; do
			[ ! -L "$root/$name" ] ||
				die "-f $dir: ${name#./} is a link to $(readlink "$root/$name") in the root; put its files there"
			[ ! -d "$root/$name" ] ||
				printf '%s\0' "$(stat -c %a "$root/$name")" "$name"
		done < <(cd "$dir" && find . -type d -print0) >"$work/modes"
		cp -rT --no-dereference --preserve=mode,links "$dir" "$root"
		(cd "$root" && xargs -0 -r -n 2 chmod -- <"$work/modes")
	done
}

# Writes a summary in the format of Kata Containers' osbuilder.
summarize() {
	local package

	mkdir -p "$root/var/lib/osbuilder"
	{
		printf -- '---\nosbuilder:\n  url: ""\n  version: ""\n'
		printf 'rootfs-creation-time: "%s"\n' "$(date -u -d "@$SOURCE_DATE_EPOCH" +%FT%TZ)"
		printf 'description: "osbuilder rootfs"\nfile-format-version: "0.0.2"\narchitecture: "%s"\n' "$(uname -m)"
		printf 'base-distro:\n  name: "%s"\n  version: "%s"\n  packages:\n    default:\n' "$distro" "$version"
		# shellcheck disable=SC2016 # dpkg's
		chroot "$root" dpkg-query -W -f '      - "${Package} ${Version}"\n'
		printf '    extra:\n'
		for package in "${packages[@]}"; do printf '      - "%s"\n' "$package"; done
		printf 'agent:\n  url: ""\n  name: "kata-agent"\n  version: "%s"\n  agent-is-init-daemon: "%s"\n' \
			"$("$agent" --version | sed 's/.* //')" "$init"
	} >"$work/osbuilder.yaml"
	mv "$work/osbuilder.yaml" "$root/var/lib/osbuilder/osbuilder.yaml"
}

mib() { awk -v n="$1" 'BEGIN { printf "%.1f MiB", n / 1048576 }'; }

"make_$distro"
clean
set_clock
add_agent
add_files
summarize
EROFS_ARGS=${EROFS_ARGS--zlz4hc} "$here/filesystem.sh" "$type" "$root" "$work/filesystem"
"$mkroot" -o "$image" "$work/filesystem"
echo "$distro $version: root $(mib "$(du -s --apparent-size --block-size=1 "$root" | cut -f 1)")," \
	"$type $(mib "$(stat -c %s "$work/filesystem")"), $image $(mib "$(stat -c %s "$image")")"
