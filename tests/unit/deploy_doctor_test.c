// SPDX-License-Identifier: Apache-2.0
/* The findings of the doctor on nodes that lack something, and their remedies. */

#include "tests/unit/expect.h"
#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "crypto/minisig.h"
#include "deploy/doctor/doctor.h"
#include "deploy/trust/trust.h"

#include <check.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[SCRATCH_DIR];
static struct diagnosis d;

/* In a mount namespace of the test. */
static void set_up(void)
{
	scratch_make(dir, "doctor");
	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	d = (struct diagnosis)DIAGNOSIS_INIT;
}

static void tear_down(void)
{
	diagnosis_release(&d);
	(void)umount2(dir, MNT_DETACH);
	scratch_remove(dir);
}

static const struct finding *examine(const struct doctor_options *more, const char *name)
{
	struct doctor_options o = *more;

	o.prefix = o.prefix ? o.prefix : dir;
	o.trust_dir = o.trust_dir ? o.trust_dir : dir;
	diagnosis_release(&d);
	d = (struct diagnosis)DIAGNOSIS_INIT;
	doctor_examine(&o, &d);
	vec_each(struct finding, f, &d.findings) {
		ck_assert_ptr_nonnull(f->text);
		/* A bad finding has a remedy. */
		ck_assert_msg(f->state < FINDING_WARN || f->remedy, "%s: %s", f->name, f->text);
	}
	vec_each(struct finding, f, &d.findings) {
		if (str_eq(f->name, name))
			return f;
	}
	ck_abort_msg("there is no finding %s", name);
}

static void mount_small(unsigned long flags, const char *options)
{
	ck_assert_int_eq(mount("none", dir, "tmpfs", flags, options), 0);
}

START_TEST(a_missing_vmm_is_the_first_finding)
{
	const struct finding *f = examine(&(struct doctor_options){ .vmm = "/nowhere/qemu" },
					  "vmm");

	ck_assert_ptr_eq(f, &d.findings.v[0]);
	ck_assert_int_eq(f->state, FINDING_BAD);
	ck_assert_ptr_nonnull(strstr(f->text, "/nowhere/qemu"));
	ck_assert_ptr_nonnull(strstr(f->remedy, "install QEMU"));
	ck_assert(!diagnosis_is_fit(&d));
	f = examine(&(struct doctor_options){ .vmm = "/bin/true" }, "vmm");
	ck_assert_int_eq(f->state, FINDING_GOOD);
}
END_TEST

START_TEST(a_missing_virtiofsd_is_a_warning)
{
	const struct finding *f = examine(
		&(struct doctor_options){ .vmm = "/bin/true", .virtiofsd = "/nowhere/virtiofsd" },
		"virtiofsd");

	ck_assert_int_eq(f->state, FINDING_WARN);
	ck_assert_ptr_nonnull(strstr(f->remedy, "virtio-9p"));
}
END_TEST

/* The node itself needs no VMM if the release has one. */
START_TEST(a_release_brings_the_vmm)
{
	static const struct {
		bool installed, brings;
		const char *vmm, *virtiofsd;
	} cases[] = {
		{ false, false, "comes with a release", "comes with a release" },
		{ true, true, "bin/qemu-system-x86_64 of the release is there",
		  "libexec/virtiofsd of the release is there" },
		{ true, false, "/usr/bin/qemu-system-x86_64", "/usr/lib/qemu/virtiofsd" },
	};
	const struct doctor_options o = { .prefix = NULL };
	static const char script[] = "rm -rf current bin libexec\n"
				     "[ $1 = 0 ] || ln -s generations/1 current\n"
				     "[ $2 = 0 ] || mkdir bin libexec\n"
				     "[ $2 = 0 ] || cp /bin/true bin/qemu-system-x86_64\n"
				     "[ $2 = 0 ] || cp /bin/true libexec/virtiofsd\n";

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct spawn make = { .argv = ARGV("sh", "-ec", script, "sh",
						   cases[i].installed ? "1" : "0",
						   cases[i].brings ? "1" : "0"),
				      .cwd = dir };
		struct err err = ERR_INIT;

		ck_assert_msg(spawn_run(&make, NULL, 0, NULL, deadline_in(60000), &err) == 0, "%s",
			      err.msg);
		ck_assert_ptr_nonnull(strstr(examine(&o, "vmm")->text, cases[i].vmm));
		ck_assert_ptr_nonnull(strstr(examine(&o, "virtiofsd")->text, cases[i].virtiofsd));
	}
}
END_TEST

