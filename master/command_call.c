/* SPDX-License-Identifier: MIT
 * command_call.c - one call of a command, from its arguments to its one answer; see commands.h.
 *
 * By HTTP a query's values arrive as strings, so every reader takes a number or a truth value
 * written as a string too. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/json_write.h"
#include "common/mem.h"
#include "common/price.h"
#include "master/alerts.h"
#include "master/audit.h"
#include "master/commands.h"
#include "master/master.h"
#include "master/roles.h"

enum {
	CALL_MEMORY_MAX = 32 << 20,
	LARGE_MEMORY_MAX = 256 << 20,	/* the tree of a large text is larger */
	ANSWER_MAX = 32 << 20,
	MESSAGE_MAX = 1024
};

const struct command *command_by_words(struct str words)
{
	for (size_t i = 0; i < commands_count; i++)
		if (str_eq_z(words, commands[i].words))
			return &commands[i];
	return NULL;
}

struct str command_path_name(const struct command *cmd, struct str path)
{
	struct str pattern = str_z(cmd->path), behind = pattern, before = str_cut(&behind, '{');
	if (before.n == pattern.n)
		return STR_NONE;
	str_cut(&behind, '}');
	if (!str_starts(path, before) || !str_ends(path, behind) ||
	    path.n <= before.n + behind.n)
		return STR_NONE;
	return str_of(path.p + before.n, path.n - before.n - behind.n);
}

static bool fits(const struct command *c, struct str path, bool with_mark)
{
	return with_mark ? command_path_name(c, path).n > 0 : str_eq_z(path, c->path);
}

const struct command *command_by_path(struct str method, struct str path, bool *ret_other_method)
{
	*ret_other_method = false;
	for (size_t n = 0; n < 2 * commands_count; n++) {
		const struct command *c = &commands[n % commands_count];
		if (!c->path || (c->flags & CMD_NO_HTTP) || !fits(c, path, n >= commands_count))
			continue;
		if (str_eq_z(method, c->method)) {
			*ret_other_method = false;
			return c;
		}
		*ret_other_method = true;
	}
	return NULL;
}

/* ---- the answer ---- */

static void put_error(struct command_call *c, int status, const char *type, const char *param,
		      const char *message)
{
	char code[12];
	struct json_out o = json_out(&c->out);
	buf_reset(&c->out);
	snprintf(code, sizeof code, "%d", status);
	json_open(&o, NULL);
	json_open(&o, "error");
	json_put_z(&o, "message", message);
	json_put_z(&o, "type", type);
	json_put_z(&o, "param", param);
	json_put_z(&o, "code", code);
	json_close(&o);
	json_close(&o);
	c->status = status;
}

/* Arguments and answer may hold a key's text. */
static void wipe(struct command_call *c)
{
	mem_wipe((char *)c->text.p, c->text.n);
	if (c->out.p)
		mem_wipe(c->out.p, c->out.room);
}

static void call_free(struct command_call *c)
{
	wipe(c);
	buf_done(&c->out);
	arena_free(c->mem);
	mem_free(c);
}

static void finish(struct command_call *c)
{
	if (c->master && c->master->alerts)
		alerts_command(c->master->alerts, c);
	c->answer(c);
	audit_origin_drop(c->origin);
	call_free(c);
}

void command_finish(struct command_call *c)
{
	if (c->out.failed)
		put_error(c, 500, "internal_server_error", NULL,
			  "the answer is too large: ask for less at a time");
	if (!audit_end(c, finish))
		finish(c);
}

