//! The ledger's SQL for readers: pages, and what is looked up for many at once.
//!
//! Each read is one statement, however many balances it is about, and led by the customer. What is read of a balance is
//! bounded by the sequence of the balance as it was read before, so that an answer is of one piece.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer};
use diesel_async::RunQueryDsl;

use super::entry::Entry;
use super::model::{Balance, BalanceState, Ended, EntryKind, GrantState, Hold, HoldState};
use super::rows::{BalanceRow, EntryRow, HoldRecord, HoldRow, LotRecord, LotRow, ReversalRow};
use super::view::{GrantView, View};
use crate::base::ids::{BalanceId, CustomerId, EntryId, GrantId, ProductId};
use crate::base::page::{Age, Page, PageRequest};
use crate::base::time::Time;
use crate::db::bulk::select_by_keys;
use crate::db::schema::{balances, entries, holds, lots, reversals};
use crate::db::types::{Deadline, Id};
use crate::db::{Conn, DbError, on};

// --- Entries -----------------------------------------------------------------------------------------------------------

/// A page of a balance's entries.
#[derive(Clone, Debug)]
pub struct ListEntries {
    /// Which balance.
    pub balance: BalanceId,
    /// The newest entry that counts.
    pub up_to: i64,
    /// Only these kinds.
    pub kinds: Option<Vec<EntryKind>>,
    /// Only what was recorded then or later.
    pub from: Option<Time>,
    /// Only what was recorded before that.
    pub until: Option<Time>,
    /// Which page; the position is the sequence.
    pub page: PageRequest<i64>,
}

/// A page of a balance's entries, newest first.
///
/// # Errors
/// Those of the database.
pub async fn list_entries(conn: &mut Conn, list: &ListEntries) -> Result<Page<Entry>, DbError> {
    let page = &list.page;
    let rows: Vec<EntryRow> = on!(conn, |c, B| {
        let mut query = entries::table
            .filter(entries::customer_id.eq(list.balance.customer))
            .filter(entries::balance.eq(list.balance.number))
            .filter(entries::sequence.le(list.up_to))
            .select(EntryRow::as_select())
            .into_boxed::<B>();
        if let Some(kinds) = &list.kinds {
            query = query.filter(entries::kind.eq_any(kinds.iter().map(|kind| kind.number())));
        }
        if let Some(from) = list.from {
            query = query.filter(entries::recorded_at.ge(from));
        }
        if let Some(until) = list.until {
            query = query.filter(entries::recorded_at.lt(until));
        }
        if let Some(sequence) = page.after {
            query = query.filter(entries::sequence.lt(sequence));
        }
        if let Some(sequence) = page.before {
            query = query.filter(entries::sequence.gt(sequence));
        }
        query = if page.is_backward() {
            query.order(entries::sequence.asc())
        } else {
            query.order(entries::sequence.desc())
        };
        query.limit(page.probe()).load(c)
    })?;
    let found = rows.into_iter().map(EntryRow::into_entry).collect::<Result<_, _>>()?;
    Ok(Page::of(page, found))
}

/// Those of the entries that exist, in no order.
///
/// # Errors
/// Those of the database.
pub async fn find_entries(conn: &mut Conn, ids: &[EntryId]) -> Result<Vec<Entry>, DbError> {
    let wanted = ids.iter().map(|id| (id.balance.customer, id.balance.number, id.sequence)).collect();
    let rows = select_by_keys!(conn, EntryRow of entries, wanted, {
        customer_id eq CustomerId as Id,
        balance eq i32 as Integer,
        sequence eq i64 as BigInt,
    })?;
    rows.into_iter().map(EntryRow::into_entry).collect()
}

/// The entries of each of these balances behind a sequence, in no order. "The last 5 entries" are those behind the
/// balance's newest minus 5, since there are no gaps (L2).
///
/// # Errors
/// Those of the database.
pub async fn list_entries_behind(conn: &mut Conn, of: &[(BalanceId, i64)]) -> Result<Vec<Entry>, DbError> {
    let wanted = of.iter().map(|(balance, after)| (balance.customer, balance.number, *after)).collect();
    let rows = select_by_keys!(conn, EntryRow of entries, wanted, {
        customer_id eq CustomerId as Id,
        balance eq i32 as Integer,
        sequence gt i64 as BigInt,
    })?;
    rows.into_iter().map(EntryRow::into_entry).collect()
}

