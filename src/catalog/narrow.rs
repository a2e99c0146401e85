//! Which rows of a table with ids and keys a query is about: the same for meters, products and plans.

use crate::base::page::PageRequest;

/// Which rows of a table with ids and keys.
pub(super) enum Which<'a, I> {
    All,
    Ids(&'a [I]),
    Key(&'a str),
    Page { page: &'a PageRequest<String>, include_archived: bool },
}

/// Adds the conditions and the order of [`Which`] to a boxed query of a table with ids and keys.
macro_rules! narrowed {
    ($query:expr, $table:ident, $which:expr) => {{
        let mut query = $query;
        match $which {
            $crate::catalog::narrow::Which::All => {}
            $crate::catalog::narrow::Which::Ids(ids) => query = query.filter($table::id.eq_any(*ids)),
            $crate::catalog::narrow::Which::Key(key) => query = query.filter($table::key.eq(*key)),
            $crate::catalog::narrow::Which::Page { page, include_archived } => {
                if !*include_archived {
                    query = query.filter($table::archived_at.is_null());
                }
                if let Some(key) = &page.after {
                    query = query.filter($table::key.gt(key));
                }
                if let Some(key) = &page.before {
                    query = query.filter($table::key.lt(key));
                }
                query = query.limit(page.probe());
                query =
                    if page.is_backward() { query.order($table::key.desc()) } else { query.order($table::key.asc()) };
            }
        }
        query
    }};
}
pub(super) use narrowed;
