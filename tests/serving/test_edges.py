"""An edge's answer does not depend on the company that it is asked in (decision 31)."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.serving.edges import EdgeDecoder
from tests.made_artifacts import Made, make_artifact


@settings(max_examples=25)
@given(
    data=st.data(),
    width=st.sampled_from([1, 3, 8, 17, 64]),
    hidden=st.sampled_from([1, 5, 64]),
    classes=st.sampled_from([1, 2, 7, 40]),
)
def test_an_edge_gets_the_same_bits_at_any_place_of_a_batch_of_any_size(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, width: int, hidden: int, classes: int
) -> None:
    decoder = made_decoder(tmp_path_factory.mktemp("decoder"), width, hidden, classes)
    heads, tails = np.arange(700) % 30, np.arange(700) * 7 % 40
    alone = [decoder.decode(heads[at : at + 1], tails[at : at + 1]) for at in range(60)]
    whole = decoder.decode(heads, tails)
    for at in range(60):
        assert whole[at].tobytes() == alone[at].tobytes()
    for _ in range(5):
        rows = np.array(data.draw(st.lists(st.integers(0, 59), min_size=1, max_size=90)))
        for row, output in zip(rows.tolist(), decoder.decode(heads[rows], tails[rows]), strict=True):
            assert output.tobytes() == alone[row].tobytes()


def made_decoder(folder: Path, width: int, hidden: int, classes: int) -> EdgeDecoder:
    random = np.random.default_rng(width)
    shapes = {
        "nodes/0/embeddings": (30, width),
        "nodes/1/embeddings": (40, width),
        "decoder/hidden_weight": (3 * width, hidden),
        "decoder/hidden_bias": (hidden,),
        "decoder/output_weight": (hidden, classes),
        "decoder/output_bias": (classes,),
        "decoder/dot_weight": (classes,),
        "decoder/source_bias": (30, classes),
        "decoder/target_bias": (40, classes),
    }
    overrides = {f"{name}.npy": random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    users, movies = (tuple(str(number) for number in range(count)) for count in (30, 40))
    made = Made(Task.EDGE_CLASS, users, movies, classes=tuple(range(classes)), overrides=overrides)
    return EdgeDecoder(folder, make_artifact(folder, made), 0, 1)
