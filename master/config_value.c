/* SPDX-License-Identifier: MIT
 * config_value.c - from a node of the tree to a value of the right type, or to a complaint.
 *
 * Scalars come in as text whether they were quoted or not, so "30", 30 and what an environment
 * variable holds are the same. Money is read from that text and never passes a double. */
#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "master/config_read.h"

static const struct {
	const char *name, *wrong;
} types[CT_COUNT] = {
	[CT_BOOL] = {"switch", "is not a switch (want true or false)"},
	[CT_FLAG] = {"switch", "is not a switch (want true or false)"},
	[CT_U32] = {"number", "is not a whole number"},
	[CT_U64] = {"number", "is not a whole number"},
	[CT_MILLI] = {"number", "is not a number (want 1, 0.5)"},
	[CT_SIZE] = {"size", "is not a size (want 512k, 32M)"},
	[CT_MEGABYTES] = {"number", "is not a number of megabytes (want 32)"},
	[CT_TIME] = {"duration", "is not a duration (want 30s, 5m)"},
	[CT_LIMIT] = {"duration or auto", "is not a duration (want 30s, 5m, or auto)"},
	[CT_PRICE] = {"price", "is not a price in dollars (want 0.000002, 2e-6)"},
	[CT_WORKERS] = {"number", "is not a number of workers (want auto, 4)"},
	[CT_STR] = {"text", "holds a control character"},
	[CT_TEXT] = {"text", ""},
	[CT_CHOICE] = {"choice", "is not one of"},
	[CT_CHOICE_U32] = {"choice", "is not one of"},
	[CT_STRATEGY] = {"text", "is not a routing strategy (want simple-shuffle, least-busy, "
				 "latency-based-routing, cost-based-routing, usage-based-routing)"},
	[CT_MODE] = {"text", "is not a mode (want chat, completion, embedding, ...)"},
	[CT_NAMES] = {"list", ""},
	[CT_PAIRS] = {"map", ""},
	[CT_JSON] = {"map", ""},
	[CT_JSON_LIST] = {"list", ""},
	[CT_DOCUMENT] = {"text or map", ""},
	[CT_LISTEN] = {"addresses", "is not an address (want host:port)"},
	[CT_FALLBACKS] = {"list", ""},
	[CT_ALIASES] = {"map", ""},
	[CT_GROUP_POLICIES] = {"map", ""},
	[CT_ROUTING_GROUPS] = {"list", ""},
	[CT_PASSES] = {"list", ""},
	[CT_BUDGETS] = {"map", ""},
	[CT_PLANS] = {"list", ""},
	[CT_HOURS] = {"list", ""},
	[CT_SHARES] = {"map", ""},
};

const char *value_type_name(enum conf_type type)
{
	return types[type].name;
}

const char *value_type_wrong(enum conf_type type)
{
	return types[type].wrong;
}

struct str keep(struct reader *r, struct str s)
{
	struct str copy;

	if (!s.p)
		return STR_NONE;
	copy = arena_dup(r->c->mem, s);
	r->out_of_memory |= !copy.p;
	return copy;
}

void *keep_array(struct reader *r, size_t count, size_t size)
{
	void *p = arena_array(r->c->mem, count, size);

	r->out_of_memory |= !p;
	return p;
}

bool same_key(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++) {
		char x = a.p[i] == '-' ? '_' : a.p[i], y = b.p[i] == '-' ? '_' : b.p[i];
		if (x != y)
			return false;
	}
	return true;
}

bool same_name(struct str a, const char *b)
{
	return same_key(a, str_z(b));
}

static bool is_word_of(struct str s, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq_z(s, words[i]))
			return true;
	return false;
}

bool value_is_true(struct str s)
{
	static const char *const words[] = {"true", "True", "TRUE", "yes", "Yes",
					    "YES",  "on",   "On",   "ON"};

	return is_word_of(s, words, COUNT(words));
}

bool value_is_false(struct str s)
{
	static const char *const words[] = {"false", "False", "FALSE", "no", "No",
					    "NO",    "off",   "Off",   "OFF"};

	return is_word_of(s, words, COUNT(words));
}

bool value_has_control(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return true;
	return false;
}

bool value_is_host(struct str s, const char *others)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      (c && strchr(others, c))))
			return false;
	}
	return s.n > 0 && s.n <= 253;
}

/* ---- scalars: 0, -EINVAL (not of that type) or -ERANGE ---- */