/// Which entries took these back: pairs of the entry that was taken back and the one that took it, the oldest first.
///
/// # Errors
/// Those of the database.
pub async fn find_reversals(conn: &mut Conn, of: &[EntryId]) -> Result<Vec<(EntryId, EntryId)>, DbError> {
    let wanted = of.iter().map(|id| (id.balance.customer, id.balance.number, id.sequence)).collect();
    let mut rows = select_by_keys!(conn, ReversalRow of reversals, wanted, {
        customer_id eq CustomerId as Id,
        balance eq i32 as Integer,
        entry eq i64 as BigInt,
    })?;
    rows.sort_by_key(|row| row.sequence);
    let pair = |row: ReversalRow| {
        let balance = BalanceId { customer: row.customer_id, number: row.balance };
        (balance.entry(row.entry), balance.entry(row.sequence))
    };
    Ok(rows.into_iter().map(pair).collect())
}

// --- Grants ------------------------------------------------------------------------------------------------------------

/// Where a grant stands among those of its balance: priority, expiry, whether it was paid for, sequence (L7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BurningOrder {
    /// The lower burns first.
    pub priority: i16,
    /// The earlier burns first; never is last.
    pub expires_at: Option<Time>,
    /// Free before paid.
    pub paid: bool,
    /// The older burns first.
    pub sequence: i64,
}

impl GrantView {
    /// Where it stands among those of its balance.
    #[must_use]
    pub fn order(&self) -> BurningOrder {
        let lot = &self.record.lot;
        let paid = lot.cost.is_some_and(|cost| cost.minor > 0);
        BurningOrder { priority: lot.priority, expires_at: lot.expires_at, paid, sequence: lot.sequence }
    }
}

/// Lots on one side of a place in burning order. The bound on the priority alone lets the index begin there.
macro_rules! beyond {
    ($place:expr, $is:ident, $at_least:ident) => {{
        let BurningOrder { priority, expires_at, paid, sequence } = *$place;
        let ends = Deadline::of(expires_at);
        let by_age = lots::paid.$is(paid).or(lots::paid.eq(paid).and(lots::sequence.$is(sequence)));
        let by_expiry = lots::expires_at.$is(ends).or(lots::expires_at.eq(ends).and(by_age));
        lots::priority.$at_least(priority).and(lots::priority.$is(priority).or(by_expiry))
    }};
}

/// A page of a balance's grants in burning order, only those in these states as of the view's instant.
///
/// # Errors
/// Those of the database.
pub async fn list_grants(
    conn: &mut Conn,
    view: &View,
    states: Option<&[GrantState]>,
    page: &PageRequest<BurningOrder>,
) -> Result<Page<GrantView>, DbError> {
    let account = &view.balance.account;
    let open: Vec<i64> = account.lots.iter().map(|lot| lot.sequence).collect();
    let rows: Vec<LotRow> = on!(conn, |c, B| {
        let mut query = lots::table
            .filter(lots::customer_id.eq(account.id.customer))
            .filter(lots::balance.eq(account.id.number))
            .filter(lots::sequence.le(account.sequence))
            .select(LotRow::as_select())
            .into_boxed::<B>();
        if let Some(states) = states {
            // How a lot ended is on record; the states of those that are open are known here.
            let wanted = view.lots().filter(|(_, state)| states.contains(state)).map(|(sequence, _)| sequence);
            let ended = states.iter().filter_map(|state| ended_in(*state)).map(Ended::number);
            let over = lots::ended.eq_any(ended).and(lots::sequence.ne_all(&open));
            query = query.filter(lots::sequence.eq_any(wanted).or(over));
        }
        if let Some(place) = &page.after {
            query = query.filter(beyond!(place, gt, ge));
        }
        if let Some(place) = &page.before {
            query = query.filter(beyond!(place, lt, le));
        }
        query = if page.is_backward() {
            query.order((lots::priority.desc(), lots::expires_at.desc(), lots::paid.desc(), lots::sequence.desc()))
        } else {
            query.order((lots::priority.asc(), lots::expires_at.asc(), lots::paid.asc(), lots::sequence.asc()))
        };
        query.limit(page.probe()).load(c)
    })?;
    let grant = |row: LotRow| row.into_record().map(|record| view.grant(record));
    let mut found: Vec<GrantView> = rows.into_iter().map(grant).collect::<Result<_, _>>()?;
    let key = |grant: &GrantView| grant.record.lot.burning_order();
    let within = |grant: &GrantView| {
        page.after.as_ref().is_none_or(|place| place.key() < key(grant))
            && page.before.as_ref().is_none_or(|place| key(grant) < place.key())
    };
    let wanted = |grant: &GrantView| states.is_none_or(|states| states.contains(&grant.state));
    found.extend(view.brought().filter(|grant| wanted(grant) && within(grant)));
    found.sort_by(|a, b| if page.is_backward() { key(b).cmp(&key(a)) } else { key(a).cmp(&key(b)) });
    found.truncate(usize::try_from(page.probe()).unwrap_or(usize::MAX));
    Ok(Page::of(page, found))
}