START_TEST(a_full_file_system_is_found)
{
	const struct doctor_options below = { .prefix = "/tmp/not/there/yet" };
	const struct finding *f = examine(&below, "space");

	ck_assert_int_eq(f->state, FINDING_GOOD);
	mount_small(0, "size=1m");
	f = examine(&(struct doctor_options){ .prefix = NULL }, "space");
	ck_assert_int_eq(f->state, FINDING_BAD);
	ck_assert_ptr_nonnull(strstr(f->remedy, "free some space"));
	ck_assert_int_eq(umount(dir), 0);
	mount_small(MS_RDONLY, "");
	f = examine(&(struct doctor_options){ .prefix = NULL }, "space");
	ck_assert_int_eq(f->state, FINDING_BAD);
	ck_assert_ptr_nonnull(strstr(f->text, "read-only"));
	ck_assert_int_eq(umount(dir), 0);
	mount_small(MS_NOEXEC, "");
	f = examine(&(struct doctor_options){ .prefix = NULL }, "space");
	ck_assert_int_eq(f->state, FINDING_BAD);
	ck_assert_ptr_nonnull(strstr(f->text, "noexec"));
}
END_TEST

/* Starts a process with that name, which runs until it is killed. */
static pid_t stand_in(const char *name)
{
	AUTO(str) char *path = path_join(dir, name);
	struct spawn copy = { .argv = ARGV("cp", "/bin/sleep", path) };
	struct err err = ERR_INIT;
	pid_t pid;

	ck_assert_int_eq(spawn_run(&copy, NULL, 0, NULL, deadline_in(60000), &err), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		(void)execl(path, name, "1000", NULL);
		_exit(1);
	}
	return pid;
}

/* Waits until the process has executed that program. */
static void await(pid_t pid, const char *name)
{
	struct deadline end = deadline_in(60000);
	char link[64], exe[256];
	ssize_t n;

	(void)!str_print(link, sizeof(link), "/proc/%d/exe", (int)pid);
	do {
		n = readlink(link, exe, sizeof(exe) - 1);
		exe[n < 0 ? 0 : n] = '\0';
	} while (!str_ends(exe, name) && !deadline_passed(end));
}

START_TEST(two_running_managers_are_found)
{
	pid_t pids[] = { stand_in("containerd"), stand_in("crio") };
	const struct finding *f;

	await(pids[0], "/containerd");
	await(pids[1], "/crio");
	f = examine(&(struct doctor_options){ .prefix = NULL }, "manager");
	ck_assert_msg(f->state == FINDING_BAD, "%s", f->text);
	ck_assert_msg(strstr(f->remedy, "--cri") != NULL, "%s", f->remedy);
	ck_assert(!diagnosis_is_fit(&d));
	f = examine(&(struct doctor_options){ .cri = "crio" }, "manager");
	ck_assert_msg(f->state == FINDING_GOOD, "%s", f->text);
	f = examine(&(struct doctor_options){ .cri = "nonsense" }, "manager");
	ck_assert_int_eq(f->state, FINDING_BAD);
	ck_assert_msg(strstr(f->remedy, "supported are") != NULL, "%s", f->remedy);
	for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
		(void)kill(pids[i], SIGKILL);
		(void)waitpid(pids[i], NULL, 0);
	}
}
END_TEST

