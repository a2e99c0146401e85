//! Stories: tables of time, command and what the ledger must say to it, played on the ledger and the model alike.
//!
//! A line is `SECOND COMMAND -> ENTRY; ENTRY; …`; a line that begins with `;` continues the one before. An entry reads
//! `KIND CREDITS [LOT CHANGE pin CHANGE, …] = AVAILABLE held HELD STATE`, and behind that what is out of the ordinary:
//! `uncovered 2`, `at 60` when it happened at another time than the command's, `ends A` where no lot is in brackets.
//! Lots, holds and entries are named by `as A`, others by their sequence, `#4`. `-> nothing` posts no entry. Lines
//! without a second set what holds from then on: `overdraft 10`, `warn at 5`, `renewal at 60 …`.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write};

use scrip::base::credits::Credits;
use scrip::base::decimal::Decimal;
use scrip::base::money::{Currency, Money};
use scrip::base::settings::Overdraft;
use scrip::base::time::Time;
use scrip::ledger::command::{
    Allowance, Command, Cover, NewGrant, Overrun, Renewal, Rollover, Spend, SpendKind, VoidKind,
};
use scrip::ledger::error::Refusal;
use scrip::ledger::model::{Cause, DEFAULT_PRIORITY, GrantSource, Policy, Posting};
use scrip::ledger::rules;

use super::script::{Call, Order, Script, beginning};
use super::stage::{Stage, carry};

/// Plays a story; panics at the first line that comes out otherwise.
pub(crate) fn story(text: &str) {
    let mut story = Story {
        stage: Stage::new(&Script { scale: 1, periods: Vec::new(), steps: Vec::new() }),
        names: BTreeMap::new(),
        policy: Policy::default(),
        renewals: Vec::new(),
    };
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")) {
        match lines.last_mut() {
            Some(begun) if line.starts_with(';') => begun.push_str(&line),
            _ => lines.push(line),
        }
    }
    for line in lines.iter().filter(|line| !line.is_empty()) {
        story.line(line);
    }
}

struct Story {
    stage: Stage,
    names: BTreeMap<String, i64>,
    policy: Policy,
    renewals: Vec<Renewal>,
}

/// The words of a line, and what stands behind a keyword among them.
struct Words<'a>(Vec<&'a str>);

impl<'a> Words<'a> {
    fn get(&self, place: usize) -> &'a str {
        self.0.get(place).copied().unwrap_or_else(|| panic!("a word is missing in {:?}", self.0))
    }

    fn after(&self, keyword: &str) -> Option<&'a str> {
        let place = self.0.iter().position(|word| *word == keyword)?;
        Some(self.get(place + 1))
    }

    fn time(&self, keyword: &str) -> Option<Time> {
        self.after(keyword).map(time)
    }

    fn has(&self, word: &str) -> bool {
        self.0.contains(&word)
    }
}

fn credits(text: &str) -> Credits {
    let decimal = Decimal::new(text).unwrap_or_else(|_| panic!("{text:?} is no amount"));
    let micros = decimal.scaled(Credits::SCALE).unwrap_or_else(|_| panic!("{text:?} is no amount"));
    Credits::from_micros(i64::try_from(micros).expect("an amount fits"))
}

/// That many seconds after the beginning; digits behind the point go down to microseconds.
fn time(text: &str) -> Time {
    beginning().plus_micros(credits(text).micros()).expect("stories are short")
}

fn seconds(time: Time) -> Credits {
    Credits::from_micros(time.micros() - beginning().micros())
}

fn signed(credits: Credits) -> String {
    if credits.is_positive() { format!("+{credits}") } else { credits.to_string() }
}

/// `TopUp` as the contract writes it: `TOP_UP`.
fn constant(name: &impl Debug) -> String {
    let name = format!("{name:?}");
    let spaced = name.chars().enumerate().map(|(place, letter)| {
        let gap = if place > 0 && letter.is_uppercase() { "_" } else { "" };
        format!("{gap}{}", letter.to_ascii_uppercase())
    });
    spaced.collect()
}

