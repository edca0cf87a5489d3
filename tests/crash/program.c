// SPDX-License-Identifier: Apache-2.0
/*
 * The program itself as a subject of the crash walk: NODE VERB [VERSION] becomes a command line of
 * kata-deploy, which is executed in place. KATA_DEPLOY is the program, RELEASES a directory with
 * the releases 1, 2 and 3 and key.pub.
 */

#include "base/mem.h"
#include "base/scope.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void offer(char ***argv, const char *version)
{
	const char *releases = getenv("RELEASES");

	strv_push(argv, "--release");
	strv_pushf(argv, "%s/%s", releases, version);
	strv_push(argv, "--key");
	strv_pushf(argv, "%s/key.pub", releases);
	strv_push(argv, "--trust-dir");
	strv_pushf(argv, "%s/none", releases);
	strv_push(argv, "--cache");
	strv_pushf(argv, "%s/cache", releases);
	/* All have one serial, so that a walk may install any of them over any other. */
	strv_push(argv, "--allow-downgrade");
}

static char **command(const char *node, const char *verb, const char *version)
{
	char **argv = NULL;

	strv_push(&argv, getenv("KATA_DEPLOY"));
	strv_push(&argv, verb);
	strv_push(&argv, "--root");
	strv_push(&argv, node);
	strv_push(&argv, "--prefix");
	strv_push(&argv, "/opt/new/kata");
	strv_push(&argv, "--lock");
	strv_pushf(&argv, "%s.lock", node);
	if (version && !str_eq(verb, "rollback"))
		offer(&argv, version);
	if (version && str_eq(verb, "rollback")) {
		strv_push(&argv, "--to");
		strv_pushf(&argv, "%s.0.0", version);
	}
	if (str_eq(verb, "install") || str_eq(verb, "uninstall")) {
		strv_push(&argv, "--cri");
		strv_push(&argv, "containerd");
		strv_push(&argv, "--cri-config");
		strv_push(&argv, "/etc/config.toml");
	}
	if (str_eq(verb, "install"))
		strv_push(&argv, "--no-proof");
	if (!str_eq(verb, "repair") && !str_eq(verb, "verify") && !str_eq(verb, "recover"))
		strv_push(&argv, "--yes");
	return argv;
}

int main(int argc, char **argv)
{
	AUTO(strv) char **words = NULL;

	if (argc < 3 || !getenv("KATA_DEPLOY") || !getenv("RELEASES"))
		return 2;
	/* The tree does not depend on the time of the install. */
	if (setenv("SOURCE_DATE_EPOCH", "1900000000", 1) < 0)
		return 2;
	words = command(argv[1], argv[2], argc > 3 ? argv[3] : NULL);
	(void)execv(words[0], words);
	perror(words[0]);
	return 127;
}
