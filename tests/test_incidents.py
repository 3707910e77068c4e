"""What went wrong in other mirrors: each incident has tests here or elsewhere, and none is lost.

The numbers and names are those of the list of incidents that this project was begun with.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from tests.fake_upstream import Fault
from tests.harness import (
    DAY,
    DONE,
    HELD,
    HTML,
    JSON,
    PARTIAL,
    World,
    assert_equal_to_upstream,
)
from tests.proofs import proofs_in

HERE = Path(__file__).parent
PUBLISHING, PAGES, JOURNAL = (
    "test_rules_publishing.py",
    "test_rules_pages.py",
    "test_rules_journal.py",
)
GUARDS, WHOLE, THIS = "test_rules_guards.py", "test_rules_whole.py", "test_incidents.py"
SOAK, NGINX, XMLRPC = "soak/test_slice.py", "e2e/test_nginx.py", "upstream/test_xmlrpc.py"

PROOF = {
    "1 reasons with quotes, markup, newlines": (
        f"{PUBLISHING}::test_R1_incident1_incident3_a_reason_is_exact_in_both_forms",
        "render/test_yanked.py::*",
    ),
    "2 no reason is true and an empty attribute": (
        f"{THIS}::test_incident2_no_reason_is_true_and_an_empty_attribute",
    ),
    "3 a reason false or 0 is yanked": (
        f"{PUBLISHING}::test_R1_incident1_incident3_a_reason_is_exact_in_both_forms",
    ),
    "4 yank, unyank, yank in one batch and in three": (
        f"{JOURNAL}::test_R6_incident4_three_rows_and_one_page",
        f"{JOURNAL}::test_R6_incident4_three_rows_in_three_passes",
    ),
    "5 one file of a release is yanked": (
        f"{PUBLISHING}::test_R1_incident5_the_yank_of_one_file_is_kept_for_that_file",
    ),
    "6 every release yanked": (
        f"{PUBLISHING}::test_R1_incident6_a_project_whose_releases_are_all_yanked_stays",
    ),
    "7 another release's reason": (
        f"{PUBLISHING}::test_R1_incident7_another_releases_reason_is_its_own",
    ),
    "8 unyank and remove in a minute": (
        f"{PUBLISHING}::test_R1_incident8_unyank_and_removal_in_one_minute_show_no_good_file",
    ),
    "9 omit and back": (
        f"{PUBLISHING}::test_R1_incident9_omit_brings_a_file_back_with_its_unyank",
    ),
    "10 versions spelled differently": (
        f"{PUBLISHING}::test_R1_incident10_versions_spelled_another_way",
        "test_versions.py::test_the_version_that_a_file_belongs_to_C16",
    ),
    "11 remove project": (
        f"{PUBLISHING}::test_removed_projects_leave_tree_and_list_incident11",
        f"{THIS}::test_incident11_a_tombstone_stays",
    ),
    "12 releases removed one by one": (
        f"{PUBLISHING}::test_releases_removed_one_by_one_leave_an_empty_project_incident12",
    ),
    "13 remove file alone": (f"{PUBLISHING}::test_a_single_removed_file_leaves_alone_incident13",),
    "14 quarantined, cleared, quarantined": (
        f"{PAGES}::test_R9_a_quarantine_holds_on_the_journals_word",
    ),
    "15 release quarantined": (
        f"{PAGES}::test_R9_incident15_a_quarantined_release_leaves_and_comes_back_yanked",
    ),
    "16 a quarantined page lists no files": (
        f"{PAGES}::test_R9_a_quarantine_holds_on_the_journals_word",
    ),
    "17 what was quarantined is never preserved": (
        f"{THIS}::test_incident17_what_was_quarantined_and_removed_is_nowhere",
    ),
    "18 deleted and registered anew": (
        f"{PAGES}::test_R3_incident18_a_removed_project_is_not_brought_back_by_an_older_page",
        f"{THIS}::test_incident18_a_name_of_another_owner_has_none_of_the_old_files",
    ),
    "19 archived without a serial": (
        f"{PAGES}::test_incident19_the_sweep_finds_archive_and_unarchive",
    ),
    "20 half a list": (f"{GUARDS}::test_R8_incident20_half_a_list_takes_nothing_away",),
    "21 a page behind the journal": (
        f"{PAGES}::test_R3_a_stale_page_waits_alone",
        f"{THIS}::test_incident21_stale_for_so_many_tries",
    ),
    "22 behind for ever": (
        f"{PAGES}::test_R3_incident22_a_page_behind_for_ever_is_counted_and_left_to_the_sweep",
    ),
    "23 a fallback origin": (
        f"{PAGES}::test_R3_incident23_a_fallback_page_is_refused",
        f"{PAGES}::test_R15_incident23_a_fallback_page_in_the_first_build_is_refused",
    ),
    "24 two POPs": (f"{PAGES}::test_R3_incident24_two_pops_never_bring_an_older_page_back",),
    "25 a stale gzip variant": (f"{PAGES}::test_R3_incident25_a_stale_gzip_variant_is_waited_out",),
    "26 a purge outage": (f"{PAGES}::test_R3_incident26_a_purge_outage_drains_later",),
    "27 full answers, gaps, duplicates, times": (
        f"{JOURNAL}::test_R2_incident27_answers_of_few_rows_gaps_and_times_that_run_backwards",
        f"{XMLRPC}::test_facts27_a_full_page_is_followed_by_another",
        f"{XMLRPC}::test_facts27_a_full_page_may_be_the_last",
    ),
    "28 faults, limits, error pages, broken XML": (
        f"{JOURNAL}::test_R2_incident28_a_journal_out_of_reach_changes_nothing_and_loses_nothing",
        f"{XMLRPC}::test_fuzz_mutated_answers",
    ),
    "29 odd rows": (
        f"{PAGES}::test_R5_every_unknown_verb_is_a_reason_to_look_incident29",
        f"{JOURNAL}::test_R10_hostile_names_never_reach_the_tree",
        f"{THIS}::test_incident29_a_name_of_200_characters",
    ),
    "30 new serial, same content": (
        f"{PUBLISHING}::test_incident30_a_new_serial_with_the_same_files_rewrites_that_project_alone",
    ),
    "31 an empty page without a reason": (
        f"{THIS}::test_incident31_an_empty_page_that_nothing_explains_is_not_believed_at_once",
    ),
    "32 killed between page and database": (
        f"{PUBLISHING}::test_R1_incident32_a_death_while_publishing_is_made_good_first",
        f"{PUBLISHING}::test_R2_incident32_a_death_anywhere_loses_nothing",
        f"{SOAK}::test_killed_at_a_call",
    ),
    "33 two runs at once": (
        f"{PUBLISHING}::test_R11_incident33_two_runs_never_work_on_one_mirror",
        "cli/test_interrupts.py::test_two_runs_at_once",
    ),
    "34 full and read-only disks": (
        f"{SOAK}::test_an_error_from_a_call",
        "soak/test_machine.py::test_a_full_disk",
        "soak/test_machine.py::test_a_state_on_a_full_disk",
        "soak/test_machine.py::test_an_output_mounted_read_only",
    ),
    "35 file systems that ignore case": (
        f"{THIS}::test_incident35_directories_of_another_case_are_left_alone",
    ),
    "36 a filter tightened and loosened": (
        f"{WHOLE}::test_incident36_narrowing_and_widening",
        f"{WHOLE}::test_incident36_widened_again_before_the_narrowing_was_published",
    ),
    "37 another hash for a file": (
        "test_changes.py::test_incident37_a_file_that_keeps_its_name_and_changes_its_hash",
        f"{THIS}::test_incident37_another_hash_is_an_alarm",
        f"{THIS}::test_incident37_a_hash_that_comes_back_is_let_go",
    ),
    "38 nginx run with real Accept headers": (
        f"{NGINX}::test_accept_decides_the_form",
        f"{NGINX}::test_caches_keep_the_forms_apart_and_not_for_long",
    ),
}


def test_every_incident_has_a_proof() -> None:
    assert [int(told.split()[0]) for told in PROOF] == [*range(1, 39)]
    assert all(PROOF.values())


@pytest.mark.parametrize("test", sorted({test for tests in PROOF.values() for test in tests}))
def test_the_proof_is_there(test: str) -> None:
    path, _, name = test.partition("::")
    found = proofs_in(HERE / path)
    assert found if name == "*" else name in found


def started(world: World, *projects: str) -> None:
    for name in projects or ("demo",):
        world.up.upload(name, "1.0")
        world.up.upload(name, "2.0")
    assert world.sync() == DONE


def test_incident2_no_reason_is_true_and_an_empty_attribute(world: World) -> None:
    started(world)
    world.up.yank("demo", "1.0")
    assert world.sync() == DONE
    for path in (JSON, HTML):
        body = world.files()[f"simple/demo/{path}"].decode()
        if path == JSON:
            assert body.count('"yanked":true') == body.count('"yanked":false') == 1
            assert body.count('"yanked"') == 2 and "null" not in body
        else:
            assert body.count("data-yanked") == body.count('data-yanked=""') == 1


def test_incident11_a_tombstone_stays(world: World) -> None:
    started(world, "demo", "other")
    stale = world.up.answer("demo")
    world.up.remove_project("demo")
    assert world.sync() == DONE
    world.up.cdn_hold("demo", stale)
    world.up.role("other")
    for _ in range(3):
        assert world.resync() in (DONE, PARTIAL)
        assert world.page("demo") is None and world.listed() == ["other"]
    assert [action for _, action, _ in world.told("demo")] == ["remove"]


def test_incident17_what_was_quarantined_and_removed_is_nowhere(world: World) -> None:
    started(world, "demo", "other")
    world.up.quarantine_project("demo")
    assert world.sync() == DONE
    world.up.remove_project("demo")
    assert world.sync() == DONE
    assert not any("demo" in path for path in world.files())
    assert b"demo" not in b"".join(world.files().values())


def test_incident18_a_name_of_another_owner_has_none_of_the_old_files(world: World) -> None:
    started(world)
    world.up.yank("demo", "1.0", "theirs")
    world.up.remove_project("demo")
    world.up.upload("demo", "1.0", "demo-1.0.zip")
    assert world.sync() == DONE
    assert world.yanked("demo") == {"demo-1.0.zip": False}
    assert_equal_to_upstream(world)


@pytest.mark.parametrize("tries", [1, 3, 9])
def test_incident21_stale_for_so_many_tries(world: World, tries: int) -> None:
    started(world, "demo", "other")
    world.up.yank("demo", "1.0", "bad")
    last = world.up.yank("other", "1.0", "bad")
    world.up.serve_stale("demo", tries)
    world.sync()
    assert world.yanked("other")["other-1.0.tar.gz"] == "bad" and world.cursor() == last
    assert world.settle(9) == DONE
    assert_equal_to_upstream(world)


def test_incident29_a_name_of_200_characters(disk: World) -> None:
    """Longer ones leave no room for a sibling's temporary name, and PyPI has none."""
    name = "a" * 200
    started(disk, name, "demo")
    disk.up.yank(name, "1.0", "long")
    disk.up.upload("b" * 201, "1.0")
    disk.up.raw_row("c" * 5000, None, "create")
    assert disk.sync() == DONE
    assert disk.yanked(name)[f"{name}-1.0.tar.gz"] == "long"
    assert disk.listed() == [name, "demo"]


