// SPDX-License-Identifier: Apache-2.0
/*
 * Has systemd restart or stop a unit, as kata-deploy does in a container:
 *
 *	systemd-job restart|stop UNIT
 *
 * Waits for the end of the job, at most two minutes. Prints the error, and exits with its status.
 */

#include "base/str.h"
#include "dbus/systemd.h"

#include <stdio.h>

enum { JOB_MS = 120000 };

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	int rc;

	if (argc != 3 || (!str_eq(argv[1], "restart") && !str_eq(argv[1], "stop"))) {
		(void)fprintf(stderr, "usage: systemd-job restart|stop UNIT\n");
		return err_exit_status(E_USAGE);
	}
	rc = str_eq(argv[1], "stop") ? systemd_stop(NULL, argv[2], deadline_in(JOB_MS), &err)
				     : systemd_restart(NULL, argv[2], deadline_in(JOB_MS), &err);
	if (rc == 0)
		return 0;
	(void)fprintf(stderr, "%s\n", err.msg);
	return err_exit_status(err.code);
}
