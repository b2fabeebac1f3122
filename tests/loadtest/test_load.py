"""Users that come one after the other, limits, and the steps that the time is cut into."""

from contextlib import closing

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.loadtest.clients import Client
from neptuneml_plugin.loadtest.figures import Sample, step
from neptuneml_plugin.loadtest.load import (
    RAMP_STEPS,
    STEADY_SECONDS,
    STEADY_WITHIN,
    Load,
    is_steady,
    parts,
    run_load,
)
from tests.loadtest.test_clients import answering

LOADS = st.builds(Load, st.integers(1, 200), st.just(0.0) | st.floats(0.5, 50.0), st.floats(0.2, 30.0))


@given(LOADS, st.lists(st.floats(0.001, 1.0), max_size=80), st.floats(0.1, 1.0))
def test_every_sample_stands_in_one_part(load: Load, ends: list[float], lasted: float) -> None:
    elapsed = lasted * (load.ramp_seconds + load.duration_seconds)
    samples = [Sample(end * elapsed, 0.01) for end in sorted(ends)]
    found = parts(samples, load, elapsed)
    assert 1 <= len(found) <= RAMP_STEPS + 1
    assert [part.users for part in found] == sorted(part.users for part in found)
    assert all(part.seconds > 0 for part in found)
    in_ramp = sum(sample.ended <= load.ramp_seconds for sample in samples)
    counted = sum(len(part.milliseconds) for part in found)
    assert len(samples) - in_ramp <= counted <= len(samples)
    if load.ramp_seconds >= 1 and elapsed >= 1:
        assert counted == len(samples)
        assert sum(part.seconds for part in found) == pytest.approx(elapsed)


@given(LOADS)
def test_all_users_are_there_after_the_ramp(load: Load) -> None:
    assert load.present(load.ramp_seconds) == load.users
    assert load.begins(load.users - 1) == pytest.approx(load.ramp_seconds)
    assert 1 <= load.present(0.0) <= load.users


@given(LOADS, st.floats(0.1, 1.0))
def test_a_load_that_was_stopped_has_the_parts_that_it_had_until_then(load: Load, lasted: float) -> None:
    whole, stopped = parts([], load, load.seconds), parts([], load, lasted * load.seconds)
    assert len(stopped) <= len(whole)
    if load.ramp_seconds >= 1:
        for one, same in zip(stopped[:-1], whole, strict=False):
            assert (one.users, one.seconds) == (same.users, same.seconds)


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100))
def test_a_rate_is_steady_where_it_has_not_changed(before: int, earlier: int, later: int) -> None:
    at = [second + 0.5 for second, count in enumerate((before, earlier, later)) for _ in range(count)]
    samples = [Sample(STEADY_SECONDS * ended, 0.01) for ended in at]
    same = earlier > 0 and abs(later - earlier) <= STEADY_WITHIN * earlier
    assert is_steady(samples, 3 * STEADY_SECONDS) is same
    assert not is_steady(samples, 1.9 * STEADY_SECONDS)


async def ok(_: web.Request) -> web.Response:
    return web.Response()


async def failing(_: web.Request) -> web.Response:
    return web.json_response({"code": "BadRequestException"}, status=400)


async def test_bodies_are_asked_in_turn_by_all_users() -> None:
    seen = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(await request.read())
        return web.Response()

    async with answering(handler) as address:
        with closing(Client([address])) as client:
            found = await run_load(client, [b"1", b"2", b"3"], Load(3, 20.0, 0.3))
    assert found.stopped is None
    assert seen[:3] == [b"1", b"2", b"3"]
    (part,) = found.parts
    assert (part.users, part.errors) == (3, {})
    assert 0 < len(part.milliseconds) <= len(seen)


async def test_too_many_errors_stop_it() -> None:
    async with answering(failing) as address:
        with closing(Client([address])) as client:
            found = await run_load(client, [b"{}"], Load(4, duration_seconds=60.0, max_errors=3))
    assert found.stopped is not None
    assert "errors are more than 3" in found.stopped
    assert found.parts[-1].errors["BadRequestException"] > 3
    assert step(found.parts[-1:]).problem(None) == "too many errors"


async def test_a_p99_that_is_too_high_stops_it() -> None:
    async with answering(ok) as address:
        with closing(Client([address])) as client:
            found = await run_load(client, [b"{}"], Load(2, duration_seconds=60.0, max_p99_ms=1e-6))
    assert found.stopped is not None
    assert "is more than 1e-06" in found.stopped


async def test_a_warm_up_ends_when_the_rate_is_steady() -> None:
    async with answering(ok) as address:
        with closing(Client([address])) as client:
            found = await run_load(client, [b"{}"], Load(2, duration_seconds=120.0), until_steady=True)
    assert found.stopped is None
    assert 2 * STEADY_SECONDS <= found.parts[0].seconds < 120.0


async def test_an_unexpected_error_of_a_user_is_not_swallowed() -> None:
    class Broken(Client):
        async def ask(self, body: bytes) -> str | None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run_load(Broken([]), [b"{}"], Load(1, duration_seconds=0.2))
