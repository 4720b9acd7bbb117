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
	[CT_BOOL] = { "switch", "is not a switch (want true or false)" },
	[CT_FLAG] = { "switch", "is not a switch (want true or false)" },
	[CT_U32] = { "number", "is not a whole number" },
	[CT_U64] = { "number", "is not a whole number" },
	[CT_MILLI] = { "number", "is not a number (want 1, 0.5)" },
	[CT_SIZE] = { "size", "is not a size (want 512k, 32M)" },
	[CT_MEGABYTES] = { "number", "is not a number of megabytes (want 32)" },
	[CT_TIME] = { "duration", "is not a duration (want 30s, 5m)" },
	[CT_PRICE] = { "price", "is not a price in dollars (want 0.000002, 2e-6)" },
	[CT_WORKERS] = { "number", "is not a number of workers (want auto, 4)" },
	[CT_STR] = { "text", "holds a control character" },
	[CT_TEXT] = { "text", "" },
	[CT_CHOICE] = { "choice", "is not one of" },
	[CT_CHOICE_U32] = { "choice", "is not one of" },
	[CT_STRATEGY] = { "text", "is not a routing strategy" },
	[CT_MODE] = { "text", "is not a mode (want chat, completion, embedding, ...)" },
	[CT_NAMES] = { "list", "" },
	[CT_PAIRS] = { "map", "" },
	[CT_JSON] = { "map", "" },
	[CT_LISTEN] = { "addresses", "is not an address (want host:port)" },
	[CT_FALLBACKS] = { "list", "" },
	[CT_ALIASES] = { "map", "" },
};

const char *value_type_name(enum conf_type type)
{
	return types[type].name;
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
	static const char *const words[] = { "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On",
					     "ON" };

	return is_word_of(s, words, COUNT(words));
}

bool value_is_false(struct str s)
{
	static const char *const words[] = { "false", "False", "FALSE", "no", "No", "NO", "off", "Off",
					     "OFF" };

	return is_word_of(s, words, COUNT(words));
}

static bool has_control(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return true;
	return false;
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
	*ret = i < MODE_OTHER ? i : str_eq(s, STR("responses")) ? MODE_CHAT : MODE_OTHER;
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
	return t <= CT_TIME || t == CT_WORKERS || t == CT_CHOICE_U32 || t == CT_MODE;
}

static int check_bounds(const struct directive *d, uint64_t v)
{
	if (d->type == CT_WORKERS && v == 0)
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
		*(uint32_t *)at = (*(uint32_t *)at & ~(uint32_t)d->min) | (v ? (uint32_t)d->min : 0);
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

static bool is_known_strategy(struct str s)
{
	static const char *const names[] = { "least-busy",	   "usage-based-routing",
					     "usage-based-routing-v2", "latency-based-routing",
					     "cost-based-routing", "provider-budget-routing" };

	return is_word_of(s, names, COUNT(names));
}

static int set_text(struct reader *r, const struct directive *d, void *base, struct str s)
{
	uint64_t index;

	if (d->type == CT_CHOICE && read_choice(d->choices, s, &index) < 0)
		return -EINVAL;
	if (d->type == CT_STRATEGY && !str_eq(s, STR("simple-shuffle")) && !is_known_strategy(s))
		return -EINVAL;
	if (d->type == CT_STR && has_control(s))
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
	static const char units[][2] = { "", "k", "M", "G" };
	unsigned u = 0;

	if (d->type == CT_TIME) {
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
		complain(r, COMPLAINT_ERROR, &y->place, "%s" STR_FMT "%s is out of bounds (%s to %s)",
			 quote, STR_ARG(s), quote, low, high);
	} else if (err == -ERANGE) {
		complain(r, COMPLAINT_ERROR, &y->place, "%s" STR_FMT "%s is too large", quote,
			 STR_ARG(s), quote);
	} else {
		put_choices(words, sizeof words, d->choices);
		complain(r, COMPLAINT_ERROR, &y->place, "%s" STR_FMT "%s %s%s", quote, STR_ARG(s), quote,
			 types[d->type].wrong, words);
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

/* ---- lists and maps ---- */

static bool set_names(struct reader *r, struct config_names *at, const struct directive *d,
		      const struct yaml *y)
{
	bool alone = y->kind == YAML_SCALAR;
	size_t n = alone ? 1 : y->count;
	struct config_names names = { .v = keep_array(r, n, sizeof *names.v) };

	if (y->kind == YAML_MAP) {
		complain(r, COMPLAINT_ERROR, &y->place, "%s wants a list, not a map", d->name);
		return false;
	}
	if (!names.v)
		return false;
	for (const struct yaml *e = alone ? y : y->child; e; e = alone ? NULL : e->next) {
		struct str s = value_text(r, e, d->name);
		if (has_control(s))
			complain(r, COMPLAINT_ERROR, &e->place, "a name holds a control character");
		else if (s.n > 0)
			names.v[names.n++] = keep(r, s);
	}
	*at = names;
	return true;
}

static bool is_header_name(struct str s)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!plain && (!c || !strchr(others, c)))
			return false;
	}
	return s.n > 0;
}

