/* SPDX-License-Identifier: MIT
 * fuzz_call_url.c - whatever a model, a deployment, a project, a location or a version is called, and
 * whatever path a client has passed on: the URL that is made of it and of a base names the base's
 * host and port, nobody's password, and a path below the base's, as libcurl reads it.
 *
 * The first bytes choose family, site and kind; the rest is names, parted by NULs. */
#include <curl/curl.h>

#include "common/hash.h"
#include "worker/exchange/site.h"
#include "worker/raw.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#define HOST "host.example"
#define PORT "8443"
#define BELOW "/base"
static const struct str base = STR("https://" HOST ":" PORT BELOW);

static void check_part(CURLU *u, CURLUPart which, const char *wanted)
{
	char *s = NULL;
	CURLUcode r = curl_url_get(u, which, &s, 0);
	MUST(wanted ? r == CURLUE_OK && strcmp(s, wanted) == 0 : r != CURLUE_OK);
	curl_free(s);
}

/* No segment leads up, and no byte means something else to somebody. */
static void check_path(CURLU *u)
{
	char *s = NULL;
	MUST(curl_url_get(u, CURLUPART_PATH, &s, 0) == CURLUE_OK);
	struct str path = str_z(s);
	MUST(str_starts(path, STR(BELOW)) && (path.n == 5 || path.p[5] == '/'));
	while (path.p) {
		struct str segment = str_cut(&path, '/');
		MUST(!str_eq(segment, STR(".")) && !str_eq(segment, STR("..")));
	}
	curl_free(s);
}

static void check_url(struct buf *url)
{
	CURLU *u = curl_url();
	const char *z = buf_z(url);
	if (!u || !z || url->failed) {
		curl_url_cleanup(u);
		return;
	}
	for (size_t i = 0; i < url->n; i++)
		MUST((unsigned char)z[i] > 0x20 && (unsigned char)z[i] < 0x7f && z[i] != '\\' &&
		     z[i] != '#');
	MUST(curl_url_set(u, CURLUPART_URL, z, CURLU_PATH_AS_IS) == CURLUE_OK);
	check_part(u, CURLUPART_SCHEME, "https");
	check_part(u, CURLUPART_HOST, HOST);
	check_part(u, CURLUPART_PORT, PORT);
	check_part(u, CURLUPART_USER, NULL);
	check_part(u, CURLUPART_PASSWORD, NULL);
	check_path(u);
	curl_url_cleanup(u);
}

/* ---- what adapters and sites make ---- */

static struct str next_name(struct str *rest)
{
	struct str name = str_cut(rest, '\0');
	return name.n ? name : STR_NONE;
}

static void fuzz_call(struct arena *a, const uint8_t *choice, struct str names)
{
	const struct str paths = STR("chat=/a/{model}/chat text=/b/{model} embed=/{model}/embed");
	struct str input = STR("x");
	struct llm_request q = { .n = 1, .num_retries = -1, .inputs = &input, .n_inputs = 1 };
	struct provider_target t = { .drop_params = true };
	struct provider_call call = { 0 };
	struct llm_error e = { 0 };
	struct buf url;
	enum provider_family family = (enum provider_family)(choice[0] % FAMILY_COUNT);
	q.kind = (enum llm_kind)(choice[1] % 3);
	q.is_stream = choice[1] & 128;
	q.model = t.model = next_name(&names);
	t.api_version = next_name(&names);
	t.project = next_name(&names);
	t.location = next_name(&names);
	t.site = (enum provider_site)(choice[2] % SITE_COUNT);
	t.paths = choice[2] & 128 ? paths : STR_NONE;
	const struct provider *provider = provider_for(site_family(t.site, family, t.model), q.kind);
	if (!provider || !t.model.n)
		return;
	buf_init(&url, 64 * 1024);
	buf_init(&call.path, 64 * 1024);
	buf_init(&call.body, 1 << 20);
	buf_init(&call.headers, 64 * 1024);
	int err = provider->write_request(a, &q, &t, &call, &e);
	if (err == 0)
		err = site_wrap(a, provider->family, &q, &t, &call, &e);
	if (err == 0 && !call.path.failed && provider->family != FAMILY_MOCK) {
		buf_put(&url, base);
		buf_put(&url, buf_str(&call.path));
		check_url(&url);
	}
	buf_done(&call.headers);
	buf_done(&call.body);
	buf_done(&call.path);
	buf_done(&url);
}

/* ---- what a client has passed on ---- */

static void fuzz_passed(struct str names)
{
	struct buf url;
	struct str path = str_cut(&names, '\0'), query = names;
	if (!raw_path_ok(path) || !raw_query_ok(query))
		return;
	buf_init(&url, 64 * 1024);
	raw_put_url(&url, base, path);
	raw_put_query(&url, query, true);
	check_url(&url);
	buf_done(&url);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n < 4 || n > 4096 || hash_init() != 0)
		return 0;
	struct str names = str_of((const char *)p + 3, n - 3);
	struct arena *a = arena_new(4 << 20);
	if (p[0] & 128)
		fuzz_passed(names);
	else if (a)
		fuzz_call(a, p, names);
	arena_free(a);
	return 0;
}
