CREATE TABLE portal_endings (
    customer_id uuid NOT NULL,
    ended_at timestamptz NOT NULL,
    PRIMARY KEY (customer_id)
);
CREATE INDEX portal_endings_by_time ON portal_endings (ended_at);
COMMENT ON TABLE portal_endings IS 'When the portal sessions of customers were ended. Sharded by customer.';
COMMENT ON COLUMN portal_endings.customer_id IS 'Whose sessions.';
COMMENT ON COLUMN portal_endings.ended_at IS 'Sessions that began then or before are over.';

CREATE INDEX purchases_pending ON purchases (customer_id, balance) WHERE status = 0;

ALTER TABLE purchase_options ADD COLUMN per_customer integer;
COMMENT ON COLUMN purchase_options.per_customer IS 'How many packs of it a customer may buy; NULL is without limit, and one where it costs nothing.';
