//! The audit: clean books are healthy, and a row that was changed behind the ledger's back is named.

use serde_json::json;

use crate::support::answer::answer;
use crate::support::api::Api;
use crate::support::db::{both, on_sqlite};

const HEALTH: &str = "query($id: ID, $first: Int, $after: String) {
    ledgerHealth(balanceId: $id, first: $first, after: $after) { healthy balancesChecked entriesChecked endCursor
        problems { sequence rule detail balance { id } } } }";

/// A balance of four entries.
async fn four_entries(api: &Api) -> String {
    let balance = api.acme("10").await;
    api.top_up(&balance, "5", "k1", json!({})).await;
    api.retain(&balance, "4", "k2").await;
    api.burn("e1", "1").await;
    balance
}

both!(books_that_agree_are_healthy, async |db| {
    let api = Api::on(db).await;
    let balance = four_entries(&api).await;
    let other = api.product("other", &[], json!({})).await;
    api.balance("acme", &other, "3", json!({})).await;
    let all = api.ask(HEALTH, json!({})).await;
    let one = api.ask(HEALTH, json!({"id": balance})).await;
    answer!(json!([all, one]), @r#"
    [
      {data: {ledgerHealth: {balancesChecked: 2, endCursor: null, entriesChecked: "5", healthy: true, problems: []}}}
      {data: {ledgerHealth: {balancesChecked: 1, endCursor: null, entriesChecked: "4", healthy: true, problems: []}}}
    ]
    "#);
});

both!(an_audit_goes_on_from_its_cursor, async |db| {
    let api = Api::on(db).await;
    let product = api.product("ai", &[], json!({})).await;
    for customer in ["a", "b", "c"] {
        api.customer(customer).await;
        api.balance(customer, &product, "1", json!({})).await;
    }
    let first = api.ask(HEALTH, json!({"first": 2})).await;
    let rest = api.ask(HEALTH, json!({"first": 2, "after": first["data"]["ledgerHealth"]["endCursor"]})).await;
    answer!(json!([first, rest]), @r#"
    [
      {data: {ledgerHealth: {
        balancesChecked: 2, endCursor: "ledgerHealth  bal_06dndml801o0591n2sqv6b2keg0g", entriesChecked: "2"
        healthy: true, problems: []
      }}}
      {data: {ledgerHealth: {balancesChecked: 1, endCursor: null, entriesChecked: "1", healthy: true, problems: []}}}
    ]
    "#);
});

on_sqlite!(an_audit_of_nothing_is_null_and_a_wrong_page_bad_input, async |db| {
    let api = Api::on(db).await;
    let answered = api
        .ask(
            r#"{ none: ledgerHealth(balanceId: "bal_000000000000000000000000000g") { healthy }
                 wrong: ledgerHealth(balanceId: "cus_00000000000000000000000000") { healthy }
                 size: ledgerHealth(first: 1001) { healthy } cursor: ledgerHealth(after: "x") { healthy } }"#,
            json!({}),
        )
        .await;
    answer!(answered, @r#"
    {
      data: {cursor: null, none: null, size: null, wrong: null}
      errors: [
        {
          extensions: {argument: "balanceId", code: "BAD_USER_INPUT", requestId: "test"}
          locations: [{column: 18, line: 2}]
          message: "balanceId is the id of a customer; a credit balance is needed here (\"bal_…\").", path: ["wrong"]
        }
        {
          extensions: {argument: "first", code: "BAD_USER_INPUT", requestId: "test"}
          locations: [{column: 18, line: 3}], message: "first is 1001; ask for 1 to 1000 balances.", path: ["size"]
        }
        {
          extensions: {argument: "after", code: "BAD_USER_INPUT", requestId: "test"}
          locations: [{column: 62, line: 3}], message: "after is not a cursor; pass one that this list answered."
          path: ["cursor"]
        }
      ]
    }
    "#);
});

both!(an_entry_that_is_missing_is_a_gap, async |db| {
    let api = Api::on(db).await;
    four_entries(&api).await;
    db.tamper("DELETE FROM entries WHERE sequence = 3").await;
    let health = api.ask(HEALTH, json!({})).await;
    answer!(health, @r#"
    {data: {ledgerHealth: {
      balancesChecked: 1, endCursor: null, entriesChecked: "3", healthy: false
      problems: [
        {
          balance: {id: "bal_06dndml801o07ai17capb161480g"}, detail: "Entry 4 follows where entry 3 is missing."
          rule: "L2", sequence: "4"
        }
        {
          balance: {id: "bal_06dndml801o07ai17capb161480g"}
          detail: "The hash is not that of this entry behind the one before it.", rule: "L12", sequence: "4"
        }
        {
          balance: {id: "bal_06dndml801o07ai17capb161480g"}
          detail: "By the entries, settledAfter is 14; 10 is on record.", rule: "L3", sequence: "4"
        }
        {
          balance: {id: "bal_06dndml801o07ai17capb161480g"}
          detail: "By the entries, what remains of the grant grt_06dndml801o07ai17capb161480g2 is 9; 5 is on record."
          rule: "L3", sequence: "4"
        }
        {
          balance: {id: "bal_06dndml801o07ai17capb161480g"}
          detail: "The idempotency key \"k2\" names an entry that it did not make.", rule: "L5", sequence: "3"
        }
      ]
    }}}
    "#);
});

both!(a_sum_that_was_changed_is_named, async |db| {
    let api = Api::on(db).await;
    four_entries(&api).await;
    db.tamper("UPDATE balances SET settled = settled + 1000000").await;
    let health = api.ask(HEALTH, json!({})).await;
    answer!(health, @r#"
    {data: {ledgerHealth: {
      balancesChecked: 1, endCursor: null, entriesChecked: "4", healthy: false
      problems: [{
        balance: {id: "bal_06dndml801o07ai17capb161480g"}, detail: "By the entries, settled is 10; 11 is on record."
        rule: "L3", sequence: null
      }]
    }}}
    "#);
});

both!(credits_of_an_entry_that_were_changed_break_sums_and_the_chain, async |db| {
    let api = Api::on(db).await;
    four_entries(&api).await;
    db.tamper("UPDATE entries SET credits = credits + 1 WHERE sequence = 2").await;
    let health = api.ask(HEALTH, json!({})).await;
    answer!(health, @r#"
    {data: {ledgerHealth: {
      balancesChecked: 1, endCursor: null, entriesChecked: "4", healthy: false
      problems: [
        {
          balance: {id: "bal_06dndml801o07ai17capb161480g"}
          detail: "The hash is not that of this entry behind the one before it.", rule: "L12", sequence: "2"
        }
        {
          balance: {id: "bal_06dndml801o07ai17capb161480g"}
          detail: "By the entries, settledAfter is 15.000001; 15 is on record.", rule: "L3", sequence: "2"
        }
      ]
    }}}
    "#);
});

both!(words_of_an_entry_that_were_changed_break_the_chain, async |db| {
    let api = Api::on(db).await;
    four_entries(&api).await;
    db.tamper("UPDATE entries SET reason = 'another' WHERE sequence = 3").await;
    let health = api.ask(HEALTH, json!({})).await;
    answer!(health, @r#"
    {data: {ledgerHealth: {
      balancesChecked: 1, endCursor: null, entriesChecked: "4", healthy: false
      problems: [{
        balance: {id: "bal_06dndml801o07ai17capb161480g"}
        detail: "The hash is not that of this entry behind the one before it.", rule: "L12", sequence: "3"
      }]
    }}}
    "#);
});

both!(terms_of_a_grant_that_were_changed_are_named, async |db| {
    let api = Api::on(db).await;
    four_entries(&api).await;
    db.tamper("UPDATE lots SET priority = 1 WHERE sequence = 2").await;
    let health = api.ask(HEALTH, json!({})).await;
    answer!(health, @r#"
    {data: {ledgerHealth: {
      balancesChecked: 1, endCursor: null, entriesChecked: "4", healthy: false
      problems: [{
        balance: {id: "bal_06dndml801o07ai17capb161480g"}
        detail: "The grants on record as open are not those of the balance.", rule: "L3", sequence: null
      }]
    }}}
    "#);
});
