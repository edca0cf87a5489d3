# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034,SC2154
# shellcheck shell=bash
# The program, release and keys in the container image of a release install on a node, and a container runs in a VM.
# (tests/image.sh runs the image with a container engine.)

test_what_an_image_brings() {
	local layer blobs=$LAB/oci/blobs/sha256 root=$LAB/unpacked
	KEY=none packaging/image.sh "$portable" "${BUILD:-build}/tools/mkimage" "$one" "$LAB/oci" kata-deploy:test >/dev/null
	mkdir "$root"
	for layer in "$blobs"/*; do
		! gzip -t "$layer" 2>/dev/null || tar -xzf "$layer" -C "$root"
	done
	mkdir "$LAB/before" && cp "$LAB/etc/config.toml" "$LAB/before/"
	deploy=$root/kata-deploy
	export KATA_DEPLOY_RELEASE=$root/release KATA_DEPLOY_TRUST_DIR=$root/keys
	node_deploy install --quiet
	start from-image "$SHIM" >/dev/null
	expect "an exec in it" "$(says from-image)" alive
	stop from-image >/dev/null
	node_deploy uninstall --quiet
	cmp "$LAB/before/config.toml" "$LAB/etc/config.toml"
}
