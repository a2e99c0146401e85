//! Keyset pages: what a caller asked for, and what a list answers.
//!
//! A store reads one row more than the page has, in the direction asked for; [`Page::of`] makes a page of it. What a
//! cursor holds is each list's own affair.

use super::time::Time;

/// How many rows a page has when nothing is said.
pub const DEFAULT_PAGE: usize = 20;
/// How many rows a page has at most.
pub const MAX_PAGE: usize = 100;

/// Where something stands in a list by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age<I> {
    /// When it was created.
    pub created_at: Time,
    /// Which it is.
    pub id: I,
}

/// Which end of the list a page is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the beginning of the list's order: `first`, `after`.
    Forward,
    /// From its end: `last`, `before`.
    Backward,
}

/// A page that was asked for; `K` is the position that the list's cursors hold.
#[derive(Clone, Debug)]
pub struct PageRequest<K> {
    /// Rows, 1 to [`MAX_PAGE`].
    pub limit: usize,
    /// From which end.
    pub direction: Direction,
    /// Only what lies behind this position in the list's order.
    pub after: Option<K>,
    /// Only what lies before this position in the list's order.
    pub before: Option<K>,
}

impl<K> PageRequest<K> {
    /// The first rows of the list.
    #[must_use]
    pub const fn first(limit: usize) -> Self {
        Self { limit, direction: Direction::Forward, after: None, before: None }
    }

    /// How many rows a store reads to learn whether there are more: one beyond the page.
    #[must_use]
    pub fn probe(&self) -> i64 {
        i64::try_from(self.limit.saturating_add(1)).unwrap_or(i64::MAX)
    }

    /// Whether rows are read from the list's end.
    #[must_use]
    pub fn is_backward(&self) -> bool {
        self.direction == Direction::Backward
    }
}

/// Rows of one page, in the list's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows, in the list's order whichever end they were read from.
    pub items: Vec<T>,
    /// Whether rows follow.
    pub has_next: bool,
    /// Whether rows precede.
    pub has_previous: bool,
}

impl<T> Page<T> {
    /// Makes a page of up to [`PageRequest::probe`] rows as they were read, nearest to the page's own end first.
    ///
    /// The far side is known by the row beyond the page; the near side has rows exactly when a cursor bounds it.
    #[must_use]
    pub fn of<K>(request: &PageRequest<K>, mut rows: Vec<T>) -> Self {
        let more = rows.len() > request.limit;
        rows.truncate(request.limit);
        match request.direction {
            Direction::Forward => Self { items: rows, has_next: more, has_previous: request.after.is_some() },
            Direction::Backward => {
                rows.reverse();
                Self { items: rows, has_next: request.before.is_some(), has_previous: more }
            }
        }
    }

    /// The same page, short since the store gave up before it was full: on its far side there may be more.
    #[must_use]
    pub fn cut_short<K>(request: &PageRequest<K>, rows: Vec<T>) -> Self {
        let page = Self::of(request, rows);
        match request.direction {
            Direction::Forward => Self { has_next: true, ..page },
            Direction::Backward => Self { has_previous: true, ..page },
        }
    }

    /// The same page of other things.
    #[must_use]
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(change).collect(),
            has_next: self.has_next,
            has_previous: self.has_previous,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_beyond_the_page_says_that_there_are_more() {
        let request: PageRequest<i32> = PageRequest::first(2);
        assert_eq!(Page::of(&request, vec![1, 2, 3]), Page { items: vec![1, 2], has_next: true, has_previous: false });
        assert_eq!(Page::of(&request, vec![1, 2]), Page { items: vec![1, 2], has_next: false, has_previous: false });
    }

    #[test]
    fn page_that_was_cut_short_says_that_there_may_be_more_on_its_far_side() {
        let forward: PageRequest<i32> = PageRequest::first(2);
        let page = Page { items: vec![1], has_next: true, has_previous: false };
        assert_eq!(Page::cut_short(&forward, vec![1]), page);
        let backward = PageRequest { direction: Direction::Backward, ..forward };
        let page = Page { items: vec![1], has_next: false, has_previous: true };
        assert_eq!(Page::cut_short(&backward, vec![1]), page);
    }

    #[test]
    fn a_page_from_the_end_comes_in_the_lists_order() {
        let request = PageRequest { limit: 2, direction: Direction::Backward, after: None, before: Some(9) };
        assert_eq!(Page::of(&request, vec![8, 7, 6]), Page { items: vec![7, 8], has_next: true, has_previous: true });
    }
}