impl BurningOrder {
    /// What lots are compared by (L7).
    fn key(&self) -> (i16, Time, bool, i64) {
        (self.priority, self.expires_at.unwrap_or(Time::MAX), self.paid, self.sequence)
    }
}

/// How a lot ended that is over for good in that state.
fn ended_in(state: GrantState) -> Option<Ended> {
    match state {
        GrantState::Pending | GrantState::Active => None,
        GrantState::Depleted => Some(Ended::Depleted),
        GrantState::Expired => Some(Ended::Expired),
        GrantState::Voided => Some(Ended::Voided),
    }
}

/// Those of the grants that exist, as they are on record, in no order.
///
/// # Errors
/// Those of the database.
pub async fn find_grants(conn: &mut Conn, ids: &[GrantId]) -> Result<Vec<LotRecord>, DbError> {
    let wanted = ids.iter().map(|id| (id.balance.customer, id.balance.number, id.sequence)).collect();
    let rows = select_by_keys!(conn, LotRow of lots, wanted, {
        customer_id eq CustomerId as Id,
        balance eq i32 as Integer,
        sequence eq i64 as BigInt,
    })?;
    rows.into_iter().map(LotRow::into_record).collect()
}

// --- Holds -------------------------------------------------------------------------------------------------------------

/// A page of a balance's holds as of the view's instant, newest first, only those in these states.
///
/// # Errors
/// Those of the database.
pub async fn list_holds(
    conn: &mut Conn,
    view: &View,
    states: Option<&[HoldState]>,
    page: &PageRequest<i64>,
) -> Result<Page<HoldRecord>, DbError> {
    let account = &view.balance.account;
    let rows: Vec<HoldRow> = on!(conn, |c, B| {
        let mut query = holds::table
            .filter(holds::customer_id.eq(account.id.customer))
            .filter(holds::balance.eq(account.id.number))
            .filter(holds::sequence.le(account.sequence))
            .select(HoldRow::as_select())
            .into_boxed::<B>();
        if let Some(states) = states {
            // How a hold ended is on record; those that were active when the balance was read are known here.
            let active = || view.balance.account.holds.iter();
            let state = |hold: &Hold| if hold.expires_at <= view.at { HoldState::Lapsed } else { HoldState::Active };
            let wanted = active().filter(|hold| states.contains(&state(hold))).map(|hold| hold.sequence);
            let ended = states.iter().filter(|state| **state != HoldState::Active).map(|state| state.number());
            let over = holds::state.eq_any(ended).and(holds::sequence.ne_all(active().map(|hold| hold.sequence)));
            query = query.filter(holds::sequence.eq_any(wanted).or(over));
        }
        if let Some(sequence) = page.after {
            query = query.filter(holds::sequence.lt(sequence));
        }
        if let Some(sequence) = page.before {
            query = query.filter(holds::sequence.gt(sequence));
        }
        query =
            if page.is_backward() { query.order(holds::sequence.asc()) } else { query.order(holds::sequence.desc()) };
        query.limit(page.probe()).load(c)
    })?;
    let found = rows.into_iter().map(|row| Ok(view.hold(row.into_record()?))).collect::<Result<_, DbError>>()?;
    Ok(Page::of(page, found))
}

