#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the commands that documents show: run.sh KATA-DEPLOY KATA-MANAGER FILE.md...
#
# Runs the following blocks of a document in order; each file in one shell and on a node of its own:
#
#	```sh run			a block in which every command must succeed
#	```sh refused			a block that must fail; runs in a shell of its own
#	```sh tried			a block for commands that examine the machine: each must be a valid command
#					line, but its result does not matter
#	<!-- run			commands that the reader does not see: they bring the node into the state that
#	COMMANDS -->			the text assumes, and check the text's statements
#
# Other blocks are not run, because they need a container manager, VMs, or a complete build; the text around them should
# say so.
#
# The node has its own /etc, /opt, /media, /var/lib, /var/cache, /run and network, and no container manager.
# https://HOST/ is replaced by the address of an HTTP server on the node itself, which serves the directory $SITE. The
# working directory is empty at first. The programs in bin/ replace what a test cannot do: answer questions, type
# passphrases, prove an install in a VM, and build a release (`make release` packs a small tree).
#
# For the hidden blocks:
#
#	$SITE				the directory of https://HOST/
#	publish VERSION			makes a release, signs it with $SITE/kata.key, and makes it the newest
#					release of the channel https://HOST/kata/
#	installed VERSION		succeeds if that version is current
#	contains TEXT COMMAND...	succeeds if the output of the command contains the text
set -u
tests=$(dirname "$(realpath "$0")")

if [ -z "${GUIDE_NODE:-}" ]; then
	[ "$(id -u)" = 0 ] || {
		echo "skipped: guide: a node of one's own needs root"
		exit 0
	}
	passed=0 failed=0
	for file in "${@:3}"; do
		dir=$(mktemp -d)
		if GUIDE_NODE=$dir unshare --mount --net --pid --fork --kill-child --mount-proc \
			"$tests/run.sh" "$(realpath "$1")" "$(realpath "$2")" "$file" >"$dir/said" 2>&1; then
			passed=$((passed + 1))
			echo "  ok    $file: $(grep -c '^@ ' "$dir/said") blocks"
		else
			failed=$((failed + 1))
			echo "  FAIL  $file"
			tac "$dir/said" | awk '{ print "        " $0 } /^@ / { exit }' | tac
		fi
		rm -rf "$dir"
	done
	echo "guide: $passed passed, $failed failed"
	[ "$failed" = 0 ]
	exit
fi

# --- on the node ---

set -eE
deploy=$1 manager=$2 file=$3 root=$PWD
mount --make-rprivate /
mkdir "$GUIDE_NODE/etc" "$GUIDE_NODE/bin" "$GUIDE_NODE/work"
cp -a /etc/. "$GUIDE_NODE/etc/"
rm -rf "$GUIDE_NODE/etc/kata-deploy" "$GUIDE_NODE/etc/containerd"
mount --bind "$GUIDE_NODE/etc" /etc
for place in /opt /media /var/lib /var/cache /run; do
	[ ! -d "$place" ] || mount -t tmpfs -o mode=0755 guide "$place"
done
mkdir -p /run/lock
busybox ip link set lo up

cp "$tests"/bin/* "$GUIDE_NODE/bin/"
# kata-manager calls the kata-deploy beside it.
cp "$manager" "$GUIDE_NODE/bin/"
export GUIDE_DEPLOY=$deploy GUIDE_TREE=$root PATH=$GUIDE_NODE/bin:$PATH
export SITE=$GUIDE_NODE/site
mkdir -p "$SITE/kata"
busybox httpd -p 127.0.0.1:80 -h "$SITE"
cd "$GUIDE_NODE/work"

components='components:
  - {name: base, text: programs, required: true, paths: [bin, etc]}
  - {name: guest, text: kernel and initrd, required: false, paths: [share]}
copies: []'
serial=0

small_tree() { # DIR VERSION
	mkdir -p "$1/bin" "$1/etc" "$1/share/kata-containers"
	printf '#!/bin/sh\necho %s\n' "$2" >"$1/bin/containerd-shim-kata-v2"
	chmod +x "$1/bin/containerd-shim-kata-v2"
	echo "kernel of $2" >"$1/share/kata-containers/vmlinux"
	echo "# made for $2" >"$1/etc/configuration.toml"
	echo "$components" >"$1.components"
}

publish() { # VERSION
	local tree=$GUIDE_NODE/trees/$1
	[ -e "$SITE/kata.key" ] || "$deploy" keys generate --no-passphrase "$SITE/kata" >/dev/null
	small_tree "$tree" "$1"
	serial=$((serial + 1))
	"$deploy" release build --tree "$tree" --out "$SITE/kata/$1" --components "$tree.components" \
		--version "$1" --serial "$serial" --created "$(date +%s)" --level 1 >/dev/null
	rm "$SITE/kata/$1/channel.yaml"
	"$deploy" release sign --key "$SITE/kata.key" "$SITE/kata/$1" >/dev/null
	"$deploy" release channel --path "$1" --serial "$serial" "$SITE/kata" >/dev/null
	"$deploy" release sign --role channel --key "$SITE/kata.key" "$SITE/kata" >/dev/null
}

installed() { # VERSION
	[[ $(readlink /opt/kata/current) == generations/$1-* ]]
}

contains() { # TEXT COMMAND...
	local text=$1 said
	shift
	said=$("$@" 2>&1)
	[[ $said == *"$text"* ]] || {
		printf '%s\n' "$said"
		return 1
	}
}

refused() { # PLACE; the block is on standard input
	local block
	block=$(cat)
	echo "@ $1"
	if bash -euc "$block" </dev/null; then
		echo "$1: this succeeded but should fail: $block"
		return 1
	fi
}

tried() { # PLACE; the block is on standard input
	local line status
	echo "@ $1"
	while read -r line; do
		status=0
		bash -euc "$line" </dev/null || status=$?
		if [ "$status" = 2 ] || [ "$status" -ge 126 ]; then
			echo "$1: this is not a valid command line: $line"
			return 1
		fi
	done
}

export -f publish installed contains small_tree
export GUIDE_NODE components serial deploy

# Turns the document into a script that prints the position of each block before it.
awk -v file="$file" '
	{ gsub("https://HOST/", "http://127.0.0.1/") }
	/^```sh run$/ { print "echo \"@ " file ":" NR "\""; on = 1; next }
	/^```sh refused$/ { print "refused \"" file ":" NR "\" <<\"END-OF-BLOCK\""; on = 2; next }
	/^```sh tried$/ { print "tried \"" file ":" NR "\" <<\"END-OF-BLOCK\""; on = 2; next }
	/^```/ { if (on == 2) print "END-OF-BLOCK"; on = 0; next }
	/^<!-- run$/ { print "echo \"# " file ":" NR "\""; on = 3; next }
	on == 3 && /-->$/ { sub(/ *-->$/, ""); print; on = 0; next }
	on { print }
' "$root/$file" >"$GUIDE_NODE/script"
trap 'echo "failed: $BASH_COMMAND"' ERR
# shellcheck source=/dev/null
. "$GUIDE_NODE/script" </dev/null
