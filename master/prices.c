/* SPDX-License-Identifier: MIT
 * prices.c - look-ups straight in the embedded etc/prices.tsv.
 *
 * The lines are sorted by the bytes of the model's name, so a binary search over byte offsets
 * finds one without reading the rest: nothing is built at start, nothing of it is kept on the heap,
 * and only the pages that a search touches become resident. What was imported has the same lines,
 * and is searched the same way. */
#include "master/prices.h"

#include <errno.h>

#include "common/mem.h"
#include "master/embed.h"

enum { COLUMNS = 37 };

#define HEADER "model\tprovider\tmode\tmax_input\tmax_output\tinput\toutput\t"

static struct {
	struct str lines;		/* on the heap */
} imported;

/* The shipped table without its header line. */
static struct str shipped(void)
{
	struct str text = embed_prices();

	str_cut(&text, '\n');
	return text;
}

int prices_load(void)
{
	struct str text = embed_prices();

	if (!str_starts(text, STR(HEADER)) || text.p[text.n - 1] != '\n')
		return -EINVAL;
	return 0;
}

static enum snap_mode read_mode(struct str s)
{
	if (str_eq(s, STR("chat")))
		return MODE_CHAT;
	if (str_eq(s, STR("responses")))
		return MODE_RESPONSES;
	if (str_eq(s, STR("completion")))
		return MODE_COMPLETION;
	if (str_eq(s, STR("embedding")))
		return MODE_EMBEDDING;
	if (str_eq(s, STR("rerank")))
		return MODE_RERANK;
	return MODE_OTHER;
}

static int64_t read_pico(struct str s, int64_t preset)
{
	int64_t v = preset;

	return s.n > 0 && str_read_i64(s, &v) < 0 ? preset : v;
}

static uint32_t read_u32(struct str s)
{
	uint64_t v = 0;

	if (str_read_u64(s, &v) < 0 || v > UINT32_MAX)
		return 0;
	return (uint32_t)v;
}

/* Service tiers and batches, searches on the web and other tools: many lines have none of them. */
static void read_more(const struct str c[COLUMNS], struct price *p)
{
	int64_t *const tiers[] = { &p->tiers[0].input, &p->tiers[0].output, &p->tiers[0].cache_read,
				   &p->tiers[1].input, &p->tiers[1].output, &p->tiers[1].cache_read,
				   &p->tiers[2].input, &p->tiers[2].output };
	const struct str *cell = c + 23, *search = cell + COUNT(tiers),
		*tool = search + COUNT(p->per_search);

	for (size_t i = 0; i < COUNT(tiers); i++) {
		*tiers[i] = read_pico(cell[i], PRICE_NONE);
		p->flags |= *tiers[i] >= 0 ? PRICE_TIERED : 0;
	}
	p->tiers[2].cache_read = PRICE_NONE;
	for (size_t i = 0; i < COUNT(p->per_search); i++) {
		p->per_search[i] = read_pico(search[i], 0);
		p->flags |= p->per_search[i] > 0 ? PRICE_SEARCHED : 0;
	}
	p->per_file_search = read_pico(tool[0], 0);
	p->per_session = read_pico(tool[1], 0);
	p->flags |= p->per_file_search > 0 || p->per_session > 0 ? PRICE_TOOLED : 0;
	if (p->flags & PRICE_SEARCHED && str_eq(tool[2], STR("p")))
		p->flags |= PRICE_PER_PROMPT;
}

static struct price read_price(const struct str c[COLUMNS])
{
	struct price p = {
		.input = read_pico(c[5], 0),
		.output = read_pico(c[6], 0),
		.cache_read = read_pico(c[7], PRICE_NONE),
		.cache_write = read_pico(c[8], PRICE_NONE),
		.reasoning = read_pico(c[9], PRICE_NONE),
		.per_request = read_pico(c[10], 0),
		.tier_tokens = read_u32(c[11]),
		.input_above = read_pico(c[12], PRICE_NONE),
		.output_above = read_pico(c[13], PRICE_NONE),
		.per_image = read_pico(c[14], 0),
		.per_second = read_pico(c[15], 0),
		.per_character = read_pico(c[16], 0),
		.media_input = read_pico(c[17], PRICE_NONE),
		.media_output = read_pico(c[18], PRICE_NONE),
		.cache_read_above = read_pico(c[20], PRICE_NONE),
		.cache_write_above = read_pico(c[21], PRICE_NONE),
		.cache_write_hour = read_pico(c[22], PRICE_NONE),
		.flags = PRICE_KNOWN,
	};
	bool other = p.per_image || p.per_second || p.per_character || p.media_output > 0;

