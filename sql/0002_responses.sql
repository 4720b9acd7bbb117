-- SPDX-License-Identifier: MIT
-- 0002_responses.sql - conversations of /v1/responses that are kept between requests.
--
-- What is looked for stands apart from the long texts, so that counting and pruning never read
-- them. The triggers keep the sum of sizes right in whatever transaction rows come and go.

CREATE TABLE responses (
	number INTEGER PRIMARY KEY,		-- the smallest is the oldest
	id TEXT NOT NULL UNIQUE,		-- resp_...
	owner INTEGER NOT NULL,			-- keys.id; 0: the master key
	created INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	size INTEGER NOT NULL CHECK (size >= 0)	-- bytes of both texts
) STRICT;
CREATE INDEX responses_expires ON responses (expires);
CREATE INDEX responses_owner ON responses (owner);

CREATE TABLE response_texts (
	number INTEGER PRIMARY KEY,
	response BLOB NOT NULL,			-- JSON: the object that the client was given
	items BLOB NOT NULL			-- JSON: the conversation up to its end
) STRICT;

CREATE TABLE responses_total (
	bytes INTEGER NOT NULL
) STRICT;
INSERT INTO responses_total VALUES (0);

CREATE TRIGGER responses_kept AFTER INSERT ON responses BEGIN
	UPDATE responses_total SET bytes = bytes + new.size;
END;
CREATE TRIGGER responses_gone AFTER DELETE ON responses BEGIN
	DELETE FROM response_texts WHERE number = old.number;
	UPDATE responses_total SET bytes = bytes - old.size;
END;
-- A key's conversations go with it: pruning finds them expired.
CREATE TRIGGER responses_orphaned AFTER DELETE ON keys BEGIN
	UPDATE responses SET expires = 0 WHERE owner = old.id;
END;
