//! Customers on both databases: names for ever, searches, numbers of balances.

use std::collections::HashMap;

use scrip::base::idempotency::Key;
use scrip::base::ids::{CustomerId, Ids};
use scrip::base::money::Currency;
use scrip::base::page::{Direction, PageRequest};
use scrip::base::patch::Patch;
use scrip::base::problem::{Problem, ProblemKind};
use scrip::base::time::{SECOND, Time};
use scrip::customers::input::{CustomerChanges, ListCustomers, NewCustomer};
use scrip::customers::model::Customer;
use scrip::customers::{service, store};
use scrip::db::{Conn, Failure};
use serde_json::json;

use crate::support::db::{TestDb, both};
use scrip::base::given::Given;

// --- Builders ----------------------------------------------------------------------------------------------------------

fn at(seconds: i64) -> Time {
    Time::from_micros(1_767_225_600 * SECOND + seconds * SECOND + 654_321).unwrap()
}

fn named(name: &str) -> NewCustomer {
    NewCustomer { external_id: None, name: name.into(), email: None, currency: None, metadata: None }
}

fn called(external_id: &str) -> NewCustomer {
    NewCustomer { external_id: Some(external_id.into()), ..named(external_id) }
}

fn becomes(external_id: Patch<String>) -> CustomerChanges {
    CustomerChanges { external_id, ..CustomerChanges::default() }
}

/// What a test does, one transaction each.
struct Customers<'a> {
    db: &'a TestDb,
    ids: Ids,
}

impl<'a> Customers<'a> {
    fn of(db: &'a TestDb) -> Self {
        Self { db, ids: Ids::seeded(7) }
    }

    async fn conn(&self) -> Conn {
        self.db.read().await.unwrap()
    }

    async fn create(&self, now: Time, new: &NewCustomer) -> Result<Customer, Failure> {
        self.db.write(async |txn| service::create_customer(txn, (&self.ids, now), new, None).await).await
    }

    async fn update(&self, now: Time, id: CustomerId, changes: &CustomerChanges) -> Result<Customer, Failure> {
        self.db.write(async |txn| service::update_customer(txn, now, id, changes).await).await
    }

    async fn rename(&self, id: CustomerId, external_id: &str) -> Result<Customer, Failure> {
        self.update(at(50), id, &becomes(Patch::Set(external_id.into()))).await
    }

    async fn archive(&self, now: Time, id: CustomerId) -> Result<Customer, Failure> {
        self.db.write(async |txn| service::archive_customer(txn, now, id, false).await).await
    }

    async fn number_balance(&self, id: CustomerId) -> Result<i32, Failure> {
        self.db.write(async |txn| service::number_balance(txn, id).await).await
    }

    async fn whom(&self, external_ids: &[&str]) -> HashMap<String, CustomerId> {
        store::resolve(&mut self.conn().await, external_ids).await.unwrap()
    }

    async fn found(&self, search: &str) -> Vec<String> {
        let list =
            ListCustomers { page: PageRequest::first(100), search: Some(search.into()), include_archived: false };
        let page = store::list_customers(&mut self.conn().await, &list).await.unwrap();
        page.items.into_iter().map(|customer| customer.name).collect()
    }
}

fn problem<T: std::fmt::Debug>(result: Result<T, Failure>) -> Problem {
    match result.unwrap_err() {
        Failure::Problems(problems) => problems.into_iter().next().expect("at least one"),
        Failure::Db(error) => panic!("the database failed: {error:?}"),
    }
}

fn taken_by<T: std::fmt::Debug>(result: Result<T, Failure>) -> String {
    match problem(result).kind {
        ProblemKind::Exists { existing } => existing,
        other => panic!("{other:?}"),
    }
}

// --- The row -----------------------------------------------------------------------------------------------------------

