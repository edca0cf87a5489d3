// SPDX-License-Identifier: Apache-2.0
/* The checks, in the order in which their remedies should be applied. */

#include "deploy/doctor/doctor.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "cli/advice.h"
#include "deploy/cri/cri.h"
#include "deploy/trust/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fsverity.h>
#include <linux/kvm.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { CPUINFO_MAX = 8 << 20, KVM_API = 12, KERNEL_MAJOR = 5, KERNEL_MINOR = 15 };
enum { SPACE_NEEDED = 200 << 20, MEMORY_NEEDED_KIB = 512 << 10 };
#define BUILD_FLOOR 1735689600 /* 2025-01-01: no build of this program is older */

void diagnosis_release(struct diagnosis *d)
{
	vec_each(struct finding, f, &d->findings) {
		free(f->text);
		free(f->remedy);
	}
	vec_release(&d->findings);
}

const char *finding_state_name(enum finding_state state)
{
	static const char *const names[] = { "good", "note", "warning", "bad" };

	return names[state];
}

bool diagnosis_is_fit(const struct diagnosis *d)
{
	vec_each(struct finding, f, &d->findings) {
		if (f->state == FINDING_BAD)
			return false;
	}
	return true;
}

/* Fills a finding. */
__attribute__((format(printf, 3, 4))) static void find(struct finding *f, enum finding_state state,
						       const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	f->state = state;
	str_set(&f->text, text);
}

/* --- the processor and KVM --- */

static void check_kvm(const struct doctor_options *o, struct finding *f)
{
	AUTO(fd) int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm = -1, vcpu = -1;

	(void)o;
	if (kvm < 0) {
		AUTO(str)
		char *again = str_fmt("run it again as root: sudo %s",
				      advice_only("doctor", "--prefix"));

		find(f, FINDING_WARN, "/dev/kvm: %s; VMs run without KVM, many times slower",
		     strerror(errno));
		str_set(&f->remedy, errno == ENOENT
					    ? "load the module kvm_intel or kvm_amd, or enable "
					      "virtualization in the firmware or the outer VM"
				    : geteuid() != 0 ? again
						     : "give root access to /dev/kvm");
		return;
	}
	if (ioctl(kvm, KVM_GET_API_VERSION, 0) == KVM_API)
		vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm >= 0)
		vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu >= 0) {
		find(f, FINDING_GOOD, "/dev/kvm creates VMs and processors");
		return;
	}
	find(f, FINDING_WARN, "/dev/kvm opens, but cannot create a VM: %s", strerror(errno));
	str_set(&f->remedy, "stop other hypervisors, or update the kernel");
}

static void check_cpu(const struct doctor_options *o, struct finding *f)
{
	AUTO(buf) struct buf text = BUF_INIT(CPUINFO_MAX);
	struct err ignored = ERR_INIT;

	(void)o;
	if (file_read(AT_FDCWD, "/proc/cpuinfo", CPUINFO_MAX, &text, &ignored) < 0) {
		find(f, FINDING_NOTE, "/proc/cpuinfo cannot be read");
		return;
	}
	if (strstr(buf_cstr(&text), " vmx") || strstr(buf_cstr(&text), " svm"))
		find(f, FINDING_GOOD, "the processor supports virtualization");
	else
		find(f, FINDING_NOTE, "the processor does not show vmx or svm");
}

/* A program that a release may include; with a release that does not, the node's own is used. */
struct included {
	const char *name, *path; /* path: below the prefix */
	const char *node;        /* Debian's path of the node's own */
};

/* named: the path that the caller gave, or NULL; missing: the state if the program does not
 * exist. */
