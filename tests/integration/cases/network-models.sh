# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The ways in which interfaces of a namespace are connected to the guest (internetworking_model), and rate limits.

# net_conf TOML...: prints the annotation that chooses a configuration with these lines
net_conf() {
	echo "\"io.katacontainers.config_path\":\"$(configured "$@")\""
}

# net_both_ways POD SUBNET: sends 16 MiB from the node and to it over IPv4 and IPv6; the digests must be equal
net_both_ways() {
	local pod=$1 subnet=$2 digest
	head -c 16777216 /dev/urandom >"$LAB/image/tmp/16m"
	digest=$(sha256sum <"$LAB/image/tmp/16m")
	lab_web "$LAB/image/tmp" 8081
	net_serves "$pod"
	expect "from the pod" "$(busybox wget -qO - "http://$subnet.2/16m" | sha256sum)" "$digest"
	expect "from the pod over IPv6" "$(busybox wget -qO - "http://[fd00:${subnet//./:}::2]/16m" | sha256sum)" "$digest"
	expect "to the pod" "$(pod_in "$pod" sh -c "wget -qO - http://$subnet.1:8081/16m | sha256sum")" "$digest"
	expect "to the pod over IPv6" \
		"$(pod_in "$pod" sh -c "wget -qO - http://[fd00:${subnet//./:}::1]:8081/16m | sha256sum")" "$digest"
	kill "$WEB"
	rm "$LAB/image/tmp/16m"
}

test_a_macvtap_gives_the_vm_an_interface() {
	local pod ns link before NOTES
	pod=$(lab_id) ns=$(net_name n) link=$(net_name v)
	# shellcheck disable=SC2064
	trap "net_gone $ns" EXIT
	net_make "$ns" "$link" 10.88.20
	before=$(ip -n "$ns" -o addr show eth0 | sed 's/ tentative//')
	# shellcheck disable=SC2034 # for net_start
	NOTES='"io.katacontainers.config.runtime.internetworking_model":"macvtap"'
	net_start "$pod" "$ns" '["httpd","-f","-p","80","-h","/tmp"]'
	expect "in the namespace" "$(net_left "$ns")" tap0_kata
	has "its kind" "$(ip -n "$ns" -d link show tap0_kata)" "macvtap mode passthru"
	net_reaches 10.88.20.2
	net_reaches -6 fd00:10:88:20::2
	has "the guest's address" "$(pod_in "$pod" ip addr show eth0)" "inet 10.88.20.2/24"
	has "the guest's card" "$(pod_in "$pod" ip link show eth0)" \
		"$(ip -n "$ns" -o link show eth0 | grep -o 'ether [^ ]*')"
	net_both_ways "$pod" 10.88.20
	removed "$pod"
	expect "left in the namespace" "$(net_left "$ns")" ""
	expect "the interface" "$(ip -n "$ns" -o addr show eth0 | sed 's/ tentative//')" "$before"
	# A killed shim leaves nothing either, and the namespace can be used again.
	pod=$(lab_id)
	net_start "$pod" "$ns" '["httpd","-f","-p","80","-h","/tmp"]'
	kill -KILL "$(pgrep -of "containerd-shim-kata-v2.* -id $pod")"
	for _ in $(seq 600); do
		[ -n "$(net_left "$ns")" ] || break
		sleep 0.1
	done
	expect "left in the namespace" "$(net_left "$ns")" ""
	removed "$pod"
	pod=$(lab_id)
	net_start "$pod" "$ns" '["httpd","-f","-p","80","-h","/tmp"]'
	net_reaches 10.88.20.2
	removed "$pod"
	lab_gone
}

test_a_pod_may_have_no_network() {
	local pod ns link NOTES
	pod=$(lab_id) ns=$(net_name n) link=$(net_name v)
	# shellcheck disable=SC2064
	trap "net_gone $ns" EXIT
	net_make "$ns" "$link" 10.88.21
	ip -n "$ns" link add wrong type bridge # an unsupported kind of interface
	ip -n "$ns" addr add 10.90.21.2/24 dev wrong
	# shellcheck disable=SC2034 # for net_start
	NOTES='"io.katacontainers.config.runtime.internetworking_model":"none"'
	net_start "$pod" "$ns" '["sleep","1000"]'
	expect "cards of the guest" "$(pod_in "$pod" sh -c "ls /sys/class/net | grep -c eth")" 0
	pod_in "$pod" ping -c 1 -W 10 127.0.0.1 >/dev/null
	expect "in the namespace" "$(net_left "$ns")" ""
	busybox ping -c 1 -W 10 10.88.21.2 >/dev/null # the host's stack in the namespace answers
	removed "$pod"
	lab_gone
}

