/* SPDX-License-Identifier: MIT
 * post.c - see post.h. */
#include "master/post.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "common/mem.h"

enum { CONNECT_MS = 5000, LINE_MAX_BYTES = 4096, PACK_MAX = 64 << 20 };

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

static struct curl_slist *make_headers(const struct post *p)
{
	struct curl_slist *list = add(NULL, "Expect:");
	struct str rest = str_z(p->headers);
	char line[LINE_MAX_BYTES];
	snprintf(line, sizeof line, "Content-Type: %s", p->type ? p->type : "application/json");
	list = add(list, line);
	if (p->is_packed)
		list = add(list, "Content-Encoding: gzip");
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

/* What both have in common. */
static void set_way(CURL *e, struct egress_call *way, const char *protocols, uint64_t timeout_ms,
		    const _Atomic bool *gives_up)
{
	const char *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");
	curl_easy_reset(e);		/* connections stay */
	if (file && *file)
		curl_easy_setopt(e, CURLOPT_CAINFO, file);
	if (folder && *folder)
		curl_easy_setopt(e, CURLOPT_CAPATH, folder);
	egress_guard(e, way);
	curl_easy_setopt(e, CURLOPT_URL, way->url);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, protocols);
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	/* A resolver that gets no answer is left behind: to wait for its thread is to wait for all
	 * that resolv.conf allows, far beyond the time given here. */
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(e, CURLOPT_MAXFILESIZE, 4L << 20);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, discard);
	curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(e, CURLOPT_XFERINFODATA, (void *)(uintptr_t)gives_up);
}

/* Runs it. False: there was no answer, and *ret says why. */
static bool perform(CURL *e, const struct egress_call *way, struct post_result *ret)
{
	CURLcode code = curl_easy_perform(e);
	if (code == CURLE_OK)
		return true;
	snprintf(ret->why, sizeof ret->why, "%s", egress_why(e, way, code));
	curl_easy_reset(e);
	return false;
}

static bool have_handle(void **easy, struct post_result *ret)
{
	*ret = (struct post_result){ 0 };
	if (!*easy && !(*easy = curl_easy_init()))
		snprintf(ret->why, sizeof ret->why, "out of memory");
	return *easy != NULL;
}

/* False: no memory. */
static bool pack(struct str body, struct buf *to)
{
	enum { LEVEL = 1, GZIP = 15 + 16, MEMORY = 8 };
	z_stream z = { 0 };
	if (deflateInit2(&z, LEVEL, Z_DEFLATED, GZIP, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	size_t most = deflateBound(&z, body.n);
	bool ok = body.n <= PACK_MAX && buf_reserve(to, most) == 0;
	if (ok) {
		z.next_in = (unsigned char *)(uintptr_t)body.p;
		z.avail_in = (unsigned)body.n;
		z.next_out = (unsigned char *)to->p;
		z.avail_out = (unsigned)most;
		ok = deflate(&z, Z_FINISH) == Z_STREAM_END;
		to->n = most - z.avail_out;
	}
	deflateEnd(&z);
	return ok;
}

static void set_files(CURL *e, const struct post *p)
{
	if (p->authority)
		curl_easy_setopt(e, CURLOPT_CAINFO, p->authority);
	if (p->certificate)
		curl_easy_setopt(e, CURLOPT_SSLCERT, p->certificate);
	if (p->key)
		curl_easy_setopt(e, CURLOPT_SSLKEY, p->key);
}

/* What finds no room is left out: that it was taken is worth knowing all the same. */
static size_t on_answer(char *p, size_t size, size_t n, void *data)
{
	buf_put(data, str_of(p, size * n));
	return size * n;
}

static bool send_body(CURL *e, const struct post *p, struct str body, struct post_result *ret)
{
	struct curl_slist *list = make_headers(p);
	struct egress_call way = { .rule = p->egress, .url = p->url };
	curl_off_t seconds = 0;
	set_way(e, &way, "http,https", p->timeout_ms, p->gives_up);
	set_files(e, p);
	if (p->method)
		curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, p->method);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "llmgw/" LLMGW_VERSION);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(e, CURLOPT_POSTFIELDS, body.p);
	curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
	if (p->answer) {
		curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_answer);
		curl_easy_setopt(e, CURLOPT_WRITEDATA, p->answer);
	}
	if (perform(e, &way, ret)) {
		curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &ret->status);
		curl_easy_getinfo(e, CURLINFO_RETRY_AFTER, &seconds);
		curl_easy_reset(e);
		if (ret->status / 100 != 2)
			snprintf(ret->why, sizeof ret->why, "HTTP %ld", ret->status);
	}
	curl_slist_free_all(list);
	ret->retry_after_ms = seconds > 0 && seconds < 3600 ? (uint64_t)seconds * 1000 : 0;
	return !ret->why[0];
}

