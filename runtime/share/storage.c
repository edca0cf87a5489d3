// SPDX-License-Identifier: Apache-2.0
/* A list of storages for the agent. */

#include "share/storage.h"

#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"

Grpc__Storage *storages_add(struct storages *list, const char *driver, const char *source,
			    const char *fstype, const char *mount_point)
{
	Grpc__Storage *s = NEW(Grpc__Storage);

	grpc__storage__init(s);
	s->driver = xstrdup(driver);
	s->source = xstrdup(source);
	s->fstype = xstrdup(fstype);
	s->mount_point = xstrdup(mount_point);
	vec_push(list, s);
	return s;
}

void storage_option(Grpc__Storage *s, const char *option)
{
	strv_push(&s->options, option);
	s->n_options++;
}

void storages_release(struct storages *list)
{
	for (size_t i = 0; i < list->n; i++)
		protobuf_c_message_free_unpacked(&list->v[i]->base, NULL);
	vec_release(list);
}
