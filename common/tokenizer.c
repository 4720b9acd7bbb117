/* SPDX-License-Identifier: MIT
 * tokenizer.c - see tokenizer.h. A piece that is a token is found in one look; else its bytes are
 * merged, the pair with the lowest rank first, the leftmost of equals. */
#include "common/tokenizer.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/check.h"
#include "common/hash.h"
#include "common/mem.h"

enum { HEAP_MAX = 3 * TOKENIZER_PIECE };

struct tokenizer {
	const struct tokenizer_head *head;
	const uint32_t *at, *slot;	/* of a rank its bytes; of a hash its rank */
	const char *bytes;
	void *mapped;			/* NULL: the image is the caller's */
	size_t mapped_bytes;
	/* The piece under way: parts of it, as a list of their first bytes. */
	uint16_t next[TOKENIZER_PIECE + 1], before[TOKENIZER_PIECE + 1];
	uint32_t rank[TOKENIZER_PIECE];	/* of a part and the one behind it together */
	uint64_t heap[HEAP_MAX];	/* rank << 16 | part; some are out of date */
	size_t n_heap;
};

/* ---- names ---- */

static const char *const names[ENCODINGS] = {
	[ENCODING_CL100K] = "cl100k_base",
	[ENCODING_O200K] = "o200k_base",
};

const char *encoding_name(enum encoding e)
{
	return names[e];
}

bool encoding_read(struct str name, enum encoding *ret)
{
	for (unsigned i = 0; i < ENCODINGS; i++)
		if (str_eq_z(name, names[i])) {
			*ret = (enum encoding)i;
			return true;
		}
	return false;
}

/* The first that fits. */
static const struct {
	const char *pattern;
	enum encoding encoding;
} models[] = {
	{ "gpt-4o*", ENCODING_O200K },		{ "gpt-4.1*", ENCODING_O200K },
	{ "gpt-4.5*", ENCODING_O200K },		{ "gpt-5*", ENCODING_O200K },
	{ "chatgpt-4o*", ENCODING_O200K },	{ "o1", ENCODING_O200K },
	{ "o1-*", ENCODING_O200K },		{ "o3", ENCODING_O200K },
	{ "o3-*", ENCODING_O200K },		{ "o4-*", ENCODING_O200K },
	{ "gpt-oss*", ENCODING_O200K },		{ "gpt-4", ENCODING_CL100K },
	{ "gpt-4-*", ENCODING_CL100K },		{ "gpt-3.5*", ENCODING_CL100K },
	{ "gpt-35-turbo*", ENCODING_CL100K },	{ "text-embedding-3*", ENCODING_CL100K },
	{ "text-embedding-ada-002", ENCODING_CL100K },
	{ "babbage-002", ENCODING_CL100K },	{ "davinci-002", ENCODING_CL100K },
};

bool encoding_of_model(struct str model, enum encoding *ret)
{
	size_t slash;
	while ((slash = str_find_char(model, '/')) != SIZE_MAX)
		model = str_skip(model, slash + 1);
	if (str_starts(model, STR("ft:"))) {
		model = str_skip(model, 3);
		model = str_cut(&model, ':');
	}
	for (size_t i = 0; i < COUNT(models); i++)
		if (str_matches(str_z(models[i].pattern), model)) {
			*ret = models[i].encoding;
			return true;
		}
	return false;
}

/* ---- the image ---- */

uint32_t tokenizer_hash(const char *p, size_t n)
{
	uint64_t h = n * UINT64_C(0x9e3779b97f4a7c15), v;
	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&v, p, 8);
		h = (h ^ v) * UINT64_C(0xff51afd7ed558ccd);
		h ^= h >> 32;
	}
	v = 0;
	memcpy(&v, p, n);
	h = (h ^ v) * UINT64_C(0xff51afd7ed558ccd);
	return (uint32_t)(h >> 32);
}

