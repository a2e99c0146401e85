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
