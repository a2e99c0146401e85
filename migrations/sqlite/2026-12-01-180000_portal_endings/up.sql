-- When the portal sessions of a customer were ended.
CREATE TABLE portal_endings (
    customer_id BLOB NOT NULL,
    ended_at INTEGER NOT NULL,
    PRIMARY KEY (customer_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX portal_endings_by_time ON portal_endings (ended_at);

-- How many purchases of a balance wait for their money.
CREATE INDEX purchases_pending ON purchases (customer_id, balance) WHERE status = 0;

ALTER TABLE purchase_options ADD COLUMN per_customer INTEGER;