// --- Balances ----------------------------------------------------------------------------------------------------------

impl Balance {
    /// Where it stands among all balances.
    #[must_use]
    pub const fn age(&self) -> Age<BalanceId> {
        Age { created_at: self.created_at, id: self.account.id }
    }
}

/// A list of balances.
#[derive(Clone, Debug)]
pub struct ListBalances {
    /// Only those of this product.
    pub product: Option<ProductId>,
    /// Only those in these states; without it all that are not closed.
    pub states: Option<Vec<BalanceState>>,
    /// Which page.
    pub page: PageRequest<Age<BalanceId>>,
}

/// How many balances are read at a time when some of them must be carried before they can be judged.
const CHUNK: i64 = 500;
/// How often, for one page.
const CHUNKS: usize = 40;

/// A page of balances, newest first. `view` shows a balance as of `now`: those that time alone has changed since their
/// newest entry are judged by that.
///
/// # Errors
/// Those of the database. [`DbError::Unavailable`] when so many balances are overdue that a page cannot be filled.
pub async fn list_balances(
    conn: &mut Conn,
    list: &ListBalances,
    now: Time,
    view: &(dyn Fn(Balance) -> View + Send + Sync),
) -> Result<Page<View>, DbError> {
    let listed = |view: &View| list.states.as_ref().is_none_or(|states| states.contains(&view.listed_state()));
    let mut found = Vec::new();
    let mut rest = list.clone();
    for round in 0..CHUNKS {
        let limit = if round == 0 { list.page.probe() } else { CHUNK };
        let rows = read_balances(conn, &rest, (now, limit)).await?;
        let full = i64::try_from(rows.len()).is_ok_and(|read| read == limit);
        for row in rows {
            let balance = row.into_balance()?;
            let place = Some(balance.age());
            if list.page.is_backward() {
                rest.page.before = place;
            } else {
                rest.page.after = place;
            }
            found.extend(Some(view(balance)).filter(listed));
        }
        if !full || found.len() > list.page.limit {
            return Ok(Page::of(&list.page, found));
        }
    }
    if found.is_empty() {
        return Err(DbError::unavailable("too many balances are overdue to be listed by their states"));
    }
    Ok(Page::cut_short(&list.page, found))
}

/// Balances on one side of a place. The bound on the time alone lets the index begin there.
macro_rules! beside {
    ($place:expr, $is:ident, $at_least:ident) => {{
        let Age { created_at, id: BalanceId { customer, number } } = *$place;
        let by_number = balances::customer_id.eq(customer).and(balances::number.$is(number));
        let by_id = balances::customer_id.$is(customer).or(by_number);
        balances::created_at.$at_least(created_at).and(balances::created_at.$is(created_at).or(by_id))
    }};
}

/// Balances that may be in the list, from the page's end on.
async fn read_balances(
    conn: &mut Conn,
    list: &ListBalances,
    (now, limit): (Time, i64),
) -> Result<Vec<BalanceRow>, DbError> {
    on!(conn, |c, B| {
        let mut query = balances::table.select(BalanceRow::as_select()).into_boxed::<B>();
        if let Some(product) = list.product {
            query = query.filter(balances::product_id.eq(product));
        }
        // What a subscription opens later is not there yet; another node's clock may have opened one ahead of this one's.
        query = query.filter(balances::created_at.le(now).or(balances::recorded_at.ge(balances::created_at)));
        query = match &list.states {
            Some(states) => {
                let kept = balances::state.eq_any(states.iter().map(|state| state.number()));
                query.filter(kept.or(balances::next_change_at.le(Deadline::of(Some(now)))))
            }
            None => query.filter(balances::closed_at.is_null()),
        };
        if let Some(place) = &list.page.after {
            query = query.filter(beside!(place, lt, le));
        }
        if let Some(place) = &list.page.before {
            query = query.filter(beside!(place, gt, ge));
        }
        query = if list.page.is_backward() {
            query.order((balances::created_at.asc(), balances::customer_id.asc(), balances::number.asc()))
        } else {
            query.order((balances::created_at.desc(), balances::customer_id.desc(), balances::number.desc()))
        };
        query.limit(limit).load(c)
    })
}
