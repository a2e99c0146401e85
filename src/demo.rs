//! Demo data for a first look: an AI platform that sells credits, thirty days of its customers' usage, and a trickle of
//! usage from now on.
//!
//! History is made by the program itself, on a clock that is moved by hand, so that the books are books like any others.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use crate::app::App;
use crate::base::clock::Clock;
use crate::base::credits::Credits;
use crate::base::decimal::Decimal;
use crate::base::ids::{BalanceId, CustomerId, MeterId, ProductId};
use crate::base::json::CanonicalJson;
use crate::base::money::Currency;
use crate::base::settings::{Overdraft, Overrides};
use crate::base::time::{DAY, HOUR, SECOND, Time};
use crate::catalog::input::{
    AggregationKind, ExpirationPolicy, GivenExpiration, GivenRule, NewCreditProduct, NewMeter, NewPurchaseOption,
};
use crate::catalog::model::{EventFilter, FilterOperator, PropertyFilter};
use crate::catalog::product_rules::DEFAULT_UNIT;
use crate::catalog::service as catalog;
use crate::catalog::store::catalog_version;
use crate::customers::input::NewCustomer;
use crate::customers::service::create_customer;
use crate::customers::store::resolve;
use crate::db::Failure;
use crate::intake::{Action, Given, IncomingEvent, Key, NewBalance, Order, Scope, TopUp, Whose};
use crate::ledger::entry::Origin;
use crate::ledger::store::{find_balances, list_open_balances};
use crate::metering::event::Mode;

/// The catalog's version in a database that nobody has written to.
const UNTOUCHED: i64 = 1;
const DAYS: i64 = 30;
/// Model, credits for each token, how often it is used.
const MODELS: [(&str, &str, u32); 3] =
    [("nova-fast", "0.001", 6), ("nova-pro", "0.004", 3), ("nova-ultra", "0.015", 1)];

/// A customer of the demo: how much it starts with, how much it uses in a day, and what is special about it.
struct Persona {
    id: &'static str,
    name: &'static str,
    starting: i64,
    events_a_day: i64,
    story: Story,
}

#[derive(PartialEq, Eq)]
enum Story {
    Plain,
    /// It may go below zero, without limit.
    Overdraft,
    /// Credits that are about to end, and some that are yet to begin.
    Expiring,
    /// It buys more whenever little is left.
    TopsUp,
    /// It has no balance yet.
    New,
}

const PERSONAS: [Persona; 12] = [
    Persona { id: "acme", name: "Acme Corporation", starting: 2_000, events_a_day: 6, story: Story::TopsUp },
    Persona { id: "globex", name: "Globex Labs", starting: 5_000, events_a_day: 4, story: Story::Plain },
    Persona { id: "initech", name: "Initech", starting: 300, events_a_day: 3, story: Story::Plain },
    Persona { id: "umbrella", name: "Umbrella Research", starting: 250, events_a_day: 4, story: Story::Overdraft },
    Persona { id: "hooli", name: "Hooli", starting: 20_000, events_a_day: 8, story: Story::Plain },
    Persona { id: "stark", name: "Stark Studios", starting: 1_000, events_a_day: 2, story: Story::Expiring },
    Persona { id: "wayne", name: "Wayne Media", starting: 800, events_a_day: 2, story: Story::Expiring },
    Persona { id: "tyrell", name: "Tyrell Translation", starting: 400, events_a_day: 3, story: Story::TopsUp },
    Persona { id: "soylent", name: "Soylent Recipes", starting: 100, events_a_day: 1, story: Story::Plain },
    Persona { id: "vandelay", name: "Vandelay Imports", starting: 60, events_a_day: 1, story: Story::Plain },
    Persona { id: "wonka", name: "Wonka Sweets", starting: 1_500, events_a_day: 1, story: Story::Plain },
    Persona { id: "hudsucker", name: "Hudsucker Industries", starting: 0, events_a_day: 0, story: Story::New },
];

/// One customer of the demo, and its balance.
struct Made {
    persona: &'static Persona,
    balance: Option<BalanceId>,
}

/// Makes the demo data where the database is empty; where it is there, a trickle of usage goes on for ever. `seed`
/// decides what happens.
///
/// # Errors
/// Those of the services that it uses.
pub async fn play(app: App, seed: u64) -> Result<(), Failure> {
    let mut random = StdRng::seed_from_u64(seed);
    let version = catalog_version(&mut app.db.read().await?).await?;
    if version == UNTOUCHED {
        fill(&app, &mut random).await?;
    }
    let made = find(&app).await?;
    if made.is_empty() {
        return Ok(());
    }
    tracing::info!(customers = made.len(), "the demo data is there, and a trickle of usage goes on");
    loop {
        let pause = random.random_range(400..1_200);
        tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
        trickle(&app, &made, &mut random).await?;
    }
}

