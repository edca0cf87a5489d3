// SPDX-License-Identifier: Apache-2.0
/* A fetch: starts tries, waits for them, and acts on the result of each. */

#include "http/http-internal.h"

#include "base/deadline.h"
#include "base/mem.h"
#include "base/str.h"

#include <string.h>
#include <sys/random.h>

enum {
	TICK_MS = 200,
	RATE_TICK_MS = 20,
	PROGRESS_MS = 50,
	CONNECTIONS = 6,
	PAUSE_MS = 500,
	GAIN = 1 << 20,  /* so many bytes of a try count as progress */
	TRIES_MAX = 200, /* of one job */
};

void http_init(void)
{
	static bool done;

	if (!done && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		bug("libcurl cannot be used");
	done = true;
}

/* --- after a try --- */

/* The pause after so many failures; it grows, and has a random part. */
static uint64_t pause_after(const struct fetch *f, unsigned failures)
{
	uint64_t pause = f->o->pause_ms ? f->o->pause_ms : PAUSE_MS, most = HTTP_PAUSE_MAX * 1000;
	uint32_t random = 0;

	while (--failures > 0 && pause < most)
		pause *= 2;
	if (pause > most)
		pause = most;
	(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
	return pause - random % (pause / 4 + 1);
}

static bool choose(struct transfer *t)
{
	struct mirror *m = mirror_choose(t->f->mirrors, t->f->nmirrors, t);

	if (!m)
		return false;
	t->mirror = m;
	free(t->url);
	t->url = http_url(t->mirror->url, t->job->path);
	t->redirects = 0;
	return true;
}

/* Chooses the next mirror and the time of its try; false if no mirror is left. */
static bool schedule(struct transfer *t)
{
	struct mirror *before = t->mirror;
	uint64_t now = clock_ms();

	if (!choose(t))
		return false;
	t->not_before = t->tries && t->mirror == before ? now + pause_after(t->f, t->tries) : now;
	return true;
}

unsigned http_weight(enum err_code code)
{
	if (code == E_GONE || code == E_TIMEOUT)
		return 0;
	return code == E_NOT_FOUND || code == E_PERMISSION ? 1 : 2;
}

/* Records the failure of a try, for the error of the job. */
static void record_failure(struct transfer *t)
{
	AUTO(str) char *shown = http_shown(t->url);
	size_t i = (size_t)(t->mirror - t->f->mirrors);

	if (!t->why)
		t->why = xcalloc(t->f->nmirrors, sizeof(*t->why));
	free(t->why[i]);
	t->why[i] = str_fmt("%s: %s", shown, t->err.msg);
	if (t->worst.code == E_OK || http_weight(t->err.code) > http_weight(t->worst.code))
		t->worst = t->err;
	t->absent = t->absent || http_weight(t->err.code) == 1;
}

/* The failures of all mirrors; of a mirror that was set aside for another file, that failure. */
static char *reasons(const struct transfer *t)
{
	AUTO(strv) char **all = NULL;

	for (size_t i = 0; i < t->f->nmirrors; i++) {
		const struct mirror *m = &t->f->mirrors[i];
		AUTO(str) char *shown = http_shown(m->url);

		if (t->why && t->why[i])
			strv_push(&all, t->why[i]);
		else if (m->why.code != E_OK)
			strv_pushf(&all, "%s: %s", shown, m->why.msg);
	}
	return strv_join(all, "; ");
}

static bool may_be_missing(const struct transfer *t)
{
	enum err_code code = t->err.code;

	if ((t->job->optional || t->job->spare) && t->absent)
		return true;
	return t->job->spare && code != E_IO && code != E_FAILED && code != E_TRUST;
}

static int fail(struct transfer *t, struct err *err)
{
	if (may_be_missing(t)) {
		t->state = T_DONE;
		t->job->missing = true;
		return 0;
	}
	AUTO(str) char *why = reasons(t);

	return err_set_at(err, t->worst.code, t->worst.sys, t->worst.where, "%s", why);
}

/* Fails for a reason on this machine, which is not the mirror's fault. */
static int fail_here(const struct transfer *t, struct err *err)
{
	AUTO(str) char *shown = http_shown(t->url);

	return err_set_at(err, t->err.code, t->err.sys, t->err.where, "%s: %s", shown, t->err.msg);
}

static void set_aside(struct transfer *t)
{
	const struct http_watch *watch = t->f->watch;
	struct mirror *m = t->mirror;

	if (m->why.code != E_OK)
		return;
	m->why = t->err;
	if (watch && watch->aside)
		watch->aside(watch->arg, (size_t)(m - t->f->mirrors), &m->why);
}

static int succeed(struct transfer *t)
{
	t->state = T_DONE;
	t->job->done = true;
	if (t->mirror) {
		t->mirror->lives = HTTP_BUDGET;
		err_clear(&t->mirror->why);
	}
	if (t->f->watch && t->f->watch->done)
		t->f->watch->done(t->f->watch->arg, t->index);
	return 0;
}

static int again(struct transfer *t, struct err *err)
{
	size_t most = t->f->o->tries ? t->f->o->tries : HTTP_TRIES;

	record_failure(t);
	if (t->at > t->started_at && t->at - t->started_at >= GAIN)
		t->tries = 0;
	if (t->mirror->lives)
		t->mirror->lives--;
	t->inherited = t->at > 0;
	t->all++;
	t->tries++;
	if (!t->answered) {
		t->mirror->not_before = clock_ms() + pause_after(t->f, t->tries);
		set_aside(t);
	}
	return (t->job->optional && t->absent) || t->tries >= most + t->f->nmirrors - 1 ||
			       t->all >= TRIES_MAX || !schedule(t)
		       ? fail(t, err)
		       : 0;
}

static int elsewhere(struct transfer *t, struct err *err)
{
	enum err_code code = t->err.code;

	record_failure(t);
	t->refused |= 1U << (t->mirror - t->f->mirrors);
	if (code != E_NOT_FOUND && t->mirror->lives)
		t->mirror->lives--;
	if (http_weight(code) == 2) {
		set_aside(t);
		if (transfer_rewind(t, err) < 0)
			return -1;
	}
	/* For a file that may be missing, one mirror's 404 is enough. */
	if (code == E_NOT_FOUND && (t->job->optional || t->job->spare))
		return fail(t, err);
	return schedule(t) ? 0 : fail(t, err);
}

/* Restarts from the beginning, once: afterwards nothing is inherited and no range is requested. */
static int restart(struct transfer *t, struct err *err)
{
	if (transfer_rewind(t, err) < 0)
		return -1;
	t->fresh = true;
	t->not_before = 0;
	if (++t->all < TRIES_MAX)
		return 0;
	record_failure(t);
	return fail(t, err);
}

static int conclude(struct transfer *t, enum verdict v, struct err *err)
{
	switch (v) {
	case V_GOOD:
		return succeed(t);
	case V_AGAIN:
		return again(t, err);
	case V_ELSEWHERE:
		return elsewhere(t, err);
	case V_RESTART:
		return restart(t, err);
	case V_REDIRECT:
		t->not_before = 0;
		return 0;
	case V_FATAL:
	default:
		return fail_here(t, err);
	}
}

/* --- the loop --- */

/* When the transfer may start; UINT64_MAX while another try makes the first connection to its
 * mirror. A mirror that has failed since it was chosen is replaced, unless it redirected us. */
static uint64_t start_time(struct transfer *t)
{
	if (!t->redirects && (t->mirror->why.code != E_OK || !t->mirror->lives))
		(void)choose(t);
	if (!t->mirror->reached && t->mirror->running)
		return UINT64_MAX;
	return t->not_before > t->mirror->not_before ? t->not_before : t->mirror->not_before;
}

/* Starts transfers that may start now; *wait gets the milliseconds until the next one may. */
static int start_some(struct fetch *f, uint64_t *wait, struct err *err)
{
	size_t most = f->o->connections ? f->o->connections : CONNECTIONS;
	uint64_t now = clock_ms();

	*wait = TICK_MS;
	for (size_t i = 0; i < f->n && f->running < most; i++) {
		struct transfer *t = &f->transfers[i];
		uint64_t when;

		if (t->state != T_WAITING)
			continue;
		when = start_time(t);
		if (when > now && when - now < *wait)
			*wait = when - now;
		if (when <= now && transfer_start(t, err) < 0)
			return -1;
	}
	return 0;
}

/* Acts on transfers that have ended; returns their number. */
static int take_ended(struct fetch *f, struct err *err)
{
	CURLMsg *m;
	int left, n = 0;

	while ((m = curl_multi_info_read(f->multi, &left))) {
		struct transfer *t = NULL;
		CURLcode rc = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		if (conclude(t, transfer_end(t, rc), err) < 0)
			return -1;
		n++;
	}
	return n;
}

/* Reports progress; returns true when all transfers are done. */
static bool report(struct fetch *f)
{
	uint64_t done = 0, total = 0;
	bool known = true, all = true;

	for (size_t i = 0; i < f->n; i++) {
		const struct transfer *t = &f->transfers[i];

		done += t->at;
		known = known && t->job->size != UINT64_MAX;
		total += known ? t->job->size : 0;
		all = all && t->state == T_DONE;
	}
	if (f->watch && f->watch->progress && (all || clock_ms() - f->reported >= PROGRESS_MS)) {
		f->watch->progress(f->watch->arg, done, known ? total : 0);
		f->reported = clock_ms();
	}
	return all;
}

static int run(struct fetch *f, struct err *err)
{
	uint64_t wait;
	int running, ended;

	while (!report(f)) {
		if (start_some(f, &wait, err) < 0)
			return -1;
		if (rate_resume(f) && wait > RATE_TICK_MS)
			wait = RATE_TICK_MS;
		f->news = false;
		if (curl_multi_perform(f->multi, &running) != CURLM_OK)
			return err_set(err, E_FAILED, "libcurl cannot go on");
		ended = take_ended(f, err);
		if (ended < 0)
			return -1;
		if (!ended && !f->news &&
		    curl_multi_poll(f->multi, NULL, 0, (int)wait, NULL) != CURLM_OK)
			return err_set(err, E_FAILED, "libcurl cannot wait");
	}
	return 0;
}

/* --- a fetch --- */

static int set_up_mirrors(struct fetch *f, char *const *mirrors, struct err *err)
{
	strv_each(url, mirrors) {
		if (f->nmirrors == HTTP_MIRRORS_MAX)
			return err_set(err, E_LIMIT, "more than %d mirrors; name fewer",
				       HTTP_MIRRORS_MAX);
		if (http_check_url(*url, err) < 0)
			return -1;
		f->mirrors[f->nmirrors++] = (struct mirror){ .url = *url, .lives = HTTP_BUDGET };
	}
	return f->nmirrors ? 0 : err_set(err, E_USAGE, "no URL to fetch from");
}

/* A complete file needs no transfer. */
static int set_up(struct fetch *f, struct http_job *jobs, struct err *err)
{
	for (size_t i = 0; i < f->n; i++) {
		struct transfer *t = &f->transfers[i];

		*t = (struct transfer){ .f = f, .job = &jobs[i], .index = i };
		jobs[i].received = 0;
		jobs[i].done = jobs[i].missing = false;
		if (transfer_open(t, err) < 0 ||
		    (t->at == jobs[i].size && transfer_check(t, err) < 0))
			return -1;
		if (t->state == T_DONE)
			(void)succeed(t);
		else if (!schedule(t))
			bug("no mirror at the start");
	}
	return 0;
}

static void take_down(struct fetch *f)
{
	for (size_t i = 0; i < f->n; i++)
		transfer_release(&f->transfers[i]);
	free(f->transfers);
	(void)curl_multi_cleanup(f->multi);
}

int http_fetch(const struct http_options *o, char *const *mirrors, struct http_job *jobs,
	       size_t njobs, const struct http_watch *watch, struct err *err)
{
	struct fetch f = { .o = o, .watch = watch, .n = njobs, .started = clock_ms() };
	int rc;

	http_init();
	if (set_up_mirrors(&f, mirrors, err) < 0)
		return -1;
	f.multi = curl_multi_init();
	if (!f.multi)
		return err_set(err, E_FAILED, "libcurl has no memory");
	f.transfers = xcalloc(njobs + 1, sizeof(*f.transfers));
	rc = set_up(&f, jobs, err) < 0 || run(&f, err) < 0 ? -1 : 0;
	take_down(&f);
	return rc;
}

int http_get(const struct http_options *o, char *const *mirrors, const char *path, size_t limit,
	     struct buf *to, struct err *err)
{
	struct http_job job = {
		.path = path, .fd = -1, .to = to, .size = UINT64_MAX, .limit = limit
	};

	to->max = limit;
	return http_fetch(o, mirrors, &job, 1, NULL, err);
}
