// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Edits of a manager's configuration files, in memory. Nothing is written here: the files that
 * differ become one change of the engine (deploy_change.files). Each edit is recorded in
 * install.json, so that its undo removes exactly that edit, whatever else was changed since.
 *
 *	AUTO(edits) struct edits e = EDITS_INIT(root);
 *	if (edits_undo(&e, recorded, err) < 0 ||		// those of the last registration
 *	    edit_import(&e, "/etc/containerd/config.toml", "", dropin, err) < 0)
 *		return -1;
 *	edits_settle(&e);
 *	... e.files[]: now and want; edits_record(&e): for the next undo
 */

#include "base/err.h"
#include "base/scope.h"
#include "base/vec.h"
#include "json/json.h"

#include <stdbool.h>

enum { CRI_FILE_MAX = 1 << 20 };

/* The first line of a file that is ours as a whole. */
#define CRI_OWN_FILE \
	"# Written by kata-deploy, which replaces this file as a whole: edits are lost.\n"

/* The first of three lines that define runc, which are needed where a table of runtimes replaces
 * the built-in one. Of all our blocks in a file one has these lines; if that block is removed, the
 * next takes them over. */
#define CRI_BUILT_IN "# The built-in runtime, which a table of runtimes here replaces.\n"

enum edit_kind {
	EDIT_FILE,   /* the whole file is ours */
	EDIT_BLOCK,  /* lines at the end of a file, between two comments */
	EDIT_IMPORT, /* an element of a TOML file's imports */
	EDIT_DOCKER, /* a member of daemon.json's runtimes */
	EDIT_CUT,    /* lines of a distribution that are taken out, and come back at the end */
};

struct edit {
	enum edit_kind kind;
	char *path;
	char *text; /* BLOCK, CUT: the bytes; IMPORT: the element; DOCKER: the member's name */
	/* If the edit created the file: its contents without the edit. When only these are left,
	 * the undo removes the file. NULL: the file existed. CUT: the line that followed. */
	char *base;
	char *fresh;   /* BLOCK, IMPORT: the line that the edit appended to a file without any */
	bool made_key; /* IMPORT, DOCKER: the edit created the array or object */
	bool made_all; /* DOCKER: the file was empty, which docker takes for an empty object */
};

/* An edit that was undone in this change, and the file's text with and without it. */
struct undone {
	struct edit edit;
	char *with, *without;
};

/* A file before and after the edits. */
struct work_file {
	char *path;                /* as the manager sees it */
	char *real;                /* with root */
	char *now, *want;          /* the text on disk and the new text; NULL: no file */
	VEC(struct undone) undone; /* an edit that is made again goes back to its old position */
	char *built_in;            /* the lines about runc of a removed block, or NULL */
};

struct edits {
	const char *root; /* borrowed; "" for / */
	char *shim;       /* ours: a runtime of docker with another program is not; NULL: any is */
	VEC(struct work_file) files;
	VEC(struct edit) done; /* to be recorded */
	VEC(struct edit) lost; /* BLOCK: to be undone, but not in their files */
	char *reason;          /* overrides the usual reason of the plan */
	bool off;              /* no registration is possible; reason has the cause */
};
#define EDITS_INIT(where)                           \
	{                                           \
		.root = (where), .files = VEC_INIT, \
	}
void edits_release(struct edits *e);
DEFINE_AUTO_STRUCT(edits, struct edits, edits_release)

/* Reads a file with the edits so far; *text is NULL if it does not exist, and borrowed until the
 * next edit of the file. */
MUST_CHECK int edits_read(struct edits *e, const char *path, const char **text, struct err *err);
/* The text of a file on disk, without the edits; the same otherwise. */
MUST_CHECK int edits_disk(struct edits *e, const char *path, const char **text, struct err *err);
/* Creates a whole file. E_EXISTS: it exists. */
MUST_CHECK int edit_file(struct edits *e, const char *path, const char *text, struct err *err);
/* Appends lines between two comments. fresh: a line of the root table, the version, which a new file or
 * one with comments only gets before them, and loses again when nothing else needs it. */
MUST_CHECK int edit_block(struct edits *e, const char *path, const char *fresh, const char *lines,
			  struct err *err);
/* Adds an element to the array imports of a TOML file. fresh: the same. */
MUST_CHECK int edit_import(struct edits *e, const char *path, const char *fresh,
			   const char *element, struct err *err);
/* Adds a member (value: JSON) to the object runtimes of daemon.json. */
MUST_CHECK int edit_docker(struct edits *e, const char *path, const char *name, const char *value,
			   struct err *err);
/* Takes out lines: those by which the text `without` of the file is shorter. False: they are not in one
 * place. */
bool edit_cut(struct edits *e, const char *path, const char *without);
/* Undoes the edits of a record (its member "edits"; recorded may be NULL), newest first. Blocks that
 * are not found are in e->lost then. */
MUST_CHECK int edits_undo(struct edits *e, const struct json *recorded, struct err *err);
/* Keeps an edit of e->lost in the record. */
void edits_keep(struct edits *e, const struct edit *lost);
/* Replaces the text of a file that exists. */
MUST_CHECK int edits_write(struct edits *e, const char *path, const char *text, struct err *err);
/*
 * These remove a registration whose record was lost together with its prefix.
 * edits_adopt(): lines between our comments, or a whole file that begins with CRI_OWN_FILE, if they
 * refer to that shim. edits_adopt_import(): an element of imports. edits_adopt_docker(): members of
 * runtimes that have the form of ours and refer to that shim.
 */
MUST_CHECK int edits_adopt(struct edits *e, const char *path, const char *shim, struct err *err);
MUST_CHECK int edits_adopt_import(struct edits *e, const char *path, const char *element,
				  struct err *err);
MUST_CHECK int edits_adopt_docker(struct edits *e, const char *path, const char *shim,
				  struct err *err);
/* Returns text without the blocks of this and of other installations, heap. */
char *edits_without_blocks(const char *text);
/* To call after the last edit: moves the lines about runc of a removed block to the next block. */
void edits_settle(struct edits *e);
/* Sets *spelling (heap) to the path of that shim as the recorded edits spell it
 * ("/opt/kata//bin/..."); leaves it alone if they do not have it. */
MUST_CHECK int edits_spelling(struct edits *e, const struct json *recorded, const char *shim,
			      char **spelling, struct err *err);
/* Returns the record of the edits, a list; the caller frees it. */
struct json *edits_record(const struct edits *e);
/* True if a file would change. */
bool edits_change(const struct edits *e);
