-- The tables of Scrip for SQLite: the same tables and columns as for PostgreSQL, where each is described.
-- Ids are 16-byte blobs, times microseconds since 1970 UTC (infinity is the greatest integer), flags 0 and 1.

-- One row. Every change of the catalog begins with an update of it, which puts catalog writes in order and tells every node that its copy is old.
CREATE TABLE catalog_version (
    id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (id),
    CHECK (id = 1)
) STRICT;

-- What turns usage events into a quantity.
CREATE TABLE meters (
    id BLOB NOT NULL,
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    event_type TEXT NOT NULL,
    property TEXT,
    filter TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    archived_at INTEGER,
    PRIMARY KEY (id),
    UNIQUE (key)
) STRICT;

-- What is sold, of every kind.
CREATE TABLE products (
    id BLOB NOT NULL,
    key TEXT NOT NULL,
    kind INTEGER NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    metadata TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    archived_at INTEGER,
    PRIMARY KEY (id),
    UNIQUE (key)
) STRICT;

-- What a product of credits has beyond what every product has.
CREATE TABLE credit_products (
    product_id BLOB NOT NULL,
    unit_name TEXT NOT NULL,
    low_balance_threshold INTEGER,
    overdraft_allowed INTEGER NOT NULL,
    overdraft_limit INTEGER,
    expires_after_days INTEGER,
    PRIMARY KEY (product_id),
    FOREIGN KEY (product_id) REFERENCES products (id)
) STRICT;

-- Which usage burns credits of a product, and how many for each unit.
CREATE TABLE consumption_rules (
    product_id BLOB NOT NULL,
    position INTEGER NOT NULL,
    meter_id BLOB NOT NULL,
    credits_per_unit TEXT NOT NULL,
    PRIMARY KEY (product_id, position),
    UNIQUE (product_id, meter_id),
    FOREIGN KEY (product_id) REFERENCES products (id),
    FOREIGN KEY (meter_id) REFERENCES meters (id)
) STRICT;
CREATE INDEX consumption_rules_by_meter ON consumption_rules (meter_id);

-- Prices for numbers of credits.
CREATE TABLE purchase_options (
    id BLOB NOT NULL,
    product_id BLOB NOT NULL,
    name TEXT NOT NULL,
    credits INTEGER NOT NULL,
    price_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    show_in_portal INTEGER NOT NULL,
    position INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    archived_at INTEGER,
    PRIMARY KEY (id),
    FOREIGN KEY (product_id) REFERENCES products (id)
) STRICT;
CREATE INDEX purchase_options_by_product ON purchase_options (product_id);

-- Whose credits these are. Sharded by id, as everything of a customer is by customer_id.
CREATE TABLE customers (
    id BLOB NOT NULL,
    external_id TEXT,
    name TEXT NOT NULL,
    email TEXT,
    currency TEXT,
    metadata TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    email_folded TEXT,
    external_id_folded TEXT,
    last_balance INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    archived_at INTEGER,
    PRIMARY KEY (id)
) STRICT;
CREATE INDEX customers_by_name ON customers (name_folded);
CREATE INDEX customers_by_email ON customers (email_folded);
CREATE INDEX customers_by_external_id ON customers (external_id_folded);

-- Every external id that ever named a customer, kept by that value alone, so that it is unique over all shards.
CREATE TABLE customer_external_ids (
    external_id TEXT NOT NULL,
    customer_id BLOB NOT NULL,
    PRIMARY KEY (external_id)
) STRICT;

