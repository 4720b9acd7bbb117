/* SPDX-License-Identifier: MIT
 * export_s3.c - where a batch lies in S3, and its signature (common/sigv4.h), which is made anew
 * each time that it is sent.
 *
 * An object is named by the day on which it is sent and by the hash of what is in it: a batch that
 * arrived although its answer did not is not there twice, unless midnight was between. */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/json.h"
#include "common/sigv4.h"
#include "master/export_rows.h"

enum { PARAMS_MEMORY = 1 << 16 };

/* What needs no encoding in a URL, neither once nor twice. */
static bool is_plain(struct str s, const char *others)
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

/* A parameter, else the first of two variables that is set; "" where there is none. */
static struct str given(struct arena *a, const struct json *params, const char *name,
			const char *variable, const char *other)
{
	struct str s = json_get_str(a, params, name);
	const char *v = s.n ? NULL : getenv(variable);
	if (!s.n && (!v || !*v) && other)
		v = getenv(other);
	return s.n ? s : str_z(v ? v : "");
}

static bool keep_word(char *to, size_t room, struct str s)
{
	if (s.n >= room || !is_plain(s, "-._~/+=,@:"))
		return false;
	memcpy(to, s.n ? s.p : "", s.n);
	to[s.n] = '\0';
	return true;
}

/* The bucket's address with the path, ending in a slash. */
static bool put_base(struct export_target *t, struct str bucket, struct str region,
		     struct str endpoint, struct str path)
{
	struct buf url;
	buf_init(&url, sizeof t->url - 200);
	while (str_ends(endpoint, STR("/")))
		endpoint.n--;
	while (str_starts(path, STR("/")))
		path = str_skip(path, 1);
	while (str_ends(path, STR("/")))
		path.n--;
	if (endpoint.n)
		buf_printf(&url, STR_FMT "/" STR_FMT "/", STR_ARG(endpoint), STR_ARG(bucket));
	else if (str_find_char(bucket, '.') != SIZE_MAX)	/* a certificate has no such name */
		buf_printf(&url, "https://s3." STR_FMT ".amazonaws.com/" STR_FMT "/",
			   STR_ARG(region), STR_ARG(bucket));
	else
		buf_printf(&url, "https://" STR_FMT ".s3." STR_FMT ".amazonaws.com/",
			   STR_ARG(bucket), STR_ARG(region));
	if (path.n)
		buf_printf(&url, STR_FMT "/", STR_ARG(path));
	bool ok = buf_z(&url) && !url.failed;
	snprintf(t->url, sizeof t->url, "%s", ok ? buf_z(&url) : "");
	buf_done(&url);
	return ok;
}

static const char *read_params(struct arena *a, const struct json *params, struct export_target *t)
{
	struct str bucket = given(a, params, "s3_bucket_name", "S3_BUCKET_NAME", NULL);
	struct str region = given(a, params, "s3_region_name", "AWS_REGION", "AWS_DEFAULT_REGION");
	struct str endpoint = given(a, params, "s3_endpoint_url", "AWS_ENDPOINT_URL_S3", NULL);
	struct str path = given(a, params, "s3_path", "S3_PATH", NULL);
	bool has_scheme = str_starts(endpoint, STR("https://")) ||
			  str_starts(endpoint, STR("http://"));
	if (!bucket.n || !is_plain(bucket, "-._"))
		return "s3_callback_params.s3_bucket_name";
	if (!region.n || !is_plain(region, "-"))
		return "s3_callback_params.s3_region_name, or AWS_REGION";
	if (endpoint.n && (!has_scheme || !is_plain(endpoint, "-._:/[]")))
		return "s3_callback_params.s3_endpoint_url (it is no address)";
	if (!is_plain(path, "-._/") || str_find(path, STR("..")) != SIZE_MAX)
		return "s3_callback_params.s3_path (it has more than letters, digits, -._/)";
	if (!put_base(t, bucket, region, endpoint, path))
		return "s3_callback_params.s3_path (it is too long)";
	if (!keep_word(t->aws_region, sizeof t->aws_region, region) ||
	    !keep_word(t->aws_key, sizeof t->aws_key,
		       given(a, params, "s3_aws_access_key_id", "AWS_ACCESS_KEY_ID", NULL)) ||
	    !keep_word(t->aws_secret, sizeof t->aws_secret,
		       given(a, params, "s3_aws_secret_access_key", "AWS_SECRET_ACCESS_KEY",
			     NULL)) ||
	    !keep_word(t->aws_token, sizeof t->aws_token,
		       given(a, params, "s3_aws_session_token", "AWS_SESSION_TOKEN", NULL)) ||
	    !t->aws_key[0] || !t->aws_secret[0])
		return "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the same in s3_callback_params";
	return NULL;
}

const char *export_read_s3(const struct config *c, struct export_target *ret)
{
	struct arena *a = arena_new(PARAMS_MEMORY);
	struct json_error why;
	const struct json *params =
		a && c && c->s3_params.n ? json_parse(a, c->s3_params, 0, &why) : NULL;
	const char *missing = a ? read_params(a, params, ret) : "memory";
	arena_free(a);
	return missing;
}

/* Lines that end in CR LF, as lines with a '\n' between them. */
static bool take_lines(char *to, size_t room, struct str lines)
{
	size_t n = 0;
	for (size_t i = 0; i < lines.n; i++)
		if (lines.p[i] != '\r' && n + 1 < room)
			to[n++] = lines.p[i];
	to[n] = '\0';
	return n + 1 < room;
}

bool export_address_s3(const struct export_target *t, struct str body, uint64_t wall_ns,
		       struct export_address *ret)
{
	char when[25], name[65];
	struct sha256 hash = hash_sha256(body);
	struct str rest, host;
	struct buf lines;
	clock_rfc3339(when, wall_ns);
	hash_hex(name, hash.b, sizeof hash.b);
	int n = snprintf(ret->url, sizeof ret->url, "%s%.10s/%.32s.jsonl", t->url, when, name);
	if (n < 0 || n >= (int)sizeof ret->url)
		return false;
	rest = str_z(ret->url);
	rest = str_skip(rest, str_find(rest, STR("://")) + 3);
	host = str_cut(&rest, '/');
	const struct sigv4_keys keys = { str_z(t->aws_key), str_z(t->aws_secret),
					 str_z(t->aws_token), str_z(t->aws_region) };
	const struct sigv4_call call = { .method = STR("PUT"), .host = host,
					 .path = str_of(rest.p - 1, rest.n + 1), .body = body,
					 .tells_hash = true, .service = STR("s3"),
					 .time_s = wall_ns / NS_PER_S };
	buf_init(&lines, sizeof ret->headers);
	bool ok = sigv4_sign(&call, &keys, &lines) == 0 &&
		  take_lines(ret->headers, sizeof ret->headers, buf_str(&lines));
	buf_done(&lines);
	return ok;
}
