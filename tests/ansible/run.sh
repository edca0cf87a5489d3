#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests the Ansible collection: run.sh PORTABLE-KATA-DEPLOY [RELEASE NEXT-RELEASE]
#
# Packed twice it has the same bytes, and ansible-galaxy installs it. Runs the module on one host with a root directory of
# its own (one.yml) and, with releases that boot, plays on ten hosts with sshd and containerd (hosts.sh).
set -u
cd "$(dirname "$0")/../.." || exit 1

deploy=$(realpath "$1")
one='' two=''
[ -z "${2:-}" ] || one=$(realpath "$2") two=$(realpath "$3")
command -v ansible-playbook >/dev/null || {
	echo "skipped: ansible: ansible-core is not here"
	exit 0
}
# In namespaces of our own, so that all processes end with this script and the loopback addresses are ours.
if [ -n "$one" ] && [ -z "${APART:-}" ]; then
	[ "$(id -u)" = 0 ] || { echo "skipped: ansible: namespaces need root" && exit 0; }
	APART=1 exec unshare --mount --net --pid --fork --kill-child --mount-proc "$0" "$deploy" "$one" "$two"
fi
dir=$(mktemp -d /tmp/kata-ansible-XXXXXX)
trap 'rm -rf "$dir"' EXIT
# A copy, because the program may be built again meanwhile.
cp "$deploy" "$dir/kata-deploy"
deploy=$dir/kata-deploy
# shellcheck source=tests/checked.sh
. tests/checked.sh

version=$(cat VERSION)
again() (
	umask 077
	mkdir -p "$dir/far/away" && cp -r packaging/ansible "$dir/far/away/" && find "$dir/far" -exec touch {} + &&
		TZ=Asia/Tokyo LC_ALL=C packaging/ansible.py "$dir/far/away/ansible" "$version" "$dir/far" &&
		cmp "$collection" "$dir/far/${collection##*/}"
)
collection=$dir/out/katacontainers-kata-$version.tar.gz
check "packed" packaging/ansible.py packaging/ansible "$version" "$dir/out"
check "packed again they are the same bytes" again
no_number() { ! packaging/ansible.py packaging/ansible nonsense "$dir/no" && grep -q "VERSION=" "$dir/said"; }
check "a version that a collection cannot have" no_number

