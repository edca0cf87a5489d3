// SPDX-License-Identifier: Apache-2.0
/* Reads the signature files next to a document. */

#include "deploy/release/signatures.h"

#include "base/file.h"
#include "crypto/minisig.h"
#include "deploy/release/release.h"

#include <stdlib.h>

void signatures_release(struct signatures *s)
{
	for (size_t i = 0; i < TRUST_SIGNATURES_MAX; i++) {
		buf_release(&s->texts[i]);
		free(s->names[i]);
	}
}

int signatures_read(int dir, const char *document, struct signatures *s, struct err *err)
{
	for (; s->n < TRUST_SIGNATURES_MAX; s->n++) {
		char *name = s->names[s->n] = release_signature_name(document, (unsigned)s->n);
		struct buf *text = &s->texts[s->n];

		if (file_read(dir, name, MINISIG_TEXT_MAX, text, err) < 0) {
			if (err->code != E_NOT_FOUND)
				return -1;
			err_clear(err);
			return 0;
		}
		s->list[s->n] = (struct trust_signature){ name, buf_cstr(text), text->len };
	}
	return 0;
}
