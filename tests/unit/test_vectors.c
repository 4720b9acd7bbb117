/* SPDX-License-Identifier: MIT
 * test_vectors.c - what each dialect makes of what each provider says, by files.
 *
 * tests/vectors/<provider's name>/ holds, for each NAME:
 *   NAME.request.json    what the client asks, in OpenAI's words
 *   NAME.upstream.out    path, headers of that call and body that the provider gets
 *   NAME.in              what it answers: a stream's bytes if a stream was asked for
 *   NAME.<dialect>.out   what the client gets in that dialect, the long way
 *   NAME.short.out       the same, the short way
 *   NAME.own.out         in a client's folder: what it gets in its own dialect, the long way
 *   (of reranking NAME begins with the provider's, as in etc/providers.tsv: voyage_plain)
 * A folder of a client dialect (see client_folders) has requests in that dialect's own words.
 * Whatever .out file is there is compared; streams are cut at every byte. And in every dialect: what
 * a client gets, taken for what a provider of that format says, gives the same again. A new folder or file is
 * found by itself. With LLMGW_WRITE_VECTORS set the .out files are written instead. */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/hash.h"
#include "worker/client/dialect.h"
#include "worker/client/dialect_anthropic.h"
#include "worker/client/dialect_responses.h"
#include "worker/exchange/provider.h"
#include "worker/exchange/provider_anthropic.h"

enum { FILE_MAX = 1 << 20, NAME_ROOM = 1024 };

struct vector {
	char base[NAME_ROOM];		/* path up to the name's end */
	const struct provider *provider;
	const struct dialect *own;	/* of a client's folder; NULL: OpenAI's */
	struct arena *mem, *scratch;
	struct buf request, in;
	struct llm_request q;
	enum stream_framing framing;
	unsigned compared;
};

/* --- files --- */

static bool read_file(const char *path, struct buf *to)
{
	char piece[4096];
	size_t n;
	FILE *f = fopen(path, "rb");
	if (!f)
		return false;
	while ((n = fread(piece, 1, sizeof piece, f)) > 0)
		buf_put(to, str_of(piece, n));
	fclose(f);
	assert_false(to->failed);
	return true;
}

static bool read_beside(const struct vector *v, const char *ending, struct buf *to)
{
	char path[NAME_ROOM + 64];
	snprintf(path, sizeof path, "%s%s", v->base, ending);
	return read_file(path, to);
}

static void write_beside(const struct vector *v, const char *ending, struct str text)
{
	char path[NAME_ROOM + 64];
	snprintf(path, sizeof path, "%s%s", v->base, ending);
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
	fclose(f);
}

/* --- the long way and the short one --- */

struct run {
	struct vector *v;
	const struct dialect *dialect;
	struct provider_reader reader;
	struct dialect_answer answer;
	bool is_short;
	struct buf out;
};

static int take_event(void *data, const struct llm_event *ev)
{
	struct run *r = data;
	if (r->v->q.is_stream)
		return r->dialect->write_event(&r->answer, ev, &r->out);
	return r->dialect->collect(&r->answer, ev);
}

static int on_stream_event(void *data, const struct sse_event *ev)
{
	struct run *r = data;
	int err = 0;
	if (ev->data.p && r->is_short)
		err = r->dialect->forward_event(&r->answer, r->v->scratch, ev, &r->out);
	else if (ev->data.p)
		err = provider_read_event(r->v->provider, &r->reader, r->v->scratch, ev, take_event, r);
	arena_reset(r->v->scratch);
	return r->answer.tally.has_error ? -ECANCELED : err;
}

static int run_stream(struct run *r, size_t cut)
{
	struct llm_event end = { .kind = EV_END };
	struct str in = buf_str(&r->v->in);
	struct sse s;
	sse_init(&s, r->v->framing, FILE_MAX);
	int err = sse_feed(&s, str_of(in.p, cut), on_stream_event, r);
	if (!err)
		err = sse_feed(&s, str_skip(in, cut), on_stream_event, r);
	if (!err)
		err = sse_end(&s, on_stream_event, r);
	sse_done(&s);
	if (!err && !r->answer.is_ended && r->answer.tally.finish != FINISH_NONE)
		err = r->dialect->write_event(&r->answer, &end, &r->out);
	return err;
}

