"""How often one address may call: a token bucket each."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from neptuneml_plugin.errors import TooManyRequests

#: Addresses remembered; beyond, the one that has not called for longest is forgotten.
MOST_ADDRESSES = 10_000


@dataclass
class _Bucket:
    tokens: float
    filled_at: float


class RateLimit:
    """Counts the requests of each client address.

    Args:
        per_second: requests that an address may send on average; 0: any number.
        burst: how many it may send at once.
        clock: seconds that only go up.
    """

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = max(1, burst)
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def check(self, address: str) -> None:
        """Count one request.

        Raises:
            TooManyRequests: the address has sent too many; the error says when to come back.
        """
        if self._per_second <= 0:
            return
        bucket, now = self._bucket(address), self._clock()
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.filled_at) * self._per_second)
        bucket.filled_at = now
        if bucket.tokens < 1:
            wait = math.ceil((1 - bucket.tokens) / self._per_second)
            raise TooManyRequests(
                f"more than {self._per_second:g} requests a second come from {address}; try again in {wait} s",
                wait,
            )
        bucket.tokens -= 1

    def _bucket(self, address: str) -> _Bucket:
        if address not in self._buckets:
            self._buckets[address] = _Bucket(self._burst, self._clock())
        self._buckets.move_to_end(address)
        if len(self._buckets) > MOST_ADDRESSES:
            self._buckets.popitem(last=False)
        return self._buckets[address]
