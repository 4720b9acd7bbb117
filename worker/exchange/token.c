/* SPDX-License-Identifier: MIT
 * token.c - the ways to an access token: Google, Entra ID, IBM; see token.h. */
#include "worker/exchange/token.h"

#include <errno.h>

#include "common/hash.h"
#include "common/json.h"
#include "common/json_write.h"
#include "common/mem.h"
#include "worker/exchange/jwt.h"

enum {
	CREDENTIALS_MAX = 65536,
	PARSED_MAX = 1 << 20,
	URL_BYTES_MAX = 2048,
	FORM_MAX = 65536,
	FORM_USUAL = 8192,
	LIFE_UNKNOWN_S = 300,
	LIFE_MAX_S = 86400,
	JWT_LIFE_S = 3600
};

static const struct str google_token_url = STR("https://oauth2.googleapis.com/token");
static const struct str google_scope = STR("https://www.googleapis.com/auth/cloud-platform");
static const struct str metadata_host = STR("http://metadata.google.internal/");

struct asking {
	struct arena *mem;
	struct str text;		/* the credentials */
	const struct json *root;
	uint64_t now_s;
	struct token_ask *ask;
	const char *why;		/* it cannot be asked */
};

/* --- where secrets may go --- */

static bool is_loopback(struct str host)
{
	if (str_eq_nocase(host, STR("localhost")) || str_eq(host, STR("[::1]")))
		return true;
	if (!str_starts(host, STR("127.")))
		return false;
	for (size_t i = 0; i < host.n; i++)
		if (host.p[i] != '.' && (host.p[i] < '0' || host.p[i] > '9'))
			return false;
	return true;
}

/* scheme://HOST[:port]/...; a user before an '@' would be part of it, and so fit nothing. */
static struct str host_of(struct str url)
{
	size_t at = str_find(url, STR("://"));
	struct str host = at == SIZE_MAX ? STR_NONE : str_skip(url, at + 3);
	size_t n = 0;
	while (n < host.n && !strchr("/?#", host.p[n]))
		n++;
	host.n = n;
	size_t colon = host.n && host.p[0] == '[' ? str_find(host, STR("]:"))
						  : str_find_char(host, ':');
	if (colon != SIZE_MAX)
		host.n = colon + (host.p[colon] == ']');
	return host;
}

bool token_url_is_safe(struct str url)
{
	struct str host = host_of(url);
	for (size_t i = 0; i < url.n; i++)
		if ((unsigned char)url.p[i] <= ' ' || (unsigned char)url.p[i] >= 0x7f ||
		    url.p[i] == '@' || url.p[i] == '\\')
			return false;
	if (!host.n || url.n > URL_BYTES_MAX)
		return false;
	if (str_starts_nocase(url, STR("https://")))
		return true;
	return str_starts_nocase(url, STR("http://")) && is_loopback(host);
}

/* --- writing --- */

static int refuse(struct asking *w, const char *why)
{
	w->why = why;
	return -EINVAL;
}

static struct str field(struct asking *w, const char *name)
{
	return json_get_str(w->mem, w->root, name);
}

static void put_field(struct asking *w, const char *name, struct str value)
{
	struct buf *form = &w->ask->form;
	if (form->n)
		buf_put_char(form, '&');
	buf_put_z(form, name);
	buf_put_char(form, '=');
	buf_put_escaped(form, value);
}

static int go_to(struct asking *w, struct str url)
{
	if (!token_url_is_safe(url))
		return refuse(w, "the address for tokens is not https");
	buf_put(&w->ask->url, url);
	return 0;
}

/* A secret that had escapes was copied into the arena, which does not wipe. */
static void forget(struct asking *w, struct str secret)
{
	if (secret.n && (secret.p < w->text.p || secret.p >= w->text.p + w->text.n))
		mem_wipe((char *)secret.p, secret.n);
}

/* --- Google --- */

static struct str claims_of(struct asking *w, struct str email, struct str url)
{
	struct buf b;
	buf_init(&b, 8192);
	struct json_out o = json_out(&b);
	json_open(&o, NULL);
	json_put_str(&o, "iss", email);
	json_put_str(&o, "sub", email);
	json_put_str(&o, "aud", url);
	json_put_str(&o, "scope", google_scope);
	json_put_u64(&o, "iat", w->now_s);
	json_put_u64(&o, "exp", w->now_s + JWT_LIFE_S);
	json_close(&o);
	struct str claims = b.failed ? STR_NONE : arena_dup(w->mem, buf_str(&b));
	buf_done(&b);
	return claims;
}

static struct str jwt_header_of(struct asking *w)
{
	struct buf b;
	buf_init(&b, 1024);
	struct json_out o = json_out(&b);
	struct str kid = field(w, "private_key_id");
	json_open(&o, NULL);
	json_put_z(&o, "alg", "RS256");
	json_put_z(&o, "typ", "JWT");
	if (kid.n)
		json_put_str(&o, "kid", kid);
	json_close(&o);
	struct str header = b.failed ? STR_NONE : arena_dup(w->mem, buf_str(&b));
	buf_done(&b);
	return header;
}