/* 3, 3.0 and 3e2 are whole numbers, as Python reads them. */
static int read_whole(struct str s, uint64_t *ret)
{
	double d;
	int err = str_read_u64(s, ret);

	if (err != -EINVAL)
		return err;
	if (str_read_double(s, &d) < 0 || d < 0 || d != floor(d))
		return -EINVAL;
	if (d > 9007199254740992.0)
		return -ERANGE;
	*ret = (uint64_t)d;
	return 0;
}

/* A decimal number times `factor`, to the nearest. */
static int read_scaled(struct str s, double factor, uint64_t *ret)
{
	double d;

	if (str_read_double(s, &d) < 0 || d < 0)
		return -EINVAL;
	if (d * factor > 9007199254740992.0)
		return -ERANGE;
	*ret = (uint64_t)(d * factor + 0.5);
	return 0;
}

static int read_workers(struct str s, uint64_t *ret)
{
	if (!str_eq(s, STR("auto")))
		return read_whole(s, ret);
	*ret = 0;
	return 0;
}

static int read_choice(const char *choices, struct str s, uint64_t *ret)
{
	struct str rest = str_z(choices);

	for (uint64_t i = 0; rest.p; i++) {
		if (str_eq(str_cut(&rest, '|'), s)) {
			*ret = i;
			return 0;
		}
	}
	return -EINVAL;
}

static int read_mode(struct str s, uint64_t *ret)
{
	static const char choices[] =
		"chat|completion|embedding|image_generation|image_edit|audio_transcription|"
		"audio_speech|rerank|realtime|responses|batch|moderation|ocr|search|"
		"video_generation|vector_store";
	uint64_t i;

	if (read_choice(choices, s, &i) < 0)
		return -EINVAL;
	*ret = i < MODE_OTHER			 ? i
	       : str_eq(s, STR("responses")) ? MODE_RESPONSES
	       : str_eq(s, STR("rerank"))	 ? MODE_RERANK
						 : MODE_OTHER;
	return 0;
}

static int read_number(const struct directive *d, struct str s, uint64_t *ret)
{
	switch (d->type) {
	case CT_BOOL:
	case CT_FLAG:
		*ret = value_is_true(s);
		return *ret || value_is_false(s) ? 0 : -EINVAL;
	case CT_U32:
	case CT_U64:
		return read_whole(s, ret);
	case CT_MILLI:
		return read_scaled(s, 1000, ret);
	case CT_MEGABYTES:
		return read_scaled(s, 1024 * 1024, ret);
	case CT_SIZE:
		return str_read_size(s, ret);
	case CT_LIMIT:
		if (str_eq(s, STR("auto"))) {
			*ret = TIMEOUT_AUTO;
			return 0;
		}
		return str_read_duration_ms(s, ret);
	case CT_TIME:
		return str_read_duration_ms(s, ret);
	case CT_WORKERS:
		return read_workers(s, ret);
	case CT_CHOICE_U32:
		return read_choice(d->choices, s, ret);
	default:
		MUST(d->type == CT_MODE);
		return read_mode(s, ret);
	}
}

static bool is_number_type(enum conf_type t)
{
	return t <= CT_LIMIT || t == CT_WORKERS || t == CT_CHOICE_U32 || t == CT_MODE;
}

static int check_bounds(const struct directive *d, uint64_t v)
{
	if (d->type == CT_WORKERS && v == 0)
		return 0;
	if (d->type == CT_LIMIT && v == TIMEOUT_AUTO)
		return 0;
	if (d->type != CT_FLAG && v < d->min)
		return -ERANGE;
	if (d->max && v > d->max)
		return -ERANGE;
	return (d->type == CT_U32 || d->type == CT_WORKERS) && v > UINT32_MAX ? -ERANGE : 0;
}

static void store_number(const struct directive *d, void *base, uint64_t v)
{
	void *at = (char *)base + d->at;

	switch (d->type) {
	case CT_BOOL:
		*(bool *)at = v != 0;
		break;
	case CT_FLAG:
		*(uint32_t *)at =
			(*(uint32_t *)at & ~(uint32_t)d->min) | (v ? (uint32_t)d->min : 0);
		break;
	case CT_U32:
	case CT_WORKERS:
	case CT_CHOICE_U32:
		*(uint32_t *)at = (uint32_t)v;
		break;
	case CT_MODE:
		*(enum snap_mode *)at = (enum snap_mode)v;
		break;
	default:
		*(uint64_t *)at = v;
		break;
	}
}

