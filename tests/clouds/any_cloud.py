"""What is tested with each cloud's server."""

from __future__ import annotations

from tests.support.bucket_mirrors import LOCKED, Fleet
from tests.support.fake_index.index import FakeUpstream
from tests.support.s3_proxy import Mishap, puts_of
from yanksync.output.object_storage.bucket import ObjectHeaders

PLAIN = ObjectHeaders(type="text/plain")


def test_a_story(fleet: Fleet, upstream: FakeUpstream) -> None:
    first, second = fleet.first, fleet.second
    assert first("sync").silent
    upstream.yank("demo", "1.0", "broken")
    assert second("sync").silent
    assert fleet.yanked("demo")["demo-1.0.tar.gz"] == "broken"
    upstream.unyank("demo", "1.0")
    assert first("sync").silent
    assert fleet.yanked("demo") == {"demo-1.0.tar.gz": False, "demo-2.0.tar.gz": False}
    upstream.yank("demo", "2.0", "the first sees this")
    rule = first.gate.when(Mishap.PAUSE, puts_of("demo"), times=1)
    process = first.start("sync")
    assert rule.caught.wait(60)
    process.kill()
    process.communicate()
    assert second("sync").code == LOCKED
    upstream.yank("demo", "1.0", "only the second sees this")
    assert second.after_the_lease("sync").code == 0
    rule.go.set()  # the put of the dead arrives
    expected = {"demo-1.0.tar.gz": "only the second sees this",
                "demo-2.0.tar.gz": "the first sees this"}  # fmt: skip
    assert fleet.yanked("demo") == expected
    assert second("verify").silent
    fleet.objects.put("simple/demo/index.html", b"<p>evil", PLAIN)
    fleet.objects.delete(["simple/other/index.v1_json"])
    assert second("verify").code == 1
    assert second("verify", "--repair").code == 0
    assert first("verify").silent and first("sync").silent
    assert fleet.yanked("demo") == expected
    actions = [row["action"] for row in first("history", "demo", "--json").json]
    assert actions == ["yank", "unyank", "yank", "yank"]
