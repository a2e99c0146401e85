//! PostgreSQL: each transaction is one prepared statement that writes all its rows.

use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use scrip::base::ids::CustomerId;
use scrip::base::time::Time;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, NoTls, Statement};
use uuid::Uuid;

use super::rows::{self, World};
use crate::Failure;
use crate::figure::Figure;
use crate::load::Draw;
use crate::measure::{self, Sample, Span, Worker};

/// Connections over which the customers are spread.
const SPREAD: [usize; 1] = [32];
/// On one balance all wait for the same row, and it depends on the disk whether one connection is quicker, or many that
/// wait together: both are tried, and the quicker counts.
const HOT: [usize; 2] = [1, 32];

const CATALOG: &str = "WITH meter AS ( \
        INSERT INTO meters (id, key, name, event_type, property, filter, created_at, updated_at) \
        VALUES ($1, 'nova-pro-tokens', 'Tokens', 'llm.tokens', 'tokens', $3, $4, $4) \
    ), product AS ( \
        INSERT INTO products (id, key, kind, name, metadata, created_at, updated_at) \
        VALUES ($2, 'credits', 0, 'Credits', '{}', $4, $4) \
    ), credit_product AS ( \
        INSERT INTO credit_products (product_id, unit_name, overdraft_allowed) VALUES ($2, 'credit', false) \
    ) INSERT INTO consumption_rules (product_id, position, meter_id, credits_per_unit) VALUES ($2, 0, $1, '0.004')";

const CUSTOMERS: &str = "WITH customer AS ( \
        INSERT INTO customers \
            (id, external_id, name, metadata, name_folded, external_id_folded, last_balance, created_at, updated_at) \
        SELECT id, 'c' || n, 'Customer ' || n, '{}', 'customer ' || n, 'c' || n, 1, $2, $2 \
        FROM (SELECT id, place - 1 FROM unnest($1::uuid[]) WITH ORDINALITY AS given (id, place)) AS new (id, n) \
        RETURNING id, external_id \
    ) INSERT INTO customer_external_ids (external_id, customer_id) SELECT external_id, id FROM customer";

const BALANCES: &str = "WITH balance AS ( \
        INSERT INTO balances (customer_id, number, product_id, revision, sequence, settled, held, debt, state, lots, \
            holds, hash, recorded_at, next_change_at, created_at, updated_at) \
        SELECT id, 1, $2, 1, 1, $3, 0, 0, 0, '[' || $4 || ']', '[]', $5, $6, 'infinity', $6, $6 \
        FROM unnest($1::uuid[]) AS new (id) RETURNING customer_id \
    ), lot AS ( \
        INSERT INTO lots (customer_id, balance, sequence, source, credits, priority, effective_at, expires_at, paid, \
            created_at) \
        SELECT customer_id, 1, 1, 0, $3, 500, $6, 'infinity', false, $6 FROM balance \
    ) INSERT INTO entries (customer_id, balance, sequence, kind, credits, held_change, uncovered, available_after, \
        settled_after, held_after, state_after, allocations, origin, lot, terms, occurred_at, recorded_at, hash) \
    SELECT customer_id, 1, 1, 0, $3, 0, 0, $3, $3, 0, 0, $7, 0, 1, $8, $6, $6, $5 FROM balance";

/// The row's lock puts writers of one balance in order, as a condition on the revision would, but nobody tries in vain.
const EVENT: &str = "WITH balance AS ( \
        UPDATE balances SET revision = revision + 1, sequence = sequence + 1, settled = settled - $2, lots = $3, \
            hash = $4, recorded_at = $5 \
        WHERE customer_id = $1 AND number = 1 RETURNING sequence, settled \
    ), entry AS ( \
        INSERT INTO entries (customer_id, balance, sequence, kind, credits, held_change, uncovered, available_after, \
            settled_after, held_after, state_after, allocations, rating, origin, event, occurred_at, recorded_at, hash) \
        SELECT $1, 1, sequence, 6, -$2, 0, 0, settled, settled, 0, 0, $6, $7, 2, $8, $5, $5, $4 FROM balance \
    ) INSERT INTO events (customer_id, key, event_id, event_type, occurred_at, received_at, properties, outcomes, \
        entries, content_hash) \
    SELECT $1, $8, $9, 'llm.tokens', $5, $5, $10, $11, '[[1,' || sequence || ']]', $12 FROM balance";

const TOP_UP: &str = "WITH balance AS ( \
        UPDATE balances SET revision = revision + 1, sequence = sequence + 1, settled = settled + $2, \
            lots = left(lots, -1) || ',[' || (sequence + 1) || ',1,' || $3 || ']', hash = $4, recorded_at = $5 \
        WHERE customer_id = $1 AND number = 1 RETURNING sequence, settled \
    ), entry AS ( \
        INSERT INTO entries (customer_id, balance, sequence, kind, credits, held_change, uncovered, available_after, \
            settled_after, held_after, state_after, allocations, origin, lot, terms, idempotency_key, occurred_at, \
            recorded_at, hash) \
        SELECT $1, 1, sequence, 1, $2, 0, 0, settled, settled, 0, 0, $6, 0, sequence, $7, $8, $5, $5, $4 FROM balance \
    ), lot AS ( \
        INSERT INTO lots (customer_id, balance, sequence, source, credits, priority, effective_at, expires_at, paid, \
            created_at) \
        SELECT $1, 1, sequence, 1, $2, 500, $5, 'infinity', false, $5 FROM balance \
    ) INSERT INTO idempotency_keys (customer_id, scope, key, input_hash, balance, sequence, created_at) \
    SELECT $1, 0, $8, $9, 1, sequence, $5 FROM balance";

