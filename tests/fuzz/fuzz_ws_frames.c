/* SPDX-License-Identifier: MIT
 * fuzz_ws_frames.c - the same messages are heard wherever a server's bytes are cut, and none is
 * longer than what came. The first byte is the size of the pieces. */
#include "worker/exchange/ws_frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void on_text(void *data, struct str text)
{
	struct buf *heard = data;
	MUST(text.n <= WS_MESSAGE_MAX);
	buf_put_u64(heard, text.n);
	buf_put_char(heard, ' ');
	buf_put(heard, text);
}

static void hear(struct str bytes, size_t piece, struct buf *heard)
{
	struct ws_frames f;
	ws_frames_init(&f);
	while (bytes.n) {
		size_t n = bytes.n < piece ? bytes.n : piece;
		ws_frames_feed(&f, str_of(bytes.p, n), on_text, heard);
		bytes = str_skip(bytes, n);
	}
	ws_frames_done(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct buf whole, cut;
	if (n < 2)
		return 0;
	struct str bytes = { (const char *)p + 1, n - 1 };
	buf_init(&whole, 32 * n);
	buf_init(&cut, 32 * n);
	hear(bytes, n, &whole);
	hear(bytes, p[0] + 1u, &cut);
	MUST(!whole.failed && str_eq(buf_str(&whole), buf_str(&cut)));
	buf_done(&whole);
	buf_done(&cut);
	return 0;
}
