/* SPDX-License-Identifier: MIT
 * export_aws.c - see export_aws.h. */
#include "master/export_aws.h"

#include <stdio.h>

#include "common/clock.h"

enum { PARAMS_MEMORY = 1 << 16 };

const char *export_aws_params(struct str text, struct export_target *t,
			      const char *(*read)(struct arena *a, const struct json *params,
						  struct export_target *t))
{
	struct arena *a = arena_new(PARAMS_MEMORY);
	struct json_error why;
	const struct json *params = a && text.n && !t->vars ? json_parse(a, text, 0, &why) : NULL;
	const char *missing = a ? read(a, params, t) : "memory";
	arena_free(a);
	return missing;
}

bool export_aws_is_plain(struct str s, const char *others)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool is_word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			       (c >= 'A' && c <= 'Z');
		if (!is_word && (!c || !strchr(others, c)))
			return false;
	}
	return true;
}

bool export_aws_is_address(struct str s)
{
	bool has_scheme = str_starts(s, STR("https://")) || str_starts(s, STR("http://"));
	return !s.n || (has_scheme && export_aws_is_plain(s, "-._:/[]"));
}

struct str export_aws_given(const struct export_target *t, struct arena *a,
			    const struct json *params, const char *name, const char *variable,
			    const char *other)
{
	struct str s = t->vars ? str_z(export_variable(t, name)) : json_get_str(a, params, name);
	const char *v = s.n ? NULL : export_variable(t, variable);
	if (!s.n && (!v || !*v) && other)
		v = export_variable(t, other);
	return s.n ? s : str_z(v ? v : "");
}

static bool keep_word(char *to, size_t room, struct str s)
{
	if (s.n >= room || !export_aws_is_plain(s, "-._~/+=,@:"))
		return false;
	memcpy(to, s.n ? s.p : "", s.n);
	to[s.n] = '\0';
	return true;
}

bool export_aws_keep_keys(struct export_target *t, struct str key, struct str secret,
			  struct str token, struct str region)
{
	return keep_word(t->aws_key, sizeof t->aws_key, key) &&
	       keep_word(t->aws_secret, sizeof t->aws_secret, secret) &&
	       keep_word(t->aws_token, sizeof t->aws_token, token) &&
	       keep_word(t->aws_region, sizeof t->aws_region, region) && key.n && secret.n;
}

bool export_aws_read_keys(struct arena *a, const struct json *params, const char *prefix,
			  struct str region, struct export_target *t)
{
	static const char *const words[][2] = {
		{ "aws_access_key_id", "AWS_ACCESS_KEY_ID" },
		{ "aws_secret_access_key", "AWS_SECRET_ACCESS_KEY" },
		{ "aws_session_token", "AWS_SESSION_TOKEN" },
	};
	struct str found[COUNT(words)];
	char name[48];
	bool has_own = false;		/* then the environment's token is another key's */
	for (size_t i = 0; i < COUNT(words); i++) {
		snprintf(name, sizeof name, "%s%s", prefix, words[i][0]);
		has_own |= i == 0 && json_get_str(a, params, name).n > 0;
		found[i] = export_aws_given(t, a, params, name,
					    i == 2 && has_own ? "" : words[i][1], NULL);
	}
	return export_aws_keep_keys(t, found[0], found[1], found[2], region);
}

/* Lines that end in CR LF behind those that are there, with a '\n' between them. */
static bool add_lines(char *to, size_t room, struct str lines)
{
	size_t n = strlen(to);
	for (size_t i = 0; i < lines.n; i++)
		if (lines.p[i] != '\r' && n + 1 < room)
			to[n++] = lines.p[i];
	to[n] = '\0';
	return n + 1 < room;
}

bool export_aws_sign(const struct export_target *t, struct sigv4_call *call, uint64_t wall_ns,
		     struct export_address *ret)
{
	struct str rest = str_z(ret->url);
	struct buf lines;
	rest = str_skip(rest, str_find(rest, STR("://")) + 3);
	call->host = str_cut(&rest, '/');
	call->path = str_of(rest.p - 1, rest.n + 1);
	call->time_s = wall_ns / NS_PER_S;
	const struct sigv4_keys keys = { str_z(t->aws_key), str_z(t->aws_secret),
					 str_z(t->aws_token), str_z(t->aws_region) };
	buf_init(&lines, sizeof ret->headers);
	bool ok = sigv4_sign(call, &keys, &lines) == 0 &&
		  add_lines(ret->headers, sizeof ret->headers, buf_str(&lines));
	buf_done(&lines);
	return ok;
}
