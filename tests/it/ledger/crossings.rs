//! Changes of state, as they are told.

use scrip::base::time::HOUR;
use scrip::feed::Hint;
use scrip::ledger::crossings::CrossingStream;
use scrip::ledger::feeds::Feeds;

use crate::support::db::both;
use crate::support::node::{Node, noon};

both!(a_crossing_whose_news_were_lost_is_found_by_a_look_and_told_once, async |db| {
    let node = Node::on(db);
    let balance = node.shop(1).await;
    let heard = Feeds::default();
    let mut stream = CrossingStream::open(&node.0.db, &heard, &node.0.clock).await.unwrap();
    node.retain(balance, 1, "down").await.unwrap();
    heard.states.look_all();
    assert_eq!(stream.next().await.unwrap().id(), balance.entry(2));
    heard.states.tell(&(), Hint::News([balance.entry(2)].into()));
    heard.states.look_all();
    node.top_up(balance, 1, "up").await.unwrap();
    // However long the reader was busy with something else.
    node.0.clock.set(noon().plus_micros(HOUR).unwrap());
    heard.states.look_all();
    assert_eq!(stream.next().await.unwrap().id(), balance.entry(3));
});