impl Story {
    fn line(&mut self, line: &str) {
        let (asked, expected) = line.split_once(" -> ").unwrap_or((line, ""));
        let words = Words(asked.split(' ').collect());
        if !words.get(0).starts_with(|letter: char| letter.is_ascii_digit()) {
            return self.set(&words);
        }
        let now = time(words.get(0));
        let said = match words.get(1) {
            "look" => self.look(now),
            "next" => self.next(),
            _ => self.order(now, &words),
        };
        assert!(expected.is_empty() || said == expected, "\n  {line}\nbut the ledger says\n  -> {said}\n");
    }

    /// A line without a second.
    fn set(&mut self, words: &Words<'_>) {
        match words.get(0) {
            "overdraft" => {
                self.policy.overdraft = match words.get(1) {
                    "denied" => Overdraft::Deny,
                    "unlimited" => Overdraft::Allow { limit: None },
                    limit => Overdraft::Allow { limit: Some(credits(limit)) },
                }
            }
            "warn" => self.policy.threshold = words.after("at").map(credits),
            "renewal" => self.renewals.push(Renewal {
                at: words.time("at").expect("a renewal has an instant"),
                subscription: 1,
                rollover: words.after("rollover").map(|limit| Rollover {
                    limit: credits(limit),
                    expires_at: words.time("until"),
                    since: 0,
                }),
                allowance: words
                    .after("allowance")
                    .map(|amount| Allowance { credits: credits(amount), expires_at: words.time("until") }),
            }),
            other => panic!("{other:?} is no setting"),
        }
    }

    fn order(&mut self, now: Time, words: &Words<'_>) -> String {
        let order = match words.get(1) {
            "read" => Order::Read,
            "carry" => Order::Carry,
            _ => Order::Apply(self.command(words)),
        };
        let is_read = matches!(order, Order::Read);
        let call = Call { policy: self.policy, now, renewals: self.renewals.clone(), order };
        let postings = match self.stage.call(&call) {
            Ok(postings) => postings,
            Err(refusal) => return refused(refusal),
        };
        if !is_read {
            let now = self.stage.model.time(now);
            self.renewals.retain(|renewal| renewal.at > now);
        }
        if let Some(name) = words.after("as") {
            let made = postings.iter().find(|posting| posting.cause == Cause::Command);
            self.names.insert(name.to_owned(), made.expect("it posts an entry").sequence);
        }
        let lines: Vec<String> = postings.iter().map(|posting| self.entry(posting, now)).collect();
        if lines.is_empty() { "nothing".to_owned() } else { lines.join("; ") }
    }

    fn command(&self, words: &Words<'_>) -> Command {
        let (what, object) = (words.get(1), words.0.get(2).copied().unwrap_or_default());
        let amount = |place: usize| words.0.get(place).and_then(|word| Decimal::new(word).ok().map(|_| credits(word)));
        let spend = |kind, cover| {
            let occurred_at = words.time("happened");
            Command::Spend(Spend { kind, credits: credits(object), cover, occurred_at })
        };
        match what {
            "start" => Self::grant(GrantSource::StartingBalance, words),
            "top-up" => Self::grant(GrantSource::TopUp, words),
            "buy" => Self::grant(GrantSource::Purchase, words),
            "record" => spend(SpendKind::Usage, Cover::AsFarAsAllowed),
            "enforce" => spend(SpendKind::Usage, Cover::Whole),
            "retain" => spend(SpendKind::Retention, Cover::Whole),
            "hold" => {
                Command::Hold { credits: credits(object), expires_at: words.time("until").expect("a hold has an end") }
            }
            "extend" => Command::Extend {
                hold: self.named(object),
                expires_at: words.time("until").expect("it is extended until an instant"),
            },
            "capture" => Command::Capture {
                hold: self.named(object),
                credits: amount(3),
                overrun: match () {
                    () if words.has("up-to-available") => Overrun::UpToAvailable,
                    () if words.has("overdraft") => Overrun::Overdraft,
                    () => Overrun::Reject,
                },
            },
            "release" => Command::Release { hold: self.named(object) },
            "reverse" => Command::Reverse(self.stage.model.reversal(self.named(object), amount(3))),
            "void" => Command::Void { lot: self.named(object), kind: VoidKind::Void },
            "refund" => Command::Void { lot: self.named(object), kind: VoidKind::Refund },
            "amend" => Command::Amend {
                lot: self.named(object),
                priority: words.after("priority").map_or(DEFAULT_PRIORITY, |n| n.parse().expect("a priority")),
                expires_at: words.time("until"),
            },
            "close" => Command::Close,
            other => panic!("{other:?} is no command"),
        }
    }

