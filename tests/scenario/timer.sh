#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests a node that upgrades itself, with a container manager and proofs: timer.sh KATA-DEPLOY
#
# A good release is installed; a release whose proof fails is undone and held, skipped the next time, and the one after it
# is installed. Checks that the output is suitable for the journal, that systemd accepts the units, and runs their
# ExecStart.
#
# Uses a real containerd. No VM boots: the client that runs the proof is a stand-in, which has the release's own "shim"
# print the result of a proof.
set -eu
if [ "${1-}" != inside ]; then
	command -v containerd >/dev/null || { echo "skipped: timer: containerd is not here" && exit 0; }
	unshare --mount true 2>/dev/null || { echo "skipped: timer: it needs root, to mount" && exit 0; }
	exec unshare --mount --pid --fork --kill-child --mount-proc "$0" inside "$(realpath "$1")"
fi
deploy=$2
# shellcheck source=tests/signed-release.sh
. "$(dirname "$0")/../signed-release.sh"
lab=$(mktemp -d "${TMPDIR:-/tmp}/timer.XXXXXX")
trap 'rm -rf "$lab"' EXIT
mount --make-rprivate /
for place in /run /opt /var/lib /var/cache; do mount -t tmpfs -o mode=0755 timer "$place"; done
mkdir -p /run/lock "$lab/bin" "$lab/etc/kata-deploy" "$lab/etc/containerd"
for place in containerd systemd kata-deploy; do
	[ -d "/etc/$place" ] || continue
	mkdir -p "$lab/etc/$place" && mount --bind "$lab/etc/$place" "/etc/$place"
done

fail() {
	echo "  FAIL  timer: $*"
	cat "$lab/said" || true
	exit 1
}
# says STATUS TEXT COMMAND...: the command must exit with STATUS and print TEXT.
says() {
	local wanted=$1 text=$2 status=0
	shift 2
	"$@" </dev/null >"$lab/said" 2>&1 || status=$?
	[ "$status" = "$wanted" ] || fail "$*: status $status and not $wanted"
	grep -qF -e "$text" "$lab/said" || fail "$*: it does not say '$text'"
}
also() { grep -qF -e "$1" "$lab/said" || fail "it does not say '$1'"; }
current() { [[ $(readlink "$prefix/current") == generations/$1-* ]] || fail "kata $1 is not current"; }

# --- the container manager ---

cat >"$lab/etc/config.toml" <<-END
	version = 2
	root = "$lab/root"
	state = "/run/containerd"
	[plugins."io.containerd.grpc.v1.cri".cni]
	  conf_dir = "$lab/cni"
END
cat >"$lab/restart" <<-END
	#!/bin/sh
	pid=\$(cat /run/containerd.pid 2>/dev/null)
	[ -z "\$pid" ] || { kill "\$pid" 2>/dev/null; tail --pid="\$pid" -f /dev/null; }
	setsid containerd --config $lab/etc/config.toml </dev/null >>$lab/containerd.log 2>&1 &
	echo \$! >/run/containerd.pid
END
# shellcheck disable=SC2016 # the dollars are for the script that is written
printf '%s\n' '#!/bin/sh' 'case " $* " in' \
	'*" run --rm "*) while [ "$1" != --runtime ]; do shift; done; exec "$2" "$4" ;;' 'esac' >"$lab/bin/ctr"
chmod +x "$lab/restart" "$lab/bin/ctr"
"$lab/restart"
for _ in $(seq 600); do
	! ctr version >/dev/null 2>&1 || break
	sleep 0.1
done
export PATH=$lab/bin:$PATH

# --- releases ---