both!(a_customer_is_read_as_it_was_written, async |db| {
    let customers = Customers::of(db);
    let new = NewCustomer {
        external_id: Some("ada-1".into()),
        name: "Ada".into(),
        email: Some("ada@example.com".into()),
        currency: Currency::parse("EUR").map(Given::from),
        metadata: Some(json!({"b": 1.0, "a": []})),
    };
    let made = customers.create(at(1), &new).await.unwrap();
    assert_eq!(made.metadata.as_str(), r#"{"a":[],"b":1}"#);
    let mut conn = customers.conn().await;
    assert_eq!(store::find_customer(&mut conn, made.id).await.unwrap().as_ref(), Some(&made));

    let changes = CustomerChanges {
        name: Patch::Set("Ada L.".into()),
        email: Patch::Clear,
        currency: Patch::Clear,
        metadata: Patch::Clear,
        external_id: Patch::Keep,
    };
    let after = customers.update(at(2), made.id, &changes).await.unwrap();
    assert_eq!((after.updated_at, after.metadata.as_str()), (at(2), "{}"));
    let found = store::find_customers(&mut conn, &[made.id, CustomerId(uuid::Uuid::nil())]).await.unwrap();
    assert_eq!(found, HashMap::from([(made.id, after)]));
});

both!(without_an_external_id_each_customer_is_a_new_one, async |db| {
    let customers = Customers::of(db);
    let one = customers.create(at(1), &named("Ada")).await.unwrap();
    let other = customers.create(at(1), &named("Ada")).await.unwrap();
    assert_ne!(one.id, other.id);
    let missing = customers.update(at(2), CustomerId(uuid::Uuid::nil()), &CustomerChanges::default()).await;
    assert_eq!(problem(missing).kind, ProblemKind::NotFound { id: CustomerId(uuid::Uuid::nil()).to_string() });
});

// --- External ids ------------------------------------------------------------------------------------------------------

both!(a_former_external_id_goes_on_naming_its_customer, async |db| {
    let customers = Customers::of(db);
    let ada = customers.create(at(1), &called("ada")).await.unwrap().id;
    let bob = customers.create(at(2), &called("bob")).await.unwrap().id;
    customers.rename(ada, "ada-2").await.unwrap();

    assert_eq!(taken_by(customers.create(at(3), &called("ada")).await), ada.to_string());
    assert_eq!(taken_by(customers.rename(bob, "ada").await), ada.to_string());
    let all = customers.whom(&["ada", "ada-2", "bob", "carl", "ca\0rl", ""]).await;
    assert_eq!(all, HashMap::from([("ada".into(), ada), ("ada-2".into(), ada), ("bob".into(), bob)]));
    let found = store::find_by_external_ids(&mut customers.conn().await, &["ada"]).await.unwrap();
    assert_eq!(found["ada"].external_id.as_deref(), Some("ada-2"));
});

both!(a_customer_goes_back_to_an_external_id_of_its_own, async |db| {
    let customers = Customers::of(db);
    let ada = customers.create(at(1), &called("ada")).await.unwrap().id;
    customers.rename(ada, "ada-2").await.unwrap();
    let none = customers.update(at(3), ada, &becomes(Patch::Clear)).await.unwrap();
    assert_eq!(none.external_id, None);
    assert_eq!(customers.whom(&["ada-2"]).await["ada-2"], ada);
    assert_eq!(customers.rename(ada, "ada").await.unwrap().external_id.as_deref(), Some("ada"));
});

both!(external_ids_differ_by_every_byte, async |db| {
    let customers = Customers::of(db);
    let lower = customers.create(at(1), &called("é")).await.unwrap().id;
    let decomposed = customers.create(at(2), &called("e\u{301}")).await.unwrap().id;
    let upper = customers.create(at(3), &called("É")).await.unwrap().id;
    let all = customers.whom(&["é", "e\u{301}", "É"]).await;
    assert_eq!([all["é"], all["e\u{301}"], all["É"]], [lower, decomposed, upper]);
});

both!(of_many_who_take_an_external_id_at_once_one_gets_it, async |db| {
    let customers = Customers::of(db);
    let new = called("ada");
    let attempts = futures_util::future::join_all((0..8).map(|second| customers.create(at(second), &new))).await;
    let (made, refused): (Vec<_>, Vec<_>) = attempts.into_iter().partition(Result::is_ok);
    let ada = made[0].as_ref().unwrap().id.to_string();
    assert_eq!((made.len(), refused.len()), (1, 7));
    for result in refused {
        assert_eq!(taken_by(result), ada);
    }
});

both!(two_who_swap_external_ids_at_once_do_not_wait_for_each_other_for_ever, async |db| {
    let customers = Customers::of(db);
    let ada = customers.create(at(1), &called("ada")).await.unwrap().id;
    let bob = customers.create(at(2), &called("bob")).await.unwrap().id;
    let (one, other) = tokio::join!(customers.rename(ada, "bob"), customers.rename(bob, "ada"));
    assert_eq!((taken_by(one), taken_by(other)), (bob.to_string(), ada.to_string()));
});

// --- Archiving and numbers ---------------------------------------------------------------------------------------------

both!(a_customer_with_open_balances_is_not_archived, async |db| {
    let customers = Customers::of(db);
    let ada = customers.create(at(1), &called("ada")).await.unwrap();
    let refused = db.write(async |txn| service::archive_customer(txn, at(2), ada.id, true).await).await;
    assert_eq!(problem(refused).kind, ProblemKind::State { state: "IN_USE" });
    let archived = customers.archive(at(3), ada.id).await.unwrap();
    assert_eq!(archived.archived_at, Some(at(3)));
    assert_eq!(customers.archive(at(4), ada.id).await.unwrap(), archived);

    let bob = customers.create(at(5), &called("bob")).await.unwrap().id;
    let nobody = CustomerId(uuid::Uuid::nil());
    let found = store::find_archived_at(&mut customers.conn().await, &[ada.id, bob, nobody]).await.unwrap();
    assert_eq!(found, HashMap::from([(ada.id, Some(at(3))), (bob, None)]));
});

both!(an_archived_customer_can_be_corrected_but_gets_no_balance, async |db| {
    let customers = Customers::of(db);
    let ada = customers.create(at(1), &called("ada")).await.unwrap().id;
    assert_eq!(customers.number_balance(ada).await.unwrap(), 1);
    customers.archive(at(2), ada).await.unwrap();
    let forgotten = CustomerChanges { name: Patch::Set("(removed)".into()), ..CustomerChanges::default() };
    assert_eq!(customers.update(at(3), ada, &forgotten).await.unwrap().archived_at, Some(at(2)));
    assert_eq!(problem(customers.number_balance(ada).await).kind, ProblemKind::State { state: "ARCHIVED" });
    let nobody = CustomerId(uuid::Uuid::nil());
    assert_eq!(problem(customers.number_balance(nobody).await).kind, ProblemKind::NotFound { id: nobody.to_string() });
});

both!(balances_are_numbered_without_gaps_whoever_races, async |db| {
    let customers = Customers::of(db);
    let ada = customers.create(at(1), &called("ada")).await.unwrap().id;
    let taken = futures_util::future::join_all((0..8).map(|_| customers.number_balance(ada))).await;
    let mut numbers: Vec<i32> = taken.into_iter().map(Result::unwrap).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
    // What is written of a customer leaves its numbers alone.
    customers.rename(ada, "ada-2").await.unwrap();
    assert_eq!(customers.number_balance(ada).await.unwrap(), 9);
});

// --- Lists -------------------------------------------------------------------------------------------------------------

both!(a_search_finds_by_the_beginning_of_name_email_and_external_id, async |db| {
    let customers = Customers::of(db);
    let email = |name: &str, email: &str| NewCustomer { email: Some(email.into()), ..named(name) };
    for (second, new) in (1..).zip([
        named("Ädelweiß GmbH"),
        email("Bob", "ADA@example.com"),
        NewCustomer { external_id: Some("Ada-7".into()), ..named("Carl") },
        named("Not Ada"),
        named("100%_sure"),
    ]) {
        customers.create(at(second), &new).await.unwrap();
    }
    assert_eq!(customers.found("aDa").await, ["Not Ada", "Carl", "Bob"]);
    assert_eq!(customers.found("äDEL").await, ["Ädelweiß GmbH"]);
    assert_eq!(customers.found("100%_").await, ["100%_sure"]);
    assert_eq!(customers.found("%").await, [""; 0]);
    assert_eq!(customers.found("  ").await.len(), 5);
});

both!(search_finds_the_beginnings_of_all_words_however_they_are_written, async |db| {
    let customers = Customers::of(db);
    for (second, name) in (1..).zip(["Acme Corporation", "ΟΔΥΣΣΕΥΣ ΑΕ", "Straße 5", "Cafe\u{301} Noir", "Café Blanc"])
    {
        customers.create(at(second), &named(name)).await.unwrap();
    }
    for (typed, found) in [
        ("corp", &["Acme Corporation"][..]),
        ("corp ac", &["Acme Corporation"]),
        ("acme corporation", &["Acme Corporation"]),
        ("orporation", &[]),
        ("corp noir", &[]),
        ("ΟΔΥΣ", &["ΟΔΥΣΣΕΥΣ ΑΕ"]),
        ("οδυσσευς", &["ΟΔΥΣΣΕΥΣ ΑΕ"]),
        ("STRASSE", &["Straße 5"]),
        ("caf\u{e9}", &["Café Blanc", "Cafe\u{301} Noir"]),
        ("CAFE\u{301} B", &["Café Blanc"]),
    ] {
        assert_eq!(customers.found(typed).await, found, "{typed}");
    }
});

both!(search_for_a_whole_id_finds_its_customer, async |db| {
    let customers = Customers::of(db);
    let ada = customers.create(at(1), &named("Ada")).await.unwrap();
    customers.create(at(2), &named("Bob")).await.unwrap();
    assert_eq!(customers.found(&ada.id.to_string()).await, ["Ada"]);
    customers.archive(at(3), ada.id).await.unwrap();
    assert_eq!(customers.found(&ada.id.to_string()).await, [""; 0], "an archived one only when it is asked for");
});

both!(words_that_a_customer_has_no_more_do_not_find_it, async |db| {
    let customers = Customers::of(db);
    let ada = customers.create(at(1), &called("ada")).await.unwrap();
    let changes = CustomerChanges { name: Patch::Set("Lovelace".into()), ..becomes(Patch::Clear) };
    customers.update(at(2), ada.id, &changes).await.unwrap();
    assert_eq!((customers.found("ada").await.len(), customers.found("love").await.len()), (0, 1));
});

// --- Idempotency -------------------------------------------------------------------------------------------------------

both!(customer_is_made_once_per_idempotency_key, async |db| {
    let customers = Customers::of(db);
    let make = async |new: &NewCustomer| {
        let key = Key::of_creation(Some("k1"), "createCustomer", new.fields()).unwrap();
        db.write(async |txn| service::create_customer(txn, (&customers.ids, at(1)), new, key.as_ref()).await).await
    };
    let refused = problem(make(&NewCustomer { email: Some("none".into()), ..named("Ada") }).await);
    assert_eq!(refused.path, ["email"], "a refusal does not use the key up");
    let ada = named("Ada");
    let (first, second) = tokio::join!(make(&ada), make(&ada));
    let first = first.unwrap();
    assert_eq!(first, second.unwrap());
    let changes = CustomerChanges { name: Patch::Set("Ada L.".into()), ..CustomerChanges::default() };
    customers.update(at(2), first.id, &changes).await.unwrap();
    assert_eq!(make(&named("Ada")).await.unwrap().name, "Ada L.", "it is answered as it stands now");
    let conflict = problem(make(&named("Bob")).await);
    assert_eq!(conflict.kind, ProblemKind::KeyConflict { key: "k1".into() });
    assert_eq!(customers.found("").await.len(), 1);
});

both!(customers_are_listed_newest_first, async |db| {
    let customers = Customers::of(db);
    let mut made = Vec::new();
    for second in 1..=5 {
        made.push(customers.create(at(second), &named(&second.to_string())).await.unwrap().id);
    }
    customers.archive(at(9), made[2]).await.unwrap();
    let mut conn = customers.conn().await;
    let mut listed = async |page: PageRequest<CustomerId>, include_archived: bool| {
        let list = ListCustomers { page, search: None, include_archived };
        let page = store::list_customers(&mut conn, &list).await.unwrap();
        let names: Vec<String> = page.items.into_iter().map(|customer| customer.name).collect();
        (names.concat(), page.has_previous, page.has_next)
    };
    assert_eq!(listed(PageRequest::first(2), false).await, ("54".into(), false, true));
    let after = PageRequest { after: Some(made[3]), ..PageRequest::first(2) };
    assert_eq!(listed(after.clone(), false).await, ("21".into(), true, false));
    assert_eq!(listed(after, true).await, ("32".into(), true, true));
    let last = PageRequest { direction: Direction::Backward, before: Some(made[0]), ..PageRequest::first(2) };
    assert_eq!(listed(last, true).await, ("32".into(), true, true));
});
