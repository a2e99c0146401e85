//! The catalog on both databases: what is written is read back, keys are taken for ever, what is in use stays.

use std::sync::Arc;

use scrip::base::decimal::Decimal;
use scrip::base::ids::{Ids, MeterId, ProductId, PurchaseOptionId};
use scrip::base::money::Currency;
use scrip::base::page::{Direction, PageRequest};
use scrip::base::patch::Patch;
use scrip::base::problem::{Problem, ProblemKind};
use scrip::base::time::{SECOND, Time};
use scrip::catalog::input::{
    AggregationKind, CreditProductChanges, ExpirationPolicy, GivenExpiration, GivenOverdraft, GivenPrice, GivenRule,
    ListMeters, ListProducts, MeterChanges, NewCreditProduct, NewMeter, NewPurchaseOption, OverdraftPolicy,
    PurchaseOptionChanges,
};
use scrip::catalog::model::{CreditProduct, EventFilter, FilterOperator, Meter, Product, ProductKind, PropertyFilter};
use scrip::catalog::snapshot::{Snapshot, load_snapshot};
use scrip::catalog::{service, store};
use scrip::db::{Conn, Failure};
use serde_json::json;

use crate::support::db::{TestDb, both};
use scrip::base::given::Given;
use scrip::base::idempotency::Key;

// --- Builders ----------------------------------------------------------------------------------------------------------

fn at(seconds: i64) -> Time {
    Time::from_micros(1_767_225_600 * SECOND + seconds * SECOND + 123_456).unwrap()
}

fn decimal(text: &str) -> Given<Decimal> {
    Decimal::new(text).unwrap().into()
}

fn tokens(key: &str) -> NewMeter {
    let condition = PropertyFilter {
        name: "model".into(),
        operator: FilterOperator::In,
        values: vec![json!("nova"), json!(1.0), json!(true)],
    };
    NewMeter {
        key: key.into(),
        name: "Tokens".into(),
        event_type: "llm.call".into(),
        aggregation: AggregationKind::Sum,
        property: Some("usage.tokens".into()),
        filter: vec![EventFilter { all: vec![condition] }],
    }
}

fn ai_credits(key: &str, meters: &[MeterId]) -> NewCreditProduct {
    let rule = |meter: &MeterId| GivenRule { meter: (*meter).into(), credits_per_unit: decimal("0.000000000001") };
    NewCreditProduct {
        key: key.into(),
        name: "AI credits".into(),
        description: Some("For all models".into()),
        unit_name: "token".into(),
        consumption: meters.iter().map(rule).collect(),
        low_balance_threshold: Some(decimal("10.5")),
        overdraft: Some(GivenOverdraft { policy: OverdraftPolicy::Allow, limit: Some(decimal("5")) }),
        expiration: Some(GivenExpiration { policy: ExpirationPolicy::AfterDays, days: Some(30) }),
        metadata: Some(json!({"b": 1.0, "a": "ä"})),
    }
}

fn pack(product: ProductId, position: i32) -> NewPurchaseOption {
    NewPurchaseOption {
        product: product.into(),
        name: "Pack".into(),
        credits: decimal("1000"),
        price: GivenPrice { amount: decimal("25.5"), currency: Currency::parse("EUR").unwrap().into() },
        show_in_portal: true,
        position,
        per_customer: None,
    }
}

/// What a test does, one transaction each.
struct Catalog<'a> {
    db: &'a TestDb,
    ids: Ids,
}

impl<'a> Catalog<'a> {
    fn of(db: &'a TestDb) -> Self {
        Self { db, ids: Ids::seeded(7) }
    }

    async fn conn(&self) -> Conn {
        self.db.read().await.unwrap()
    }

    async fn create_meter(&self, now: Time, new: &NewMeter) -> Result<Meter, Failure> {
        self.db.write(async |txn| service::create_meter(txn, &self.ids, now, new).await).await
    }

    async fn update_meter(&self, now: Time, id: MeterId, changes: &MeterChanges) -> Result<Meter, Failure> {
        self.db.write(async |txn| service::update_meter(txn, now, id, changes).await).await
    }

