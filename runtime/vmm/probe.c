// SPDX-License-Identifier: Apache-2.0
/* The notes below /run about accelerator and transport. */

#include "vmm/probe.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static const struct {
	const char *file, *answers[2];
} questions[] = {
	[VMM_ACCELERATOR] = { "/run/vc/accelerator", { "kvm", "tcg" } },
	[VMM_TRANSPORT] = { "/run/vc/transport", { "vsock", "serial" } },
};

const char *vmm_known(enum vmm_question question)
{
	struct err ignored = ERR_INIT; /* no file: nothing is known yet */
	AUTO(str) char *line = file_read_line(AT_FDCWD, questions[question].file, &ignored);

	for (size_t i = 0; i < ARRAY_LEN(questions[question].answers); i++) {
		if (str_eq(line, questions[question].answers[i]))
			return questions[question].answers[i];
	}
	return NULL;
}

static bool is_old(const char *file)
{
	struct stat st;

	if (stat(file, &st) < 0)
		return true;
	/* The time of a new file may be a second ahead of time(), and the clock may be set. */
	return llabs((long long)time(NULL) - st.st_mtime) >= VMM_DOUBT_S;
}

const char *vmm_settled(enum vmm_question question, const char *configured)
{
	const char *known = vmm_known(question);

	if (!str_empty(configured))
		return configured;
	return str_eq(known, "tcg") && is_old(questions[question].file) ? NULL : known;
}

void vmm_remember(enum vmm_question question, const char *answer)
{
	struct err ignored = ERR_INIT; /* the next sandbox tries again */

	if (str_eq(answer, "tcg") && str_eq(vmm_known(question), "kvm"))
		return;
	(void)!file_note(questions[question].file, answer, strlen(answer), 0644, &ignored);
}

static int open_kvm(void)
{
	return open("/dev/kvm", O_RDWR | O_CLOEXEC);
}

int vmm_may_insist(const char *configured, const char *file, struct err *err)
{
	AUTO(fd) int fd = open_kvm();

	if (fd >= 0 || !str_eq(configured, "kvm"))
		return 0;
	err_set_at(err, E_UNSUPPORTED, errno, ERR_HERE, "%s: accelerator = \"kvm\", but /dev/kvm",
		   file);
	return err_hint(err, "load kvm_intel or kvm_amd, or set accelerator = \"\": without KVM "
			     "VMs are many times slower");
}

const char *vmm_guess_accelerator(void)
{
	AUTO(fd) int fd = open_kvm();

	return fd >= 0 ? "kvm" : "tcg";
}
