"""
Which modules the client in one file consists of, and their text as it stands there. Pure.

The modules are found by following imports from the commands. A module that cannot do without other
libraries is left out.
"""

import ast
from collections.abc import Container, Iterable, Iterator, Mapping

from pkdoors.errors import InstallError


class Modules:
    """
    Modules of pkdoors.

    @param sources: the name of each -> its text.
    @param library: the modules of the standard library.
    """

    def __init__(self, sources: Mapping[str, str], library: Container[str]) -> None:
        self._sources = sources
        self._library = library
        self._imports: dict[str, tuple[frozenset[str], frozenset[str]]] = {}

    def choose(self, roots: Iterable[str], without: Container[str] = ()) -> list[str]:
        """
        Return the modules that some modules need, and the packages around them, sorted. What a
        function imports counts as well, if it is of use without other libraries.

        @param without: modules that are left out if only functions import them.
        @raise InstallError: one of them needs another library.
        """
        chosen: set[str] = set()
        todo = list(roots)
        for name in todo:
            if libraries := self.findLibraries(name):
                raise InstallError(f"{name} needs {', '.join(sorted(libraries))}")
        while todo:
            name = todo.pop()
            if name not in chosen:
                chosen.add(name)
                todo += self.inside(name, atTop=True)
                late = [each for each in self.inside(name) if each not in without]
                todo += [each for each in late if not self.findLibraries(each)]
                todo += filter(None, [name.rpartition(".")[0]])
        return sorted(chosen)

    def listNeeded(self, names: Iterable[str]) -> list[str]:
        """Return the modules that are loaded together with others."""
        found: list[str] = []
        todo = list(names)
        while todo:
            name = todo.pop()
            if name not in found:
                found.append(name)
                todo += self.inside(name, atTop=True)
        return found

    def findLibraries(self, name: str) -> set[str]:
        """Return the libraries, beside the standard one, that must be there to load a module."""
        parts = {
            each.partition(".")[0]
            for needed in self.listNeeded([name])
            for each in self._importsOf(needed, atTop=True)
        }
        return {part for part in parts - {"pkdoors"} if part not in self._library}

    def inside(self, name: str, atTop: bool = False) -> list[str]:
        """
        Return the modules of pkdoors that a module imports.

        @param atTop: whether to leave out what functions import.
        """
        known = self._sources.keys()
        found = self._importsOf(name, atTop)
        owners = {each if each in known else each.rpartition(".")[0] for each in found}
        return sorted(owners & known - {name})

    def render(self, name: str) -> str:
        """Return the text of a module, without what only readers and type checkers need."""
        tree = _Shortener().visit(ast.parse(self._sources[name]))
        return ast.unparse(ast.fix_missing_locations(tree)) + "\n"

    def _importsOf(self, name: str, atTop: bool) -> frozenset[str]:
        if name not in self._imports:
            tree = ast.parse(self._sources[name])
            both = frozenset(_listImports(tree, False)), frozenset(_listImports(tree, True))
            self._imports[name] = both
        return self._imports[name][atTop]


def _listImports(tree: ast.Module, atTop: bool) -> Iterator[str]:
    """Yield what a module imports when it runs: C{a.b} for C{from a import b}."""
    todo: list[ast.AST] = [*tree.body]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and _isForTypes(node):
            todo += node.orelse
        elif not atTop or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            todo += ast.iter_child_nodes(node)


def _isForTypes(node: ast.If) -> bool:
    return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


class _Shortener(ast.NodeTransformer):
    """
    Removes docstrings, and the types of functions. Those of classes stay: they are the fields of
    named tuples.
    """

    _isInFunction = False

    def visit_Module(self, node: ast.Module) -> ast.AST:
        """Shorten a module."""
        self.generic_visit(node)
        node.body = [each for each in node.body if not _isDocstring(each)]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Shorten a class."""
        before, self._isInFunction = self._isInFunction, False
        self.generic_visit(node)
        self._isInFunction = before
        return _withBody(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Shorten a function."""
        return self._shortenFunction(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        """Shorten a function."""
        return self._shortenFunction(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """Shorten a parameter."""
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        """Shorten an assignment."""
        self.generic_visit(node)
        if not self._isInFunction:
            return node
        return node.value and ast.Assign([node.target], node.value, lineno=node.lineno)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt] | None:
        """Leave out what is for type checkers alone."""
        self.generic_visit(node)
        return (node.orelse or None) if _isForTypes(node) else node

    def _shortenFunction(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        before, self._isInFunction = self._isInFunction, True
        self.generic_visit(node)
        self._isInFunction = before
        node.returns = None
        return _withBody(node)


def _withBody(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
    node.body = [each for each in node.body if not _isDocstring(each)] or [ast.Pass()]
    return node


def _isDocstring(node: ast.stmt) -> bool:
    """Return whether a statement is a text that nothing uses."""
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)