static void check_included(const struct doctor_options *o, const struct included *b,
			   const char *named, enum finding_state missing, struct finding *f)
{
	AUTO(str) char *own = path_join(o->prefix, b->path);
	AUTO(str) char *current = path_join(o->prefix, "current");
	const char *node = named ? named : b->node;

	if (!named && access(own, X_OK) == 0)
		find(f, FINDING_GOOD, "%s of the release is there", own);
	else if (!named && !path_exists(current))
		find(f, FINDING_GOOD, "%s comes with a release", b->name);
	else if (access(node, X_OK) == 0)
		find(f, FINDING_GOOD, "%s of the node is there", node);
	else
		find(f, missing, "%s: %s", node, strerror(errno));
}

static void check_vmm(const struct doctor_options *o, struct finding *f)
{
	static const struct included qemu = { "QEMU", "bin/qemu-system-x86_64",
					      "/usr/bin/qemu-system-x86_64" };

	check_included(o, &qemu, o->vmm, FINDING_BAD, f);
	if (f->state == FINDING_BAD)
		str_set(&f->remedy, "install QEMU: a release that includes it, or apt install "
				    "qemu-system-x86, dnf install qemu-kvm");
}

static void check_virtiofsd(const struct doctor_options *o, struct finding *f)
{
	static const struct included virtiofsd = { "virtiofsd", "libexec/virtiofsd",
						   "/usr/lib/qemu/virtiofsd" };

	check_included(o, &virtiofsd, o->virtiofsd, FINDING_WARN, f);
	if (f->state == FINDING_WARN)
		str_set(&f->remedy,
			"install virtiofsd, or a release that includes it, or set shared_fs = "
			"\"virtio-9p\" in a file of etc/config.d");
}

static void check_vsock(const struct doctor_options *o, struct finding *f)
{
	(void)o;
	if (access("/dev/vhost-vsock", R_OK | W_OK) == 0)
		find(f, FINDING_GOOD, "/dev/vhost-vsock is there");
	else
		find(f, FINDING_NOTE, "no /dev/vhost-vsock: agents are reached over a serial port");
}

/* --- the kernel --- */

static void check_kernel(const struct doctor_options *o, struct finding *f)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH };
	unsigned long major, minor;
	struct utsname u;
	char *end;

	(void)o;
	if (uname(&u) < 0)
		bug("uname");
	major = strtoul(u.release, &end, 10);
	minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	AUTO(fd) int fd = (int)syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof(how));
	if (fd < 0 && errno == ENOSYS) {
		find(f, FINDING_BAD, "kernel %s has no openat2", u.release);
		str_set(&f->remedy, "update the kernel to 5.15 or later");
	} else if (major < KERNEL_MAJOR || (major == KERNEL_MAJOR && minor < KERNEL_MINOR)) {
		find(f, FINDING_WARN, "kernel %s is older than the oldest tested one", u.release);
		str_set(&f->remedy, "update the kernel to 5.15 or later");
	} else {
		find(f, FINDING_GOOD, "kernel %s", u.release);
	}
}

static void check_cgroup(const struct doctor_options *o, struct finding *f)
{
	struct statfs s;

	(void)o;
	if (statfs("/sys/fs/cgroup", &s) < 0) {
		find(f, FINDING_BAD, "no cgroups below /sys/fs/cgroup");
		str_set(&f->remedy, "mount cgroup2 at /sys/fs/cgroup");
		return;
	}
	find(f, FINDING_GOOD, "cgroup %s", s.f_type == CGROUP2_SUPER_MAGIC ? "v2" : "v1");
}

static void check_security(const struct doctor_options *o, struct finding *f)
{
	struct err none = ERR_INIT, none_either = ERR_INIT;
	AUTO(str) char *selinux = file_read_line(AT_FDCWD, "/sys/fs/selinux/enforce", &none);
	AUTO(str)
	char *apparmor = file_read_line(AT_FDCWD, "/sys/module/apparmor/parameters/enabled",
					&none_either);

	if (str_eq(selinux, "1")) {
		find(f, FINDING_WARN,
		     "SELinux is enforcing; what is installed gets the labels of its directory, "
		     "programs get bin_t");
		free(f->remedy);
		f->remedy = str_fmt("if VMs are refused, look for 'denied' with ausearch -m avc; "
				    "restorecon leaves the programs as they are after: semanage "
				    "fcontext -a -t bin_t '%s/store/sha256/.*[.]x'",
				    o->prefix);
	} else {
		find(f, FINDING_GOOD, "SELinux %s, AppArmor %s", selinux ? "permissive" : "absent",
		     str_eq(apparmor, "Y") ? "enabled" : "absent");
	}
}

