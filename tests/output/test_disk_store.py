"""The store on disk: modes, times, order, failures (rules R1, R12)."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.builders.works import ALL, FORMS, rendered, stands, work
from tests.support.system.audited_calls import audited
from yanksync.core.errors import PublishError
from yanksync.output.disk.store import DiskStore
from yanksync.output.store import ListForm, StoreFailure
from yanksync.system import fsync


@pytest.fixture
def store(tmp_path: Path) -> DiskStore:
    made = DiskStore(tmp_path / "mirror")
    made.prepare()
    return made


@pytest.fixture
def demo(store: DiskStore) -> Path:
    """The directory of the project that the tests publish."""
    return store.output / "simple" / "demo"


def temporaries(store: DiskStore) -> list[Path]:
    return [path for path in store.output.rglob("*") if path.name.endswith(".tmp")]


def the_list(*chunks: bytes) -> list[ListForm]:
    return [ListForm(filename, lambda: chunks) for filename in ("index.v1_json", "index.html")]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_modes_are_those_of_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        store = DiskStore(tmp_path / "a" / "mirror")
        store.prepare()
        store.apply(work("demo", codecs=("gzip",)))
        store.write_list(the_list(b"{}"), ("gzip",))
    finally:
        os.umask(before)
    for path in [store.output, *store.output.rglob("*")]:
        mode = 0o755 if path.is_dir() else 0o644
        assert stat.S_IMODE(path.stat().st_mode) == mode & ~umask, path


@pytest.mark.parametrize("codecs", [(), ("gzip",)])
def test_twins_are_one_file(store: DiskStore, demo: Path, codecs: tuple[str, ...]) -> None:
    store.apply(work("demo", codecs=codecs))
    store.write_list(the_list(b"{}" * 2000), codecs)
    for base in (demo, demo.parent):
        for suffix in ("", ".gz") if codecs else ("",):
            assert (base / f"index.html{suffix}").samefile(base / f"index.v1_html{suffix}")
            assert not (base / f"index.html{suffix}").samefile(base / f"index.v1_json{suffix}")


def test_without_hard_links_twins_are_copies(store: DiskStore, demo: Path) -> None:
    with audited(store.output) as audit:
        for filename in (".index.v1_html.tmp", ".index.v1_html.gz.tmp"):
            audit.refuse("os.link", filename, errno.EPERM)
        assert store.apply(work("demo", codecs=("gzip",))) == ()
        store.write_list(the_list(b"<p>", b"list" * 1000), ("gzip",))
    assert len(audit.names("os.link")) == 4 and temporaries(store) == []
    for base in (demo, demo.parent):
        for suffix in ("", ".gz"):
            page, twin = base / f"index.html{suffix}", base / f"index.v1_html{suffix}"
            assert page.read_bytes() == twin.read_bytes() and not page.samefile(twin)
            assert page.stat().st_mtime_ns == twin.stat().st_mtime_ns


@pytest.mark.rule("R12")
def test_a_rewrite_in_the_same_second_is_a_second_younger(store: DiskStore, demo: Path) -> None:
    seconds = []
    for text in ("a", "b", "c", "d"):
        store.apply(work("demo", text, codecs=("gzip",), dirty=True))
        times = {path.stat().st_mtime_ns for path in demo.glob("index.html*")}
        assert len(times) == 1, "siblings carry their page's time"
        seconds.append(times.pop() // 10**9)
    assert all(late - early >= 1 for early, late in pairwise(seconds))
    moments = [0]
    for _ in range(2):
        store.write_list(the_list(b"{}"), ())
        moments.append(int((demo.parent / "index.html").stat().st_mtime))
        assert moments[-1] > moments[-2]


@pytest.mark.rule("R12")
def test_a_later_rewrite_has_the_time_of_writing(store: DiskStore, demo: Path) -> None:
    store.apply(work("demo", "one"))
    for path in demo.iterdir():
        os.utime(path, (1000, 1000))
    store.apply(work("demo", "two", stands("one")))
    assert abs((demo / "index.html").stat().st_mtime - time.time()) < 60


@pytest.mark.rule("R12")
def test_a_clock_set_back_still_goes_forward(store: DiskStore, demo: Path) -> None:
    store.apply(work("demo", "one"))
    future = int(time.time()) + 10**6
    os.utime(demo / "index.html", (future, future))
    store.apply(work("demo", "two", stands("one")))
    assert (demo / "index.html").stat().st_mtime == future + 1


def test_siblings_alone_carry_the_time_of_their_page(store: DiskStore, demo: Path) -> None:
    store.apply(work("demo", "one"))
    os.utime(demo / "index.html", (1000, 1000))
    store.apply(work("demo", "one", stands("one"), ("gzip",)))
    assert {path.stat().st_mtime for path in demo.glob("index.*html*")} == {1000}


@pytest.mark.rule("R12")
@pytest.mark.parametrize("dirty", [False, True])
def test_siblings_are_in_place_or_gone_before_their_page(
    store: DiskStore, demo: Path, dirty: bool
) -> None:
    store.apply(work("demo", "one", codecs=("gzip", "br")))
    with audited(store.output) as audit:
        store.apply(work("demo", "two", stands("one", ("gzip", "br")), ("gzip",), dirty=dirty))
    order = audit.calls
    for filename in FORMS:
        page = order.index(("os.rename", filename))
        assert order.index(("os.rename", filename + ".gz")) < page
        assert order.index(("os.remove", filename + ".br")) < page
    written = [name for event, name in order if event == "open"]
    first = next(place for place, call in enumerate(order) if call[0] == "os.rename")
    assert {name for name in written if name.endswith(".tmp")}
    assert all(order.index(("open", name)) < first for name in written if name.endswith(".tmp"))


def test_a_removed_page_goes_after_its_siblings(store: DiskStore) -> None:
    store.apply(work("demo", codecs=ALL))
    with audited(store.output) as audit:
        store.apply(work("demo", None, stands("one", ALL)))
    order = audit.names("os.remove")
    for filename in FORMS:
        assert all(order.index(filename + s) < order.index(filename) for s in (".gz", ".br"))


def test_the_list_is_replaced_siblings_first(store: DiskStore) -> None:
    store.write_list(the_list(b"{}" * 2000), ALL)
    with audited(store.output) as audit:
        store.write_list(the_list(b"{1}" * 2000), ("gzip",))
    for filename in FORMS:
        page = audit.calls.index(("os.rename", filename))
        assert audit.calls.index(("os.rename", filename + ".gz")) < page
        assert audit.calls.index(("os.remove", filename + ".br")) < page


def test_what_a_died_run_left_is_put_away(store: DiskStore, demo: Path) -> None:
    demo.mkdir()
    for path in (demo, demo.parent):
        (path / ".index.html.gz.tmp").write_bytes(b"half")
    (demo / "index.html.zst").write_bytes(b"stale")
    (demo / "README").write_bytes(b"not ours")
    store.prepare()
    store.apply(work("demo", dirty=True))
    assert {path.name for path in demo.iterdir()} == {*FORMS, "README"}
    assert temporaries(store) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
@pytest.mark.parametrize("event", ["open", "os.rename", "os.remove"])
def test_a_failure_of_one_leaves_no_temporary_file(
    store: DiskStore, demo: Path, event: str, number: int
) -> None:
    store.apply([*work("demo", "one", codecs=("br",)), *work("other", "one")])
    name = {"open": ".index.html.tmp", "os.rename": "index.html", "os.remove": "index.html.br"}
    with audited(demo) as audit:
        audit.refuse(event, name[event], number)
        failures = store.apply(
            [*work("demo", "two", stands("one", ("br",))), *work("other", "two", stands("one"))]
        )
    spoiled = event == "open" and number == errno.ENOSPC
    assert [failure.name for failure in failures] == ["demo", *["other"] * spoiled]
    assert os.strerror(number) in failures[0].why
    assert (demo / "index.html").read_bytes() == rendered("one").html
    other = rendered("one" if spoiled else "two").html
    assert (demo.parent / "other" / "index.html").read_bytes() == other
    assert temporaries(store) == []


def test_the_list_stays_when_its_next_one_cannot_be_written(store: DiskStore) -> None:
    store.write_list(the_list(b"one"), ())
    with audited(store.output) as audit:
        audit.refuse("os.rename", "index.v1_json", errno.EACCES)
        with pytest.raises(PublishError, match="Permission denied"):
            store.write_list(the_list(b"two"), ("gzip",))
    assert store.read(None, "index.html") == b"one" and temporaries(store) == []


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    path = tmp_path / "small"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=40", "yanksync-test", str(path)]
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount")
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def test_a_full_disk_stops_the_batch_and_keeps_what_stood_there(small: Path) -> None:
    store = DiskStore(small)
    store.prepare()
    assert store.apply(work("demo", "one", codecs=("gzip",))) == ()
    large = "x" * 30_000
    works = [*work("demo", large, stands("one", ("gzip",))), *work("next", "small")]
    failures = store.apply(works)
    assert [failure.name for failure in failures] == ["demo", "next"]
    assert all("No space left" in failure.why for failure in failures)
    assert store.read("demo", "index.html") == rendered("one").html and temporaries(store) == []
    assert store.apply(work("next", "small")) == ()
    with pytest.raises(PublishError, match="No space left"):
        store.write_list(the_list(b"x" * 100_000), ())
    assert temporaries(store) == []
    room = store.free_space()
    assert room is not None and 0 < room.bytes < 65536 and room.files is not None


def test_a_full_table_of_files_is_a_full_disk(small: Path) -> None:
    store = DiskStore(small)
    store.prepare()
    works = [one for number in range(20) for one in work(f"p{number}", "x")]
    failures = store.apply(works)
    assert 0 < len(failures) < 20 and temporaries(store) == []
    assert {failure.name for failure in failures}.isdisjoint(
        name for name in store.names() if store.read(name, "index.html")
    )


@pytest.mark.parametrize("link", [True, False], ids=["link", "file"])
def test_what_stands_in_a_projects_place_is_left_alone(
    store: DiskStore, demo: Path, tmp_path: Path, link: bool
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "index.html").write_bytes(b"foreign")
    demo.symlink_to(outside) if link else demo.write_bytes(b"foreign")
    for works in (work("demo", "one"), work("demo", None, stands("one"))):
        failures = store.apply([*works, *work("other", "one", dirty=True)])
        assert [failure.name for failure in failures] == ["demo"]
        assert "no directory of ours" in failures[0].why and str(demo) in failures[0].why
    assert (outside / "index.html").read_bytes() == b"foreign"
    assert demo.is_symlink() if link else demo.read_bytes() == b"foreign"
    assert list(store.names()) == ["other"] and store.read("demo", "x") is None


@pytest.mark.parametrize("hard", [True, False])
def test_a_link_in_place_of_a_temporary_file_is_not_written_through(
    store: DiskStore, demo: Path, tmp_path: Path, hard: bool
) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"foreign")
    demo.mkdir()
    temporary = demo / ".index.html.tmp"
    temporary.hardlink_to(target) if hard else temporary.symlink_to(target)
    assert store.apply([*work("demo", "one"), *work("other", "one")]) == ()
    assert target.read_bytes() == b"foreign"
    for name in ("demo", "other"):
        assert store.read(name, "index.html") == rendered("one").html
    assert temporaries(store) == []


def test_a_directory_with_foreign_files_stays_without_the_page(
    store: DiskStore, demo: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.apply(work("demo", codecs=("gzip",)))
    (demo / "wheel.whl").write_bytes(b"foreign")
    assert not store.apply(work("demo", None, stands("one", ("gzip",))))
    assert "simple/demo: the page is removed; files of other programs stay there" in caplog.text
    assert [path.name for path in demo.iterdir()] == ["wheel.whl"]


def test_names_are_directories_only(store: DiskStore) -> None:
    simple = store.output / "simple"
    (simple / "index.html").write_bytes(b"")
    (simple / "link").symlink_to(store.output)
    (simple / "demo").mkdir()
    assert list(store.names()) == ["demo"]


def test_siblings_of_a_page_that_somebody_deleted(store: DiskStore, demo: Path) -> None:
    store.apply(work("demo"))
    (demo / "index.html").unlink()
    (failure,) = store.apply(work("demo", "one", stands("one"), ("gzip",)))
    assert "index.html" in failure.why and temporaries(store) == []


def test_an_output_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = DiskStore(tmp_path / "file" / "mirror")
    with pytest.raises(PublishError, match="Not a directory"):
        store.prepare()
    with pytest.raises(PublishError, match="Not a directory"):
        list(store.names())
    assert store.free_space() is None and store.serial("demo") is None
    (failure,) = _fails(store)
    assert failure.name == "demo"


def _fails(store: DiskStore) -> tuple[StoreFailure, ...]:
    try:
        return store.apply(work("demo"))
    except PublishError as error:  # there is no directory to sync either
        return (StoreFailure("demo", str(error)),)


def test_a_page_that_cannot_be_read(store: DiskStore, demo: Path) -> None:
    demo.mkdir(parents=True)
    (demo / "index.v1_json").symlink_to("index.v1_json")
    with pytest.raises(PublishError, match="Too many levels of symbolic links"):
        store.read("demo", "index.v1_json")
    with pytest.raises(PublishError, match="Too many levels of symbolic links"):
        store.serial("demo")


def test_what_is_no_file_is_no_page(store: DiskStore, demo: Path) -> None:
    (demo / "index.v1_json").mkdir(parents=True)
    os.mkfifo(demo / "index.html")
    assert store.read("demo", "index.v1_json") is store.read("demo", "index.html") is None
    assert store.serial("demo") is None


@pytest.mark.parametrize("many", [3, 40])
def test_durable(tmp_path: Path, many: int) -> None:
    paths = [tmp_path / f"f{number}" for number in range(many)]
    for path in paths:
        path.write_bytes(b"x")
    fsync.sync_files([str(path) for path in paths], str(tmp_path))
    fsync.sync_directories([str(tmp_path)] * many, str(tmp_path))


SCRIPT = """
import sys
from pathlib import Path
from tests.support.builders.works import work
from yanksync.output.disk.store import DiskStore
store = DiskStore(Path(sys.argv[1]))
store.prepare()
assert store.apply([one for n in range(int(sys.argv[2])) for one in work(f"p{n}")]) == ()
"""


@pytest.mark.parametrize(("projects", "calls"), [(2, "fsync"), (40, "syncfs")])
def test_files_reach_the_disk_before_they_are_in_place(
    tmp_path: Path, projects: int, calls: str
) -> None:
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    log = tmp_path / "log"
    trace = ["strace", "-f", "-qq", "-e", "trace=fsync,syncfs,rename,renameat,renameat2"]
    done = subprocess.run(
        [
            *trace,
            "-o",
            str(log),
            sys.executable,
            "-B",
            "-c",
            SCRIPT,
            str(tmp_path / "m"),
            str(projects),
        ],
        capture_output=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env={key: value for key, value in os.environ.items() if not key.startswith("COV")},
    )
    if done.returncode != 0 and b"ptrace" in done.stderr:
        pytest.skip("tracing is not allowed here")
    assert done.returncode == 0, done.stderr
    order = [line.split(None, 1)[1].partition("(")[0] for line in log.read_text().splitlines()]
    kinds = ["rename" if name.startswith("rename") else name for name in order]
    renames = [place for place, kind in enumerate(kinds) if kind == "rename"]
    assert len(renames) == 3 * projects and set(kinds) == {"rename", calls}
    assert renames == list(range(renames[0], renames[0] + len(renames))), "one after another"
    before, after = kinds[: renames[0]], kinds[renames[-1] + 1 :]
    if calls == "syncfs":
        assert (before, after) == (["syncfs"], ["syncfs"])
    else:
        assert len(before) == 3 * projects and len(after) == projects + 1
