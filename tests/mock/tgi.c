/* SPDX-License-Identifier: MIT
 * tgi.c - Hugging Face's Text Generation Inference: a prompt answered whole or token by token. The
 * model is not in the body: where there is one it is the path's part before the last. */
#include "tests/mock/answer.h"

static void write_details(struct buf *out, const struct answer *a)
{
	BUF_PUT_LIT(out, "\"details\":{\"finish_reason\":\"");
	buf_put_z(out, a->script.refuse ? "length" : "eos_token");
	BUF_PUT_LIT(out, "\"");
	if (!a->script.nousage) {
		BUF_PUT_LIT(out, ",\"generated_tokens\":");
		buf_put_u64(out, a->out_tokens);
		BUF_PUT_LIT(out, ",\"input_length\":");
		buf_put_u64(out, a->prompt_tokens);
	}
	BUF_PUT_LIT(out, ",\"seed\":null}");
}

static void generate_whole(struct buf *out, struct answer *a)
{
	BUF_PUT_LIT(out, "{\"generated_text\":\"");
	say_all(out, a);
	BUF_PUT_LIT(out, "\",");
	write_details(out, a);
	BUF_PUT_LIT(out, "}");
}

/* The last token is a special one, which is not to be shown. */
static void generate_piece(struct buf *out, struct answer *a, enum piece piece, uint64_t i)
{
	bool is_last = piece == PIECE_FINISH;
	BUF_PUT_LIT(out, "data:{\"index\":");
	buf_put_u64(out, i + 1);
	BUF_PUT_LIT(out, ",\"token\":{\"id\":5,\"text\":\"");
	if (is_last)
		BUF_PUT_LIT(out, "</s>");
	else
		say_token(out, a, i);
	BUF_PUT_LIT(out, "\",\"logprob\":-0.1,\"special\":");
	buf_put_z(out, is_last ? "true" : "false");
	if (is_last) {
		BUF_PUT_LIT(out, "},\"generated_text\":\"all of it\",");
		write_details(out, a);
	} else {
		BUF_PUT_LIT(out, "},\"generated_text\":null,\"details\":null");
	}
	BUF_PUT_LIT(out, "}\n\n");
}

static void write_error(struct buf *out, const struct answer *a, struct span message)
{
	BUF_PUT_LIT(out, "{\"error\":");
	buf_put_json(out, message);
	BUF_PUT_LIT(out, ",\"error_type\":\"");
	buf_put_z(out, a->status == 429 ? "overloaded" : a->status == 422 ? "validation" : "generation");
	BUF_PUT_LIT(out, "\"}");
}

bool tgi_has(const struct endpoint *ep)
{
	return ep && ep->write_whole == generate_whole;
}

const struct endpoint tgi_endpoints[] = {
	{ "POST", "/generate", NULL, false, 0, generate_whole, NULL, write_error },
	{ "POST", "/generate_stream", "text/event-stream", false, 0, generate_whole, generate_piece,
	  write_error },
	{ .method = NULL },
};
