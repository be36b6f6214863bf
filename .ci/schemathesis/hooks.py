"""What Schemathesis has to be told about our media types and our Idempotency-Key."""

import re
import uuid

import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance

VALID = re.compile(r"[!#-~]{1,255}")


@schemathesis.serializer("application/x-ndjson", "application/ndjson", "application/jsonl")
def lines(ctx, value):
    """Whatever it is, behind one good line: a stream is refused only when it holds none."""
    text = value if isinstance(value, str) else repr(value)
    return b'{"event":"line"}\n' + text.encode("utf-8", "surrogatepass")


@schemathesis.serializer("application/gzip")
def packed(ctx, value):
    """Anything at all: the edge looks at the bytes themselves."""
    return repr(value).encode("utf-8", "surrogatepass")


@schemathesis.hook
def before_call(ctx, case, kwargs):
    """A key that came with another body before is refused, and rightly: each request has its own."""
    name = "Idempotency-Key"
    if VALID.fullmatch(str((case.headers or {}).get(name, ""))):
        case.headers[name] = f"{case.headers[name]}{uuid.uuid4()}"[-255:]


#: What is wrong with an event that no JSON Schema can say.
UNSAYABLE = {
    "EVENT_TOO_LARGE",
    "NUMBER_UNREPRESENTABLE",
    "PROPERTY_CONFLICT",
    "STRING_UNSTORABLE",
    "TOO_DEEP",
    "TOO_MANY_KEYS",
}


@schemathesis.check
def valid_data_is_taken(ctx, response, case):
    """The built-in check of the same meaning, but for faults of an event that its schema cannot exclude."""
    if response.status_code in (413, 422):
        codes = {error["code"] for error in response.json().get("errors", [])}
        if codes and codes <= UNSAYABLE:
            return None
    return positive_data_acceptance(ctx, response, case)
