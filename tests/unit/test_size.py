"""Beauty as numbers that can fail: functions ≤ 40 lines at p95, files ≤ 400, all documented and annotated."""

import ast
import math
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = [
    path
    for package in ("features", "training", "serving", "experiments")
    for path in sorted((ROOT / package).rglob("*.py"))
]
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
FUNCTIONS = [
    (path, node)
    for path, tree in TREES.items()
    for node in ast.walk(tree)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
]


def _where(path, node):
    return f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"


def test_95_of_100_functions_fit_in_40_lines():
    lengths = sorted(node.end_lineno - node.lineno + 1 for _, node in FUNCTIONS)
    assert lengths[math.ceil(0.95 * len(lengths)) - 1] <= 40


def test_no_file_is_longer_than_400_lines():
    long = {
        str(path.relative_to(ROOT)): lines
        for path in FILES
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert long == {}


def test_every_public_name_is_documented():
    bare = [
        _where(path, node)
        for path, tree in TREES.items()
        for owner in [tree, *(n for n in tree.body if isinstance(n, ast.ClassDef))]
        for node in owner.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and ast.get_docstring(node) is None
    ]
    assert bare == []
    assert [str(path) for path, tree in TREES.items() if ast.get_docstring(tree) is None] == []


def test_every_function_is_annotated():
    bare = []
    for path, node in FUNCTIONS:
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        open_ones = [a.arg for a in arguments if a.annotation is None and a.arg not in {"self", "cls"}]
        if open_ones or (node.returns is None):
            bare.append(_where(path, node))
    assert bare == []


def test_nothing_is_called_utils_common_helpers_base_or_manager():
    names = {path.stem for path in FILES} | {path.parent.name for path in FILES}
    assert names.isdisjoint({"utils", "common", "helpers", "base", "manager"})
