-- SPDX-License-Identifier: MIT
-- 0008_idempotency.sql - answers that a retry with the same Idempotency-Key is given again.
--
-- Built as 0002_responses.sql: the long texts stand apart, and triggers keep the sum right.

CREATE TABLE answers (
	number INTEGER PRIMARY KEY,		-- the smallest is the oldest
	name BLOB NOT NULL UNIQUE,		-- a digest of owner and header
	print BLOB NOT NULL,			-- a digest of path and body
	owner INTEGER NOT NULL,			-- keys.id; 0: the master key
	created INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	size INTEGER NOT NULL CHECK (size >= 0)	-- bytes of both texts, and what a row costs
) STRICT;
CREATE INDEX answers_expires ON answers (expires);
CREATE INDEX answers_owner ON answers (owner);

CREATE TABLE answer_texts (
	number INTEGER PRIMARY KEY,
	head BLOB NOT NULL,			-- status and header lines; empty: only that it was given
	body BLOB NOT NULL
) STRICT;

CREATE TABLE answers_total (
	bytes INTEGER NOT NULL
) STRICT;
INSERT INTO answers_total VALUES (0);

CREATE TRIGGER answers_kept AFTER INSERT ON answers BEGIN
	UPDATE answers_total SET bytes = bytes + new.size;
END;
CREATE TRIGGER answers_gone AFTER DELETE ON answers BEGIN
	DELETE FROM answer_texts WHERE number = old.number;
	UPDATE answers_total SET bytes = bytes - old.size;
END;
-- A key's answers go with it: pruning finds them expired.
CREATE TRIGGER answers_orphaned AFTER DELETE ON keys BEGIN
	UPDATE answers SET expires = 0 WHERE owner = old.id;
END;
