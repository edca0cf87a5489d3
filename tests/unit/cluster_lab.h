// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * An API server for tests that keeps objects: get, list by labels, create, merge patches, patches
 * of a node's conditions, delete with preconditions. Versions and uids are as a real server's.
 *
 *	struct cluster c;
 *	cluster_start(&c);
 *	cluster_put(&c, "/api/v1/nodes/n1", "{\"metadata\":{\"name\":\"n1\"}}");
 *	...				// clients of c.api (kube_lab.h)
 *	AUTO(json) struct json *node = cluster_get(&c, "/api/v1/nodes/n1");
 *	cluster_stop(&c);
 *
 * At request number c.at it cuts the connection: before the request takes effect, or, with c.after,
 * after that; and calls c.cut first, on the server's thread.
 */

#include "base/vec.h"
#include "tests/unit/kube_lab.h"
#include "json/json.h"

struct cluster_object {
	char *path;
	struct json *object;
};

struct cluster {
	struct api api;
	pthread_mutex_t lock; /* guards the rest */
	VEC(struct cluster_object) objects;
	uint64_t version, uids, requests;
	uint64_t at; /* 0: never */
	bool after;
	void (*cut)(void *arg);
	void *arg;
	/* The most objects at a time whose path has this text; NULL: not counted. */
	const char *watched;
	size_t most;
};

void cluster_start(struct cluster *c);
void cluster_stop(struct cluster *c);
/* Creates or replaces an object, as somebody else. */
void cluster_put(struct cluster *c, const char *path, const char *text);
void cluster_remove(struct cluster *c, const char *path);
/* Sets an annotation of an object, which exists; value NULL: removes it. */
void cluster_annotate(struct cluster *c, const char *path, const char *key, const char *value);
/* A reference to the object, which the caller frees; NULL: there is none. */
struct json *cluster_get(struct cluster *c, const char *path);
/* The number of objects whose path has this text. */
size_t cluster_count(struct cluster *c, const char *text);
