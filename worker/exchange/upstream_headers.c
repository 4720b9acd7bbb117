/* SPDX-License-Identifier: MIT
 * upstream_headers.c - header lines of a call: the deployment's, kept and used again with its URL,
 * and its own; see upstream_private.h. */
#include "worker/exchange/upstream_private.h"

#include <stdio.h>
#include <string.h>

#include "common/key_header.h"
#include "common/mem.h"

enum { JOINED_MIN = 512, JOINED_MAX = 1 << 20 };	/* bytes */

/* What libcurl looks for by name among its lines, to leave out or to change what it would write. */
static const char *const apart[] = {"accept",	    "accept-encoding", "authorization",
				    "connection",   "content-length",  "cookie",
				    "expect",	    "host",	       "keep-alive",
				    "range",	    "referer",	       "te",
				    "upgrade",	    "transfer-encoding"};

/* Lines in the making. libcurl goes through all it has a dozen times for each request, and writes
 * each of them as it is: so there is one that begins with the content's type, and has the others in
 * it that libcurl has nothing to say about. */
struct lines {
	struct curl_slist *list;
	struct buf joined;
};

/* So does one without a value, which libcurl leaves out. */
static bool stands_apart(struct str line)
{
	struct str name = str_cut(&line, ':');
	if (!str_trim(line).n)
		return true;
	for (size_t i = 0; i < COUNT(apart); i++)
		if (str_eq_nocase(name, str_z(apart[i])))
			return true;
	return false;
}

static bool append(struct lines *to, const char *line)
{
	struct curl_slist *more = curl_slist_append(to->list, line);
	if (more)
		to->list = more;
	return more != NULL;
}

static void forget(struct buf *b)
{
	if (b->n)
		mem_wipe(b->p, b->n);
	buf_done(b);
}

/* There are keys in it: what is grown out of is wiped. */
static bool join(struct lines *to, struct str line)
{
	size_t need = to->joined.n + line.n + 2;
	if (need > to->joined.room) {
		struct buf more;
		buf_init(&more, JOINED_MAX);
		if (buf_reserve(&more, need < JOINED_MIN ? JOINED_MIN : need + need / 2) < 0)
			return false;
		buf_put(&more, buf_str(&to->joined));
		forget(&to->joined);
		to->joined = more;
	}
	if (to->joined.n)
		BUF_PUT_LIT(&to->joined, "\r\n");
	buf_put(&to->joined, line);
	return !to->joined.failed;
}

static bool add_line(struct lines *to, char *line, size_t n)
{
	bool ok = stands_apart(str_of(line, n)) ? append(to, line) : join(to, str_of(line, n));
	mem_wipe(line, n);
	return ok;
}

static bool add_header(struct lines *to, const char *name, struct str value)
{
	char line[4096];
	int n = snprintf(line, sizeof line, "%s: " STR_FMT, name, STR_ARG(value));
	return n > 0 && (size_t)n < sizeof line && add_line(to, line, (size_t)n);
}

/* What takes more than a header comes with the call (credential.h). */
static bool add_key(struct lines *to, enum provider_auth auth, struct str key)
{
	char line[4096];
	int n = key_header_write(line, sizeof line, auth, key);
	return n <= 0 ? n == 0 : add_line(to, line, (size_t)n);
}

/* Lines of this call alone: "name: value\r\n". */
static bool add_lines(struct lines *to, struct str lines)
{
	while (lines.n) {
		char line[8192];
		struct str one = str_cut(&lines, '\n');
		while (one.n && one.p[one.n - 1] == '\r')
			one.n--;
		if (!one.n)
			continue;
		if (one.n >= sizeof line)
			return false;
		memcpy(line, one.p, one.n);
		line[one.n] = 0;
		if (!add_line(to, line, one.n))
			return false;
	}
	return true;
}

void upstream_free_headers(struct curl_slist *list)
{
	for (struct curl_slist *l = list; l; l = l->next)
		mem_wipe(l->data, strlen(l->data));	/* the provider's key is in there */
	curl_slist_free_all(list);
}

