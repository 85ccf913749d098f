"""The three sentences on top of a card: what it finds, whether its numbers are right, what it adds."""

from collections.abc import Mapping
from typing import Any

from training.card.evidence import MODEL, YARDSTICKS
from training.card.grade import MEAN_OF_ALL
from training.card.plots import percent

_TOP = 20
NAMES = {
    MODEL: "this model",
    "champion": "champion",
    "recency_rule": "recency rule",
    "rfm": "RFM",
    "btyd": "buy till you die",
    "btyd_gamma_gamma": "buy till you die with Gamma-Gamma",
    MEAN_OF_ALL: "same for everybody",
}
"""What predictions are called for people."""


def named(name: str) -> str:
    """The name of a model or baseline for people."""
    return NAMES.get(name, name.replace("_", " "))


def sentences(card: Mapping[str, Any]) -> list[str]:
    """Write three sentences for whoever has half a minute."""
    return [_finds(card), _is_right(card), _adds(card)]


def _finds(card: Mapping[str, Any]) -> str:
    is_chance = YARDSTICKS[card["kind"]].is_chance
    found, perfect = card["curves"]["gain"][MODEL][_TOP], card["curves"]["perfect_gain"][_TOP]
    first, last = card["deciles"][0], card["deciles"][-1]
    if found is None:
        return (
            "Nobody left among those who judge it."
            if is_chance
            else "Nothing was bought by those who judge it."
        )
    if not is_chance:
        return (
            f"The {_TOP} % of customers whom it puts first brought {percent(found)} of all value; chance "
            f"picks {_TOP} %, and whoever knew the outcome {percent(perfect)}."
        )
    if card["realised_total"] > card["rows"] / 2:
        return (
            f"Of the tenth of customers whom it calls safest {percent(last['realised'])} left, of the tenth "
            f"at the highest risk {percent(first['realised'])}; of all, "
            f"{percent(card['realised_total'] / card['rows'])}."
        )
    return (
        f"The {_TOP} % of customers whom it puts first hold {percent(found)} of all who left; chance finds "
        f"{_TOP} %, and whoever knew the outcome {percent(perfect)}."
    )


def _is_right(card: Mapping[str, Any]) -> str:
    expected, realised = card["expected_total"], card["realised_total"]
    if YARDSTICKS[card["kind"]].is_chance:
        said = f"It expected {expected:,.0f} of {card['rows']:,} to leave, and {realised:,.0f} left"
    else:
        currency = card["facts"].get("currency", "")
        said = f"It expected {expected:,.0f} {currency}".rstrip() + f", and {realised:,.0f} came"
    bias = card["metrics"][MODEL]["bias"]
    if bias["value"] is None or bias["low"] is None:
        return f"{said}."
    off = f"{percent(abs(bias['value']))} too {'much' if bias['value'] > 0 else 'little'}"
    if YARDSTICKS[card["kind"]].is_chance:
        off = f"{percent(abs(bias['value']))} too {'many' if bias['value'] > 0 else 'few'}"
    chance = "may be chance" if bias["low"] <= 0 <= bias["high"] else "is more than chance"
    return f"{said}: {off}, which {chance} (95 % interval {percent(bias['low'])} to {percent(bias['high'])})."


def _adds(card: Mapping[str, Any]) -> str:
    gain, letter = card["grade"]["gain"], card["grade"]["letter"]
    rival = named(card["grade"]["baseline"])
    if gain["value"] is None or gain["low"] is None:
        return "How it compares with the best baseline is not defined; do not use it."
    better = "smaller" if gain["value"] >= 0 else "larger"
    said = f"Its error is {percent(abs(gain['value']))} {better} than that of the best baseline ({rival})"
    sure = "beyond chance" if gain["low"] > 0 or gain["high"] < 0 else "which may be chance"
    ends = f"{percent(gain['low'])} to {percent(gain['high'])} saved"
    lowered = "; bad calibration lowers the grade" if letter != card["grade"]["accuracy"] else ""
    return f"{said}, {sure} ({ends}){lowered}."
