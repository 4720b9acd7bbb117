-- SPDX-License-Identifier: MIT
-- 0001_init.sql - keys, spend, and how far each journal has been folded in.
--
-- Money is whole nano-dollars (1e-9 $). Times are nanoseconds since 1970, UTC. Numbers that are
-- unsigned in memory (epochs, hashes of names) are kept as the signed integer of the same bits.

CREATE TABLE keys (
	id INTEGER PRIMARY KEY AUTOINCREMENT,	-- never used again: spend rows name it for ever
	token_hash BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
	key_name TEXT NOT NULL,			-- sk-...abcd
	alias TEXT UNIQUE,
	user_id TEXT,
	team_id TEXT,
	organization_id TEXT,
	models TEXT NOT NULL DEFAULT '[]',	-- JSON, as the next three and `extra`
	aliases TEXT NOT NULL DEFAULT '{}',
	metadata TEXT NOT NULL DEFAULT '{}',
	permissions TEXT NOT NULL DEFAULT '{}',
	max_budget INTEGER CHECK (max_budget >= 0),
	soft_budget INTEGER CHECK (soft_budget >= 0),
	spend INTEGER NOT NULL DEFAULT 0 CHECK (spend >= 0),	-- in the running budget period
	spend_since INTEGER NOT NULL DEFAULT 0,	-- requests that ended before do not count in spend
	budget_duration TEXT,
	budget_reset_at INTEGER,
	rpm_limit INTEGER CHECK (rpm_limit > 0),
	tpm_limit INTEGER CHECK (tpm_limit > 0),
	max_parallel_requests INTEGER CHECK (max_parallel_requests > 0),
	blocked INTEGER NOT NULL DEFAULT 0 CHECK (blocked IN (0, 1)),
	expires INTEGER,
	created_at INTEGER NOT NULL,
	created_by TEXT,
	updated_at INTEGER NOT NULL,
	updated_by TEXT,
	last_used INTEGER,
	extra TEXT NOT NULL DEFAULT '{}'	-- LiteLLM's other fields: kept and shown
) STRICT;
CREATE INDEX keys_user ON keys (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX keys_team ON keys (team_id) WHERE team_id IS NOT NULL;
CREATE INDEX keys_reset ON keys (budget_reset_at) WHERE budget_reset_at IS NOT NULL;

-- What a spend row's key was called, once it is deleted.
CREATE TABLE keys_deleted (
	id INTEGER PRIMARY KEY,
	token_hash BLOB NOT NULL,
	key_name TEXT NOT NULL,
	alias TEXT,
	user_id TEXT,
	team_id TEXT,
	organization_id TEXT,
	spend INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	deleted_at INTEGER NOT NULL,
	deleted_by TEXT
) STRICT;
CREATE INDEX keys_deleted_hash ON keys_deleted (token_hash);
CREATE INDEX keys_deleted_user ON keys_deleted (user_id) WHERE user_id IS NOT NULL;

-- One row a request. Rows are appended (id), so that an insert touches the table's last page;
-- the request id is the second guard against booking twice, behind journals.committed.
CREATE TABLE spend_logs (
	id INTEGER PRIMARY KEY,
	request_id BLOB NOT NULL UNIQUE,
	key_id INTEGER NOT NULL,
	deployment INTEGER NOT NULL,		-- deployments.id_hash; 0: none was asked
	model TEXT NOT NULL,			-- as asked
	end_user TEXT NOT NULL,
	start_ns INTEGER NOT NULL,
	first_token_ns INTEGER NOT NULL,	-- 0: there was none
	end_ns INTEGER NOT NULL,
	cost INTEGER NOT NULL,
	reserve INTEGER NOT NULL,
	input INTEGER NOT NULL,
	output INTEGER NOT NULL,
	cache_read INTEGER NOT NULL,
	cache_write INTEGER NOT NULL,
	reasoning INTEGER NOT NULL,
	endpoint INTEGER NOT NULL,
	status INTEGER NOT NULL,
	outcome INTEGER NOT NULL,
	flags INTEGER NOT NULL,			-- JF_* of the journal
	attempts INTEGER NOT NULL,
	fallbacks INTEGER NOT NULL,
	client_ip BLOB NOT NULL
) STRICT;
CREATE INDEX spend_logs_start ON spend_logs (start_ns);
CREATE INDEX spend_logs_key ON spend_logs (key_id, start_ns);

-- What a deployment's number on the board and in the journal means.
CREATE TABLE deployments (
	id_hash INTEGER PRIMARY KEY,
	model_id TEXT NOT NULL,
	model_group TEXT NOT NULL,
	provider TEXT NOT NULL,
	model TEXT NOT NULL,
	api_base TEXT NOT NULL
) STRICT;

-- Sums for reports, kept in the transaction that inserts the rows.
CREATE TABLE spend_daily (
	day INTEGER NOT NULL,			-- since 1970-01-01, UTC, of the request's start
	key_id INTEGER NOT NULL,
	model TEXT NOT NULL,
	deployment INTEGER NOT NULL,
	requests INTEGER NOT NULL,
	failed INTEGER NOT NULL,
	input INTEGER NOT NULL,
	output INTEGER NOT NULL,
	cache_read INTEGER NOT NULL,
	cache_write INTEGER NOT NULL,
	reasoning INTEGER NOT NULL,
	cost INTEGER NOT NULL,
	PRIMARY KEY (day, key_id, model, deployment)
) STRICT, WITHOUT ROWID;

-- How far each journal is folded in; written with the rows themselves.
CREATE TABLE journals (
	epoch INTEGER PRIMARY KEY,
	slot INTEGER NOT NULL,
	committed INTEGER NOT NULL
) STRICT;

-- Admitted requests that are not over: what a crash leaves to be booked. A request that is
-- admitted and over between two folds never gets here.
CREATE TABLE open_intents (
	request_id BLOB PRIMARY KEY,
	epoch INTEGER NOT NULL,
	key_id INTEGER NOT NULL,
	deployment INTEGER NOT NULL,
	model TEXT NOT NULL,
	end_user TEXT NOT NULL,
	start_ns INTEGER NOT NULL,
	reserve INTEGER NOT NULL,
	endpoint INTEGER NOT NULL,
	flags INTEGER NOT NULL,
	client_ip BLOB NOT NULL
) STRICT, WITHOUT ROWID;
