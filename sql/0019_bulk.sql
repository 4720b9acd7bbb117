-- SPDX-License-Identifier: MIT
-- 0019_bulk.sql - batches that a provider works off on its own: who made each, and that its cost
-- is booked. A row stays so long that nobody asks for its batch any more; without one a batch is
-- somebody else's, and costs nothing here.

CREATE TABLE bulk (
	id BLOB PRIMARY KEY CHECK (length(id) = 16),	-- a digest of provider and batch
	made INTEGER NOT NULL,
	key_id INTEGER NOT NULL,
	team INTEGER NOT NULL,
	levels BLOB,				-- who pays besides, as in open_intents
	end_user TEXT NOT NULL,
	settled INTEGER				-- when its cost was booked
) STRICT, WITHOUT ROWID;
CREATE INDEX bulk_made ON bulk (made);
