/* SPDX-License-Identifier: MIT
 * test_config_aws.c - what becomes of a model on AWS: region, base, operation, and what signs. */
#include "master/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/hash.h"
#include "common/json.h"

static const char *const variables[] = {
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION_NAME", "AWS_REGION",
	"AWS_DEFAULT_REGION", "AWS_BEARER_TOKEN_BEDROCK", "AWS_BEDROCK_RUNTIME_ENDPOINT", "AWS_PROFILE",
};

static char credentials_path[64], config_path[64];

static void write_file(char path[64], const char *text)
{
	snprintf(path, 64, "/tmp/llmgw-aws-XXXXXX");
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(variables); i++)
		unsetenv(variables[i]);
	write_file(credentials_path, "# mine\n[default]\naws_access_key_id = AKIDDEFAULT\r\naws_secret_access_key=dd=d\n"
				     "[work]\n aws_access_key_id=AKIDWORK\n;x\naws_secret_access_key=ww\naws_session_token = tt\n");
	write_file(config_path, "[default]\nregion = eu-north-1\n[profile work]\nregion=ap-southeast-2\nregionx=no\n");
	setenv("AWS_SHARED_CREDENTIALS_FILE", credentials_path, 1);
	setenv("AWS_CONFIG_FILE", config_path, 1);
	return hash_init();
}

static int teardown(void **state)
{
	(void)state;
	unlink(credentials_path);
	unlink(config_path);
	return 0;
}

struct wanted {
	const char *params;		/* of litellm_params */
	const char *environment;	/* "NAME=value NAME=value" */
	const char *model, *base, *region, *key, *credentials;
	int auth, family, site, warnings;
};

static void with_environment(const char *list, bool is_set)
{
	struct str rest = str_z(list);
	while (rest.n) {
		char name[128];
		struct str value = str_cut(&rest, ' ');
		struct str word = str_cut(&value, '=');
		snprintf(name, sizeof name, STR_FMT, STR_ARG(word));
		char text[256];
		snprintf(text, sizeof text, STR_FMT, STR_ARG(value));
		if (is_set)
			setenv(name, text, 1);
		else
			unsetenv(name);
	}
}

static struct config *read_text(const char *params)
{
	char path[] = "/tmp/llmgw-config-XXXXXX";
	struct config *c = NULL;
	struct config_overrides over = { .insecure_dev = true };
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_true(dprintf(fd, "model_list:\n  - {model_name: m, litellm_params: {%s}}\n", params) > 0);
	close(fd);
	assert_int_equal(config_read(path, &over, &c), 0);
	unlink(path);
	return c;
}

#define KEYS "aws_access_key_id: AKIDX, aws_secret_access_key: \"a\\\"b\""
#define SIGNED(id, secret, more, region) "{\"access_key_id\":\"" id "\",\"secret_access_key\":\"" secret "\"" more ",\"region\":\"" region "\"}"

