"""Extends Schemathesis by Sluice's media types and its Idempotency-Key."""

import re
import uuid

import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance

VALID = re.compile(r"[!#-~]{1,255}")


@schemathesis.serializer("application/x-ndjson", "application/ndjson", "application/jsonl")
def lines(ctx, value):
    """Any value after one valid line: a stream is rejected only if it has no valid line."""
    text = value if isinstance(value, str) else repr(value)
    return b'{"event":"line"}\n' + text.encode("utf-8", "surrogatepass")


@schemathesis.serializer("application/gzip")
def packed(ctx, value):
    """Any bytes: the edge detects gzip by the bytes themselves."""
    return repr(value).encode("utf-8", "surrogatepass")


@schemathesis.hook
def before_call(ctx, case, kwargs):
    """Gives each request its own key: a key that was used with another body is rejected by design."""
    name = "Idempotency-Key"
    if VALID.fullmatch(str((case.headers or {}).get(name, ""))):
        case.headers[name] = f"{case.headers[name]}{uuid.uuid4()}"[-255:]


#: Errors of an event that a JSON Schema cannot express.
NOT_IN_SCHEMA = {
    "EVENT_TOO_LARGE",
    "NUMBER_UNREPRESENTABLE",
    "PROPERTY_CONFLICT",
    "STRING_UNSTORABLE",
    "TOO_DEEP",
    "TOO_MANY_KEYS",
}


@schemathesis.check
def valid_data_is_taken(ctx, response, case):
    """The built-in check, except for errors of an event that its schema cannot exclude."""
    if response.status_code in (413, 422):
        codes = {error["code"] for error in response.json().get("errors", [])}
        if codes and codes <= NOT_IN_SCHEMA:
            return None
    return positive_data_acceptance(ctx, response, case)
