//! The past of a balance on the wire: what was burned over time, and the books at any instant.

use std::collections::HashMap;

use async_graphql::{Context, Enum, Object, Result, SimpleObject};
use futures_util::future::try_join_all;

use super::balances::CreditBalance;
use super::grants::Grant;
use crate::base::ids::{GrantId, MeterId, SubscriptionId};
use crate::base::time::Time;
use crate::graphql::catalog::Meter;
use crate::graphql::context::{Reach, read};
use crate::graphql::errors::{bad_input, failed};
use crate::graphql::scalars::{BigInt, DateTime, Decimal};
use crate::ledger::consumption::{self, Bucket, MAX_BUCKETS, buckets, fill};
use crate::ledger::history::{Books, read_past};
use crate::ledger::model::Lot;

// --- Consumption -------------------------------------------------------------------------------------------------------

/// How long a bucket is, by the calendar of UTC.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "consumption::TimeBucket")]
pub enum TimeBucket {
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
    /// 7 days.
    Week,
    /// To the same day of the next month, or its last where that has fewer days.
    Month,
}

/// What was burned in one stretch of time.
#[derive(SimpleObject)]
pub struct ConsumptionBucket {
    /// From then on.
    pub from: DateTime,
    /// Until just before that.
    pub until: DateTime,
    /// Credits that were burned, less what was reversed of them: a magnitude.
    pub credits: Decimal,
    /// The same by meter, in order of their keys, and at last what no meter measured.
    pub by_meter: Vec<MeterConsumption>,
}

/// What was burned by one meter.
#[derive(SimpleObject)]
pub struct MeterConsumption {
    /// The meter; null for what was retained or captured.
    pub meter: Option<Meter>,
    /// What the meter read in all, also of usage that was not covered or that was reversed; `"0"` where there is no meter.
    pub quantity: Decimal,
    /// Credits that were burned, less what was reversed of them: a magnitude.
    pub credits: Decimal,
}

/// How many entries that are added up cost a point.
const ENTRIES: usize = 50;

/// Consumption of a balance, in buckets. The entries read are charged afterwards, when their number is known.
///
/// # Errors
/// A top-level error: `BAD_USER_INPUT` for a span that is none or makes too many buckets, or the database's.
pub async fn consumed(
    ctx: &Context<'_>,
    balance: &CreditBalance,
    (from, until): (Time, Time),
    bucket: TimeBucket,
) -> Result<Vec<ConsumptionBucket>> {
    if until <= from {
        return Err(bad_input("until", format!("until is {until}, which is not behind from, {from}.")));
    }
    let mut filled = buckets(from, until, bucket.into()).ok_or_else(|| {
        let message =
            format!("from and until make more than {MAX_BUCKETS} buckets; ask for longer ones, or for less time.");
        bad_input("bucket", message)
    })?;
    let account = &balance.view().balance.account;
    let filling = fill(&mut read(ctx).await?, (account.id, account.sequence), &mut filled).await;
    ctx.charge(filling.map_err(|error| failed(&error))? / ENTRIES);
    let ids = filled.iter().flat_map(|bucket| bucket.by_meter.keys().copied().flatten());
    let ids: std::collections::BTreeSet<MeterId> = ids.collect();
    let found = try_join_all(ids.into_iter().map(|id| ctx.loaders().get(id))).await?;
    let meters: HashMap<MeterId, _> = found.into_iter().map(|meter| (meter.id, meter)).collect();
    Ok(filled
        .into_iter()
        .map(|bucket| {
            let credits = Decimal::written(bucket.credits());
            let Bucket { from, until, by_meter } = bucket;
            let meter = |id: Option<MeterId>| id.and_then(|id| meters.get(&id).cloned());
            let mut by_meter: Vec<_> = by_meter.into_iter().map(|(id, consumed)| (meter(id), consumed)).collect();
            by_meter.sort_by_cached_key(|(meter, _)| (meter.is_none(), meter.as_ref().map(|meter| meter.key.clone())));
            let shown = by_meter.into_iter().map(|(meter, consumed)| MeterConsumption {
                meter: meter.map(Meter),
                quantity: Decimal::written(consumed.quantity()),
                credits: Decimal::written(consumed.credits()),
            });
            let by_meter = shown.collect();
            ConsumptionBucket { from: from.into(), until: until.into(), credits, by_meter }
        })
        .collect())
}

// --- History -----------------------------------------------------------------------------------------------------------

/// The books of a balance at an instant.
pub struct HistoricalBalance {
    time: Time,
    books: Books,
}

/// The books of a balance at an instant: the entries that had been recorded, and what time alone had done by then.
#[Object]
impl HistoricalBalance {
    /// The instant.
    async fn time(&self) -> DateTime {
        self.time.into()
    }

    /// How many entries had been recorded, which is the sequence of the newest one of them.
    async fn last_sequence(&self) -> BigInt {
        self.books.last_sequence.into()
    }

    /// Credits that could be spent: `settled` less `held`.
    async fn available(&self) -> Decimal {
        self.books.available.into()
    }

    /// Credits that the ledger added up to.
    async fn settled(&self) -> Decimal {
        self.books.settled.into()
    }

    /// Credits that holds had set aside.
    async fn held(&self) -> Decimal {
        self.books.held.into()
    }

    /// The grants that had something left, in the order in which they burned.
    async fn grants(&self) -> Vec<HistoricalGrant> {
        self.books.lots.iter().map(|(id, lot)| HistoricalGrant { id: *id, lot: *lot }).collect()
    }
}

/// A grant at an instant.
pub struct HistoricalGrant {
    id: GrantId,
    lot: Lot,
}

/// A grant as it was at an instant.
#[Object]
impl HistoricalGrant {
    /// The grant, as it is now.
    async fn grant(&self, ctx: &Context<'_>) -> Result<Grant> {
        Grant::get(ctx, self.id).await
    }

    /// What was left of it, set aside by holds or not.
    async fn remaining(&self) -> Decimal {
        self.lot.remaining.into()
    }

    /// What holds had set aside of it.
    async fn held(&self) -> Decimal {
        self.lot.held.into()
    }
}

/// The books of a balance at an instant.
///
/// # Errors
/// A top-level error: `BAD_USER_INPUT` for an instant before the balance was opened or in the future, or the database's.
pub async fn at(ctx: &Context<'_>, balance: &CreditBalance, time: Time) -> Result<HistoricalBalance> {
    let view = balance.view();
    let (opened, now) = (view.balance.created_at, view.at);
    if time < opened {
        return Err(bad_input("time", format!("time is {time}; the balance was opened at {opened}.")));
    }
    if time > now {
        return Err(bad_input("time", format!("time is {time}, which lies in the future: it is {now}.")));
    }
    let past = read_past(&mut read(ctx).await?, &view.balance, time).await.map_err(|error| failed(&error))?;
    let customer = view.account.id.customer;
    let mut made: HashMap<i32, Time> = HashMap::new();
    for number in past.subscriptions() {
        let subscription = ctx.loaders().get(SubscriptionId { customer, number }).await?;
        made.insert(number, subscription.created_at);
    }
    let books = past.books(|number| made.get(&number).is_some_and(|made| *made <= time));
    Ok(HistoricalBalance { time, books: books.map_err(|error| failed(&error))? })
}
