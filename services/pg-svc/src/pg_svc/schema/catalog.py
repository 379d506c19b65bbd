"""The questions that are put to ``pg_catalog``; each answers with one JSON document.

They run with an empty search path, so every name that PostgreSQL prints is qualified.
"""

from __future__ import annotations

TABLES = """
WITH RECURSIVE domains(oid, base, is_domain) AS (
  SELECT d.oid, b.oid, b.typtype = 'd'
  FROM pg_type d JOIN pg_type b ON b.oid = d.typbasetype WHERE d.typtype = 'd'
  UNION ALL
  SELECT d.oid, b.oid, b.typtype = 'd'
  FROM domains d JOIN pg_type t ON t.oid = d.base JOIN pg_type b ON b.oid = t.typbasetype WHERE d.is_domain
)
SELECT coalesce(json_agg(t), '[]') FROM (
  SELECT n.nspname AS schema, c.relname AS name, c.relkind IN ('v', 'm') AS is_view,
    d.description,
    c.relkind IN ('r', 'p') OR pg_relation_is_updatable(c.oid, true) & 8 = 8 AS insertable,
    c.relkind IN ('r', 'p') OR pg_relation_is_updatable(c.oid, true) & 4 = 4 AS updatable,
    c.relkind IN ('r', 'p') OR pg_relation_is_updatable(c.oid, true) & 16 = 16 AS deletable,
    coalesce((
      SELECT json_agg(a.attname ORDER BY k.position)
      FROM pg_constraint p
      CROSS JOIN LATERAL unnest(p.conkey) WITH ORDINALITY AS k(number, position)
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
      WHERE p.conrelid = c.oid AND p.contype = 'p'), '[]') AS key,
    coalesce((
      SELECT json_agg(json_build_object(
        'name', a.attname,
        'type', format_type(a.atttypid, a.atttypmod),
        'base_type', CASE
          WHEN bn.nspname = 'pg_catalog' THEN format_type(bt.oid, NULL)
          ELSE format_type(a.atttypid, a.atttypmod) END,
        'nullable', NOT (a.attnotnull OR ty.typtype = 'd' AND ty.typnotnull),
        'default', CASE
          WHEN a.attidentity = 'd' THEN (
            SELECT 'nextval('
              || quote_literal(quote_ident(sn.nspname) || '.' || quote_ident(s.relname)) || ')'
            FROM pg_depend p
            JOIN pg_class s ON s.oid = p.objid AND s.relkind = 'S'
            JOIN pg_namespace sn ON sn.oid = s.relnamespace
            WHERE p.refobjid = a.attrelid AND p.refobjsubid = a.attnum AND p.deptype = 'i'
              AND p.classid = 'pg_catalog.pg_class'::regclass)
          WHEN a.attgenerated <> '' THEN NULL
          ELSE coalesce(pg_get_expr(ad.adbin, ad.adrelid), pg_get_expr(ty.typdefaultbin, 0)) END,
        'description', col_description(c.oid, a.attnum),
        'max_length', information_schema._pg_char_max_length(
          information_schema._pg_truetypid(a.*, ty.*), information_schema._pg_truetypmod(a.*, ty.*)),
        'enum', (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e
                 WHERE e.enumtypid = bt.oid)
      ) ORDER BY a.attnum)
      FROM pg_attribute a
      JOIN pg_type ty ON ty.oid = a.atttypid
      LEFT JOIN domains b ON b.oid = a.atttypid AND NOT b.is_domain
      JOIN pg_type bt ON bt.oid = coalesce(b.base, a.atttypid)
      JOIN pg_namespace bn ON bn.oid = bt.typnamespace
      LEFT JOIN pg_attrdef ad ON ad.adrelid = a.attrelid AND ad.adnum = a.attnum
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]') AS columns
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_description d
    ON d.objoid = c.oid AND d.objsubid = 0 AND d.classoid = 'pg_catalog.pg_class'::regclass
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
    AND n.nspname = ANY(%(schemas)s)
  ORDER BY 1, 2
) t
"""

