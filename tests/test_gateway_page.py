"""docs/gateway.md says what the code does."""

import json
import re
from pathlib import Path

from aiohttp.web import RouteDef

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.service.gateway import replies, summary
from neptuneml_plugin.service.gateway.queries import FORMATS, parse_script
from neptuneml_plugin.service.routes import gremlin

PAGE = (Path(__file__).parents[1] / "docs" / "gateway.md").read_text(encoding="utf-8")


def test_every_route_is_told() -> None:
    assert {route.path for route in gremlin.routes if isinstance(route, RouteDef)} <= {
        *re.findall(r"`(?:GET |POST )?(/[a-z/]+)", PAGE), "/pg/statistics/summary"
    }  # fmt: skip


def test_limits_are_told() -> None:
    defaults = {name: field.default for name, field in ServiceConfig.__dataclass_fields__.items()}
    for name in ("max_body_mib", "max_gremlin_connections"):
        assert f"`{name}` ({defaults[name]})" in PAGE
    assert f"{replies.HELD_BYTES >> 20} MiB are held back" in PAGE
    assert f"each of which may take {summary.COUNT_MILLIS // 1000} s" in PAGE
    assert f"given again for {summary.KEPT_SECONDS:.0f} s" in PAGE


def test_formats_are_told() -> None:
    named = re.findall(r"`(application/[^`]+)`", PAGE)
    assert named
    assert set(named) <= set(FORMATS)


def test_the_example_is_a_script() -> None:
    (body,) = re.findall(r"-d '(.+)'", PAGE)
    script = parse_script(json.loads(body))
    assert set(script.bindings) == {"x", "name"}
