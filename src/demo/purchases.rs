//! Credits that the demo's customers buy: one of each way a purchase may end, and a balance that buys by itself.

use super::customer_id;
use crate::app::App;
use crate::base::credits::Credits;
use crate::base::idempotency::{Key, Scope};
use crate::base::ids::{BalanceId, PurchaseOptionId};
use crate::base::page::PageRequest;
use crate::base::patch::Patch;
use crate::base::problem::Problem;
use crate::catalog::store::all_options;
use crate::db::Failure;
use crate::intake::PurchaseOrder;
use crate::ledger::entry::Origin;
use crate::ledger::store::list_open_balances;
use crate::purchases::input::{Ask, AutoTopUpChanges, ListPurchases, NewPurchase};
use crate::purchases::model::{Provider, Purchase, Status};
use crate::purchases::reads::list_purchases;
use crate::purchases::transitions::Fact;

/// What customers pay by.
const TRANSFER: &str = "Transferred by bank";

/// Has a balance buy whenever little is left.
pub(super) async fn buy_by_itself(app: &App, balance: BalanceId) -> Result<(), Failure> {
    let changes = AutoTopUpChanges {
        enabled: true,
        threshold: Some(Credits::from_micros(75_000_000)),
        option: Some(option(app, "Starter").await?),
        target: Patch::Keep,
        daily_limit: Patch::Keep,
    };
    app.intake.purchase(PurchaseOrder::SetAutoTopUp { balance, changes }).await.map(drop)
}

/// The money has come for what a balance bought by itself.
pub(super) async fn pay(app: &App, balance: BalanceId) -> Result<(), Failure> {
    let list = ListPurchases {
        customer: Some(balance.customer),
        status: Some(vec![Status::Pending]),
        page: PageRequest::first(10),
    };
    let pending = list_purchases(&mut app.db.read().await?, &list).await?.items;
    for purchase in pending.iter().filter(|one| one.origin == Origin::AutoTopUp && one.provider == Provider::Manual) {
        hear(app, purchase, paid()).await?;
    }
    Ok(())
}

/// Acme buys, wonka takes it back, initech thinks better of it, and from soylent the money is yet to come.
pub(super) async fn buy(app: &App) -> Result<(), Failure> {
    let acme = create(app, ("acme", "Team", 1), Origin::Api).await?;
    hear(app, &acme, paid()).await?;
    let wonka = create(app, ("wonka", "Starter", 2), Origin::Portal).await?;
    hear(app, &wonka, paid()).await?;
    let ask = Ask::Refund { reason: Some("Bought for another team by mistake".to_owned()) };
    app.intake.purchase(PurchaseOrder::Change { id: wonka.id, ask }).await?;
    let initech = create(app, ("initech", "Studio", 1), Origin::Portal).await?;
    hear(app, &initech, Fact::Canceled).await?;
    create(app, ("soylent", "Starter", 1), Origin::Portal).await.map(drop)
}

fn paid() -> Fact {
    Fact::PaidByHand { reference: Some(TRANSFER.to_owned()) }
}

/// Unless it was heard before.
async fn hear(app: &App, purchase: &Purchase, fact: Fact) -> Result<(), Failure> {
    if !purchase.is_pending() {
        return Ok(());
    }
    let ask = Ask::Hear { fact, method: None };
    app.intake.purchase(PurchaseOrder::Change { id: purchase.id, ask }).await.map(drop)
}

/// The purchase, which may have been made before.
async fn create(app: &App, (name, what, quantity): (&str, &str, i32), origin: Origin) -> Result<Purchase, Failure> {
    let customer = customer_id(app, name).await?;
    let open = list_open_balances(&mut app.db.read().await?, &[customer]).await?;
    let missing = || Problem::not_found(&[], "credit balance", name);
    let balance = open.into_iter().map(|balance| balance.account.id).next().ok_or_else(missing)?;
    let scope = if origin == Origin::Portal { Scope::Portal } else { Scope::Api };
    let key = Key::of(scope, "demo-purchase".to_owned(), "demo");
    let new = NewPurchase { option: option(app, what).await?, quantity, return_url: None };
    let bought = app.intake.purchase(PurchaseOrder::Create { balance, new: Ok(new), origin, key }).await?;
    Ok(bought.purchase.ok_or_else(|| Problem::not_found(&[], "purchase", name))?)
}

/// An option of the demo's, by its name.
async fn option(app: &App, name: &str) -> Result<PurchaseOptionId, Failure> {
    let all = all_options(&mut app.db.read().await?).await?;
    let found = all.into_iter().find(|option| option.name == name);
    Ok(found.map(|option| option.id).ok_or_else(|| Problem::not_found(&[], "purchase option", name))?)
}
