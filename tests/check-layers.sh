#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Holds the includes to the layers: check-layers.sh LAYERS [TREE]. LAYERS has a line "library: libraries
# below it" each.
#
#  - a library includes itself and what is below it;
#  - a component (agent, runtime, osbuilder) includes libraries and itself, never another component;
#  - a third-party header is included in its one adapter only.
set -u
layers=$1
cd "${2:-$(dirname "$0")/..}" || exit

wrong=0
complain() {
	echo "layers: $1:$2 includes <$3>: $4"
	wrong=$((wrong + 1))
}

declare -A below
while IFS=': ' read -r lib rest; do below[$lib]=" $lib $rest "; done <"$layers"

declare -A adapter=([jansson.h]=libs/json [seccomp.h]=libs/container [sys/capability.h]=libs/container
	[archive.h]=libs/archive [archive_entry.h]=libs/archive [openssl/]=libs/crypto
	[protobuf-c/]=libs/ttrpc [check.h]=tests [curl/]=libs/http [yaml.h]=libs/yaml)

while IFS=: read -r file line text; do
	header=$(sed -n 's/^#include [<"]\([^>"]*\)[>"].*/\1/p' <<<"$text")
	owner=${file%%/*}
	for third in "${!adapter[@]}"; do
		case $header in
		"$third" | "$third"*/* | "${third%/}"/*)
			[[ $file == "${adapter[$third]}"/* ]] ||
				complain "$file" "$line" "$header" "only ${adapter[$third]} may"
			;;
		esac
	done
	first=${header%%/*}
	[[ $header == */* ]] || continue
	if [ "$owner" = libs ]; then
		lib=$(cut -d/ -f2 <<<"$file")
		if [ -n "${below[$first]:-}" ] && [[ ${below[$lib]} != *" $first "* ]]; then
			complain "$file" "$line" "$header" "$lib is below $first, or beside it"
		fi
		case $first in agent | runtime | osbuilder | shim | sandbox | vmm | config)
			complain "$file" "$line" "$header" "a library knows no component" ;;
		esac
	elif [ "$owner" != tests ]; then
		case $first in
		agent | runtime | osbuilder)
			[ "$owner" = "$first" ] ||
				complain "$file" "$line" "$header" "components do not know each other"
			;;
		esac
		# Within the runtime: shim, then sandbox, then vmm and config, never back.
		case $file:$first in
		runtime/vmm/*:sandbox | runtime/vmm/*:shim | runtime/sandbox/*:shim | \
			runtime/config/*:vmm | runtime/config/*:sandbox | runtime/config/*:shim)
			complain "$file" "$line" "$header" "that is above" ;;
		esac
	fi
done < <(git grep -nE '^#include' -- '*.c' '*.h')

[ "$wrong" = 0 ] && echo "  ok    layers"
exit "$((wrong > 0))"