static int ask_service_account(struct asking *w)
{
	struct str email = field(w, "client_email"), key = field(w, "private_key"),
		   url = field(w, "token_uri");
	struct buf jwt;
	url = url.n ? url : google_token_url;
	if (!email.n || !key.n)
		return refuse(w, "the service account has no client_email or private_key");
	struct str header = jwt_header_of(w), claims = claims_of(w, email, url);
	buf_init(&jwt, FORM_MAX / 2);
	int err = header.p && claims.p ? jwt_sign(key, header, claims, &jwt) : -ENOMEM;
	forget(w, key);
	if (!err)
		err = go_to(w, url);
	else if (err == -EINVAL)
		err = refuse(w, "the service account's private_key is no RSA key");
	put_field(w, "grant_type", STR("urn:ietf:params:oauth:grant-type:jwt-bearer"));
	put_field(w, "assertion", buf_str(&jwt));
	if (jwt.n)
		mem_wipe(jwt.p, jwt.n);
	buf_done(&jwt);
	return err;
}

static int ask_authorized_user(struct asking *w)
{
	struct str secret = field(w, "client_secret"), refresh = field(w, "refresh_token"),
		   url = field(w, "token_uri");
	if (!secret.n || !refresh.n)
		return refuse(w, "the user's file has no client_secret or refresh_token");
	int err = go_to(w, url.n ? url : google_token_url);
	put_field(w, "grant_type", STR("refresh_token"));
	put_field(w, "client_id", field(w, "client_id"));
	put_field(w, "client_secret", secret);
	put_field(w, "refresh_token", refresh);
	forget(w, secret);
	forget(w, refresh);
	return err;
}

/* It has no TLS, and needs no secret: whoever runs on the machine may ask. "url" for tests. */
static int ask_metadata(struct asking *w)
{
	struct str url = field(w, "url");
	if (url.n && !str_starts(url, metadata_host) && !token_url_is_safe(url))
		return refuse(w, "the metadata server's address is not its own");
	buf_put(&w->ask->url, url.n ? url : STR("http://metadata.google.internal/computeMetadata/"
						"v1/instance/service-accounts/default/token"));
	BUF_PUT_LIT(&w->ask->headers, "Metadata-Flavor: Google\r\n");
	w->ask->method = "GET";
	return 0;
}

static int ask_google(struct asking *w)
{
	struct str type = field(w, "type");
	if (str_eq(type, STR("service_account")))
		return ask_service_account(w);
	if (str_eq(type, STR("authorized_user")))
		return ask_authorized_user(w);
	if (str_eq(type, STR("compute_metadata")))
		return ask_metadata(w);
	return refuse(w, "Google credentials of this type are not served");
}

/* --- Entra ID and IBM --- */

/* A part of a path: a tenant is a UUID or a domain. */
static bool is_tenant(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '-' || c == '_' || c == '.'))
			return false;
	}
	return s.n > 0 && s.n <= 253 && !str_starts(s, STR("."));
}

static int ask_entra(struct asking *w)
{
	struct str tenant = field(w, "tenant_id"), client = field(w, "client_id"),
		   secret = field(w, "client_secret"), host = field(w, "authority"),
		   scope = field(w, "scope");
	host = host.n ? host : STR("https://login.microsoftonline.com");
	while (host.n && host.p[host.n - 1] == '/')
		host.n--;
	if (!is_tenant(tenant) || !client.n || !secret.n)
		return refuse(w, "a tenant_id, client_id or client_secret is missing or malformed");
	int err = go_to(w, host);
	buf_printf(&w->ask->url, "/" STR_FMT "/oauth2/v2.0/token", STR_ARG(tenant));
	put_field(w, "grant_type", STR("client_credentials"));
	put_field(w, "client_id", client);
	put_field(w, "client_secret", secret);
	put_field(w, "scope",
		  scope.n ? scope : STR("https://cognitiveservices.azure.com/.default"));
	forget(w, secret);
	return err;
}

static int ask_ibm(struct asking *w)
{
	struct str key = field(w, "api_key"), url = field(w, "url");
	if (!key.n)
		return refuse(w, "the api_key is missing");
	int err = go_to(w, url.n ? url : STR("https://iam.cloud.ibm.com/identity/token"));
	put_field(w, "grant_type", STR("urn:ibm:params:oauth:grant-type:apikey"));
	put_field(w, "apikey", key);
	forget(w, key);
	return err;
}

/* --- GigaChat --- */

static bool is_base64(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= 'A' && s.p[i] <= 'Z') ||
		      (s.p[i] >= '0' && s.p[i] <= '9') || strchr("+/=-_", s.p[i])))
			return false;
	return s.n > 0;
}

