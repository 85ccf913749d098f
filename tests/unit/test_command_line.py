"""What the command line says to people: of numbers that are none, derived tables, columns of figures."""

import pytest
from shops import csv_shop

from serving import cli, verbs


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["simulate", "made", "--customers", "abc"], "'abc' is no whole number of 1 or more"),
        (["simulate", "made", "--customers", "0"], "'0' is no whole number of 1 or more"),
        (["simulate", "made", "--customers", "1.5"], "'1.5' is no whole number of 1 or more"),
        (["train", "business.toml", "--trials", "-1"], "'-1' is no whole number of 0 or more"),
    ],
)
def test_a_number_that_is_none_is_answered_in_words(words, says, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(words)
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err


def test_a_build_says_where_the_prices_of_plans_come_from(tmp_path, capsys):
    contracts = "id,start,plan,price\nc1,2023-01-01,basic,9.90\n"
    (tmp_path / "subscriptions.csv").write_text(contracts, encoding="utf-8")
    columns = {"customer_id": "id", "started_at": "start", "plan": "plan", "price": "price"}
    tables = {"subscriptions": {"source": "subscriptions.csv", "columns": columns}}
    business = csv_shop(tmp_path, "c1,2023-03-01,10.00\n", tables=tables)
    assert cli.main(["build", str(business.path)]) == 0
    (line,) = [one for one in capsys.readouterr().out.splitlines() if one.startswith("plan_prices")]
    assert line.endswith("made from subscriptions: each plan's median price, month by month")


def test_the_figures_of_a_column_have_as_many_digits_in_every_row():
    shown = verbs.table(["percentile", "chance"], [[5.263, 0.5], [97.4, 0.0625], [100.0, None]])
    rows = [line.split() for line in shown.splitlines()[2:]]
    assert rows == [["5.3", "0.500"], ["97.4", "0.062"], ["100.0"]]
