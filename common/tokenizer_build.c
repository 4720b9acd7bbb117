/* SPDX-License-Identifier: MIT
 * tokenizer_build.c - a file of ranks, checked line by line, as an image. Ranks are all numbers
 * from 0 on, in any order; each byte alone is a token, so that any text can be written. */
#include <errno.h>

#include "common/check.h"
#include "common/hash.h"
#include "common/mem.h"
#include "common/tokenizer.h"

struct token {
	uint32_t at, n;			/* n 0: that rank was not seen yet */
};
struct build {
	struct str text;
	struct token *v;		/* by rank */
	uint32_t n;
	struct buf bytes;		/* in the order of the file */
	size_t line;
	struct tokenizer_fault *reterr;
};

static int refuse(struct build *b, const char *what)
{
	*b->reterr = (struct tokenizer_fault){ b->line, what };
	return -EINVAL;
}

static bool next_line(struct str *text, struct str *ret)
{
	if (!text->n)
		return false;
	*ret = str_cut(text, '\n');
	if (ret->n && ret->p[ret->n - 1] == '\r')
		ret->n--;
	return true;
}

static uint32_t count_lines(struct str text)
{
	struct str line;
	uint32_t n = 0;
	while (n <= TOKENIZER_RANKS_MAX && next_line(&text, &line))
		n += line.n > 0;
	return n;
}

static int take_line(struct build *b, struct str line)
{
	char token[TOKENIZER_TOKEN_MAX];
	uint64_t rank;
	size_t n;
	struct str number = line, coded = str_cut(&number, ' ');
	if (!coded.n || !hash_unbase64(token, sizeof token, coded, &n) || !n)
		return refuse(b, "the token is no base64 of 1 to 255 bytes");
	if (str_read_u64(number, &rank) < 0)
		return refuse(b, "there is no rank behind the token");
	if (rank >= b->n)
		return refuse(b, "the rank is not below the number of tokens");
	if (b->v[rank].n)
		return refuse(b, "the rank stands there twice");
	b->v[rank] = (struct token){ (uint32_t)b->bytes.n, (uint32_t)n };
	buf_put(&b->bytes, str_of(token, n));
	return b->bytes.failed ? -ENOMEM : 0;
}

static int read_lines(struct build *b)
{
	struct str text = b->text, line;
	int err = 0;
	while (!err && next_line(&text, &line)) {
		b->line++;
		if (line.n)
			err = take_line(b, line);
	}
	return err;
}

/* ---- the image ---- */

static uint32_t slots_for(uint32_t ranks)
{
	uint32_t n = 512;
	while (n < ranks + ranks / 2)
		n *= 2;
	return n;
}

static struct str token_at(const struct build *b, uint32_t rank)
{
	return str_of(b->bytes.p + b->v[rank].at, b->v[rank].n);
}

/* The slots are this memory's. -EINVAL: a token stands there twice. */
static int fill_slots(struct build *b, uint32_t *slot, uint32_t slots)
{
	for (uint32_t i = 0; i < slots; i++)
		slot[i] = TOKENIZER_NONE;
	for (uint32_t rank = 0; rank < b->n; rank++) {
		struct str token = token_at(b, rank);
		uint32_t i = tokenizer_hash(token.p, token.n) & (slots - 1);
		for (; slot[i] != TOKENIZER_NONE; i = (i + 1) & (slots - 1))
			if (str_eq(token_at(b, slot[i]), token))
				return refuse(b, "a token stands there twice");
		slot[i] = rank;
	}
	return 0;
}

static int check_bytes(struct build *b)
{
	bool seen[256] = { false };
	for (uint32_t rank = 0; rank < b->n; rank++)
		if (b->v[rank].n == 1)
			seen[(unsigned char)token_at(b, rank).p[0]] = true;
	for (unsigned i = 0; i < COUNT(seen); i++)
		if (!seen[i])
			return refuse(b, "a byte is no token: it is not a whole encoding");
	return 0;
}

static int write_image(struct build *b, enum encoding e, struct buf *out)
{
	uint32_t slots = slots_for(b->n), at = 0;
	uint32_t *slot = mem_array(slots, sizeof *slot);
	int err = slot ? fill_slots(b, slot, slots) : -ENOMEM;
	struct tokenizer_head h = { .magic = TOKENIZER_MAGIC, .layout = TOKENIZER_LAYOUT,
				    .encoding = e, .ranks = b->n, .slots = slots,
				    .bytes = (uint32_t)b->bytes.n };
	if (!err)
		buf_put(out, str_of((const char *)&h, sizeof h));
	for (uint32_t rank = 0; rank <= b->n && !err; rank++) {
		buf_put(out, str_of((const char *)&at, sizeof at));
		at += rank < b->n ? b->v[rank].n : 0;
	}
	if (!err)
		buf_put(out, str_of((const char *)slot, slots * sizeof *slot));
	for (uint32_t rank = 0; rank < b->n && !err; rank++)
		buf_put(out, token_at(b, rank));
	mem_free(slot);
	if (err || out->failed)
		return err ? err : -ENOMEM;
	h.crc = hash_crc32c(0, out->p + sizeof h, out->n - sizeof h);
	memcpy(out->p, &h, sizeof h);
	return 0;
}

int tokenizer_build(struct str ranks, enum encoding e, struct buf *out,
		    struct tokenizer_fault *reterr)
{
	struct build b = { .text = ranks, .n = count_lines(ranks), .reterr = reterr };
	buf_reset(out);
	if (b.n < 256 || b.n > TOKENIZER_RANKS_MAX)
		return refuse(&b, b.n < 256 ? "there are fewer than 256 tokens"
					    : "there are more than 524288 tokens");
	b.v = mem_array(b.n, sizeof *b.v);
	buf_init(&b.bytes, TOKENIZER_IMAGE_MAX);
	int err = b.v ? read_lines(&b) : -ENOMEM;
	b.line = err ? b.line : 0;
	if (!err)
		err = check_bytes(&b);
	if (!err)
		err = write_image(&b, e, out);
	mem_free(b.v);
	buf_done(&b.bytes);
	return err;
}