static const struct wanted rows[] = {
	{ "model: bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0, " KEYS ", aws_region_name: eu-west-1", "",
	  "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "https://bedrock-runtime.eu-west-1.amazonaws.com", "eu-west-1", "",
	  SIGNED("AKIDX", "a\\\"b", "", "eu-west-1"), AUTH_SIGV4, FAMILY_BEDROCK, SITE_OWN, 0 },
	{ "model: bedrock/converse/us-gov-west-1/amazon.nova-lite-v1:0, " KEYS ", aws_session_token: tok", "AWS_REGION=us-east-2",
	  "amazon.nova-lite-v1:0", "https://bedrock-runtime.us-gov-west-1.amazonaws.com", "us-gov-west-1", "",
	  SIGNED("AKIDX", "a\\\"b", ",\"session_token\":\"tok\"", "us-gov-west-1"), AUTH_SIGV4, FAMILY_BEDROCK, SITE_OWN, 0 },
	{ "model: bedrock/invoke/anthropic.claude-v2, " KEYS, "AWS_DEFAULT_REGION=cn-north-1",
	  "anthropic.claude-v2", "https://bedrock-runtime.cn-north-1.amazonaws.com.cn", "cn-north-1", "",
	  SIGNED("AKIDX", "a\\\"b", "", "cn-north-1"), AUTH_SIGV4, FAMILY_ANTHROPIC, SITE_BEDROCK, 0 },
	{ "model: invoke/eu-west-3/anthropic.claude-v2, custom_llm_provider: bedrock, " KEYS, "",
	  "anthropic.claude-v2", "https://bedrock-runtime.eu-west-3.amazonaws.com", "eu-west-3", "",
	  SIGNED("AKIDX", "a\\\"b", "", "eu-west-3"), AUTH_SIGV4, FAMILY_ANTHROPIC, SITE_BEDROCK, 0 },
	{ "model: bedrock/invoke/meta.llama3-8b-instruct-v1:0, " KEYS ", region_name: sa-east-1", "",
	  "meta.llama3-8b-instruct-v1:0", "https://bedrock-runtime.sa-east-1.amazonaws.com", "sa-east-1", "",
	  SIGNED("AKIDX", "a\\\"b", "", "sa-east-1"), AUTH_SIGV4, FAMILY_BEDROCK, SITE_OWN, 0 },
	{ "model: \"bedrock/arn:aws:bedrock:ca-central-1:123456789012:application-inference-profile/ab\", " KEYS, "AWS_REGION_NAME=us-east-2",
	  "arn:aws:bedrock:ca-central-1:123456789012:application-inference-profile/ab", "https://bedrock-runtime.ca-central-1.amazonaws.com", "ca-central-1", "",
	  SIGNED("AKIDX", "a\\\"b", "", "ca-central-1"), AUTH_SIGV4, FAMILY_BEDROCK, SITE_OWN, 0 },
	{ "model: anthropic.claude-v2", "AWS_ACCESS_KEY_ID=AKIDENV AWS_SECRET_ACCESS_KEY=ee AWS_SESSION_TOKEN=st AWS_REGION=us-east-2",
	  "anthropic.claude-v2", "https://bedrock-runtime.us-east-2.amazonaws.com", "us-east-2", "",
	  SIGNED("AKIDENV", "ee", ",\"session_token\":\"st\"", "us-east-2"), AUTH_SIGV4, FAMILY_BEDROCK, SITE_OWN, 0 },
	{ "model: anthropic.claude-v2", "", "anthropic.claude-v2", "https://bedrock-runtime.eu-north-1.amazonaws.com", "eu-north-1", "",
	  SIGNED("AKIDDEFAULT", "dd=d", "", "eu-north-1"), AUTH_SIGV4, FAMILY_BEDROCK, SITE_OWN, 0 },
	{ "model: anthropic.claude-v2, aws_profile_name: work", "AWS_ACCESS_KEY_ID=AKIDENV AWS_SECRET_ACCESS_KEY=ee AWS_REGION=us-east-2",
	  "anthropic.claude-v2", "https://bedrock-runtime.ap-southeast-2.amazonaws.com", "ap-southeast-2", "",
	  SIGNED("AKIDWORK", "ww", ",\"session_token\":\"tt\"", "ap-southeast-2"), AUTH_SIGV4, FAMILY_BEDROCK, SITE_OWN, 0 },
	{ "model: anthropic.claude-v2", "AWS_PROFILE=work", "anthropic.claude-v2", "https://bedrock-runtime.ap-southeast-2.amazonaws.com", "ap-southeast-2", "",
	  SIGNED("AKIDWORK", "ww", ",\"session_token\":\"tt\"", "ap-southeast-2"), AUTH_SIGV4, FAMILY_BEDROCK, SITE_OWN, 0 },
	{ "model: anthropic.claude-v2, api_key: bk", "AWS_REGION=us-east-2", "anthropic.claude-v2",
	  "https://bedrock-runtime.us-east-2.amazonaws.com", "us-east-2", "bk", "", AUTH_BEARER, FAMILY_BEDROCK, SITE_OWN, 0 },
	{ "model: anthropic.claude-v2", "AWS_BEARER_TOKEN_BEDROCK=envkey AWS_REGION=us-east-2", "anthropic.claude-v2",
	  "https://bedrock-runtime.us-east-2.amazonaws.com", "us-east-2", "envkey", "", AUTH_BEARER, FAMILY_BEDROCK, SITE_OWN, 0 },
	{ "model: anthropic.claude-v2, " KEYS, "AWS_BEARER_TOKEN_BEDROCK=envkey AWS_REGION=us-east-2", "anthropic.claude-v2",
	  "https://bedrock-runtime.us-east-2.amazonaws.com", "us-east-2", "", SIGNED("AKIDX", "a\\\"b", "", "us-east-2"), AUTH_SIGV4, FAMILY_BEDROCK, SITE_OWN, 0 },
	{ "model: anthropic.claude-v2, aws_profile_name: nobody", "", "anthropic.claude-v2",
	  "https://bedrock-runtime.us-west-2.amazonaws.com", "us-west-2", "", "", AUTH_NONE, FAMILY_BEDROCK, SITE_OWN, 1 },
	{ "model: anthropic.claude-v2, aws_bedrock_runtime_endpoint: \"http://127.0.0.1:1/x/\", " KEYS ", aws_region_name: us-east-2", "AWS_BEDROCK_RUNTIME_ENDPOINT=http://other",
	  "anthropic.claude-v2", "http://127.0.0.1:1/x", "us-east-2", "", SIGNED("AKIDX", "a\\\"b", "", "us-east-2"), AUTH_SIGV4, FAMILY_BEDROCK, SITE_OWN, 0 },
	{ "model: anthropic.claude-v2, " KEYS ", aws_region_name: us-east-2", "AWS_BEDROCK_RUNTIME_ENDPOINT=http://other",
	  "anthropic.claude-v2", "http://other", "us-east-2", "", SIGNED("AKIDX", "a\\\"b", "", "us-east-2"), AUTH_SIGV4, FAMILY_BEDROCK, SITE_OWN, 0 },
	{ "model: anthropic.claude-v2, api_base: \"http://base\", " KEYS ", aws_region_name: us-east-2", "AWS_BEDROCK_RUNTIME_ENDPOINT=http://other",
	  "anthropic.claude-v2", "http://base", "us-east-2", "", SIGNED("AKIDX", "a\\\"b", "", "us-east-2"), AUTH_SIGV4, FAMILY_BEDROCK, SITE_OWN, 0 },
};

