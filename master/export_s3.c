/* SPDX-License-Identifier: MIT
 * export_s3.c - where a batch lies in S3, with its signature.
 *
 * An object is named by the day on which it is sent and by the hash of what is in it: a batch that
 * arrived although its answer did not is not there twice, unless midnight was between. One of a
 * single request is named as LiteLLM names it, by when it began and by its id. */
#include <stdio.h>

#include "common/clock.h"
#include "common/hash.h"
#include "master/export_aws.h"

enum { NAME_MOST = 360, PAYLOAD_MEMORY = 16 << 20 };

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
	struct str bucket = export_aws_given(t, a, params, "s3_bucket_name", "S3_BUCKET_NAME",
					     NULL);
	struct str region = export_aws_given(t, a, params, "s3_region_name", "AWS_REGION",
					     "AWS_DEFAULT_REGION");
	struct str endpoint = export_aws_given(t, a, params, "s3_endpoint_url",
					       "AWS_ENDPOINT_URL_S3", NULL);
	struct str path = export_aws_given(t, a, params, "s3_path", "S3_PATH", NULL);
	t->is_strangers &= json_get_str(a, params, "s3_endpoint_url").n > 0;
	if (!bucket.n || !export_aws_is_plain(bucket, "-._"))
		return "s3_callback_params.s3_bucket_name";
	if (!region.n || !export_aws_is_plain(region, "-"))
		return "s3_callback_params.s3_region_name, or AWS_REGION";
	if (!export_aws_is_address(endpoint))
		return "s3_callback_params.s3_endpoint_url (it is no address)";
	if (!export_aws_is_plain(path, "-._/") || str_find(path, STR("..")) != SIZE_MAX)
		return "s3_callback_params.s3_path (it has more than letters, digits, -._/)";
	const struct json *each = params ? json_get(params, "s3_object_per_request") : NULL;
	t->is_each = json_is_true(each) ||
		     str_eq(export_aws_given(t, a, params, "s3_object_per_request",
					     "S3_OBJECT_PER_REQUEST", NULL), STR("true"));
	snprintf(t->type, sizeof t->type, "%s", t->is_each ? "application/json" : "");
	if (!put_base(t, bucket, region, endpoint, path))
		return "s3_callback_params.s3_path (it is too long)";
	if (!export_aws_read_keys(a, params, "s3_", region, t))
		return "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the same in s3_callback_params";
	return NULL;
}

const char *export_read_s3(const struct config *c, struct export_target *ret)
{
	ret->is_strangers = c && c->s3_is_strangers && !ret->vars;
	return export_aws_params(c ? c->s3_params : STR_NONE, ret, read_params);
}

static const char *read_gcs(struct arena *a, const struct json *params, struct export_target *t)
{
	struct str bucket = export_aws_given(t, a, params, "", "GCS_BUCKET_NAME", NULL);
	struct str endpoint = export_aws_given(t, a, params, "", "STORAGE_EMULATOR_HOST", NULL);
	if (!bucket.n || !export_aws_is_plain(bucket, "-._"))
		return "GCS_BUCKET_NAME";
	if (!export_aws_is_address(endpoint))
		return "STORAGE_EMULATOR_HOST (it is no address)";
	if (!put_base(t, bucket, STR("auto"),
		      endpoint.n ? endpoint : STR("https://storage.googleapis.com"), STR_NONE))
		return "GCS_BUCKET_NAME (it is too long)";
	struct str id = export_aws_given(t, a, params, "", "GCS_HMAC_ACCESS_ID", NULL);
	struct str secret = export_aws_given(t, a, params, "", "GCS_HMAC_SECRET", NULL);
	if (!export_aws_keep_keys(t, id, secret, STR_NONE, STR("auto")))
		return "GCS_HMAC_ACCESS_ID and GCS_HMAC_SECRET (the file of a service account is "
		       "not read)";
	return NULL;
}

const char *export_read_gcs(const struct config *c, struct export_target *ret)
{
	(void)c;
	return export_aws_params(STR_NONE, ret, read_gcs);
}

static void name_batch(struct str body, uint64_t wall_ns, char ret[NAME_MOST])
{
	char when[25], hex[65];
	struct sha256 hash = hash_sha256(body);
	clock_rfc3339(when, wall_ns);
	hash_hex(hex, hash.b, sizeof hash.b);
	snprintf(ret, NAME_MOST, "%.10s/%.32s.jsonl", when, hex);
}

/* What needs encoding in an address is an underscore. False: it is no payload. */
static bool name_request(struct str body, uint64_t wall_ns, char ret[NAME_MOST])
{
	struct arena *a = arena_new(PAYLOAD_MEMORY);
	struct json_error why;
	const struct json *j = a ? json_parse(a, body, 0, &why) : NULL;
	const struct json *start = json_is(j, JSON_OBJECT) ? json_get(j, "startTime") : NULL;
	struct str id = json_is(j, JSON_OBJECT) ? json_get_str(a, j, "id") : STR_NONE;
	double s;
	char when[25];
	if (json_is(j, JSON_OBJECT) && !id.n)
		id = json_get_str(a, j, "litellm_call_id");
	if (json_is(start, JSON_NUMBER) && str_read_double(start->raw, &s) == 0 && s > 0 && s < 4e9)
		wall_ns = (uint64_t)(s * 1e6 + 0.5) * 1000;
	clock_rfc3339(when, wall_ns);
	int n = snprintf(ret, NAME_MOST, "%.10s/time-%.2s-%.2s-%.2s-%06u_" STR_FMT ".json", when,
			 when + 11, when + 14, when + 17,
			 (unsigned)(wall_ns % NS_PER_S / 1000), STR_ARG(id.n ? id : STR("-")));
	bool ok = id.n && n > 0 && n < NAME_MOST;
	arena_free(a);
	for (char *p = ret + strlen("2026-01-01/"); ok && *p; p++)
		if (!export_aws_is_plain(str_of(p, 1), "-._"))
			*p = '_';
	return ok;
}

bool export_address_s3(const struct export_target *t, struct str body, uint64_t wall_ns,
		       struct export_address *ret)
{
	char name[NAME_MOST];
	struct sigv4_call call = { .method = STR("PUT"), .body = body, .tells_hash = true,
				   .service = STR("s3") };
	ret->headers[0] = '\0';
	if (!t->is_each || !name_request(body, wall_ns, name))
		name_batch(body, wall_ns, name);
	int n = snprintf(ret->url, sizeof ret->url, "%s%s", t->url, name);
	return n >= 0 && n < (int)sizeof ret->url && export_aws_sign(t, &call, wall_ns, ret);
}
