"""Which embed a filter, an order or a limit means: ``clients.name=eq.x`` means the embed ``clients``."""

from __future__ import annotations

from pg_svc.errors import not_embedded
from pg_svc.plan.types import ReadPlan
from pg_svc.request.types import EmbedPath
from pg_svc.schema.model import Name


def target(root: ReadPlan, table: Name, path: EmbedPath, *, by_relation: bool) -> tuple[ReadPlan, Name]:
    """The node that a path of embeds leads to, and the table behind it.

    An embed goes by its alias if it has one; with ``by_relation`` by the name of its relation, too, which is
    noted in the node. Raises ApiError PGRST108 where there is none.
    """
    node = root
    for name in path:
        child = _child(node, name, by_relation)
        node, table = child, child.relationship.foreign if child.relationship else table
    return node, table


def _child(node: ReadPlan, name: str, by_relation: bool) -> ReadPlan:
    found = next((child for child in node.children if child.key == name), None)
    if found is not None:
        return found
    aliased = next((child for child in node.children if child.name == name), None)
    if aliased is None or not by_relation:
        raise not_embedded(name, aliased.key if aliased is not None else None)
    aliased.named_by_relation = True
    return aliased


def deprecations(plan: ReadPlan) -> tuple[tuple[str, str], ...]:
    """The warning about names that will not be understood one day (RFC 7234's 299), where there are any."""
    names = ", ".join(
        f"`{_quotable(relation)}` to `{_quotable(alias)}`" for relation, alias in _deprecated(plan)
    )
    if not names:
        return ()
    text = (
        "Embedded resource was referenced by relation name even though it has an alias. This is deprecated "
        f"and will stop working in a future release. Update {names} in query string filters, orders or "
        "limits."
    )
    return (("Warning", f'299 PostgREST "{text}"'),)


def _deprecated(plan: ReadPlan) -> list[tuple[str, str]]:
    """The relations that aliased embeds were named by, each with the alias to use instead."""
    own = [(plan.name, plan.key)] if plan.named_by_relation else []
    return own + [pair for child in plan.children for pair in _deprecated(child)]


def _quotable(name: str) -> str:
    """A name inside a header's quoted string. The client chose it: nothing in it may end the string."""
    shown = "".join(character if character.isprintable() else "?" for character in name)
    return shown.replace("\\", "\\\\").replace('"', '\\"')
