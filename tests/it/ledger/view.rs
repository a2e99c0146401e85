//! Views (L8): a balance as of an instant, before anything is posted.

use scrip::base::credits::Credits;
use scrip::base::ids::BalanceId;
use scrip::base::json::CanonicalJson;
use scrip::base::period::{Calendar, Interval};
use scrip::base::settings::{CreditLayer, IncludedExpiration};
use scrip::base::time::{MINUTE, Time};
use scrip::intake::{Action, NewHold, TopUp};
use scrip::ledger::model::{Ended, GrantSource, GrantState, HoldState, Lot, Policy};
use scrip::ledger::plan::{Included, PlanTerms, Stretch};
use scrip::ledger::reads::find_grants;
use scrip::ledger::store::find_holds;
use scrip::ledger::view::{GrantView, View, view};

use crate::support::db::{TestDb, both};
use crate::support::node::{Node, credits, noon};

/// So many minutes after noon, when all began.
fn minute(after: i64) -> Time {
    noon().plus_micros(after * MINUTE).expect("a time")
}

/// A balance with 100 credits for ever, 50 that burn first and end after ten minutes, and 20 of those held for five.
async fn stage(db: &TestDb) -> (Node, BalanceId) {
    let node = Node::on(db);
    let id = node.shop(100).await;
    let ending = TopUp { credits: credits(50), priority: 1, effective_at: None, expires_at: Some(minute(10)) };
    node.moves(id, Action::TopUp(ending), "ending").await.expect("it can be topped up");
    let hold = NewHold { credits: credits(20), ttl: 5 * MINUTE };
    node.moves(id, Action::Hold(hold), "hold").await.expect("there is enough");
    (node, id)
}

async fn view_at(node: &Node, id: BalanceId, at: Time) -> View {
    view(node.balance(id).await.into(), Policy::default(), at)
}

fn sums(view: &View) -> (Credits, Credits) {
    (view.available(), view.account.held)
}

both!(view_shows_lapses_and_expiries_at_their_instants, async |db| {
    let (node, id) = stage(db).await;
    let mut conn = node.0.db.read().await.expect("the database answers");
    let hold = find_holds(&mut conn, &[id.hold(3)]).await.expect("it can be read").remove(0);
    let grant = find_grants(&mut conn, &[id.grant(2)]).await.expect("it can be read").remove(0);
    drop(conn);

    let before = view_at(&node, id, minute(5).plus_micros(-1).expect("a time")).await;
    assert_eq!(sums(&before), (credits(130), credits(20)));
    assert_eq!(before.hold(hold.clone()), hold);
    assert_eq!(before.next_change_at(), Some(minute(5)));

    let lapsed = view_at(&node, id, minute(5)).await;
    assert_eq!(sums(&lapsed), (credits(150), Credits::ZERO));
    let told = lapsed.hold(hold);
    assert_eq!((told.state, told.ended_at, told.captured), (HoldState::Lapsed, Some(minute(5)), Credits::ZERO));
    assert_eq!(lapsed.next_change_at(), Some(minute(10)));
    assert_eq!(lapsed.lots().collect::<Vec<_>>(), [(2, GrantState::Active), (1, GrantState::Active)]);

    let expired = view_at(&node, id, minute(10)).await;
    assert_eq!(sums(&expired), (credits(100), Credits::ZERO));
    let GrantView { record, state } = expired.grant(grant.clone());
    assert_eq!((state, record.lot.remaining, record.id()), (GrantState::Expired, Credits::ZERO, grant.id()));
    assert_eq!((record.reason, record.created_at), (grant.reason, grant.created_at));
    assert_eq!((expired.next_change_at(), expired.is_closed()), (None, false));
});

both!(view_believes_the_balance_where_a_row_was_read_later, async |db| {
    let (node, id) = stage(db).await;
    let mut conn = node.0.db.read().await.expect("the database answers");
    let hold = find_holds(&mut conn, &[id.hold(3)]).await.expect("it can be read").remove(0);
    let grant = find_grants(&mut conn, &[id.grant(1)]).await.expect("it can be read").remove(0);
    drop(conn);
    let view = view_at(&node, id, minute(1)).await;

    // The hold was captured, and the lot burned, after the balance was read.
    let mut captured = hold.clone();
    (captured.state, captured.captured) = (HoldState::Captured, credits(20));
    (captured.expires_at, captured.ended_at) = (minute(9), Some(minute(1)));
    assert_eq!(view.hold(captured), hold);
    let mut burned = grant.clone();
    burned.lot.ended = Some(Ended::Depleted);
    let told = view.grant(burned);
    assert_eq!((told.state, told.record.lot.remaining), (GrantState::Active, credits(100)));

    // A hold and a lot that the balance does not carry are over, as their rows say.
    let mut released = hold.clone();
    released.id = id.hold(9);
    (released.state, released.ended_at) = (HoldState::Released, Some(minute(1)));
    assert_eq!(view.hold(released.clone()), released);
    for (ended, state) in [
        (None, GrantState::Depleted),
        (Some(Ended::Depleted), GrantState::Depleted),
        (Some(Ended::Expired), GrantState::Expired),
        (Some(Ended::Voided), GrantState::Voided),
    ] {
        let mut over = grant.clone();
        over.lot = Lot { sequence: 9, ended, ..over.lot };
        let told = view.grant(over);
        assert_eq!((told.state, told.record.lot.source), (state, GrantSource::StartingBalance));
        assert_eq!(told.record.metadata, CanonicalJson::empty_object());
    }
});

/// A plan whose months begin a minute after noon, each with 30 credits that do not end.
fn plan(since: i64) -> PlanTerms {
    let included = Included { credits: credits(30), expiration: IncludedExpiration::Never, rollover: Credits::ZERO };
    let calendar = Calendar { anchor: minute(1), interval: Interval::Month };
    let stretch = Stretch { from: minute(1), calendar, included, layer: CreditLayer::default() };
    PlanTerms { subscription: 7, since, stretches: vec![stretch], until: None }
}

both!(view_shows_grants_of_periods_that_are_not_posted, async |db| {
    let (node, id) = stage(db).await;
    let mut balance = node.balance(id).await;
    let newest = balance.account.sequence;
    (balance.plan, balance.renews_at) = (Some(plan(newest).into()), Some(minute(1)));
    let brought = |at: Time| view(balance.clone().into(), Policy::default(), at).brought().collect::<Vec<_>>();
    assert_eq!(brought(minute(1).plus_micros(-1).expect("a time")), []);
    let told = brought(minute(2));
    assert_eq!(told.len(), 1, "{told:?}");
    let GrantView { record, state } = &told[0];
    assert_eq!((record.lot.sequence, record.lot.source), (newest + 1, GrantSource::Allowance));
    assert_eq!((record.lot.remaining, record.lot.effective_at), (credits(30), minute(1)));
    assert_eq!((record.subscription, record.created_at, *state), (Some(7), minute(2), GrantState::Active));
});
