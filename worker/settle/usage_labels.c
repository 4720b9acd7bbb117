/* SPDX-License-Identifier: MIT
 * usage_labels.c - see usage_labels.h. Most values are what a client chose. */
#include "worker/settle/usage_labels.h"

#include <arpa/inet.h>

static bool is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* Bytes of the next character, what is to be written for it, and how much that is. What is no
 * character, or one that controls, becomes a '?'. */
static size_t next_char(struct str s, char out[4], size_t *ret_n)
{
	size_t n = str_utf8_len(s);
	unsigned char c = (unsigned char)*s.p;
	*ret_n = 1;
	if (!n || c < 0x20 || c == 0x7f) {
		out[0] = '?';
		return 1;
	}
	if (c == '"' || c == '\\') {
		out[0] = '\\';
		out[1] = (char)c;
		*ret_n = 2;
		return 1;
	}
	memcpy(out, s.p, n);
	*ret_n = n;
	return n;
}

/* A label's name, made of any text: ',' and whatever else none may have is '_'. Returns its end. */
static size_t put_name(char *to, size_t n, size_t room, struct str name)
{
	for (size_t i = 0; i < name.n && n < room; i++)
		to[n++] = is_word_char(name.p[i]) ? name.p[i] : '_';
	return n;
}

size_t usage_label_put(char room[SERIES_LABELS], size_t n, struct str name, struct str value)
{
	char text[SERIES_LABELS + 1];		/* a comma first, which the first one is without */
	size_t at = 0, taken = 0;
	text[at++] = ',';
	at = put_name(text, at, sizeof text - 2, name);
	text[at++] = '=';
	if (!value.n)
		return n;
	text[at++] = '"';
	while (value.n && taken < USAGE_LABEL_MAX) {
		char out[4];
		size_t more, used = next_char(value, out, &more);
		if (taken + used > USAGE_LABEL_MAX || at + more + 1 > sizeof text)
			break;
		memcpy(text + at, out, more);
		at += more;
		taken += used;
		value = str_skip(value, used);
	}
	if (at + 1 > sizeof text)
		return n;
	text[at++] = '"';
	size_t skip = n == 0;
	if (n + at - skip > SERIES_LABELS)
		return n;
	memcpy(room + n, text + skip, at - skip);
	return n + at - skip;
}

static struct str address_of(const struct request *r, char text[INET6_ADDRSTRLEN])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	bool is_four = memcmp(r->client_ip, mapped, sizeof mapped) == 0;
	const char *z = inet_ntop(is_four ? AF_INET : AF_INET6, r->client_ip + (is_four ? 12 : 0),
				  text, INET6_ADDRSTRLEN);
	return z ? str_z(z) : STR("");
}

static struct str member_of(const struct request *r, struct str path)
{
	char dotted[128];
	if (path.n >= sizeof dotted)
		return STR("");
	memcpy(dotted, path.p, path.n);
	dotted[path.n] = 0;
	const struct json *j = json_get_path(r->q.metadata, dotted);
	if (json_is(j, JSON_STRING))
		return json_str(r->mem, j);
	return json_is(j, JSON_OBJECT) || json_is(j, JSON_ARRAY) || !json_is_given(j) ? STR("")
										      : j->raw;
}

static struct str has_tag(const struct request *r, struct str pattern)
{
	for (unsigned i = 0; i < r->wish.n_tags; i++)
		if (str_matches(pattern, r->wish.tags[i]))
			return STR("true");
	return STR("false");
}

static size_t put_one(const struct request *r, char *room, size_t n, char kind, struct str text)
{
	char name[80], ip[INET6_ADDRSTRLEN];
	size_t prefix = kind == METRIC_LABEL_TAG ? strlen("tag_") : strlen("metadata_");
	size_t at = put_name(name, prefix, sizeof name, text);
	memcpy(name, kind == METRIC_LABEL_TAG ? "tag_" : "metadata_", prefix);
	switch (kind) {
	case METRIC_LABEL_END_USER:
		return usage_label_put(room, n, STR("end_user"),
				       r->end_user.n ? r->end_user : r->q.user);
	case METRIC_LABEL_STREAM:
		return usage_label_put(room, n, STR("stream"),
				       r->q.is_stream ? STR("True") : STR("False"));
	case METRIC_LABEL_IP:
		return usage_label_put(room, n, STR("client_ip"), address_of(r, ip));
	case METRIC_LABEL_AGENT:
		return usage_label_put(room, n, STR("user_agent"),
				       r->http ? http_header(r->http, "user-agent") : STR_NONE);
	case METRIC_LABEL_METADATA:
		return usage_label_put(room, n, str_of(name, at), member_of(r, text));
	case METRIC_LABEL_TAG:
		return usage_label_put(room, n, str_of(name, at), has_tag(r, text));
	default:
		return n;
	}
}

struct str usage_labels(const struct request *r, char room[SERIES_LABELS])
{
	struct snap_part list = snap_settings(r->snap)->metric_labels;
	size_t n = 0;
	for (uint32_t i = 0; i < list.count; i++) {
		struct str entry = snap_name(r->snap, list, i);
		if (entry.n)
			n = put_one(r, room, n, entry.p[0], str_skip(entry, 1));
	}
	return str_of(room, n);
}
