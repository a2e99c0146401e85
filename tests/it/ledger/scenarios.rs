//! The rules of the ledger as stories.

use super::story::story;

#[test]
fn l3_released_credits_pay_debt_first() {
    story(
        "
        overdraft 100
        0 top-up 50 as A            -> TOP_UP +50 [A +50] = 50 ACTIVE
        ",
    );
}
#[test]
fn tmp() {
    story(
        "
    0 top-up 12 as A until 10 -> TOP_UP +12 [A +12] = 12 ACTIVE
    0 hold 2 as H until 20 -> HOLD 0 [A pin +2] = 10 held 2 ACTIVE
    10 carry -> EXPIRATION -10 [A -10] = 0 held 2 DEPLETED
    10 look -> A 2 pin 2 EXPIRED; H 2 until 20
    20 carry -> RELEASE 0 [A pin -2] = 2 ACTIVE; EXPIRATION -2 [A -2] = 0 DEPLETED
    ",
    );
}
