# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# An update grows the VM of a single container, unless the configuration does not allow it.

# resizable CONF: starts a container with that configuration; prints its id
resizable() {
	local id
	id=$(lab_id)
	lab_ctr run -d --runtime "$RUNTIME" --annotation io.katacontainers.config_path="$1" \
		--memory-limit $((32 << 20)) "$IMAGE" "$id" \
		sleep 1000 >/dev/null
	echo "$id"
}

in_task() { # ID COMMAND...
	local id=$1
	shift
	lab_ctr tasks exec --exec-id "x$RANDOM$RANDOM" "$id" "$@"
}

# shellcheck disable=SC2016 # awk's
memory_of() { in_task "$1" awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo; }

# Runs a process that needs that much memory and prints its exit status.
filled() { # ID MIB
	status_of in_task "$1" sh -c "exec dd if=/dev/zero of=/dev/null bs=$2M count=1"
}

test_memory_comes_as_virtio_mem() {
	local id before
	id=$(resizable "$(configured '[hypervisor.qemu]' 'enable_virtio_mem = true')")
	before=$(memory_of "$id")
	update "$id" '{"memory":{"limit":536870912},"cpu":{"quota":100000,"period":100000}}'
	within "more MiB" $(($(memory_of "$id") - before)) 470 490
	expect processors "$(in_task "$id" grep -c ^processor /proc/cpuinfo)" $(($(nproc) > 1 ? 2 : 1))
	expect "it can be used" "$(filled "$id" 400)" 0
	update "$id" '{"memory":{"limit":33554432}}'
	for _ in $(seq 600); do
		[ $(($(memory_of "$id") - before)) -gt 40 ] || break
		sleep 0.1
	done
	within "MiB kept" $(($(memory_of "$id") - before)) 0 40
	removed "$id"
}

# DIMMs stay plugged after a smaller limit.
test_memory_comes_as_dimms() {
	local id before
	id=$(resizable "$(configured '[hypervisor.qemu]' 'enable_virtio_mem = false' 'memory_slots = 2')")
	before=$(memory_of "$id")
	update "$id" '{"memory":{"limit":134217728}}'
	within "more MiB" $(($(memory_of "$id") - before)) 120 128
	update "$id" '{"memory":{"limit":402653184}}'
	within "more MiB" $(($(memory_of "$id") - before)) 370 512
	expect "it can be used" "$(filled "$id" 300)" 0
	update "$id" '{"memory":{"limit":33554432}}'
	update "$id" '{"memory":{"limit":402653184}}'
	if update "$id" '{"memory":{"limit":1073741824}}' 2>"$LAB/err"; then return 1; fi
	grep -q memory_slots "$LAB/err"
	expect "after the refusal" "$(filled "$id" 300)" 0
	removed "$id"
}

test_vm_of_a_fixed_size() {
	local id before
	id=$(resizable "$(configured '[hypervisor.qemu]' 'enable_virtio_mem = true' '[runtime]' \
		'static_sandbox_resource_mgmt = true')")
	before=$(memory_of "$id")
	if update "$id" '{"memory":{"limit":536870912}}' 2>"$LAB/err"; then return 1; fi
	grep -q static_sandbox_resource_mgmt "$LAB/err"
	update "$id" '{"memory":{"limit":16777216},"cpu":{"quota":50000,"period":100000}}'
	expect "too little" "$(filled "$id" 20)" 137
	expect memory "$(memory_of "$id")" "$before"
	removed "$id"
}
