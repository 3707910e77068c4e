"""Lines of access logs, as each server writes them."""

from __future__ import annotations

import json

import pytest

from yanksync.core.formats.access_logs import (
    FileRequest,
    InvalidLine,
    LogReader,
    moment,
    requested_file,
)

WHEEL = "demo-1.0-py3-none-any.whl"
AT = "29/Nov/2026:20:16:43 +0130"
SECONDS = 1795978003.0  # 2026-11-29T18:46:43Z
COMBINED = '192.0.2.7 - {user} [{time}] "{request}" {status} 884 "-" "pip/26.3 [x] \\"y\\""'
S3 = (
    "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be files [29/Nov/2026:20:16:43"
    " +0000] 192.0.2.7 - 3E57427F3EXAMPLE REST.GET.OBJECT a/demo-1.0-py3-none-any.whl"
    ' "GET /files/a/demo-1.0-py3-none-any.whl?versionId=1 HTTP/1.1" 200 - 884 884 70 10 "-"'
    ' "uv/0.13" - x= SigV4 ECDHE-RSA-AES128-GCM-SHA256 - files.example TLSV1.2 - -'
)
CLOUDFRONT = """\
#Version: 1.0
#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status
2026-11-29\t20:16:43\tLAX1\t884\t192.0.2.7\tGET\tfiles.example\t/a/demo-1.0%252Bcu1-py3-none-any.whl\t200
2026-11-29\t20:16:44\tLAX1\t884\t192.0.2.7\tGET\tfiles.example\t/simple/demo/\t200
2026-11-29\t20:16:45\tLAX1
"""


def read(line: str) -> FileRequest | None:
    return LogReader().read(line + "\n")


def combined(
    target: str = f"/files/{WHEEL}", status: object = 200, method: str = "GET", **more: str
) -> str:
    request = f"{method} {target} HTTP/1.1"
    return COMBINED.format(
        request=request, status=status, time=more.get("time", AT), user=more.get("user", "-")
    )


@pytest.mark.parametrize("status", [200, 206, 304])
@pytest.mark.parametrize("user", ["-", "a user", "[a", "x] [01/Jan/2000:00:00:00 +0000]"])
def test_a_combined_line(status: int, user: str) -> None:
    """The client chooses the user, and must not hide itself by that."""
    found = read(combined(status=status, user=user))
    assert found == FileRequest("192.0.2.7", WHEEL, status, AT)
    assert moment(found.time) == SECONDS


@pytest.mark.parametrize(
    "line",
    [
        combined(status=404),
        combined(status=302),
        combined(status=416),
        combined(method="HEAD"),
        combined(method="PUT"),
        combined("/simple/demo/"),
        combined(f"/files/{WHEEL}.metadata"),
        combined(f"/files/{WHEEL}.asc"),
        combined(f"/?file={WHEEL}"),
        combined().replace(f"GET /files/{WHEEL} HTTP/1.1", "\\x16\\x03\\x01"),
        combined().replace(f"GET /files/{WHEEL} HTTP/1.1", ""),
        "#Version: 1.0",
    ],
)
def test_lines_that_fetched_no_file(line: str) -> None:
    assert read(line) is None


@pytest.mark.parametrize(
    "line",
    [
        "free text",
        combined()[:40],
        "{",
        "{}",
        "[]",
        '{"status": 200}',
        '{"status": 200, "uri": "/demo-1.0.zip", "msec": 1}',
        '{"status": 200, "remote_addr": "192.0.2.7", "msec": 1}',
        '{"status": [], "uri": "/demo-1.0.zip", "msec": 1, "remote_addr": "192.0.2.7"}',
        "#Fields: date time c-ip",
        "2026-11-29\t20:16:43\tLAX1\t884\t192.0.2.7\tGET\tfiles.example\t/demo-1.0.zip\t200",
        '{"a":' * 5000,
        '{"sc-status": "200", "cs-uri-stem": "/demo-1.0.zip", "c-ip": "192.0.2.7"}',
    ],
)
def test_lines_of_no_known_format(line: str) -> None:
    with pytest.raises(InvalidLine):
        read(line)


