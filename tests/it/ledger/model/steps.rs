//! What the model does: time, then the commands, one function each.

use scrip::base::time::Time;
use scrip::ledger::command::{Command, Cover, NewGrant, Overrun, Renewal, Spend, SpendKind, VoidKind};
use scrip::ledger::error::Refusal;
use scrip::ledger::model::{
    Cause, DEFAULT_PRIORITY, Ended, EntryKind, GrantSource, GrantState, Hold, MAX_HOLDS, MAX_OPEN_LOTS, Pin, Posting,
};

use super::{Bag, Model, credits, micros};

// --- Time (L8) -------------------------------------------------------------------------------------------------------

impl Model {
    /// All that happens at one instant: holds lapse, lots end, a renewal makes its lots, lots begin.
    pub(super) fn live_through(&mut self, at: Time, renewals: &[Renewal]) {
        for hold in self.holds.clone().into_iter().filter(|hold| hold.expires_at == at) {
            let entry = self.entry(EntryKind::Release, Cause::Time, at);
            self.end_hold(entry, &hold, 0);
        }
        let included = |bag: &&Bag| bag.source == GrantSource::Allowance && bag.ended.is_none();
        let ends_now = self.bags.iter().filter(included).filter(|bag| bag.expires_at == Some(at));
        let unused: i128 = ends_now.map(Bag::free).sum();
        self.end_lots(at);
        for renewal in renewals.iter().filter(|renewal| renewal.at == at) {
            if let Some(rollover) = renewal.rollover {
                let amount = unused.min(micros(rollover.limit));
                let expires_at = rollover.expires_at;
                self.renew(renewal, Bag { expires_at, ..self.new_bag(GrantSource::Rollover, amount, at) });
            }
            if let Some(allowance) = renewal.allowance {
                let (amount, expires_at) = (micros(allowance.credits), allowance.expires_at);
                self.renew(renewal, Bag { expires_at, ..self.new_bag(GrantSource::Allowance, amount, at) });
            }
        }
        for lot in self.bags.clone().into_iter().filter(|bag| bag.is_pending() && bag.effective_at == at) {
            let entry = self.entry(EntryKind::Activation, Cause::Time, at);
            self.post(Posting { grant: Some(lot.sequence), ..entry }, |model| {
                let bag = model.bag(lot.sequence);
                bag.begun = true;
                bag.remaining = bag.credits;
            });
        }
    }

    fn renew(&mut self, renewal: &Renewal, bag: Bag) {
        let amount = bag.credits.min(self.room());
        if amount > 0 {
            let cause = Cause::Renewal(renewal.subscription);
            self.make_lot(cause, bag.effective_at, Bag { credits: amount, remaining: amount, ..bag });
        }
    }

    /// Ends what is over and not pinned, in order of creation; called whenever time passes or pins come off.
    fn end_lots(&mut self, at: Time) {
        for lot in self.bags.clone().into_iter().filter(|bag| bag.free() > 0 && bag.is_over(at)) {
            let is_voided = lot.ended == Some(Ended::Voided);
            let kind = if is_voided { EntryKind::Void } else { EntryKind::Expiration };
            let entry = Posting { grant: Some(lot.sequence), ..self.entry(kind, Cause::Time, at) };
            self.post(entry, |model| model.bag(lot.sequence).remaining = lot.held);
        }
    }

    /// Takes the pins of a hold off, and burns that much, from them first.
    fn end_hold(&mut self, entry: Posting, hold: &Hold, amount: i128) {
        self.post(Posting { hold: Some(hold.sequence), ..entry }, |model| {
            model.holds.retain(|other| other.sequence != hold.sequence);
            let mut left = amount;
            for bag in model.in_order() {
                for pin in hold.pins.iter().filter(|pin| pin.lot == bag.sequence) {
                    let part = left.min(micros(pin.credits));
                    let bag = model.bag(pin.lot);
                    bag.held -= micros(pin.credits);
                    bag.remaining -= part;
                    model.took(Some(pin.lot), part);
                    left -= part;
                }
            }
            model.burn(left);
        });
    }
}

// --- Lots that come in ----------------------------------------------------------------------------------------------

impl Model {
    fn make_lot(&mut self, cause: Cause, occurred_at: Time, bag: Bag) {
        let kind = match bag.source {
            GrantSource::StartingBalance => EntryKind::StartingBalance,
            GrantSource::TopUp => EntryKind::TopUp,
            GrantSource::Purchase => EntryKind::Purchase,
            GrantSource::Allowance => EntryKind::Allowance,
            GrantSource::Rollover => EntryKind::Rollover,
            GrantSource::Reversal => EntryKind::Reversal,
        };
        let entry = self.entry(kind, cause, occurred_at);
        let entry = Posting { grant: Some(bag.sequence), terms: Some(bag.terms()), ..entry };
        self.post(entry, |model| {
            model.touched.push(bag.sequence);
            model.bags.push(bag);
        });
    }