bool post_send(void **easy, const struct post *p, struct post_result *ret)
{
	struct buf packed;
	if (!have_handle(easy, ret))
		return false;
	if (!p->is_packed)
		return send_body(*easy, p, p->body, ret);
	buf_init(&packed, PACK_MAX + (PACK_MAX >> 8));
	bool taken = false;
	if (pack(p->body, &packed))
		taken = send_body(*easy, p, buf_str(&packed), ret);
	else
		snprintf(ret->why, sizeof ret->why, "out of memory");
	buf_done(&packed);
	return taken;
}

bool post_json(void **easy, const char *url, const char *headers, struct str body,
	       uint64_t timeout_ms, const struct egress *egress, const _Atomic bool *gives_up,
	       struct post_result *ret)
{
	const struct post p = { .url = url, .headers = headers, .body = body, .egress = egress,
				.timeout_ms = timeout_ms, .gives_up = gives_up };
	return post_send(easy, &p, ret);
}

static size_t give_text(char *to, size_t size, size_t n, void *data)
{
	struct str *left = data;
	size_t room = size * n, some = left->n < room ? left->n : room;
	memcpy(to, left->p, some);
	*left = str_skip(*left, some);
	return some;
}

static struct curl_slist *make_recipients(const char *to)
{
	struct curl_slist *list = NULL;
	struct str rest = str_z(to);
	char one[256];
	while (rest.n) {
		struct str address = str_trim(str_cut(&rest, ','));
		if (address.n && address.n < sizeof one) {
			snprintf(one, sizeof one, STR_FMT, STR_ARG(address));
			list = add(list, one);
		}
	}
	return list;
}

bool post_mail(void **easy, const struct post_mail *mail, struct str text, uint64_t timeout_ms,
	       const _Atomic bool *gives_up, struct post_result *ret)
{
	if (!have_handle(easy, ret))
		return false;
	CURL *e = *easy;
	struct curl_slist *to = make_recipients(mail->to);
	struct egress_call way = { .rule = mail->egress, .url = mail->url };
	set_way(e, &way, "smtp,smtps", timeout_ms, gives_up);
	curl_easy_setopt(e, CURLOPT_USE_SSL, (long)(mail->has_tls ? CURLUSESSL_ALL
								  : CURLUSESSL_NONE));
	if (mail->user[0]) {
		curl_easy_setopt(e, CURLOPT_USERNAME, mail->user);
		curl_easy_setopt(e, CURLOPT_PASSWORD, mail->password);
	}
	curl_easy_setopt(e, CURLOPT_MAIL_FROM, mail->from);
	curl_easy_setopt(e, CURLOPT_MAIL_RCPT, to);
	curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(e, CURLOPT_READFUNCTION, give_text);
	curl_easy_setopt(e, CURLOPT_READDATA, &text);
	if (perform(e, &way, ret)) {
		curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &ret->status);
		curl_easy_reset(e);
	}
	curl_slist_free_all(to);
	return !ret->why[0];
}

static size_t on_bytes(char *p, size_t size, size_t n, void *data)
{
	struct buf *b = data;
	buf_put(b, str_of(p, size * n));
	return b->failed ? 0 : size * n;
}

bool post_get(const char *url, struct buf *to, uint64_t timeout_ms, const struct egress *egress,
	      const _Atomic bool *gives_up, char why[120])
{
	struct egress_call way = { .rule = egress, .url = url };
	CURL *e = curl_easy_init();
	long status = 0;
	if (!e) {
		snprintf(why, 120, "out of memory");
		return false;
	}
	set_way(e, &way, "http,https", timeout_ms, gives_up);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "llmgw/" LLMGW_VERSION);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, to);
	CURLcode code = curl_easy_perform(e);
	curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &status);
	const char *failure = egress_why(e, &way, code);
	curl_easy_cleanup(e);
	if (to->failed)
		snprintf(why, 120, "more than %zu bytes", to->cap);
	else if (code != CURLE_OK)
		snprintf(why, 120, "%s", failure);
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
