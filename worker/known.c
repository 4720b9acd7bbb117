/* SPDX-License-Identifier: MIT
 * known.c - see known.h: what the request that leads does, and the stage. */
#include "worker/known.h"

#include <errno.h>

#include "common/log.h"
#include "worker/answer.h"
#include "worker/cached.h"
#include "worker/exchange/client_headers.h"
#include "worker/flight.h"
#include "worker/keep.h"

/* ---- the answer ----------------------------------------------------------------------------- */

static bool is_final(const struct request *r)
{
	switch (r->outcome) {
	case OUTCOME_OK:
		return r->status / 100 == 2;
	case OUTCOME_UP_BAD_REQUEST:
	case OUTCOME_UP_UNPROCESSABLE:
	case OUTCOME_UNSUPPORTED_PARAM:
	case OUTCOME_CONTEXT_LENGTH:
	case OUTCOME_CONTENT_POLICY:
		return r->attempts > 0 &&
		       (r->status == 400 || r->status == 413 || r->status == 422);
	default:
		return false;
	}
}

/* False: it does not fit. */
static bool collect(struct flight *f, int status, struct str lines, struct str first,
		    struct str rest)
{
	/* The cache has a place of its own for what is known of the making. */
	const struct answer_head h = { status, lines, f->has_made && !f->is_cached, f->made };
	answer_write_head(&f->head, &h);
	buf_put(&f->body, first);
	buf_put(&f->body, rest);
	if (f->head.failed || f->body.failed) {
		buf_done(&f->head);
		buf_done(&f->body);
		f->err = -EFBIG;
	}
	return !f->err;
}

static bool collect_answer(struct flight *f, struct request *r)
{
	struct conn_copy *copy = &r->known->copy;
	if (!r->is_streaming)
		return collect(f, r->status, buf_str(&r->final_head), buf_str(&r->final_body),
			       STR_NONE);
	if (copy->head.failed || copy->body.failed) {
		f->err = -EFBIG;
		return false;
	}
	return collect(f, copy->status, buf_str(&copy->head), buf_str(&copy->body),
		       buf_str(&r->final_body));
}

static void tell_lost(const struct request *r, int err)
{
	LOG(LOG_WARN, "answer.not_kept", F_STR("call_id", r->call_id), F_STR("key", r->key.alias),
	    F_INT("errno", -err));
}

static void stop_copying(struct request *r)
{
	if (r->conn)
		conn_copy_to(r->conn, NULL);
	buf_done(&r->known->copy.head);
	buf_done(&r->known->copy.body);
}

/* The leader has what it came for. */
static void detach(struct flight *f, struct request *r)
{
	f->leader = NULL;
	r->known->flight = NULL;
	if (f->is_local && f->err)
		flight_pass_on(f);
	else
		flight_give_all(f);
}

static void on_kept(struct request *r, int err, const struct kept *kept)
{
	struct flight *f = r->known->flight;
	(void)kept;
	if (err)
		tell_lost(r, err);
	detach(f, r);
	r->known->done(r);
}

static int put(struct flight *f, struct request *r, bool has_to_wait)
{
	char id[LINK_KEEP_ID_MAX + 1];
	const struct kept texts = { buf_str(&f->head), buf_str(&f->body) };
	struct str name = flight_id(f, id);
	int err = has_to_wait ? keep_call(r, LINK_KEEP_ANSWER, name, &texts, on_kept)
			      : keep_post(f->w, LINK_KEEP_ANSWER, f->owner, name, &texts);
	if (err)
		tell_lost(r, err);
	else
		f->has_claim = false;	/* the master ends it when it has the answer */
	return err;
}

bool known_keep(struct request *r, known_done_fn *done)
{
	struct known *k = r->known;
	struct flight *f = k ? k->flight : NULL;
	if (!f || f->state != FLIGHT_LED || !is_final(r))
		return false;
	f->has_made = r->outcome == OUTCOME_OK && r->status == 200 && !r->tally.has_error;
	if (f->has_made)
		f->made = cached_info(r);
	f->has_made &= collect_answer(f, r);
	if (f->err && !f->is_local) {
		tell_lost(r, -EFBIG);
		if (!r->is_streaming)
			BUF_PUT_LIT(&r->final_head, "idempotency-kept: false\r\n");
	}
	if (f->is_cached && f->has_made) {
		cached_put(r->w, &f->cached, &f->made, buf_str(&f->head), buf_str(&f->body));
		f->has_claim = false;
	}
	stop_copying(r);
	k->done = done;
	if (f->is_local || put(f, r, true)) {
		detach(f, r);
		return false;
	}
	flight_enter(f, FLIGHT_KEEPING);
	return true;
}

bool known_goes_on(const struct request *r)
{
	const struct flight *f = r->known ? r->known->flight : NULL;
	if (!f || f->leader != r || f->state != FLIGHT_LED)
		return false;
	return !f->is_local || f->waiting;
}