FOREIGN_KEYS = """
SELECT coalesce(json_agg(f), '[]') FROM (
  SELECT n.nspname AS schema, c.relname AS name, fn.nspname AS foreign_schema, fc.relname AS foreign_name,
    k.conname AS constraint,
    (SELECT json_agg(json_build_array(a.attname, fa.attname) ORDER BY p.position)
     FROM unnest(k.conkey, k.confkey) WITH ORDINALITY AS p(own, referenced, position)
     JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = p.own
     JOIN pg_attribute fa ON fa.attrelid = k.confrelid AND fa.attnum = p.referenced) AS columns,
    EXISTS (
      SELECT FROM pg_constraint u
      WHERE u.conrelid = k.conrelid AND u.contype IN ('p', 'u')
        AND u.conkey @> k.conkey AND u.conkey <@ k.conkey) AS is_unique
  FROM pg_constraint k
  JOIN pg_class c ON c.oid = k.conrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_class fc ON fc.oid = k.confrelid
  JOIN pg_namespace fn ON fn.oid = fc.relnamespace
  WHERE k.contype = 'f' AND k.conparentid = 0
  ORDER BY 1, 2, k.conname
) f
"""

PRIMARY_KEYS = """
SELECT coalesce(json_agg(f), '[]') FROM (
  SELECT n.nspname AS schema, c.relname AS name, k.conname AS constraint,
    (SELECT json_agg(a.attname ORDER BY p.position)
     FROM unnest(k.conkey) WITH ORDINALITY AS p(own, position)
     JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = p.own) AS columns
  FROM pg_constraint k
  JOIN pg_class c ON c.oid = k.conrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE k.contype = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
) f
"""

VIEWS = """
SELECT coalesce(json_agg(json_build_object(
  'oid', c.oid::bigint, 'schema', n.nspname, 'name', c.relname, 'tree', r.ev_action::text)), '[]')
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_rewrite r ON r.ev_class = c.oid AND r.rulename = '_RETURN'
WHERE c.relkind IN ('v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""

RELATION_COLUMNS = """
SELECT coalesce(json_agg(json_build_object(
  'oid', c.oid::bigint, 'schema', n.nspname, 'name', c.relname, 'columns', (
    SELECT json_object_agg(a.attnum, a.attname) FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))), '[]')
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""

