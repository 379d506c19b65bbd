"""Media types: what a client accepts and what it sends."""

from __future__ import annotations

from dataclasses import dataclass

from pg_svc.request.recall import remembered

_PLAN_OPTIONS = ("analyze", "verbose", "settings", "buffers", "wal")

JSON = "application/json"
CSV = "text/csv"
GEOJSON = "application/geo+json"
TEXT = "text/plain"
XML = "text/xml"
OPENAPI = "application/openapi+json"
OPENAPI_3 = "application/vnd.oai.openapi+json"
"""The OpenAPI Initiative's own; ``application/openapi+json;version=3`` means the same."""
FORM = "application/x-www-form-urlencoded"
BYTES = "application/octet-stream"
ANY = "*/*"
OBJECT = "application/vnd.pgrst.object+json"
ARRAY = "application/vnd.pgrst.array+json"
PLAN = "application/vnd.pgrst.plan"

_BUILT_IN = {JSON, CSV, GEOJSON, TEXT, XML, OPENAPI, FORM, ANY}


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type of the protocol.

    ``name`` is without parameters. ``stripped``: without null values. For a plan, ``plan_format`` is ``text``
    or ``json``, ``plan_for`` the type whose query is explained.
    """

    name: str
    stripped: bool = False
    plan_format: str | None = None
    plan_for: MediaType | None = None
    plan_options: tuple[str, ...] = ()

    @property
    def is_object(self) -> bool:
        """Whether it wants exactly one row, as an object."""
        return self.name == OBJECT

    @property
    def is_plan(self) -> bool:
        """Whether it wants the execution plan."""
        return self.plan_format is not None

    @property
    def mime(self) -> str:
        """As text, with its own parameters."""
        if self.plan_for is not None:
            options = "; options=" + "|".join(self.plan_options) if self.plan_options else ""
            return f'{PLAN}+{self.plan_format}; for="{self.plan_for.mime}"{options}'
        return self.name + (";nulls=stripped" if self.stripped else "")

    @property
    def content_type(self) -> str:
        """The value of ``Content-Type``."""
        textual = self.is_plan or self.name in _BUILT_IN or self.name in (OBJECT, ARRAY)
        return self.mime + ("; charset=utf-8" if textual else "")


@remembered(512)
def parse_media_type(text: str) -> MediaType:
    """Understand one media type with its parameters."""
    name, *parameters = (part.strip() for part in _split(text, ";"))
    name = name.lower()
    lowered = [parameter.lower() for parameter in parameters]
    if name in (PLAN, PLAN + "+text", PLAN + "+json"):
        return _plan("json" if name.endswith("+json") else "text", parameters)
    if name in (OBJECT, "application/vnd.pgrst.object"):
        return MediaType(OBJECT, stripped="nulls=stripped" in lowered)
    if name in (ARRAY, "application/vnd.pgrst.array"):
        return MediaType(ARRAY, stripped=True) if "nulls=stripped" in lowered else MediaType(JSON)
    if name == OPENAPI and any(parameter.startswith("version=3") for parameter in lowered):
        return MediaType(OPENAPI_3)
    return MediaType(name or ANY)


def _plan(form: str, parameters: list[str]) -> MediaType:
    target, options = MediaType(JSON), ""
    for parameter in parameters:
        key, _, given = parameter.partition("=")
        if key.strip().lower() == "for":
            target = parse_media_type(given.strip().strip('"'))
        elif key.strip().lower() == "options":
            options = given.strip()
    wanted = options.split("|")
    return MediaType(
        PLAN + "+" + form,
        plan_format=form,
        plan_for=target,
        plan_options=tuple(option for option in _PLAN_OPTIONS if option in wanted),
    )


def parse_accept(header: str | None) -> tuple[MediaType, ...]:
    """The accepted media types, the preferred one first; everything when the header is missing."""
    return _accepted(header or "")


@remembered(512)
def _accepted(header: str) -> tuple[MediaType, ...]:
    ranked = []
    for part in _split(header, ","):
        pieces = [piece.strip() for piece in _split(part, ";")]
        quality, kept = 1.0, []
        for piece in pieces:
            if piece.lower().startswith("q="):
                try:
                    quality = float(piece[2:])
                except ValueError:
                    quality = 1.0
            elif piece:
                kept.append(piece)
        if kept:
            name = ";".join(kept)
            ranked.append((quality, name.count(";") - name.count("*"), name))
    ranked.sort(key=lambda entry: (-entry[0], -entry[1]))
    return tuple(parse_media_type(name) for _, _, name in ranked) or (MediaType(ANY),)


def _split(text: str, separator: str) -> list[str]:
    """Split outside of double quotes."""
    parts, quoted = [""], False
    for letter in text:
        if letter == '"':
            quoted = not quoted
        if letter == separator and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return parts
