"""A model as data: it comes back as it was, or not at all."""

import json
import random
import shutil
import sys
from unittest import mock

import numpy as np
import pytest
from populations import UNTIL, model, panel

from features import panel as panels
from features.errors import ContractMismatch
from features.language import FeatureSet
from training import artifact, boosting

KINDS = ("attrition", "lifetime-value")
WATCHED: list[str] = []


def _watch(event, _args):
    if WATCHED is not None and event in {"pickle.find_class", "marshal.loads"}:
        WATCHED.append(event)


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def folder(kind, tmp_path_factory):
    """A saved model that no test may alter."""
    path = tmp_path_factory.mktemp(kind) / "model"
    artifact.save(model(kind), path)
    return path


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "model")


def told(fitted):
    return {name: values.tobytes() for name, values in fitted.predict(panel((UNTIL,))).items()}


def rewrite(folder, **changed):
    """Change the manifest on purpose, and sign it again."""
    manifest = json.loads((folder / artifact.MANIFEST).read_text()) | changed
    manifest.pop("digest", None)
    (folder / artifact.MANIFEST).write_text(artifact.manifest_text(manifest))


def test_a_model_that_was_saved_predicts_the_same_bytes(kind, folder):
    loaded = artifact.load(folder)
    assert told(loaded) == told(model(kind))
    assert loaded.features.contract == model(kind).features.contract
    assert loaded.facts == model(kind).facts


def test_a_model_that_was_loaded_can_be_saved_again_as_the_same_bytes(folder, tmp_path):
    artifact.save(artifact.load(folder), tmp_path / "again")
    for file in folder.iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_a_model_never_overwrites_another(kind, folder):
    with pytest.raises(FileExistsError):
        artifact.save(model(kind), folder)


def test_the_files_are_json_and_nothing_else(folder):
    assert {file.suffix for file in folder.iterdir()} == {".json"}
    for file in folder.iterdir():
        json.loads(file.read_bytes())


def test_neither_saving_nor_loading_touches_a_pickle(kind, tmp_path):
    sys.addaudithook(_watch)
    told(artifact.load(_saved(kind, tmp_path)))
    WATCHED.clear()
    artifact.load(_saved(kind, tmp_path / "again"))
    assert "pickle.find_class" not in WATCHED


def test_the_audit_hook_would_have_seen_a_pickle():
    import pickle

    sys.addaudithook(_watch)
    WATCHED.clear()
    pickle.loads(pickle.dumps(ContractMismatch))  # noqa: S301  (the point of the test)
    assert "pickle.find_class" in WATCHED


def _saved(kind, path):
    artifact.save(model(kind), path / "model")
    return path / "model"


def refused_unread(folder, match):
    """The model is refused, and XGBoost is not shown a byte of it."""
    shown = AssertionError("XGBoost was given bytes that had not been checked")
    with (
        mock.patch.object(boosting, "from_bytes", side_effect=shown),
        pytest.raises(ContractMismatch, match=match),
    ):
        artifact.load(folder)


def boosters_of(folder):
    return sorted(file for file in folder.iterdir() if file.name != artifact.MANIFEST)


