//! Previews: what a commit would write, from the code that commits, without a trace.

#![expect(clippy::too_many_lines, reason = "a whole answer is as long as it is")]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, ProptestConfig, Strategy, prop_oneof};
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use scrip::base::ids::{BalanceId, EntryId, EventKey};
use scrip::base::time::SECOND;
use scrip::intake::{IncomingEvent, Receipt, Whose};
use scrip::ledger::{reads, store};
use scrip::metering::event::Mode;
use scrip::metering::store::find_events;
use serde_json::{Value, json};

use crate::graphql::ledger::desk::Desk;
use crate::support::answer::answer;
use crate::support::api::Api;
use crate::support::db::{TestDb, both, on_sqlite};

const PREVIEW: &str = "query($events: [EventInput!]!, $mode: IngestMode! = RECORD) { previewEvents(events: $events, mode: $mode) { \
    index status error { ...Error } outcomes { outcome quantity credits explanation } entries { balance { available } \
    credits uncovered availableAfter stateAfter allocations { grant { source } credits heldChange } \
    rating { quantity creditsPerUnit exactCredits credits } } } }";

#[expect(clippy::needless_pass_by_value, reason = "a literal is written where it is used")]
fn event(id: &str, count: Value) -> Value {
    json!({"id": id, "customer": {"externalId": "acme"}, "type": "tokens", "properties": {"count": count}})
}

