/* SPDX-License-Identifier: MIT
 * ws_frames.h - listening to a server's side of a WebSocket (RFC 6455, 5.2): its text messages,
 * put together from frames. Pure; nothing is changed, answered or kept beyond a message.
 *
 * What is masked, compressed or breaks a rule is none of a server's: then nothing more is heard. */
#ifndef WS_FRAMES_H
#define WS_FRAMES_H

#include "common/buf.h"

enum { WS_MESSAGE_MAX = 1 << 20 };	/* longer ones are passed over */

struct ws_frames {
	unsigned char head[10];
	unsigned n_head;		/* bytes of it that are here */
	uint64_t left;			/* of the payload under way */
	bool is_in_payload, is_final, is_control;
	bool is_text, is_long;		/* of the message under way */
	bool is_deaf;
	struct buf message;
};
typedef void ws_text_fn(void *data, struct str text);

void ws_frames_init(struct ws_frames *f);
void ws_frames_done(struct ws_frames *f);
void ws_frames_feed(struct ws_frames *f, struct str bytes, ws_text_fn *on_text, void *data);

#endif
