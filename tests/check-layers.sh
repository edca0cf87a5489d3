#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Checks which file may include which (docs/architecture.md, "Layers") in two ways: in the #include lines of the
# sources, and in the compiler's dependency files, which also show includes by macros.
#
#	tests/check-layers.sh ROOT LAYERS DEPS
#	tests/check-layers.sh --self-test ROOT LAYERS
#
# LAYERS: a file with a line "LIBRARY: what it may include" per library, written by make. DEPS: the
# directory of the .d files. Prints one line per wrong include; the exit status is 1 if there is any. The
# self-test adds wrong includes to a copy of the sources; each must be reported.

# shellcheck disable=SC2016 # the dollars are awk's

set -euo pipefail

# Prints "SOURCE INCLUDE how" for every #include line.
include_lines() {
	(cd "$1" && find . -path './build*' -prune -o -name '*.[ch]' -printf '%P\0' |
		sort -z | xargs -0 awk '
		/^[ \t]*#[ \t]*include[ \t]*["<]/ {
			how = /"/ ? "quoted" : "angle"
			name = $0
			sub(/^[^"<]*["<]/, "", name)
			sub(/[">].*/, "", name)
			print FILENAME, name, how
		}')
}

# Prints "SOURCE HEADER depends" for every header of every compiled source.
dependencies() {
	find "$1" -name '*.d' -print0 | sort -z | xargs -0 -r awk '
		FNR == 1 { unit = ""; rule = 0 }
		/^[^ \t].*\.o:/ { rule = 1; sub(/^[^:]*:/, "") }
		rule {
			more = /\\$/
			sub(/\\$/, "")
			for (i = 1; i <= NF; i++) {
				if (unit == "")
					unit = $i
				else
					print unit, $i, "depends"
			}
			rule = more
		}'
}

judge() {
	awk -v root="$1" -v layers="$2" '
	BEGIN {
		while ((getline line < layers) > 0) {
			name = line
			sub(/:.*/, "", name)
			n = split(substr(line, length(name) + 2), part, " ")
			for (i = 1; i <= n; i++)
				may["libs/" name, "libs/" part[i]] = 1
		}
		# Inside the runtime a request goes down: shim or CLI, sandbox, VMM.
		down("runtime/shim", "sandbox share network device host manage vmm config")
		down("runtime/sandbox", "share network device host vmm config")
		down("runtime/device", "vmm config")
		down("runtime/network", "vmm config")
		down("runtime/share", "vmm config")
		down("runtime/host", "")
		down("runtime/vmm", "config")
		down("runtime/cli", "share device manage vmm config")
		# Inside the agent, from the bottom up: a file may include files of the lines above its
		# own, but not of the same line. The name of a directory stands for all its files, which
		# may include each other, but not in a circle.
		layer("paths settings")
		layer("device hugepages")
		layer("storage")
		layer("boot clock forget guest hotplug iptables metrics namespaces network oom scale stream termination")
		layer("process connection")
		layer("entry")
		layer("sandbox")
		layer("spec")
		layer("container")
		layer("rpc transport")
		layer("console")
		layer("main")
		# Only these files may include ttRPC and the messages, because the model takes plain
		# arguments. The exception are devices and storages, whose messages it takes as they are.
		serves["rpc"] = serves["transport"] = serves["main"] = 1
		takes_messages["rpc"] = takes_messages["device"] = takes_messages["storage"] = 1
		# Inside deploy: verbs may include everything, the engine only what a change consists of.
		# Steps of a change (cri, prove) depend neither on sources nor on trust.
		down("deploy/engine", "plan store journal")
		down("deploy/journal", "plan")
		down("deploy/release", "store trust")
		down("deploy/trust", "release store")
		down("deploy/fetch", "release store")
		down("deploy/cri", "engine plan store")
		down("deploy/prove", "engine plan store")
		down("deploy/doctor", "cri trust engine plan store")
		down("deploy/node", "")
		down("deploy/report", "node")
		down("deploy/timer", "engine plan store")
		down("deploy/cli", "engine plan store release trust fetch cri prove use doctor timer verbs")
		down("deploy/verbs", "engine plan store release trust fetch cri prove use doctor cli report node timer")
		# The directory that may include each third-party header.
		home["jansson.h"] = "libs/json"
		home["seccomp.h"] = "libs/container libs/confine"
		home["sys/capability.h"] = "libs/container"
		home["archive.h"] = home["archive_entry.h"] = "libs/archive"
		home["zstd.h"] = "libs/archive"
		home["openssl/"] = "libs/crypto"
		home["curl/"] = "libs/http"
		home["yaml.h"] = "libs/yaml"
		home["protobuf-c/"] = "libs/ttrpc"
		home["check.h"] = "tests"
	}
	# Lets files of from include files of the listed directories beside it.
	function down(from, list, n, i, part) {
		n = split(list, part, " ")
		for (i = 1; i <= n; i++)
			may[from, folder(from) part[i]] = 1
	}
	# Adds a layer of the agent above the previous ones.
	function layer(list, n, i, part) {
		n = split(list, part, " ")
		layers_of_agent++
		for (i = 1; i <= n; i++)
			rank[part[i]] = layers_of_agent
	}
	# The part of the agent that a file belongs to: a directory, or a source with its header.
	function part_of_agent(path) {
		sub(/^agent\//, "", path)
		sub(/[\/.].*/, "", path)
		return path
	}
	function unit(path) {
		sub(/\.[ch]$/, "", path)
		return path
	}
	function inside_agent(source, header, from, to) {
		from = part_of_agent(source)
		to = part_of_agent(header)
		if (!(from in rank) || !(to in rank))
			complain(source ": " (from in rank ? header : source) " has no layer")
		else if (from != to && rank[to] >= rank[from])
			complain(source ": " header " is not below " from)
		if (unit(source) != unit(header) && !((source, header) in edge)) {
			edge[source, header] = 1
			leads[unit(source)] = leads[unit(source)] " " unit(header)
		}
	}
	# Marks everything that from includes directly or indirectly.
	function reach(from, n, i, part) {
		n = split(leads[from], part, " ")
		for (i = 1; i <= n; i++) {
			if (part[i] in reached)
				continue
			reached[part[i]] = 1
			reach(part[i])
		}
	}
	function circles(pair, part) {
		for (pair in edge) {
			split(pair, part, SUBSEP)
			split("", reached)
			reach(unit(part[2]))
			if (unit(part[1]) in reached)
				complain(part[1] ": " part[2] " leads back to it")
		}
	}
	function exists(path, line, found) {
		if (!(path in known)) {
			found = (getline line < (root "/" path)) >= 0
			close(root "/" path)
			known[path] = found
		}
		return known[path]
	}
	# The directory whose rule applies to a file.
	function owner(path, part, n) {
		n = split(path, part, "/")
		if (n > 2 && part[1] ~ /^(libs|runtime|deploy|utils)$/)
			return part[1] "/" part[2]
		return part[1]
	}
	function folder(path) {
		sub(/[^\/]*$/, "", path)
		return path
	}
	function resolve(source, name) {
		if (exists(folder(source) name))
			return folder(source) name
		if (exists("libs/" name))
			return "libs/" name
		if (exists("runtime/" name))
			return "runtime/" name
		if (exists(name))
			return name
		return name ~ /\.pb-c\.h$/ ? "libs/protocols/" name : ""
	}
	function complain(text) {
		if (!(text in said))
			print text
		said[text] = 1
		bad = 1
	}
	function third_party(source, name, top, where) {
		top = name
		sub(/\/.*/, "/", top)
		where = name in home ? home[name] : top in home ? home[top] : ""
		if (where != "" && index(" " where " ", " " owner(source) " ") == 0)
			complain(source ": <" name "> belongs to " where)
	}
	function ours(source, header, from, to) {
		from = owner(source)
		to = owner(header)
		if (from == "tests" || header == "libs/base/banned.h")
			return
		if (from == "agent" && to == "agent")
			inside_agent(source, header)
		if (from == "agent" && to == "libs/ttrpc" && !(part_of_agent(source) in serves))
			complain(source ": " header " is for who serves requests")
		if (header ~ /-internal\.h$/ && from != to)
			complain(source ": " header " is internal to " to)
		if (from == to || (from, to) in may)
			return
		if (to ~ /^libs\// && from !~ /^libs\//)
			return
		complain(source ": " header " is not below " from)
	}
	$3 == "depends" {
		sub(/^.*\/gen\/protocols\//, "libs/protocols/", $2)
		if ($1 ~ /^(libs|agent|runtime|deploy|osbuilder|utils|tests)\// && $2 !~ /^\// &&
		    exists($1)) # $(BUILD) may have .d files of deleted sources
			ours($1, $2)
		next
	}
	{
		third_party($1, $2)
		header = $3 == "quoted" ? resolve($1, $2) : ""
		if (header ~ /\.pb-c\.h$/ && $1 ~ /^agent\// && !(part_of_agent($1) in takes_messages))
			complain($1 ": " header " is for who takes messages apart")
		if (header != "")
			ours($1, header)
		else if ($3 == "quoted" && !($2 in home))
			complain($1 ": \"" $2 "\" is in no folder of ours")
	}
	END {
		circles()
		exit bad
	}'
}

# plant FILE LINE: appends the line to the file in the copy, expects a complaint about it, and removes it.
plant() {
	local file=$1 line=$2 out

	cp "$copy/$file" "$copy/kept"
	printf '%s\n' "$line" >>"$copy/$file"
	if out=$(include_lines "$copy" | judge "$copy" "$layers") || [[ $out != *"$file: "* ]]; then
		printf 'check-layers: not noticed in %s: %s\n' "$file" "$line" >&2
		exit 1
	fi
	mv "$copy/kept" "$copy/$file"
}

self_test() {
	local root=$1

	layers=$2
	copy=$(mktemp -d)
	trap 'rm -rf "$copy"' EXIT
	(cd "$root" && find . -path './build*' -prune -o \( -name '*.[ch]' -o -name '*.def' \) -print0 |
		xargs -0 cp --parents -t "$copy")
	include_lines "$copy" | judge "$copy" "$layers"
	plant libs/base/str.c '#include "json/json.h"'
	plant libs/json/json.h '#include "oci/spec.h"'
	plant libs/mount/options.c '#include "container/container.h"'
	plant libs/oci/json.c '#include <jansson.h>'
	plant libs/ttrpc/codec.c '#include "toml/toml-internal.h"'
	plant agent/main.c '#include "shim/shim.h"'
	plant runtime/vmm/qemu/qemu.c '#include "sandbox/sandbox.h"'
	plant runtime/share/share.c '#include "sandbox/sandbox.h"'
	plant runtime/network/tcfilter.c '#include "sandbox/sandbox.h"'
	plant runtime/share/share.c '#include "network/network.h"'
	plant runtime/host/cgroup.c '#include "config/config.h"'
	plant agent/main.c '#include "osbuilder/initrd.h"'
	plant agent/stream.c '# include <protobuf-c/protobuf-c.h>'
	plant agent/stream.c '#include "agent/process.h"'
	plant agent/entry.h '#include "agent/sandbox.h"'
	plant agent/storage/driver.c '#include "agent/entry.h"'
	plant agent/device/pci.c '#include "agent/device/device.h"'
	plant agent/container.c '#include "agent/rpc/rpc.h"'
	plant agent/process.c '#include "ttrpc/ttrpc.h"'
	plant agent/container.h '#include "protocols/agent.pb-c.h"'
	plant deploy/engine/run.c '#include "shim/shim.h"'
	plant agent/main.c '#include "deploy/engine/engine.h"'
	plant deploy/cri/restart.c '#include "deploy/trust/trust.h"'
	plant deploy/engine/run.c '#include "deploy/cri/cri.h"'
	plant deploy/prove/prove.c '#include "deploy/fetch/fetch.h"'
	plant deploy/fetch/stage.c '#include "deploy/engine/engine.h"'
	plant utils/manager/main.c '#include "deploy/engine/engine.h"'
	plant osbuilder/initrd.c '#include <archive.h>'
	plant libs/mount/options.c '#include <seccomp.h>'
	plant deploy/engine/run.c '#include <curl/curl.h>'
	plant libs/loop/loop.c '#include <check.h>'
	plant libs/loop/loop.h '#include "nowhere.h"'
	# The dependency files: an include that no #include line shows.
	mkdir "$copy/deps"
	printf 'x.o: libs/base/str.c libs/base/banned.h \\\n libs/json/json.h\n' >"$copy/deps/x.d"
	if dependencies "$copy/deps" | judge "$copy" "$layers" >/dev/null; then
		printf 'check-layers: not noticed in a dependency file\n' >&2
		exit 1
	fi
}

if [[ ${1:-} == --self-test ]]; then
	self_test "$2" "$3"
else
	{ include_lines "$1"; dependencies "$3"; } | judge "$1" "$2"
	echo "  ok    layers"
fi
