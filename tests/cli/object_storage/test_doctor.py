"""``yanksync doctor`` on a mirror in a bucket, with the state beside it."""

from __future__ import annotations

from typing import Any

from tests.support.bucket_mirrors import Fleet, Machine


def checks(machine: Machine, code: int = 0, **environ: str) -> dict[str, Any]:
    done = machine("doctor", "--json", **environ)
    assert done.code == code, done
    return {check["name"]: check for check in done.json["checks"]}


def keys(fleet: Fleet) -> set[str]:
    return {listed.key for listed in fleet.objects.list("")}


def test_nothing_stays_in_the_bucket(fleet: Fleet) -> None:
    found = checks(fleet.first)
    assert found["last run"]["text"] == "none yet"
    assert keys(fleet) == set()
    assert fleet.first("sync").code == 0
    before = keys(fleet)
    found = checks(fleet.second)
    for name, text in (("output", " can be written"), ("state", "/state can be written")):
        assert found[name]["level"] == "ok" and found[name]["text"].endswith(text)
    assert found["last run"]["level"] == "ok"
    assert found["extras"]["text"] == "obstore can be loaded"
    assert keys(fleet) == before and len(before) > 4
    assert fleet.second.scratch() == []


def test_a_bucket_that_may_not_be_written(fleet: Fleet) -> None:
    wrong = {"YANKSYNC_STORAGE_SECRET_ACCESS_KEY": "not the right one"}
    found = checks(fleet.first, code=1, **wrong)
    assert {found[name]["level"] for name in ("output", "state")} == {"failure"}
    assert "not the right one" not in str(found)
