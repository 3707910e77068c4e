"""``config check``, ``config show`` and ``config schema``."""

from __future__ import annotations

import json
import tomllib

import jsonschema
import pytest

from tests.support.cli_runner import Cli
from yanksync.config.keys import KEYS

WRONG = """
[upstream]
workers = 0
simple_url = "https://upstream.example"
[mirror]
yankd = "mark"
"""


def test_a_good_configuration(yanksync: Cli) -> None:
    done = yanksync("config", "check")
    assert (done.code, done.out, done.err) == (0, f"ok  {yanksync.config}\n", "")


def test_every_error_is_named(yanksync: Cli) -> None:
    yanksync.config.write_text(WRONG)
    done = yanksync("config", "check", YANKSYNC_SCHEDULE_EVERY="often")
    assert (done.code, done.out) == (2, "")
    for key in ("upstream.workers", "mirror.yankd", "schedule.every"):
        assert f": {key}: " in done.err
    assert "3 errors; nothing runs until they are corrected" in done.err


def test_lock_files_are_checked(yanksync: Cli) -> None:
    (yanksync.home / "uv.lock").write_text("version = 7\n")
    (yanksync.home / "other.txt").write_text("other==1.0\n")
    files = '[files]\nlock_files = ["gone.txt", "uv.lock", "other.txt"]\n'
    yanksync.config.write_text('[mirror]\nfiles = "copy"\nprojects = ["demo"]\n' + files)
    done = yanksync("config", "check")
    assert done.code == 2
    assert "gone.txt: files.lock_files: cannot be read: No such file" in done.err
    assert "uv.lock: files.lock_files: " in done.err and "2 errors; " in done.err
    files = '[files]\nlock_files = ["other.txt"]\n'
    yanksync.config.write_text('[mirror]\nfiles = "copy"\nprojects = ["demo"]\n' + files)
    done = yanksync("config", "check")
    assert done.code == 2 and "pin no project that mirror.projects selects" in done.err


def test_keys_that_do_nothing_are_named(yanksync: Cli) -> None:
    yanksync.config.write_text('[files]\nnewest = 1\nmissing = "hide"\ngrace = "1d"\n')
    done = yanksync("config", "check")
    why = 'files.missing, files.newest: without effect, as mirror.files is "link"'
    assert (done.code, done.err) == (0, f"yanksync: {why}\n")
    assert yanksync("config", "check", "--json").json == {
        "errors": [],
        "without_effect": ["files.missing", "files.newest"],
    }


def test_errors_as_json(yanksync: Cli) -> None:
    yanksync.config.write_text(WRONG)
    done = yanksync("config", "check", "--json")
    assert done.code == 2
    found = {error["key"]: error for error in done.json["errors"]}
    assert set(found) == {"upstream.workers", "mirror.yankd"}
    assert found["upstream.workers"]["source"] == str(yanksync.config)
    assert "must be from 1 to 256" in found["upstream.workers"]["problem"]


def test_a_file_that_is_no_toml(yanksync: Cli) -> None:
    yanksync.config.write_text("[upstream\n")
    for command in (("config", "check"), ("config", "show")):
        done = yanksync(*command)
        assert done.code == 2 and "is not TOML" in done.err


def test_values_have_their_source(yanksync: Cli) -> None:
    yanksync.config.write_text('[mirror]\nprojects = ["demo"]\n')
    done = yanksync("config", "show", YANKSYNC_MIRROR_YANKED="omit")
    assert done.code == 0
    lines = done.out.splitlines()
    assert f'mirror.projects = ["demo"]  # {yanksync.config}' in lines
    assert 'mirror.yanked = "omit"  # YANKSYNC_MIRROR_YANKED' in lines
    assert 'schedule.every = "5m"  # default' in lines
    assert "upstream.simple_url = (none)  # asked of pip" in lines
    assert len(lines) == len(KEYS)
    values = {one["key"]: one for one in yanksync("config", "show", "--json").json}
    assert values["mirror.projects"]["value"] == ["demo"] and len(values) == len(KEYS)


def test_no_secret_is_shown(yanksync: Cli) -> None:
    secrets = {
        "YANKSYNC_UPSTREAM_SIMPLE_URL": "https://user:geheim@upstream.example/simple/",
        "YANKSYNC_HOOKS_WEBHOOK": "https://hooks.upstream.example/geheim",
        "YANKSYNC_HEALTH_PING": "https://ping.upstream.example/geheim",
        "YANKSYNC_STORAGE_SECRET_ACCESS_KEY": "geheim",
        "YANKSYNC_MIRROR_OUTPUT": "s3://bucket/prefix",
        "YANKSYNC_MIRROR_STATE": "yanksync.db",
    }
    for options in ((), ("--json",)):
        done = yanksync("config", "show", *options, **secrets)
        assert done.code == 0, done.err
        assert "storage.secret_access_key" in done.out
        assert "geheim" not in done.out + done.err


