"""What `advise` says: its errors by name, contracts, the table and the page; and what "auto" becomes."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from shops import built, csv_shop

from features import business as businesses
from features.errors import QuestionError, UserError
from features.store import Store
from features.windows import days, parse_instant, to_datetime
from serving import cli, curve
from training import advice

SUBSCRIPTIONS = {
    "subscriptions": {
        "source": "subscriptions.csv",
        "columns": {"customer_id": "id", "started_at": "start", "plan": "plan"},
    }
}


def quiet(_what, _done, _total):
    pass


def day(number):
    return to_datetime(parse_instant("2023-01-01") + days(number).microseconds).date().isoformat()


def rows(until=540, every=40):
    """Twenty customers who buy every 40 days, ten of them for the first 200 days only."""
    lines = []
    for k in range(20):
        ends = until if k % 2 else 200
        lines += [f"c{k},{day(at)},10.00" for at in range(k, ends, every)]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A business.toml that leaves the horizon to the advisor, built."""
    business = csv_shop(tmp_path_factory.mktemp("shop"), rows())
    built(business)
    return business


def advised(business, until=None):
    store = Store.of(business)
    return advice.advise(business, store, store.observed_until if until is None else until, quiet)


def run(capsys, *words):
    code = cli.main([*map(str, words)])
    out, err = capsys.readouterr()
    return code, out, err


def test_half_who_leave_and_half_who_return_are_told_apart(shop):
    found = advised(shop)
    assert (found.kind, found.horizon) == ("silence", days(45))
    chosen = next(one for one in found.candidates if one.horizon_days == 45)
    assert chosen.regret.value == 0
    assert found.candidates[0].regret.value > advice.TOLERANCE
    assert "45d is the shortest horizon with both errors at most 20 %" in found.reason


def test_it_says_where_hardly_anybody_ever_returns(tmp_path):
    lines = [f"c{k},{day(k % 200)},10.00" for k in range(100)]
    lines += [f"c1,{day(240)},10.00", f"c9,{day(539)},1.00"]
    business = csv_shop(tmp_path, "\n".join(lines) + "\n")
    built(business)
    said = advised(business).reason
    assert re.search(r"Only [1-4] % ever bought again: each horizon calls nearly everybody churned", said)


def test_where_many_return_nothing_is_said_of_few(shop):
    assert "ever bought again" not in advised(shop).reason


def test_it_says_how_often_repeat_buyers_buy(shop):
    facts = advised(shop).facts
    assert (facts["repeat_buyers"], facts["gap_days_median"], facts["gap_days_ninth_decile"]) == (20, 40, 40)


def test_the_future_of_until_is_not_looked_at(tmp_path, shop):
    until = parse_instant(day(300))
    short = csv_shop(tmp_path, rows(until=300), observed_until=day(300))
    built(short)
    assert advised(shop, until).to_dict() == advised(short).to_dict()


@pytest.mark.parametrize(
    ("lines", "keys", "says"),
    [
        ([f"c{k},2024-01-{k + 1:02d},5.00" for k in range(20)], {}, "history is too short"),
        (["a,2023-01-01,-5.00", "b,2024-01-01,-5.00"], {}, "There is no purchase before"),
        (
            ["a,2023-01-01,5.00"],
            {"observed_until": "2024-01-01", "rest": '[churn]\neligible = "7d"'},
            "eligible",
        ),
    ],
    ids=["a short history", "returns only", "nobody eligible"],
)
def test_what_cannot_be_advised_is_an_error_with_a_way_out(tmp_path, lines, keys, says):
    business = csv_shop(tmp_path, "\n".join(lines) + "\n", **keys)
    built(business)
    with pytest.raises(QuestionError, match=says):
        advised(business)


def test_advice_beyond_the_facts_is_refused(shop):
    store = Store.of(shop)
    with pytest.raises(QuestionError, match="would look beyond them"):
        advice.advise(shop, store, store.observed_until + 1, quiet)


@pytest.fixture
def contracts(tmp_path):
    """Purchases and contracts side by side."""
    (tmp_path / "subscriptions.csv").write_text("id,start,plan\nc1,2023-01-01,basic\n", encoding="utf-8")
    business = csv_shop(tmp_path, rows(), tables=SUBSCRIPTIONS)
    built(business)
    return business


def test_contracts_mean_exit_and_the_silence_is_told_beside_it(contracts, capsys):
    found = advised(contracts)
    assert (found.kind, found.horizon) == ("exit", days(45))
    assert 'kind = "exit"' in found.reason
    code, out, _ = run(capsys, "advise", contracts.path)
    assert code == 0
    assert 'Recommended: kind = "exit"' in out


def test_contracts_alone_mean_exit_without_a_horizon(tmp_path, capsys):
    (tmp_path / "subscriptions.csv").write_text("id,start,plan\nc1,2023-01-01,basic\n", encoding="utf-8")
    path = tmp_path / "business.toml"
    table = SUBSCRIPTIONS["subscriptions"]
    columns = ", ".join(f'{ours} = "{theirs}"' for ours, theirs in table["columns"].items())
    path.write_text(
        '[business]\nname = "club"\ncurrency = "USD"\ntimezone = "UTC"\n'
        f'[tables.subscriptions]\nsource = "{table["source"]}"\ncolumns = {{ {columns} }}\n',
        encoding="utf-8",
    )
    business = businesses.load(path)
    built(business)
    code, out, _ = run(capsys, "advise", path, "--json")
    said = json.loads(out)
    assert (code, said["kind"], said["horizon"], said["candidates"]) == (0, "exit", None, [])
    code, out, _ = run(capsys, "advise", path, "--out", tmp_path / "page.html")
    assert 'kind = "exit"' in out
    assert "<svg" not in (tmp_path / "page.html").read_text(encoding="utf-8")
    with pytest.raises(QuestionError, match='"auto" finds no horizon'):
        advice.settled(business, Store.of(business), Store.of(business).observed_until, quiet)


