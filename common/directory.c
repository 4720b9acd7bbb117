/* SPDX-License-Identifier: MIT
 * directory.c - immutable rows behind a hash table of single words; see directory.h.
 *
 * The segment is a head and a heap of 64-byte granules. Blocks of 2^class granules, or of three,
 * hold rows and index tables alike. A word of the index is granule << 32 | tag, so one store
 * publishes, replaces or removes a row; a table that grew is replaced by one store to the head.
 * What is taken away waits DIR_QUARANTINE_NS before it is written again, in queues that live in
 * the master's own memory. */
#include "common/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fault.h"
#include "common/mem.h"

enum {
	GRANULE = 64,
	HEAD_BYTES = 4096,
	POWERS = 28,			/* blocks of up to 2^27 granules: the largest table */
	THREE = POWERS,			/* and of three: what most keys' rows take */
	CLASSES,
	ROW_MAX = 65536,
	TABLE_LOG2_MIN = 10, TABLE_LOG2_MAX = 30,
	PROBES_MAX = 512,		/* a key is found within so many words, or is not there */
	QUARANTINE_MS = 60000
};
#define MAX_KEYS_MAX (UINT64_C(1) << 27)
#define SPARE_BYTES (UINT64_C(64) << 20)	/* heap beyond the rows that were asked for */
#define BYTES_PER_KEY UINT64_C(1024)		/* of address space: pages come when touched */
#define EMPTY UINT64_C(0)
#define TOMBSTONE UINT64_C(1)			/* granule 0 is the head, never a row */

_Static_assert(QUARANTINE_MS * UINT64_C(1000000) == DIR_QUARANTINE_NS, "one quarantine");

struct head {
	uint64_t magic;
	uint32_t layout, pad;
	uint64_t size;
	_Atomic uint64_t table;		/* granule << 32 | log2 of its words */
	_Atomic uint64_t kinds;		/* bit per kind: there are rows of it */
	_Atomic uint64_t count, counts[DIR_KINDS];
};

enum text {				/* in this order behind the row */
	ALIAS, USER_ID, TEAM_ID, LAST4, MODELS, ORGANIZATION_ID, BUDGET_ID, ROUTER, RULES, WINDOWS,
	TEXTS
};
enum { LIMITS_UNIT = 8 };		/* model limits stand behind them, counted in these */

struct row {
	uint32_t size;			/* bytes, with texts */
	uint16_t kind, limits;		/* enum dir_kind; units of model limits */
	struct sha256 hash;
	uint64_t id, expires_wall_ns;
	int64_t max_budget_nano;
	uint32_t rpm, tpm, rpm_burst;
	uint32_t flags, entity, max_parallel;
	uint32_t n[TEXTS];
};
_Static_assert(sizeof(struct row) == 128, "row");

struct freed {
	uint32_t granule, at_ms;	/* milliseconds wrap after 49 days: it waits again */
};
/* Blocks of one class that wait or are free, oldest first. `room` is never less than `blocks`,
 * the blocks of that class there are, so giving back never needs memory. */
struct queue {
	struct freed *e;
	uint32_t first, n, room, blocks;
};
struct writer {
	struct queue queues[CLASSES];
	uint64_t next;			/* first granule never used */
	uint64_t used;			/* words of the table that are not EMPTY */
	uint64_t now_ns;		/* the latest that a caller said */
};

struct dir {
	char *base;
	size_t size;
	struct head *head;
	struct writer *w;		/* NULL in a worker */
};

struct table {
	_Atomic uint64_t *words;
	uint64_t mask;
	uint32_t granule, log2;
};

/* -- looking up: all that a reader does -- */

static bool load_table(const struct dir *d, struct table *ret)
{
	uint64_t word = atomic_load_explicit(&d->head->table, memory_order_acquire);
	uint32_t granule = (uint32_t)(word >> 32), log2 = (uint32_t)word;
	uint64_t at = (uint64_t)granule * GRANULE;

	if (log2 < TABLE_LOG2_MIN || log2 > TABLE_LOG2_MAX || at < HEAD_BYTES ||
	    at + (UINT64_C(8) << log2) > d->size)
		return false;
	*ret = (struct table){ .words = (void *)(d->base + at), .granule = granule, .log2 = log2,
			       .mask = (UINT64_C(1) << log2) - 1 };
	return true;
}

