/* SPDX-License-Identifier: MIT
 * alert_text.c - see alert_kinds.h. Names in a message may be a client's own choice: nothing in
 * them is a mention, a link or a header for who receives it. */
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/json_write.h"
#include "master/alert_kinds.h"

const struct alert_kind_row alert_kinds[ALERT_KINDS] = {
#define X(name, level, preset, quiet, doc) { #name, ALERT_##level, preset, quiet, doc },
	ALERTS(X)
#undef X
};

static const char *const levels[] = { "Low", "Medium", "High" };

int alert_kind_find(struct str name)
{
	for (int i = 0; i < ALERT_KINDS; i++)
		if (str_eq_z(name, alert_kinds[i].name))
			return i;
	return -1;
}

/* ---- messages ---- */

/* Takes off what is no whole character at the end. */
static void trim(char *text)
{
	size_t n = strlen(text);
	while (n && !str_is_utf8(str_of(text, n)) && n + 4 > strlen(text))
		n--;
	text[n] = '\0';
}

void alert_say(struct alert_message *m, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(m->text, sizeof m->text, fmt, ap);
	va_end(ap);
	trim(m->text);
}

void alert_name(char *to, size_t room, struct str s)
{
	size_t n = s.n < room ? s.n : room - 1;
	for (size_t i = 0; i < n; i++)
		to[i] = (unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f ? ' ' : s.p[i];
	to[n] = '\0';
	trim(to);
}

/* ---- what people read ---- */

static void put_clock(struct buf *to, uint64_t wall_ns)
{
	char text[25];
	clock_rfc3339(text, wall_ns);
	buf_put(to, str_of(text, 19));
	buf_put_char(to, 'Z');
}

void alert_put_for_slack(struct buf *to, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '&')
			BUF_PUT_LIT(to, "&amp;");
		else if (s.p[i] == '<')
			BUF_PUT_LIT(to, "&lt;");
		else if (s.p[i] == '>')
			BUF_PUT_LIT(to, "&gt;");
		else
			buf_put_char(to, s.p[i]);
}

/* mark: what stands around a value, "`" or "". */
static void put_text(const struct alert_message *m, const struct alert_sender_name *who,
		     const char *mark, bool is_slack, struct buf *to)
{
	buf_printf(to, "Level: %s%s%s\nTimestamp: %s", mark, levels[m->level], mark, mark);
	put_clock(to, m->wall_ns);
	buf_printf(to, "%s\nAlert type: %s%s%s\n\nMessage: ", mark, mark, alert_kinds[m->kind].name,
		   mark);
	if (is_slack)
		alert_put_for_slack(to, str_z(m->text));
	else
		buf_put_z(to, m->text);
	if (who->url[0])
		buf_printf(to, "\n\nProxy URL: %s%s%s", mark, who->url, mark);
}

static void put_chat(struct json_out *o, const char *key, const struct alert_message *m,
		     const struct alert_sender_name *who, bool is_slack)
{
	struct buf text;
	buf_init(&text, 8 * ALERT_TEXT);
	put_text(m, who, "`", is_slack, &text);
	json_put_str(o, key, buf_str(&text));
	o->to->failed |= text.failed;
	buf_done(&text);
}

static void write_slack(const struct alert_message *m, const struct alert_sender_name *who,
			struct buf *to)
{
	struct json_out o = json_out(to);
	json_open(&o, NULL);
	put_chat(&o, "text", m, who, true);
	json_close(&o);
}

static void write_discord(const struct alert_message *m, const struct alert_sender_name *who,
			  struct buf *to)
{
	struct json_out o = json_out(to);
	json_open(&o, NULL);
	put_chat(&o, "content", m, who, false);
	json_open(&o, "allowed_mentions");	/* none: "@everyone" in a name is a word */
	json_open_array(&o, "parse");
	json_close_array(&o);
	json_close(&o);
	json_close(&o);
}

static void put_card_line(struct json_out *o, const char *title, const char *text)
{
	json_open(o, NULL);
	json_put_z(o, "title", title);
	json_put_z(o, "value", text);
	json_close(o);
}

