-- Plans, subscriptions to them, and what they charge: the same tables and columns as for PostgreSQL, where each is described.

-- What a product costs that is not of credits: one price for each currency. They never change.
CREATE TABLE product_prices (
    product_id BLOB NOT NULL,
    position INTEGER NOT NULL,
    currency TEXT NOT NULL,
    amount TEXT NOT NULL,
    PRIMARY KEY (product_id, position),
    UNIQUE (product_id, currency),
    FOREIGN KEY (product_id) REFERENCES products (id)
) STRICT;

-- What a product of usage has beyond what every product has.
CREATE TABLE usage_products (
    product_id BLOB NOT NULL,
    meter_id BLOB NOT NULL,
    PRIMARY KEY (product_id),
    FOREIGN KEY (product_id) REFERENCES products (id),
    FOREIGN KEY (meter_id) REFERENCES meters (id)
) STRICT;
CREATE INDEX usage_products_by_meter ON usage_products (meter_id);

-- What customers subscribe to.
CREATE TABLE plans (
    id BLOB NOT NULL,
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    latest_version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    archived_at INTEGER,
    PRIMARY KEY (id),
    UNIQUE (key)
) STRICT;

-- The published versions of plans. Rows are only ever added.
CREATE TABLE plan_versions (
    id BLOB NOT NULL,
    plan_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    period INTEGER NOT NULL,
    currency TEXT NOT NULL,
    published_at INTEGER NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (plan_id, version),
    FOREIGN KEY (plan_id) REFERENCES plans (id)
) STRICT;

-- What a plan's version is made of.
CREATE TABLE plan_items (
    version_id BLOB NOT NULL,
    position INTEGER NOT NULL,
    product_id BLOB NOT NULL,
    options TEXT NOT NULL,
    PRIMARY KEY (version_id, position),
    UNIQUE (version_id, product_id),
    FOREIGN KEY (version_id) REFERENCES plan_versions (id),
    FOREIGN KEY (product_id) REFERENCES products (id)
) STRICT;
CREATE INDEX plan_items_by_product ON plan_items (product_id);

-- Which meters the consumption of a plan's version names, so that none of them is archived.
CREATE TABLE plan_meters (
    version_id BLOB NOT NULL,
    meter_id BLOB NOT NULL,
    PRIMARY KEY (version_id, meter_id),
    FOREIGN KEY (version_id) REFERENCES plan_versions (id),
    FOREIGN KEY (meter_id) REFERENCES meters (id)
) STRICT;
CREATE INDEX plan_meters_by_meter ON plan_meters (meter_id);

-- Subscriptions to plans: what is written down of them. What time has done since follows from it.
CREATE TABLE subscriptions (
    customer_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    plan_id BLOB NOT NULL,
    next_plan_id BLOB,
    next_at INTEGER,
    starts_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    period INTEGER,
    period_start INTEGER,
    terms TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    metadata TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (customer_id, number),
    FOREIGN KEY (customer_id) REFERENCES customers (id)
) STRICT;
CREATE INDEX subscriptions_by_age ON subscriptions (created_at, customer_id, number);
CREATE INDEX subscriptions_by_plan ON subscriptions (plan_id, created_at, customer_id, number);
CREATE INDEX subscriptions_by_next_plan ON subscriptions (next_plan_id) WHERE next_plan_id IS NOT NULL;
CREATE INDEX subscriptions_by_due ON subscriptions (due_at);

-- What each period of each priced item costs, once.
CREATE TABLE charges (
    customer_id BLOB NOT NULL,
    subscription INTEGER NOT NULL,
    period INTEGER NOT NULL,
    item INTEGER NOT NULL,
    product_id BLOB NOT NULL,
    period_start INTEGER NOT NULL,
    period_end INTEGER NOT NULL,
    description TEXT NOT NULL,
    quantity TEXT,
    amount_minor INTEGER,
    currency TEXT NOT NULL,
    meter_id BLOB,
    unit_price TEXT,
    included TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (customer_id, subscription, period, item)
) STRICT;
CREATE INDEX charges_by_age ON charges (created_at, customer_id, subscription, period, item);
CREATE INDEX charges_to_be_metered ON charges (created_at) WHERE amount_minor IS NULL;

ALTER TABLE balances ADD COLUMN plan TEXT;
ALTER TABLE balances ADD COLUMN renews_at INTEGER;

ALTER TABLE lots ADD COLUMN subscription INTEGER;

ALTER TABLE entries ADD COLUMN subscription INTEGER;

ALTER TABLE idempotency_keys ADD COLUMN subscription INTEGER;