# An empty configuration, so that no other one is used.
touch "$dir/ansible.cfg"
export ANSIBLE_CONFIG=$dir/ansible.cfg
export ANSIBLE_HOME=$dir/home ANSIBLE_COLLECTIONS_PATH=$dir/collections ANSIBLE_LOCALHOST_WARNING=false
export ANSIBLE_PIPELINING=1 ANSIBLE_NOCOLOR=1 ANSIBLE_RETRY_FILES_ENABLED=1 ANSIBLE_RETRY_FILES_SAVE_PATH=$dir
export ANSIBLE_PYTHON_INTERPRETER=/usr/bin/python3 ANSIBLE_LOCAL_TEMP=$dir/tmp ANSIBLE_INVENTORY_UNPARSED_WARNING=false
check "installed by ansible-galaxy" ansible-galaxy collection install --offline -p "$dir/collections" "$collection"
verified() { (cd "$dir/collections/ansible_collections/katacontainers/kata" && python3 -c '
import hashlib, json
for f in json.load(open("FILES.json"))["files"]:
    if f["ftype"] == "file":
        assert hashlib.sha256(open(f["name"], "rb").read()).hexdigest() == f["chksum_sha256"], f["name"]'); }
check "with the files that it says" verified
documented() { # WORD...
	ansible-doc "$@" && ! grep -q "WARNING\|ERROR" "$dir/said"
}
check "the module is documented" documented katacontainers.kata.kata_deploy
check "the role is documented" documented -t role katacontainers.kata.kata

# A parameter that the role does not pass on would silently have no effect.
passed_on() { python3 - packaging/ansible <<'END'
import re, sys, yaml
top = sys.argv[1]
module = open(top + "/plugins/modules/kata_deploy.py").read()
options = re.findall(r'^    \("(\w+)", "\w+", \w+, "--[\w-]+", (\w+)\)', module, re.M)
known = yaml.safe_load(open(top + "/roles/kata/meta/argument_specs.yml"))["argument_specs"]["main"]["options"]
known = set(known["kata_options"]["options"]) | {"release", "dest", "trust_dir", "key"}
missing = [name for name, _states in options if name not in known]
host = {"key", "channel_key", "prefix", "root", "lock", "lock_wait", "trust_memory"}
for task, states, others in (
    ("present", {"RELEASE", "MANAGER", "PRESENT", "ALL"}, {"key"}),
    ("absent", {"MANAGER", "ABSENT", "ALL"}, set()),
    ("fetch", {"RELEASE", "FETCHED"}, host),
):
    text = open(top + "/roles/kata/tasks/%s.yml" % task).read()
    missing += [task + ": " + name for name, of in options
                if of in states and name not in others and not re.search(r"^ +%s: " % name, text, re.M)]
sys.exit("not passed on: " + ", ".join(missing) if missing else 0)
END
}
check "the role passes on what the module has" passed_on

# Small releases, for tests that need no VM.
SOURCE_DATE_EPOCH=$(date +%s)
export SOURCE_DATE_EPOCH BUILD=$dir LEVEL=1 EXPIRES=2099-01-01T00:00:00Z COMPONENTS=$dir/components.yaml
export KEY=$dir/key.key
printf '%s\n' 'components:' '  - {name: a, text: a, required: true, paths: [bin]}' \
	'  - {name: b, text: b, paths: [share]}' 'copies: []' >"$COMPONENTS"
"$deploy" keys generate --no-passphrase "$dir/key" >/dev/null
"$deploy" keys generate --no-passphrase "$dir/other" >/dev/null
mkdir -p "$dir/tree/bin" "$dir/tree/share" "$dir/node/etc/containerd" "$dir/node/opt"
printf 'version = 2\n# mine\n' >"$dir/node/etc/containerd/config.toml"
echo data >"$dir/tree/share/data"
release() { # NAME VERSION SERIAL
	echo "tool $2" >"$dir/tree/bin/tool" && SERIAL=$3 packaging/release.sh "$deploy" "$dir/tree" "$dir/$1" "$2" ""
}
check "a release" release one 1.0.0 1
check "and the next" release two 2.0.0 2

# Runs a play and prints its failures last, because check shows the end of the output. The array within has a command and
# its arguments that run it, if any.
within=()
play() { # OPTION... FILE
	local status=0
	timeout 600 "${within[@]}" ansible-playbook -e "dir=$dir program=$deploy describe=$PWD/tests/ansible/describe.sh" "$@" ||
		status=$?
	grep -B 4 "^fatal: " "$dir/said" | grep -v "^ok: "
	return $status
}
# Prints its arguments as it gets them, also as a message.
cat >"$dir/echo" <<'END'
#!/usr/bin/python3
import json, sys
print("got", *sys.argv, file=sys.stderr)
failed = "fail" in sys.argv
print("no document" if failed else json.dumps({"changed": False, "argv": sys.argv[1:]}))
sys.exit(1 if failed else 0)
END
chmod +x "$dir/echo"
check "the module on one host" play -i localhost, tests/ansible/one.yml

pushed() { # VERSION HOST...
	local version=$1 name
	shift
	for name; do
		[[ $(readlink "$dir/push/$name.root/opt/kata/current") == generations/$version-* ]] || { echo "$name has not $version" && return 1; }
	done
}
push() { play -i first,second, "$@" tests/ansible/push.yml; }
half() { # a run that is interrupted while it packs
	local status=0
	mkdir "$dir/push/fetched/release.tar.new" || return
	push -e wanted=two || status=$?
	rmdir "$dir/push/fetched/release.tar.new"
	[ "$status" != 0 ]
}
trusts() { (cd "$dir/push/fetched/keys" && [ "$(echo *)" = "$*" ]); }
mkdir -p "$dir/push/first.root/opt" "$dir/push/second.root/opt"
check "a play that pushes, and another with a newer release" push -e then=second
check "each host has that of its play" eval "pushed 1.0.0 first && pushed 2.0.0 second"
check "the first play again" push
check "a run that ends half way" half
check "the next one" push -e wanted=two
check "pushes what it is to" pushed 2.0.0 first
differ() { ! push -e nodes=all -e '{"wanted": "{{ {\"first\": \"two\", \"second\": \"one\"}[inventory_hostname] }}"}' && grep -q "play of its own" "$dir/said"; }
check "hosts of one play that want different ones are told so" differ
older() { # the plan for a host that has the key of the release from an earlier run
	cp "$dir/key.pub" "$dir/push/trust/" && push --check -e wanted=two -e "{\"kata_push\": false, \"kata_keys\": [\"$dir/other.pub\"]}"
}
check "a plan with the keys that the host has" older
hardened() { # the plan for a host whose /tmp does not let programs be executed
	local within=(unshare --mount "$dir/noexec.sh")
	printf '%s\n' '#!/bin/sh' "mount -t tmpfs -o noexec none $dir/noexec && TMPDIR=$dir/noexec exec \"\$@\"" >"$dir/noexec.sh"
	chmod +x "$dir/noexec.sh" && mkdir "$dir/noexec"
	unshare --mount true 2>/dev/null || return 0
	push --check -e wanted=two
}
check "a plan where /tmp is mounted noexec" hardened
misnamed() { # KEY...
	! push -e "{\"kata_keys\": [$(printf '"%s", ' "$@" | sed 's/, $//')]}" && grep -q "must have another name" "$dir/said"
}
mkdir "$dir/more" && cp "$dir/other.pub" "$dir/more/key.pub" && cp "$dir/key.pub" "$dir/more/key"
check "two keys of one name" misnamed "$dir/key.pub" "$dir/more/key.pub"
check "a key whose name is none of a key" misnamed "$dir/more/key"
cp "$dir/other.pub" "$dir/push/fetched/keys/was.pub"
touch "$dir/push/fetched/keys/mine.key"
check "once more" push -e wanted=two
check "what is no public key stays" rm "$dir/push/fetched/keys/mine.key"
check "a key that is not given any more is not trusted any more" trusts key.pub
kept() { # an empty directory of the administrator, in which the role has made one; a file in another one
	local where="kata_trust_dir=$dir/push/own/trust"
	mkdir "$dir/push/own" && touch "$dir/push/first/mine" && push -e wanted=two -e "$where" &&
		push -e kata_state=absent -e "$where" && [ -d "$dir/push/own" ] && [ ! -e "$dir/push/own/trust" ] &&
		[ -e "$dir/push/first/mine" ] && [ ! -e "$dir/push/first/release.tar" ] && rm "$dir/push/first/mine" &&
		push -e wanted=two -e "$where" && push -e kata_state=absent -e "$where" && [ ! -e "$dir/push/first" ]
}
check "an uninstall removes nothing of the administrator" kept
at_home() { # a prefix below a home directory, itself below another root; without its program the uninstall cannot be skipped
	local at=$dir/push/first.root$HOME/kata
	local where="{\"kata_options\": {\"root\": \"$dir/push/first.root\", \"prefix\": \"~/kata\", \"cri\": \"none\", \"lock\": \"$dir/lock\", \"cache\": \"$dir/cache\"}}"
	mkdir -p "$dir/push/first.root$HOME" && push -e wanted=two -e "$where" && [ -L "$at/current" ] || return
	mv "$dir/push/program" "$dir/push/moved"
	! push -e kata_state=absent -e "$where" && grep -q "kata-deploy is not on this host" "$dir/said" || return
	mv "$dir/push/moved" "$dir/push/program"
	push -e kata_state=absent -e "$where" && [ ! -e "$at" ] && push -e kata_state=absent -e "$where"
}
check "a prefix with a tilde below another root" at_home

if [ -n "$one" ]; then
	busybox ip link set lo up
	# shellcheck source=tests/ansible/hosts.sh
	. tests/ansible/hosts.sh
fi
checked ansible
