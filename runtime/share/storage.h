// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Storages: what the guest is to mount before it creates a container. A list that owns the
 * protocol's own structs.
 *
 *	AUTO(storages) struct storages list = STORAGES_INIT;
 *	Grpc__Storage *s = storages_add(&list, "ephemeral", "shm", "tmpfs", mount_point);
 *	storage_option(s, "size=64m");
 *	request.storages = list.v, request.n_storages = list.n;
 *
 * The agent mounts them in this order. A mount point that several containers name is mounted once.
 */

#include "base/scope.h"
#include "protocols/agent.pb-c.h"

#include <stddef.h>

struct storages {
	Grpc__Storage **v;
	size_t n, cap;
};

#define STORAGES_INIT      \
	{                  \
		NULL, 0, 0 \
	}

/* Appends a storage without options and returns it; the list owns it. */
Grpc__Storage *storages_add(struct storages *list, const char *driver, const char *source,
			    const char *fstype, const char *mount_point);
void storage_option(Grpc__Storage *s, const char *option);
void storages_release(struct storages *list);
DEFINE_AUTO_STRUCT(storages, struct storages, storages_release)
