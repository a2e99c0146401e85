-- What is open of a balance behind some of its entries: the history of an instant begins at the nearest one.
CREATE TABLE checkpoints (
    customer_id BLOB NOT NULL,
    balance INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    lots TEXT NOT NULL,
    holds TEXT NOT NULL,
    PRIMARY KEY (customer_id, balance, recorded_at, sequence)
) STRICT;

-- Entries that burned: usage, retentions, captures.
CREATE INDEX entries_that_burned ON entries (customer_id, balance, occurred_at, sequence) WHERE kind IN (6, 7, 9);
