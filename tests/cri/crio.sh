# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034,SC2153,SC2154
# shellcheck shell=bash
#
# CRI-O instead of containerd: CRIO=DIRECTORY has crio and pinns, built from CRI-O's source; conmon, runc and skopeo are
# the distribution's. Replaces functions of lib.sh.

# Skipped cases: those that read containerd's own files, network namespaces and error codes or kill it (CRI-O has other
# codes, and returns -1 for an exec that timed out), and those that kill a shim, after which CRI-O cannot remove the pod, or
# take a network namespace away, after which it does not call the network plugins.
LEFT_OUT+=(
	test_annotations_of_a_container test_cgroup_when_the_shim_is_killed test_containerd_is_killed
	test_containerd_is_killed_while_it_makes_a_pod test_container_whose_command_is_not_there
	test_copies_that_would_lose_something test_direct_volume_of_a_dead_shim test_events_of_containers test_exec
	test_fault_guest_clock_jumps test_fault_namespace_vanishes test_fault_namespace_vanishes_before_the_start
	test_fault_network_plugin_does_not_let_go test_fault_network_plugin_fails test_fault_network_plugin_hangs
	test_fault_shim_killed test_forward_by_the_manager
	test_forward_carries_all test_forward_ends_with_the_pod test_forward_half_closes test_forward_many_at_once
	test_forward_reaches_localhost
	test_forward_goes_with_the_shim test_pod_survives_containerd test_shim_and_containerd_are_killed
	test_shim_is_killed test_shim_is_killed_while_containerd_is_away test_vmm_as_a_user
)

CONTAINERD_NAMESPACE=default
GROUP=kata_crio-

cri_config() {
	cat <<-EOF
		[crio]
		root = "$LAB/root"
		runroot = "$LAB/state"
		storage_driver = "overlay"
		log_dir = "$LAB/crio-logs"
		version_file = "$LAB/version"
		version_file_persist = "$LAB/version-persist"
		clean_shutdown_file = "$LAB/clean"
		[crio.api]
		listen = "$LAB/containerd.sock"
		stream_address = "127.0.0.1"
		[crio.runtime]
		cgroup_manager = "cgroupfs"
		conmon_cgroup = "pod"
		pinns_path = "$CRIO/pinns"
		namespaces_dir = "$LAB/ns"
		container_exits_dir = "$LAB/exits"
		container_attach_socket_dir = "$LAB/attach"
		default_runtime = "runc"
		drop_infra_ctr = false
		log_level = "debug"
		# The same as containerd's.
		default_capabilities = ["CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID",
		 "SETFCAP", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"]
		[crio.runtime.runtimes.runc]
		runtime_path = "$(command -v runc)"
		runtime_root = "$LAB/runc"
		monitor_path = "$(command -v conmon)"
		[crio.runtime.runtimes.kata]
		runtime_path = "$LAB_PREFIX/bin/containerd-shim-kata-v2"
		runtime_type = "vm"
		runtime_root = "/run/vc"
		privileged_without_host_devices = true
		[crio.image]
		pause_image = "$PAUSE_IMAGE"
		pause_command = "/pause"
		signature_policy = "$LAB/policy.json"
		[crio.network]
		network_dir = "$LAB/cni"
		plugin_dirs = ["$LAB/plugins"]
	EOF
}

# CRI-O's socket gets the name of containerd's, so that cases work with either.
cri_containerd() {
	echo '{"default":[{"type":"insecureAcceptAnything"}]}' >"$LAB/policy.json"
	mkdir -p "$LAB/root" "$LAB/state"
	PATH="$LAB_PREFIX/bin:$PATH" "$CRIO/crio" --config "$LAB/config.toml" --config-dir "$LAB/crio.conf.d" \
		>>"$LAB/containerd.log" 2>&1 &
	echo $! >"$LAB/containerd.pid"
	answers crio "$LAB/containerd.pid" "$LAB/containerd.log" cri Status
}

lab_import() { # DIR CONFIG NAME...
	local name
	lab_layout "$@"
	shift 2
	for name in "$@"; do
		skopeo --insecure-policy copy -q "oci:$LAB/oci" \
			"containers-storage:[overlay@$LAB/root+$LAB/state]$name" || return
	done
}

cri_has_image() { # NAME
	skopeo inspect "containers-storage:[overlay@$LAB/root+$LAB/state]$1" >/dev/null
}