static int run_plain(struct run *r)
{
	struct str body = buf_str(&r->v->in);
	if (r->is_short)
		return r->dialect->forward_answer(&r->answer, body, &r->out);
	int err = r->v->provider->read_answer(&r->reader, body, take_event, r);
	if (err || r->answer.tally.has_error)
		return err;
	return r->dialect->write_answer(&r->answer, &r->out);
}

/* An end that is not good is said in the output, so that a vector can expect it, and gives false. */
static bool run_once(struct run *r, size_t cut)
{
	int err = r->v->q.is_stream ? run_stream(r, cut) : run_plain(r);
	const struct llm_error *e = &r->answer.tally.error;
	if (r->answer.tally.has_error)
		r->dialect->write_error(&r->out, e, e->outcome, outcome_rows[e->outcome].status, STR_NONE,
					r->v->q.is_stream);
	else if (err)
		buf_printf(&r->out, "%s\n", err == -EBADMSG ? "EBADMSG" : strerror(-err));
	else if (r->v->q.is_stream && !r->answer.is_ended)
		BUF_PUT_LIT(&r->out, "CUT\n");
	return !err && !r->answer.tally.has_error && (!r->v->q.is_stream || r->answer.is_ended);
}

static void begin_run(struct run *r, struct vector *v, const struct dialect *d, bool is_short)
{
	*r = (struct run){ .v = v, .dialect = d, .is_short = is_short };
	r->reader = (struct provider_reader){ .mem = v->mem, .q = &v->q };
	r->answer = (struct dialect_answer){
		.mem = v->mem, .q = &v->q, .model = v->q.model, .id = STR("call-1"),
		.created_s = 1700000000, .show_usage = !v->q.is_stream || v->q.wants_usage,
	};
	buf_init(&r->out, FILE_MAX);
}

static void read_request(struct vector *v, const struct dialect *d)
{
	struct dialect_error err = { 0 };
	struct json_error error;
	struct str body = buf_str(&v->request);
	const struct json *root = json_parse(v->mem, body, JSON_ONE_KEY, &error);
	assert_non_null(root);
	v->q = (struct llm_request){ 0 };
	if (d->read_request(v->mem, body, root, &v->q, &err))
		fail_msg("%s: " STR_FMT, v->base, STR_ARG(err.message));
}

static void compare(struct vector *v, const char *ending, struct str got, size_t cut)
{
	struct buf want;
	buf_init(&want, FILE_MAX);
	v->compared++;
	if (getenv("LLMGW_WRITE_VECTORS")) {
		write_beside(v, ending, got);
	} else {
		assert_true(read_beside(v, ending, &want));
		if (!str_eq(buf_str(&want), got))
			print_error("%s%s, cut at %zu:\n" STR_FMT "\n", v->base, ending, cut, STR_ARG(got));
		assert_true(str_eq(buf_str(&want), got));
	}
	buf_done(&want);
}

static bool has(const struct vector *v, const char *ending)
{
	struct buf b;
	buf_init(&b, FILE_MAX);
	bool is_there = read_beside(v, ending, &b);
	buf_done(&b);
	return is_there;
}

/* The first dialect of a kind reads the request for all of that kind. */
static const struct dialect *reader_for(const struct vector *v, const struct dialect *d)
{
	size_t i = 0;
	if (v->own)
		return v->own;
	while (dialects[i]->kind != d->kind)
		i++;
	return dialects[i];
}

static void check_answer(struct vector *v, const struct dialect *d, const char *ending, bool is_short)
{
	struct run r;
	if (!has(v, ending))
		return;
	read_request(v, reader_for(v, d));
	size_t cuts = v->q.is_stream ? v->in.n : 0;
	for (size_t cut = 0; cut <= cuts; cut++) {
		begin_run(&r, v, d, is_short);
		run_once(&r, cut);
		compare(v, ending, buf_str(&r.out), cut);
		buf_done(&r.out);
		arena_reset(v->mem);
		read_request(v, reader_for(v, d));
	}
}

/* --- the same again --- */

/* A stream of Anthropic's begins with what we think the prompt was, and of two counts the larger
 * one counts: its last two events are left out. */
