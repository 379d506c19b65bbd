"""What the database looks like, as far as requests need to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

ONE_TO_MANY = "one-to-many"
MANY_TO_ONE = "many-to-one"
ONE_TO_ONE = "one-to-one"
MANY_TO_MANY = "many-to-many"
COMPUTED = "computed"


class Name(NamedTuple):
    """A schema and a name in it."""

    schema: str
    name: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column. ``type`` is its declared type, ``base_type`` what a domain stands for."""

    name: str
    type: str
    base_type: str
    nullable: bool = True
    default: str | None = None
    description: str | None = None
    max_length: int | None = None
    enum: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table, view, materialised view or foreign table."""

    id: Name
    columns: Mapping[str, Column]
    key: tuple[str, ...] = ()
    is_view: bool = False
    insertable: bool = True
    updatable: bool = True
    deletable: bool = True
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Junction:
    """The table in the middle of a many-to-many relationship, and its two foreign keys.

    Column pairs are ``(outer column, junction column)``.
    """

    table: Name
    source_constraint: str
    target_constraint: str
    source_columns: tuple[tuple[str, str], ...]
    target_columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Relationship:
    """A way from one relation to another. Column pairs are ``(own column, foreign column)``."""

    table: Name
    foreign: Name
    kind: str
    constraint: str = ""
    columns: tuple[tuple[str, str], ...] = ()
    junction: Junction | None = None
    function: Name | None = None
    to_one: bool = False
    table_is_view: bool = False
    foreign_is_view: bool = False
    is_inverse: bool = False
    """Whether the foreign key is the other side's."""

    @property
    def is_self(self) -> bool:
        """Whether it leads back to its own table."""
        return self.table == self.foreign

    @property
    def sort_key(self) -> tuple[object, ...]:
        """Relationships are listed in this order."""
        rank = (ONE_TO_MANY, MANY_TO_ONE, ONE_TO_ONE, MANY_TO_MANY, COMPUTED).index(self.kind)
        junction = self.junction
        middle = (junction.table, junction.source_constraint, junction.target_constraint) if junction else ()
        return (self.table, self.foreign, rank, middle, self.constraint, self.columns)


@dataclass(frozen=True, slots=True)
class Parameter:
    """An input of a function. ``cast`` is its type without a length that would cut values off."""

    name: str
    type: str
    cast: str
    required: bool = True
    variadic: bool = False


@dataclass(frozen=True, slots=True)
class Routine:
    """A function. ``returns`` is the type it returns or returns a set of."""

    id: Name
    parameters: tuple[Parameter, ...]
    returns: Name
    returns_set: bool = False
    returns_composite: bool = False
    volatility: str = "v"
    description: str | None = None
    isolation: str | None = None
    settings: tuple[tuple[str, str], ...] = ()
    oid: int = 0

    @property
    def is_void(self) -> bool:
        """Whether it returns nothing."""
        return self.returns == Name("pg_catalog", "void") and not self.returns_set

    @property
    def is_scalar(self) -> bool:
        """Whether it returns one value that is no row."""
        return not self.returns_set and not self.returns_composite

    @property
    def is_scalar_set(self) -> bool:
        """Whether it returns many values that are no rows."""
        return self.returns_set and not self.returns_composite

    @property
    def is_single_row(self) -> bool:
        """Whether it returns one row."""
        return not self.returns_set and self.returns_composite

    @property
    def sort_key(self) -> tuple[object, ...]:
        """Overloads are tried in this order: fewer parameters first."""
        return (
            len(self.parameters),
            tuple(p.name for p in self.parameters),
            tuple(p.type for p in self.parameters),
        )


@dataclass(frozen=True, slots=True)
class Handler:
    """A function that makes a media type out of rows. ``target`` is None for rows of any kind."""

    function: Name
    target: Name | None
    media_type: str
    content_type: str
    aggregate: bool = True


@dataclass(frozen=True)
class Schema:
    """All of it, read at one moment."""

    exposed: tuple[str, ...] = ()
    tables: Mapping[Name, Table] = field(default_factory=dict)
    relationships: Mapping[Name, Sequence[Relationship]] = field(default_factory=dict)
    routines: Mapping[Name, Sequence[Routine]] = field(default_factory=dict)
    representations: Mapping[tuple[str, str], str] = field(default_factory=dict)
    handlers: Mapping[tuple[Name | None, str], Handler] = field(default_factory=dict)
    role_settings: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    role_isolation: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""
    server_version: int = 0

    @cached_property
    def table_names(self) -> Mapping[str, Sequence[str]]:
        """The names of the tables of each schema."""
        names: dict[str, list[str]] = {}
        for name in self.tables:
            names.setdefault(name.schema, []).append(name.name)
        return names

    def column(self, table: Name, column: str) -> Column | None:
        """A table's column; None where there is no such thing."""
        found = self.tables.get(table)
        return found.columns.get(column) if found else None
