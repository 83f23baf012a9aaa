"""JSON as TensorFlow Serving reads it: NaN and infinities are numbers, what follows the first value is ignored.

Knows bytes and plain values; knows nothing of what they mean.
"""

from __future__ import annotations

import json
import math
from itertools import islice
from typing import Any

import orjson

from service.errors import Invalid
from service.protocols.tfserving.faults import QUOTED_CHARACTERS, quoted


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number too big for a double")
    return number


_DECODER = json.JSONDecoder(parse_float=_finite)
_ENCODER = json.JSONEncoder(ensure_ascii=False, indent=4)
_SPACE = " \t\r\n"
_LITERALS = {None: "Null", True: "True", False: "False"}


def loads(body: bytes) -> dict[str, Any]:
    """Return the object that `body` begins with; raises Invalid with field `body`."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # orjson is strict; this is the way of those who send NaN, or something after the object.
        document = _loads_leniently(body, error)
    if type(document) is not dict:
        raise Invalid(f"JSON Value: {shown(document)} Is not object", field="body")
    return document


def _loads_leniently(body: bytes, strict: orjson.JSONDecodeError) -> Any:
    try:
        text = body.decode("utf-8-sig")
        return _DECODER.raw_decode(text, len(text) - len(text.lstrip(_SPACE)))[0]
    except UnicodeDecodeError as error:
        raise Invalid(
            f"JSON Parse error: Invalid encoding in string. at offset: {error.start}", field="body"
        ) from error
    except json.JSONDecodeError as error:
        what = "The document is empty" if not text.strip(_SPACE) else f"{error.msg}. at offset: {error.pos}"
        raise Invalid(f"JSON Parse error: {what}", field="body") from error
    except (RecursionError, ValueError) as error:  # nested too deeply; a number too big
        raise Invalid(f"JSON Parse error: {strict.msg} at offset: {strict.pos}", field="body") from error


def shown(value: Any) -> str:
    """Return `value` as an error quotes it, cut; looks at no more of it than that."""
    if isinstance(value, str):
        return quoted(json.dumps(value[:QUOTED_CHARACTERS], ensure_ascii=False))
    return quoted("".join(islice(_ENCODER.iterencode(value), QUOTED_CHARACTERS)))


def kind_of(value: Any) -> str:
    """Return what TensorFlow Serving calls the type of a value."""
    if value is None or isinstance(value, bool):
        return _LITERALS[value]
    if isinstance(value, int | float):
        return "Number"
    if isinstance(value, str):
        return "String"
    return "Array" if isinstance(value, list) else "Object"
