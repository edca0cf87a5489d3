// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Functions of one file of this folder for the others. */

#include "config/config.h"
#include "toml/toml.h"

enum config_kind { CONFIG_STRING, CONFIG_BOOL, CONFIG_INT, CONFIG_CPUS, CONFIG_STRINGS };

/* The kind of value of a key; an unknown key is a bug(). */
enum config_kind config_kind_of(const char *table, const char *name);

/* --- annotation.c --- */

/* If the annotation config_path selects another configuration file instead of file, whose document
 * is root, returns its real path, heap. NULL without an error: there is no such annotation. */
char *config_chosen(const struct toml_value *root, const char *file, const char *const *annotations,
		    struct err *err);
/* Applies the annotations (see config.h) to the document root; file is its name for messages. */
MUST_CHECK int config_annotate(struct toml_value *root, const char *file,
			       const char *const *annotations, struct err *err);

/* The value of an annotation, borrowed, or NULL. */
const char *config_annotation(const char *const *annotations, const char *name);

/* Adds to an error about the configuration the names of the annotations that have changed it. */
void config_blame(const char *const *annotations, struct err *err);

/* --- asset.c --- */

/* True if the annotation io.katacontainers.config.NAME is the digest of an asset. */
bool config_is_digest(const char *name);
/* Opens and checks the assets of c whose digests are in the annotations; sets c->checked. E_TRUST:
 * a digest does not match. */
MUST_CHECK int config_check_assets(struct runtime_config *c, const char *const *annotations,
				   struct err *err);
void config_release_assets(struct runtime_config *c);
