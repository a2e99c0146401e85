//! The worker: what runs without a caller. The rooms say what is to be done, this says when.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::app::App;
use crate::base::chain::chain;
use crate::db::DbError;
use crate::db::listen::listen;
use crate::{ledger, subscriptions};

/// How long the worker rests when nothing is due.
const REST: Duration = Duration::from_millis(250);
/// How many balances are brought up to date at a time.
const CHUNK: usize = 500;
/// Of how many purchases the payment provider is asked at once.
const AT_ONCE: usize = 16;

/// Posts what is due, for ever: holds that lapsed, lots that ended or began, periods that began or ended.
pub async fn keep_time(app: App) {
    loop {
        match post_due(&app).await {
            // A full chunk means that more may be due.
            Ok(posted) if posted >= CHUNK => {}
            Ok(_) => tokio::time::sleep(REST).await,
            Err(error) => {
                tracing::warn!(
                    error = %chain(&error),
                    "what is due could not be posted; trying again"
                );
                tokio::time::sleep(REST.saturating_mul(8)).await;
            }
        }
    }
}

/// Posts what is due now, of each kind at most a chunk; answers of how many the kind had that had most.
///
/// # Errors
/// Those of the database.
pub async fn post_due(app: &App) -> Result<usize, DbError> {
    let (now, limit) = (app.clock.now(), i64::try_from(CHUNK).unwrap_or(i64::MAX));
    let (balances, subscriptions) = {
        let mut conn = app.db.read().await?;
        let balances = ledger::store::list_due(&mut conn, now, limit).await?;
        (balances, subscriptions::store::list_due(&mut conn, now, limit).await?)
    };
    let most = balances.len().max(subscriptions.len());
    // What fails with one of them holds up none of the others.
    let posted = app.intake.post_due(balances).await;
    let caught_up = app.intake.catch_up(subscriptions).await;
    let metered = subscriptions::charges::meter_usage(&app.db, &app.clock, None, limit).await;
    posted.and(caught_up)?;
    Ok(most.max(metered?))
}

/// Asks the payment provider of the purchases that wait for it, for ever: of so many at once, each by itself, so that none waits
/// for what takes long as long as fewer than that do.
pub async fn keep_asking(app: App) {
    let mut asked = JoinSet::new();
    loop {
        let room = AT_ONCE.saturating_sub(asked.len());
        let rest = match app.cashier.take_turns(room).await {
            Ok(turns) => {
                for purchase in turns {
                    let app = app.clone();
                    asked.spawn(async move { report(app.cashier.settle(&purchase).await) });
                }
                REST
            }
            Err(error) => {
                report(Err(error));
                REST.saturating_mul(8)
            }
        };
        tokio::time::sleep(rest).await;
        if asked.len() >= AT_ONCE {
            asked.join_next().await;
        }
        while asked.try_join_next().is_some() {}
    }
}

fn report(asked: Result<(), DbError>) {
    if let Err(error) = asked {
        let error = chain(&error);
        tracing::warn!(%error, "purchases that wait for the provider could not be asked of; trying again");
    }
}

/// Wakes the streams of this node for what is committed on any, for ever.
pub async fn hear_all_nodes(app: App, node: String) {
    let feeds = app.feeds.clone();
    listen(app.db.clone(), move |heard| feeds.wake(&node, &heard)).await;
}
