//! Demo data for a first look: an AI platform that sells credits, thirty days of its customers' usage, and a trickle of
//! usage from now on.
//!
//! History is made by the program itself, on a clock that is moved by hand, so that the books are books like any others.
//! Every step is harmless when it is done again, by keys, event ids and names: what was interrupted is gone through once
//! more. One customer is the mark of how far it came.

mod catalog;
mod purchases;
mod subscriptions;
mod work;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use crate::app::{App, Settings};
use crate::base::clock::Clock;
use crate::base::credits::Credits;
use crate::base::decimal::Decimal;
use crate::base::given::Given;
use crate::base::idempotency::{Key, Scope};
use crate::base::ids::{BalanceId, CustomerId, ProductId};
use crate::base::json::CanonicalJson;
use crate::base::money::Currency;
use crate::base::patch::Patch;
use crate::base::problem::Problem;
use crate::base::settings::{Overdraft, Overrides};
use crate::base::time::{DAY, HOUR, SECOND, Time};
use crate::catalog::store::catalog_version;
use crate::customers::input::{CustomerChanges, NewCustomer};
use crate::customers::service::{create_customer, update_customer};
use crate::customers::store::{find_by_external_ids, resolve};
use crate::db::Failure;
use crate::intake::{Action, IncomingEvent, NewBalance, Order, Provenance, TopUp, Whose};
use crate::ledger::entry::Origin;
use crate::ledger::store::{find_balances, list_open_balances};
use crate::metering::event::Mode;
use crate::worker;

/// Decides what the customers do: the same each time.
pub const SEED: u64 = 20_261;
/// The catalog's version in a database that nobody has written to.
const UNTOUCHED: i64 = 1;
/// How long the history is.
const DAYS: i64 = 30;
const PRODUCT: &str = "ai_credits";
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Story {
    /// It uses what it has, and no more since the demo began.
    Plain,
    /// It may go below zero, without limit.
    Overdraft,
    /// Credits that are about to end, and some that are yet to begin.
    Expiring,
    /// It goes on using credits, and is given more whenever little is left.
    TopsUp,
    /// It goes on using credits, and its balance buys more by itself.
    BuysByItself,
}

const PERSONAS: [Persona; 11] = [
    Persona { id: "acme", name: "Acme Corporation", starting: 2_000, events_a_day: 6, story: Story::TopsUp },
    Persona { id: "globex", name: "Globex Labs", starting: 5_000, events_a_day: 4, story: Story::TopsUp },
    Persona { id: "initech", name: "Initech", starting: 300, events_a_day: 3, story: Story::Plain },
    Persona { id: "umbrella", name: "Umbrella Research", starting: 250, events_a_day: 4, story: Story::Overdraft },
    Persona { id: "hooli", name: "Hooli", starting: 20_000, events_a_day: 8, story: Story::TopsUp },
    Persona { id: "stark", name: "Stark Studios", starting: 1_000, events_a_day: 2, story: Story::Expiring },
    Persona { id: "wayne", name: "Wayne Media", starting: 800, events_a_day: 2, story: Story::Expiring },
    Persona { id: "tyrell", name: "Tyrell Translation", starting: 400, events_a_day: 3, story: Story::BuysByItself },
    Persona { id: "soylent", name: "Soylent Recipes", starting: 100, events_a_day: 1, story: Story::Plain },
    Persona { id: "vandelay", name: "Vandelay Imports", starting: 1_500, events_a_day: 2, story: Story::Plain },
    Persona { id: "wonka", name: "Wonka Sweets", starting: 560, events_a_day: 1, story: Story::Plain },
];
/// The twelfth customer: it has no balance yet. It is made first, and its metadata say when all is there.
const MARK: (&str, &str) = ("hudsucker", "Hudsucker Industries");
/// What the mark's metadata say of the demo.
const BEING_MADE: &str = "being made";
const COMPLETE: &str = "complete";