/* The deployment's own, or the call's. */
static bool has_user_agent(const struct transfer_spec *s)
{
	const struct snap_header *h = snap_headers(s->snap, s->deployment);
	for (uint32_t i = 0; i < s->deployment->headers.count; i++)
		if (str_eq_nocase(snap_text(s->snap, h[i].name), STR("user-agent")))
			return true;
	for (struct str lines = s->headers; lines.n;)
		if (str_starts_nocase(str_cut(&lines, '\n'), STR("user-agent:")))
			return true;
	return false;
}

static bool make_lines(struct lines *to, const struct transfer_spec *s)
{
	const struct snap_deployment *d = s->deployment;
	const struct snap_header *h = snap_headers(s->snap, d);
	/* curl spends some 100 instructions a byte on its head, and twice as many on a User-Agent
	 * that it was told by an option. As from curl itself there is no Accept-Encoding: nobody
	 * compresses unasked, and what comes so is refused (upstream_answer.c). Without a value a
	 * header is left out. */
	if (!add_header(to, "Content-Type",
			s->content_type.p ? s->content_type : STR("application/json")) ||
	    (!has_user_agent(s) && !add_header(to, "User-Agent", STR("llmgw/" LLMGW_VERSION))) ||
	    !append(to, "Expect:") ||
	    !append(to, s->accept_stream ? "Accept: text/event-stream" : "Accept:"))
		return false;
	if (!s->without_key &&
	    !add_key(to, (enum provider_auth)d->auth, snap_text(s->snap, d->api_key)))
		return false;
	for (uint32_t i = 0; !s->without_key && i < d->headers.count; i++)
		if (!add_header(to, snap_text(s->snap, h[i].name).p,
				snap_text(s->snap, h[i].value)))
			return false;
	return add_lines(to, s->headers);
}

struct curl_slist *upstream_make_headers(const struct transfer_spec *s)
{
	struct lines lines = { .list = NULL };
	buf_init(&lines.joined, JOINED_MAX);
	bool ok = make_lines(&lines, s) &&
		  (!lines.joined.n || append(&lines, buf_z(&lines.joined)));
	forget(&lines.joined);
	if (ok)
		return lines.list;
	upstream_free_headers(lines.list);
	return NULL;
}

void upstream_drop_set(struct header_set *set)
{
	upstream_free_headers(set->list);
	if (set->url)
		mem_wipe(set->url, strlen(set->url));	/* some take their key in there */
	mem_free(set->url);
	curl_url_cleanup(set->parsed);
	*set = (struct header_set){ 0 };
}

CURLU *upstream_parsed_url(struct header_set *set, const char *url)
{
	if (!set->url) {
		set->url = mem_dup(url, strlen(url));
		set->parsed = set->url ? curl_url() : NULL;
		if (set->parsed && curl_url_set(set->parsed, CURLUPART_URL, url, 0) != CURLUE_OK) {
			curl_url_cleanup(set->parsed);
			set->parsed = NULL;
		}
	}
	return set->url && strcmp(set->url, url) == 0 ? set->parsed : NULL;
}

bool upstream_take_headers(struct transfer *t, const struct transfer_spec *s)
{
	uint64_t generation = snap_head(s->snap)->generation;
	size_t at = ((uintptr_t)s->deployment / sizeof *s->deployment * 2 + s->accept_stream) %
		    HEADER_SETS;
	struct header_set *set = &t->u->sets[at];
	if (s->headers.n || s->content_type.p || s->without_key) {
		t->headers = upstream_make_headers(s);
		return t->headers != NULL;
	}
	bool same = set->list && set->generation == generation &&
		    set->deployment == s->deployment && set->accept_stream == s->accept_stream;
	if (!same && set->users) {
		t->headers = upstream_make_headers(s);
		return t->headers != NULL;
	}
	if (!same) {
		upstream_drop_set(set);
		*set = (struct header_set){ generation, s->deployment, s->accept_stream, 0,
					    upstream_make_headers(s), NULL, NULL };
		if (!set->list)
			return false;
	}
	set->users++;
	t->set = set;
	t->headers = set->list;
	return true;
}
