"""AWS Signature Version 4: checked by making the caller's signature again with botocore (the extra `aws`)."""

import hashlib
import hmac
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import hdrs, web

from neptuneml_plugin.errors import AccessDenied, PreconditionsFailed

ALGORITHM = "AWS4-HMAC-SHA256"
#: How far a caller's clock may be from this one's, as AWS allows.
LARGEST_SKEW = timedelta(minutes=5)
DATE_FORMAT = "%Y%m%dT%H%M%SZ"
DATE, BODY_HASH = "X-Amz-Date", "X-Amz-Content-SHA256"
#: What a signature must cover, so that it cannot be used for another service or at another time.
REQUIRED_HEADERS = frozenset({"host", "x-amz-date"})
DATABASE, EXPORT = "neptune-db", "execute-api"
EXPORT_PATHS = ("/neptune-export", "/v1/neptune-export")

_HEADER = re.compile(
    rf"{ALGORITHM} Credential=(?P<key>[\w+=,.@-]{{1,128}})/(?P<day>\d{{8}})/(?P<region>[\w-]{{1,64}})/"
    r"(?P<service>[\w-]{1,64})/aws4_request, ?SignedHeaders=(?P<headers>[a-z0-9;-]{1,2048}), ?"
    r"Signature=(?P<signature>[0-9a-f]{64})",
    re.ASCII,
)


@dataclass(frozen=True)
class Signature:
    """What an `Authorization` header of this kind says."""

    access_key: str
    day: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str


def check_available() -> None:
    """Refuse access keys where nothing is installed to check signatures with.

    Raises:
        PreconditionsFailed: botocore is missing.
    """
    try:
        import botocore.auth  # noqa: F401, PLC0415 - 0.2 s that only services with keys pay
    except ImportError:
        raise PreconditionsFailed("signed requests need botocore: pip install 'neptuneml-plugin[aws]'") from None


def parse_signature(authorization: str) -> Signature:
    """Read an `Authorization` header.

    Raises:
        AccessDenied: it is not one of this kind, or signs too little.
    """
    found = _HEADER.fullmatch(authorization)
    if found is None:
        raise AccessDenied(f"the Authorization header is not a whole {ALGORITHM} signature")
    signed = tuple(found["headers"].split(";"))
    if not REQUIRED_HEADERS.issubset(signed):
        raise AccessDenied("the signature must cover the headers host and x-amz-date")
    return Signature(found["key"], found["day"], found["region"], found["service"], signed, found["signature"])


def check_scope(given: Signature, request: web.BaseRequest, now: datetime) -> None:
    """Refuse a signature for another service or of another time; looks at no body.

    Raises:
        AccessDenied: with both clocks, or with the service's name that is expected.
    """
    expected = _services(request.path)
    if given.service not in expected:
        raise AccessDenied(f"requests to {request.path} are signed for service {' or '.join(expected)}")
    text = request.headers.get(DATE, "")
    try:
        signed_at = datetime.strptime(text, DATE_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        raise AccessDenied(f"{DATE} must look like 20260131T235959Z") from None
    if abs(now - signed_at) > LARGEST_SKEW or not text.startswith(given.day):
        raise AccessDenied(
            f"the request was signed at {text}, and it is {now.strftime(DATE_FORMAT)} here; clocks may differ by "
            f"{LARGEST_SKEW.seconds // 60} minutes"
        )


def _services(path: str) -> Collection[str]:
    is_export = any(path == base or path.startswith(f"{base}/") for base in EXPORT_PATHS)
    return (DATABASE, EXPORT) if is_export else (DATABASE,)


def check_signature(given: Signature, request: web.BaseRequest, body: bytes, keys: Mapping[str, str]) -> None:
    """Refuse a request that its caller has not signed as it arrived: method, path, query, headers and body.

    Raises:
        AccessDenied: the key is unknown, the signature another, or the body another than the one signed.
    """
    hashed = request.headers.get(BODY_HASH)
    if hashed is not None and not hmac.compare_digest(hashed.encode(), hashlib.sha256(body).hexdigest().encode()):
        raise AccessDenied(f"{BODY_HASH} is not the hash of the body that arrived")
    secret = keys.get(given.access_key)
    made = _sign(given, request, body, secret) if secret else ""
    if not hmac.compare_digest(made.encode(), given.signature.encode()):
        raise AccessDenied("the access key is unknown, or the signature is not that of this request")


def _sign(given: Signature, request: web.BaseRequest, body: bytes, secret: str) -> str:
    """Return the signature that a caller with this secret would have made."""
    from botocore.auth import SigV4Auth  # noqa: PLC0415 - only where keys are configured
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415
    from botocore.credentials import Credentials  # noqa: PLC0415

    url = f"http://{request.headers.get(hdrs.HOST, '')}{_target(request)}"
    again: Any = AWSRequest(method=request.method, url=url, data=body)
    for name in given.signed_headers:
        for value in request.headers.getall(name, ()):
            again.headers[name] = value
    again.context["timestamp"] = request.headers[DATE]
    signer: Any = SigV4Auth(Credentials(given.access_key, secret), given.service, given.region)
    signature: str = signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again)
    return signature


def _target(request: web.BaseRequest) -> str:
    """Return path and query as they were sent: a signature covers their very bytes."""
    raw = request.raw_path
    return raw if raw.startswith("/") else request.rel_url.raw_path_qs
