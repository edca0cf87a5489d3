// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Edits of configuration files, in memory: each is recorded for its undo, and all of them become
 * one change of the engine.
 */

#include "base/err.h"
#include "base/scope.h"
#include "base/vec.h"
#include "json/json.h"

#include <stdbool.h>

enum { CRI_FILE_MAX = 1 << 20 };

/* The first line of a file that consists of our configuration only. */
#define CRI_OWN_FILE \
	"# Written by kata-deploy, which replaces this file as a whole: edits are lost.\n"

/* The first of the three lines that define runc where a table of runtimes replaces the built-in one.
 * All our blocks of a file need them once: the next block takes them over from one that is taken
 * out. */
#define CRI_BUILT_IN "# The built-in runtime, which a table of runtimes here replaces.\n"

enum edit_kind {
	EDIT_FILE,   /* the whole file is ours */
	EDIT_BLOCK,  /* lines at the end of a file, between two comments */
	EDIT_IMPORT, /* an element of a TOML file's imports */
	EDIT_DOCKER, /* a member of daemon.json's runtimes */
};

struct edit {
	enum edit_kind kind;
	char *path;
	char *text;    /* BLOCK: the bytes; IMPORT: the element; DOCKER: the member's name */
	char *base;    /* we created the file: its other contents; removed when only those are
		        * left */
	bool made_key; /* IMPORT, DOCKER: we created the array or object */
	bool made_all; /* DOCKER: the file was empty, which docker takes for an empty object */
};

/* An edit that was undone, and the file's text with and without it. */
struct undone {
	struct edit edit;
	char *with, *without;
};

/* A file before and after the edits; text NULL: no such file. */
struct work_file {
	char *path; /* as the manager sees it */
	char *real; /* with root */
	char *now, *want;
	VEC(struct undone) undone; /* the last is the first to be made again, at its old place */
	char *built_in;            /* the lines about runc in a block that was taken out, or NULL */
};

struct edits {
	const char *root; /* borrowed; "" for / */
	VEC(struct work_file) files;
	VEC(struct edit) done;
	char *reason; /* overrides the usual reason of the plan */
	bool off;     /* no registration is possible; reason says why */
};
#define EDITS_INIT(where)                           \
	{                                           \
		.root = (where), .files = VEC_INIT, \
	}
void edits_release(struct edits *e);
DEFINE_AUTO_STRUCT(edits, struct edits, edits_release)

/* The contents of a file with the edits so far, NULL if there is no such file; borrowed until its
 * next edit. */
MUST_CHECK int edits_read(struct edits *e, const char *path, const char **text, struct err *err);
MUST_CHECK int edit_file(struct edits *e, const char *path, const char *text, struct err *err);
/* fresh: the text that is put before the block in a new or empty file. */
MUST_CHECK int edit_block(struct edits *e, const char *path, const char *fresh, const char *lines,
			  struct err *err);
MUST_CHECK int edit_import(struct edits *e, const char *path, const char *fresh,
			   const char *element, struct err *err);
MUST_CHECK int edit_docker(struct edits *e, const char *path, const char *name, const char *value,
			   struct err *err);
/* Undoes recorded edits in the files, newest first. */
MUST_CHECK int edits_undo(struct edits *e, const struct json *recorded, struct err *err);
/* Removes a registration whose record was lost together with its prefix: lines between our
 * comments, or a whole file that begins with CRI_OWN_FILE, if it refers to that shim; or an element
 * of imports that only we write; or members of runtimes as only we write them for that shim. */
MUST_CHECK int edits_adopt(struct edits *e, const char *path, const char *shim, struct err *err);
MUST_CHECK int edits_adopt_import(struct edits *e, const char *path, const char *element,
				  struct err *err);
MUST_CHECK int edits_adopt_docker(struct edits *e, const char *path, const char *shim,
				  struct err *err);
/* The text of a file without the lines of ours and of other installations; heap. */
char *edits_without_blocks(const char *text);
/* After the last edit: hands on what a block that is gone had for those that stay. */
void edits_settle(struct edits *e);
/* How the recorded edits spell the path of that shim; *spelling (heap) is kept if they have none. */
MUST_CHECK int edits_spelling(struct edits *e, const struct json *recorded, const char *shim,
			      char **spelling, struct err *err);
struct json *edits_record(const struct edits *e);
bool edits_change(const struct edits *e);