def test_a_flipped_bit_is_refused_before_xgboost_reads_it(copy):
    for file in boosters_of(copy):
        raw = bytearray(file.read_bytes())
        raw[len(raw) // 2] ^= 1
        file.write_bytes(raw)
    refused_unread(copy, "is not what was written")


def test_a_truncated_file_is_refused_before_xgboost_reads_it(copy):
    for file in boosters_of(copy):
        file.write_bytes(file.read_bytes()[:-1])
    refused_unread(copy, "is not what was written")


def test_a_missing_file_is_refused_by_name(copy):
    file = boosters_of(copy)[0]
    file.unlink()
    refused_unread(copy, f"lacks its file {file.name}")


def test_a_file_outside_the_folder_is_not_read(copy):
    file = boosters_of(copy)[0]
    outside = copy.parent / file.name
    shutil.move(file, outside)
    digests = json.loads((copy / artifact.MANIFEST).read_text())["sha256"]
    digests[f"../{file.name}"] = digests.pop(file.name)
    rewrite(copy, sha256=digests)
    refused_unread(copy, "lacks its file")


@pytest.mark.parametrize("text", [None, "", "{", "[]", "null", '"x"'])
def test_a_manifest_that_cannot_be_read_is_refused(copy, text):
    manifest = copy / artifact.MANIFEST
    manifest.unlink() if text is None else manifest.write_text(text)
    with pytest.raises(ContractMismatch, match="Train it again"):
        artifact.load(copy)


def test_any_altered_byte_of_the_manifest_is_refused(copy):
    """Also one that leaves valid JSON behind, such as a digit of a fitted number."""
    file = copy / artifact.MANIFEST
    whole = file.read_bytes()
    rng = random.Random(5)
    for _ in range(150):
        place = rng.randrange(len(whole))
        altered = bytearray(whole)
        altered[place] ^= 1 << rng.randrange(8)
        file.write_bytes(altered)
        if not _means(altered, json.loads(whole)):
            with pytest.raises(ContractMismatch):
                artifact.load(copy)


def _means(raw, manifest):
    """1e-05 and 1E-05 are one number."""
    try:
        return json.loads(raw) == manifest
    except ValueError:
        return False


def test_a_model_of_another_format_is_refused_by_name(copy):
    rewrite(copy, format=artifact.FORMAT + 1)
    refused_unread(copy, f"format {artifact.FORMAT + 1}, this version reads format {artifact.FORMAT}")


def test_a_model_that_does_not_repeat_its_golden_answers_is_refused(kind, copy):
    golden = json.loads((copy / artifact.MANIFEST).read_text())["golden"]
    name = artifact.output_names(kind)[0]
    place = next(i for i, answer in enumerate(golden["answers"][name]) if answer is not None)
    golden["answers"][name][place] += 1e-6
    rewrite(copy, golden=golden)
    with pytest.raises(ContractMismatch, match="golden answers"):
        artifact.load(copy)


def test_golden_rows_are_nobody_and_are_answered(kind, folder):
    golden = json.loads((folder / artifact.MANIFEST).read_text())["golden"]
    answered = [value for value in golden["answers"][artifact.output_names(kind)[0]] if value is not None]
    assert len(golden["rows"]) == 5
    assert len(set(answered)) >= 3


def test_a_panel_of_other_features_is_refused():
    fitted, given = model("attrition"), panel((UNTIL,))
    *others, second_last, last = given.features
    turned = FeatureSet(*others, last, second_last)
    with pytest.raises(ContractMismatch, match="trained on other features"):
        fitted.predict(panels.Panel(turned, given.customer_ids, *_rest(given)))


def test_a_missing_feature_is_named(kind):
    frame = panel((UNTIL,)).to_pandas().drop(columns="customers_region")
    with pytest.raises(ContractMismatch, match="customers_region"):
        artifact.panel_from(model(kind), frame)


def _rest(given):
    return given.customers, given.cutoffs, given.numbers, given.levels


def test_a_frame_answers_as_the_panel_it_was_made_from(kind):
    given = panel((UNTIL,))
    frame = given.to_pandas()[::-1]
    answered = artifact.PyfuncModel(model(kind)).predict(frame)[::-1]
    for name, values in model(kind).predict(given).items():
        assert answered[name].to_numpy().tobytes() == values.tobytes()


def test_a_customer_is_predicted_alone_as_among_others(kind):
    given = panel((UNTIL,))
    among = model(kind).predict(given)
    for row in range(0, len(given), 37):
        alone = model(kind).predict(given.rows(np.array([row])))
        for name, values in alone.items():
            assert values.tobytes() == among[name][row].tobytes()


def test_who_is_not_eligible_is_not_predicted(kind):
    given = panel((UNTIL,))
    silent = given.column("purchases_count_365d") == 0
    assert silent.any()
    for values in model(kind).predict(given).values():
        assert np.array_equal(np.isnan(values), silent)