static void put_card(struct json_out *o, const struct alert_message *m,
		     const struct alert_sender_name *who)
{
	char when[25];
	clock_rfc3339(when, m->wall_ns);
	json_put_z(o, "$schema", "http://adaptivecards.io/schemas/adaptive-card.json");
	json_put_z(o, "type", "AdaptiveCard");
	json_put_z(o, "version", "1.4");
	json_open_array(o, "body");
	json_open(o, NULL);
	json_put_z(o, "type", "TextBlock");
	json_put_z(o, "text", m->text);
	json_put_bool(o, "wrap", true);
	json_close(o);
	json_open(o, NULL);
	json_put_z(o, "type", "FactSet");
	json_open_array(o, "facts");
	put_card_line(o, "Level", levels[m->level]);
	put_card_line(o, "Alert type", alert_kinds[m->kind].name);
	put_card_line(o, "Timestamp", when);
	if (who->url[0])
		put_card_line(o, "Proxy URL", who->url);
	json_close_array(o);
	json_close(o);
	json_close_array(o);
}

static void write_teams(const struct alert_message *m, const struct alert_sender_name *who,
			struct buf *to)
{
	struct json_out o = json_out(to);
	json_open(&o, NULL);
	json_put_z(&o, "type", "message");
	json_open_array(&o, "attachments");
	json_open(&o, NULL);
	json_put_z(&o, "contentType", "application/vnd.microsoft.card.adaptive");
	json_put_null(&o, "contentUrl");
	json_open(&o, "content");
	put_card(&o, m, who);
	json_close(&o);
	json_close(&o);
	json_close_array(&o);
	json_close(&o);
}

/* ---- what programs read: LiteLLM's WebhookEvent ---- */

static void put_word(struct json_out *o, const char *key, const char *text)
{
	json_put_z(o, key, text[0] ? text : NULL);
}

static void put_money(struct json_out *o, const char *key, int64_t nano)
{
	if (nano >= 0)
		json_put_money(o, key, nano);
	else
		json_put_null(o, key);
}

static void put_day(struct json_out *o, const char *key, uint64_t wall_ns)
{
	char text[25];
	if (!wall_ns) {
		json_put_null(o, key);
		return;
	}
	clock_rfc3339(text, wall_ns);
	json_put_str(o, key, str_of(text, 10));
}

static void write_webhook(const struct alert_message *m, const struct alert_sender_name *who,
			  struct buf *to)
{
	const struct alert_owner *w = &m->owner;
	struct json_out o = json_out(to);
	json_open(&o, NULL);
	put_money(&o, "spend", w->has_money ? w->spend : -1);
	put_money(&o, "max_budget", w->has_money ? w->max_budget : -1);
	put_money(&o, "soft_budget", w->has_money ? w->soft_budget : -1);
	put_word(&o, "token", w->token);
	put_word(&o, "customer_id", w->customer_id);
	put_word(&o, "user_id", w->user_id);
	put_word(&o, "team_id", w->team_id);
	put_word(&o, "team_alias", w->team_alias);
	put_word(&o, "organization_id", w->organization_id);
	put_word(&o, "user_email", w->user_email);
	put_word(&o, "key_alias", w->key_alias);
	put_day(&o, "projected_exceeded_date", w->projected_ns);
	put_money(&o, "projected_spend", w->has_money ? w->projected : -1);
	json_put_z(&o, "event", w->event[0] ? w->event : alert_kinds[m->kind].name);
	json_put_z(&o, "event_group", w->group[0] ? w->group : "proxy");
	json_put_z(&o, "event_message", m->text);
	json_put_z(&o, "alert_type", alert_kinds[m->kind].name);
	json_put_z(&o, "level", levels[m->level]);
	json_put_time(&o, "timestamp", m->wall_ns);
	put_word(&o, "proxy_url", who->url);
	json_close(&o);
}

/* ---- a mail (RFC 5322), its text in base64: no line of it is too long, none is a header ---- */

