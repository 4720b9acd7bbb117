/* SPDX-License-Identifier: MIT
 * estimate.c - how many tokens a text makes, without a vocabulary.
 *
 * One pass over character classes; the weights, in thousandths of a token, were fitted to the
 * o200k vocabulary. Random strings (keys, hashes, base64) follow no words and are weighed by
 * their characters. A bound from above, unlike a likely number, is one token a byte. */
#include "worker/llm.h"

enum {
	W_WORD = 1024,		/* a run of letters; a new one begins where lower turns to upper */
	W_LONG_LETTER = 108,	/* each letter of it beyond WORD_SHORT */
	WORD_SHORT = 7,
	W_DIGITS = 2033,	/* each three digits begun */
	W_PUNCT = 491,		/* a run of punctuation */
	W_MORE_PUNCT = 137,
	W_SPACES = 91,		/* two or more spaces */
	W_LINES = 1684,		/* a run of line ends and tabs */
	W_ACCENT = 400,		/* an accented letter, beside its word */
	W_IDEOGRAPH = 690,
	W_KANJI = 770,		/* where there are kana too */
	W_OTHER = 1000,
	/* A run of letters and digits this long is no language. */
	RANDOM_MIN = 100,
	W_RANDOM = 690,
	W_RANDOM_HEX = 570,
	W_RANDOM_UUID = 640,
	W_RANDOM_DIGIT = 334,
	/* Beside the texts. */
	PER_MESSAGE = 3,
	PER_NAME = 1,
	PER_REPLY = 3,
	PER_TOOLS = 9,
	PER_TOOL = 8,
	PER_IMAGE = 765,
	PER_SMALL_IMAGE = 85,
	PER_MEDIUM = 1000,
	BYTES_PER_MEDIUM_TOKEN = 2000,
	/* The dearest known. Images: 8 tiles at the small models' 5667 each, and 2833. */
	WORST_MESSAGE = 16,
	WORST_REQUEST = 64,
	WORST_TOOLS = 1024,
	WORST_TOOL = 64,
	WORST_IMAGE = 48169,
	WORST_SMALL_IMAGE = 2833,
	WORST_MEDIUM = 65536	/* what is behind a link or an id cannot be known */
};

enum class { C_LOWER, C_UPPER, C_DIGIT, C_PUNCT, C_SPACE, C_LINE, C_WIDE, C_NONE };

struct script {
	uint32_t first, last, milli;
};

/* In ascending order. */
static const struct script scripts[] = {
	{ 0x0370, 0x03ff, 280 },	/* Greek */
	{ 0x0400, 0x052f, 210 },	/* Cyrillic */
	{ 0x0590, 0x05ff, 380 },	/* Hebrew */
	{ 0x0600, 0x06ff, 310 },	/* Arabic */
	{ 0x0900, 0x097f, 320 },	/* Devanagari */
	{ 0x0e00, 0x0e7f, 430 },	/* Thai */
	{ 0x1f00, 0x1fff, 280 },	/* Greek */
	{ 0x2010, 0x27bf, 1200 },	/* typographic signs, arrows, boxes */
	{ 0xac00, 0xd7a3, 650 },	/* Hangul */
	{ 0xfe0f, 0xfe0f, 0 },		/* goes with the emoji before it */
	{ 0x1f300, 0x1faff, 2000 },	/* emoji */
};

struct estimate {
	uint64_t milli;
	enum class last;		/* class of the character before */
	size_t run;			/* characters of that class so far */
	uint64_t ideographs, kana;
	/* The run of key-like characters under way. */
	size_t begin, changes, digits, hexes, dashes;
	uint64_t milli_at_begin;
};

static enum class class_of(unsigned char c)
{
	if (c >= 'a' && c <= 'z')
		return C_LOWER;
	if (c >= 'A' && c <= 'Z')
		return C_UPPER;
	if (c >= '0' && c <= '9')
		return C_DIGIT;
	if (c == ' ')
		return C_SPACE;
	if (c == '\n' || c == '\t' || c == '\r')
		return C_LINE;
	return c < 0x80 ? C_PUNCT : C_WIDE;
}

