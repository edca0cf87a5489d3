# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Runs cri-tools' suite (CRITEST, the program) with each of HANDLERS, on the containerd of lib.sh, without the specs in
# critest.skip. runc shows which specs pass on this machine; any other handler must pass the same. The images that the
# suite uses are stand-ins, built here.

critest_image() { # DIR CONFIG NAME
	lab_import "$@"
	cri_has_image "$3"
}

# Adds commands and a user that the suite needs and Debian's busybox lacks.
critest_busybox() { # DIR
	cp -a "$LAB/image" "$1"
	echo 'nobody:x:65534:65534:nobody:/:/bin/false' >>"$1/etc/passwd"
	printf '#!/bin/sh\nexec cat /proc/sysvipc/shm\n' >"$1/bin/ipcs"
	# shellcheck disable=SC2016
	printf '#!/bin/sh\nexec pidof "$1"\n' >"$1/bin/pgrep"
	chmod +x "$1/bin/ipcs" "$1/bin/pgrep"
}

# The suite expects a process "nginx" that is PID 1 of its container, has its pid in a file, and "master process" in its
# command line.
critest_servers() { # DIR: the files of web servers
	cp -a "$LAB/image" "$1"
	mkdir -p "$1/www" "$1/var/run"
	echo hello >"$1/www/index.html"
	cat >"$1/bin/nginx" <<-"EOF2"
		#!/bin/sh
		echo $$ >/var/run/nginx.pid
		httpd -p "${PORT:-80}" -h /www
		while :; do sleep 1000; done
	EOF2
	chmod +x "$1/bin/nginx"
}

critest_images() {
	local e2e=registry.k8s.io/e2e-test-images tools=gcr.io/k8s-staging-cri-tools
	local web=$LAB/web
	critest_busybox "$LAB/suite"
	critest_image "$LAB/suite" '{"Env":["PATH=/bin"],"Cmd":["sh"]}' $e2e/busybox:1.29-2
	critest_servers "$web"
	critest_image "$web" '{"Env":["PATH=/bin"],"Entrypoint":["/bin/nginx","master process"]}' \
		$e2e/nginx:1.14-2
	critest_image "$web" '{"Env":["PATH=/bin","PORT=12003"],"Entrypoint":["/bin/nginx"]}' \
		$tools/hostnet-nginx-amd64:latest
	critest_image "$web" '{"Env":["PATH=/bin"],
		"Cmd":["sh","-c","echo httpd -D FOREGROUND; exec httpd -f -p 80 -h /www"]}' \
		$e2e/httpd:2.4.39-4
	# shellcheck disable=SC2153
	cp "$TOOLS/euid" "$web/bin/euid"
	chmod 4755 "$web/bin/euid"
	critest_image "$web" '{"Entrypoint":["/bin/euid"]}' $e2e/nonewprivs:1.3
	# In this image the first user belongs to a group.
	cp -a "$LAB/image" "$LAB/groups"
	echo 'default-user:x:1000:1000::/home/user:/bin/sh' >>"$LAB/groups/etc/passwd"
	echo 'group-defined-in-image:x:50000:default-user' >>"$LAB/groups/etc/group"
	sed -i /^user:/d "$LAB/groups/etc/passwd"
	critest_image "$LAB/groups" '{"Env":["PATH=/bin"],"Cmd":["sh"],"User":"1000"}' \
		$tools/test-image-predefined-group:latest
}

critest_skip() { # HANDLER: prints the regular expression of the specs that are not run with it
	skip_list tests/cri/critest.skip "$1"
}

# Runs the suite with a handler and prints a sorted line "STATUS NAME" for each spec.
critest_run() { # HANDLER
	local report=$LAB/critest-$1 skip at_once=()
	skip=$(critest_skip "$1")
	mkdir -p "$LAB/work"
	# To run specs in parallel the suite executes ginkgo, which was built beside it, and writes its report from a
	# directory below TMPDIR, so that must be the same directory as here. It does not accept "-parallel 1".
	[ "${CRITEST_AT_ONCE:-1}" = 1 ] || at_once=(-parallel "$CRITEST_AT_ONCE")
	(cd "$LAB/work" && TMPDIR=$LAB PATH=$(dirname "$CRITEST"):$PATH "$CRITEST" \
		"${at_once[@]}" -runtime-endpoint "unix://$LAB/containerd.sock" -runtime-handler "$1" \
		-ginkgo.junit-report "../critest-$1.xml" -ginkgo.no-color -ginkgo.timeout 2h \
		-ginkgo.skip "$skip" -ginkgo.focus "${CRITEST_FOCUS:-.}") >"$report.log" 2>&1
	[ -z "${CRITEST_LOG:-}" ] || cp "$report.log" "$CRITEST_LOG.$1"
	sed -n 's/.*<testcase name="\[It\] \([^"]*\)".* status="\([a-z]*\)".*/\2 \1/p' "$report.xml" |
		sed "s/&#39;/'/g; s/&#34;/\"/g; s/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g" |
		grep -v '^skipped' | sort >"$report.specs"
	[ -s "$report.specs" ] || {
		echo "critest did not run; its output:" >&2
		tail -n 20 "$report.log" >&2
		return 1
	}
}

# Prints the specs that a handler should pass but does not, and what it leaves on the node. The first handler should pass
# all specs, any other those that the first one passes and that are run with it.
critest_compare() {
	local handler first="" missing left passed=0 failed=0 n
	critest_images || return
	for handler in ${HANDLERS:-runc}; do
		critest_run "$handler" || return
		sed -n 's/^passed //p' "$LAB/critest-$handler.specs" >"$LAB/passed"
		[ -n "$first" ] || {
			first=$handler
			sed 's/^[a-z]* //' "$LAB/critest-$handler.specs" | sort >"$LAB/wanted"
		}
		missing=$(sort "$LAB/passed" | comm -13 - "$LAB/wanted" | grep -vE "$(critest_skip "$handler")")
		n=$(wc -l <"$LAB/passed")
		echo "  critest $handler: $n of $(wc -l <"$LAB/critest-$handler.specs") specs passed"
		[ -z "$missing" ] || printf '    %s\n' "${missing//$'\n'/$'\n    '}"
		passed=$((passed + n)) failed=$((failed + $(grep -c . <<<"$missing")))
		left=$(cri_left_at_last)
		[ -z "$left" ] || {
			echo "$left"
			failed=$((failed + 1))
			cri_clear
		}
		[ "$handler" != "$first" ] || sort "$LAB/passed" >"$LAB/wanted"
	done
	echo "cri: $passed passed, $failed failed"
	[ "$failed" = 0 ]
}
