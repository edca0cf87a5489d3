# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A node as a kubelet sees it: a private containerd with CRI and CNI, in namespaces of its own, and functions for
# tests. The handler under test is $HANDLER.
#
#   lab_apart SCRIPT ARG...	call first (containerd.sh)
#   cri_start PREFIX		starts the node, which ends with the script
#   cri CALL [REQUEST]		sends a CRI request, prints the answer as JSON; --field F CALL ...: one value of it
#   pod NAME [JSON]		runs a pod and prints its id
#   container POD NAME SCRIPT [JSON]
#				creates one that runs a shell script, and prints its id; `started`
#				starts it, too
#   in_container ID COMMAND...	runs the command there with ExecSync; output and status are the command's
#   pod_gone ID			stops and removes a pod
#   configured TOML...		adds these lines to the configuration of kata until the test ends
#   manager_version		prints the version of containerd or CRI-O
#   cri_left			prints what is left on the node; empty if nothing
#
# JSON: additional members of the configuration, each with a comma in front. Variables set nested members: SYSCTLS,
# POD_CONTEXT (security context) and POD_RESOURCES (the sum over its containers, as a kubelet sends it) for a pod;
# RESOURCES and CONTEXT (security context) for a container; NAMESPACES (options) for both. The default of NAMESPACES is a
# kubelet's: everything is shared except processes.

# shellcheck source=tests/integration/containerd.sh
. "$(dirname "${BASH_SOURCE[0]}")/../integration/containerd.sh"

export CONTAINERD_NAMESPACE=k8s.io
PAUSE_IMAGE=registry.k8s.io/pause:3.9
CRI_IMAGE=localhost/kata-test:busybox
# shellcheck disable=SC2034 # for the cases
GROUP=kata_ # prefix of the name of a pod's control group

cri() { "$TOOLS/cri" --socket "$LAB/containerd.sock" "$@"; }

manager_version() { cri --field runtime_version Version | sed 's/^v//'; }

shim_of() { pgrep -of "containerd-shim.* -id $1"; } # POD-ID