/// The customers of the demo that are there, with their open balances.
async fn find(app: &App) -> Result<Vec<Made>, Failure> {
    let mut conn = app.db.read().await?;
    let names: Vec<&str> = PERSONAS.iter().map(|persona| persona.id).collect();
    let customers = resolve(&mut conn, &names).await?;
    let ids: Vec<CustomerId> = customers.values().copied().collect();
    let open = list_open_balances(&mut conn, &ids).await?;
    let made = PERSONAS.iter().filter_map(|persona| {
        let customer = customers.get(persona.id)?;
        let balance = open.iter().map(|balance| balance.account.id).find(|id| id.customer == *customer);
        Some(Made { persona, balance })
    });
    Ok(made.collect())
}

/// Makes the catalog, the customers and their history.
async fn fill(app: &App, random: &mut StdRng) -> Result<(), Failure> {
    let now = app.clock.now();
    let begin = now.plus_micros(-DAYS.saturating_mul(DAY)).unwrap_or(now);
    let clock = Clock::at(begin);
    let past = App::new(app.db.clone(), clock.clone(), app.ids.clone(), "demo");
    let product = make_catalog(&past).await?;
    for persona in &PERSONAS {
        make_customer(&past, product, persona).await?;
    }
    let made = find(&past).await?;
    for day in 0..DAYS {
        for hour in [8_i64, 11, 14, 17, 20] {
            let moved = day.saturating_mul(DAY).saturating_add(hour.saturating_mul(HOUR));
            let Some(at) = begin.plus_micros(moved).filter(|at| *at < now) else { continue };
            clock.set(at);
            let number = day.saturating_mul(24).saturating_add(hour);
            let events = PERSONAS.iter().flat_map(|persona| usage(persona, number, at, random)).collect();
            past.intake.ingest(events, Mode::Record).await?;
            top_up_the_thrifty(&past, &made, number).await?;
        }
    }
    past.intake.drain().await;
    Ok(())
}

/// What is used in a few hours.
fn usage(persona: &Persona, number: i64, at: Time, random: &mut StdRng) -> Vec<IncomingEvent> {
    let count = random.random_range(0..=persona.events_a_day.saturating_mul(2)) / 5;
    (0..count)
        .map(|place| {
            let back = random.random_range(0..3 * HOUR);
            let id = format!("{}-{number}-{place}", persona.id);
            event(persona.id, id, at.plus_micros(-back), random)
        })
        .collect()
}

/// One event of a customer: tokens of some model, or now and then an image.
fn event(customer: &str, id: String, timestamp: Option<Time>, random: &mut StdRng) -> IncomingEvent {
    let whose = Whose::ExternalId(customer.to_owned());
    if random.random_range(0..8) == 0 {
        let size = if random.random_range(0..3) == 0 { "2048x2048" } else { "1024x1024" };
        let properties = Some(json!({"size": size}));
        return IncomingEvent { id, whose, event_type: "image.generated".into(), timestamp, properties };
    }
    let mut ticket = random.random_range(0..MODELS.iter().map(|(.., often)| often).sum::<u32>());
    let mut model = MODELS[0].0;
    for (name, _, often) in MODELS {
        if ticket < often {
            model = name;
            break;
        }
        ticket = ticket.saturating_sub(often);
    }
    let tokens: u32 = random.random_range(200..6_000);
    let properties = Some(json!({"model": model, "tokens": tokens}));
    IncomingEvent { id, whose, event_type: "llm.tokens".into(), timestamp, properties }
}

/// Some usage of somebody; most of all of the customer that the playground watches.
async fn trickle(app: &App, made: &[Made], random: &mut StdRng) -> Result<(), Failure> {
    let users: Vec<&Made> = made.iter().filter(|made| made.persona.events_a_day > 0).collect();
    let place = if random.random_range(0..2) == 0 { 0 } else { random.random_range(0..users.len()) };
    let Some(user) = users.get(place) else { return Ok(()) };
    let id = format!("live-{}", app.ids.uuid(app.clock.now()).simple());
    app.intake.ingest(vec![event(user.persona.id, id, None, random)], Mode::Record).await?;
    top_up_the_thrifty(app, made, app.clock.now().micros()).await
}

/// Those who top up do so when little is left.
async fn top_up_the_thrifty(app: &App, made: &[Made], number: i64) -> Result<(), Failure> {
    for made in made.iter().filter(|made| made.persona.story == Story::TopsUp) {
        let Some(balance) = made.balance else { continue };
        let mut conn = app.db.read().await?;
        let found = find_balances(&mut conn, &[balance]).await?.pop();
        drop(conn);
        let left = found.map_or(Credits::ZERO, |balance| balance.account.settled);
        if left < credits(150) {
            let reason = "Bought by card";
            top_up(
                app,
                balance,
                (&format!("demo-{}-{number}", made.persona.id), reason),
                TopUp { credits: credits(500), priority: 500, effective_at: None, expires_at: None },
            )
            .await?;
        }
    }
    Ok(())
}

async fn top_up(app: &App, balance: BalanceId, (key, reason): (&str, &str), top_up: TopUp) -> Result<(), Failure> {
    let given = Given {
        origin: Origin::Api,
        reason: Some(reason.to_owned()),
        metadata: Some(CanonicalJson::empty_object()),
        key: Some(Key::of(Scope::Api, key.to_owned(), "demo")),
    };
    app.intake.order(Order::Move { balance, action: Ok(Action::TopUp(top_up)), given }).await.map(drop)
}

