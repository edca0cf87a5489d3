# SPDX-License-Identifier: Apache-2.0
$(eval $(call fuzzer,http_fields_fuzz,tests/fuzz/http_fields_fuzz.c,http))
$(eval $(call fuzzer,url_fuzz,tests/fuzz/url_fuzz.c $(FETCH_SRC) $(DEPLOY_SRC),$(NODE_LIBS)))
