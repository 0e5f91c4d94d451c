"""What others build on changes only in words: api.txt is the public API as it was released last.

`python tests/core/test_api.py` writes it anew; do that when a version is released, not before.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RELEASED = Path(__file__).with_name("api.txt")


def modules():
    core = ROOT / "core"
    for path in sorted((core / "isoscope").rglob("*.py")):
        yield ".".join(path.relative_to(core).with_suffix("").parts).removesuffix(".__init__"), path


def exported(tree):
    """The names in `__all__`."""
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == "__all__":
            return set(ast.literal_eval(node.value)) if isinstance(node.value, ast.List | ast.Tuple) else set()
    return set()


def signature(node):
    returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"({ast.unparse(node.args)}){returned}"


def members(node):
    """Of a class: its fields and its public methods."""
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and (not part.name.startswith("_") or part.name == "__init__"):
            yield part.name, signature(part)
        elif isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name) and part.target.id[0] != "_":
            value = f" = {ast.unparse(part.value)}" if part.value else ""
            yield part.target.id, f": {ast.unparse(part.annotation)}{value}"


def described(name, tree):
    """One line per public function, class, member and constant of a module."""
    public = exported(tree)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in public:
            yield f"{name}.{node.name}{signature(node)}"
        elif isinstance(node, ast.ClassDef) and node.name in public:
            yield f"{name}.{node.name}({', '.join(map(ast.unparse, node.bases))})"
            yield from (f"{name}.{node.name}.{member}{rest}" for member, rest in members(node))
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (f"{name}.{t.id}" for t in targets if isinstance(t, ast.Name) and t.id in public)


def listing():
    return sorted(
        line for name, path in modules() for line in described(name, ast.parse(path.read_text(encoding="utf-8")))
    )


def path_of(line):
    return re.match(r"[\w.]+", line)[0]


def named(line):
    """isoscope.run.Run.save(self, step: int) -> Run.save, Run, save"""
    dotted = path_of(line).split(".")
    own = next((k for k, part in enumerate(dotted) if part[0].isupper()), len(dotted) - 1)
    return {".".join(dotted[own:]), dotted[own], dotted[-1]} - {"__init__"}


def modules_of(line):
    """isoscope.run.Run.save(self, step: int) -> isoscope.run.Run, isoscope.run; a new room is announced as a whole."""
    parts = path_of(line).split(".")
    return {".".join(parts[:k]) for k in range(2, len(parts))}


def unannounced(before, now, unreleased):
    """Lines that came or went and whose name no entry of the changelog has in backticks."""
    dotted = {word for code in re.findall(r"`([^`]+)`", unreleased) for word in re.findall(r"[\w.]+", code)}
    words = dotted | {word.rpartition(".")[2] for word in dotted}
    known = {path_of(line) for line in before}
    return [
        line
        for line in sorted(set(before) ^ set(now))
        if not (named(line) & words or (path_of(line) not in known and modules_of(line) & dotted))
    ]


def test_no_public_name_or_signature_changes_without_a_word_in_the_changelog():
    unreleased = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").split("\n## ")[1]
    found = unannounced(RELEASED.read_text(encoding="utf-8").splitlines(), listing(), unreleased)
    assert not found, (
        "public names changed that CHANGELOG.md does not mention; say under Unreleased, with the name in backticks, "
        "what became of:\n" + "\n".join(found)
    )


@pytest.mark.parametrize(
    ("now", "text", "found"),
    [
        (["m.f(a: int)"], "", []),
        (["m.f(a: int, b: int)"], "", ["m.f(a: int)", "m.f(a: int, b: int)"]),
        (["m.f(a: int, b: int)"], "- `f(b)` is new", []),
        ([], "- f is gone", ["m.f(a: int)"]),
        ([], "- `m.f` is gone", []),
        (["m.f(a: int)", "m.C()", "m.C.go(self)"], "- `C` is new", []),
        (["m.f(a: int)", "m.new.g()"], "- room `m.new`", []),
        ([], "- room `m`", ["m.f(a: int)"]),
        (["m.f(a: int)", "m.C.go(self)"], "- `C.go` is new", []),
    ],
)
def test_a_change_has_to_be_named_as_code(now, text, found):
    assert unannounced(["m.f(a: int)"], now, text) == found


def test_the_listing_knows_what_is_public():
    source = (
        "__all__ = ['C', 'N', 'f']\nN = 1\n_n = 2\ndef f(a: int, *, b=2) -> str: ...\ndef _g(): ...\n"
        "class C(Base):\n    x: int = 3\n    _y: int\n    def go(self, t): ...\n    def _no(self): ...\n"
    )
    assert list(described("m", ast.parse(source))) == [
        "m.N", "m.f(a: int, *, b=2) -> str", "m.C(Base)", "m.C.x: int = 3", "m.C.go(self, t)",
    ]  # fmt: skip


def test_every_module_says_what_is_public():
    silent = [name for name, path in modules() if "__all__" not in path.read_text(encoding="utf-8")]
    assert not silent


if __name__ == "__main__":
    RELEASED.write_text("\n".join(listing()) + "\n", encoding="utf-8")
