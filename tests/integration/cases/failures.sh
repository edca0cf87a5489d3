# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What fails, and what is left after it: nothing.

# pid of the VMM of a container
vmm_of() { pgrep -f "qemu-system.*sandbox-$1( |$)" | head -n 1; }

test_vm_killed() {
	local id
	id=$(lab_id)
	detached "$id" sleep 1000
	kill -KILL "$(vmm_of "$id")"
	stopped "$id"
	expect "status" "$(deleted "$id")" 255
}

test_guest_panic() {
	local id
	id=$(lab_id)
	timeout 120 ctr --address "$LAB/containerd.sock" run -d --privileged --runtime "$RUNTIME" \
		"$IMAGE" "$id" sh -c 'sleep 1; echo c >/proc/sysrq-trigger; sleep 1000' >/dev/null
	stopped "$id"
	expect "status" "$(deleted "$id")" 255
}

test_shim_killed() {
	local id
	id=$(lab_id)
	detached "$id" sleep 1000
	pkill -KILL -f "containerd-shim-kata-v2.* -id $id"
	for _ in $(seq 200); do
		[ -z "$(lab_left)" ] && break
		sleep 0.1
	done
	removed "$id"
}

failing() { # WHAT MESSAGE KEY VALUE: create fails with MESSAGE when the configuration has KEY = VALUE
	local conf=$LAB/conf/configuration.toml
	mkdir -p "$LAB/conf/config.d"
	cp "$PREFIX/share/defaults/kata-containers/configuration.toml" "$conf"
	printf '[hypervisor.qemu]\n%s = %s\n' "$3" "$4" >"$LAB/conf/config.d/10-test.toml"
	if run --annotation "io.katacontainers.config_path=$conf" "$IMAGE" "$(lab_id)" true \
		>/dev/null 2>"$LAB/err"; then
		echo "    $1: the container ran"
		return 1
	fi
	grep -qF -e "$2" "$LAB/err" || {
		echo "    $1: $(cat "$LAB/err")"
		return 1
	}
	expect "left after $1" "$(lab_left)" ""
}

test_create_fails_clearly() {
	failing "no kernel" 'kernel = "/nonexistent/vmlinux"' kernel '"/nonexistent/vmlinux"'
	failing "no QEMU" 'path = "/nonexistent/qemu"' path '"/nonexistent/qemu"'
	failing "QEMU that fails" 'ended at its start' path '"/bin/false"'
	failing "no virtiofsd" 'virtio_fs_daemon = "/nonexistent/vfs"' virtio_fs_daemon \
		'"/nonexistent/vfs"'
	failing "unknown key" "unknown key 'kernl'; did you mean 'kernel'?" kernl '"x"'
	failing "wrong type" 'expected a string' kernel 5
	failing "out of range" 'default_memory' default_memory 1
	failing "a guest without an init" 'the agent in the VM did not answer' kernel_params \
		'"rdinit=/nonexistent"'
}

test_configuration_cannot_be_read() {
	local conf=$LAB/conf-loop
	ln -sfn "$conf" "$conf"
	for file in "$conf" "$LAB" "$LAB/no-such.toml"; do
		if run --annotation "io.katacontainers.config_path=$file" "$IMAGE" "$(lab_id)" true \
			>/dev/null 2>"$LAB/err"; then return 1; fi
		grep -qF "$file" "$LAB/err" || {
			echo "    $file: $(cat "$LAB/err")"
			return 1
		}
	done
}

# The guest is alive and says nothing: the time-outs end it.
test_a_silent_guest() {
	mkdir -p "$LAB/conf/config.d"
	printf '[agent.kata]\ndial_timeout = 4\n' >"$LAB/conf/config.d/20-silent.toml"
	failing "silence" 'the agent in the VM did not answer' kernel_params \
		'"panic=0 rdinit=/nonexistent"'
	rm "$LAB/conf/config.d/20-silent.toml"
}

refused() { # WHAT MESSAGE EXTRA-OF-SPEC
	lab_spec "$LAB/refused.json" '["true"]' "$3"
	if run --config "$LAB/refused.json" "$(lab_id)" >/dev/null 2>"$LAB/err"; then return 1; fi
	grep -qF -e "$2" "$LAB/err" || {
		echo "    $1: $(cat "$LAB/err")"
		return 1
	}
	expect "left after $1" "$(lab_left)" ""
}

test_what_the_specification_asks_is_refused() {
	refused "no root file system" "$LAB/no-root" ",\"root\":{\"path\":\"$LAB/no-root\"}"
	refused "the agent refuses" 'RLIMIT_NONSENSE' ',"process":{"user":{"uid":0,"gid":0},"cwd":"/",
		"args":["true"],"rlimits":[{"type":"RLIMIT_NONSENSE","soft":1,"hard":1}]}'
}

test_virtiofsd_killed() {
	local id
	id=$(lab_id)
	detached "$id" sleep 1000
	pkill -KILL -f "virtiofsd.*sandboxes/$id/"
	stopped "$id"
	expect "status" "$(deleted "$id")" 255
}

test_9p_instead_of_virtiofs() {
	local conf=$LAB/conf/configuration.toml
	mkdir -p "$LAB/conf/config.d"
	cp "$PREFIX/share/defaults/kata-containers/configuration.toml" "$conf"
	printf '[hypervisor.qemu]\nshared_fs = "virtio-9p"\n' >"$LAB/conf/config.d/10-test.toml"
	expect "mounted" "$(run --annotation "io.katacontainers.config_path=$conf" "$IMAGE" "$(lab_id)" \
		sh -c 'echo x >/file && cat /file && awk "\$2 == \"/\" { print \$3 }" /proc/mounts')" \
		"$(printf 'x\n9p')"
}
