CREATE TABLE authors (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE books (id int PRIMARY KEY, author_id int NOT NULL REFERENCES authors, title text NOT NULL, year int);
CREATE INDEX ON books (author_id);
CREATE TABLE entries (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, value int NOT NULL);
CREATE VIEW numbers AS SELECT n AS id, 'row ' || n AS name FROM generate_series(1, 1000000) n;
INSERT INTO authors SELECT n, 'Author ' || n FROM generate_series(1, 1000) n;
INSERT INTO books SELECT n, (n - 1) / 5 + 1, 'A book with the number ' || n, 1900 + n % 100
FROM generate_series(1, 5000) n;
CREATE ROLE reader NOLOGIN;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO reader;
GRANT reader TO CURRENT_USER;
ANALYZE;