    fn new_bag(&self, source: GrantSource, amount: i128, effective_at: Time) -> Bag {
        Bag {
            sequence: self.next_sequence(),
            source,
            credits: amount,
            priority: DEFAULT_PRIORITY,
            effective_at,
            expires_at: None,
            cost: None,
            begun: true,
            remaining: amount,
            held: 0,
            ended: None,
        }
    }
}

// --- Commands --------------------------------------------------------------------------------------------------------

impl Model {
    pub(super) fn obey(&mut self, command: &Command) -> Result<(), Refusal> {
        match command {
            Command::Grant(grant) => self.grant(grant),
            Command::Spend(spend) => self.spend(spend),
            Command::Hold { credits, expires_at } => self.hold(micros(*credits), *expires_at),
            Command::Extend { hold, expires_at } => {
                let mut hold = self.find_hold(*hold)?;
                hold.expires_at = hold.expires_at.max(*expires_at);
                let place = self.holds.iter().position(|other| other.sequence == hold.sequence);
                self.holds[place.expect("it was found")] = hold;
                Ok(())
            }
            Command::Capture { hold, credits, overrun } => self.capture(*hold, credits.map(micros), *overrun),
            Command::Release { hold } => self.capture(*hold, Some(0), Overrun::Reject),
            Command::Reverse(reversal) => self.reverse(reversal.entry, reversal.credits.map(micros)),
            Command::Void { lot, kind } => self.void(*lot, *kind),
            Command::Amend { lot, priority, expires_at } => self.amend(*lot, *priority, *expires_at),
            Command::Close => self.close(),
        }
    }

    fn grant(&mut self, grant: &NewGrant) -> Result<(), Refusal> {
        let effective_at = grant.effective_at.unwrap_or(self.now).max(self.now);
        if grant.expires_at.is_some_and(|end| end <= effective_at) {
            return Err(Refusal::ExpiryTooEarly);
        }
        let is_asked_for = matches!(grant.source, GrantSource::TopUp | GrantSource::StartingBalance);
        if is_asked_for && self.bags.iter().filter(|bag| bag.is_open()).count() >= MAX_OPEN_LOTS {
            return Err(Refusal::TooManyLots);
        }
        if micros(grant.credits) > self.room() {
            return Err(Refusal::BeyondBalance);
        }
        let begun = effective_at <= self.now;
        let bag = self.new_bag(grant.source, micros(grant.credits), effective_at);
        let (priority, expires_at, cost) = (grant.priority, grant.expires_at, grant.cost);
        let remaining = if begun { bag.credits } else { 0 };
        self.make_lot(Cause::Command, self.now, Bag { priority, expires_at, cost, begun, remaining, ..bag });
        Ok(())
    }

    fn spend(&mut self, spend: &Spend) -> Result<(), Refusal> {
        let asked = micros(spend.credits);
        let covered = asked.min(self.takeable());
        if covered < asked && spend.cover == Cover::Whole {
            return Err(self.insufficient(asked, self.limit()));
        }
        let kind = match spend.kind {
            SpendKind::Usage => EntryKind::Usage,
            SpendKind::Retention => EntryKind::Retention,
        };
        let occurred_at = spend.occurred_at.unwrap_or(self.now);
        let uncovered = credits(asked - covered);
        self.post(Posting { occurred_at, uncovered, ..self.commanded(kind) }, |model| model.burn(covered));
        Ok(())
    }

    fn hold(&mut self, amount: i128, expires_at: Time) -> Result<(), Refusal> {
        if self.holds.len() >= MAX_HOLDS {
            return Err(Refusal::TooManyHolds);
        }
        if amount > self.available() {
            return Err(self.insufficient(amount, 0));
        }
        let sequence = self.next_sequence();
        self.post(Posting { hold: Some(sequence), ..self.commanded(EntryKind::Hold) }, |model| {
            let mut pins = Vec::new();
            for (lot, part) in model.take(amount) {
                let lot = lot.expect("a hold takes from lots");
                let bag = model.bag(lot);
                bag.remaining += part;
                bag.held += part;
                pins.push(Pin { lot, credits: credits(part) });
            }
            model.holds.push(Hold { sequence, credits: credits(amount), expires_at, pins });
        });
        Ok(())
    }

    fn find_hold(&self, hold: i64) -> Result<Hold, Refusal> {
        self.holds.iter().find(|other| other.sequence == hold).cloned().ok_or(Refusal::NoSuchHold)
    }

