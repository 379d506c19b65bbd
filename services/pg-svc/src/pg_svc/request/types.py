"""What a request says, before anything is known about the database."""

from __future__ import annotations

from dataclasses import dataclass, field

EmbedPath = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JsonStep:
    """``->key``, ``->>key``, ``->1`` or ``->>1``. ``index`` steps keep their sign: ``+1``, ``-2``."""

    operand: str
    index: bool = False
    text: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """A column, with a way into it where it holds JSON."""

    name: str
    path: tuple[JsonStep, ...] = ()


@dataclass(frozen=True, slots=True)
class SelectField:
    """``alias:field::cast.aggregate()::cast``."""

    field: Field
    alias: str | None = None
    cast: str | None = None
    aggregate: str | None = None
    aggregate_cast: str | None = None


@dataclass(frozen=True, slots=True)
class SelectRelation:
    """``alias:name!hint!inner(…)`` or ``...name(…)``."""

    name: str
    alias: str | None = None
    hint: str | None = None
    inner: bool = False
    spread: bool = False
    children: tuple[SelectItem, ...] = ()


SelectItem = SelectField | SelectRelation


@dataclass(frozen=True, slots=True)
class Operation:
    """``operator(modifier).value``.

    ``operator`` is the protocol's name. ``value`` is text; for ``in`` a tuple; for ``is`` the keyword.
    ``modifier`` is ``any`` or ``all``, or the language of a full-text search.
    """

    operator: str
    value: str | tuple[str, ...]
    modifier: str | None = None
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """A field and what must hold for it."""

    field: Field
    operation: Operation


@dataclass(frozen=True, slots=True)
class Logic:
    """``and(…)``, ``or(…)``, either negated."""

    operator: str
    children: tuple[LogicTree, ...]
    negated: bool = False


LogicTree = Filter | Logic


@dataclass(frozen=True, slots=True)
class OrderTerm:
    """``field.desc.nullslast``; with ``relation``, a field of a to-one embed."""

    field: Field
    direction: str | None = None
    nulls: str | None = None
    relation: str | None = None


@dataclass(frozen=True, slots=True)
class RowRange:
    """Rows from ``offset`` on, at most ``limit`` of them."""

    offset: int = 0
    limit: int | None = None

    @property
    def everything(self) -> bool:
        """Whether it restricts nothing."""
        return self.offset == 0 and self.limit is None

    def capped(self, most: int | None) -> RowRange:
        """With at most ``most`` rows."""
        if most is None or (self.limit is not None and self.limit <= most):
            return self
        return RowRange(self.offset, most)


EVERYTHING = RowRange()


@dataclass(frozen=True, slots=True)
class QueryParams:
    """The query string, understood."""

    canonical: str = ""
    select: tuple[SelectItem, ...] = ()
    filters: tuple[tuple[EmbedPath, Filter], ...] = ()
    logic: tuple[tuple[EmbedPath, LogicTree], ...] = ()
    order: tuple[tuple[EmbedPath, tuple[OrderTerm, ...]], ...] = ()
    ranges: tuple[tuple[EmbedPath, RowRange], ...] = ()
    columns: tuple[str, ...] | None = None
    on_conflict: tuple[str, ...] | None = None
    arguments: tuple[tuple[str, str], ...] = ()
    """Parameters of a function's call, in order, repeated ones included."""
    filter_names: frozenset[str] = field(default_factory=frozenset)
    """Keys of the query string that are filters."""

    def root_range(self) -> RowRange:
        """The range of the result itself."""
        return next((rows for path, rows in self.ranges if not path), RowRange())