/* --- resources --- */

static void check_space(const struct doctor_options *o, struct finding *f)
{
	AUTO(str) char *dir = path_existing(o->prefix);
	struct statvfs v;
	unsigned long long have;

	if (statvfs(dir, &v) < 0) {
		find(f, FINDING_BAD, "%s: %s", dir, strerror(errno));
		str_set(&f->remedy, "choose another directory with --prefix");
		return;
	}
	have = (unsigned long long)v.f_bavail * v.f_frsize;
	find(f, FINDING_GOOD, "%llu MiB are free for %s", have >> 20, o->prefix);
	if (v.f_flag & ST_RDONLY) {
		find(f, FINDING_BAD, "the file system of %s is read-only", dir);
		str_set(&f->remedy,
			"choose another directory with --prefix, such as /var/lib/kata");
	} else if (v.f_flag & ST_NOEXEC) {
		find(f, FINDING_BAD, "nothing may be executed in %s (noexec)", dir);
		str_set(&f->remedy, "choose another directory with --prefix");
	} else if (have < SPACE_NEEDED) {
		find(f, FINDING_BAD, "only %llu MiB are free for %s", have >> 20, o->prefix);
		str_set(&f->remedy, "free some space: an install needs 200 MiB");
	}
}

/* For a file without fs-verity the ioctl fails with ENODATA if the file system supports it, else
 * with ENOTTY or EOPNOTSUPP. */
static void check_verity(const struct doctor_options *o, struct finding *f)
{
	AUTO(str) char *file = path_join(o->prefix, "state/install.json");
	AUTO(fd) int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct fsverity_digest digest = { .digest_size = 0 };

	if (fd < 0) {
		find(f, FINDING_NOTE,
		     "whether the file system has fs-verity is known once "
		     "something is installed");
		return;
	}
	if (ioctl(fd, FS_IOC_MEASURE_VERITY, &digest) == 0 || errno == ENODATA ||
	    errno == EOVERFLOW)
		find(f, FINDING_GOOD, "the file system has fs-verity");
	else
		find(f, FINDING_NOTE, "the file system has no fs-verity (%s)", strerror(errno));
}

static void check_memory(const struct doctor_options *o, struct finding *f)
{
	AUTO(buf) struct buf text = BUF_INIT(64 << 10);
	struct err ignored = ERR_INIT;
	const char *line = NULL;
	unsigned long kib;

	(void)o;
	if (file_read(AT_FDCWD, "/proc/meminfo", 64 << 10, &text, &ignored) == 0)
		line = strstr(buf_cstr(&text), "MemAvailable:");
	if (!line) {
		find(f, FINDING_NOTE, "the available memory is unknown");
		return;
	}
	kib = strtoul(line + strlen("MemAvailable:"), NULL, 10);
	find(f, FINDING_GOOD, "%lu MiB of memory are available", kib >> 10);
	if (kib < MEMORY_NEEDED_KIB) {
		f->state = FINDING_WARN;
		str_set(&f->remedy, "free memory: a VM takes 256 MiB and more");
	}
}

static void check_clock(const struct doctor_options *o, struct finding *f)
{
	(void)o;
	if (time(NULL) >= BUILD_FLOOR) {
		find(f, FINDING_GOOD, "the clock is plausible");
		return;
	}
	find(f, FINDING_WARN, "the clock is wrong: it is before 2025");
	str_set(&f->remedy, "set the clock (chronyd, timedatectl set-ntp true)");
}

