/* SPDX-License-Identifier: MIT
 * post.c - see post.h. */
#include "master/post.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"

enum { CONNECT_MS = 5000, LINE_MAX_BYTES = 4096 };

static size_t discard(char *p, size_t size, size_t n, void *data)
{
	(void)p;
	(void)data;
	return size * n;
}

static int on_progress(void *data, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const _Atomic bool *gives_up = data;
	(void)a;
	(void)b;
	(void)c;
	(void)d;
	return gives_up && atomic_load(gives_up);
}

static struct curl_slist *add(struct curl_slist *list, const char *line)
{
	struct curl_slist *more = curl_slist_append(list, line);
	return more ? more : list;
}

static struct curl_slist *make_headers(const char *headers)
{
	struct curl_slist *list = add(NULL, "Content-Type: application/json");
	struct str rest = str_z(headers);
	char line[LINE_MAX_BYTES];
	list = add(list, "Expect:");
	while (rest.n) {
		struct str one = str_cut(&rest, '\n');
		if (!one.n || one.n >= sizeof line)
			continue;
		memcpy(line, one.p, one.n);
		line[one.n] = '\0';
		list = add(list, line);
	}
	mem_wipe(line, sizeof line);
	return list;
}

static void set_options(CURL *e, const char *url, uint64_t timeout_ms,
			const _Atomic bool *gives_up)
{
	const char *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");
	curl_easy_reset(e);		/* connections stay */
	if (file && *file)
		curl_easy_setopt(e, CURLOPT_CAINFO, file);
	if (folder && *folder)
		curl_easy_setopt(e, CURLOPT_CAPATH, folder);
	curl_easy_setopt(e, CURLOPT_URL, url);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(e, CURLOPT_MAXFILESIZE, 4L << 20);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "llmgw/" LLMGW_VERSION);
	curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(e, CURLOPT_XFERINFODATA, (void *)(uintptr_t)gives_up);
}

static void set_body(CURL *e, struct curl_slist *headers, struct str body)
{
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(e, CURLOPT_POSTFIELDS, body.p);
	curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, discard);
}

bool post_json(void **easy, const char *url, const char *headers, struct str body,
	       uint64_t timeout_ms, const _Atomic bool *gives_up, struct post_result *ret)
{
	*ret = (struct post_result){ 0 };
	if (!*easy && !(*easy = curl_easy_init())) {
		snprintf(ret->why, sizeof ret->why, "out of memory");
		return false;
	}
	CURL *e = *easy;
	struct curl_slist *list = make_headers(headers);
	curl_off_t seconds = 0;
	set_options(e, url, timeout_ms, gives_up);
	set_body(e, list, body);
	CURLcode code = curl_easy_perform(e);
	if (code == CURLE_OK) {
		curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &ret->status);
		curl_easy_getinfo(e, CURLINFO_RETRY_AFTER, &seconds);
	}
	curl_easy_reset(e);
	curl_slist_free_all(list);
	ret->retry_after_ms = seconds > 0 && seconds < 3600 ? (uint64_t)seconds * 1000 : 0;
	if (code != CURLE_OK)
		snprintf(ret->why, sizeof ret->why, "%s", curl_easy_strerror(code));
	else if (ret->status / 100 != 2)
		snprintf(ret->why, sizeof ret->why, "HTTP %ld", ret->status);
	return !ret->why[0];
}

static size_t on_bytes(char *p, size_t size, size_t n, void *data)
{
	struct buf *b = data;
	buf_put(b, str_of(p, size * n));
	return b->failed ? 0 : size * n;
}

bool post_get(const char *url, struct buf *to, uint64_t timeout_ms, const _Atomic bool *gives_up,
	      char why[120])
{
	CURL *e = curl_easy_init();
	long status = 0;
	if (!e) {
		snprintf(why, 120, "out of memory");
		return false;
	}
	set_options(e, url, timeout_ms, gives_up);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, to);
	CURLcode code = curl_easy_perform(e);
	curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(e);
	if (to->failed)
		snprintf(why, 120, "more than %zu bytes", to->cap);
	else if (code != CURLE_OK)
		snprintf(why, 120, "%s", curl_easy_strerror(code));
	else if (status != 200 || !to->n)
		snprintf(why, 120, "HTTP %ld, %zu bytes", status, to->n);
	else
		return true;
	return false;
}

void post_done(void *easy)
{
	curl_easy_cleanup(easy);
}

bool post_may_retry(const struct post_result *p)
{
	return p->status == 0 || p->status == 408 || p->status == 429 || p->status >= 500;
}
