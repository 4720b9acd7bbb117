/* SPDX-License-Identifier: MIT
 * spend_focus.c - FOCUS, the FinOps Open Cost and Usage Specification: columns of 1.2, with the
 * names that 1.3 gives to providers beside the old ones.
 *
 * A line is a day's charges of one key with one model of one deployment and one list of tags. What
 * has no value is empty: null, as the specification wants it. */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "master/master.h"
#include "master/spend_private.h"

enum { DAY_S = 86400, STAMP_ROOM = 64, TAGS_MAX = 32768 };

/* A row of spend_daily, and what its numbers mean. */
enum column {
	DAY, KEY_ID, TEAM, USER, ORGANIZATION, MODEL, DEPLOYMENT, ENDPOINT,
	KEY_HASH, KEY_ALIAS, TEAM_ID, TEAM_ALIAS, USER_NAME, ORGANIZATION_NAME, MODEL_NAME,
	PROVIDER, UPSTREAM, MODEL_ID, SUMS
};
struct charge {
	struct sql *q;			/* stands at its row */
	struct spend_sums sums;
	struct str tags;		/* JSON list; .p NULL: none */
	struct buf *scratch;		/* tags as an object */
};

struct sql *spend_focus_query(struct store_db *db, const int64_t *behind, int64_t first_day,
			      int64_t last_day, int rows)
{
	static const int64_t before_all[8] = { INT64_MIN };
	struct sql *q = sql_query(db,
		"SELECT s.day, s.key_id, s.team, s.user, s.organization, s.model, s.deployment,"
		" s.endpoint, coalesce(k.token_hash, x.token_hash), coalesce(k.alias, x.alias),"
		" t.team_id, t.alias, u.name, o.name, m.name, d.provider, d.model, d.model_id,"
		SPEND_ROW " FROM spend_daily s" SPEND_OF_KEY("s.key_id")
		" LEFT JOIN teams t ON t.id = s.team LEFT JOIN spend_names u ON u.id = s.user"
		" LEFT JOIN spend_names o ON o.id = s.organization"
		" LEFT JOIN spend_names m ON m.id = s.model"
		" LEFT JOIN deployments d ON d.id_hash = s.deployment"
		" WHERE (s.day, s.key_id, s.team, s.user, s.organization, s.model, s.deployment,"
		" s.endpoint) > (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) AND s.day BETWEEN ?9 AND ?10"
		" ORDER BY s.day, s.key_id, s.team, s.user, s.organization, s.model, s.deployment,"
		" s.endpoint LIMIT ?11");
	if (!behind)
		behind = before_all;
	for (int i = 0; i < 8; i++)
		sql_int(q, i + 1, behind[i]);
	sql_int(q, 9, first_day > behind[0] ? first_day : behind[0]);
	sql_int(q, 10, last_day);
	sql_int(q, 11, rows);
	return q;
}

/* ---- values ---- */

static struct str column_of(const struct charge *c, enum column at)
{
	return sql_get_text(c->q, (int)at);
}

static void put_stamp(struct buf *to, int64_t seconds)
{
	char text[STAMP_ROOM];
	struct tm t;
	time_t at = (time_t)seconds;
	gmtime_r(&at, &t);
	snprintf(text, sizeof text, "%04d-%02d-%02dT00:00:00Z", t.tm_year + 1900, t.tm_mon + 1,
		 t.tm_mday);
	buf_put_z(to, text);
}

/* The month's first day, or the next one's. */
static void put_month(struct buf *to, int64_t day, int months)
{
	struct tm t;
	time_t at = (time_t)day * DAY_S;
	gmtime_r(&at, &t);
	t.tm_mday = 1;
	t.tm_mon += months;
	put_stamp(to, (int64_t)timegm(&t));
}

static void put_money(struct buf *to, int64_t nano)
{
	char text[24];
	buf_put(to, str_of(text, json_money(text, nano)));
}

/* "job:7" is a key with a value, "prod" a key that is there. The first of a name counts. */
static void put_tag(struct json_out *o, struct str tag)
{
	struct str value = tag, name = str_cut(&value, ':');
	json_key(o, name);
	if (value.p && name.n < tag.n)
		json_put_str(o, NULL, value);
	else
		json_put_bool(o, NULL, true);
}

static bool is_named_before(struct arena *a, const struct json *list, uint32_t at, struct str name)
{
	for (uint32_t i = 0; i < at; i++) {
		struct str other = json_str(a, json_at(list, i));
		if (str_eq(str_cut(&other, ':'), name))
			return true;
	}
	return false;
}

static int put_tags(struct charge *c)
{
	struct json_error why;
	struct arena *a = c->tags.n ? arena_new(TAGS_MAX * 8) : NULL;
	const struct json *list = a ? json_parse(a, c->tags, 0, &why) : NULL;
	struct json_out o = json_out(c->scratch);
	buf_reset(c->scratch);
	if (!c->tags.n)
		return 0;
	json_open(&o, NULL);
	for (uint32_t i = 0; list && i < list->count; i++) {
		struct str tag = json_str(a, json_at(list, i)), rest = tag;
		if (tag.n && !is_named_before(a, list, i, str_cut(&rest, ':')))
			put_tag(&o, tag);
	}
	json_close(&o);
	arena_free(a);
	return list && !c->scratch->failed ? 0 : -ENOMEM;
}