/* --- the container manager, and trusted keys --- */

/* Reports that an install would find no manager, or several. */
static void find_unchosen(const struct cri_options *options, struct finding *f)
{
	AUTO(cri) struct cri *chosen = NULL;
	struct err why = ERR_INIT;

	if (cri_find(options, &chosen, &why) == 0)
		return; /* it has been started meanwhile */
	f->state = FINDING_BAD;
	str_set(&f->remedy, why.msg);
}

static void check_manager(const struct doctor_options *o, struct finding *f)
{
	AUTO(cri_seen_list) struct cri_seen_list seen = CRI_SEEN_INIT;
	struct cri_options options = {
		.root = "", .prefix = o->prefix, .name = o->cri, .config = o->cri_config
	};
	AUTO(buf) struct buf all = BUF_INIT(4096);
	struct err why = ERR_INIT;
	bool chosen = false, runs = false;
	const char *start = NULL;

	if (cri_list(&options, &seen, &why) < 0) {
		find(f, FINDING_BAD, "%s", why.msg);
		str_set(&f->remedy, "use another --prefix or --cri-config");
		return;
	}
	vec_each(struct cri_seen, s, &seen.rows) {
		buf_fmt(&all, "%s%s %s (%s)", all.len ? ", " : "", s->name,
			s->version ? s->version : "", s->why);
		chosen |= s->chosen;
		runs |= s->chosen && s->running;
		start = s->chosen ? s->start : start;
	}
	if (!seen.rows.n && !o->cri) {
		find(f, FINDING_BAD, "no container manager was found");
		str_set(&f->remedy, "install one: apt install containerd");
		return;
	}
	find(f, runs ? FINDING_GOOD : FINDING_WARN, "%s",
	     seen.rows.n ? buf_cstr(&all) : "none found");
	if (!chosen)
		find_unchosen(&options, f);
	else if (!runs)
		f->remedy = str_fmt("start the container manager%s%s", start ? ": " : "",
				    start ? start : "");
}

static void check_trust(const struct doctor_options *o, struct finding *f)
{
	struct trust_options options = { .kept = o->trust_kept,
					 .prefix = o->prefix,
					 .directory = o->trust_dir,
					 .now = (uint64_t)time(NULL) };
	AUTO(str) char *path = path_join(o->prefix, "state");
	AUTO(fd) int state = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(trust) struct trust *t = NULL;
	struct err why = ERR_INIT;

	if (trust_open(&options, state, &t, &why) == 0) {
		find(f, FINDING_GOOD, "there are keys to verify releases with");
		return;
	}
	find(f, FINDING_NOTE, "%s", why.msg);
}

/* An ordinary user does not see all processes and devices. */
static void check_rights(const struct doctor_options *o, struct finding *f)
{
	(void)o;
	if (geteuid() == 0) {
		find(f, FINDING_GOOD, "run as root");
		return;
	}
	find(f, FINDING_NOTE, "run as an ordinary user, who does not see all processes");
}

static const struct {
	const char *name;
	void (*check)(const struct doctor_options *o, struct finding *f);
} checks[] = {
	{ "vmm", check_vmm },
	{ "manager", check_manager },
	{ "kvm", check_kvm },
	{ "cpu", check_cpu },
	{ "kernel", check_kernel },
	{ "cgroup", check_cgroup },
	{ "space", check_space },
	{ "memory", check_memory },
	{ "virtiofsd", check_virtiofsd },
	{ "vsock", check_vsock },
	{ "security", check_security },
	{ "clock", check_clock },
	{ "fs-verity", check_verity },
	{ "trust", check_trust },
	{ "rights", check_rights },
};

void doctor_examine(const struct doctor_options *o, struct diagnosis *d)
{
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		struct finding f = { .name = checks[i].name };

		checks[i].check(o, &f);
		vec_push(&d->findings, f);
	}
}
