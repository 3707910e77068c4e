"""Pages of every shape that the readers can return, for property tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from yanksync.core.model import File, Page, Yank

CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # busy machines

# Lone surrogates one by one: a pair side by side is one character to every reader of JSON.
texts = st.text(st.characters(codec="utf-8") | st.sampled_from("<>&\"'\r\n\t\0\x1b\u202e\u2028"))
lone = st.builds("{}{}{}".format, texts, st.sampled_from("\ud800\udfff"), texts)
reasons = texts | lone | st.sampled_from(["", "false", "0", " ", "\r\n", "--></", '"><script>'])
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
hashes = st.just(()) | digests.map(lambda digest: (("sha256", digest),))
versions = st.sampled_from(["1.0", "1.0.0", "2004d", "1!0.5", "1.0a1", "1.0+x.1", "2.0.dev1"])


@st.composite
def files(draw: st.DrawFn) -> File:
    """Return a file as a reader makes it, of the project ``demo``."""
    build = draw(st.sampled_from(["-py3-none-any.whl", ".tar.gz", ".zip", "-py3.7.egg", "'&<.exe"]))
    filename = f"demo-{draw(versions)}{build}".replace("/", "_")
    path = filename.replace("<", "%3C")
    return File(
        filename=filename,
        url=f"https://files.example/packages/{path}",
        hashes=draw(hashes),
        requires_python=draw(st.none() | texts.filter(bool)),
        size=draw(st.none() | st.integers(0, 2**63 - 1)),
        upload_time=draw(st.none() | st.just("2026-11-06T17:37:01.5Z")),
        yanked=draw(st.none() | reasons.map(Yank)),
        core_metadata=draw(st.none() | st.booleans() | hashes.filter(bool)),
        gpg_sig=draw(st.none() | st.booleans()),
        provenance=draw(st.none() | st.just("https://upstream.example/p?a=1&b='2'")),
    )


statuses = st.sampled_from(["active", "archived", "deprecated", "quarantined", "a <b>"])
pages = st.builds(
    Page,
    name=st.just("demo"),
    files=st.lists(files(), max_size=4, unique_by=lambda file: file.filename).map(tuple),
    versions=st.none() | st.lists(versions, unique=True).map(tuple),
    status=statuses,
    status_reason=st.none() | reasons.filter(bool),
    serial=st.none() | st.integers(0, 2**31 - 1),
)
