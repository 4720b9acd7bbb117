/* SPDX-License-Identifier: MIT
 * config_metrics.c - which of LiteLLM's metrics /metrics has and with which labels, as its settings
 * say it, in the form of the snapshot: lists of strings. */
#include <ctype.h>
#include <string.h>

#include "common/arena.h"
#include "common/json.h"
#include "common/snapshot.h"
#include "master/config_read.h"

enum { LABELS_MAX = 64, FILTERS_MAX = 512 };

struct lists {
	struct str labels[LABELS_MAX], filters[FILTERS_MAX];
	size_t n_labels, n_filters;
};

/* Labels that a request has only where somebody asks for them. */
static const struct {
	const char *name;
	char kind;
} extras[] = {
	{ "end_user", METRIC_LABEL_END_USER },
	{ "stream", METRIC_LABEL_STREAM },
	{ "client_ip", METRIC_LABEL_IP },
	{ "user_agent", METRIC_LABEL_AGENT },
};

static const char *const own_labels[] = {
	"user", "hashed_api_key", "api_key_alias", "team", "team_alias", "org_id", "org_alias",
	"requested_model",
	"model", "litellm_model_name", "model_id", "model_group", "api_base", "api_provider",
	"exception_status", "exception_class", "status_code", "route", "fallback_model",
};

/* Whether both make labels of one name: there, what is neither letter nor digit is '_'. */
static bool same_label(struct str a, struct str b)
{
	if (a.n != b.n || a.p[0] != b.p[0])
		return false;
	for (size_t i = 1; i < a.n; i++)
		if (a.p[i] != b.p[i] && (isalnum((unsigned char)a.p[i]) ||
					 isalnum((unsigned char)b.p[i])))
			return false;
	return true;
}

static void add_label(struct reader *r, struct lists *l, const struct place *at, char kind,
		      struct str text)
{
	struct str entry = arena_printf(r->c->mem, "%c" STR_FMT, kind, STR_ARG(text));
	r->out_of_memory |= !entry.p;
	for (size_t i = 0; entry.p && i < l->n_labels; i++)
		if (same_label(l->labels[i], entry))
			return;
	if (l->n_labels == LABELS_MAX)
		complain(r, W_NOT_ACTED_ON, at, "metrics have at most %d such labels", LABELS_MAX);
	else if (entry.p)
		l->labels[l->n_labels++] = entry;
}

static void take_custom(struct reader *r, struct lists *l)
{
	static const char members[] = "custom_prometheus_metadata_labels",
			  tags[] = "custom_prometheus_tags";
	const struct config *c = r->c;
	for (size_t i = 0; i < c->metric_metadata.n; i++) {
		struct str name = c->metric_metadata.v[i];
		const struct place *at = given_place(r, "litellm_settings", members);
		if (!str_starts(name, STR("metadata.")) || name.n == strlen("metadata."))
			complain(r, W_NOT_ACTED_ON, at,
				 "%s wants metadata.NAME, not '" STR_FMT "'", members,
				 STR_ARG(shown(name)));
		else
			add_label(r, l, at, METRIC_LABEL_METADATA,
				  str_skip(name, strlen("metadata.")));
	}
	for (size_t i = 0; i < c->metric_tags.n; i++)
		if (c->metric_tags.v[i].n)
			add_label(r, l, given_place(r, "litellm_settings", tags), METRIC_LABEL_TAG,
				  c->metric_tags.v[i]);
}

static bool is_known(struct str label)
{
	for (size_t i = 0; i < COUNT(own_labels); i++)
		if (str_eq_z(label, own_labels[i]))
			return true;
	return str_starts(label, STR("metadata_")) || str_starts(label, STR("tag_"));
}

static void take_included(struct reader *r, struct lists *l, const struct place *at,
			  struct str label)
{
	for (size_t i = 0; i < COUNT(extras); i++)
		if (str_eq_z(label, extras[i].name)) {
			add_label(r, l, at, extras[i].kind, STR(""));
			return;
		}
	if (!is_known(label))
		complain(r, W_NOT_ACTED_ON, at,
			 "prometheus_metrics_config: no metric has the label '" STR_FMT "'",
			 STR_ARG(shown(label)));
}

/* " a,b", or nothing where the list is not there or empty. */
static struct str included(struct reader *r, struct lists *l, const struct place *at,
			   const struct json *list)
{
	struct str all = STR("");
	for (const struct json *j = json_is(list, JSON_ARRAY) ? list->child : NULL; j;
	     j = j->next) {
		struct str label = json_str(r->scratch, j);
		if (!label.n)
			continue;
		take_included(r, l, at, label);
		all = arena_printf(r->scratch, STR_FMT "%c" STR_FMT, STR_ARG(all),
				   all.n ? ',' : ' ', STR_ARG(label));
		r->out_of_memory |= !all.p;
	}
	return all;
}

static void take_group(struct reader *r, struct lists *l, const struct json *group)
{
	const struct place *at = given_place(r, "litellm_settings", "prometheus_metrics_config");
	const struct json *metrics = json_get(group, "metrics");
	if (!json_is(metrics, JSON_ARRAY)) {
		complain(r, COMPLAINT_ERROR, at,
			 "each of prometheus_metrics_config wants metrics, a list of names");
		return;
	}
	struct str labels = included(r, l, at, json_get(group, "include_labels"));
	for (const struct json *j = metrics->child; j; j = j->next) {
		struct str name = json_str(r->scratch, j);
		struct str entry = arena_printf(r->c->mem, STR_FMT STR_FMT, STR_ARG(name),
						STR_ARG(labels));
		r->out_of_memory |= !entry.p;
		if (!name.n)
			complain(r, COMPLAINT_ERROR, at,
				 "prometheus_metrics_config: a name of a metric is a string");
		else if (l->n_filters == FILTERS_MAX)
			complain(r, W_NOT_ACTED_ON, at,
				 "prometheus_metrics_config names more than %d metrics", FILTERS_MAX);
		else if (entry.p)
			l->filters[l->n_filters++] = entry;
	}
}

static void keep_list(struct reader *r, struct config_names *to, const struct str *v, size_t n)
{
	struct str *kept = n ? arena_array(r->c->mem, n, sizeof *kept) : NULL;
	r->out_of_memory |= n && !kept;
	if (kept)
		memcpy(kept, v, n * sizeof *kept);
	*to = (struct config_names){ .v = kept, .n = kept ? n : 0 };
}

void metrics_finish(struct reader *r)
{
	struct json_error e;
	struct config *c = r->c;
	struct lists *l = arena_alloc(r->scratch, sizeof *l);
	const struct json *groups =
		c->metric_groups.n ? json_parse(r->scratch, c->metric_groups, 0, &e) : NULL;
	if (!l) {
		r->out_of_memory = true;
		return;
	}
	if (c->has_end_user_label)
		add_label(r, l, &r->whole, METRIC_LABEL_END_USER, STR(""));
	if (c->has_stream_label)
		add_label(r, l, &r->whole, METRIC_LABEL_STREAM, STR(""));
	for (const struct json *j = json_is(groups, JSON_ARRAY) ? groups->child : NULL; j;
	     j = j->next)
		take_group(r, l, j);
	take_custom(r, l);
	keep_list(r, &c->metric_labels, l->labels, l->n_labels);
	keep_list(r, &c->metric_filter, l->filters, l->n_filters);
}
