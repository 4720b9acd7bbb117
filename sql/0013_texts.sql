-- SPDX-License-Identifier: MIT
-- 0013_texts.sql - prompts and answers that are kept beside the ledger.
--
-- The triggers keep the sum of sizes right in whatever transaction rows come and go.

-- Keys that seal texts, each sealed itself (master/seal.h): another salt key seals these anew and
-- leaves the texts alone.
CREATE TABLE spend_text_keys (
	number INTEGER PRIMARY KEY,		-- the largest is in use
	sealed BLOB NOT NULL
) STRICT;

CREATE TABLE spend_texts (
	number INTEGER PRIMARY KEY,		-- the smallest is the oldest
	request_id BLOB NOT NULL UNIQUE CHECK (length(request_id) = 16),	-- as in spend_logs
	start_ns INTEGER NOT NULL,		-- of the request
	size INTEGER NOT NULL CHECK (size >= 0),	-- bytes of `sealed`, and of a row
	key INTEGER NOT NULL,			-- spend_text_keys.number
	sealed BLOB				-- master/texts_pack.h; NULL: redacted
) STRICT;
CREATE INDEX spend_texts_start ON spend_texts (start_ns);

CREATE TABLE spend_texts_total (
	bytes INTEGER NOT NULL
) STRICT;
INSERT INTO spend_texts_total VALUES (0);

CREATE TRIGGER spend_texts_kept AFTER INSERT ON spend_texts BEGIN
	UPDATE spend_texts_total SET bytes = bytes + new.size;
END;
CREATE TRIGGER spend_texts_gone AFTER DELETE ON spend_texts BEGIN
	UPDATE spend_texts_total SET bytes = bytes - old.size;
END;
