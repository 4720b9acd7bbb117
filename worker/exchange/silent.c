/* SPDX-License-Identifier: MIT
 * silent.c - see silent.h. */
#include "worker/exchange/silent.h"

#include "common/clock.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/mem.h"
#include "worker/exchange/exchange.h"
#include "worker/later.h"

enum { COPIES_MAX = 32 };		/* under way in a worker */

struct side {				/* what one of the two came to */
	bool is_known, has_text;
	uint64_t text_hash, text_bytes, ns;
	uint64_t tokens_out;
	int64_t cost_nano;
	enum outcome outcome;
};
struct silent {
	struct request *copy;		/* NULL once it has ended */
	struct later begin;
	struct side client, silent;
	char call_id[40], group[64];	/* their beginnings */
};

/* ---- the copy's body: plain, where the client may want a stream ---- */

static void put_with(struct buf *out, const struct json *value, const char *text, const char **at)
{
	buf_put(out, str_of(*at, (size_t)(value->raw.p - *at)));
	buf_put_z(out, text);
	*at = value->raw.p + value->raw.n;
}

/* Members come in the order of the text. */
static struct str plain_body(struct arena *a, struct str body, const struct json *root)
{
	const char *at = body.p;
	struct buf out;
	buf_init(&out, body.n + 64);
	for (const struct json *j = root->child; j; j = j->next) {
		if (str_eq(j->key, STR("stream")))
			put_with(&out, j, "false", &at);
		else if (str_eq(j->key, STR("stream_options")))
			put_with(&out, j, "null", &at);
	}
	buf_put(&out, str_of(at, (size_t)(body.p + body.n - at)));
	struct str s = out.failed ? STR_NONE : arena_dup(a, buf_str(&out));
	buf_done(&out);
	return s;
}

static bool read_body(struct request *r)
{
	struct dialect_error de = { 0 };
	struct json_error je;
	struct str body = r->q.body;
	const struct json *root = json_parse(r->mem, body, JSON_ONE_KEY, &je);
	body = root ? plain_body(r->mem, body, root) : STR_NONE;
	root = body.p ? json_parse(r->mem, body, JSON_ONE_KEY, &je) : NULL;
	r->q = (struct llm_request){ .num_retries = -1, .model = r->requested_model };
	if (!root || r->dialect->read_request(r->mem, body, root, &r->q, &de) < 0)
		return false;
	r->q.wants_store = false;
	r->q.disable_fallbacks = true;
	r->q.num_retries = 0;
	r->q.timeout_s = r->q.stream_timeout_s = 0;
	return !r->q.is_stream && !r->q.conversation_id.p;
}

/* ---- beginning ---- */

static bool pays_operator(struct request *r)
{
	uint64_t entity = atomic_load_explicit(&r->w->board.head->operator_entity,
					       memory_order_relaxed);
	if (!entity || entity > BOARD_ENTITIES)
		return false;
	r->key = (struct dir_key){ .entity = (uint32_t)entity - 1, .max_budget_nano = DIR_NO_LIMIT,
				   .flags = KEY_ADMIN | KEY_ALL_MODELS };
	r->entity = &r->w->board.entities[r->key.entity];
	r->is_admin = true;
	return true;
}

static void on_begin(struct later *l)
{
	struct request *r = ((struct silent *)l->data)->copy;
	if (read_body(r)) {
		METRIC_ADD(r->w->metrics, silent, 1);
		request_run_copy(r);
	} else {
		request_end(r);
	}
}

static const struct dialect *plain_dialect(const struct dialect *d)
{
	return d == &dialect_gemini_stream || d == &dialect_gemini_array ? &dialect_gemini_chat
									 : d;
}

