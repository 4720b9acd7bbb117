/* SPDX-License-Identifier: MIT
 * token.c - who gives access tokens: the forms of Google, Entra ID and IBM.
 *
 * The script stands in the query of the path, or behind the client_id's '?'. Token n is
 * "mock-token-n", n being the request's number in the log. A secret that ends with "wrong" is. */
#include "tests/mock/answer.h"

enum { LIFE_S = 3600 };

/* The value of a form's field, %XX undone, in *to. */
static struct span field(struct buf *to, struct span form, const char *name)
{
	size_t n = strlen(name);
	to->n = 0;
	while (form.n) {
		const char *end = memchr(form.p, '&', form.n);
		size_t one = end ? (size_t)(end - form.p) : form.n;
		if (one > n && memcmp(form.p, name, n) == 0 && form.p[n] == '=') {
			buf_reserve(to, one);
			to->n = script_decode((struct span){ form.p + n + 1, one - n - 1 }, to->p);
			return span_of(to);
		}
		form = (struct span){ form.p + one, form.n - one };
		if (form.n)
			form = (struct span){ form.p + 1, form.n - 1 };
	}
	return (struct span){ 0 };
}

static bool ends(struct span s, const char *end)
{
	size_t n = strlen(end);
	return s.n >= n && memcmp(s.p + s.n - n, end, n) == 0;
}

/* Three parts of base64url; who signed them is the tests' matter. */
static bool is_jwt(struct span s)
{
	unsigned dots = 0;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '.')
			dots++;
		else if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			   (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return false;
	}
	return dots == 2 && s.n > 2;
}

static bool is_good(struct span form)
{
	struct buf b = { 0 };
	struct span type = field(&b, form, "grant_type");
	const char *secret = NULL;
	bool good = false;
	if (span_is(type, "client_credentials"))
		secret = "client_secret";
	else if (span_is(type, "refresh_token"))
		secret = "refresh_token";
	else if (ends(type, ":apikey"))
		secret = "apikey";
	else if (ends(type, ":jwt-bearer"))
		good = is_jwt(field(&b, form, "assertion"));
	if (secret) {
		struct span s = field(&b, form, secret);
		good = s.n && !ends(s, "wrong");
	}
	buf_done(&b);
	return good;
}

bool token_read(struct skim *ask, struct span url, struct span form)
{
	const char *query = url.n ? memchr(url.p, '?', url.n) : NULL;
	struct buf b = { 0 };
	struct span script = query ? (struct span){ query, (size_t)(url.p + url.n - query) }
				   : field(&b, form, "client_id");
	ask->model.n = 0;
	BUF_PUT_LIT(&ask->model, "token");
	buf_put_span(&ask->model, script);
	buf_done(&b);
	return is_good(form);
}

static void write_token(struct buf *out, struct answer *a)
{
	BUF_PUT_LIT(out, "{\"access_token\":\"mock-token-");
	buf_put_u64(out, a->seq);
	BUF_PUT_LIT(out, "\",\"token_type\":\"Bearer\",\"expires_in\":");
	buf_put_u64(out, a->script.expires >= 0 ? (uint64_t)a->script.expires : LIFE_S);
	BUF_PUT_LIT(out, "}");
}

static void write_error(struct buf *out, const struct answer *a, struct span message)
{
	BUF_PUT_LIT(out, "{\"error\":");
	buf_put_json(out, a->script.code.p ? a->script.code : SPAN("invalid_client"));
	BUF_PUT_LIT(out, ",\"error_description\":");
	buf_put_json(out, message);
	BUF_PUT_LIT(out, "}");
}

const struct endpoint token_endpoints[] = {
	{ "POST", "/token", NULL, false, 0, write_token, NULL, write_error },
	{ "GET", "/token", NULL, false, 0, write_token, NULL, write_error },
	{ .method = NULL },
};

bool token_has(const struct endpoint *ep)
{
	return ep == &token_endpoints[0] || ep == &token_endpoints[1];
}