    async fn archive_meter(&self, now: Time, id: MeterId) -> Result<Meter, Failure> {
        self.db.write(async |txn| service::archive_meter(txn, now, id, false).await).await
    }

    async fn create_product(&self, now: Time, new: &NewCreditProduct) -> Result<CreditProduct, Failure> {
        self.db.write(async |txn| service::create_credit_product(txn, &self.ids, now, new).await).await
    }

    async fn update_product(
        &self,
        now: Time,
        id: ProductId,
        changes: &CreditProductChanges,
    ) -> Result<CreditProduct, Failure> {
        self.db.write(async |txn| service::update_credit_product(txn, now, id, changes).await).await
    }

    async fn archive_product(&self, now: Time, id: ProductId) -> Result<Product, Failure> {
        self.db.write(async |txn| service::archive_product(txn, now, id, false).await).await
    }

    async fn snapshot(&self) -> Snapshot {
        load_snapshot(&mut self.conn().await).await.unwrap()
    }

    async fn meter_keys(&self, page: PageRequest<String>) -> (Vec<String>, bool, bool) {
        let list = ListMeters { page, include_archived: false };
        let page = store::list_meters(&mut self.conn().await, &list).await.unwrap();
        (page.items.into_iter().map(|meter| meter.key).collect(), page.has_previous, page.has_next)
    }
}

fn problem<T: std::fmt::Debug>(result: Result<T, Failure>) -> Problem {
    match result.unwrap_err() {
        Failure::Problems(problems) => problems.into_iter().next().expect("at least one"),
        Failure::Db(error) => panic!("the database failed: {error:?}"),
    }
}

/// The state that stands in the way, and where.
fn state<T: std::fmt::Debug>(result: Result<T, Failure>) -> (&'static str, String) {
    let problem = problem(result);
    match problem.kind {
        ProblemKind::State { state } => (state, problem.path.join(".")),
        other => panic!("{other:?}: {}", problem.message),
    }
}

// --- Meters ------------------------------------------------------------------------------------------------------------

both!(a_meter_is_read_as_it_was_written, async |db| {
    let catalog = Catalog::of(db);
    let made = catalog.create_meter(at(1), &tokens("tokens")).await.unwrap();
    let changes = MeterChanges { name: Patch::Set("Tokens used".into()), filter: Patch::Clear };
    let after = catalog.update_meter(at(2), made.id, &changes).await.unwrap();
    assert_eq!(after, Meter { name: "Tokens used".into(), filter: vec![], updated_at: at(2), ..made.clone() });

    let mut conn = catalog.conn().await;
    assert_eq!(store::find_meter(&mut conn, made.id).await.unwrap(), Some(after.clone()));
    assert_eq!(store::find_meter_by_key(&mut conn, "tokens").await.unwrap(), Some(after));
    assert_eq!(store::find_meter_by_key(&mut conn, "to\0kens").await.unwrap(), None);

    let other = catalog.create_meter(at(3), &tokens("other")).await.unwrap();
    let found = store::find_meters(&mut conn, &[other.id, other.id]).await.unwrap();
    assert_eq!(found.into_values().collect::<Vec<_>>(), [other]);
});

both!(a_key_names_one_meter_for_ever, async |db| {
    let catalog = Catalog::of(db);
    let made = catalog.create_meter(at(1), &tokens("tokens")).await.unwrap();
    catalog.archive_meter(at(2), made.id).await.unwrap();
    let problem = problem(catalog.create_meter(at(3), &tokens("tokens")).await);
    assert_eq!(problem.kind, ProblemKind::Exists { existing: made.id.to_string() });
    assert_eq!(problem.path, ["key"]);
});

both!(a_meter_in_use_is_archived_only_after_its_products, async |db| {
    let catalog = Catalog::of(db);
    let meter = catalog.create_meter(at(1), &tokens("tokens")).await.unwrap();
    let product = catalog.create_product(at(2), &ai_credits("ai", &[meter.id])).await.unwrap();
    assert_eq!(state(catalog.archive_meter(at(3), meter.id).await), ("IN_USE", "id".into()));

    catalog.archive_product(at(4), product.id).await.unwrap();
    let archived = catalog.archive_meter(at(5), meter.id).await.unwrap();
    assert_eq!(archived.archived_at, Some(at(5)));
    assert_eq!(catalog.archive_meter(at(6), meter.id).await.unwrap(), archived);
    assert_eq!(state(catalog.update_meter(at(7), meter.id, &MeterChanges::default()).await).0, "ARCHIVED");
});

