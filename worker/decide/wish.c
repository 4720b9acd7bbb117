/* SPDX-License-Identifier: MIT
 * wish.c - see wish.h. Headers go before the body, the body before its metadata. */
#include "worker/decide/wish.h"

#include <errno.h>

#include "common/hash.h"
#include "common/route.h"
#include "worker/client/http.h"
#include "worker/decide/own_router.h"
#include "worker/request.h"

enum { PREFIX_BYTES = 4096, PREFIX_TOKENS_MIN = 1024 };

/* ---- tags ---- */

static bool add_tag(struct wish *w, struct str *room, struct str tag)
{
	tag = str_trim(tag);
	if (!tag.n || w->n_tags == WISH_TAGS_MAX)
		return true;
	room[w->n_tags++] = tag;
	return tag.p != NULL;
}

static bool add_tags_of(struct arena *a, struct wish *w, struct str *room, const struct json *list)
{
	if (!json_is(list, JSON_ARRAY))
		return true;
	for (uint32_t i = 0; i < list->count; i++) {
		const struct json *j = json_at(list, i);
		struct str s = json_is(j, JSON_STRING) ? json_str(a, j) : STR("");
		if (!s.p || !add_tag(w, room, s))
			return false;
	}
	return true;
}

static bool read_tags(struct arena *a, const struct http_request *http,
		      const struct llm_request *q, struct wish *w)
{
	struct str line = http ? http_header(http, "x-litellm-tags") : STR_NONE, *room;
	const struct json *own = q->root ? json_get(q->root, "tags") : NULL;
	const struct json *more = q->metadata ? json_get(q->metadata, "tags") : NULL;
	if (!line.n && !own && !more)
		return true;
	room = arena_array(a, WISH_TAGS_MAX, sizeof *room);
	line = line.n ? arena_dup(a, line) : line;
	if (!room || (line.n && !line.p))
		return false;
	while (line.n)
		if (!add_tag(w, room, str_cut(&line, ',')))
			return false;
	w->tags = room;
	return add_tags_of(a, w, room, own) && add_tags_of(a, w, room, more);
}

/* ---- cost ---- */

static int read_max_cost(const struct http_request *http, const struct llm_request *q,
			 struct wish *w, struct llm_error *reterr)
{
	struct str text = http ? http_header(http, "x-llmgw-max-cost") : STR_NONE;
	const struct json *j = q->root ? json_get(q->root, "max_cost") : NULL;
	double dollars = 0;
	if (!text.p && json_is(j, JSON_NUMBER))
		text = j->raw;
	else if (!text.p && j && !json_is(j, JSON_NULL))
		text = STR("?");
	if (!text.p)
		return 0;
	if (str_read_double(text, &dollars) < 0 || !(dollars >= 0 && dollars <= 1e6)) {
		*reterr = (struct llm_error){ .outcome = OUTCOME_BAD_REQUEST,
					      .param = STR("max_cost"),
					      .message = STR("max_cost: a number of dollars, 0 to "
							     "1000000, is wanted") };
		return -EINVAL;
	}
	w->has_max_cost = true;
	w->max_cost_nano = (int64_t)(dollars * 1e9);
	return 0;
}

/* ---- affinity ---- */

/* The beginning of the prompt, which is what providers cache. */
static uint64_t hash_prefix(const struct llm_request *q)
{
	uint64_t h = hash_stable(STR("prefix"));
	size_t left = PREFIX_BYTES;
	for (const struct llm_message *m = q->messages; m && left; m = m->next)
		for (const struct llm_part *p = m->parts; p && left; p = p->next) {
			struct str s = str_of(p->text.p, p->text.n < left ? p->text.n : left);
			h = hash_stable_more(h, s);
			left -= s.n;
		}
	return h | 1;
}

struct str wish_session(struct arena *a, const struct http_request *http,
			const struct llm_request *q)
{
	struct str s = http ? http_header(http, "x-litellm-session-id") : STR_NONE;
	if (!s.n && http)
		s = http_header(http, "x-litellm-trace-id");
	if (!s.n && q->root)
		s = json_get_str(a, q->root, "litellm_session_id");
	if (!s.n && q->metadata)
		s = json_get_str(a, q->metadata, "session_id");
	return s;
}

static uint64_t read_affinity(struct arena *a, uint32_t kinds, const struct http_request *http,
			      const struct llm_request *q, uint64_t key_id)
{
	if (!kinds)
		return 0;
	struct str session = kinds & AFFINITY_SESSION ? wish_session(a, http, q) : STR_NONE;
	if (session.n)
		return hash_stable_more(hash_stable(STR("session")), session) | 1;
	if (kinds & AFFINITY_PREFIX && estimate_prompt(q) >= PREFIX_TOKENS_MIN)
		return hash_prefix(q);
	if (kinds & AFFINITY_KEY) {
		struct str key = str_of((const char *)&key_id, sizeof key_id);
		uint64_t h = hash_stable_more(hash_stable(STR("key")), key);
		return hash_stable_more(h, q->user) | 1;
	}
	return 0;
}

static struct str sticky_text(struct arena *a, const struct snap *s, const struct snap_group *g,
			      const struct http_request *http, const struct llm_request *q,
			      const uint64_t *key_id)
{
	struct str header = snap_text(s, g->sticky_header);
	switch (g->sticky) {
	case STICKY_USER:
		return q->user;
	case STICKY_KEY:
		return str_of((const char *)key_id, sizeof *key_id);
	case STICKY_SESSION:
		return wish_session(a, http, q);
	default:
		for (unsigned i = 0; http && i < http->n_headers; i++)
			if (str_eq_nocase(http->headers[i].name, header))
				return http->headers[i].value;
		return STR_NONE;
	}
}

uint64_t wish_sticky(struct arena *a, const struct snap *s, const struct snap_group *g,
		     const struct http_request *http, const struct llm_request *q, uint64_t key_id)
{
	struct str what = sticky_text(a, s, g, http, q, &key_id);
	return what.n ? route_sticky(g, what) : 0;
}

int wish_read(struct arena *a, const struct snap_settings *set, const struct http_request *http,
	      const struct llm_request *q, uint64_t key_id, struct wish *ret,
	      struct llm_error *reterr)
{
	*ret = (struct wish){ .region = ret->region };	/* which stands already */
	if (!read_tags(a, http, q, ret))
		return -ENOMEM;
	ret->affinity = read_affinity(a, set->affinity, http, q, key_id);
	return read_max_cost(http, q, ret, reterr);
}

struct route_query wish_query(const struct request *r, uint64_t prompt_tokens, uint64_t now_ns)
{
	const struct wish *w = &r->wish;
	return (struct route_query){
		.snap = r->snap,
		.board = &r->w->board,
		.group = r->group,
		.now_ns = now_ns,
		.wall_ns = r->start_wall_ns + (now_ns - r->start_ns),
		.prompt_tokens = prompt_tokens,
		.is_stream = r->q.is_stream,
		.tags = w->tags,
		.n_tags = w->n_tags,
		.region = w->region,
		.affinity = w->affinity,
		.sticky = r->group->sticky ? w->sticky : 0,
		.strategy = r->own ? r->own->strategy : 0,
		.asked = r->requested_model,
		.has_max_cost = w->has_max_cost,
		.max_cost_nano = w->max_cost_nano,
		.worst_in = w->has_max_cost ? estimate_prompt_worst(&r->q) : 0,
		.worst_out = r->q.max_tokens,
		.n_room = r->group->members.count,
	};
}