static uint64_t hash_place(const struct sha256 *hash)
{
	uint64_t v;

	memcpy(&v, hash->b, sizeof v);
	return v;
}

static uint32_t hash_tag(const struct sha256 *hash)
{
	uint32_t v;

	memcpy(&v, hash->b + sizeof(uint64_t), sizeof v);
	return v;
}

/* Copies the row at `granule` and checks it: nothing outside of it is read, whatever it says. */
static bool read_row(const struct dir *d, uint64_t granule, struct row *ret)
{
	uint64_t at = granule * GRANULE, texts;

	if (at < HEAD_BYTES || at + sizeof *ret > d->size)
		return false;
	memcpy(ret, d->base + at, sizeof *ret);
	texts = (uint64_t)ret->limits * LIMITS_UNIT;
	for (unsigned i = 0; i < TEXTS; i++)
		texts += ret->n[i];
	return ret->kind < DIR_KINDS && ret->size <= ROW_MAX &&
	       at + ret->size <= d->size && sizeof *ret + texts <= ret->size;
}

/* The index of the word that leads to the row of `hash`. */
static bool find_word(const struct dir *d, const struct table *t, const struct sha256 *hash,
		      uint64_t *ret_index, uint64_t *ret_granule, struct row *ret_row)
{
	uint64_t at = hash_place(hash) & t->mask;
	uint32_t tag = hash_tag(hash);

	for (unsigned i = 0; i < PROBES_MAX; i++, at = (at + 1) & t->mask) {
		uint64_t word = atomic_load_explicit(&t->words[at], memory_order_acquire);

		if (word == EMPTY)
			return false;
		if ((uint32_t)word == tag && read_row(d, word >> 32, ret_row) &&
		    memcmp(&ret_row->hash, hash, sizeof *hash) == 0) {
			*ret_index = at;
			*ret_granule = word >> 32;
			return true;
		}
	}
	return false;
}

static struct str next_text(const char **p, uint32_t n)
{
	struct str s = str_of(*p, n);

	*p += n;
	return s;
}

static bool find(const struct dir *d, enum dir_kind kind, const struct sha256 *hash,
		 struct dir_key *ret)
{
	struct table t;
	struct row r;
	uint64_t index, granule;
	const char *p;

	if (!load_table(d, &t) || !find_word(d, &t, hash, &index, &granule, &r) || r.kind != kind)
		return false;
	*ret = (struct dir_key){ .kind = kind, .hash = r.hash, .id = r.id, .flags = r.flags,
				 .entity = r.entity,
				 .expires_wall_ns = r.expires_wall_ns,
				 .max_budget_nano = r.max_budget_nano, .rpm = r.rpm, .tpm = r.tpm,
				 .rpm_burst = r.rpm_burst, .max_parallel = r.max_parallel };
	p = d->base + granule * GRANULE + sizeof r;
	ret->alias = next_text(&p, r.n[ALIAS]);
	ret->user_id = next_text(&p, r.n[USER_ID]);
	ret->team_id = next_text(&p, r.n[TEAM_ID]);
	ret->last4 = next_text(&p, r.n[LAST4]);
	ret->models = next_text(&p, r.n[MODELS]);
	ret->organization_id = next_text(&p, r.n[ORGANIZATION_ID]);
	ret->budget_id = next_text(&p, r.n[BUDGET_ID]);
	ret->router = next_text(&p, r.n[ROUTER]);
	ret->rules = next_text(&p, r.n[RULES]);
	ret->windows = next_text(&p, r.n[WINDOWS]);
	ret->model_limits = next_text(&p, (uint32_t)r.limits * LIMITS_UNIT);
	return true;
}

bool dir_find(const struct dir *d, const struct sha256 *hash, struct dir_key *ret)
{
	return find(d, DIR_KEY, hash, ret);
}

