#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
#	deb.sh DIR-OF-PORTABLE-PROGRAMS [SUITE...]
#
# Tests the Debian packages of a release: installs, upgrades, downgrades, removes and purges them below a directory (dpkg
# --root, scripts without chroot). For each SUITE (bookworm) also in that distribution, with its dpkg and containerd,
# and with lintian.
set -u
cd "$(dirname "$0")/.." || exit 1

programs=$(realpath "$1")
deploy=$programs/kata-deploy
shift
dir=$(mktemp -d /tmp/kata-deb-XXXXXX)
holder=
finish() {
	[ -z "$holder" ] || kill "$holder" 2>/dev/null
	for at in "$dir"/*/debs; do
		mountpoint -q "$at" && umount "$at"
	done
	rm -rf --one-file-system "$dir"
}
trap finish EXIT
# shellcheck source=tests/checked.sh
. tests/checked.sh
says() { # TEXT COMMAND...
	local text=$1
	shift
	"$@" >"$dir/out" 2>&1
	local rc=$?
	cat "$dir/out"
	grep -qF -- "$text" "$dir/out" && return $rc
	echo "it does not say: $text"
	return 1
}
silent_about() { # TEXT COMMAND...
	local text=$1
	shift
	"$@" >"$dir/out" 2>&1 || return
	! grep -F -- "$text" "$dir/out"
}
refuses() { # TEXT COMMAND...
	local text=$1
	shift
	! "$@" && grep -qF -- "$text" "$dir/said"
}

# The releases have expired since; packages ignore that.
export COMPRESS="-Zgzip -z1" SOURCE_DATE_EPOCH=1700000000 LEVEL=1 EXPIRES=1d BUILD=$dir COMPONENTS=$dir/components.yaml KEY=$dir/key.key
printf '%s\n' 'components:' '  - {name: a, text: a, required: true, paths: [bin, share, etc]}' \
	'copies:' '  - {from: share/defaults.toml, to: etc/configuration.toml}' >"$COMPONENTS"
"$deploy" keys generate --no-passphrase "$dir/key" >/dev/null
"$deploy" keys generate --no-passphrase "$dir/other" >/dev/null
mkdir -p "$dir/tree/bin" "$dir/tree/share" "$dir/debs"
cp /bin/busybox "$dir/tree/bin/busybox"
release() { # SERIAL VERSION
	echo "# $2" >"$dir/tree/share/defaults.toml"
	SERIAL=$1 packaging/release.sh "$deploy" "$dir/tree" "$dir/$2" "$2" 6.1
}
packages() { KEYS="$dir/key.pub" packaging/deb.sh "$programs" "$@"; } # RELEASE OUT
for v in 1:1.0 2:2.0-rc1 3:2.0; do
	check "release ${v#*:}" release "${v%%:*}" "${v#*:}"
	check "packages of ${v#*:}" packages "$dir/${v#*:}" "$dir/debs"
done
again() {
	mkdir -p "$dir/far/away" && cp -r "$dir/1.0" "$dir/far/away/" && chmod -R go-rwx "$dir/far" || return
	(umask 077 && TZ=Asia/Tokyo LC_ALL=C packages "$dir/far/away/1.0" "$dir/far/debs") &&
		cmp "$dir/debs/kata-deploy_1.0_amd64.deb" "$dir/far/debs/kata-deploy_1.0_amd64.deb" &&
		cmp "$dir/debs/kata-containers_1.0_amd64.deb" "$dir/far/debs/kata-containers_1.0_amd64.deb"
}
check "made again they are the same bytes" again
cp -r "$dir/1.0" "$dir/unsigned" && rm "$dir"/unsigned/*.minisig
check "what is no release" refuses "has no release.yaml" packages "$dir/tree" "$dir/no"
check "an unsigned release" refuses "is not signed" packages "$dir/unsigned" "$dir/no"
check "keys that did not sign it" refuses "would not accept it" \
	env KEYS="$dir/other.pub" packaging/deb.sh "$programs" "$dir/1.0" "$dir/no"
check "a key that is not there" refuses "no such file: $dir/none.pub" \
	env KEYS="$dir/key.pub $dir/none.pub" packaging/deb.sh "$programs" "$dir/1.0" "$dir/no"
check "of these nothing is made" [ ! -e "$dir/no" ]

# --- on a node: $node is its root, pkg its dpkg, on runs there ---

deb() { # NAME VERSION
	echo "$debs/$1_$2_amd64.deb"
}
both() { pkg -i "$(deb kata-deploy "$1")" "$(deb kata-containers "$1")"; }
installed() { # VERSION: what is current
	[ "$(cat "$node/opt/kata/share/defaults.toml")" = "# $1" ] && "$node/opt/kata/bin/busybox" true
}
registered() { grep -q 'containerd-shim-kata-v2' "$node/etc/containerd/config.toml"; }
absent() { [ ! -e "$node/opt/kata/current" ] && ! registered; }
# dpkg owns nothing below /opt/kata, and everything below /usr is as dpkg installed it.
owners() {
	pkg -V kata-containers && pkg -V kata-deploy && ! pkg -S "*/opt/kata/*" &&
		pkg -L kata-containers | grep -q release.yaml
}
# Runs the command that the package has printed last. $inside is a part of the paths if there is no chroot.
as_printed() {
	local words
	read -ra words < <(sed -n 's/^    //p' "$dir/out" | sed "s,/usr/lib/,$inside&,g")
	# shellcheck disable=SC2086
	on "${words[@]}" ${with_manager---cri none} --no-proof --yes
}
# Holds kata-deploy's lock for some seconds, that of the running system or that of one below a directory.
busy() {
	mkdir -p "$node/run/lock"
	flock "$node" flock "$node/run/lock/kata-deploy.lock" sleep 5 &
	until ! flock -n "$node" true; do sleep 0.1; done
}
life() {
	cp "$node/etc/containerd/config.toml" "$dir/config.before"
	check "install" both 1.0
	check "the release is installed" installed 1.0
	check "and registered" registered
	check "each file has one owner" owners
	check "the timer is there" [ -f "$node/usr/lib/systemd/system/kata-deploy-upgrade.timer" ]
	timer=$node/etc/systemd/system/timers.target.wants/kata-deploy-upgrade.timer
	check "and not enabled" [ -z "$(find "$node/etc/systemd" -name '*kata*' 2>/dev/null)" ]
	check "enabled by hand" "$deploy" timer enable --root "$node"
	busy
	check "upgrade to a version that dpkg and kata-deploy must both take for newer" both "2.0~rc1"
	check "that one is current" installed 2.0-rc1
	check "and to the next" both 2.0
	check "that one is" installed 2.0
	echo "# edited" >>"$node/opt/kata/etc/configuration.toml"
	check "downgrade, since dpkg was told to" both 1.0
	check "the older one is current" installed 1.0
	check "an edited configuration stays" grep -q edited "$node/opt/kata/etc/configuration.toml"

	check "the timer is still enabled" [ -L "$timer" ]
	check "uninstalled by hand" on kata-deploy uninstall --yes
	check "and the timer with it" [ ! -L "$timer" ]
	check "an upgrade says so" says "dpkg-reconfigure kata-containers" both 2.0
	check "and leaves it" absent
	check "configured again" again_configured
	check "it is there again" installed 2.0

	on_hand="--cri none --no-proof --yes"
	check "uninstalled again" on kata-deploy uninstall --yes
	rm -rf "$node/srv/release" && mkdir -p "$node/srv" && cp -r "$dir/2.0-rc1" "$node/srv/release"
	cp "$dir/key.pub" "$node/srv/"
	# shellcheck disable=SC2086
	check "a person installs from elsewhere" on kata-deploy install $on_hand --allow-expired --allow-downgrade \
		--without-channel --release "$inside/srv/release" --key "$inside/srv/key.pub"
	check "a package leaves that alone" says "stays as it is" both 1.0
	check "it is as it was" installed 2.0-rc1
	check "and stays when the package goes" pkg -r kata-containers
	check "still" installed 2.0-rc1
	check "and when it comes back" says "stays as it is" pkg -i "$(deb kata-containers 2.0)"
	check "the command that it prints" as_printed
	check "changes over to the package" installed 2.0
	check "removed with what it installed" pkg -r kata-containers
	check "nothing is installed then" absent
	check "another version after that" pkg -i "$(deb kata-containers 1.0)"
	check "is no upgrade, so it is installed" installed 1.0
	check "of which no mark is left" [ ! -e "$node/var/lib/kata-containers" ]
	check "a person uninstalls it" on kata-deploy uninstall --yes --forget-trust
	check "installed again" pkg -i "$(deb kata-containers 1.0)"

	# The edited configuration from before still exists.
	in_use
	check "removed" pkg -r kata-containers
	check "nothing is installed" absent
	check "the manager's configuration is as it was" cmp "$dir/config.before" "$node/etc/containerd/config.toml"
	check "the edited configuration is there" [ -f "$node/opt/kata/etc/configuration.toml" ]
	check "purged" pkg -P kata-containers
	check "it is gone" [ ! -e "$node/opt/kata" ]
	mkdir -p "$node/opt" "$node/srv/kata" && ln -s ../srv/kata "$node/opt/kata"
	check "installed behind a link" pkg -i "$(deb kata-containers 1.0)"
	check "it is there" installed 1.0
	check "purged there" pkg -P kata-containers
	check "nothing is installed behind the link" absent
	rm -r "$node/opt/kata" "$node/srv/kata"
	check "the timer is enabled again" "$deploy" timer enable --root "$node"
	check "kata-deploy purged" pkg -P kata-deploy
	check "the timer is disabled" [ ! -L "$timer" ]
	check "nothing of it is left" [ -z "$(find "$node"/{etc,opt,var,usr} \( -name '*kata-*' -o -name kata \) ! -path '*/dpkg/*' ! -path '*/apt/*' 2>/dev/null)" ]
}

if [ "$(id -u)" != 0 ]; then
	echo "  skipped: installing packages needs root"
else
	node=$dir/node inside=$dir/node debs=$dir/debs
	mkdir -p "$node"/var/lib/dpkg/{info,updates,triggers} "$node/etc/containerd" "$node/usr/bin"
	touch "$node"/var/lib/dpkg/{status,available}
	echo "version = 2" >"$node/etc/containerd/config.toml"
	pkg() { dpkg --root="$node" --force-script-chrootless --force-depends --log=/dev/null "$@"; }
	on() { "$node/usr/bin/$1" "$2" --root "$node" "${@:3}"; }
	again_configured() { DPKG_ROOT=$node "$node/var/lib/dpkg/info/kata-containers.postinst" configure 2.0; }
	in_use() { :; }
	life
	mv "$node/etc/containerd" "$dir/no-manager"
	check "without a container manager it says what is missing" says "until it is registered" both 1.0
	check "the release is installed" installed 1.0
	check "so does an upgrade" says "no container manager was found" both 2.0
	check "which installs too" installed 2.0
	mv "$dir/no-manager" "$node/etc/containerd"
	with_manager=
	check "with one the printed command" as_printed
	check "registers it" registered
	check "and the next version is silent about it" silent_about "registered" both 1.0
	check "purged with its registration" pkg -P kata-containers kata-deploy
	check "the manager's configuration is as it was then" cmp "$dir/config.before" "$node/etc/containerd/config.toml"
fi

# --- in distributions ---

# In a PID namespace, so that no process of this machine is taken for one of the node.
enter() { unshare --mount --pid --fork --kill-child --mount-proc="$node/proc" chroot "$node" "$@"; }
for suite; do
	# shellcheck disable=SC2034 # checked.sh says it
	where="$suite: "
	node=$dir/$suite inside='' debs=/debs
	mirror=$(sed -n 's/^URIs: *//p; s/^deb  *\(\[[^]]*\] \)\{0,1\}\([^ ]*\).*/\2/p' /etc/apt/sources.list \
		/etc/apt/sources.list.d/* 2>/dev/null | head -n 1)
	check "debootstrap" env -u COMPONENTS debootstrap --variant=minbase --include=containerd,dbus "$suite" "$node" "$mirror"
	[ -x "$node/usr/bin/dpkg" ] || continue
	mkdir -p "$node/debs" "$node/etc/containerd"
	mount --bind "$dir/debs" "$node/debs"
	[ -f "$node/etc/containerd/config.toml" ] || enter containerd config default >"$node/etc/containerd/config.toml"
	pkg() { enter dpkg "$@"; }
	on() { enter "$@"; }
	audit() { [ -z "$(enter dpkg --audit)" ]; }
	again_configured() { enter dpkg-reconfigure kata-containers; }
	in_use() {
		enter sh -c '/opt/kata/bin/busybox sleep 600 & sleep 1; dpkg -r kata-containers' \
			>"$dir/held" 2>&1
		check "while a program of it runs it is not removed" grep -q "uses /opt/kata\|uses.*busybox" "$dir/held"
		check "and all is as it was" installed 1.0
		check "dpkg too" on sh -c 'dpkg --audit; dpkg -s kata-containers | grep -q "install ok\|ok installed"'
	}
	life
	check "dpkg has nothing to complain of" audit
	umount "$node/debs"
	rm -rf --one-file-system "$node"
done
# shellcheck disable=SC2034
where=
if [ $# -gt 0 ]; then
	if command -v lintian >/dev/null; then
		tags() { lintian --no-tag-display-limit --allow-root --fail-on warning "$dir"/debs/*_1.0_*.deb; }
		check "lintian has nothing to say" tags
	else
		echo "  skipped: lintian is not here"
	fi
fi
checked deb
