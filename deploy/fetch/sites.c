// SPDX-License-Identifier: Apache-2.0
/*
 * The mirrors of a release. A mirror that fails is not used any more in this run, unless it is the
 * last one. A mirror that another one was faster than is used again if all faster ones fail.
 */

#include "deploy/fetch/fetch-internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

int sites_add(struct sites *s, const char *url, struct err *err)
{
	struct site site = { .url = xstrdup(url) };

	if (s->all.n == HTTP_MIRRORS_MAX) {
		free(site.url);
		return err_set(err, E_LIMIT, "more than %d mirrors; leave some out",
			       HTTP_MIRRORS_MAX);
	}
	vec_push(&s->all, site);
	return 0;
}

void sites_release(struct sites *s)
{
	vec_each(struct site, site, &s->all)
		free(site->url);
	vec_release(&s->all);
	free(s->below);
	s->below = NULL;
}

size_t sites_next(const struct sites *s, size_t from)
{
	while (from < s->all.n && s->all.v[from].why.code != E_OK)
		from++;
	return from;
}

size_t sites_usable(const struct sites *s)
{
	size_t n = 0;

	for (size_t i = sites_next(s, 0); i < s->all.n; i = sites_next(s, i + 1))
		n++;
	return n;
}

char *sites_url(const struct sites *s, size_t i)
{
	const char *url = s->all.v[i].url;

	return s->below ? str_fmt("%s%s%s/", url, str_ends(url, "/") ? "" : "/", s->below)
			: xstrdup(url);
}

char *sites_shown(const struct sites *s, size_t i)
{
	AUTO(str) char *url = sites_url(s, i);

	return http_shown(url);
}

bool sites_set_aside(struct sites *s, size_t i, const struct err *why)
{
	struct site *site = &s->all.v[i];
	AUTO(str) char *shown = sites_shown(s, i);

	if (site->why.code != E_OK)
		return true;
	if (sites_usable(s) < 2)
		return false;
	site->why = *why;
	log_err(LOG_WARN, why, "a mirror is not used in this run, since it failed",
		LOG_S("mirror", shown));
	return true;
}

void sites_pass_over(struct sites *s, size_t i)
{
	struct err why = ERR_INIT;

	(void)err_set(&why, E_TIMEOUT, "it had not answered yet when another mirror had");
	s->all.v[i].slow = sites_set_aside(s, i, &why);
}

bool sites_return(struct sites *s, size_t last, const struct err *why)
{
	bool any = false;

	vec_each(struct site, site, &s->all) {
		if (!site->slow)
			continue;
		site->slow = false;
		err_clear(&site->why);
		any = true;
	}
	return any && sites_set_aside(s, last, why);
}

int sites_blame(const struct sites *s, uint32_t except, struct err *err)
{
	bool first = true;

	for (size_t i = 0; i < s->all.n; i++) {
		const struct err *why = &s->all.v[i].why;
		AUTO(str) char *shown = sites_shown(s, i);

		if (why->code == E_OK || except & 1U << i)
			continue;
		if (first)
			(void)err_wrap(err, "every mirror failed");
		first = false;
		if (http_weight(why->code) > http_weight(err->code))
			err->code = why->code;
		(void)err_hint(err, "%s: %s", shown, why->msg);
	}
	return -1;
}
