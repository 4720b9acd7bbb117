/* SPDX-License-Identifier: MIT
 * estimate.c - how many tokens a text makes, without a vocabulary.
 *
 * One pass over character classes; the weights, in thousandths of a token, were fitted to the
 * o200k vocabulary. Random strings (keys, hashes, base64) follow no words and are weighed by
 * their characters. A bound from above, unlike a likely number, is one token a byte. */
#include "worker/llm.h"

#include <endian.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "common/tokenizer.h"

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
	PER_ROLE = 1,		/* which an estimate has in its words */
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
	WORST_PAIR = 8,		/* what stands around a query and a document */
	WORST_IMAGE = 48169,
	WORST_SMALL_IMAGE = 2833,
	WORST_MEDIUM = 65536,	/* what is behind a link or an id cannot be known */
	TOKENS_PER_CHUNK = 500,	/* of reranking: Cohere's */
	CHUNKS_PER_SEARCH = 100
};

enum class { C_PUNCT, C_LOWER, C_UPPER, C_DIGIT, C_SPACE, C_LINE, C_WIDE };

static const uint8_t classes[256] = {
	['a' ... 'z'] = C_LOWER, ['A' ... 'Z'] = C_UPPER, ['0' ... '9'] = C_DIGIT,
	[' '] = C_SPACE,	 ['\n'] = C_LINE,	  ['\t'] = C_LINE,
	['\r'] = C_LINE,	 [0x80 ... 0xff] = C_WIDE,
};

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
	struct str text;
	size_t at;
	uint64_t milli;
	size_t word;			/* letters of the word under way */
	bool was_lower;
	uint64_t ideographs, kana;
	/* The run of characters under way that a key could be made of, and where the next one
	 * begins that is long enough. */
	size_t long_run;
	size_t begin;
	uint64_t milli_at_begin;
};

static unsigned char here(const struct estimate *e)
{
	return (unsigned char)e->text.p[e->at];
}

/* --- runs --- */

static void add_letter(struct estimate *e, bool is_upper)
{
	if (e->word == 0 || (is_upper && e->was_lower)) {
		e->milli += W_WORD;
		e->word = 0;
	}
	if (++e->word > WORD_SHORT)
		e->milli += W_LONG_LETTER;
	e->was_lower = !is_upper;
}

static size_t scan_run(struct estimate *e, enum class class)
{
	size_t from = e->at;
	while (e->at < e->text.n && classes[here(e)] == class)
		e->at++;
	return e->at - from;
}

/* Latin letters with accents belong to words. */
static bool is_accented(uint32_t c)
{
	return (c >= 0xc0 && c <= 0x24f && c != 0xd7 && c != 0xf7) ||
	       (c >= 0x300 && c <= 0x36f) || (c >= 0x1e00 && c <= 0x1eff);
}

static bool is_ideograph(uint32_t c)
{
	return (c >= 0x3400 && c <= 0x9fff) || (c >= 0xf900 && c <= 0xfaff) ||
	       (c >= 0x20000 && c <= 0x3ffff);
}

static uint32_t milli_of_script(uint32_t c)
{
	for (size_t i = 0; i < COUNT(scripts) && c >= scripts[i].first; i++)
		if (c <= scripts[i].last)
			return scripts[i].milli;
	return W_OTHER;
}

/* What is no UTF-8 counts a character a byte. */
static uint32_t take_wide(struct estimate *e)
{
	static const unsigned char first[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	struct str rest = str_skip(e->text, e->at);
	size_t n = str_utf8_len(rest);
	uint32_t c = n ? (unsigned char)rest.p[0] & first[n] : 0xfffd;
	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)rest.p[i] & 0x3f);
	e->at += n ? n : 1;
	return c;
}

static void add_wide(struct estimate *e)
{
	uint32_t c = take_wide(e);
	if (is_accented(c)) {
		add_letter(e, false);
		e->milli += W_ACCENT;
		return;
	}
	e->word = 0;
	if (is_ideograph(c))
		e->ideographs++;
	else if (c >= 0x3040 && c <= 0x30ff)
		e->kana++;
	else
		e->milli += milli_of_script(c);
}

/* --- what is no language --- */

static bool is_key_like(unsigned char c)
{
	return (classes[c] >= C_LOWER && classes[c] <= C_DIGIT) ||
	       c == '-' || c == '_' || c == '+' || c == '/' || c == '=';
}

