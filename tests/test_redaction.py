"""What no log may show, and what it still must."""

import io
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.redaction import HIDDEN, JsonFormatter, RedactingFormatter, redact

SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer hunter2-hunter2",
        "authorization: hunter2-hunter2",
        "{'Authorization': 'Bearer hunter2-hunter2', 'Host': 'kept'}",
        '"authorization": "Basic hunter2-hunter2", "kept": 1',
        "Bearer hunter2-hunter2 kept",
        "Authorization: AWS4-HMAC-SHA256 Credential=hunter2-hunter2/aws4_request, SignedHeaders=h, Signature=x",
        "said AWS4-HMAC-SHA256 Credential=AK/x, SignedHeaders=host, Signature=hunter2-hunter2 kept",
        "X-Amz-Security-Token: hunter2-hunter2",
        "https://kept.example/x?X-Amz-Signature=hunter2-hunter2&kept=1",
        "https://kept.example/x?X-Amz-Credential=hunter2-hunter2%2F2026&kept=1",
        '{"token": "hunter2-hunter2", "kept": 1}',
        "token=hunter2-hunter2 kept",
        "serviceToken: hunter2-hunter2",
        "NEPTUNEML_SERVICE_TOKEN=hunter2-hunter2",
        "AWS_SECRET_ACCESS_KEY=hunter2-hunter2",
        "aws_secret_access_key = hunter2-hunter2",
        "secretKey: 'hunter2-hunter2'",
        "AWS_SESSION_TOKEN=hunter2-hunter2",
        "password=hunter2-hunter2",
        "apassword=hunter2-hunter2",
        "dbPassword: hunter2-hunter2",
        "client_secret=hunter2-hunter2&kept=1",
        '{"refreshToken": "hunter2-hunter2", "kept": 1}',
        "MY_PASSPHRASE='hunter2-hunter2' kept",
        '{"volumeEncryptionKMSKey": "hunter2-hunter2", "kept": true}',
        '{"s3OutputEncryptionKMSKey": "hunter2-hunter2"}',
        "encrypted with arn:aws:kms:eu-west-1:123456789012:key/hunter2-hunter2 kept",
        "https://user:hunter2-hunter2@kept.example/",
    ],
)
def test_secrets_are_hidden(text: str) -> None:
    hidden = redact(text)
    assert SECRET not in hidden
    assert HIDDEN in hidden
    assert ("kept" in hidden) == ("kept" in text)


@pytest.mark.parametrize(
    "text",
    [
        "endpoint e: the token is missing or wrong; send 'Authorization: …'"[:40],
        "worker of e ended with code 1; next in 0.2 s",
        "nextToken is wrong",
        "the tokenizer splits: words",
        "listening on http://127.0.0.1:8183",
        "arn:neptuneml:service:local::endpoint/e",
        "12 tokens: 7 known",
        "secrets: none",
        "passwordless=true",
        "a basic model",
        "keys: airport, route",
    ],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert redact(text) == text


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    redact(text)
    assert SECRET not in redact(f"{text} Authorization: Bearer {SECRET}")


def test_known_secrets_are_hidden_wherever_they_stand() -> None:
    assert redact("the word swordfish alone", ["swordfish"]) == f"the word {HIDDEN} alone"


def test_the_log_hides_arguments_and_tracebacks() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(RedactingFormatter("%(levelname)s %(message)s", ["swordfish"]))
    log = logging.Logger("test")
    log.addHandler(handler)
    try:
        int(f"{{'Authorization': 'Bearer {SECRET}'}}, and swordfish")
    except ValueError:
        log.exception("a request with token=%s failed", SECRET)
    said = stream.getvalue()
    assert SECRET not in said
    assert "swordfish" not in said
    assert "ERROR a request with token=[hidden] failed" in said
    assert "Traceback" in said


def as_json(record: logging.LogRecord, **fields: object) -> dict[str, object]:
    record.fields = fields
    line = JsonFormatter("worker", [SECRET]).format(record)
    assert "\n" not in line
    document: dict[str, object] = json.loads(line)
    return document


@given(st.text())
def test_any_message_is_one_line_of_json(message: str) -> None:
    line = as_json(logging.LogRecord("a", logging.INFO, __file__, 1, "%s", (message,), None), note=message)
    assert set(line) == {"time", "level", "process", "logger", "message", "note"}


def test_a_json_line_says_what_a_text_line_does_and_hides_as_much() -> None:
    error = (ValueError, ValueError(f"Bearer {SECRET}"), None)
    record = logging.LogRecord("a.logger", logging.WARNING, __file__, 1, "token=%s and %s", (SECRET, 3), error)
    line = as_json(record, requestId="r", seconds=0.5, note=f"Bearer {SECRET}")
    assert (line["level"], line["process"], line["logger"]) == ("WARNING", "worker", "a.logger")
    assert (line["requestId"], line["seconds"]) == ("r", 0.5)
    assert "and 3" in str(line["message"])
    assert "ValueError" in str(line["message"])
    assert SECRET not in json.dumps(line)
