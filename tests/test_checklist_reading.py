"""What is read: each line of the checklist on journal and upstream's pages has tests.

The numbers are those of sections A and B of the specification checklist that this project was begun
with; A1 to A13 are the rows of its table of actions.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proofs import proofs_in

HERE = Path(__file__).parent
ROWS, XMLRPC, VALUES = (
    "test_journal.py",
    "upstream/test_xmlrpc.py",
    "upstream/test_xmlrpc_values.py",
)
JOURNAL, PAGES, GUARDS, WHOLE, SWEEP, PUBLISHING = (
    f"test_rules_{name}.py"
    for name in ("journal", "pages", "guards", "whole", "sweep", "publishing")
)
SPEC, HEADS, OUTPUT = "test_spec_journal.py", "test_spec_pages.py", "test_spec_output.py"
JSON, HTML, LISTS = (f"upstream/test_{name}.py" for name in ("json_page", "html_page", "lists"))
SOURCE, SESSION, WEIGH = "upstream/test_source.py", "upstream/test_session.py", "test_weigh.py"
INCIDENTS, WITHDRAWALS, CONFIG = "test_incidents.py", "test_withdrawals.py", "test_config.py"
RENDER, YANKED, POLICY = (f"render/test_{name}.py" for name in ("pages", "yanked", "policy"))

VERB, CLASSIFY = f"{SPEC}::test_each_verb_of_the_journal", f"{ROWS}::test_classify"
REFUSED, LEFT_OUT, FIELD, PAGE, DROPPED = (
    f"{JSON}::test_{name}"
    for name in (
        "a_page_that_breaks_a_rule_is_refused",
        "a_file_that_breaks_a_rule_is_left_out_with_a_note",
        "a_field_is_read_as",
        "the_page_is_read_as",
        "a_claim_that_cannot_hold_is_dropped_with_a_note",
    )
)
HTML_REFUSED, HTML_LEFT_OUT, HTML_FIELD, HTML_DROPPED = (
    f"{HTML}::test_{name}"
    for name in (
        "a_page_that_breaks_a_rule_is_refused",
        "an_unfit_file_is_left_out_with_a_note",
        "a_field_is_read_as",
        "a_claim_that_cannot_hold_is_dropped_with_a_note",
    )
)
NO_NAME = f"{ROWS}::test_rows_that_name_nothing_move_only_the_cursor"

PROOF: dict[str, tuple[str, ...]] = {
    **{f"A{row}": (VERB, CLASSIFY) for row in (*range(1, 13), 26, 27)},
    "A13": (VERB, CLASSIFY, f"{PAGES}::test_R5_role_rows_are_inert_for_projects_that_are_held"),
    "A20": (CLASSIFY,),
    "A21": (
        CLASSIFY,
        f"{SPEC}::test_A21_a_name_that_died_without_a_row_is_found_by_the_sweep",
        f"{SPEC}::test_A21_what_was_only_gone_for_a_while_comes_back_and_no_older_page_of_it",
    ),
    "A22": (CLASSIFY, f"{PAGES}::test_R5_role_rows_are_inert_for_projects_that_are_held"),
    "A23": (NO_NAME, f"{JOURNAL}::test_R10_hostile_names_never_reach_the_tree"),
    "A24": (NO_NAME, CLASSIFY),
    "A25": (CLASSIFY,),
    "A30": (
        f"{JOURNAL}::test_R6_incident4_three_rows_and_one_page",
        f"{WITHDRAWALS}::test_F17_a_quarantine_and_a_removal_need_no_page",
    ),
    "A31": (CLASSIFY, f"{ROWS}::test_r7_what_an_event_removes"),
    "A32": (CLASSIFY, f"{PAGES}::test_R5_every_unknown_verb_is_a_reason_to_look_incident29"),
    "A33": (f"{XMLRPC}::test_a_real_journal", f"{XMLRPC}::test_rows_of_another_shape"),
    "A34": (f"{XMLRPC}::test_nil_name_version_and_action", CLASSIFY, NO_NAME),
    "A35": (
        f"{ROWS}::test_a35_spellings_of_one_project_are_one",
        f"{PUBLISHING}::test_other_spellings_meet_in_one_directory",
        "state/test_facts.py::test_spelling",
    ),
    "A36": (f"{ROWS}::test_a36_references_in_an_action_stay_text",),
    "A37": (
        f"{ROWS}::test_r4_order_is_by_serial_and_never_by_time",
        f"{JOURNAL}::test_R4_order_is_by_serial_however_the_clock_runs",
        f"{XMLRPC}::test_odd_rows_that_are_taken",
    ),
    "A38": (f"{XMLRPC}::test_rows_of_another_shape", f"{XMLRPC}::test_a_real_journal"),
    "A39": (
        f"{XMLRPC}::test_facts27_a_full_page_is_followed_by_another",
        f"{JOURNAL}::test_R2_incident27_answers_of_few_rows_gaps_and_times_that_run_backwards",
    ),
    "A40": (
        f"{SWEEP}::test_every_page_is_asked_for_within_the_days_and_no_pass_asks_more_than_its_share",
    ),
    "A41": (
        f"{XMLRPC}::test_facts27_a_full_page_is_followed_by_another",
        f"{XMLRPC}::test_facts27_a_full_page_may_be_the_last",
    ),
    "A42": (
        f"{PUBLISHING}::test_R2_incident32_a_death_anywhere_loses_nothing",
        "soak/test_slice.py::test_killed_at_a_call",
    ),
    "A43": (f"{WHOLE}::test_the_first_build_starts_where_the_older_of_list_and_journal_ends",),
    "A44": (
        f"{XMLRPC}::test_a_real_journal",
        f"{PUBLISHING}::test_an_empty_upstream_makes_an_empty_mirror",
        f"{GUARDS}::test_R14_an_upstream_that_was_put_back_changes_nothing_until_approved",
    ),
    "A45": (f"{WITHDRAWALS}::test_A45_what_was_undone_within_one_answer_of_the_journal",),
    "A46": (f"{WITHDRAWALS}::test_C7_of_an_earlier_reason_nothing_is_left",),
    "A50": (f"{PAGES}::test_incident19_the_sweep_finds_archive_and_unarchive",),
    "A51": (f"{SPEC}::test_A51_A52_what_changed_without_a_row_is_found_by_the_sweep",),
    "A52": (f"{SPEC}::test_A51_A52_what_changed_without_a_row_is_found_by_the_sweep",),
    "A53": (  # of the list, only one that is followed is compared: names come from the journal
        f"{SWEEP}::test_every_page_is_asked_for_within_the_days_and_no_pass_asks_more_than_its_share",
        f"{HEADS}::test_B7_a_304_touches_nothing",
        f"{WHOLE}::test_a_full_resync_finds_what_left_the_list",
    ),
    "A60": (f"{XMLRPC}::test_facts18_the_request", f"{CONFIG}::test_urls"),
    "A61": (f"{XMLRPC}::test_a61_faults",),
    "A62": (
        f"{XMLRPC}::test_r7_outages",
        f"{XMLRPC}::test_fuzz_mutated_answers",
        f"{JOURNAL}::test_R2_incident28_a_journal_out_of_reach_changes_nothing_and_loses_nothing",
    ),
    "A63": (
        f"{XMLRPC}::test_r13_calls_are_spaced_whatever_came_of_them",
        f"{CONFIG}::test_every_key",
        "test_docs.py::test_defaults_are_the_real_ones",
    ),
    "A64": (f"{SPEC}::test_A64_A66_no_other_method_of_the_journal_is_ever_called",),
    "A65": (f"{VALUES}::test_a_call_is_one_to_the_standard_library",),
    "A66": (f"{SPEC}::test_A64_A66_no_other_method_of_the_journal_is_ever_called",),
    "A67": (
        f"{XMLRPC}::test_a61_faults",
        f"{JOURNAL}::test_R15_a_journal_refused_for_good_is_left_and_followed_again",
    ),
    "A68": (
        f"{SPEC}::test_A68_a_quarantined_name_leaves_the_list_and_its_page_tells_why",
        f"{JOURNAL}::test_R15_without_a_journal_the_list_is_followed",
    ),
    "A69": (
        f"{SPEC}::test_A69_a_list_that_is_older_than_what_is_known_takes_nothing_away",
        f"{SPEC}::test_A69_nor_is_one_followed_that_is_older_than_the_list_before",
        f"{WEIGH}::test_r7_missing",
        f"{GUARDS}::test_R8_incident20_half_a_list_takes_nothing_away",
    ),
    "A70": (
        f"{INCIDENTS}::test_incident11_a_tombstone_stays",
        f"{PAGES}::test_R3_incident18_a_removed_project_is_not_brought_back_by_an_older_page",
    ),
    "B1": (f"{HEADS}::test_B1_B4_B5_B6_what_is_sent_word_for_word",),
    "B2": (
        REFUSED,
        f"{JSON}::test_the_parser_follows_the_content_type_of_the_answer_B2",
        f"{JOURNAL}::test_R15_html_after_json_changes_nothing",
    ),
    "B3": (f"{HEADS}::test_B3_no_choice_and_no_agreement_are_errors",),
    "B4": (f"{HEADS}::test_B1_B4_B5_B6_what_is_sent_word_for_word",),
    "B5": (
        f"{HEADS}::test_B1_B4_B5_B6_what_is_sent_word_for_word",
        f"{PAGES}::test_R13_pages_are_asked_for_conditionally_and_by_name",
        "upstream/test_lines.py::test_never_more_than_that",
    ),
    "B6": (f"{HEADS}::test_B1_B4_B5_B6_what_is_sent_word_for_word",),
    "B7": (f"{HEADS}::test_B7_a_304_touches_nothing", f"{SOURCE}::test_pages"),
    "B8": (
        f"{HEADS}::test_B8_relative_urls_start_where_the_redirects_end",
        f"{HTML}::test_the_first_base_counts_B8",
        FIELD,
    ),
    "B10": (PAGE, HTML_FIELD),
    "B11": (
        f"{HEADS}::test_B11_B12_of_a_version_that_is_not_known_nothing_is_taken",
        f"{HEADS}::test_B11_a_newer_minor_version_is_told_of_once_and_not_for_each_page",
        HTML_REFUSED,
    ),
    "B12": (REFUSED, f"{JSON}::test_a_newer_minor_version_is_read_with_a_note_B11"),
    "B13": (f"{RENDER}::test_the_version_claims_what_the_page_carries",),
    "B14": (f"{RENDER}::test_the_version_claims_what_the_page_carries",),
    "B15": (
        f"{RENDER}::test_the_metadata_claim_C26",
        f"{YANKED}::test_a_yank_is_read_and_written",
    ),
    "B20": (
        PAGE,
        f"{JSON}::test_the_serial_of_the_body_goes_before_the_header_B20",
        f"{HTML}::test_the_serial_comment_holds_only_a_number_F6",
        f"{HTML}::test_the_serial_of_the_body_goes_before_the_header_B20",
    ),
    "B21": (f"{PAGES}::test_R3_a_stale_page_waits_alone", f"{WEIGH}::test_r3_page"),
    "B22": (
        f"{HEADS}::test_B22_a_page_behind_the_journal_for_ever_is_published_as_far_as_it_is",
        f"{PAGES}::test_R3_incident22_a_page_behind_for_ever_is_counted_and_left_to_the_sweep",
    ),
    "B23": (f"{HEADS}::test_B23_a_page_ahead_of_the_journal_moves_no_cursor",),
    "B30": (f"{HEADS}::test_B30_a_project_without_files_is_one", VERB),
    "B31": (
        f"{WEIGH}::test_r7_missing",
        f"{PAGES}::test_R7_a_404_against_the_journals_word_is_stale_however_often",
        f"{JOURNAL}::test_R15_any_index_can_be_mirrored_by_name",
    ),
    "B32": (f"{WITHDRAWALS}::test_B32_no_status_but_404_takes_a_page_away",),
    "B33": (
        f"{INCIDENTS}::test_incident31_an_empty_page_that_nothing_explains_is_not_believed_at_once",
        f"{PAGES}::test_R7_vanished_files_count_when_a_later_pass_sees_the_same",
    ),
    "B34": (PAGE, REFUSED, f"{POLICY}::test_other_statuses_keep_their_files_C44"),
    "B35": (PAGE, f"{RENDER}::test_the_json_form_byte_for_byte"),
    "B40": (REFUSED, PAGE),
    "B41": (
        PAGE,
        f"{OUTPUT}::test_B41_B53_C29_C40_keys_that_are_upstreams_own_are_kept_and_not_published",
    ),
    "B42": (
        REFUSED,
        f"{JSON}::test_equal_twins_collapse_and_no_mark_is_lost_B42",
        f"{HTML}::test_a_file_with_two_hashes_is_left_out_and_nothing_else_B42",
    ),
    "B43": (FIELD, LEFT_OUT, f"{OUTPUT}::test_C13_C14_files_of_any_name_end_their_links_in_it"),
    "B44": (FIELD, REFUSED, LEFT_OUT),
    "B45": (FIELD, LEFT_OUT),
    "B46": (FIELD, DROPPED),
    "B47": (FIELD,),
    "B48": (
        LEFT_OUT,
        f"{YANKED}::test_a_yank_is_read_and_written",
        f"{JSON}::test_yanked_null_is_not_yanked_with_a_note_B48",
    ),
    "B49": (FIELD, LEFT_OUT),
    "B50": (FIELD, HTML_FIELD),
    "B51": (FIELD, DROPPED),
    "B52": (
        PAGE,
        REFUSED,
        f"{JSON}::test_versions_that_are_none_are_dropped_with_a_note_B52",
        "test_versions.py::test_no_text_raises",
    ),
    "B53": (
        f"{OUTPUT}::test_B41_B53_C29_C40_keys_that_are_upstreams_own_are_kept_and_not_published",
    ),
    "B54": (f"{PUBLISHING}::test_R1_incident5_the_yank_of_one_file_is_kept_for_that_file",),
    "B60": (
        HTML_FIELD,
        f"{HTML}::test_anchors_that_mean_no_file_are_passed_over_B60",
        f"{HTML}::test_links_to_no_distribution_are_no_files_B60",
    ),
    "B61": (HTML_FIELD, HTML_LEFT_OUT),
    "B62": (HTML_FIELD, f"{HTML}::test_a_reason_is_read_as_html5_wants_it_B62"),
    "B63": (HTML_FIELD, f"{YANKED}::test_a_yank_is_read_and_written"),
    "B64": (HTML_FIELD, f"{YANKED}::test_a_yank_is_read_and_written"),
    "B65": (HTML_FIELD, HTML_DROPPED),
    "B66": (
        HTML_FIELD,
        HTML_DROPPED,
        f"{HTML}::test_status_and_reason_come_from_metas_B66",
        f"{HTML}::test_of_repeated_metas_the_first_counts_B66",
    ),
    "B67": (HTML_FIELD,),
    "B68": (HTML_FIELD, f"{RENDER}::test_the_version_claims_what_the_page_carries"),
}  # fmt: skip

LINES = [
    *(f"A{n}" for first, last in ((1, 13), (20, 27), (30, 46), (50, 53), (60, 70))
      for n in range(first, last + 1)),
    *(f"B{n}" for first, last in ((1, 8), (10, 15), (20, 23), (30, 35), (40, 54), (60, 68))
      for n in range(first, last + 1)),
]  # fmt: skip


def test_every_line_has_a_proof() -> None:
    assert [line for line in LINES if not PROOF.get(line)] == []
    assert {*PROOF} == {*LINES}


@pytest.mark.parametrize("test", sorted({test for tests in PROOF.values() for test in tests}))
def test_the_proof_is_there(test: str) -> None:
    path, _, name = test.partition("::")
    assert name in proofs_in(HERE / path)
