/* SPDX-License-Identifier: MIT
 * export_datadog.c - a request for Datadog: a line of its logs, whose message is the payload as
 * text; or, for LLM Observability, a span with what was asked and answered, as LiteLLM sends it. */
#include "common/clock.h"
#include "common/hash.h"
#include "master/export_payload.h"
#include "master/export_said.h"
#include "master/export_texts.h"

enum { PAYLOAD_MAX = 2 << 20, TAGS_MAX = 1024 };

/* The i-th tag of a record, as a name and a value. False: there is none. v NULL: of a batch. */
static bool tag_of(const struct export_target *t, const struct export_view *v, size_t i,
		   const char **ret_name, struct str *ret_value, struct payload_tag *room)
{
	const struct {
		const char *name, *value;
	} fixed[] = { { "env", t->environment }, { "service", t->service },
		      { "version", t->version }, { "HOSTNAME", t->host }, { "POD_NAME", t->pod } };
	if (i < COUNT(fixed)) {
		*ret_name = fixed[i].name;
		*ret_value = str_z(fixed[i].value);
		return true;
	}
	size_t n = i - COUNT(fixed), tags = 0;
	while (v && payload_tag(v, tags, room).p)
		tags++;
	*ret_name = n < tags ? "request_tag" : "team";
	*ret_value = n < tags ? payload_tag(v, n, room) : v ? payload_team(v) : STR_NONE;
	return n < tags || (n == tags && ret_value->n);
}

static void put_tags(struct json_out *o, const struct export_target *t,
		     const struct export_view *v)
{
	struct payload_tag room;
	const char *name;
	struct str value;
	struct buf tag;
	json_open_array(o, "tags");
	buf_init(&tag, TAGS_MAX + RECORD_TEXT);
	for (size_t i = 0; tag_of(t, v, i, &name, &value, &room); i++) {
		buf_reset(&tag);
		buf_printf(&tag, "%s:" STR_FMT, name, STR_ARG(value));
		json_put_str(o, NULL, buf_str(&tag));
	}
	buf_done(&tag);
	json_close_array(o);
}

/* ---- logs ---- */

void export_put_datadog(const struct export_target *t, const struct export_view *v, struct buf *to)
{
	struct json_out o = json_out(to), inner;
	struct buf payload, tags;
	buf_init(&payload, PAYLOAD_MAX);
	buf_init(&tags, TAGS_MAX + RECORD_TEXT * 16);
	inner = json_out(&payload);
	export_put_payload(&inner, NULL, v);
	struct payload_tag room;
	const char *name;
	struct str value;
	for (size_t i = 0; tag_of(t, v, i, &name, &value, &room); i++)
		buf_printf(&tags, "%s%s:" STR_FMT, i ? "," : "", name, STR_ARG(value));
	json_open(&o, NULL);
	json_put_z(&o, "ddsource", t->source);
	json_put_str(&o, "ddtags", buf_str(&tags));
	json_put_z(&o, "hostname", t->host);
	json_put_str(&o, "message", buf_str(&payload));
	json_put_z(&o, "service", t->service);
	json_put_z(&o, "status", v->r->flags & RF_FAILED ? "error" : "info");
	json_close(&o);
	to->failed |= payload.failed;
	buf_done(&payload);
	buf_done(&tags);
}

/* ---- LLM Observability ---- */

void export_begin_datadog_llm(const struct export_target *t, struct buf *to)
{
	struct json_out o;
	BUF_PUT_LIT(to, "{\"data\":{\"type\":\"span\",\"attributes\":");
	o = json_out(to);
	json_open(&o, NULL);
	json_put_z(&o, "ml_app", t->app);
	put_tags(&o, t, NULL);
	BUF_PUT_LIT(to, ",\"spans\":[");
}

/* A message as it takes one: its content is a text. */
static void put_message(struct json_out *o, const char *role, const struct said *said)
{
	json_open(o, NULL);
	json_put_z(o, "role", role);
	said_put_message(o, said);
	json_close(o);
}

static void put_asked(struct json_out *o, struct arena *a, const struct json *m)
{
	const struct json *parts = json_get(m, "parts");
	struct str role = json_get_str(a, m, "role");
	struct said said;
	bool is_gemini = json_is(parts, JSON_ARRAY);
	const char *z = str_eq(role, STR("model")) ? "assistant"
			: role.n ? arena_dup_z(a, role) : "user";
	if (z && (is_gemini ? said_read_parts(a, parts, &said) : said_read_message(a, m, &said)))
		put_message(o, z, &said);
}

/* What stands beside the messages, with some. */
static void put_system(struct json_out *o, struct arena *a, const struct json *root)
{
	const struct json *j = json_get(root, "system");
	const struct json *outer = json_get(root, "systemInstruction");
	struct said said = { 0 };
	if (json_is(outer, JSON_OBJECT))
		j = json_get(outer, "parts");
	if (json_is(j, JSON_STRING))
		said.text = json_str(a, j);
	else if (!json_is(j, JSON_ARRAY) || !said_read_parts(a, j, &said))
		return;
	put_message(o, "system", &said);
}

