// SPDX-License-Identifier: Apache-2.0
/* Progress and timings of one run, in static variables, since the program has one thread. */

#include "deploy/cli/progress.h"

#include "base/buf.h"
#include "base/deadline.h"
#include "base/fd.h"
#include "base/str.h"
#include "deploy/cli/say.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PHASES_MAX = 32, REDRAW_MS = 100, LINE_MS = 5000, TEXT_MAX = 512 };

static struct {
	struct {
		const char *name;
		uint64_t began, took;
		uint64_t done, total;
	} phases[PHASES_MAX];
	size_t n, now;
	bool running; /* the current phase has not ended */
	int fd;       /* of --progress-fd, or -1 */
	uint64_t shown;
	bool drawn; /* a line on the terminal is not ended yet */
} p = { .fd = -1 };

int progress_open(const char *number, struct err *err)
{
	uint64_t fd;

	if (!number)
		return 0;
	if (str_u64(number, 10, 0, INT32_MAX, "--progress-fd", &fd, err) < 0) {
		err->code = E_USAGE;
		return err_hint(err, "give the number of an open file descriptor");
	}
	if (fcntl((int)fd, F_GETFD) < 0)
		return err_set(
			err, E_USAGE,
			"--progress-fd %s is not open; open it in the shell, as in 3>progress",
			number);
	p.fd = (int)fd;
	return 0;
}

/* Writes a line for --progress-fd. */
static void write_line(bool over)
{
	AUTO(buf) struct buf line = BUF_INIT(TEXT_MAX);
	struct pollfd room = { .fd = p.fd, .events = POLLOUT };
	size_t i = p.now;

	/* A reader that stands still misses lines; a change must not wait for it. */
	if (p.fd < 0 || poll(&room, 1, 0) == 0)
		return;
	buf_fmt(&line, "{\"phase\": \"%s\", \"ms\": %llu", p.phases[i].name,
		(unsigned long long)(clock_ms() - p.phases[i].began));
	if (p.phases[i].done)
		buf_fmt(&line, ", \"done\": %llu", (unsigned long long)p.phases[i].done);
	if (p.phases[i].total)
		buf_fmt(&line, ", \"total\": %llu", (unsigned long long)p.phases[i].total);
	buf_str(&line, over ? ", \"over\": true}\n" : "}\n");
	if (write(p.fd, line.data, line.len) < 0 && errno == EPIPE)
		p.fd = -1;
}

static bool shows(void)
{
	return !say_how()->quiet && !say_how()->json;
}

static void draw(void)
{
	size_t i = p.now;
	uint64_t ms = clock_ms() - p.phases[i].began, done = p.phases[i].done,
		 total = p.phases[i].total, rate = ms ? done * 1000 / ms : 0;
	unsigned long long left = rate && total > done ? (total - done) / rate + 1 : 0;
	const char *end = isatty(2) ? "" : "\n";

	(void)fprintf(stderr, "%s%-9s %s", isatty(2) ? "\r\033[K" : "", p.phases[i].name,
		      say_bytes(done));
	if (total)
		(void)fprintf(stderr, " of %s", say_bytes(total));
	if (rate)
		(void)fprintf(stderr, ", %s/s", say_bytes(rate));
	if (left)
		(void)fprintf(stderr, ", %llu s left", left);
	(void)fputs(end, stderr);
	(void)fflush(stderr);
	p.drawn = isatty(2);
}

static void end_phase(void)
{
	size_t i = p.now;

	if (!p.running)
		return;
	p.phases[i].took += clock_ms() - p.phases[i].began;
	write_line(true);
	if (shows() && p.drawn)
		(void)fputs("\r\033[K", stderr);
	p.drawn = false;
	p.running = false;
}

/* Returns the index of a phase. Fetching and unpacking alternate: a phase that exists is
 * continued. */
static size_t enter(const char *name)
{
	size_t i = 0;

	while (i < p.n && !str_eq(p.phases[i].name, name))
		i++;
	if (i == PHASES_MAX)
		return i - 1; /* the last one keeps the rest */
	if (i == p.n)
		p.phases[p.n++].name = name;
	return i;
}

void progress_phase(const char *name)
{
	end_phase();
	p.now = enter(name);
	p.phases[p.now].began = clock_ms();
	p.running = true;
	p.shown = clock_ms();
	write_line(false);
	if (shows() && isatty(2)) {
		(void)fprintf(stderr, "\r\033[K%s ...", name);
		(void)fflush(stderr);
		p.drawn = true;
	}
}

void progress_at(void *unused, const char *phase, uint64_t done, uint64_t total)
{
	uint64_t now = clock_ms();

	(void)unused;
	if (!p.running || !str_eq(p.phases[p.now].name, phase))
		progress_phase(phase);
	p.phases[p.now].done = done;
	p.phases[p.now].total = total;
	if (now - p.shown < (isatty(2) || p.fd >= 0 ? REDRAW_MS : LINE_MS))
		return;
	p.shown = now;
	write_line(false);
	if (shows())
		draw();
}

void progress_end(void)
{
	end_phase();
}

struct json *progress_timings(void)
{
	struct json *list = json_make_array();

	for (size_t i = 0; i < p.n; i++) {
		struct json *j = json_make_object();

		json_put(j, "phase", json_make_string(p.phases[i].name));
		json_put(j, "ms", json_make_u64(p.phases[i].took));
		json_add(list, j);
	}
	return list;
}

void progress_print_timings(void)
{
	struct rusage own, children;

	if (!say_how()->timings)
		return;
	for (size_t i = 0; i < p.n; i++)
		(void)fprintf(stderr, "%8llu ms  %s\n", (unsigned long long)p.phases[i].took,
			      p.phases[i].name);
	if (getrusage(RUSAGE_SELF, &own) < 0 || getrusage(RUSAGE_CHILDREN, &children) < 0)
		return;
	(void)fprintf(stderr, "%8ld KiB peak memory, %ld KiB of the largest child\n", own.ru_maxrss,
		      children.ru_maxrss);
}