/* No key has this hash: a key's text begins with sk-. A name that is too long is nobody's. */
static struct sha256 named_hash(enum dir_kind kind, struct str name)
{
	static const char prefix[DIR_KINDS][8] = {
		[DIR_TEAM] = "team:", [DIR_USER] = "user:", [DIR_ORGANIZATION] = "org:",
		[DIR_MEMBER] = "member:", [DIR_CUSTOMER] = "end:", [DIR_TAG] = "tag:",
		[DIR_BUDGET] = "budget:", [DIR_ORGANIZATION_MEMBER] = "orgmem:",
		[DIR_ACCESS_GROUP] = "access:", [DIR_TOKEN_KEY] = "jwtkey:",
	};
	char text[sizeof *prefix + DIR_ID_MAX];
	size_t n = strnlen(prefix[kind], sizeof *prefix), more = name.n;

	if (more > DIR_ID_MAX)
		more = DIR_ID_MAX;
	memcpy(text, prefix[kind], n);
	if (more)
		memcpy(text + n, name.p, more);
	return hash_sha256(str_of(text, n + more));
}

bool dir_find_named(const struct dir *d, enum dir_kind kind, struct str name, struct dir_key *ret)
{
	MUST(kind > DIR_KEY && kind < DIR_KINDS);
	if (name.n > DIR_ID_MAX)
		return false;
	struct sha256 hash = named_hash(kind, name);

	return find(d, kind, &hash, ret);
}

bool dir_has(const struct dir *d, enum dir_kind kind)
{
	return atomic_load_explicit(&d->head->kinds, memory_order_acquire) >> kind & 1;
}

uint64_t dir_count(const struct dir *d)
{
	return atomic_load_explicit(&d->head->count, memory_order_relaxed);
}

uint64_t dir_room(const struct dir *d)
{
	return (d->size - HEAD_BYTES - SPARE_BYTES) / BYTES_PER_KEY;
}

uint64_t dir_count_kind(const struct dir *d, enum dir_kind kind)
{
	return atomic_load_explicit(&d->head->counts[kind], memory_order_relaxed);
}

bool dir_name_is_all(struct str name)
{
	return str_eq(name, STR("*")) || str_eq(name, STR("all-proxy-models")) ||
	       str_eq(name, STR("all-team-models"));
}

static bool name_fits(struct str name, struct str model)
{
	return str_eq(name, model) ||
	       (str_find_char(name, '*') != SIZE_MAX && str_matches(name, model));
}

bool dir_key_may_use(const struct dir_key *k, struct str model)
{
	struct str left = k->models;

	if ((k->flags & KEY_ALL_MODELS) || !left.n)
		return true;
	while (left.n) {
		struct str name = str_cut(&left, '\0');

		if (name.n && name.p[0] == DIR_GROUP_MARK)
			return false;
		if (name_fits(name, model))
			return true;
		if (dir_key_has_exclusions(k) && (dir_name_is_all(name) ||
						  (name.n && name.p[0] == '!' && !left.n)))
			return true;
	}
	return false;
}

bool dir_key_excludes(const struct dir_key *k, struct str model)
{
	struct str left = k->models;

	while (left.n && left.p[0] == '!')
		if (name_fits(str_skip(str_cut(&left, '\0'), 1), model))
			return true;
	return false;
}

bool dir_key_lists(const struct dir_key *k, struct str name)
{
	struct str left = k->models;

	while (left.n)
		if (str_eq(str_cut(&left, '\0'), name))
			return true;
	return false;
}

struct str dir_models_groups(struct str models)
{
	struct str left = models, from;

	do
		from = left;
	while (str_cut(&left, '\0').n && from.p[0] != DIR_GROUP_MARK);
	return from;
}

struct str dir_models_named(struct str models)
{
	return str_of(models.p, models.n - dir_models_groups(models).n);
}

/* -- the heap -- */

static unsigned class_of(uint64_t bytes)
{
	unsigned class = 0;

	if (bytes > 2 * GRANULE && bytes <= 3 * GRANULE)
		return THREE;
	while (((uint64_t)GRANULE << class) < bytes)
		class++;
	return class;
}

static uint32_t granules_of(unsigned class)
{
	return class == THREE ? 3 : UINT32_C(1) << class;
}

static struct freed *queue_at(struct queue *q, uint32_t i)
{
	return &q->e[(q->first + i) % q->room];
}

/* Room for one block more of this class to be given back some day. 0 or -ENOMEM. */
static int queue_expect(struct queue *q)
{
	uint32_t room = q->room ? q->room * 2 : 64;
	struct freed *e;

	if (q->blocks < q->room)
		return 0;
	e = mem_array(room, sizeof *e);
	if (!e)
		return -ENOMEM;
	for (uint32_t i = 0; i < q->n; i++)
		e[i] = *queue_at(q, i);
	mem_free(q->e);
	q->e = e;
	q->first = 0;
	q->room = room;
	return 0;
}

