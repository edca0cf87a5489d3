// SPDX-License-Identifier: Apache-2.0
/* Metrics of the guest and of the agent, from /proc, in Prometheus' text format. */

#include "agent/metrics.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { FILE_MAX = 256 * 1024, WORDS_MAX = 64 };

static unsigned long scrapes; /* atomic */

static void head(struct buf *out, const char *name, const char *help)
{
	buf_fmt(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

/* Appends a label. The value is escaped: a disk may have any name. */
static void label(struct buf *out, const char *key, const char *value, bool first)
{
	buf_fmt(out, "%s%s=\"", first ? "{" : ",", key);
	for (const char *p = value; *p; p++) {
		if (*p == '"' || *p == '\\')
			buf_chr(out, '\\');
		buf_chr(out, *p == '\n' ? ' ' : *p);
	}
	buf_chr(out, '"');
}

/* Appends a sample with the label item=what and, if key is not NULL, key=value. */
static void item(struct buf *out, const char *name, const char *key, const char *value,
		 const char *what, unsigned long long number)
{
	buf_str(out, name);
	if (key)
		label(out, key, value, true);
	label(out, "item", what, !key);
	buf_fmt(out, "} %llu\n", number);
}

/* The lines of a file of /proc, strv, heap; NULL if it cannot be read. */
static char **lines_of(const char *path)
{
	AUTO(buf) struct buf text = BUF_INIT(FILE_MAX);
	struct err ignored = ERR_INIT; /* a kernel without it has no such metrics */

	if (file_read(AT_FDCWD, path, FILE_MAX, &text, &ignored) < 0)
		return NULL;
	return strv_split(buf_cstr(&text), "\n");
}

static unsigned long long number(const char *text)
{
	return strtoull(text, NULL, 10);
}

/* Samples from lines "Name: value unit". bytes: values with a unit are in kB and converted. */
static void pairs(struct buf *out, const char *name, const char *path, const char *separators,
		  bool bytes)
{
	AUTO(strv) char **lines = lines_of(path);

	strv_each(line, lines) {
		AUTO(strv) char **words = strv_split(*line, separators);
		size_t n = strv_len(words);

		if (!words || n < 2 || !isdigit((unsigned char)*words[1]))
			continue;
		for (char *p = words[0]; *p; p++)
			*p = (char)(*p == '(' || *p == ')' ? '_' : tolower((unsigned char)*p));
		item(out, name, NULL, NULL, words[0],
		     number(words[1]) * (bytes && n > 2 ? 1024 : 1));
	}
}

/* Samples from one line of columns, with these names; "" skips a column. */
static void columns(struct buf *out, const char *name, const char *key, const char *value,
		    char *const *words, const char *const *names)
{
	for (size_t i = 0; names[i] && words[i]; i++) {
		if (*names[i])
			item(out, name, key, value, names[i], number(words[i]));
	}
}

/* --- the agent --- */

/* The words of /proc/self/stat after the program's name, which may contain any character. */
static char **self_stat(void)
{
	AUTO(strv) char **lines = lines_of("/proc/self/stat");
	const char *end = lines && *lines ? strrchr(*lines, ')') : NULL;

	return end ? strv_split(end + 1, " ") : NULL;
}

static void agent_process(struct buf *out)
{
	static const char *const names[] = { "",        "ppid",        "pgrp",        "session",
					     "tty_nr",  "tpgid",       "flags",       "minflt",
					     "cminflt", "majflt",      "cmajflt",     "utime",
					     "stime",   "cutime",      "cstime",      "priority",
					     "nice",    "num_threads", "itrealvalue", "starttime",
					     "vsize",   "rss",         NULL };
	AUTO(strv) char **words = self_stat();
	unsigned long long tick = (unsigned long long)sysconf(_SC_CLK_TCK);

	if (!words || strv_len(words) < ARRAY_LEN(names) - 1)
		return;
	head(out, "kata_agent_threads", "Agent's threads.");
	buf_fmt(out, "kata_agent_threads %llu\n", number(words[17]));
	head(out, "kata_agent_total_time", "Agent's CPU time in seconds.");
	buf_fmt(out, "kata_agent_total_time %.2f\n",
		(double)(number(words[11]) + number(words[12])) / (double)tick);
	head(out, "kata_agent_total_vm", "Agent's virtual memory in bytes.");
	buf_fmt(out, "kata_agent_total_vm %llu\n", number(words[20]));
	head(out, "kata_agent_total_rss", "Agent's resident memory in bytes.");
	buf_fmt(out, "kata_agent_total_rss %llu\n",
		number(words[21]) * (unsigned long long)sysconf(_SC_PAGESIZE));
	head(out, "kata_agent_proc_stat", "Agent's process state.");
	columns(out, "kata_agent_proc_stat", NULL, NULL, words, names);
}

static void agent(struct buf *out)
{
	head(out, "kata_agent_scrape_count", "How often the metrics were asked for.");
	buf_fmt(out, "kata_agent_scrape_count %lu\n",
		__atomic_add_fetch(&scrapes, 1, __ATOMIC_RELAXED));
	agent_process(out);
	head(out, "kata_agent_proc_status", "Agent's process status.");
	pairs(out, "kata_agent_proc_status", "/proc/self/status", ":\t ", true);
	head(out, "kata_agent_io_stat", "Agent's I/O.");
	pairs(out, "kata_agent_io_stat", "/proc/self/io", ": ", false);
}

/* --- the guest --- */

static void guest_load(struct buf *out)
{
	AUTO(strv) char **lines = lines_of("/proc/loadavg");
	AUTO(strv) char **words = lines && *lines ? strv_split(*lines, " /") : NULL;

	if (!words || strv_len(words) < 5)
		return;
	head(out, "kata_guest_load", "Guest's load.");
	buf_fmt(out,
		"kata_guest_load{item=\"load1\"} %s\nkata_guest_load{item=\"load5\"} %s\n"
		"kata_guest_load{item=\"load15\"} %s\n",
		words[0], words[1], words[2]);
	head(out, "kata_guest_tasks", "Guest's tasks.");
	item(out, "kata_guest_tasks", NULL, NULL, "cur", number(words[3]));
	item(out, "kata_guest_tasks", NULL, NULL, "max", number(words[4]));
}

static void guest_cpu(struct buf *out)
{
	static const char *const names[] = { "user",   "nice",       "system",  "idle",
					     "iowait", "irq",        "softirq", "steal",
					     "guest",  "guest_nice", NULL };
	AUTO(strv) char **lines = lines_of("/proc/stat");

	head(out, "kata_guest_cpu_time", "Guest's CPU time.");
	strv_each(line, lines) {
		AUTO(strv) char **words = strv_split(*line, " ");

		if (!str_starts(*line, "cpu"))
			continue;
		columns(out, "kata_guest_cpu_time", "cpu",
			str_eq(words[0], "cpu") ? "total" : words[0] + 3, words + 1, names);
	}
}

static void guest_net(struct buf *out)
{
	static const char *const names[] = {
		"recv_bytes", "recv_packets", "recv_errs",       "recv_drop",
		"recv_fifo",  "recv_frame",   "recv_compressed", "recv_multicast",
		"sent_bytes", "sent_packets", "sent_errs",       "sent_drop",
		"sent_fifo",  "sent_colls",   "sent_carrier",    "sent_compressed",
		NULL
	};
	AUTO(strv) char **lines = lines_of("/proc/net/dev");

	head(out, "kata_guest_netdev_stat", "Guest's network devices.");
	strv_each(line, lines) {
		AUTO(strv) char **words = strv_split(*line, ": ");

		if (strchr(*line, '|') || strv_len(words) < 2)
			continue;
		columns(out, "kata_guest_netdev_stat", "interface", words[0], words + 1, names);
	}
}

static void guest_disks(struct buf *out)
{
	static const char *const names[] = { "reads",
					     "reads_merged",
					     "sectors_read",
					     "time_reading",
					     "writes",
					     "writes_merged",
					     "sectors_written",
					     "time_writing",
					     "in_progress",
					     "time_in_progress",
					     "weighted_time_in_progress",
					     "discards",
					     "discards_merged",
					     "sectors_discarded",
					     "time_discarding",
					     "flushes",
					     "time_flushing",
					     NULL };
	AUTO(strv) char **lines = lines_of("/proc/diskstats");

	head(out, "kata_guest_diskstat", "Guest's disks.");
	strv_each(line, lines) {
		AUTO(strv) char **words = strv_split(*line, " ");

		if (strv_len(words) > 3)
			columns(out, "kata_guest_diskstat", "disk", words[2], words + 3, names);
	}
}

static void guest(struct buf *out)
{
	guest_load(out);
	guest_cpu(out);
	head(out, "kata_guest_vm_stat", "Guest's virtual memory.");
	pairs(out, "kata_guest_vm_stat", "/proc/vmstat", " ", false);
	guest_net(out);
	guest_disks(out);
	head(out, "kata_guest_meminfo", "Guest's memory in bytes.");
	pairs(out, "kata_guest_meminfo", "/proc/meminfo", ": ", true);
}

void metrics_print(struct buf *out)
{
	agent(out);
	guest(out);
}
