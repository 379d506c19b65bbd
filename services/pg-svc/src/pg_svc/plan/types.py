"""Plans: what a request means in a given database, before it is SQL."""

from __future__ import annotations

from dataclasses import dataclass, field

from pg_svc.request.media import MediaType
from pg_svc.request.payload import Payload
from pg_svc.request.types import EVERYTHING, JsonStep, Operation, RowRange
from pg_svc.schema.model import Handler, Name, Relationship, Routine

TO_ONE = "one"
TO_MANY = "many"


@dataclass(frozen=True, slots=True)
class Ref:
    """A column in its place.

    ``to_json``: it must be made JSON before the path goes into it. ``transform``: a function of the database
    that converts it. ``full_row``: the row itself is meant. ``to_tsvector``: it is searched as text.
    """

    name: str
    path: tuple[JsonStep, ...] = ()
    type: str = ""
    to_json: bool = False
    transform: str | None = None
    full_row: bool = False
    to_tsvector: bool = False
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Selected:
    """A column of a result."""

    ref: Ref
    alias: str | None = None
    cast: str | None = None
    aggregate: str | None = None
    aggregate_cast: str | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """A column that a spread embed lends to its parent."""

    name: str
    alias: str | None = None
    aggregate: str | None = None
    aggregate_cast: str | None = None


@dataclass(frozen=True, slots=True)
class Compare:
    """A column and what must hold for it."""

    ref: Ref
    operation: Operation


@dataclass(frozen=True, slots=True)
class EmbedExists:
    """Whether an embed has anything in it (``negated``: ``not.is.null``, so it must have)."""

    alias: str
    negated: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions under ``and`` or ``or``."""

    operator: str
    children: tuple[Condition, ...]
    negated: bool = False


Condition = Compare | EmbedExists | Group


@dataclass(frozen=True, slots=True)
class Ordered:
    """A column to order by. ``embed`` is the alias of the embed whose column it is."""

    ref: Ref
    direction: str | None = None
    nulls: str | None = None
    embed: str | None = None


@dataclass(frozen=True, slots=True)
class ColumnOf:
    """``"schema"."table"."column"`` or ``"alias"."column"``."""

    table: Name
    column: str


@dataclass(slots=True)
class ReadPlan:
    """A node of the tree of embeds. ``table`` with an empty schema is an alias or a WITH query."""

    table: Name
    name: str
    depth: int = 0
    alias: str | None = None
    """Name in FROM."""
    output: str | None = None
    """The request's own name for the embed."""
    hint: str | None = None
    inner: bool = False
    spread: str | None = None
    relationship: Relationship | None = None
    parent_alias: str = ""
    """What a computed relationship's function is called with."""
    aggregate_alias: str = ""
    joins: list[tuple[ColumnOf, ColumnOf]] = field(default_factory=list)
    select: list[Selected] = field(default_factory=list)
    where: list[Condition] = field(default_factory=list)
    order: list[Ordered] = field(default_factory=list)
    rows: RowRange = field(default_factory=RowRange)
    children: list[ReadPlan] = field(default_factory=list)
    lends: list[Spread] = field(default_factory=list)
    """What a spread gives to its parent."""
    named_by_relation: bool = False
    """Whether a filter, an order or a limit names it by its relation although it has an alias."""
    order_columns: list[tuple[str | None, Selected]] = field(default_factory=list)
    """Columns that a to-many spread carries along only to order its arrays by."""
    order_of_arrays: list[Ordered] = field(default_factory=list)

    @property
    def key(self) -> str:
        """The name under which the embed stands in the result."""
        return self.output or self.name

    @property
    def to_one(self) -> bool:
        """Whether it leads to one row at most."""
        return self.relationship is not None and self.relationship.to_one

    @property
    def place(self) -> Name:
        """How its columns are qualified."""
        return Name("", self.alias) if self.alias else self.table

    @property
    def is_empty(self) -> bool:
        """Whether nothing is selected anywhere in it: it only filters."""
        return not self.select and all(child.is_empty for child in self.children)


@dataclass(frozen=True, slots=True)
class InsertPlan:
    """Rows to insert. ``resolution`` with ``conflict`` columns is an upsert; ``put`` conditions are PUT's."""

    table: Name
    columns: tuple[Ref, ...]
    payload: Payload
    returning: tuple[str, ...]
    key: tuple[str, ...]
    resolution: str | None = None
    conflict: tuple[str, ...] = ()
    put: tuple[Condition, ...] = ()
    defaults: bool = False


@dataclass(frozen=True, slots=True)
class UpdatePlan:
    """Columns to set where conditions hold."""

    table: Name
    columns: tuple[Ref, ...]
    payload: Payload
    where: tuple[Condition, ...]
    returning: tuple[str, ...]
    defaults: bool = False
    rows: RowRange = EVERYTHING
    order: tuple[Ordered, ...] = ()
    key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeletePlan:
    """Rows to delete where conditions hold."""

    table: Name
    where: tuple[Condition, ...]
    returning: tuple[str, ...]
    rows: RowRange = EVERYTHING
    order: tuple[Ordered, ...] = ()
    key: tuple[str, ...] = ()


MutatePlan = InsertPlan | UpdatePlan | DeletePlan


@dataclass(frozen=True, slots=True)
class CallPlan:
    """A function and its arguments.

    ``arguments`` come by name (variadic ones as lists); otherwise the ``payload`` is taken apart, or handed
    over whole where the function's one parameter has no name.
    """

    routine: Routine
    names: frozenset[str]
    payload: Payload | None
    arguments: dict[str, str | list[str]] | None
    returning: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Output:
    """What the body is made with.

    ``kind``: ``json``, ``object``, ``csv``, ``geojson``, ``custom`` or ``none``.
    """

    kind: str
    media_type: MediaType
    content_type: str
    handler: Handler | None = None
    stripped: bool = False
