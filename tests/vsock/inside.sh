#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# PID 1 of the host with vhost-vsock, after init.sh: tests our shim with a real containerd and QEMU. inside.sh STAGE
# Prints "ok WHAT" or "FAIL WHAT" for each check, and END.
# shellcheck disable=SC2016,SC2116 # run is a function, and variables are of the shell that is asked
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
cd "$(dirname "$0")/../.." || exit
# shellcheck source=tests/integration/lib.sh
. tests/integration/lib.sh
stage=$1
ip link set lo up
ln -sf /proc/self/fd /dev/fd

# Everything is slow in a VM inside a VM, so raise the time limits.
mkdir /tmp/etc
configure() { # LINE...: adds these lines to [hypervisor.qemu]
	cp "$stage/share/defaults/kata-containers/configuration.toml" /tmp/etc/configuration.toml
	sed -i "s|\"share/kata|\"$stage/share/kata|; s|^dial_timeout.*|dial_timeout = 1200|
		s|^request_timeout.*|request_timeout = 600|
		s|^shared_fs.*|shared_fs = \"virtio-9p\"|; s|^default_memory.*|default_memory = 128|
		s|^accelerator.*|accelerator = \"tcg\"|; s|^transport.*|$1|
		s|^enable_debug.*|enable_debug = true|
		s|^\[runtime\]|&\ncreate_container_timeout = 3600|" /tmp/etc/configuration.toml
}
export KATA_CONF_FILE=/tmp/etc/configuration.toml

check() { # WHAT COMMAND...
	local what=$1
	shift
	if "$@" >/tmp/why 2>&1; then echo "ok $what"; else
		echo "FAIL $what"
		tail -n 5 /tmp/why
	fi
}
same() { [ "$1" = "$2" ] || { echo "'$1' is not '$2'"; return 1; }; }
run() { lab_ctr run --rm --runtime "$RUNTIME" "$IMAGE" "$(lab_id)" "$@"; }
said() { grep -q "$1" "$LAB/containerd.log"; }

lab_start "$stage"
trap - EXIT
lab_image
check "vhost-vsock is there" test -c /dev/vhost-vsock

configure 'transport = ""'
check "the first container answers" same "$(run echo hello)" hello
check "it was reached over vsock" same "$(cat /run/vc/transport)" vsock
check "the agent's log came" said 'msg="guest agent".*agent is ready\|guest agent'
check "nothing is left of it" lab_gone

id=$(lab_id)
head -c 3000000 /dev/urandom >/tmp/data
lab_ctr run --rm --runtime "$RUNTIME" "$IMAGE" "$id" sh -c 'cat; exit 7' </tmp/data >/tmp/back &
client=$!
while kill -0 "$client" && ! vmm=$(pgrep -f "sandbox-$id"); do sleep 0.2; done
tr '\0' ' ' <"/proc/$vmm/cmdline" >/tmp/line
check "QEMU has the device" grep -q 'vhost-vsock-pci,id=vsock0,vhostfd=3,guest-cid=[0-9]' /tmp/line
check "and no port for the agent" sh -c '! grep -q name=agent /tmp/line'
status=0
wait "$client" || status=$?
check "the exit status comes back" same "$status" 7
check "3 MB come back as they went" cmp /tmp/data /tmp/back

id=$(lab_id)
lab_ctr run --rm --runtime "$RUNTIME" "$IMAGE" "$id" sh -c 'echo up; sleep 10000' >/tmp/up &
client=$!
while kill -0 "$client" && ! grep -q up /tmp/up; do sleep 0.2; done
kill -9 "$(pgrep -f "sandbox-$id")"
status=0
wait "$client" || status=$?
check "the end of the VM is the container's" same "$status" 255
check "nothing is left of that either" lab_gone

# A device that opens but does not work: containers still start, and later ones do not try it again.
rm /run/vc/transport
mount --bind /dev/null /dev/vhost-vsock
check "without a number there is the serial port" same "$(run echo again)" again
check "the log says so" said 'no vsock, using a serial port for the agent'
check "which is remembered" same "$(cat /run/vc/transport)" serial
configure 'transport = "vsock"'
check "asked for, it is missed" sh -c '! ctr --address "$0" run --rm --runtime "$1" "$2" x true' \
	"$LAB/containerd.sock" "$RUNTIME" "$IMAGE"
check "nothing is left at the end" lab_gone
lab_stop_containerd
echo END
exec busybox poweroff -f
