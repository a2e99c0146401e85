//! SQLite: each transaction is a few prepared statements on one connection.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use scrip::base::credits::Credits;
use scrip::base::ids::CustomerId;
use scrip::base::time::Time;
use scrip::db::schema::{
    balances, consumption_rules, credit_products, customer_external_ids, customers, entries, events, idempotency_keys,
    lots, meters, products,
};
use scrip::db::types::Deadline;

use super::rows::{self, World};
use crate::Failure;
use crate::figure::Figure;
use crate::load::Draw;
use crate::measure::{Run, Sample, Span};
use crate::setup::EVENT_TYPE;

/// The server's own settings of its writer.
const SETUP: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
    PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 20000; PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY;";

/// A database with the customers in it.
pub(crate) struct Bare {
    conn: SqliteConnection,
    world: World,
    accounts: Vec<Account>,
}

/// What its only writer knows of a balance, so that it need not read it.
struct Account {
    customer: CustomerId,
    /// The newest entry's sequence, and as every write makes one entry, the row's revision.
    sequence: i64,
    settled: i64,
    /// What is left of the first lot.
    remaining: i64,
    /// The other lots as they stand in the row, each with a comma before it.
    more_lots: String,
}

impl Account {
    fn lots(&self, world: &World) -> String {
        format!("[{}{}]", world.first_lot(self.remaining), self.more_lots)
    }
}

impl Bare {
    pub(super) fn fill(path: &Path) -> Result<Self, Failure> {
        let world = World::new();
        let mut conn = SqliteConnection::establish(&path.to_string_lossy())?;
        conn.batch_execute(SETUP)?;
        let accounts: Vec<Account> = world
            .customers
            .iter()
            .map(|customer| Account {
                customer: *customer,
                sequence: 1,
                settled: rows::START,
                remaining: rows::START,
                more_lots: String::new(),
            })
            .collect();
        conn.immediate_transaction(|conn| {
            insert_catalog(conn, &world)?;
            for (number, account) in accounts.iter().enumerate() {
                insert_customer(conn, &world, (number, account.customer))?;
                insert_balance(conn, &world, account)?;
            }
            Ok::<_, DieselError>(())
        })?;
        Ok(Self { conn, world, accounts })
    }

    pub(super) fn run(&mut self, figure: Figure, span: Span) -> Result<Sample, Failure> {
        let mut draw = Draw::new(figure);
        let run = Run::begin(span);
        let mut tally = run.tally();
        while tally.goes_on() {
            let account = self.accounts.get_mut(draw.customer()).ok_or("there are no customers")?;
            let world = &self.world;
            self.conn.immediate_transaction(|conn| match figure {
                Figure::EventsSpread | Figure::EventsHot => event(conn, world, account),
                Figure::TopUps => top_up(conn, world, account),
            })?;
            tally.count();
        }
        Ok(run.end(&[tally], 1))
    }
}

fn event(conn: &mut SqliteConnection, world: &World, account: &mut Account) -> QueryResult<()> {
    let now = world.clock.now();
    let hash = rows::hash(rows::HASH);
    let (id, key) = rows::event_id();
    account.sequence += 1;
    account.settled -= rows::BURNED;
    account.remaining -= rows::BURNED;
    update_balance(conn, (world, account), (now, &hash))?;
    let settled = Credits::from_micros(account.settled);
    diesel::insert_into(entries::table)
        .values((
            entries::customer_id.eq(account.customer),
            entries::balance.eq(1),
            entries::sequence.eq(account.sequence),
            entries::kind.eq(rows::KIND_USAGE),
            entries::credits.eq(-rows::BURNED),
            (entries::held_change.eq(0), entries::uncovered.eq(0)),
            (entries::available_after.eq(settled), entries::settled_after.eq(settled), entries::held_after.eq(0)),
            entries::state_after.eq(0_i16),
            entries::allocations.eq(rows::allocations(1, -rows::BURNED, account.remaining)),
            entries::rating.eq(&world.rating),
            entries::origin.eq(rows::ORIGIN_EVENT),
            entries::event.eq(key),
            (entries::occurred_at.eq(now), entries::recorded_at.eq(now)),
            entries::hash.eq(&hash),
        ))
        .execute(conn)?;
    diesel::insert_into(events::table)
        .values((
            events::customer_id.eq(account.customer),
            events::key.eq(key),
            events::event_id.eq(id),
            events::event_type.eq(EVENT_TYPE),
            (events::occurred_at.eq(now), events::received_at.eq(now)),
            events::properties.eq(&world.properties),
            events::outcomes.eq(&world.outcomes),
            events::entries.eq(format!("[[1,{}]]", account.sequence)),
            events::content_hash.eq(rows::hash(rows::SHORT_HASH)),
        ))
        .execute(conn)?;
    Ok(())
}