/* Adds to what is there: headers and extra_headers are one list. */
static bool set_pairs(struct reader *r, struct config_pairs *at, const struct directive *d,
		      const struct yaml *y)
{
	struct config_pairs pairs;

	if (y->kind != YAML_MAP) {
		complain(r, COMPLAINT_ERROR, &y->place, "%s wants a map, not %s", d->name,
			 yaml_kind_name(y));
		return false;
	}
	pairs.v = keep_array(r, at->n + y->count, sizeof *pairs.v);
	if (!pairs.v)
		return false;
	if (at->n)
		memcpy(pairs.v, at->v, at->n * sizeof *pairs.v);
	pairs.n = at->n;
	for (const struct yaml *e = y->child; e; e = e->next) {
		struct str s = value_text(r, e, d->name);
		if (!is_header_name(e->key))
			complain(r, COMPLAINT_ERROR, &e->key_place, "'" STR_FMT "' is not a header's name",
				 STR_ARG(shown(e->key)));
		else if (has_control(s))
			complain(r, COMPLAINT_ERROR, &e->place, "a header holds a control character");
		else if (s.p)
			pairs.v[pairs.n++] = (struct config_pair){ keep(r, e->key), keep(r, s) };
	}
	*at = pairs;
	return true;
}

static bool set_json(struct reader *r, struct str *at, const struct directive *d,
		     const struct yaml *y)
{
	struct buf b;
	struct json_out o;

	if (y->kind != YAML_MAP) {
		complain(r, COMPLAINT_ERROR, &y->place, "%s wants a map, not %s", d->name,
			 yaml_kind_name(y));
		return false;
	}
	buf_init(&b, CONFIG_FILE_MAX);
	o = json_out(&b);
	value_json(r, &o, NULL, y);
	r->out_of_memory |= b.failed;
	*at = keep(r, buf_str(&b));
	buf_done(&b);
	return true;
}

static bool add_fallbacks(struct reader *r, struct config_fallbacks *f, const struct directive *d,
			  const struct yaml *map)
{
	for (const struct yaml *e = map->child; e; e = e->next) {
		struct config_fallback *one = &f->v[f->n];
		if (e->kind != YAML_LIST && e->kind != YAML_SCALAR) {
			complain(r, COMPLAINT_ERROR, &e->place, "%s wants {group: [other, ...]}", d->name);
			return false;
		}
		if (!set_names(r, &one->to, d, e))
			return false;
		one->group = keep(r, e->key);
		f->n++;
	}
	return true;
}

