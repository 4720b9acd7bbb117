/* SPDX-License-Identifier: MIT
 * credential_aws.c - signing a call with a deployment's keys; see credential_aws.h. */
#include "worker/exchange/credential_aws.h"

#include <errno.h>

#include "common/json.h"
#include "common/sigv4.h"

/* "https://host:443/path" to what the header Host: will say, and the path. */
static struct str host_of(struct str base, struct str *ret_path)
{
	bool is_tls = str_starts_nocase(base, STR("https://"));
	size_t at = str_find(base, STR("://"));
	struct str usual = is_tls ? STR(":443") : STR(":80");
	base = str_skip(base, at == SIZE_MAX ? 0 : at + 3);
	size_t n = str_find_char(base, '/');
	struct str host = str_of(base.p, n == SIZE_MAX ? base.n : n);
	*ret_path = str_skip(base, host.n);
	if (str_ends(host, usual))
		host.n -= usual.n;
	return host;
}

static int refuse(struct llm_error *reterr)
{
	*reterr = (struct llm_error){ .outcome = OUTCOME_UP_AUTH,
				      .message = STR("the deployment has no AWS credentials that "
						     "could be used") };
	return -EINVAL;
}

int credential_aws(struct arena *a, struct str credentials, const struct aws_call *call,
		   struct buf *headers, struct llm_error *reterr)
{
	struct sigv4_header type = { STR("content-type"), call->content_type };
	struct json_error error;
	const struct json *root =
		credentials.n ? json_parse(a, credentials, 0, &error) : NULL;
	struct sigv4_keys keys = {
		.access_key_id = json_get_str(a, root, "access_key_id"),
		.secret_access_key = json_get_str(a, root, "secret_access_key"),
		.session_token = json_get_str(a, root, "session_token"),
		.region = json_get_str(a, root, "region"),
	};
	struct str query, host = host_of(call->url, &query), path = str_cut(&query, '?');
	struct sigv4_call c = {
		.method = call->method,
		.host = host,
		.path = path,
		.query = query,
		.body = call->body,
		.headers = &type,
		.n_headers = call->content_type.n > 0,
		.service = STR("bedrock"),
		.time_s = call->wall_s,
	};
	int err = sigv4_sign(&c, &keys, headers);
	return err == -EINVAL ? refuse(reterr) : err;
}
