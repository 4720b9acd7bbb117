/* SPDX-License-Identifier: MIT
 * config_aws.c - what AWS wants to know beside a model: region, host, and the keys that sign.
 *
 * LiteLLM's order: what stands with the model, then the environment, then the file that AWS's own
 * tools keep. An API key is sent as it is, and then nothing is signed. */
#include <stdlib.h>

#include "common/mem.h"
#include "master/config_read.h"

#define REGION_DEFAULT "us-west-2"

/* --- the model's name --- */

/* "us-east-1", "us-gov-west-1": small letters, two dashes at least, a number. */
static bool is_region(struct str s)
{
	unsigned dashes = 0;
	for (size_t i = 0; i < s.n; i++) {
		bool is_letter = s.p[i] >= 'a' && s.p[i] <= 'z';
		bool is_digit = s.p[i] >= '0' && s.p[i] <= '9';
		dashes += s.p[i] == '-';
		if (!is_letter && s.p[i] != '-' && !(is_digit && dashes >= 2))
			return false;
	}
	return s.n >= 9 && s.n <= 32 && dashes >= 2 && s.p[s.n - 1] >= '0' && s.p[s.n - 1] <= '9';
}

/* "arn:aws:bedrock:REGION:...": the fourth of its fields. */
static struct str region_of_arn(struct str arn)
{
	struct str region = STR_NONE;
	if (!str_starts(arn, STR("arn:")))
		return STR_NONE;
	for (int i = 0; i < 4; i++)
		region = str_cut(&arn, ':');
	return is_region(region) ? region : STR_NONE;
}

/* "converse/" and "invoke/" stand behind the provider's name, which may be given apart. */
static void take_operation(struct config_model *m)
{
	static const struct str operations[] = { STR("converse/"), STR("invoke/") };
	for (size_t i = 0; i < COUNT(operations); i++) {
		if (!str_eq(m->row->prefix, STR("bedrock")) || !str_starts(m->model, operations[i]))
			continue;
		m->model = str_skip(m->model, operations[i].n);
		m->row = providers_find(i ? STR("bedrock/invoke") : STR("bedrock/converse"));
	}
}

void aws_detect(struct config_model *m)
{
	if (m->row->auth_kind != AUTH_SIGV4)
		return;
	take_operation(m);
	struct str rest = m->model, first = str_cut(&rest, '/');
	if (rest.p && is_region(first)) {
		m->aws_model_region = first;
		m->model = rest;
	} else {
		m->aws_model_region = region_of_arn(m->model);
	}
	if (!str_starts(m->row->prefix, STR("bedrock")))
		return;
	m->provider = STR("bedrock");
	/* Only Anthropic's models have a dialect of their own here; all others have Converse. */
	if (m->row->site == SITE_BEDROCK && str_find(m->model, STR("anthropic")) == SIZE_MAX &&
	    str_find(m->model, STR("claude")) == SIZE_MAX)
		m->row = providers_find(STR("bedrock"));
}

/* --- the file that AWS's tools keep --- */

struct profile {
	struct str access_key_id, secret_access_key, session_token, region;
};

static void take_setting(struct profile *p, struct str line)
{
	struct str value = line, name = str_trim(str_cut(&value, '='));
	const struct {
		struct str name, *to;
	} known[] = {
		{ STR("aws_access_key_id"), &p->access_key_id },
		{ STR("aws_secret_access_key"), &p->secret_access_key },
		{ STR("aws_session_token"), &p->session_token },
		{ STR("region"), &p->region },
	};
	for (size_t i = 0; i < COUNT(known) && value.p; i++)
		if (str_eq(name, known[i].name))
			*known[i].to = str_trim(value);
}

/* [default], or [profile x] as the other of the two files has it. */
static bool is_section(struct str line, struct str profile)
{
	line = str_skip(line, 1);
	line = str_trim(str_cut(&line, ']'));
	if (str_starts(line, STR("profile ")))
		line = str_trim(str_skip(line, 8));
	return str_eq(line, profile);
}

