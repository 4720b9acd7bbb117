/* SPDX-License-Identifier: MIT
 * tokenizer.h - byte-pair encodings of OpenAI's models: how many tokens a text makes, exactly.
 *
 * An image is made once, from the encoding's file of ranks, checked when it is mapped, and used
 * where it lies: all workers share one. A text is cut into pieces by the encoding's rules
 * (tokenizer_split.c), and a piece is merged by ranks (tokenizer.c). A run without a break of more
 * than TOKENIZER_PIECE bytes is cut there, so that no text costs more than n log n: such a cut
 * may make one token too many. */
#ifndef TOKENIZER_H
#define TOKENIZER_H

#include <stdint.h>

#include "common/buf.h"

enum encoding { ENCODING_CL100K, ENCODING_O200K, ENCODINGS };
enum {
	TOKENIZER_RANKS_MAX = 1 << 19,	/* of an encoding */
	TOKENIZER_TOKEN_MAX = 255,	/* bytes */
	TOKENIZER_IMAGE_MAX = 32 << 20,
	TOKENIZER_PIECE = 4096
};

const char *encoding_name(enum encoding e);		/* "cl100k_base" */
bool encoding_read(struct str name, enum encoding *ret);
/* What OpenAI's model of that name uses, "ft:" and dates among them. False: another, or unknown. */
bool encoding_of_model(struct str model, enum encoding *ret);

/* ---- tokenizer_build.c ---- */
struct tokenizer_fault {
	size_t line;			/* from 1; 0: of the whole */
	const char *what;
};
/* The image of a file of ranks: lines of a token in base64, a space, its rank. 0, -ENOMEM, or
 * -EINVAL with *reterr. */
int tokenizer_build(struct str ranks, enum encoding e, struct buf *out,
		    struct tokenizer_fault *reterr) MUST_USE;

/* ---- tokenizer.c ---- */
struct tokenizer;
/* An image in memory that outlives the tokenizer, 8-aligned. 0, -EBADMSG (it is damaged, or of
 * another release) or -ENOMEM. */
int tokenizer_open(struct str image, struct tokenizer **ret) MUST_USE;
/* The same of a file, which is mapped; takes fd, also on failure. */
int tokenizer_map(int fd, struct tokenizer **ret) MUST_USE;
struct tokenizer *tokenizer_free(struct tokenizer *t);	/* NULL is fine; returns NULL */
enum encoding tokenizer_encoding(const struct tokenizer *t);
uint32_t tokenizer_ranks(const struct tokenizer *t);
/* Tokens of a text, which need not be UTF-8. Special tokens are text like any other. */
uint64_t tokenizer_count(struct tokenizer *t, struct str text);
/* The same, with their ranks in `to` as far as there is room. */
uint64_t tokenizer_encode(struct tokenizer *t, struct str text, uint32_t *to, size_t room);

/* ---- tokenizer_split.c ---- */
/* The bytes of the first piece of a text that is not empty: at least one. */
size_t tokenizer_split(enum encoding e, struct str text);

/* ---- the image ---- */
#define TOKENIZER_MAGIC UINT64_C(0x4b4f544c4d4c4721)
enum { TOKENIZER_LAYOUT = 1 };
#define TOKENIZER_NONE UINT32_MAX
struct tokenizer_head {			/* behind it: at[ranks + 1], slot[slots], the bytes */
	uint64_t magic;
	uint32_t layout, encoding;
	uint32_t ranks, slots;		/* slots: a power of two */
	uint32_t bytes, crc;		/* CRC-32C of all behind the head */
};
_Static_assert(sizeof(struct tokenizer_head) == 32, "tokenizer_head");
/* The slot where looking for a token begins. */
uint32_t tokenizer_hash(const char *p, size_t n);

#endif
