/* SPDX-License-Identifier: MIT
 * fuzz_raw_path.c - a path that may be passed on stays behind its base, however often somebody
 * decodes it; a query that may, holds no key for the gateway and no end of line. */
#include "common/buf.h"
#include "common/hash.h"
#include "worker/raw.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static int hex_of(char c)
{
	const char digits[] = "0123456789abcdefABCDEF";
	const char *at = c ? strchr(digits, c) : NULL;
	int v = at ? (int)(at - digits) : -1;
	return v > 15 ? v - 6 : v;
}

static void decode(struct str s, struct buf *out)
{
	buf_reset(out);
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '%' && i + 2 < s.n && hex_of(s.p[i + 1]) >= 0 &&
		    hex_of(s.p[i + 2]) >= 0) {
			buf_put_char(out, (char)(hex_of(s.p[i + 1]) * 16 + hex_of(s.p[i + 2])));
			i += 2;
		} else {
			buf_put_char(out, s.p[i]);
		}
	}
}

static void check_path(struct str s)
{
	MUST(str_find_char(s, '\r') == SIZE_MAX && str_find_char(s, '\n') == SIZE_MAX);
	MUST(str_find_char(s, '\0') == SIZE_MAX && str_find_char(s, '\\') == SIZE_MAX);
	MUST(str_find_char(s, '?') == SIZE_MAX && str_find_char(s, '#') == SIZE_MAX);
	MUST(str_find(s, STR("//")) == SIZE_MAX);
	while (s.p) {
		struct str segment = str_cut(&s, '/');
		MUST(!str_eq(segment, STR("..")) && !str_eq(segment, STR(".")));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const struct str base = STR("https://host.example:8443/api/v1");
	struct str query = { (const char *)p, n }, path = str_cut(&query, '?');
	struct buf url, once, twice;
	buf_init(&url, 4 * n + 1000);
	buf_init(&once, 4 * n + 1000);
	buf_init(&twice, 4 * n + 1000);
	if (raw_path_ok(path)) {
		raw_put_url(&url, base, path);
		MUST(str_starts(buf_str(&url), STR("https://host.example:8443/api")));
		struct str rest = str_skip(buf_str(&url), STR("https://host.example:8443/api").n);
		MUST(rest.n == 0 || rest.p[0] == '/');
		MUST(str_find_char(rest, '@') == SIZE_MAX);
		check_path(rest);
		decode(rest, &once);
		check_path(buf_str(&once));
		decode(buf_str(&once), &twice);
		check_path(buf_str(&twice));
		struct str model = raw_path_model(path);
		MUST(!model.p || (model.n && str_find(path, model) != SIZE_MAX));
	}
	if (query.p && raw_query_ok(query)) {
		buf_reset(&url);
		raw_put_query(&url, query, true);
		MUST(!url.n || url.p[0] == '?');
		struct str rest = str_skip(buf_str(&url), 1);
		MUST(raw_query_ok(rest));
		MUST(!raw_query_get(rest, STR("key")).p && !raw_query_get(rest, STR("api_key")).p);
	}
	buf_done(&url);
	buf_done(&once);
	buf_done(&twice);
	return 0;
}
