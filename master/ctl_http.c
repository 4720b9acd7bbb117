/* SPDX-License-Identifier: MIT
 * ctl_http.c - one call over HTTP, for a gateway on another machine. The server's name and
 * certificate are always verified; no redirect is followed, for it would carry the key along. */
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>

#include "common/curl_why.h"
#include "common/mem.h"
#include "master/ctl.h"

enum { URL_MAX = 64 * 1024, CONNECT_MS = 10000 };

struct transfer {
	CURL *curl;
	struct curl_slist *headers;
	struct buf url, *out;
	struct ctl_progress *progress;
	char why[CURL_ERROR_SIZE];
};

static size_t on_body(char *p, size_t size, size_t n, void *data)
{
	struct transfer *t = data;
	buf_put(t->out, str_of(p, size * n));
	return t->out->failed ? 0 : size * n;
}

static int on_progress(void *data, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal,
		       curl_off_t ulnow)
{
	struct transfer *t = data;
	(void)dltotal, (void)dlnow, (void)ultotal, (void)ulnow;
	ctl_progress_tick(t->progress);
	return 0;
}

static void put_encoded(struct buf *to, struct str s)
{
	static const char hex[] = "0123456789ABCDEF";
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
		char text[3] = { '%', hex[c >> 4], hex[c & 15] };
		if (plain)
			buf_put_char(to, (char)c);
		else
			buf_put(to, str_of(text, sizeof text));
	}
}

/* A value in a query; lists are joined by commas. */
static void put_query_value(struct buf *to, struct arena *a, const struct json *j)
{
	if (j->type != JSON_ARRAY) {
		put_encoded(to, j->type == JSON_STRING ? json_str(a, j) : j->raw);
		return;
	}
	for (const struct json *e = j->child; e; e = e->next) {
		put_query_value(to, a, e);
		buf_put_z(to, e->next ? "," : "");
	}
}

/* A mark in it stands for what was named first. */
static void put_path(struct buf *to, const struct ctl_request *q)
{
	struct str behind = str_z(q->command->path), before = str_cut(&behind, '{');
	buf_put(to, before);
	if (!behind.p)
		return;
	put_encoded(to, q->named);
	str_cut(&behind, '}');
	buf_put(to, behind);
}

static void put_url(struct buf *to, struct arena *a, const struct ctl_request *q)
{
	struct json_error e;
	struct str base = str_z(q->opt.url);
	const struct json *args = json_parse(a, q->args, 0, &e);
	while (base.n && base.p[base.n - 1] == '/')
		base.n--;
	buf_put(to, base);
	put_path(to, q);
	if (strcmp(q->command->method, "GET") != 0 || !args)
		return;
	char between = '?';
	for (const struct json *m = args->child; m; m = m->next) {
		if (!json_is_given(m))
			continue;
		buf_put_char(to, between);
		put_encoded(to, m->key);
		buf_put_char(to, '=');
		put_query_value(to, a, m);
		between = '&';
	}
}

static int add_header(struct transfer *t, struct str line)
{
	struct curl_slist *longer = line.p ? curl_slist_append(t->headers, line.p) : NULL;
	if (!longer)
		return -ENOMEM;
	t->headers = longer;
	return 0;
}

static int set_headers(struct transfer *t, struct arena *a, const char *key)
{
	int r = add_header(t, STR("Content-Type: application/json"));
	if (r == 0)
		r = add_header(t, STR("Accept: application/json"));
	if (r == 0 && key)
		r = add_header(t, arena_printf(a, "Authorization: Bearer %s", key));
	return r;
}

/* OpenSSL's variables; a libcurl that was built with a file of its own does not look at them. */
bool ctl_http_authorities(void *c)
{
	const char *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");
	bool bad = file && *file && curl_easy_setopt(c, CURLOPT_CAINFO, file) != CURLE_OK;
	bad |= folder && *folder && curl_easy_setopt(c, CURLOPT_CAPATH, folder) != CURLE_OK;
	return !bad;
}

