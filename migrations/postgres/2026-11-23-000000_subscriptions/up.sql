-- Plans, subscriptions to them, and what they charge.

CREATE TABLE product_prices (
    product_id uuid NOT NULL,
    position integer NOT NULL,
    currency text NOT NULL,
    amount text NOT NULL,
    PRIMARY KEY (product_id, position),
    UNIQUE (product_id, currency),
    FOREIGN KEY (product_id) REFERENCES products (id)
);
COMMENT ON TABLE product_prices IS 'What a product costs that is not of credits: one price for each currency. They never change.';
COMMENT ON COLUMN product_prices.product_id IS 'The product.';
COMMENT ON COLUMN product_prices.position IS 'Its place among the product''s prices, from 0.';
COMMENT ON COLUMN product_prices.currency IS 'ISO 4217.';
COMMENT ON COLUMN product_prices.amount IS 'In major units, a decimal: for the period, for a seat and period, or for a metered unit.';

CREATE TABLE usage_products (
    product_id uuid NOT NULL,
    meter_id uuid NOT NULL,
    PRIMARY KEY (product_id),
    FOREIGN KEY (product_id) REFERENCES products (id),
    FOREIGN KEY (meter_id) REFERENCES meters (id)
);
CREATE INDEX usage_products_by_meter ON usage_products (meter_id);
COMMENT ON TABLE usage_products IS 'What a product of usage has beyond what every product has.';
COMMENT ON COLUMN usage_products.product_id IS 'The product.';
COMMENT ON COLUMN usage_products.meter_id IS 'What measures it.';

CREATE TABLE plans (
    id uuid NOT NULL,
    key text COLLATE "C" NOT NULL,
    name text NOT NULL,
    description text,
    latest_version integer NOT NULL,
    created_at timestamptz NOT NULL,
    archived_at timestamptz,
    PRIMARY KEY (id),
    UNIQUE (key)
);
COMMENT ON TABLE plans IS 'What customers subscribe to.';
COMMENT ON COLUMN plans.id IS 'The plan.';
COMMENT ON COLUMN plans.key IS 'The caller''s own key, never changed.';
COMMENT ON COLUMN plans.name IS 'For people.';
COMMENT ON COLUMN plans.description IS 'For people, longer.';
COMMENT ON COLUMN plans.latest_version IS 'The number of the newest version; versions are numbered 1, 2, 3 ...';
COMMENT ON COLUMN plans.created_at IS 'When it was created.';
COMMENT ON COLUMN plans.archived_at IS 'When it was archived.';

CREATE TABLE plan_versions (
    id uuid NOT NULL,
    plan_id uuid NOT NULL,
    version integer NOT NULL,
    period smallint NOT NULL,
    currency text NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (plan_id, version),
    FOREIGN KEY (plan_id) REFERENCES plans (id)
);
COMMENT ON TABLE plan_versions IS 'The published versions of plans. Rows are only ever added.';
COMMENT ON COLUMN plan_versions.id IS 'The version.';
COMMENT ON COLUMN plan_versions.plan_id IS 'The plan.';
COMMENT ON COLUMN plan_versions.version IS 'Its number within the plan.';
COMMENT ON COLUMN plan_versions.period IS 'How long a period lasts: 0 day, 1 week, 2 month, 3 quarter, 4 year.';
COMMENT ON COLUMN plan_versions.currency IS 'ISO 4217.';
COMMENT ON COLUMN plan_versions.published_at IS 'When it was published.';

CREATE TABLE plan_items (
    version_id uuid NOT NULL,
    position integer NOT NULL,
    product_id uuid NOT NULL,
    options text NOT NULL,
    PRIMARY KEY (version_id, position),
    UNIQUE (version_id, product_id),
    FOREIGN KEY (version_id) REFERENCES plan_versions (id),
    FOREIGN KEY (product_id) REFERENCES products (id)
);
CREATE INDEX plan_items_by_product ON plan_items (product_id);
COMMENT ON TABLE plan_items IS 'What a plan''s version is made of.';
COMMENT ON COLUMN plan_items.version_id IS 'The version.';
COMMENT ON COLUMN plan_items.position IS 'Its place in the version, from 0.';
COMMENT ON COLUMN plan_items.product_id IS 'The product.';
COMMENT ON COLUMN plan_items.options IS 'JSON: the options that the version itself sets.';

CREATE TABLE plan_meters (
    version_id uuid NOT NULL,
    meter_id uuid NOT NULL,
    PRIMARY KEY (version_id, meter_id),
    FOREIGN KEY (version_id) REFERENCES plan_versions (id),
    FOREIGN KEY (meter_id) REFERENCES meters (id)
);
CREATE INDEX plan_meters_by_meter ON plan_meters (meter_id);
COMMENT ON TABLE plan_meters IS 'Which meters the consumption of a plan''s version names, so that none of them is archived.';
COMMENT ON COLUMN plan_meters.version_id IS 'The version.';
COMMENT ON COLUMN plan_meters.meter_id IS 'The meter.';

