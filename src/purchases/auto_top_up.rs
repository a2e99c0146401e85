//! When credits are bought without being asked for: one pure decision, for commits that act on it and for people who want to
//! know why nothing is bought.

use crate::base::buying::{AutoTopUp, Buying, Failed};
use crate::base::credits::Credits;
use crate::base::time::{DAY, HOUR, Time};

use super::rules::MAX_QUANTITY;

/// How long to wait after each payment that failed, one behind the other; then it stops until it is set again.
const WAITS: [i64; 3] = [HOUR, 4 * HOUR, 24 * HOUR];

/// How it stands, by the contract's own names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the contract's own names")]
pub enum Status {
    Idle,
    PendingPayment,
    DailyLimitReached,
    PaymentFailed,
    NoPaymentMethod,
    Disabled,
}

/// What it is to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: there is enough.
    Enough,
    /// Nothing, though there is too little.
    Blocked {
        /// How it stands.
        status: Status,
        /// Why nothing is bought.
        reason: String,
        /// When that passes by itself.
        until: Option<Time>,
    },
    /// To buy so many at once.
    Buy(i32),
}

/// What is known of the world besides the balance.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// How many credits one of the option brings; or why it cannot be bought.
    pub pack: Result<Credits, String>,
    /// Whether there is a way to pay without asking the customer, or nothing to pay.
    pub can_pay: bool,
    /// What is in the way of the purchase that it waits for, if something is.
    pub trouble: Option<String>,
    /// The present.
    pub now: Time,
}

impl AutoTopUp {
    /// How long nothing is bought after what failed; forever when absent.
    fn rests_until(failed: &Failed) -> Option<Time> {
        let place = usize::try_from(failed.times).ok()?.checked_sub(1)?;
        failed.at.plus_micros(*WAITS.get(place)?)
    }

    /// Purchases of the last 24 hours.
    fn recent(&self, now: Time) -> Vec<Time> {
        let ends = |at: &Time| at.plus_micros(DAY).is_none_or(|end| now < end);
        self.bought.iter().copied().filter(ends).collect()
    }

    /// Whether it should look at all: whether there is too little, with what is awaited counted as if it were there.
    #[must_use]
    pub fn is_called_for(&self, available: Credits, awaited: Credits) -> bool {
        self.enabled && self.too_little(available, awaited).is_some()
    }

    /// What there is with what is awaited, when that is too little.
    fn too_little(&self, available: Credits, awaited: Credits) -> Option<Credits> {
        available.plus(awaited).ok().filter(|there| *there <= self.threshold)
    }

    /// What is to be done now.
    #[must_use]
    pub fn decide(&self, available: Credits, awaited: Credits, world: &Circumstances) -> Decision {
        let blocked = |status, reason: String, until| Decision::Blocked { status, reason, until };
        if !self.enabled {
            return blocked(Status::Disabled, "It is switched off.".to_owned(), None);
        }
        if self.waits_for.is_some() {
            let reason = match &world.trouble {
                None => "A purchase waits for its money.".to_owned(),
                Some(trouble) => format!("A purchase waits for its money: {trouble}"),
            };
            return blocked(Status::PendingPayment, reason, None);
        }
        if available > self.threshold {
            return Decision::Enough;
        }
        let Some(there) = self.too_little(available, awaited) else {
            let reason = "Credits of a purchase that waits for its money count as if they were there.";
            return blocked(Status::PendingPayment, reason.to_owned(), None);
        };
        // What is in the way besides the balance may go without a word.
        let later = world.now.plus_micros(HOUR);
        let credits = match &world.pack {
            Ok(credits) => *credits,
            Err(why) => return blocked(Status::Disabled, why.clone(), later),
        };
        if let Some(failed) = &self.failed {
            let reason = failed.reason.trim_end_matches('.');
            match Self::rests_until(failed) {
                None => {
                    let reason = format!("{reason}, {} times in a row; set it again to go on.", failed.times);
                    return blocked(Status::PaymentFailed, reason, None);
                }
                Some(until) if world.now < until => {
                    return blocked(Status::PaymentFailed, format!("{reason}; tries again at {until}."), Some(until));
                }
                Some(_) => {}
            }
        }
        let recent = self.recent(world.now);
        let limit = usize::try_from(self.daily_limit).unwrap_or_default();
        if let Some(place) = recent.len().checked_sub(limit) {
            let until = recent.get(place).and_then(|oldest| oldest.plus_micros(DAY));
            let reason = format!("It has bought {} times in 24 hours, which is as often as it may.", recent.len());
            return blocked(Status::DailyLimitReached, reason, until);
        }
        if !world.can_pay {
            let reason = "The customer has no way of payment on record; one is saved with the first purchase he pays.";
            return blocked(Status::NoPaymentMethod, reason.to_owned(), later);
        }
        Decision::Buy(packs(self.target.and_then(|target| target.minus(there).ok()), credits))
    }

