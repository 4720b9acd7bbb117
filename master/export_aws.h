/* SPDX-License-Identifier: MIT
 * export_aws.h - what callbacks to AWS have in common: words of their parameters or environment,
 * keys, and a signature (common/sigv4.h), which is made anew each time that something is sent. */
#ifndef EXPORT_AWS_H
#define EXPORT_AWS_H

#include "common/json.h"
#include "common/sigv4.h"
#include "master/export_rows.h"

/* Reads a callback's parameters, a JSON of the configuration, with `read`. What is missing. */
const char *export_aws_params(struct str text, struct export_target *t,
			      const char *(*read)(struct arena *a, const struct json *params,
						  struct export_target *t));
/* Whether it needs no encoding in a URL, neither once nor twice, beside `others`. */
bool export_aws_is_plain(struct str s, const char *others);
/* Empty, or it begins as a web address and has nothing that needs encoding. */
bool export_aws_is_address(struct str s);
/* A parameter, else the first of two variables that is set; "" where there is none. Who has
 * variables of his own has them in the place of parameters. */
struct str export_aws_given(const struct export_target *t, struct arena *a,
			    const struct json *params, const char *name, const char *variable,
			    const char *other);
/* False: a key or the secret is missing, or one is not such as can be used. */
bool export_aws_keep_keys(struct export_target *t, struct str key, struct str secret,
			  struct str token, struct str region);
/* The region, and the keys that the parameters have behind the prefix ("s3_"), or AWS's variables.
 * The same. */
bool export_aws_read_keys(struct arena *a, const struct json *params, const char *prefix,
			  struct str region, struct export_target *t);
/* Host and path of ret->url and the time are filled in; adds to the lines of ret->headers. False:
 * no room or no memory. */
bool export_aws_sign(const struct export_target *t, struct sigv4_call *call, uint64_t wall_ns,
		     struct export_address *ret);

#endif
