"""XML-RPC on the wire.

It writes calls with numbers, and reads the returned value. It has only what a journal needs, for
two reasons. The standard library's module also loads a whole HTTP client, which would slow down
every start. And it reads more types than is safe (its own documentation warns of that).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Struct

_INTEGER = r"(?a)\s*([+-]?[0-9]{1,20})\s*\Z"
_PIECE = 1 << 16  # bytes parsed at once
_ELEMENT = 1 << 20  # bytes of a single tag: expat reads an unfinished one again and again
_MOST_TAGS = 1_000_000  # 50,000 rows have 650,000
_MOST_TEXT = 16 << 20  # characters; 50,000 rows have some 5 million
_DOUBLE = r"(?a)\s*([+-]?[0-9]{1,40}(?:\.[0-9]{0,40})?)\s*\Z"


class InvalidXmlRpc(ValueError):
    """An answer is no XML-RPC response; the text says why."""


class XmlRpcResponse(Struct, frozen=True):
    """A value: text, number, bool, None, or lists and dictionaries."""

    value: object
    fault: bool = False


def encode_call(method: str, *arguments: int) -> bytes:
    """Return the body of a call."""
    values = "".join(f"<param><value><int>{one:d}</int></value></param>" for one in arguments)
    text = f"<methodCall><methodName>{method}</methodName><params>{values}</params></methodCall>"
    return f'<?xml version="1.0"?>\n{text}\n'.encode()


def decode_response(body: bytes) -> XmlRpcResponse:
    """Return what a response says.

    Raises:
        InvalidXmlRpc: it is none, or has a document type. XML-RPC never needs one.
    """
    from xml.parsers import expat  # most passes do without (see xmlrpc_rows)

    reader = _Reader()
    parser = expat.ParserCreate(None, None)
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        rest = memoryview(body)
        for start in range(0, len(body), _PIECE):
            parser.Parse(rest[start : start + _PIECE], False)
            if start + _PIECE - parser.CurrentByteIndex > _ELEMENT:
                raise InvalidXmlRpc("no XML-RPC: an element without end")
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise InvalidXmlRpc(f"no XML: {error}") from error
    if reader.root != "methodResponse" or len(reader.values) != 1:
        raise InvalidXmlRpc("no XML-RPC response")
    return XmlRpcResponse(reader.values[0], reader.fault)


def _refuse_doctype(*_: object) -> None:
    raise InvalidXmlRpc("no XML-RPC: it has a document type, which that never needs")


def _integer(text: str) -> int:
    match = re.match(_INTEGER, text)
    if match is None:
        raise InvalidXmlRpc("no XML-RPC: an int that is none")
    return int(match[1])


def _double(text: str) -> float:
    match = re.match(_DOUBLE, text)
    if match is None:
        raise InvalidXmlRpc("no XML-RPC: a double that is none")
    return float(match[1])


def _boolean(text: str) -> bool:
    if text.strip() not in ("0", "1"):
        raise InvalidXmlRpc("no XML-RPC: a boolean that is none")
    return text.strip() == "1"


_SCALARS: dict[str, Callable[[str], object]] = {
    "int": _integer,
    "i4": _integer,
    "i8": _integer,
    "string": str,
    "boolean": _boolean,
    "double": _double,
    "nil": lambda text: None,
}
_STRUCTURE = frozenset(
    {"methodResponse", "params", "param", "fault", "value"}
    | {"array", "data", "struct", "member", "name"}
)


class _Reader:
    """Takes the elements of a response as they come."""

    def __init__(self) -> None:
        self.root: str | None = None
        self.fault = False
        self.values: list[object] = []  # of the innermost open element
        self._outer: list[list[object]] = []  # of the elements around it
        self._text: list[str] = []
        self._tags = self._characters = 0
        self._bare = False  # an open value without a type so far, which means text

    def start(self, tag: str, _: dict[str, str]) -> None:
        if self.root is None:
            self.root = tag
        self._tags += 1
        if self._tags > _MOST_TAGS:
            raise InvalidXmlRpc(f"one of more than {_MOST_TAGS} elements")
        if tag not in _SCALARS and tag not in _STRUCTURE:
            raise InvalidXmlRpc("no XML-RPC: a type that no journal has")
        if tag in ("array", "struct"):
            self._outer.append(self.values)
            self.values = []
        self.fault = self.fault or tag == "fault"
        self._bare = tag == "value"
        self._text.clear()

    def text(self, text: str) -> None:
        self._characters += len(text)
        if self._characters > _MOST_TEXT:
            raise InvalidXmlRpc(f"one of more than {_MOST_TEXT} characters")
        self._text.append(text)

    def end(self, tag: str) -> None:
        read = _SCALARS.get(tag)
        if read is not None:
            self.values.append(read("".join(self._text)))
        elif (tag == "value" and self._bare) or tag == "name":
            self.values.append("".join(self._text))
        elif tag in ("array", "struct"):
            inner, self.values = self.values, self._outer.pop()
            self.values.append(inner if tag == "array" else _struct(inner))
        self._bare = False


def _struct(inner: list[object]) -> dict[str, object]:
    """Return the members, which came as name, value, name, value."""
    names, values = inner[::2], inner[1::2]
    if len(names) != len(values) or not all(isinstance(name, str) for name in names):
        raise InvalidXmlRpc("no XML-RPC: a member without a name or a value")
    return dict(zip(map(str, names), values, strict=True))
