// SPDX-License-Identifier: Apache-2.0
/* The guest's packet filter, read and written with iptables-save and iptables-restore. */

#include "agent/iptables.h"

#include "base/spawn.h"

static int run(char *const *argv, const void *input, size_t len, struct deadline deadline,
	       struct buf *out, struct err *err)
{
	struct spawn s = { .argv = argv };

	if (spawn_run(&s, input, len, out, deadline, err) != 0)
		return err_wrap(err, "%s", argv[0]);
	return buf_check(out, argv[0], err);
}

int iptables_save(bool ipv6, struct deadline deadline, struct buf *out, struct err *err)
{
	const char *program = ipv6 ? "/sbin/ip6tables-save" : "/sbin/iptables-save";

	return run(ARGV(program), NULL, 0, deadline, out, err);
}

int iptables_restore(bool ipv6, const void *rules, size_t len, struct deadline deadline,
		     struct buf *out, struct err *err)
{
	const char *program = ipv6 ? "/sbin/ip6tables-restore" : "/sbin/iptables-restore";

	return run(ARGV(program, "--wait", "5"), rules, len, deadline, out, err);
}
