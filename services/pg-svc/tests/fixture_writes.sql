-- What the cases of writes need besides the library itself.
CREATE TABLE library.stamps (at timestamp PRIMARY KEY, word text DEFAULT 'none');
CREATE FUNCTION library.noon() RETURNS timestamptz STABLE LANGUAGE sql
  AS $$ SELECT timestamptz '2024-01-02 12:00:00+00' $$;

GRANT SELECT, INSERT, UPDATE, DELETE ON library.stamps TO pgsvc_anon, pgsvc_user;