cri_start() { # PREFIX
	LAB=$(mktemp -d /tmp/kata-lab-XXXXXX)
	chmod 0711 "$LAB" # like a node's directories, which a VMM that is not root must be able to search
	trap cri_stop EXIT
	[ ! -x "$1/bin/containerd-shim-kata-v2" ] || lab_prefix "$1"
	lab_patience
	PARENT=/kata-cri-${LAB##*-}
	mkdir -p "$LAB/cni" "$LAB/plugins" "$LAB/logs" "$LAB/pods"
	ln -s /usr/lib/cni/* "$LAB/plugins/" # a test may add its own
	# For the reports of sanitizers, if the shim is built with one.
	export ASAN_OPTIONS="log_path=$LAB/report" TSAN_OPTIONS="log_path=$LAB/report"
	export UBSAN_OPTIONS="log_path=$LAB/report:print_stacktrace=1"
	cri_config >"$LAB/config.toml"
	cri_network
	cri_containerd && cri_images || return
	cri_now >"$LAB/before"
}

# Raises time limits for busy machines, on which VMs boot slowly. Later drop-ins override this one.
lab_patience() {
	[ -z "${LAB_PREFIX:-}" ] || printf '[agent.kata]\ndial_timeout = 120\n' \
		>"$LAB_PREFIX/share/defaults/kata-containers/config.d/00-early.toml"
}

cri_config() {
	local version=2
	[[ ! $(containerd --version) =~ \ v?2\. ]] || version=3
	cat <<-EOF
		version = $version
		root = "$LAB/root"
		state = "$LAB/state"
		[grpc]
		address = "$LAB/containerd.sock"
		[ttrpc]
		address = "$LAB/containerd.sock.ttrpc"
		[debug]
		level = "debug"
	EOF
	"cri_config_$version"
}

# Since containerd 2 the CRI consists of several plugins.
cri_config_3() {
	cat <<-EOF
		[plugins."io.containerd.grpc.v1.cri"]
		stream_server_address = "127.0.0.1"
		[plugins."io.containerd.cri.v1.images".pinned_images]
		sandbox = "$PAUSE_IMAGE"
		[plugins."io.containerd.cri.v1.runtime"]
		restrict_oom_score_adj = true
	EOF
	cri_config_runtimes io.containerd.cri.v1.runtime "bin_dirs = [\"$LAB/plugins\"]" 'runtime_type = "io.containerd.kata.v2"' \
		"runtime_path = \"${LAB_PREFIX:-}/bin/containerd-shim-kata-v2\""
}

# The shim by its path: containerd 1.6 does not read runtime_path.
cri_config_2() {
	cat <<-EOF
		[plugins."io.containerd.grpc.v1.cri"]
		sandbox_image = "$PAUSE_IMAGE"
		stream_server_address = "127.0.0.1"
		restrict_oom_score_adj = true # some machines do not allow us to lower it
	EOF
	cri_config_runtimes io.containerd.grpc.v1.cri "bin_dir = \"$LAB/plugins\"" "runtime_type = \"${LAB_PREFIX:-}/bin/containerd-shim-kata-v2\""
}

cri_config_runtimes() { # PLUGIN CNI SHIM...: prints the plugin's tables, with lines that name CNI's plugins and kata's shim
	local plugin=$1 cni=$2
	shift 2
	cat <<-EOF
		[plugins."$plugin".cni]
		$cni
		conf_dir = "$LAB/cni"
		[plugins."$plugin".containerd]
		default_runtime_name = "runc"
		[plugins."$plugin".containerd.runtimes.runc]
		runtime_type = "io.containerd.runc.v2"
	EOF
	[ -z "${LAB_PREFIX:-}" ] || cat <<-EOF
		[plugins."$plugin".containerd.runtimes.kata]
		$(printf '%s\n' "$@")
		privileged_without_host_devices = true
		pod_annotations = ["io.katacontainers.*"]
		container_annotations = ["io.katacontainers.*"]
		[plugins."$plugin".containerd.runtimes.kata-devices]
		$(printf '%s\n' "$@")
	EOF
}

# Connects eth0 of each pod to a bridge of the node. (With loopback alone no pod starts, because containerd requires an
# address on eth0.)
cri_network() {
	cat >"$LAB/cni/10-test.conflist" <<-EOF
		{"cniVersion":"0.4.0","name":"test","plugins":[
		 {"type":"bridge","bridge":"cri0","isGateway":true,"ipMasq":false,
		  "ipam":{"type":"host-local","dataDir":"$LAB/ipam",
		   "ranges":[[{"subnet":"10.88.0.0/16"}]],"routes":[{"dst":"0.0.0.0/0"}]}},
		 {"type":"portmap","capabilities":{"portMappings":true}}]}
	EOF
}

# Waits until the log says that containerd has also loaded the plugins that it loads after it begins to answer.
cri_containerd() {
	lab_containerd || return
	for _ in $(seq 600); do
		[ "$(cri --field 'status.conditions.*' Status 2>/dev/null |
			grep -c '"type":"\(Runtime\|Network\)Ready","status":true')" != 2 ] || return 0
		sleep 0.05
	done
	echo "containerd's CRI is not ready: $(cri Status 2>&1)" >&2
	return 1
}

cri_images() {
	local name
	mkdir -p "$LAB/pause"
	cp "$TOOLS/pause" "$LAB/pause/pause"
	lab_import "$LAB/pause" '{"Entrypoint":["/pause"]}' "$PAUSE_IMAGE"
	lab_busybox "$LAB/image"
	cp "$TOOLS/serve" "$TOOLS/hostile" "$LAB/image/bin/"
	lab_import "$LAB/image" '{"Env":["PATH=/bin"],"Cmd":["sh"]}' "$CRI_IMAGE"
	for name in "$PAUSE_IMAGE" "$CRI_IMAGE"; do
		cri_has_image "$name" || return
	done
}

# Waits until the CRI plugin knows the image: it learns about an imported image from an event.
cri_has_image() { # NAME
	for _ in $(seq 600); do
		! lab_ctr images ls "name==$1" | grep -q io.cri-containerd.image=managed || return 0
		sleep 0.05
	done
	echo "CRI does not know the image $1" >&2
	return 1
}

# Stops and removes every pod.
cri_clear() {
	local id
	for id in $(cri --field 'items.*.id' ListPodSandbox 2>/dev/null); do
		cri --timeout 60 StopPodSandbox "{\"pod_sandbox_id\":\"$id\"}" >/dev/null 2>&1
		cri --timeout 60 RemovePodSandbox "{\"pod_sandbox_id\":\"$id\"}" >/dev/null 2>&1
	done
}

# Also removes the parent of the pods' control groups, which a kubelet would remove.
cri_stop() {
	local status=$?
	set +e
	cri_clear
	lab_remove
	find /sys/fs/cgroup -depth -type d -path "*$PARENT*" -exec rmdir {} + 2>/dev/null
	exit "$status"
}

# --- what exists on the node ---

# Prints processes (except the test's own, which are in its process group), mounts, network namespaces and devices,
# files, sockets, control groups, and containerd's objects.
cri_now() {
	local pid stat state group words line
	for pid in /proc/[0-9]*; do # without a process for each: there are many looks
		read -r stat 2>/dev/null <"$pid/stat" || continue
		read -r state _ group _ <<<"${stat##*) }"
		if [ "$state" = Z ] || [ "$group" = "$TEST_GROUP" ]; then continue; fi
		words=()
		mapfile -d '' -t words 2>/dev/null <"$pid/cmdline" || continue
		line="${words[*]}"
		echo "process: ${line:0:150}"
	done
	awk '{ print "mount: " $1 }' /proc/self/mountinfo
	find /run/netns -mindepth 1 -printf 'network namespace: %f\n' 2>/dev/null
	ip -o link show | awk -F ': ' '$2 != "cri0" { print "network device: " $2 }'
	find /run/vc/sbs /run/vc/vm /run/kata-containers/shared/sandboxes -mindepth 1 -maxdepth 1 \
		-printf 'file: %p\n' 2>/dev/null
	find /run/containerd/s -mindepth 1 -printf 'socket: %p\n' 2>/dev/null
	find "$LAB/state" -mindepth 3 -maxdepth 3 \
		\( -path '*runtime.v2.task*' -o -path '*/sandboxes/*' -o -path '*/containers/*' \) -printf 'bundle: %p\n'
	find /sys/fs/cgroup -type d -path "*$PARENT/*/*" -printf 'control group: %p\n' 2>/dev/null
	find "$LAB/ipam" -name '10.*' -printf 'address: %f\n' 2>/dev/null
	find "$LAB" -maxdepth 1 -name 'report.*' -exec sed 's/^/report: /' {} +
	[ -z "${SANITIZED:-}" ] || grep -h 'guest console.*\(Sanitizer\|runtime error\)' "$LAB/containerd.log"
	cri --field 'items.*.id' ListPodSandbox | sed 's/^/pod: /'
	cri --field 'containers.*.id' ListContainers | sed 's/^/container: /'
}

# Mounts are identified by their ids, because the path of one of the machine's own mounts changes when a directory above
# it is renamed.
cri_left() {
	cri_now 2>/dev/null | sort | comm -13 <(sort "$LAB/before") - |
		awk '/^mount: / { while ((getline line <"/proc/self/mountinfo") > 0) { split(line, m, " "); at[m[1]] = m[5] }
			$2 = $2 " at " at[$2] } { print }'
}

