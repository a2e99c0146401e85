//! Where a subscription stands in time: pure, from what is on record of it.
//!
//! A subscription goes from boundary to boundary: the start of its first period, the end of each, and its own end, which
//! cuts the last one off. [`Subscription::step`] crosses one that has come; the caller writes down what follows, or only
//! looks.

use super::model::{Begun, Period, Phase, Status, Subscription};
use crate::base::time::Time;

/// What one boundary brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The period that ended, and what held in it.
    pub ended: Option<(Period, Phase)>,
    /// The period that began, and what holds in it.
    pub began: Option<(Period, Phase)>,
}

impl Subscription {
    /// How it stands at an instant.
    #[must_use]
    pub fn status(&self, at: Time) -> Status {
        match self.ends_at {
            Some(end) if end <= at => Status::Canceled,
            _ if at < self.starts_at => Status::Scheduled,
            _ => Status::Active,
        }
    }

    /// The last period that was begun on record.
    #[must_use]
    pub fn period(&self) -> Option<Period> {
        self.period.map(|Begun { index, start }| Period { index, start, end: self.phase.calendar.next(start) })
    }

    /// When the next period begins, as long as the subscription does not end before.
    #[must_use]
    pub fn boundary(&self) -> Time {
        self.period().map_or(self.starts_at, |period| period.end)
    }

    /// When there is something to be written down next; `None` when nothing will be.
    #[must_use]
    pub fn due_at(&self) -> Option<Time> {
        let next = self.ends_at.into_iter().chain([self.boundary()]).min();
        next.filter(|due| !self.settled && *due < Time::MAX)
    }

    /// Crosses the next boundary, if it has come.
    pub fn step(&mut self, now: Time) -> Option<Step> {
        let at = self.due_at().filter(|due| *due <= now)?;
        let ended = self.period().map(|period| (Period { end: period.end.min(at), ..period }, self.phase.clone()));
        if self.ends_at == Some(at) {
            self.settled = true;
            return Some(Step { ended, began: None });
        }
        if let Some(next) = self.next.take_if(|next| next.at <= at) {
            self.phase = next.phase;
        }
        Some(Step { ended, began: self.begin(at) })
    }

    /// Begins a period at an instant.
    pub fn begin(&mut self, at: Time) -> Option<(Period, Phase)> {
        let index = self.period.map_or(0, |period| period.index.saturating_add(1));
        self.period = Some(Begun { index, start: at });
        self.period().map(|period| (period, self.phase.clone()))
    }

    /// It, as it stands at an instant, whether that is on record or not.
    #[must_use]
    pub fn at(mut self, now: Time) -> Self {
        while self.step(now).is_some() {}
        self
    }

    /// The period at an instant of a subscription that was carried there.
    #[must_use]
    pub fn current_period(&self, at: Time) -> Option<Period> {
        self.period().filter(|_| self.status(at) == Status::Active)
    }

    /// What the next period will be under: the changes that are yet to come included.
    #[must_use]
    pub fn latest(&self) -> &Phase {
        self.next.as_ref().map_or(&self.phase, |next| &next.phase)
    }
}