test_a_wrong_model_is_refused() {
	local ns link NOTES
	ns=$(net_name n) link=$(net_name v)
	# shellcheck disable=SC2064
	trap "net_gone $ns" EXIT
	net_make "$ns" "$link" 10.88.22
	NOTES='"io.katacontainers.config.runtime.internetworking_model":"bridged"'
	if net_start "$(lab_id)" "$ns" '["true"]' 2>"$LAB/err"; then return 1; fi
	grep -q 'internetworking_model.*bridged.*possible: tcfilter|macvtap|none' "$LAB/err"
	# shellcheck disable=SC2034 # for net_start
	NOTES=$(net_conf '[hypervisor.qemu]' 'tx_rate_limiter_max_rate = "fast"')
	if net_start "$(lab_id)" "$ns" '["true"]' 2>"$LAB/err"; then return 1; fi
	grep -q "10-test.toml:2: key 'tx_rate_limiter_max_rate'" "$LAB/err"
	expect "left in the namespace" "$(net_left "$ns")" ""
	lab_gone
}

# net_ms COMMAND...: prints how many milliseconds the command takes
net_ms() {
	local start=${EPOCHREALTIME/./}
	"$@" >/dev/null
	echo $(((${EPOCHREALTIME/./} - start) / 1000))
}

# net_way RX-OR-TX SUBNET POD: prints how long the transfer of the file into the pod, or out of it, takes
net_way() {
	case $1 in
	rx) net_ms pod_in "$3" wget -qO /dev/null "http://$2.1:8082/8m" ;;
	tx) net_ms busybox wget -qO /dev/null "http://$2.2/8m" ;;
	esac
}

# net_limited SUBNET RX-OR-TX: transfers 8 MiB each way with a pod that is limited in that direction
net_limited() {
	local pod ns link slow fast other=tx
	pod=$(lab_id) ns=$(net_name n) link=$(net_name v)
	# shellcheck disable=SC2064
	trap "net_gone $ns" EXIT
	net_make "$ns" "$link" "$1"
	head -c 8388608 /dev/zero >"$LAB/image/tmp/8m"
	net_start "$pod" "$ns" '["httpd","-f","-p","80","-h","/tmp"]'
	net_reaches "$1.2"
	net_serves "$pod"
	lab_web "$LAB/image/tmp" 8082 "$1.1"
	# shellcheck disable=SC2064
	trap "kill $WEB 2>/dev/null; net_gone $ns" EXIT
	[ "$2" = rx ] || other=rx
	# A transfer can never be faster than its rate, but may be slower on a busy machine.
	slow=$(net_way "$2" "$1" "$pod")
	for _ in $(seq 10); do
		fast=$(net_way "$other" "$1" "$pod")
		[ "$fast" -ge 3500 ] || break
	done
	echo "    8 MiB at 16 Mbit/s: $slow ms, the other way $fast ms"
	[ "$slow" -gt 3500 ]
	[ "$fast" -lt 3500 ]
	rm "$LAB/image/tmp/8m"
	removed "$pod"
	expect "left in the namespace" "$(net_left "$ns"; tc -n "$ns" qdisc | grep tbf || true)" ""
	lab_gone
}

# An annotation sets the limit, as far as the node allows that.
test_what_a_pod_receives_is_limited() {
	local ns NOTES
	NOTES='"io.katacontainers.config.hypervisor.rx_rate_limiter_max_rate":"16000000"'
	ns=$(net_name n)
	if net_start "$(lab_id)" "$ns" '["true"]' 2>"$LAB/err"; then return 1; fi
	grep -q "rx_rate_limiter_max_rate.*not allowed.*enable_annotations" "$LAB/err"
	NOTES+=,$(net_conf '[hypervisor.qemu]' 'enable_annotations = ["rx_rate_limiter_max_rate"]')
	net_limited 10.88.23 rx
}

test_what_a_pod_sends_is_limited() {
	local NOTES
	# shellcheck disable=SC2034 # for net_start
	NOTES=$(net_conf '[hypervisor.qemu]' 'tx_rate_limiter_max_rate = 16000000')
	net_limited 10.88.24 tx
}

# A send limit works with macvtap too.
test_what_a_pod_sends_by_a_macvtap_is_limited() {
	local NOTES
	# shellcheck disable=SC2034 # for net_start
	NOTES=$(net_conf '[hypervisor.qemu]' 'tx_rate_limiter_max_rate = 16000000' '[runtime]' \
		'internetworking_model = "macvtap"')
	net_limited 10.88.25 tx
}
