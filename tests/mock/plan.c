/* SPDX-License-Identifier: MIT
 * plan.c - from a request to the answer that it is to get: endpoint, script, status, usage. */
#include "tests/mock/mock.h"
#include "tests/mock/sigv4.h"

static uint64_t hash_of(struct span s)
{
	uint64_t h = 0xcbf29ce484222325;
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3;
	return h ? h : 1;
}

/* How often was this model asked for before? A full table counts no more. */
static uint64_t times_asked(struct mock *m, struct span model)
{
	uint64_t hash = hash_of(model);
	for (size_t i = 0; i < FAILN_SLOTS; i++) {
		size_t at = (size_t)((hash + i) % FAILN_SLOTS);
		if (m->failn[at].model == 0)
			m->failn[at].model = hash;
		if (m->failn[at].model == hash)
			return m->failn[at].count++;
	}
	return UINT64_MAX;
}

static struct capacity *capacity_of(struct mock *m, struct span model)
{
	uint64_t hash = hash_of(model);
	for (size_t i = 0; i < CAP_MODELS; i++) {
		struct capacity *k = &m->capacity[(hash + i) % CAP_MODELS];
		if (k->model == 0)
			k->model = hash;
		if (k->model == hash)
			return k;
	}
	return NULL;
}

/* Takes the place that is free first, for ttft; a request that sheds and finds none is refused.
 * A client that leaves frees nothing, as with many a server. */
static void take_place(struct conn *c, struct script *s)
{
	struct capacity *k = s->cap > 0 ? capacity_of(c->mock, span_of(&c->ask.model)) : NULL;
	uint64_t now = uv_now(&c->mock->loop), *first;
	if (!k)
		return;
	first = &k->free_at[0];
	for (int64_t i = 1; i < s->cap && i < CAP_MAX; i++)
		if (k->free_at[i] < *first)
			first = &k->free_at[i];
	if (*first > now && s->shed) {
		s->status = 429;
		s->ttft = -1;
		return;
	}
	c->play.queued_ms = *first > now ? *first - now : 0;
	*first = now + c->play.queued_ms + (uint64_t)(s->ttft > 0 ? s->ttft : 0);
}

static void read_script(struct conn *c, struct script *s)
{
	struct span model = span_of(&c->ask.model);
	c->ask.script_text.n = 0;
	buf_reserve(&c->ask.script_text, model.n + 1);
	script_read(s, model, c->ask.script_text.p);
	if (s->failn < 0 && s->slowafter < 0)
		return;
	uint64_t before = times_asked(c->mock, model);
	if (s->slowafter >= 0 && before < (uint64_t)s->slowafter)
		s->ttft = -1;
	if (s->failn < 0)
		return;
	if (before >= (uint64_t)s->failn)
		script_forgive(s);
	else if (!script_fails(s))
		s->status = 500;
}

static unsigned status_of(const struct script *s)
{
	if (s->stranger.p)
		return 400;
	if (s->status >= 100 && s->status <= 999 && s->errat < 0)
		return (unsigned)s->status;
	if (s->redirect.p)
		return 307;
	if (s->keyecho)
		return 401;
	return s->errbody.p ? 500 : 200;
}

static void write_alive(struct buf *out, struct answer *a)
{
	(void)a;
	BUF_PUT_LIT(out, "Ollama is running");
}

static const struct endpoint nowhere = { "", "", NULL, false, 0, write_alive, NULL,
					 openai_write_error };

static struct span path_of(const struct conn *c)
{
	const char *query = c->url.n ? memchr(c->url.p, '?', c->url.n) : NULL;
	return (struct span){ c->url.p, query ? (size_t)(query - c->url.p) : c->url.n };
}

/* What stands between a mark and the last `end`, its %XX undone: the MODEL of
 * "/v1beta/models/MODEL:verb" or "/model/MODEL/verb". */
static void take_model(struct buf *model, struct span path, const char *mark, char end)
{
	const char *last = memrchr(path.p, end, path.n);
	const char *from = memmem(path.p, path.n, mark, strlen(mark));
	model->n = 0;
	if (!from || !last || last < from + strlen(mark))
		return;
	from += strlen(mark);
	size_t n = (size_t)(last - from);
	buf_reserve(model, n + 1);
	model->n = script_decode((struct span){ from, n }, model->p);
}

static const char *check_signature(const struct conn *c, const char *method)
{
	return sigv4_complaint(method, span_of(&c->url), span_of(&c->headers), span_of(&c->body));
}

