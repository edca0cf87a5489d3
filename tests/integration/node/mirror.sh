# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154
# Mirrors over HTTP: a faulty or hanging mirror costs time, but no false release is accepted.

test_mirror_that_is_not_believed_is_passed_over() {
	local said
	cp -a "$one" "$LAB/changed"
	sed -i 's/^serial: .*/serial: 99/' "$LAB/changed/channel.yaml"
	node_serve "$LAB/changed" "$one"
	said=$(node_deploy install --cri none --release "$URL/1/" --release "$URL/2/" \
		--key "$one/development.pub" --quiet 2>&1)
	has "a warning" "$said" "a mirror is not used in this run"
	[ -x "$SHIM" ]
	node_deploy uninstall --quiet
	# As the only source it is an error.
	fails 17 node_deploy install --cri none --release "$URL/1/" --key "$one/development.pub" \
		--quiet >/dev/null
	[ ! -e "$PREFIX" ]
}

test_mirror_that_breaks_off_is_resumed_from_another() {
	local blob
	cp -a "$one" "$LAB/short"
	for blob in "$LAB"/short/blobs/*; do
		truncate -s $(($(stat -c %s "$blob") * 7 / 10)) "$blob"
	done
	node_serve "$LAB/short" "$one"
	node_deploy install --cri none --release "$URL/1/" --release "$URL/2/" \
		--key "$one/development.pub" --quiet
	[ -x "$SHIM" ]
	node_deploy uninstall --quiet
}