    fn grant(source: GrantSource, words: &Words<'_>) -> Command {
        let cost = words.after("paid").map(|minor| Money {
            minor: minor.parse().expect("a number of cents"),
            currency: Currency::parse("EUR").expect("a currency"),
        });
        Command::Grant(NewGrant {
            source,
            credits: credits(words.get(2)),
            priority: words.after("priority").map_or(DEFAULT_PRIORITY, |n| n.parse().expect("a priority")),
            effective_at: words.time("from"),
            expires_at: words.time("until"),
            cost,
        })
    }

    fn named(&self, name: &str) -> i64 {
        match name.strip_prefix('#') {
            Some(sequence) => sequence.parse().expect("a sequence"),
            None => *self.names.get(name).unwrap_or_else(|| panic!("nothing is named {name:?}")),
        }
    }

    fn name(&self, sequence: i64) -> String {
        let named = self.names.iter().find(|(_, named)| **named == sequence);
        named.map_or_else(|| format!("#{sequence}"), |(name, _)| name.clone())
    }

    fn entry(&self, posting: &Posting, now: Time) -> String {
        let mut said = format!("{} {}", constant(&posting.kind), signed(posting.credits));
        let allocations: Vec<String> = posting
            .allocations
            .iter()
            .map(|part| {
                let pin = if part.held_change.is_zero() {
                    String::new()
                } else {
                    format!(" pin {}", signed(part.held_change))
                };
                let change = if part.credits.is_zero() && !pin.is_empty() {
                    String::new()
                } else {
                    format!(" {}", signed(part.credits))
                };
                format!("{}{change}{pin}", self.name(part.lot))
            })
            .collect();
        if !allocations.is_empty() {
            write!(said, " [{}]", allocations.join(", ")).expect("text can be written");
        } else if let Some(lot) = posting.grant {
            write!(said, " {}", self.name(lot)).expect("text can be written");
        }
        write!(said, " = {}", posting.available_after).expect("text can be written");
        if !posting.held_after.is_zero() {
            write!(said, " held {}", posting.held_after).expect("text can be written");
        }
        write!(said, " {}", constant(&posting.state_after)).expect("text can be written");
        if !posting.uncovered.is_zero() {
            write!(said, " uncovered {}", posting.uncovered).expect("text can be written");
        }
        if posting.occurred_at != now {
            write!(said, " at {}", seconds(posting.occurred_at)).expect("text can be written");
        }
        if posting.recorded_at != now {
            write!(said, " recorded {}", seconds(posting.recorded_at)).expect("text can be written");
        }
        said
    }

    /// The open lots in burning order, active holds and debt, as a reader sees them.
    fn look(&self, now: Time) -> String {
        let read = carry(&self.stage.account, &self.policy, now, &self.renewals).account;
        let mut said = Vec::new();
        for lot in &read.lots {
            let pin = if lot.held.is_zero() { String::new() } else { format!(" pin {}", lot.held) };
            let state = constant(&rules::grant_state(lot, now));
            said.push(format!("{} {}{pin} {state}", self.name(lot.sequence), lot.remaining));
        }
        for hold in &read.holds {
            said.push(format!("{} {} until {}", self.name(hold.sequence), hold.credits, seconds(hold.expires_at)));
        }
        if read.debt.is_positive() {
            said.push(format!("debt {}", read.debt));
        }
        if said.is_empty() { "nothing".to_owned() } else { said.join("; ") }
    }

    fn next(&self) -> String {
        rules::next_change(&self.stage.account).map_or("never".to_owned(), |at| seconds(at).to_string())
    }
}

fn refused(refusal: Refusal) -> String {
    match refusal {
        Refusal::Insufficient { available, required, shortfall } => {
            format!("refused: {required} of {available}, short of {shortfall}")
        }
        Refusal::BeyondHold { held } => format!("refused: only {held} held"),
        Refusal::BeyondEntry { left } => format!("refused: only {left} left"),
        Refusal::GrantOver(state) => format!("refused: {}", constant(&state)),
        other => format!("refused: {}", constant(&other)),
    }
}
