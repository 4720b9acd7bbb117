/* SPDX-License-Identifier: MIT
 * ctl_value.c - values as typed on a command line, checked before anything is sent, and written
 * as the JSON the gateway takes. "none" stands for null: it takes a limit away. */
#include <errno.h>

#include "common/json_write.h"
#include "common/mem.h"
#include "master/ctl.h"

enum {
	ARGS_BYTES_MAX = 1 << 20,
	NANO_DIGITS = 9
};

static bool is_none(const struct ctl_value *v)
{
	switch (v->arg->type) {
	case ARG_INT:
	case ARG_MONEY:
	case ARG_DURATION:
		return str_eq_z(v->text, "none") || str_eq_z(v->text, "null");
	default:
		return false;
	}
}

/* "50", "$0.25", "1.5": dollars with up to nine decimals, to billionths. */
static int read_dollars(struct str s, int64_t *ret_nano)
{
	uint64_t whole = 0, part = 0;
	if (str_starts(s, STR("$")))
		s = str_skip(s, 1);
	struct str fraction = s, dollars = str_cut(&fraction, '.');
	if (str_read_u64(dollars, &whole) != 0 || whole > 9000000000u)
		return -EINVAL;
	if (fraction.p && (fraction.n > NANO_DIGITS || str_read_u64(fraction, &part) != 0))
		return -EINVAL;
	for (size_t i = fraction.n; i < NANO_DIGITS; i++)
		part *= 10;
	*ret_nano = (int64_t)(whole * 1000000000u + part);
	return 0;
}

static bool is_months(struct str s)
{
	uint64_t n;
	return str_ends(s, STR("mo")) && str_read_u64(str_of(s.p, s.n - 2), &n) == 0;
}

static bool is_duration(struct str s)
{
	uint64_t ms;
	return str_eq_z(s, "-1") || is_months(s) || str_read_duration_ms(s, &ms) == 0;
}

static bool is_bool(struct str s)
{
	return str_eq_z(s, "true") || str_eq_z(s, "false");
}

static bool is_json(struct arena *a, struct str s)
{
	struct json_error e;
	return json_parse(a, s, JSON_ONE_KEY, &e) != NULL;
}

static bool is_of_type(struct arena *a, const struct ctl_value *v)
{
	int64_t number;
	if (v->arg->flags & ARG_FILE)
		return v->text.n > 0 && str_is_utf8(v->text);	/* a name: ctl_file.c reads it */
	switch (v->arg->type) {
	case ARG_INT:
		return str_read_i64(v->text, &number) == 0;
	case ARG_MONEY:
		return read_dollars(v->text, &number) == 0;
	case ARG_DURATION:
		return is_duration(v->text);
	case ARG_BOOL:
		return is_bool(v->text);
	case ARG_JSON:
		return is_json(a, v->text);
	case ARG_STRING:
	case ARG_LIST:
		break;
	}
	return str_is_utf8(v->text);
}

int ctl_value_check(struct arena *a, const struct ctl_value *v, struct str *reterr)
{
	static const char *const wanted[] = {
		[ARG_STRING] = "text in UTF-8",
		[ARG_INT] = "a whole number",
		[ARG_MONEY] = "an amount in dollars, as 50 or 0.25",
		[ARG_BOOL] = "true or false",
		[ARG_LIST] = "text in UTF-8",
		[ARG_JSON] = "JSON",
		[ARG_DURATION] = "a duration, as 30s, 24h, 7d or 1mo",
	};
	if (is_none(v) || is_of_type(a, v))
		return 0;
	struct buf shown;
	buf_init(&shown, 4096);
	ctl_put_safe(&shown, str_of(v->text.p, v->text.n > 200 ? 200 : v->text.n));
	bool is_json = v->arg->type == ARG_JSON;	/* of which kind only its help knows */
	*reterr = arena_printf(a, "'" STR_FMT "' is not %s%s%s", STR_ARG(buf_str(&shown)),
			       wanted[v->arg->type], is_json ? "; wanted is " : "",
			       is_json ? v->arg->doc : "");
	buf_done(&shown);
	return -EINVAL;
}

static void put_items(struct json_out *o, struct str text)
{
	while (text.p) {
		struct str item = str_trim(str_cut(&text, ','));
		if (item.n)
			json_put_str(o, NULL, item);
	}
}

static void put_list(struct json_out *o, const struct ctl_value *v, size_t n,
		     const struct command_arg *arg)
{
	json_open_array(o, arg->name);
	for (size_t i = 0; i < n; i++)
		if (v[i].arg == arg)
			put_items(o, v[i].text);
	json_close_array(o);
}

static void put_value(struct json_out *o, const struct ctl_value *v)
{
	const char *name = v->arg->name;
	int64_t number = 0;
	if (is_none(v))
		json_put_null(o, name);
	else if (v->arg->flags & ARG_FILE)
		json_put_str(o, name, v->text);
	else if (v->arg->type == ARG_MONEY && read_dollars(v->text, &number) == 0)
		json_put_money(o, name, number);
	else if (v->arg->type == ARG_INT && str_read_i64(v->text, &number) == 0)
		json_put_i64(o, name, number);
	else if (v->arg->type == ARG_BOOL || v->arg->type == ARG_JSON)
		json_put_raw(o, name, str_trim(v->text));
	else
		json_put_str(o, name, v->text);
}

static void put_argument(struct json_out *o, const struct ctl_value *v, size_t n,
			 const struct command_arg *arg)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i].arg != arg)
			continue;
		if (arg->type == ARG_LIST)
			put_list(o, v, n, arg);
		else
			put_value(o, &v[i]);
		return;
	}
}

struct str ctl_values_json(struct arena *a, const struct command *c, const struct ctl_value *v,
			   size_t n)
{
	struct buf json;
	buf_init(&json, ARGS_BYTES_MAX);
	struct json_out o = json_out(&json);
	json_open(&o, NULL);
	for (const struct command_arg *arg = c->args; arg && arg->name; arg++)
		put_argument(&o, v, n, arg);
	json_close(&o);
	struct str made = json.failed ? STR_NONE : arena_dup(a, buf_str(&json));
	if (json.p)
		mem_wipe(json.p, json.n);
	buf_done(&json);
	return made;
}

void ctl_put_args_with(struct buf *to, struct str args, const char *name, struct str value)
{
	bool is_bare = str_trim(args).n <= 2;	/* "{}" */
	buf_put(to, is_bare ? STR("{") : str_of(args.p, args.n - 1));
	buf_printf(to, "%s\"%s\":" STR_FMT "}", is_bare ? "" : ",", name, STR_ARG(value));
}
