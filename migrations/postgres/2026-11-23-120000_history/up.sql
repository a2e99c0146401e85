CREATE TABLE checkpoints (
    customer_id uuid NOT NULL,
    balance integer NOT NULL,
    recorded_at timestamptz NOT NULL,
    sequence bigint NOT NULL,
    lots text NOT NULL,
    holds text NOT NULL,
    PRIMARY KEY (customer_id, balance, recorded_at, sequence)
);
COMMENT ON TABLE checkpoints IS 'What is open of a balance behind some of its entries: the history of an instant begins at the nearest one.';
COMMENT ON COLUMN checkpoints.customer_id IS 'Whose balance.';
COMMENT ON COLUMN checkpoints.balance IS 'The balance''s number.';
COMMENT ON COLUMN checkpoints.recorded_at IS 'When the entry was recorded.';
COMMENT ON COLUMN checkpoints.sequence IS 'The entry behind which it stands.';
COMMENT ON COLUMN checkpoints.lots IS 'JSON: the lots that are pending or have something left, as in balances.';
COMMENT ON COLUMN checkpoints.holds IS 'JSON: the active holds, as in balances.';

-- Entries that burned: usage, retentions, captures.
CREATE INDEX entries_that_burned ON entries (customer_id, balance, occurred_at, sequence) WHERE kind IN (6, 7, 9);