CREATE TABLE subscriptions (
    customer_id uuid NOT NULL,
    number integer NOT NULL,
    revision bigint NOT NULL,
    plan_id uuid NOT NULL,
    next_plan_id uuid,
    next_at timestamptz,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    period integer,
    period_start timestamptz,
    terms text NOT NULL,
    due_at timestamptz NOT NULL,
    metadata text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (customer_id, number),
    FOREIGN KEY (customer_id) REFERENCES customers (id)
);
CREATE INDEX subscriptions_by_age ON subscriptions (created_at, customer_id, number);
CREATE INDEX subscriptions_by_plan ON subscriptions (plan_id, created_at, customer_id, number);
CREATE INDEX subscriptions_by_next_plan ON subscriptions (next_plan_id) WHERE next_plan_id IS NOT NULL;
CREATE INDEX subscriptions_by_due ON subscriptions (due_at);
COMMENT ON TABLE subscriptions IS 'Subscriptions to plans: what is written down of them. What time has done since follows from it.';
COMMENT ON COLUMN subscriptions.customer_id IS 'Who subscribed.';
COMMENT ON COLUMN subscriptions.number IS 'Its number within the customer.';
COMMENT ON COLUMN subscriptions.revision IS 'Grows by 1 whenever the row is written: who writes says which one was read.';
COMMENT ON COLUMN subscriptions.plan_id IS 'The plan.';
COMMENT ON COLUMN subscriptions.next_plan_id IS 'The plan from next_at on, where anything changes then.';
COMMENT ON COLUMN subscriptions.next_at IS 'When the terms change next.';
COMMENT ON COLUMN subscriptions.starts_at IS 'When the first period begins.';
COMMENT ON COLUMN subscriptions.ends_at IS 'When it ends or ended; infinity when it does not.';
COMMENT ON COLUMN subscriptions.period IS 'The last period that was begun on record, from 0; null before the first.';
COMMENT ON COLUMN subscriptions.period_start IS 'When that period began.';
COMMENT ON COLUMN subscriptions.terms IS 'JSON: the plan''s version, the calendar and the overrides now, and those from next_at on.';
COMMENT ON COLUMN subscriptions.due_at IS 'When there is something to be written next; infinity when there is nothing.';
COMMENT ON COLUMN subscriptions.metadata IS 'The caller''s own data: a JSON object in canonical form (RFC 8785).';
COMMENT ON COLUMN subscriptions.created_at IS 'When it was created.';

CREATE TABLE charges (
    customer_id uuid NOT NULL,
    subscription integer NOT NULL,
    period integer NOT NULL,
    item integer NOT NULL,
    product_id uuid NOT NULL,
    period_start timestamptz NOT NULL,
    period_end timestamptz NOT NULL,
    description text NOT NULL,
    quantity text,
    amount_minor bigint,
    currency text NOT NULL,
    meter_id uuid,
    unit_price text,
    included text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (customer_id, subscription, period, item)
);
CREATE INDEX charges_by_age ON charges (created_at, customer_id, subscription, period, item);
CREATE INDEX charges_to_be_metered ON charges (created_at) WHERE amount_minor IS NULL;
COMMENT ON TABLE charges IS 'What each period of each priced item costs, once.';
COMMENT ON COLUMN charges.customer_id IS 'Who pays.';
COMMENT ON COLUMN charges.subscription IS 'The subscription''s number.';
COMMENT ON COLUMN charges.period IS 'The period, from 0.';
COMMENT ON COLUMN charges.item IS 'The item''s place in the plan''s version, from 0.';
COMMENT ON COLUMN charges.product_id IS 'The product.';
COMMENT ON COLUMN charges.period_start IS 'When the period begins.';
COMMENT ON COLUMN charges.period_end IS 'When the period ends.';
COMMENT ON COLUMN charges.description IS 'For people.';
COMMENT ON COLUMN charges.quantity IS 'How many units, a decimal; null while usage is to be metered.';
COMMENT ON COLUMN charges.amount_minor IS 'What they cost, in the currency''s smallest unit; null while usage is to be metered.';
COMMENT ON COLUMN charges.currency IS 'ISO 4217.';
COMMENT ON COLUMN charges.meter_id IS 'Of usage: what measures it.';
COMMENT ON COLUMN charges.unit_price IS 'Of usage: what a unit costs, a decimal.';
COMMENT ON COLUMN charges.included IS 'Of usage: how many units cost nothing, a decimal.';
COMMENT ON COLUMN charges.created_at IS 'When it was written; of usage, when it was metered.';

ALTER TABLE balances ADD COLUMN plan text;
ALTER TABLE balances ADD COLUMN renews_at timestamptz;
COMMENT ON COLUMN balances.plan IS 'JSON: the subscription that it belongs to, what its periods bring, and the settings that it inherits from it.';
COMMENT ON COLUMN balances.renews_at IS 'The first instant at which a period brings credits that are not posted yet.';
COMMENT ON COLUMN balances.created_at IS 'When it was opened; in the future for one that a subscription opens then.';

ALTER TABLE lots ADD COLUMN subscription integer;
COMMENT ON COLUMN lots.subscription IS 'The number of the subscription that brought it.';

ALTER TABLE entries ADD COLUMN subscription integer;
COMMENT ON COLUMN entries.subscription IS 'The number of the subscription that caused it.';

ALTER TABLE idempotency_keys ADD COLUMN subscription integer;
COMMENT ON COLUMN idempotency_keys.subscription IS 'The number of the subscription that it made; balance and sequence are then 0.';
