CREATE TABLE creation_keys (
    key text COLLATE "C" NOT NULL,
    input_hash bytea NOT NULL,
    made uuid NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (key)
);
COMMENT ON TABLE creation_keys IS 'Idempotency keys of what belongs to no customer: of customers themselves and of purchase options. Sharded by key.';
COMMENT ON COLUMN creation_keys.key IS 'The key that the caller gave.';
COMMENT ON COLUMN creation_keys.input_hash IS 'The hash that tells the same input from another.';
COMMENT ON COLUMN creation_keys.made IS 'The id of the customer or purchase option that was made.';
COMMENT ON COLUMN creation_keys.created_at IS 'When the key was first used.';