both!(a_preview_says_what_each_event_would_do_behind_those_before_it, async |db| {
    let desk = Desk::with(db, "10").await;
    desk.api.top_up(&desk.balance, "5", "soon over", json!({"expiresAt": "2026-01-02T00:00:00Z"})).await;
    desk.api.burn("known", "1").await;
    let events = json!([
        event("e1", json!("7.5")),
        event("e2", json!("5.5")),
        event("e3", json!(4)),
        event("known", json!(1)),
        event("e1", json!(3)),
        event("e4", json!("x")),
        event("", json!(1))
    ]);
    let before = desk.now().await;
    let record = desk.api.ask(PREVIEW, json!({"events": events})).await;
    let enforce = desk.api.ask(PREVIEW, json!({"events": events, "mode": "ENFORCE"})).await;
    assert_eq!(desk.now().await, before, "nothing was done");
    answer!(json!([record, enforce]), @r#"
    [
      {data: {previewEvents: [
        {
          entries: [{
            allocations: [
              {credits: "-4", grant: {source: "TOP_UP"}, heldChange: "0"}
              {credits: "-3.5", grant: {source: "STARTING_BALANCE"}, heldChange: "0"}
            ]
            availableAfter: "6.5", balance: {available: "14"}, credits: "-7.5"
            rating: {credits: "7.5", creditsPerUnit: "1", exactCredits: "7.5", quantity: "7.5"}, stateAfter: "ACTIVE"
            uncovered: "0"
          }]
          error: null, index: 0
          outcomes: [{credits: "7.5", explanation: "7.5 units × 1 = 7.5 credits", outcome: "BURNED", quantity: "7.5"}]
          status: "ACCEPTED"
        }
        {
          entries: [{
            allocations: [{credits: "-5.5", grant: {source: "STARTING_BALANCE"}, heldChange: "0"}]
            availableAfter: "1", balance: {available: "14"}, credits: "-5.5"
            rating: {credits: "5.5", creditsPerUnit: "1", exactCredits: "5.5", quantity: "5.5"}, stateAfter: "ACTIVE"
            uncovered: "0"
          }]
          error: null, index: 1
          outcomes: [{credits: "5.5", explanation: "5.5 units × 1 = 5.5 credits", outcome: "BURNED", quantity: "5.5"}]
          status: "ACCEPTED"
        }
        {
          entries: [{
            allocations: [{credits: "-1", grant: {source: "STARTING_BALANCE"}, heldChange: "0"}], availableAfter: "0"
            balance: {available: "14"}, credits: "-1"
            rating: {credits: "4", creditsPerUnit: "1", exactCredits: "4", quantity: "4"}, stateAfter: "DEPLETED"
            uncovered: "3"
          }]
          error: null, index: 2
          outcomes: [{credits: "4", explanation: "4 units × 1 = 4 credits", outcome: "BURNED", quantity: "4"}]
          status: "ACCEPTED"
        }
        {entries: [], error: null, index: 3, outcomes: [], status: "DUPLICATE"}
        {entries: [], error: null, index: 4, outcomes: [], status: "DUPLICATE"}
        {
          entries: [], error: null, index: 5
          outcomes: [{
            credits: null, explanation: "The property \"count\" is not a number.", outcome: "NOT_A_NUMBER"
            quantity: null
          }]
          status: "ACCEPTED"
        }
        {
          entries: []
          error: {__typename: "InvalidInput", message: "The event's id is empty.", path: ["events", "6", "id"]}
          index: 6, outcomes: [], status: "INVALID"
        }
      ]}}
      {data: {previewEvents: [
        {
          entries: [{
            allocations: [
              {credits: "-4", grant: {source: "TOP_UP"}, heldChange: "0"}
              {credits: "-3.5", grant: {source: "STARTING_BALANCE"}, heldChange: "0"}
            ]
            availableAfter: "6.5", balance: {available: "14"}, credits: "-7.5"
            rating: {credits: "7.5", creditsPerUnit: "1", exactCredits: "7.5", quantity: "7.5"}, stateAfter: "ACTIVE"
            uncovered: "0"
          }]
          error: null, index: 0
          outcomes: [{credits: "7.5", explanation: "7.5 units × 1 = 7.5 credits", outcome: "BURNED", quantity: "7.5"}]
          status: "ACCEPTED"
        }
        {
          entries: [{
            allocations: [{credits: "-5.5", grant: {source: "STARTING_BALANCE"}, heldChange: "0"}]
            availableAfter: "1", balance: {available: "14"}, credits: "-5.5"
            rating: {credits: "5.5", creditsPerUnit: "1", exactCredits: "5.5", quantity: "5.5"}, stateAfter: "ACTIVE"
            uncovered: "0"
          }]
          error: null, index: 1
          outcomes: [{credits: "5.5", explanation: "5.5 units × 1 = 5.5 credits", outcome: "BURNED", quantity: "5.5"}]
          status: "ACCEPTED"
        }
        {
          entries: []
          error: {
            __typename: "InsufficientCredits", available: "1"
            message: "The event needs 4 credits and 1 are available.", path: ["events", "2"], required: "4"
            shortfall: "3"
          }
          index: 2
          outcomes: [{credits: "4", explanation: "4 units × 1 = 4 credits", outcome: "BURNED", quantity: "4"}]
          status: "REFUSED"
        }
        {entries: [], error: null, index: 3, outcomes: [], status: "DUPLICATE"}
        {entries: [], error: null, index: 4, outcomes: [], status: "DUPLICATE"}
        {
          entries: []
          error: {
            __typename: "InvalidInput", message: "The property \"count\" is not a number."
            path: ["events", "5", "properties"]
          }
          index: 5
          outcomes: [{
            credits: null, explanation: "The property \"count\" is not a number.", outcome: "NOT_A_NUMBER"
            quantity: null
          }]
          status: "INVALID"
        }
        {
          entries: []
          error: {__typename: "InvalidInput", message: "The event's id is empty.", path: ["events", "6", "id"]}
          index: 6, outcomes: [], status: "INVALID"
        }
      ]}}
    ]
    "#);
});

both!(a_preview_takes_into_account_what_is_due, async |db| {
    let desk = Desk::with(db, "10").await;
    desk.api.top_up(&desk.balance, "5", "soon over", json!({"expiresAt": "2026-01-02T00:00:00Z"})).await;
    desk.api.top_up(&desk.balance, "3", "later", json!({"effectiveAt": "2026-01-02T00:00:00Z", "priority": 1})).await;
    desk.api.at("2026-01-03T00:00:00Z");
    let told = desk.api.ask(PREVIEW, json!({"events": [event("e1", json!(5))]})).await;
    assert_eq!(desk.now().await["lastSequence"], "3", "nothing was posted");
    answer!(told, @r#"
    {data: {previewEvents: [{
      entries: [{
        allocations: [
          {credits: "-3", grant: {source: "TOP_UP"}, heldChange: "0"}
          {credits: "-2", grant: {source: "STARTING_BALANCE"}, heldChange: "0"}
        ]
        availableAfter: "8", balance: {available: "13"}, credits: "-5"
        rating: {credits: "5", creditsPerUnit: "1", exactCredits: "5", quantity: "5"}, stateAfter: "ACTIVE"
        uncovered: "0"
      }]
      error: null, index: 0
      outcomes: [{credits: "5", explanation: "5 units × 1 = 5 credits", outcome: "BURNED", quantity: "5"}]
      status: "ACCEPTED"
    }]}}
    "#);
});

on_sqlite!(a_preview_of_too_many_events_is_refused_and_of_strangers_says_so, async |db| {
    let desk = Desk::with(db, "10").await;
    let many: Vec<Value> = (0..1_001).map(|n| event(&n.to_string(), json!(1))).collect();
    let mut told = vec![desk.api.ask(PREVIEW, json!({"events": many})).await];
    let stranger = json!([{"id": "e1", "customer": {"externalId": "nobody"}, "type": "tokens"},
                          {"id": "e1", "customer": {"id": desk.balance}, "type": "tokens"}]);
    told.push(desk.api.ask(PREVIEW, json!({"events": stranger})).await);
    told.push(desk.api.ask(PREVIEW, json!({"events": []})).await);
    answer!(json!(told), @r#"
    [
      {
        data: {previewEvents: null}
        errors: [{
          extensions: {argument: "events", code: "BAD_USER_INPUT", requestId: "test"}
          locations: [{column: 63, line: 1}], message: "events has 1001 entries; preview at most 1000 at once."
          path: ["previewEvents"]
        }]
      }
      {data: {previewEvents: [
        {
          entries: []
          error: {
            __typename: "NotFound", message: "There is no customer with the external id \"nobody\"."
            path: ["events", "0", "customer", "externalId"], requested: "nobody"
          }
          index: 0, outcomes: [], status: "INVALID"
        }
        {
          entries: []
          error: {
            __typename: "InvalidInput"
            message: "id is the id of a credit balance; a customer is needed here (\"cus_…\")."
            path: ["events", "1", "customer", "id"]
          }
          index: 1, outcomes: [], status: "INVALID"
        }
      ]}}
      {data: {previewEvents: []}}
    ]
    "#);
});

// --- A preview and what is then committed ------------------------------------------------------------------------------

/// Events, what comes in before them, and how far the clock moves.
#[derive(Clone, Debug)]
struct List {
    seconds: i64,
    top_up: Option<(i64, Option<i64>)>,
    hold: Option<i64>,
    mode: Mode,
    events: Vec<(u8, bool, &'static str, &'static str)>,
}

fn lists() -> impl Strategy<Value = List> {
    let counts = prop_oneof![
        4 => Just("3"), 4 => Just("0.5"), 2 => Just("12.345678"), 1 => Just("0"), 1 => Just("-1"), 1 => Just("x"),
        1 => Just("1e15"), 1 => Just("0.0000001"),
    ];
    let types = prop_oneof![3 => Just("tokens"), 2 => Just("call"), 1 => Just("unknown")];
    let event = (0..40_u8, proptest::bool::weighted(0.8), types, counts);
    let mode = prop_oneof![2 => Just(Mode::Record), 1 => Just(Mode::Enforce)];
    let top_up = option::weighted(0.6, (1..=20_i64, option::of(1..=60_i64)));
    (0..=30_i64, top_up, option::weighted(0.4, 1..=5_i64), mode, vec(event, 1..=12))
        .prop_map(|(seconds, top_up, hold, mode, events)| List { seconds, top_up, hold, mode, events })
}

fn incoming(list: &List, run: u32) -> Vec<IncomingEvent> {
    let event = |(id, acme, event_type, count): &(u8, bool, &str, &str)| IncomingEvent {
        id: format!("{run}-{id}"),
        whose: Whose::ExternalId(if *acme { "acme" } else { "beta" }.to_owned()),
        event_type: (*event_type).to_owned(),
        timestamp: None,
        properties: Some(json!({ "count": count })),
    };
    list.events.iter().map(event).collect()
}

/// Previews a list, sends it in, and compares.
async fn compare(desk: &Desk, db: &TestDb, (list, run): (&List, u32)) {
    // Ids come again within three lists, so that some are on record already.
    let ids = run / 3;
    let Desk { api, balance } = desk;
    api.app.clock.set(api.app.clock.now().plus_micros(list.seconds * SECOND).expect("in range"));
    if let Some((credits, seconds)) = list.top_up {
        let ends = seconds.and_then(|seconds| api.app.clock.now().plus_micros(seconds * SECOND));
        let more = json!({"expiresAt": ends.map(|at| at.to_string())});
        api.top_up(balance, &credits.to_string(), &format!("top-up {run}"), more).await;
    }
    if let Some(credits) = list.hold {
        let key = format!("hold {run}");
        let input = json!({"balanceId": balance, "credits": credits, "ttlSeconds": 20, "idempotencyKey": key});
        desk.ask("holdCredits", input).await;
    }
    let id: BalanceId = balance.parse().expect("an id");
    let revision = async || {
        let mut conn = db.read().await.expect("it can be read");
        store::list_revisions(&mut conn, &[id.customer]).await.expect("it can be read")
    };
    let before = revision().await;
    let now = api.app.clock.now();
    let previews = api.app.intake.preview(incoming(list, ids), list.mode, now).await.expect("a preview");
    assert_eq!(revision().await, before, "a preview leaves no trace");
    let receipts = api.app.intake.ingest(incoming(list, ids), list.mode).await.expect("they are taken");
    let mut conn = db.read().await.expect("it can be read");
    assert_eq!(previews.len(), receipts.len());
    for (preview, receipt) in previews.iter().zip(&receipts) {
        let same = |receipt: &Receipt| Receipt { changed: Vec::new(), ..receipt.clone() };
        assert_eq!(same(&preview.receipt), same(receipt), "{list:?}");
        let accepted = receipt.event.filter(|_| receipt.status == scrip::intake::Status::Accepted);
        let Some(key): Option<EventKey> = accepted else {
            assert!(preview.entries.is_empty());
            continue;
        };
        let event = find_events(&mut conn, &[key]).await.expect("it can be read").pop().expect("it is there");
        assert_eq!(preview.outcomes, event.outcomes, "{list:?}");
        let ids: Vec<EntryId> = preview.entries.iter().map(|entry| entry.id()).collect();
        assert_eq!(ids, event.entries, "{list:?}");
        let mut entries = reads::find_entries(&mut conn, &ids).await.expect("they can be read");
        entries.sort_by_key(|entry| (entry.balance, entry.posting.sequence));
        for (previewed, written) in preview.entries.iter().zip(entries) {
            assert_eq!((previewed.hash, &previewed.note), (written.hash, &written.note), "{list:?}");
            assert_eq!(previewed.posting.allocations, written.posting.allocations, "with what remains after it");
        }
    }
}

/// How many lists of lists; PROPTEST_CASES raises it.
const CASES: u32 = 48;

#[expect(clippy::disallowed_methods, reason = "who runs the tests says how many")]
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES)
}

fn compare_all(make: impl AsyncFn() -> TestDb) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let (db, desk) = runtime.block_on(async {
        let db = make().await;
        let api = Api::on(&db).await;
        let (call, tokens) = (api.meter("calls", "call").await, api.sum("tokens", "tokens", "count").await);
        let again = api.sum("again", "tokens", "count").await;
        let allow = json!({"overdraft": {"policy": "ALLOW", "limit": "5"}, "lowBalanceThreshold": "3"});
        let first = api.product("first", &[(&call, "1.5"), (&tokens, "0.3"), (&again, "0.0004")], allow).await;
        let second = api.product("second", &[(&tokens, "2")], json!({})).await;
        for customer in ["acme", "beta"] {
            api.customer(customer).await;
            api.balance(customer, &first, "20", json!({})).await;
        }
        let balance = api.balance("acme", &second, "10", json!({})).await;
        (db, Desk { api, balance })
    });
    let config = ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() };
    let run = std::cell::Cell::new(0);
    // The same lists each time, unless somebody asks for more.
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner =
        if config.cases == CASES { TestRunner::new_with_rng(config, rng) } else { TestRunner::new(config) };
    runner
        .run(&vec(lists(), 1..=4), |lists| {
            for list in &lists {
                run.set(run.get() + 1);
                runtime.block_on(compare(&desk, &db, (list, run.get())));
            }
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    runtime.block_on(desk.proven());
    // The pools' tasks end with their runtime.
    drop((desk, db));
}

mod property_what_is_committed_is_what_the_preview_said {
    use super::{TestDb, compare_all};

    #[test]
    fn sqlite() {
        compare_all(TestDb::sqlite);
    }

    #[test]
    fn postgres() {
        compare_all(TestDb::postgres);
    }
}
