/* SPDX-License-Identifier: MIT
 * discovery.c - see discovery.h. Against the master's rule this reads what comes from outside:
 * a few members of a document whose address the operator has chosen, by the reader of JSON that
 * workers use for strangers. */
#include "master/discovery.h"

#include "common/json.h"

static const struct str suffix = STR("/.well-known/openid-configuration");

struct str discovery_host(struct str url, bool *ret_is_plain)
{
	struct str rest = STR_NONE;
	*ret_is_plain = str_starts(url, STR("http://"));
	if (*ret_is_plain || str_starts(url, STR("https://")))
		rest = str_skip(url, *ret_is_plain ? 7 : 8);
	if (str_starts(rest, STR("[")))
		return str_cut(&rest, ']');
	rest = str_cut(&rest, '/');
	if (str_find_char(rest, '@') != SIZE_MAX)
		return STR_NONE;
	return str_cut(&rest, ':');
}

bool discovery_host_is_local(struct str host)
{
	return str_eq(host, STR("localhost")) || str_starts(host, STR("127.")) ||
	       str_eq(host, STR("[::1"));
}

static struct str without_query(struct str url)
{
	return str_cut(&url, '?');
}

bool discovery_is_url(struct str url)
{
	return str_ends(without_query(url), suffix);
}

static struct str without_slash(struct str s)
{
	return s.n && s.p[s.n - 1] == '/' ? str_of(s.p, s.n - 1) : s;
}

struct str discovery_url(struct arena *a, struct str issuer)
{
	issuer = without_slash(issuer);
	return arena_printf(a, STR_FMT STR_FMT, STR_ARG(issuer), STR_ARG(suffix));
}

/* The issuer by which the document was found must be the one that it is of (4.3); where it was
 * found by its own address, a slash at the end cannot be told from none. */
static bool is_of(struct str issuer, struct str url, struct str wanted)
{
	if (wanted.n)
		return str_eq(issuer, wanted);
	url = without_query(url);
	return str_eq(without_slash(issuer), str_of(url.p, url.n - suffix.n));
}

static bool is_plain_text(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= 0x20 || s.p[i] == 0x7f)
			return false;
	return s.n > 0 && s.n <= DISCOVERY_URL_MAX;
}

enum { PLACE_KEYS, PLACE_USERS };
static const struct {
	const char *name, *no_address, *too_plain;
} places[] = {
	[PLACE_KEYS] = { "jwks_uri", "its jwks_uri is no address of http or https",
			 "its jwks_uri is not https" },
	[PLACE_USERS] = { "userinfo_endpoint",
			  "its userinfo_endpoint is no address of http or https",
			  "its userinfo_endpoint is not https" },
};

static const char *read_place(struct arena *a, struct str text, struct str url, struct str issuer,
			      int place, struct str *ret_issuer, struct str *ret)
{
	struct json_error e;
	bool is_plain, was_plain;
	const struct json *root = json_parse(a, text, JSON_ONE_KEY, &e);
	if (!json_is(root, JSON_OBJECT))
		return "it is not an object of JSON with each name once";
	struct str at = json_get_str(a, root, places[place].name);
	struct str own = json_get_str(a, root, "issuer");
	if (!is_plain_text(own) || !is_of(own, url, issuer))
		return "it is of another issuer";
	struct str host = discovery_host(at, &is_plain);
	discovery_host(url, &was_plain);
	if (!is_plain_text(at) || !host.n)
		return places[place].no_address;
	if (is_plain && !was_plain)
		return places[place].too_plain;
	*ret_issuer = own;
	*ret = at;
	return NULL;
}

const char *discovery_read(struct arena *a, struct str text, struct str url, struct str issuer,
			   struct str *ret_issuer, struct str *ret_keys_url)
{
	return read_place(a, text, url, issuer, PLACE_KEYS, ret_issuer, ret_keys_url);
}

const char *discovery_read_users(struct arena *a, struct str text, struct str url,
				 struct str *ret_users_url)
{
	struct str issuer;
	return read_place(a, text, url, STR_NONE, PLACE_USERS, &issuer, ret_users_url);
}

bool discovery_is_key_list(struct arena *scratch, struct str text)
{
	struct json_error e;
	return json_is(json_get(json_parse(scratch, text, JSON_ONE_KEY, &e), "keys"), JSON_ARRAY);
}