/* ---- columns ---- */

/* How a column's value is had: a text that is always the same, a column of the query, or a
 * function. */
struct focus_column {
	const char *name, *text;
	enum column from;
	void (*put)(struct buf *to, const struct charge *c);
};

static void put_cost(struct buf *to, const struct charge *c)
{
	put_money(to, c->sums.cost);
}

static void put_account(struct buf *to, const struct charge *c)
{
	char hex[SPEND_KEY_ROOM];
	spend_key_name(hex, c->q, KEY_HASH, sql_get_int(c->q, KEY_ID));
	buf_put_z(to, hex);
}

static void put_month_start(struct buf *to, const struct charge *c)
{
	put_month(to, sql_get_int(c->q, DAY), 0);
}

static void put_month_end(struct buf *to, const struct charge *c)
{
	put_month(to, sql_get_int(c->q, DAY), 1);
}

static void put_day_start(struct buf *to, const struct charge *c)
{
	put_stamp(to, sql_get_int(c->q, DAY) * DAY_S);
}

static void put_day_end(struct buf *to, const struct charge *c)
{
	put_stamp(to, (sql_get_int(c->q, DAY) + 1) * DAY_S);
}

static void put_quantity(struct buf *to, const struct charge *c)
{
	buf_put_i64(to, c->sums.input + c->sums.output);
}

static void put_provider(struct buf *to, const struct charge *c)
{
	struct str s = column_of(c, PROVIDER);
	buf_put(to, s.n ? s : STR("unknown"));
}

static void put_model(struct buf *to, const struct charge *c)
{
	struct str s = column_of(c, UPSTREAM);
	buf_put(to, s.n ? s : column_of(c, MODEL_NAME));
}

static void put_team_type(struct buf *to, const struct charge *c)
{
	if (column_of(c, TEAM_ID).n)
		BUF_PUT_LIT(to, "Team");
}

static void put_resource_type(struct buf *to, const struct charge *c)
{
	if (column_of(c, MODEL_ID).n)
		BUF_PUT_LIT(to, "Model Deployment");
}

static void put_all_tags(struct buf *to, const struct charge *c)
{
	buf_put(to, buf_str(c->scratch));
}

static void put_path(struct buf *to, const struct charge *c)
{
	buf_put_z(to, spend_call_path(sql_get_int(c->q, ENDPOINT)));
}

#define PUT_SUM(field)                                                                            \
	static void put_##field(struct buf *to, const struct charge *c)                           \
	{                                                                                         \
		buf_put_i64(to, c->sums.field);                                                   \
	}
PUT_SUM(requests)
PUT_SUM(failed)
PUT_SUM(input)
PUT_SUM(output)
PUT_SUM(cache_read)
PUT_SUM(cache_write)
PUT_SUM(reasoning)
PUT_SUM(unpriced)

