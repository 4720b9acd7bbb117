-- SPDX-License-Identifier: MIT
-- 0011_prices.sql - prices that were imported.

-- A model's line, in the columns of etc/prices.tsv: it goes before the line that is shipped.
CREATE TABLE price_lines (
	model TEXT PRIMARY KEY,
	line TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The last import or reset, with what became of prices that were known. The audit log has them all.
CREATE TABLE price_changes (
	number INTEGER PRIMARY KEY CHECK (number = 1),
	changed_at INTEGER NOT NULL,
	changed_by TEXT NOT NULL,
	added INTEGER NOT NULL,
	changed INTEGER NOT NULL,
	removed INTEGER NOT NULL,
	models TEXT NOT NULL			-- JSON: {"model": ["before", "after"]}, the first ones
) STRICT;
