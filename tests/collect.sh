#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests what kata-collect-data collects, and that no secret is in it. collect.sh PROGRAM
set -u
collect=$(realpath "$1")
dir=$(mktemp -d /tmp/kata-collect-XXXXXX)
trap 'rm -rf "$dir"' EXIT
# shellcheck source=tests/checked.sh
. "$(dirname "$0")/checked.sh"
cd "$dir" || exit 1

# A node, with programs whose output contains secrets.
node=$dir/node
mkdir -p "$node"/{etc/containerd/certs.d,etc/docker,opt/kata/etc/config.d,opt/kata/state,run/vc/vm/one,bin}
cat >"$node/etc/containerd/config.toml" <<'END'
version = 2
[plugins."io.containerd.grpc.v1.cri".registry.configs."registry.example".auth]
  username = "somebody"
  password = "S3CR3T"
  auth = "S3CR3T"
END
echo '{"http-proxy": "http://u:S3CR3T@proxy:3128", "debug": true}' >"$node/etc/docker/daemon.json"
echo 'kernel_params = "agent.token=S3CR3T quiet"' >"$node/opt/kata/etc/config.d/10-mine.toml"
echo '{"schema": 1}' >"$node/opt/kata/state/install.json"
echo '{"held": []}' >"$node/opt/kata/state/timer.json"
mkdir -p "$node/var/snap/microk8s/current/args" && echo 'version = 3' >"$node/var/snap/microk8s/current/args/containerd-template.toml"
for distribution in k3s rke2; do
	mkdir -p "$node/var/lib/rancher/$distribution/agent/etc/containerd"
	printf '{{ template "base" . }}\npassword = "S3CR3T"\n' >"$node/var/lib/rancher/$distribution/agent/etc/containerd/config.toml.tmpl"
done
head -c 3000000 /dev/zero | tr '\0' 'x' >"$node/run/vc/vm/one/qemu.log"
printf '\npassword: S3CR3T\nthe end of node1.example.org\n' >>"$node/run/vc/vm/one/qemu.log"
ln -s /dev/zero "$node/run/vc/vm/one/endless.log"
mkfifo "$node/run/vc/vm/one/waits.log"
cat >"$node/bin/containerd" <<'END'
#!/bin/sh
echo "containerd $* token=S3CR3T"
echo "Authorization: Bearer S3CR3T" >&2
exit 3
END
chmod 755 "$node/bin/containerd"

made() {
	"$collect" --root "$node" --hide node1.example.org --yes -o report.tar.gz && tar -xzf report.tar.gz &&
		mv kata-report-* report
}
check "an archive of a node" made
check "only its owner can read it" [ "$(stat -c %a report.tar.gz)" = 600 ]
check "no secret is in it" [ -z "$(grep -rl S3CR3T report)" ]
check "nor a word that was to be hidden" [ -z "$(grep -rl node1.example.org report)" ]
check "what is none is" grep -q somebody report/config/containerd/config.toml
check "the administrator's configuration" grep -q 'quiet' report/config/kata/config.d/10-mine.toml
check "the state" [ -f report/state/install.json ]
check "and what a node that upgrades itself remembers" [ -f report/state/timer.json ]
check "the managers of distributions" [ -f report/config/microk8s/containerd-template.toml ]
check "the templates of k3s" grep -q 'template "base"' report/config/k3s/config.toml.tmpl
check "and of rke2" grep -q 'template "base"' report/config/rke2/config.toml.tmpl
check "of a long log the end" grep -q '^the end of \*\*\*$' report/logs/vms/one/qemu.log
check "and no more than a mebibyte" [ "$(stat -c %s report/logs/vms/one/qemu.log)" -le $((1 << 20)) ]
check "what is no file is named, and not waited for" grep -q 'waits.log.*is not a file' report/index.txt
check "no link leads out of the root" [ -z "$(grep endless report/index.txt)" ]
check "the index says how much was masked" grep -Eq '2 masked +config/containerd/config.toml' report/index.txt
check "without logs" "$collect" --root "$node" --no-logs --yes -o short.tar.gz
check "there are none" [ -z "$(tar -tzf short.tar.gz | grep /logs/)" ]

again() { ! "$collect" --root "$node" --yes -o report.tar.gz 2>said2 && grep -q 'exists and is not overwritten' said2; }
check "an older report stays" again
asks() {
	! "$collect" --root "$node" -o asked.tar.gz </dev/null >shown 2>said2 && grep -q "use --yes" said2 &&
		grep -q 'config/containerd/config.toml' shown && [ ! -e asked.tar.gz ]
}
check "without a terminal and --yes it shows the list and writes nothing" asks
shows() {
	"$collect" --root "$node" --show >shown && grep -q 'username = "somebody"' shown && ! grep -q S3CR3T shown &&
		[ "$(echo *.tar.gz)" = "report.tar.gz short.tar.gz" ]
}
check "--show prints it and writes nothing" shows

runs() {
	env -i PATH="$node/bin:$PATH" HTTPS_PROXY=http://u:S3CR3T@proxy:1 OTHER=S3CR3T \
		"$collect" --no-logs --prefix "$dir/none" --show >shown 2>&1
	grep -q 'containerd config dump token=\*\*\*' shown && grep -q 'it ended with 3:.*\*\*\*' shown &&
		grep -q 'HTTPS_PROXY=http://\*\*\*@proxy:1' shown && ! grep -q S3CR3T shown && ! grep -q '^OTHER=' shown
}
check "what programs say is masked too, errors and the environment" runs

hides() {
	printf '#!/bin/sh\necho "node1.example.org failed" >&2\nexit 3\n' >"$node/bin/crio" && chmod 755 "$node/bin/crio"
	env -i PATH="$node/bin:$PATH" "$collect" --no-logs --prefix "$dir/none" --hide node1.example.org --show >shown 2>&1
	grep -q 'crio --version): it ended with 3: .*\*\*\* failed' shown && ! grep -q node1 shown
}
check "a word is hidden in errors of programs too" hides

unread() {
	(
		trap '' PIPE
		sleep 0.2
		"$collect" --help 2>said2
		echo $? >status
	) | true
	[ "$(<status)" = 8 ] && [ ! -s said2 ]
}
check "a reader that is gone is no news" unread
full() {
	"$collect" --help >/dev/full 2>said2
	[ $? = 8 ] && grep -q 'write the output: no space left on device' said2
}
check "a full disk is" full

# The container manager's unit has various names, and the runs of the upgrade timer are only in the journal.
asks_the_journal() {
	local unit
	printf '#!/bin/sh\necho "asked for $*"\n' >"$node/bin/journalctl" && chmod 755 "$node/bin/journalctl"
	env -i PATH="$node/bin:$PATH" "$collect" --prefix "$dir/none" --show >shown 2>&1
	for unit in "-t kata-deploy" "-u "{containerd,docker,crio,k3s,k3s-agent,rke2-server,rke2-agent,k0sworker,k0scontroller}; do
		grep -Eq -- "asked for .*$unit( |\$)" shown || { echo "not $unit" && return 1; }
	done
}
check "the journal is asked for all of them" asks_the_journal

checked collect
