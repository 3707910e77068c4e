"""Nobody is let in: each line of the security section of the specification checklist has tests.

The numbers are those of section F of the checklist that this project was begun with. What a line
asks of parts that there are none of (package files are not copied, nothing is signed) is said here
beside it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proofs import proofs_in

HERE = Path(__file__).parent
HOSTILE, SESSION, XMLRPC = "test_hostile.py", "upstream/test_session.py", "upstream/test_xmlrpc.py"
REDIRECTS = "upstream/test_redirects.py"
JSON, HTML, DISK = (
    "upstream/test_json_page.py",
    "upstream/test_html_page.py",
    "publish/test_disk.py",
)
GUARDS = "test_rules_guards.py"
REFUSED, LEFT_OUT = (
    f"{JSON}::test_a_page_that_breaks_a_rule_is_refused",
    f"{JSON}::test_a_file_that_breaks_a_rule_is_left_out_with_a_note",
)

PROOF = {
    "1 everything from upstream is untrusted": (
        f"{HOSTILE}::test_F2_F7_one_hostile_field_never_reaches_a_page",
        "upstream/test_fuzz.py::*",
        "cli/test_look.py::test_nothing_that_a_terminal_obeys_is_printed",
        "cli/test_failures.py::test_F1_what_upstream_says_cannot_forge_a_line_of_the_log",
    ),
    "2 file names": (
        LEFT_OUT,
        f"{HTML}::test_an_unfit_file_is_left_out_with_a_note",
        f"{HOSTILE}::test_F2_F7_one_hostile_field_never_reaches_a_page",
    ),
    "3 paths, percent-encoding, links": (
        f"{HOSTILE}::test_F3_F4_names_that_are_paths_or_look_alike",
        LEFT_OUT,
        "test_journal.py::test_rows_that_name_nothing_move_only_the_cursor",
        f"{DISK}::test_what_stands_in_a_projects_place_is_left_alone",
        f"{DISK}::test_f3_a_link_in_place_of_a_temporary_file_is_not_written_through",
        "test_lock.py::test_no_lock_is_opened_through_a_link",
    ),
    "4 names that collide or look alike": (
        f"{HOSTILE}::test_F3_F4_names_that_are_paths_or_look_alike",
        f"{HOSTILE}::test_F4_names_that_mean_something_elsewhere",
        "test_incidents.py::test_incident35_directories_of_another_case_are_left_alone",
    ),
    "5 injection into HTML": (
        f"{HOSTILE}::test_F5_no_reason_breaks_out_of_its_place",
        f"{HOSTILE}::test_F5_a_reason_of_a_megabyte_is_not_cut",
        "render/test_yanked.py::test_every_reason_reads_back_from_html",
        "render/test_project_list.py::test_a_display_name_cannot_break_out_C30",
    ),
    "6 the serial comment": (
        f"{HTML}::test_the_serial_comment_holds_only_a_number_F6",
        f"{HOSTILE}::test_F5_no_reason_breaks_out_of_its_place",
    ),
    "7 schemes and user information": (
        LEFT_OUT,
        f"{HTML}::test_an_unfit_file_is_left_out_with_a_note",
        f"{JSON}::test_http_is_taken_where_the_configuration_allows_it_R10",
    ),
    "8 redirects": (  # provenance is passed on and never fetched
        f"{SESSION}::test_a_redirect_that_is_not_followed",
        f"{REDIRECTS}::test_a_host_that_is_not_named_may_not",
        f"{SESSION}::test_https_is_never_left_for_http",
        f"{SESSION}::test_credentials_stay_where_they_belong",
    ),
    "9 limits": (
        f"{SESSION}::test_f9_the_limit_is_of_decompressed_bytes",
        f"{SESSION}::test_f9_a_bomb_is_not_unpacked",
        "upstream/test_lines.py::test_f9_a_bomb_is_not_unpacked",
        f"{SESSION}::test_f9_an_answer_of_no_length_is_left_at_the_limit",
        f"{XMLRPC}::test_f9_too_many_rows",
        f"{XMLRPC}::test_f9_a_bomb_is_left_at_the_limit",
        REFUSED,
        f"{HTML}::test_a_page_that_breaks_a_rule_is_refused",
        f"{HTML}::test_deep_nesting_and_long_attributes_do_no_harm_F9",
        "upstream/test_lists.py::test_a_list_that_breaks_a_rule_is_refused",
    ),
    "10 XML-RPC without document types": (
        f"{XMLRPC}::test_what_is_no_response",
        f"{XMLRPC}::test_fuzz_mutated_answers",
        "upstream/test_xmlrpc_values.py::test_F10_whatever_comes_it_is_a_value_or_malformed",
    ),
    "11 another hash for a file": (  # no package file is stored whose hash there were to check
        "test_incidents.py::test_incident37_another_hash_is_an_alarm",
        "test_incidents.py::test_incident37_a_hash_that_comes_back_is_let_go",
        "cli/test_cron.py::test_incident37_another_hash_is_told_and_held",
        "cli/test_holds.py::test_F11_a_held_hash_is_published_once_approved",
    ),
    "12 files named after another project": (
        f"{JSON}::test_files_of_another_name_are_listed_and_counted_F12",
        f"{HTML}::test_files_of_another_name_are_listed_and_counted_F12",
        "test_versions.py::test_whether_a_file_is_named_after_its_project_F12",
    ),
    "13 files that belong to no version": (
        f"{JSON}::test_files_that_belong_to_no_version_stay_with_a_note_F13",
    ),
    "14 TLS is verified": (
        f"{SESSION}::test_F14_a_certificate_that_nobody_vouches_for_is_refused",
        f"{SESSION}::test_F14_a_certificate_of_another_name_is_refused",
        "upstream/test_poll.py::test_F14_whose_word_is_taken",
        "upstream/test_poll.py::test_F14_a_certificate_of_another_name",
        "upstream/test_lines.py::test_F14_nothing_is_asked_of_who_cannot_prove_who_it_is",
        f"{SESSION}::test_https_is_never_left_for_http",
        "test_config.py::test_refused_in_the_file",
    ),
    "15 pages that could be signed": (  # nothing is signed; the bytes are the same in every run
        "render/test_pages.py::test_the_hash_seed_does_not_matter",
        "render/test_pages.py::test_the_order_of_upstream_does_not_matter",
    ),
    "16 a serial that goes back": (
        "test_weigh.py::test_r3_page",
        "test_rules_pages.py::test_R3_incident24_two_pops_never_bring_an_older_page_back",
        "test_rules_whole.py::test_a_state_older_than_the_tree_never_brings_an_old_page_back",
        f"{GUARDS}::test_R14_an_upstream_that_was_put_back_changes_nothing_until_approved",
    ),
    "17 quarantine and removal go before all": (
        "test_rules_pages.py::test_R9_a_quarantine_holds_on_the_journals_word",
        "test_rules_journal.py::test_R13_a_withdrawal_in_a_long_pass_does_not_wait_for_its_end",
        "test_withdrawals.py::test_F17_a_quarantine_and_a_removal_need_no_page",
        "test_withdrawals.py::test_F17_withdrawals_are_asked_for_before_uploads",
    ),
    "18 attested files stay what they are": (  # no package file is written: URLs are upstream's own
        "test_rules_publishing.py::test_R1_incident1_incident3_a_reason_is_exact_in_both_forms",
        "test_withdrawals.py::test_F18_name_url_hash_and_provenance_outlive_a_yank",
    ),
    "19 credentials": (
        f"{SESSION}::test_f19_credentials_are_sent_and_never_told",
        f"{REDIRECTS}::test_credentials_and_cookies_stay_at_home",
        f"{REDIRECTS}::test_an_address_overrides_netrc",
        "cli/test_hook_environment.py::test_a_command_of_a_run_sees_none",
        f"{XMLRPC}::test_f19_credentials",
        "upstream/test_lines.py::test_f19_no_credentials_in_what_is_told",
        "upstream/test_source.py::test_f19_no_credentials_in_what_is_stored",
        f"{JSON}::test_credentials_of_the_page_do_not_reach_the_files_F19",
        "test_config.py::test_a_refused_url_is_not_repeated",
        "test_config.py::test_no_secret_in_what_is_printed",
    ),
}


def test_every_line_has_a_proof() -> None:
    assert [int(told.split()[0]) for told in PROOF] == [*range(1, 20)]
    assert all(PROOF.values())


@pytest.mark.parametrize("test", sorted({test for tests in PROOF.values() for test in tests}))
def test_the_proof_is_there(test: str) -> None:
    path, _, name = test.partition("::")
    found = proofs_in(HERE / path)
    assert found if name == "*" else name in found