static void check_row(const struct wanted *w)
{
	with_environment(w->environment, true);
	struct config *c = read_text(w->params);
	with_environment(w->environment, false);
	if (c->n_errors || c->n_models != 1)
		fail_msg("%s: %s", w->params, buf_z(&c->complaints));
	const struct config_model *m = &c->models[0];
	if (!str_eq_z(m->model, w->model) || !str_eq_z(m->api_base, w->base) || !str_eq_z(m->region, w->region) ||
	    !str_eq_z(m->credentials.p ? m->credentials : STR(""), w->credentials) || !str_eq(m->provider, STR("bedrock")))
		fail_msg("%s: " STR_FMT " " STR_FMT " " STR_FMT " " STR_FMT, w->params, STR_ARG(m->model), STR_ARG(m->api_base),
			 STR_ARG(m->region), STR_ARG(m->credentials));
	assert_true(str_eq_z(m->api_key.p ? m->api_key : STR(""), w->key));
	assert_int_equal(m->auth, w->auth);
	assert_int_equal(m->row->family, w->family);
	assert_int_equal(m->row->site, w->site);
	assert_int_equal(c->n_warnings, w->warnings);
	assert_null(m->params.p);
	config_free(c);
}

static void test_models(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		check_row(&rows[i]);
}

static void test_secrets_are_not_shown(void **state)
{
	struct buf b;
	struct config *c = read_text("model: bedrock/anthropic.claude-v2, aws_access_key_id: AKIDX, "
				     "aws_secret_access_key: hidden1, aws_session_token: hidden2");
	(void)state;
	buf_init(&b, 1 << 22);
	config_show(c, true, &b);
	assert_true(str_find(buf_str(&b), STR("aws_secret_access_key")) != SIZE_MAX);
	assert_true(str_find(buf_str(&b), STR("hidden")) == SIZE_MAX);
	buf_done(&b);
	config_free(c);
}

static void test_refused(void **state)
{
	struct config *c = read_text("model: bedrock/anthropic.claude-v2, " KEYS ", aws_region_name: \"evil.example/#\"");
	(void)state;
	assert_int_equal(c->n_errors, 1);
	assert_true(str_find(buf_str(&c->complaints), STR("is no AWS region")) != SIZE_MAX);
	config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_models),
		cmocka_unit_test(test_secrets_are_not_shown),
		cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
