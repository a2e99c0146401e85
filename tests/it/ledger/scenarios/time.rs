//! Time: lots begin and end, holds lapse, periods renew (L8), and nothing goes back (L11).

use crate::ledger::story::story;

#[test]
fn l8_a_grant_lives_from_its_beginning_until_just_before_its_end() {
    story(
        "
        0           top-up 5 as A from 10 until 20 -> TOP_UP 0 [A 0] = 0 DEPLETED
        0           next                    -> 10
        9.999999    look                    -> A 0 PENDING
        9.999999    retain 1                -> refused: 1 of 0, short of 1
        10          retain 1                -> ACTIVATION +5 [A +5] = 5 ACTIVE; RETENTION -1 [A -1] = 4 ACTIVE
        10          next                    -> 20
        19.999999   retain 1                -> RETENTION -1 [A -1] = 3 ACTIVE
        20          retain 1                -> refused: 1 of 0, short of 1
        20          look                    -> nothing
        30          carry                   -> EXPIRATION -3 [A -3] = 0 DEPLETED at 20
        30          next                    -> never
        ",
    );
}

#[test]
fn l8_a_read_shows_what_is_due_and_writes_nothing() {
    story(
        "
        0   top-up 5 as A until 10  -> TOP_UP +5 [A +5] = 5 ACTIVE
        0   hold 2 as H until 15    -> HOLD 0 [A pin +2] = 3 held 2 ACTIVE
        12  read                    -> EXPIRATION -3 [A -3] = 0 held 2 DEPLETED at 10
        20  read                    -> EXPIRATION -3 [A -3] = 0 held 2 DEPLETED at 10
                                    ;  RELEASE 0 [A pin -2] = 2 ACTIVE at 15
                                    ;  EXPIRATION -2 [A -2] = 0 DEPLETED at 15
        5   retain 1                -> RETENTION -1 [A -1] = 2 held 2 ACTIVE
        ",
    );
}

#[test]
fn l8_a_beginning_in_the_past_counts_as_now() {
    story(
        "
        10  top-up 5 as A from 3    -> TOP_UP +5 [A +5] = 5 ACTIVE
        10  top-up 5 as B from 3 until 10 -> refused: EXPIRY_TOO_EARLY
        10  top-up 5 as B from 20 until 20 -> refused: EXPIRY_TOO_EARLY
        10  top-up 5 as B from 20 until 20.000001 -> TOP_UP 0 [B 0] = 5 ACTIVE
        ",
    );
}

#[test]
fn l8_a_lot_that_begins_pays_debt_first() {
    story(
        "
        overdraft unlimited
        0   top-up 5 as A from 10   -> TOP_UP 0 [A 0] = 0 DEPLETED
        0   top-up 5 as B from 10   -> TOP_UP 0 [B 0] = 0 DEPLETED
        0   record 7                -> USAGE -7 = -7 OVERDRAWN
        10  carry                   -> ACTIVATION +5 [A 0] = -2 OVERDRAWN; ACTIVATION +5 [B +3] = 3 ACTIVE
        ",
    );
}

