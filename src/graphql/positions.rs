//! What the cursors of balances, grants, events, streams and audits hold: positions as text and back.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::base::ids::BalanceId;
use crate::base::page::Age;
use crate::base::time::Time;
use crate::ledger::health::{Place, Within};
use crate::ledger::reads::BurningOrder;
use crate::ledger::stream::Positions;
use crate::metering::store::Moment;

/// A text that is no position of its list.
#[derive(Debug, PartialEq, Eq)]
pub struct NoPosition;

fn number<T: FromStr>(text: Option<&str>) -> Result<T, NoPosition> {
    text.and_then(|text| text.parse().ok()).ok_or(NoPosition)
}

fn time(text: Option<&str>) -> Result<Time, NoPosition> {
    Time::from_micros(number(text)?).ok_or(NoPosition)
}

/// The parts of a text, exactly as many as there are to be.
fn parts<const N: usize>(text: &str, separator: char) -> Result<[Option<&str>; N], NoPosition> {
    let parts: Vec<Option<&str>> = text.split(separator).map(Some).collect();
    parts.try_into().map_err(|_| NoPosition)
}

impl<I: fmt::Display> fmt::Display for Age<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.created_at.micros(), self.id)
    }
}

impl<I: FromStr> FromStr for Age<I> {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let [created_at, id] = parts(text, ' ')?;
        Ok(Self { created_at: time(created_at)?, id: number(id)? })
    }
}

impl fmt::Display for BurningOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.priority)?;
        match self.expires_at {
            Some(end) => write!(f, "{}", end.micros())?,
            None => f.write_str("-")?,
        }
        write!(f, " {} {}", self.paid, self.sequence)
    }
}

impl FromStr for BurningOrder {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let [priority, end, paid, sequence] = parts(text, ' ')?;
        let expires_at = if end == Some("-") { None } else { Some(time(end)?) };
        Ok(Self { priority: number(priority)?, expires_at, paid: number(paid)?, sequence: number(sequence)? })
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.occurred_at.micros(), self.key)
    }
}

impl FromStr for Moment {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let [occurred_at, key] = parts(text, ' ')?;
        Ok(Self { occurred_at: time(occurred_at)?, key: number(key)? })
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (number, sequence)) in self.0.iter().enumerate() {
            let separator = if place == 0 { "" } else { " " };
            write!(f, "{separator}{number}:{sequence}")?;
        }
        Ok(())
    }
}

impl FromStr for Positions {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let position = |pair: &str| {
            let [balance, sequence] = parts(pair, ':')?;
            Ok((number(balance)?, number(sequence)?))
        };
        text.split(' ').filter(|pair| !pair.is_empty()).map(position).collect::<Result<BTreeMap<_, _>, _>>().map(Self)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.balance)?;
        self.within.iter().try_for_each(|within| write!(f, " {}", within.sequence))
    }
}

impl FromStr for Place {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let mut words = text.split(' ');
        let balance: BalanceId = number(words.next())?;
        let within =
            words.next().map(|sequence| number(Some(sequence)).map(|sequence| Within { sequence })).transpose()?;
        if words.next().is_some() { Err(NoPosition) } else { Ok(Self { balance, within }) }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::base::ids::CustomerId;

    fn reads_back<T: fmt::Display + FromStr<Err = NoPosition> + PartialEq + fmt::Debug>(position: &T) {
        assert_eq!(position.to_string().parse::<T>().as_ref(), Ok(position));
    }

    #[test]
    fn a_position_is_read_as_it_was_written() {
        let balance = BalanceId { customer: CustomerId(Uuid::from_u128(7)), number: 2 };
        let time = Time::from_micros(-5).unwrap();
        reads_back(&Age { created_at: time, id: balance });
        let order = BurningOrder { priority: 500, expires_at: None, paid: true, sequence: 3 };
        reads_back(&order);
        reads_back(&BurningOrder { expires_at: Some(time), paid: false, ..order });
        reads_back(&Moment { occurred_at: time, key: i64::MIN });
        reads_back(&Positions::default());
        reads_back(&Positions([(1, 5), (2, 0)].into()));
        reads_back(&Place { balance, within: None });
        reads_back(&Place { balance, within: Some(Within { sequence: 9 }) });
    }

    #[test]
    fn another_text_is_no_position() {
        for text in ["x", "1", "1 2 3", "1:2:3", ":", "bal_x", "99999999999999999999 bal_0"] {
            assert_eq!(text.parse::<Age<BalanceId>>(), Err(NoPosition), "{text}");
            assert_eq!(text.parse::<BurningOrder>(), Err(NoPosition), "{text}");
            assert_eq!(text.parse::<Positions>(), Err(NoPosition), "{text}");
            assert_eq!(text.parse::<Place>(), Err(NoPosition), "{text}");
        }
    }
}