START_TEST(a_missing_or_broken_kvm_is_found)
{
	const struct finding *f;

	if (access("/dev/kvm", F_OK) < 0) {
		f = examine(&(struct doctor_options){ .prefix = NULL }, "kvm");
		ck_assert_ptr_nonnull(strstr(f->remedy, "kvm_intel"));
		return;
	}
	/* A file that can be opened, but is no KVM. */
	ck_assert_int_eq(mount("/dev/null", "/dev/kvm", NULL, MS_BIND, NULL), 0);
	f = examine(&(struct doctor_options){ .prefix = NULL }, "kvm");
	ck_assert_int_eq(f->state, FINDING_WARN);
	ck_assert_ptr_nonnull(strstr(f->text, "cannot create a VM"));
	/* The remedy for an ordinary user is to run it as root, not to open the device to
	 * everybody. */
	ck_assert_int_eq(umount("/dev/kvm"), 0);
	AUTO(str) char *file = path_join(dir, "kvm");
	AUTO(fd) int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(mount(file, "/dev/kvm", NULL, MS_BIND, NULL), 0);
	ck_assert_int_eq(seteuid(65534), 0);
	f = examine(&(struct doctor_options){ .prefix = NULL }, "kvm");
	ck_assert_int_eq(seteuid(0), 0);
	ck_assert_int_eq(f->state, FINDING_WARN);
	ck_assert_ptr_nonnull(strstr(f->remedy, "as root"));
	ck_assert_int_eq(umount("/dev/kvm"), 0);
}
END_TEST

START_TEST(a_node_without_a_key_is_told_how_to_get_one)
{
	const struct finding *f = examine(&(struct doctor_options){ .prefix = NULL }, "trust");

	ck_assert_int_eq(f->state, FINDING_NOTE);
	ck_assert_ptr_nonnull(strstr(f->text, "--key"));
}
END_TEST

START_TEST(a_remembered_key_is_a_key)
{
	AUTO(str) char *name = path_join(dir, "theirs"), *file = path_join(dir, "theirs/k.pub");
	AUTO(str) char *state = path_join(dir, "state"), *memory = path_join(state, "trust.json");
	AUTO(buf) struct buf text = BUF_INIT(MINISIG_TEXT_MAX);
	AUTO(minisig_secret) struct minisig_secret secret;
	AUTO(trust) struct trust *t = NULL;
	AUTO(str) char *record = NULL;
	char *keys[] = { file, NULL };
	struct trust_options o = { .keys = keys, .directory = dir };
	struct minisig_key key;
	struct err err = ERR_INIT;

	OK(minisig_generate(&secret, &err));
	minisig_public(&secret, &key);
	minisig_key_format(&key, &text);
	ck_assert(mkdir(name, 0755) == 0 && mkdir(state, 0755) == 0);
	OK(file_replace(AT_FDCWD, file, text.data, text.len, 0644, &err));
	OK(trust_open(&o, -1, &t, &err));
	record = trust_memory(t);
	OK(file_replace(AT_FDCWD, memory, record, strlen(record), 0644, &err));
	ck_assert_int_eq(examine(&(struct doctor_options){ .prefix = dir }, "trust")->state,
			 FINDING_GOOD);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("deploy_doctor");
	TCase *t = tcase_create("doctor");

	if (geteuid() != 0) {
		(void)puts("skipped: deploy_doctor_test: it needs root, to mount");
		return EXIT_SUCCESS;
	}
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, a_missing_vmm_is_the_first_finding);
	tcase_add_test(t, a_missing_virtiofsd_is_a_warning);
	tcase_add_test(t, a_release_brings_the_vmm);
	tcase_add_test(t, a_full_file_system_is_found);
	tcase_add_test(t, two_running_managers_are_found);
	tcase_add_test(t, a_missing_or_broken_kvm_is_found);
	tcase_add_test(t, a_node_without_a_key_is_told_how_to_get_one);
	tcase_add_test(t, a_remembered_key_is_a_key);
	suite_add_tcase(s, t);
	return suite_run(s);
}