/* In the order of their names, as the specification lists them; ours last. */
static const struct focus_column columns[] = {
	{ "BilledCost", NULL, 0, put_cost },
	{ "BillingAccountId", NULL, 0, put_account },
	{ "BillingAccountName", NULL, KEY_ALIAS, NULL },
	{ "BillingAccountType", "API Key", 0, NULL },
	{ "BillingCurrency", "USD", 0, NULL },
	{ "BillingPeriodEnd", NULL, 0, put_month_end },
	{ "BillingPeriodStart", NULL, 0, put_month_start },
	{ "ChargeCategory", "Usage", 0, NULL },
	{ "ChargeClass", "", 0, NULL },
	{ "ChargeDescription", NULL, 0, put_model },
	{ "ChargeFrequency", "Usage-Based", 0, NULL },
	{ "ChargePeriodEnd", NULL, 0, put_day_end },
	{ "ChargePeriodStart", NULL, 0, put_day_start },
	{ "ConsumedQuantity", NULL, 0, put_quantity },
	{ "ConsumedUnit", "Tokens", 0, NULL },
	{ "ContractedCost", NULL, 0, put_cost },
	{ "ContractedUnitPrice", "", 0, NULL },
	{ "EffectiveCost", NULL, 0, put_cost },
	{ "HostProviderName", NULL, 0, put_provider },
	{ "InvoiceIssuerName", NULL, 0, put_provider },
	{ "ListCost", NULL, 0, put_cost },
	{ "ListUnitPrice", "", 0, NULL },
	{ "PricingCategory", "Standard", 0, NULL },
	{ "PricingCurrency", "USD", 0, NULL },
	{ "PricingQuantity", NULL, 0, put_quantity },
	{ "PricingUnit", "Tokens", 0, NULL },
	{ "ProviderName", NULL, 0, put_provider },
	{ "PublisherName", NULL, 0, put_provider },
	{ "RegionId", "", 0, NULL },
	{ "RegionName", "", 0, NULL },
	{ "ResourceId", NULL, MODEL_ID, NULL },
	{ "ResourceName", NULL, 0, put_model },
	{ "ResourceType", NULL, 0, put_resource_type },
	{ "ServiceCategory", "AI and Machine Learning", 0, NULL },
	{ "ServiceName", NULL, MODEL_NAME, NULL },
	{ "ServiceProviderName", NULL, 0, put_provider },
	{ "ServiceSubcategory", "Generative AI", 0, NULL },
	{ "SkuId", NULL, 0, put_model },
	{ "SkuMeter", "Tokens", 0, NULL },
	{ "SkuPriceId", "", 0, NULL },
	{ "SubAccountId", NULL, TEAM_ID, NULL },
	{ "SubAccountName", NULL, TEAM_ALIAS, NULL },
	{ "SubAccountType", NULL, 0, put_team_type },
	{ "Tags", NULL, 0, put_all_tags },
	{ "x_Endpoint", NULL, 0, put_path },
	{ "x_UserId", NULL, USER_NAME, NULL },
	{ "x_OrganizationId", NULL, ORGANIZATION_NAME, NULL },
	{ "x_RequestCount", NULL, 0, put_requests },
	{ "x_FailedRequestCount", NULL, 0, put_failed },
	{ "x_UnpricedRequestCount", NULL, 0, put_unpriced },
	{ "x_InputTokens", NULL, 0, put_input },
	{ "x_OutputTokens", NULL, 0, put_output },
	{ "x_CachedInputTokens", NULL, 0, put_cache_read },
	{ "x_CacheWriteTokens", NULL, 0, put_cache_write },
	{ "x_ReasoningTokens", NULL, 0, put_reasoning },
};

void spend_focus_put_head(struct buf *to)
{
	for (size_t i = 0; i < COUNT(columns); i++)
		spend_put_csv(to, str_z(columns[i].name), i == 0);
	buf_put_char(to, '\n');
}

static int put_line(struct buf *to, struct charge *c)
{
	struct buf value;
	int err = put_tags(c);
	buf_init(&value, TAGS_MAX * 2);
	for (size_t i = 0; i < COUNT(columns) && !err; i++) {
		const struct focus_column *f = &columns[i];
		buf_reset(&value);
		if (f->put)
			f->put(&value, c);
		else
			buf_put(&value, f->text ? str_z(f->text) : column_of(c, f->from));
		if (value.failed)
			err = -ENOMEM;
		else
			spend_put_csv(to, buf_str(&value), i == 0);
	}
	buf_put_char(to, '\n');
	buf_done(&value);
	return err;
}

/* ---- a row of spend_daily: a line for each list of tags, and one for what had none ---- */

static void subtract(struct spend_sums *from, const struct spend_sums *s)
{
	from->requests -= s->requests;
	from->failed -= s->failed;
	from->unpriced -= s->unpriced;
	from->input -= s->input;
	from->output -= s->output;
	from->cache_read -= s->cache_read;
	from->cache_write -= s->cache_write;
	from->reasoning -= s->reasoning;
	from->cost -= s->cost;
}

static struct sql *tagged_query(struct store_db *db, const int64_t key[8])
{
	struct sql *q = sql_query(db,
		"SELECT n.name," SPEND_ROW " FROM spend_tagged s JOIN spend_names n ON n.id = s.tags"
		" WHERE s.day = ?1 AND s.key_id = ?2 AND s.team = ?3 AND s.user = ?4 AND"
		" s.organization = ?5 AND s.model = ?6 AND s.deployment = ?7 AND s.endpoint = ?8"
		" ORDER BY s.tags");
	for (int i = 0; i < 8; i++)
		sql_int(q, i + 1, key[i]);
	return q;
}

int spend_focus_put(struct buf *to, struct store_db *db, struct sql *q, int64_t ret_key[8])
{
	struct buf scratch;
	struct charge c = { .q = q, .scratch = &scratch };
	struct spend_sums rest;
	int r = 0, err = 0;
	spend_read_sums(q, SUMS, &rest);
	for (int i = 0; i < 8; i++)
		ret_key[i] = sql_get_int(q, i);
	buf_init(&scratch, TAGS_MAX);
	struct sql *tagged = tagged_query(db, ret_key);
	while (!err && (r = sql_row(tagged)) > 0) {
		c.tags = sql_get_text(tagged, 0);
		spend_read_sums(tagged, 1, &c.sums);
		subtract(&rest, &c.sums);
		err = put_line(to, &c);
	}
	sql_end(tagged);
	c.tags = STR_NONE;
	c.sums = rest;
	if (!err && r == 0 && rest.requests > 0)
		err = put_line(to, &c);
	buf_done(&scratch);
	return err ? err : r;
}
