from pathlib import Path

import pytest

from neptuneml_plugin.config import NewNodeVectors, WorkerConfig, structure
from neptuneml_plugin.errors import ConstraintViolation, InvalidParameter
from neptuneml_plugin.service.endpoints.record import (
    NO_OPTIONS,
    TRANSITIONS,
    EndpointOptions,
    EndpointRecord,
    Status,
    check_id,
    new_record,
)


def record(status: Status) -> EndpointRecord:
    return EndpointRecord("e", "s3://b/a", Path("/a"), status, 1, version="v1", failure_reason="before")


@pytest.mark.parametrize("before", list(Status))
@pytest.mark.parametrize("after", list(Status))
def test_only_the_drawn_transitions_are_possible(before: Status, after: Status) -> None:
    if after in TRANSITIONS[before]:
        became = record(before).become(after)
        assert (became.status, became.version, became.location) == (after, "v1", "s3://b/a")
        assert became.failure_reason is None
    else:
        with pytest.raises(ConstraintViolation, match=f"is {before} and cannot become {after}"):
            record(before).become(after)


def test_the_table_says_what_clients_rely_on() -> None:
    assert set(TRANSITIONS) == set(Status)
    assert not TRANSITIONS[Status.DELETING]
    assert Status.UPDATING not in TRANSITIONS[Status.CREATING] | TRANSITIONS[Status.UPDATING]
    assert all(Status.DELETING in after for before, after in TRANSITIONS.items() if before is not Status.DELETING)


def test_ids_are_generated_where_none_is_given() -> None:
    first, second = (new_record(None, "/a", Path("/a")) for _ in range(2))
    assert first.id != second.id
    assert check_id(first.id) == first.id
    assert new_record("mine", "/a", Path("/a")).id == "mine"


@pytest.mark.parametrize("name", ["", "a" * 49, "a b", "a/b", "..", "ä", "a\n"])
def test_ids_that_are_none(name: str) -> None:
    with pytest.raises(InvalidParameter, match="1 to 48 letters, digits and hyphens"):
        check_id(name)


def test_options_that_are_said_win_over_those_before() -> None:
    before = EndpointOptions(NewNodeVectors.NEIGHBOURS, (10, 5))
    assert NO_OPTIONS.over(before) == before
    assert before.over(NO_OPTIONS) == before
    assert EndpointOptions(NewNodeVectors.TYPE).over(before) == EndpointOptions(NewNodeVectors.TYPE, (10, 5))
    assert EndpointOptions(max_queue=5, max_delay_us=0).over(EndpointOptions(max_delay_us=9, max_batch=1)) == (
        EndpointOptions(max_batch=1, max_queue=5, max_delay_us=0)
    )
    assert EndpointOptions(fanouts=(3,)).over(before) == EndpointOptions(NewNodeVectors.NEIGHBOURS, (3,))


def test_what_a_worker_is_told_are_settings_of_a_worker() -> None:
    said = {"fanouts": (3,), "instances": 2, "max_batch": 1, "max_delay_us": 0, "max_queue": 9, "memory_mib": 512}
    told = EndpointOptions(NewNodeVectors.TYPE, **said).for_worker()  # type: ignore[arg-type]
    assert told == {name: said[name] for name in list(said)[2:]} | {"new_node_vectors": "type"}
    config = structure(WorkerConfig, {"endpoint": "e", "artifact": "/a", **told}, "test")
    assert (config.max_batch, config.max_queue, config.memory_mib) == (1, 9, 512)
    assert NO_OPTIONS.for_worker() == {}


def test_a_record_keeps_its_options_until_others_come() -> None:
    options = EndpointOptions(fanouts=(3,))
    created = new_record("e", "/a", Path("/a"), options)
    assert created.become(Status.IN_SERVICE).options == options
    assert created.become(Status.IN_SERVICE, options=EndpointOptions(fanouts=(4,))).options.fanouts == (4,)
