//! What callers ask for: holds (L9), reversals (L13), voids (L14), amendments, and the end of a balance.

use crate::ledger::story::story;

// --- L9: holds -------------------------------------------------------------------------------------------------------

#[test]
fn l9_a_hold_takes_only_what_is_available_above_zero() {
    story(
        "
        overdraft unlimited
        0   top-up 10 as A          -> TOP_UP +10 [A +10] = 10 ACTIVE
        0   hold 11 until 60        -> refused: 11 of 10, short of 1
        0   record 12               -> USAGE -12 [A -10] = -2 OVERDRAWN
        0   hold 1 until 60         -> refused: 1 of -2, short of 3
        ",
    );
}

#[test]
fn l9_pinned_credits_do_not_burn_otherwise() {
    story(
        "
        0   top-up 10 as A          -> TOP_UP +10 [A +10] = 10 ACTIVE
        0   top-up 10 as B          -> TOP_UP +10 [B +10] = 20 ACTIVE
        0   hold 4 as H until 60    -> HOLD 0 [A pin +4] = 16 held 4 ACTIVE
        0   record 17               -> USAGE -16 [A -6, B -10] = 0 held 4 DEPLETED uncovered 1
        0   capture H               -> CAPTURE -4 [A -4 pin -4] = 0 DEPLETED
        ",
    );
}

#[test]
fn l9_hold_protects_its_lots_from_expiry_until_it_ends() {
    story(
        "
        0   top-up 10 as A until 10 -> TOP_UP +10 [A +10] = 10 ACTIVE
        0   hold 6 as H until 60    -> HOLD 0 [A pin +6] = 4 held 6 ACTIVE
        10  carry                   -> EXPIRATION -4 [A -4] = 0 held 6 DEPLETED
        20  look                    -> A 6 pin 6 EXPIRED; H 6 until 60
        20  void A                  -> refused: EXPIRED
        20  amend A                 -> refused: EXPIRED
        30  capture H 5             -> CAPTURE -5 [A -5 pin -6] = 1 ACTIVE; EXPIRATION -1 [A -1] = 0 DEPLETED
        ",
    );
}

#[test]
fn l9_a_wholly_pinned_lot_ends_by_the_entry_of_the_hold_s_end() {
    story(
        "
        0   top-up 5 as A until 10  -> TOP_UP +5 [A +5] = 5 ACTIVE
        0   top-up 5 as B until 12  -> TOP_UP +5 [B +5] = 10 ACTIVE
        0   top-up 5 as C           -> TOP_UP +5 [C +5] = 15 ACTIVE
        0   hold 12 as H until 60   -> HOLD 0 [A pin +5, B pin +5, C pin +2] = 3 held 12 ACTIVE
        0   void B                  -> VOID 0 B = 3 held 12 ACTIVE
        70  carry                   -> RELEASE 0 [A pin -5, B pin -5, C pin -2] = 15 ACTIVE at 60
                                    ;  EXPIRATION -5 [A -5] = 10 ACTIVE at 60
                                    ;  VOID -5 [B -5] = 5 ACTIVE at 60
        ",
    );
}

#[test]
fn l9_debt_is_paid_before_what_is_over_ends() {
    story(
        "
        overdraft unlimited
        0   top-up 5 as A until 10  -> TOP_UP +5 [A +5] = 5 ACTIVE
        0   top-up 5 as B           -> TOP_UP +5 [B +5] = 10 ACTIVE
        0   hold 10 as H until 60   -> HOLD 0 [A pin +5, B pin +5] = 0 held 10 DEPLETED
        0   record 3                -> USAGE -3 = -3 held 10 OVERDRAWN
        20  release H               -> RELEASE 0 [A -3 pin -5, B pin -5] = 7 ACTIVE
                                    ;  EXPIRATION -2 [A -2] = 5 ACTIVE
        ",
    );
}

