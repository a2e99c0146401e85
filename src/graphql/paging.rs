//! Pages on the wire: the arguments of a connection, its cursors, and what it answers.
//!
//! A cursor is opaque: base64url of the list's name, of what the list is of, and of the row's position. So a cursor of
//! another list, or of another balance's list, is told apart and refused.

use std::fmt::Display;
use std::str::FromStr;

use async_graphql::{Error, SimpleObject};
use data_encoding::BASE64URL_NOPAD;

use super::errors::bad_input;
use crate::base::page::{DEFAULT_PAGE, Direction, MAX_PAGE, Page, PageRequest};

/// The list that a cursor is of.
#[derive(Clone, Debug)]
pub struct List {
    name: &'static str,
    of: String,
}

impl List {
    /// A list of which there is one: all customers.
    #[must_use]
    pub const fn all(name: &'static str) -> Self {
        Self { name, of: String::new() }
    }

    /// One of many lists: the entries of one balance.
    #[must_use]
    pub fn of(name: &'static str, owner: impl Display) -> Self {
        Self { name, of: owner.to_string() }
    }

    /// The cursor of the row at this position.
    #[must_use]
    pub fn cursor(&self, position: &impl Display) -> String {
        BASE64URL_NOPAD.encode(format!("{}\n{}\n{position}", self.name, self.of).as_bytes())
    }

    /// The position that a cursor of this list holds.
    ///
    /// # Errors
    /// A top-level error with the code `BAD_USER_INPUT` that names the argument.
    pub fn position<K: FromStr>(&self, argument: &str, cursor: &str) -> Result<K, Error> {
        let malformed =
            || bad_input(argument, format!("{argument} is not a cursor; pass one that this list answered."));
        let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).map_err(|_| malformed())?;
        let text = String::from_utf8(bytes).map_err(|_| malformed())?;
        let mut parts = text.splitn(3, '\n');
        let (name, of) = (parts.next(), parts.next());
        let position = parts.next().filter(|position| !position.contains('\0')).ok_or_else(malformed)?;
        if name != Some(self.name) || of != Some(self.of.as_str()) {
            let message = format!("{argument} is a cursor of another list; pass one that this list answered.");
            return Err(bad_input(argument, message));
        }
        position.parse().map_err(|_| malformed())
    }
}

/// A connection's arguments as they were given.
#[derive(Clone, Debug, Default)]
pub struct PageArgs {
    /// Rows from the list's beginning.
    pub first: Option<i32>,
    /// Only rows behind this cursor.
    pub after: Option<String>,
    /// Rows from the list's end.
    pub last: Option<i32>,
    /// Only rows before this cursor.
    pub before: Option<String>,
}

impl PageArgs {
    /// The page that they ask for: the first 20 rows when they say nothing.
    ///
    /// # Errors
    /// A top-level error with the code `BAD_USER_INPUT` that names the argument: a number below 1 or over 100, `first`
    /// together with `last`, or what is no cursor of this list.
    pub fn request<K: FromStr>(&self, list: &List) -> Result<PageRequest<K>, Error> {
        let (direction, limit) = match (self.first, self.last) {
            (Some(_), Some(_)) => {
                return Err(bad_input("last", "last cannot be combined with first; ask for one of the two."));
            }
            (None, Some(rows)) => (Direction::Backward, size("last", rows)?),
            (Some(rows), None) => (Direction::Forward, size("first", rows)?),
            // A page before a cursor, and nothing said of its size, is the one that ends there.
            (None, None) if self.before.is_some() && self.after.is_none() => (Direction::Backward, DEFAULT_PAGE),
            (None, None) => (Direction::Forward, DEFAULT_PAGE),
        };
        let after = self.after.as_deref().map(|cursor| list.position("after", cursor)).transpose()?;
        let before = self.before.as_deref().map(|cursor| list.position("before", cursor)).transpose()?;
        Ok(PageRequest { limit, direction, after, before })
    }
}

fn size(argument: &str, given: i32) -> Result<usize, Error> {
    match usize::try_from(given) {
        Ok(size) if (1..=MAX_PAGE).contains(&size) => Ok(size),
        _ => Err(bad_input(argument, format!("{argument} is {given}; ask for 1 to {MAX_PAGE} rows a page."))),
    }
}

/// Where a page stands in its list.
#[derive(SimpleObject, Clone, Debug)]
pub struct PageInfo {
    /// Whether rows follow this page: go on with `first` and `after: endCursor`.
    pub has_next_page: bool,
    /// Whether rows precede this page: go back with `last` and `before: startCursor`.
    pub has_previous_page: bool,
    /// The cursor of the page's first row; null on an empty page.
    pub start_cursor: Option<String>,
    /// The cursor of the page's last row; null on an empty page.
    pub end_cursor: Option<String>,
}

/// A page with a cursor for each row, as every connection holds it.
#[derive(Clone, Debug)]
pub struct Rows<N> {
    /// The rows, in the list's order, each with its cursor.
    pub rows: Vec<(String, N)>,
    /// Whether rows follow.
    pub has_next: bool,
    /// Whether rows precede.
    pub has_previous: bool,
}

