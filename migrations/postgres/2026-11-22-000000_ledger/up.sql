-- The tables of Scrip. Everything of a customer is led by customer_id, so that it can be sharded by it.
-- Times come from the server as parameters; there are no triggers, no sequences and no defaults.

CREATE TABLE catalog_version (
    id smallint NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (id),
    CHECK (id = 1)
);
COMMENT ON TABLE catalog_version IS 'One row. Every change of the catalog begins with an update of it, which puts catalog writes in order and tells every node that its copy is old.';
COMMENT ON COLUMN catalog_version.id IS 'Always 1.';
COMMENT ON COLUMN catalog_version.version IS 'Grows by 1 with every change of the catalog.';

CREATE TABLE meters (
    id uuid NOT NULL,
    key text COLLATE "C" NOT NULL,
    name text NOT NULL,
    event_type text NOT NULL,
    property text,
    filter text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    archived_at timestamptz,
    PRIMARY KEY (id),
    UNIQUE (key)
);
COMMENT ON TABLE meters IS 'What turns usage events into a quantity.';
COMMENT ON COLUMN meters.id IS 'The meter.';
COMMENT ON COLUMN meters.key IS 'The caller''s own key.';
COMMENT ON COLUMN meters.name IS 'For people.';
COMMENT ON COLUMN meters.event_type IS 'The type of the events that it listens to.';
COMMENT ON COLUMN meters.property IS 'The event property that SUM adds up; null for COUNT.';
COMMENT ON COLUMN meters.filter IS 'JSON: filters of conditions; an event counts when one filter is met, or when there is none.';
COMMENT ON COLUMN meters.created_at IS 'When it was created.';
COMMENT ON COLUMN meters.updated_at IS 'When it was last changed.';
COMMENT ON COLUMN meters.archived_at IS 'When it was archived.';

CREATE TABLE products (
    id uuid NOT NULL,
    key text COLLATE "C" NOT NULL,
    kind smallint NOT NULL,
    name text NOT NULL,
    description text,
    metadata text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    archived_at timestamptz,
    PRIMARY KEY (id),
    UNIQUE (key)
);
COMMENT ON TABLE products IS 'What is sold, of every kind.';
COMMENT ON COLUMN products.id IS 'The product.';
COMMENT ON COLUMN products.key IS 'The caller''s own key.';
COMMENT ON COLUMN products.kind IS '0 credit.';
COMMENT ON COLUMN products.name IS 'For people.';
COMMENT ON COLUMN products.description IS 'For people, longer.';
COMMENT ON COLUMN products.metadata IS 'The caller''s own data: a JSON object in canonical form (RFC 8785).';
COMMENT ON COLUMN products.created_at IS 'When it was created.';
COMMENT ON COLUMN products.updated_at IS 'When it was last changed.';
COMMENT ON COLUMN products.archived_at IS 'When it was archived.';

CREATE TABLE credit_products (
    product_id uuid NOT NULL,
    unit_name text NOT NULL,
    low_balance_threshold bigint,
    overdraft_allowed boolean NOT NULL,
    overdraft_limit bigint,
    expires_after_days integer,
    PRIMARY KEY (product_id),
    FOREIGN KEY (product_id) REFERENCES products (id)
);
COMMENT ON TABLE credit_products IS 'What a product of credits has beyond what every product has.';
COMMENT ON COLUMN credit_products.product_id IS 'The product.';
COMMENT ON COLUMN credit_products.unit_name IS 'What one credit is called to customers.';
COMMENT ON COLUMN credit_products.low_balance_threshold IS 'Warn at or below this, in millionths of a credit.';
COMMENT ON COLUMN credit_products.overdraft_allowed IS 'Whether usage may take a balance below zero.';
COMMENT ON COLUMN credit_products.overdraft_limit IS 'How far below zero, in millionths of a credit; null is without limit.';
COMMENT ON COLUMN credit_products.expires_after_days IS 'After how many days of 24 hours credits end that come without an expiry of their own; null is never.';