#[test]
fn l9_a_capture_draws_the_pinned_lots_in_burning_order_and_releases_the_rest() {
    story(
        "
        0   top-up 5 as A           -> TOP_UP +5 [A +5] = 5 ACTIVE
        0   top-up 5 as B           -> TOP_UP +5 [B +5] = 10 ACTIVE
        0   hold 10 as H until 60   -> HOLD 0 [A pin +5, B pin +5] = 0 held 10 DEPLETED
        0   amend B priority 0      -> AMENDMENT 0 B = 0 held 10 DEPLETED
        0   top-up 5 as C priority 0 -> TOP_UP +5 [C +5] = 5 held 10 ACTIVE
        0   capture H 7             -> CAPTURE -7 [B -5 pin -5, A -2 pin -5] = 8 ACTIVE
        0   capture H 7             -> refused: NO_SUCH_HOLD
        0   release H               -> refused: NO_SUCH_HOLD
        0   extend H until 90       -> refused: NO_SUCH_HOLD
        ",
    );
}

#[test]
fn l9_more_than_was_held_is_refused_or_taken_as_far_as_available_or_on_credit() {
    story(
        "
        0   top-up 10 as A          -> TOP_UP +10 [A +10] = 10 ACTIVE
        0   hold 6 as H until 60    -> HOLD 0 [A pin +6] = 4 held 6 ACTIVE
        0   capture H 12 reject     -> refused: only 6 held
        0   capture H 12 overdraft  -> refused: 6 of 4, short of 2
        overdraft 1
        0   capture H 12 overdraft  -> refused: 6 of 4, short of 1
        0   capture H 11 overdraft as C -> CAPTURE -11 [A -10 pin -6] = -1 OVERDRAWN
        0   reverse C               -> REVERSAL +11 [A +10] = 10 ACTIVE
        0   hold 6 as I until 60    -> HOLD 0 [A pin +6] = 4 held 6 ACTIVE
        0   capture I 12 up-to-available -> CAPTURE -10 [A -10 pin -6] = 0 DEPLETED uncovered 2
        ",
    );
}

#[test]
fn l9_an_overrun_within_what_is_available_needs_no_overdraft() {
    story(
        "
        0   top-up 10 as A          -> TOP_UP +10 [A +10] = 10 ACTIVE
        0   hold 6 as H until 60    -> HOLD 0 [A pin +6] = 4 held 6 ACTIVE
        0   capture H 10 overdraft  -> CAPTURE -10 [A -10 pin -6] = 0 DEPLETED
        ",
    );
}

#[test]
fn l9_an_overrun_takes_nothing_where_nothing_is_available() {
    story(
        "
        overdraft 5
        0   top-up 10 as A          -> TOP_UP +10 [A +10] = 10 ACTIVE
        0   hold 10 as H until 60   -> HOLD 0 [A pin +10] = 0 held 10 DEPLETED
        0   record 3                -> USAGE -3 = -3 held 10 OVERDRAWN
        0   capture H 13 overdraft  -> refused: 3 of -3, short of 1
        0   capture H 13 up-to-available -> CAPTURE -10 [A -10 pin -10] = -3 OVERDRAWN uncovered 3
        ",
    );
}

#[test]
fn l9_a_capture_of_nothing_is_a_release() {
    story(
        "
        0   top-up 10 as A          -> TOP_UP +10 [A +10] = 10 ACTIVE
        0   hold 6 as H until 60    -> HOLD 0 [A pin +6] = 4 held 6 ACTIVE
        0   capture H 0             -> RELEASE 0 [A pin -6] = 10 ACTIVE
        ",
    );
}