/* ---- ends ----------------------------------------------------------------------------------- */

/* A refusal of the provider's comes the same way again. */
static bool keep_refusal(struct flight *f, struct request *r)
{
	const struct conn_copy *copy = &r->known->copy;
	if (!copy->is_whole || copy->head.failed || copy->body.failed || !is_final(r) ||
	    !collect(f, copy->status, buf_str(&copy->head), buf_str(&copy->body), STR_NONE))
		return false;
	if (!f->is_local)
		(void)(put(f, r, false) == 0);
	return true;
}

static void leader_ends(struct flight *f, struct request *r)
{
	f->leader = NULL;
	switch (f->state) {
	case FLIGHT_ASKING:
		flight_unask(f);
		break;
	case FLIGHT_LED:
		if (keep_refusal(f, r)) {
			flight_give_all(f);
			break;
		}
		flight_pass_on(f);
		break;
	default:
		flight_give_all(f);		/* it left while its answer was being kept */
	}
}

void known_forget(struct request *r)
{
	struct known *k = r->known;
	struct flight *f = k ? k->flight : NULL;
	if (!k)
		return;
	if (f && f->leader == r)
		leader_ends(f, r);
	else if (f)
		flight_leave(f, r);
	if (f && f->state == FLIGHT_ELSEWHERE && !f->waiting)
		flight_free(f);
	k->flight = NULL;
	stop_copying(r);
}

/* ---- the stage ------------------------------------------------------------------------------ */

static struct str bytes_of(const void *p, size_t n)
{
	return str_of((const char *)p, n);
}

/* Whose a header is: its key's. What has no row of its own is told apart by name. */
static void name_keyed(const struct request *r, struct str key, struct flight *f)
{
	const struct str whose[] = { bytes_of(&r->key.id, sizeof r->key.id),
				     bytes_of(r->key.hash.b, sizeof r->key.hash.b),
				     r->key.user_id, r->key.team_id, key };
	const struct str what[] = { r->http->path, r->http->query, conn_body(r->conn) };
	f->name = answer_digest(whose, COUNT(whose));
	f->print = answer_digest(what, COUNT(what));
}

/* What a client says beside the body, where it may change the answer. */
static struct sha256 digest_headers(const struct request *r)
{
	static const char *const prefixes[] = { "x-litellm-", "anthropic-", "openai-", "x-goog-" };
	struct sha256 all[2] = { 0 };
	for (unsigned i = 0; i < r->http->n_headers; i++) {
		const struct http_header *h = &r->http->headers[i];
		const struct str pair[] = { bytes_of(&all[0], sizeof all[0]), h->name, h->value };
		bool counts = client_headers_has(r, h->name);
		for (size_t j = 0; j < COUNT(prefixes); j++)
			counts |= str_starts(h->name, str_z(prefixes[j])) &&
				  !str_eq(h->name, STR("x-litellm-call-id"));
		if (counts)
			all[0] = answer_digest(pair, COUNT(pair));
	}
	return all[0];
}

static void name_single(const struct request *r, struct flight *f)
{
	struct sha256 headers = digest_headers(r);
	const struct str parts[] = { STR("single flight"),
				     bytes_of(&r->key.id, sizeof r->key.id),
				     bytes_of(r->key.hash.b, sizeof r->key.hash.b),
				     r->key.user_id, r->key.team_id,
				     bytes_of(&snap_head(r->snap)->generation,
					      sizeof snap_head(r->snap)->generation),
				     bytes_of(headers.b, sizeof headers.b),
				     r->http->path, r->http->query, conn_body(r->conn) };
	f->name = answer_digest(parts, COUNT(parts));
	f->print = f->name;
	f->is_local = true;
}

/* Without a flight it goes its way: STEP_NEXT where nothing was promised. */
static enum step begin(struct request *r, const struct flight *like)
{
	struct flight *f = flight_find(r->w, &like->name);
	if (f && !hash_sha256_eq(&f->print, &like->print))
		return flight_refuse(r, -EEXIST);
	struct known *k = arena_alloc(r->mem, sizeof *k);
	if (k && !f)
		f = flight_new(r, like);
	else if (k) {
		r->known = k;
		flight_wait(f, r);
		return STEP_WAIT;
	}
	if (!f)
		return like->is_local ? STEP_NEXT : flight_refuse(r, -ENOMEM);
	r->known = k;
	if (f->is_local) {
		flight_lead(f, r);
		return STEP_NEXT;
	}
	int err = flight_ask(f, r);
	if (!err)
		return STEP_WAIT;
	flight_free(f);
	return flight_refuse(r, err);
}

/* Under the cache's name; where the answer must be made anew, under one of its own. */
static void name_cached(const struct request *r, const struct cached *c, struct flight *f)
{
	const struct str own[] = { bytes_of(c->key.b, sizeof c->key.b),
				   bytes_of(r->id, sizeof r->id) };
	f->name = c->may_read ? c->key : answer_digest(own, COUNT(own));
	f->print = f->name;
	f->is_local = true;
	f->is_cached = true;
	f->cached = *c;
}