publish() { # VERSION SERIAL KERNEL: the kernel that its VM reports; the right one is 6.1
	local tree=$lab/tree
	rm -rf "${lab:?}/tree" "$lab/channel"
	mkdir -p "$tree/bin" "$tree/share/kata-containers"
	echo image >"$tree/share/kata-containers/proof.tar"
	cp "$deploy" "$tree/bin/kata-deploy"
	cat >"$tree/bin/containerd-shim-kata-v2" <<-END
		#!/bin/sh
		mkdir -p "/run/vc/sbs/\$1@kata-deploy"
		echo '{"agent_version": "$1"}' >"/run/vc/sbs/\$1@kata-deploy/persist.json"
		echo '{"kernel": "$3", "machine": "x86_64", "memory": 1, "cpus": 1}'
		cat >/dev/null
		rm -r "/run/vc/sbs/\$1@kata-deploy"
	END
	chmod +x "$tree"/bin/*
	signed_release "$lab/key" "$tree" "$lab/channel" "$1" "$2" --guest-kernel 6.1 --created "$(date +%s)"
}

prefix=/opt/kata timer=kata-deploy-upgrade.timer
publish 1.0.0 1 6.1
says 0 "proved in a VM: kernel 6.1" "$deploy" install --release "$lab/channel" --key "$lab/key.pub" --yes \
	--cri containerd --cri-config "$lab/etc/config.toml" --restart-with "$lab/restart"
before=$(cat /run/containerd.pid)

# --- the units, and the command that they start ---

mkdir -p "$lab/units"
for kind in timer service; do
	"$deploy" timer unit "$kind" >"$lab/units/kata-deploy-upgrade.$kind"
done
grep -qx "ExecStart=/opt/kata/bin/kata-deploy timer run --quiet" "$lab/units/kata-deploy-upgrade.service" ||
	fail "ExecStart is not the installed kata-deploy"
if command -v systemd-analyze >/dev/null; then
	said=$(systemd-analyze verify --man=no "$lab"/units/kata-deploy-upgrade.* 2>&1 | grep kata-deploy || true)
	[ -z "$said" ] || fail "systemd-analyze: $said"
	says 2 "--window 'never ever' is none that systemd understands" "$deploy" timer unit --window "never ever" timer
	says 2 "--jitter 'long'" "$deploy" timer unit --jitter long timer
else
	echo "  skipped: timer: systemd-analyze is not here"
fi
read -ra start <<<"$(sed -n 's/^ExecStart=//p' "$lab/units/kata-deploy-upgrade.service")"
# Runs the command like systemd, with standard error connected to the journal.
run() {
	local status=0 stream
	: >"$lab/journal"
	stream=$(stat -Lc %d:%i "$lab/journal")
	JOURNAL_STREAM=$stream "${start[@]}" </dev/null >/dev/null 2>>"$lab/journal" || status=$?
	cat "$lab/journal"
	grep -qv '^<[0-7]>' "$lab/journal" && echo "a line has no priority" && return 99
	return $status
}

# --- without systemd: the line for cron is of the same installation ---

says 12 "; /opt/kata/bin/kata-deploy timer run --quiet" "$deploy" timer enable
if grep -q -e --prefix "$lab/said"; then fail "it names the default prefix"; fi
says 12 " timer run --quiet --prefix /srv/kata" "$deploy" timer enable --prefix /srv/kata

# --- with a running systemd: a stand-in records its requests ---

mkdir -p /run/systemd/system
cat >"$lab/bin/systemctl" <<-END
	#!/bin/sh
	echo "\$*" >>$lab/asked
	[ ! -e $lab/broken ] || { echo "Failed to connect to bus" >&2; exit 1; }
	[ "\$1" != daemon-reload ] || ! rm $lab/kill 2>/dev/null || kill -KILL \$PPID
	[ "\$1" != show ] || printf 'ActiveState=active\nNextElapseUSecRealtime=Sun 2026-11-29 03:12:00 UTC\n'
END
chmod +x "$lab/bin/systemctl"
asked() { # LINE...
	printf '%s\n' "$@" | cmp -s - "$lab/asked" || fail "systemd was asked for: $(cat "$lab/asked")"
	rm "$lab/asked"
}
touch "$lab/broken"
says 1 "Failed to connect to bus" "$deploy" timer enable
[ -z "$(find /etc/systemd/ -name 'kata*')" ] || fail "a failed enable leaves something"
rm "$lab/broken" "$lab/asked"
says 0 "enabled: *-*-* 03:00, and up to 2h later" "$deploy" timer enable
asked "daemon-reload" "restart kata-deploy-upgrade.timer"
says 0 "nothing to do" "$deploy" timer enable
asked "daemon-reload" "start kata-deploy-upgrade.timer"
says 0 "next      Sun 2026-11-29 03:12:00 UTC" "$deploy" timer status
rm "$lab/asked"

# --- nights ---

says 0 "<6>the newest release is installed version=1.0.0" run

publish 2.0.0 2 6.1
says 0 "<6>upgraded, running pods keep the release that they were started from from=1.0.0 to=2.0.0 kernel=6.1" run
current 2.0.0

publish 3.0.0 3 6.6
says 1 "<3>kata-deploy: kata 3.0.0 failed on this node; kata 2.0.0 is current again, and kata 3.0.0 is held" run
also "the VM runs kernel 6.6, but the release has 6.1"
current 2.0.0
says 0 "held      kata 3.0.0" "$deploy" timer status
also "failed, kata 3.0.0"

says 0 "<4>the newest release is held; kata-deploy timer unhold tries it again version=3.0.0" run
current 2.0.0
says 0 "tried again" "$deploy" timer unhold 3.0.0
says 1 "kata 3.0.0 is held" run
current 2.0.0

publish 4.0.0 4 6.1
says 0 "from=2.0.0 to=4.0.0" run
current 4.0.0
[ "$(find $prefix/generations -mindepth 1 -maxdepth 1 | wc -l)" = 2 ] || fail "old releases are kept"

# A temporary failure, such as a full disk, causes no hold.
publish 5.0.0 5 6.1
mount -t tmpfs -o size=64k full /var/cache
mount -o "remount,size=$(($(du -sk /opt | cut -f1) + 600))k" /opt
says 10 "kata-deploy: " run
says 0 "held" env "$deploy" timer status --json
if grep -q '"sha256"' "$lab/said"; then fail "a full disk is held against the release"; fi
umount /var/cache
mount -o remount,size=50% /opt
says 0 "from=4.0.0 to=5.0.0" run
current 5.0.0
[ "$before" = "$(cat /run/containerd.pid)" ] || fail "containerd was restarted"

# What another verb records while a run waits for the lock stays: a rollback holds the release that it leaves.
exec 9>/run/lock/kata-deploy.lock
flock 9
"${start[@]}" --lock-wait 60 </dev/null >"$lab/said" 2>&1 9>&- &
waiting=$!
until grep -q "waiting for another" "$lab/said"; do
	kill -0 "$waiting" || fail "it does not wait for the lock"
	sleep 0.05
done
held=$(jq --arg digest "$(printf %064d 0)" '.held += [{sha256: $digest, version: "4.9.0", when: 1, why: "rolled back"}]' \
	"$prefix/state/timer.json")
echo "$held" >"$prefix/state/timer.json"
exec 9>&-
wait "$waiting" || fail "it does not go on"
says 0 "held      kata 4.9.0" "$deploy" timer status
says 0 "tried again" "$deploy" timer unhold 4.9.0

# An uninstall that is killed is undone, also in the running systemd.
rm -f "$lab/asked"
touch "$lab/kill"
{ "$deploy" uninstall --yes >"$lab/said" 2>&1 || [ $? = 137 ] || fail "the uninstall was not killed"; } 2>/dev/null
asked "is-active $timer" "stop $timer" "daemon-reload"
[ ! -e "/etc/systemd/system/$timer" ] || fail "the uninstall did not remove the timer"
says 0 "" "$deploy" recover
asked "daemon-reload" "start $timer"
[ -e "/etc/systemd/system/timers.target.wants/$timer" ] || fail "the timer was not enabled again"

says 0 "uninstalled" "$deploy" uninstall --yes --forget-trust
asked "is-active $timer" "stop $timer" "daemon-reload"
[ -z "$(find /etc/systemd/ -name 'kata*')" ] || fail "the uninstall left the timer"

# --- a manager through which no container can be run, so that it was installed without a proof ---

echo "[crio]" >"$lab/etc/crio.conf"
publish 6.0.0 6 6.1
says 0 "installed" "$deploy" install --release "$lab/channel" --key "$lab/key.pub" --yes --no-proof \
	--cri crio --cri-config "$lab/etc/crio.conf"
publish 7.0.0 7 6.1
says 0 "<4>no container can be run through this manager: the upgrade is not proved manager=crio" run
also "from=6.0.0 to=7.0.0 kernel=\"(no proof)\""
current 7.0.0
publish 8.0.0 8 6.1
says 12 "use --no-proof" "$deploy" upgrade --yes
says 0 "uninstalled" "$deploy" uninstall --yes --forget-trust
kill "$(cat /run/containerd.pid)"
echo "  ok    a node upgrades itself, rolls back what fails, and holds it"
