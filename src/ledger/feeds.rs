//! Who waits for what, and what nodes on one database tell each other.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::entry::Entry;
use crate::base::ids::{CustomerId, EntryId};
use crate::db::listen::{Heard, MAX_NOTICE};
use crate::feed::{Feed, Hint};

/// News of one commit: the entries of one customer, in order.
pub type News = Arc<[Arc<Entry>]>;

/// What one commit announced: entries that changed a state, in order within a balance.
pub type Crossings = Arc<[EntryId]>;

/// Who waits for what: a customer's entries, and changes of state anywhere.
#[derive(Clone, Default)]
pub struct Feeds {
    /// By customer.
    pub entries: Feed<CustomerId, News>,
    /// Operators' streams.
    pub states: Feed<(), Crossings>,
}

/// What stands for everybody's balances where they are too many for one notice.
const EVERYBODY: &str = "*";

/// What a commit tells all nodes: which node it was, whose balances moved, which entries changed a state.
#[must_use]
pub fn notice(node: &str, customers: &BTreeSet<CustomerId>, crossings: &[EntryId]) -> String {
    let mut notice = node.to_owned();
    let customers = customers.iter().map(ToString::to_string);
    for word in customers.chain(crossings.iter().map(ToString::to_string)) {
        notice.push(' ');
        notice.push_str(&word);
        if notice.len() > MAX_NOTICE {
            return format!("{node} {EVERYBODY}");
        }
    }
    notice
}

impl Feeds {
    /// Wakes who listens on this node for what was heard.
    ///
    /// A node told its own listeners of entries when it committed them. Of changes of state it hears by notice as all
    /// others do, since notices come in the order of the commits, whichever node they are of.
    pub fn wake(&self, node: &str, heard: &Heard) {
        let Heard::Notice(text) = heard else { return self.look_everywhere() };
        let mut words = text.split(' ');
        let own = words.next() == Some(node);
        let mut crossings: Vec<EntryId> = Vec::new();
        for word in words {
            if let Ok(customer) = word.parse::<CustomerId>() {
                if !own {
                    self.entries.tell(&customer, Hint::Look);
                }
            } else if let Ok(entry) = word.parse() {
                crossings.push(entry);
            } else if own {
                self.states.look_all();
            } else {
                self.look_everywhere();
            }
        }
        if !crossings.is_empty() {
            self.states.tell(&(), Hint::News(crossings.into()));
        }
    }

    fn look_everywhere(&self) {
        self.entries.look_all();
        self.states.look_all();
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::base::ids::BalanceId;

    fn customer(number: u128) -> CustomerId {
        CustomerId(Uuid::from_u128(number))
    }

    fn crossing(number: u128) -> EntryId {
        BalanceId { customer: customer(number), number: 1 }.entry(7)
    }

    fn told(node: &str, customers: u128) -> (Vec<Hint<News>>, Vec<Hint<Crossings>>) {
        let feeds = Feeds::default();
        let (mut entries, mut states) = (feeds.entries.listen(customer(1)), feeds.states.listen(()));
        let all: Vec<u128> = (1..=customers).collect();
        let crossings: Vec<EntryId> = all.iter().map(|number| crossing(*number)).collect();
        let customers = all.into_iter().map(customer).collect();
        feeds.wake(node, &Heard::Notice(notice("me", &customers, &crossings)));
        (entries.heard(), states.heard())
    }

    #[test]
    fn another_nodes_notice_makes_streams_of_its_customers_look_and_names_the_crossings() {
        let crossings: Crossings = vec![crossing(1), crossing(2)].into();
        assert_eq!(told("another", 2), (vec![Hint::Look], vec![Hint::News(crossings)]));
    }

    #[test]
    fn of_a_nodes_own_notice_only_the_crossings_are_news_to_it() {
        let crossings: Crossings = vec![crossing(1)].into();
        assert_eq!(told("me", 1), (vec![], vec![Hint::News(crossings)]));
    }

    #[test]
    fn a_notice_that_names_too_many_makes_everybody_look() {
        assert_eq!(told("another", 1_000), (vec![Hint::Look], vec![Hint::Look]));
        assert_eq!(told("me", 1_000), (vec![], vec![Hint::Look]));
    }
}