static int set_text(struct reader *r, const struct directive *d, void *base, struct str s)
{
	uint64_t index;
	uint32_t strategy;

	if (d->type == CT_CHOICE && read_choice(d->choices, s, &index) < 0)
		return -EINVAL;
	if (d->type == CT_STRATEGY && !route_read_strategy(s, &strategy))
		return -EINVAL;
	if (d->type == CT_STR && value_has_control(s))
		return -EINVAL;
	*(struct str *)((char *)base + d->at) = keep(r, s);
	return 0;
}

static int set_scalar(struct reader *r, const struct directive *d, void *base, struct str s)
{
	uint64_t v = 0;
	int err;

	if (d->type == CT_PRICE)
		return price_read_pico(s, (int64_t *)((char *)base + d->at));
	if (!is_number_type(d->type))
		return set_text(r, d, base, s);
	err = read_number(d, s, &v);
	if (!err)
		err = check_bounds(d, v);
	if (!err)
		store_number(d, base, v);
	return err;
}

/* ---- complaints about scalars ---- */

static void put_bound(char *out, size_t room, const struct directive *d, uint64_t v)
{
	static const char units[][2] = {"", "k", "M", "G"};
	unsigned u = 0;

	if (d->type == CT_TIME || d->type == CT_LIMIT) {
		snprintf(out, room, v % 1000 ? "%llums" : "%llus",
			 (unsigned long long)(v % 1000 ? v : v / 1000));
		return;
	}
	if (d->type == CT_MILLI)
		v /= 1000;
	if (d->type == CT_MEGABYTES)
		v /= 1024 * 1024;
	while (d->type == CT_SIZE && u < 3 && v >= 1024 && v % 1024 == 0) {
		v /= 1024;
		u++;
	}
	snprintf(out, room, "%llu%s", (unsigned long long)v, units[u]);
}

/* "a|b|c" as " a, b, c". */
static void put_choices(char *out, size_t room, const char *choices)
{
	size_t n = 0;

	for (const char *z = choices ? choices : ""; *z && n + 3 < room; z++) {
		if (n == 0 || *z == '|')
			out[n++] = ' ';
		if (*z != '|') {
			out[n++] = *z;
			continue;
		}
		out[n - 1] = ',';
		out[n++] = ' ';
	}
	out[n] = '\0';
}

static void tell_wrong(struct reader *r, const struct directive *d, const struct yaml *y, int err)
{
	char low[32], high[32], words[128];
	struct str s = shown(y->text);
	bool hide = y->from_env || (d->flags & CF_SECRET) || d->type == CT_STR;
	const char *quote = hide ? "" : "'";

	if (hide)
		s = y->from_env ? STR("what the environment variable holds") : STR("this value");
	if (err == -ERANGE && d->max) {
		put_bound(low, sizeof low, d, d->min);
		put_bound(high, sizeof high, d, d->max);
		complain(r, COMPLAINT_ERROR, &y->place,
			 "%s" STR_FMT "%s is out of bounds (%s to %s)", quote, STR_ARG(s), quote,
			 low, high);
	} else if (err == -ERANGE) {
		complain(r, COMPLAINT_ERROR, &y->place, "%s" STR_FMT "%s is too large", quote,
			 STR_ARG(s), quote);
	} else {
		put_choices(words, sizeof words, d->choices);
		complain(r, COMPLAINT_ERROR, &y->place, "%s" STR_FMT "%s %s%s", quote, STR_ARG(s),
			 quote, types[d->type].wrong, words);
	}
}

struct str value_text(struct reader *r, const struct yaml *y, const char *name)
{
	if (y->kind == YAML_SCALAR)
		return y->text;
	if (y->kind != YAML_NULL)
		complain(r, COMPLAINT_ERROR, &y->place, "%s wants a single value, not %s", name,
			 yaml_kind_name(y));
	return STR_NONE;
}

bool value_set(struct reader *r, void *base, const struct directive *d, const struct yaml *y)
{
	int err;

	if (y->kind == YAML_NULL)
		return false;
	if (d->type >= CT_NAMES)
		return list_set(r, base, d, y);
	if (!value_text(r, y, d->name).p)
		return false;
	err = set_scalar(r, d, base, y->text);
	if (err)
		tell_wrong(r, d, y, err);
	return !err;
}

void value_preset(struct reader *r, void *base, const struct directive *d)
{
	const struct yaml y = {.kind = YAML_SCALAR, .text = str_z(d->preset)};

	if (d->preset)
		MUST(value_set(r, base, d, &y));
}