static struct str comparable(const struct vector *v, const struct dialect *d, const struct run *r)
{
	struct str all = buf_str(&r->out);
	size_t end = str_find(all, STR("event: message_delta"));
	bool is_cut = d == &dialect_anthropic_messages && v->q.is_stream && end != SIZE_MAX;
	return is_cut ? str_of(all.p, end) : all;
}

/* An answer that ends well, in a dialect whose format a provider speaks, too. */
static void check_again(struct vector *v, const struct dialect *d)
{
	const struct provider *twin = d->twin == FAMILY_COUNT ? NULL : provider_of(d->twin);
	struct vector again = *v;
	struct run first, second;
	if (!twin || !twin->read_answer)
		return;
	read_request(v, reader_for(v, d));
	if (v->q.is_stream && (!d->write_event || d == &dialect_gemini_array))
		return;
	begin_run(&first, v, d, false);
	bool is_good = run_once(&first, v->in.n);
	again.q = v->q;
	again.provider = twin;
	again.in = first.out;
	again.framing = twin == &provider_ollama_chat ? FRAMING_NDJSON : FRAMING_SSE;
	if (is_good) {
		begin_run(&second, &again, d, false);
		run_once(&second, again.in.n);
		struct str want = comparable(v, d, &first), got = comparable(v, d, &second);
		if (!str_eq(want, got))
			print_error("%s, %s, and again:\n" STR_FMT "\n" STR_FMT "\n", v->base, d->name,
				    STR_ARG(buf_str(&first.out)), STR_ARG(buf_str(&second.out)));
		assert_true(str_eq(want, got));
		buf_done(&second.out);
	}
	buf_done(&first.out);
	arena_reset(v->mem);
}

/* "voyage_plain" is as that provider of etc/providers.tsv has it: NAME up to its last '_'. */
static struct str provider_of_name(const struct vector *v)
{
	const char *name = strrchr(v->base, '/') + 1, *end = strrchr(name, '_');
	return end ? str_of(name, (size_t)(end - name)) : str_z(name);
}

static void check_upstream(struct vector *v, const struct dialect *d)
{
	struct provider_target t = { .model = STR("upstream-model"), .provider = provider_of_name(v) };
	struct provider_call call = { .framing = FRAMING_SSE };
	struct llm_error err = { 0 };
	struct buf out;
	read_request(v, d);
	buf_init(&call.path, 1024);
	buf_init(&call.body, FILE_MAX);
	buf_init(&call.headers, 1024);
	buf_init(&out, FILE_MAX);
	int r = v->provider->write_request(v->mem, &v->q, &t, &call, &err);
	v->framing = call.framing;
	if (r == 0) {
		buf_put(&out, buf_str(&call.path));
		buf_put_char(&out, '\n');
		buf_put(&out, buf_str(&call.headers));
		buf_put(&out, buf_str(&call.body));
		buf_put_char(&out, '\n');
	} else {
		buf_printf(&out, "%d " STR_FMT ": " STR_FMT "\n", outcome_rows[err.outcome].status,
			   STR_ARG(err.param), STR_ARG(err.message));
	}
	if (has(v, ".upstream.out"))
		compare(v, ".upstream.out", buf_str(&out), 0);
	buf_done(&call.path);
	buf_done(&call.body);
	buf_done(&call.headers);
	buf_done(&out);
}

static const struct dialect *dialect_of_request(const struct vector *v)
{
	struct json_error error;
	const struct json *root = json_parse(v->mem, buf_str(&v->request), 0, &error);
	if (v->own)
		return v->own;
	if (json_get(root, "messages"))
		return &dialect_openai_chat;
	if (json_get(root, "query"))
		return &dialect_rerank;
	return json_get(root, "prompt") ? &dialect_openai_text : &dialect_openai_embed;
}

