// SPDX-License-Identifier: Apache-2.0
/* Makes the text of a new root.json. */

#include "base/str.h"
#include "deploy/trust/trust-internal.h"

#include <string.h>

/* Takes the role away from all keys, and drops those that have no role then. */
static void clear_role(struct trust_root *root, enum trust_role role)
{
	size_t n = 0;

	for (size_t i = 0; i < root->keys.n; i++) {
		root->keys.v[i].roles &= ~TRUST_BIT(role);
		if (root->keys.v[i].roles)
			root->keys.v[n++] = root->keys.v[i];
		else
			free(root->keys.v[i].name);
	}
	root->keys.n = n;
}

static int set_role(struct trust_root *root, char *const *files, enum trust_role role,
		    struct err *err)
{
	if (!strv_len(files))
		return 0;
	clear_role(root, role);
	return trust_keys_of_files(root, files, role, err);
}

static int load_after(const struct trust_root_new *n, struct trust_root *root, struct err *err)
{
	AUTO(json) struct json *j = NULL;

	if (!n->after)
		return 0;
	j = json_parse(n->after, n->after_len, "the root before", err);
	return j ? trust_root_read(root, j, "the root before", err) : -1;
}

static int fill(const struct trust_root_new *n, struct trust_root *root, struct err *err)
{
	bool split = strv_len(n->channel_keys);

	if (load_after(n, root, err) < 0)
		return -1;
	split |= root->version && trust_root_is_split(root);
	/* A set without roles stays one. */
	if (!split)
		clear_role(root, TRUST_CHANNEL);
	if (set_role(root, n->keys, TRUST_RELEASE, err) < 0 ||
	    set_role(root, n->channel_keys, TRUST_CHANNEL, err) < 0)
		return -1;
	if (n->threshold || !root->threshold[TRUST_RELEASE])
		root->threshold[TRUST_RELEASE] = n->threshold ? n->threshold : 1;
	if (n->channel_threshold || !root->threshold[TRUST_CHANNEL] || strv_len(n->channel_keys))
		root->threshold[TRUST_CHANNEL] = n->channel_threshold ? n->channel_threshold : 1;
	trust_root_settle(root);
	root->version++;
	root->expires = n->expires ? n->expires : root->expires;
	return 0;
}

/* Parses its result, since trust_root_parse() has the rules. */
char *trust_root_text(const struct trust_root_new *n, struct err *err)
{
	AUTO(trust_root) struct trust_root root = TRUST_ROOT_INIT, again = TRUST_ROOT_INIT;
	AUTO(json) struct json *j = NULL, *back = NULL;

	if (fill(n, &root, err) < 0)
		return NULL;
	if (!root.keys.n || !root.expires) {
		(void)err_set(
			err, E_USAGE,
			"a first root has keys and expires; add --key FILE.pub and --expires TIME");
		return NULL;
	}
	j = trust_root_json(&root);
	AUTO(str) char *text = json_format(j, true);
	back = json_parse(text, strlen(text), "the new root", err);
	if (!back || trust_root_parse(&again, back, "the new root", err) < 0)
		return NULL;
	return str_fmt("%s\n", text);
}
