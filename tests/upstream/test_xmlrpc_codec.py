"""XML-RPC's values, held against the standard library's; and what is none of them."""

from __future__ import annotations

import xmlrpc.client
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders.upstream_pages import CALM
from yanksync.upstream.xmlrpc_codec import InvalidXmlRpc, decode_response, encode_call

# XML cannot have control characters or these two.
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31 - 1) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)


@CALM
@given(VALUES)
def test_what_the_standard_library_writes_is_read_as_it_was(value: object) -> None:
    body = xmlrpc.client.dumps((value,), methodresponse=True, allow_none=True).encode()  # type: ignore[arg-type]
    assert decode_response(body).value == value and not decode_response(body).fault


@pytest.mark.parametrize("arguments", [(), (0,), (7, 2**31 - 1)])
def test_a_call_is_one_to_the_standard_library(arguments: tuple[int, ...]) -> None:
    loaded = xmlrpc.client.loads(encode_call("changelog_since_serial", *arguments))
    assert loaded == (arguments, "changelog_since_serial")


def test_a_fault() -> None:
    fault = xmlrpc.client.Fault(-32500, "HTTPTooManyRequests: <slow> & steady")
    read = decode_response(xmlrpc.client.dumps(fault).encode())
    assert read.fault
    assert read.value == {"faultCode": -32500, "faultString": fault.faultString}


def wrapped(value: str) -> bytes:
    params = f"<params><param><value>{value}</value></param></params>"
    return f"<?xml version='1.0'?><methodResponse>{params}</methodResponse>".encode()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("bare text", "bare text"),
        ("", ""),
        ("<string/>", ""),
        ("<string>a &lt; b &#233;</string>", "a < b é"),
        ("<i8>-5</i8>", -5),
        (" <int> 7 </int> ", 7),
        ("<double>1.5</double>", 1.5),
        ("<boolean>1</boolean>", True),
        ("<array><data/></array>", []),
        ("<array><data><value>x</value><value><nil/></value></data></array>", ["x", None]),
        ("<struct/>", {}),
    ],
)
def test_a_value(text: str, value: object) -> None:
    read = decode_response(wrapped(text)).value
    assert read == value and type(read) is type(value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>maintenance</html>",
        b"<methodResponse/>",
        b"<methodResponse><params></methodResponse>",
        b"<methodCall><params><param><value>x</value></param></params></methodCall>",
        wrapped("x")[:-20],
        wrapped("x") + b"<more/>",
        wrapped("x</value><value>y"),
        wrapped("<int>seven</int>"),
        wrapped("<int>1_000</int>"),
        wrapped("<int>٧</int>"),
        wrapped("<int>" + "9" * 5000 + "</int>"),
        wrapped("<double>nan</double>"),
        wrapped("<boolean>yes</boolean>"),
        wrapped("<base64>eA==</base64>"),
        wrapped("<dateTime.iso8601>20240101T00:00:00</dateTime.iso8601>"),
        wrapped("<struct><member><name>a</name></member></struct>"),
        wrapped("<struct><member><value>a</value><name>b</name></member></struct>")[:-9],
        b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + wrapped("&a;")[21:],
    ],
)
def test_what_is_no_response(body: bytes) -> None:
    with pytest.raises(InvalidXmlRpc, match=r"no XML"):
        decode_response(body)


@CALM
@given(st.binary() | st.text().map(lambda text: wrapped(text)))
def test_whatever_comes_it_is_a_value_or_malformed(body: bytes) -> None:
    with suppress(InvalidXmlRpc):
        decode_response(body)