    fn capture(&mut self, hold: i64, asked: Option<i128>, overrun: Overrun) -> Result<(), Refusal> {
        let hold = self.find_hold(hold)?;
        let asked = asked.unwrap_or(micros(hold.credits));
        let beyond = (asked - micros(hold.credits)).max(0);
        let uncovered = match overrun {
            _ if beyond == 0 => 0,
            Overrun::Reject => return Err(Refusal::BeyondHold { held: hold.credits }),
            Overrun::UpToAvailable => beyond - beyond.min(self.available().max(0)),
            Overrun::Overdraft if beyond > self.takeable() => return Err(self.insufficient(beyond, self.limit())),
            Overrun::Overdraft => 0,
        };
        let kind = if asked == 0 { EntryKind::Release } else { EntryKind::Capture };
        let entry = Posting { uncovered: credits(uncovered), ..self.commanded(kind) };
        self.end_hold(entry, &hold, asked - uncovered);
        self.end_lots(self.now);
        Ok(())
    }

    /// L13: the last taken comes back first, behind what came back before.
    fn reverse(&mut self, entry: i64, asked: Option<i128>) -> Result<(), Refusal> {
        let place = usize::try_from(entry - 1).expect("entries are numbered from 1");
        if !matches!(self.entries[place].kind, EntryKind::Usage | EntryKind::Retention | EntryKind::Capture) {
            return Err(Refusal::NotReversible);
        }
        let mut skipped = self.reversed(entry);
        let left = -micros(self.entries[place].credits) - skipped;
        let mut asked = asked.unwrap_or(left);
        if left == 0 || asked > left {
            return Err(Refusal::BeyondEntry { left: credits(left) });
        }
        if asked > self.room() {
            return Err(Refusal::BeyondBalance);
        }
        let mut back = Vec::new();
        for (from, part) in self.takes[place].clone().into_iter().rev() {
            let gone = skipped.min(part);
            let given = asked.min(part - gone);
            skipped -= gone;
            asked -= given;
            back.push((from, given));
        }
        let owed: i128 = back.iter().filter(|(from, _)| from.is_none()).map(|(_, given)| given).sum();
        let surplus = (owed - self.debt).max(0);
        let bag = (surplus > 0).then(|| self.new_bag(GrantSource::Reversal, surplus, self.now));
        let (grant, terms) = (bag.as_ref().map(|bag| bag.sequence), bag.as_ref().map(Bag::terms));
        let posting = Posting { reverses: Some(entry), grant, terms, ..self.commanded(EntryKind::Reversal) };
        self.post(posting, |model| {
            model.debt -= owed - surplus;
            for (from, given) in back.into_iter().filter(|(_, given)| *given > 0) {
                if let Some(lot) = from {
                    model.bag(lot).remaining += given;
                }
            }
            model.touched.extend(bag.iter().map(|bag| bag.sequence));
            model.bags.extend(bag);
        });
        self.end_lots(self.now);
        Ok(())
    }

    /// A lot that can be ended or amended; one that ended only by what was due before the command is over, not missing.
    fn find_living(&self, lot: i64) -> Result<Bag, Refusal> {
        let known = self.bags.iter().find(|bag| bag.sequence == lot && !self.gone.contains(&lot));
        let bag = known.ok_or(Refusal::NoSuchGrant)?;
        match bag.state(self.now) {
            GrantState::Pending | GrantState::Active => Ok(*bag),
            over => Err(Refusal::GrantOver(over)),
        }
    }

    fn void(&mut self, lot: i64, kind: VoidKind) -> Result<(), Refusal> {
        let held = self.find_living(lot)?.held;
        let kind = match kind {
            VoidKind::Void => EntryKind::Void,
            VoidKind::Refund if held > 0 => return Err(Refusal::GrantPinned),
            VoidKind::Refund => EntryKind::Refund,
        };
        self.post(Posting { grant: Some(lot), ..self.commanded(kind) }, |model| {
            let bag = model.bag(lot);
            bag.remaining = bag.held;
            bag.ended = Some(Ended::Voided);
        });
        Ok(())
    }

    fn amend(&mut self, lot: i64, priority: i16, expires_at: Option<Time>) -> Result<(), Refusal> {
        let bag = Bag { priority, expires_at, ..self.find_living(lot)? };
        if expires_at.is_some_and(|end| end <= bag.effective_at.max(self.now)) {
            return Err(Refusal::ExpiryTooEarly);
        }
        let entry = Posting { grant: Some(lot), terms: Some(bag.terms()), ..self.commanded(EntryKind::Amendment) };
        self.post(entry, |model| *model.bag(lot) = bag);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Refusal> {
        let has_pending = self.bags.iter().any(Bag::is_pending);
        if self.settled() != 0 || self.held() != 0 || self.debt != 0 || has_pending {
            return Err(Refusal::NotEmpty);
        }
        self.closed = true;
        Ok(())
    }
}