#[test]
fn l9_a_hold_lapses_at_its_instant_unless_it_was_extended() {
    story(
        "
        0   top-up 10 as A          -> TOP_UP +10 [A +10] = 10 ACTIVE
        0   hold 6 as H until 60    -> HOLD 0 [A pin +6] = 4 held 6 ACTIVE
        0   extend H until 50       -> nothing
        0   extend H until 70       -> nothing
        69.999999   capture H 1     -> CAPTURE -1 [A -1 pin -6] = 9 ACTIVE
        70  hold 6 as I until 80    -> HOLD 0 [A pin +6] = 3 held 6 ACTIVE
        80  capture I               -> refused: NO_SUCH_HOLD
        80  retain 9                -> RELEASE 0 [A pin -6] = 9 ACTIVE; RETENTION -9 [A -9] = 0 DEPLETED
        ",
    );
}

// --- L13: reversals --------------------------------------------------------------------------------------------------

#[test]
fn l13_twelve_back_from_thirty_leaves_what_eighteen_would_have_done() {
    story(
        "
        overdraft 100
        0   top-up 10 as A          -> TOP_UP +10 [A +10] = 10 ACTIVE
        0   top-up 10 as B          -> TOP_UP +10 [B +10] = 20 ACTIVE
        0   record 30 as U          -> USAGE -30 [A -10, B -10] = -10 OVERDRAWN
        0   reverse U 12            -> REVERSAL +12 [B +2] = 2 ACTIVE
        0   look                    -> B 2 ACTIVE
        0   reverse U 19            -> refused: only 18 left
        0   reverse U 9             -> REVERSAL +9 [B +8, A +1] = 11 ACTIVE
        0   reverse U               -> REVERSAL +9 [A +9] = 20 ACTIVE
        0   reverse U               -> refused: only 0 left
        ",
    );
    story(
        "
        overdraft 100
        0   top-up 10 as A          -> TOP_UP +10 [A +10] = 10 ACTIVE
        0   top-up 10 as B          -> TOP_UP +10 [B +10] = 20 ACTIVE
        0   record 18 as U          -> USAGE -18 [A -10, B -8] = 2 ACTIVE
        0   look                    -> B 2 ACTIVE
        ",
    );
}

