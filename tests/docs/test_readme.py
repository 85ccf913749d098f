"""The README and every --help are true: the verbs are there, and the examples run."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from experiments.simulator import simulate
from serving.cli import parser

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMAND = [sys.executable, "-W", "ignore", "-m", "serving.cli"]


def _verbs():
    (action,) = (a for a in parser()._actions if a.dest == "verb")
    return action.choices


def _example(verb):
    return re.search(r"Example: holdfast (.*)", _verbs()[verb].epilog).group(1)


def test_every_verb_is_in_the_readme():
    assert [verb for verb in _verbs() if f"`{verb}`" not in README] == []


def test_every_command_of_the_readme_is_understood():
    commands = re.findall(r"^(?:\$ )?holdfast (.+?)(?:\s+#.*)?$", README, flags=re.MULTILINE)
    for line in commands:
        for command in line.split(" && holdfast "):
            parser().parse_args(shlex.split(command))
    assert len(commands) > 10


def test_every_local_file_that_the_readme_names_is_there():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []
    assert "../shared" not in README


def test_every_make_target_of_the_readme_is_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"`?make ([a-z-]+)", README)
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A small built business with a champion of a month ago, as the current folder."""
    folder = tmp_path_factory.mktemp("shop")
    simulate(folder, customers=500, seed=3)
    _run(folder, "build business.toml")
    _run(folder, "train business.toml --until 2025-06-01")
    return folder


def _run(folder, words):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*COMMAND, *shlex.split(words)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, f"holdfast {words}: {done.stderr[-2000:]}"
    return done.stdout


def test_the_examples_of_the_verbs_run_in_the_order_of_use(shop):
    _run(shop, "train business.toml --no-promote")
    for verb in (
        "check",
        "build",
        "advise",
        "models",
        "promote",
        "rollback",
        "train",
        "score",
        "evaluate",
        "keys",
        "doctor",
    ):
        assert _run(shop, _example(verb)).strip(), verb


def test_the_example_of_init_runs(shop, tmp_path):
    for name in ("purchases.parquet", "customers.parquet"):
        (tmp_path / name).write_bytes((shop / name).read_bytes())
    assert "Next: holdfast check" in _run(tmp_path, _example("init"))
    assert _run(tmp_path, "build proposed.toml").strip()


def test_the_example_of_simulate_runs(tmp_path):
    assert "2,000 customers" in _run(tmp_path, _example("simulate"))


@pytest.mark.data
def test_the_example_of_dataset_runs(tmp_path, data_dir):
    (tmp_path / "downloads").mkdir()
    published = (data_dir / "cdnow" / "CDNOW_master.txt").read_bytes()
    (tmp_path / "downloads" / "CDNOW_master.txt").write_bytes(published)
    said = _run(tmp_path, _example("dataset"))
    assert re.search(r"purchases +69,659\n", said)
    assert "23,570 customers." in said


def test_the_example_of_serve_runs_and_ends_when_told(shop):
    words = shlex.split(_example("serve"))
    port = words[words.index("--port") + 1]
    process = subprocess.Popen(
        [*COMMAND, *words], cwd=shop, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=2) as answer:
                    assert answer.status == 200
                break
            except OSError:
                time.sleep(0.2)
        else:
            pytest.fail("the service did not start within a minute")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