fn top_up(conn: &mut SqliteConnection, world: &World, account: &mut Account) -> QueryResult<()> {
    let now = world.clock.now();
    let hash = rows::hash(rows::HASH);
    let key = rows::idempotency_key();
    account.sequence += 1;
    account.settled += rows::TOP_UP;
    account.more_lots.push(',');
    let lot = rows::lot(account.sequence, rows::SOURCE_TOP_UP, (rows::TOP_UP, now, rows::TOP_UP));
    account.more_lots.push_str(&lot);
    update_balance(conn, (world, account), (now, &hash))?;
    insert_granting_entry(conn, account, (rows::KIND_TOP_UP, rows::TOP_UP, now, Some(&key), &hash))?;
    insert_lot(conn, account, (rows::SOURCE_TOP_UP, rows::TOP_UP, now))?;
    diesel::insert_into(idempotency_keys::table)
        .values((
            idempotency_keys::customer_id.eq(account.customer),
            idempotency_keys::scope.eq(0_i16),
            idempotency_keys::key.eq(&key),
            idempotency_keys::input_hash.eq(rows::hash(rows::SHORT_HASH)),
            idempotency_keys::balance.eq(1),
            idempotency_keys::sequence.eq(account.sequence),
            idempotency_keys::created_at.eq(now),
        ))
        .execute(conn)?;
    Ok(())
}

fn update_balance(
    conn: &mut SqliteConnection,
    (world, account): (&World, &Account),
    (now, hash): (Time, &[u8]),
) -> QueryResult<()> {
    let changed = diesel::update(balances::table)
        .filter(balances::customer_id.eq(account.customer))
        .filter(balances::number.eq(1))
        .filter(balances::revision.eq(account.sequence - 1))
        .set((
            balances::revision.eq(account.sequence),
            balances::sequence.eq(account.sequence),
            balances::settled.eq(account.settled),
            balances::lots.eq(account.lots(world)),
            balances::hash.eq(hash),
            balances::recorded_at.eq(now),
        ))
        .execute(conn)?;
    if changed == 1 { Ok(()) } else { Err(DieselError::NotFound) }
}

/// What is noted of an entry that grants credits: its kind, the credits, the time, the caller's key, the hash.
type Grant<'a> = (i16, i64, Time, Option<&'a str>, &'a [u8]);

fn insert_granting_entry(conn: &mut SqliteConnection, account: &Account, grant: Grant<'_>) -> QueryResult<()> {
    let (kind, credits, now, key, hash) = grant;
    let settled = Credits::from_micros(account.settled);
    diesel::insert_into(entries::table)
        .values((
            entries::customer_id.eq(account.customer),
            entries::balance.eq(1),
            entries::sequence.eq(account.sequence),
            entries::kind.eq(kind),
            entries::credits.eq(credits),
            (entries::held_change.eq(0), entries::uncovered.eq(0)),
            (entries::available_after.eq(settled), entries::settled_after.eq(settled), entries::held_after.eq(0)),
            entries::state_after.eq(0_i16),
            entries::allocations.eq(rows::allocations(account.sequence, credits, credits)),
            entries::origin.eq(rows::ORIGIN_API),
            entries::lot.eq(account.sequence),
            entries::terms.eq(rows::terms(credits, now)),
            entries::idempotency_key.eq(key),
            (entries::occurred_at.eq(now), entries::recorded_at.eq(now)),
            entries::hash.eq(&hash),
        ))
        .execute(conn)?;
    Ok(())
}