FUNCTIONS = """
WITH RECURSIVE domains(oid, base, is_domain) AS (
  SELECT d.oid, b.oid, b.typtype = 'd'
  FROM pg_type d JOIN pg_type b ON b.oid = d.typbasetype WHERE d.typtype = 'd'
  UNION ALL
  SELECT d.oid, b.oid, b.typtype = 'd'
  FROM domains d JOIN pg_type t ON t.oid = d.base JOIN pg_type b ON b.oid = t.typbasetype WHERE d.is_domain
)
SELECT coalesce(json_agg(f), '[]') FROM (
  SELECT p.oid::bigint AS oid, n.nspname AS schema, p.proname AS name,
    obj_description(p.oid, 'pg_proc') AS description,
    coalesce(i.parameters, '[]') AS parameters,
    rn.nspname AS return_schema, coalesce(rc.relname, rt.typname) AS return_name,
    p.proretset AS returns_set,
    rt.typtype = 'c' OR coalesce(p.proargmodes::text[] && '{t,b,o}', false) AS returns_composite,
    p.provolatile AS volatility, coalesce(to_json(p.proconfig), '[]') AS config,
    has_function_privilege(p.oid, 'execute') AS executable
  FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace
  LEFT JOIN domains b ON b.oid = p.prorettype AND NOT b.is_domain
  JOIN pg_type rt ON rt.oid = coalesce(b.base, p.prorettype)
  JOIN pg_namespace rn ON rn.oid = rt.typnamespace
  LEFT JOIN pg_class rc ON rc.oid = rt.typrelid
  LEFT JOIN LATERAL (
    SELECT json_agg(json_build_object(
        'name', coalesce(a.name, ''),
        'type', format_type(a.type, NULL),
        'cast', CASE a.type
          WHEN 'bit'::regtype THEN 'bit varying' WHEN 'bit[]'::regtype THEN 'bit varying[]'
          WHEN 'character'::regtype THEN 'character varying'
          WHEN 'character[]'::regtype THEN 'character varying[]'
          ELSE format_type(a.type, NULL) END,
        'required', a.position <= p.pronargs - p.pronargdefaults,
        'variadic', a.mode = 'v') ORDER BY a.position) AS parameters,
      count(*) FILTER (WHERE coalesce(a.name, '') = '') AS unnamed,
      (array_agg(a.type ORDER BY a.position))[1] AS first_type,
      count(*) AS total
    FROM (
      SELECT u.name, u.type, coalesce(u.mode, 'i') AS mode,
        row_number() OVER (ORDER BY u.position) AS position
      FROM unnest(p.proargnames, coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargmodes)
        WITH ORDINALITY AS u(name, type, mode, position)
      WHERE u.type IS NOT NULL AND coalesce(u.mode, 'i') IN ('i', 'b', 'v')
    ) a
  ) i ON true
  WHERE p.prokind = 'f' AND n.nspname = ANY(%(schemas)s) AND rt.oid <> 'trigger'::regtype
    AND (coalesce(i.unnamed, 0) = 0 OR i.total = 1 AND i.first_type IN (
      'bytea'::regtype, 'json'::regtype, 'jsonb'::regtype, 'text'::regtype, 'xml'::regtype))
  ORDER BY 2, 3
) f
"""

COMPUTED_RELATIONSHIPS = """
SELECT coalesce(json_agg(f), '[]') FROM (
  SELECT fn.nspname AS function_schema, p.proname AS function_name,
    an.nspname AS schema, ac.relname AS name, rn.nspname AS foreign_schema, rc.relname AS foreign_name,
    NOT p.proretset OR p.prorows = 1 AS to_one
  FROM pg_proc p
  JOIN pg_namespace fn ON fn.oid = p.pronamespace
  JOIN pg_class ac ON ac.reltype = p.proargtypes[0] AND ac.relkind IN ('r', 'p', 'v', 'm', 'f')
  JOIN pg_namespace an ON an.oid = ac.relnamespace
  JOIN pg_class rc ON rc.reltype = p.prorettype AND rc.relkind IN ('r', 'p', 'v', 'm', 'f')
  JOIN pg_namespace rn ON rn.oid = rc.relnamespace
  WHERE p.pronargs = 1 AND p.prokind = 'f'
) f
"""

REPRESENTATIONS = """
SELECT coalesce(json_agg(json_build_array(
  format_type(c.castsource, NULL), format_type(c.casttarget, NULL),
  quote_ident(n.nspname) || '.' || quote_ident(p.proname))), '[]')
FROM pg_cast c
JOIN pg_type s ON s.oid = c.castsource
JOIN pg_type t ON t.oid = c.casttarget
JOIN pg_proc p ON p.oid = c.castfunc
JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE c.castcontext = 'i' AND c.castmethod = 'f' AND has_function_privilege(c.castfunc, 'execute')
  AND (s.typtype = 'd' AND c.casttarget IN ('json'::regtype, 'text'::regtype)
    OR t.typtype = 'd' AND c.castsource IN ('json'::regtype, 'text'::regtype))
"""