/* What a character of the run weighs if the run is random; 0 if it looks like language. */
static __attribute__((noinline)) uint64_t random_weight(struct str run)
{
	size_t digits = 0, hexes = 0, dashes = 0, changes = 0;
	for (size_t i = 0; i < run.n; i++) {
		unsigned char c = (unsigned char)run.p[i];
		bool is_upper = classes[c] == C_UPPER;
		digits += classes[c] == C_DIGIT;
		hexes += classes[c] == C_DIGIT || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
		dashes += c == '-';
		changes += i && is_upper && classes[(unsigned char)run.p[i - 1]] == C_LOWER;
	}
	if (digits == run.n)
		return W_RANDOM_DIGIT;
	if (hexes == run.n)
		return W_RANDOM_HEX;
	if (hexes + dashes == run.n && dashes * 6 < run.n)
		return W_RANDOM_UUID;
	return (digits + changes) * 8 > run.n ? W_RANDOM : 0;
}

/* Where the first run begins from here on that is long enough for a key, or the text's end. Mostly
 * one look at a hundred characters tells. */
static size_t next_long_run(struct str text, size_t from)
{
	for (size_t at = from; text.n - from > RANDOM_MIN; from = at) {
		at = from + RANDOM_MIN + 1;
		while (at > from && is_key_like((unsigned char)text.p[at - 1]))
			at--;
		if (at == from)
			return from;
	}
	return text.n;
}

static void end_key_like(struct estimate *e)
{
	if (e->begin != e->long_run)
		return;
	struct str run = str_of(e->text.p + e->begin, e->at - e->begin);
	uint64_t weight = run.n > RANDOM_MIN ? random_weight(run) : 0;
	if (weight)
		e->milli = e->milli_at_begin + weight * run.n;
	e->long_run = next_long_run(e->text, e->at);
}

static void begin_key_like(struct estimate *e)
{
	e->begin = e->at;
	e->milli_at_begin = e->milli;
}

/* Some punctuation may stand in a key, other ends it. */
static void scan_punctuation(struct estimate *e)
{
	for (size_t n = 0; e->at < e->text.n && classes[here(e)] == C_PUNCT; n++) {
		bool is_key = is_key_like(here(e));
		if (!is_key)
			end_key_like(e);
		e->milli += n ? W_MORE_PUNCT : W_PUNCT;
		e->at++;
		if (!is_key)
			begin_key_like(e);
	}
}

static void scan_blank(struct estimate *e, enum class class)
{
	end_key_like(e);
	e->at++;
	size_t more = scan_run(e, class);
	if (class == C_LINE)
		e->milli += W_LINES;
	else if (more)
		e->milli += W_SPACES;
	begin_key_like(e);
}

/* --- many characters at once ---
 *
 * Of 64 characters there is one bit each in a word for each class; what counts is found with
 * shifts. Only whole runs are counted so: the last of the 64 is left to the next turn. */

typedef unsigned char lane __attribute__((vector_size(16), aligned(1)));

struct bits {
	uint64_t letter, upper, digit, space, line;
	unsigned n;			/* how many, in ASCII */
};

/* A bit for each byte; all of a byte's bits are alike. */
static uint64_t bit_each(lane v)
{
#ifdef __SSE2__
	return (unsigned)_mm_movemask_epi8((__m128i)v);
#else
	uint64_t half[2];
	memcpy(half, &v, sizeof half);
	for (int i = 0; i < 2; i++)
		half[i] = (le64toh(half[i]) & UINT64_C(0x8040201008040201)) *
			  UINT64_C(0x0101010101010101) >> 56;
	return half[0] | half[1] << 8;
#endif
}

static unsigned first_bit(uint64_t v, unsigned none)
{
	return v ? (unsigned)__builtin_ctzll(v) : none;
}

static struct bits look_ahead(struct str text)
{
	unsigned char end[16];
	struct bits ret = { .n = 0 };
	for (; ret.n < 64 && text.n > 0; text = str_skip(text, 16)) {
		lane v;
		size_t n = text.n < sizeof v ? text.n : sizeof v;
		if (n < sizeof v)
			memset(end, 0x80, sizeof end);
		memcpy(&v, n < sizeof v ? memcpy(end, text.p, n) : text.p, sizeof v);
		lane letter = (lane)((lane)((v | 0x20) - 'a') <= 'z' - 'a');
		ret.letter |= bit_each(letter) << ret.n;
		ret.upper |= bit_each(letter & (lane)((v & 0x20) == 0)) << ret.n;
		ret.digit |= bit_each((lane)((lane)(v - '0') <= 9)) << ret.n;
		ret.space |= bit_each((lane)(v == ' ')) << ret.n;
		ret.line |= bit_each((lane)((v == '\n') | (v == '\t') | (v == '\r'))) << ret.n;
		unsigned ascii = first_bit(bit_each((lane)(v >= 0x80)), 16);
		ret.n += ascii;
		if (ascii < 16)
			break;
	}
	return ret;
}