/* "/MODEL/generate" or "/MODEL/predictions", the model's %XX undone. */
static void take_part(struct buf *model, struct span path)
{
	const char *end = memrchr(path.p, '/', path.n);
	const char *from = end ? memrchr(path.p, '/', (size_t)(end - path.p)) : NULL;
	model->n = 0;
	if (!from)
		return;
	size_t n = (size_t)(end - from) - 1;
	buf_reserve(model, n + 1);
	model->n = script_decode((struct span){ from + 1, n }, model->p);
}

static void choose_status(struct conn *c, const char *method)
{
	struct answer *a = &c->play.answer;
	struct span path = path_of(c);
	bool known;
	bool is_json = skim_read(&c->ask, span_of(&c->body));
	a->endpoint = endpoint_find(method, path, &known);
	if (raw_has(a->endpoint) && !is_json) {
		struct span model = raw_form_model(span_of(&c->body));
		c->ask.model.n = 0;
		buf_put_span(&c->ask.model, model);
	}
	if (a->endpoint && a->endpoint->path[0] == ':')
		take_model(&c->ask.model, path, "/models/", ':');
	else if (bedrock_has(a->endpoint))
		take_model(&c->ask.model, path, "/model/", '/');
	else if (tgi_has(a->endpoint) || replicate_has(a->endpoint))
		take_part(&c->ask.model, path);
	if (token_has(a->endpoint))
		is_json = token_read(&c->ask, span_of(&c->url), span_of(&c->body));
	read_script(c, &a->script);
	take_place(c, &a->script);
	if (a->script.json && c->ask.forces_tool && a->script.tools <= 0)
		a->script.tools = 1;	/* what it is called with is the JSON */
	a->status = status_of(&a->script);
	if (bedrock_has(a->endpoint))
		a->complaint = check_signature(c, method);
	if (a->complaint)
		a->status = 403;
	if (!a->endpoint) {
		a->endpoint = &nowhere;
		a->status = known ? 405 : path.n > 1 ? 404 : 200;
	} else if (!is_json && a->endpoint->method[0] == 'P' && !raw_has(a->endpoint)) {
		a->status = 400;
	}
}

void plan_answer(struct conn *c, const char *method)
{
	struct play *p = &c->play;
	struct answer *a = &p->answer;
	const struct script *s = &a->script;
	a->ask = &c->ask;
	a->method = (struct span){ method, strlen(method) };
	a->path = span_of(&c->url);
	a->headers = span_of(&c->headers);
	a->body = span_of(&c->body);
	choose_status(c, method);
	a->prompt_tokens = s->prompt >= 0 ? (uint64_t)s->prompt : c->body.n / 4;
	a->out_tokens = (uint64_t)(s->out >= 0 ? s->out : s->tokens + s->think);
	bool is_wanted = c->ask.stream >= 0 ? c->ask.stream : a->endpoint->is_ndjson;
	if (gemini_has(a->endpoint))
		is_wanted = gemini_streams(a->endpoint);
	if (bedrock_has(a->endpoint))
		is_wanted = bedrock_streams(a->endpoint);
	if (tgi_has(a->endpoint))
		is_wanted = true;
	p->is_streaming = a->endpoint->stream_type && !answer_is_error(a) && is_wanted;
	p->is_chunked = p->is_streaming && c->is_http11;
	const char *type = p->is_streaming ? a->endpoint->stream_type : "application/json";
	if (!p->is_streaming && !answer_is_error(a) && raw_has(a->endpoint))
		type = raw_type(a->endpoint);
	p->content_type = (struct span){ type, strlen(type) };
	if (s->h1close || s->badlen || (p->is_streaming && !c->is_http11))
		c->keeps_alive = false;
}

void plan_write_error(struct conn *c, struct buf *body)
{
	struct answer *a = &c->play.answer;
	struct buf message = { 0 };
	if (a->script.errbody.p) {
		buf_put_span(body, a->script.errbody);
		return;
	}
	if (a->complaint) {
		BUF_PUT_LIT(&message, "mock: the signature is not good: ");
		buf_put_z(&message, a->complaint);
	} else if (a->script.keyecho) {
		BUF_PUT_LIT(&message, "mock: incorrect API key provided: ");
		struct span key = header_find(span_of(&c->headers), "authorization");
		if (!key.p)
			key = header_find(span_of(&c->headers), "x-api-key");
		if (!key.p)
			key = header_find(span_of(&c->headers), "x-goog-api-key");
		buf_put_span(&message, key);
	} else if (a->script.stranger.p) {
		BUF_PUT_LIT(&message, "mock: wrong word in the model's script: ");
		buf_put_span(&message, a->script.stranger);
	} else {
		BUF_PUT_LIT(&message, "mock: status ");
		buf_put_u64(&message, a->status);
	}
	a->endpoint->write_error(body, a, span_of(&message));
	buf_done(&message);
}