#[test]
fn l8_on_one_instant_holds_lapse_then_lots_end_then_a_period_renews_then_lots_begin() {
    story(
        "
        renewal at 10 rollover 3 allowance 8 until 20
        renewal at 20 rollover 3 allowance 8 until 30
        0   top-up 4 as A from 20   -> TOP_UP 0 [A 0] = 0 DEPLETED
        0   top-up 4 as B until 20  -> TOP_UP +4 [B +4] = 4 ACTIVE
        0   hold 3 as H until 20    -> HOLD 0 [B pin +3] = 1 held 3 ACTIVE
        10  carry                   -> ALLOWANCE +8 [#4 +8] = 9 held 3 ACTIVE
        10  hold 2 as I until 20    -> HOLD 0 [B pin +1, #4 pin +1] = 7 held 5 ACTIVE
        25  carry                   -> RELEASE 0 [B pin -3] = 10 held 2 ACTIVE at 20
                                    ;  RELEASE 0 [B pin -1, #4 pin -1] = 12 ACTIVE at 20
                                    ;  EXPIRATION -4 [B -4] = 8 ACTIVE at 20
                                    ;  EXPIRATION -8 [#4 -8] = 0 DEPLETED at 20
                                    ;  ROLLOVER +3 [#10 +3] = 3 ACTIVE at 20
                                    ;  ALLOWANCE +8 [#11 +8] = 11 ACTIVE at 20
                                    ;  ACTIVATION +4 [A +4] = 15 ACTIVE at 20
        ",
    );
}

#[test]
fn l8_several_instants_are_posted_in_their_order() {
    story(
        "
        0   top-up 5 as A until 20  -> TOP_UP +5 [A +5] = 5 ACTIVE
        0   top-up 7 as B from 10 until 15 -> TOP_UP 0 [B 0] = 5 ACTIVE
        0   next                    -> 10
        30  top-up 1 as C           -> ACTIVATION +7 [B +7] = 12 ACTIVE at 10
                                    ;  EXPIRATION -7 [B -7] = 5 ACTIVE at 15
                                    ;  EXPIRATION -5 [A -5] = 0 DEPLETED at 20
                                    ;  TOP_UP +1 [C +1] = 1 ACTIVE
        ",
    );
}

#[test]
fn l8_a_period_posted_late_lives_from_its_own_start() {
    story(
        "
        50  top-up 5 as A           -> TOP_UP +5 [A +5] = 5 ACTIVE
        renewal at 10 allowance 8 until 20
        renewal at 20 rollover 5 until 40
        renewal at 30 allowance 2
        55  look                    -> A 5 ACTIVE; #5 2 ACTIVE
        60  retain 6                -> ALLOWANCE +8 [#2 +8] = 13 ACTIVE at 10
                                    ;  EXPIRATION -8 [#2 -8] = 5 ACTIVE at 20
                                    ;  ROLLOVER +5 [#4 +5] = 10 ACTIVE at 20
                                    ;  ALLOWANCE +2 [#5 +2] = 12 ACTIVE at 30
                                    ;  EXPIRATION -5 [#4 -5] = 7 ACTIVE at 40
                                    ;  RETENTION -6 [A -5, #5 -1] = 1 ACTIVE
        ",
    );
}

#[test]
fn l8_only_included_credits_that_end_with_the_period_roll_over() {
    story(
        "
        renewal at 10 allowance 8 until 30
        0   top-up 4 as A until 30  -> TOP_UP +4 [A +4] = 4 ACTIVE
        10  retain 5                -> ALLOWANCE +8 [#2 +8] = 12 ACTIVE; RETENTION -5 [A -4, #2 -1] = 7 ACTIVE
        10  hold 2 as H until 60    -> HOLD 0 [#2 pin +2] = 5 held 2 ACTIVE
        renewal at 30 rollover 100 until 60
        renewal at 60 rollover 100
        30  carry                   -> EXPIRATION -5 [#2 -5] = 0 held 2 DEPLETED
                                    ;  ROLLOVER +5 [#6 +5] = 5 held 2 ACTIVE
        60  carry                   -> RELEASE 0 [#2 pin -2] = 7 ACTIVE
                                    ;  EXPIRATION -2 [#2 -2] = 5 ACTIVE
                                    ;  EXPIRATION -5 [#6 -5] = 0 DEPLETED
        ",
    );
}

#[test]
fn l8_what_was_voided_does_not_roll_over() {
    story(
        "
        renewal at 10 allowance 8 until 30
        10  hold 2 as H until 30    -> ALLOWANCE +8 [#1 +8] = 8 ACTIVE; HOLD 0 [#1 pin +2] = 6 held 2 ACTIVE
        10  void #1                 -> VOID -6 [#1 -6] = 0 held 2 DEPLETED
        renewal at 30 rollover 100
        30  carry                   -> RELEASE 0 [#1 pin -2] = 2 ACTIVE; VOID -2 [#1 -2] = 0 DEPLETED
        ",
    );
}

#[test]
fn l8_lots_end_and_begin_in_order_of_creation_not_of_burning() {
    story(
        "
        0   top-up 1 as A priority 9 until 10 -> TOP_UP +1 [A +1] = 1 ACTIVE
        0   top-up 2 as B priority 0 until 10 -> TOP_UP +2 [B +2] = 3 ACTIVE
        0   top-up 3 as C priority 9 from 10  -> TOP_UP 0 [C 0] = 3 ACTIVE
        0   top-up 4 as D priority 0 from 10  -> TOP_UP 0 [D 0] = 3 ACTIVE
        10  carry                   -> EXPIRATION -1 [A -1] = 2 ACTIVE
                                    ;  EXPIRATION -2 [B -2] = 0 DEPLETED
                                    ;  ACTIVATION +3 [C +3] = 3 ACTIVE
                                    ;  ACTIVATION +4 [D +4] = 7 ACTIVE
        ",
    );
}

#[test]
fn l8_included_credits_pay_debt_first() {
    story(
        "
        overdraft unlimited
        0   record 10               -> USAGE -10 = -10 OVERDRAWN
        renewal at 5 allowance 8 until 30
        renewal at 30 rollover 8 allowance 8
        10  carry                   -> ALLOWANCE +8 [#2 0] = -2 OVERDRAWN at 5
        30  carry                   -> ALLOWANCE +8 [#3 +6] = 6 ACTIVE
        ",
    );
}

#[test]
fn l8_the_next_change_is_the_first_instant_that_moves_credits() {
    story(
        "
        0   top-up 5 as A until 10  -> TOP_UP +5 [A +5] = 5 ACTIVE
        0   top-up 1 as B from 30   -> TOP_UP 0 [B 0] = 5 ACTIVE
        0   next                    -> 10
        0   hold 5 as H until 20    -> HOLD 0 [A pin +5] = 0 held 5 DEPLETED
        0   next                    -> 20
        0   extend H until 40       -> nothing
        0   next                    -> 30
        30  carry                   -> ACTIVATION +1 [B +1] = 1 held 5 ACTIVE
        30  next                    -> 40
        40  carry                   -> RELEASE 0 [A pin -5] = 6 ACTIVE; EXPIRATION -5 [A -5] = 1 ACTIVE
        40  next                    -> never
        ",
    );
}

#[test]
fn l11_time_does_not_go_back_behind_the_newest_entry() {
    story(
        "
        10  top-up 5 as A until 20  -> TOP_UP +5 [A +5] = 5 ACTIVE
        3   retain 1                -> RETENTION -1 [A -1] = 4 ACTIVE at 10 recorded 10
        30  carry                   -> EXPIRATION -4 [A -4] = 0 DEPLETED at 20
        15  top-up 1 as B until 30  -> refused: EXPIRY_TOO_EARLY
        15  top-up 1 as B from 30   -> TOP_UP +1 [B +1] = 1 ACTIVE at 30 recorded 30
        ",
    );
}

#[test]
fn l11_what_wrote_no_entry_does_not_move_time() {
    story(
        "
        0   top-up 5 as A until 20  -> TOP_UP +5 [A +5] = 5 ACTIVE
        0   hold 5 as H until 60    -> HOLD 0 [A pin +5] = 0 held 5 DEPLETED
        30  extend H until 90       -> nothing
        30  look                    -> A 5 pin 5 EXPIRED; H 5 until 90
        10  look                    -> A 5 pin 5 ACTIVE; H 5 until 90
        10  release H               -> RELEASE 0 [A pin -5] = 5 ACTIVE
        ",
    );
}