static uint64_t first_bits(unsigned n)
{
	return n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX;
}

/* Where the run begins that the last of the first n belongs to. */
static unsigned last_run(uint64_t class, unsigned n)
{
	uint64_t others = ~class & first_bits(n);
	return others ? 64 - (unsigned)__builtin_clzll(others) : 0;
}

/* Of ones: by sums in ever wider fields, where the oldest machines need a function's call. */
static uint64_t count(uint64_t bits)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	if (!bits)
		return 0;
	bits -= bits >> 1 & ones * 0x55;
	bits = (bits & ones * 0x33) + (bits >> 2 & ones * 0x33);
	return ((bits + (bits >> 4)) & ones * 0x0f) * ones >> 56;
}

static uint64_t begins(uint64_t runs)
{
	return runs & ~(runs << 1);
}

/* Each three digits begun. */
static uint64_t threes(uint64_t digits)
{
	uint64_t sum = 0, at = begins(digits), three = digits & digits << 1 & digits << 2;
	for (; at; at = at << 3 & three << 1 & digits)
		sum += count(at);
	return sum;
}

static uint64_t weight_of(const struct bits *s, uint64_t punct)
{
	uint64_t words = begins(s->letter) | (s->upper & (s->letter & ~s->upper) << 1);
	uint64_t more = s->letter & ~words;	/* beyond WORD_SHORT, 7: seven of these in turn */
	more &= more << 1;
	more &= more << 2;
	more &= more << 3;
	uint64_t spaces = s->space & s->space << 1;
	return W_WORD * count(words) + W_LONG_LETTER * count(more) + W_DIGITS * threes(s->digit) +
	       (W_PUNCT - W_MORE_PUNCT) * count(begins(punct)) + W_MORE_PUNCT * count(punct) +
	       W_SPACES * count(begins(spaces)) + W_LINES * count(begins(s->line));
}

/* The class of the byte at that place. */
static uint64_t class_at(const struct bits *s, unsigned at)
{
	const uint64_t class[] = { s->letter, s->digit, s->space, s->line };
	for (size_t i = 0; i < COUNT(class); i++)
		if (class[i] >> at & 1)
			return class[i];
	return ~(s->letter | s->digit | s->space | s->line);
}

/* Counts what comes next, where that is several runs of ASCII; else false, and nothing is done. */
static bool scan_ascii(struct estimate *e)
{
	if (classes[here(e)] == C_WIDE)
		return false;
	struct bits s = look_ahead(str_of(e->text.p + e->at, e->long_run - e->at));
	uint64_t punct = ~(s.letter | s.digit | s.space | s.line);
	if (e->at + s.n < e->text.n)
		s.n = last_run(class_at(&s, s.n - 1), s.n);
	uint64_t all = first_bits(s.n);
	s.letter &= all;
	s.upper &= all;
	s.digit &= all;
	s.space &= all;
	s.line &= all;
	e->milli += weight_of(&s, punct & all);
	e->at += s.n;
	return s.n > 0;
}

uint64_t estimate_tokens_milli(struct str text)
{
	if (!text.n)
		return 0;
	struct estimate e = { .text = text, .long_run = next_long_run(text, 0) };
	while (e.at < text.n) {
		if (e.word == 0 && e.at < e.long_run && scan_ascii(&e))
			continue;
		enum class class = classes[here(&e)];
		switch (class) {
		case C_LOWER:
		case C_UPPER:
			add_letter(&e, class == C_UPPER);
			e.at++;
			continue;
		case C_WIDE:
			end_key_like(&e);
			add_wide(&e);
			begin_key_like(&e);
			continue;
		case C_DIGIT:
			e.milli += (scan_run(&e, C_DIGIT) + 2) / 3 * W_DIGITS;
			break;
		case C_PUNCT:
			scan_punctuation(&e);
			break;
		case C_SPACE:
		case C_LINE:
			scan_blank(&e, class);
			break;
		}
		e.word = 0;
	}
	end_key_like(&e);
	e.milli += e.ideographs * (e.kana ? W_KANJI : W_IDEOGRAPH) + e.kana * W_KANJI;
	/* The weights of digits and line ends count their neighbours in; no byte is two tokens. */
	return e.milli < 1000 * text.n ? e.milli : 1000 * text.n;
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
	return p->data.p ? p->data.n + 1 : WORST_MEDIUM;
}

