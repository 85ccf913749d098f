"""Rules that hold for every file of the project."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = [
    path for p in ("features", "training", "serving", "experiments") for path in (ROOT / p).rglob("*.py")
]


def _tracked():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_the_product_never_reads_or_writes_a_pickle():
    banned = re.compile(
        r"^\s*(?:import|from)\s+(?:pickle|joblib|cloudpickle|dill|shelve|marshal)\b", re.MULTILINE
    )
    assert [str(path) for path in PRODUCT if banned.search(path.read_text(encoding="utf-8"))] == []


def test_no_file_that_runs_code_or_belongs_to_others_is_tracked():
    endings = {".pkl", ".pickle", ".joblib", ".parquet", ".xlsx", ".rda", ".db"}
    assert [path.name for path in _tracked() if path.suffix in endings] == []


def test_the_lock_names_no_index_and_every_package_has_a_hash():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert not re.search(r"index-url|find-links|https?://", lock)
    packages = re.findall(r"^[a-z0-9][\w.\-\[\]]*==\S+.*$", lock, flags=re.MULTILINE)
    assert len(packages) > 100
    assert all(line.endswith("\\") for line in packages)


def test_a_cpu_machine_downloads_no_gpu_libraries():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "xgboost-cpu==" in lock
    assert "nvidia-nccl" not in lock
    assert not re.search(r"^xgboost==", lock, flags=re.MULTILINE)
