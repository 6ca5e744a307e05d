//! The suite that every backend must pass: what each verb promises, each "only once", each "at the same time".
//!
//! A backend's tests name a function that opens a fresh store, and says what stores of its kind leave to others, and call [`conformance_tests!`](crate::conformance_tests):
//! one test a promise.

mod application_grants;
mod applications;
mod assertions;
mod authorization_codes;
mod changes_of_people;
mod fixture;
mod keypairs;
mod leaked_secrets;
mod owners;
mod people;
mod responses;
mod retirement;
mod revoked_tokens;
mod server;
mod standing;
mod standing_of_people;
mod usages;

pub use fixture::Fixture;

macro_rules! promises {
    ($($noun:ident { $($name:ident,)* })*) => {
        $(pub use $noun::{$($name),*};)*

        /// One test for each promise; `$open` is an async function that answers a [`Fixture`] around a fresh store,
        /// and what must live as long as it.
        #[macro_export]
        macro_rules! conformance_tests {
            ($open:path) => {
                $($(
                    #[tokio::test(flavor = "multi_thread")]
                    async fn $name() {
                        let (fixture, _keep) = $open().await;
                        $crate::conformance::$name(fixture).await;
                    }
                )*)*
            };
        }
    };
}

promises! {
    owners {
        accounts_are_kept_renamed_and_listed,
        a_rename_of_what_moved_on_is_refused,
        closing_an_environment_ends_its_keypairs_roles_and_invitations,
        closing_an_account_ends_everything_below_it,
        nothing_is_made_in_what_is_closed,
        a_keypair_made_while_its_owner_closes_does_not_outlive_it,
    }
    keypairs {
        keypairs_are_kept_and_belong_to_their_owner,
        keypairs_are_listed_newest_first_in_parts,
        what_was_named_by_other_rules_is_read_and_stopped,
        an_edit_of_what_moved_on_is_refused,
        a_refused_edit_and_one_that_changes_nothing_leave_no_trace,
        of_edits_of_one_version_at_the_same_time_one_wins,
        edits_without_a_version_never_lose_a_race,
        who_was_stopped_changes_nothing_any_more,
        what_tokens_must_be_bound_to_is_kept,
        from_where_a_keypair_may_be_used_is_kept,
        secrets_come_and_go_with_the_keypair,
        a_secrets_number_is_never_given_twice,
        a_removed_keypair_is_gone_for_good,
        last_used_never_moves_back,
        a_change_gets_its_turn_while_uses_are_noted,
    }
    leaked_secrets {
        a_leaked_secret_stops_its_keypair_and_says_so,
        a_secret_leaked_twice_at_the_same_time_leaves_one_line,
        what_is_no_live_secret_changes_nothing,
        a_disabled_keypair_s_secret_can_leak_too,
        who_says_nothing_of_itself_may_do_nothing_else,
    }
    applications {
        applications_are_kept_and_belong_to_their_owner,
        applications_are_listed_newest_first_in_parts,
        only_administrators_register_and_remove_applications,
        applications_end_with_their_owner,
    }
    authorization_codes {
        a_code_is_exchanged_for_what_was_granted,
        a_code_is_nobody_elses,
        a_code_that_comes_once_more_ends_what_it_gave,
        of_the_same_code_at_the_same_time_one_is_exchanged_and_ends,
        a_code_is_kept_only_while_its_session_stands,
        a_code_allowed_while_the_password_changes_does_not_outlive_it,
    }
    application_grants {
        refresh_tokens_take_turns,
        a_refresh_token_that_comes_once_more_ends_the_grant,
        of_the_same_refresh_token_at_the_same_time_one_works_and_the_grant_ends,
        a_refused_refresh_uses_nothing_up,
        a_grant_is_worth_what_the_persons_role_is,
        a_role_on_an_environment_is_enough_there,
        grants_end_with_whatever_they_rest_on,
        what_is_for_one_environment_ends_with_it,
        a_grant_made_while_its_application_is_removed_does_not_outlive_it,
        people_see_and_end_what_they_granted,
        with_a_grant_go_the_codes_on_their_way_to_its_client,
        codes_and_grants_go_when_their_time_is_over,
    }
    assertions {
        public_keys_come_and_go_with_the_keypair,
        an_assertion_is_first_once,
        of_the_same_assertion_at_the_same_time_one_is_first,
        an_assertion_is_kept_until_a_sweep_after_its_time,
    }
    people {
        users_sign_in_by_address_and_are_unique,
        a_changed_password_ends_sessions,
        a_session_begins_only_while_the_password_stands,
        sessions_run_out_and_end,
        the_last_administrator_of_an_account_stays,
        a_removed_user_leaves_a_line_wherever_there_was_a_role,
        of_two_administrators_that_leave_at_once_one_stays,
        members_are_explicit_and_inherited,
        a_persons_places_are_listed_once_each_in_parts,
        an_invitation_is_taken_up_once_by_its_person,
        an_invitation_falls_with_whoever_made_it_and_with_a_demotion,
        the_set_up_link_works_once,
    }
    responses {
        queries_are_kept_edited_and_closed,
        a_batch_is_stored_whole_or_not_at_all,
        repeated_responses_count_once,
        the_same_batch_at_the_same_time_counts_once,
        people_are_counted_once_across_days_and_series,
        more_people_than_are_stored_together_are_counted_once,
        a_late_response_adds_to_its_own_day,
        people_of_batches_at_the_same_time_are_counted_once,
        statistics_cover_all_time,
    }
    retirement {
        how_a_secret_ends_when_idle_is_kept,
        what_may_have_to_go_is_found_and_nothing_that_stays_for_good,
        an_idle_secret_ends_once_whoever_looks,
        a_use_that_is_noted_in_time_keeps_its_secret,
        idleness_in_a_restored_store_counts_from_then,
    }
    revoked_tokens {
        a_revoked_token_is_known_with_its_keypair_and_leaves_one_line,
        a_token_revoked_twice_at_the_same_time_leaves_one_line,
        so_many_revoked_tokens_are_kept_and_no_more,
        who_was_stopped_or_removed_revokes_nothing,
        a_token_revoked_while_its_keypair_is_removed_leaves_nothing_behind,
        revoked_tokens_go_when_they_need_no_keeping_and_with_their_keypair,
    }
    standing {
        a_token_of_a_stopped_keypair_changes_nothing,
        a_token_of_a_secret_or_public_key_that_ended_changes_nothing,
        a_token_that_was_revoked_or_is_not_bound_changes_nothing,
        a_token_of_a_removed_signing_key_changes_nothing,
        a_change_rests_on_its_scopes_and_on_no_other,
        a_change_that_hands_on_networks_rests_on_them,
        a_program_shows_a_token_of_its_own,
        after_the_line_that_stops_a_program_none_is_its_own,
    }
    standing_of_people {
        a_session_that_ended_changes_nothing,
        a_person_without_a_session_or_token_changes_nothing,
        a_person_changes_what_the_role_there_allows,
        after_a_session_ended_no_change_is_its_own,
        a_token_of_an_ended_grant_changes_nothing,
        after_the_line_that_ends_a_grant_none_is_its_own,
    }
    usages {
        usage_adds_up_by_day_and_activity,
        usage_that_is_added_at_the_same_time_is_counted_whole,
        usage_goes_with_its_keypair,
        usage_is_kept_for_some_days,
        what_closing_an_owner_would_stop_is_told,
        scopes_are_decided_by_what_was_used,
    }
    server {
        the_log_is_a_chain_in_the_order_of_commits,
        the_log_keeps_the_application_that_was_used,
        the_feed_names_what_each_line_touched,
        logs_belong_to_their_owner,
        what_happens_to_an_environment_stands_in_both_logs,
        a_refused_change_leaves_no_line,
        of_signing_keys_that_are_made_together_one_is_kept,
        signing_keys_are_kept_in_the_order_in_which_they_sign,
        signing_keys_go_as_others_come_or_not_at_all,
        what_is_sealed_is_sealed_anew_whole_or_not_at_all,
        what_is_sealed_stays,
        a_sweep_takes_only_what_has_run_out,
        a_backup_is_a_store,
        a_restored_store_outlives_every_token_from_before,
    }
}