static void queue_push_last(struct queue *q, struct freed f)
{
	MUST(q->n < q->blocks && q->blocks <= q->room);
	q->n++;
	*queue_at(q, q->n - 1) = f;
}

static void queue_push_first(struct queue *q, struct freed f)
{
	MUST(q->n < q->blocks && q->blocks <= q->room);
	q->first = (q->first + q->room - 1) % q->room;
	q->n++;
	*queue_at(q, 0) = f;
}

static bool is_ripe(struct queue *q, uint32_t now_ms)
{
	return q->n && now_ms - queue_at(q, 0)->at_ms >= QUARANTINE_MS;
}

static struct freed queue_pop(struct queue *q)
{
	struct freed f = *queue_at(q, 0);

	q->first = (q->first + 1) % q->room;
	q->n--;
	return f;
}

/* Makes a free block of 2^class granules from the smallest larger one, if there is any. */
static void split_for(struct writer *w, unsigned class, uint32_t now_ms)
{
	unsigned from = class;

	while (from < POWERS && !is_ripe(&w->queues[from], now_ms))
		from++;
	if (from == POWERS)
		return;
	for (; from > class; from--) {
		struct queue *big = &w->queues[from], *half = &w->queues[from - 1];
		struct freed f;

		if (queue_expect(half))
			return;
		half->blocks++;
		if (queue_expect(half)) {
			half->blocks--;
			return;
		}
		half->blocks++;
		big->blocks--;
		f = queue_pop(big);
		queue_push_first(half, (struct freed){ f.granule + (1u << (from - 1)), f.at_ms });
		queue_push_first(half, f);
	}
}

/* A block of three and one of one, from one of four. */
static void split_four(struct writer *w, uint32_t now_ms)
{
	struct queue *four = &w->queues[2], *three = &w->queues[THREE], *one = &w->queues[0];
	struct freed f;

	split_for(w, 2, now_ms);
	if (!is_ripe(four, now_ms) || queue_expect(three) || queue_expect(one))
		return;
	four->blocks--;
	three->blocks++;
	one->blocks++;
	f = queue_pop(four);
	queue_push_first(three, f);
	queue_push_first(one, (struct freed){ f.granule + 3, f.at_ms });
}

/* 0, -ENOSPC or -ENOMEM. */
static int take_block(struct dir *d, unsigned class, uint32_t now_ms, uint32_t *ret_granule)
{
	struct queue *q = &d->w->queues[class];
	uint64_t next = d->w->next + granules_of(class);

	if (class != THREE)
		split_for(d->w, class, now_ms);
	else if (!is_ripe(q, now_ms) && next * GRANULE > d->size)
		split_four(d->w, now_ms);	/* not sooner: it leaves one that nobody wants */
	if (is_ripe(q, now_ms)) {
		*ret_granule = queue_pop(q).granule;
		return 0;
	}
	if (next * GRANULE > d->size)
		return -ENOSPC;
	if (queue_expect(q))
		return -ENOMEM;
	q->blocks++;
	*ret_granule = (uint32_t)d->w->next;
	d->w->next = next;
	return 0;
}

static void give_block(struct dir *d, uint32_t granule, unsigned class, uint32_t now_ms)
{
	queue_push_last(&d->w->queues[class], (struct freed){ granule, now_ms });
}

/* -- the table -- */

static unsigned table_class(uint32_t log2)
{
	return class_of(UINT64_C(8) << log2);
}

static uint64_t table_word(const struct table *t)
{
	return (uint64_t)t->granule << 32 | t->log2;
}

static uint64_t row_word(uint32_t granule, const struct sha256 *hash)
{
	return (uint64_t)granule << 32 | hash_tag(hash);
}

static bool is_row(uint64_t word)
{
	return word >> 32 != 0;
}