    /// Takes note of what it bought.
    pub fn bought(&mut self, purchase: i32, now: Time) {
        self.bought = self.recent(now);
        self.bought.push(now);
        self.waits_for = Some(purchase);
    }

    /// Takes note of what became of a purchase: why there is no money, if there is none.
    pub fn ended(&mut self, purchase: i32, failure: Option<&str>, (made, now): (Time, Time)) {
        if self.waits_for != Some(purchase) {
            return;
        }
        self.waits_for = None;
        match failure {
            None => self.failed = None,
            Some(reason) => {
                if let Some(place) = self.bought.iter().position(|at| *at == made) {
                    self.bought.remove(place);
                }
                let times = self.failed.as_ref().map_or(0, |failed| failed.times).saturating_add(1);
                self.failed = Some(Failed { times, at: now, reason: reason.to_owned() });
            }
        }
    }
}

/// How many packs close a gap: one when there is none.
fn packs(gap: Option<Credits>, credits: Credits) -> i32 {
    let gap = gap.map_or(0, Credits::micros).max(0);
    let packs = gap.checked_div(credits.micros()).unwrap_or_default();
    let rest = gap.checked_rem(credits.micros()).unwrap_or_default();
    let packs = if rest > 0 { packs.saturating_add(1) } else { packs };
    i32::try_from(packs).unwrap_or(MAX_QUANTITY).clamp(1, MAX_QUANTITY)
}

impl Buying {
    /// When to look again, though nothing is committed until then.
    #[must_use]
    pub fn looks_at(&self) -> Option<Time> {
        self.auto.as_ref().and_then(|auto| auto.looks_at)
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers")]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::base::ids::PurchaseOptionId;
    use crate::base::time::MINUTE;

    fn credits(whole: i64) -> Credits {
        Credits::from_micros(whole * 1_000_000)
    }

    fn at(minutes: i64) -> Time {
        Time::from_micros(minutes * MINUTE).unwrap()
    }

    fn auto(daily_limit: i32) -> AutoTopUp {
        AutoTopUp {
            enabled: true,
            threshold: credits(20),
            option: PurchaseOptionId(uuid::Uuid::nil()),
            target: Some(credits(100)),
            daily_limit,
            waits_for: None,
            bought: Vec::new(),
            failed: None,
            looks_at: None,
        }
    }

    fn world(now: Time) -> Circumstances {
        Circumstances { pack: Ok(credits(30)), can_pay: true, trouble: None, now }
    }

    #[test]
    fn packs_close_the_gap_to_the_target_and_what_is_awaited_counts_as_there() {
        for (available, awaited, target, pack, packs) in [
            (20, 0, Some(100), 30, Some(3)),
            (20, 0, Some(80), 30, Some(2)),
            (20, 0, Some(81), 30, Some(3)),
            (20, 0, None, 30, Some(1)),
            (20, 0, Some(20), 30, Some(1)),
            (-50, 0, Some(100), 30, Some(5)),
            (0, 20, Some(100), 30, Some(3)),
            (0, 21, Some(100), 30, None),
            (21, 0, Some(100), 30, None),
            (0, 0, Some(1_000_000), 1, Some(1000)),
        ] {
            let auto = AutoTopUp { target: target.map(credits), ..auto(5) };
            let world = Circumstances { pack: Ok(credits(pack)), ..world(at(0)) };
            let decision = auto.decide(credits(available), credits(awaited), &world);
            match (packs, &decision) {
                (Some(packs), Decision::Buy(bought)) if packs == *bought => {}
                (None, Decision::Enough) if available > 20 => {}
                (None, Decision::Blocked { status: Status::PendingPayment, .. }) if awaited > 0 => {}
                _ => panic!("{available} {awaited} {target:?} {pack}: {decision:?}"),
            }
        }
    }

    #[test]
    fn whatever_is_in_the_way_is_told() {
        let low = |auto: &AutoTopUp, world: &Circumstances| match auto.decide(credits(0), credits(0), world) {
            Decision::Blocked { status, reason, until } => (status, reason, until.map(|until| until.micros() / MINUTE)),
            other => panic!("{other:?}"),
        };
        let failed = |times| AutoTopUp { failed: Some(Failed { times, at: at(0), reason: "No.".into() }), ..auto(5) };
        let off = AutoTopUp { enabled: false, ..auto(5) };
        let waits = AutoTopUp { waits_for: Some(1), ..auto(5) };
        let in_trouble = Circumstances { trouble: Some("It has 1 EUR instead of 2.".into()), ..world(at(0)) };
        let often = AutoTopUp { bought: vec![at(-600), at(-60)], ..auto(2) };
        let no_method = Circumstances { can_pay: false, ..world(at(0)) };
        let no_pack = Circumstances { pack: Err("Gone.".into()), ..world(at(0)) };
        for (auto, world, status, until) in [
            (&off, &world(at(0)), Status::Disabled, None),
            (&waits, &world(at(0)), Status::PendingPayment, None),
            (&waits, &in_trouble, Status::PendingPayment, None),
            (&auto(5), &no_pack, Status::Disabled, Some(60)),
            (&auto(5), &no_method, Status::NoPaymentMethod, Some(60)),
            (&often, &world(at(0)), Status::DailyLimitReached, Some(840)),
            (&failed(1), &world(at(59)), Status::PaymentFailed, Some(60)),
            (&failed(2), &world(at(239)), Status::PaymentFailed, Some(240)),
            (&failed(3), &world(at(1439)), Status::PaymentFailed, Some(1440)),
            (&failed(4), &world(at(1_000_000)), Status::PaymentFailed, None),
        ] {
            let (told, reason, passes) = low(auto, world);
            assert_eq!((told, passes), (status, until), "{reason}");
            assert!(reason.ends_with('.'), "{reason}");
        }
        assert_eq!(failed(3).decide(credits(0), credits(0), &world(at(1440))), Decision::Buy(4));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Wait(i64),
        Available(i64),
        /// What it waits for ends, well or not.
        End(bool),
        /// Somebody sets it again.
        Set,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => prop_oneof![1_i64..90, 200_i64..260, 1400_i64..1500].prop_map(Step::Wait),
            3 => (0_i64..60).prop_map(Step::Available),
            4 => any::<bool>().prop_map(Step::End),
            1 => Just(Step::Set),
        ];
        vec(step, 1..60)
    }

