/* SPDX-License-Identifier: MIT
 * config_doc.c - the table of directives told: for the manual, for programs, and one by one for
 * who asks. */
#include <stdio.h>

#include "common/json_write.h"
#include "master/config_read.h"

/* ---- for the manual ---- */

/* Text for mdoc: a backslash and a leading dot or quote would be read as markup. */
static void mdoc_text(struct buf *out, const char *z)
{
	if (*z == '.' || *z == '\'')
		buf_put_z(out, "\\&");
	for (; *z; z++) {
		if (*z == '\\')
			buf_put_z(out, "\\e");
		else if (*z == '"')
			buf_put_z(out, "\\(dq");
		else
			buf_put_char(out, *z);
	}
}

/* The row's doc as a sentence of its own. */
static void mdoc_sentence(struct buf *out, const char *doc)
{
	if (*doc >= 'a' && *doc <= 'z')
		buf_put_char(out, (char)(*doc++ - 'a' + 'A'));
	mdoc_text(out, doc);
	buf_put_z(out, ".\n");
}

static void mdoc_choices(struct buf *out, const char *choices)
{
	struct str rest = str_z(choices);
	bool first = true;

	while (rest.p) {
		struct str one = str_cut(&rest, '|');
		if (!first)
			buf_put_z(out, rest.p ? ", " : " or ");
		buf_printf(out, "\\fB" STR_FMT "\\fR", STR_ARG(one));
		first = false;
	}
}

static void mdoc_row(struct buf *out, const struct directive *d)
{
	char low[40], high[40];

	buf_printf(out, ".It Ic %s : Ar %s\n", d->name, value_type_name(d->type));
	mdoc_sentence(out, d->doc);
	if (d->choices) {
		buf_put_z(out, "One of ");
		mdoc_choices(out, d->choices);
		buf_put_z(out, ".\n");
	}
	if (d->preset) {
		buf_put_z(out, "Default:\n.Ql ");
		mdoc_text(out, d->preset);
		buf_put_z(out, " .\n");
	}
	if (d->max) {
		config_bound_text(d, d->min, low, sizeof low);
		config_bound_text(d, d->max, high, sizeof high);
		buf_printf(out, "From %s to %s.\n", low, high);
	}
	if (d->flags & CF_RESTART)
		buf_put_z(out, "Takes effect at the next start.\n");
	if (d->flags & CF_SECRET)
		buf_put_z(out, "A secret: never shown or logged.\n");
}

void config_print_mdoc(struct buf *out)
{
	size_t n;
	const struct directive *all = directives_all(&n);
	const char *section = NULL;

	for (size_t i = 0; i < n; i++) {
		if (!section || !str_eq_z(str_z(section), all[i].section)) {
			if (section)
				buf_put_z(out, ".El\n");
			section = all[i].section;
			buf_printf(out, ".Ss %s\n.Bl -tag -width Ds\n", section);
		}
		mdoc_row(out, &all[i]);
	}
	buf_put_z(out, ".El\n");
}

/* ---- for programs ---- */

void config_print_table_json(struct buf *out)
{
	struct json_out o = json_out(out);
	size_t n;
	const struct directive *all = directives_all(&n);

	json_open_array(&o, NULL);
	for (size_t i = 0; i < n; i++) {
		const struct directive *d = &all[i];
		json_open(&o, NULL);
		json_put_z(&o, "section", d->section);
		json_put_z(&o, "name", d->name);
		json_put_z(&o, "type", value_type_name(d->type));
		json_put_z(&o, "default", d->preset);
		json_put_z(&o, "choices", d->choices);
		json_put_z(&o, "takes_effect", d->flags & CF_RESTART ? "restart" : "reload");
		json_put_bool(&o, "secret", (d->flags & CF_SECRET) != 0);
		json_put_z(&o, "doc", d->doc);
		json_close(&o);
	}
	json_close_array(&o);
}

/* ---- for who asks ---- */

static const struct str places[] = { STR("model_list[]."), STR("litellm_params.") };

/* "server.limits.body" and "body" name one, and so does any pattern with '*'; '-' is '_'. */
static bool is_meant(const struct directive *d, struct str asked)
{
	char whole[160];
	snprintf(whole, sizeof whole, "%s.%s", d->section, d->name);
	for (size_t i = 0; i < COUNT(places); i++)
		if (str_starts(asked, places[i]) && str_eq_z(str_skip(asked, places[i].n), d->name))
			return true;
	return same_name(asked, d->name) || same_name(asked, whole) ||
	       str_matches(asked, str_z(whole)) || str_eq_z(asked, d->section);
}

static void put_bounds(struct json_out *o, const struct directive *d)
{
	char low[40], high[40];
	if (!d->max)
		return;
	config_bound_text(d, d->min, low, sizeof low);
	config_bound_text(d, d->max, high, sizeof high);
	json_put_z(o, "least", low);
	json_put_z(o, "most", high);
}

static void put_row(struct json_out *o, const struct config *c, const struct directive *d)
{
	char whole[160];
	snprintf(whole, sizeof whole, "%s.%s", d->section, d->name);
	json_open(o, NULL);
	json_put_z(o, "directive", whole);
	json_put_z(o, "type", value_type_name(d->type));
	json_put_z(o, "default", d->preset);
	json_put_z(o, "choices", d->choices);
	put_bounds(o, d);
	/* One of a model has as many values as there are models. */
	if (strcmp(d->section, "litellm_params") != 0 && strcmp(d->section, "model_info") != 0)
		config_put_value(c, d->section, str_z(d->name), o, "value");
	json_put_z(o, "takes_effect", d->flags & CF_RESTART ? "restart" : "reload");
	json_put_bool(o, "secret", (d->flags & CF_SECRET) != 0);
	json_put_bool(o, "acted_on", !(d->flags & CF_NOT_YET));
	json_put_z(o, "doc", d->doc);
	json_close(o);
}

size_t config_explain(const struct config *c, struct str asked, struct json_out *o)
{
	size_t n, found = 0;
	const struct directive *all = directives_all(&n);
	json_open_array(o, "directives");
	for (size_t i = 0; i < n; i++) {
		if (!is_meant(&all[i], asked))
			continue;
		put_row(o, c, &all[i]);
		found++;
	}
	json_close_array(o);
	return found;
}

struct str config_nearest(struct str asked)
{
	size_t n;
	unsigned least = 3;			/* two letters wrong at most */
	const struct directive *all = directives_all(&n);
	struct str best = STR_NONE;
	for (size_t i = 0; i < n; i++) {
		unsigned distance = str_distance(asked, str_z(all[i].name), 3);
		if (distance < least) {
			least = distance;
			best = str_z(all[i].name);
		}
	}
	return best;
}
