"""What the database says about the service's configuration: settings ``pgrst.…`` of the login role.

They come from ``ALTER ROLE … SET`` (``IN DATABASE …`` before the general ones) and from a function that sets
them, which has the last word.
"""

from __future__ import annotations

import orjson

from pg_svc.configuration import SETTABLE
from pg_svc.sql.builder import qualified
from pg_svc.store.connection import Session

_PREFIX = "pgrst."
_ROLE_SETTINGS = """
SELECT coalesce(json_object_agg(name, value), '{}') FROM (
  SELECT DISTINCT ON (name) name, value FROM (
    SELECT split_part(entry, '=', 1) AS name, substr(entry, position('=' IN entry) + 1) AS value,
      s.setdatabase <> 0 AS of_database
    FROM pg_catalog.pg_db_role_setting s
    CROSS JOIN LATERAL unnest(s.setconfig) AS entry
    WHERE s.setrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user)
      AND s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
  ) found ORDER BY name, of_database DESC) chosen
"""


async def read_configuration(session: Session, pre_config: str) -> dict[str, str]:
    """The settings, by the names in ``SETTABLE``. Raises DatabaseError and ConnectionLost.

    ``pre_config`` is the function; the role's own ``pgrst.db_pre_config`` comes before it.
    """
    document = (await session.run(_ROLE_SETTINGS, name="configure"))[0][0]
    kept: dict[str, str] = orjson.loads(document) if isinstance(document, (str, bytes)) else document
    said = {name: kept[_PREFIX + name] for name in SETTABLE if _PREFIX + name in kept}
    function = said.get("db_pre_config") or pre_config
    if function:
        said.update(await _call(session, function))
    return said


async def _call(session: Session, function: str) -> dict[str, str]:
    """What the function sets. The session may carry older settings of its role; they are put away first."""
    schema, _, name = function.rpartition(".")
    names = [_PREFIX + settable for settable in SETTABLE]
    emptied = ", ".join(["set_config(%s, '', true)"] * len(names))
    asked = ", ".join(["current_setting(%s, true)"] * len(names))
    await session.run("BEGIN READ ONLY", name="configure")
    try:
        await session.run(f"SELECT {emptied}", names, name="configure")
        call = qualified(schema, name).replace("%%", "%")  # without parameters no % is special
        await session.run(f"SELECT {call}()", name="configure")
        row = (await session.run(f"SELECT {asked}", names, name="configure"))[0]
    finally:
        if not session.closed and not session.idle and not session.abandoned:
            await session.run("ROLLBACK", name="configure")
    return {settable: value for settable, value in zip(SETTABLE, row, strict=True) if value}
