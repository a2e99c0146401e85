//! Who may ask what: one row for each root field, and what can be seen from there by those who may not see everything.

use crate::access::model::{Caller, Scope, Scopes};

/// What a root field needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    /// Whoever is known; a portal session too.
    Anybody,
    /// `READ` or more.
    Read,
    /// `READ` or more, or a portal session, which sees its customer alone.
    ReadOrPortal,
    /// `WRITE` or more.
    Write,
    /// `WRITE` or more, or a portal session, for its customer alone.
    WriteOrPortal,
    /// `INGEST`, or `WRITE` or more.
    Ingest,
    /// `ADMIN`.
    Admin,
}

/// Every root field, by its type's name and its own.
const ROOTS: &[(&str, &str, Right)] = &[
    ("Query", "apiKeys", Right::Admin),
    ("Query", "charges", Right::Read),
    ("Query", "creditBalance", Right::ReadOrPortal),
    ("Query", "creditBalances", Right::Read),
    ("Query", "customer", Right::ReadOrPortal),
    ("Query", "customers", Right::Read),
    ("Query", "eventTypes", Right::Read),
    ("Query", "ledgerHealth", Right::Read),
    ("Query", "meter", Right::Read),
    ("Query", "meters", Right::Read),
    ("Query", "node", Right::ReadOrPortal),
    ("Query", "nodes", Right::ReadOrPortal),
    ("Query", "plan", Right::Read),
    ("Query", "planSubscription", Right::Read),
    ("Query", "planSubscriptions", Right::Read),
    ("Query", "plans", Right::Read),
    ("Query", "previewEvents", Right::Read),
    ("Query", "product", Right::Read),
    ("Query", "products", Right::Read),
    ("Query", "purchase", Right::ReadOrPortal),
    ("Query", "purchases", Right::Read),
    ("Query", "viewer", Right::Anybody),
    ("Query", "__schema", Right::Anybody),
    ("Query", "__type", Right::Anybody),
    ("Mutation", "archiveCustomer", Right::Write),
    ("Mutation", "archiveMeter", Right::Write),
    ("Mutation", "archivePlan", Right::Write),
    ("Mutation", "archiveProduct", Right::Write),
    ("Mutation", "archivePurchaseOption", Right::Write),
    ("Mutation", "cancelPlanSubscription", Right::Write),
    ("Mutation", "cancelPurchase", Right::Write),
    ("Mutation", "captureHold", Right::Write),
    ("Mutation", "changeSubscriptionPlan", Right::Write),
    ("Mutation", "closeCreditBalance", Right::Write),
    ("Mutation", "createApiKey", Right::Admin),
    ("Mutation", "createCreditBalance", Right::Write),
    ("Mutation", "createCreditProduct", Right::Write),
    ("Mutation", "createCustomer", Right::Write),
    ("Mutation", "createFlatFeeProduct", Right::Write),
    ("Mutation", "createMeter", Right::Write),
    ("Mutation", "createPlan", Right::Write),
    ("Mutation", "createPlanSubscription", Right::Write),
    ("Mutation", "createPortalSession", Right::Write),
    ("Mutation", "createPurchaseOption", Right::Write),
    ("Mutation", "createSeatProduct", Right::Write),
    ("Mutation", "createUsageProduct", Right::Write),
    ("Mutation", "extendHold", Right::Write),
    ("Mutation", "holdCredits", Right::Write),
    ("Mutation", "ingestEvents", Right::Ingest),
    ("Mutation", "markPurchasePaid", Right::Write),
    ("Mutation", "overrideSubscriptionItem", Right::Write),
    ("Mutation", "publishPlanVersion", Right::Write),
    ("Mutation", "purchaseCredits", Right::WriteOrPortal),
    ("Mutation", "refundPurchase", Right::Write),
    ("Mutation", "releaseHold", Right::Write),
    ("Mutation", "resumePlanSubscription", Right::Write),
    ("Mutation", "retainCredits", Right::Write),
    ("Mutation", "reverseEntry", Right::Write),
    ("Mutation", "revokeApiKey", Right::Admin),
    ("Mutation", "revokePortalSessions", Right::Write),
    ("Mutation", "setAutoTopUp", Right::Write),
    ("Mutation", "topUpCredits", Right::Write),
    ("Mutation", "updateCreditBalance", Right::Write),
    ("Mutation", "updateCreditProduct", Right::Write),
    ("Mutation", "updateCustomer", Right::Write),
    ("Mutation", "updateGrant", Right::Write),
    ("Mutation", "updateMeter", Right::Write),
    ("Mutation", "updatePlan", Right::Write),
    ("Mutation", "updateProduct", Right::Write),
    ("Mutation", "updatePurchaseOption", Right::Write),
    ("Mutation", "voidGrant", Right::Write),
    ("Subscription", "balanceChanges", Right::ReadOrPortal),
    ("Subscription", "balanceStateChanges", Right::Read),
    ("Subscription", "customerBalanceChanges", Right::ReadOrPortal),
];

/// Which fields of a type can be seen.
enum Seen {
    All,
    Only(&'static [&'static str]),
}