/* Latin letters with accents belong to words. */
static bool is_accented(uint32_t c)
{
	return (c >= 0xc0 && c <= 0x24f && c != 0xd7 && c != 0xf7) || (c >= 0x1e00 && c <= 0x1eff) ||
	       (c >= 0x300 && c <= 0x36f);
}

static uint32_t milli_of_script(uint32_t c)
{
	for (size_t i = 0; i < COUNT(scripts) && c >= scripts[i].first; i++)
		if (c <= scripts[i].last)
			return scripts[i].milli;
	return W_OTHER;
}

static uint32_t decode(const char *p, size_t n)
{
	static const unsigned char first[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t c = (unsigned char)p[0] & first[n];
	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)p[i] & 0x3f);
	return c;
}

static void add_letter(struct estimate *e, enum class c)
{
	bool goes_on = e->run && (e->last == c || (e->last == C_UPPER && c == C_LOWER));
	e->run = goes_on ? e->run + 1 : 1;
	if (!goes_on)
		e->milli += W_WORD;
	else if (e->run > WORD_SHORT)
		e->milli += W_LONG_LETTER;
}

/* Everything but letters: the first of a run, and each further one. */
static void add_other(struct estimate *e, enum class c)
{
	e->run = e->last == c ? e->run + 1 : 1;
	if (c == C_DIGIT && e->run % 3 == 1)
		e->milli += W_DIGITS;
	else if (c == C_PUNCT)
		e->milli += e->run == 1 ? W_PUNCT : W_MORE_PUNCT;
	else if (c == C_SPACE && e->run == 2)
		e->milli += W_SPACES;
	else if (c == C_LINE && e->run == 1)
		e->milli += W_LINES;
}

static void add_wide(struct estimate *e, uint32_t c)
{
	if (is_accented(c)) {
		add_letter(e, e->run && e->last == C_UPPER ? C_UPPER : C_LOWER);
		e->last = C_LOWER;
		e->milli += W_ACCENT;
		return;
	}
	e->last = C_WIDE;
	e->run = 0;
	if ((c >= 0x3400 && c <= 0x9fff) || (c >= 0xf900 && c <= 0xfaff) || (c >= 0x20000 && c <= 0x3ffff))
		e->ideographs++;
	else if (c >= 0x3040 && c <= 0x30ff)
		e->kana++;
	else
		e->milli += milli_of_script(c);
}

static bool is_key_like(unsigned char c, enum class class)
{
	return class <= C_DIGIT || c == '-' || c == '_' || c == '+' || c == '/' || c == '=';
}

static void note_key_like(struct estimate *e, unsigned char c, enum class class)
{
	bool is_hex = class == C_DIGIT || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
	e->digits += class == C_DIGIT;
	e->hexes += is_hex;
	e->dashes += c == '-';
	e->changes += class == C_UPPER && e->last == C_LOWER;
}

/* What a character of the run weighs if the run is random; 0 if it looks like language. */
static uint64_t random_weight(const struct estimate *e, size_t n)
{
	if (e->digits == n)
		return W_RANDOM_DIGIT;
	if (e->hexes == n)
		return W_RANDOM_HEX;
	if (e->hexes + e->dashes == n && e->dashes * 12 < n * 2)
		return W_RANDOM_UUID;
	return (e->digits + e->changes) * 8 > n ? W_RANDOM : 0;
}

static void end_key_like(struct estimate *e, size_t end)
{
	size_t n = end - e->begin;
	uint64_t weight = n > RANDOM_MIN ? random_weight(e, n) : 0;
	if (weight)
		e->milli = e->milli_at_begin + weight * n;
	e->digits = e->hexes = e->dashes = e->changes = 0;
}

static void add(struct estimate *e, enum class class, struct str rest, size_t len)
{
	if (class == C_WIDE) {
		add_wide(e, len ? decode(rest.p, len) : 0xfffd);
		return;
	}
	if (class <= C_UPPER)
		add_letter(e, class);
	else
		add_other(e, class);
	e->last = class;
}

