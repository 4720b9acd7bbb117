/* SPDX-License-Identifier: MIT
 * suspect.c - see suspect.h. The table is the master's; workers read it, and count. */
#include "common/suspect.h"

#include "common/hash.h"

/* Known to the processes at this board, and to nobody else: nobody can make a body that has
 * another's print. */
static void key_of(const struct board *b, uint8_t key[16])
{
	uint64_t words[2] = { b->head->epoch, ~b->head->epoch };
	memcpy(key, words, sizeof words);
}

uint64_t suspect_print(const struct board *b, uint64_t key_id, struct str path, struct str body)
{
	uint8_t key[16];
	key_of(b, key);
	uint64_t parts[3] = { key_id, hash_keyed(key, path), hash_keyed(key, body) };
	uint64_t print = hash_keyed(key, str_of((const char *)parts, sizeof parts));
	return print ? print : 1;
}

static struct board_suspect *find(const struct board *b, uint64_t print)
{
	for (unsigned i = 0; i < BOARD_SUSPECTS; i++)
		if (atomic_load_explicit(&b->suspects[i].print, memory_order_acquire) == print)
			return &b->suspects[i];
	return NULL;
}

uint64_t suspect_refuses(struct board *b, uint64_t print, uint64_t now_ns)
{
	struct board_suspect *s = find(b, print);
	uint64_t until = s ? atomic_load_explicit(&s->until_ns, memory_order_relaxed) : 0;
	if (until <= now_ns || until - now_ns > SUSPECT_LONGEST_NS)
		return 0;
	atomic_fetch_add_explicit(&s->refused, 1, memory_order_relaxed);
	return (until - now_ns) / UINT64_C(1000000000) + 1;
}

/* Its row, or a free one, or that of who has been let in again for the longest time. */
static struct board_suspect *place(struct board *b, uint64_t print)
{
	struct board_suspect *s = find(b, print), *oldest = &b->suspects[0];
	if (s)
		return s;
	for (unsigned i = 0; i < BOARD_SUSPECTS; i++)
		if (atomic_load(&b->suspects[i].until_ns) < atomic_load(&oldest->until_ns))
			oldest = &b->suspects[i];
	atomic_store(&oldest->print, 0);
	atomic_store(&oldest->until_ns, 0);
	atomic_store(&oldest->refused, 0);
	oldest->crashes = 0;
	atomic_store(&oldest->print, print);
	return oldest;
}

static uint64_t how_long(uint32_t crashes)
{
	uint64_t ns = SUSPECT_FIRST_NS;
	for (uint32_t i = 2; i < crashes && ns < SUSPECT_LONGEST_NS; i++)
		ns *= 4;
	return ns < SUSPECT_LONGEST_NS ? ns : SUSPECT_LONGEST_NS;
}

bool suspect_crashed(struct board *b, struct board_worker *w, uint64_t now_ns, uint64_t wall_ns,
		     struct board_suspect *ret)
{
	uint64_t print = atomic_exchange(&w->print, 0), refused_ns = 0;
	if (print) {
		struct board_suspect *s = place(b, print);
		bool is_refused = ++s->crashes > 1 || suspect_watch(b, now_ns);
		refused_ns = is_refused ? how_long(s->crashes) : 0;
		s->key_id = atomic_load(&w->print_key);
		s->crashed_wall_ns = wall_ns;
		atomic_store(&s->until_ns, now_ns + refused_ns);
		ret->print = print;
		ret->until_ns = now_ns + refused_ns;
		ret->key_id = s->key_id;
		ret->crashes = s->crashes;
	}
	uint64_t watch_ns = now_ns + refused_ns + SUSPECT_WATCH_NS;
	if (watch_ns > atomic_load(&b->head->suspects_until_ns))
		atomic_store(&b->head->suspects_until_ns, watch_ns);
	return refused_ns != 0;
}

void suspect_clear(struct board *b)
{
	atomic_store(&b->head->suspects_until_ns, 0);
	memset((void *)b->suspects, 0, BOARD_SUSPECTS * sizeof b->suspects[0]);
}
