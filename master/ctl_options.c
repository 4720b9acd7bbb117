/* SPDX-License-Identifier: MIT
 * ctl_options.c - the options that every llmgwctl command takes; help, manual and completions
 * come from this table too. */
#include <errno.h>

#include "master/ctl.h"

const struct ctl_option ctl_options[] = {
	{ "socket", "PATH", 0, "control socket of the gateway" },
	{ "url", "URL", 0, "speak HTTP to a gateway on another machine" },
	{ "key-file", "FILE", 0, "read the key for --url from a file; - reads standard input" },
	{ "key", "KEY", 0, "key for --url; others can see it in the process list" },
	{ "json", NULL, 0, "print the answer as JSON" },
	{ "yes", NULL, 'y', "do not ask before destroying something" },
	{ "dry-run", NULL, 'n', "only show what it would be done to, where a command can" },
	{ "timeout", "TIME", 0, "wait so long for an answer, as 30s or 5m (2m)" },
	{ "color", "WHEN", 0, "auto, always or never" },
	{ "no-headers", NULL, 0, "tables without their first line" },
	{ "quiet", NULL, 'q', "print nothing but what was asked for, and errors" },
	{ "help", NULL, 'h', "show what a command does and takes" },
	{ "version", NULL, 'V', "show the version" },
};
const size_t ctl_options_count = COUNT(ctl_options);

const struct ctl_option *ctl_option_find(struct str name)
{
	for (size_t i = 0; i < ctl_options_count; i++)
		if (ctl_same_name(name, str_z(ctl_options[i].name)))
			return &ctl_options[i];
	return NULL;
}

const struct ctl_option *ctl_option_letter(char letter)
{
	for (size_t i = 0; i < ctl_options_count; i++)
		if (ctl_options[i].letter && ctl_options[i].letter == letter)
			return &ctl_options[i];
	return NULL;
}

static int set_color(struct ctl_options *o, const char *value)
{
	static const char *const names[] = { "auto", "always", "never" };
	for (unsigned i = 0; i < COUNT(names); i++) {
		if (strcmp(value, names[i]) == 0) {
			o->color = (enum ctl_color)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int set_timeout(struct ctl_options *o, const char *value)
{
	uint64_t ms;
	if (str_read_duration_ms(str_z(value), &ms) != 0 || ms == 0 || ms > 86400000)
		return -EINVAL;
	o->timeout_ms = ms;
	return 0;
}

int ctl_option_set(struct ctl_options *o, const struct ctl_option *opt, const char *value)
{
	struct {
		const char *name;
		bool *flag;
		const char **text;
	} const places[] = {
		{ "socket", NULL, &o->socket }, { "url", NULL, &o->url },
		{ "key-file", NULL, &o->key_file }, { "key", NULL, &o->key },
		{ "json", &o->json, NULL }, { "yes", &o->yes, NULL },
		{ "dry-run", &o->dry_run, NULL }, { "no-headers", &o->no_headers, NULL },
		{ "quiet", &o->quiet, NULL }, { "help", &o->help, NULL },
		{ "version", &o->version, NULL },
	};
	for (size_t i = 0; i < COUNT(places); i++) {
		if (strcmp(opt->name, places[i].name) != 0)
			continue;
		if (places[i].flag)
			*places[i].flag = true;
		else if (*value)
			*places[i].text = value;
		else
			return -EINVAL;
		return 0;
	}
	return strcmp(opt->name, "color") == 0 ? set_color(o, value) : set_timeout(o, value);
}