both!(meters_are_listed_by_key_byte_by_byte, async |db| {
    let catalog = Catalog::of(db);
    for (second, key) in (1..).zip(["b", "a_b", "a-b", "ab", "a.b", "c"]) {
        catalog.create_meter(at(second), &tokens(key)).await.unwrap();
    }
    let gone = store::find_meter_by_key(&mut catalog.conn().await, "c").await.unwrap().unwrap();
    catalog.archive_meter(at(9), gone.id).await.unwrap();

    let (first, previous, next) = catalog.meter_keys(PageRequest::first(3)).await;
    assert_eq!((first, previous, next), (vec!["a-b".into(), "a.b".into(), "a_b".into()], false, true));
    let behind = PageRequest { after: Some("a_b".into()), ..PageRequest::first(3) };
    assert_eq!(catalog.meter_keys(behind).await, (vec!["ab".into(), "b".into()], true, false));
    let last = PageRequest { direction: Direction::Backward, before: Some("ab".into()), ..PageRequest::first(2) };
    assert_eq!(catalog.meter_keys(last).await, (vec!["a.b".into(), "a_b".into()], true, true));

    let all = ListMeters { page: PageRequest::first(9), include_archived: true };
    assert_eq!(store::list_meters(&mut catalog.conn().await, &all).await.unwrap().items.len(), 6);
});

// --- Products ----------------------------------------------------------------------------------------------------------

