/* SPDX-License-Identifier: MIT
 * series.c - a table with open addressing whose rows are taken by one word; see series.h. */
#include "common/series.h"

#include <string.h>

enum { PROBES = 64 };

_Static_assert(sizeof((struct sha256){ 0 }.b) == sizeof((struct board_series){ 0 }.key), "a key");

/* ---- names as words --------------------------------------------------------------------------
 */

static uint64_t pack(struct series_kind k)
{
	return k.outcome | (uint64_t)k.fell << 8 | (uint64_t)(k.status & 0xfff) << 16 |
	       (uint64_t)k.is_attempt << 28 | (uint64_t)k.route << 32;
}

static struct series_kind unpack(uint64_t word)
{
	return (struct series_kind){ .outcome = (uint8_t)word,
				     .fell = (uint8_t)(word >> 8),
				     .status = (uint16_t)(word >> 16 & 0xfff),
				     .is_attempt = word >> 28 & 1,
				     .route = (uint32_t)(word >> 32) };
}

struct words {
	uint64_t key[4], kind, asked, deployment;
};

static struct words words_of(const struct series_name *n)
{
	struct words w = { .kind = pack(n->kind), .asked = n->asked, .deployment = n->deployment };
	memcpy(w.key, n->key.b, sizeof w.key);
	return w;
}

static uint64_t hash_of(const struct words *w, struct str labels)
{
	uint64_t h = hash_stable(str_of((const char *)w, sizeof *w));
	return (labels.n ? hash_stable_more(h, labels) : h) | 1;
}

uint32_t series_route(struct str path)
{
	return (uint32_t)(hash_stable(path) >> 32) | 1;
}

/* ---- rows -------------------------------------------------------------------------------------
 */

/* Takes one of `cap` rows. False: none is left. */
static bool take_one(_Atomic uint64_t *used, uint32_t cap)
{
	if (atomic_fetch_add_explicit(used, 1, memory_order_relaxed) < cap)
		return true;
	atomic_fetch_sub_explicit(used, 1, memory_order_relaxed);
	return false;
}

static void give_back(struct board *b, bool is_labelled)
{
	atomic_fetch_sub_explicit(&b->head->series_used, 1, memory_order_relaxed);
	if (is_labelled)
		atomic_fetch_sub_explicit(&b->head->series_labelled, 1, memory_order_relaxed);
}

/* True: the row is the name's, now if not before. */
static bool take(struct board *b, struct board_series *row, uint64_t name, bool is_labelled,
		 uint32_t cap)
{
	uint64_t have = atomic_load_explicit(&row->name, memory_order_relaxed);
	if (have)
		return have == name;
	if (is_labelled && !take_one(&b->head->series_labelled, cap / 2))
		return false;
	if (!take_one(&b->head->series_used, cap)) {
		if (is_labelled)
			atomic_fetch_sub_explicit(&b->head->series_labelled, 1,
						  memory_order_relaxed);
		return false;
	}
	if (atomic_compare_exchange_strong_explicit(&row->name, &have, name, memory_order_relaxed,
						    memory_order_relaxed))
		return true;
	give_back(b, is_labelled);
	return have == name;
}

/* Rows are never given back, so a name stands before the first free row or nowhere. */
static struct board_series *find(struct board *b, uint64_t name, bool is_labelled, uint32_t cap)
{
	for (uint64_t i = 0; i < PROBES; i++) {
		struct board_series *row = &b->series[(name + i) % BOARD_SERIES];
		uint64_t have = atomic_load_explicit(&row->name, memory_order_relaxed);
		if (have && have != name)
			continue;
		if (take(b, row, name, is_labelled, cap))
			return row;
		if (!atomic_load_explicit(&row->name, memory_order_relaxed))
			break;		/* still free: it was the cap */
	}
	return NULL;
}

static void write_word(_Atomic uint64_t *word, uint64_t v)
{
	if (atomic_load_explicit(word, memory_order_relaxed) != v)
		atomic_store_explicit(word, v, memory_order_relaxed);
}

/* Also when they stand there already: who took the row may have been killed before it wrote. What
 * is 0 stands there since the board was made. */
static void write_names(struct board_series *row, const struct words *w, struct str labels)
{
	for (unsigned i = 0; i < COUNT(w->key); i++)
		write_word(&row->key[i], w->key[i]);
	write_word(&row->kind, w->kind);
	write_word(&row->asked, w->asked);
	for (size_t at = 0; at < labels.n; at += 8) {
		uint64_t word = 0;
		memcpy(&word, labels.p + at, labels.n - at < 8 ? labels.n - at : 8);
		write_word(&row->labels[at / 8], word);
	}
	write_word(&row->deployment, w->deployment);
}

static void add(_Atomic uint64_t *word, uint64_t n)
{
	if (n)
		atomic_fetch_add_explicit(word, n, memory_order_relaxed);
}

enum series_place series_count(struct board *b, const struct series_name *name, uint32_t cap,
			       const struct series_step *s)
{
	struct words w = words_of(name);
	struct str labels = name->labels;
	enum series_place place = SERIES_OWN;
	cap = cap < SERIES_MAX ? cap : SERIES_MAX;
	if (labels.n > SERIES_LABELS)
		labels.n = 0;
	struct board_series *row = find(b, hash_of(&w, labels), labels.n > 0, cap);
	if (!row && labels.n) {
		place = SERIES_BARE;
		labels.n = 0;
		row = find(b, hash_of(&w, labels), false, cap);
	}
	if (!row && name->kind.is_attempt)
		return SERIES_OTHER;
	if (row) {
		write_names(row, &w, labels);
	} else {
		place = SERIES_OTHER;
		row = &b->series[BOARD_SERIES];
	}
	add(s->is_failure ? &row->failures : &row->successes, 1);
	add(&row->tokens_in, s->tokens_in);
	add(&row->tokens_out, s->tokens_out);
	add(&row->cost_nano, s->cost_nano);
	add(&row->cache_hits, s->cache_hits);
	add(&row->cache_misses, s->cache_misses);
	add(&row->cached_tokens, s->cached_tokens);
	return place;
}

static uint64_t read_word(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

bool series_read(const struct board_series *row, char room[SERIES_LABELS],
		 struct series_name *ret)
{
	uint64_t name = read_word(&row->name);
	struct words w = { .kind = read_word(&row->kind),
			   .asked = read_word(&row->asked),
			   .deployment = read_word(&row->deployment) };
	if (!name)
		return false;
	for (unsigned i = 0; i < COUNT(w.key); i++)
		w.key[i] = read_word(&row->key[i]);
	for (unsigned i = 0; i < COUNT(row->labels); i++) {
		uint64_t word = read_word(&row->labels[i]);
		memcpy(room + 8 * i, &word, sizeof word);
		if (!word)
			break;
	}
	struct str labels = str_of(room, strnlen(room, SERIES_LABELS));
	if (name != hash_of(&w, labels))
		return false;
	*ret = (struct series_name){ .deployment = w.deployment,
				     .kind = unpack(w.kind),
				     .asked = w.asked,
				     .labels = labels };
	memcpy(ret->key.b, w.key, sizeof ret->key.b);
	return true;
}
