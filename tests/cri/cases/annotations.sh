# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Annotations of a pod, which containerd passes on if its configuration lists them.

# Makes a configuration that allows these annotations. (lab_prefix allows an annotation to choose it.)
allowing() { # NAME...
	mkdir -p "$LAB/conf/config.d"
	cp -r "$LAB_PREFIX"/share/defaults/kata-containers/. "$LAB/conf/"
	printf '[hypervisor.qemu]\nenable_annotations = [%s]\n' "$(json_words "$@")" \
		>"$LAB/conf/config.d/10-annotations.toml"
	echo "\"io.katacontainers.config_path\":\"$LAB/conf/configuration.toml\""
}

annotated() { # NAME ANNOTATIONS-JSON: like pod
	pod "$1" ",\"annotations\":{$2}"
}

# They apply to the pod's VM, even if its containers have annotations too.
test_annotations_of_a_pod() {
	[ "$HANDLER" = kata ] || return 0
	local pod id k=io.katacontainers.config
	pod=$(annotated noted "$(allowing kernel_params default_memory),
		\"$k.hypervisor.kernel_params\":\"kata_test=1\",
		\"$k.hypervisor.default_memory\":\"300\"")
	id=$(started "$pod" c1 'sleep 1000')
	has "the kernel's command line" "$(in_container "$id" cat /proc/cmdline)" 'kata_test=1'
	# shellcheck disable=SC2016
	has "memory" "$(in_container "$id" awk '/MemTotal/ { print ($2 > 230000 && $2 < 307200) }' /proc/meminfo)" 1
	pod_gone "$pod"
}

# The error names the pod's annotation, and what its owner or the node's administrator can do.
test_annotations_that_are_refused() {
	[ "$HANDLER" = kata ] || return 0
	local said k=io.katacontainers.config
	said=$(annotated one "\"$k.hypervisor.kernel_params\":\"x\"" 2>&1) && return 1
	has "not allowed" "$said" "annotation $k.hypervisor.kernel_params: not allowed by .*can list 'kernel_params' in enable_annotations"
	said=$(annotated two "\"$k.hypervisor.jailer_path\":\"/x\"" 2>&1) && return 1
	has "of another VMM" "$said" "annotation $k.hypervisor.jailer_path: not supported: QEMU runs without a jailer"
	said=$(annotated three "\"$k.runtime.vfio_mod\":\"/x\"" 2>&1) && return 1
	has "misspelt" "$said" "did you mean $k.runtime.vfio_mode"
}

# Annotations of a container.
test_annotations_of_a_container() {
	[ "$HANDLER" = kata ] || return 0
	local pod id k=io.katacontainers.container.resource
	pod=$(pod each)
	id=$(RESOURCES='"memory_limit_in_bytes":67108864' started "$pod" c1 'sleep 1000' \
		",\"annotations\":{\"$k.swap_in_bytes\":\"100663296\"}")
	expect "swap" "$(in_container "$id" cat /sys/fs/cgroup/memory.swap.max)" 33554432
	id=$(container "$pod" c2 'sleep 1000' ",\"annotations\":{\"$k.swappiness\":\"60\"}")
	has "swappiness" "$(start "$id" 2>&1)" "annotation $k.swappiness: not supported: .*no swappiness"
	pod_gone "$pod"
}

# cgroup v1 has swappiness.
test_annotation_of_swappiness() {
	[ "$HANDLER" = kata ] || return 0
	local pod id
	configured '[hypervisor.qemu]' 'kernel_params = "agent.unified_cgroup_hierarchy=false"'
	pod=$(pod swappiness)
	id=$(started "$pod" c1 'sleep 1000' ',"annotations":{"io.katacontainers.container.resource.swappiness":"73"}')
	expect swappiness "$(in_container "$id" cat /sys/fs/cgroup/memory/memory.swappiness)" 73
	pod_gone "$pod"
}
LONG+=(test_annotation_of_swappiness)