static bool is_medium(const struct llm_part *p)
{
	return p->kind == PART_IMAGE || p->kind == PART_AUDIO || p->kind == PART_FILE;
}

/* By the vocabulary while it lasts; else by estimate. */
struct counter {
	struct tokenizer *t;		/* NULL: there is none */
	size_t left;			/* bytes that may be counted */
	bool is_exact;			/* so far */
};

static uint64_t text_milli(struct counter *c, struct str text)
{
	if (c->t && text.n <= c->left) {
		c->left -= text.n;
		return 1000 * tokenizer_count(c->t, text);
	}
	c->is_exact &= text.n == 0;
	return estimate_tokens_milli(text);
}

static uint64_t part_milli(struct counter *c, const struct llm_part *p)
{
	uint64_t milli = text_milli(c, p->text) + text_milli(c, p->name);
	if (p->kind == PART_OTHER && p->raw)
		milli += text_milli(c, p->raw->raw);
	c->is_exact &= p->kind == PART_TEXT;
	return is_medium(p) ? milli + 1000 * medium_tokens(p) : milli;
}

static uint64_t messages_milli(struct counter *c, const struct llm_request *q)
{
	uint64_t milli = 0;
	for (const struct llm_message *m = q->messages; m; m = m->next) {
		milli += 1000u * (PER_MESSAGE + (m->name.n ? PER_NAME : 0u));
		milli += 1000u * (c->t ? PER_ROLE : 0u);
		milli += text_milli(c, m->name);
		for (const struct llm_part *p = m->parts; p; p = p->next)
			milli += part_milli(c, p);
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

static uint64_t inputs_milli(struct counter *c, const struct llm_request *q)
{
	uint64_t milli = text_milli(c, q->prompt_suffix);
	for (unsigned i = 0; i < q->n_inputs; i++)
		milli += q->inputs_are_tokens ? ids_milli(q->inputs[i])
					      : text_milli(c, q->inputs[i]);
	/* A reranker reads the query again with each document. */
	return milli + q->n_inputs * text_milli(c, q->query);
}

static uint64_t count_prompt(struct counter *c, const struct llm_request *q)
{
	uint64_t milli = q->kind == LLM_CHAT ? messages_milli(c, q) : inputs_milli(c, q);
	for (const struct llm_tool *t = q->tools; t; t = t->next)
		milli += 1000 * PER_TOOL + text_milli(c, t->name) +
			 text_milli(c, t->description) + text_milli(c, t->schema);
	if (q->tools)
		milli += 1000 * PER_TOOLS;
	milli += text_milli(c, q->format_schema);
	c->is_exact &= !q->tools && !q->format_schema.n;	/* how they are told is not known */
	return (milli + 999) / 1000;
}

uint64_t estimate_prompt(const struct llm_request *q)
{
	struct counter c = { .t = NULL };
	return count_prompt(&c, q);
}

uint64_t estimate_prompt_by(const struct llm_request *q, struct tokenizer *t, size_t most,
			    bool *ret_exact)
{
	struct counter c = { .t = t, .left = most, .is_exact = true };
	uint64_t n = count_prompt(&c, q);
	*ret_exact = c.is_exact;
	return n;
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
	if (q->kind == LLM_RERANK)
		n += WORST_PAIR * q->n_inputs;
	return n + (q->tools ? WORST_TOOLS : 0) + (q->kind == LLM_CHAT ? 0 : q->n_inputs);
}

/* --- search units --- */

uint64_t estimate_searches_worst(const struct llm_request *q)
{
	uint64_t chunks = 0;
	for (unsigned i = 0; i < q->n_inputs; i++)
		chunks += (q->inputs[i].n + q->query.n) / TOKENS_PER_CHUNK + 1;
	return (chunks + CHUNKS_PER_SEARCH - 1) / CHUNKS_PER_SEARCH;
}

uint64_t estimate_searches(const struct llm_request *q)
{
	uint64_t query = estimate_tokens_milli(q->query), chunks = 0;
	for (unsigned i = 0; i < q->n_inputs; i++)
		chunks += (estimate_tokens_milli(q->inputs[i]) + query) /
				  (1000 * TOKENS_PER_CHUNK) + 1;
	return (chunks + CHUNKS_PER_SEARCH - 1) / CHUNKS_PER_SEARCH;
}
