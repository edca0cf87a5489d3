# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The programs without a container.

test_kata_runtime_answers() {
	local conf=$PREFIX/share/defaults/kata-containers/configuration.toml program=$PREFIX/bin/kata-runtime
	expect "version" "$("$program" --version)" "kata-runtime $(cat VERSION)"
	expect "help as a verb" "$("$program" help env)" "$("$program" --help)"
	"$program" --config "$conf" check >"$LAB/said"
	grep -q "^ok   kernel  *$PREFIX/share/kata-containers/vmlinux.container$" "$LAB/said"
	grep -q '^ok   accelerator  *\(kvm\|tcg\)' "$LAB/said"
	"$program" --config "$conf" env --json >"$LAB/said"
	grep -q "\"kernel\": *\"$PREFIX/share/kata-containers/vmlinux.container\"" "$LAB/said"
	if "$program" checks 2>"$LAB/err"; then return 1; fi
	grep -q "unknown verb 'checks'; did you mean check?" "$LAB/err"
	if "$program" --config "$LAB/nosuch" check 2>"$LAB/err"; then return 1; fi
	grep -q "$LAB/nosuch" "$LAB/err"
}

test_the_shim_describes_itself() {
	local program=$PREFIX/bin/containerd-shim-kata-v2
	expect "version" "$("$program" --version)" \
		"containerd-shim-kata-v2: io.containerd.kata.v2, version $(cat VERSION)"
	# RuntimeInfo: name (1), version (2) with its version (1), features (4) with type (1) and value (2).
	"$program" -info >"$LAB/info"
	has "name and version" "$(od -An -c "$LAB/info" | tr -d ' \n')" \
		"^\\\\n025io.containerd.kata.v2022\\\\a\\\\n005$(cat VERSION)\""
	has "type" "$(tr -d '\0' <"$LAB/info")" 'types.containerd.io/opencontainers/runtime-spec/1/features/Features'
	has "features" "$(grep -ao '{"ociVersionMin.*' "$LAB/info")" '"rro".*"idmap":{"enabled":false}'
	if (cd "$LAB" && "$program" -namespace x -id ../up start) 2>"$LAB/err"; then return 1; fi
	grep -q -e '-id' "$LAB/err"
	if (cd "$LAB" && "$program" -namespace x -id up) 2>"$LAB/err"; then return 1; fi
	grep -q 'no socket on fd 3' "$LAB/err"
}
