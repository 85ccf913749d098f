"""Settings are read once, and never print a secret."""

from pathlib import Path

import pytest
from fakes import business

from features.errors import UserError
from serving.settings import Secret, Settings, read, score_url

NEEDED = {"HOLDFAST_BUSINESS": "/shop/business.toml"}


def test_only_the_business_is_needed():
    settings = read(NEEDED)
    assert settings == Settings(Path("/shop/business.toml"))
    assert (settings.host, settings.port, settings.body_bytes) == ("127.0.0.1", 3000, 1 << 20)


def test_a_missing_business_says_what_to_set():
    with pytest.raises(UserError, match="HOLDFAST_BUSINESS is not set"):
        read({})


def test_a_secret_prints_as_stars_wherever_it_is_printed():
    settings = read({**NEEDED, "HOLDFAST_SCORES": "postgresql://me:hush@db/shop"})
    assert "hush" not in f"{settings} {settings!r} {settings.scores} {Secret('hush')!r}"
    assert settings.scores is not None
    assert settings.scores.reveal() == "postgresql://me:hush@db/shop"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HOLDFAST_PORT", "70000"),
        ("HOLDFAST_PORT", "0"),
        ("HOLDFAST_PORT", "٣"),
        ("HOLDFAST_MAX_REQUESTS", "-1"),
        ("HOLDFAST_MAX_CUSTOMERS", "1.5"),
        ("HOLDFAST_BODY_SECONDS", "soon"),
        ("HOLDFAST_BODY_SECONDS", "nan"),
        ("HOLDFAST_ANSWER_SECONDS", "1e9"),
        ("HOLDFAST_LOG_LEVEL", "LOUD"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_the_name_of_its_variable(variable, value):
    with pytest.raises(UserError, match=variable) as refused:
        read({**NEEDED, variable: value})
    assert value not in str(refused.value)


def test_another_process_reads_the_same_settings():
    settings = read(
        {
            **NEEDED,
            "HOLDFAST_SCORES": "sqlite:///s.db",
            "HOLDFAST_PORT": "8080",
            "HOLDFAST_BODY_SECONDS": "0.5",
        }
    )
    assert read(settings.environment()) == settings


def test_the_score_table_lies_in_the_workspace_unless_a_url_says_otherwise(tmp_path):
    shop = business(tmp_path)
    assert score_url(None, shop) == f"sqlite:///{shop.workspace / 'scores.db'}"
    assert score_url(Secret("sqlite:///own.db"), shop) == f"sqlite:///{tmp_path / 'own.db'}"
    assert score_url(Secret("sqlite:////var/own.db"), shop) == "sqlite:////var/own.db"
    assert score_url(Secret("postgresql://host/db"), shop) == "postgresql://host/db"
