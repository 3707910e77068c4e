"""Checks the configuration.

What is found in which place, what is refused, and in which words.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from yanksync.config.files_settings import FilesSettings
from yanksync.config.keys import KEYS, SECTIONS, find_key
from yanksync.config.load import DEFAULT, ExaminedConfig, examine, load, with_simple_url
from yanksync.config.project_filter import ProjectFilter
from yanksync.config.settings import (
    Bucket,
    Compression,
    HealthSettings,
    HookSettings,
    JournalSource,
    MirrorSettings,
    ScheduleSettings,
    Settings,
    StorageSettings,
    UpstreamSettings,
    WithdrawalSettings,
    YankedPolicy,
)
from yanksync.core.errors import ConfigError
from yanksync.core.policies.cooldown import Cooldown
from yanksync.core.rules.removal_guard import GuardSettings
from yanksync.core.urls import is_loopback, redacted

INDEX = "https://upstream.example/simple/"
PLAIN = "plain http needs upstream.allow_http"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def loaded(here: Path) -> Callable[[str], Settings]:
    """Return the settings of a text in ./yanksync.toml."""

    def load_text(text: str) -> Settings:
        (here / "yanksync.toml").write_text(text, encoding="utf-8")
        return load(None, {})

    return load_text


def refusal(config: Path | None, environ: Mapping[str, str], **flags: object) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(config, environ, **flags)
    return caught.value


def test_defaults(here: Path) -> None:
    mirror = MirrorSettings(output=here / "mirror", state=here / "yanksync.db")
    assert load(None, {"YANKSYNC_CONFIG": "", "HOME": "/x"}) == Settings(mirror=mirror)


EVERY_KEY = """
[upstream]
simple_url = "https://me:secret@upstream.example/root/simple"
journal_url = "https://upstream.example/rpc"
journal = "xmlrpc"
workers = 1
timeout = 0.5
stale_retry = "2m"
journal_interval = 0
allow_http = true
sweep_days = 0
max_page_size = "64 MiB"
max_list_size = 1048576
contact = "ops@upstream.example"
redirect_hosts = ["CDN.example", "files.example:0443", "[::1]:8080"]
[mirror]
output = "out"
state = "/var/state.db"
projects = ["Foo", "bar*"]
exclude = ["bar"]
yanked = "omit"
deleted = "remove"
files = "link"
compress = ["zstd", "gzip"]
list_interval = "1.5h"
legacy_json = true
slash_keys = "none"
lease = 300
overrides = "overrides.toml"
advisories = ["osv", "/srv/osv.zip"]
[files]
missing = "hide"
downloads = 4
downloads_per_host = 2
bandwidth = "10MiB"
budget = "2TiB"
free_space = 0
grace = "30d"
keep_days = 365
deleted_projects = "remove"
deleted_index = false
withheld = "withheld"
newest = 3
newest_by = "time"
newest_per = "minor"
prereleases = false
platforms = ["manylinux*_X86_64", "macosx_*_arm64"]
pythons = ["cp312", "cp313t", "pp311"]
sdists = false
max_size = "1GiB"
max_age = "730d"
projects = { "Torch_Nightly" = "exclude", "torch*" = "link", "*" = "copy" }
prerelease_projects = { "Our.*" = true }
[guard]
explained = 60
unexplained = 2.5
selection = 0
confirm_after = "1h"
[cooldown]
age = "3d"
mode = "hide"
missing = "allow"
not_after = "2026-12-01T00:00:00Z"
new_projects = "7d"
[schedule]
cron = " */5  * * * MON-FRI "
[hooks]
command = ["/bin/purge", "-a"]
webhook = "http://u:secret@upstream.example/secret?a=b"
webhook_header = "Authorization:  Bearer secret"
manifest = "manifests"
manifest_keep = "90d"
timeout = 5
allow_http = true
[health]
metrics = "m/yanksync.prom"
ping = "http://u:secret@upstream.example/secret?create=1"
allow_http = true
[withdrawals]
publish = true
title = "What is gone"
watch.web = ["Foo"]
watch.data-2 = ["ba*", "qux"]
[storage]
Region = "x"
allow_http = false
retries = 3
"""


def test_every_key(here: Path, loaded: Callable[[str], Settings]) -> None:
    (here / "overrides.toml").touch()
    assert loaded(EVERY_KEY) == Settings(
        upstream=UpstreamSettings(
            simple_url="https://me:secret@upstream.example/root/simple/",
            journal_url="https://upstream.example/rpc",
            journal=JournalSource.XMLRPC,
            workers=1,
            timeout=0.5,
            stale_retry=120.0,
            journal_interval=0.0,
            allow_http=True,
            sweep_days=0,
            max_page_size=64 << 20,
            max_list_size=1 << 20,
            contact="ops@upstream.example",
            redirect_hosts=("cdn.example", "files.example:443", "[::1]:8080"),
        ),
        mirror=MirrorSettings(
            output=here / "out",
            state=Path("/var/state.db"),
            selection=ProjectFilter(("bar*", "foo"), ("bar",)),
            yanked=YankedPolicy.OMIT,
            compress=(Compression.GZIP, Compression.ZSTD),
            list_interval=5400.0,
            legacy_json=True,
            overrides=here / "overrides.toml",
            advisories=(here / "osv", Path("/srv/osv.zip")),
        ),
        cooldown=Cooldown(
            age=3 * 86400.0, missing="allow", not_after=1796083200.0, new_projects=7 * 86400.0
        ),
        files=FilesSettings(
            missing="hide",
            downloads=4,
            downloads_per_host=2,
            bandwidth=10 << 20,
            budget=2 << 40,
            free_space=0,
            grace=30 * 86400.0,
            keep_days=365,
            withheld=here / "withheld",
            newest=3,
            newest_by="time",
            newest_per="minor",
            prereleases=False,
            platforms=("manylinux*_x86_64", "macosx_*_arm64"),
            pythons=("cp312", "cp313t", "pp311"),
            sdists=False,
            max_size=1 << 30,
            max_age=730 * 86400.0,
            projects=(("torch-nightly", "exclude"), ("torch*", "link"), ("*", "copy")),
            prerelease_projects=(("our-*", True),),
        ),
        guard=GuardSettings(explained=60.0, unexplained=2.5, selection=0.0, confirm_after=3600.0),
        schedule=ScheduleSettings(every=None, cron="*/5 * * * MON-FRI"),
        hooks=HookSettings(
            command=("/bin/purge", "-a"),
            webhook="http://u:secret@upstream.example/secret?a=b",
            webhook_header="Authorization: Bearer secret",
            manifest=here / "manifests",
            manifest_keep=90 * 86400.0,
            timeout=5.0,
            allow_http=True,
        ),
        health=HealthSettings(
            metrics=here / "m" / "yanksync.prom",
            ping="http://u:secret@upstream.example/secret?create=1",
            allow_http=True,
        ),
        withdrawals=WithdrawalSettings(
            publish=True,
            title="What is gone",
            watch=(
                ("web", ProjectFilter(("foo",))),
                ("data-2", ProjectFilter(("ba*", "qux"))),
            ),
        ),
        storage=StorageSettings((("allow_http", False), ("region", "x"), ("retries", 3))),
        source=here / "yanksync.toml",
    )


ENVIRON = {
    "YANKSYNC_UPSTREAM_SIMPLE_URL": "https://me:secret@upstream.example/root/simple",
    "YANKSYNC_UPSTREAM_JOURNAL_URL": "https://upstream.example/rpc",
    "YANKSYNC_UPSTREAM_JOURNAL": "xmlrpc",
    "YANKSYNC_UPSTREAM_WORKERS": "1",
    "YANKSYNC_UPSTREAM_TIMEOUT": ".5",
    "YANKSYNC_UPSTREAM_STALE_RETRY": "2m",
    "YANKSYNC_UPSTREAM_JOURNAL_INTERVAL": "0",
    "YANKSYNC_UPSTREAM_ALLOW_HTTP": "Yes",
    "YANKSYNC_UPSTREAM_SWEEP_DAYS": "0",
    "YANKSYNC_UPSTREAM_MAX_PAGE_SIZE": "64MiB",
    "YANKSYNC_UPSTREAM_MAX_LIST_SIZE": "1048576",
    "YANKSYNC_UPSTREAM_CONTACT": "ops@upstream.example",
    "YANKSYNC_UPSTREAM_REDIRECT_HOSTS": "cdn.example, files.example:443,[::1]:8080",
    "YANKSYNC_MIRROR_OUTPUT": "out",
    "YANKSYNC_MIRROR_STATE": "/var/state.db",
    "YANKSYNC_MIRROR_PROJECTS": "Foo, bar*",
    "YANKSYNC_MIRROR_EXCLUDE": "bar",
    "YANKSYNC_MIRROR_YANKED": "omit",
    "YANKSYNC_MIRROR_DELETED": "remove",
    "YANKSYNC_MIRROR_FILES": "link",
    "YANKSYNC_MIRROR_COMPRESS": "zstd,gzip",
    "YANKSYNC_MIRROR_LIST_INTERVAL": "1.5h",
    "YANKSYNC_MIRROR_LEGACY_JSON": "yes",
    "YANKSYNC_MIRROR_SLASH_KEYS": "none",
    "YANKSYNC_MIRROR_LEASE": "5m",
    "YANKSYNC_MIRROR_OVERRIDES": "overrides.toml",
    "YANKSYNC_MIRROR_ADVISORIES": "osv, /srv/osv.zip",
    "YANKSYNC_COOLDOWN_AGE": "3d",
    "YANKSYNC_COOLDOWN_MODE": "hide",
    "YANKSYNC_COOLDOWN_MISSING": "allow",
    "YANKSYNC_COOLDOWN_NOT_AFTER": "2026-12-01T01:00:00+01:00",
    "YANKSYNC_COOLDOWN_NEW_PROJECTS": "7d",
    "YANKSYNC_FILES_MISSING": "hide",
    "YANKSYNC_FILES_DOWNLOADS": "4",
    "YANKSYNC_FILES_DOWNLOADS_PER_HOST": "2",
    "YANKSYNC_FILES_BANDWIDTH": "10MiB",
    "YANKSYNC_FILES_BUDGET": "2TiB",
    "YANKSYNC_FILES_FREE_SPACE": "0",
    "YANKSYNC_FILES_GRACE": "30d",
    "YANKSYNC_FILES_KEEP_DAYS": "365",
    "YANKSYNC_FILES_DELETED_PROJECTS": "remove",
    "YANKSYNC_FILES_DELETED_INDEX": "no",
    "YANKSYNC_FILES_WITHHELD": "withheld",
    "YANKSYNC_FILES_NEWEST": "3",
    "YANKSYNC_FILES_NEWEST_BY": "time",
    "YANKSYNC_FILES_NEWEST_PER": "minor",
    "YANKSYNC_FILES_PRERELEASES": "no",
    "YANKSYNC_FILES_PLATFORMS": "manylinux*_x86_64, macosx_*_arm64",
    "YANKSYNC_FILES_PYTHONS": "cp312,cp313t,pp311",
    "YANKSYNC_FILES_SDISTS": "0",
    "YANKSYNC_FILES_MAX_SIZE": "1GiB",
    "YANKSYNC_FILES_MAX_AGE": "730d",
    "YANKSYNC_GUARD_EXPLAINED": "60",
    "YANKSYNC_GUARD_UNEXPLAINED": " 2.5",
    "YANKSYNC_GUARD_SELECTION": "0",
    "YANKSYNC_GUARD_CONFIRM_AFTER": "1h",
    "YANKSYNC_SCHEDULE_CRON": "*/5 * * * MON-FRI",
    "YANKSYNC_HOOKS_COMMAND": "/bin/purge, -a",
    "YANKSYNC_HOOKS_WEBHOOK": "http://u:secret@upstream.example/secret?a=b",
    "YANKSYNC_HOOKS_WEBHOOK_HEADER": "Authorization: Bearer secret",
    "YANKSYNC_HOOKS_MANIFEST": "manifests",
    "YANKSYNC_HOOKS_MANIFEST_KEEP": "90d",
    "YANKSYNC_HOOKS_TIMEOUT": "5s",
    "YANKSYNC_HOOKS_ALLOW_HTTP": "true",
    "YANKSYNC_HEALTH_METRICS": "m/yanksync.prom",
    "YANKSYNC_HEALTH_PING": "http://u:secret@upstream.example/secret?create=1",
    "YANKSYNC_HEALTH_ALLOW_HTTP": "1",
    "YANKSYNC_WITHDRAWALS_PUBLISH": "true",
    "YANKSYNC_WITHDRAWALS_TITLE": "What is gone",
    "YANKSYNC_STORAGE_REGION": "x",
    "YANKSYNC_DEMO": "a word that is no section",
    "YANKSYNC_SERVICE_HOST": "10.0.0.1",  # as Kubernetes sets them
    "YANKSYNC_SERVICE_PORT_HTTP": "80",
    "YANKSYNC_PORT_80_TCP": "tcp://10.0.0.1:80",
    "YANKSYNC_TEST_CLOUD": "those of the tests",
}


def test_every_key_has_a_variable(here: Path, loaded: Callable[[str], Settings]) -> None:
    (here / "overrides.toml").touch()
    from_environ = load(None, ENVIRON)
    of_file = loaded(EVERY_KEY)
    expected = replace(
        of_file,
        storage=StorageSettings((("region", "x"),)),
        source=None,
        # Only a file can have these.
        withdrawals=replace(of_file.withdrawals, watch=()),
        files=replace(of_file.files, projects=(), prerelease_projects=()),
    )
    assert from_environ == expected
    names = {key.variable for key in KEYS.values()}
    assert names - set(ENVIRON) == {
        "YANKSYNC_SCHEDULE_EVERY",
        "YANKSYNC_COOLDOWN_PROJECTS",
        "YANKSYNC_FILES_LOCK_FILES",  # not beside the rules that choose releases
        "YANKSYNC_FILES_PROJECTS",
        "YANKSYNC_FILES_PRERELEASE_PROJECTS",
        "YANKSYNC_WITHDRAWALS_WATCH",
        "YANKSYNC_WITHDRAWALS_NOTIFY",
    }


def test_order_and_bases(here: Path) -> None:
    file = here.parent / "etc" / "other.toml"
    file.parent.mkdir()
    file.write_text('[upstream]\nworkers = 2\ntimeout = 2\n[mirror]\noutput = "out"\n')
    environ = {"YANKSYNC_UPSTREAM_WORKERS": "3", "YANKSYNC_UPSTREAM_TIMEOUT": "3"}
    flags = {"upstream_workers": 4, "upstream_contact": None, "upstream_sweep_days": "4"}
    settings = load(Path("../etc/other.toml"), environ, **flags)
    upstream = settings.upstream
    assert (upstream.workers, upstream.timeout, upstream.sweep_days) == (4, 3.0, 4)
    # A path that the file names stands beside the file; so does the default path.
    assert Path(str(settings.mirror.output)).resolve() == file.parent / "out"
    assert Path(str(settings.mirror.state)).resolve() == file.parent / "yanksync.db"
    # One that the environment or a flag names stands in the working directory.
    environ["YANKSYNC_MIRROR_OUTPUT"] = "env"
    mirror = load(file, environ, mirror_state="flag.db").mirror
    assert (mirror.output, mirror.state) == (here / "env", here / "flag.db")


def test_which_file_is_read(here: Path) -> None:
    for name in ("flag", "variable", "yanksync"):
        (here / f"{name}.toml").write_text(f'\ufeff[upstream]\ncontact = "{name}"\n', "utf-8")
    environ = {"YANKSYNC_CONFIG": "variable.toml"}
    assert load(Path("flag.toml"), environ).upstream.contact == "flag"
    assert load(None, environ).upstream.contact == "variable"
    assert load(None, {}).upstream.contact == "yanksync"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "there is no such file"),
        (b"[upstream]\nworkers =\n", "is not TOML: Invalid value (at line 2, column 10)"),
        (b"[upstream]\ncontact = '\xff'", "is not UTF-8 (byte 22)"),
        ("directory", "cannot be read: Is a directory"),
    ],
)
def test_a_file_that_cannot_be_used(here: Path, content: bytes | str | None, problem: str) -> None:
    path = here / "x.toml"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.mkdir()
    for error in (refusal(path, {}), refusal(None, {"YANKSYNC_CONFIG": str(path)})):
        assert str(error) == f"{path}: {problem}"


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ("workers = 1", "workers", "no such section; it belongs to [upstream]"),
        ("[upstrem]", "upstrem", "no such section; did you mean upstream?"),
        ("[x]", "x",
         f"no such section; there are {', '.join(SECTIONS)}"),
        ("mirror = 1", "mirror", "must be a table: [mirror]"),
        ("[upstream]\nworker = 1", "upstream.worker", "no such key; did you mean workers?"),
        ("[mirror]\nworkers = 1", "mirror.workers", "no such key; it belongs to [upstream]"),
        ("[schedule]\nx = 1", "schedule.x", "no such key; there are every, cron"),
        ("[storage]\nx = [1]", "storage.x", "must be text, a number, true or false, not a list"),
        ('[schedule]\nevery = "1m"\ncron = "* * * * *"', "schedule.cron",
         "excludes schedule.every; remove one of them"),
        ('[upstream]\njournal = "none"', "upstream.journal",
         '"none" needs names without wildcards in mirror.projects'),
        ('[mirror]\nprojects = ["a"]\nexclude = ["A"]', "mirror.exclude",
         "leaves none of mirror.projects"),
        ('[mirror]\nexclude = ["*"]', "mirror.exclude", "leaves none of mirror.projects"),
        ('[mirror]\nstate = "mirror"', "mirror.state", "is the same path as mirror.output"),
        ('[mirror]\noutput = "a"\nstate = "a/simple/x/y.db"', "mirror.state",
         "is among the pages of mirror.output"),
        ('[mirror]\noutput = "a"\nstate = "a/packages/y.db"', "mirror.state",
         "is among the pages of mirror.output"),
        ('[files]\nwithheld = "mirror/x"', "files.withheld",
         "is below mirror.output, where a web server would serve it"),
        ('[files]\nwithheld = "yanksync.db"', "files.withheld", "is the same path as mirror.state"),
        *((f'[files]\nwithheld = "{place}"', "files.withheld",
           "has mirror.output below it; name a directory that is used for nothing else")
          for place in ("/", ".")),
        ('[files]\nwithheld = "s3://mirror/x"', "files.withheld",
         "must be a directory, like mirror.output"),
        *((f'[mirror]\noutput = "s3://mirror/a"\n[files]\nwithheld = "{place}"', "files.withheld",
           "must be s3://bucket/prefix, like mirror.output") for place in ("x", "gs://mirror/x")),
        ('[mirror]\noutput = "s3://mirror"\n[files]\nwithheld = "s3://mirror/x"', "files.withheld",
         "is below mirror.output, where a web server would serve it"),
        (f'[upstream]\nsimple_url = "{INDEX}"\njournal_url = "http://upstream.example/"',
         "upstream.journal_url",
         f"{PLAIN}; if the server has https, write https://upstream.example/"),
    ],
)  # fmt: skip
def test_refused_in_the_file(
    loaded: Callable[[str], Settings], here: Path, text: str, key: str, problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(text)
    error = caught.value
    assert (error.key, error.where, error.problem) == (key, str(here / "yanksync.toml"), problem)


S3 = "must be like s3://bucket or s3://bucket/prefix, the "
SIZE = 'must be bytes, or a size like "32MiB", not '
HOSTS = (
    'must list names of hosts, like "cdn.example" or "cdn.example:8443", without scheme, path, '
    "credentials and wildcards, not "
)
TIME = 'must be seconds, or a time like "90s", "30m", "2h", "7d", not '
CRON = (
    'must be five fields, like "*/5 * * * *": minute (0-59), hour (0-23), day of the month (1-31), '
    "month (1-12 or jan-dec), day of the week (0-7 or sun-sat); "
)
URL = "must be an http or https URL without query and fragment, like " + INDEX


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("upstream.simple_url", "2020-01-01", "must be text, not a date or time"),
        ("upstream.workers", "0", "must be from 1 to 256, not 0"),
        ("upstream.workers", "257", "must be from 1 to 256, not 257"),
        ("upstream.workers", "true", "must be a whole number, not true or false"),
        ("upstream.workers", "1.0", "must be a whole number, not 1.0"),
        ("upstream.timeout", "0", "must be from 0.001 to 3600 seconds, not 0"),
        ("upstream.timeout", "nan", "must be from 0.001 to 3600 seconds, not nan"),
        ("upstream.timeout", "true", TIME + "true or false"),
        ("upstream.allow_http", '"true"', "must be true or false, not 'true'"),
        ("upstream.journal", '"rss"',
         "must be one of \"auto\", \"xmlrpc\", \"listing\", \"none\", not 'rss'"),
        ("upstream.journal", "1", "must be text, not a number"),
        ("upstream.contact", '"a\\nb"', "must be printable ASCII on one line"),
        ("upstream.max_page_size", '"32MB"', SIZE + "'32MB'"),
        ("upstream.max_page_size", "true", SIZE + "true or false"),
        ("upstream.max_page_size", '"1KiB"', "must be from 1 MiB to 1 GiB, not 1KiB"),
        ("upstream.max_list_size", "0", "must be from 1 MiB to 8 GiB, not 0"),
        ("upstream.redirect_hosts", '"cdn.example"', "must be a list of texts, not text"),
        ("upstream.redirect_hosts", '["https://cdn.example"]', HOSTS + "'https://cdn.example'"),
        ("upstream.redirect_hosts", '["cdn.example/pages"]', HOSTS + "'cdn.example/pages'"),
        ("upstream.redirect_hosts", '["me:hush@cdn.example"]', HOSTS + "'***@cdn.example'"),
        ("upstream.redirect_hosts", '["//cdn.example/?sig=hush"]', HOSTS + "'//cdn.example/'"),
        ("upstream.redirect_hosts", '["cdn.example", "*.example"]', HOSTS + "'*.example'"),
        ("upstream.redirect_hosts", '["cdn.example:65536"]', HOSTS + "'cdn.example:65536'"),
        ("upstream.redirect_hosts", '["cdn.example:0"]', HOSTS + "'cdn.example:0'"),
        ("upstream.redirect_hosts", '["::1"]', HOSTS + "'::1'"),
        ("upstream.redirect_hosts", '[""]', HOSTS + "''"),
        ("mirror.output", '"s3://"', S3 + "prefix of letters, digits and . _ -"),
        ("mirror.output", '"s3://bucket/a//b"', S3 + "prefix of letters, digits and . _ -"),
        ("mirror.output", '"s3://bucket//a"', S3 + "prefix of letters, digits and . _ -"),
        ("mirror.output", '"s3://bucket/.."', S3 + "prefix of letters, digits and . _ -"),
        ("mirror.output", '"s3://key:hush@bucket"', S3 + "prefix of letters, digits and . _ -"),
        ("mirror.slash_keys", '"html"', "goes with an output of s3:// only"),
        ("mirror.slash_keys", '"xml"', "must be one of \"none\", \"html\", \"json\", not 'xml'"),
        ("mirror.output", '"file:///x"',
         "must be a directory, or start with s3://, gs://, az://, not file://"),
        ("mirror.output", '""', "must be a path"),
        ("mirror.output", '"s3:/bucket"', 'lacks a slash: "s3://" begins a bucket'),
        ("mirror.state", '"gs:bucket/x.db"', 'lacks a slash: "gs://" begins a bucket'),
        ("mirror.output", '"$HOME/mirror"',
         "variables are not replaced here: write the path itself, not '$HOME/mirror'"),
        ("mirror.state", '"~nobody-of-this-name/x"',
         "the home directory in '~nobody-of-this-name/x' is not known"),
        ("mirror.projects", "[]", 'names no project; "*" stands for all'),
        ("mirror.projects", '"a"', "must be a list of texts, not text"),
        ("mirror.projects", '["a/b"]', "'a/b' is no valid project name"),
        ("mirror.exclude", "[{}]", "must be text, not a table"),
        ("mirror.deleted", '"keep"', 'must be one of "remove", "yank", not \'keep\''),
        ("mirror.files", '"x"', 'must be one of "link", "copy", not \'x\''),
        ("files.projects", '"copy"', "must be a table, not 'copy'"),
        ("files.projects", '{ "a/b" = "copy" }', "'a/b': 'a/b' is no valid project name"),
        ("files.projects", '{ demo = "skip" }',
         "'demo': must be one of \"copy\", \"link\", \"exclude\", not 'skip'"),
        ("files.prerelease_projects", '{ demo = 1 }',
         "'demo': must be true or false, not a number"),
        ("files.newest", "-1", "must be from 0 to 1000000, not -1"),
        ("files.platforms", '["linux 64"]',
         "lists patterns like \"manylinux*_x86_64\", not 'linux 64'"),
        ("files.pythons", '["3.13"]',
         'lists interpreters as wheels name them, like "cp313", "cp313t" or "pp311", not \'3.13\''),
        ("files.max_age", '"2 years"', TIME + "'2 years'"),
        ("files.lock_files", '"uv.lock"', "must be a list of texts, not text"),
        ("mirror.compress", '["gzip", "gzip"]', "names a compression twice"),
        ("mirror.compress", '["xz"]', "must be one of \"gzip\", \"br\", \"zstd\", not 'xz'"),
        ("mirror.list_interval", '"1w"',
         TIME + "'1w'"),
        ("guard.explained", '"50"', "must be a number of percent, not '50'"),
        ("guard.explained", "true", "must be a number of percent, not true or false"),
        ("guard.unexplained", "-0.5", "must be from 0 to 100 percent, not -0.5"),
        ("guard.unexplained", "nan", "must be from 0 to 100 percent, not nan"),
        ("guard.selection", "100.1", "must be from 0 to 100 percent, not 100.1"),
        ("guard.confirm_after", '"8d"', "must be from 0 to 604800 seconds, not 8d"),
        ("schedule.every", '"0s"', "must be from 1 to 31622400 seconds, not 0s"),
        ("schedule.cron", '"* * * *"', CRON + "wrong number of fields in '* * * *'"),
        ("schedule.cron", '"* 24 * * *"', CRON + "bad hour in '* 24 * * *'"),
    ],
)  # fmt: skip
def test_refused_value(
    loaded: Callable[[str], Settings], key: str, value: str, problem: str
) -> None:
    section, _, name = key.partition(".")
    with pytest.raises(ConfigError) as caught:
        loaded(f"[{section}]\n{name} = {value}\n")
    assert (caught.value.key, caught.value.problem) == (key, problem)


@pytest.mark.parametrize(
    "url",
    ["upstream.example", "ftp://u:secret@h/", "https://", "https://u:secret@h:x/", "https://[::1/",
     "https://u:se/cret@h/", "https://h/?secret", "https://h/#", "https://h/ x", "https://h:0/"],
)  # fmt: skip
def test_a_refused_url_is_not_repeated(here: Path, url: str) -> None:
    error = refusal(None, {"YANKSYNC_UPSTREAM_SIMPLE_URL": url})
    assert str(error) == f"$YANKSYNC_UPSTREAM_SIMPLE_URL: upstream.simple_url: {URL}"


@pytest.mark.parametrize(
    ("variable", "text", "problem"),
    [
        ("YANKSYNC_UPSTREAM_WORKER", "1", "no such key; did you mean workers?"),
        *(
            (
                f"YANKSYNC_{slip}",
                "x",
                f"names no section of the configuration; did you mean $YANKSYNC_{meant}?",
            )
            for slip, meant in [
                ("MIRORR_PROJECTS", "MIRROR_PROJECTS"),
                ("UPSTREAMSIMPLE_URL", "UPSTREAM_SIMPLE_URL"),
                ("PROJECTS", "MIRROR_PROJECTS"),
                ("SIMPLE_URL", "UPSTREAM_SIMPLE_URL"),
            ]
        ),
        (
            "YANKSYNC_A_B",
            "x",
            f"names no section of the configuration; there are {', '.join(SECTIONS)}",
        ),
        ("YANKSYNC_UPSTREAM_WORKERS", "many", "must be a whole number, not 'many'"),
        ("YANKSYNC_UPSTREAM_ALLOW_HTTP", "on", "must be true or false, not 'on'"),
        ("YANKSYNC_MIRROR_PROJECTS", " ", 'names no project; "*" stands for all'),
        ("YANKSYNC_GUARD_SELECTION", "10%", "must be a number of percent, not '10%'"),
        ("YANKSYNC_UPSTREAM_TIMEOUT", "inf", "must be from 0.001 to 3600 seconds, not inf"),
        (
            "YANKSYNC_UPSTREAM_SIMPLE_URL",
            "http://h.example",
            f"{PLAIN}; if the server has https, write https://h.example/",
        ),
    ],
)
def test_refused_in_the_environment(here: Path, variable: str, text: str, problem: str) -> None:
    error = refusal(None, {variable: text})
    assert (error.where, error.problem) == (f"${variable}", problem)


def test_refused_on_the_command_line(here: Path) -> None:
    text = "the command line: upstream.workers: must be from 1 to 256, not 0"
    assert str(refusal(None, {}, upstream_workers=0)) == text


def test_a_schedule_of_higher_order_replaces_the_other(
    loaded: Callable[[str], Settings], here: Path
) -> None:
    assert loaded('[schedule]\ncron = "0 4 * * *"').schedule == ScheduleSettings(
        every=None, cron="0 4 * * *"
    )
    assert load(None, {"YANKSYNC_SCHEDULE_EVERY": "2m"}).schedule == ScheduleSettings(every=120.0)
    every = {"YANKSYNC_SCHEDULE_EVERY": "2m"}
    flagged = load(None, every, schedule_cron="0 5 * * *").schedule
    assert flagged == ScheduleSettings(every=None, cron="0 5 * * *")


@pytest.mark.parametrize(
    ("url", "simple_url", "journal_url"),
    [
        ("https://h.example", "https://h.example/", "https://h.example/pypi"),
        ("HTTPS://h.example/simple", "https://h.example/simple/", "https://h.example/pypi"),
        ("https://h.example/a/b//", "https://h.example/a/b/", "https://h.example/a/pypi"),
        ("http://t:k@[::1]:80/s/", "http://t:k@[::1]:80/s/", "http://t:k@[::1]:80/pypi"),
    ],
)
def test_urls(here: Path, url: str, simple_url: str, journal_url: str) -> None:
    given = load(None, {"YANKSYNC_UPSTREAM_SIMPLE_URL": url})
    assert given.upstream.urls == (simple_url, journal_url)
    assert with_simple_url(load(None, {}), url, "pip") == given


def test_an_index_that_is_no_url(here: Path) -> None:
    settings = load(None, {"YANKSYNC_UPSTREAM_JOURNAL_URL": "https://h.example/rpc"})
    assert with_simple_url(settings, INDEX, "pip").upstream.urls[1] == "https://h.example/rpc"
    allowed = load(None, {"YANKSYNC_UPSTREAM_ALLOW_HTTP": "1"})
    assert with_simple_url(allowed, "http://h.example/", "pip").upstream.urls[0][:5] == "http:"
    with pytest.raises(RuntimeError, match="not resolved"):
        _ = settings.upstream.urls
    with pytest.raises(ConfigError, match=r"^pip: upstream\.simple_url: must be an http"):
        with_simple_url(settings, "file:///srv/simple/", "pip")
    with pytest.raises(ConfigError, match=r"^pip: upstream\.simple_url: plain http needs"):
        with_simple_url(settings, "http://h.example/", "pip")


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ('command = "purge"', "command", "must be a list of texts, not text"),
        ('command = [""]', "command", "must name a program"),
        ('command = ["bin/purge"]', "command",
         "must begin with a name that is on PATH, or with an absolute path"),
        ('command = ["a\\u0000"]', "command", "must not hold NUL"),
        ('webhook_header = "A: secret"', "webhook_header", "needs hooks.webhook"),
        ('webhook = "http://h.example/secret"', "webhook", "plain http needs hooks.allow_http"),
        ('webhook = "https://h.example/secret#"', "webhook",
         "must be an http or https URL without fragment"),
        ('webhook = "https://h/"\nwebhook_header = "Host: secret"', "webhook_header",
         "Host is set by yanksync"),
        *((f'webhook = "https://h/"\nwebhook_header = {value!r}', "webhook_header",
           'must be one header, like "Authorization: Bearer …", in printable ASCII')
          for value in ("secret", "A secret: b", ": secret", "A:", "A: sécret")),
        *((f'manifest = "mirror/{below}/x"', "manifest",
           "is among the published files of mirror.output")
          for below in ("simple", "withdrawals", "packages", "deleted/simple")),
        ('manifest_keep = "1m"', "manifest_keep",
         "must be from 3600 to 316224000 seconds, not 1m"),
        ("timeout = 301", "timeout", "must be from 0.1 to 300 seconds, not 301"),
    ],
)  # fmt: skip
def test_hooks_that_cannot_be_meant(
    loaded: Callable[[str], Settings], text: str, key: str, problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(f"[hooks]\n{text}")
    assert (caught.value.key, caught.value.problem) == (f"hooks.{key}", problem)
    assert "secret" not in str(caught.value)


def test_hooks_may_be_taken_away_by_the_environment(loaded: Callable[[str], Settings]) -> None:
    settings = loaded('[hooks]\ncommand = ["true"]')
    assert settings.hooks.enabled == ("command",)
    assert load(settings.source, {"YANKSYNC_HOOKS_COMMAND": ""}).hooks.enabled == ()


@pytest.mark.parametrize(
    "url", ["h.example/secret", "ftp://h/secret", "https://u:secret@h:x/", "https://[::1/secret",
            "https://h/secret#", "https://h/ secret", "https://h:0/secret", "https://h/\tsecret"],
)  # fmt: skip
def test_a_refused_address_is_not_repeated(here: Path, url: str) -> None:
    error = refusal(None, {"YANKSYNC_HEALTH_PING": url})
    problem = "must be an http or https URL without fragment"
    assert str(error) == f"$YANKSYNC_HEALTH_PING: health.ping: {problem}"


@pytest.mark.parametrize("key", ["UPSTREAM_SIMPLE_URL", "UPSTREAM_JOURNAL_URL", "HEALTH_PING"])
@pytest.mark.parametrize("secret", ["s\u2603cret", "s%E2%98%83cret"])
def test_credentials_that_cannot_be_sent_are_refused(here: Path, key: str, secret: str) -> None:
    given = {"YANKSYNC_UPSTREAM_SIMPLE_URL": INDEX}
    error = refusal(None, given | {f"YANKSYNC_{key}": f"https://me:{secret}@upstream.example/"})
    assert error.problem == "holds credentials that are not Latin-1, as HTTP wants them"
    assert load(None, {f"YANKSYNC_{key}": "https://me:s%C3%A9cret@upstream.example/"} | given)


def test_plain_http_to_others_needs_leave(here: Path) -> None:
    environ = {"YANKSYNC_HEALTH_PING": "http://h.example/secret"}
    error = refusal(None, environ)
    assert str(error) == "$YANKSYNC_HEALTH_PING: health.ping: plain http needs health.allow_http"
    assert load(None, environ | {"YANKSYNC_HEALTH_ALLOW_HTTP": "yes"}).health.allow_http
    load(None, {"YANKSYNC_HEALTH_PING": "http://localhost:8000/secret"})


def test_no_secret_in_what_is_printed(loaded: Callable[[str], Settings]) -> None:
    text = '[upstream]\nsimple_url = "https://u:hush@h.example/"\n[storage]\nkey = "hush"'
    text += '\n[health]\nping = "https://h.example/hush"\n[hooks]\ncommand = ["hush"]'
    text += '\nwebhook = "https://h.example/hush"\nwebhook_header = "A: hush"'
    settings = loaded(text)
    assert "https://***@h.example/" in repr(settings)
    assert "Storage(key)" in repr(settings)
    assert "hush" not in repr(settings) + repr(Settings())


def test_mirrors(loaded: Callable[[str], Settings]) -> None:
    settings = loaded('[upstream]\njournal = "none"\n[mirror]\nprojects = ["Foo.Bar", "baz"]')
    assert [name for name in ("foo-bar", "foo", "baz") if settings.is_mirrored(name)] == [
        "foo-bar",
        "baz",
    ]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (INDEX, INDEX),
        ("https://token@h/@scope/", "https://***@h/@scope/"),
        ("https://u:p@ss@h:1/x//y@z", "https://***@h:1/x//y@z"),
    ],
)
def test_redacted(url: str, shown: str) -> None:
    assert redacted(url) == shown


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("LOCALHOST", True), ("127.9.9.9", True), ("::1", True),
     ("localhost.example", False), ("10.0.0.1", False), ("", False)],
)  # fmt: skip
def test_is_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_a_codec_without_its_library_is_named(tmp_path: Path) -> None:
    file = tmp_path / "yanksync.toml"
    file.write_text('[mirror]\ncompress = ["br"]\n')
    code = (
        "import sys; sys.modules['brotli'] = None\n"
        "from pathlib import Path; from yanksync.config.load import load\n"
        f"load(Path({str(file)!r}), {{}})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "mirror.compress: 'br' needs the package brotli" in done.stderr


def problems(examined: ExaminedConfig) -> list[tuple[str, str, str]]:
    return [(error.key, Path(error.where).name, error.problem) for error in examined.errors]


def test_every_error_is_found(here: Path) -> None:
    (here / "yanksync.toml").write_text(
        'x = 1\n[upstream]\nworkers = 0\nworker = 1\ntimeout = "x"\n[mirror]\nstate = "mirror"\n'
        '[hooks]\nwebhook = "http://h.example/"\n'
    )
    found = examine(None, {"YANKSYNC_GUARD_SELECTION": "101"}, health_ping="h.example")
    file = "yanksync.toml"
    assert problems(found) == [
        ("x", file, f"no such section; there are {', '.join(SECTIONS)}"),
        ("upstream.workers", file, "must be from 1 to 256, not 0"),
        ("upstream.worker", file, "no such key; did you mean workers?"),
        ("upstream.timeout", file, TIME + "'x'"),
        ("guard.selection", "$YANKSYNC_GUARD_SELECTION",
         "must be from 0 to 100 percent, not 101"),
        ("health.ping", "the command line", "must be an http or https URL without fragment"),
        ("mirror.state", file, "is the same path as mirror.output"),
        ("hooks.webhook", file, "plain http needs hooks.allow_http"),
    ]  # fmt: skip
    (here / "yanksync.toml").write_text(
        '[mirror]\nstate = "mirror"\n[hooks]\nwebhook = "http://h.example/"\n[upstream]\nworkers=0'
    )
    found = examine(None, {})
    assert problems(found) == [
        ("upstream.workers", file, "must be from 1 to 256, not 0"),
        ("mirror.state", file, "is the same path as mirror.output"),
        ("hooks.webhook", file, "plain http needs hooks.allow_http"),
    ]
    with pytest.raises(ConfigError) as caught:
        load(None, {})
    assert [str(error) for error in caught.value.all] == [str(error) for error in found.errors]


@pytest.mark.parametrize(
    "text",
    [
        '[hooks]\nwebhook = "h.example"\nwebhook_header = "A: b"',
        '[mirror]\noutput = "s4://bucket"\nslash_keys = "html"',
        '[upstream]\njournal = "none"\n[mirror]\nproject = ["demo"]',
        '[upstream]\njournal = "none"\n[miror]\nprojects = ["demo"]',
        '[upstream]\njournal = "none"\n[mirror',
    ],
)
def test_an_error_brings_no_others_with_it(here: Path, text: str) -> None:
    (here / "yanksync.toml").write_text(text)
    assert len(examine(None, {}).errors) == 1


def test_a_file_that_cannot_be_read_hides_no_variable(here: Path) -> None:
    found = examine(here / "none.toml", {"YANKSYNC_GUARD_SELECTION": "x"})
    assert [error.key for error in found.errors] == ["", "guard.selection"]


def test_where_values_come_from(here: Path) -> None:
    path = here / "yanksync.toml"
    path.write_text('[upstream]\nworkers = 2\ntimeout = "1m"\n[mirror]\nexclude = ["A"]\n')
    environ = {"YANKSYNC_UPSTREAM_WORKERS": "3", "YANKSYNC_STORAGE_REGION": "x"}
    found = examine(None, environ, mirror_output="out")
    assert {key: (one.raw, one.where) for key, one in found.given.items()} == {
        "mirror.output": ("out", "the command line"),
        "mirror.state": (str(here / "yanksync.db"), DEFAULT),
        "upstream.workers": (3, "$YANKSYNC_UPSTREAM_WORKERS"),
        "upstream.timeout": ("1m", str(path)),
        "mirror.exclude": (["A"], str(path)),
        "storage.region": ("x", "$YANKSYNC_STORAGE_REGION"),
    }
    assert found.settings.upstream.timeout == 60.0


def test_where_files_are_kept_out_of_service(here: Path) -> None:
    text = '[mirror]\nfiles = "copy"\noutput = "out"\nstate = "out/state.db"\n'
    (here / "yanksync.toml").write_text(text)
    (error,) = examine(None, {}).errors
    place = here / "out/state.db.withheld"
    problem = f"is {place} by default, below mirror.output; name another directory"
    assert (error.key, error.problem) == ("files.withheld", problem)
    given = {"YANKSYNC_FILES_WITHHELD": "kept"}
    assert load(None, given).withheld == here / "kept"
    assert load(None, {"YANKSYNC_MIRROR_STATE": "y.db"}).withheld == here / "y.db.withheld"
    in_bucket = {"YANKSYNC_MIRROR_OUTPUT": "s3://mirror/a", "YANKSYNC_MIRROR_STATE": "y.db"}
    assert load(None, in_bucket).withheld is None
    kept = Bucket(scheme="s3", bucket="kept")
    assert load(None, in_bucket | {"YANKSYNC_FILES_WITHHELD": "s3://kept"}).withheld == kept


def test_a_conflict_names_the_value_that_somebody_gave(here: Path) -> None:
    (error,) = examine(None, {"YANKSYNC_MIRROR_OUTPUT": "yanksync.db"}).errors
    text = "$YANKSYNC_MIRROR_OUTPUT: mirror.state: is the same path as mirror.output"
    assert str(error) == text


def test_what_may_hold_secrets_is_marked() -> None:
    secret = {path for path, key in KEYS.items() if key.secret}
    assert secret == {
        "hooks.webhook",
        "hooks.webhook_header",
        "health.ping",
        "withdrawals.notify",
    }
    option = find_key("storage", "Secret_Access_Key")
    assert option is not None and (option.path, option.secret) == (
        "storage.secret_access_key",
        True,
    )
