"""``status`` on one machine, while a run on another one works."""

from __future__ import annotations

import re

from tests.support.bucket_mirrors import Fleet
from tests.support.cli_runner import ended, wait_for
from tests.support.fake_index.index import FakeUpstream, Fault


def test_a_run_on_another_machine_is_seen(fleet: Fleet, upstream: FakeUpstream) -> None:
    fleet.first.settle("lease = 8")  # renewed after 4 s, with the progress of the run
    assert fleet.first("sync").silent
    assert fleet.second("status", "--json").json["run"] is None
    upstream.yank("demo", "1.0", "late")
    upstream.fail("^/simple/demo/", Fault.delay(120))
    process = fleet.first.start("sync")
    try:
        wait_for(lambda: fleet.second("status", "--json").json["run"])
        run = fleet.second("status", "--json").json["run"]
        assert run["who"].startswith(f"process {process.pid} on ")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", run["since"])
        assert run["command"] == "sync"
        wait_for(lambda: fleet.second("status", "--json").json["run"]["phase"])  # once renewed
        assert "sync since " in fleet.second("status").out
        assert f" ({run['who']}): fetching pages 0/1\n" in fleet.second("status").out
        assert fleet.second("check").code == 0
    finally:
        process.terminate()
    ended(process)
    assert fleet.second("status", "--json").json["run"] is None


def test_an_output_in_a_bucket_that_is_empty_is_critical(fleet: Fleet) -> None:
    assert fleet.first("sync").silent
    assert fleet.first("check").code == 0
    fleet.objects.delete([found.key for found in fleet.objects.list("simple")])
    done = fleet.first("check")
    assert done.code == 2 and " is empty | " in done.out


def test_vv_logs_requests_to_the_storage_without_secrets(
    fleet: Fleet, upstream: FakeUpstream
) -> None:
    assert fleet.first("sync").silent
    upstream.yank("demo", "1.0", "late")
    done = fleet.first("-vv", "sync")
    assert done.code == 0
    place = re.escape(str(fleet.first.place))
    for call in (
        rf"put {place}/simple/demo/index\.html: done in \d+\.\d+ s",
        r"get \S+/yanksync\.db\.lease: done in \d+\.\d+ s",
    ):
        assert re.search(rf"^yanksync: debug: {call}$", done.err, re.MULTILINE), call
    (line,) = (one for one in done.err.splitlines() if "storage.secret_access_key = " in one)
    assert '= "***"' in line
