# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034,SC2153
# shellcheck shell=bash
#
# A simulated host with a real systemd as PID 1, in namespaces and control groups of its own:
#
#   SYSTEMD_DIR=DIR		the host's files; the caller puts units into DIR/units; systemd starts lab.target
#   systemd_containerd PATH [ARGUMENT...]
#				writes lab.target and a containerd.service with that PATH, which starts before it
#   SYSTEMD_UNIFIED=yes		uses cgroup v2 alone, even if the machine has both versions
#   systemd_can			returns false and prints the reason if this machine cannot run it
#   systemd_start <<COMMANDS	starts the host; the commands run just before systemd, with its /run and /proc
#   in_systemd COMMAND...	runs a command in all namespaces of the host
#   systemd_stop		ends the host and removes its control groups

SYSTEMD_OUTER='' SYSTEMD_PID=''

# systemd 258 and newer runs on cgroup v2 only.
systemd_can() {
	[ -x /lib/systemd/systemd ] &&
		{ [ -z "$(systemd_controllers)" ] || [ "$(/lib/systemd/systemd --version | awk 'NR == 1 { print $2 }')" -lt 258 ]; } && return 0
	echo "    skipped: needs a systemd that runs on this machine's control groups"
	return 1
}

# Prints the mount point of cgroup v2, if it is mounted.
systemd_unified() {
	findmnt -n -t cgroup2 -o TARGET | head -n 1
}

# Prints the controllers of cgroup v1, also on a hybrid machine; nothing if only v2 is used.
systemd_controllers() {
	[ -z "${SYSTEMD_UNIFIED:-}" ] && [ ! -e /sys/fs/cgroup/cgroup.controllers ] || return 0
	find /sys/fs/cgroup -mindepth 2 -maxdepth 2 -name tasks -printf '%h\n' | xargs -n 1 basename
}

# Prints the host's control groups. The host is moved into them before it gets a cgroup namespace, so that inside they
# are the whole hierarchies, which systemd takes over.
systemd_groups() {
	local controller all name=kata-host-${LAB##*-}
	all=$(systemd_controllers)
	[ -n "$all" ] || echo "$(systemd_unified)/$name"
	for controller in $all; do echo "/sys/fs/cgroup/$controller/$name"; done | xargs
}

systemd_hierarchies() { # the commands that mount them
	local controller all
	all=$(systemd_controllers)
	[ -n "$all" ] || {
		echo "umount -R /sys/fs/cgroup 2>/dev/null || true"
		echo "mount -t cgroup2 cgroup2 /sys/fs/cgroup"
		return
	}
	echo "mount -t tmpfs -o mode=0755 cgroup /sys/fs/cgroup"
	for controller in $all; do
		echo "mkdir /sys/fs/cgroup/$controller"
		[ "$controller" != systemd ] || controller=none,name=systemd
		echo "mount -t cgroup -o $controller cgroup /sys/fs/cgroup/${controller##*=}"
	done
}

systemd_containerd() {
	local path=$1
	shift
	mkdir -p "$SYSTEMD_DIR/units"
	cat >"$SYSTEMD_DIR/units/lab.target" <<-EOF
		[Unit]
		DefaultDependencies=no
		Wants=containerd.service
		After=containerd.service
	EOF
	cat >"$SYSTEMD_DIR/units/containerd.service" <<-EOF
		[Unit]
		DefaultDependencies=no
		[Service]
		Type=notify
		Environment=PATH=$path
		ExecStart=$(command -v containerd) $*
		KillMode=process
		Delegate=yes
		StandardOutput=append:$SYSTEMD_DIR/containerd.log
		StandardError=append:$SYSTEMD_DIR/containerd.log
	EOF
}

systemd_start() {
	local i
	cat >"$SYSTEMD_DIR/begin.sh" <<-EOF
		set -e
		for group in $(systemd_groups); do
			mkdir -p "\$group"
			for file in cpuset.cpus cpuset.mems; do
				[ ! -e "\$group/../\$file" ] || cat "\$group/../\$file" >"\$group/\$file"
			done
			echo \$\$ >"\$group/cgroup.procs"
		done
		exec unshare --mount --pid --fork --kill-child --net --uts --ipc --cgroup bash $SYSTEMD_DIR/start.sh
	EOF
	cat >"$SYSTEMD_DIR/start.sh" <<-EOF
		set -e
		mount --make-rprivate /
		$(systemd_hierarchies)
		mount -t tmpfs tmpfs /run
		mount -t proc proc /proc
		mkdir -p /run/systemd/system /run/lock
		cp $SYSTEMD_DIR/units/* /run/systemd/system/
		$(cat)
		export container=other
		exec /lib/systemd/systemd --unit=lab.target --log-target=null --show-status=0
	EOF
	bash "$SYSTEMD_DIR/begin.sh" </dev/null >"$SYSTEMD_DIR/systemd.log" 2>&1 &
	SYSTEMD_OUTER=$!
	for i in $(seq 600); do
		SYSTEMD_PID=$(pgrep -P "$SYSTEMD_OUTER" 2>/dev/null | head -n 1)
		[ -n "$SYSTEMD_PID" ] && in_systemd systemctl is-active --quiet lab.target 2>/dev/null && return 0
		sleep 0.1
	done
	echo "the host did not start" >&2
	cat "$SYSTEMD_DIR/systemd.log" >&2
	return 1
}

in_systemd() {
	nsenter --target "$SYSTEMD_PID" --mount --pid --net --uts --ipc --cgroup "$@"
}

systemd_stop() {
	local group
	[ -n "$SYSTEMD_OUTER" ] || return 0
	kill -KILL "$SYSTEMD_OUTER" 2>/dev/null || true
	wait "$SYSTEMD_OUTER" 2>/dev/null || true
	SYSTEMD_OUTER='' SYSTEMD_PID=''
	for group in $(systemd_groups); do
		for _ in $(seq 600); do
			[ -d "$group" ] || break
			find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
		done
	done
}