static bool set_fallbacks(struct reader *r, struct config_fallbacks *at, const struct directive *d,
			  const struct yaml *y)
{
	struct config_fallbacks f = { 0 };
	size_t n = 0;

	if (y->kind != YAML_LIST) {
		complain(r, COMPLAINT_ERROR, &y->place, "%s wants a list of {group: [other, ...]}, not %s",
			 d->name, yaml_kind_name(y));
		return false;
	}
	for (const struct yaml *e = y->child; e; e = e->next) {
		if (e->kind != YAML_MAP) {
			complain(r, COMPLAINT_ERROR, &e->place, "%s wants {group: [other, ...]}, not %s",
				 d->name, yaml_kind_name(e));
			return false;
		}
		n += e->count;
	}
	f.v = keep_array(r, n, sizeof *f.v);
	for (const struct yaml *e = y->child; f.v && e; e = e->next)
		if (!add_fallbacks(r, &f, d, e))
			return false;
	*at = f;
	return true;
}

static bool read_alias(struct reader *r, struct config_alias *one, const struct yaml *e)
{
	const struct yaml *group = e, *hidden = NULL;
	struct str s;

	if (e->kind == YAML_MAP) {
		group = yaml_get(e, "model");
		hidden = yaml_get(e, "hidden");
	}
	if (!group || group->kind != YAML_SCALAR) {
		complain(r, COMPLAINT_ERROR, &e->place,
			 "an alias wants a model's name or {model: name, hidden: true}");
		return false;
	}
	one->alias = keep(r, e->key);
	one->group = keep(r, group->text);
	s = hidden ? value_text(r, hidden, "hidden") : STR_NONE;
	one->hidden = value_is_true(s);
	if (s.p && !one->hidden && !value_is_false(s))
		complain(r, COMPLAINT_ERROR, &hidden->place, "'" STR_FMT "' %s", STR_ARG(shown(s)),
			 types[CT_BOOL].wrong);
	return true;
}

static bool set_aliases(struct reader *r, struct config *c, const struct directive *d,
			const struct yaml *y)
{
	struct config_alias *v;
	size_t n = 0;

	if (y->kind != YAML_MAP) {
		complain(r, COMPLAINT_ERROR, &y->place, "%s wants a map, not %s", d->name,
			 yaml_kind_name(y));
		return false;
	}
	v = keep_array(r, y->count, sizeof *v);
	for (const struct yaml *e = y->child; v && e; e = e->next)
		n += read_alias(r, &v[n], e);
	c->aliases = v;
	c->n_aliases = v ? n : 0;
	return true;
}

/* ---- addresses ---- */

static bool is_host(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      c == '.' || c == ':' || c == '-' || c == '_'))
			return false;
	}
	return s.n > 0 && s.n <= 253;
}

static bool read_port(struct str s, uint16_t *ret)
{
	uint64_t v;

	if (str_read_u64(s, &v) < 0 || v > UINT16_MAX)
		return false;
	*ret = (uint16_t)v;
	return true;
}

/* "host:port", "[::1]:port", ":port", or a port alone. */
static bool read_address(struct str s, struct str *ret_host, uint16_t *ret_port)
{
	struct str host = STR_NONE;

	if (s.n > 0 && s.p[0] == '[') {
		s = str_skip(s, 1);
		host = str_cut(&s, ']');
		if (s.n == 0 || s.p[0] != ':')
			return false;
		s = str_skip(s, 1);
	} else if (str_find_char(s, ':') != SIZE_MAX) {
		host = str_cut(&s, ':');
	}
	if (!read_port(s, ret_port))
		return false;
	*ret_host = host.n > 0 ? host : STR("0.0.0.0");
	return is_host(*ret_host);
}