static void put_base64_lines(struct buf *to, struct str s)
{
	enum { LINE = 57 };		/* bytes that make 76 characters */
	char line[80];
	while (s.n) {
		struct str part = str_of(s.p, s.n < LINE ? s.n : LINE);
		if (!hash_base64(line, sizeof line, part)) {
			to->failed = true;
			return;
		}
		buf_printf(to, "%s\r\n", line);
		s = str_skip(s, part.n);
	}
}

static void put_date(struct buf *to, uint64_t wall_ns)
{
	static const char days[] = "SunMonTueWedThuFriSat",
			  months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t at = (time_t)(wall_ns / NS_PER_S);
	struct tm t;
	gmtime_r(&at, &t);
	buf_printf(to, "Date: %.3s, %d %.3s %d %02d:%02d:%02d +0000\r\n", days + 3 * t.tm_wday,
		   t.tm_mday, months + 3 * t.tm_mon, t.tm_year + 1900, t.tm_hour, t.tm_min,
		   t.tm_sec);
}

static void write_email(const struct alert_message *m, const struct alert_sender_name *who,
			struct buf *to)
{
	char id[37];
	struct buf text;
	buf_init(&text, 8 * ALERT_TEXT);
	put_text(m, who, "", false, &text);
	hash_uuid(id);
	buf_printf(to, "From: %s\r\nTo: %s\r\nSubject: [llmgw] %s: %s\r\n", who->from, who->to,
		   levels[m->level], alert_kinds[m->kind].name);
	put_date(to, m->wall_ns);
	buf_printf(to, "Message-ID: <%s@llmgw>\r\nAuto-Submitted: auto-generated\r\n"
		       "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
		       "Content-Transfer-Encoding: base64\r\n\r\n", id);
	put_base64_lines(to, buf_str(&text));
	to->failed |= text.failed;
	buf_done(&text);
}

/* ---- receivers ---- */

const struct alert_format_row alert_formats[ALERT_FORMATS] = {
	[ALERT_SLACK] = { "slack", "SLACK_WEBHOOK_URL", write_slack,
			  "Slack's incoming webhook, or one that takes the same: {\"text\"}" },
	[ALERT_DISCORD] = { "discord", "DISCORD_WEBHOOK_URL", write_discord,
			    "Discord's webhook: {\"content\"}" },
	[ALERT_TEAMS] = { "teams", "TEAMS_WEBHOOK_URL,MS_TEAMS_WEBHOOK_URL", write_teams,
			  "a webhook of Microsoft Teams, given an adaptive card" },
	[ALERT_WEBHOOK] = { "webhook", "WEBHOOK_URL", write_webhook,
			    "a program's address, given LiteLLM's WebhookEvent" },
	[ALERT_EMAIL] = { "email", "SMTP_HOST", write_email, "mail to alert_emails, by SMTP" },
};

int alert_format_find(struct str name)
{
	for (int i = 0; i < ALERT_FORMATS; i++)
		if (str_eq_z(name, alert_formats[i].name))
			return i;
	return -1;
}

static bool is_below(struct str host, struct str domain)
{
	return str_ends(host, domain) &&
	       (host.n == domain.n || host.p[host.n - domain.n - 1] == '.');
}

enum alert_format alert_format_of_url(struct str url)
{
	size_t at = str_find(url, STR("://"));
	struct str path = at == SIZE_MAX ? url : str_skip(url, at + 3);
	struct str host = str_cut(&path, '/');
	if (is_below(host, STR("discord.com")) || is_below(host, STR("discordapp.com")))
		return str_ends(path, STR("/slack")) ? ALERT_SLACK : ALERT_DISCORD;
	if (is_below(host, STR("webhook.office.com")) || is_below(host, STR("logic.azure.com")) ||
	    is_below(host, STR("powerplatform.com")))
		return ALERT_TEAMS;
	return ALERT_SLACK;
}

bool alert_is_address(struct str s)
{
	size_t at = str_find_char(s, '@');
	if (s.n > 254 || at == 0 || at == SIZE_MAX || at + 1 >= s.n)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f ||
		    strchr("<>,;:\"\\()[]", s.p[i]))
			return false;
	return str_find_char(str_skip(s, at + 1), '@') == SIZE_MAX;
}