-- One customer's credits of one product, with all that commands need of it: one row holds the open lots and holds.
CREATE TABLE balances (
    customer_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    product_id BLOB NOT NULL,
    name TEXT,
    low_balance_threshold INTEGER,
    overdraft_allowed INTEGER,
    overdraft_limit INTEGER,
    revision INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    held INTEGER NOT NULL,
    debt INTEGER NOT NULL,
    state INTEGER NOT NULL,
    lots TEXT NOT NULL,
    holds TEXT NOT NULL,
    hash BLOB NOT NULL,
    recorded_at INTEGER NOT NULL,
    next_change_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    closed_at INTEGER,
    PRIMARY KEY (customer_id, number),
    FOREIGN KEY (customer_id) REFERENCES customers (id),
    FOREIGN KEY (product_id) REFERENCES products (id)
) STRICT;
CREATE UNIQUE INDEX balances_open ON balances (customer_id, product_id) WHERE closed_at IS NULL;
CREATE INDEX balances_by_age ON balances (created_at, customer_id, number);
CREATE INDEX balances_by_product ON balances (product_id, created_at, customer_id, number);
CREATE INDEX balances_by_state ON balances (state, created_at, customer_id, number);
CREATE INDEX balances_by_next_change ON balances (next_change_at);

-- Every lot that ever was: its terms, and how it ended. What is left of an open one stands in its balance's row.
CREATE TABLE lots (
    customer_id BLOB NOT NULL,
    balance INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    source INTEGER NOT NULL,
    credits INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    effective_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    paid INTEGER NOT NULL,
    cost_minor INTEGER,
    cost_currency TEXT,
    reason TEXT,
    metadata TEXT,
    ended INTEGER,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (customer_id, balance, sequence)
) STRICT;
CREATE INDEX lots_in_burning_order ON lots (customer_id, balance, priority, expires_at, paid, sequence);

-- Every hold that ever was. What an active one pins stands in its balance's row.
CREATE TABLE holds (
    customer_id BLOB NOT NULL,
    balance INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    credits INTEGER NOT NULL,
    captured INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    state INTEGER NOT NULL,
    reason TEXT,
    metadata TEXT,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    PRIMARY KEY (customer_id, balance, sequence)
) STRICT;

-- The ledger. Rows are only ever added.
CREATE TABLE entries (
    customer_id BLOB NOT NULL,
    balance INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    credits INTEGER NOT NULL,
    held_change INTEGER NOT NULL,
    uncovered INTEGER NOT NULL,
    available_after INTEGER NOT NULL,
    settled_after INTEGER NOT NULL,
    held_after INTEGER NOT NULL,
    state_after INTEGER NOT NULL,
    state_before INTEGER,
    allocations TEXT NOT NULL,
    rating TEXT,
    origin INTEGER NOT NULL,
    event INTEGER,
    lot INTEGER,
    terms TEXT,
    hold INTEGER,
    reverses INTEGER,
    reason TEXT,
    metadata TEXT,
    idempotency_key TEXT,
    occurred_at INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (customer_id, balance, sequence)
) STRICT;
CREATE INDEX entries_announced ON entries (recorded_at) WHERE state_before IS NOT NULL;

-- Which entries took which back.
CREATE TABLE reversals (
    customer_id BLOB NOT NULL,
    balance INTEGER NOT NULL,
    entry INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    credits INTEGER NOT NULL,
    PRIMARY KEY (customer_id, balance, entry, sequence)
) STRICT;

-- Usage as it came in.
CREATE TABLE events (
    customer_id BLOB NOT NULL,
    key INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    occurred_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    properties TEXT NOT NULL,
    outcomes TEXT NOT NULL,
    entries TEXT NOT NULL,
    content_hash BLOB NOT NULL,
    PRIMARY KEY (customer_id, key)
) STRICT;
CREATE INDEX events_by_time ON events (customer_id, occurred_at, key);

-- The types of events received so far.
CREATE TABLE event_types (
    event_type TEXT NOT NULL,
    PRIMARY KEY (event_type)
) STRICT;

-- What each idempotency key did.
CREATE TABLE idempotency_keys (
    customer_id BLOB NOT NULL,
    scope INTEGER NOT NULL,
    key TEXT NOT NULL,
    input_hash BLOB NOT NULL,
    balance INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (customer_id, scope, key)
) STRICT;

INSERT INTO catalog_version (id, version) VALUES (1, 1);
