"""From foreign keys to every way that leads from one relation to another."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pg_svc.schema.model import (
    MANY_TO_MANY,
    MANY_TO_ONE,
    ONE_TO_MANY,
    ONE_TO_ONE,
    Junction,
    Name,
    Relationship,
)


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key. ``unique``: its own columns are a key, too, so it is one-to-one."""

    table: Name
    foreign: Name
    constraint: str
    columns: tuple[tuple[str, str], ...]
    unique: bool


ViewColumns = Mapping[Name, Mapping[Name, Mapping[str, Sequence[str]]]]
"""Relation → view that shows it → the relation's column → the view's columns that show it."""

PrimaryKeys = Mapping[Name, Sequence[str]]


def relationships(
    keys: Iterable[ForeignKey], shown: ViewColumns, primary_keys: PrimaryKeys
) -> list[Relationship]:
    """Every relationship: of tables, of the views that show their keys, inverse and through junctions."""
    direct = [
        Relationship(
            key.table,
            key.foreign,
            ONE_TO_ONE if key.unique else MANY_TO_ONE,
            key.constraint,
            key.columns,
            to_one=True,
        )
        for key in keys
    ]
    forward = [*direct, *itertools.chain.from_iterable(_through_views(rel, shown) for rel in direct)]
    return [*forward, *(_inverse(rel) for rel in forward), *_through_junctions(forward, primary_keys)]


def _through_views(rel: Relationship, shown: ViewColumns) -> Iterable[Relationship]:
    """The same foreign key seen from or to the views that show all of its columns."""
    own = [own for own, _ in rel.columns]
    referenced = [foreign for _, foreign in rel.columns]
    own_views = list(_shown_as(shown.get(rel.table, {}), own))
    foreign_views = list(_shown_as(shown.get(rel.foreign, {}), referenced))
    for view, names in own_views:
        yield replace(rel, table=view, columns=tuple(zip(names, referenced, strict=True)), table_is_view=True)
    for view, names in foreign_views:
        yield replace(rel, foreign=view, columns=tuple(zip(own, names, strict=True)), foreign_is_view=True)
    for (view, names), (foreign_view, foreign_names) in itertools.product(own_views, foreign_views):
        yield replace(
            rel,
            table=view,
            foreign=foreign_view,
            columns=tuple(zip(names, foreign_names, strict=True)),
            table_is_view=True,
            foreign_is_view=True,
        )


def _shown_as(
    views: Mapping[Name, Mapping[str, Sequence[str]]], columns: Sequence[str]
) -> Iterable[tuple[Name, tuple[str, ...]]]:
    """The views that show all the columns, and under which names; several where a column is shown twice."""
    for view, names in views.items():
        if all(column in names for column in columns):
            for combination in itertools.product(*(names[column] for column in columns)):
                yield view, combination


def _inverse(rel: Relationship) -> Relationship:
    one_to_one = rel.kind == ONE_TO_ONE
    return Relationship(
        rel.foreign,
        rel.table,
        ONE_TO_ONE if one_to_one else ONE_TO_MANY,
        rel.constraint,
        tuple((foreign, own) for own, foreign in rel.columns),
        to_one=one_to_one,
        is_inverse=True,
        table_is_view=rel.foreign_is_view,
        foreign_is_view=rel.table_is_view,
    )


def _through_junctions(forward: Iterable[Relationship], primary_keys: PrimaryKeys) -> Iterable[Relationship]:
    """Two foreign keys whose columns are all part of their table's key join two others many-to-many."""
    by_table: dict[Name, list[Relationship]] = {}
    for rel in forward:
        if rel.kind == MANY_TO_ONE:
            by_table.setdefault(rel.table, []).append(rel)
    for name, candidates in by_table.items():
        key = set(primary_keys.get(name, ()))
        fitting = [rel for rel in candidates if key.issuperset(own for own, _ in rel.columns)]
        for source, target in itertools.permutations(fitting, 2):
            if source.constraint == target.constraint:
                continue
            yield Relationship(
                source.foreign,
                target.foreign,
                MANY_TO_MANY,
                junction=Junction(
                    name,
                    source.constraint,
                    target.constraint,
                    tuple((foreign, own) for own, foreign in source.columns),
                    tuple((foreign, own) for own, foreign in target.columns),
                ),
                table_is_view=source.foreign_is_view,
                foreign_is_view=target.foreign_is_view,
            )


def by_origin(
    found: Iterable[Relationship], computed: Iterable[Relationship], exposed: Sequence[str]
) -> dict[Name, list[Relationship]]:
    """Relationships by the relation they start from; only those within an exposed schema.

    A computed relationship replaces a detected one that leads to a relation named like its function.
    A relation whose relationships are all hidden is listed, too: it is known to have some.
    """
    own = [rel for rel in computed if rel.table.schema in exposed and rel.function is not None]
    replaced = {(rel.table, rel.function) for rel in own}
    index: dict[Name, list[Relationship]] = {}
    for rel in found:
        if rel.table.schema not in exposed or rel.foreign.schema != rel.table.schema:
            continue
        if (rel.table, rel.foreign) in replaced:
            continue
        rels = index.setdefault(rel.table, [])
        if rel.junction is None or rel.junction.table.schema in exposed:
            rels.append(rel)
    for rel in own:
        if rel.foreign.schema in exposed and rel.function and rel.function.schema == rel.table.schema:
            index.setdefault(rel.table, []).append(rel)
    for rels in index.values():
        rels.sort(key=lambda rel: rel.sort_key)
    return index