uint64_t estimate_tokens_milli(struct str text)
{
	struct estimate e = { .last = C_NONE };
	for (size_t i = 0; i < text.n;) {
		unsigned char c = (unsigned char)text.p[i];
		enum class class = class_of(c);
		size_t len = class == C_WIDE ? str_utf8_len(str_skip(text, i)) : 1;
		bool is_key = is_key_like(c, class);
		if (is_key)
			note_key_like(&e, c, class);
		else
			end_key_like(&e, i);
		add(&e, class, str_skip(text, i), len);
		i += len ? len : 1;
		if (!is_key) {
			e.begin = i;
			e.milli_at_begin = e.milli;
		}
	}
	end_key_like(&e, text.n);
	return e.milli + e.ideographs * (e.kana ? W_KANJI : W_IDEOGRAPH) + e.kana * W_KANJI;
}

/* --- whole prompts --- */

static bool is_small(const struct llm_part *p)
{
	return str_eq(p->detail, STR("low"));
}

static uint64_t medium_tokens(const struct llm_part *p)
{
	if (p->kind == PART_IMAGE)
		return is_small(p) ? PER_SMALL_IMAGE : PER_IMAGE;
	return p->data.p ? p->data.n / BYTES_PER_MEDIUM_TOKEN + 1 : PER_MEDIUM;
}

/* Inline data of documents and sounds: not more than a token a byte of what was sent. */
static uint64_t medium_worst(const struct llm_part *p)
{
	if (p->kind == PART_IMAGE)
		return is_small(p) ? WORST_SMALL_IMAGE : WORST_IMAGE;
	return p->data.p ? p->data.n : WORST_MEDIUM;
}

static bool is_medium(const struct llm_part *p)
{
	return p->kind == PART_IMAGE || p->kind == PART_AUDIO || p->kind == PART_FILE;
}

static uint64_t part_milli(const struct llm_part *p)
{
	uint64_t milli = estimate_tokens_milli(p->text) + estimate_tokens_milli(p->name);
	if (p->kind == PART_OTHER && p->raw)
		milli += estimate_tokens_milli(p->raw->raw);
	return is_medium(p) ? milli + 1000 * medium_tokens(p) : milli;
}

static uint64_t messages_milli(const struct llm_request *q)
{
	uint64_t milli = 0;
	for (const struct llm_message *m = q->messages; m; m = m->next) {
		milli += 1000u * (PER_MESSAGE + (m->name.n ? PER_NAME : 0u));
		milli += estimate_tokens_milli(m->name);
		for (const struct llm_part *p = m->parts; p; p = p->next)
			milli += part_milli(p);
	}
	return milli + 1000 * PER_REPLY;
}

/* A list of token ids: one more than its commas. */
static uint64_t ids_milli(struct str list)
{
	uint64_t n = 1;
	for (size_t i = 0; i < list.n; i++)
		n += list.p[i] == ',';
	return 1000 * n;
}

static uint64_t inputs_milli(const struct llm_request *q)
{
	uint64_t milli = estimate_tokens_milli(q->prompt_suffix);
	for (unsigned i = 0; i < q->n_inputs; i++)
		milli += q->inputs_are_tokens ? ids_milli(q->inputs[i])
					      : estimate_tokens_milli(q->inputs[i]);
	return milli;
}

uint64_t estimate_prompt(const struct llm_request *q)
{
	uint64_t milli = q->kind == LLM_CHAT ? messages_milli(q) : inputs_milli(q);
	for (const struct llm_tool *t = q->tools; t; t = t->next)
		milli += 1000 * PER_TOOL + estimate_tokens_milli(t->name) +
			 estimate_tokens_milli(t->description) + estimate_tokens_milli(t->schema);
	if (q->tools)
		milli += 1000 * PER_TOOLS;
	milli += estimate_tokens_milli(q->format_schema);
	return (milli + 999) / 1000;
}

uint64_t estimate_prompt_worst(const struct llm_request *q)
{
	uint64_t n = WORST_REQUEST + q->prompt_bytes;
	for (const struct llm_message *m = q->messages; m; m = m->next) {
		n += WORST_MESSAGE;
		for (const struct llm_part *p = m->parts; p; p = p->next)
			n += is_medium(p) ? medium_worst(p) : 0;
	}
	for (const struct llm_tool *t = q->tools; t; t = t->next)
		n += WORST_TOOL;
	return n + (q->tools ? WORST_TOOLS : 0) + (q->kind == LLM_CHAT ? 0 : q->n_inputs);
}
