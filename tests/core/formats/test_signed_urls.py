"""Links that stop working: they are published, and the operator is told."""

from __future__ import annotations

import pytest

from tests.support.builders.upstream_pages import (
    HTML,
    JSON,
    NAME,
    anchor,
    html_body,
    json_body,
    json_file,
    read,
)
from yanksync.core.formats.parse import is_about_index
from yanksync.core.formats.signed_urls import NOTE

EXPIRING = {
    "S3": "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20261129T000000Z&X-Amz-Expires=900"
    "&X-Amz-SignedHeaders=host&X-Amz-Signature=abc",
    "S3, older": "AWSAccessKeyId=a&Signature=b%3D&Expires=1700000000",
    "CloudFront": "Expires=1700000000&Signature=abc__&Key-Pair-Id=K2",
    "CloudFront, custom": "Policy=abc&Signature=abc&Key-Pair-Id=K2",
    "Google": "X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Expires=900&X-Goog-Signature=abc",
    "Google, older": "GoogleAccessId=a@b.example&Expires=1700000000&Signature=abc",
    "Azure": "sv=2024-11-04&se=2026-11-29T00%3A00Z&sr=b&sp=r&sig=abc%3D",
    "Akamai": "hdnts=exp=1700000000~acl=/*~hmac=abc",
    "nginx": "md5=abc&expires=1700000000",
    "others": "token=abc&expires=1700000000",
    "in capitals": "TOKEN=abc&EXPIRES=1700000000",
}
LASTING = ["", "?", "?download=1", "?sig=abc", "?expires=never", "?a=sig&b=expires", "?v=1&e=2"]


@pytest.mark.parametrize("query", EXPIRING.values(), ids=EXPIRING)
def test_a_link_that_expires_is_noted(query: str) -> None:
    lasting, url = json_file("demo-0.9.tar.gz"), f"https://files.example/{NAME}?{query}"
    escaped = url.replace("&", "&amp;")
    for parsed in (
        read(json_body(lasting, json_file(url=url))),
        read(html_body(anchor(filename="demo-0.9.tar.gz"), anchor(href=escaped)), HTML),
    ):
        assert parsed.warnings == (NOTE,) and is_about_index(NOTE)
        assert "signature" in NOTE and "cached" in NOTE
        assert len(parsed.page.files) == 2  # it works for now, and is published
        assert parsed.page.files[1].url.startswith(f"https://files.example/{NAME}?")


@pytest.mark.parametrize("query", LASTING)
def test_a_link_that_lasts_is_not(query: str) -> None:
    assert read(json_body(json_file(url=f"https://files.example/{NAME}{query}"))).warnings == ()
    why = {"reason": "really? see ?Expires=1&Signature=x"}
    assert read(json_body(json_file(yanked=why["reason"])), JSON).warnings == ()
