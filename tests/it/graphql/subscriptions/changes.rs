//! Cancelling, resuming and changing plans, now and with the next period.

use serde_json::{Value, json};

use super::shop::Shop;
use crate::support::answer::answer;
use crate::support::db::{both, on_sqlite};

const NOW: &str = "NOW";

both!(cancelling_at_the_periods_end_lets_it_run_until_then_and_nothing_rolls_over, async |db| {
    let shop = Shop::on(db).await;
    let subscription = shop.subscribe(&shop.pro, json!({})).await;
    let asked = shop.ask("cancelPlanSubscription", &subscription, json!({})).await;
    let again = shop.ask("cancelPlanSubscription", &subscription, json!({})).await;
    shop.call("late", 4).await;
    let mut shown = vec![asked, again, shop.balance().await];
    shop.api.at("2026-02-01T00:00:00Z");
    shown.push(shop.balance().await);
    shop.api.work().await;
    shown.push(shop.ask("cancelPlanSubscription", &subscription, json!({"effective": NOW})).await);
    shown.extend([shop.entries().await, shop.charges(&subscription).await]);
    let shown = Value::from(shown);
    answer!(shown, @r#"
    [
      {
        errors: [], replayed: false
        subscription: {
          cancelAt: "2026-02-01T00:00:00.000000Z"
          currentPeriod: {end: "2026-02-01T00:00:00.000000Z", index: 0, start: "2026-01-01T00:00:00.000000Z"}
          endedAt: null, pendingPlanVersion: null, planVersion: {plan: {key: "pro"}}, status: "ACTIVE"
        }
      }
      {
        errors: [], replayed: true
        subscription: {
          cancelAt: "2026-02-01T00:00:00.000000Z"
          currentPeriod: {end: "2026-02-01T00:00:00.000000Z", index: 0, start: "2026-01-01T00:00:00.000000Z"}
          endedAt: null, pendingPlanVersion: null, planVersion: {plan: {key: "pro"}}, status: "ACTIVE"
        }
      }
      {
        available: "100", held: "0", lastSequence: "1", lowBalanceThreshold: "20"
        nextChangeAt: "2026-02-01T00:00:00.000000Z", overdraft: {limit: null, policy: "DENY"}, settled: "100"
        state: "ACTIVE", subscription: {planVersion: {plan: {key: "pro"}}}
      }
      {
        available: "0", held: "0", lastSequence: "1", lowBalanceThreshold: "20", nextChangeAt: null
        overdraft: {limit: null, policy: "DENY"}, settled: "0", state: "DEPLETED", subscription: null
      }
      {
        errors: [], replayed: true
        subscription: {
          cancelAt: "2026-02-01T00:00:00.000000Z", currentPeriod: null, endedAt: "2026-02-01T00:00:00.000000Z"
          pendingPlanVersion: null, planVersion: {plan: {key: "pro"}}, status: "CANCELED"
        }
      }
      ["01-01T00:00 ALLOWANCE 100 SUBSCRIPTION by it", "02-01T00:00 EXPIRATION -100 SYSTEM"]
      [
        "0 [01-01T00:00, 02-01T00:00) Platform = 29.00", "0 [01-01T00:00, 02-01T00:00) Seats: 2 at 10.00 EUR = 20.00"
        "0 [01-01T00:00, 02-01T00:00) Calls: 1 beyond 3 at 0.01 EUR = 0.01"
      ]
    ]
    "#);
});

both!(cancelling_now_voids_what_is_unused_and_charges_usage_so_far, async |db| {
    let shop = Shop::on(db).await;
    let subscription = shop.subscribe(&shop.pro, json!({})).await;
    shop.burn("first", "40").await;
    shop.api.at("2026-02-10T00:00:00Z");
    shop.burn("second", "20").await;
    shop.call("second", 5).await;
    shop.api.at("2026-02-11T00:00:00Z");
    let asked = shop.ask("cancelPlanSubscription", &subscription, json!({"effective": NOW})).await;
    shop.api.at("2026-02-12T00:00:00Z");
    shop.call("after", 5).await;
    shop.api.work().await;
    let again = shop.ask("cancelPlanSubscription", &subscription, json!({"effective": NOW})).await;
    let shown = [asked, again, shop.entries().await, shop.charges(&subscription).await, shop.balance().await];
    let shown = Value::from(shown.to_vec());
    answer!(shown, @r#"
    [
      {
        errors: [], replayed: false
        subscription: {
          cancelAt: "2026-02-11T00:00:00.000000Z", currentPeriod: null, endedAt: "2026-02-11T00:00:00.000000Z"
          pendingPlanVersion: null, planVersion: {plan: {key: "pro"}}, status: "CANCELED"
        }
      }
      {
        errors: [], replayed: true
        subscription: {
          cancelAt: "2026-02-11T00:00:00.000000Z", currentPeriod: null, endedAt: "2026-02-11T00:00:00.000000Z"
          pendingPlanVersion: null, planVersion: {plan: {key: "pro"}}, status: "CANCELED"
        }
      }
      [
        "01-01T00:00 ALLOWANCE 100 SUBSCRIPTION by it", "01-01T00:00 USAGE -40 EVENT"
        "02-01T00:00 EXPIRATION -60 SYSTEM", "02-01T00:00 ROLLOVER 30 SUBSCRIPTION by it"
        "02-01T00:00 ALLOWANCE 100 SUBSCRIPTION by it", "02-10T00:00 USAGE -20 EVENT"
        "02-11T00:00 VOID -10 SUBSCRIPTION by it", "02-11T00:00 VOID -100 SUBSCRIPTION by it"
      ]
      [
        "0 [01-01T00:00, 02-01T00:00) Platform = 29.00", "0 [01-01T00:00, 02-01T00:00) Seats: 2 at 10.00 EUR = 20.00"
        "0 [01-01T00:00, 02-01T00:00) Calls: 0 beyond 3 at 0.01 EUR = 0.00"
        "1 [02-01T00:00, 03-01T00:00) Platform = 29.00", "1 [02-01T00:00, 03-01T00:00) Seats: 2 at 10.00 EUR = 20.00"
        "1 [02-01T00:00, 02-11T00:00) Calls: 2 beyond 3 at 0.01 EUR = 0.02"
      ]
      {
        available: "0", held: "0", lastSequence: "8", lowBalanceThreshold: "20", nextChangeAt: null
        overdraft: {limit: null, policy: "DENY"}, settled: "0", state: "DEPLETED", subscription: null
      }
    ]
    "#);
});

both!(a_cancellation_is_taken_back_until_it_has_happened, async |db| {
    let shop = Shop::on(db).await;
    let subscription = shop.subscribe(&shop.pro, json!({})).await;
    shop.ask("cancelPlanSubscription", &subscription, json!({})).await;
    shop.api.at("2026-01-31T23:59:59.999999Z");
    let resumed = shop.ask("resumePlanSubscription", &subscription, json!({})).await;
    let again = shop.ask("resumePlanSubscription", &subscription, json!({})).await;
    shop.api.at("2026-02-01T00:00:00Z");
    let renewed = shop.balance().await;
    shop.ask("cancelPlanSubscription", &subscription, json!({})).await;
    shop.api.at("2026-03-01T00:00:00Z");
    let late = shop.refused("resumePlanSubscription", json!({"subscriptionId": subscription})).await;
    let shown = Value::from(vec![resumed, again, renewed, late]);
    answer!(shown, @r#"
    [
      {
        errors: [], replayed: false
        subscription: {
          cancelAt: null
          currentPeriod: {end: "2026-02-01T00:00:00.000000Z", index: 0, start: "2026-01-01T00:00:00.000000Z"}
          endedAt: null, pendingPlanVersion: null, planVersion: {plan: {key: "pro"}}, status: "ACTIVE"
        }
      }
      {
        errors: [], replayed: true
        subscription: {
          cancelAt: null
          currentPeriod: {end: "2026-02-01T00:00:00.000000Z", index: 0, start: "2026-01-01T00:00:00.000000Z"}
          endedAt: null, pendingPlanVersion: null, planVersion: {plan: {key: "pro"}}, status: "ACTIVE"
        }
      }
      {
        available: "130", held: "0", lastSequence: "1", lowBalanceThreshold: "20"
        nextChangeAt: "2026-03-01T00:00:00.000000Z", overdraft: {limit: null, policy: "DENY"}, settled: "130"
        state: "ACTIVE", subscription: {planVersion: {plan: {key: "pro"}}}
      }
      [{
        __typename: "InvalidState", message: "The subscription has ended; make a new one.", path: ["subscriptionId"]
        state: "CANCELED"
      }]
    ]
    "#);
});

on_sqlite!(a_subscription_that_is_yet_to_begin_can_be_cancelled_and_taken_back, async |db| {
    let shop = Shop::on(db).await;
    let subscription = shop.subscribe(&shop.pro, json!({"startsAt": "2026-01-10T00:00:00Z"})).await;
    let asked = shop.ask("cancelPlanSubscription", &subscription, json!({})).await;
    let resumed = shop.ask("resumePlanSubscription", &subscription, json!({})).await;
    shop.ask("cancelPlanSubscription", &subscription, json!({})).await;
    shop.api.at("2026-01-10T00:00:00Z");
    shop.api.work().await;
    let shown = [asked, resumed, shop.balance().await, shop.charges(&subscription).await];
    let shown = Value::from(shown.to_vec());
    answer!(shown, @r#"
    [
      {
        errors: [], replayed: false
        subscription: {
          cancelAt: "2026-01-10T00:00:00.000000Z", currentPeriod: null, endedAt: null, pendingPlanVersion: null
          planVersion: {plan: {key: "pro"}}, status: "SCHEDULED"
        }
      }
      {
        errors: [], replayed: false
        subscription: {
          cancelAt: null, currentPeriod: null, endedAt: null, pendingPlanVersion: null
          planVersion: {plan: {key: "pro"}}, status: "SCHEDULED"
        }
      }
      null, []
    ]
    "#);
});

on_sqlite!(a_change_of_plan_with_the_next_period_rolls_over_by_the_old_terms, async |db| {
    let shop = Shop::on(db).await;
    let big = shop.credits("big", "YEAR", json!({"includedCredits": "5000"})).await;
    let subscription = shop.subscribe(&shop.pro, json!({"startsAt": "2025-12-31T00:00:00Z"})).await;
    let asked = shop.ask("changeSubscriptionPlan", &subscription, json!({"planId": big})).await;
    let again = shop.ask("changeSubscriptionPlan", &subscription, json!({"planId": big})).await;
    shop.api.at("2026-01-31T00:00:00Z");
    let changed = shop.ask("resumePlanSubscription", &subscription, json!({})).await;
    shop.api.work().await;
    let shown = [asked, again, changed, shop.entries().await, shop.charges(&subscription).await];
    let shown = Value::from(shown.to_vec());
    answer!(shown, @r#"
    [
      {
        errors: [], replayed: false
        subscription: {
          cancelAt: null
          currentPeriod: {end: "2026-01-31T00:00:00.000000Z", index: 0, start: "2025-12-31T00:00:00.000000Z"}
          endedAt: null, pendingPlanVersion: {plan: {key: "big"}}, planVersion: {plan: {key: "pro"}}, status: "ACTIVE"
        }
      }
      {
        errors: [], replayed: true
        subscription: {
          cancelAt: null
          currentPeriod: {end: "2026-01-31T00:00:00.000000Z", index: 0, start: "2025-12-31T00:00:00.000000Z"}
          endedAt: null, pendingPlanVersion: {plan: {key: "big"}}, planVersion: {plan: {key: "pro"}}, status: "ACTIVE"
        }
      }
      {
        errors: [], replayed: true
        subscription: {
          cancelAt: null
          currentPeriod: {end: "2027-01-31T00:00:00.000000Z", index: 1, start: "2026-01-31T00:00:00.000000Z"}
          endedAt: null, pendingPlanVersion: null, planVersion: {plan: {key: "big"}}, status: "ACTIVE"
        }
      }
      [
        "2025-12-31T00:00 ALLOWANCE 100 SUBSCRIPTION by it", "01-31T00:00 EXPIRATION -100 SYSTEM"
        "01-31T00:00 ROLLOVER 30 SUBSCRIPTION by it", "01-31T00:00 ALLOWANCE 5000 SUBSCRIPTION by it"
      ]
      [
        "0 [2025-12-31T00:00, 01-31T00:00) Platform = 29.00"
        "0 [2025-12-31T00:00, 01-31T00:00) Seats: 2 at 10.00 EUR = 20.00"
        "0 [2025-12-31T00:00, 01-31T00:00) Calls: 0 beyond 3 at 0.01 EUR = 0.00"
      ]
    ]
    "#);
});

both!(a_change_of_plan_now_begins_a_period_that_anchors_the_next, async |db| {
    let shop = Shop::on(db).await;
    let big = shop.credits("big", "MONTH", json!({"includedCredits": "500"})).await;
    let subscription = shop.subscribe(&shop.pro, json!({})).await;
    shop.burn("first", "40").await;
    shop.call("first", 4).await;
    shop.api.at("2026-01-30T12:00:00Z");
    let asked = shop.ask("changeSubscriptionPlan", &subscription, json!({"planId": big, "effective": NOW})).await;
    shop.api.at("2026-03-30T12:00:00Z");
    shop.api.work().await;
    let shown = [asked, shop.entries().await, shop.charges(&subscription).await];
    let shown = Value::from(shown.to_vec());
    answer!(shown, @r#"
    [
      {
        errors: [], replayed: false
        subscription: {
          cancelAt: null
          currentPeriod: {end: "2026-02-28T12:00:00.000000Z", index: 1, start: "2026-01-30T12:00:00.000000Z"}
          endedAt: null, pendingPlanVersion: null, planVersion: {plan: {key: "big"}}, status: "ACTIVE"
        }
      }
      [
        "01-01T00:00 ALLOWANCE 100 SUBSCRIPTION by it", "01-01T00:00 USAGE -40 EVENT"
        "01-30T12:00 VOID -60 SUBSCRIPTION by it", "01-30T12:00 ALLOWANCE 500 SUBSCRIPTION by it"
        "02-28T12:00 EXPIRATION -500 SYSTEM", "02-28T12:00 ALLOWANCE 500 SUBSCRIPTION by it"
        "03-30T12:00 EXPIRATION -500 SYSTEM", "03-30T12:00 ALLOWANCE 500 SUBSCRIPTION by it"
      ]
      [
        "0 [01-01T00:00, 02-01T00:00) Platform = 29.00", "0 [01-01T00:00, 02-01T00:00) Seats: 2 at 10.00 EUR = 20.00"
        "0 [01-01T00:00, 01-30T12:00) Calls: 1 beyond 3 at 0.01 EUR = 0.01"
      ]
    ]
    "#);
});

both!(a_change_of_plan_is_taken_back_with_what_it_would_have_opened, async |db| {
    let shop = Shop::on(db).await;
    let fee = shop.without_credits().await;
    let subscription = shop.subscribe(&fee, json!({})).await;
    let pending = shop.ask("changeSubscriptionPlan", &subscription, json!({"planId": shop.pro})).await;
    let resumed = shop.ask("resumePlanSubscription", &subscription, json!({})).await;
    shop.ask("changeSubscriptionPlan", &subscription, json!({"planId": shop.pro})).await;
    let back = shop.ask("changeSubscriptionPlan", &subscription, json!({"planId": fee})).await;
    shop.api.at("2026-02-01T00:00:00Z");
    shop.api.work().await;
    let shown = [pending, resumed, back, shop.balance().await, shop.charges(&subscription).await];
    let shown = Value::from(shown.to_vec());
    answer!(shown, @r#"
    [
      {
        errors: [], replayed: false
        subscription: {
          cancelAt: null
          currentPeriod: {end: "2026-02-01T00:00:00.000000Z", index: 0, start: "2026-01-01T00:00:00.000000Z"}
          endedAt: null, pendingPlanVersion: {plan: {key: "pro"}}, planVersion: {plan: {key: "fee_only"}}
          status: "ACTIVE"
        }
      }
      {
        errors: [], replayed: false
        subscription: {
          cancelAt: null
          currentPeriod: {end: "2026-02-01T00:00:00.000000Z", index: 0, start: "2026-01-01T00:00:00.000000Z"}
          endedAt: null, pendingPlanVersion: null, planVersion: {plan: {key: "fee_only"}}, status: "ACTIVE"
        }
      }
      {
        errors: [], replayed: false
        subscription: {
          cancelAt: null
          currentPeriod: {end: "2026-02-01T00:00:00.000000Z", index: 0, start: "2026-01-01T00:00:00.000000Z"}
          endedAt: null, pendingPlanVersion: null, planVersion: {plan: {key: "fee_only"}}, status: "ACTIVE"
        }
      }
      null, ["0 [01-01T00:00, 02-01T00:00) Platform = 29.00", "1 [02-01T00:00, 03-01T00:00) Platform = 29.00"]
    ]
    "#);
});

both!(a_plan_without_the_credits_lets_their_balance_go_when_it_takes_over, async |db| {
    let shop = Shop::on(db).await;
    let fee = shop.without_credits().await;
    let subscription = shop.subscribe(&shop.pro, json!({})).await;
    shop.ask("changeSubscriptionPlan", &subscription, json!({"planId": fee})).await;
    let mut shown = Vec::new();
    for time in ["2026-01-31T23:59:59.999999Z", "2026-02-01T00:00:00Z"] {
        shop.api.at(time);
        shown.push(shop.balance().await);
    }
    shop.api.work().await;
    shop.ask("changeSubscriptionPlan", &subscription, json!({"planId": shop.pro, "effective": NOW})).await;
    shown.push(shop.entries().await);
    let shown = Value::from(shown);
    answer!(shown, @r#"
    [
      {
        available: "100", held: "0", lastSequence: "1", lowBalanceThreshold: "20"
        nextChangeAt: "2026-02-01T00:00:00.000000Z", overdraft: {limit: null, policy: "DENY"}, settled: "100"
        state: "ACTIVE", subscription: {planVersion: {plan: {key: "pro"}}}
      }
      {
        available: "0", held: "0", lastSequence: "1", lowBalanceThreshold: "20", nextChangeAt: null
        overdraft: {limit: null, policy: "DENY"}, settled: "0", state: "DEPLETED", subscription: null
      }
      [
        "01-01T00:00 ALLOWANCE 100 SUBSCRIPTION by it", "02-01T00:00 EXPIRATION -100 SYSTEM"
        "02-01T00:00 ALLOWANCE 100 SUBSCRIPTION by it"
      ]
    ]
    "#);
});

on_sqlite!(a_plan_that_is_pending_does_not_open_a_balance_before_its_time, async |db| {
    let shop = Shop::on(db).await;
    let fee = shop.without_credits().await;
    let subscription = shop.subscribe(&fee, json!({})).await;
    shop.ask("changeSubscriptionPlan", &subscription, json!({"planId": shop.pro})).await;
    let mut shown = Vec::new();
    for (time, event) in [("2026-01-31T23:59:59.999999Z", "before"), ("2026-02-01T00:00:00Z", "then")] {
        shop.api.at(time);
        shown.push(shop.available().await);
        shop.burn(event, "7").await;
        shown.push(shop.available().await);
    }
    assert_eq!(shown, ["none", "none", "100", "93"]);
});

both!(a_pending_plan_that_is_taken_now_opens_its_balance_now, async |db| {
    let shop = Shop::on(db).await;
    let fee = shop.without_credits().await;
    let subscription = shop.subscribe(&fee, json!({})).await;
    shop.ask("changeSubscriptionPlan", &subscription, json!({"planId": shop.pro})).await;
    shop.api.at("2026-01-15T00:00:00Z");
    shop.ask("changeSubscriptionPlan", &subscription, json!({"planId": shop.pro, "effective": NOW})).await;
    assert_eq!(shop.available().await, "100");
});

on_sqlite!(ending_a_subscription_leaves_what_another_one_brought, async |db| {
    let shop = Shop::on(db).await;
    let never = json!({"includedCredits": "100", "includedExpiration": {"policy": "NEVER"}});
    let never = shop.credits("never", "MONTH", never).await;
    let seven = shop.credits("seven", "MONTH", json!({"includedCredits": "7", "rolloverLimit": "50"})).await;
    let first = shop.subscribe(&never, json!({})).await;
    shop.ask("cancelPlanSubscription", &first, json!({})).await;
    shop.api.at("2026-02-02T00:00:00Z");
    let second = shop.subscribe(&seven, json!({"startsAt": "2025-12-31T00:00:00Z"})).await;
    assert_eq!(shop.available().await, "114", "of the second one 7 and a rollover of 7");
    shop.ask("cancelPlanSubscription", &second, json!({"effective": NOW})).await;
    assert_eq!(shop.available().await, "100");
});
