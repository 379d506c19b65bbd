"""Spreads: the columns that an embed gives to its parent's rows."""

from __future__ import annotations

import itertools
from dataclasses import replace

from pg_svc.errors import not_implemented
from pg_svc.plan.aliases import alias_of
from pg_svc.plan.types import TO_MANY, TO_ONE, Ordered, ReadPlan, Ref, Selected, Spread


def lend(node: ReadPlan) -> list[Spread]:
    """What a node lends to its parent; an aggregate in a to-one spread is computed by the parent instead."""
    hoists = node.spread == TO_ONE
    plain = [selected for selected in node.select if not (hoists and selected.aggregate)]
    taken = {selected.alias or selected.ref.name for selected in plain}
    own = []
    for place, selected in enumerate(node.select):
        name = selected.alias or selected.ref.name
        if hoists and selected.aggregate is not None:
            # Only its argument is passed on, under a name of its own: it may stand in several aggregates
            passed = _free(name, taken)
            own.append(Spread(passed, selected.alias, selected.aggregate, selected.aggregate_cast))
            alias = selected.alias if passed == name else passed
            node.select[place] = replace(selected, alias=alias, aggregate=None, aggregate_cast=None)
        else:
            own.append(Spread(name))
    from_children: list[Spread] = []
    for child in node.children:
        lent = lend(child)
        if child.spread is None:
            if not child.is_empty:
                from_children.append(Spread(child.key))
        elif hoists:
            for item in lent:
                name = _free(item.name, taken) if item.aggregate else item.name
                child.lends.append(Spread(item.name, name if name != item.name else None))
                from_children.append(replace(item, name=name))
        else:
            child.lends = lent
            from_children.extend(Spread(item.alias or item.name) for item in lent)
    return own + from_children


def _free(name: str, taken: set[str]) -> str:
    """The name, or the first of ``name_2``, ``name_3`` … that is not taken; it is taken now."""
    names = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))
    free = next(one for one in names if one not in taken)
    taken.add(free)
    return free


def order_arrays(node: ReadPlan) -> None:
    """The rows of a to-many spread become arrays; their order is that of the arrays."""
    if node.spread == TO_MANY:
        if any(column.aggregate for column in node.select) or any(
            item.aggregate for child in node.children for item in child.lends
        ):
            raise not_implemented("Aggregates are not implemented for one-to-many or many-to-many spreads.")
        for number, term in enumerate(node.order, start=1):
            alias = alias_of(node.aggregate_alias, term.ref.name, number)
            node.order_columns.append((term.embed, Selected(term.ref, alias)))
            node.order_of_arrays.append(Ordered(Ref(alias), term.direction, term.nulls))
        if node.rows.everything:
            node.order = []
    for child in node.children:
        order_arrays(child)
