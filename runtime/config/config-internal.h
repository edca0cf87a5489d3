// SPDX-License-Identifier: Apache-2.0
#pragma once

/* What the files of this folder share. */

#include "config/config.h"
#include "toml/toml.h"

enum config_kind { CONFIG_STRING, CONFIG_BOOL, CONFIG_INT, CONFIG_CPUS, CONFIG_STRINGS };

/* The kind of a key that exists. */
enum config_kind config_kind_of(const char *table, const char *name);

/* The file that an annotation chooses instead of file, whose document is root: its real path, heap;
 * NULL without an error: none does. */
char *config_chosen(const struct toml_value *root, const char *file, const char *const *annotations,
		    struct err *err);
/* Lays annotations (see config_load) over the document root; file is its name for messages. */
MUST_CHECK int config_annotate(struct toml_value *root, const char *file,
			       const char *const *annotations, struct err *err);
