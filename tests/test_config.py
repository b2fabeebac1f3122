from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin import config
from neptuneml_plugin.errors import InvalidSettings


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "train.yaml"
    file.write_text("trials: 4\nseed: 7\n")
    settings = config.load_settings(config.TrainConfig, file, {"seed": 9, "model": None})
    assert (settings.trials, settings.seed, settings.parallel, settings.model) == (4, 9, 1, None)


def test_all_problems_are_told_at_once_with_their_path(tmp_path: Path) -> None:
    file = tmp_path / "train.yaml"
    file.write_text("trails: 3\nseed: x\nparallel: true\nthreads: 2.5\n")
    with pytest.raises(InvalidSettings) as raised:
        config.load_settings(config.TrainConfig, file)
    assert sorted(raised.value.problems) == [
        "parallel: must be an integer, not True",
        "seed: must be an integer, not 'x'",
        "threads: must be an integer, not 2.5",
        "unknown setting 'trails' (did you mean 'trials'?)",
    ]
    assert raised.value.source == str(file)


def test_a_choice_is_spelled_as_it_is() -> None:
    given = {"endpoint": "e", "artifact": "/a", "new_node_vectors": "neighbours"}
    settings = config.structure(config.WorkerConfig, given, "stdin")
    assert settings.new_node_vectors is config.NewNodeVectors.NEIGHBOURS
    with pytest.raises(
        InvalidSettings, match=r"new_node_vectors: must be type or neighbours, not 'neighbors' .did"
    ):
        config.structure(config.WorkerConfig, given | {"new_node_vectors": "neighbors"}, "stdin")
    with pytest.raises(InvalidSettings, match="must be type or neighbours, not 3"):
        config.structure(config.WorkerConfig, given | {"new_node_vectors": 3}, "stdin")


def test_a_missing_required_setting_is_named() -> None:
    with pytest.raises(InvalidSettings, match="required setting 'gremlin' is missing"):
        config.structure(config.ExportConfig, {}, "settings")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- a\n- b\n", "must hold one mapping"),
        ("a: [1, 2", "neither YAML nor JSON"),
        ("", "must hold one mapping"),
        ("!!python/object/apply:os.system ['true']", "neither YAML nor JSON"),
    ],
)
def test_documents_that_are_no_settings(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text)
    with pytest.raises(InvalidSettings, match=problem):
        config.load_document(file)


def test_a_document_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="cannot be read: No such file"):
        config.load_document(tmp_path / "none.yaml")


@given(
    trials=st.integers(1, 10_000),
    seed=st.integers(0, 2**31),
    model=st.none() | st.text(st.characters(categories=["L"]), min_size=1),
)
def test_valid_settings_come_through_unchanged(trials: int, seed: int, model: str | None) -> None:
    values = {"trials": trials, "seed": seed, "model": model}
    settings = config.structure(config.TrainConfig, values, "settings")
    assert (settings.trials, settings.seed, settings.model) == (trials, seed, model)


def test_secrets_do_not_show() -> None:
    settings = config.ServiceConfig(data_root=Path("/x"), token="very-secret")
    worker = config.WorkerConfig(endpoint="e", artifact=Path("/a"), token="very-secret")
    assert "very-secret" not in repr(settings) + repr(worker)


def test_the_data_root_is_flag_then_variable_then_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(config.DATA_ROOT_VARIABLE, str(tmp_path / "variable"))
    assert config.data_root(tmp_path / "flag") == tmp_path / "flag"
    assert config.data_root() == tmp_path / "variable"
    monkeypatch.delenv(config.DATA_ROOT_VARIABLE)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert config.data_root() == tmp_path / ".local" / "share" / "neptuneml"
