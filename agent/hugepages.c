// SPDX-License-Identifier: Apache-2.0
/* Reserves huge pages for the sum of the containers' limits, for each page size. */

#include "agent/hugepages.h"

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HUGE_DIR "/sys/kernel/mm/hugepages"

struct kept {
	char *container;
	uint64_t page_kib, bytes;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static VEC(struct kept) list;

/* A page size such as "2MB" in KiB; 0 if the text is not one. */
static uint64_t page_kib(const char *text)
{
	static const char units[] = "KMG";
	size_t digits = strspn(text, "0123456789");
	AUTO(str) char *number = xstrndup(text, digits);
	const char *unit = text[digits] ? strchr(units, text[digits]) : NULL;
	struct err ignored = ERR_INIT;
	uint64_t n;

	if (!unit || !str_eq(text + digits + 1, "B") ||
	    str_u64(number, 10, 1, 1 << 20, "page size", &n, &ignored) < 0)
		return 0;
	return n << (10 * (unit - units));
}

/* Sets the number of pages of a size. Returns false with an error if the kernel has fewer
 * afterwards. */
static bool set_pages(uint64_t kib, uint64_t pages, struct err *err)
{
	AUTO(str)
	char *file = str_fmt(HUGE_DIR "/hugepages-%llukB/nr_hugepages", (unsigned long long)kib);
	AUTO(str) char *want = str_fmt("%llu", (unsigned long long)pages), *has = NULL;
	uint64_t n = 0;

	if (file_write(AT_FDCWD, file, want, err) < 0 ||
	    !(has = file_read_line(AT_FDCWD, file, err)) ||
	    str_u64(has, 10, 0, UINT64_MAX, "nr_hugepages", &n, err) < 0)
		return false;
	if (n < pages)
		err_set(err, E_LIMIT,
			"the guest could set aside only %s of %s huge pages of %llu KiB", has, want,
			(unsigned long long)kib);
	return n >= pages;
}

/* With the lock held: reserves the sum of the limits for that page size. A limit above the guest's
 * memory does not count: it means "no limit". */
static void balance(uint64_t kib)
{
	uint64_t sum = 0,
		 memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	struct err err = ERR_INIT;

	vec_each(const struct kept, k, &list)
		sum += k->page_kib == kib && k->bytes < memory ? k->bytes : 0;
	if (!set_pages(kib, sum / (kib << 10), &err))
		log_err(LOG_WARN, &err, "huge pages");
}

static bool guest_has(uint64_t kib)
{
	AUTO(str) char *dir = str_fmt(HUGE_DIR "/hugepages-%llukB", (unsigned long long)kib);
	struct stat st;

	return kib && stat(dir, &st) == 0;
}

/* With the lock held. */
static void forget(const char *container)
{
	for (size_t i = list.n; i-- > 0;) {
		uint64_t kib = list.v[i].page_kib;

		if (!str_eq(list.v[i].container, container))
			continue;
		free(list.v[i].container);
		vec_remove(&list, i);
		balance(kib);
	}
}

void hugepages_keep(const char *container, const struct oci_resources *limits)
{
	(void)pthread_mutex_lock(&lock);
	forget(container);
	for (size_t i = 0; limits && i < limits->n_hugepage_limits; i++) {
		const struct oci_hugepage_limit *l = &limits->hugepage_limits[i];
		struct kept k = { .page_kib = page_kib(l->page_size), .bytes = l->limit };

		if (!l->limit || !guest_has(k.page_kib))
			continue;
		k.container = xstrdup(container);
		vec_push(&list, k);
		balance(k.page_kib);
	}
	(void)pthread_mutex_unlock(&lock);
}

void hugepages_drop(const char *container)
{
	(void)pthread_mutex_lock(&lock);
	forget(container);
	(void)pthread_mutex_unlock(&lock);
}