static void check_vector(struct vector *v)
{
	v->mem = arena_new(32 << 20);
	v->scratch = arena_new(8 << 20);
	buf_init(&v->request, FILE_MAX);
	buf_init(&v->in, FILE_MAX);
	assert_true(v->mem && v->scratch && read_beside(v, ".request.json", &v->request));
	const struct dialect *own = dialect_of_request(v);
	check_upstream(v, own);
	if (read_beside(v, ".in", &v->in)) {
		for (size_t i = 0; dialects[i]; i++) {
			char ending[64];
			snprintf(ending, sizeof ending, ".%s.out", dialects[i]->name);
			if (dialects[i]->kind == own->kind)
				check_answer(v, dialects[i], ending, false);
		}
		if (v->own)
			check_answer(v, own, ".own.out", false);
		check_answer(v, own, ".short.out", true);
		for (size_t i = 0; dialects[i]; i++)
			if (dialects[i]->kind == own->kind)
				check_again(v, dialects[i]);
	}
	if (!v->compared)
		fail_msg("%s: nothing to compare with", v->base);
	buf_done(&v->request);
	buf_done(&v->in);
	v->scratch = arena_free(v->scratch);
	v->mem = arena_free(v->mem);
}

/* --- folders --- */

static const struct client_folder {
	const char *name;
	const struct dialect *dialect;
	const struct provider *provider;	/* who answers */
} client_folders[] = {
	{ "responses", &dialect_responses, &provider_openai },
	{ "messages", &dialect_anthropic_messages, &provider_anthropic },
	{ "messages_openai", &dialect_anthropic_messages, &provider_openai },
	{ "messages_ollama", &dialect_anthropic_messages, &provider_ollama_chat },
	{ "messages_bedrock", &dialect_anthropic_messages, &provider_bedrock },
	{ "messages_cohere", &dialect_anthropic_messages, &provider_cohere },
	{ "messages_tgi", &dialect_anthropic_messages, &provider_tgi },
	{ "contents_openai", &dialect_gemini_chat, &provider_openai },
	{ "ollama_openai", &dialect_ollama_chat, &provider_openai },
	{ "cohere_chat", &dialect_cohere_chat, &provider_openai },
	{ "cohere_embed", &dialect_cohere_embed, &provider_openai },
	{ "cohere_native", &dialect_cohere_chat, &provider_cohere },
	{ "cohere_native_embed", &dialect_cohere_embed, &provider_cohere },
	{ "anthropic", NULL, &provider_anthropic },
	{ "responses_native", &dialect_responses, &provider_responses },
	{ "responses_chat", NULL, &provider_responses },
	{ "rerank", &dialect_rerank, &provider_rerank },
};

static const struct client_folder *client_folder_named(const char *name)
{
	for (size_t i = 0; i < COUNT(client_folders); i++)
		if (strcmp(client_folders[i].name, name) == 0)
			return &client_folders[i];
	return NULL;
}

static const struct provider *provider_named(const char *name)
{
	for (int f = 0; f < FAMILY_COUNT; f++)
		if (provider_of((enum provider_family)f) &&
		    strcmp(provider_of((enum provider_family)f)->name, name) == 0)
			return provider_of((enum provider_family)f);
	return NULL;
}

static unsigned check_folder(const char *folder, const struct provider *p, const struct dialect *own)
{
	DIR *d = opendir(folder);
	unsigned n = 0;
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));) {
		struct str name = str_z(e->d_name), ending = STR(".request.json");
		struct vector v = { .provider = p, .own = own };
		if (!str_ends(name, ending))
			continue;
		assert_true(name.n < NAME_ROOM / 2 && strlen(folder) < NAME_ROOM / 4);
		snprintf(v.base, sizeof v.base, "%.128s/%.*s", folder, (int)(name.n - ending.n) & 0xff,
			 name.p);
		check_vector(&v);
		n++;
	}
	closedir(d);
	return n;
}

static void test_every_folder(void **state)
{
	static const char folder[] = "tests/vectors";
	unsigned folders = 0;
	(void)state;
	assert_int_equal(hash_init(), 0);
	DIR *d = opendir(folder);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));) {
		char path[NAME_ROOM];
		if (e->d_name[0] == '.')
			continue;
		const struct client_folder *c = client_folder_named(e->d_name);
		const struct provider *p = c ? c->provider : provider_named(e->d_name);
		if (!p)
			continue;		/* other tests have their folders here, too */
		snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
		assert_true(check_folder(path, p, c ? c->dialect : NULL) > 0);
		folders++;
	}
	closedir(d);
	assert_true(folders >= 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