static int set_up(struct transfer *t, struct arena *a, const char *key, const struct ctl_request *q)
{
	CURL *c = t->curl;
	bool bad = set_headers(t, a, key) != 0 || !ctl_http_authorities(c);
	bad |= curl_easy_setopt(c, CURLOPT_URL, buf_z(&t->url)) != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_PROXY, "") != CURLE_OK;	/* nor from env */
	bad |= curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L) != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L) != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS) != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)q->opt.timeout_ms) != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_HTTPHEADER, t->headers) != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_USERAGENT, "llmgwctl") != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->why) != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body) != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_WRITEDATA, t) != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress) != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_XFERINFODATA, t) != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L) != CURLE_OK;
	if (strcmp(q->command->method, "GET") != 0) {
		bad |= curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, q->command->method) != CURLE_OK;
		bad |= curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)q->args.n) != CURLE_OK;
		bad |= curl_easy_setopt(c, CURLOPT_POSTFIELDS, q->args.p) != CURLE_OK;
	}
	return bad ? -ENOMEM : 0;
}

static struct ctl_error curl_failed(struct arena *a, const struct transfer *t,
				    const struct ctl_request *q, CURLcode r)
{
	bool is_tls = r == CURLE_SSL_CONNECT_ERROR || r == CURLE_PEER_FAILED_VERIFICATION;
	const char *why = t->why[0] && !is_tls ? t->why : curl_why(t->curl, r);
	struct ctl_error e = { CTL_NOT_RUNNING, STR_NONE, STR("") };
	e.message = arena_printf(a, "%s: cannot reach %s: %s", q->command->words, q->opt.url, why);
	switch (r) {
	case CURLE_OPERATION_TIMEDOUT:
		e.exit = CTL_TIMED_OUT;
		e.next = STR("--timeout waits longer");
		break;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		e.next = STR("the certificate must be valid for this name; it is always verified");
		break;
	case CURLE_SSL_CONNECT_ERROR:
		e.next = STR("a gateway that serves without TLS has a URL with http://");
		break;
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		e.exit = CTL_USAGE;
		e.next = STR("a URL is like https://gateway.example:4000");
		break;
	case CURLE_WRITE_ERROR:
		e.exit = CTL_FAILED;
		e.message = arena_printf(a, "%s: the answer is too large", q->command->words);
		break;
	default:
		e.next = STR("is the gateway running there, and is the port open?");
		break;
	}
	return e;
}

static void done(struct transfer *t)
{
	curl_slist_free_all(t->headers);
	curl_easy_cleanup(t->curl);
	if (t->url.p)
		mem_wipe(t->url.p, t->url.n);
	buf_done(&t->url);
}

enum ctl_exit ctl_http_call(struct arena *a, const char *key, const struct ctl_request *q,
			    struct ctl_progress *p, int *ret_status, struct buf *out,
			    struct ctl_error *reterr)
{
	struct transfer t = { .out = out, .progress = p };
	long status = 0;
	if (!q->command->path || (q->command->flags & CMD_NO_HTTP)) {
		*reterr = (struct ctl_error){
			CTL_USAGE,
			arena_printf(a, "%s works over the control socket only", q->command->words),
			STR("run it on the gateway's own machine, without --url"),
		};
		return CTL_USAGE;
	}
	buf_init(&t.url, URL_MAX);
	put_url(&t.url, a, q);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	t.curl = curl_easy_init();
	if (!t.curl || t.url.failed || set_up(&t, a, key, q) != 0) {
		*reterr = (struct ctl_error){ CTL_FAILED, STR("out of memory"), STR("") };
		done(&t);
		return CTL_FAILED;
	}
	CURLcode r = curl_easy_perform(t.curl);
	curl_easy_getinfo(t.curl, CURLINFO_RESPONSE_CODE, &status);
	*ret_status = (int)status;
	if (r != CURLE_OK)
		*reterr = curl_failed(a, &t, q, r);
	done(&t);
	return r == CURLE_OK ? CTL_DONE : reterr->exit;
}