impl<N> Rows<N> {
    /// The page of a list, where `position` says where a row stands and `node` how it is shown.
    #[must_use]
    pub fn of<T, K: Display>(list: &List, page: Page<T>, position: impl Fn(&T) -> K, node: impl Fn(T) -> N) -> Self {
        let row = |item: T| (list.cursor(&position(&item)), node(item));
        let Page { items, has_next, has_previous } = page.map(row);
        Self { rows: items, has_next, has_previous }
    }

    /// Where the page stands.
    #[must_use]
    pub fn info(&self) -> PageInfo {
        PageInfo {
            has_next_page: self.has_next,
            has_previous_page: self.has_previous,
            start_cursor: self.rows.first().map(|(cursor, _)| cursor.clone()),
            end_cursor: self.rows.last().map(|(cursor, _)| cursor.clone()),
        }
    }
}

/// Declares the two types of a connection by their names in the API: `connection!(MeterConnection, MeterEdge, Meter,
/// "A page of meters.", "A meter in a page.")`. The connection is made with `From<Rows<Meter>>`.
macro_rules! connection {
    ($connection:ident, $edge:ident, $node:ty, $doc:literal, $edge_doc:literal) => {
        #[doc = $doc]
        #[derive(Clone)]
        pub struct $connection($crate::graphql::paging::Rows<$node>);

        #[doc = $doc]
        #[async_graphql::Object]
        impl $connection {
            /// The rows with their cursors, in the list's order.
            async fn edges(&self) -> Vec<$edge> {
                let edge = |(cursor, node): &(String, $node)| $edge { cursor: cursor.clone(), node: node.clone() };
                self.0.rows.iter().map(edge).collect()
            }

            /// The rows alone, in the list's order.
            async fn nodes(&self) -> Vec<$node> {
                self.0.rows.iter().map(|(_, node)| node.clone()).collect()
            }

            /// Where the page stands in the list.
            async fn page_info(&self) -> $crate::graphql::paging::PageInfo {
                self.0.info()
            }
        }

        impl From<$crate::graphql::paging::Rows<$node>> for $connection {
            fn from(rows: $crate::graphql::paging::Rows<$node>) -> Self {
                Self(rows)
            }
        }

        #[doc = $edge_doc]
        #[derive(async_graphql::SimpleObject, Clone)]
        pub struct $edge {
            /// Where this row stands: pass it as `after` or `before` to go on from here.
            pub cursor: String,
            /// The row.
            pub node: $node,
        }
    };
}
pub(crate) use connection;

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: List = List::all("meters");

    fn wrong(args: &PageArgs) -> String {
        args.request::<String>(&LIST).unwrap_err().message
    }

    #[test]
    fn a_page_has_20_rows_from_the_beginning_when_nothing_is_said() {
        let page = PageArgs::default().request::<String>(&LIST).unwrap();
        assert_eq!((page.limit, page.direction, page.after, page.before), (20, Direction::Forward, None, None));
        let args = PageArgs { before: Some(LIST.cursor(&"b")), ..PageArgs::default() };
        let page = args.request::<String>(&LIST).unwrap();
        assert_eq!((page.limit, page.direction, page.before.as_deref()), (20, Direction::Backward, Some("b")));
    }

    #[test]
    fn a_page_has_1_to_100_rows_from_one_end() {
        for size in [i32::MIN, -1, 0, 101] {
            assert!(wrong(&PageArgs { first: Some(size), ..PageArgs::default() }).starts_with("first is"));
            assert!(wrong(&PageArgs { last: Some(size), ..PageArgs::default() }).starts_with("last is"));
        }
        assert!(wrong(&PageArgs { first: Some(1), last: Some(1), ..PageArgs::default() }).starts_with("last cannot"));
        let args = PageArgs { last: Some(100), ..PageArgs::default() };
        assert_eq!(args.request::<String>(&LIST).unwrap().direction, Direction::Backward);
    }

    #[test]
    fn a_cursor_holds_a_position_of_its_own_list_alone() {
        let entries = List::of("entries", "bal_1");
        let after = |cursor: &str| PageArgs { after: Some(cursor.to_owned()), ..PageArgs::default() };
        let page = after(&entries.cursor(&42)).request::<i64>(&entries).unwrap();
        assert_eq!(page.after, Some(42));
        let another = List::of("entries", "bal_2").cursor(&42);
        for (cursor, said) in [
            (another, "another list"),
            (LIST.cursor(&42), "another list"),
            (entries.cursor(&"x"), "not a cursor"),
            (entries.cursor(&"1\0"), "not a cursor"),
            ("".to_owned(), "not a cursor"),
            ("!!".to_owned(), "not a cursor"),
        ] {
            let message = after(&cursor).request::<i64>(&entries).unwrap_err().message;
            assert!(message.starts_with("after is") && message.contains(said), "{message}");
        }
    }

    #[test]
    fn a_page_says_where_it_stands() {
        let page = Page { items: vec!["a", "b"], has_next: true, has_previous: false };
        let rows = Rows::of(&LIST, page, |row| *row, str::to_uppercase);
        let info = rows.info();
        assert_eq!(rows.rows.iter().map(|(_, node)| node.as_str()).collect::<Vec<_>>(), ["A", "B"]);
        assert_eq!((info.start_cursor, info.end_cursor), (Some(LIST.cursor(&"a")), Some(LIST.cursor(&"b"))));
        assert!(info.has_next_page && !info.has_previous_page);
    }
}
