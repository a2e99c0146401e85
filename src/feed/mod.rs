//! The feed: wakes who waits for a topic, here and on other nodes; generic over what it carries.
//!
//! Invariants
//! 1. What is heard is a hint. A lost, late or doubled one changes how soon somebody looks, never what he finds.
//! 2. Nobody waits for a listener: a topic keeps a bounded tail, and who falls behind it is told to look for himself.
//! 3. A topic costs nothing once nobody listens.
//!
//! Not here: what a topic or its news means, how a stream reads what it missed.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast::{self, error::RecvError};

/// How many pieces of news a topic keeps for listeners that are behind.
const TAIL: usize = 64;
/// How long a listener waits before it looks though it heard nothing.
const TICK: Duration = Duration::from_secs(5);

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint<T> {
    /// What has just happened, in full, shared by all listeners.
    News(T),
    /// Something may have happened.
    Look,
}

/// Topics and who listens to them.
pub struct Feed<K, T> {
    topics: Arc<Mutex<HashMap<K, broadcast::Sender<Hint<T>>>>>,
}

impl<K, T> Clone for Feed<K, T> {
    fn clone(&self) -> Self {
        Self { topics: self.topics.clone() }
    }
}

impl<K, T> Default for Feed<K, T> {
    fn default() -> Self {
        Self { topics: Arc::default() }
    }
}

/// Somebody who listens to one topic.
pub struct Listener<T> {
    receiver: broadcast::Receiver<Hint<T>>,
}

impl<K: Eq + Hash, T: Clone> Feed<K, T> {
    /// Listens to a topic from now on.
    #[must_use]
    pub fn listen(&self, topic: K) -> Listener<T> {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        topics.retain(|_, sender| sender.receiver_count() > 0);
        let receiver = topics.entry(topic).or_insert_with(|| broadcast::Sender::new(TAIL)).subscribe();
        Listener { receiver }
    }

    /// Tells the listeners of a topic.
    pub fn tell(&self, topic: &K, hint: Hint<T>) {
        let topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = topics.get(topic) {
            // Nobody listening any more is no fault.
            let _ = sender.send(hint);
        }
    }

    /// Tells the listeners of every topic to look.
    pub fn look_all(&self) {
        let topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        for sender in topics.values() {
            let _ = sender.send(Hint::Look);
        }
    }
}

impl<T: Clone> Listener<T> {
    /// What was said until now and not heard yet.
    #[cfg(test)]
    pub fn heard(&mut self) -> Vec<Hint<T>> {
        std::iter::from_fn(|| self.receiver.try_recv().ok()).collect()
    }

    /// Waits for a hint. When none comes for a while, or some were missed, it is to look.
    pub async fn hear(&mut self) -> Hint<T> {
        match tokio::time::timeout(TICK, self.receiver.recv()).await {
            Ok(Ok(hint)) => hint,
            Ok(Err(RecvError::Lagged(_))) | Err(_) => Hint::Look,
            // The topic is gone only when the feed is; looking at the pace of the tick is then all that is left.
            Ok(Err(RecvError::Closed)) => {
                tokio::time::sleep(TICK).await;
                Hint::Look
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listener_hears_its_own_topic_alone() {
        let feed: Feed<u8, u8> = Feed::default();
        let mut one = feed.listen(1);
        feed.tell(&2, Hint::News(2));
        feed.tell(&1, Hint::News(1));
        assert_eq!(one.hear().await, Hint::News(1));
        feed.look_all();
        assert_eq!(one.hear().await, Hint::Look);
    }

    #[tokio::test]
    async fn who_falls_behind_is_told_to_look_and_hears_the_newest_after_that() {
        let feed: Feed<u8, usize> = Feed::default();
        let mut slow = feed.listen(1);
        for news in 0..=TAIL {
            feed.tell(&1, Hint::News(news));
        }
        assert_eq!(slow.hear().await, Hint::Look);
        assert_eq!(slow.hear().await, Hint::News(1));
    }

    #[tokio::test]
    async fn a_topic_without_listeners_is_forgotten() {
        let feed: Feed<u8, u8> = Feed::default();
        drop(feed.listen(1));
        drop(feed.listen(2));
        let _two = feed.listen(2);
        assert_eq!(feed.topics.lock().unwrap().len(), 1);
    }
}