static bool is_whole(const struct tokenizer_head *h, size_t size)
{
	if (size < sizeof *h || size > TOKENIZER_IMAGE_MAX || h->magic != TOKENIZER_MAGIC ||
	    h->layout != TOKENIZER_LAYOUT || h->encoding >= ENCODINGS || h->ranks < 256 ||
	    h->ranks > TOKENIZER_RANKS_MAX || h->slots <= h->ranks ||
	    h->slots > 4 * TOKENIZER_RANKS_MAX || (h->slots & (h->slots - 1)))
		return false;
	size_t words = (size_t)h->ranks + 1 + h->slots;
	return size == sizeof *h + 4 * words + h->bytes &&
	       hash_crc32c(0, h + 1, size - sizeof *h) == h->crc;
}

/* Whatever is looked up afterwards lies within, and every look ends. */
static bool is_sound(const struct tokenizer *t)
{
	const struct tokenizer_head *h = t->head;
	uint32_t used = 0;
	if (t->at[0] != 0 || t->at[h->ranks] != h->bytes)
		return false;
	for (uint32_t i = 0; i < h->ranks; i++)
		if (t->at[i + 1] <= t->at[i] || t->at[i + 1] - t->at[i] > TOKENIZER_TOKEN_MAX)
			return false;
	for (uint32_t i = 0; i < h->slots; i++) {
		if (t->slot[i] != TOKENIZER_NONE && t->slot[i] >= h->ranks)
			return false;
		used += t->slot[i] != TOKENIZER_NONE;
	}
	return used == h->ranks;
}

int tokenizer_open(struct str image, struct tokenizer **ret)
{
	const struct tokenizer_head *h = (const void *)image.p;
	if (!image.p || (uintptr_t)image.p % 8 || !is_whole(h, image.n))
		return -EBADMSG;
	struct tokenizer *t = mem_alloc(sizeof *t);
	if (!t)
		return -ENOMEM;
	t->head = h;
	t->at = (const uint32_t *)(const void *)(h + 1);
	t->slot = t->at + h->ranks + 1;
	t->bytes = (const char *)(t->slot + h->slots);
	if (!is_sound(t)) {
		mem_free(t);
		return -EBADMSG;
	}
	*ret = t;
	return 0;
}

int tokenizer_map(int fd, struct tokenizer **ret)
{
	struct stat st;
	void *p = MAP_FAILED;
	if (fstat(fd, &st) == 0 && st.st_size > 0 && st.st_size <= TOKENIZER_IMAGE_MAX)
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return -EBADMSG;
	int err = tokenizer_open(str_of(p, (size_t)st.st_size), ret);
	if (err < 0) {
		munmap(p, (size_t)st.st_size);
		return err;
	}
	(*ret)->mapped = p;
	(*ret)->mapped_bytes = (size_t)st.st_size;
	return 0;
}

struct tokenizer *tokenizer_free(struct tokenizer *t)
{
	if (t && t->mapped)
		munmap(t->mapped, t->mapped_bytes);
	mem_free(t);
	return NULL;
}

enum encoding tokenizer_encoding(const struct tokenizer *t)
{
	return (enum encoding)t->head->encoding;
}

uint32_t tokenizer_ranks(const struct tokenizer *t)
{
	return t->head->ranks;
}

static uint32_t rank_of(const struct tokenizer *t, const char *p, size_t n)
{
	uint32_t mask = t->head->slots - 1, rank;
	if (n > TOKENIZER_TOKEN_MAX)
		return TOKENIZER_NONE;
	for (uint32_t i = tokenizer_hash(p, n) & mask; (rank = t->slot[i]) != TOKENIZER_NONE;
	     i = (i + 1) & mask)
		if (t->at[rank + 1] - t->at[rank] == n && memcmp(t->bytes + t->at[rank], p, n) == 0)
			return rank;
	return TOKENIZER_NONE;
}

/* ---- merging ---- */