HANDLERS = """
WITH media AS (
  SELECT t.oid, t.typname, n.nspname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
  WHERE t.typtype = 'd' AND (t.typname = '*/*' OR t.typname ~* '^[a-z0-9.-]+/[a-z0-9.+-]+$')
)
SELECT coalesce(json_agg(h), '[]') FROM (
  SELECT pn.nspname AS function_schema, p.proname AS function_name, true AS aggregate,
    CASE WHEN at.typname = 'anyelement' THEN NULL ELSE an.nspname END AS target_schema,
    CASE WHEN at.typname = 'anyelement' THEN NULL ELSE at.typname END AS target_name,
    lower(m.typname) AS media_type
  FROM media m
  JOIN pg_proc p ON p.prorettype = m.oid AND p.prokind = 'a' AND p.pronargs = 1
  JOIN pg_namespace pn ON pn.oid = p.pronamespace
  JOIN pg_type at ON at.oid = p.proargtypes[0]
  JOIN pg_namespace an ON an.oid = at.typnamespace
  WHERE pn.nspname = ANY(%(schemas)s)
    AND (at.typname = 'anyelement' OR EXISTS (
      SELECT FROM pg_class c WHERE c.reltype = at.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')))
  UNION ALL
  SELECT m.nspname, m.typname, false, pn.nspname, p.proname, lower(m.typname)
  FROM media m
  JOIN pg_proc p ON p.prorettype = m.oid AND p.prokind = 'f' AND NOT p.proretset
  JOIN pg_namespace pn ON pn.oid = p.pronamespace
  WHERE pn.nspname = ANY(%(schemas)s)
) h
"""

ROLE_SETTINGS = """
SELECT coalesce(json_agg(json_build_array(r.rolname, s.setting)), '[]')
FROM pg_roles r
CROSS JOIN LATERAL unnest(r.rolconfig) AS s(setting)
LEFT JOIN pg_settings g ON g.name = split_part(s.setting, '=', 1)
WHERE pg_has_role(r.oid, 'member')
  AND (g.name IS NULL AND position('.' IN split_part(s.setting, '=', 1)) > 0
    OR g.context = 'user' OR {privilege})
"""
"""``{privilege}`` asks for GRANT SET ON PARAMETER, which PostgreSQL has since version 15."""

PARAMETER_PRIVILEGE = "g.name IS NOT NULL AND has_parameter_privilege(g.name, 'set')"

FINGERPRINT = """
SELECT md5(concat_ws(',',
  (SELECT sum(hashtextextended(xmin::text || ' ' || oid, 0)) FROM pg_class
    WHERE relkind IN ('r','p','v','m','f')),
  (SELECT sum(hashtextextended(xmin::text || ' ' || attrelid || ' ' || attnum, 0)) FROM pg_attribute),
  (SELECT sum(hashtextextended(xmin::text || ' ' || oid, 0)) FROM pg_constraint),
  (SELECT sum(hashtextextended(xmin::text || ' ' || oid, 0)) FROM pg_proc),
  (SELECT sum(hashtextextended(xmin::text || ' ' || oid, 0)) FROM pg_type),
  (SELECT sum(hashtextextended(xmin::text || ' ' || oid, 0)) FROM pg_cast),
  (SELECT sum(hashtextextended(xmin::text || ' ' || oid, 0)) FROM pg_namespace),
  (SELECT sum(hashtextextended(xmin::text || ' ' || oid, 0)) FROM pg_enum),
  (SELECT sum(hashtextextended(xmin::text || ' ' || objoid || ' ' || objsubid, 0)) FROM pg_description
    WHERE objoid >= 16384),
  (SELECT sum(hashtextextended(xmin::text || ' ' || oid, 0)) FROM pg_rewrite)))
"""
"""Changes with any change of the catalog that a request could notice."""

VISIBLE = """
SELECT
  (SELECT coalesce(json_agg(c.relname ORDER BY c.relname), '[]') FROM pg_class c
   WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
     AND (pg_has_role(c.relowner, 'USAGE')
       OR has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
       OR has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE, REFERENCES'))),
  (SELECT coalesce(json_agg(p.oid::bigint), '[]') FROM pg_proc p
   WHERE p.pronamespace = n.oid AND p.prokind = 'f' AND has_function_privilege(p.oid, 'EXECUTE')),
  obj_description(n.oid, 'pg_namespace')
FROM pg_namespace n WHERE n.nspname = %s
"""
"""What the current role may see of a schema: names of tables, oids of functions; and the schema's comment."""
