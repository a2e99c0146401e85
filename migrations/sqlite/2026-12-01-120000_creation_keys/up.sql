CREATE TABLE creation_keys (
    key TEXT NOT NULL,
    input_hash BLOB NOT NULL,
    made BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (key)
) STRICT, WITHOUT ROWID;
