CREATE TABLE purchases (
    customer_id uuid NOT NULL,
    balance integer NOT NULL,
    number integer NOT NULL,
    revision bigint NOT NULL,
    option_id uuid NOT NULL,
    quantity integer NOT NULL,
    credits bigint NOT NULL,
    price_minor bigint NOT NULL,
    currency text NOT NULL,
    status smallint NOT NULL,
    origin smallint NOT NULL,
    provider smallint NOT NULL,
    pays_by text,
    page text,
    payment_url text,
    reference text,
    payment text,
    failure text,
    lot bigint,
    refunded_minor bigint NOT NULL,
    created_at timestamptz NOT NULL,
    paid_at timestamptz,
    ended_at timestamptz,
    looks_at timestamptz NOT NULL,
    tries integer NOT NULL,
    PRIMARY KEY (customer_id, balance, number)
);
CREATE INDEX purchases_by_age ON purchases (created_at, customer_id, balance, number);
CREATE INDEX purchases_of_customer ON purchases (customer_id, created_at, balance, number);
CREATE INDEX purchases_by_look ON purchases (looks_at);
COMMENT ON TABLE purchases IS 'What customers buy, and how far their payment is.';
COMMENT ON COLUMN purchases.customer_id IS 'Who buys.';
COMMENT ON COLUMN purchases.balance IS 'The number of the balance that the credits are for.';
COMMENT ON COLUMN purchases.number IS 'Its number within the balance.';
COMMENT ON COLUMN purchases.revision IS 'Grows by 1 whenever the row is written: who writes says which one was read.';
COMMENT ON COLUMN purchases.option_id IS 'What is bought.';
COMMENT ON COLUMN purchases.quantity IS 'How often.';
COMMENT ON COLUMN purchases.credits IS 'How many credits that is, in millionths.';
COMMENT ON COLUMN purchases.price_minor IS 'What all of it costs, in the currency''s smallest unit.';
COMMENT ON COLUMN purchases.currency IS 'ISO 4217.';
COMMENT ON COLUMN purchases.status IS '0 pending, 1 paid, 2 failed, 3 canceled, 4 refunded.';
COMMENT ON COLUMN purchases.origin IS 'Through which door it came: 0 API, 1 portal, 4 auto top-up.';
COMMENT ON COLUMN purchases.provider IS 'Who takes the money: 0 somebody by hand, 1 Stripe.';
COMMENT ON COLUMN purchases.pays_by IS 'JSON: how the customer pays, where the provider knew him when it was made.';
COMMENT ON COLUMN purchases.page IS 'JSON: what the provider''s page is to show, until it is there.';
COMMENT ON COLUMN purchases.payment_url IS 'The provider''s page to pay on.';
COMMENT ON COLUMN purchases.reference IS 'What the provider calls what the customer pays by, or what was said of money that came by hand.';
COMMENT ON COLUMN purchases.payment IS 'What the provider calls the payment: what money goes back by.';
COMMENT ON COLUMN purchases.failure IS 'Why it is not paid, or why money that is to go back has not.';
COMMENT ON COLUMN purchases.lot IS 'The lot that it made: its sequence in the balance.';
COMMENT ON COLUMN purchases.refunded_minor IS 'What went back or is on its way, in the currency''s smallest unit.';
COMMENT ON COLUMN purchases.created_at IS 'When it was made.';
COMMENT ON COLUMN purchases.paid_at IS 'When it was paid.';
COMMENT ON COLUMN purchases.ended_at IS 'When it failed, was canceled or refunded.';
COMMENT ON COLUMN purchases.looks_at IS 'When the provider is to be asked next; infinity when there is nothing to ask.';
COMMENT ON COLUMN purchases.tries IS 'How often it was asked in vain.';

CREATE TABLE payment_methods (
    customer_id uuid NOT NULL,
    provider smallint NOT NULL,
    customer text NOT NULL,
    method text,
    PRIMARY KEY (customer_id, provider)
);
COMMENT ON TABLE payment_methods IS 'How customers can pay at a provider without being asked.';
COMMENT ON COLUMN payment_methods.customer_id IS 'Who pays.';
COMMENT ON COLUMN payment_methods.provider IS 'At whom: 1 Stripe.';
COMMENT ON COLUMN payment_methods.customer IS 'What the provider calls the customer.';
COMMENT ON COLUMN payment_methods.method IS 'What it calls the way of payment that was saved; null while none is.';

ALTER TABLE balances ADD COLUMN buying text;
COMMENT ON COLUMN balances.buying IS 'JSON: the newest purchase''s number, credits that wait for their money, and how more are bought without being asked for.';

ALTER TABLE lots ADD COLUMN purchase integer;
COMMENT ON COLUMN lots.purchase IS 'The number of the balance''s purchase that it was paid for by.';

ALTER TABLE entries ADD COLUMN purchase integer;
COMMENT ON COLUMN entries.purchase IS 'The number of the balance''s purchase that caused it.';

ALTER TABLE idempotency_keys ADD COLUMN purchase integer;
COMMENT ON COLUMN idempotency_keys.purchase IS 'The number of the balance''s purchase that it made; the sequence is then 0.';
