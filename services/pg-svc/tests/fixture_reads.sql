-- An orchard: what only reading can get wrong. Names of one's own language, domains of domains, hidden keys.
CREATE SCHEMA orchard;
CREATE SCHEMA "باغ";
CREATE SCHEMA cellar;

CREATE DOMAIN orchard.words AS tsvector;
CREATE DOMAIN orchard.described AS orchard.words;

CREATE TABLE orchard.growers (id integer PRIMARY KEY, name text);
CREATE TABLE orchard.trees (
  id integer PRIMARY KEY,
  kind text,
  grower_id integer REFERENCES orchard.growers,
  parent_id integer REFERENCES orchard.trees,
  planted date,
  found tsvector,
  described orchard.described,
  data jsonb);
CREATE TABLE orchard.harvests (
  id integer PRIMARY KEY, tree_id integer NOT NULL REFERENCES orchard.trees, season text, kilos integer);
CREATE TABLE orchard.tools (id integer PRIMARY KEY, name text);
CREATE TABLE cellar.borrowed (
  grower_id integer REFERENCES orchard.growers, tool_id integer REFERENCES orchard.tools,
  PRIMARY KEY (grower_id, tool_id));
CREATE TABLE orchard.bees (
  id integer PRIMARY KEY, tree_id integer REFERENCES orchard.trees, next_tree_id integer REFERENCES orchard.trees);
CREATE TABLE orchard."two
lines" (id integer PRIMARY KEY);
-- As long as names can be, and what they grow into when they are numbered is cut off
CREATE TABLE orchard.branch_branch_branch_branch_branch_branch_branch_branch_branch_ (
  id integer PRIMARY KEY, name text, stem integer REFERENCES orchard.branch_branch_branch_branch_branch_branch_branch_branch_branch_ (id));
CREATE TABLE "باغ"."درخت" (id integer PRIMARY KEY, "نام" text);

CREATE FUNCTION orchard.searched(orchard.trees) RETURNS tsvector STABLE LANGUAGE sql
  AS $$ SELECT to_tsvector('simple', $1.kind) $$;
CREATE FUNCTION orchard.years(orchard.trees) RETURNS integer STABLE LANGUAGE sql
  AS $$ SELECT 2030 - extract(year FROM $1.planted)::integer $$;
-- In place of the foreign key's own: only what is still young
CREATE FUNCTION orchard.trees(orchard.growers) RETURNS SETOF orchard.trees STABLE LANGUAGE sql
  AS $$ SELECT * FROM orchard.trees WHERE grower_id = $1.id AND planted >= '2020-01-01' $$;
CREATE FUNCTION orchard.oldest(orchard.growers) RETURNS SETOF orchard.trees ROWS 1 STABLE LANGUAGE sql
  AS $$ SELECT * FROM orchard.trees WHERE grower_id = $1.id ORDER BY planted LIMIT 1 $$;

INSERT INTO orchard.growers VALUES (1, 'Ida'), (2, 'Jon'), (3, 'Kai');
INSERT INTO orchard.trees VALUES
  (1, 'sour cherry', 1, NULL, '2010-04-01', 'cherry:2 sour:1', 'bark red', '{"soil": {"ph": 6.5}, "tags": ["old", "low"]}'),
  (2, 'sweet cherry', 1, 1, '2021-04-01', 'cherry:2 sweet:1', 'bark grey', '{"soil": {"ph": 7}, "tags": []}'),
  (3, 'pear', 2, NULL, '2022-10-01', 'pear:1', 'tall', NULL);
INSERT INTO orchard.harvests VALUES
  (1, 1, '2023', 40), (2, 1, '2024', 35), (3, 2, '2024', 5), (4, 3, '2024', 12);
INSERT INTO orchard.tools VALUES (1, 'ladder');
INSERT INTO cellar.borrowed VALUES (1, 1);
INSERT INTO orchard.bees VALUES (1, 1, 2);
INSERT INTO orchard.branch_branch_branch_branch_branch_branch_branch_branch_branch_ VALUES
  (1, 'trunk', NULL), (2, 'limb', 1), (3, 'bough', 1), (4, 'twig', 3), (5, 'leaf', 4);
INSERT INTO "باغ"."درخت" VALUES (1, 'انار'), (2, 'سیب');

GRANT USAGE ON SCHEMA orchard, "باغ" TO pgsvc_anon;
GRANT SELECT ON ALL TABLES IN SCHEMA orchard, "باغ" TO pgsvc_anon;
GRANT INSERT ON ALL TABLES IN SCHEMA "باغ" TO pgsvc_anon;
ANALYZE;
