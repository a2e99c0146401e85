-- The rows of this table are written by the program when it runs this migration: SQLite cannot fold texts as it does.
CREATE TABLE customer_words (
    customer_id BLOB NOT NULL,
    word TEXT NOT NULL,
    PRIMARY KEY (customer_id, word)
) STRICT, WITHOUT ROWID;
CREATE INDEX customer_words_by_word ON customer_words (word, customer_id);

DROP INDEX customers_by_name;
DROP INDEX customers_by_email;
DROP INDEX customers_by_external_id;
ALTER TABLE customers DROP COLUMN name_folded;
ALTER TABLE customers DROP COLUMN email_folded;
ALTER TABLE customers DROP COLUMN external_id_folded;