static bool listen_map(struct reader *r, struct config_listen *l, const struct yaml *y,
		       bool *ret_tls_given)
{
	struct str address = STR("0.0.0.0"), s;

	for (const struct yaml *e = y->child; e; e = e->next) {
		s = value_text(r, e, "listen");
		if (!s.p)
			continue;
		if (same_name(e->key, "address")) {
			address = s;
		} else if (same_name(e->key, "port")) {
			if (!read_port(s, &l->port)) {
				complain(r, COMPLAINT_ERROR, &e->place,
					 "'" STR_FMT "' is not a port (0 to 65535)", STR_ARG(shown(s)));
				return false;
			}
		} else if (same_name(e->key, "tls")) {
			l->tls = value_is_true(s);
			*ret_tls_given = true;
			if (l->tls || value_is_false(s))
				continue;
			complain(r, COMPLAINT_ERROR, &e->place, "'" STR_FMT "' %s", STR_ARG(shown(s)),
				 types[CT_BOOL].wrong);
		} else {
			complain(r, COMPLAINT_ERROR, &e->key_place,
				 "'" STR_FMT "' is not known here (want address, port, tls)",
				 STR_ARG(shown(e->key)));
		}
	}
	l->host = keep(r, address);
	if (is_host(address))
		return true;
	complain(r, COMPLAINT_ERROR, &y->place, "'" STR_FMT "' %s", STR_ARG(shown(address)),
		 types[CT_LISTEN].wrong);
	return false;
}

static bool listen_one(struct reader *r, struct config_listen *l, const struct yaml *y)
{
	struct str host;

	*l = (struct config_listen){ .port = 4000 };
	if (y->kind == YAML_MAP) {
		bool given = false;
		bool is_fine = listen_map(r, l, y, &given);
		l->tls_default = !given;
		return is_fine;
	}
	l->tls_default = true;
	struct str s = value_text(r, y, "listen");
	if (!s.p)
		return false;
	if (!read_address(s, &host, &l->port)) {
		complain(r, COMPLAINT_ERROR, &y->place, "'" STR_FMT "' %s", STR_ARG(shown(s)),
			 types[CT_LISTEN].wrong);
		return false;
	}
	l->host = keep(r, host);
	return true;
}

static bool set_listen(struct reader *r, struct config *c, const struct yaml *y)
{
	bool alone = y->kind != YAML_LIST;

	c->n_listen = 0;
	for (const struct yaml *e = alone ? y : y->child; e; e = alone ? NULL : e->next) {
		if (c->n_listen == CONFIG_LISTEN_MAX) {
			complain(r, COMPLAINT_ERROR, &e->place, "more than %d addresses",
				 CONFIG_LISTEN_MAX);
			return true;
		}
		c->n_listen += listen_one(r, &c->listen[c->n_listen], e);
	}
	if (!alone && y->count == 0)
		complain(r, COMPLAINT_ERROR, &y->place, "listen names no address");
	return true;
}

bool value_set(struct reader *r, void *base, const struct directive *d, const struct yaml *y)
{
	void *at = (char *)base + d->at;
	int err;

	if (y->kind == YAML_NULL)
		return false;
	switch (d->type) {
	case CT_NAMES:
		return set_names(r, at, d, y);
	case CT_PAIRS:
		return set_pairs(r, at, d, y);
	case CT_JSON:
		return set_json(r, at, d, y);
	case CT_LISTEN:
		return set_listen(r, base, y);
	case CT_FALLBACKS:
		return set_fallbacks(r, at, d, y);
	case CT_ALIASES:
		return set_aliases(r, base, d, y);
	default:
		break;
	}
	if (!value_text(r, y, d->name).p)
		return false;
	err = set_scalar(r, d, base, y->text);
	if (err)
		tell_wrong(r, d, y, err);
	else if (d->type == CT_STRATEGY && is_known_strategy(y->text))
		complain(r, W_NOT_ACTED_ON, &y->place,
			 "llmgw does not act on strategy '" STR_FMT "' yet; simple-shuffle is used",
			 STR_ARG(y->text));
	return !err;
}

void value_preset(struct reader *r, void *base, const struct directive *d)
{
	const struct yaml y = { .kind = YAML_SCALAR, .text = str_z(d->preset) };

	if (d->preset)
		MUST(value_set(r, base, d, &y));
}
