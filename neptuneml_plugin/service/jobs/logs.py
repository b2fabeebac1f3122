"""What callers see of jobs' logs: copies without what looks like a credential."""

import threading
from pathlib import Path

from neptuneml_plugin.redaction import redact

COPY = "log.redacted.txt"


class RedactedLogs:
    """Copies that grow with their logs, whole line by whole line, so that a caller can go on where it stopped."""

    def __init__(self) -> None:
        #: How far each log was read; a restarted service begins anew, and writes the same.
        self._read: dict[Path, int] = {}
        self._lock = threading.Lock()

    def copy_of(self, log: Path, *, has_ended: bool) -> Path:
        """Return the copy of a log as it is now.

        Args:
            log: what a job's process has printed.
            has_ended: whether nothing follows; until then, a line without its end is held back.

        Raises:
            OSError: there is no log, or the copy cannot be written.
        """
        copy = log.with_name(COPY)
        with self._lock, log.open("rb") as source:
            begin = self._read.get(log, 0)
            source.seek(begin)
            with copy.open("ab" if begin else "wb") as target:
                for line in source:
                    if not (has_ended or line.endswith(b"\n")):
                        break
                    target.write(redact(line.decode(errors="replace")).encode())
                    begin += len(line)
            self._read[log] = begin
        return copy
