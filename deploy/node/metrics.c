// SPDX-License-Identifier: Apache-2.0
/* Prometheus' text format, version 0.0.4. */
#include "deploy/node/metrics.h"

#include <inttypes.h>

static void head(struct buf *to, const char *name, const char *type, const char *help)
{
	buf_fmt(to, "# HELP kata_deploy_%s %s\n# TYPE kata_deploy_%s %s\n", name, help, name, type);
}

static void gauge(struct buf *to, const char *name, const char *help, uint64_t v)
{
	head(to, name, "gauge", help);
	buf_fmt(to, "kata_deploy_%s %" PRIu64 "\n", name, v);
}

static void counter(struct buf *to, const char *name, const char *help, uint64_t v)
{
	head(to, name, "counter", help);
	buf_fmt(to, "kata_deploy_%s %" PRIu64 "\n", name, v);
}

/* A label's value: quotes, backslashes and line breaks are escaped. */
static void label(struct buf *to, const char *name, const char *value)
{
	buf_fmt(to, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			buf_chr(to, '\\');
		if (*value == '\n')
			buf_str(to, "\\n");
		else
			buf_chr(to, *value);
	}
	buf_chr(to, '"');
}

static void info(struct buf *to, const struct node_state *s)
{
	head(to, "info", "gauge", "The release that is installed.");
	buf_str(to, "kata_deploy_info{");
	label(to, "version", s->version);
	buf_chr(to, ',');
	label(to, "generation", s->generation);
	buf_chr(to, ',');
	label(to, "manager", s->manager);
	buf_fmt(to, ",serial=\"%" PRIu64 "\"} 1\n", s->serial);
}

static void phases(struct buf *to, enum node_phase now)
{
	head(to, "phase", "gauge", "1 for what the program is doing.");
	for (int p = PHASE_STARTING; p <= PHASE_UNINSTALLED; p++)
		buf_fmt(to, "kata_deploy_phase{phase=\"%s\"} %d\n",
			node_phase_name((enum node_phase)p), p == (int)now);
}

void metrics_print(const struct machine *m, const uint64_t ms[JOB_KINDS], struct buf *to)
{
	info(to, &m->state);
	phases(to, m->state.phase);
	gauge(to, "ready", "1 if the release of this image is installed, served and proved.",
	      m->state.ready);
	gauge(to, "drift_files", "Files that differ from what was installed.", m->state.drift);
	gauge(to, "failures", "Attempts that failed, in a row.", m->state.failures);
	gauge(to, "last_success_timestamp_seconds", "When all was last found right.", m->rested);
	counter(to, "failures_total", "Attempts that failed.", m->failed);
	counter(to, "restarts_total", "Restarts of the container manager.", m->state.restarts);
	counter(to, "repairs_total", "Repairs of drift.", m->repaired);
	head(to, "checks_total", "counter", "Checks for drift.");
	buf_fmt(to,
		"kata_deploy_checks_total{depth=\"names\"} %" PRIu64
		"\nkata_deploy_checks_total{depth=\"contents\"} %" PRIu64 "\n",
		m->checks[0], m->checks[1]);
	head(to, "job_seconds", "gauge", "How long the last job of each kind took.");
	for (int job = JOB_STATUS; job < JOB_KINDS; job++) {
		if (ms[job])
			buf_fmt(to,
				"kata_deploy_job_seconds{job=\"%s\"} %" PRIu64 ".%03" PRIu64 "\n",
				job == JOB_HASH ? "hash" : node_job_verb((enum node_job)job),
				ms[job] / 1000, ms[job] % 1000);
	}
}
