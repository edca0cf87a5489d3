// SPDX-License-Identifier: Apache-2.0
/* Reserves huge pages for containers and volumes, for each page size; hugepages.h has the rule. */

#include "agent/hugepages.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define HUGE_DIR "/sys/kernel/mm/hugepages"

/* What a container (its id) or a volume (its mount point, which has a '/') needs. */
struct need {
	char *owner;
	bool volume;
	uint64_t page_size, bytes;
};

struct pool {
	uint64_t page_size;
	uint64_t at_boot; /* bytes that the kernel had reserved before us */
	uint64_t bytes;   /* that are reserved now */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static VEC(struct need) needs;
static VEC(struct pool) pools; /* of the page sizes that were ever needed */

/* --- the kernel's files --- */

static char *count_file(uint64_t page_size)
{
	return str_fmt(HUGE_DIR "/hugepages-%llukB/nr_hugepages",
		       (unsigned long long)page_size / 1024);
}

static int read_count(const char *file, uint64_t *pages, struct err *err)
{
	AUTO(str) char *text = file_read_line(AT_FDCWD, file, err);

	return text ? str_u64(text, 10, 0, UINT64_MAX, "nr_hugepages", pages, err) : -1;
}

/* The number is read back, since the kernel may reserve fewer. */
static int set_pages(uint64_t page_size, uint64_t pages, uint64_t *has, struct err *err)
{
	AUTO(str) char *file = count_file(page_size);
	AUTO(str) char *text = str_fmt("%llu\n", (unsigned long long)pages);

	return file_write(AT_FDCWD, file, text, err) < 0 ? -1 : read_count(file, has, err);
}

/* --- pools; with the lock held --- */

/* The pool of that page size, borrowed until the next call. NULL: E_NOT_FOUND. */
static struct pool *pool_of(uint64_t page_size, struct err *err)
{
	struct pool made = { .page_size = page_size };
	AUTO(str) char *file = count_file(page_size);
	uint64_t pages;

	vec_each(struct pool, p, &pools) {
		if (p->page_size == page_size)
			return p;
	}
	if (read_count(file, &pages, err) < 0)
		return NULL;
	made.bytes = made.at_boot = pages * page_size;
	vec_push(&pools, made);
	return &pools.v[pools.n - 1];
}

static uint64_t guest_memory(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t higher(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* The bytes to reserve. A limit above the guest's memory does not count: it means "no limit". */
static uint64_t wanted(const struct pool *p)
{
	uint64_t limits = 0, volumes = 0, largest = 0, memory = guest_memory(), stays;

	vec_each(const struct need, n, &needs) {
		if (n->page_size != p->page_size)
			continue;
		if (n->volume) {
			volumes += n->bytes;
			largest = higher(largest, n->bytes);
		} else if (n->bytes < memory) {
			limits += n->bytes;
		}
	}
	stays = p->bytes < volumes ? p->bytes : volumes;
	return higher(higher(limits, largest), higher(stays, p->at_boot));
}

/* Reserves what is wanted, if that has changed or has not succeeded before. E_LIMIT: the kernel has
 * fewer pages. */
static int balance(struct pool *p, struct err *err)
{
	uint64_t pages = wanted(p) / p->page_size, has;

	if (p->bytes / p->page_size == pages)
		return 0;
	if (set_pages(p->page_size, pages, &has, err) < 0)
		return -1;
	p->bytes = (has < pages ? has : pages) * p->page_size;
	return has < pages ? err_set(err, E_LIMIT,
				     "the guest could reserve only %llu of %llu huge pages of %llu "
				     "KiB",
				     (unsigned long long)has, (unsigned long long)pages,
				     (unsigned long long)p->page_size / 1024)
			   : 0;
}

static void balance_all(void)
{
	vec_each(struct pool, p, &pools) {
		struct err err = ERR_INIT;

		if (balance(p, &err) < 0)
			log_err(LOG_WARN, &err, "huge pages");
	}
}

static void add(const char *owner, bool volume, uint64_t page_size, uint64_t bytes)
{
	struct need new = { xstrdup(owner), volume, page_size, bytes };

	vec_push(&needs, new);
}

/* Returns whether it needed any. */
static bool forget(const char *owner)
{
	size_t before = needs.n;

	for (size_t i = needs.n; i-- > 0;) {
		if (!str_eq(needs.v[i].owner, owner))
			continue;
		free(needs.v[i].owner);
		vec_remove(&needs, i);
	}
	return needs.n < before;
}

/* --- containers and volumes --- */

void hugepages_keep(const char *container, const struct oci_resources *limits)
{
	bool changes;

	(void)pthread_mutex_lock(&lock);
	changes = forget(container);
	for (size_t i = 0; limits && i < limits->n_hugepage_limits; i++) {
		const struct oci_hugepage_limit *l = &limits->hugepage_limits[i];
		struct err ignored = ERR_INIT; /* the guest has no pages of that size */
		uint64_t page_size;

		if (!l->limit || oci_page_size(l->page_size, &page_size, &ignored) < 0 ||
		    !pool_of(page_size, &ignored))
			continue;
		add(container, false, page_size, l->limit);
		changes = true;
	}
	if (changes)
		balance_all();
	(void)pthread_mutex_unlock(&lock);
}

/* With the lock held. The kernel would try for long to make more pages than there is memory. */
static int keep_volume(const char *mount_point, uint64_t page_size, uint64_t size, struct err *err)
{
	struct pool *p = pool_of(page_size, err);

	if (!p)
		return -1;
	if (size > guest_memory())
		return err_set(err, E_LIMIT, "the guest has less memory than %llu bytes",
			       (unsigned long long)size);
	add(mount_point, true, page_size, size);
	if (balance(p, err) == 0)
		return 0;
	if (err->code == E_LIMIT && p->bytes / page_size >= size / page_size) {
		err_clear(err); /* enough for this one; the limits' shortage was logged */
		return 0;
	}
	(void)forget(mount_point);
	balance_all();
	return -1;
}

int hugepages_keep_volume(const char *mount_point, uint64_t page_size, uint64_t size,
			  struct err *err)
{
	int result;

	(void)pthread_mutex_lock(&lock);
	result = keep_volume(mount_point, page_size, size, err);
	(void)pthread_mutex_unlock(&lock);
	return result;
}

void hugepages_drop(const char *owner)
{
	(void)pthread_mutex_lock(&lock);
	if (forget(owner))
		balance_all();
	(void)pthread_mutex_unlock(&lock);
}
