# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Settings of a specification; the result is compared with runc's where runc can run the same.

# core_spec FILE SCRIPT [SED-EXPRESSION...]: writes a specification that runs a shell script, and edits it.
core_spec() {
	local file=$1 script=$2
	shift 2
	lab_spec "$file" "[\"sh\",\"-c\",\"$script\"]"
	for edit; do
		sed -i "$edit" "$file"
	done
}

both() { # FILE: runs it with runc and with kata; the outputs must be the same and are printed
	local ours runc
	runc=$(RUNTIME=io.containerd.runc.v2 run --config "$1" "$(lab_id)" 2>&1) || true
	ours=$(run --config "$1" "$(lab_id)" 2>&1) || true
	expect "output, runc's wanted" "$ours" "$runc"
	echo "$ours"
}

refused_with() { # FILE PATTERN: create must fail with an error that matches
	if run --config "$1" "$(lab_id)" 2>"$LAB/err"; then return 1; fi
	grep -qiE "$2" "$LAB/err" || {
		echo "    said: $(cat "$LAB/err")"
		return 1
	}
}

# Docker sets this one for every container.
test_net_sysctls_are_set_in_the_guest() {
	core_spec "$LAB/core.json" 'cat /proc/sys/net/ipv4/ip_unprivileged_port_start' \
		's|"linux":{|&"sysctl":{"net.ipv4.ip_unprivileged_port_start":"77"},|'
	expect "port" "$(both "$LAB/core.json")" 77
	core_spec "$LAB/core.json" 'true' 's|,$|,|;s|{"type":"mount"},|{"type":"mount"}|' \
		's|^ *{"type":"network"}\]|]|' \
		's|"linux":{|&"sysctl":{"net.ipv4.ip_unprivileged_port_start":"77"},|'
	refused_with "$LAB/core.json" 'no network namespace'
	core_spec "$LAB/core.json" 'true' 's|"linux":{|&"sysctl":{"net/../vm/swappiness":"1"},|'
	refused_with "$LAB/core.json" 'net/../vm/swappiness'
}

test_a_user_namespace_with_an_identity_map() {
	local said
	core_spec "$LAB/core.json" "grep -c 'mqueue' /proc/self/mounts; cat /proc/self/uid_map" \
		's|{"type":"pid"}|{"type":"user"},&|' \
		's|"linux":{|&"uidMappings":[{"containerID":0,"hostID":0,"size":65536}],"gidMappings":[{"containerID":0,"hostID":0,"size":65536}],|' \
		's|{"destination":"/sys"|{"destination":"/dev/mqueue","type":"mqueue","source":"mqueue"},&|'
	said=$(both "$LAB/core.json") || {
		echo "$said"
		return 1
	}
	has "the number of mounts" "$said" '^1$'
}

# Also a limit above the one of the container manager, which neither the container's own root may set, nor runc itself
# without CAP_SYS_RESOURCE.
test_a_resource_limit_in_a_user_namespace() {
	local limits
	limited() { # RLIMITS SCRIPT
		core_spec "$LAB/core.json" "$2" 's|{"type":"pid"}|{"type":"user"},&|' \
			's|"linux":{|&"uidMappings":[{"containerID":0,"hostID":0,"size":65536}],"gidMappings":[{"containerID":0,"hostID":0,"size":65536}],|' \
			"s|\"cwd\":\"/\"|&,\"rlimits\":[$1]|"
	}
	limited '{"type":"RLIMIT_NOFILE","soft":500,"hard":600}' 'ulimit -n; ulimit -Hn'
	expect "limits" "$(both "$LAB/core.json")" "$(printf '500\n600')"
	limited '{"type":"RLIMIT_MEMLOCK","soft":104857600,"hard":209715200}' 'ulimit -l; ulimit -Hl'
	limits=$(run --config "$LAB/core.json" "$(lab_id)")
	expect "higher limits" "$limits" "$(printf '102400\n204800')"
	limited '{"type":"RLIMIT_NOFILE","soft":2000000,"hard":2000000}' 'ulimit -n' # more than the kernel's usual maximum
	expect "many open files" "$(run --config "$LAB/core.json" "$(lab_id)")" 2000000
}

# Its devices are made before it becomes read-only, whatever way it is written.
test_a_read_only_dev() {
	core_spec "$LAB/core.json" 'touch /dev/new 2>/dev/null && echo writable; echo x >/dev/null && ls -l /dev/zero | cut -c 1-10' \
		's|{"destination":"/dev","type":"tmpfs","source":"tmpfs","options":\["nosuid"|{"destination":"/dev/","type":"tmpfs","source":"tmpfs","options":["nosuid","ro"|'
	expect "/dev" "$(both "$LAB/core.json")" crw-rw-rw-
}

