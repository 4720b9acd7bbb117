/* SPDX-License-Identifier: MIT
 * export.c - see export.h. */
#include "worker/settle/export.h"

#include "common/cache.h"
#include "common/record.h"
#include "worker/known.h"
#include "worker/request.h"
#include "worker/settle/account.h"
#include "worker/switches.h"
#include "worker/trace.h"

static uint32_t small(uint64_t v)
{
	return v < UINT32_MAX ? (uint32_t)v : UINT32_MAX;
}

/* Returns which callbacks its client has named that shall not be told. */
static struct str put_trace(struct record *to, const struct request *r)
{
	struct trace fresh;
	const struct trace *t = r->trace;
	if (!t) {			/* it has not come as far as an attempt */
		trace_init(&fresh, r);
		t = &fresh;
	}
	memcpy(to->trace, t->id, sizeof to->trace);
	memcpy(to->span, t->span, sizeof to->span);
	memcpy(to->parent, t->parent, sizeof to->parent);
	to->flags |= (t->has_parent ? RF_HAS_PARENT : 0) | (t->is_sampled ? RF_SAMPLED : 0);
	to->attempts_made = r->attempts;
	to->n_attempts = (uint8_t)t->n_attempts;
	memcpy(to->attempts, t->attempts, sizeof to->attempts);
	for (unsigned i = 0; i < to->n_attempts; i++) {
		struct record_attempt *a = &to->attempts[i];
		if (a->end_ns)
			continue;
		a->end_ns = to->end_ns;		/* it was under way when the request ended */
		a->outcome = (uint16_t)r->outcome;
		a->flags |= r->outcome == OUTCOME_OK ? 0 : RA_FAILED;
	}
	return t->skip;
}

/* An answer that is given once more: what it was when it was made, at no cost. */
static void put_made(struct record *to, const struct request *r)
{
	const struct cache_info *made = known_made(r);
	if (!made)
		return;
	to->input = made->input;
	to->output = made->output;
	to->saved_nano = made->cost_nano;
}

static void put_usage(struct record *to, const struct request *r)
{
	const struct usage *u = &r->tally.usage;
	if (!r->settled_seq)
		return;
	to->flags |= RF_SETTLED | (u->estimated ? RF_ESTIMATED : 0);
	to->input = small(u->input);
	to->output = small(u->output);
	to->cache_read = small(u->cache_read);
	to->cache_write = small(u->cache_write);
	to->reasoning = small(u->reasoning);
	to->media_input = small(u->media_input);
	to->media_output = small(u->media_output);
	to->images = small(u->images);
	to->milliseconds = small(u->milliseconds);
	to->characters = small(u->characters);
	to->searches = small(u->searches);
	to->cost_nano = r->cost_nano;
}

static float number(struct str s, float otherwise)
{
	double v;
	return s.n && str_read_double(s, &v) == 0 ? (float)v : otherwise;
}

static enum record_format format_of(const struct llm_request *q)
{
	return q->format == FORMAT_UNSET ? RECORD_FORMAT_NONE
	       : q->format == FORMAT_TEXT ? RECORD_FORMAT_TEXT : RECORD_FORMAT_JSON;
}

static void put_parameters(struct record *to, const struct request *r)
{
	to->max_tokens = small(r->q.max_tokens);
	to->temperature = number(r->q.temperature, -1);
	to->top_p = number(r->q.top_p, -1);
	to->top_k = number(r->q.top_k, RECORD_NO_NUMBER);
	to->presence_penalty = number(r->q.presence_penalty, RECORD_NO_NUMBER);
	to->frequency_penalty = number(r->q.frequency_penalty, RECORD_NO_NUMBER);
	to->flags |= r->q.seed.n && str_read_i64(r->q.seed, &to->seed) == 0 ? RF_SEED : 0;
	to->choices = (uint8_t)(r->q.n < UINT8_MAX ? r->q.n : UINT8_MAX);
	to->format = (uint8_t)format_of(&r->q);
	to->finish = (uint8_t)r->tally.finish;
}

static struct str upstream_model(const struct request *r, const struct snap_deployment *d)
{
	return d->flags & DEPLOY_WILDCARD && r->group
		       ? snap_upstream_model(r->snap, r->group, d, request_model(r), r->mem)
		       : snap_text(r->snap, d->model);
}

/* What is said of it to Langfuse beside the body, as LiteLLM has it: headers langfuse_NAME. One
 * that finds no room is left out whole. */
