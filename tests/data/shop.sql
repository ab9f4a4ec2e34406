-- A small web shop, for quickstart: about 30 MB, the same on every run.
PRAGMA journal_mode = WAL;
BEGIN;
CREATE TABLE customer(
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE, city TEXT, since TEXT);
CREATE TABLE product(
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, price_cents INTEGER NOT NULL, stock INTEGER NOT NULL);
CREATE TABLE purchase(
    id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customer, at TEXT NOT NULL,
    note TEXT);
CREATE TABLE purchase_line(
    purchase INTEGER NOT NULL REFERENCES purchase, product INTEGER NOT NULL REFERENCES product,
    quantity INTEGER NOT NULL, price_cents INTEGER NOT NULL, PRIMARY KEY(purchase, product));
CREATE TABLE visit(id INTEGER PRIMARY KEY, at TEXT NOT NULL, page TEXT NOT NULL);
CREATE INDEX purchase_by_customer ON purchase(customer, at);

WITH first(i, name) AS (VALUES(0, 'Ada'), (1, 'Béla'), (2, 'Chen'), (3, 'Dora'), (4, 'Emil'),
                              (5, 'Fatma'), (6, 'Goran'), (7, 'Hana'), (8, 'Ines'), (9, 'Jörg')),
     last(i, name) AS (VALUES(0, 'Adams'), (1, 'Bauer'), (2, 'Costa'), (3, 'Dubois'), (4, 'Eriksen'),
                             (5, 'Ferrari'), (6, 'García'), (7, 'Horvat')),
     city(i, name) AS (VALUES(0, 'Lisboa'), (1, 'København'), (2, 'Wien'), (3, 'Kraków'), (4, 'Gent'))
INSERT INTO customer
SELECT n.value, first.name || ' ' || last.name, 'customer' || n.value || '@example.com', city.name,
       date('2020-01-01', '+' || (n.value % 1800) || ' days')
FROM generate_series(1, 20000) AS n
JOIN first ON first.i = n.value % 10 JOIN last ON last.i = n.value % 8 JOIN city ON city.i = n.value % 5;

INSERT INTO product
SELECT value, 'Product no. ' || value, 99 + value * 7919 % 20000, value * 31 % 500
FROM generate_series(1, 2000);

INSERT INTO purchase
SELECT value, 1 + value * 7919 % 20000, datetime('2024-01-01', '+' || (value * 3) || ' minutes'),
       CASE value % 7 WHEN 0 THEN 'Leave it with the neighbour at number ' || value % 90 END
FROM generate_series(1, 150000);

INSERT INTO purchase_line
SELECT purchase.value, 1 + (purchase.value * 104729 + line.value * 653) % 2000, 1 + purchase.value % 4,
       99 + purchase.value * 271 % 20000
FROM generate_series(1, 150000) AS purchase, generate_series(1, 3) AS line;
COMMIT;
