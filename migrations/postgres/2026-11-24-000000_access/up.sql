CREATE TABLE api_keys (
    id uuid NOT NULL,
    name text NOT NULL,
    scopes smallint NOT NULL,
    secret_hash bytea NOT NULL,
    hint text NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz,
    expires_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (id)
);
COMMENT ON TABLE api_keys IS 'Keys of programs.';
COMMENT ON COLUMN api_keys.id IS 'Its id: key_….';
COMMENT ON COLUMN api_keys.name IS 'For people: who uses it.';
COMMENT ON COLUMN api_keys.scopes IS 'A sum: 1 ADMIN, 2 WRITE, 4 READ, 8 INGEST.';
COMMENT ON COLUMN api_keys.secret_hash IS 'SHA-256 of the secret, which is kept nowhere.';
COMMENT ON COLUMN api_keys.hint IS 'How the secret begins and ends, for people.';
COMMENT ON COLUMN api_keys.created_at IS 'When it was made.';
COMMENT ON COLUMN api_keys.last_used_at IS 'To the minute; NULL while it was not used.';
COMMENT ON COLUMN api_keys.expires_at IS 'From when on it is taken no more; NULL when it does not expire.';
COMMENT ON COLUMN api_keys.revoked_at IS 'When it was revoked; NULL while it is not.';

CREATE TABLE server_secrets (
    name text COLLATE "C" NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (name)
);
COMMENT ON TABLE server_secrets IS 'What the servers on this database share.';
COMMENT ON COLUMN server_secrets.name IS 'What it is for: "portal" is the key that portal tokens are signed with.';
COMMENT ON COLUMN server_secrets.value IS 'Random bytes.';
