# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# On a node with systemd, where containerd is a service, the VM's control group is a scope below the pod's slice. Jobs
# of systemd, when it is re-executed.

# shellcheck source=tests/integration/systemd.sh
. tests/integration/systemd.sh

# Starts that host with a second containerd that uses the lab's prefix.
scope_host() { # TOML OF THE CONFIGURATION
	SYSTEMD_DIR=$LAB/host
	mkdir -p "$LAB/host"
	printf '%s\n' "$1" >"$LAB_PREFIX/share/defaults/kata-containers/config.d/10-scope.toml"
	sed "s|\"$LAB/|\"$LAB/host/|" "$LAB/config.toml" >"$LAB/host/config.toml"
	systemd_containerd "$LAB_PREFIX/bin:$PATH" --config "$LAB/host/config.toml"
	trap scope_end EXIT
	systemd_start </dev/null
	scope_ctr images import "$LAB/image.tar" >/dev/null
}

scope_end() {
	systemd_stop
	awk -v lab="$LAB/host/" 'index($5, lab) == 1 { print $5 }' /proc/self/mountinfo | sort -r | xargs -r -n 1 umount -l
	rm -rf "$LAB/host" "$LAB_PREFIX/share/defaults/kata-containers/config.d/10-scope.toml"
}

scope_ctr() { in_systemd ctr --address "$LAB/host/containerd.sock" "$@"; }

scope_is() { # UNIT: prints its state, slice and delegation; versions of systemctl print in different order
	in_systemd systemctl show -P ActiveState -P Slice -P Delegate "$1" | sort | xargs
}

# Prints the control groups of this lab's sandboxes. Where cgroup v2 is mounted beside v1, those of other labs can be seen.
scope_groups() {
	in_systemd find /sys/fs/cgroup -name "kata_$(lab_name)*"
}

# Waits until systemd has noticed the end of the scope's last process. If the shim was killed, containerd's clean-up
# removes the groups.
scope_is_gone() { # UNIT
	for _ in $(seq 300); do
		[ "$(in_systemd systemctl show -P LoadState "$1")" = not-found ] && [ -z "$(scope_groups)" ] && break
		sleep 0.1
	done
	expect "units" "$(in_systemd systemctl list-units --all --plain --no-legend 'kata_*')" ""
	expect "control groups" "$(scope_groups)" ""
}

# Prints the programs of the sandbox that systemd has in the unit.
scope_programs() { # UNIT
	local group pid
	group=$(in_systemd systemctl show -P ControlGroup "$1")
	in_systemd bash -c "cat /sys/fs/cgroup/{systemd,.}$group/cgroup.procs 2>/dev/null" | sort -u |
		while read -r pid; do in_systemd cat "/proc/$pid/comm"; done | sort -u | xargs
}

scope_runs() { # ID
	scope_ctr run -d --runtime "$RUNTIME" --cgroup "pods-one.slice:cri-containerd:$1" "$IMAGE" "$1" sleep 1000
	expect "$1" "$(scope_is "kata_$1.scope")" "active pods-one.slice yes"
}

scope_deleted() { # ID
	scope_ctr tasks kill -s KILL "$1"
	scope_ctr tasks delete -f "$1" >/dev/null 2>&1 || true
	scope_ctr containers rm "$1"
	scope_is_gone "kata_$1.scope"
}

scope_lives_and_ends() { # PROGRAMS IN IT
	local id
	id=$(lab_id)
	scope_runs "$id"
	expect "in the scope" "$(scope_programs "kata_$id.scope")" "$1"
	scope_deleted "$id"
	# The name can be used again, and a killed shim leaves no unit either.
	scope_runs "$id"
	in_systemd pkill -KILL -f -- "-id $id "
	scope_is_gone "kata_$id.scope"
	scope_ctr containers rm "$id"
	scope_end
}

