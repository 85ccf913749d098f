"""business.toml: what it may say, and what is answered to what it may not."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError
from shops import COLUMNS, toml_of

from features.business import load
from features.currencies import MINOR_DIGITS
from features.errors import BusinessError
from features.windows import days, parse_instant

PURCHASES = {"purchases": {"source": "p.csv", "columns": COLUMNS}}
MARKET = {"source": "m.csv", "columns": {"observed_at": "t"}}


def with_keys(**keys):
    """The file with further keys for the purchases."""
    return toml_of({"purchases": PURCHASES["purchases"] | keys})


def loaded(folder, text):
    path = folder / "business.toml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def test_the_documented_file_is_read(tmp_path):
    business = loaded(
        tmp_path,
        """
        [business]
        name     = "cdnow"
        currency = "USD"
        timezone = "UTC"
        observed_until = "1998-07-01"

        [tables.purchases]
        source  = "transactions.parquet"
        columns = { customer_id = "customer_id", purchased_at = "date", amount = "amount", quantity = "n" }

        [tables.customers]
        source  = "customers.csv"
        columns = { customer_id = "id", household_id = "household", joined_at = "since" }
        attributes = ["region", "income"]

        [churn]
        kind     = "silence"
        horizon  = "90d"
        gap      = "0d"
        eligible = "365d"

        [value]
        horizons      = ["90d", "365d"]
        margin        = 0.30
        discount_rate = 0.10

        [workspace]
        path = "out"
        """,
    )
    assert business.path == tmp_path / "business.toml"
    assert business.folder == tmp_path
    assert business.workspace == tmp_path / "out"
    assert business.minor_digits == 2
    assert business.business.observed_until == parse_instant("1998-07-01")
    assert business.churn.horizon == days(90)
    assert business.churn.gap == days(0)
    assert business.value.horizons == (days(90), days(365))
    assert business.tables["customers"][0].mapping == {
        "region": "region",
        "income": "income",
        "customer_id": "id",
        "household_id": "household",
        "joined_at": "since",
    }


def test_what_is_not_said_has_the_documented_default(tmp_path):
    business = loaded(tmp_path, toml_of(PURCHASES, timezone=None))
    assert business.workspace == tmp_path / ".holdfast"
    assert business.business.timezone is None
    assert business.business.observed_until is None
    assert (business.churn.kind, business.churn.horizon) == ("silence", "auto")
    assert (business.churn.gap, business.churn.eligible) == (days(0), days(365))
    assert (business.value.horizons, business.value.margin) == ((days(90), days(365)), 1.0)


def test_a_loaded_business_does_not_change(tmp_path):
    business = loaded(tmp_path, toml_of(PURCHASES))
    with pytest.raises(ValidationError, match="frozen"):
        business.workspace = Path("/")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[business\n", r"not valid TOML: .*line 1"),
        (toml_of(PURCHASES, nme="x"), r"business.nme: unknown key. Did you mean name\?"),
        (
            toml_of(PURCHASES, rest='[churn]\nhorizn = "90d"'),
            r"churn.horizn: unknown key. Did you mean horizon\?",
        ),
        (toml_of(PURCHASES, rest="[chrun]"), r"chrun: unknown key. Did you mean churn\?"),
        (toml_of(PURCHASES, rest="[value]\nmargn = 1"), r"value.margn: unknown key. Did you mean margin\?"),
        (
            toml_of(PURCHASES, rest='[workspace]\npth = "x"'),
            r"workspace.pth: unknown key. Did you mean path\?",
        ),
        (toml_of(PURCHASES, rest="[workspace]\npath = 3"), r"workspace: expected a section with path"),
        ('path = "x"\n' + toml_of(PURCHASES), r"path: unknown key"),
        ('workspace = "x"\n' + toml_of(PURCHASES), r"workspace: expected a section"),
        (
            toml_of({"purchases": {"sorce": "p.csv"}}),
            r"tables.purchases.sorce: unknown key. Did you mean source\?|missing",
        ),
        (toml_of({"purchases": {"columns": COLUMNS}}), r"tables.purchases.source: missing"),
        (
            toml_of({"purchase": {"source": "p"}}),
            r"tables.purchase: there is no such table. Did you mean purchases\?",
        ),
        (
            toml_of({"market": {"source": "p", "columns": {"observed_at": "t"}}} | PURCHASES),
            r"tables.market: market needs at least one indicator",
        ),
        (
            toml_of({"market": MARKET | {"attributes": {"mood": "category"}}} | PURCHASES),
            r"tables.market: the indicators of market are numbers; mood is declared as category",
        ),
        (toml_of({}), r"tables: (missing|needs)"),
        (
            toml_of({"customers": {"source": "p", "columns": {"customer_id": "id"}}}),
            r"needs \[tables.purchases\]",
        ),
        (
            toml_of(PURCHASES, rest='[churn]\nhorizon = "90 days"'),
            r"churn.horizon: '90 days' is not a duration.*'90d'",
        ),
        (toml_of(PURCHASES, rest="[churn]\nhorizon = 90"), r"churn.horizon: '90' is not a duration"),
        (
            toml_of(PURCHASES, rest='[churn]\nhorizon = "0d"'),
            r"churn.horizon: The length must be more than zero",
        ),
        (toml_of(PURCHASES, rest='[churn]\ngap = "-1d"'), r"churn.gap: '-1d' is not a duration"),
        (toml_of(PURCHASES, rest='[churn]\nkind = "quiet"'), r"churn.kind: .*'silence' or 'exit'"),
        (toml_of(PURCHASES, rest="[value]\nhorizons = []"), r"value.horizons"),
        (toml_of(PURCHASES, rest='[value]\nhorizons = ["x"]'), r"value.horizons.0: 'x' is not a duration"),
        (toml_of(PURCHASES, rest="[value]\nmargin = nan"), r"value.margin"),
        (toml_of(PURCHASES, rest="[value]\nmargin = 30"), r"value.margin"),
        (toml_of(PURCHASES, currency="usd"), r"business.currency: 'usd' is not an ISO 4217"),
        (toml_of(PURCHASES, currency="XYZ"), r"business.currency: 'XYZ' is not an ISO 4217"),
        (
            toml_of(PURCHASES, timezone="Europe/Berlln"),
            r"Europe/Berlln' is not a known timezone. Did you mean Europe/Berlin",
        ),
        (toml_of(PURCHASES, observed_until="soon"), r"observed_until: 'soon' is not a date or time"),
        (toml_of(PURCHASES, observed_until=3), r"observed_until: expected a date or time"),
        (
            toml_of({"purchases": {"source": "p", "columns": {"customer_id": "id", "purchased_at": "d"}}}),
            r"tables.purchases: columns: amount is required. Add amount =",
        ),
        (
            toml_of({"purchases": {"source": "p", "columns": COLUMNS | {"ammount": "x"}}}),
            r"columns: ammount is not a column of this table. Did you mean amount\?.*attributes = ",
        ),
        (with_keys(formats={"amuont": "minor"}), r"formats: amuont is not"),
        (with_keys(formats={"customer_id": "minor"}), r"customer_id is not"),
        (with_keys(formats={"amount": "cents"}), r"'cents' is not a format"),
        (with_keys(formats={"purchased_at": "%Q"}), r"'%Q' is not a format"),
        (with_keys(formats={"purchased_at": "epoch_second"}), r"Did you mean epoch_seconds\?"),
        (with_keys(attributes=["Monthly Charge"]), r"'Monthly Charge' is not a plain name"),
        (with_keys(attributes=["at"]), r"'at' is taken by the store"),
        (with_keys(attributes=["Amount"]), r"'Amount' differs from amount only"),
        (with_keys(attributes=["a", "A"]), r"'A' differs from a only"),
        (
            with_keys(attributes={"channel": "number"}),
            r"channel is a column of this table and has the kind category, not number",
        ),
        (with_keys(attributes={"x": "colour"}), r"attributes.*'category'"),
        (with_keys(table="x"), r"table goes with a postgresql"),
    ],
)
def test_what_cannot_be_is_answered_with_what_could(tmp_path, text, match):
    with pytest.raises(BusinessError, match=match) as caught:
        loaded(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path))


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(
        BusinessError,
        match=r"no file .*nothing.toml. Let `holdfast init` write one .*`holdfast simulate`",
    ):
        load(tmp_path / "nothing.toml")
    with pytest.raises(BusinessError, match=r"is a folder\. Name the file in it, as in .*/business\.toml\."):
        load(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'[business]\nname = "\xe9"\n')
    with pytest.raises(BusinessError, match="it is not UTF-8 text"):
        load(tmp_path / "latin.toml")


@pytest.mark.parametrize(
    "name", ["it's", 'a"b', "a/b", "a:b", "a\\b", "..", " shop", "shop ", "a\nb", "shop%", "", "x" * 201]
)
def test_a_name_that_no_registry_takes_is_refused_where_it_is_given(tmp_path, name):
    text = toml_of(PURCHASES, name="NAME").replace("'NAME'", json.dumps(name))
    with pytest.raises(
        BusinessError, match=r"business\.name: .*(letters, digits, spaces|at least 1|at most 200)"
    ):
        loaded(tmp_path, text)


@pytest.mark.parametrize("name", ["a", "corner shop", "Käthes Laden-2", "a_b.c", "店"])
def test_a_plain_name_is_taken(tmp_path, name):
    assert loaded(tmp_path, toml_of(PURCHASES, name=name)).business.name == name


@pytest.mark.parametrize(
    ("written", "zone", "instant"),
    [
        ('"1998-07-01"', "UTC", "1998-07-01"),
        ("1998-07-01", "UTC", "1998-07-01"),
        ("1998-07-01T12:00:00Z", "Europe/Berlin", "1998-07-01T12:00:00Z"),
        ('"1998-07-01"', "Europe/Berlin", "1998-06-30T22:00:00Z"),
        ("1998-01-01", "Europe/Berlin", "1997-12-31T23:00:00Z"),
        ('"1998-07-01T00:00:00+00:00"', "Europe/Berlin", "1998-07-01"),
    ],
)
def test_observed_until_is_in_the_timezone_of_the_business(tmp_path, written, zone, instant):
    text = toml_of(PURCHASES, timezone=zone).replace("[tables", f"observed_until = {written}\n[tables", 1)
    assert loaded(tmp_path, text).business.observed_until == parse_instant(instant)


def test_attributes_may_be_mapped_and_may_name_columns_of_the_table(tmp_path):
    purchases = {
        "source": "p.csv",
        "columns": COLUMNS | {"monthly": "Monthly Charge"},
        "attributes": {"monthly": "number", "channel": "category"},
    }
    source = loaded(tmp_path, toml_of({"purchases": purchases})).tables["purchases"][0]
    assert source.mapping == COLUMNS | {"monthly": "Monthly Charge", "channel": "channel"}


def test_every_currency_has_its_digits():
    assert (MINOR_DIGITS["USD"], MINOR_DIGITS["JPY"], MINOR_DIGITS["KWD"], MINOR_DIGITS["CLF"]) == (
        2,
        0,
        3,
        4,
    )
    assert all(len(code) == 3 and code.isupper() for code in MINOR_DIGITS)


def test_the_bar_of_quality_has_a_default(tmp_path):
    quality = loaded(tmp_path, toml_of(PURCHASES)).quality
    assert (quality.minimum, quality.trusted) == ("C", ())
    rest = '[quality]\nminimum = "B"\ntrusted = ["purchases.amount"]'
    quality = loaded(tmp_path, toml_of(PURCHASES, rest=rest)).quality
    assert (quality.minimum, quality.trusted) == ("B", ("purchases.amount",))


@pytest.mark.parametrize(
    ("rest", "match"),
    [
        ('[quality]\nminimum = "G"', r"quality\.minimum: .*'A', 'B'"),
        ('[quality]\nminimal = "A"', r"quality\.minimal: unknown key\. Did you mean minimum\?"),
        ('[quality]\ntrusted = "purchases.amount"', r"quality\.trusted"),
        (
            '[quality]\ntrusted = ["purchases.amuont"]',
            r"'purchases\.amuont' is not a mapped column\. Did you mean purchases\.amount\?",
        ),
        ("[qualty]\nx = 1", r"qualty: unknown key\. Did you mean quality\?"),
        ("[identity_map]\nx = 1", r"identity_map: unknown key\. Did you mean identities\?"),
    ],
)
def test_a_mistake_about_quality_is_answered_with_the_nearest_name(tmp_path, rest, match):
    with pytest.raises(BusinessError, match=match):
        loaded(tmp_path, toml_of(PURCHASES, rest=rest))


def test_the_market_is_allowed(tmp_path):
    market = MARKET | {"attributes": ["unemployment"]}
    business = loaded(tmp_path, toml_of(PURCHASES | {"market": market}))
    assert business.columns_of("market") == {"observed_at", "unemployment"}


def test_what_several_sources_map_is_their_union(tmp_path):
    sources = [
        {"name": "web", "source": "a.csv", "columns": COLUMNS, "attributes": ["x"]},
        {
            "source": "b.csv",
            "columns": COLUMNS | {"channel": "lane"},
            "attributes": {"x": "flag", "y": "number"},
        },
    ]
    business = loaded(tmp_path, toml_of({"purchases": sources}))
    assert [source.name for source in business.tables["purchases"]] == ["web", None]
    assert business.columns_of("purchases") == {*COLUMNS, "channel", "x", "y"}
    assert business.attribute_kinds("purchases") == {"x": "flag", "y": "number"}
    business = loaded(tmp_path, toml_of({"purchases": sources[::-1]}))
    assert business.attribute_kinds("purchases") == {"x": "flag", "y": "number"}
    assert business.columns_of("exits") == frozenset()
    assert business.attribute_kinds("exits") == {}


def test_a_currency_is_written_in_columns_of_all_sources(tmp_path):
    one = {"source": "a.csv", "columns": COLUMNS | {"currency": "c"}}
    other = {"source": "b.csv", "columns": COLUMNS, "attributes": ["currency"]}
    with pytest.raises(
        BusinessError, match="currency is in columns of one source and in attributes of another"
    ):
        loaded(tmp_path, toml_of({"purchases": [one, other]}))
