/* SPDX-License-Identifier: MIT
 * record.h - what a worker tells the master of a finished request, for traces, callbacks and
 * alerts: a ring per worker on the board, with one writer and one reader.
 *
 * It is lossy on purpose: a full ring takes nothing, and who writes counts that and goes on. A
 * record is filled in its place and `head` is stored last, so one that a killed worker was about
 * to write is never seen; the successor in the slot goes on behind it, as the next master does
 * behind what was read. No prompt, no answer, no key and no message of a provider is in it; where
 * callbacks are given prompts and answers these have a ring of their own (texts.h), in the same
 * order. */
#ifndef RECORD_H
#define RECORD_H

#include <stdatomic.h>

#include "common/str.h"

enum { RECORD_ATTEMPTS = 8, RECORD_TEXT = 1448, RECORDS = 1024, RECORD_LANGFUSE = 512 };

enum record_text {
	RT_CALL_ID, RT_MODEL /* as asked for */, RT_GROUP, RT_DEPLOYMENT, RT_PROVIDER,
	RT_UPSTREAM /* what the provider calls the model */, RT_BASE, RT_ROUTE, RT_ALIAS, RT_USER,
	RT_TEAM, RT_ORGANIZATION, RT_END_USER, RT_USER_AGENT, RT_OUTCOME,
	RT_ERROR /* the error's type; .n 0: none */,
	RT_SKIP,			/* callbacks that are not told of it: names, commas */
	RT_CACHE_KEY,			/* its answer's name in the cache; .n 0: not asked */
	RT_SESSION,			/* what its client calls what it belongs to */
	RT_LANGFUSE,			/* its headers langfuse_NAME: "NAME value", lines */
	RT_TAGS,			/* each followed by a NUL */
	RT_COUNT
};
enum { RF_STREAM = 1, RF_ESTIMATED = 2, RF_FAILED = 4, RF_CLIENT_GONE = 8, RF_SAMPLED = 16,
       RF_HAS_PARENT = 32, RF_SETTLED = 64, RF_HAS_KEY = 128,
       RF_CACHE_HIT = 256,
       RF_OWN = 512 /* its key or team has callbacks of its own, or is kept from some */,
       RF_NO_LOG = 1024 /* no callback is told */,
       RF_FALLBACK = 2048 /* it went to another group than the one asked for */,
       /* What was asked and answered, where callbacks are given it: it stands in the ring for
	* those (board.h), put there before; somebody wants it hidden; there was no room. */
       RF_TEXTS = 4096, RF_TEXTS_HIDDEN = 8192, RF_TEXTS_LOST = 16384,
       RF_SEED = 32768 /* it has one */ };
/* How an answer was wanted; and of a number of a request that was not given. */
enum record_format { RECORD_FORMAT_NONE, RECORD_FORMAT_TEXT, RECORD_FORMAT_JSON };
#define RECORD_NO_NUMBER (-1000.0F)
enum { RA_LOST = 1 /* another one was faster */, RA_FAILED = 2 };

struct record_attempt {
	uint64_t deployment;		/* its name on the board */
	uint64_t start_ns, end_ns;	/* wall clock */
	uint8_t span[8];
	uint16_t status, outcome;	/* of the error; 0 when there was none */
	uint32_t flags;			/* RA_* */
};
struct record {
	uint8_t request_id[16], trace[16], span[8], parent[8];
	uint8_t key_hash[32], client_ip[16];
	uint64_t start_ns, first_token_ns, end_ns;	/* wall clock; first token 0: no stream */
	uint64_t upstream_ns;			/* spent waiting for providers */
	int64_t cost_nano;
	int64_t seed;			/* with RF_SEED */
	int64_t saved_nano;		/* what the answer cost that it was given once more */
	uint32_t input, output, cache_read, cache_write, reasoning;
	/* Of those tokens of images and sound; and what is sold by other measures. */
	uint32_t media_input, media_output, images, milliseconds, characters, searches;
	uint16_t status;			/* given to the client; 0 = it left before */
	uint8_t call;				/* enum journal_call */
	uint8_t n_attempts;			/* of those below: the first ones, and the last */
	uint32_t attempts_made, flags;		/* RF_* */
	uint32_t max_tokens;			/* asked for; 0: nothing */
	float temperature, top_p;		/* below 0: not given */
	float top_k, presence_penalty, frequency_penalty;	/* or RECORD_NO_NUMBER */
	uint8_t finish;				/* enum llm_finish: how the answer ended */
	uint8_t choices;			/* asked for; 0: nothing was said */
	uint8_t format, pad[1];			/* enum record_format */
	uint16_t text_n[RT_COUNT];
	uint16_t text_used;
	struct record_attempt attempts[RECORD_ATTEMPTS];
	char text[RECORD_TEXT];
};
_Static_assert(sizeof(struct record) == 2048, "record");

struct record_ring {
	_Alignas(64) _Atomic uint64_t head;	/* records ever written; by the worker */
	_Alignas(64) _Atomic uint64_t tail;	/* records ever read; by the master */
	_Alignas(64) struct record record[RECORDS];
};

/* Worker: a place, zeroed, or NULL when the ring is full. It counts once it is committed. */
struct record *record_begin(struct record_ring *ring) MUST_USE;
void record_commit(struct record_ring *ring);
/* Texts in the order of their numbers; what does not fit is cut, between characters. Of tags only
 * whole ones are kept. */
void record_put(struct record *r, enum record_text which, struct str s);
void record_put_tags(struct record *r, const struct str *tags, size_t n);

/* Master: the oldest one, copied and held to its bounds. False: none is there. */
bool record_take(struct record_ring *ring, struct record *ret);
struct str record_text(const struct record *r, enum record_text which);
/* Of RT_LANGFUSE; .n 0: that header was not there. */
struct str record_langfuse(const struct record *r, const char *name);
/* The i-th tag; .p NULL: there is none. */
struct str record_tag(const struct record *r, size_t i);

#endif
