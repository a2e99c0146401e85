-- Keys of programs.
CREATE TABLE api_keys (
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    scopes INTEGER NOT NULL,
    secret_hash BLOB NOT NULL,
    hint TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER,
    expires_at INTEGER,
    revoked_at INTEGER,
    PRIMARY KEY (id)
) STRICT;

-- What the servers on this database share: "portal" is the key that portal tokens are signed with.
CREATE TABLE server_secrets (
    name TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (name)
) STRICT;
