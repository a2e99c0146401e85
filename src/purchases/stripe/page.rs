//! The form that opens a page of Stripe's on which a purchase is paid (a Checkout session).

use serde::Serialize;

use super::{Metadata, Trouble, lower, to_stripe};
use crate::base::money::Money;
use crate::purchases::model::{Page, Purchase};

#[derive(Serialize)]
pub(super) struct Form<'a> {
    mode: &'static str,
    client_reference_id: String,
    success_url: &'a str,
    cancel_url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_creation: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_email: Option<&'a str>,
    line_items: [Line<'a>; 1],
    payment_intent_data: IntentData,
    metadata: Metadata,
}

#[derive(Serialize)]
struct Line<'a> {
    quantity: i32,
    price_data: Price<'a>,
}

#[derive(Serialize)]
struct Price<'a> {
    currency: String,
    unit_amount: i64,
    product_data: Product<'a>,
}

#[derive(Serialize)]
struct Product<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct IntentData {
    setup_future_usage: &'static str,
    metadata: Metadata,
}

impl<'a> Form<'a> {
    /// The form for a purchase; `customer` is the customer's id at Stripe, where one is known, and `email` fills a field of the
    /// page.
    ///
    /// # Errors
    /// [`Trouble::Refused`] when Stripe cannot write the price.
    pub(super) fn of(
        purchase: &Purchase,
        page: &'a Page,
        (customer, email): (Option<&'a str>, Option<&'a str>),
    ) -> Result<Self, Trouble> {
        let no_price = || Trouble::Refused("The purchase has no price for one pack.".to_owned());
        let minor = purchase.price.minor.checked_div(i64::from(purchase.quantity)).ok_or_else(no_price)?;
        let unit_amount = to_stripe(Money { minor, ..purchase.price })?;
        Ok(Self {
            mode: "payment",
            client_reference_id: purchase.id.to_string(),
            success_url: &page.return_url,
            cancel_url: &page.return_url,
            customer,
            customer_creation: customer.is_none().then_some("always"),
            customer_email: email,
            line_items: [Line {
                quantity: purchase.quantity,
                price_data: Price {
                    currency: lower(purchase.price.currency),
                    unit_amount,
                    product_data: Product { name: &page.name },
                },
            }],
            payment_intent_data: IntentData { setup_future_usage: "off_session", metadata: Metadata::of(purchase) },
            metadata: Metadata::of(purchase),
        })
    }
}