/// The demo's customers and their balances.
pub struct Demo {
    made: Vec<(&'static Persona, BalanceId)>,
    random: StdRng,
}

/// Makes the demo data where the database is empty, or goes on with what was interrupted; `None` where the database holds
/// other data. `seed` decides what happens.
///
/// # Errors
/// Those of the services that it uses.
pub async fn prepare(app: &App, seed: u64) -> Result<Option<Demo>, Failure> {
    let mut random = StdRng::seed_from_u64(seed);
    let found = find_by_external_ids(&mut app.db.read().await?, &[MARK.0]).await?.remove(MARK.0);
    let said = found.as_ref().map(|customer| customer.metadata.as_str());
    if said == Some(&mark(BEING_MADE).to_string()) {
        fill(app, &mut random).await?;
    } else if said != Some(&mark(COMPLETE).to_string()) {
        if found.is_some() || catalog_version(&mut app.db.read().await?).await? != UNTOUCHED {
            return Ok(None);
        }
        fill(app, &mut random).await?;
    }
    let made = find(app).await?;
    Ok(Some(Demo { made, random }))
}

impl Demo {
    /// A trickle of usage, for ever.
    ///
    /// # Errors
    /// Those of the services that it uses.
    pub async fn play(mut self, app: &App) -> Result<(), Failure> {
        loop {
            let pause = self.random.random_range(400..1_200);
            tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
            self.go_on(app).await?;
        }
    }