def test_a_line_of_s3() -> None:
    found = read(S3)
    assert found is not None
    assert (found.address, found.filename, found.status) == ("192.0.2.7", WHEEL, 200)
    assert moment(found.time) == 1795983403
    assert read(S3.replace('1.1" 200', '1.1" -')) is None
    assert read(S3.replace("GET /", "PUT /")) is None
    deleted = S3.replace('"GET /files/a/demo-1.0-py3-none-any.whl?versionId=1 HTTP/1.1"', "-")
    assert read(deleted) is None


def test_an_agent_hides_no_line_of_s3() -> None:
    """S3 leaves the quotation marks of a client's header as they are."""
    hiding = S3.replace("uv/0.13", f'x [{AT}] "GET / HTTP/1.1" 200 ')
    assert read(hiding) == read(S3)


def test_the_lines_of_cloudfront() -> None:
    """It encodes what the client encoded once more."""
    reader = LogReader()
    *lines, short = CLOUDFRONT.splitlines()
    version, fields, wheel, page = [reader.read(line) for line in lines]
    assert (version, fields, page) == (None, None, None)
    assert wheel == FileRequest(
        "192.0.2.7", "demo-1.0+cu1-py3-none-any.whl", 200, "2026-11-29T20:16:43Z"
    )
    assert moment(wheel.time) == 1795983403
    with pytest.raises(InvalidLine):
        reader.read(short)


def test_a_line_of_cloudfront_in_json() -> None:
    names = CLOUDFRONT.splitlines()[1].split()[1:]
    line = json.dumps(dict(zip(names, CLOUDFRONT.splitlines()[2].split("\t"), strict=True)))
    found = read(line)
    assert found is not None
    assert found == FileRequest("192.0.2.7", "demo-1.0+cu1-py3-none-any.whl", 200, found.time)
    assert moment(found.time) == 1795983403
    assert read(line.replace("GET", "HEAD")) is None


@pytest.mark.parametrize(
    "keys",
    [
        {"time_iso8601": "2026-11-29T20:16:43+00:00", "request": f"GET /{WHEEL} HTTP/2.0"},
        {"time_local": "29/Nov/2026:20:16:43 +0000", "uri": f"/{WHEEL}", "method": "GET"},
        {"msec": "1795983403.000", "request_uri": f"/{WHEEL}?x", "request_method": "GET"},
        {"@timestamp": "2026-11-29T20:16:43Z", "path": f"/{WHEEL}", "other": [1, {}]},
        {"timestamp": 1795983403000, "uri": f"/{WHEEL}"},
        {"time": "2026-11-29T20:16:43", "uri": f"/{WHEEL}"},
    ],
)
@pytest.mark.parametrize("status", [200, "200"])
def test_lines_of_nginx_in_json(keys: dict[str, object], status: object) -> None:
    found = read(json.dumps({"remote_addr": "192.0.2.7", "status": status, **keys}))
    assert found is not None
    assert (found.address, found.filename, found.status) == ("192.0.2.7", WHEEL, 200)
    assert moment(found.time) == 1795983403


def test_a_line_of_caddy() -> None:
    request = {"remote_ip": "192.0.2.7", "method": "GET", "uri": f"/{WHEEL}", "headers": {}}
    line = json.dumps({"level": "info", "ts": 1795983403.5, "request": request, "status": 200})
    assert read(line) == FileRequest("192.0.2.7", WHEEL, 200, 1795983403.5)
    assert read(line.replace("GET", "HEAD")) is None


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/a/b/demo-1.0.tar.gz", "demo-1.0.tar.gz"),
        ("/demo-1.0%2Bx.zip#sha256=0", None),  # no client sends a fragment
        ("/demo-1.0%2Bx.zip", "demo-1.0+x.zip"),
        ("/a%2Fdemo-1.0.zip", "demo-1.0.zip"),
        ("http://files.example/demo-1.0.zip", "demo-1.0.zip"),
        ("demo-1.0.egg", "demo-1.0.egg"),
        ("/", None),
        ("", None),
    ],
)
def test_the_file_is_the_last_part_of_the_path(target: str, name: str | None) -> None:
    assert requested_file(target) == name


@pytest.mark.parametrize(
    "time", ["", "yesterday", "29/Xyz/2026:20:16:43 +0000", "9" * 30, -1.0, 1e30, "2026-13-01"]
)
def test_times_that_are_none(time: str | float) -> None:
    with pytest.raises(InvalidLine):
        moment(time)
