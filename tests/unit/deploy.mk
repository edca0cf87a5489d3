# SPDX-License-Identifier: Apache-2.0
$(eval $(call unit_test,deploy_parts_test,tests/unit/deploy_parts_test.c $(DEPLOY_SRC),$(DEPLOY_LIBS)))
$(eval $(call unit_test,deploy_test,tests/unit/deploy_test.c tests/crash/release.c $(DEPLOY_SRC),$(DEPLOY_LIBS)))
$(eval $(call unit_test,deploy_release_test,tests/unit/deploy_release_test.c $(DEPLOY_SRC),$(DEPLOY_LIBS)))
# With built-in keys and a build time of its own.
$(eval $(call unit_test,deploy_trust_test,tests/unit/deploy_trust_test.c $(filter-out $(TRUSTED_KEYS_C),$(DEPLOY_SRC)),$(DEPLOY_LIBS)))
$(eval $(call unit_test,deploy_release_build_test,tests/unit/deploy_release_build_test.c $(DEPLOY_SRC),$(DEPLOY_LIBS)))
$(eval $(call unit_test,deploy_packager_test,tests/unit/deploy_packager_test.c $(NODE_SRC) $(DEPLOY_SRC),$(NODE_LIBS)))
$(eval $(call unit_test,deploy_use_test,tests/unit/deploy_use_test.c deploy/use/use.c,base))
$(eval $(call unit_test,deploy_fetch_test,tests/unit/deploy_fetch_test.c tests/unit/web_lab.c tests/unit/tar_lab.c $(FETCH_SRC) $(DEPLOY_SRC),$(NODE_LIBS)))
$(eval $(call unit_test,deploy_doctor_test,tests/unit/deploy_doctor_test.c $(NODE_SRC) $(DEPLOY_SRC),$(NODE_LIBS)))
$(eval $(call unit_test,deploy_timer_test,tests/unit/deploy_timer_test.c deploy/timer/past.c deploy/timer/units.c,base cli json))
$(eval $(call unit_test,deploy_progress_test,tests/unit/deploy_progress_test.c deploy/cli/progress.c deploy/cli/say.c,base json))
$(eval $(call unit_test,deploy_resume_test,tests/unit/deploy_resume_test.c tests/crash/release.c $(DEPLOY_SRC),$(DEPLOY_LIBS)))