    /// One event of somebody who gets more when little is left; half of them are of the customer that the playground watches.
    ///
    /// # Errors
    /// Those of the services that it uses.
    pub async fn go_on(&mut self, app: &App) -> Result<(), Failure> {
        let goes_on = |persona: &Persona| matches!(persona.story, Story::TopsUp | Story::BuysByItself);
        let users: Vec<&(&Persona, BalanceId)> = self.made.iter().filter(|(persona, _)| goes_on(persona)).collect();
        let place = if self.random.random_range(0..2) == 0 { 0 } else { self.random.random_range(0..users.len()) };
        let Some((persona, balance)) = users.get(place) else { return Ok(()) };
        let id = app.ids.uuid(app.clock.now()).simple().to_string();
        let event = event(persona.id, format!("live-{id}"), None, &mut self.random);
        app.intake.ingest(vec![event], Mode::Record).await?;
        get_more(app, persona, *balance, &id).await
    }
}

fn mark(state: &str) -> serde_json::Value {
    json!({"demo": state})
}

/// The customers of the demo that have an open balance.
async fn find(app: &App) -> Result<Vec<(&'static Persona, BalanceId)>, Failure> {
    let mut conn = app.db.read().await?;
    let names: Vec<&str> = PERSONAS.iter().map(|persona| persona.id).collect();
    let customers = resolve(&mut conn, &names).await?;
    let ids: Vec<CustomerId> = customers.values().copied().collect();
    let open = list_open_balances(&mut conn, &ids).await?;
    let made = PERSONAS.iter().filter_map(|persona| {
        let customer = customers.get(persona.id)?;
        let balance = open.iter().map(|balance| balance.account.id).find(|id| id.customer == *customer)?;
        Some((persona, balance))
    });
    Ok(made.collect())
}

/// Makes the catalog, the customers and their history.
async fn fill(app: &App, random: &mut StdRng) -> Result<(), Failure> {
    let now = app.clock.now();
    let begin = now.plus_micros(-DAYS.saturating_mul(DAY)).unwrap_or(now);
    let clock = Clock::at(begin);
    // What was bought in the past was paid by hand.
    let settings = Settings { stripe: None, ..app.settings.clone() };
    let past = App::new(app.db.clone(), (clock.clone(), app.ids.clone()), "demo", settings);
    let marked = make_customer(&past, MARK, Some(mark(BEING_MADE))).await?;
    let product = app.db.write(async |txn| catalog::make_catalog(txn, &app.ids, begin).await).await?;
    for persona in &PERSONAS {
        open_account(&past, product, persona).await?;
    }
    subscriptions::subscribe(&past, begin).await?;
    let made = find(&past).await?;
    for day in 0..DAYS {
        for hour in [8_i64, 11, 14, 17, 20] {
            let moved = day.saturating_mul(DAY).saturating_add(hour.saturating_mul(HOUR));
            let Some(at) = begin.plus_micros(moved) else { continue };
            clock.set(at);
            let number = day.saturating_mul(24).saturating_add(hour);
            let events = PERSONAS.iter().flat_map(|persona| usage(persona, number, at, random)).collect();
            past.intake.ingest(events, Mode::Record).await?;
            for (persona, balance) in &made {
                get_more(&past, persona, *balance, &number.to_string()).await?;
            }
        }
        while worker::post_due(&past).await? > 0 {}
    }
    subscriptions::plan_ahead(&past).await?;
    work::work(&past).await?;
    purchases::buy(&past).await?;
    past.intake.drain().await;
    let complete = CustomerChanges { metadata: Patch::Set(mark(COMPLETE)), ..CustomerChanges::default() };
    app.db.write(async |txn| update_customer(txn, now, marked, &complete).await).await?;
    Ok(())
}

/// What is used in a few hours.
fn usage(persona: &Persona, number: i64, at: Time, random: &mut StdRng) -> Vec<IncomingEvent> {
    // Five times a day, and on average as many as it has in a day.
    let count = random.random_range(0..=persona.events_a_day.saturating_mul(2).saturating_add(4)) / 5;
    (0..count)
        .map(|place| {
            let back = random.random_range(0..3 * HOUR);
            let id = format!("{}-{number}-{place}", persona.id);
            event(persona.id, id, at.plus_micros(-back), random)
        })
        .collect()
}

/// One event of a customer: tokens of some model, or now and then an image. What comes live is small, since it comes often.
fn event(customer: &str, id: String, timestamp: Option<Time>, random: &mut StdRng) -> IncomingEvent {
    let whose = Whose::ExternalId(customer.to_owned());
    let (images, most) = if timestamp.is_some() { (8, 6_000) } else { (20, 800) };
    if random.random_range(0..images) == 0 {
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
    let tokens: u32 = random.random_range(200..most);
    let properties = Some(json!({"model": model, "tokens": tokens}));
    IncomingEvent { id, whose, event_type: "llm.tokens".into(), timestamp, properties }
}

/// Who gets more gets it when little is left, or pays for what its balance has bought.
async fn get_more(app: &App, persona: &Persona, balance: BalanceId, key: &str) -> Result<(), Failure> {
    match persona.story {
        Story::Plain | Story::Overdraft | Story::Expiring => return Ok(()),
        Story::BuysByItself => return purchases::pay(app, balance).await,
        Story::TopsUp => {}
    }
    let found = find_balances(&mut app.db.read().await?, &[balance]).await?.pop();
    if found.is_none_or(|balance| balance.account.settled >= credits(75)) {
        return Ok(());
    }
    let more = TopUp { credits: credits(500), priority: 500, effective_at: None, expires_at: None };
    top_up(app, balance, (&format!("demo-{}-{key}", persona.id), "Transferred by bank"), more).await
}

async fn top_up(app: &App, balance: BalanceId, (key, reason): (&str, &str), top_up: TopUp) -> Result<(), Failure> {
    let given = Provenance {
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

fn decimal(text: &str) -> Result<Given<Decimal>, Failure> {
    Decimal::new(text).map(Given::from).map_err(|error| Problem::invalid(&[], error.to_string()).into())
}

fn euro() -> Result<Given<Currency>, Failure> {
    Currency::parse("EUR").map(Given::from).ok_or_else(|| Problem::invalid(&[], "There is no euro.").into())
}

/// A customer, which may be there already.
async fn make_customer(
    app: &App,
    (id, name): (&str, &str),
    metadata: Option<serde_json::Value>,
) -> Result<CustomerId, Failure> {
    if let Some(made) = resolve(&mut app.db.read().await?, &[id]).await?.get(id) {
        return Ok(*made);
    }
    let new = NewCustomer {
        external_id: Some(id.into()),
        name: name.into(),
        email: Some(format!("billing@{id}.example")),
        currency: Some(euro()?),
        metadata,
    };
    let now = app.clock.now();
    Ok(app.db.write(async |txn| create_customer(txn, (&app.ids, now), &new, None).await).await?.id)
}

/// The id of a customer that is there.
async fn customer_id(app: &App, id: &str) -> Result<CustomerId, Failure> {
    let found = resolve(&mut app.db.read().await?, &[id]).await?.remove(id);
    Ok(found.ok_or_else(|| Problem::not_found(&["externalId"], "customer", id))?)
}

/// A customer, its balance and the lots that its story needs.
async fn open_account(app: &App, product: ProductId, persona: &Persona) -> Result<(), Failure> {
    let now = app.clock.now();
    let customer = make_customer(app, (persona.id, persona.name), None).await?;
    let open = list_open_balances(&mut app.db.read().await?, &[customer]).await?.pop();
    let balance = if let Some(open) = open {
        open.account.id
    } else {
        let overdraft = (persona.story == Story::Overdraft).then_some(Overdraft::Allow { limit: None });
        let own = Overrides { overdraft, ..Overrides::default() };
        let order = Order::Open(NewBalance { customer, product, own, starting: credits(persona.starting) });
        app.intake.order(order).await?.balance.account.id
    };
    if persona.story == Story::BuysByItself {
        purchases::buy_by_itself(app, balance).await?;
    }
    if persona.story == Story::Expiring {
        let in_days = |days: i64, seconds: i64| {
            now.plus_micros(days.saturating_mul(DAY).saturating_add(seconds.saturating_mul(SECOND)))
        };
        let promotion = TopUp {
            credits: credits(200),
            priority: 900,
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
