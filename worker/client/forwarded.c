/* SPDX-License-Identifier: MIT
 * forwarded.c - see forwarded.h. Only with use_x_forwarded_for does a request get in here. */
#include "worker/client/forwarded.h"

#include "common/cidr.h"

enum { ELEMENTS_MAX = 64 };		/* more proxies than that nobody has */

static bool is_trusted(const void *data, const uint8_t *address)
{
	const struct snap *s = data;
	struct snap_part list = snap_settings(s)->trusted_proxies;
	for (uint32_t i = 0; i < list.count; i++) {
		struct cidr net;
		if (cidr_read(snap_name(s, list, i), &net) == 0 && cidr_has(&net, address))
			return true;
	}
	return false;
}

/* "10.0.0.1", "10.0.0.1:443", "2001:db8::1", "[2001:db8::1]:443" */
static bool read_element(struct str s, uint8_t address[16])
{
	struct cidr one;
	s = str_trim(s);
	if (s.n && s.p[0] == '[') {
		s = str_skip(s, 1);
		s.n = str_find_char(s, ']');
		if (s.n == SIZE_MAX)
			return false;
	} else {
		size_t colon = str_find_char(s, ':');
		if (colon != SIZE_MAX &&
		    str_find_char(str_skip(s, colon + 1), ':') == SIZE_MAX)
			s.n = colon;
	}
	if (str_find_char(s, '/') != SIZE_MAX || cidr_read(s, &one) != 0)
		return false;
	memcpy(address, one.address, sizeof one.address);
	return true;
}

/* Takes the last element off the list. */
static struct str cut_last(struct str *list)
{
	size_t at = list->n;
	while (at && list->p[at - 1] != ',')
		at--;
	struct str last = str_skip(*list, at);
	list->n = at ? at - 1 : 0;
	return last;
}

void forwarded_read(const struct http_request *h, bool (*trusts)(const void *, const uint8_t *),
		    const void *data, uint8_t address[16])
{
	unsigned left = ELEMENTS_MAX;
	for (unsigned i = h->n_headers; i-- > 0;) {	/* lines, too, are a list */
		if (!str_eq(h->headers[i].name, STR("x-forwarded-for")))
			continue;
		struct str list = h->headers[i].value;
		while (list.n) {
			if (!left-- || !trusts(data, address) ||
			    !read_element(cut_last(&list), address))
				return;
		}
	}
}

void forwarded_address(const struct snap *s, const struct http_request *h, uint8_t address[16])
{
	forwarded_read(h, is_trusted, s, address);
}