static void read_profile(struct str text, struct str name, struct profile *p)
{
	bool is_ours = false;
	while (text.n) {
		struct str line = str_cut(&text, '\n');
		while (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		line = str_trim(line);
		if (line.n && line.p[0] == '[')
			is_ours = is_section(line, name);
		else if (is_ours && line.n && line.p[0] != '#' && line.p[0] != ';')
			take_setting(p, line);
	}
}

/* A file that cannot be read has nothing to say. */
static void read_profile_file(struct reader *r, const char *variable, const char *usual,
			      struct str name, struct profile *p)
{
	struct str path = str_z(getenv(variable)), home = str_z(getenv("HOME"));
	if (!path.n && home.n)
		path = arena_printf(r->scratch, STR_FMT "/.aws/%s", STR_ARG(home), usual);
	struct config_file *f = path.n ? config_file_new(r, path) : NULL;
	if (f && config_file_load(r, f) == 0)
		read_profile(f->text, name, p);
}

static struct profile find_profile(struct reader *r, struct str name)
{
	struct profile p = { 0 };
	read_profile_file(r, "AWS_CONFIG_FILE", "config", name, &p);
	read_profile_file(r, "AWS_SHARED_CREDENTIALS_FILE", "credentials", name, &p);
	return p;
}

/* --- region and host --- */

static struct str first_given(struct str a, struct str b)
{
	return a.n ? a : b;
}

static struct str find_region(const struct config_model *m, const struct profile *p)
{
	struct str name;
	struct str said = first_given(m->aws_region, first_given(m->aws_model_region, m->region));
	if (m->aws_profile.n)
		said = first_given(said, p->region);
	said = first_given(said,
			   env_first_set(STR("AWS_REGION_NAME,AWS_REGION,AWS_DEFAULT_REGION"), &name));
	return first_given(first_given(said, p->region), STR(REGION_DEFAULT));
}

/* The provider's base with its {region}; China's hosts end in .cn. */
static struct str fill_region(struct reader *r, struct str base, struct str region)
{
	static const struct str place = STR("{region}");
	size_t at = str_find(base, place);
	if (at == SIZE_MAX)
		return base;
	struct str s = arena_printf(r->c->mem, STR_FMT STR_FMT STR_FMT "%s", (int)at, base.p,
				    STR_ARG(region), STR_ARG(str_skip(base, at + place.n)),
				    str_starts(region, STR("cn-")) ? ".cn" : "");
	r->out_of_memory |= !s.p;
	return s;
}

static void choose_base(struct reader *r, struct config_model *m)
{
	struct str name;
	if (m->api_base.n)
		return;
	m->api_base = m->aws_endpoint;
	if (!m->api_base.n)
		m->api_base = keep(r, env_first_set(m->row->base_env, &name));
	if (!m->api_base.n)
		m->api_base = fill_region(r, m->row->base, m->region);
}

/* --- keys --- */

static struct profile choose_keys(const struct reader *r, const struct config_model *m,
				  const struct profile *from_file)
{
	struct profile k = {
		.access_key_id = m->aws_access_key_id,
		.secret_access_key = m->aws_secret_access_key,
		.session_token = m->aws_session_token,
	};
	if (k.access_key_id.n && k.secret_access_key.n)
		return k;
	if (r->hides_env)
		return (struct profile){ 0 };
	if (m->aws_profile.n)
		return *from_file;
	k = (struct profile){
		.access_key_id = str_z(getenv("AWS_ACCESS_KEY_ID")),
		.secret_access_key = str_z(getenv("AWS_SECRET_ACCESS_KEY")),
		.session_token = str_z(getenv("AWS_SESSION_TOKEN")),
	};
	return k.access_key_id.n && k.secret_access_key.n ? k : *from_file;
}

static void put_credentials(struct reader *r, struct config_model *m, const struct profile *k)
{
	struct buf b;
	buf_init(&b, 64 * 1024);
	struct json_out o = json_out(&b);
	json_open(&o, NULL);
	json_put_str(&o, "access_key_id", k->access_key_id);
	json_put_str(&o, "secret_access_key", k->secret_access_key);
	if (k->session_token.n)
		json_put_str(&o, "session_token", k->session_token);
	json_put_str(&o, "region", m->region);
	json_close(&o);
	m->credentials = keep(r, buf_str(&b));
	r->out_of_memory |= b.failed;
	if (b.p)
		mem_wipe(b.p, b.n);
	buf_done(&b);
}

/* An API key of the environment counts only where the model has no keys of its own. */
static bool has_api_key(struct reader *r, struct config_model *m)
{
	struct str name;
	bool has_keys = (m->aws_access_key_id.n && m->aws_secret_access_key.n) || m->aws_profile.n;
	if (!m->api_key.n && !has_keys && !r->hides_env)
		m->api_key = keep(r, env_first_set(m->row->key_env, &name));
	return m->api_key.n > 0;
}

bool aws_resolve(struct reader *r, struct config_model *m, const struct place *at)
{
	struct str profile = first_given(m->aws_profile, str_z(getenv("AWS_PROFILE")));
	struct profile from_file = find_profile(r, first_given(profile, STR("default")));
	struct profile keys = choose_keys(r, m, &from_file);

	m->region = keep(r, find_region(m, &from_file));
	if (!value_is_host(m->region, "-")) {
		complain(r, COMPLAINT_ERROR, at, "'" STR_FMT "' is no AWS region",
			 STR_ARG(shown(m->region)));
		return false;
	}
	choose_base(r, m);
	if (has_api_key(r, m)) {
		m->auth = AUTH_BEARER;
		return true;
	}
	if (keys.access_key_id.n && keys.secret_access_key.n) {
		put_credentials(r, m, &keys);
		return true;
	}
	m->auth = AUTH_NONE;
	complain(r, W_KEY_MISSING, at,
		 "no AWS credentials for '" STR_FMT
		 "': set aws_access_key_id and aws_secret_access_key, an api_key, or "
		 "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
		 STR_ARG(shown(m->model_name)));
	return true;
}