fn credits(whole: i64) -> Credits {
    Credits::from_micros(whole.saturating_mul(1_000_000))
}

fn decimal(text: &str) -> Result<Decimal, Failure> {
    Decimal::new(text).map_err(|error| crate::base::problem::Problem::invalid(&[], error.to_string()).into())
}

/// The meters, the product and its purchase options.
async fn make_catalog(app: &App) -> Result<ProductId, Failure> {
    let (db, ids, now) = (&app.db, &app.ids, app.clock.now());
    let mut consumption = Vec::new();
    for (model, weight, _) in MODELS {
        let key = format!("{}_tokens", model.replace('-', "_"));
        let filter = PropertyFilter { name: "model".into(), operator: FilterOperator::Eq, values: vec![json!(model)] };
        let meter = NewMeter {
            key,
            name: format!("Tokens of {model}"),
            event_type: "llm.tokens".into(),
            aggregation: AggregationKind::Sum,
            property: Some("tokens".into()),
            filter: vec![EventFilter { all: vec![filter] }],
        };
        consumption.push(rule(make_meter(app, &meter).await?, weight)?);
    }
    let images = NewMeter {
        key: "images".into(),
        name: "Images".into(),
        event_type: "image.generated".into(),
        aggregation: AggregationKind::Count,
        property: None,
        filter: Vec::new(),
    };
    consumption.push(rule(make_meter(app, &images).await?, "10")?);
    let product = NewCreditProduct {
        key: "ai_credits".into(),
        name: "AI credits".into(),
        description: Some("One balance for all models and images.".into()),
        unit_name: DEFAULT_UNIT.into(),
        consumption,
        low_balance_threshold: Some(decimal("100")?),
        overdraft: None,
        expiration: Some(GivenExpiration { policy: ExpirationPolicy::AfterDays, days: Some(365) }),
        metadata: None,
    };
    let made = db.write(async |txn| catalog::create_credit_product(txn, ids, now, &product).await).await?;
    let euro = Currency::parse("EUR").ok_or_else(|| crate::base::problem::Problem::invalid(&[], "EUR"))?;
    for (position, (name, amount, price)) in
        [("Starter", "500", "9.00"), ("Team", "2500", "39.00"), ("Studio", "10000", "129.00")].into_iter().enumerate()
    {
        let option = NewPurchaseOption {
            product: made.id,
            name: name.into(),
            credits: decimal(amount)?,
            price: decimal(price)?,
            currency: euro,
            show_in_portal: true,
            position: i32::try_from(position).unwrap_or_default(),
        };
        db.write(async |txn| catalog::create_purchase_option(txn, ids, now, &option).await).await?;
    }
    Ok(made.id)
}

async fn make_meter(app: &App, meter: &NewMeter) -> Result<MeterId, Failure> {
    let (ids, now) = (&app.ids, app.clock.now());
    let made = app.db.write(async |txn| catalog::create_meter(txn, ids, now, meter).await).await?;
    Ok(made.id)
}

fn rule(meter: MeterId, weight: &str) -> Result<GivenRule, Failure> {
    Ok(GivenRule { meter, credits_per_unit: decimal(weight)? })
}

/// A customer, its balance and the lots that its story needs.
async fn make_customer(app: &App, product: ProductId, persona: &Persona) -> Result<(), Failure> {
    let (ids, now) = (&app.ids, app.clock.now());
    let new = NewCustomer {
        external_id: Some(persona.id.into()),
        name: persona.name.into(),
        email: Some(format!("billing@{}.example", persona.id)),
        currency: Currency::parse("EUR"),
        metadata: None,
    };
    let customer = app.db.write(async |txn| create_customer(txn, ids, now, &new).await).await?.id;
    if persona.story == Story::New {
        return Ok(());
    }
    let overdraft = (persona.story == Story::Overdraft).then_some(Overdraft::Allow { limit: None });
    let own = Overrides { overdraft, ..Overrides::default() };
    let order = Order::Open(NewBalance { customer, product, own, starting: credits(persona.starting) });
    let balance = app.intake.order(order).await?.balance.account.id;
    if persona.story == Story::Expiring {
        let in_days = |days: i64, seconds: i64| {
            now.plus_micros(days.saturating_mul(DAY).saturating_add(seconds.saturating_mul(SECOND)))
        };
        let promotion = TopUp {
            credits: credits(200),
            priority: 100,
            effective_at: None,
            // Some minutes after the demo was begun: it can be watched ending.
            expires_at: in_days(DAYS, 180),
        };
        top_up(app, balance, (&format!("demo-{}-promotion", persona.id), "Promotion"), promotion).await?;
        let next = TopUp {
            credits: credits(300),
            priority: 500,
            effective_at: in_days(DAYS.saturating_add(2), 0),
            expires_at: None,
        };
        top_up(app, balance, (&format!("demo-{}-next", persona.id), "Paid ahead"), next).await?;
    }
    Ok(())
}
