-- SPDX-License-Identifier: MIT
-- 0012_imports.sql - requests of another gateway whose rows are gone again.
--
-- Imported requests are told by their id, and retention deletes their rows as all others: the id
-- stays, so that a second import cannot add them to the sums once more.
CREATE TABLE spend_imported (
	request_id BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;
CREATE TRIGGER spend_imported_gone AFTER DELETE ON spend_logs WHEN old.flags & 8192 BEGIN
	INSERT OR IGNORE INTO spend_imported VALUES (old.request_id);
END;
