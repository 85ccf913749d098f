"""Small businesses for end-to-end tests, made from rows in words."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

TOML = """
[business]
name     = "corner-shop"
currency = "USD"
{zone}

[tables.purchases]
source  = "{source}"
columns = {{ {columns} }}
{more}

[churn]
horizon  = "{horizon}"
eligible = "365d"

[value]
horizons = ["{horizon}"]
margin   = 0.3
"""
COLUMNS = 'customer_id = "customer_id", purchased_at = "purchased_at", amount = "amount"'


def write_business(folder: Path, **changes: str) -> Path:
    """Write a business.toml; ``changes`` replace the usual zone, source, columns, more lines or horizon."""
    usual = {
        "zone": 'timezone = "UTC"',
        "source": "purchases.csv",
        "columns": COLUMNS,
        "more": "",
        "horizon": "30d",
    }
    path = folder / "business.toml"
    path.write_text(TOML.format(**{**usual, **changes}), encoding="utf-8")
    return path


def write_csv(folder: Path, *rows: str, header: str = "customer_id,purchased_at,amount") -> None:
    """Write purchases.csv."""
    (folder / "purchases.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def write_parquet(folder: Path, **columns: list[object]) -> None:
    """Write purchases.parquet."""
    pq.write_table(pa.table(columns), folder / "purchases.parquet")


def holdfast(*words: object, expect: int = 0) -> dict[str, object]:
    """Run a command with --json in its own process; return its document with ``stderr`` beside it."""
    command = [sys.executable, "-W", "ignore", "-m", "serving.cli", *map(str, words), "--json"]
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == expect, f"exit {done.returncode}: {done.stderr[-2000:]}{done.stdout[-500:]}"
    assert "Traceback" not in done.stderr
    answer = json.loads(done.stdout) if done.stdout.strip() else {}
    return {"answer": answer, "stderr": done.stderr}