/// What a portal session sees. Types that are not here it does not see.
const PORTAL: &[(&str, Seen)] = &[
    ("Viewer", Seen::All),
    ("Node", Seen::All),
    ("HistoricalBalance", Seen::All),
    ("HistoricalGrant", Seen::All),
    ("ConsumptionBucket", Seen::All),
    ("MeterConsumption", Seen::All),
    ("Period", Seen::All),
    (
        "Customer",
        Seen::Only(&[
            "id",
            "externalId",
            "name",
            "email",
            "currency",
            "metadata",
            "createdAt",
            "updatedAt",
            "archivedAt",
            "cursor",
            "creditBalances",
            "creditBalance",
            "purchases",
        ]),
    ),
    ("CreditBalance", Seen::All),
    ("AutoTopUp", Seen::All),
    ("Purchase", Seen::All),
    ("PurchaseConnection", Seen::All),
    ("PurchaseEdge", Seen::All),
    ("PurchasePayload", Seen::All),
    ("UserError", Seen::All),
    ("InvalidInput", Seen::All),
    ("NotFound", Seen::All),
    ("InvalidState", Seen::All),
    ("IdempotencyConflict", Seen::All),
    ("LimitExceeded", Seen::All),
    // Never answered to a customer, and part of what clients share.
    ("PaymentFailed", Seen::All),
    ("AlreadyExists", Seen::Only(&["code", "message", "path"])),
    ("Overdraft", Seen::All),
    ("CreditProduct", Seen::Only(&["id", "key", "name", "description", "kind", "unitName", "metadata"])),
    ("Product", Seen::Only(&["id", "key", "name", "description", "kind", "metadata"])),
    ("PurchaseOption", Seen::All),
    ("Money", Seen::All),
    ("Grant", Seen::All),
    ("GrantTerms", Seen::All),
    ("GrantConnection", Seen::All),
    ("GrantEdge", Seen::All),
    ("GrantAllocation", Seen::All),
    ("Hold", Seen::All),
    ("HoldConnection", Seen::All),
    ("HoldEdge", Seen::All),
    ("LedgerEntry", Seen::All),
    ("LedgerEntryConnection", Seen::All),
    ("LedgerEntryEdge", Seen::All),
    ("Rating", Seen::All),
    ("Meter", Seen::Only(&["id", "key", "name"])),
    ("PageInfo", Seen::All),
    ("BalanceChange", Seen::All),
    ("CustomerBalanceChange", Seen::All),
];

/// What a key that only sends events sees of their answer.
const INGEST: &[(&str, Seen)] = &[
    ("Viewer", Seen::All),
    ("IngestEventsPayload", Seen::All),
    ("EventReceipt", Seen::All),
    (
        "UsageEvent",
        Seen::Only(&["id", "eventId", "type", "timestamp", "receivedAt", "properties", "outcomes", "entries"]),
    ),
    ("RuleOutcome", Seen::All),
    ("CreditProduct", Seen::Only(&["id", "key", "name", "unitName"])),
    ("Meter", Seen::Only(&["id", "key", "name"])),
    (
        "LedgerEntry",
        Seen::Only(&[
            "id",
            "sequence",
            "kind",
            "credits",
            "uncovered",
            "availableAfter",
            "settledAfter",
            "heldAfter",
            "stateAfter",
            "rating",
            "occurredAt",
            "recordedAt",
            "balance",
        ]),
    ),
    ("Rating", Seen::All),
    (
        "CreditBalance",
        Seen::Only(&[
            "id",
            "name",
            "available",
            "settled",
            "held",
            "state",
            "nextChangeAt",
            "lastSequence",
            "lowBalanceThreshold",
            "cursor",
            "product",
        ]),
    ),
    ("UserError", Seen::All),
    ("InvalidInput", Seen::All),
    ("NotFound", Seen::All),
    ("InvalidState", Seen::All),
    ("InsufficientCredits", Seen::Only(&["code", "message", "path", "available", "required", "shortfall", "balance"])),
    ("LimitExceeded", Seen::All),
];

/// Why a caller may not ask for a field.
pub(super) enum Denied {
    /// It needs one of these scopes.
    Needs(&'static [Scope]),
    /// This kind of caller never sees it.
    Hidden,
}

/// Whether a caller may ask for this field of this type, which leads to objects of another type.
pub(super) fn check(caller: &Caller, (parent, field): (&str, &str), leads_to: Option<&str>) -> Result<(), Denied> {
    if field == "__typename" {
        return Ok(());
    }
    if matches!(parent, "Query" | "Mutation" | "Subscription") {
        let row = ROOTS.iter().find(|(of, name, _)| *of == parent && *name == field);
        // What there is no row for is not there, or nobody has decided who may use it.
        return row.map_or(Err(Denied::Hidden), |(_, _, right)| may(caller, *right));
    }
    let seen = match caller {
        Caller::Portal(_) => PORTAL,
        Caller::Key(key) if key.scopes == Scopes::INGEST => INGEST,
        Caller::Key(_) | Caller::Local => return Ok(()),
    };
    let is_seen = |name: &str| seen.iter().find(|(seen, _)| *seen == name).map(|(_, fields)| fields);
    let is_shown = match is_seen(parent) {
        Some(Seen::All) => true,
        Some(Seen::Only(fields)) => fields.contains(&field),
        None => false,
    };
    if is_shown && leads_to.is_none_or(|name| is_seen(name).is_some()) { Ok(()) } else { Err(Denied::Hidden) }
}

fn may(caller: &Caller, right: Right) -> Result<(), Denied> {
    use Scope::{Admin, Ingest, Read, Write};
    let scopes = match caller {
        Caller::Local => return Ok(()),
        Caller::Portal(_) if matches!(right, Right::Anybody | Right::ReadOrPortal | Right::WriteOrPortal) => {
            return Ok(());
        }
        Caller::Portal(_) => return Err(Denied::Hidden),
        Caller::Key(key) => key.scopes,
    };
    let enough: &'static [Scope] = match right {
        Right::Anybody => return Ok(()),
        Right::Read | Right::ReadOrPortal => &[Read, Write, Admin],
        Right::Write | Right::WriteOrPortal => &[Write, Admin],
        Right::Ingest => &[Ingest, Write, Admin],
        Right::Admin => &[Admin],
    };
    if scopes.holds_any(enough) { Ok(()) } else { Err(Denied::Needs(enough)) }
}
