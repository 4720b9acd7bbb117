/* SPDX-License-Identifier: MIT
 * series.c - a table with open addressing whose rows are taken by one word; see series.h. */
#include "common/series.h"

#include <string.h>

enum { PROBES = 64 };

static uint64_t name_of(const struct sha256 *key, uint64_t deployment)
{
	uint64_t word[2];
	memcpy(word, key->b, sizeof *word);
	word[1] = deployment;
	return hash_stable(str_of((const char *)word, sizeof word)) | 1;
}

/* True: the row is the pair's, now if not before. */
static bool take(struct board *b, struct board_series *row, uint64_t name, uint32_t cap)
{
	_Atomic uint64_t *used = &b->head->series_used;
	uint64_t have = atomic_load_explicit(&row->pair, memory_order_relaxed);
	if (have)
		return have == name;
	if (atomic_fetch_add_explicit(used, 1, memory_order_relaxed) >= cap) {
		atomic_fetch_sub_explicit(used, 1, memory_order_relaxed);
		return false;
	}
	if (atomic_compare_exchange_strong_explicit(&row->pair, &have, name, memory_order_relaxed,
						    memory_order_relaxed))
		return true;
	atomic_fetch_sub_explicit(used, 1, memory_order_relaxed);
	return have == name;
}

/* Rows are never given back, so a pair stands before the first free row or nowhere. */
static struct board_series *find(struct board *b, uint64_t name, uint32_t cap)
{
	for (uint64_t i = 0; i < PROBES; i++) {
		struct board_series *row = &b->series[(name + i) % BOARD_SERIES];
		uint64_t have = atomic_load_explicit(&row->pair, memory_order_relaxed);
		if (have && have != name)
			continue;
		if (take(b, row, name, cap))
			return row;
		if (!atomic_load_explicit(&row->pair, memory_order_relaxed))
			break;		/* still free: it was the cap */
	}
	return NULL;
}

/* Also when they stand there already: who took the row may have been killed before it wrote. */
static void write_names(struct board_series *row, const struct sha256 *key, uint64_t deployment)
{
	uint64_t word[COUNT(row->key)];
	memcpy(word, key->b, sizeof word);
	for (unsigned i = 0; i < COUNT(word); i++)
		if (atomic_load_explicit(&row->key[i], memory_order_relaxed) != word[i])
			atomic_store_explicit(&row->key[i], word[i], memory_order_relaxed);
	if (atomic_load_explicit(&row->deployment, memory_order_relaxed) != deployment)
		atomic_store_explicit(&row->deployment, deployment, memory_order_release);
}

static void add(_Atomic uint64_t *word, uint64_t n)
{
	if (n)
		atomic_fetch_add_explicit(word, n, memory_order_relaxed);
}

bool series_count(struct board *b, const struct sha256 *key, uint64_t deployment, uint32_t cap,
		  const struct series_step *s)
{
	struct board_series *row =
		find(b, name_of(key, deployment), cap < SERIES_MAX ? cap : SERIES_MAX);
	bool is_own = row != NULL;
	if (is_own)
		write_names(row, key, deployment);
	else
		row = &b->series[BOARD_SERIES];
	add(s->is_failure ? &row->failures : &row->successes, 1);
	add(&row->tokens_in, s->tokens_in);
	add(&row->tokens_out, s->tokens_out);
	add(&row->cost_nano, s->cost_nano);
	return is_own;
}

struct sha256 series_key(const struct board_series *row)
{
	struct sha256 key;
	uint64_t word[COUNT(row->key)];
	for (unsigned i = 0; i < COUNT(word); i++)
		word[i] = atomic_load_explicit(&row->key[i], memory_order_relaxed);
	memcpy(key.b, word, sizeof key.b);
	return key;
}

bool series_is_named(const struct board_series *row)
{
	uint64_t deployment = atomic_load_explicit(&row->deployment, memory_order_acquire);
	struct sha256 key = series_key(row);
	return atomic_load_explicit(&row->pair, memory_order_relaxed) == name_of(&key, deployment);
}