static void heap_push(struct tokenizer *t, uint64_t v)
{
	size_t i = t->n_heap++;
	MUST(i < HEAP_MAX);
	for (; i && t->heap[(i - 1) / 2] > v; i = (i - 1) / 2)
		t->heap[i] = t->heap[(i - 1) / 2];
	t->heap[i] = v;
}

static uint64_t heap_pop(struct tokenizer *t)
{
	uint64_t least = t->heap[0], v = t->heap[--t->n_heap];
	size_t i = 0, child;
	while ((child = 2 * i + 1) < t->n_heap) {
		if (child + 1 < t->n_heap && t->heap[child + 1] < t->heap[child])
			child++;
		if (t->heap[child] >= v)
			break;
		t->heap[i] = t->heap[child];
		i = child;
	}
	t->heap[i] = v;
	return least;
}

/* Ranks the pair that begins with this part. */
static void rank_pair(struct tokenizer *t, struct str piece, size_t part)
{
	size_t second = t->next[part], end = second < piece.n ? t->next[second] : 0;
	t->rank[part] = end ? rank_of(t, piece.p + part, end - part) : TOKENIZER_NONE;
	if (t->rank[part] != TOKENIZER_NONE)
		heap_push(t, (uint64_t)t->rank[part] << 16 | part);
}

static void merge(struct tokenizer *t, struct str piece, size_t part)
{
	size_t gone = t->next[part], behind = t->next[gone];
	t->next[part] = (uint16_t)behind;
	t->before[behind] = (uint16_t)part;
	t->rank[gone] = TOKENIZER_NONE;
	rank_pair(t, piece, part);
	if (part)
		rank_pair(t, piece, t->before[part]);
}

static void merge_all(struct tokenizer *t, struct str piece)
{
	t->n_heap = 0;
	for (size_t i = 0; i < piece.n; i++) {
		t->next[i] = (uint16_t)(i + 1);
		t->before[i + 1] = (uint16_t)i;
	}
	for (size_t i = 0; i < piece.n; i++)
		rank_pair(t, piece, i);
	while (t->n_heap) {
		uint64_t least = heap_pop(t);
		size_t part = least & 0xffff;
		if (t->rank[part] == least >> 16)	/* else it was merged meanwhile */
			merge(t, piece, part);
	}
}

struct output {
	uint32_t *to;
	size_t room;
	uint64_t n;
};

static void put(struct output *o, uint32_t rank)
{
	if (o->n < o->room)
		o->to[o->n] = rank;
	o->n++;
}

static void take_piece(struct tokenizer *t, struct str piece, struct output *o)
{
	uint32_t rank = rank_of(t, piece.p, piece.n);
	if (rank != TOKENIZER_NONE) {
		put(o, rank);
		return;
	}
	merge_all(t, piece);
	for (size_t i = 0; i < piece.n; i = t->next[i])
		put(o, o->room ? rank_of(t, piece.p + i, t->next[i] - i) : TOKENIZER_NONE);
}

/* Between two characters. */
static size_t shortened(struct str piece)
{
	size_t n = TOKENIZER_PIECE;
	while (n > TOKENIZER_PIECE - 4 && ((unsigned char)piece.p[n] & 0xc0) == 0x80)
		n--;
	return n;
}

uint64_t tokenizer_encode(struct tokenizer *t, struct str text, uint32_t *to, size_t room)
{
	struct output o = { .to = to, .room = room };
	while (text.n) {
		struct str piece = str_of(text.p, tokenizer_split(tokenizer_encoding(t), text));
		text = str_skip(text, piece.n);
		while (piece.n > TOKENIZER_PIECE) {
			size_t n = shortened(piece);
			take_piece(t, str_of(piece.p, n), &o);
			piece = str_skip(piece, n);
		}
		take_piece(t, piece, &o);
	}
	return o.n;
}

uint64_t tokenizer_count(struct tokenizer *t, struct str text)
{
	return tokenizer_encode(t, text, NULL, 0);
}
