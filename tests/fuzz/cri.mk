# SPDX-License-Identifier: Apache-2.0
$(eval $(call fuzzer,grpc_fuzz,tests/fuzz/grpc_fuzz.c,cri http))
$(eval $(call fuzzer,docker_json_fuzz,tests/fuzz/docker_json_fuzz.c deploy/cri/docker-json.c,json))
$(eval $(call fuzzer,cri_record_fuzz,tests/fuzz/cri_record_fuzz.c deploy/cri/edit.c deploy/cri/docker-json.c,cli json toml))
$(eval $(call fuzzer,cri_message_fuzz,tests/fuzz/cri_message_fuzz.c,cri))
