-- SPDX-License-Identifier: MIT
-- 0007_audit.sql - who changed what, by which command: rows are appended and never change.
--
-- A row's hash covers the hash of the row before it and all its own columns, in the way that
-- audit_row.c says; numbers have no gaps. What was altered later is found by `audit verify`.

CREATE TABLE audit (
	number INTEGER PRIMARY KEY,		-- 1, 2, 3 ...
	id TEXT NOT NULL UNIQUE,
	at INTEGER NOT NULL,			-- nanoseconds since 1970, UTC
	changed_by TEXT NOT NULL,		-- a user, as the caller says it, or the caller
	key_hash TEXT NOT NULL,			-- of the calling key, in hex; '': the control socket
	role TEXT NOT NULL,
	address TEXT NOT NULL,			-- '': the control socket
	command TEXT NOT NULL,			-- "keys create"
	action TEXT NOT NULL,
	table_name TEXT NOT NULL,
	object_id TEXT NOT NULL,
	before_value TEXT,			-- JSON, as the next
	updated_values TEXT,
	hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_object ON audit (table_name, object_id);

CREATE TRIGGER audit_unchanged BEFORE UPDATE ON audit BEGIN
	SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_kept BEFORE DELETE ON audit BEGIN
	SELECT RAISE(ABORT, 'the audit log is append-only');
END;

-- Texts of keys that were given new ones, and still work for a while.
CREATE TABLE key_graces (
	token_hash BLOB PRIMARY KEY CHECK (length(token_hash) = 32),
	key_id INTEGER NOT NULL,		-- keys.id
	revoke_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX key_graces_key ON key_graces (key_id);
CREATE TRIGGER key_graces_gone AFTER DELETE ON keys BEGIN
	DELETE FROM key_graces WHERE key_id = old.id;
END;