static enum step give_hit(struct request *r, const struct cache_info *info, struct str text)
{
	const struct replay p = { str_of(text.p, info->head_n), str_skip(text, info->head_n), true,
				  NULL, info };
	METRIC_ADD(r->w->metrics, cache_hits, 1);
	METRIC_ADD(r->w->metrics, cache_saved_nano, info->cost_nano > 0 ? info->cost_nano : 0);
	r->known->word = "hit";
	flight_replay(r, &p);
	return STEP_DONE;
}

/* It is not there, or shall not be read: r makes it, alone or for others who come meanwhile. */
static enum step make_cached(struct request *r, const struct cached *c, int err)
{
	struct flight like = { 0 }, *f = NULL;
	if (c->may_keep) {
		name_cached(r, c, &like);
		f = flight_new(r, &like);
		if (!f && err == -ENOENT)
			cached_drop(r->w, c);
	}
	if (!f) {
		flight_missed(r);
		return STEP_NEXT;
	}
	f->has_claim = err == -ENOENT;
	if (err == -EINPROGRESS) {
		flight_wait(f, r);
		flight_await(f);
		return STEP_WAIT;
	}
	flight_lead(f, r);
	return STEP_NEXT;
}

static enum step ask_cache(struct request *r, const struct cached *c)
{
	struct flight *f = c->may_read ? flight_find(r->w, &c->key) : NULL;
	struct cache_info info;
	struct buf text;
	int err = -ECANCELED;
	if (f) {
		flight_wait(f, r);
		return STEP_WAIT;
	}
	cached_init_text(r->w, &text);
	if (c->may_read)
		err = cached_find(r->w, c, c->may_keep, &info, &text);
	enum step step = err == 0 ? give_hit(r, &info, buf_str(&text)) : make_cached(r, c, err);
	buf_done(&text);
	return step;
}

/* False: it goes its way without the cache. */
static bool begin_cached(struct request *r, enum step *ret)
{
	struct cached *c;
	*ret = cached_read(r, &c);
	if (*ret == STEP_DONE)
		return true;
	if (!c || !(r->known = arena_alloc(r->mem, sizeof *r->known)))
		return false;
	r->known->cached = c;
	*ret = ask_cache(r, c);
	return true;
}

bool known_is_replay(const struct request *r)
{
	return r->known && r->known->is_replay;
}

void known_headers(const struct request *r, struct buf *out)
{
	const struct known *k = r->known;
	if (!k->cached || !k->word)
		return;
	buf_printf(out, "x-litellm-cache-key: %s\r\nx-llmgw-cache: %s\r\n", k->cached->name,
		   k->word);
}

const char *known_word(const struct request *r)
{
	return r->known && r->known->cached && r->known->word ? r->known->word : NULL;
}

struct str known_cache_key(const struct request *r)
{
	return r->known && r->known->cached ? str_z(r->known->cached->name) : STR_NONE;
}

const struct cache_info *known_made(const struct request *r)
{
	return known_is_replay(r) && r->known->has_made ? &r->known->made : NULL;
}

static bool may_be_known(const struct request *r)
{
	return str_eq(r->http->method, STR("POST")) && !(r->raw && r->raw->is_tunnel);
}

enum step known_stage(struct request *r)
{
	const struct snap_settings *s = snap_settings(r->snap);
	struct str header = r->http->idempotency_key;
	struct flight like = { 0 };
	enum step step;
	if (!header.p && !(s->flags & (SET_SINGLE_FLIGHT | SET_CACHE)))
		return STEP_NEXT;
	if (!may_be_known(r))
		return STEP_NEXT;
	if (header.p && s->is_idempotent) {
		struct str key = answer_key(header);
		if (!key.p)
			return request_fail(r, OUTCOME_BAD_REQUEST, "Idempotency-Key",
					    "Idempotency-Key: 1 to %d printable characters of ASCII",
					    ANSWER_KEY_MAX);
		name_keyed(r, key, &like);
	} else if (!r->raw && s->flags & SET_CACHE && r->w->cache && begin_cached(r, &step)) {
		return step;
	} else if (r->raw || !(s->flags & SET_SINGLE_FLIGHT)) {
		return STEP_NEXT;
	} else {
		name_single(r, &like);
	}
	return begin(r, &like);
}

const struct snap_deployment *known_deployment(const struct request *r)
{
	const struct cache_info *made = known_made(r);
	for (uint32_t i = 0; made && r->group && i < r->group->members.count; i++) {
		const struct snap_deployment *d =
			snap_deployment(r->snap, snap_member(r->snap, r->group, i));
		if (d->id_hash == made->deployment)
			return d;
	}
	return r->deployment;
}
