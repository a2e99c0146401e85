//! Work that sets credits aside before it begins, and a mistake that is taken back.

use super::{credits, customer_id};
use crate::app::App;
use crate::base::idempotency::{Key, Scope};
use crate::base::ids::{BalanceId, EntryId, HoldId};
use crate::base::problem::{Problem, ProblemKind};
use crate::base::time::DAY;
use crate::db::Failure;
use crate::intake::{Action, Capture, NewHold, Order, Provenance, Retention, TakeBack};
use crate::ledger::command::Overrun;
use crate::ledger::entry::Origin;
use crate::ledger::store::list_open_balances;

/// How long work may take: a day.
const TTL: i64 = DAY;

/// Acme trains a model, and another one while you look; hooli was charged for too much by hand.
pub(super) async fn work(app: &App) -> Result<(), Failure> {
    let acme = balance(app, "acme").await?;
    let training = "Training of a model, epochs 1 to 20";
    if let Some(hold) = hold(app, acme, (40, "training-1", training)).await? {
        let capture = Capture { hold, credits: Some(credits(31)), overrun: Overrun::Reject };
        order(app, acme, Action::Capture(capture), ("training-1-done", training)).await?;
    }
    hold(app, acme, (25, "training-2", "Training of a model, epochs 21 to 30")).await?;
    let hooli = balance(app, "hooli").await?;
    let import = Retention { credits: credits(30), occurred_at: None };
    if let Some(entry) = order(app, hooli, Action::Retain(import), ("import-1", "Import of an archive")).await? {
        let back = TakeBack { entry, credits: Some(credits(12)) };
        order(app, hooli, Action::Reverse(back), ("import-1-back", "A third of it was imported twice")).await?;
    }
    Ok(())
}

/// The hold, which may have been made before.
async fn hold(
    app: &App,
    balance: BalanceId,
    (whole, key, reason): (i64, &str, &str),
) -> Result<Option<HoldId>, Failure> {
    let action = Action::Hold(NewHold { credits: credits(whole), ttl: TTL });
    Ok(order(app, balance, action, (key, reason)).await?.map(|entry| balance.hold(entry.sequence)))
}

async fn order(
    app: &App,
    balance: BalanceId,
    action: Action,
    (key, reason): (&str, &str),
) -> Result<Option<EntryId>, Failure> {
    let given = Provenance {
        origin: Origin::Api,
        reason: Some(reason.to_owned()),
        metadata: None,
        key: Some(Key::of(Scope::Api, format!("demo-{key}"), "demo")),
    };
    match app.intake.order(Order::Move { balance, action: Ok(action), given }).await {
        Ok(done) => Ok(done.entry.map(|entry| entry.id())),
        // Who has used up all there is does not begin.
        Err(Failure::Problems(problems)) if problems.as_slice().iter().all(lacks_credits) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The one balance that everybody has from the beginning.
async fn balance(app: &App, name: &str) -> Result<BalanceId, Failure> {
    let customer = customer_id(app, name).await?;
    let open = list_open_balances(&mut app.db.read().await?, &[customer]).await?;
    let first = open.into_iter().map(|balance| balance.account.id).next();
    first.ok_or_else(|| Problem::not_found(&[], "credit balance", name).into())
}

fn lacks_credits(problem: &Problem) -> bool {
    matches!(problem.kind, ProblemKind::Insufficient { .. })
}