test_scope_of_systemd_with_version_1() {
	systemd_can && [ -n "$(systemd_controllers)" ] || return 0
	scope_host ''
	scope_lives_and_ends qemu-system-x86
}

test_scope_of_systemd_with_version_2() {
	local daemon=
	SYSTEMD_UNIFIED=yes
	systemd_can && [ -n "$(systemd_unified)" ] || return 0
	scope_host ''
	scope_lives_and_ends qemu-system-x86
	scope_host '[runtime]
		sandbox_cgroup_only = true'
	[[ ${KATA_TEST_CONFIG:-} == *virtio-9p* ]] || daemon=" virtiofsd"
	scope_lives_and_ends "containerd-shim qemu-system-x86$daemon"
}

# --- a systemd that is re-executed while a job is awaited ---

# A host with slow.service, which starts, or fails to, once $LAB/host/go says "start" or "fail".
slow_host() {
	SYSTEMD_DIR=$LAB/host
	mkdir -p "$LAB/host/units"
	printf '[Unit]\nDefaultDependencies=no\n' >"$LAB/host/units/lab.target"
	cat >"$LAB/host/slow.sh" <<-EOF
		touch $LAB/host/waits
		until [ -e $LAB/host/go ]; do sleep 0.1; done
		[ "\$(cat $LAB/host/go)" = start ]
	EOF
	cat >"$LAB/host/units/slow.service" <<-EOF
		[Unit]
		DefaultDependencies=no
		[Service]
		TimeoutStartSec=infinity
		ExecStartPre=/bin/bash $LAB/host/slow.sh
		ExecStart=/bin/sleep infinity
	EOF
	trap slow_end EXIT
	systemd_start </dev/null
}

slow_end() {
	systemd_stop
	rm -rf "$LAB/host"
}

slow_is() { # ACTIVESTATE: waits until the unit is in that state
	for _ in $(seq 300); do
		[ "$(in_systemd systemctl show -P ActiveState slow.service 2>/dev/null)" != "$1" ] || return 0
		sleep 0.1
	done
	echo "    slow.service is not $1" >&2
	return 1
}

# Has the tool restart the unit; returns when the job runs.
slow_restarts() {
	rm -f "$LAB"/host/{go,waits}
	# Not as the child of nsenter, which stops with it.
	in_systemd bash -c '"$@" & echo $! >'"$LAB/host/client"'; wait $!' - "$TOOLS/systemd-job" restart slow.service >"$LAB/host/says" 2>&1 &
	SLOW=$!
	for _ in $(seq 300); do
		[ ! -e "$LAB/host/waits" ] || return 0
		sleep 0.1
	done
	echo "    the job does not run" >&2
	return 1
}

slow_ends() { # STATUS PATTERN
	local status=0
	wait "$SLOW" || status=$?
	expect "exit status; it says $(cat "$LAB/host/says")" "$status" "$1"
	has "it" "$(cat "$LAB/host/says")" "$2"
}

test_job_survives_a_reexecution() {
	local round
	systemd_can || return 0
	slow_host
	# The job goes on, and succeeds or fails.
	for round in start:0:^$ fail:1:journalctl; do
		slow_restarts
		in_systemd systemctl daemon-reexec
		slow_is activating
		echo "${round%%:*}" >"$LAB/host/go"
		slow_ends "$(cut -d: -f2 <<<"$round")" "${round##*:}"
	done
	# It ends while nobody looks.
	for round in start:0:^$:active fail:1:is.failed:failed; do
		slow_restarts
		in_systemd kill -STOP "$(cat "$LAB/host/client")"
		in_systemd systemctl daemon-reexec
		echo "${round%%:*}" >"$LAB/host/go"
		slow_is "${round##*:}"
		in_systemd kill -CONT "$(cat "$LAB/host/client")"
		slow_ends "$(cut -d: -f2 <<<"$round")" "$(cut -d: -f3 <<<"$round")"
	done
	slow_end
}
