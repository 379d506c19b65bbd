-- What the cases of writes and representations need besides the library itself.
CREATE TABLE library.stamps (at timestamp PRIMARY KEY, amount numeric);
CREATE FUNCTION library.noon() RETURNS timestamptz STABLE LANGUAGE sql
  AS $$ SELECT timestamptz '2024-01-02 12:00:00+00' $$;
CREATE FUNCTION library.refuse(message text, detail text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
  RAISE SQLSTATE 'PGRST' USING MESSAGE = message, DETAIL = detail;
END $$;
CREATE FUNCTION library.repeated(text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT $1 || $1 $$;

-- Partitions without a key: rows of both have the same place in their file
CREATE TABLE library.slips (shelf integer, word text) PARTITION BY LIST (shelf);
CREATE TABLE library.slips_1 PARTITION OF library.slips FOR VALUES IN (1);
CREATE TABLE library.slips_2 PARTITION OF library.slips FOR VALUES IN (2);
INSERT INTO library.slips VALUES (1, 'one'), (2, 'two');

-- A handler for whatever is accepted, that says itself what it made
CREATE VIEW library.labels AS SELECT id, name FROM library.genres;
CREATE FUNCTION library.add_label(state library."*/*", next library.labels) RETURNS library."*/*" IMMUTABLE
  LANGUAGE sql AS $$ SELECT (state || convert_to(next.id || '. ' || next.name || E'\n', 'UTF8'))::library."*/*" $$;
CREATE FUNCTION library.end_labels(state library."*/*") RETURNS library."*/*" LANGUAGE plpgsql AS $$ BEGIN
  IF current_setting('request.headers', true)::json->>'accept' = 'text/x-labels' THEN
    PERFORM set_config('response.headers', '[{"Content-Type": "text/x-labels"}]', true);
  END IF;
  RETURN state;
END $$;
CREATE AGGREGATE library.labels_of(library.labels) (
  initcond = '', stype = library."*/*", sfunc = library.add_label, finalfunc = library.end_labels);

GRANT SELECT, INSERT, UPDATE, DELETE ON library.stamps, library.slips, library.labels TO pgsvc_anon, pgsvc_user;
