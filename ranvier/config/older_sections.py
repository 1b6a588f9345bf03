"""Sections of older configurations, rewritten as what came after them before anything is checked. Pure."""

from typing import Final

from ranvier.config.tree import Node

_OLD: Final = "oidc_config"
_NEW: Final = "oidc_providers"


def with_newer_sections(tree: Node) -> Node:
    """`oidc_config`, if it is enabled, as one more of `oidc_providers`, of the name by which its users are known."""
    old = tree.children().get(_OLD)
    if old is None or not isinstance(old.value, dict):
        return tree
    rest = {name: node for name, node in tree.children().items() if name != _OLD}
    enabled = old.children().get("enabled")
    if enabled is None or enabled.value is not True:
        return Node(rest, tree.where)
    provider = {
        "idp_id": Node("oidc", old.where),
        "idp_name": Node("OIDC", old.where),
        **{name: node for name, node in old.children().items() if name != "enabled"},
    }
    others = tree.children().get(_NEW)
    if others is None or others.value is None:
        others = Node([], old.where)
    if not isinstance(others.value, list):
        return tree
    return Node({**rest, _NEW: Node([*others.elements(), Node(provider, old.where)], others.where)}, tree.where)
