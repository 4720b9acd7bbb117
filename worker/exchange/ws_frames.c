/* SPDX-License-Identifier: MIT
 * ws_frames.c - see ws_frames.h. */
#include "worker/exchange/ws_frames.h"

enum { OP_CONTINUATION = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CONTROL = 8, OP_PONG = 10 };

void ws_frames_init(struct ws_frames *f)
{
	*f = (struct ws_frames){ 0 };
	buf_init(&f->message, WS_MESSAGE_MAX);
}

void ws_frames_done(struct ws_frames *f)
{
	buf_done(&f->message);
}

static unsigned head_length(const struct ws_frames *f)
{
	unsigned length = f->n_head < 2 ? 0 : f->head[1] & 0x7f;
	return f->n_head < 2 ? 2 : length == 127 ? 10 : length == 126 ? 4 : 2;
}

static uint64_t payload_length(const struct ws_frames *f)
{
	uint64_t v = 0;
	unsigned n = head_length(f);
	if (n == 2)
		return f->head[1] & 0x7f;
	for (unsigned i = 2; i < n; i++)
		v = v << 8 | f->head[i];
	return v;
}

/* The head is whole. False: no server sends this. */
static bool begin_frame(struct ws_frames *f)
{
	unsigned op = f->head[0] & 0x0f;
	f->is_final = f->head[0] & 0x80;
	f->is_control = op >= OP_CONTROL;
	f->left = payload_length(f);
	f->is_in_payload = true;
	f->n_head = 0;
	if (f->head[0] & 0x70 || f->head[1] & 0x80 || f->left >> 63)
		return false;
	if (f->is_control)
		return op <= OP_PONG && f->is_final && f->left <= 125;
	if (op > OP_BINARY)
		return false;
	if (op != OP_CONTINUATION) {
		f->is_text = op == OP_TEXT;
		f->is_long = false;
		buf_reset(&f->message);
	}
	return true;
}

static void end_frame(struct ws_frames *f, ws_text_fn *on_text, void *data)
{
	f->is_in_payload = false;
	if (f->is_control || !f->is_final)
		return;
	if (f->is_text && !f->is_long)
		on_text(data, buf_str(&f->message));
	f->is_text = false;
	buf_done(&f->message);
}

static void take_payload(struct ws_frames *f, struct str bytes)
{
	f->left -= bytes.n;
	if (f->is_control || !f->is_text || f->is_long)
		return;
	buf_put(&f->message, bytes);
	if (f->message.failed) {
		f->is_long = true;
		buf_done(&f->message);
	}
}

void ws_frames_feed(struct ws_frames *f, struct str bytes, ws_text_fn *on_text, void *data)
{
	while (!f->is_deaf && (bytes.n || (f->is_in_payload && f->left == 0))) {
		if (f->is_in_payload) {
			size_t n = bytes.n < f->left ? bytes.n : (size_t)f->left;
			take_payload(f, str_of(bytes.p, n));
			bytes = str_skip(bytes, n);
			if (f->left == 0)
				end_frame(f, on_text, data);
			continue;
		}
		f->head[f->n_head++] = (unsigned char)bytes.p[0];
		bytes = str_skip(bytes, 1);
		if (f->n_head == head_length(f) && !begin_frame(f))
			f->is_deaf = true;
	}
}
