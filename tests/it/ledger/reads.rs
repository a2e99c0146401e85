//! Lists straight from the tables.

use scrip::base::page::PageRequest;
use scrip::base::time::MINUTE;
use scrip::intake::{Action, TopUp};
use scrip::ledger::model::{Balance, BalanceState, Policy};
use scrip::ledger::reads::{ListBalances, list_balances};
use scrip::ledger::view::view;

use crate::support::db::both;
use crate::support::node::{Node, credits, noon};

both!(list_of_balances_fills_its_page_past_those_that_time_has_changed, async |db| {
    let node = Node::on(db);
    let product = node.make_product("1").await;
    let expires_at = noon().plus_micros(MINUTE);
    let mut ids = Vec::new();
    // The third is ACTIVE in its row and DEPLETED as soon as its one grant has expired.
    for (name, starting) in [("first", 5), ("second", 5), ("third", 0), ("fourth", 5)] {
        let customer = node.make_customer(name).await;
        let id = node.open(customer, product, starting).await.expect("it can be opened").balance.account.id;
        if starting == 0 {
            let top_up = TopUp { credits: credits(5), priority: 500, effective_at: None, expires_at };
            node.moves(id, Action::TopUp(top_up), "k").await.expect("it can be topped up");
        }
        ids.push(id);
    }
    let now = noon().plus_micros(2 * MINUTE).expect("a time");
    let mut conn = node.0.db.read().await.expect("the database answers");
    let mut page = PageRequest::first(2);
    let mut pages = Vec::new();
    loop {
        let list = ListBalances { product: None, states: Some(vec![BalanceState::Active]), page: page.clone() };
        let shown = |balance: Balance| view(balance.into(), Policy::default(), now);
        let found = list_balances(&mut conn, &list, now, &shown).await.expect("they can be read");
        page.after = found.items.last().map(|view| view.balance.age());
        pages.push(found.items.iter().map(|view| view.account.id).collect::<Vec<_>>());
        if !found.has_next {
            break;
        }
    }
    assert_eq!(pages, [vec![ids[3], ids[1]], vec![ids[0]]]);
});