/* Stores `word` for a hash that is not in the table. false: no place within PROBES_MAX. */
static bool table_insert(struct table *t, const struct sha256 *hash, uint64_t word, uint64_t *used)
{
	uint64_t at = hash_place(hash) & t->mask;

	for (unsigned i = 0; i < PROBES_MAX; i++, at = (at + 1) & t->mask) {
		uint64_t old = atomic_load_explicit(&t->words[at], memory_order_relaxed);

		if (is_row(old))
			continue;
		*used += old == EMPTY;
		atomic_store_explicit(&t->words[at], word, memory_order_release);
		return true;
	}
	return false;
}

/* A tombstone in front of an empty word is of no use to anybody. */
static void table_remove(struct table *t, uint64_t at, uint64_t *used)
{
	uint64_t next = atomic_load_explicit(&t->words[(at + 1) & t->mask], memory_order_relaxed);

	atomic_store_explicit(&t->words[at], TOMBSTONE, memory_order_release);
	while (next == EMPTY &&
	       atomic_load_explicit(&t->words[at], memory_order_relaxed) == TOMBSTONE) {
		atomic_store_explicit(&t->words[at], EMPTY, memory_order_release);
		at = (at - 1) & t->mask;
		--*used;
	}
}

/* Copies all rows of `from` to the empty table `to`. */
static bool table_copy(const struct dir *d, const struct table *from, struct table *to,
		       uint64_t *ret_used)
{
	uint64_t used = 0;
	struct row r;

	for (uint64_t i = 0; i <= from->mask; i++) {
		uint64_t word = atomic_load_explicit(&from->words[i], memory_order_relaxed);

		if (!is_row(word))
			continue;
		MUST(read_row(d, word >> 32, &r));
		if (!table_insert(to, &r.hash, word, &used))
			return false;
	}
	*ret_used = used;
	return true;
}

static int table_new(struct dir *d, uint32_t log2, uint32_t now_ms, struct table *ret)
{
	uint32_t granule;
	int err;

	if (log2 > TABLE_LOG2_MAX)
		return -ENOSPC;
	err = take_block(d, table_class(log2), now_ms, &granule);
	if (err)
		return err;
	*ret = (struct table){ .words = (void *)(d->base + (uint64_t)granule * GRANULE),
			       .granule = granule, .log2 = log2,
			       .mask = (UINT64_C(1) << log2) - 1 };
	memset((void *)ret->words, 0, (size_t)8 << log2);
	return 0;
}

/* Publishes a fresh table without tombstones, at least 2^log2 words, not too full. */
static int table_renew(struct dir *d, struct table *t, uint32_t log2, uint32_t now_ms)
{
	struct table to;
	uint64_t used;
	int err;

	while (dir_count(d) * 8 > UINT64_C(3) << log2)
		log2++;
	err = table_new(d, log2, now_ms, &to);
	if (err)
		return err;
	if (!table_copy(d, t, &to, &used)) {
		give_block(d, to.granule, table_class(to.log2), now_ms);
		return -ENOSPC;
	}
	atomic_store_explicit(&d->head->table, table_word(&to), memory_order_release);
	give_block(d, t->granule, table_class(t->log2), now_ms);
	d->w->used = used;
	*t = to;
	return 0;
}

/* -- changing -- */

/* A caller's time that goes back would end quarantines early. */
static uint32_t note_time(struct dir *d, uint64_t now_ns)
{
	if (now_ns > d->w->now_ns)
		d->w->now_ns = now_ns;
	return (uint32_t)(d->w->now_ns / 1000000);
}

static struct str key_text(const struct dir_key *k, enum text which)
{
	switch (which) {
	case ALIAS:
		return k->alias;
	case USER_ID:
		return k->user_id;
	case TEAM_ID:
		return k->team_id;
	case LAST4:
		return k->last4;
	case ORGANIZATION_ID:
		return k->organization_id;
	case BUDGET_ID:
		return k->budget_id;
	case ROUTER:
		return k->router;
	case RULES:
		return k->rules;
	case WINDOWS:
		return k->windows;
	case MODELS:
	case TEXTS:
		break;
	}
	return k->models;
}

static uint64_t row_bytes(const struct dir_key *k)
{
	uint64_t n = sizeof(struct row);

	for (unsigned i = 0; i < TEXTS; i++) {
		struct str s = key_text(k, (enum text)i);

		n += s.n < ROW_MAX ? s.n : ROW_MAX;
	}
	MUST(k->model_limits.n % LIMITS_UNIT == 0);
	return n + (k->model_limits.n < ROW_MAX ? k->model_limits.n : ROW_MAX);
}