#[test]
fn l13_debt_that_was_paid_since_comes_back_as_a_lot_of_its_own() {
    story(
        "
        overdraft 100
        0   top-up 10 as A until 60 -> TOP_UP +10 [A +10] = 10 ACTIVE
        0   record 30 as U          -> USAGE -30 [A -10] = -20 OVERDRAWN
        0   top-up 15 as B          -> TOP_UP +15 [B 0] = -5 OVERDRAWN
        0   reverse U 25            -> REVERSAL +25 [A +5, #4 +15] = 20 ACTIVE
        0   look                    -> A 5 ACTIVE; #4 15 ACTIVE
        60  look                    -> #4 15 ACTIVE
        ",
    );
}

#[test]
fn l13_what_was_uncovered_was_never_taken() {
    story(
        "
        0   top-up 10 as A          -> TOP_UP +10 [A +10] = 10 ACTIVE
        0   record 12 as U          -> USAGE -10 [A -10] = 0 DEPLETED uncovered 2
        0   reverse U 11            -> refused: only 10 left
        0   record 1 as V           -> USAGE 0 = 0 DEPLETED uncovered 1
        0   reverse V               -> refused: only 0 left
        ",
    );
}

#[test]
fn l13_a_lot_that_is_over_ends_again_at_once() {
    story(
        "
        0   top-up 10 as A until 10 -> TOP_UP +10 [A +10] = 10 ACTIVE
        0   top-up 10 as B          -> TOP_UP +10 [B +10] = 20 ACTIVE
        0   top-up 10 as C          -> TOP_UP +10 [C +10] = 30 ACTIVE
        0   retain 25 as R          -> RETENTION -25 [A -10, B -10, C -5] = 5 ACTIVE
        0   void C                  -> VOID -5 [C -5] = 0 DEPLETED
        20  reverse R               -> REVERSAL +25 [C +5, B +10, A +10] = 25 ACTIVE
                                    ;  EXPIRATION -10 [A -10] = 15 ACTIVE
                                    ;  VOID -5 [C -5] = 10 ACTIVE
        ",
    );
}

#[test]
fn l13_a_lot_can_end_by_what_is_due_in_the_very_call_that_gives_back_to_it() {
    story(
        "
        0   top-up 10 as A until 10 -> TOP_UP +10 [A +10] = 10 ACTIVE
        0   retain 4 as R           -> RETENTION -4 [A -4] = 6 ACTIVE
        20  reverse R               -> EXPIRATION -6 [A -6] = 0 DEPLETED at 10
                                    ;  REVERSAL +4 [A +4] = 4 ACTIVE
                                    ;  EXPIRATION -4 [A -4] = 0 DEPLETED
        ",
    );
}

#[test]
fn l13_what_comes_back_pays_the_debt_of_today_first() {
    story(
        "
        overdraft 100
        0   top-up 10 as A until 10 -> TOP_UP +10 [A +10] = 10 ACTIVE
        0   record 10 as U          -> USAGE -10 [A -10] = 0 DEPLETED
        0   record 4                -> USAGE -4 = -4 OVERDRAWN
        0   reverse U 3             -> REVERSAL +3 = -1 OVERDRAWN
        20  reverse U               -> REVERSAL +7 [A +6] = 6 ACTIVE; EXPIRATION -6 [A -6] = 0 DEPLETED
        ",
    );
}

#[test]
fn l13_a_capture_gives_back_as_if_less_had_been_captured() {
    story(
        "
        overdraft unlimited
        0   top-up 8 as A           -> TOP_UP +8 [A +8] = 8 ACTIVE
        0   top-up 8 as B           -> TOP_UP +8 [B +8] = 16 ACTIVE
        0   hold 16 as H until 60   -> HOLD 0 [A pin +8, B pin +8] = 0 held 16 DEPLETED
        0   record 9                -> USAGE -9 = -9 held 16 OVERDRAWN
        0   capture H 6 as C        -> CAPTURE -6 [A -8 pin -8, B -7 pin -8] = 1 ACTIVE
        0   reverse C 2             -> REVERSAL +2 [B +2] = 3 ACTIVE
        ",
    );
}

#[test]
fn l13_only_usage_retention_and_capture_can_be_taken_back() {
    story(
        "
        0   top-up 10 as A until 20 -> TOP_UP +10 [A +10] = 10 ACTIVE
        0   hold 5 as H until 60    -> HOLD 0 [A pin +5] = 5 held 5 ACTIVE
        0   retain 1 as R           -> RETENTION -1 [A -1] = 4 held 5 ACTIVE
        0   reverse R as X          -> REVERSAL +1 [A +1] = 5 held 5 ACTIVE
        0   amend A as Y            -> AMENDMENT 0 A = 5 held 5 ACTIVE
        0   release H as Z          -> RELEASE 0 [A pin -5] = 10 ACTIVE
        0   reverse A               -> refused: NOT_REVERSIBLE
        0   reverse H               -> refused: NOT_REVERSIBLE
        0   reverse X               -> refused: NOT_REVERSIBLE
        0   reverse Y               -> refused: NOT_REVERSIBLE
        0   reverse Z               -> refused: NOT_REVERSIBLE
        ",
    );
}

// --- L14: voids ------------------------------------------------------------------------------------------------------

#[test]
fn l14_a_void_takes_what_is_free_at_once_and_what_is_pinned_when_the_hold_ends() {
    story(
        "
        0   top-up 10 as A          -> TOP_UP +10 [A +10] = 10 ACTIVE
        0   hold 6 as H until 60    -> HOLD 0 [A pin +6] = 4 held 6 ACTIVE
        0   refund A                -> refused: GRANT_PINNED
        0   void A                  -> VOID -4 [A -4] = 0 held 6 DEPLETED
        0   look                    -> A 6 pin 6 VOIDED; H 6 until 60
        0   void A                  -> refused: VOIDED
        0   refund A                -> refused: VOIDED
        0   amend A                 -> refused: VOIDED
        10  capture H 1 as C        -> CAPTURE -1 [A -1 pin -6] = 5 ACTIVE; VOID -5 [A -5] = 0 DEPLETED
        20  reverse C               -> REVERSAL +1 [A +1] = 1 ACTIVE; VOID -1 [A -1] = 0 DEPLETED
        ",
    );
}

#[test]
fn l14_a_pending_grant_is_voided_by_an_entry_of_nothing() {
    story(
        "
        0   top-up 10 as A from 10  -> TOP_UP 0 [A 0] = 0 DEPLETED
        0   void A                  -> VOID 0 A = 0 DEPLETED
        20  carry                   -> nothing
        20  void A                  -> refused: NO_SUCH_GRANT
        ",
    );
}

#[test]
fn l14_a_refund_takes_what_is_left() {
    story(
        "
        0   buy 10 as A paid 500    -> PURCHASE +10 [A +10] = 10 ACTIVE
        0   retain 3                -> RETENTION -3 [A -3] = 7 ACTIVE
        0   refund A                -> REFUND -7 [A -7] = 0 DEPLETED
        0   refund A                -> refused: NO_SUCH_GRANT
        ",
    );
}

// --- Amendments, and the end -----------------------------------------------------------------------------------------

#[test]
fn an_amended_expiry_is_after_the_beginning_and_after_now() {
    story(
        "
        0   top-up 5 as A           -> TOP_UP +5 [A +5] = 5 ACTIVE
        0   top-up 5 as B from 50   -> TOP_UP 0 [B 0] = 5 ACTIVE
        10  amend A until 10        -> refused: EXPIRY_TOO_EARLY
        10  amend B until 50        -> refused: EXPIRY_TOO_EARLY
        10  amend A until 20        -> AMENDMENT 0 A = 5 ACTIVE
        10  amend B until 60        -> AMENDMENT 0 B = 5 ACTIVE
        10  amend A until 30        -> AMENDMENT 0 A = 5 ACTIVE
        30  amend A                 -> refused: EXPIRED
        60  carry                   -> EXPIRATION -5 [A -5] = 0 DEPLETED at 30
                                    ;  ACTIVATION +5 [B +5] = 5 ACTIVE at 50
                                    ;  EXPIRATION -5 [B -5] = 0 DEPLETED
        ",
    );
}

#[test]
fn a_balance_closes_only_when_it_is_empty_and_then_for_good() {
    story(
        "
        overdraft 10
        0   top-up 5 as A until 10  -> TOP_UP +5 [A +5] = 5 ACTIVE
        0   close                   -> refused: NOT_EMPTY
        0   hold 5 as H until 20    -> HOLD 0 [A pin +5] = 0 held 5 DEPLETED
        0   close                   -> refused: NOT_EMPTY
        0   record 5                -> USAGE -5 = -5 held 5 OVERDRAWN
        0   close                   -> refused: NOT_EMPTY
        20  top-up 1 as B from 30 until 40 -> RELEASE 0 [A -5 pin -5] = 0 DEPLETED; TOP_UP 0 [B 0] = 0 DEPLETED
        20  close                   -> refused: NOT_EMPTY
        20  record 3                -> USAGE -3 = -3 OVERDRAWN
        20  close                   -> refused: NOT_EMPTY
        20  top-up 3 as C           -> TOP_UP +3 [C 0] = 0 DEPLETED
        50  close                   -> ACTIVATION +1 [B +1] = 1 ACTIVE at 30; EXPIRATION -1 [B -1] = 0 DEPLETED at 40
        50  top-up 1                -> refused: CLOSED
        50  close                   -> refused: CLOSED
        50  release H               -> refused: CLOSED
        renewal at 60 allowance 5
        60  carry                   -> nothing
        ",
    );
}