static bool fill_copy(struct request *to, const struct request *r, struct str group)
{
	to->endpoint = r->endpoint;
	to->dialect = plain_dialect(r->dialect);
	to->requested_model = group;	/* lies in the snapshot, which it holds */
	to->q.body = arena_dup(to->mem, r->q.body);
	to->wish.region = arena_dup(to->mem, r->wish.region);	/* it may not leave it, either */
	return to->q.body.p && to->wish.region.p && to->call_id.p && pays_operator(to);
}

static void put_text(char *to, size_t room, struct str s)
{
	size_t n = s.n < room - 1 ? s.n : room - 1;
	memcpy(to, s.p, n);
	to[n] = '\0';
}

void silent_start(struct request *r)
{
	struct str group = snap_text(r->snap, r->deployment->silent);
	if (r->silent || r->raw || r->q.conversation_id.p || !r->q.body.p)
		return;
	struct silent *s = r->w->n_copies < COPIES_MAX ? mem_alloc(sizeof *s) : NULL;
	struct request *copy = s ? request_new_copy(r) : NULL;
	if (!copy) {
		mem_free(s);
		METRIC_ADD(r->w->metrics, silent_skipped, 1);
		return;
	}
	r->w->n_copies++;
	*s = (struct silent){ .copy = copy };
	put_text(s->call_id, sizeof s->call_id, r->call_id);
	put_text(s->group, sizeof s->group, group);
	r->silent = copy->silent = s;
	if (fill_copy(copy, r, group))
		later_start(r->w->wheel, &s->begin, 0, on_begin, s);
	else
		request_end(copy);
}

/* ---- ends ---- */

static struct side *side_of(struct request *r)
{
	return r->is_copy ? &r->silent->silent : &r->silent->client;
}

void silent_take_text(struct request *r, const struct buf *text)
{
	struct side *s = side_of(r);
	if (!text || text->failed)
		return;
	s->has_text = true;
	s->text_hash = hash_stable(buf_str(text));
	s->text_bytes = text->n;
}

static void tell(struct worker *w, const struct silent *s)
{
	const struct side *a = &s->client, *b = &s->silent;
	bool both = a->outcome == OUTCOME_OK && b->outcome == OUTCOME_OK;
	bool is_equal = both && a->has_text && b->has_text && a->text_hash == b->text_hash &&
			a->text_bytes == b->text_bytes;
	if (is_equal)
		METRIC_ADD(w->metrics, silent_equal, 1);
	LOG(LOG_INFO, "silent.compared", F_Z("call_id", s->call_id), F_Z("silent_model", s->group),
	    F_Z("outcome", outcome_rows[a->outcome].name),
	    F_Z("silent_outcome", outcome_rows[b->outcome].name), F_INT("equal", is_equal),
	    F_INT("bytes", a->text_bytes), F_INT("silent_bytes", b->text_bytes),
	    F_INT("tokens_out", a->tokens_out), F_INT("silent_tokens_out", b->tokens_out),
	    F_INT("ms", a->ns / NS_PER_MS), F_INT("silent_ms", b->ns / NS_PER_MS),
	    F_MONEY("cost", a->cost_nano), F_MONEY("silent_cost", b->cost_nano));
}

void silent_end(struct request *r)
{
	struct silent *s = r->silent;
	struct side *side = side_of(r);
	side->is_known = true;
	side->outcome = r->outcome;
	side->cost_nano = r->cost_nano;
	side->tokens_out = r->tally.usage.output;
	side->ns = clock_ns() - r->start_ns;
	r->silent = NULL;
	if (r->is_copy) {
		later_stop(&s->begin);
		s->copy = NULL;
		r->w->n_copies--;
		if (r->outcome != OUTCOME_OK)
			METRIC_ADD(r->w->metrics, silent_failed, 1);
	}
	if (!s->client.is_known || !s->silent.is_known)
		return;
	tell(r->w, s);
	mem_free(s);
}

void silent_cancel_all(struct worker *w)
{
	for (struct request *r = w->requests, *next; r; r = next) {
		next = r->next;
		if (r->is_copy)
			request_end(r);
	}
}
