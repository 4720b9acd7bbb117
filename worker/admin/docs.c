/* SPDX-License-Identifier: MIT
 * docs.c - the OpenAPI document and the page that shows it. Both were made in the build, by
 * worker/openapi/, and are given out as they are. */
#include "worker/admin/admin.h"
#include "worker/request.h"

extern const char blob_openapi[], blob_openapi_end[], blob_docs[], blob_docs_end[],
	blob_docs_policy[], blob_docs_policy_end[];

#define SLICE(name) str_of(name, (size_t)(name##_end - name))

struct str admin_openapi_text(void)
{
	return SLICE(blob_openapi);
}

struct str admin_docs_text(void)
{
	return SLICE(blob_docs);
}

enum step admin_openapi(struct request *r)
{
	return request_reply(r, 200, "application/json", admin_openapi_text());
}

enum step admin_docs(struct request *r)
{
	struct buf headers;
	buf_init(&headers, 1024);
	BUF_PUT_LIT(&headers, "x-content-type-options: nosniff\r\nreferrer-policy: no-referrer\r\n"
			      "content-security-policy: ");
	buf_put(&headers, SLICE(blob_docs_policy));
	BUF_PUT_LIT(&headers, "\r\n");
	enum step s;
	if (headers.failed)
		s = request_fail(r, OUTCOME_OVERLOADED, NULL, "no memory for the answer");
	else
		s = request_reply_headed(r, 200, "text/html; charset=utf-8", buf_str(&headers),
					 admin_docs_text());
	buf_done(&headers);
	return s;
}

/* A browser wants the page; programs that ask what this is get it in a line. */
enum step admin_root(struct request *r)
{
	if (str_find(http_header(r->http, "accept"), STR("text/html")) != SIZE_MAX)
		return admin_docs(r);
	return request_reply(r, 200, "application/json",
			     STR("{\"name\":\"llmgw\",\"version\":\"" LLMGW_VERSION
				 "\",\"docs\":\"llmgw-api(7)\",\"openapi\":\"/openapi.json\"}"));
}