/* The key stands in a header; each request has a number of its own. */
static int ask_gigachat(struct asking *w)
{
	struct str key = field(w, "authorization_key"), scope = field(w, "scope"),
		   url = field(w, "url");
	char id[37];
	if (!is_base64(key))
		return refuse(w, "the authorization key is missing or malformed");
	hash_uuid(id);
	buf_printf(&w->ask->headers, "RqUID: %s\r\nAuthorization: Basic " STR_FMT "\r\n", id,
		   STR_ARG(key));
	put_field(w, "scope", scope.n ? scope : STR("GIGACHAT_API_PERS"));
	forget(w, key);
	return go_to(w, url.n ? url : STR("https://ngw.devices.sberbank.ru:9443/api/v2/oauth"));
}

/* --- asking --- */

static int write_ask(enum provider_auth auth, struct asking *w)
{
	struct json_error error;
	w->root = w->text.n <= CREDENTIALS_MAX ? json_parse(w->mem, w->text, 0, &error) : NULL;
	if (!json_is(w->root, JSON_OBJECT))
		return refuse(w, "there are no credentials, or they are no JSON object");
	BUF_PUT_LIT(&w->ask->headers, "Accept: application/json\r\n");
	switch (auth) {
	case AUTH_GOOGLE:
		return ask_google(w);
	case AUTH_ENTRA:
		return ask_entra(w);
	case AUTH_IBM:
		return ask_ibm(w);
	case AUTH_GIGACHAT:
		return ask_gigachat(w);
	default:
		return refuse(w, "no tokens are given for credentials of this kind");
	}
}

int token_ask_write(enum provider_auth auth, struct str credentials, uint64_t now_s,
		    struct token_ask *ret, const char **reterr)
{
	struct asking w = { .text = credentials, .now_s = now_s, .ask = ret };
	*ret = (struct token_ask){ 0 };
	buf_init(&ret->url, URL_BYTES_MAX + 512);
	buf_init(&ret->form, FORM_MAX);
	buf_init(&ret->headers, 4096);
	w.mem = arena_new(PARSED_MAX);
	int err = w.mem ? buf_reserve(&ret->form, FORM_USUAL) : -ENOMEM; /* leaves no copies */
	if (!err)
		err = write_ask(auth, &w);
	arena_free(w.mem);
	if (!err && (ret->url.failed || ret->form.failed || ret->headers.failed))
		err = -ENOMEM;
	if (err == -EINVAL)
		*reterr = w.why;
	return err;
}

void token_ask_done(struct token_ask *ask)
{
	if (ask->form.p)
		mem_wipe(ask->form.p, ask->form.room);
	if (ask->headers.p)
		mem_wipe(ask->headers.p, ask->headers.room);
	buf_done(&ask->url);
	buf_done(&ask->form);
	buf_done(&ask->headers);
}

/* --- answers --- */

/* What a header can hold, and no more of it than fits. */
static bool is_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f)
			return false;
	return s.n > 0 && s.n <= TOKEN_MAX;
}

/* Seconds, as a number or as the text of one; or the end in milliseconds since 1970. */
static uint64_t life_of(struct arena *a, const struct json *root, uint64_t now_s)
{
	const struct json *given = json_get(root, "expires_in");
	int64_t s = 0;
	if (!given && json_read_i64(json_get(root, "expires_at"), &s) == 0)
		s = s / 1000 - (int64_t)now_s;
	else if (json_is(given, JSON_STRING) ? str_read_i64(json_str(a, given), &s) < 0
					: json_read_i64(given, &s) < 0)
		return LIFE_UNKNOWN_S;
	return s < 1 ? 1 : s > LIFE_MAX_S ? LIFE_MAX_S : (uint64_t)s;
}

int token_answer_read(struct arena *a, struct str body, uint64_t now_s, struct token_answer *ret)
{
	struct json_error error;
	const struct json *root = json_parse(a, body, 0, &error);
	struct str token = json_get_str(a, root, "access_token");
	if (!is_token(token))
		return -EBADMSG;
	ret->token = token;
	ret->life_s = life_of(a, root, now_s);
	return 0;
}

struct str token_error_read(struct arena *a, struct str body)
{
	static const char *const places[] = { "error", "errorCode", "error.status", "error.code" };
	struct json_error error;
	const struct json *root = json_parse(a, body, 0, &error);
	for (size_t i = 0; i < COUNT(places); i++) {
		struct str word = json_str(a, json_get_path(root, places[i]));
		bool is_word = word.n > 0 && word.n <= TOKEN_CODE_MAX;
		for (size_t k = 0; k < word.n && is_word; k++) {
			char c = word.p[k];
			is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				  (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
		}
		if (is_word)
			return word;
	}
	return STR_NONE;
}
