"""What is written and served: each line of the checklist on it has tests, or a word on why not.

The numbers are those of sections C, D, E and G of the specification checklist that this project was
begun with; what came of Poetry and PDM there is not run again here.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proofs import proofs_in

HERE = Path(__file__).parent
OUTPUT, SPEC, HEADS = "test_spec_output.py", "test_spec_journal.py", "test_spec_pages.py"
PAGES, YANKED, POLICY, LIST = (
    f"render/test_{name}.py" for name in ("pages", "yanked", "policy", "project_list")
)
RULES, ANSWERS, WITHDRAWALS = (
    "test_rules_publishing.py",
    "test_rules_pages.py",
    "test_withdrawals.py",
)
INCIDENTS, HOSTILE, WEIGH = "test_incidents.py", "test_hostile.py", "test_weigh.py"
NGINX, CADDY, CLIENTS, LOCKS, PURGE = (
    f"e2e/test_{name}.py" for name in ("nginx", "caddy", "clients", "locks", "purge")
)
DISK, RECONCILE, OBJECTS = (
    f"publish/test_{name}.py" for name in ("disk", "reconcile", "object_store")
)
STORAGE, HOOKS = "cli/test_object_storage.py", "test_hooks.py"
INSTALL = "e2e/test_readme_install.py"

EXACT = f"{RULES}::test_R1_incident1_incident3_a_reason_is_exact_in_both_forms"
THREE_CASES = f"{YANKED}::test_a_yank_is_read_and_written"
IN_HTML = f"{YANKED}::test_every_reason_reads_back_from_html"
IN_JSON = f"{YANKED}::test_every_reason_reads_back_from_json"
CLAIMS = f"{PAGES}::test_the_version_claims_what_the_page_carries"
METADATA = f"{PAGES}::test_the_metadata_claim_C26"
UNKNOWN = f"{OUTPUT}::test_C20_C21_C22_C46_what_is_not_known_is_neither_null_nor_invented"
FOREIGN = f"{OUTPUT}::test_B41_B53_C29_C40_keys_that_are_upstreams_own_are_kept_and_not_published"
STATUS = f"{OUTPUT}::test_C41_C44_a_status_is_passed_on_and_the_files_stay"
JSON_BYTES = f"{PAGES}::test_the_json_form_byte_for_byte"
HTML_BYTES = f"{PAGES}::test_the_html_form_byte_for_byte"
URLS = f"{WITHDRAWALS}::test_F18_name_url_hash_and_provenance_outlive_a_yank"
FORMS = (f"{NGINX}::test_accept_decides_the_form", f"{CADDY}::test_accept_decides_the_form")
CACHES = (
    f"{NGINX}::test_caches_keep_the_forms_apart_and_not_for_long",
    f"{CADDY}::test_caches_keep_the_forms_apart_and_not_for_long",
)
NO_PAGE = (
    f"{NGINX}::test_what_is_no_page_is_not_found",
    f"{CADDY}::test_what_is_no_page_is_not_found",
)
HEADERS = f"{OBJECTS}::test_every_object_says_what_it_is"
PICKED, SAID = f"{CLIENTS}::test_which_release_is_picked", f"{CLIENTS}::test_what_is_said"

PROOF: dict[str, tuple[str, ...]] = {
    "C1": (
        EXACT,
        f"{POLICY}::test_no_yanked_file_goes_unmarked_or_comes_back_C1",
        f"{RULES}::test_R1_incident32_a_death_while_publishing_is_made_good_first",
        f"{DISK}::test_r12_siblings_are_in_place_or_gone_before_their_page",
        "soak/test_slice.py::test_killed_at_a_call",
    ),
    "C2": (EXACT, IN_HTML, IN_JSON),
    "C3": (
        f"{RULES}::test_R1_incident9_omit_brings_a_file_back_with_its_unyank",
        f"{POLICY}::test_omit_drops_a_version_only_with_the_last_file_of_it_C3",
    ),
    "C4": (THREE_CASES, f"{INCIDENTS}::test_incident2_no_reason_is_true_and_an_empty_attribute"),
    "C5": (THREE_CASES, f"{INCIDENTS}::test_incident2_no_reason_is_true_and_an_empty_attribute"),
    "C6": (EXACT, f"{PAGES}::test_html_reads_back_as_far_as_it_can_carry"),
    "C7": (f"{WITHDRAWALS}::test_C7_of_an_earlier_reason_nothing_is_left",),
    "C8": (
        f"{WITHDRAWALS}::test_C8_G3_a_new_file_of_a_yanked_release_has_the_mark_that_its_page_gives_it",
    ),
    "C10": (
        f"{OUTPUT}::test_C10_C11_names",
        f"{RULES}::test_other_spellings_meet_in_one_directory",
        f"{NGINX}::test_a_missing_slash_is_redirected_wherever_the_server_stands",
    ),
    "C11": (
        f"{OUTPUT}::test_C10_C11_names",
        f"{HOSTILE}::test_F3_F4_names_that_are_paths_or_look_alike",
    ),
    "C12": (
        f"{OUTPUT}::test_C12_the_list_is_sorted_by_normalised_name_without_the_quarantined",
    ),
    "C13": (f"{OUTPUT}::test_C13_C14_files_of_any_name_end_their_links_in_it",),
    "C14": (f"{OUTPUT}::test_C13_C14_files_of_any_name_end_their_links_in_it",),
    "C15": (
        f"{OUTPUT}::test_C15_a_file_that_may_change_under_its_name_is_no_alarm",
        "test_losses.py::test_C15_what_describes_variants_may_change_under_its_name",
    ),
    "C16": (
        f"{POLICY}::test_files_stand_by_version_then_name_C16",
        f"{PAGES}::test_the_order_of_upstream_does_not_matter",
        f"{PAGES}::test_the_hash_seed_does_not_matter",
        "test_versions.py::test_the_version_that_a_file_belongs_to_C16",
        f"{POLICY}::test_omit_drops_a_version_only_with_the_last_file_of_it_C3",
    ),
    "C17": (f"{OUTPUT}::test_C17_links_hold_wherever_the_tree_is_served",),
    "C18": (
        f"{OUTPUT}::test_C18_withdrawals_go_first_and_the_list_goes_last",
        f"{DISK}::test_files_reach_the_disk_before_they_are_in_place",
    ),
    "C20": (CLAIMS, UNKNOWN),
    "C21": (UNKNOWN, f"{PAGES}::test_what_is_not_known_is_left_out_C21_C22"),
    "C22": (UNKNOWN, f"{PAGES}::test_what_is_not_known_is_left_out_C21_C22"),
    "C23": (HTML_BYTES, UNKNOWN, f"{PAGES}::test_the_page_is_valid_html5_C31"),
    "C24": (EXACT, f"{PAGES}::test_what_is_not_known_is_left_out_C21_C22"),
    "C25": (f"{PAGES}::test_only_sha256_goes_into_the_fragment_C25", METADATA),
    "C26": (METADATA,),
    "C27": (METADATA,),  # files are upstream's own, and its claims hold as they are
    "C28": (FOREIGN, f"{PAGES}::test_json_reads_back_as_the_page"),
    "C29": (FOREIGN, CLAIMS),
    "C30": (
        f"{PAGES}::test_lone_surrogates_are_escaped_in_json_and_replaced_in_html_C30",
        f"{PAGES}::test_json_reads_back_as_the_page",
        IN_JSON,
    ),
    "C31": (
        f"{PAGES}::test_the_page_is_valid_html5_C31",
        IN_HTML,
        THREE_CASES,
        f"{LIST}::test_both_forms_read_back",
    ),
    "C32": (HTML_BYTES, f"{PAGES}::test_one_line_a_file_and_nothing_between_C32"),
    "C40": (FOREIGN,),
    "C41": (STATUS, JSON_BYTES, HTML_BYTES),
    "C42": (
        f"{OUTPUT}::test_C42_C43_of_what_is_quarantined_nothing_is_left_and_all_comes_back",
        f"{POLICY}::test_a_quarantined_project_offers_nothing_C42",
        f"{ANSWERS}::test_R9_a_quarantine_holds_on_the_journals_word",
    ),
    "C43": (
        f"{OUTPUT}::test_C42_C43_of_what_is_quarantined_nothing_is_left_and_all_comes_back",
        f"{ANSWERS}::test_R9_incident15_a_quarantined_release_leaves_and_comes_back_yanked",
    ),
    "C44": (STATUS,),
    "C45": (URLS, f"{SPEC}::test_A51_A52_what_changed_without_a_row_is_found_by_the_sweep"),
    "C46": (UNKNOWN,),
    "D1": (f"{RECONCILE}::test_layout", HEADERS, f"{DISK}::test_twins_are_one_file"),
    "D2": (*FORMS, HEADERS),
    "D3": FORMS,
    "D4": FORMS,
    "D5": CACHES,
    "D6": (
        f"{NGINX}::test_a_yank_of_the_same_size_in_the_same_second_is_no_304",
        f"{RULES}::test_R12_a_changed_file_is_a_second_younger_however_fast",
    ),
    "D7": CACHES,
    "D8": (*CACHES, HEADERS),
    "D10": (
        f"{NGINX}::test_no_sibling_outlives_compression",
        f"{RECONCILE}::test_d10_a_new_page_never_keeps_an_old_sibling",
        f"{DISK}::test_r12_siblings_are_in_place_or_gone_before_their_page",
        f"{DISK}::test_siblings_alone_carry_the_time_of_their_page",
    ),
    "D11": (*FORMS, f"{NGINX}::test_the_compressed_sibling_is_sent_to_those_who_take_it"),
    "D12": (*NO_PAGE, f"{NGINX}::test_a_missing_slash_is_redirected_wherever_the_server_stands"),
    "D13": NO_PAGE,
    "D14": (f"{INSTALL}::test_object_storage",),
    "D15": (
        f"{OBJECTS}::test_keys_that_need_no_index_document",
        f"{STORAGE}::test_pip_installs_from_plain_keys",
    ),
    "D16": (HEADERS, f"{OBJECTS}::test_wrong_headers_are_found"),
    "D17": (HEADERS,),
    "D18": (
        f"{OBJECTS}::test_siblings_before_their_page_and_deletions_first",
        f"{RECONCILE}::test_table",
    ),
    "D19": (
        f"{PURGE}::test_nginx_shows_a_yank_as_soon_as_the_pass_is_over",
        f"{PURGE}::test_fastly_is_told_the_keys_that_the_site_gives",
    ),
    "D20": (f"{HOOKS}::test_what_is_not_taken_is_told_again",),
    "D21": (f"{LOCKS}::test_D21_a_tree_of_files_is_an_index_for_pip",),
    **{f"E{number}": (PICKED,) for number in range(1, 10)},
    "E2": (PICKED, SAID, f"{CLIENTS}::test_a_pin_installs_the_yanked_release"),
    "E9": (PICKED, f"{CLIENTS}::test_the_good_build_of_a_half_yanked_release_is_taken"),
    "E10": (THREE_CASES,),
    "E11": (THREE_CASES,),
    "E12": (UNKNOWN, THREE_CASES),
    "E13": (SAID,),
    "E20": (PICKED, SAID),
    "E21": (
        f"{LOCKS}::test_E21_a_lock_of_uv_keeps_what_was_yanked_until_it_is_upgraded",
        f"{LOCKS}::test_E21_pins_with_hashes_and_upgrades_of_pip",
    ),
    "E22": (
        URLS,
        f"{LOCKS}::test_E21_a_lock_of_uv_keeps_what_was_yanked_until_it_is_upgraded",
    ),
    "E23": (f"{CLIENTS}::test_a_pin_installs_the_yanked_release",),
    "E24": (f"{LOCKS}::test_E24_what_pip_tells_of_versions",),
    "E25": (EXACT,),
    "E26": (f"{CLIENTS}::test_yank_unyank_and_yank_again",),
    "G1": (f"{RULES}::test_R1_incident5_the_yank_of_one_file_is_kept_for_that_file",),
    "G2": (f"{SPEC}::test_each_verb_of_the_journal",),
    "G3": (
        f"{WITHDRAWALS}::test_C8_G3_a_new_file_of_a_yanked_release_has_the_mark_that_its_page_gives_it",
    ),
    "G4": (
        f"{HEADS}::test_G4_a_file_on_a_release_of_long_ago_is_listed_and_told_of",
        "test_changes.py::test_g4_a_file_on_a_release_that_had_long_been_closed",
    ),
    "G5": (f"{SPEC}::test_G5_an_unyank_leaves_no_reason_upstream_and_the_history_keeps_it",),
    "G6": (f"{ANSWERS}::test_R9_incident15_a_quarantined_release_leaves_and_comes_back_yanked",),
    "G7": (f"{RULES}::test_R1_incident6_a_project_whose_releases_are_all_yanked_stays", PICKED),
    "G8": (
        f"{SPEC}::test_G8_a_name_registered_anew_is_a_project_of_its_own",
        f"{INCIDENTS}::test_incident18_a_name_of_another_owner_has_none_of_the_old_files",
    ),
}  # fmt: skip

NOTHING_TO_TEST = {
    "C47": "PEP 381 is withdrawn: its page is not made, its one duty (deletions) is A6's",
    "C48": "PEP 694 and 753 change nothing that is mirrored",
    "D9": "optional headers; the recipes give none, the serial stands in the pages",
    "G9": "PEP 763 is withdrawn",
}

LINES = [
    f"{letter}{number}"
    for letter, ranges in {
        "C": ((1, 8), (10, 18), (20, 32), (40, 48)),
        "D": ((1, 21),),
        "E": ((1, 13), (20, 26)),
        "G": ((1, 9),),
    }.items()
    for first, last in ranges
    for number in range(first, last + 1)
]


def test_every_line_has_a_proof() -> None:
    assert [line for line in LINES if not PROOF.get(line) and line not in NOTHING_TO_TEST] == []
    assert {*PROOF} ^ {*NOTHING_TO_TEST} == {*LINES}


@pytest.mark.parametrize("test", sorted({test for tests in PROOF.values() for test in tests}))
def test_the_proof_is_there(test: str) -> None:
    path, _, name = test.partition("::")
    assert name in proofs_in(HERE / path)
