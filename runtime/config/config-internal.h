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