static uint32_t kept_rate(uint64_t per_minute)
{
	return per_minute > UINT32_MAX ? UINT32_MAX : (uint32_t)per_minute;
}

static void write_row(struct dir *d, uint32_t granule, const struct dir_key *k)
{
	char *p = d->base + (uint64_t)granule * GRANULE;
	struct row r = { .size = (uint32_t)row_bytes(k), .kind = (uint16_t)k->kind,
			 .limits = (uint16_t)(k->model_limits.n / LIMITS_UNIT), .hash = k->hash,
			 .id = k->id, .expires_wall_ns = k->expires_wall_ns,
			 .max_budget_nano = k->max_budget_nano, .rpm = kept_rate(k->rpm),
			 .tpm = kept_rate(k->tpm), .rpm_burst = k->rpm_burst,
			 .flags = k->flags, .entity = k->entity, .max_parallel = k->max_parallel };

	unsigned at = sizeof r;

	for (unsigned i = 0; i < TEXTS; i++) {
		struct str s = key_text(k, (enum text)i);

		r.n[i] = (uint32_t)s.n;
		if (s.n)
			memcpy(p + at, s.p, s.n);
		at += (unsigned)s.n;
	}
	if (k->model_limits.n)
		memcpy(p + at, k->model_limits.p, k->model_limits.n);
	memcpy(p, &r, sizeof r);
}

static void add_count(struct dir *d, uint32_t kind, int64_t n)
{
	_Atomic uint64_t *of_kind = &d->head->counts[kind], *kinds = &d->head->kinds;
	uint64_t bit = UINT64_C(1) << kind;

	atomic_store_explicit(&d->head->count, dir_count(d) + (uint64_t)n, memory_order_relaxed);
	atomic_store_explicit(of_kind, *of_kind + (uint64_t)n, memory_order_relaxed);
	atomic_store_explicit(kinds, *of_kind ? *kinds | bit : *kinds & ~bit, memory_order_release);
}

/* Puts a word for a hash that is not there, in a larger table if need be. */
static int insert_word(struct dir *d, struct table *t, const struct sha256 *hash, uint64_t word,
		       uint32_t now_ms)
{
	int err;

	if ((d->w->used + 1) * 8 > (t->mask + 1) * 5) {
		err = table_renew(d, t, t->log2, now_ms);
		if (err)
			return err;
	}
	if (!table_insert(t, hash, word, &d->w->used)) {
		err = table_renew(d, t, t->log2 + 1, now_ms);
		if (err)
			return err;
		if (!table_insert(t, hash, word, &d->w->used))
			return -ENOSPC;
	}
	return 0;
}

static int put(struct dir *d, const struct dir_key *k, uint64_t now_ns)
{
	uint64_t bytes = row_bytes(k), index, old;
	uint32_t granule, now_ms;
	unsigned class;
	struct table t;
	struct row r;
	int err;

	MUST(d->w && load_table(d, &t));
	if (bytes > ROW_MAX)
		return -E2BIG;
	now_ms = note_time(d, now_ns);
	class = class_of(bytes);
	err = take_block(d, class, now_ms, &granule);
	if (err)
		return err;
	write_row(d, granule, k);
	(void)FAULT("directory.unlinked");
	if (find_word(d, &t, &k->hash, &index, &old, &r)) {
		atomic_store_explicit(&t.words[index], row_word(granule, &k->hash),
				      memory_order_release);
		give_block(d, (uint32_t)old, class_of(r.size), now_ms);
		return 0;
	}
	err = insert_word(d, &t, &k->hash, row_word(granule, &k->hash), now_ms);
	if (err)
		give_block(d, granule, class, now_ms);
	else
		add_count(d, k->kind, 1);
	return err;
}

int dir_put(struct dir *d, const struct dir_key *k, uint64_t now_ns)
{
	MUST(k->kind == DIR_KEY);
	return put(d, k, now_ns);
}

int dir_put_named(struct dir *d, struct str name, const struct dir_key *k, uint64_t now_ns)
{
	struct dir_key named = *k;

	MUST((k->kind > DIR_KEY && k->kind <= DIR_ORGANIZATION_MEMBER) ||
	     k->kind == DIR_ACCESS_GROUP || k->kind == DIR_TOKEN_KEY);
	if (name.n > DIR_ID_MAX)
		return -E2BIG;
	named.hash = named_hash(k->kind, name);
	return put(d, &named, now_ns);
}

