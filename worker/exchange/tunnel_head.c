/* SPDX-License-Identifier: MIT
 * tunnel_head.c - a provider's answer to an upgrade, read strictly: a few lines of HTTP/1.1, each
 * ended by CR LF, no folding, no control characters. See tunnel.h. */
#include <errno.h>

#include "worker/exchange/tunnel.h"

static bool is_clean(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (((unsigned char)s.p[i] < 0x20 && s.p[i] != '\t') || s.p[i] == 0x7f)
			return false;
	return true;
}

static bool has_word(struct str list, struct str word)
{
	while (list.n)
		if (str_eq_nocase(str_trim(str_cut(&list, ',')), word))
			return true;
	return false;
}

static bool read_status(struct str line, int *ret)
{
	uint64_t v;
	if (!str_starts(line, STR("HTTP/1.1 ")) || line.n < 12 || !is_clean(line) ||
	    (line.n > 12 && line.p[12] != ' ') || str_read_u64(str_of(line.p + 9, 3), &v) < 0 ||
	    v < 100)
		return false;
	*ret = (int)v;
	return true;
}

/* Once each: a second one could mean something else to somebody. */
static bool take_once(struct str *at, struct str value)
{
	if (at->p)
		return false;
	*at = value;
	return true;
}

int tunnel_read_head(struct str head, struct tunnel_answer *ret)
{
	struct tunnel_answer a = { .length = UINT64_MAX };
	bool upgrade = false, connection = false;
	if (!str_ends(head, STR("\r\n\r\n")))
		return -EBADMSG;
	head.n -= 2;
	for (unsigned i = 0; head.n; i++) {
		struct str line = str_cut(&head, '\n');
		if (line.n == 0 || line.p[line.n - 1] != '\r')
			return -EBADMSG;
		line.n--;
		if (i == 0) {
			if (!read_status(line, &a.status))
				return -EBADMSG;
			continue;
		}
		struct str value = line, name = str_cut(&value, ':');
		if (!value.p || name.n == 0 || !is_clean(line) || name.p[0] == ' ' ||
		    name.p[0] == '\t' || name.p[name.n - 1] == ' ')
			return -EBADMSG;
		value = str_trim(value);
		bool ok = true;
		if (str_eq_nocase(name, STR("upgrade")))
			upgrade = str_eq_nocase(value, STR("websocket"));
		else if (str_eq_nocase(name, STR("connection")))
			connection = has_word(value, STR("upgrade"));
		else if (str_eq_nocase(name, STR("sec-websocket-accept")))
			ok = take_once(&a.accept, value);
		else if (str_eq_nocase(name, STR("sec-websocket-protocol")))
			ok = take_once(&a.protocol, value);
		else if (str_eq_nocase(name, STR("sec-websocket-extensions")))
			ok = a.status != 101;	/* we asked for none */
		else if (str_eq_nocase(name, STR("content-length")))
			ok = str_read_u64(value, &a.length) == 0;
		else if (str_eq_nocase(name, STR("transfer-encoding")))
			a.is_chunked = true;
		if (!ok)
			return -EBADMSG;
	}
	a.is_upgrade = a.status == 101 && upgrade && connection && a.accept.n == 28;
	if (a.status < 200 && !a.is_upgrade)
		return -EBADMSG;
	*ret = a;
	return 0;
}