def test_the_schema_knows_good_from_bad(yanksync: Cli) -> None:
    schema = yanksync("config", "schema").json
    jsonschema.Draft202012Validator.check_schema(schema)
    good = tomllib.loads(yanksync.config.read_text())
    jsonschema.validate(good, schema)
    for section, key, value in (
        ("upstream", "workers", 0),
        ("upstream", "wrkers", 1),
        ("mirror", "yanked", "hide"),
        ("mirror", "projects", "demo"),
        ("cooldown", "mode", "omit"),
        ("cooldown", "projects", {"demo": []}),
        ("withdrawals", "watch", {"web": "demo"}),
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({section: {key: value}}, schema)
    others = ("storage", "override")
    assert {f"{one}.{key}" for one in schema["properties"] if one not in others for key in
            schema["properties"][one]["properties"]} == set(KEYS)  # fmt: skip
    assert json.dumps(schema).count('"description"') == len(KEYS) + 4


def test_global_options_stand_behind_it(yanksync: Cli) -> None:
    other = yanksync.home / "other.toml"
    other.write_text("[upstream]\nworkers = 3\n")
    done = yanksync("config", "show", "--config", str(other))
    assert f"upstream.workers = 3  # {other}" in done.out


def test_one_error_does_not_hide_a_conflict(yanksync: Cli) -> None:
    yanksync.config.write_text(
        '[upstream]\nsimple_url = "http://upstream.example/simple/"\nwrokers = 3\n'
        '[mirror]\noutput = "m"\nstate = "m/simple/x"\n'
        '[hooks]\nwebhook_header = "A: b"\n'
        '[schedule]\nevery = "soon"\ncron = "* * * * *"\n[sotrage]\nx = 1\n'
    )
    done = yanksync("config", "check", YANKSYNC_UPSTREM_X="1")
    assert done.code == 2
    for problem in (
        "upstream.wrokers: no such key; did you mean workers?",
        "upstream.simple_url: plain http needs upstream.allow_http",
        "mirror.state: is among the pages of mirror.output",
        "hooks.webhook_header: needs hooks.webhook",
        "schedule.every: must be seconds",
        "schedule.cron: excludes schedule.every",
        "sotrage: no such section",
        "$YANKSYNC_UPSTREM_X: names no section",
    ):
        assert done.err.count(problem) == 1
    assert yanksync("sync", YANKSYNC_UPSTREM_X="1").err.count("\n") == 8


def test_a_value_that_cannot_be_read_conflicts_with_nothing(yanksync: Cli) -> None:
    yanksync.config.write_text('[hooks]\nwebhook = 5\nwebhook_header = "A: b"\n')
    assert yanksync("config", "check").err.count("hooks.") == 1
    yanksync.config.write_text("[upstream")
    done = yanksync("config", "check", YANKSYNC_UPSTREAM_JOURNAL="none")
    assert "is not TOML" in done.err and "upstream.journal" not in done.err


def test_overrides_are_shown_with_their_file(yanksync: Cli) -> None:
    with yanksync.config.open("a") as file:
        file.write(
            '[mirror]\noverrides = "more.toml"\n[cooldown.projects]\ntorch = "7d"\n'
            '[[override]]\nmatch = "demo==2.0"\naction = "allow"\nuntil = 2026-12-06\n'
        )
    more = yanksync.home / "more.toml"
    more.write_text('[[override]]\nmatch = "other"\naction = "hide"\nreason = "unwanted"\n')
    done = yanksync("config", "show")
    assert f'cooldown.projects = {{"torch": "7d"}}  # {yanksync.config}' in done.out
    allow = '{"match": "demo==2.0", "action": "allow", "until": "2026-12-06"}'
    hide = '{"match": "other", "action": "hide", "reason": "unwanted"}'
    assert done.out.splitlines()[-2:] == [
        f"override[1] = {allow}  # {yanksync.config}",
        f"override[1] = {hide}  # {more}",
    ]
    shown = yanksync("config", "show", "--json").json
    assert shown[-1] == {
        "key": "override[1]",
        "value": {"match": "other", "action": "hide", "reason": "unwanted"},
        "source": str(more),
    }


def test_a_time_of_toml_is_a_time(yanksync: Cli) -> None:
    text = yanksync.config.read_text()
    yanksync.config.write_text(f"{text}[cooldown]\nnot_after = 2026-12-01T00:00:00Z\n")
    assert yanksync("config", "check").code == 0
    values = {one["key"]: one["value"] for one in yanksync("config", "show", "--json").json}
    assert values["cooldown.not_after"] == "2026-12-01T00:00:00+00:00"
    schema = yanksync("config", "schema").json
    assert schema["properties"]["cooldown"]["properties"]["not_after"]["type"] == "string"