CREATE TABLE consumption_rules (
    product_id uuid NOT NULL,
    position integer NOT NULL,
    meter_id uuid NOT NULL,
    credits_per_unit text NOT NULL,
    PRIMARY KEY (product_id, position),
    UNIQUE (product_id, meter_id),
    FOREIGN KEY (product_id) REFERENCES products (id),
    FOREIGN KEY (meter_id) REFERENCES meters (id)
);
CREATE INDEX consumption_rules_by_meter ON consumption_rules (meter_id);
COMMENT ON TABLE consumption_rules IS 'Which usage burns credits of a product, and how many for each unit.';
COMMENT ON COLUMN consumption_rules.product_id IS 'The product.';
COMMENT ON COLUMN consumption_rules.position IS 'The rule''s place among the product''s rules, from 0.';
COMMENT ON COLUMN consumption_rules.meter_id IS 'The meter.';
COMMENT ON COLUMN consumption_rules.credits_per_unit IS 'A decimal of at most 12 fraction digits.';

CREATE TABLE purchase_options (
    id uuid NOT NULL,
    product_id uuid NOT NULL,
    name text NOT NULL,
    credits bigint NOT NULL,
    price_minor bigint NOT NULL,
    currency text NOT NULL,
    show_in_portal boolean NOT NULL,
    position integer NOT NULL,
    created_at timestamptz NOT NULL,
    archived_at timestamptz,
    PRIMARY KEY (id),
    FOREIGN KEY (product_id) REFERENCES products (id)
);
CREATE INDEX purchase_options_by_product ON purchase_options (product_id);
COMMENT ON TABLE purchase_options IS 'Prices for numbers of credits.';
COMMENT ON COLUMN purchase_options.id IS 'The option.';
COMMENT ON COLUMN purchase_options.product_id IS 'The product whose credits it sells.';
COMMENT ON COLUMN purchase_options.name IS 'For people.';
COMMENT ON COLUMN purchase_options.credits IS 'How many, in millionths of a credit.';
COMMENT ON COLUMN purchase_options.price_minor IS 'The price of all of them, in the currency''s smallest unit.';
COMMENT ON COLUMN purchase_options.currency IS 'ISO 4217.';
COMMENT ON COLUMN purchase_options.show_in_portal IS 'Whether customers see it in the portal.';
COMMENT ON COLUMN purchase_options.position IS 'Where it stands among the product''s options.';
COMMENT ON COLUMN purchase_options.created_at IS 'When it was created.';
COMMENT ON COLUMN purchase_options.archived_at IS 'When it was archived.';

CREATE TABLE customers (
    id uuid NOT NULL,
    external_id text,
    name text NOT NULL,
    email text,
    currency text,
    metadata text NOT NULL,
    name_folded text COLLATE "C" NOT NULL,
    email_folded text COLLATE "C",
    external_id_folded text COLLATE "C",
    last_balance integer NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    archived_at timestamptz,
    PRIMARY KEY (id)
);
CREATE INDEX customers_by_name ON customers (name_folded);
CREATE INDEX customers_by_email ON customers (email_folded);
CREATE INDEX customers_by_external_id ON customers (external_id_folded);
COMMENT ON TABLE customers IS 'Whose credits these are. Sharded by id, as everything of a customer is by customer_id.';
COMMENT ON COLUMN customers.id IS 'The customer.';
COMMENT ON COLUMN customers.external_id IS 'The caller''s own id for it, as it is now; customer_external_ids keeps it unique.';
COMMENT ON COLUMN customers.name IS 'For people.';
COMMENT ON COLUMN customers.email IS 'For people.';
COMMENT ON COLUMN customers.currency IS 'ISO 4217.';
COMMENT ON COLUMN customers.metadata IS 'The caller''s own data: a JSON object in canonical form (RFC 8785).';
COMMENT ON COLUMN customers.name_folded IS 'The name as searches compare it.';
COMMENT ON COLUMN customers.email_folded IS 'The email address as searches compare it.';
COMMENT ON COLUMN customers.external_id_folded IS 'The external id as searches compare it.';
COMMENT ON COLUMN customers.last_balance IS 'The number of the newest balance; balances are numbered 1, 2, 3 ...';
COMMENT ON COLUMN customers.created_at IS 'When it was created.';
COMMENT ON COLUMN customers.updated_at IS 'When it was last changed.';
COMMENT ON COLUMN customers.archived_at IS 'When it was archived.';

