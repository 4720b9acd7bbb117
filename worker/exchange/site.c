/* SPDX-License-Identifier: MIT
 * site.c - the list of sites; see site.h. */
#include "worker/exchange/site.h"

#include <errno.h>

#include "common/vertex.h"
#include "worker/openai.h"

static const struct site *const sites[SITE_COUNT] = {
	[SITE_OWN] = NULL,
	[SITE_BEDROCK] = &site_bedrock,
	[SITE_AZURE] = &site_azure,
	[SITE_FOUNDRY] = &site_foundry,
	[SITE_VERTEX] = &site_vertex,
};

int site_wrap(struct arena *a, enum provider_family family, const struct llm_request *q,
	      const struct provider_target *t, struct provider_call *call, struct llm_error *reterr)
{
	if (t->site == SITE_OWN)
		return 0;
	MUST(t->site < SITE_COUNT);
	if (sites[t->site])
		return sites[t->site]->wrap(a, family, q, t, call, reterr);
	*reterr = (struct llm_error){ .outcome = OUTCOME_UNSUPPORTED_PARAM,
				      .message = STR("this site is not served") };
	return -EINVAL;
}

void site_put_name(struct str name, struct buf *out)
{
	if (!str_eq(name, STR(".")) && !str_eq(name, STR("..")))
		buf_put_escaped(out, name);
}

enum provider_family site_family(enum provider_site site, enum provider_family family,
				 struct str model)
{
	return site == SITE_VERTEX ? vertex_family(model) : family;
}

bool site_takes_body(enum provider_site site, enum provider_family family,
		     const struct llm_request *q)
{
	return !(site == SITE_VERTEX && family == FAMILY_GEMINI && q->kind == LLM_EMBED);
}

struct editing {
	const struct site_edit *how;
	struct str text;
	struct json_edit *edits;
	size_t n, from;			/* from: where the member looked at begins, its comma too */
	bool has_kept, has_unless;
};

static void edit_member(struct editing *e, const struct json *j)
{
	bool is_out = false;
	for (const char *const *name = e->how->without; name && *name; name++)
		is_out = is_out || str_eq_z(j->key, *name);
	e->has_unless = e->has_unless || (e->how->unless.p && str_eq(j->key, e->how->unless));
	if (is_out) {
		struct json_edit one = openai_without(e->text, j, e->from, !e->has_kept);
		e->edits[e->n++] = one;
		e->from = one.at + one.n;
		return;
	}
	e->from = (size_t)(j->raw.p - e->text.p) + j->raw.n;
	e->has_kept = true;
}

static int put_added(struct arena *a, struct editing *e, const struct json *root)
{
	struct str added = e->how->added;
	size_t end = (size_t)(root->raw.p - e->text.p) + root->raw.n - 1;
	if (!added.n || e->has_unless)
		return 0;
	if (e->has_kept)
		added = arena_printf(a, "," STR_FMT, STR_ARG(added));
	if (!added.p)
		return -ENOMEM;
	e->edits[e->n++] = (struct json_edit){ end, 0, added };
	return 0;
}

int site_edit_body(struct arena *a, struct buf *body, const struct site_edit *how)
{
	struct editing e = { .how = how, .text = buf_str(body) };
	struct json_error error;
	struct buf out;
	const struct json *root = json_parse(a, e.text, 0, &error);
	if (!json_is(root, JSON_OBJECT))
		return -EINVAL;
	e.from = (size_t)(root->raw.p - e.text.p) + 1;
	e.edits = arena_array(a, (size_t)root->count + 1, sizeof *e.edits);
	if (!e.edits)
		return -ENOMEM;
	for (const struct json *j = root->child; j; j = j->next)
		edit_member(&e, j);
	int err = put_added(a, &e, root);
	if (err)
		return err;
	buf_init(&out, body->cap);
	json_splice(&out, e.text, e.edits, e.n);
	buf_done(body);
	*body = out;
	return body->failed ? -ENOMEM : 0;
}