def test_incident31_an_empty_page_that_nothing_explains_is_not_believed_at_once(
    world: World,
) -> None:
    started(world)
    world.up.raw_row("demo", None, "frobnicate")
    world.up.fail("^/simple/demo/", Fault.empty_page())
    assert world.sync() in (DONE, PARTIAL)
    assert len(world.yanked("demo")) == 2
    assert world.settle() == DONE
    assert_equal_to_upstream(world)
    assert world.told() == []


def test_incident35_directories_of_another_case_are_left_alone(disk: World) -> None:
    """A mirror on a file system that ignores case never deletes what it does not know exactly."""
    started(disk, "demo", "other")
    other = disk.where / "out/simple/DeMo"
    other.mkdir()
    (other / "index.html").write_bytes(b"theirs")
    disk.up.remove_project("other")
    disk.up.yank("demo", "1.0", "bad")
    assert disk.sync() == DONE
    assert disk.resync() == DONE
    disk.lose_state()
    assert disk.settle(later=DAY) == DONE
    assert (other / "index.html").read_bytes() == b"theirs"
    assert disk.yanked("demo")["demo-1.0.tar.gz"] == "bad"


def test_incident37_another_hash_is_an_alarm(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    started(world, "demo", "other")
    # Never a fact of PyPI (section 4, 46): only an upstream that is not what it seems does so.
    world.up.doctor = lambda page: json.loads(
        json.dumps(page).replace(page["files"][0]["hashes"]["sha256"], "ab" * 32)
    )
    world.up.role("other")
    world.up.raw_row("demo", None, "frobnicate")
    caplog.clear()
    before = world.page("demo")
    assert before is not None
    assert world.sync() == HELD
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert told[0].startswith("demo: demo-1.0.tar.gz: the file has another hash")
    world.up.yank("demo", "1.0", "news lets nothing through")
    assert world.sync() == HELD
    page = world.page("demo")
    assert page is not None
    assert [file["hashes"] for file in page["files"]] == [f["hashes"] for f in before["files"]]
    assert page["files"][0]["yanked"] == "news lets nothing through"
    world.approve()
    assert world.sync() == DONE
    page = world.page("demo")
    assert page is not None and page["files"][0]["hashes"]["sha256"] == "ab" * 32
    assert world.sync() == DONE


def test_incident37_a_hash_that_comes_back_is_let_go(world: World) -> None:
    started(world, "demo", "other")
    world.up.doctor = lambda page: json.loads(
        json.dumps(page).replace(page["files"][0]["hashes"]["sha256"], "ab" * 32)
    )
    world.up.raw_row("demo", None, "frobnicate")
    assert world.sync() == HELD
    world.up.doctor = None
    assert world.settle() == DONE
    assert_equal_to_upstream(world)
