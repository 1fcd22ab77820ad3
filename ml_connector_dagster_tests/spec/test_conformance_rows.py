"""reference/saas-destinations.md §5: which test stands for which row. Each goes through the vendor's own client library."""

import importlib

import pytest


ROWS = {
    "1 token dies, 8 threads, one login; refused for good": (
        "test_salesforce_logins.test_eight_threads_with_a_dead_token_make_one_login_and_lose_nothing",
        "test_salesforce_logins.test_a_token_that_dies_in_the_middle_of_a_delivery_costs_one_login",
        "test_salesforce_logins.test_a_token_refused_for_good_costs_two_logins_whoever_asks_and_how_often",
    ),
    "2 token dies while a job is polled; killed after upload": (
        "test_salesforce_jobs.test_a_token_that_dies_while_a_job_is_polled_costs_one_login",
        "test_salesforce_jobs.test_a_killed_process_leaves_a_job_that_the_next_one_collects",
    ),
    "3 hostile keys, the right record, the report intact": (
        "test_salesforce_records.test_hostile_keys_reach_exactly_their_records",
        "test_salesforce_records.test_the_error_report_names_hostile_keys_as_they_are",
    ),
    "4 locks, bisection, missing parents": (
        "test_salesforce_records.test_exactly_the_locked_records_are_sent_again",
        "test_salesforce_records.test_too_many_batch_retries_are_met_with_smaller_calls",
        "test_salesforce_records.test_a_missing_parent_is_a_matter_of_its_record",
        "test_salesforce_flow.test_children_of_a_refused_parent_wait_for_it",
    ),
    "5 null clears, both ways": (
        "test_salesforce_records.test_values_arrive_as_they_are_and_null_clears",
    ),
    "6 hostile names to the letter": (
        "test_monday_transport.test_hostile_names_are_stored_to_the_letter",
        "test_monday_transport.test_values_are_never_in_the_text_of_a_query",
    ),
    "7 one bad row of 25; answer lost after execution": (
        "test_monday_transport.test_one_bad_row_of_25_is_reported_and_the_others_are_written_once",
        "test_monday_transport.test_a_lost_answer_is_asked_for_again_with_the_same_key",
    ),
    "8 budget exhausted, 423, 409": (
        "test_monday_transport.test_a_budget_that_is_used_up_is_waited_for",
        "test_monday_transport.test_it_waits_what_the_server_says_and_writes_once",
    ),
    "9 ten thousand rows by file; unknown label": (
        "test_monday_target.test_10_000_rows_are_imported_with_few_calls",
    ),
    "10 load, trigger, marker, run-once; odd answers": (
        "test_looker_publication.test_after_a_load_come_the_trigger_the_proof_and_the_plan",
        "test_looker_publication.test_an_old_answer_stops_the_plans_and_says_so",
        "test_looker_transport.test_a_dead_token_is_renewed_once",
        "test_looker_transport.test_passing_failures_are_tried_again_when_looker_says",
        "test_looker_transport.test_odd_bodies_become_our_errors_and_nobody_else_is_called",
    ),
    "11 nobody else is called; the first call is JSON": (
        "test_looker_transport.test_help_texts_are_not_fetched",
        "test_looker_transport.test_the_first_call_goes_out_as_json",
    ),
    "12 the same again writes nothing; a replay sends what is": (
        "test_salesforce_flow.test_the_same_sync_again_makes_no_call_at_all",
        "test_monday_flow.test_the_same_sync_again_makes_no_call_at_all",
        "test_looker_publication.test_the_same_sync_again_sends_no_plan_twice",
        "test_destination_looker.test_the_same_rows_again_make_no_write",
        "test_salesforce_flow.test_a_replay_sends_what_the_record_is_by_now",
        "test_monday_flow.test_a_replay_sends_what_the_record_is_by_now",
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_reference_has_its_tests(row: str) -> None:
    for name in ROWS[row]:
        module, test = name.split(".")
        assert hasattr(
            importlib.import_module(f"ml_connector_dagster_tests.spec.{module}"), test
        ), name