def test_auto_is_settled_and_a_written_horizon_is_kept(shop):
    store = Store.of(shop)
    found, why = advice.settled(shop, store, store.observed_until, quiet)
    assert found.churn.horizon == days(45)
    assert why == advised(shop).reason
    assert (found.churn.gap, found.churn.eligible) == (shop.churn.gap, shop.churn.eligible)
    assert advice.settled(found, store, store.observed_until, quiet) == (found, "")


def test_auto_by_exit_asks_for_a_horizon(contracts):
    by_exit = contracts.model_copy(update={"churn": contracts.churn.model_copy(update={"kind": "exit"})})
    with pytest.raises(QuestionError, match="how far ahead"):
        advice.settled(by_exit, Store.of(by_exit), Store.of(by_exit).observed_until, quiet)


def test_a_person_sees_the_recommended_row_and_the_line_to_write(shop, capsys):
    code, out, err = run(capsys, "advise", shop.path)
    assert (code, err) == (0, "")
    assert len(re.findall(r"^→  45d", out, flags=re.MULTILINE)) == 1
    assert 'horizon = "45d" under [churn]' in out
    assert all(len(line) <= 200 for line in out.splitlines())


def test_the_horizon_of_the_file_is_compared(tmp_path, capsys):
    business = csv_shop(tmp_path, rows(), rest='[churn]\nhorizon = "14d"')
    built(business)
    _, out, _ = run(capsys, "advise", business.path)
    assert re.search(r"business.toml says 14d: of those it calls churned \d+ % came back", out)


def test_a_machine_gets_shares_and_null_for_nobody(shop, capsys):
    code, out, _ = run(capsys, "advise", shop.path, "--json")
    said = json.loads(out)
    assert code == 0
    assert set(said) == {"kind", "horizon", "reason", "candidates", "current", "curve", "facts"}
    assert [one["horizon_days"] for one in said["candidates"]] == sorted(advice.CANDIDATES)[:7]
    assert {"regret", "regret_low", "regret_high", "called_churned", "given_up", "followed_days"} < set(
        said["candidates"][0]
    )
    assert [point["days"] for point in said["curve"]] == list(range(7, 181, 7))


class _Tags(HTMLParser):
    """Which tags a page opens, and what they point at."""

    def __init__(self):
        super().__init__()
        self.tags, self.links = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in {"src", "href"}]


def test_the_page_draws_both_curves_and_fetches_nothing(shop, tmp_path, capsys):
    page = tmp_path / "advice.html"
    code, out, _ = run(capsys, "advise", shop.path, "--out", page)
    assert code == 0
    assert str(page) in out
    found = _Tags()
    found.feed(page.read_text(encoding="utf-8"))
    assert found.tags.count("polyline") == 2
    assert found.links == []
    assert "script" not in found.tags
    assert list(tmp_path.iterdir()) == [page]


def test_a_page_that_cannot_be_written_is_an_error(shop, tmp_path, capsys):
    code, _, err = run(capsys, "advise", shop.path, "--out", tmp_path / "absent" / "advice.html")
    assert code == UserError.exit_code
    assert "cannot be written" in err


def test_a_name_is_escaped_on_the_page(shop):
    assert "<b>" not in curve.as_page(advised(shop), "<b>shop")


def test_one_day_of_purchases_for_each_says_so(tmp_path):
    lines = [f"c{k},{day(20 * k)},5.00" for k in range(20)]
    business = csv_shop(tmp_path, "\n".join(lines) + "\n")
    built(business)
    found = advised(business)
    assert "Nobody has bought on two days." in curve.as_text(found, "shop")
    assert found.horizon == days(14)


def test_a_share_of_nobody_is_a_dash(shop):
    found = advised(shop)
    empty = replace(found.candidates[0], given_up=float("nan"), regret=advice.Interval(*[float("nan")] * 3))
    said = curve.as_text(replace(found, candidates=(empty,), curve=()), "shop")
    assert said.count("–") >= 2
    assert empty.to_dict()["regret"] is None


def test_a_business_that_says_exit_already_is_told_that_it_is_right(contracts, capsys):
    path = contracts.path
    path.write_text(
        path.read_text(encoding="utf-8").replace("[churn]\n", '[churn]\nkind = "exit"\n'), encoding="utf-8"
    )
    if "[churn]" not in path.read_text(encoding="utf-8"):
        with path.open("a", encoding="utf-8") as file:
            file.write('[churn]\nkind = "exit"\nhorizon = "90d"\n')
    code, out, _ = run(capsys, "advise", path)
    assert code == 0
    assert "is right as it stands" in out
    assert "trains no model of it yet" in out
    assert 'write kind = "exit"' not in out
    assert "Recommended: no change." in out