static struct str langfuse_headers(const struct request *r)
{
	const struct str prefix = STR("langfuse_");
	char *lines = NULL;
	size_t n = 0;
	for (unsigned i = 0; r->http && i < r->http->n_headers; i++) {
		const struct http_header *h = &r->http->headers[i];
		struct str name = str_skip(h->name, prefix.n);
		if (!str_starts(h->name, prefix) || !name.n || !h->value.n ||
		    name.n + h->value.n + 2 > RECORD_LANGFUSE - n)
			continue;
		if (!lines && !(lines = arena_alloc(r->mem, RECORD_LANGFUSE)))
			return STR_NONE;
		memcpy(lines + n, name.p, name.n);
		lines[n + name.n] = ' ';
		memcpy(lines + n + name.n + 1, h->value.p, h->value.n);
		n += name.n + h->value.n + 2;
		lines[n - 1] = '\n';
	}
	return str_of(lines, n);
}

static void put_texts(struct record *to, const struct request *r, struct str skip)
{
	const struct snap_deployment *d = known_deployment(r);
	record_put(to, RT_CALL_ID, r->call_id);
	record_put(to, RT_MODEL, r->requested_model);
	if (r->group)
		record_put(to, RT_GROUP, snap_text(r->snap, r->group->name));
	if (d) {
		record_put(to, RT_DEPLOYMENT, snap_text(r->snap, d->id));
		record_put(to, RT_PROVIDER, snap_text(r->snap, d->provider));
		record_put(to, RT_UPSTREAM, upstream_model(r, d));
		record_put(to, RT_BASE, snap_text(r->snap, d->base));
	}
	record_put(to, RT_ROUTE, str_z(r->endpoint->path));
	record_put(to, RT_ALIAS, r->key.alias);
	record_put(to, RT_USER, r->key.user_id);
	record_put(to, RT_TEAM, r->key.team_id);
	record_put(to, RT_ORGANIZATION, r->key.organization_id);
	record_put(to, RT_END_USER, r->end_user.n ? r->end_user : r->q.user);
	record_put(to, RT_USER_AGENT, r->http ? http_header(r->http, "user-agent") : STR_NONE);
	record_put(to, RT_OUTCOME, str_z(outcome_rows[r->outcome].name));
	record_put(to, RT_ERROR, str_z(outcome_rows[r->outcome].type));
	record_put(to, RT_SKIP, skip);
	record_put(to, RT_CACHE_KEY, known_cache_key(r));
	record_put(to, RT_SESSION, wish_session(r->mem, r->http, &r->q));
	record_put(to, RT_LANGFUSE, langfuse_headers(r));
	record_put_tags(to, r->wish.tags, r->wish.n_tags);
}

void export_record(struct request *r, uint64_t now_ns)
{
	struct record_ring *ring = &r->w->board.records[r->w->slot];
	if (!r->endpoint || !(r->endpoint->flags & EP_LLM))
		return;
	struct record *to = record_begin(ring);
	if (!to) {
		METRIC_ADD(r->w->metrics, records_dropped, 1);
		return;
	}
	memcpy(to->request_id, r->id, sizeof to->request_id);
	memcpy(to->client_ip, r->client_ip, sizeof to->client_ip);
	memcpy(to->key_hash, r->key.hash.b, sizeof to->key_hash);
	to->start_ns = r->start_wall_ns;
	to->first_token_ns = r->first_token_wall_ns;
	to->end_ns = r->start_wall_ns + (now_ns - r->start_ns);
	to->upstream_ns = r->upstream_ns;
	to->status = (uint16_t)r->status;
	to->call = account_call(r);
	to->flags = (r->q.is_stream ? RF_STREAM : 0) |
		    (r->outcome != OUTCOME_OK ? RF_FAILED : 0) |
		    (r->is_client_gone ? RF_CLIENT_GONE : 0) |
		    (r->key.id || r->is_admin ? RF_HAS_KEY : 0) |
		    (known_is_replay(r) ? RF_CACHE_HIT : 0);
	to->flags |= ((r->key.flags | r->team.flags) & KEY_LOGGED ? RF_OWN : 0) |
		     (switches_no_log(r) ? RF_NO_LOG : 0) | (r->fallbacks ? RF_FALLBACK : 0);
	to->flags |= r->told_flags;
	put_usage(to, r);
	put_made(to, r);
	put_parameters(to, r);
	put_texts(to, r, put_trace(to, r));
	record_commit(ring);
}
