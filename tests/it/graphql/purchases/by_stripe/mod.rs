//! Purchases whose money Stripe takes, by the stand-in.

mod charges;
mod pages;
mod refunds;

use super::{Shop, text};
use crate::support::db::TestDb;
use crate::support::stripe::StandIn;

/// A shop whose money Stripe takes; its clock is moved by hand.
async fn shop(db: &TestDb, starting: &str) -> (Shop, StandIn) {
    let stripe = StandIn::start().await;
    (Shop::set_up(db, starting, stripe.settings()).await, stripe)
}

impl Shop {
    /// Buys on a page; the purchase and the page.
    async fn open(&self, stripe: &StandIn, key: &str) -> (String, String) {
        let bought = self.buy(1, key).await;
        let id = text(&bought["purchase"]["id"]);
        let page = stripe.page_of(&id).unwrap_or_else(|| panic!("it has a page: {bought}"));
        (id, page)
    }

    /// Acme pays once, so that what is saved can be charged from now on.
    async fn save(&self, stripe: &StandIn, method: &str) -> String {
        let (id, page) = self.open(stripe, method).await;
        assert!(stripe.pay(&page, method));
        assert_eq!(stripe.hint(&self.api, "checkout.session.completed", &page).await, 200);
        assert_eq!(self.stands(&id).await, ("PAID".into(), None));
        id
    }
}
