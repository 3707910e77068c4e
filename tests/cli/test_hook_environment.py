"""A hook's command gets the environment of the run, without the secrets of yanksync."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream
from tests.support.http_receiver import receiver
from yanksync.sync.hooks.environment import hook_environment

SECRETS = {
    "YANKSYNC_HOOKS_WEBHOOK": "https://hooks.example/hush",
    "YANKSYNC_HOOKS_WEBHOOK_HEADER": "Authorization: Bearer hush",
    "YANKSYNC_HEALTH_PING": "https://ping.example/hush",
    "YANKSYNC_UPSTREAM_SIMPLE_URL": "https://me:hush@upstream.example/simple/",
    "YANKSYNC_UPSTREAM_JOURNAL_URL": "https://hush@upstream.example/pypi",
    "YANKSYNC_STORAGE_ACCESS_KEY_ID": "hush",
    "YANKSYNC_STORAGE_SECRET_ACCESS_KEY": "hush",
    "YANKSYNC_STORAGE_SESSION_TOKEN": "hush",
    "YANKSYNC_STORAGE_ACCOUNT_KEY": "hush",
    "YANKSYNC_STORAGE_SAS_KEY": "hush",
    "YANKSYNC_STORAGE_PROXY_URL": "http://me:hush@proxy.example/",
    "YANKSYNC_STORAGE_A_KEY_OF_TOMORROW": "hush",
    "YANKSYNC_STORAGE_Secret_Access_Key": "hush",
    "PIP_INDEX_URL": "https://me:hush@upstream.example/simple/",
    "AWS_ACCESS_KEY_ID": "hush",
    "AWS_SECRET_ACCESS_KEY": "hush",
    "AWS_SESSION_TOKEN": "hush",
    "AWS_TOKEN": "hush",
    "AWS_SSE_CUSTOMER_KEY_BASE64": "hush",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": "hush",
    "AZURE_STORAGE_ACCOUNT_KEY": "hush",
    "AZURE_STORAGE_ACCESS_KEY": "hush",
    "AZURE_STORAGE_MASTER_KEY": "hush",
    "AZURE_STORAGE_SAS_KEY": "hush",
    "AZURE_STORAGE_SAS_TOKEN": "hush",
    "AZURE_STORAGE_TOKEN": "hush",
    "AZURE_STORAGE_CONNECTION_STRING": "AccountKey=hush",
    "AZURE_CLIENT_SECRET": "hush",
    "AZURE_STORAGE_CLIENT_SECRET": "hush",
    "AZURE_FABRIC_SESSION_TOKEN": "hush",
    "IDENTITY_HEADER": "hush",
    "GOOGLE_SERVICE_ACCOUNT_KEY": "hush",
    "GOOGLE_BEARER_TOKEN": "hush",
}
OTHERS = {
    "FASTLY_KEY": "the hook's own",
    "http_proxy": "http://me:pw@proxy.example/",
    "LANG": "C.UTF-8",
    "YANKSYNC_CONFIG": "/etc/yanksync.toml",
    "YANKSYNC_UPSTREAM_CONTACT": "me@upstream.example",
    "YANKSYNC_UPSTREAM_SIMPLE_URL": "https://upstream.example/simple/",
    "YANKSYNC_MIRROR_OUTPUT": "s3://bucket/mirror",
    "YANKSYNC_STORAGE_REGION": "eu-1",
    "YANKSYNC_STORAGE_ENDPOINT": "https://s3.example",
    "AWS_REGION": "eu-1",
    "AWS_PROFILE": "purge",
    "AWS_SHARED_CREDENTIALS_FILE": "/etc/aws",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token",
    "AZURE_FEDERATED_TOKEN_FILE": "/var/run/token",
    "GOOGLE_APPLICATION_CREDENTIALS": "/etc/google.json",
    "PIP_INDEX_URL": "https://upstream.example/simple/",
}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_taken_out(name: str) -> None:
    assert hook_environment(OTHERS | {name: SECRETS[name]}).get(name) is None


def test_all_else_stays() -> None:
    assert hook_environment(OTHERS) == OTHERS


def read_by_the_client() -> set[str]:
    """Return every variable that the client of object storage says it reads."""
    import obstore.store

    stubs = Path(obstore.store.__file__).parent.joinpath("_store")
    found = set()
    for path in stubs.glob("*.pyi"):
        found |= set(re.findall(r"\b(?:AWS|AZURE|GOOGLE)_[A-Z0-9_]+", path.read_text()))
    return found


def test_of_what_the_client_reads_no_secret_is_left() -> None:
    read = read_by_the_client()
    assert {"AWS_SECRET_ACCESS_KEY", "AZURE_STORAGE_ACCOUNT_KEY", "GOOGLE_BEARER_TOKEN"} <= read
    left = hook_environment(dict.fromkeys(read, "hush"))
    words = ("KEY", "TOKEN", "SECRET", "SAS", "PASSWORD")
    assert [
        name for name in left if any(word in name for word in words) and not name.endswith("_FILE")
    ] == []


def test_a_command_of_a_run_sees_none(synced: Cli, upstream: FakeUpstream) -> None:
    out, hook = synced.home / "seen", synced.home / "hook"
    hook.write_text(f"#!/bin/sh\nenv > {out}\ncat > {out}.paths\n")
    hook.chmod(0o755)
    with synced.config.open("a") as file:
        file.write(f'[hooks]\ncommand = ["{hook}"]\n')
    own = ("UPSTREAM_SIMPLE_URL", "UPSTREAM_JOURNAL_URL")
    with receiver() as inbox:
        given = {name: value for name, value in SECRETS.items() if not name.endswith(own)}
        given |= {
            "YANKSYNC_HOOKS_WEBHOOK": f"{inbox.url}hush",
            "YANKSYNC_HEALTH_PING": f"{inbox.url}hush",
            "FASTLY_KEY": "its own",
        }
        upstream.yank("demo", "1.0")
        done = synced("sync", **given)
        assert (done.code, done.err) == (0, "")
        assert "/hush" in inbox.paths
    seen = out.read_text()
    assert "hush" not in seen
    assert "FASTLY_KEY=its own\n" in seen and f"HOME={synced.home}\n" in seen
    assert "simple/demo/" in Path(f"{out}.paths").read_text()
