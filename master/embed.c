/* SPDX-License-Identifier: MIT
 * embed.c - slices over the bytes that embed.S carries. A migration is one row in the table. */
#include "master/embed.h"

#define BLOB(name) extern const char blob_##name[], blob_##name##_end[]
BLOB(providers);
BLOB(params);
BLOB(prices);
BLOB(sql_1);
BLOB(sql_2);
BLOB(sql_3);
BLOB(sql_4);
BLOB(sql_5);
BLOB(sql_6);
BLOB(sql_7);
BLOB(sql_8);
BLOB(sql_9);
BLOB(sql_10);
BLOB(sql_11);
BLOB(sql_12);
BLOB(sql_13);
BLOB(sql_14);
BLOB(sql_15);
BLOB(sql_16);
BLOB(sql_17);
BLOB(sql_18);
BLOB(sql_19);

#define SLICE(name) str_of(blob_##name, (size_t)(blob_##name##_end - blob_##name))

struct str embed_providers(void)
{
	return SLICE(providers);
}

struct str embed_params(void)
{
	return SLICE(params);
}

struct str embed_prices(void)
{
	return SLICE(prices);
}

struct str embed_migration(unsigned number)
{
	switch (number) {
	case 1:
		return SLICE(sql_1);
	case 2:
		return SLICE(sql_2);
	case 3:
		return SLICE(sql_3);
	case 4:
		return SLICE(sql_4);
	case 5:
		return SLICE(sql_5);
	case 6:
		return SLICE(sql_6);
	case 7:
		return SLICE(sql_7);
	case 8:
		return SLICE(sql_8);
	case 9:
		return SLICE(sql_9);
	case 10:
		return SLICE(sql_10);
	case 11:
		return SLICE(sql_11);
	case 12:
		return SLICE(sql_12);
	case 13:
		return SLICE(sql_13);
	case 14:
		return SLICE(sql_14);
	case 15:
		return SLICE(sql_15);
	case 16:
		return SLICE(sql_16);
	case 17:
		return SLICE(sql_17);
	case 18:
		return SLICE(sql_18);
	case 19:
		return SLICE(sql_19);
	default:
		return STR_NONE;
	}
}