CREATE TABLE customer_external_ids (
    external_id text COLLATE "C" NOT NULL,
    customer_id uuid NOT NULL,
    PRIMARY KEY (external_id)
);
COMMENT ON TABLE customer_external_ids IS 'Every external id that ever named a customer, kept by that value alone, so that it is unique over all shards.';
COMMENT ON COLUMN customer_external_ids.external_id IS 'The caller''s own id.';
COMMENT ON COLUMN customer_external_ids.customer_id IS 'The customer that it names, for ever.';

CREATE TABLE balances (
    customer_id uuid NOT NULL,
    number integer NOT NULL,
    product_id uuid NOT NULL,
    name text,
    low_balance_threshold bigint,
    overdraft_allowed boolean,
    overdraft_limit bigint,
    revision bigint NOT NULL,
    sequence bigint NOT NULL,
    settled bigint NOT NULL,
    held bigint NOT NULL,
    debt bigint NOT NULL,
    state smallint NOT NULL,
    lots text NOT NULL,
    holds text NOT NULL,
    hash bytea NOT NULL,
    recorded_at timestamptz NOT NULL,
    next_change_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    closed_at timestamptz,
    PRIMARY KEY (customer_id, number),
    FOREIGN KEY (customer_id) REFERENCES customers (id),
    FOREIGN KEY (product_id) REFERENCES products (id)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX balances_open ON balances (customer_id, product_id) WHERE closed_at IS NULL;
CREATE INDEX balances_by_age ON balances (created_at, customer_id, number);
CREATE INDEX balances_by_product ON balances (product_id, created_at, customer_id, number);
CREATE INDEX balances_by_state ON balances (state, created_at, customer_id, number);
CREATE INDEX balances_by_next_change ON balances (next_change_at);
COMMENT ON TABLE balances IS 'One customer''s credits of one product, with all that commands need of it: one row holds the open lots and holds.';
COMMENT ON COLUMN balances.customer_id IS 'Whose it is.';
COMMENT ON COLUMN balances.number IS 'Its number within the customer.';
COMMENT ON COLUMN balances.product_id IS 'Whose credits.';
COMMENT ON COLUMN balances.name IS 'Set here; null shows the product''s.';
COMMENT ON COLUMN balances.low_balance_threshold IS 'Set here, in millionths of a credit; null inherits.';
COMMENT ON COLUMN balances.overdraft_allowed IS 'Set here; null inherits, the limit too.';
COMMENT ON COLUMN balances.overdraft_limit IS 'Set here with overdraft_allowed, in millionths of a credit; null is without limit.';
COMMENT ON COLUMN balances.revision IS 'Grows by 1 whenever the row is written: who writes says which one was read.';
COMMENT ON COLUMN balances.sequence IS 'The newest entry''s sequence; how many entries there are.';
COMMENT ON COLUMN balances.settled IS 'What the entries add up to, in millionths of a credit.';
COMMENT ON COLUMN balances.held IS 'What active holds set aside, in millionths of a credit.';
COMMENT ON COLUMN balances.debt IS 'What was spent beyond the lots, in millionths of a credit.';
COMMENT ON COLUMN balances.state IS 'After the newest entry: 0 active, 1 low, 2 depleted, 3 overdrawn; 4 closed.';
COMMENT ON COLUMN balances.lots IS 'JSON: the lots that are pending or have something left, in burning order.';
COMMENT ON COLUMN balances.holds IS 'JSON: the active holds, in order of creation.';
COMMENT ON COLUMN balances.hash IS 'The newest entry''s hash; 32 zero bytes before the first.';
COMMENT ON COLUMN balances.recorded_at IS 'When the newest entry was recorded, or the balance created.';
COMMENT ON COLUMN balances.next_change_at IS 'The first instant at which time alone changes it; infinity when none will.';
COMMENT ON COLUMN balances.created_at IS 'When it was created.';
COMMENT ON COLUMN balances.updated_at IS 'When its settings were last changed.';
COMMENT ON COLUMN balances.closed_at IS 'When it was closed.';

CREATE TABLE lots (
    customer_id uuid NOT NULL,
    balance integer NOT NULL,
    sequence bigint NOT NULL,
    source smallint NOT NULL,
    credits bigint NOT NULL,
    priority smallint NOT NULL,
    effective_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    paid boolean NOT NULL,
    cost_minor bigint,
    cost_currency text,
    reason text,
    metadata text,
    ended smallint,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (customer_id, balance, sequence)
);
CREATE INDEX lots_in_burning_order ON lots (customer_id, balance, priority, expires_at, paid, sequence);
COMMENT ON TABLE lots IS 'Every lot that ever was: its terms, and how it ended. What is left of an open one stands in its balance''s row.';
COMMENT ON COLUMN lots.customer_id IS 'Whose it is.';
COMMENT ON COLUMN lots.balance IS 'The balance''s number.';
COMMENT ON COLUMN lots.sequence IS 'The sequence of the entry that made it.';
COMMENT ON COLUMN lots.source IS '0 starting balance, 1 top-up, 2 purchase, 3 allowance, 4 rollover, 5 reversal.';
COMMENT ON COLUMN lots.credits IS 'How many came in, in millionths of a credit.';
COMMENT ON COLUMN lots.priority IS '0 to 1000, the lower burns first.';
COMMENT ON COLUMN lots.effective_at IS 'When it begins.';
COMMENT ON COLUMN lots.expires_at IS 'When it ends; infinity when it does not.';
COMMENT ON COLUMN lots.paid IS 'Whether money was paid for it: free lots burn before paid ones.';
COMMENT ON COLUMN lots.cost_minor IS 'What was paid for all of it, in the currency''s smallest unit.';
COMMENT ON COLUMN lots.cost_currency IS 'ISO 4217.';
COMMENT ON COLUMN lots.reason IS 'Why, in words.';
COMMENT ON COLUMN lots.metadata IS 'The caller''s own data: a JSON object in canonical form; null is {}.';
COMMENT ON COLUMN lots.ended IS '0 depleted, 1 expired, 2 voided; null while it is open.';
COMMENT ON COLUMN lots.created_at IS 'When it was made.';

CREATE TABLE holds (
    customer_id uuid NOT NULL,
    balance integer NOT NULL,
    sequence bigint NOT NULL,
    credits bigint NOT NULL,
    captured bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    state smallint NOT NULL,
    reason text,
    metadata text,
    created_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (customer_id, balance, sequence)
);
COMMENT ON TABLE holds IS 'Every hold that ever was. What an active one pins stands in its balance''s row.';
COMMENT ON COLUMN holds.customer_id IS 'Whose it is.';
COMMENT ON COLUMN holds.balance IS 'The balance''s number.';
COMMENT ON COLUMN holds.sequence IS 'The sequence of the entry that made it.';
COMMENT ON COLUMN holds.credits IS 'How many, in millionths of a credit.';
COMMENT ON COLUMN holds.captured IS 'How many were captured, in millionths of a credit.';
COMMENT ON COLUMN holds.expires_at IS 'When it lapses.';
COMMENT ON COLUMN holds.state IS '0 active, 1 captured, 2 released, 3 lapsed.';
COMMENT ON COLUMN holds.reason IS 'Why, in words.';
COMMENT ON COLUMN holds.metadata IS 'The caller''s own data: a JSON object in canonical form; null is {}.';
COMMENT ON COLUMN holds.created_at IS 'When it was made.';
COMMENT ON COLUMN holds.ended_at IS 'When it ended.';

CREATE TABLE entries (
    customer_id uuid NOT NULL,
    balance integer NOT NULL,
    sequence bigint NOT NULL,
    kind smallint NOT NULL,
    credits bigint NOT NULL,
    held_change bigint NOT NULL,
    uncovered bigint NOT NULL,
    available_after bigint NOT NULL,
    settled_after bigint NOT NULL,
    held_after bigint NOT NULL,
    state_after smallint NOT NULL,
    state_before smallint,
    allocations text NOT NULL,
    rating text,
    origin smallint NOT NULL,
    event bigint,
    lot bigint,
    terms text,
    hold bigint,
    reverses bigint,
    reason text,
    metadata text,
    idempotency_key text,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (customer_id, balance, sequence)
);
CREATE INDEX entries_announced ON entries (recorded_at) WHERE state_before IS NOT NULL;
COMMENT ON TABLE entries IS 'The ledger. Rows are only ever added.';
COMMENT ON COLUMN entries.customer_id IS 'Whose it is.';
COMMENT ON COLUMN entries.balance IS 'The balance''s number.';
COMMENT ON COLUMN entries.sequence IS '1, 2, 3 ... within the balance, without gaps.';
COMMENT ON COLUMN entries.kind IS '0 starting balance, 1 top-up, 2 purchase, 3 allowance, 4 rollover, 5 activation, 6 usage, 7 retention, 8 hold, 9 capture, 10 release, 11 expiration, 12 void, 13 refund, 14 reversal, 15 amendment.';
COMMENT ON COLUMN entries.credits IS 'What it adds to settled, in millionths of a credit.';
COMMENT ON COLUMN entries.held_change IS 'What it adds to held, in millionths of a credit.';
COMMENT ON COLUMN entries.uncovered IS 'What policy did not let it take, in millionths of a credit.';
COMMENT ON COLUMN entries.available_after IS 'What was available after it, in millionths of a credit.';
COMMENT ON COLUMN entries.settled_after IS 'What was settled after it, in millionths of a credit.';
COMMENT ON COLUMN entries.held_after IS 'What was held after it, in millionths of a credit.';
COMMENT ON COLUMN entries.state_after IS 'The state after it, as in balances.';
COMMENT ON COLUMN entries.state_before IS 'The state before it, where that is another; null where nothing is to be announced.';
COMMENT ON COLUMN entries.allocations IS 'JSON: [lot, credits, held change, remaining after], in millionths of a credit, in the order first touched.';
COMMENT ON COLUMN entries.rating IS 'JSON: [meter, quantity, credits for each unit, exact credits, credits], decimals as text.';
COMMENT ON COLUMN entries.origin IS '0 API, 1 portal, 2 event, 3 subscription, 4 auto top-up, 5 system.';
COMMENT ON COLUMN entries.event IS 'The usage event''s key.';
COMMENT ON COLUMN entries.lot IS 'The lot that it made, began, amended or ended.';
COMMENT ON COLUMN entries.terms IS 'JSON: the lot''s terms from then on.';
COMMENT ON COLUMN entries.hold IS 'The hold that it made or ended.';
COMMENT ON COLUMN entries.reverses IS 'The sequence of the entry that it takes back.';
COMMENT ON COLUMN entries.reason IS 'Why, in words.';
COMMENT ON COLUMN entries.metadata IS 'The caller''s own data: a JSON object in canonical form; null is {}.';
COMMENT ON COLUMN entries.idempotency_key IS 'The key that the caller gave.';
COMMENT ON COLUMN entries.occurred_at IS 'When it happened.';
COMMENT ON COLUMN entries.recorded_at IS 'When it was recorded.';
COMMENT ON COLUMN entries.hash IS 'SHA-256 over the hash before it and its canonical form.';

CREATE TABLE reversals (
    customer_id uuid NOT NULL,
    balance integer NOT NULL,
    entry bigint NOT NULL,
    sequence bigint NOT NULL,
    credits bigint NOT NULL,
    PRIMARY KEY (customer_id, balance, entry, sequence)
);
COMMENT ON TABLE reversals IS 'Which entries took which back.';
COMMENT ON COLUMN reversals.customer_id IS 'Whose it is.';
COMMENT ON COLUMN reversals.balance IS 'The balance''s number.';
COMMENT ON COLUMN reversals.entry IS 'The entry that was taken back.';
COMMENT ON COLUMN reversals.sequence IS 'The entry that took it back.';
COMMENT ON COLUMN reversals.credits IS 'How much of it, in millionths of a credit.';

CREATE TABLE events (
    customer_id uuid NOT NULL,
    key bigint NOT NULL,
    event_id text NOT NULL,
    event_type text NOT NULL,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    properties text NOT NULL,
    outcomes text NOT NULL,
    entries text NOT NULL,
    content_hash bytea NOT NULL,
    PRIMARY KEY (customer_id, key)
);
CREATE INDEX events_by_time ON events (customer_id, occurred_at, key);
COMMENT ON TABLE events IS 'Usage as it came in.';
COMMENT ON COLUMN events.customer_id IS 'Whose usage it is.';
COMMENT ON COLUMN events.key IS 'The first eight bytes of the SHA-256 of the event id.';
COMMENT ON COLUMN events.event_id IS 'The caller''s id of the event.';
COMMENT ON COLUMN events.event_type IS 'Its type.';
COMMENT ON COLUMN events.occurred_at IS 'When the usage happened.';
COMMENT ON COLUMN events.received_at IS 'When it was recorded.';
COMMENT ON COLUMN events.properties IS 'A JSON object in canonical form (RFC 8785).';
COMMENT ON COLUMN events.outcomes IS 'JSON: what each rule made of it.';
COMMENT ON COLUMN events.entries IS 'JSON: [balance, sequence] of each entry that it made.';
COMMENT ON COLUMN events.content_hash IS 'What tells a repeat from an id used twice: 16 bytes of a SHA-256 over type, timestamp as given and properties.';

CREATE TABLE event_types (
    event_type text COLLATE "C" NOT NULL,
    PRIMARY KEY (event_type)
);
COMMENT ON TABLE event_types IS 'The types of events received so far.';
COMMENT ON COLUMN event_types.event_type IS 'The type.';

CREATE TABLE idempotency_keys (
    customer_id uuid NOT NULL,
    scope smallint NOT NULL,
    key text COLLATE "C" NOT NULL,
    input_hash bytea NOT NULL,
    balance integer NOT NULL,
    sequence bigint NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (customer_id, scope, key)
);
COMMENT ON TABLE idempotency_keys IS 'What each idempotency key did.';
COMMENT ON COLUMN idempotency_keys.customer_id IS 'Whose balance was moved.';
COMMENT ON COLUMN idempotency_keys.scope IS '0 API keys, 1 portal sessions.';
COMMENT ON COLUMN idempotency_keys.key IS 'The key that the caller gave.';
COMMENT ON COLUMN idempotency_keys.input_hash IS '16 bytes of a SHA-256 over the command''s canonical input: the same key with another input is a conflict.';
COMMENT ON COLUMN idempotency_keys.balance IS 'The balance''s number.';
COMMENT ON COLUMN idempotency_keys.sequence IS 'The entry that it made.';
COMMENT ON COLUMN idempotency_keys.created_at IS 'When it was first used.';

INSERT INTO catalog_version (id, version) VALUES (1, 1);
