# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Scenarios of a kubelet: how containers start, end, follow each other, and are inspected.

binds() { # HOST PATH [HOST PATH]...: prints members of a container's configuration
	local list=""
	while [ $# -gt 0 ]; do
		list+="${list:+,}{\"host_path\":\"$1\",\"container_path\":\"$2\"}"
		shift 2
	done
	echo ",\"mounts\":[$list]"
}

refused() { # PATTERN COMMAND...: the command must fail with an error that matches
	local pattern=$1 said
	shift
	if said=$("$@" 2>&1); then
		echo "    $* succeeded: $said"
		return 1
	fi
	has "what $* says" "$said" "$pattern"
}

exit_of() { # ID: waits for its end, prints exit code and reason
	ended "$1" && echo "$(of_container "$1" exit_code) $(of_container "$1" reason)"
}

# postStart is an exec right after the start, preStop one right before the stop.
test_scenario_lifecycle_handlers() {
	local pod id dir=$LAB/handlers
	mkdir -p "$dir"
	pod=$(pod handlers)
	id=$(started "$pod" c1 'trap "echo ended >>/data/log; exit 0" TERM; while :; do sleep 0.1; done' \
		"$(binds "$dir" /data)")
	in_container "$id" sh -c 'echo postStart >>/data/log'
	in_container "$id" sh -c 'echo preStop >>/data/log'
	stop "$id" 30
	expect end "$(exit_of "$id")" '0 Completed'
	expect order "$(tr '\n' ' ' <"$dir/log")" 'postStart preStop ended '
	pod_gone "$pod"
	rm -r "$dir"
}

# Programs that end at once: neither output nor exit status may be lost.
test_scenario_short_jobs() {
	local pod id i
	pod=$(pod jobs)
	for i in 0 1 2 3 4 5; do
		id=$(started "$pod" "job$i" "seq 1000; exit $i")
		ended "$id"
		expect "exit code $i" "$(of_container "$id" exit_code)" "$i"
		until_is "lines of $i" "$(seq 1000 | cksum)" output_sum jobs "job$i"
		remove "$id"
	done
	pod_gone "$pod"
}

output_sum() { log_of "$1" "$2" | cksum; }

test_scenario_job_computes() {
	local pod id
	pod=$(pod pi)
	id=$(started "$pod" c1 'echo "scale=40; 4*a(1)" | bc -l')
	expect end "$(exit_of "$id")" '0 Completed'
	until_is pi 3.1415926535897932384626433832795028841968 log_of pi c1
	pod_gone "$pod"
}

test_scenario_environment() {
	local pod id
	pod=$(pod env)
	id=$(started "$pod" c1 'env | sort; sleep 1000' ',"envs":[{"key":"EMPTY","value":""},
	 {"key":"EQUALS","value":"a=b=c"},{"key":"WORDS","value":"two words"},
	 {"key":"POD_NAME","value":"env"},{"key":"UTF","value":"Grüße"},
	 {"key":"LINES_OF","value":"one\ntwo"},{"key":"PATH","value":"/bin:/opt/bin"}]')
	expect EMPTY "$(variable "$id" EMPTY)" ''
	expect EQUALS "$(variable "$id" EQUALS)" 'a=b=c'
	expect WORDS "$(variable "$id" WORDS)" 'two words'
	expect POD_NAME "$(variable "$id" POD_NAME)" env
	expect UTF "$(variable "$id" UTF)" Grüße
	expect LINES_OF "$(variable "$id" LINES_OF)" $'one\ntwo'
	expect "the image's, overridden" "$(variable "$id" PATH)" /bin:/opt/bin
	pod_gone "$pod"
}

variable() { # ID NAME
	in_container "$1" sh -c "printf %s \"\$$2\""
}

# Exit codes, standard error, binary output, unchanged arguments, and a command that exceeds its time limit.
test_scenario_exec() {
	local pod id code
	pod=$(pod execs)
	id=$(started "$pod" c1 'sleep 1000')
	for code in 0 1 2 42 126 127 137 255; do
		fails "$code" in_container "$id" sh -c "exit $code" >/dev/null
	done
	fails 143 in_container "$id" sh -c 'kill -TERM $$' >/dev/null
	fails 139 in_container "$id" sh -c 'kill -SEGV $$' >/dev/null
	# shellcheck disable=SC2016
	expect "arguments" "$(in_container "$id" printf '[%s]' 'a b' '' '*' '"' '$HOME')" '[a b][][*]["][$HOME]'
	expect "bytes" "$(in_container "$id" sh -c 'printf "\000\001\377"' | od -An -tx1)" ' 00 01 ff'
	has "both streams" "$(in_container "$id" sh -c 'echo out; echo err >&2' 2>&1 | sort | tr '\n' ' ')" 'err out'
	refused 'timeout 2s exceeded' cri ExecSync \
		"{\"container_id\":\"$id\",\"cmd\":[\"sh\",\"-c\",\"trap '' TERM; sleep 1001\"],\"timeout\":2}"
	# A child may stay after its parent has ended.
	expect "its child stays" "$(in_container "$id" sh -c 'sleep 1002 >/dev/null 2>&1 & echo started')" started
	expect "and runs" "$(processes "$id" '[s]leep 1002')" 1
	expect afterwards "$(in_container "$id" echo fine)" fine
	pod_gone "$pod"
}

# A container with a terminal: the log contains its output as one stream.
test_scenario_terminal() {
	local pod id
	pod=$(pod terminal)
	id=$(started "$pod" c1 'tty; echo to stderr >&2; [ -t 0 ] && echo input; sleep 1000' ',"tty":true')
	until_is "the log" 'stdout /dev/pts/0 stdout to stderr stdout input ' terminal_log
	pod_gone "$pod"
}

terminal_log() {
	sed 's/^[^ ]* \(stdout\|stderr\) [FP] /\1 /' "$LAB/logs/terminal/c1.log" | tr -d '\r' | tr '\n' ' '
}

LONG+=(test_scenario_{liveness_probes,crash_loop,log_rotation,environment,short_jobs})

# Three ways to end: a container handles SIGTERM and needs a while; it ignores SIGTERM; the grace period is 0.
test_scenario_graceful_termination() {
	local pod willing deaf hurried begin dir=$LAB/graceful
	mkdir -p "$dir"
	pod=$(pod graceful)
	willing=$(started "$pod" willing \
		'trap "echo begun >/data/a; sleep 2; echo finished >>/data/a; exit 0" TERM; echo up; while :; do sleep 0.1; done' \
		"$(binds "$dir" /data)")
	deaf=$(started "$pod" deaf 'trap "echo heard" TERM; echo up; while :; do sleep 0.1; done')
	hurried=$(started "$pod" hurried 'trap "echo heard; sleep 100" TERM; echo up; while :; do sleep 0.1; done')
	until_is "the log" up log_of graceful willing
	until_is "the log" up log_of graceful deaf
	until_is "the log" up log_of graceful hurried
	stop "$willing" 60
	expect "the willing one" "$(exit_of "$willing")" '0 Completed'
	expect "what it did" "$(tr '\n' ' ' <"$dir/a")" 'begun finished '
	begin=$SECONDS
	stop "$deaf" 3
	[ $((SECONDS - begin)) -ge 3 ]
	expect "the deaf one" "$(exit_of "$deaf")" '137 Error'
	until_is "its log" 'up heard ' words_of_log graceful deaf
	stop "$hurried" 0
	expect "the hurried one" "$(exit_of "$hurried")" '137 Error'
	expect "its log" "$(words_of_log graceful hurried)" 'up '
	stop "$hurried" 0 # a kubelet stops a container repeatedly
	pod_gone "$pod"
	rm -r "$dir"
}

words_of_log() { log_of "$1" "$2" | tr '\n' ' '; }

# A liveness probe: execs one after the other until one reports that the container is unhealthy.
test_scenario_liveness_probes() {
	local pod id i
	pod=$(pod liveness)
	id=$(started "$pod" c1 'touch /tmp/healthy; sleep 1000')
	until_is healthy /tmp/healthy in_container "$id" ls /tmp/healthy
	for i in $(seq "${EXECS:-200}"); do
		in_container "$id" cat /tmp/healthy || {
			echo "    exec $i failed"
			return 1
		}
	done
	[ "$(in_container "$id" sh -c 'ls -d /proc/[0-9]* | wc -l')" -le 5 ] # no process of an exec remains
	in_container "$id" rm /tmp/healthy
	refused 'No such file' in_container "$id" cat /tmp/healthy
	stop "$id" 0
	id=$(started "$pod" again 'touch /tmp/healthy; sleep 1000')
	until_is "healthy again" /tmp/healthy in_container "$id" ls /tmp/healthy
	pod_gone "$pod"
}

# Containers with PID namespaces of their own, or in the pod's: then the pod's pause process is PID 1.
test_scenario_process_namespaces() {
	# shellcheck disable=SC2034 # for pod
	local pod a b NAMESPACES
	pod=$(pod apart)
	a=$(started "$pod" a 'exec sleep 1001')
	b=$(started "$pod" b 'exec sleep 1002')
	expect "process 1 of a" "$(in_container "$a" cat /proc/1/comm)" sleep
	expect "what b sees of a" "$(processes "$b" '[s]leep 1001')" 0
	pod_gone "$pod"
	NAMESPACES='"pid":"POD"'
	pod=$(pod together)
	a=$(started "$pod" a 'exec sleep 1001')
	b=$(started "$pod" b 'exec sleep 1002')
	expect "process 1 of a" "$(in_container "$a" cat /proc/1/comm)" pause
	expect "what b sees of a" "$(processes "$b" '[s]leep 1001')" 1
	expect "the namespace" "$(in_container "$a" readlink /proc/self/ns/pid)" \
		"$(in_container "$b" readlink /proc/self/ns/pid)"
	stop "$b" 0
	until_is "of b afterwards" 0 processes "$a" '[s]leep 1002'
	expect "a afterwards" "$(of_container "$a" state)" CONTAINER_RUNNING
	pod_gone "$pod"
}

# With a shared PID namespace, remaining processes of a container still end with it.
test_scenario_all_processes_end() {
	# shellcheck disable=SC2034 # for pod
	local pod main init dir=$LAB/leaves NAMESPACES='"pid":"POD"'
	mkdir -p "$dir"
	pod=$(pod leaves)
	init=$(started "$pod" init 'tail -f /dev/null & (sleep 3000 &) ; setsid sleep 3001 &
		(while :; do echo tick >>/data/ticks; sleep 0.1; done) & sleep 0.5; echo end >>/data/ticks; exit 0' \
		"$(binds "$dir" /data)")
	expect "the init container" "$(exit_of "$init")" '0 Completed'
	# At once, and not only after a time limit for their output.
	[ "$(sed '1,/end/d' "$dir/ticks" | wc -l)" -lt 50 ]
	main=$(started "$pod" main 'sleep 1000')
	until_is "what it left" 0 processes "$main" '\(tail -f\|[s]leep 300\)'
	pod_gone "$pod"
	rm -r "$dir"
}

# Init containers run one after the other, then the main container; a sidecar runs from before until after it.
test_scenario_init_containers_and_a_sidecar() {
	local pod id sidecar main i dir=$LAB/common
	mkdir -p "$dir"
	pod=$(pod order)
	for i in 1 2; do
		id=$(started "$pod" "init$i" "echo init$i >>/common/order" "$(binds "$dir" /common)")
		expect "init container $i" "$(exit_of "$id")" '0 Completed'
	done
	sidecar=$(started "$pod" sidecar 'echo sidecar >>/common/order; exec serve 8080 "from the sidecar"' \
		"$(binds "$dir" /common)")
	until_is "the sidecar" 'from the sidecar' in_container "$sidecar" serve 8080
	main=$(started "$pod" main 'serve 8080 >>/common/order; echo main >>/common/order' "$(binds "$dir" /common)")
	expect "the main container" "$(exit_of "$main")" '0 Completed'
	expect "the order" "$(tr '\n' ' ' <"$dir/order")" 'init1 init2 sidecar from the sidecar main '
	expect "the sidecar" "$(of_container "$sidecar" state)" CONTAINER_RUNNING
	expect "it answers" "$(in_container "$sidecar" serve 8080)" 'from the sidecar'
	pod_gone "$pod"
	rm -r "$dir"
}

# A container is restarted again and again, as in CrashLoopBackOff, beside one that keeps running. Attempts count up.
test_scenario_crash_loop() {
	local pod calm id i old=
	pod=$(pod crash)
	calm=$(started "$pod" calm 'sleep 1000')
	for i in 1 2 3 4 5; do
		id=$(started "$pod" crashing "echo attempt $i; exit 1")
		expect "attempt $i" "$(exit_of "$id")" '1 Error'
		[ -z "$old" ] || remove "$old" # a kubelet keeps the last one
		remove "$id"
	done
	until_is "the log" 'attempt 5' last_line_of crash crashing
	expect "the calm one" "$(in_container "$calm" echo alive)" alive
	pod_gone "$pod"
}

last_line_of() { log_of "$1" "$2" | tail -n 1; }

# kubectl debug --target: an added container sees the processes of another one.
test_scenario_ephemeral_debug_container() {
	local pod app other debug
	pod=$(pod debug)
	app=$(started "$pod" app 'exec sleep 1234')
	other=$(started "$pod" other 'exec sleep 4321')
	debug=$(NAMESPACES="\"pid\":\"TARGET\",\"target_id\":\"$app\"" started "$pod" debugger 'sleep 1000')
	expect "processes of its target" "$(processes "$debug" '[s]leep 1234')" 1
	expect "process 1" "$(in_container "$debug" cat /proc/1/comm)" sleep
	expect "of another" "$(processes "$debug" '[s]leep 4321')" 0
	expect "its target sees it" "$(processes "$app" '[s]leep 1000')" 1
	expect "its own files" "$(in_container "$debug" sh -c 'touch /tmp/mine; ls /tmp')" mine
	in_container "$debug" sh -c 'kill -0 1'
	in_container "$debug" test -e /proc/1/root/bin/busybox
	stop "$debug" 0
	until_is "it is gone" 0 processes "$app" '[s]leep 1000'
	expect "its target" "$(of_container "$app" state)" CONTAINER_RUNNING
	# When the target ends the debug container ends too, because PID 1 of its namespace has ended.
	debug=$(NAMESPACES="\"pid\":\"TARGET\",\"target_id\":\"$app\"" started "$pod" debugger2 'sleep 1000')
	stop "$app" 0
	ended "$debug"
	expect "another" "$(of_container "$other" state)" CONTAINER_RUNNING
	pod_gone "$pod"
}

# The log is rotated several times while the container writes: each line is in exactly one of the files.
test_scenario_log_rotation() {
	local pod id i dir=$LAB/logs/turning
	pod=$(pod turning)
	# shellcheck disable=SC2016
	id=$(started "$pod" c1 'i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i + 1)); [ $((i % 100)) != 0 ] || sleep 0.1; done')
	for i in 1 2 3 4 5; do
		sleep 0.3
		mv "$dir/c1.log" "$dir/c1.log.$i"
		# The log of an ended container cannot be reopened.
		cri ReopenContainerLog "{\"container_id\":\"$id\"}" >/dev/null 2>&1 || break
	done
	ended "$id"
	until_is "all lines" "$(seq 0 2999 | cksum)" rotated_sum
	pod_gone "$pod"
}

rotated_sum() {
	cat "$LAB"/logs/turning/c1.log* | sed 's/^[^ ]* stdout F line //' | sort -n | cksum
}

# A container writes its termination message to a file of the node, whether it succeeds or fails.
test_scenario_termination_log() {
	local pod id file=$LAB/termination-log
	: >"$file"
	pod=$(pod last)
	id=$(started "$pod" c1 'echo "Sleep expired" >/dev/termination-log; exit 3' \
		"$(binds "$file" /dev/termination-log)")
	expect end "$(exit_of "$id")" '3 Error'
	expect message "$(cat "$file")" 'Sleep expired'
	pod_gone "$pod"
	rm "$file"
}

# The reason of a container's end, as Kubernetes shows it.
test_scenario_reasons() {
	local pod id
	pod=$(pod reasons)
	id=$(started "$pod" completed true)
	expect completed "$(exit_of "$id")" '0 Completed'
	id=$(started "$pod" error 'exit 42')
	expect error "$(exit_of "$id")" '42 Error'
	id=$(started "$pod" killed 'kill -KILL $$; kill -TERM 1; sleep 1000')
	stop "$id" 0
	expect killed "$(exit_of "$id")" '137 Error'
	id=$(RESOURCES='"memory_limit_in_bytes":33554432' started "$pod" oom "$WHEN_TOLD exec tail /dev/zero")
	tell "$id"
	ended "$id"
	until_is "out of memory" OOMKilled of_container "$id" reason
	id=$(container_of "$pod" nothing '"command":["/no/such/program"]')
	refused 'no such file' start "$id"
	expect "no program" "$(exit_of "$id")" '128 StartError'
	has "its message" "$(of_container "$id" message)" '/no/such/program'
	id=$(container_of "$pod" directory '"command":["/etc"]')
	refused '\(permission denied\|is a directory\)' start "$id"
	expect "a directory" "$(exit_of "$id")" '128 StartError'
	id=$(container_of "$pod" nowhere '"command":["true"],"working_dir":"/etc/passwd"')
	refused '[Nn]ot a directory' start "$id"
	pod_gone "$pod"
}