	if (c[5].n > 0 && c[6].n > 0 && !p.input && !p.output && !p.per_request && !other)
		p.flags |= PRICE_FREE;
	if (read_mode(c[2]) == MODE_RERANK) {	/* one request may be several queries */
		p.per_query = p.per_request;
		p.per_request = 0;
	}
	read_more(c, &p);
	return p;
}

struct price_row prices_read_line(struct str line)
{
	struct str c[COLUMNS], rest = line;

	for (size_t i = 0; i < COLUMNS; i++)
		c[i] = str_cut(&rest, '\t');
	return (struct price_row){
		.model = c[0],
		.provider = c[1],
		.mode_name = c[2],
		.line = line,
		.mode = read_mode(c[2]),
		.max_input_tokens = read_u32(c[3]),
		.max_output_tokens = read_u32(c[4]),
		.abilities = abilities_read(c[19]),
		.price = read_price(c),
		.has_input = c[5].n > 0,
		.has_output = c[6].n > 0,
	};
}

int prices_import(struct str lines)
{
	char *copy = lines.n ? mem_dup(lines.p, lines.n) : NULL;

	if (lines.n && !copy)
		return -ENOMEM;
	mem_free((void *)(uintptr_t)imported.lines.p);
	imported.lines = str_of(copy, lines.n);
	return 0;
}

/* The line that holds byte `at`, without its newline. */
static struct str line_at(struct str text, size_t at)
{
	size_t from = at, to = at;

	while (from > 0 && text.p[from - 1] != '\n')
		from--;
	while (to < text.n && text.p[to] != '\n')
		to++;
	return str_of(text.p + from, to - from);
}

static bool find_line(struct str text, struct str model, struct price_row *ret)
{
	size_t low = 0, high = text.n;

	while (low < high) {
		struct str line = line_at(text, low + (high - low) / 2), rest = line;
		int order = str_cmp(model, str_cut(&rest, '\t'));
		if (order == 0) {
			*ret = prices_read_line(line);
			return true;
		}
		if (order < 0)
			high = (size_t)(line.p - text.p);
		else
			low = (size_t)(line.p - text.p) + line.n + 1;
	}
	return false;
}

bool prices_shipped(struct str model, struct price_row *ret)
{
	return find_line(shipped(), model, ret);
}

static bool find_model(struct str lines, struct str model, struct price_row *ret)
{
	if (!find_line(lines, model, ret))
		return prices_shipped(model, ret);
	ret->is_imported = true;
	return true;
}

struct str prices_imported(void)
{
	return imported.lines;
}

bool prices_find(struct str provider, struct str model, struct price_row *ret)
{
	return prices_find_with(imported.lines, provider, model, ret);
}

bool prices_find_with(struct str lines, struct str provider, struct str model,
		      struct price_row *ret)
{
	char name[256];
	struct str bare = model;

	if (provider.n > 0 && provider.n + 1 + model.n <= sizeof name) {
		memcpy(name, provider.p, provider.n);
		name[provider.n] = '/';
		memcpy(name + provider.n + 1, model.p, model.n);
		if (find_model(lines, str_of(name, provider.n + 1 + model.n), ret))
			return true;
	}
	if (find_model(lines, model, ret))
		return true;
	str_cut(&bare, '/');
	return bare.n > 0 && find_model(lines, bare, ret);
}

bool prices_next(struct prices_walk *at, struct price_row *ret)
{
	struct str theirs = str_skip(imported.lines, at->imported);
	struct str ours = str_skip(shipped(), at->shipped);
	struct str their_line = str_cut(&theirs, '\n'), our_line = str_cut(&ours, '\n');
	struct str their_rest = their_line, our_rest = our_line;

	if (!their_line.n && !our_line.n)
		return false;
	int order = !their_line.n ? 1 : !our_line.n ? -1 :
		    str_cmp(str_cut(&their_rest, '\t'), str_cut(&our_rest, '\t'));
	if (order <= 0)
		at->imported += their_line.n + 1;
	if (order >= 0)
		at->shipped += our_line.n + 1;
	*ret = prices_read_line(order <= 0 ? their_line : our_line);
	ret->is_imported = order <= 0;
	return true;
}
