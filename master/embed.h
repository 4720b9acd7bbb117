/* SPDX-License-Identifier: MIT
 * embed.h - data files that travel inside the master: migrations, providers, prices. */
#ifndef EMBED_H
#define EMBED_H

#include "common/str.h"

struct str embed_providers(void);		/* etc/providers.tsv */
struct str embed_params(void);			/* etc/params.tsv */
struct str embed_prices(void);			/* etc/prices.tsv */
struct str embed_migration(unsigned number);	/* sql/0001_*.sql ...; .p NULL: there is none */

#endif
