/* SPDX-License-Identifier: MIT
 * doctor_files.c - checks of the configuration: is it good, may it be read, and by whom not? */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/tls_pair.h"
#include "master/config.h"
#include "master/doctor.h"
#include "master/refusal.h"

enum { PATH_ROOM = 4096, MESSAGE_MAX = 200, DAYS_SOON = 14, SECONDS_A_DAY = 86400 };

void doctor_config_valid(const struct doctor *d, struct doctor_finding *f)
{
	const struct config *c = d->config;
	const struct config_complaint *first = NULL;
	char line[24] = "";
	for (size_t i = 0; c && i < c->n_list && !(first && first->is_error); i++)
		if (!first || c->list[i].is_error)
			first = &c->list[i];
	if (first && first->line)	/* what the whole file lacks has none */
		snprintf(line, sizeof line, ", in line %u", first->line);
	if (d->config_err == -ENOENT)
		doctor_say(f, DOCTOR_FAIL, "--config names another; etc/llmgw.yaml is a sample",
			   "there is no %s", d->opt->config_path);
	else if (!c || (d->config_err < 0 && !first))
		doctor_say(f, DOCTOR_FAIL, "llmgw --check", "%s: %s", d->opt->config_path,
			   strerror(-d->config_err));
	else if (!first && c->n_errors + c->n_warnings == 0)
		doctor_say(f, DOCTOR_OK, NULL, "%s: %zu deployments", d->opt->config_path,
			   c->n_models);
	else
		doctor_say(f, c->n_errors || d->config_err < 0 ? DOCTOR_FAIL : DOCTOR_WARN,
			   "llmgw --check",
			   "%u error%s, %u warning%s; the first%s: %.*s", c->n_errors,
			   c->n_errors == 1 ? "" : "s", c->n_warnings,
			   c->n_warnings == 1 ? "" : "s", line,
			   first && first->message.n > MESSAGE_MAX ? MESSAGE_MAX
			   : first ? (int)first->message.n : 0, first ? first->message.p : "");
}

static bool may(const struct doctor *d, const struct stat *st, int how)
{
	bool ok = doctor_may(st, d->uid, d->gid, how);
	for (size_t i = 0; i < d->n_groups && !ok && st->st_uid != d->uid; i++)
		ok = doctor_may(st, d->uid, d->groups[i], how);
	return ok;
}