# The same after a while, because the last parts of a pod disappear after its removal was answered.
cri_left_at_last() {
	local left
	for _ in $(seq 600); do
		left=$(cri_left)
		[ -n "$left" ] || return 0
		sleep 0.1
	done
	head -n 30 <<<"$left" | sed 's/^/    left: /'
}

# --- pods and containers ---

configured() { # TOML...
	printf '%s\n' "$@" >"$LAB_PREFIX/share/defaults/kata-containers/config.d/50-case.toml"
}

unconfigured() {
	[ -z "${LAB_PREFIX:-}" ] || rm -f "$LAB_PREFIX/share/defaults/kata-containers/config.d/50-case.toml"
}

json_words() { # WORD... as JSON strings
	local word list=""
	for word in "$@"; do
		word=${word//\\/\\\\} word=${word//\"/\\\"} word=${word//$'\n'/\\n} word=${word//$'\t'/\\t}
		list+="${list:+,}\"$word\""
	done
	echo "$list"
}

namespaces() { echo "\"namespace_options\":{${NAMESPACES:-\"pid\":\"CONTAINER\"}}"; }

pod() { # NAME [JSON]
	local id host=host-$1 config=$LAB/pods/new-$1 # a file of its own, since pods may be created in parallel
	[[ ${NAMESPACES:-} != *NODE* ]] || host="" # such a pod has the node's host name
	rm -rf "$LAB/logs/$1" # of an earlier pod with that name and another handler
	mkdir -p "$LAB/logs/$1"
	cat >"$config" <<-EOF
		{"metadata":{"name":"$1","uid":"$1-$RANDOM$RANDOM","namespace":"tests","attempt":0},
		 "hostname":"$host","log_directory":"$LAB/logs/$1","labels":{"pod":"$1"},
		 "linux":{"cgroup_parent":"$PARENT/pod-$1","sysctls":{${SYSCTLS:-}},
		  "resources":{${POD_RESOURCES:-}},
		  "security_context":{$(namespaces)${POD_CONTEXT:+,}${POD_CONTEXT:-}}}${2:-}}
	EOF
	id=$(cri --field pod_sandbox_id RunPodSandbox \
		"{\"runtime_handler\":\"$HANDLER\",\"config\":$(<"$config")}") || return
	mv "$config" "$LAB/pods/$id"
	echo "$id"
}

container() { # POD NAME SCRIPT [JSON]
	container_of "$1" "$2" "\"command\":[$(json_words sh -c "$3")]${4:-}"
}

container_of() { # POD NAME JSON: creates a container with exactly these members
	cri --field container_id CreateContainer <<-EOF -
		{"pod_sandbox_id":"$1","sandbox_config":$(<"$LAB/pods/$1"),
		 "config":{"metadata":{"name":"$2","attempt":0},"image":{"image":"$CRI_IMAGE","user_specified_image":"$CRI_IMAGE"},
		  "log_path":"$2.log","labels":{"container":"$2"},
		  "linux":{"resources":{${RESOURCES:-}},
		   "security_context":{$(namespaces)${CONTEXT:+,}${CONTEXT:-}}},$3}}
	EOF
}

start() { # ID
	cri StartContainer "{\"container_id\":\"$1\"}" >/dev/null
}

started() { # POD NAME SCRIPT [JSON]
	local id
	id=$(container "$@") && start "$id" && echo "$id"
}

stop() { # ID [SECONDS]
	cri StopContainer "{\"container_id\":\"$1\",\"timeout\":${2:-0}}" >/dev/null
}

remove() { # ID
	cri RemoveContainer "{\"container_id\":\"$1\"}" >/dev/null
}

of_container() { # ID FIELD: prints that field of its status
	cri --field "status.$2" ContainerStatus "{\"container_id\":\"$1\"}"
}

of_pod() { # ID FIELD
	cri --field "status.$2" PodSandboxStatus "{\"pod_sandbox_id\":\"$1\"}"
}

# The shim of runc may end while containerd 2.1 stops its last container ("ttrpc: closed"). A kubelet repeats that.
pod_stop() { # ID
	local request="{\"pod_sandbox_id\":\"$1\"}" said status=0
	said=$(cri StopPodSandbox "$request" 2>&1 >/dev/null) || status=$?
	if [ "$HANDLER" = runc ] && [[ $said == *"ttrpc: closed"* ]]; then
		cri StopPodSandbox "$request" >/dev/null
		return
	fi
	[ -z "$said" ] || echo "$said" >&2
	return "$status"
}

pod_remove() { # ID
	cri RemovePodSandbox "{\"pod_sandbox_id\":\"$1\"}" >/dev/null
}

pod_gone() { # ID
	pod_stop "$1" && pod_remove "$1"
}

log_of() { # POD-NAME CONTAINER-NAME: prints the text of its log
	sed 's/^[^ ]* \(stdout\|stderr\) [FP] //' "$LAB/logs/$1/$2.log"
}

in_container() { # ID COMMAND...
	cri --timeout 60 exec "$@"
}

processes() { # ID PATTERN: prints how many processes with such a command line it sees; [x]yz does not match grep itself
	in_container "$1" sh -c "ps -o args | grep -c '^$2' || true"
}

ended() { # ID: waits for its end
	until_is "state of $1" CONTAINER_EXITED of_container "$1" state
}

# Prefix for a container's command, which makes it wait for `tell CONTAINER`. (containerd's shim for runc watches for OOM
# kills only after the program has been started.)
# shellcheck disable=SC2034 # for the cases
WHEN_TOLD='until [ -e /dev/told ]; do usleep 10000; done;'
tell() { in_container "$1" sh -c ': >/dev/told'; }

until_is() { # WHAT WANTED COMMAND...: waits until the command prints that
	local what=$1 wanted=$2 got
	shift 2
	for _ in $(seq 600); do
		got=$("$@" 2>&1) && [ "$got" = "$wanted" ] && return 0
		sleep 0.1
	done
	expect "$what" "$got" "$wanted"
}
