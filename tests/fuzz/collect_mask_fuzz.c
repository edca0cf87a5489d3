// SPDX-License-Identifier: Apache-2.0
/* Masking secrets in any text. The result fits into MASK_ROOM bytes, and a password that is added
 * on a line of its own is always masked. */

#include "base/str.h"
#include "utils/collect/mask.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char line[] = "\npassword=qJ7vX0\n";
	AUTO(buf) struct buf text = BUF_INIT(size + sizeof(line));

	if (size && memmem(data, size, "qJ7vX0", 6))
		return 0;
	buf_add(&text, data, size);
	buf_str(&text, line);
	AUTO(buf) struct buf out = BUF_INIT(MASK_ROOM(text.len));
	(void)mask_text(text.data, text.len, &out);
	if (out.over)
		bug("more than the room that is promised");
	if (memmem(out.data, out.len, "qJ7vX0", 6))
		bug("a password was not masked");
	return 0;
}