both!(a_product_is_read_as_it_was_written, async |db| {
    let catalog = Catalog::of(db);
    let first = catalog.create_meter(at(1), &tokens("first")).await.unwrap().id;
    let second = catalog.create_meter(at(2), &tokens("second")).await.unwrap().id;
    let made = catalog.create_product(at(3), &ai_credits("ai", &[second, first])).await.unwrap();
    assert_eq!(made.metadata.as_str(), r#"{"a":"ä","b":1}"#);

    let mut conn = catalog.conn().await;
    assert_eq!(store::find_product(&mut conn, made.id).await.unwrap().as_ref(), Some(&made));
    assert_eq!(store::find_product_by_key(&mut conn, "ai").await.unwrap().as_ref(), Some(&made));

    // The rules change places: no place and no meter is taken twice on the way.
    let swapped = ai_credits("ai", &[first, second]).consumption;
    let changes = CreditProductChanges {
        consumption: Patch::Set(swapped),
        overdraft: Patch::Set(GivenOverdraft { policy: OverdraftPolicy::Allow, limit: None }),
        expiration: Patch::Clear,
        low_balance_threshold: Patch::Clear,
        description: Patch::Clear,
        ..CreditProductChanges::default()
    };
    let after = catalog.update_product(at(4), made.id, &changes).await.unwrap();
    assert_eq!(after.consumption.iter().map(|rule| rule.meter).collect::<Vec<_>>(), [first, second]);
    assert_eq!(store::find_product(&mut conn, made.id).await.unwrap(), Some(after));
});

both!(a_rule_names_a_meter_that_is_there_and_not_archived, async |db| {
    let catalog = Catalog::of(db);
    let meter = catalog.create_meter(at(1), &tokens("tokens")).await.unwrap();
    let gone = catalog.create_meter(at(1), &tokens("gone")).await.unwrap();
    catalog.archive_meter(at(2), gone.id).await.unwrap();
    let nobody = MeterId(uuid::Uuid::nil());

    let product = catalog.create_product(at(3), &ai_credits("ai", &[meter.id])).await.unwrap();
    let missing = problem(catalog.create_product(at(4), &ai_credits("b", &[meter.id, nobody])).await);
    assert_eq!(missing.kind, ProblemKind::NotFound { id: nobody.to_string() });
    assert_eq!(missing.path, ["consumption", "1", "meterId"]);
    let rules = Patch::Set(ai_credits("ai", &[gone.id]).consumption);
    let changes = CreditProductChanges { consumption: rules, ..CreditProductChanges::default() };
    let refused = catalog.update_product(at(5), product.id, &changes).await;
    assert_eq!(state(refused), ("ARCHIVED", "consumption.0.meterId".into()));
    let unchanged = store::find_product(&mut catalog.conn().await, product.id).await.unwrap();
    assert_eq!(unchanged, Some(product));
});

both!(a_key_names_one_product_for_ever, async |db| {
    let catalog = Catalog::of(db);
    let made = catalog.create_product(at(1), &ai_credits("ai", &[])).await.unwrap();
    catalog.archive_product(at(2), made.id).await.unwrap();
    let taken = problem(catalog.create_product(at(3), &ai_credits("ai", &[])).await);
    assert_eq!(taken.kind, ProblemKind::Exists { existing: made.id.to_string() });
});

both!(a_product_with_open_balances_is_not_archived, async |db| {
    let catalog = Catalog::of(db);
    let made = catalog.create_product(at(1), &ai_credits("ai", &[])).await.unwrap();
    let refused = db.write(async |txn| service::archive_product(txn, at(2), made.id, true).await).await;
    assert_eq!(state(refused), ("IN_USE", "id".into()));
    let archived = catalog.archive_product(at(3), made.id).await.unwrap();
    let expected = CreditProduct { archived_at: Some(at(3)), updated_at: at(3), ..made.clone() };
    assert_eq!(archived, Product::Credit(Arc::new(expected)));
    let again = db.write(async |txn| service::archive_product(txn, at(4), made.id, true).await).await;
    assert_eq!(again.unwrap(), archived);
});

both!(products_are_listed_by_key_and_kind, async |db| {
    let catalog = Catalog::of(db);
    for (second, key) in (1..).zip(["c", "a", "b"]) {
        catalog.create_product(at(second), &ai_credits(key, &[])).await.unwrap();
    }
    let mut conn = catalog.conn().await;
    let mut listed = async |kinds| {
        let list = ListProducts { page: PageRequest::first(2), include_archived: false, kinds };
        let page = store::list_products(&mut conn, &list).await.unwrap();
        (page.items.into_iter().map(|product| product.key().to_owned()).collect::<Vec<_>>(), page.has_next)
    };
    assert_eq!(listed(None).await, (vec!["a".into(), "b".into()], true));
    assert_eq!(listed(Some(vec![ProductKind::Seat, ProductKind::Credit])).await.0, ["a", "b"]);
    assert_eq!(listed(Some(vec![ProductKind::Seat])).await, (vec![], false));
});

// --- Purchase options --------------------------------------------------------------------------------------------------

both!(options_are_listed_by_product_and_position, async |db| {
    let catalog = Catalog::of(db);
    let product = catalog.create_product(at(1), &ai_credits("ai", &[])).await.unwrap().id;
    let mut made = Vec::new();
    for (second, position) in (2..).zip([5, -1, 5]) {
        let new = pack(product, position);
        let option =
            db.write(async |txn| service::create_purchase_option(txn, (&catalog.ids, at(second)), &new, None).await);
        made.push(option.await.unwrap());
    }
    let changes = PurchaseOptionChanges {
        name: Patch::Set("Big pack".into()),
        show_in_portal: Patch::Set(false),
        position: Patch::Set(7),
        per_customer: Patch::Set(3),
    };
    let id = made[0].id;
    let after = db.write(async |txn| service::update_purchase_option(txn, id, &changes).await).await.unwrap();
    let archived = db.write(async |txn| service::archive_purchase_option(txn, at(9), made[1].id).await).await.unwrap();
    let again = db.write(async |txn| service::archive_purchase_option(txn, at(10), made[1].id).await).await.unwrap();
    assert_eq!(again, archived);

    let mut conn = catalog.conn().await;
    let listed = store::list_options(&mut conn, &[product]).await.unwrap();
    assert_eq!(listed, [archived, made[2].clone(), after]);
    assert_eq!(listed[1].price.amount(), "25.50");
    let found = store::find_option(&mut conn, made[2].id).await.unwrap();
    assert_eq!(found.as_ref(), Some(&made[2]));
});

both!(purchase_option_is_made_once_per_idempotency_key, async |db| {
    let catalog = Catalog::of(db);
    let product = catalog.create_product(at(1), &ai_credits("ai", &[])).await.unwrap().id;
    let make = async |new: &NewPurchaseOption| {
        let key = Key::of_creation(Some("k1"), "createPurchaseOption", new.fields()).unwrap();
        db.write(async |txn| service::create_purchase_option(txn, (&catalog.ids, at(5)), new, key.as_ref()).await).await
    };
    let first = make(&pack(product, 0)).await.unwrap();
    assert_eq!(make(&pack(product, 0)).await.unwrap(), first);
    let other = NewPurchaseOption { credits: decimal("7"), ..pack(product, 0) };
    assert_eq!(problem(make(&other).await).kind, ProblemKind::KeyConflict { key: "k1".into() });
});

both!(an_archived_product_gets_no_more_options, async |db| {
    let catalog = Catalog::of(db);
    let product = catalog.create_product(at(1), &ai_credits("ai", &[])).await.unwrap().id;
    catalog.archive_product(at(2), product).await.unwrap();
    let create = async |product| {
        let new = pack(product, 0);
        db.write(async |txn| service::create_purchase_option(txn, (&catalog.ids, at(3)), &new, None).await).await
    };
    assert_eq!(state(create(product).await), ("ARCHIVED", "productId".into()));
    assert_eq!(problem(create(ProductId(uuid::Uuid::nil())).await).path, ["productId"]);
    let nothing = PurchaseOptionId(uuid::Uuid::nil());
    let missing = db.write(async |txn| service::archive_purchase_option(txn, at(4), nothing).await).await;
    assert_eq!(problem(missing).kind, ProblemKind::NotFound { id: nothing.to_string() });
});

// --- The copy in memory ------------------------------------------------------------------------------------------------

both!(every_write_moves_the_version_and_no_refusal_does, async |db| {
    let catalog = Catalog::of(db);
    let before = catalog.snapshot().await.version;
    let meter = catalog.create_meter(at(1), &tokens("tokens")).await.unwrap().id;
    catalog.create_meter(at(2), &tokens("tokens")).await.unwrap_err();
    let product = catalog.create_product(at(3), &ai_credits("ai", &[meter])).await.unwrap().id;
    let snapshot = catalog.snapshot().await;
    assert_eq!(snapshot.version, before + 2);
    assert_eq!(store::catalog_version(&mut catalog.conn().await).await.unwrap(), snapshot.version);
    assert_eq!(db.write(async |txn| store::pin_catalog(txn).await).await.unwrap(), snapshot.version);

    let rules = snapshot.rules_for("llm.call");
    assert_eq!((rules.len(), rules[0].product.id, rules[0].rules[0].meter.id), (1, product, meter));
    let text = rules[0].rules[0].rule.credits_per_unit.text();
    assert_eq!(text, "0.000000000001");
});

both!(the_copy_takes_the_same_few_statements_however_large_the_catalog, async |db| {
    let catalog = Catalog::of(db);
    let mut taken = Vec::new();
    for (second, key) in (1..).zip(["a", "b", "c"]) {
        let meter = catalog.create_meter(at(second), &tokens(key)).await.unwrap().id;
        catalog.create_product(at(second), &ai_credits(key, &[meter])).await.unwrap();
        let before = db.statements();
        catalog.snapshot().await;
        taken.push(db.statements() - before);
    }
    assert_eq!(taken, [9, 9, 9]);
});

both!(of_many_who_take_a_key_at_once_one_gets_it, async |db| {
    let catalog = Catalog::of(db);
    let new = tokens("tokens");
    let attempts = futures_util::future::join_all((0..8).map(|second| catalog.create_meter(at(second), &new))).await;
    let (made, refused): (Vec<_>, Vec<_>) = attempts.into_iter().partition(Result::is_ok);
    let existing = made[0].as_ref().unwrap().id.to_string();
    assert_eq!(made.len(), 1);
    for result in refused {
        assert_eq!(problem(result).kind, ProblemKind::Exists { existing: existing.clone() });
    }
});