fn insert_lot(
    conn: &mut SqliteConnection,
    account: &Account,
    (source, credits, now): (i16, i64, Time),
) -> QueryResult<()> {
    diesel::insert_into(lots::table)
        .values((
            lots::customer_id.eq(account.customer),
            lots::balance.eq(1),
            lots::sequence.eq(account.sequence),
            lots::source.eq(source),
            lots::credits.eq(credits),
            lots::priority.eq(rows::PRIORITY),
            lots::effective_at.eq(now),
            lots::expires_at.eq(Deadline::of(None)),
            lots::paid.eq(false),
            lots::created_at.eq(now),
        ))
        .execute(conn)?;
    Ok(())
}

fn insert_catalog(conn: &mut SqliteConnection, world: &World) -> QueryResult<()> {
    let now = world.made_at;
    diesel::insert_into(meters::table)
        .values((
            meters::id.eq(world.meter),
            meters::key.eq("nova-pro-tokens"),
            meters::name.eq("Tokens"),
            meters::event_type.eq(EVENT_TYPE),
            meters::property.eq("tokens"),
            meters::filter.eq(rows::NO_FILTER),
            (meters::created_at.eq(now), meters::updated_at.eq(now)),
        ))
        .execute(conn)?;
    diesel::insert_into(products::table)
        .values((
            products::id.eq(world.product),
            products::key.eq("credits"),
            products::kind.eq(0_i16),
            products::name.eq("Credits"),
            products::metadata.eq(rows::NOTHING),
            (products::created_at.eq(now), products::updated_at.eq(now)),
        ))
        .execute(conn)?;
    diesel::insert_into(credit_products::table)
        .values((
            credit_products::product_id.eq(world.product),
            credit_products::unit_name.eq("credit"),
            credit_products::overdraft_allowed.eq(false),
        ))
        .execute(conn)?;
    diesel::insert_into(consumption_rules::table)
        .values((
            consumption_rules::product_id.eq(world.product),
            consumption_rules::position.eq(0),
            consumption_rules::meter_id.eq(world.meter),
            consumption_rules::credits_per_unit.eq("0.004"),
        ))
        .execute(conn)?;
    Ok(())
}

fn insert_customer(
    conn: &mut SqliteConnection,
    world: &World,
    (number, customer): (usize, CustomerId),
) -> QueryResult<()> {
    let external_id = format!("c{number}");
    diesel::insert_into(customers::table)
        .values((
            customers::id.eq(customer),
            customers::external_id.eq(&external_id),
            customers::name.eq(format!("Customer {number}")),
            customers::metadata.eq(rows::NOTHING),
            customers::last_balance.eq(1),
            (customers::created_at.eq(world.made_at), customers::updated_at.eq(world.made_at)),
        ))
        .execute(conn)?;
    diesel::insert_into(customer_external_ids::table)
        .values((customer_external_ids::external_id.eq(&external_id), customer_external_ids::customer_id.eq(customer)))
        .execute(conn)?;
    Ok(())
}

/// A balance with its first entry and its lot.
fn insert_balance(conn: &mut SqliteConnection, world: &World, account: &Account) -> QueryResult<()> {
    let now = world.made_at;
    let hash = rows::hash(rows::HASH);
    diesel::insert_into(balances::table)
        .values((
            balances::customer_id.eq(account.customer),
            balances::number.eq(1),
            balances::product_id.eq(world.product),
            (balances::revision.eq(account.sequence), balances::sequence.eq(account.sequence)),
            (balances::settled.eq(account.settled), balances::held.eq(0), balances::debt.eq(0)),
            balances::state.eq(0_i16),
            balances::lots.eq(account.lots(world)),
            balances::holds.eq(rows::NO_HOLDS),
            balances::hash.eq(&hash),
            balances::recorded_at.eq(now),
            balances::next_change_at.eq(Deadline::of(None)),
            (balances::created_at.eq(now), balances::updated_at.eq(now)),
        ))
        .execute(conn)?;
    insert_granting_entry(conn, account, (rows::KIND_STARTING_BALANCE, rows::START, now, None, &hash))?;
    insert_lot(conn, account, (rows::SOURCE_STARTING_BALANCE, rows::START, now))
}
