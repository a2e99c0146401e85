-- The rows of this table are written by the program when it runs this migration: PostgreSQL cannot fold texts as it does.
CREATE TABLE customer_words (
    customer_id uuid NOT NULL,
    word text COLLATE "C" NOT NULL,
    PRIMARY KEY (customer_id, word)
);
CREATE INDEX customer_words_by_word ON customer_words (word, customer_id);
COMMENT ON TABLE customer_words IS 'The words by whose beginnings a search finds a customer: those of its name, email address and external id.';
COMMENT ON COLUMN customer_words.customer_id IS 'The customer.';
COMMENT ON COLUMN customer_words.word IS 'A text from the beginning of a word up to the next white space, folded as searches compare it.';

ALTER TABLE customers DROP COLUMN name_folded, DROP COLUMN email_folded, DROP COLUMN external_id_folded;
