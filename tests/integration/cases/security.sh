# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Labels of security modules, which the guest does not have.

test_apparmor_profile_by_name_is_refused() {
	local id
	id=$(lab_id)
	fails_saying refusal 1 "AppArmor profile 'mine'" timeout 120 ctr --address "$LAB/containerd.sock" run --rm --runtime "$RUNTIME" \
		--apparmor-profile mine "$IMAGE" "$id" true
	lab_ctr containers rm "$id" 2>/dev/null || true
}

test_apparmor_profile_of_a_manager_is_left_out() {
	expect output "$(timeout 120 ctr --address "$LAB/containerd.sock" run --rm --runtime "$RUNTIME" \
		--apparmor-profile cri-containerd.apparmor.d "$IMAGE" "$(lab_id)" echo alive)" alive
}
