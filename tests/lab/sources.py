"""The modules of pkdoors as syntax trees, each parsed once; tests ask them who imports what."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pkdoors

ROOT = Path(pkdoors.__file__).parent


@cache
def modules() -> Mapping[str, ast.Module]:
    """Return the modules by their name below C{pkdoors}; a package has that of its folder."""
    paths = {path.relative_to(ROOT).with_suffix("").parts: path for path in ROOT.rglob("*.py")}
    return {
        ".".join(parts[:-1] if parts[-1] == "__init__" else parts): ast.parse(path.read_text())
        for parts, path in sorted(paths.items())
    }


@cache
def imports(name: str, atTop: bool = False) -> frozenset[str]:
    """
    Return what a module imports: C{a.b} for C{from a import b}.

    @param atTop: whether to leave out what is imported within functions.
    """
    tree = modules()[name]
    return frozenset(_imports(tree.body if atTop else ast.walk(tree)))


def _imports(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def inside(name: str, atTop: bool = False) -> frozenset[str]:
    """Return the modules of pkdoors that one of them imports."""
    own = [each[8:] for each in imports(name, atTop) if each.startswith("pkdoors.")]
    found = {each if each in modules() else each.rpartition(".")[0] for each in own}
    return frozenset(found - {name})


def reached(*names: str, atTop: bool = False) -> set[str]:
    """Return those modules of pkdoors, and all that they import by way of others."""
    seen: set[str] = set()
    todo = set(names)
    while todo:
        name = todo.pop()
        seen.add(name)
        todo |= inside(name, atTop) - seen
    return seen


def outside(name: str, atTop: bool = False) -> set[str]:
    """Return the first part of what a module imports from elsewhere."""
    return {each.partition(".")[0] for each in imports(name, atTop)} - {"pkdoors"}


def namedIn(name: str) -> set[str]:
    """Return the attributes that a module names, as C{x.y} if what has them is a plain name."""
    found = set()
    for node in ast.walk(modules()[name]):
        if isinstance(node, ast.Attribute):
            found |= {node.attr}
            found |= {f"{node.value.id}.{node.attr}"} if isinstance(node.value, ast.Name) else set()
    return found


@cache
def isPure(name: str) -> bool:
    """Return whether the docstring of a module, or of its package, says that it is pure."""
    package = name.rpartition(".")[0]
    return any("Pure" in (ast.get_docstring(modules()[each]) or "") for each in (name, package))
