/* SPDX-License-Identifier: MIT
 * replicate.c - predictions of Replicate that are waited for: done when the answer comes, or, where
 * the script leaves out the end (nodone), still under way. The model is the path's last part but
 * one. */
#include "tests/mock/answer.h"

static void predictions_whole(struct buf *out, struct answer *a)
{
	BUF_PUT_LIT(out, "{\"id\":\"prediction-mock\",\"status\":\"");
	buf_put_z(out, a->script.nodone ? "processing" : "succeeded");
	BUF_PUT_LIT(out, "\",\"error\":null,\"output\":[\"");
	say_all(out, a);
	BUF_PUT_LIT(out, "\"]");
	if (!a->script.nousage) {
		BUF_PUT_LIT(out, ",\"metrics\":{\"input_token_count\":");
		buf_put_u64(out, a->prompt_tokens);
		BUF_PUT_LIT(out, ",\"output_token_count\":");
		buf_put_u64(out, a->out_tokens);
		BUF_PUT_LIT(out, "}");
	}
	BUF_PUT_LIT(out, "}");
}

static void write_error(struct buf *out, const struct answer *a, struct span message)
{
	BUF_PUT_LIT(out, "{\"title\":\"mock\",\"status\":");
	buf_put_u64(out, a->status);
	BUF_PUT_LIT(out, ",\"detail\":");
	buf_put_json(out, message);
	BUF_PUT_LIT(out, "}");
}

bool replicate_has(const struct endpoint *ep)
{
	return ep && ep->write_whole == predictions_whole;
}

const struct endpoint replicate_endpoints[] = {
	{ "POST", "/predictions", NULL, false, 0, predictions_whole, NULL, write_error },
	{ .method = NULL },
};