/// A database with the customers in it.
pub(crate) struct Bare {
    url: String,
    world: World,
}

impl Bare {
    pub(super) async fn fill(url: String) -> Result<Self, Failure> {
        let world = World::new();
        let client = connect(&url).await?;
        let made_at = time(world.made_at);
        client.execute(CATALOG, &[&Id(world.meter.0), &Id(world.product.0), &rows::NO_FILTER, &made_at]).await?;
        let customers: Vec<Id> = world.customers.iter().map(|customer| Id(customer.0)).collect();
        client.execute(CUSTOMERS, &[&customers, &made_at]).await?;
        client
            .execute(
                BALANCES,
                &[
                    &customers,
                    &Id(world.product.0),
                    &rows::START,
                    &world.first_lot(rows::START),
                    &rows::hash(rows::HASH),
                    &made_at,
                    &rows::allocations(1, rows::START, rows::START),
                    &rows::terms(rows::START, world.made_at),
                ],
            )
            .await?;
        Ok(Self { url, world })
    }

    pub(super) async fn run(&self, figure: Figure, span: Span) -> Result<Sample, Failure> {
        let (text, tries) = match figure {
            Figure::EventsSpread => (EVENT, &SPREAD[..]),
            Figure::EventsHot => (EVENT, &HOT[..]),
            Figure::TopUps => (TOP_UP, &SPREAD[..]),
        };
        let mut samples = Vec::with_capacity(tries.len());
        for connections in tries {
            let mut writers = Vec::with_capacity(*connections);
            for _ in 0..*connections {
                let client = connect(&self.url).await?;
                let statement = client.prepare(text).await?;
                writers.push(Writer { world: &self.world, figure, client, statement, draw: Draw::new(figure) });
            }
            samples.push(measure::run(span, writers).await?);
        }
        let best = samples.into_iter().max_by_key(|sample| sample.per_second);
        best.ok_or_else(|| "nothing was tried".into())
    }
}

/// A connection.
struct Writer<'a> {
    world: &'a World,
    figure: Figure,
    client: Client,
    statement: Statement,
    draw: Draw,
}

impl Worker for Writer<'_> {
    const EACH: u64 = 1;

    async fn step(&mut self) -> Result<(), Failure> {
        let customer = self.world.customers.get(self.draw.customer()).ok_or("there are no customers")?;
        let written = match self.figure {
            Figure::EventsSpread | Figure::EventsHot => self.event(*customer).await?,
            Figure::TopUps => self.top_up(*customer).await?,
        };
        if written == 1 { Ok(()) } else { Err("a transaction wrote nothing".into()) }
    }
}

impl Writer<'_> {
    async fn event(&self, customer: CustomerId) -> Result<u64, Failure> {
        let World { clock, properties, outcomes, rating, .. } = self.world;
        let (id, key) = rows::event_id();
        // What is left of the lot is only about right, as long as it is: nothing is read back here.
        let remaining = rows::START - rows::BURNED;
        let lots = format!("[{}]", self.world.first_lot(remaining));
        let allocations = rows::allocations(1, -rows::BURNED, remaining);
        let parameters: &[&(dyn ToSql + Sync)] = &[
            &Id(customer.0),
            &rows::BURNED,
            &lots,
            &rows::hash(rows::HASH),
            &time(clock.now()),
            &allocations,
            rating,
            &key,
            &id,
            properties,
            outcomes,
            &rows::hash(rows::SHORT_HASH),
        ];
        Ok(self.client.execute(&self.statement, parameters).await?)
    }

    async fn top_up(&self, customer: CustomerId) -> Result<u64, Failure> {
        let now = self.world.clock.now();
        let parameters: &[&(dyn ToSql + Sync)] = &[
            &Id(customer.0),
            &rows::TOP_UP,
            &rows::lot_behind_source((rows::TOP_UP, now, rows::TOP_UP)),
            &rows::hash(rows::HASH),
            &time(now),
            &rows::allocations(2, rows::TOP_UP, rows::TOP_UP),
            &rows::terms(rows::TOP_UP, now),
            &rows::idempotency_key(),
            &rows::hash(rows::SHORT_HASH),
        ];
        Ok(self.client.execute(&self.statement, parameters).await?)
    }
}

async fn connect(url: &str) -> Result<Client, Failure> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    // It ends with the client; an error reaches whoever waits for an answer.
    tokio::spawn(connection);
    Ok(client)
}

fn time(time: Time) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(time.micros().unsigned_abs())
}

/// A `uuid`.
#[derive(Debug)]
struct Id(Uuid);

impl ToSql for Id {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::UUID
    }

    to_sql_checked!();
}
