// SPDX-License-Identifier: Apache-2.0
/*
 * Landlock restricts the paths that a confined child can reach. The kernel's header may be older
 * than the kernel, so the needed part of the ABI, which is stable, is defined here.
 */

#include "confine/confine-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ruleset {
	uint64_t fs, net, scoped;
};
struct beneath {
	uint64_t access;
	int32_t parent;
} __attribute__((packed));

enum { CREATE_VERSION = 1, RULE_BENEATH = 1 };

#define FS_EXECUTE     (UINT64_C(1) << 0)
#define FS_WRITE_FILE  (UINT64_C(1) << 1)
#define FS_READ_FILE   (UINT64_C(1) << 2)
#define FS_READ_DIR    (UINT64_C(1) << 3)
#define FS_MAKE_DIR    (UINT64_C(1) << 7)
#define FS_MAKE_REG    (UINT64_C(1) << 8)
#define FS_ALL_1       ((UINT64_C(1) << 13) - 1)
#define FS_REFER       (UINT64_C(1) << 13) /* 2 */
#define FS_TRUNCATE    (UINT64_C(1) << 14) /* 3 */
#define FS_IOCTL_DEV   (UINT64_C(1) << 15) /* 5 */
#define NET_BIND_TCP   (UINT64_C(1) << 0)  /* 4 */
#define NET_CONNECT    (UINT64_C(1) << 1)
#define SCOPE_ABSTRACT (UINT64_C(1) << 0) /* 6 */
#define SCOPE_SIGNAL   (UINT64_C(1) << 1)

#define READ  (FS_READ_FILE | FS_READ_DIR)
#define WRITE (READ | FS_WRITE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_TRUNCATE)

/* Paths that the name service and TLS read. */
static const char *const network_reads[] = { "/etc",   "/usr",      "/lib", "/run",
					     "/lib64", "/dev/null", "/nix", "/dev/urandom" };

int confine_landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);

	return abi > 0 ? (int)abi : 0;
}

static struct ruleset handled(int abi, bool network)
{
	struct ruleset r = { .fs = FS_ALL_1 };

	if (abi >= 2)
		r.fs |= FS_REFER;
	if (abi >= 3)
		r.fs |= FS_TRUNCATE;
	if (abi >= 4)
		r.net = network ? NET_BIND_TCP : NET_BIND_TCP | NET_CONNECT;
	if (abi >= 5)
		r.fs |= FS_IOCTL_DEV;
	if (abi >= 6)
		r.scoped = SCOPE_ABSTRACT | SCOPE_SIGNAL;
	return r;
}

/* Older kernels have a shorter structure and accept a longer one if the rest is zero. */
static int make_ruleset(const struct ruleset *r)
{
	return (int)syscall(SYS_landlock_create_ruleset, r, sizeof(*r), 0);
}

static int allow(int rules, const struct ruleset *r, int fd, uint64_t access, struct err *err)
{
	struct beneath b = { access & r->fs, fd };
	struct stat st;

	if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
		b.access &= FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE;
	return syscall(SYS_landlock_add_rule, rules, RULE_BENEATH, &b, 0) < 0
		       ? err_sys(err, "add a Landlock rule")
		       : 0;
}

static int allow_name_service(int rules, const struct ruleset *r, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(network_reads); i++) {
		AUTO(fd) int fd = open(network_reads[i], O_PATH | O_CLOEXEC);

		/* A missing path needs no rule. */
		if (fd >= 0 && allow(rules, r, fd, READ, err) < 0)
			return -1;
	}
	return 0;
}

int confine_landlock(const struct confine *c, struct err *err)
{
	int abi = confine_landlock_abi();
	struct ruleset r = handled(abi, c->network);

	if (!abi)
		return 0;
	AUTO(fd) int rules = make_ruleset(&r);
	if (rules < 0)
		return err_sys(err, "make a Landlock rule set");
	for (size_t i = 0; i < c->nwrite; i++) {
		if (allow(rules, &r, c->write[i], WRITE, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < c->nread; i++) {
		if (allow(rules, &r, c->read[i], READ, err) < 0)
			return -1;
	}
	if (c->network && allow_name_service(rules, &r, err) < 0)
		return -1;
	return syscall(SYS_landlock_restrict_self, rules, 0) < 0
		       ? err_sys(err, "enter the Landlock rule set")
		       : 0;
}