void command_fail(struct command_call *c, int status, const char *type, const char *param,
		  const char *fmt, ...)
{
	char message[MESSAGE_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(message, sizeof message, fmt, ap);
	va_end(ap);
	put_error(c, status, type, param, message);
	command_finish(c);
}

void command_fail_store(struct command_call *c, int err)
{
	switch (err) {
	case -ENOSPC:
		command_fail(c, 503, "service_unavailable_error", NULL,
			     "nothing can be stored: the disk is full");
		break;
	case -ETIME:
		command_fail(c, 503, "timeout_error", NULL,
			     "the report took too long: ask for fewer days or rows");
		break;
	case -ECANCELED:
		command_fail(c, 503, "service_unavailable_error", NULL, "the gateway is stopping");
		break;
	case -EAGAIN:
		command_fail(c, 503, "service_unavailable_error", NULL,
			     "the database is locked by another program");
		break;
	case -ENOMEM:
		command_fail(c, 503, "service_unavailable_error", NULL, "out of memory");
		break;
	default:
		command_fail(c, 500, "internal_server_error", NULL, "the database failed: %s",
			     strerror(-err));
	}
}

/* ---- the beginning ---- */

static void refuse(struct command_call *c, int status, const char *message)
{
	static const struct json none = { .raw = { "{}", 2 }, .type = JSON_OBJECT };
	c->args = &none;
	c->is_refused = true;
	put_error(c, status, "invalid_request_error", "request_body", message);
}

static void read_args(struct command_call *c, struct str text)
{
	char message[160];
	struct json_error e = { 0 };
	c->text = arena_dup(c->mem, text.n ? text : STR("{}"));
	const struct json *args = c->text.p ? json_parse(c->mem, c->text, JSON_ONE_KEY, &e) : NULL;
	if (args && args->type == JSON_OBJECT) {
		c->args = args;
		return;
	}
	if (args)
		snprintf(message, sizeof message, "the arguments must be an object, not %s",
			 json_type_name(args->type));
	else
		snprintf(message, sizeof message, "Invalid JSON payload: %s at byte %zu",
			 e.what ? e.what : "too large", e.at);
	refuse(c, 400, message);
}

struct command_call *command_new(struct master *m, const struct command *cmd, struct str args_json,
				 void (*answer)(struct command_call *), void *answer_data)
{
	bool is_large = cmd->flags & CMD_LARGE;
	size_t most = is_large ? COMMAND_ARGS_LARGE : COMMAND_ARGS_MAX;
	struct command_call *c = mem_alloc(sizeof *c);
	struct arena *mem = arena_new(is_large ? LARGE_MEMORY_MAX : CALL_MEMORY_MAX);
	if (!c || !mem) {
		mem_free(c);
		arena_free(mem);
		return NULL;
	}
	*c = (struct command_call){ .master = m, .command = cmd, .mem = mem, .status = 200,
				    .answer = answer, .answer_data = answer_data };
	buf_init(&c->out, ANSWER_MAX);
	if (args_json.n > most)
		refuse(c, 413, is_large ? "the arguments are larger than 16 MiB"
					: "the arguments are larger than 1 MiB");
	else
		read_args(c, args_json);
	return c;
}

struct command_call *command_derive(const struct command_call *from, const struct command *cmd,
				    struct str args_json, void (*answer)(struct command_call *),
				    void *answer_data)
{
	struct command_call *c = command_new(from->master, cmd, args_json, answer, answer_data);
	if (!c)
		return NULL;
	struct command_call own = *c;
	*c = *from;			/* all that says who is calling */
	c->command = own.command;
	c->mem = own.mem;
	c->args = own.args;
	c->status = own.status;
	c->out = own.out;
	c->answer = own.answer;
	c->answer_data = own.answer_data;
	c->is_refused = own.is_refused;
	c->is_noted = false;
	c->text = own.text;
	c->path_name = own.path_name;
	c->own_user = own.own_user;	/* command_run() finds it */
	c->own_key = own.own_key;
	c->origin = audit_origin_keep(from->origin);
	return c;
}

static const char *missing_arg(const struct command_call *c)
{
	for (const struct command_arg *a = c->command->args; a && a->name; a++)
		if ((a->flags & ARG_REQUIRED) && !json_is_given(json_get(c->args, a->name)) &&
		    !(c->path_name.n && a->flags & ARG_POSITIONAL))
			return a->name;
	return NULL;
}

void command_run(struct command_call *c)
{
	const char *missing;
	if (!roles_admit(c))
		role_refuse(c);
	else if (c->is_refused)
		command_finish(c);
	else if ((missing = missing_arg(c)))
		command_fail(c, 400, "invalid_request_error", missing, "%s is missing", missing);
	else
		audit_run(c);
}

/* ---- arguments ---- */

static int wrong(struct command_call *c, const char *name, const char *wanted, const struct json *j)
{
	struct str raw = j->raw;
	bool is_short = raw.n <= 60 && j->type != JSON_ARRAY && j->type != JSON_OBJECT;
	command_fail(c, 400, "invalid_request_error", name, "%s must be %s, not " STR_FMT, name,
		     wanted, STR_ARG(is_short ? raw : str_z(json_type_name(j->type))));
	return -EINVAL;
}

/* A string's decoded text, a number's bytes; .p NULL for anything else. */
static struct str scalar_of(struct command_call *c, const struct json *j)
{
	if (j->type == JSON_STRING)
		return json_str(c->mem, j);
	return j->type == JSON_NUMBER ? j->raw : STR_NONE;
}

int command_str(struct command_call *c, const char *name, struct str *ret)
{
	const struct json *j = json_get(c->args, name);
	if (!json_is_given(j))
		return -ENOENT;
	struct str s = json_str(c->mem, j);
	if (!s.p)
		return wrong(c, name, "a string", j);
	*ret = s;
	return 0;
}

int command_named(struct command_call *c, const char *name, struct str *ret)
{
	if (!c->path_name.n)
		return command_str(c, name, ret);
	if (!str_is_utf8(c->path_name)) {
		command_fail(c, 400, "invalid_request_error", name, "%s is not UTF-8", name);
		return -EINVAL;
	}
	*ret = c->path_name;
	return 0;
}

int command_u64(struct command_call *c, const char *name, uint64_t *ret)
{
	const struct json *j = json_get(c->args, name);
	int64_t v;
	if (!json_is_given(j))
		return -ENOENT;
	struct str s = scalar_of(c, j);
	if (s.p && str_read_u64(s, ret) == 0)
		return 0;
	if (j->type != JSON_NUMBER || json_read_i64(j, &v) != 0 || v < 0)
		return wrong(c, name, "a whole number of 0 or more", j);
	*ret = (uint64_t)v;
	return 0;
}

bool command_page(struct command_call *c, const char *size_name, uint64_t most, uint64_t *page,
		  uint64_t *size)
{
	enum { PAGES_MAX = 1000000000 };
	if (command_u64(c, "page", page) == -EINVAL || command_u64(c, size_name, size) == -EINVAL)
		return false;
	bool is_good_size = *size >= 1 && *size <= most;
	if (is_good_size && *page >= 1 && *page <= PAGES_MAX)
		return true;
	command_fail(c, 400, "invalid_request_error", is_good_size ? "page" : size_name,
		     "page counts from 1, %s is 1 to %llu", size_name, (unsigned long long)most);
	return false;
}

int command_money(struct command_call *c, const char *name, int64_t *ret_nano)
{
	const struct json *j = json_get(c->args, name);
	if (!json_is_given(j))
		return -ENOENT;
	struct str s = scalar_of(c, j);
	if (s.n && s.p[0] == '-')
		return wrong(c, name, "an amount of dollars that is not negative", j);
	switch (s.p ? price_read_nano(s, ret_nano) : -EINVAL) {
	case 0:
		return 0;
	case -ERANGE:
		return wrong(c, name, "at most 1000000000 dollars", j);
	default:
		return wrong(c, name, "an amount of dollars", j);
	}
}

static int read_bool(struct str s, bool *ret)
{
	bool yes = str_eq_nocase(s, STR("true")) || str_eq(s, STR("1"));
	if (!yes && !str_eq_nocase(s, STR("false")) && !str_eq(s, STR("0")))
		return -EINVAL;
	*ret = yes;
	return 0;
}

int command_bool(struct command_call *c, const char *name, bool *ret)
{
	const struct json *j = json_get(c->args, name);
	if (!json_is_given(j))
		return -ENOENT;
	bool is_bool = j->type == JSON_TRUE || j->type == JSON_FALSE;
	struct str s = is_bool ? j->raw : scalar_of(c, j);
	return s.p && read_bool(s, ret) == 0 ? 0 : wrong(c, name, "true or false", j);
}
