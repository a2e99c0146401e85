-- What customers buy, and how far their payment is.
CREATE TABLE purchases (
    customer_id BLOB NOT NULL,
    balance INTEGER NOT NULL,
    number INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    option_id BLOB NOT NULL,
    quantity INTEGER NOT NULL,
    credits INTEGER NOT NULL,
    price_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    status INTEGER NOT NULL,
    origin INTEGER NOT NULL,
    provider INTEGER NOT NULL,
    pays_by TEXT,
    page TEXT,
    payment_url TEXT,
    reference TEXT,
    payment TEXT,
    failure TEXT,
    lot INTEGER,
    refunded_minor INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    paid_at INTEGER,
    ended_at INTEGER,
    looks_at INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    PRIMARY KEY (customer_id, balance, number)
) STRICT;
CREATE INDEX purchases_by_age ON purchases (created_at, customer_id, balance, number);
CREATE INDEX purchases_of_customer ON purchases (customer_id, created_at, balance, number);
CREATE INDEX purchases_by_look ON purchases (looks_at);

-- How customers can pay at a provider without being asked.
CREATE TABLE payment_methods (
    customer_id BLOB NOT NULL,
    provider INTEGER NOT NULL,
    customer TEXT NOT NULL,
    method TEXT,
    PRIMARY KEY (customer_id, provider)
) STRICT;

ALTER TABLE balances ADD COLUMN buying TEXT;

ALTER TABLE lots ADD COLUMN purchase INTEGER;

ALTER TABLE entries ADD COLUMN purchase INTEGER;

ALTER TABLE idempotency_keys ADD COLUMN purchase INTEGER;