# Prints the statuses of a program that needs more memory than the limit: with the limit, and after -1 has removed it.
limited_and_not() {
	local id large='dd if=/dev/zero of=/dev/null bs=40M count=1'
	id=$(lab_id)
	detached "$id" sleep 1000
	update "$id" '{"memory":{"limit":20000000,"swap":20000000}}'
	status_of lab_ctr tasks exec --exec-id a "$id" sh -c "$large"
	update "$id" '{"memory":{"limit":-1,"swap":-1}}'
	status_of lab_ctr tasks exec --exec-id b "$id" sh -c "$large"
	removed "$id"
}

test_a_memory_limit_is_removed() {
	local runc
	runc=$(RUNTIME=io.containerd.runc.v2 limited_and_not 2>&1)
	expect "statuses of runc" "$runc" "$(printf '137\n0')"
	expect "statuses" "$(limited_and_not 2>&1)" "$runc"
}

# So many layers that the mount options need several pages.
test_120_layers() {
	local dir=$LAB/many digests="" diffs="" i layer config
	mkdir -p "$dir/oci/blobs/sha256"
	for i in $(seq 120); do
		rm -rf "$dir/layer"
		mkdir "$dir/layer"
		if [ "$i" = 1 ]; then cp -a "$LAB/image/." "$dir/layer"; else echo "$i" >"$dir/layer/layer-$i"; fi
		tar -C "$dir/layer" --sort=name --owner=0 --group=0 --mtime=@0 -cf "$dir/layer.tar" .
		layer=$(sha256sum "$dir/layer.tar" | cut -d' ' -f1)
		diffs="$diffs${diffs:+,}\"sha256:$layer\""
		digests="$digests${digests:+,}{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",
			\"digest\":\"sha256:$layer\",\"size\":$(stat -c %s "$dir/layer.tar")}"
		mv "$dir/layer.tar" "$dir/oci/blobs/sha256/$layer"
	done
	echo "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Env\":[\"PATH=/bin\"]},
		\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[$diffs]}}" >"$dir/c.json"
	config=$(sha256sum "$dir/c.json" | cut -d' ' -f1)
	echo "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",
		\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",
		\"digest\":\"sha256:$config\",\"size\":$(stat -c %s "$dir/c.json")},\"layers\":[$digests]}" \
		>"$dir/m.json"
	cp "$dir/c.json" "$dir/oci/blobs/sha256/$config"
	layer=$(sha256sum "$dir/m.json" | cut -d' ' -f1)
	cp "$dir/m.json" "$dir/oci/blobs/sha256/$layer"
	echo '{"imageLayoutVersion":"1.0.0"}' >"$dir/oci/oci-layout"
	echo "{\"schemaVersion\":2,\"manifests\":[{
		\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"sha256:$layer\",
		\"size\":$(stat -c %s "$dir/m.json"),
		\"annotations\":{\"io.containerd.image.name\":\"localhost/kata-test:many\"}}]}" \
		>"$dir/oci/index.json"
	tar -C "$dir/oci" -cf "$dir/image.tar" .
	lab_ctr images import "$dir/image.tar" >/dev/null
	expect "layers" "$(run localhost/kata-test:many "$(lab_id)" sh -c 'cat /layer-* | wc -l')" 119
}

test_unified_resources_are_applied() {
	core_spec "$LAB/core.json" 'cat /sys/fs/cgroup/memory.high /sys/fs/cgroup/cpu.max' \
		's|"linux":{|&"resources":{"cpu":{"quota":1000,"period":100000},"unified":{"memory.high":"104857600"}},|' \
		's|"source":"sysfs","options":\["ro"\]}|&,{"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["ro"]}|'
	expect "limits" "$(run --config "$LAB/core.json" "$(lab_id)")" "$(printf '104857600\n1000 100000')"
}

test_what_cannot_be_run_is_said_by_create() {
	local what
	# shellcheck disable=SC2016 # the text of the error
	for what in '"nothing"|executable file not found in \$PATH' '"/no/such"|no such file or directory' \
		'"/etc/passwd"|permission denied' '"/etc"|is a directory|permission denied'; do
		lab_spec "$LAB/core.json" "[${what%%|*}]"
		local id
		id=$(lab_id)
		lab_ctr containers create --runtime "$RUNTIME" --config "$LAB/core.json" "$id"
		if lab_ctr tasks start "$id" 2>"$LAB/err"; then return 1; fi
		grep -qiE "exec: .*(${what#*|})" "$LAB/err" || {
			echo "    said: $(cat "$LAB/err")"
			return 1
		}
		expect "tasks of $id" "$(lab_ctr tasks ls | grep -c "^$id " || true)" 0
		lab_ctr containers rm "$id" >/dev/null
	done
}

