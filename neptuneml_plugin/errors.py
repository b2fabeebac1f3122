"""Every error of this project, as one tree.

```
NeptuneMLError                 500  InternalFailureException
├── InvalidParameter           400  InvalidParameterException
│   └── InvalidSettings        400  several problems at once, each with its path
├── InvalidArgument            400  InvalidArgumentException
├── IllegalArgument            400  IllegalArgumentException
├── MissingParameter           400  MissingParameterException
├── BadRequest                 400  BadRequestException
│   └── InvalidData            400  a file or folder that does not hold what it should
├── UnsupportedOperation       400  UnsupportedOperationException
├── MalformedQuery             400  MalformedQueryException
├── QueryTooLarge              400  QueryTooLargeException
├── StatisticsNotAvailable     400  StatisticsNotAvailableException
├── ConstraintViolation        400  ConstraintViolationException
├── PreconditionsFailed        400  PreconditionsFailedException
├── AccessDenied               403  AccessDeniedException
├── ResourceNotFound           404  MLResourceNotFoundException
├── MethodNotAllowed           405  MethodNotAllowedException
├── ClientTimeout              408  ClientTimeoutException
├── TooManyRequests            429  TooManyRequestsException
├── TimeLimitExceeded          500  TimeLimitExceededException
├── MemoryLimitExceeded        500  MemoryLimitExceededException
└── FailureByQuery             500  FailureByQueryException
```

`code` and `http_status` are those of Neptune's data API (botocore's `neptunedata` model); `exit_code` is what
the command line returns: 2 for bad input, 1 for a failure.
"""

import difflib
from collections.abc import Iterable, Sequence
from typing import ClassVar


class NeptuneMLError(Exception):
    """Something failed in a way that the caller could not have prevented."""

    code: ClassVar[str] = "InternalFailureException"
    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1


class InvalidParameter(NeptuneMLError):
    """A given value is not allowed."""

    code = "InvalidParameterException"
    http_status = 400
    exit_code = 2


class InvalidSettings(InvalidParameter):
    """Settings with one or more problems, all of them named.

    Args:
        source: the file or place that the settings came from.
        problems: one line each, beginning with the path of the setting.
    """

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__(f"{source}: " + "; ".join(self.problems))


class InvalidArgument(NeptuneMLError):
    """An argument for what a request would run is none."""

    code = "InvalidArgumentException"
    http_status = 400
    exit_code = 2


class IllegalArgument(NeptuneMLError):
    """An argument that is right in itself is not supported for what it is given to."""

    code = "IllegalArgumentException"
    http_status = 400
    exit_code = 2


class MissingParameter(NeptuneMLError):
    """A required value was not given."""

    code = "MissingParameterException"
    http_status = 400
    exit_code = 2


class BadRequest(NeptuneMLError):
    """The request cannot be carried out as it stands."""

    code = "BadRequestException"
    http_status = 400
    exit_code = 2


class InvalidData(BadRequest):
    """A file or folder does not hold what it should."""


class UnsupportedOperation(NeptuneMLError):
    """Known, but not offered here."""

    code = "UnsupportedOperationException"
    http_status = 400
    exit_code = 2


class MalformedQuery(NeptuneMLError):
    """A Gremlin script that the server cannot read, or that fails while it runs."""

    code = "MalformedQueryException"
    http_status = 400
    exit_code = 2


class QueryTooLarge(NeptuneMLError):
    """A query's body is beyond what may be sent."""

    code = "QueryTooLargeException"
    http_status = 400
    exit_code = 2


class StatisticsNotAvailable(NeptuneMLError):
    """What the graph holds cannot be counted now."""

    code = "StatisticsNotAvailableException"
    http_status = 400


class ConstraintViolation(NeptuneMLError):
    """Two parts do not fit each other, such as a pinned version and a worker."""

    code = "ConstraintViolationException"
    http_status = 400


class PreconditionsFailed(NeptuneMLError):
    """Something must exist or be running first."""

    code = "PreconditionsFailedException"
    http_status = 400


class AccessDenied(NeptuneMLError):
    """The caller may not do this."""

    code = "AccessDeniedException"
    http_status = 403


class ResourceNotFound(NeptuneMLError):
    """No such endpoint or job."""

    code = "MLResourceNotFoundException"
    http_status = 404


class MethodNotAllowed(NeptuneMLError):
    """The path does not take this method of HTTP.

    Args:
        message: what was asked.
        allowed: the methods that it takes, as the header `Allow` says.
    """

    code = "MethodNotAllowedException"
    http_status = 405

    def __init__(self, message: str, allowed: Iterable[str]) -> None:
        self.allowed = tuple(sorted(allowed))
        super().__init__(f"{message}; it takes {', '.join(self.allowed)}")


class ClientTimeout(NeptuneMLError):
    """The client took too long to send its request."""

    code = "ClientTimeoutException"
    http_status = 408


class TooManyRequests(NeptuneMLError):
    """The queue is full, or one caller asks too often.

    Args:
        message: what there is too much of.
        retry_after_seconds: when to come back, as the header `Retry-After` says.
    """

    code = "TooManyRequestsException"
    http_status = 429

    def __init__(self, message: str, retry_after_seconds: int = 1) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class TimeLimitExceeded(NeptuneMLError):
    """The caller's deadline has passed."""

    code = "TimeLimitExceededException"


class MemoryLimitExceeded(NeptuneMLError):
    """The memory that was allowed does not suffice."""

    code = "MemoryLimitExceededException"


class FailureByQuery(NeptuneMLError):
    """Another process that was needed failed."""

    code = "FailureByQueryException"


def one_of(name: str, allowed: Iterable[str]) -> str:
    """Return `"allowed: x, y (did you mean 'x'?)"`: all names, and the one that is near."""
    choices = list(allowed)
    match = difflib.get_close_matches(name, choices, n=1)
    return f"allowed: {', '.join(choices)}" + (f" (did you mean '{match[0]}'?)" if match else "")


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return `" (did you mean 'x'?)"`, or the allowed names where none is near."""
    choices = sorted(allowed)
    match = difflib.get_close_matches(name, choices, n=1)
    return f" (did you mean '{match[0]}'?)" if match else f" (allowed: {', '.join(choices) or 'none'})"
