// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Declarations shared by the files of this directory. */

#include "config/config.h"
#include "toml/toml.h"

enum config_kind { CONFIG_STRING, CONFIG_BOOL, CONFIG_INT, CONFIG_CPUS, CONFIG_STRINGS };

/* The kind of a known key; an unknown key is a bug. */
enum config_kind config_kind_of(const char *table, const char *name);

/* The configuration file that an annotation (config_path) selects instead of file, whose document
 * is root: its real path, heap. NULL without an error: there is no such annotation. */
char *config_chosen(const struct toml_value *root, const char *file, const char *const *annotations,
		    struct err *err);
/* Applies annotations (see config.h) to the document root; file is its name in messages. */
MUST_CHECK int config_annotate(struct toml_value *root, const char *file,
			       const char *const *annotations, struct err *err);

/* NULL: there is no such annotation. */
const char *config_annotation(const char *const *annotations, const char *name);

/* Adds to the error that these, too, have made the configuration what it is. */
void config_blame(const char *const *annotations, struct err *err);

/* --- asset.c --- */

/* True if that annotation, less io.katacontainers.config., is the digest of an asset. */
bool config_is_digest(const char *name);
/* Opens those assets of c whose digests the annotations have, and checks them. */
MUST_CHECK int config_check_assets(struct runtime_config *c, const char *const *annotations,
				   struct err *err);
void config_release_assets(struct runtime_config *c);