int dir_remove(struct dir *d, const struct sha256 *hash, uint64_t now_ns)
{
	uint64_t index, granule;
	struct table t;
	struct row r;

	MUST(d->w && load_table(d, &t));
	if (!find_word(d, &t, hash, &index, &granule, &r))
		return -ENOENT;
	table_remove(&t, index, &d->w->used);
	add_count(d, r.kind, -1);
	give_block(d, (uint32_t)granule, class_of(r.size), note_time(d, now_ns));
	return 0;
}

int dir_remove_named(struct dir *d, enum dir_kind kind, struct str name, uint64_t now_ns)
{
	struct sha256 hash = named_hash(kind, name);

	return dir_remove(d, &hash, now_ns);
}

/* -- making and mapping -- */

static int map_all(struct dir *d, int fd, int prot)
{
	void *p = mmap(NULL, d->size, prot, MAP_SHARED | MAP_NORESERVE, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	d->base = p;
	d->head = p;
	return 0;
}

/* From here on only the mapping that exists can write. Kernels before 5.1 do not know the
 * second seal; there a worker's mapping is read-only because it asks for no more. */
static int seal(int fd)
{
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
		return -errno;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) && errno != EINVAL)
		return -errno;
	return 0;
}

static int fill_head(struct dir *d)
{
	struct table t;
	int err;

	d->w->next = HEAD_BYTES / GRANULE;
	err = table_new(d, TABLE_LOG2_MIN, 0, &t);
	if (err)
		return err;
	d->head->layout = DIR_LAYOUT;
	d->head->size = d->size;
	atomic_store_explicit(&d->head->table, table_word(&t), memory_order_relaxed);
	d->head->magic = DIR_MAGIC;
	return 0;
}

static int create_in(struct dir *d, int fd)
{
	int err;

	d->w = mem_alloc(sizeof *d->w);
	if (!d->w)
		return -ENOMEM;
	if (ftruncate(fd, (off_t)d->size))
		return -errno;
	err = map_all(d, fd, PROT_READ | PROT_WRITE);
	if (!err)
		err = seal(fd);
	return err ? err : fill_head(d);
}

int dir_create(uint64_t max_keys, struct dir **ret, int *ret_fd)
{
	struct dir *d;
	int fd, err;

	if (max_keys > MAX_KEYS_MAX)
		return -EINVAL;
	d = mem_alloc(sizeof *d);
	if (!d)
		return -ENOMEM;
	d->size = HEAD_BYTES + SPARE_BYTES + (size_t)((max_keys + 3) / 4 * 4 * BYTES_PER_KEY);
	fd = memfd_create("llmgw-directory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	err = fd < 0 ? -errno : create_in(d, fd);
	if (err) {
		if (fd >= 0)
			close(fd);
		dir_free(d);
		return err;
	}
	*ret = d;
	*ret_fd = fd;
	return 0;
}

static int map_in(struct dir *d, int fd)
{
	struct stat st;
	int err, seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || fstat(fd, &st))
		return -errno;
	if (!(seals & F_SEAL_SHRINK) || st.st_size < HEAD_BYTES)
		return -EBADMSG;
	d->size = (size_t)st.st_size;
	err = map_all(d, fd, PROT_READ);
	if (err)
		return err;
	if (d->head->magic != DIR_MAGIC || d->head->layout != DIR_LAYOUT ||
	    d->head->size != d->size)
		return -EBADMSG;
	return 0;
}

int dir_map(int fd, struct dir **ret)
{
	struct dir *d = mem_alloc(sizeof *d);
	int err = d ? map_in(d, fd) : -ENOMEM;

	close(fd);
	if (err) {
		dir_free(d);
		return err;
	}
	*ret = d;
	return 0;
}

struct dir *dir_free(struct dir *d)
{
	if (!d)
		return NULL;
	if (d->base)
		munmap(d->base, d->size);
	for (unsigned i = 0; d->w && i < CLASSES; i++)
		mem_free(d->w->queues[i].e);
	mem_free(d->w);
	mem_free(d);
	return NULL;
}