/* Messages one by one; any other prompt as the text of one. */
static void put_input(struct json_out *o, const struct export_view *v)
{
	struct arena *a = v->texts ? v->texts->mem : NULL;	/* NULL: there are none */
	const struct json *root = a && !export_text_cut(v, TEXT_PROMPT)
					  ? v->texts->root[TEXT_PROMPT] : NULL;
	const struct json *j = export_prompt_of(root);
	json_open_array(o, "messages");
	if (json_is(j, JSON_ARRAY) && json_is(j->child, JSON_OBJECT)) {
		put_system(o, a, root);
		for (j = j->child; j; j = j->next)
			if (j->type == JSON_OBJECT)
				put_asked(o, a, j);
	} else if (v->texts && v->texts->is_hidden) {
		put_message(o, "user", &export_hidden);
	} else if (a) {
		json_open(o, NULL);
		json_put_z(o, "role", "user");
		export_put_messages(o, "content", v);
		json_close(o);
	}
	json_close_array(o);
}

static void put_output(struct json_out *o, const struct export_view *v)
{
	const struct json *root = v->texts ? v->texts->root[TEXT_ANSWER] : NULL;
	struct said said;
	json_open_array(o, "messages");
	if (v->texts && v->texts->is_hidden)
		put_message(o, "assistant", &export_hidden);
	else if (root && root->raw.n <= v->text_most && said_read(v->texts->mem, root, 0, &said))
		put_message(o, "assistant", &said);
	json_close_array(o);
}

static void put_error(struct json_out *o, const struct record *r)
{
	if (!(r->flags & RF_FAILED))
		return;
	json_open(o, "error");
	json_put_str(o, "message", record_text(r, RT_OUTCOME));
	json_put_str(o, "type", record_text(r, RT_ERROR));
	json_close(o);
}

static void put_metadata(struct json_out *o, const struct export_view *v)
{
	static const struct {
		const char *name;
		enum record_text text;
	} texts[] = {
		{ "model_provider", RT_PROVIDER }, { "model_group", RT_GROUP },
		{ "model_id", RT_DEPLOYMENT }, { "user_api_key_alias", RT_ALIAS },
		{ "user_api_key_user_id", RT_USER }, { "user_api_key_team_id", RT_TEAM },
		{ "user_api_key_org_id", RT_ORGANIZATION },
		{ "user_api_key_end_user_id", RT_END_USER },
	};
	const struct record *r = v->r;
	struct str upstream = record_text(r, RT_UPSTREAM);
	json_open(o, "metadata");
	json_put_str(o, "id", payload_id(v));
	json_put_str(o, "model_name", upstream.n ? upstream : record_text(r, RT_MODEL));
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct str s = record_text(r, texts[i].text);
		json_put_str(o, texts[i].name, s.n ? s : STR_NONE);
	}
	json_put_bool(o, "cache_hit", r->flags & RF_CACHE_HIT);
	json_put_bool(o, "is_streamed_request", r->flags & RF_STREAM);
	export_put_texts_note(o, v);
	json_close(o);
}

static void put_meta(struct json_out *o, const struct export_view *v)
{
	json_open(o, "meta");
	json_put_z(o, "kind", "llm");
	json_open(o, "input");
	put_input(o, v);
	json_close(o);
	json_open(o, "output");
	put_output(o, v);
	json_close(o);
	put_metadata(o, v);
	put_error(o, v->r);
	json_close(o);
}

static void put_metrics(struct json_out *o, const struct record *r)
{
	uint64_t first = r->first_token_ns > r->start_ns ? r->first_token_ns : r->end_ns;
	json_open(o, "metrics");
	json_put_u64(o, "input_tokens", r->input);
	json_put_u64(o, "output_tokens", r->output);
	json_put_u64(o, "total_tokens", (uint64_t)r->input + r->output);
	json_put_money(o, "total_cost", r->cost_nano);
	json_put_double(o, "time_to_first_token", (double)((first - r->start_ns) / 1000) / 1e6);
	json_close(o);
}

void export_put_datadog_llm(const struct export_target *t, const struct export_view *v,
			    struct buf *to)
{
	const struct record *r = v->r;
	struct json_out o = json_out(to);
	char id[33];
	json_open(&o, NULL);
	json_put_z(&o, "parent_id", "undefined");
	hash_hex(id, r->trace, sizeof r->trace);
	json_put_z(&o, "trace_id", id);
	hash_hex(id, r->span, sizeof r->span);
	json_put_z(&o, "span_id", id);
	json_put_z(&o, "name", "litellm_llm_call");
	put_meta(&o, v);
	json_put_u64(&o, "start_ns", r->start_ns);
	json_put_u64(&o, "duration", r->end_ns - r->start_ns);
	put_metrics(&o, r);
	json_put_z(&o, "status", r->flags & RF_FAILED ? "error" : "ok");
	put_tags(&o, t, v);
	json_close(&o);
}
