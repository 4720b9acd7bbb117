/* SPDX-License-Identifier: MIT
 * config_list.c - the directives whose value is a list or a map: names, headers, JSON, fallbacks,
 * aliases and addresses to listen on. */
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>

#include "master/config_read.h"
#include "master/priorities.h"

/* The worker's snapshot has room for as many headers with one deployment. */
enum { HEADERS_MAX = 60 };

#define HOST_CHARS ".:-_"

/* ---- lists and maps ---- */

static bool set_names(struct reader *r, struct config_names *at, const struct directive *d,
		      const struct yaml *y)
{
	bool alone = y->kind == YAML_SCALAR;
	size_t n = alone ? 1 : y->count;
	struct config_names names = {.v = keep_array(r, n, sizeof *names.v)};

	if (y->kind == YAML_MAP) {
		complain(r, COMPLAINT_ERROR, &y->place, "%s wants a list, not a map", d->name);
		return false;
	}
	if (!names.v)
		return false;
	for (const struct yaml *e = alone ? y : y->child; e; e = alone ? NULL : e->next) {
		struct str s = value_text(r, e, d->name);
		if (value_has_control(s))
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
		bool plain =
			(c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
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
	if (at->n + y->count > HEADERS_MAX) {
		complain(r, COMPLAINT_ERROR, &y->place, "more than %d headers", HEADERS_MAX);
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
			complain(r, COMPLAINT_ERROR, &e->key_place,
				 "'" STR_FMT "' is not a header's name", STR_ARG(shown(e->key)));
		else if (value_has_control(s))
			complain(r, COMPLAINT_ERROR, &e->place,
				 "a header holds a control character");
		else if (s.p)
			pairs.v[pairs.n++] = (struct config_pair){keep(r, e->key), keep(r, s)};
	}
	*at = pairs;
	return true;
}

static bool set_json(struct reader *r, struct str *at, const struct directive *d,
		     const struct yaml *y)
{
	struct buf b;
	struct json_out o;

	bool is_list = d->type == CT_JSON_LIST;
	if (y->kind != (is_list ? YAML_LIST : YAML_MAP)) {
		complain(r, COMPLAINT_ERROR, &y->place, "%s wants a %s, not %s", d->name,
			 is_list ? "list" : "map", yaml_kind_name(y));
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
			complain(r, COMPLAINT_ERROR, &e->place, "%s wants {group: [other, ...]}",
				 d->name);
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
	struct config_fallbacks f = {0};
	size_t n = 0;

	if (y->kind != YAML_LIST) {
		complain(r, COMPLAINT_ERROR, &y->place,
			 "%s wants a list of {group: [other, ...]}, not %s", d->name,
			 yaml_kind_name(y));
		return false;
	}
	for (const struct yaml *e = y->child; e; e = e->next) {
		if (e->kind != YAML_MAP) {
			complain(r, COMPLAINT_ERROR, &e->place,
				 "%s wants {group: [other, ...]}, not %s", d->name,
				 yaml_kind_name(e));
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
			 value_type_wrong(CT_BOOL));
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
	return value_is_host(*ret_host, HOST_CHARS);
}

/* Names lead to addresses that may be others tomorrow; all know where this one leads to. */
struct str listen_host(struct str host)
{
	return str_eq(host, STR("localhost")) ? STR("127.0.0.1") : host;
}

bool listen_is_numeric(struct str host)
{
	struct addrinfo hint = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM }, *at;
	char z[256];
	snprintf(z, sizeof z, STR_FMT, STR_ARG(host));
	if (host.n >= sizeof z || getaddrinfo(z, NULL, &hint, &at) != 0)
		return false;
	freeaddrinfo(at);
	return true;
}

static bool keep_host(struct reader *r, struct config_listen *l, const struct yaml *y,
		      struct str host)
{
	host = listen_host(host);
	l->host = keep(r, host);
	if (listen_is_numeric(host))
		return true;
	complain(r, COMPLAINT_ERROR, &y->place, "'" STR_FMT "' is not an address to listen on: want "
		 "numbers, as 127.0.0.1 or [::1], or localhost", STR_ARG(shown(host)));
	return false;
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
					 "'" STR_FMT "' is not a port (0 to 65535)",
					 STR_ARG(shown(s)));
				return false;
			}
		} else if (same_name(e->key, "tls")) {
			l->tls = value_is_true(s);
			*ret_tls_given = true;
			if (l->tls || value_is_false(s))
				continue;
			complain(r, COMPLAINT_ERROR, &e->place, "'" STR_FMT "' %s",
				 STR_ARG(shown(s)), value_type_wrong(CT_BOOL));
		} else {
			complain(r, COMPLAINT_ERROR, &e->key_place,
				 "'" STR_FMT "' is not known here (want address, port, tls)",
				 STR_ARG(shown(e->key)));
		}
	}
	if (value_is_host(address, HOST_CHARS))
		return keep_host(r, l, y, address);
	complain(r, COMPLAINT_ERROR, &y->place, "'" STR_FMT "' %s", STR_ARG(shown(address)),
		 value_type_wrong(CT_LISTEN));
	return false;
}

static bool listen_one(struct reader *r, struct config_listen *l, const struct yaml *y)
{
	struct str host;

	*l = (struct config_listen){.port = 4000};
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
			 value_type_wrong(CT_LISTEN));
		return false;
	}
	return keep_host(r, l, y, host);
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

bool list_set(struct reader *r, void *base, const struct directive *d, const struct yaml *y)
{
	void *at = (char *)base + d->at;

	switch (d->type) {
	case CT_NAMES:
		return set_names(r, at, d, y);
	case CT_PAIRS:
		return set_pairs(r, at, d, y);
	case CT_JSON:
	case CT_JSON_LIST:
		return set_json(r, at, d, y);
	case CT_DOCUMENT:
		if (y->kind == YAML_MAP)
			return set_json(r, at, d, y);
		*(struct str *)at = keep(r, value_text(r, y, d->name));
		return y->kind == YAML_SCALAR;
	case CT_LISTEN:
		return set_listen(r, base, y);
	case CT_FALLBACKS:
		return set_fallbacks(r, at, d, y);
	case CT_GROUP_POLICIES:
		return route_set_policies(r, base, d, y);
	case CT_ROUTING_GROUPS:
		return route_set_groups(r, base, d, y);
	case CT_PASSES:
		return passes_set(r, base, y);
	case CT_BUDGETS:
		return gates_set_budgets(r, at, d, y);
	case CT_PLANS:
		return gates_set_plans(r, at, d, y);
	case CT_HOURS:
		return gates_set_hours(r, at, d, y);
	case CT_SHARES:
		return priorities_set(r, at, d, y);
	default:
		MUST(d->type == CT_ALIASES);
		return set_aliases(r, base, d, y);
	}
}