test_an_empty_home_and_a_bound_dev() {
	# shellcheck disable=SC2016 # the container's variable
	core_spec "$LAB/core.json" 'echo $HOME' 's|"env":\["PATH=/bin"\]|"env":["PATH=/bin","HOME="]|' \
		's|"uid":0,"gid":0|"uid":1000,"gid":1000|'
	expect "home" "$(run --config "$LAB/core.json" "$(lab_id)")" /home/user
	mkdir -p "$LAB/own-dev"
	touch "$LAB/own-dev/mine"
	mknod -m 666 "$LAB/own-dev/null" c 1 3
	core_spec "$LAB/core.json" 'ls -A /dev' \
		"s|{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":\[\"nosuid\",\"mode=755\"\]}|{\"destination\":\"/dev\",\"type\":\"bind\",\"source\":\"$LAB/own-dev\",\"options\":[\"bind\"]}|" \
		'/"destination":"\/dev\/pts"/d' '/"options":\["newinstance"/d'
	expect "/dev" "$(both "$LAB/core.json")" "$(printf 'mine\nnull')"
}

test_dangling_links_and_kinds_of_targets() {
	rm -rf "$LAB/linked"
	cp -a "$LAB/image" "$LAB/linked"
	ln -s /run/resolve/resolv.conf "$LAB/linked/etc/resolv.conf"
	echo nameserver >"$LAB/resolv"
	core_spec "$LAB/core.json" 'cat /etc/resolv.conf /run/resolve/resolv.conf; readlink /etc/resolv.conf' \
		"s|$LAB/image|$LAB/linked|" \
		"s|{\"destination\":\"/sys\"|{\"destination\":\"/etc/resolv.conf\",\"type\":\"bind\",\"source\":\"$LAB/resolv\",\"options\":[\"bind\"]},&|"
	expect "resolv.conf" "$(run --config "$LAB/core.json" "$(lab_id)")" \
		"$(printf 'nameserver\nnameserver\n/run/resolve/resolv.conf')"
	core_spec "$LAB/core.json" 'true' \
		"s|{\"destination\":\"/sys\"|{\"destination\":\"/etc/passwd\",\"type\":\"bind\",\"source\":\"$LAB\",\"options\":[\"bind\"]},&|"
	refused_with "$LAB/core.json" 'not a directory'
}

# The configuration can select cgroup v1: limits, OOM kills and their events are the same.
test_cgroup_v1_in_the_guest() {
	local conf id
	conf=$(configured '[hypervisor.qemu]' 'kernel_params = "agent.unified_cgroup_hierarchy=false"')
	id=$(lab_id)
	listen
	timeout 120 ctr --address "$LAB/containerd.sock" run -d --memory-limit 20000000 \
		--runtime-config-path "$conf" --runtime "$RUNTIME" "$IMAGE" "$id" \
		sh -c 'grep -q :memory: /proc/self/cgroup && dd if=/dev/zero of=/dev/null bs=90M count=1' \
		>/dev/null
	heard /tasks/oom "$id" >/dev/null
	stopped "$id"
	expect "status" "$(deleted "$id")" 137
	core_spec "$LAB/core.json" 'true' \
		's|"linux":{|&"resources":{"unified":{"memory.high":"104857600"}},|'
	if run --runtime-config-path "$conf" --config "$LAB/core.json" "$(lab_id)" 2>"$LAB/err"; then
		return 1
	fi
	grep -q 'memory.high needs cgroup v2' "$LAB/err"
}

# Container managers may put megabytes of annotations into config.json.
test_a_config_of_8_mib() {
	local file=$LAB/core.json
	core_spec "$file" 'echo ran' 's|"ociVersion"|"annotations":{"large":"@"},&|'
	head -c 8000000 /dev/zero | tr '\0' x >"$LAB/large"
	{
		sed '1s|@.*||;1q' "$file" | tr -d '\n'
		cat "$LAB/large"
		sed '1s|[^@]*@||' "$file"
	} >"$file.large"
	rm "$LAB/large"
	expect "said" "$(both "$file.large")" ran
}
