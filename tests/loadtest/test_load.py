"""Users that come one after the other, limits, and the steps that the time is cut into."""

from contextlib import closing

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.loadtest.clients import Client
from neptuneml_plugin.loadtest.figures import Sample
from neptuneml_plugin.loadtest.load import RAMP_STEPS, Load, run_load, steps
from tests.loadtest.test_clients import answering

LOADS = st.builds(Load, st.integers(1, 200), st.just(0.0) | st.floats(0.5, 50.0), st.floats(0.2, 30.0))


@given(LOADS, st.lists(st.floats(0.001, 1.0), max_size=80), st.floats(0.1, 1.0))
def test_every_sample_stands_in_one_step(load: Load, ends: list[float], lasted: float) -> None:
    elapsed = lasted * (load.ramp_seconds + load.duration_seconds)
    samples = [Sample(end * elapsed, 0.01) for end in sorted(ends)]
    found = steps(samples, load, elapsed)
    assert 1 <= len(found) <= RAMP_STEPS + 1
    assert [step.users for step in found] == sorted(step.users for step in found)
    assert all(step.seconds > 0 for step in found)
    in_ramp = sum(sample.ended <= load.ramp_seconds for sample in samples)
    counted = sum(step.answers for step in found)
    assert len(samples) - in_ramp <= counted <= len(samples)
    if load.ramp_seconds >= 1 and elapsed >= 1:
        assert counted == len(samples)
        assert sum(step.seconds for step in found) == pytest.approx(elapsed)


@given(LOADS)
def test_all_users_are_there_after_the_ramp(load: Load) -> None:
    assert load.present(load.ramp_seconds) == load.users
    assert load.begins(load.users - 1) == pytest.approx(load.ramp_seconds)
    assert 1 <= load.present(0.0) <= load.users


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
    (step,) = found.steps
    assert (step.users, step.failed) == (3, 0)
    assert 0 < step.answers <= len(seen)


async def test_too_many_errors_stop_it() -> None:
    async with answering(failing) as address:
        with closing(Client([address])) as client:
            found = await run_load(client, [b"{}"], Load(4, duration_seconds=60.0, max_errors=3))
    assert found.stopped is not None
    assert "errors are more than 3" in found.stopped
    assert found.steps[-1].errors["BadRequestException"] > 3
    assert not found.steps[-1].fits(None)


async def test_a_p99_that_is_too_high_stops_it() -> None:
    async with answering(ok) as address:
        with closing(Client([address])) as client:
            found = await run_load(client, [b"{}"], Load(2, duration_seconds=60.0, max_p99_ms=1e-6))
    assert found.stopped is not None
    assert "is more than 1e-06" in found.stopped


async def test_an_unexpected_error_of_a_user_is_not_swallowed() -> None:
    class Broken(Client):
        async def ask(self, body: bytes) -> str | None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run_load(Broken([]), [b"{}"], Load(1, duration_seconds=0.2))