    /// What was bought, as somebody writes it down who forgets nothing.
    #[derive(Clone, Copy)]
    struct Bought {
        made: Time,
        ended: Option<(Time, bool)>,
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_never_buys_two_at_once_nor_too_often_nor_too_soon_behind_a_failure(
            limit in 1..4,
            steps in steps(),
        ) {
            let (mut auto, mut now, mut available) = (auto(limit), 0, 50);
            let (mut log, mut set_at): (Vec<Bought>, Time) = (Vec::new(), at(0));
            for step in steps {
                match step {
                    Step::Wait(minutes) => now += minutes,
                    Step::Available(credits) => available = credits,
                    Step::End(well) => {
                        if let Some(last) = log.last_mut().filter(|last| last.ended.is_none()) {
                            last.ended = Some((at(now), well));
                            let number = auto.waits_for.unwrap();
                            auto.ended(number, (!well).then_some("No."), (last.made, at(now)));
                        }
                    }
                    Step::Set => {
                        auto.failed = None;
                        set_at = at(now);
                    }
                }
                let time = at(now);
                let pending = log.iter().any(|one| one.ended.is_none());
                let counted = |one: &&Bought| {
                    one.made.plus_micros(DAY).unwrap() > time && !matches!(one.ended, Some((_, false)))
                };
                let failures: Vec<Time> = log
                    .iter()
                    .rev()
                    .map_while(|one| one.ended.filter(|(_, well)| !well).map(|(at, _)| at))
                    .filter(|failed| *failed >= set_at)
                    .collect();
                // One set again at the very instant of a failure may be either: the row knows, this log does not.
                let odd = failures.contains(&set_at);
                let rests = match failures.len() {
                    0 => false,
                    times => WAITS.get(times - 1).is_none_or(|wait| time < failures[0].plus_micros(*wait).unwrap()),
                };
                let may = !pending && !rests && log.iter().filter(counted).count() < usize::try_from(limit).unwrap();
                let decision = auto.decide(credits(available), credits(0), &world(time));
                if available > 20 {
                    prop_assert!(pending || decision == Decision::Enough);
                } else if !odd {
                    prop_assert_eq!(matches!(decision, Decision::Buy(_)), may, "{:?}", decision);
                }
                if let Decision::Buy(_) = decision {
                    let number = i32::try_from(log.len()).unwrap() + 1;
                    auto.bought(number, time);
                    log.push(Bought { made: time, ended: None });
                }
            }
        }
    }
}
