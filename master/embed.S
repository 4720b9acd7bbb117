/* SPDX-License-Identifier: MIT
 * embed.S - the bytes behind embed.h. Paths are relative to the source root (-I of the build). */
	.section .rodata
	.macro blob name, file
	.global \name
	.balign 16
\name:
	.incbin "\file"
	.global \name\()_end
\name\()_end:
	.byte 0
	.endm
	blob blob_providers, "etc/providers.tsv"
	blob blob_params, "etc/params.tsv"
	blob blob_prices, "etc/prices.tsv"
	blob blob_sql_1, "sql/0001_init.sql"
	blob blob_sql_2, "sql/0002_responses.sql"
	blob blob_sql_3, "sql/0003_teams.sql"
	blob blob_sql_4, "sql/0004_tenants.sql"
	blob blob_sql_5, "sql/0005_spend.sql"
	blob blob_sql_6, "sql/0006_models.sql"
	blob blob_sql_7, "sql/0007_audit.sql"
	blob blob_sql_8, "sql/0008_idempotency.sql"
	blob blob_sql_9, "sql/0009_model_limits.sql"
	blob blob_sql_10, "sql/0010_members.sql"
	blob blob_sql_11, "sql/0011_prices.sql"
	blob blob_sql_12, "sql/0012_imports.sql"
	blob blob_sql_13, "sql/0013_texts.sql"
	blob blob_sql_14, "sql/0014_windows.sql"
	blob blob_sql_15, "sql/0015_tenants_more.sql"
	blob blob_sql_16, "sql/0016_endpoints.sql"
	blob blob_sql_17, "sql/0017_access_groups.sql"
	blob blob_sql_18, "sql/0018_token_keys.sql"
	blob blob_sql_19, "sql/0019_bulk.sql"
	.section .note.GNU-stack,"",%progbits