/* Each folder on the way has to be passed, and the file read. */
static bool can_reach(const struct doctor *d, const char *path, char part[PATH_ROOM])
{
	struct stat st;
	size_t n = strnlen(path, PATH_ROOM - 1);
	for (size_t i = 1; i <= n; i++) {
		if (i < n && path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = 0;
		if (stat(part, &st) != 0 || !may(d, &st, i < n ? X_OK : R_OK))
			return false;
	}
	return true;
}

static const char *z_of(struct str s, char room[PATH_ROOM])
{
	snprintf(room, PATH_ROOM, STR_FMT, STR_ARG(s));
	return room;
}

/* Whether the service, by its user, its unit and its profile, is let at a file. */
static bool is_let_at(const struct doctor *d, const char *path, struct doctor_finding *f)
{
	char at[PATH_ROOM], rule[sizeof f->hint];
	const char *hidden = d->has_unit ? refusal_hidden(path) : NULL;
	if (hidden)
		doctor_say(f, DOCTOR_FAIL, "put it into /etc/llmgw",
			   "%s: the unit of the service hides %s from it", path, hidden);
	else if (!can_reach(d, path, at))
		doctor_say(f, DOCTOR_FAIL, "chgrp llmgw and chmod 640, of a folder 750; or "
			   "systemd-tmpfiles --create llmgw.conf", "%s cannot be read by %s", at,
			   d->user);
	else if (d->has_unit && realpath(path, at) && refusal_by_profile(REFUSAL_PROFILE, at)) {
		refusal_put_rule(path, at, rule, sizeof rule);
		doctor_say(f, DOCTOR_FAIL, rule,
			   "AppArmor's profile " REFUSAL_PROFILE " refuses %s", path);
	} else {
		return true;
	}
	return false;
}

/* Files that the environment names in place of the configuration. */
static bool is_let_at_variables(const struct doctor *d, struct doctor_finding *f)
{
	static const char *const names[] = {
		"SSL_CERT_FILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
		"OTEL_EXPORTER_OTLP_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
		"OTEL_EXPORTER_OTLP_CLIENT_KEY",
	};
	for (size_t i = 0; i < COUNT(names); i++) {
		const char *path = getenv(names[i]);
		if (path && *path && !is_let_at(d, path, f))
			return false;
	}
	return true;
}

void doctor_config_readable(const struct doctor *d, struct doctor_finding *f)
{
	const struct config *c = d->config;
	char path[PATH_ROOM];
	if (d->config_err == -ENOENT) {
		doctor_say(f, DOCTOR_SKIP, NULL, "there is none");
		return;
	}
	if (!is_let_at(d, d->opt->config_path, f))
		return;
	for (size_t i = 0; c && i < c->n_files; i++)
		if (!is_let_at(d, z_of(c->files[i].path, path), f))
			return;
	for (size_t i = 0; c && i < c->n_needed; i++)
		if (!is_let_at(d, z_of(c->needed[i], path), f))
			return;
	if (!is_let_at_variables(d, f))
		return;
	doctor_say(f, DOCTOR_OK, NULL, "by %s", d->user);
}

/* ---- secrets ---- */

static bool holds(struct str text, struct str secret)
{
	return secret.n >= 8 && memmem(text.p, text.n, secret.p, secret.n);
}

/* Whether one of the secrets that were read stands there as it is. */
static bool has_secret(const struct config *c, struct str text)
{
	if (holds(text, c->master_key))
		return true;
	for (size_t i = 0; i < c->n_models; i++) {
		const struct config_model *m = &c->models[i];
		if (holds(text, m->api_key) || holds(text, m->aws_secret_access_key) ||
		    holds(text, m->cloud.client_secret))
			return true;
	}
	return false;
}

static bool is_for_all(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && st.st_mode & 0004;
}

void doctor_config_private(const struct doctor *d, struct doctor_finding *f)
{
	const struct config *c = d->config;
	char path[PATH_ROOM];
	for (size_t i = 0; c && i < c->n_files; i++)
		if (has_secret(c, c->files[i].text) && is_for_all(z_of(c->files[i].path, path))) {
			doctor_say(f, DOCTOR_FAIL, "chmod o-r, and new keys: others may have read "
				   "these", "%s holds keys, and everybody can read it", path);
			return;
		}
	if (d->has_unit && is_for_all("/etc/llmgw/llmgw.env")) {
		doctor_say(f, DOCTOR_FAIL, "chmod 640 /etc/llmgw/llmgw.env, and new keys",
			   "everybody can read /etc/llmgw/llmgw.env");
		return;
	}
	if (c && c->tls_key.n && is_for_all(z_of(c->tls_key, path))) {
		doctor_say(f, DOCTOR_FAIL, "chmod o-r, and a new certificate",
			   "%s is a private key, and everybody can read it", path);
		return;
	}
	doctor_say(f, c && c->n_files ? DOCTOR_OK : DOCTOR_SKIP, NULL,
		   c && c->n_files ? "no key is there for everybody to read" : "nothing was read");
}

void doctor_tls_certificate(const struct doctor *d, struct doctor_finding *f)
{
	const struct config *c = d->config;
	int64_t end, left;
	if (!c || !c->tls_certificate_pem.n) {
		doctor_say(f, DOCTOR_SKIP, NULL, "clients are served without TLS, or behind another");
		return;
	}
	if (tls_pair_end(c->tls_certificate_pem, &end) < 0) {
		doctor_say(f, DOCTOR_FAIL, "llmgw --check", "its end cannot be read");
		return;
	}
	left = end - (int64_t)(d->now_ns / NS_PER_S);
	if (left <= 0)
		doctor_say(f, DOCTOR_FAIL, "a new one, then llmgwctl reload", "it ended %lld days ago",
			   (long long)(-left / SECONDS_A_DAY));
	else if (left < DAYS_SOON * SECONDS_A_DAY)
		doctor_say(f, DOCTOR_WARN, "a new one, then llmgwctl reload", "it ends in %lld days",
			   (long long)(left / SECONDS_A_DAY));
	else
		doctor_say(f, DOCTOR_OK, NULL, "for %lld days", (long long)(left / SECONDS_A_DAY));
}
