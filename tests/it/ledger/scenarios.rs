//! The rules of the ledger as stories, by the number of the rule. How to read them: see [`super::story`].
//!
//! Not here: L1 (nothing could be changed), L5 (keys), L12 (hashes); the pure ledger has no part in them.

mod commands;
mod limits;
mod time;

use super::story::story;

#[test]
fn l2_entries_are_numbered_without_gaps_and_what_is_due_comes_first() {
    story(
        "
        0   top-up 5 until 10       -> TOP_UP +5 [#1 +5] = 5 ACTIVE
        0   top-up 5 until 10       -> TOP_UP +5 [#2 +5] = 10 ACTIVE
        20  top-up 1                -> EXPIRATION -5 [#1 -5] = 5 ACTIVE at 10
                                    ;  EXPIRATION -5 [#2 -5] = 0 DEPLETED at 10
                                    ;  TOP_UP +1 [#5 +1] = 1 ACTIVE
        ",
    );
}

#[test]
fn l2_a_refusal_takes_no_number_and_posts_nothing_that_is_due() {
    story(
        "
        0   top-up 5 as A until 10  -> TOP_UP +5 [A +5] = 5 ACTIVE
        20  retain 1                -> refused: 1 of 0, short of 1
        20  carry                   -> EXPIRATION -5 [A -5] = 0 DEPLETED at 10
        20  retain 1                -> refused: 1 of 0, short of 1
        20  top-up 1                -> TOP_UP +1 [#3 +1] = 1 ACTIVE
        ",
    );
}

#[test]
fn l3_what_a_released_hold_frees_pays_debt_first() {
    story(
        "
        overdraft 100
        0   top-up 50 as A          -> TOP_UP +50 [A +50] = 50 ACTIVE
        0   hold 50 as H until 60   -> HOLD 0 [A pin +50] = 0 held 50 DEPLETED
        0   record 10               -> USAGE -10 = -10 held 50 OVERDRAWN
        0   look                    -> A 50 pin 50 ACTIVE; H 50 until 60; debt 10
        0   release H               -> RELEASE 0 [A -10 pin -50] = 40 ACTIVE
        0   look                    -> A 40 ACTIVE
        ",
    );
}

#[test]
fn l3_what_comes_in_pays_debt_first_and_its_lot_is_named_even_with_nothing() {
    story(
        "
        overdraft 100
        0   record 30               -> USAGE -30 = -30 OVERDRAWN
        0   top-up 20 as A          -> TOP_UP +20 [A 0] = -10 OVERDRAWN
        0   top-up 20 as B          -> TOP_UP +20 [B +10] = 10 ACTIVE
        0   look                    -> B 10 ACTIVE
        0   void A                  -> refused: NO_SUCH_GRANT
        ",
    );
}

#[test]
fn l3_debt_is_paid_in_burning_order_out_of_all_that_a_hold_frees() {
    story(
        "
        overdraft unlimited
        0   top-up 10 as A          -> TOP_UP +10 [A +10] = 10 ACTIVE
        0   top-up 10 as B priority 0 -> TOP_UP +10 [B +10] = 20 ACTIVE
        0   hold 20 as H until 60   -> HOLD 0 [B pin +10, A pin +10] = 0 held 20 DEPLETED
        0   record 12               -> USAGE -12 = -12 held 20 OVERDRAWN
        0   amend B priority 1000   -> AMENDMENT 0 B = -12 held 20 OVERDRAWN
        60  carry                   -> RELEASE 0 [A -10 pin -10, B -2 pin -10] = 8 ACTIVE
        ",
    );
}

#[test]
fn l3_the_rest_of_a_captured_hold_pays_debt_in_the_same_entry() {
    story(
        "
        overdraft unlimited
        0   top-up 20 as A          -> TOP_UP +20 [A +20] = 20 ACTIVE
        0   hold 20 as H until 60   -> HOLD 0 [A pin +20] = 0 held 20 DEPLETED
        0   record 5                -> USAGE -5 = -5 held 20 OVERDRAWN
        0   capture H 8             -> CAPTURE -8 [A -13 pin -20] = 7 ACTIVE
        ",
    );
}

#[test]
fn l3_an_entry_has_one_allocation_a_lot_and_none_for_a_lot_that_does_not_change() {
    story(
        "
        overdraft 100
        0   top-up 10 as A          -> TOP_UP +10 [A +10] = 10 ACTIVE
        0   hold 4 as H until 60    -> HOLD 0 [A pin +4] = 6 held 4 ACTIVE
        0   capture H 6 up-to-available as C -> CAPTURE -6 [A -6 pin -4] = 4 ACTIVE
        0   record 9                -> USAGE -9 [A -4] = -5 OVERDRAWN
        0   reverse C 5             -> REVERSAL +5 = 0 DEPLETED
        0   look                    -> nothing
        ",
    );
}

#[test]
fn l4_nothing_goes_below_zero_without_overdraft() {
    story(
        "
        0   start 10 as A           -> STARTING_BALANCE +10 [A +10] = 10 ACTIVE
        0   retain 10.000001        -> refused: 10.000001 of 10, short of 0.000001
        0   retain 10               -> RETENTION -10 [A -10] = 0 DEPLETED
        0   enforce 0.000001        -> refused: 0.000001 of 0, short of 0.000001
        ",
    );
}

#[test]
fn l4_overdraft_goes_down_to_its_limit() {
    story(
        "
        overdraft 5
        0   top-up 10 as A          -> TOP_UP +10 [A +10] = 10 ACTIVE
        0   retain 16               -> refused: 16 of 10, short of 1
        0   retain 15               -> RETENTION -15 [A -10] = -5 OVERDRAWN
        0   enforce 1               -> refused: 1 of -5, short of 1
        0   record 1                -> USAGE 0 = -5 OVERDRAWN uncovered 1
        ",
    );
}

#[test]
fn l4_a_balance_below_a_tightened_floor_is_only_not_taken_further_down() {
    story(
        "
        overdraft unlimited
        0   record 30               -> USAGE -30 = -30 OVERDRAWN
        overdraft 10
        0   record 1                -> USAGE 0 = -30 OVERDRAWN uncovered 1
        0   enforce 1               -> refused: 1 of -30, short of 21
        0   top-up 15 as A          -> TOP_UP +15 [A 0] = -15 OVERDRAWN
        overdraft denied
        0   retain 1                -> refused: 1 of -15, short of 16
        0   top-up 16 as B          -> TOP_UP +16 [B +1] = 1 ACTIVE
        0   retain 1                -> RETENTION -1 [B -1] = 0 DEPLETED
        ",
    );
}

#[test]
fn l4_overdraft_without_limit_ends_nine_trillion_below_zero() {
    story(
        "
        overdraft unlimited
        0   top-up 1000000000000 as A -> TOP_UP +1000000000000 [A +1000000000000] = 1000000000000 ACTIVE
        0   record 9000000000000    -> USAGE -9000000000000 [A -1000000000000] = -8000000000000 OVERDRAWN
        0   enforce 1000000000001   -> refused: 1000000000001 of -8000000000000, short of 1
        0   record 1000000000001    -> USAGE -1000000000000 = -9000000000000 OVERDRAWN uncovered 1
        0   enforce 1000000000000   -> refused: 1000000000000 of -9000000000000, short of 1000000000000
        ",
    );
}

#[test]
fn l6_a_balance_holds_nine_trillion_credits_with_those_that_are_pending() {
    story(
        "
        overdraft unlimited
        0   top-up 8000000000000    -> TOP_UP +8000000000000 [#1 +8000000000000] = 8000000000000 ACTIVE
        0   top-up 1000000000000 from 60 -> TOP_UP 0 [#2 0] = 8000000000000 ACTIVE
        0   top-up 0.000001         -> refused: BEYOND_BALANCE
        0   record 1                -> USAGE -1 [#1 -1] = 7999999999999 ACTIVE
        0   buy 1                   -> PURCHASE +1 [#4 +1] = 8000000000000 ACTIVE
        0   reverse #3              -> refused: BEYOND_BALANCE
        renewal at 50 allowance 1
        60  carry                   -> ACTIVATION +1000000000000 [#2 +1000000000000] = 9000000000000 ACTIVE
        ",
    );
}

#[test]
fn l6_a_debt_leaves_room_for_as_much_more() {
    story(
        "
        overdraft unlimited
        0   record 5                -> USAGE -5 = -5 OVERDRAWN
        0   top-up 9000000000006    -> refused: BEYOND_BALANCE
        0   top-up 9000000000005    -> TOP_UP +9000000000005 [#2 +9000000000000] = 9000000000000 ACTIVE
        ",
    );
}

#[test]
fn l6_a_period_grants_only_what_there_is_room_for() {
    story(
        "
        0   top-up 8999999999999    -> TOP_UP +8999999999999 [#1 +8999999999999] = 8999999999999 ACTIVE
        renewal at 50 allowance 5
        60  carry                   -> ALLOWANCE +1 [#2 +1] = 9000000000000 ACTIVE at 50
        ",
    );
}

#[test]
fn l7_lots_burn_by_priority_then_expiry_then_free_before_paid_then_age() {
    story(
        "
        0   buy 1 as A paid 5               -> PURCHASE +1 [A +1] = 1 ACTIVE
        0   top-up 1 as B                   -> TOP_UP +1 [B +1] = 2 ACTIVE
        0   top-up 1 as C                   -> TOP_UP +1 [C +1] = 3 ACTIVE
        0   top-up 1 as D until 90          -> TOP_UP +1 [D +1] = 4 ACTIVE
        0   buy 1 as E until 60 paid 5      -> PURCHASE +1 [E +1] = 5 ACTIVE
        0   buy 1 as F until 60 paid 0      -> PURCHASE +1 [F +1] = 6 ACTIVE
        0   buy 1 as G until 60             -> PURCHASE +1 [G +1] = 7 ACTIVE
        0   top-up 1 as I priority 1000 until 5 -> TOP_UP +1 [I +1] = 8 ACTIVE
        0   top-up 1 as J priority 0        -> TOP_UP +1 [J +1] = 9 ACTIVE
        0   retain 9 -> RETENTION -9 [J -1, F -1, G -1, E -1, D -1, B -1, C -1, A -1, I -1] = 0 DEPLETED
        ",
    );
}

#[test]
fn l7_a_lot_that_begins_later_is_as_old_as_its_first_entry() {
    story(
        "
        0   top-up 1 as A from 10   -> TOP_UP 0 [A 0] = 0 DEPLETED
        0   top-up 1 as B           -> TOP_UP +1 [B +1] = 1 ACTIVE
        10  retain 1                -> ACTIVATION +1 [A +1] = 2 ACTIVE; RETENTION -1 [A -1] = 1 ACTIVE
        ",
    );
}

#[test]
fn l7_an_amended_lot_burns_at_its_new_place() {
    story(
        "
        0   top-up 5 as A           -> TOP_UP +5 [A +5] = 5 ACTIVE
        0   top-up 5 as B           -> TOP_UP +5 [B +5] = 10 ACTIVE
        0   amend B until 60        -> AMENDMENT 0 B = 10 ACTIVE
        0   retain 1                -> RETENTION -1 [B -1] = 9 ACTIVE
        0   amend A priority 499    -> AMENDMENT 0 A = 9 ACTIVE
        0   look                    -> A 5 ACTIVE; B 4 ACTIVE
        0   amend A                 -> AMENDMENT 0 A = 9 ACTIVE
        0   look                    -> B 4 ACTIVE; A 5 ACTIVE
        ",
    );
}

#[test]
fn l10_what_is_not_covered_is_recorded_all_the_same() {
    story(
        "
        0   top-up 5 as A           -> TOP_UP +5 [A +5] = 5 ACTIVE
        0   enforce 7               -> refused: 7 of 5, short of 2
        0   record 3                -> USAGE -3 [A -3] = 2 ACTIVE
        0   record 4                -> USAGE -2 [A -2] = 0 DEPLETED uncovered 2
        0   record 4                -> USAGE 0 = 0 DEPLETED uncovered 4
        ",
    );
}

#[test]
fn l10_a_late_event_burns_what_is_alive_when_it_arrives() {
    story(
        "
        0   top-up 5 as A until 10  -> TOP_UP +5 [A +5] = 5 ACTIVE
        0   top-up 5 as B           -> TOP_UP +5 [B +5] = 10 ACTIVE
        20  record 1 happened 3     -> EXPIRATION -5 [A -5] = 5 ACTIVE at 10; USAGE -1 [B -1] = 4 ACTIVE at 3
        ",
    );
}

#[test]
fn l15_the_state_follows_what_is_available() {
    story(
        "
        warn at 5
        overdraft 10
        0   top-up 6 as A           -> TOP_UP +6 [A +6] = 6 ACTIVE
        0   retain 1                -> RETENTION -1 [A -1] = 5 LOW
        0   hold 5 as H until 60    -> HOLD 0 [A pin +5] = 0 held 5 DEPLETED
        0   retain 1                -> RETENTION -1 = -1 held 5 OVERDRAWN
        0   release H               -> RELEASE 0 [A -1 pin -5] = 4 LOW
        0   top-up 2 as B           -> TOP_UP +2 [B +2] = 6 ACTIVE
        ",
    );
}

#[test]
fn l15_a_changed_threshold_shows_with_the_next_entry() {
    story(
        "
        0   top-up 6 as A           -> TOP_UP +6 [A +6] = 6 ACTIVE
        warn at 10
        0   carry                   -> nothing
        0   amend A priority 1      -> AMENDMENT 0 A = 6 LOW
        warn at 0
        0   amend A priority 1      -> AMENDMENT 0 A = 6 ACTIVE
        ",
    );
}
