"""The catalogue of bad inputs: what may be wrong with data, and the tests that say what then happens."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = {
    "bad": "integration/test_bad_inputs.py",
    "worse": "integration/test_worse_inputs.py",
    "laws": "properties/test_laws.py",
    "store": "properties/test_store.py",
    "batch": "integration/test_batch.py",
    "build": "integration/test_killed_build.py",
    "score": "integration/test_killed_score.py",
    "training": "integration/test_degenerate_training.py",
    "gate": "unit/test_gate.py",
    "metrics": "unit/test_metrics.py",
    "stack": "models/test_contract_attrition.py",
    "attrition": "models/test_attrition.py",
    "value": "models/test_lifetime_value.py",
    "hazard": "models/test_hazard.py",
}
ROW = "a_bad_row_is_refused_with_a_reason_and_the_others_are_kept"
GOOD_ROW = "a_good_row_is_read_exactly"
DAMAGED_CSV = "a_damaged_csv_file_stops_the_build_and_the_place_is_named"
TIMES = "a_column_of_undeclared_times_stops_the_build_and_shows_only_their_shape"
IDS = "ids_keep_their_text"
REFUSED = "what_nothing_can_be_learnt_from_is_refused_and_nothing_is_registered"
SAYS_NOTHING = "columns_that_say_nothing_are_left_out_and_named"

CATALOGUE = {
    51: ("infinite and absurd numbers", "worse: a_number_that_nobody_believes_is_refused"),
    52: ("a negative amount", f"bad: {GOOD_ROW}", "worse: a_return_is_kept_with_its_sign"),
    53: ("an amount of zero", f"bad: {GOOD_ROW}"),
    54: (
        "sums beyond 64 bits",
        f"bad: {ROW}",
        "worse: the_largest_amounts_of_a_customer_still_add_up_exactly",
    ),
    55: ("two currencies", "worse: amounts_in_another_currency_are_refused_and_never_added"),
    56: ("an unknown currency", "worse: a_currency_that_is_none_is_refused"),
    57: (
        "1.234,50, $5 and (5)",
        f"bad: {ROW}",
        "bad: money_of_another_format_than_declared_is_refused",
    ),
    58: (
        "an event in the future",
        "bad: an_event_after_the_build_is_refused_and_moves_nothing",
        "bad: an_event_at_or_after_observed_until_is_refused",
        "worse: a_fifth_of_events_in_the_future_stops_the_build",
    ),
    59: ("an event exactly at the cutoff", "laws: an_event_exactly_at_the_cutoff_belongs_to_the_future"),
    60: ("an event known late", "laws: a_late_fact_is_invisible_until_it_is_known"),
    61: ("an event id twice with the same content", "bad: an_event_that_comes_twice_is_counted_once"),
    62: (
        "an event id twice with other content",
        "bad: an_event_id_with_different_content_is_refused_for_all_its_rows",
    ),
    63: ("rows out of order", "store: the_order_of_rows_in_the_source_does_not_matter_to_the_stored_bytes"),
    64: ("times with and without a zone", "bad: naive_and_aware_times_in_one_column_stop_the_build"),
    65: (
        "clock times that are skipped or happen twice",
        "bad: local_times_follow_the_documented_rule_where_clocks_change",
    ),
    66: ("01/02/2024", f"bad: {ROW}", f"bad: {TIMES}", "bad: times_in_a_declared_format_are_read"),
    67: (
        "seconds since 1970 as a number",
        f"bad: {ROW}",
        f"bad: {TIMES}",
        "bad: whole_numbers_as_times_stop_the_build_until_their_unit_is_declared",
    ),
    68: ("30 February", f"bad: {ROW}", "bad: a_day_that_does_not_exist_is_refused_in_a_declared_format_too"),
    69: (
        "the years 1 and 9999",
        f"bad: {ROW}",
        "worse: years_that_stand_for_nothing_are_refused_in_parquet_too",
    ),
    70: ("the id 00123", f"bad: {IDS}", "bad: whole_numbers_in_parquet_and_json_keep_all_their_digits"),
    71: (
        "an id beyond 2^53",
        f"bad: {IDS}",
        "bad: whole_numbers_in_parquet_and_json_keep_all_their_digits",
        "bad: ids_stored_as_floating_numbers_stop_the_build",
    ),
    72: ("the id 1e5", f"bad: {IDS}"),
    73: ("a customer called NA, null or None", f"bad: {IDS}"),
    74: ("no id", f"bad: {ROW}", "worse: a_customer_without_an_id_is_refused_in_every_table_and_counted"),
    75: ("a customer twice", "bad: no_two_rows_of_customers_may_speak_of_one_time"),
    76: ("a field too many", f"bad: {DAMAGED_CSV}", "worse: a_field_too_many_in_every_row_shifts_nothing"),
    77: ("a field too few", f"bad: {DAMAGED_CSV}"),
    78: (
        "a file that is cut off",
        f"bad: {DAMAGED_CSV}",
        "bad: a_cut_compressed_file_stops_the_build",
        "worse: a_file_that_is_cut_between_two_rows_is_seen_by_its_declared_number_of_rows",
    ),
    79: ("a column name twice", f"bad: {DAMAGED_CSV}"),
    80: ("a byte order mark", "bad: byte_order_marks_and_windows_line_ends_are_read"),
    81: ("a quote that is never closed", f"bad: {DAMAGED_CSV}"),
    82: ("an empty file", f"bad: {DAMAGED_CSV}", "bad: an_empty_parquet_file_stops_the_build"),
    83: (
        "a column renamed, missing or retyped",
        "bad: a_retyped_amount_stops_the_build",
        "bad: a_damaged_or_missing_parquet_column_stops_the_build",
        "worse: a_changed_column_is_found_before_any_row_is_read",
    ),
    85: (
        "nobody leaves, or nobody brings anything",
        f"training: {REFUSED}",
        "training: values_that_nobody_has_are_refused",
        "training: nobody_who_leaves_is_no_lesson_in_value_either",
        "hazard: nobody_or_everybody_leaving_is_no_crash",
    ),
    86: ("everybody leaves", f"training: {REFUSED}", "stack: one_class_is_refused"),
    87: (
        "nobody, or one customer, to learn from",
        f"training: {REFUSED}",
        "training: contracts_without_enough_prices_leave_no_half_of_a_training",
    ),
    88: ("one customer who leaves", f"training: {REFUSED}", "stack: hardly_any_leavers_get_a_logit_alone"),
    89: ("a label that is not a number", "training: an_outcome_that_is_not_a_number_is_refused"),
    90: (
        "a feature that is never filled",
        f"training: {SAYS_NOTHING}",
        "stack: dead_columns_do_no_harm",
        "stack: only_dead_columns_give_the_base_rate",
    ),
    91: (
        "ranks of one class",
        "metrics: rank_measures_are_undefined_for_one_class_and_shut_every_gate",
        "gate: one_class_only_is_refused",
    ),
    92: (
        "a batch of one customer",
        "training: one_customer_alone_is_scored_to_the_byte_as_among_all",
        "attrition: one_customer_is_answered_alone_as_among_others",
        "value: one_customer_is_answered_alone_as_among_others",
        "stack: one_customer_is_answered_alone_as_among_others",
        "hazard: one_customer_is_answered_alone_as_among_others",
    ),
    93: ("a constant column", f"training: {SAYS_NOTHING}", "stack: dead_columns_do_no_harm"),
    94: (
        "NaN among money",
        f"bad: {ROW}",
        "bad: not_a_number_and_infinity_in_typed_money_are_refused",
        "worse: an_amount_that_is_nan_is_refused_though_the_file_says_its_largest_is_one",
        "training: a_price_that_is_not_a_number_never_reaches_a_sum",
    ),
    95: (
        "a full disk",
        "batch: a_full_disk_is_named_and_leaves_the_scores_before",
        "build: a_build_that_fails_to_reach_the_disk_leaves_the_old_snapshot",
    ),
    96: (
        "a run that is killed",
        "build: a_build_that_is_killed_at_any_time_leaves_the_old_or_the_new_snapshot",
        "score: a_run_killed_at_any_time_leaves_the_old_scores_or_the_new",
    ),
    97: (
        "two runs at once",
        "build: a_second_build_at_the_same_time_is_refused",
        "batch: a_second_run_at_once_is_refused",
    ),
    98: (
        "a clock that jumps back",
        "laws: features_do_not_change_when_the_clock_moves",
        "worse: a_clock_that_jumps_back_changes_no_stored_byte",
    ),
}
"""For every bad input its number, what it is, and the tests about it."""

NOT_YET = {99: "an erased customer who comes back: there is no verb erase yet"}


@cache
def names_in(file):
    tree = ast.parse((ROOT / FILES[file]).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_bad_input_has_a_test_or_a_reason():
    assert CATALOGUE.keys() | NOT_YET.keys() == {*range(51, 84), *range(85, 100)}
    assert not CATALOGUE.keys() & NOT_YET.keys()


@pytest.mark.parametrize("row", CATALOGUE, ids=lambda row: f"row {row}")
def test_the_tests_that_are_named_are_there(row):
    _, *tests = CATALOGUE[row]
    assert tests
    for file, name in (test.split(": ") for test in tests):
        assert f"test_{name}" in names_in(file)
