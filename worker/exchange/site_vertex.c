/* SPDX-License-Identifier: MIT
 * site_vertex.c - Vertex AI: Gemini, Anthropic's models, partners' and open ones, each under the
 * project and the location that the deployment names.
 *
 * Gemini and Anthropic have a publisher and a verb in the path; of those in OpenAI's format most
 * are at one place for all, and have their name in the body. A model of digits alone is an endpoint
 * of one's own. */
#include <errno.h>

#include "common/vertex.h"
#include "worker/exchange/provider_gemini.h"
#include "worker/exchange/site.h"
#include "worker/openai.h"

#define VERTEX_ANTHROPIC_VERSION "\"anthropic_version\":\"vertex-2023-10-16\""

/* "/v1/projects/{project}/locations/{location}" */
static void put_location(const struct provider_target *t, struct buf *out)
{
	BUF_PUT_LIT(out, "/v1");
	if (!t->project.n)		/* an API key tells whose it is */
		return;
	BUF_PUT_LIT(out, "/projects/");
	site_put_name(t->project, out);
	BUF_PUT_LIT(out, "/locations/");
	site_put_name(t->location, out);
}

/* '@' parts a model from its date, and stands in paths as it is. */
static void put_model(struct str model, struct buf *out)
{
	struct str date = model, name = str_cut(&date, '@');
	buf_put_escaped(out, name);
	if (date.p) {
		buf_put_char(out, '@');
		buf_put_escaped(out, date);
	}
}

static void put_path(const struct provider_target *t, const char *publisher, struct str model,
		     const char *verb, struct buf *out)
{
	put_location(t, out);
	if (vertex_is_endpoint(model)) {
		BUF_PUT_LIT(out, "/endpoints/");
	} else {
		BUF_PUT_LIT(out, "/publishers/");
		buf_put_z(out, publisher);
		BUF_PUT_LIT(out, "/models/");
	}
	put_model(model, out);
	buf_put_char(out, ':');
	buf_put_z(out, verb);
}

/* "gemini/ENDPOINT": a tuned model at an endpoint of one's own. */
static struct str without_prefix(struct str model, const char *prefix)
{
	struct str p = str_z(prefix);
	return str_starts(model, p) ? str_skip(model, p.n) : model;
}

static int wrap_gemini(const struct llm_request *q, const struct provider_target *t,
		       struct provider_call *call)
{
	struct str model = without_prefix(without_prefix(t->model, "google/"), "gemini/");
	const char *verb = q->is_stream ? "streamGenerateContent?alt=sse" : "generateContent";
	if (q->kind == LLM_EMBED)
		verb = gemini_vertex_embeds_one(t->model) ? "embedContent" : "predict";
	put_path(t, "google", without_prefix(model, "models/"), verb, &call->path);
	return 0;
}

static int wrap_anthropic(struct arena *a, const struct llm_request *q,
			  const struct provider_target *t, struct provider_call *call)
{
	static const char *const without[] = { "model", NULL };
	const struct site_edit e = { .without = without,
				     .added = STR(VERTEX_ANTHROPIC_VERSION),
				     .unless = STR("anthropic_version") };
	put_path(t, "anthropic", without_prefix(t->model, "anthropic/"),
		 q->is_stream ? "streamRawPredict" : "rawPredict", &call->path);
	return site_edit_body(a, &call->body, &e);
}

/* Partners whose models take OpenAI's body at a place of their own. */
static const struct {
	const char *start, *publisher;
} partners[] = {
	{ "mistral-", "mistralai" },
	{ "codestral-", "mistralai" },
	{ "ministral-", "mistralai" },
	{ "mistralai/", "mistralai" },
	{ "jamba-", "ai21" },
	{ "ai21/", "ai21" },
};

static const char *partner_of(struct str model)
{
	for (size_t i = 0; i < COUNT(partners); i++)
		if (str_starts(model, str_z(partners[i].start)))
			return partners[i].publisher;
	return NULL;
}

/* Path and body know the model by its bare name, and the path by its date, too. */
static int wrap_partner(struct arena *a, const char *publisher, const struct llm_request *q,
			const struct provider_target *t, struct provider_call *call)
{
	static const char *const without[] = { "model", NULL };
	struct site_edit e = { .without = without };
	struct str model = t->model;
	for (size_t at; (at = str_find_char(model, '/')) != SIZE_MAX;)
		model = str_skip(model, at + 1);
	put_path(t, publisher, model, q->is_stream ? "streamRawPredict" : "rawPredict",
		 &call->path);
	struct str rest = model, name = openai_quote(a, str_cut(&rest, '@'));
	e.added = name.p ? arena_printf(a, "\"model\":" STR_FMT, STR_ARG(name)) : STR_NONE;
	return e.added.p ? site_edit_body(a, &call->body, &e) : -ENOMEM;
}

/* "openai/ENDPOINT" is an endpoint of one's own, too. */
static int wrap_openai(struct arena *a, const struct llm_request *q,
		       const struct provider_target *t, struct provider_call *call,
		       struct llm_error *reterr)
{
	struct str model = without_prefix(t->model, "openai/");
	const char *partner = partner_of(t->model);
	if (q->kind != LLM_CHAT) {
		*reterr = (struct llm_error){
			.outcome = OUTCOME_BAD_REQUEST,
			.param = STR("model"),
			.message = STR("Vertex AI serves chats alone with models of this kind") };
		return -EINVAL;
	}
	if (partner)
		return wrap_partner(a, partner, q, t, call);
	put_location(t, &call->path);
	BUF_PUT_LIT(&call->path, "/endpoints/");
	buf_put_escaped(&call->path, vertex_is_endpoint(model) ? model : STR("openapi"));
	BUF_PUT_LIT(&call->path, "/chat/completions");
	return 0;
}

static int wrap(struct arena *a, enum provider_family family, const struct llm_request *q,
		const struct provider_target *t, struct provider_call *call,
		struct llm_error *reterr)
{
	buf_reset(&call->path);
	switch (family) {
	case FAMILY_GEMINI:
		return wrap_gemini(q, t, call);
	case FAMILY_ANTHROPIC:
		return wrap_anthropic(a, q, t, call);
	case FAMILY_OPENAI:
		return wrap_openai(a, q, t, call, reterr);
	default:
		*reterr = (struct llm_error){ .outcome = OUTCOME_BAD_REQUEST,
					      .message = STR("Vertex AI does not serve this") };
		return -EINVAL;
	}
}

const struct site site_vertex = { .name = "vertex", .site = SITE_VERTEX, .wrap = wrap };
