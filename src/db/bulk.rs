//! Bulk writes, the hot path: one statement a table and batch on PostgreSQL, over arrays, whose text never changes, so
//! that it is prepared once and meets no bind limit; prepared single-row statements in one blocking hop on SQLite.

use diesel::QueryResult;
use diesel::connection::Connection;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{Array, HasSqlType, SingleValue, SqlType};
use diesel::sqlite::{Sqlite, SqliteConnection};

/// The column that counts how often a row was written: it is changed only where it is the one that was read.
pub const REVISION: &str = "revision";

/// One column of many rows, as an array.
pub struct Column<S, T> {
    values: Vec<T>,
    sql: std::marker::PhantomData<fn() -> S>,
}

impl<S, T> Column<S, T>
where
    Self: QueryFragment<Pg> + Send + Sync + 'static,
{
    /// The column as part of a statement.
    #[must_use]
    pub fn boxed(values: Vec<T>) -> Box<dyn QueryFragment<Pg> + Send + Sync> {
        Box::new(Self { values, sql: std::marker::PhantomData })
    }
}

impl<S, T> QueryFragment<Pg> for Column<S, T>
where
    S: SqlType + SingleValue + 'static,
    Pg: HasSqlType<Array<S>>,
    Vec<T>: ToSql<Array<S>, Pg>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param::<Array<S>, Vec<T>>(&self.values)
    }
}

/// A statement over arrays: what stands before them, they themselves, what stands behind.
pub struct OverArrays {
    before: String,
    columns: Vec<Box<dyn QueryFragment<Pg> + Send + Sync>>,
    behind: String,
}

impl OverArrays {
    /// `INSERT INTO table (names) SELECT * FROM unnest(arrays) ending`.
    #[must_use]
    pub fn insert(
        table: &str,
        names: &[&str],
        columns: Vec<Box<dyn QueryFragment<Pg> + Send + Sync>>,
        ending: &str,
    ) -> Self {
        let names = names.join(", ");
        Self {
            before: format!("INSERT INTO {table} ({names}) SELECT * FROM unnest("),
            columns,
            behind: format!("){ending}"),
        }
    }

    /// `UPDATE table SET … FROM unnest(arrays) WHERE keys match`; the arrays are the keys', then the values'. Among the
    /// values, a [`REVISION`] must be one more than what is there.
    #[must_use]
    pub fn update(
        table: &str,
        keys: &[&str],
        values: &[&str],
        columns: Vec<Box<dyn QueryFragment<Pg> + Send + Sync>>,
    ) -> Self {
        let set: Vec<String> = values.iter().map(|name| format!("{name} = new.{name}")).collect();
        let mut same: Vec<String> = keys.iter().map(|name| format!("{table}.{name} = new.{name}")).collect();
        if values.contains(&REVISION) {
            same.push(format!("{table}.{REVISION} = new.{REVISION} - 1"));
        }
        let names = [keys, values].concat().join(", ");
        Self {
            before: format!("UPDATE {table} SET {} FROM unnest(", set.join(", ")),
            columns,
            behind: format!(") AS new ({names}) WHERE {}", same.join(" AND ")),
        }
    }
}

/// A query over arrays that answers rows of the SQL type `R`.
pub struct SelectOverArrays<R> {
    statement: OverArrays,
    rows: std::marker::PhantomData<fn() -> R>,
}

impl<R> SelectOverArrays<R> {
    /// `SELECT names FROM unnest(arrays) AS wanted JOIN table ON keys match`; the arrays are the keys'. A key is a
    /// column's name and how Diesel calls the comparison with what is wanted: `eq`, or `gt`.
    #[must_use]
    pub fn by_keys(
        table: &str,
        keys: &[(&str, &str)],
        names: &[&str],
        columns: Vec<Box<dyn QueryFragment<Pg> + Send + Sync>>,
    ) -> Self {
        let names: Vec<String> = names.iter().map(|name| format!("{table}.{name}")).collect();
        let sign = |comparison: &str| if comparison == "gt" { ">" } else { "=" };
        let met: Vec<String> =
            keys.iter().map(|(name, is)| format!("{table}.{name} {} wanted.{name}", sign(is))).collect();
        let keys: Vec<&str> = keys.iter().map(|(name, _)| *name).collect();
        let statement = OverArrays {
            before: format!("SELECT {} FROM unnest(", names.join(", ")),
            columns,
            behind: format!(") AS wanted ({}) JOIN {table} ON {}", keys.join(", "), met.join(" AND ")),
        };
        Self { statement, rows: std::marker::PhantomData }
    }
}

impl<R> QueryId for SelectOverArrays<R> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<R> QueryFragment<Pg> for SelectOverArrays<R> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.statement.walk_ast(out)
    }
}

impl<R> diesel::query_builder::Query for SelectOverArrays<R> {
    type SqlType = R;
}

impl QueryId for OverArrays {
    type QueryId = ();
    // Prepared under its text, which is always the same.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryFragment<Pg> for OverArrays {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(&self.before);
        for (place, column) in self.columns.iter().enumerate() {
            if place > 0 {
                out.push_sql(", ");
            }
            column.walk_ast(out.reborrow())?;
        }
        out.push_sql(&self.behind);
        Ok(())
    }
}

/// A row that knows the statement by which SQLite takes it.
pub trait RowStatement {
    /// Writes the statement, whose text is the same for every row, with the row's values in it.
    ///
    /// # Errors
    /// Those of Diesel.
    fn walk<'b>(&'b self, out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()>;
}

/// A row's statement. It is prepared once and found again by the row's type: Diesel's own updates are prepared anew each
/// time, and its inserts found by a text that is put together each time.
struct OneRow<'r, R>(&'r R);

impl<R: 'static> QueryId for OneRow<'_, R> {
    type QueryId = OneRow<'static, R>;
}

impl<R: RowStatement> QueryFragment<Sqlite> for OneRow<'_, R> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.0.walk(out)
    }
}

/// Runs each row's statement; answers how many rows of the table they changed.
///
/// # Errors
/// Those of the database.
pub fn execute_each<R: RowStatement + 'static>(conn: &mut SqliteConnection, rows: &[R]) -> QueryResult<usize> {
    rows.iter().try_fold(0_usize, |sum, row| Ok(sum.saturating_add(conn.execute_returning_count(&OneRow(row))?)))
}

/// Writes names or values one behind the other, with something in between.
pub struct List<'p, 'a, 'b> {
    out: &'p mut AstPass<'a, 'b, Sqlite>,
    between: &'static str,
    begun: bool,
}

impl<'p, 'a, 'b> List<'p, 'a, 'b> {
    /// An empty list.
    pub fn new(out: &'p mut AstPass<'a, 'b, Sqlite>, between: &'static str) -> Self {
        Self { out, between, begun: false }
    }

    /// One more piece of text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        if std::mem::replace(&mut self.begun, true) {
            self.out.push_sql(self.between);
        }
        self.out.push_sql(text);
        self
    }

    /// A value behind the last piece of text.
    ///
    /// # Errors
    /// Those of Diesel.
    pub fn value<S, T>(&mut self, value: &'b T) -> QueryResult<()>
    where
        Sqlite: HasSqlType<S>,
        T: ToSql<S, Sqlite>,
    {
        self.out.push_bind_param::<S, T>(value)
    }
}

/// A row that knows its columns, so that it can be selected by statements that are put together by hand.
pub trait BulkRow {
    /// The SQL types of its columns.
    type Sql;
    /// Their names.
    const COLUMNS: &'static [&'static str];
}

/// Declares rows of some of a table's columns, which [`select_by_keys`] can read.
macro_rules! bulk_row {
    (
        $(#[$doc:meta])*
        $vis:vis struct $row:ident of $table:ident {
            $( $(#[$field_doc:meta])* $field:ident : $value:ty as $sql:ty, )+
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, diesel::Queryable, diesel::Selectable)]
        #[diesel(table_name = $table)]
        $vis struct $row {
            $( $(#[$field_doc])* $vis $field: $value, )+
        }

        impl $crate::db::bulk::BulkRow for $row {
            type Sql = ($( $sql, )+);
            const COLUMNS: &'static [&'static str] = &[$( stringify!($field) ),+];
        }
    };
}

/// Declares the rows of a table that are inserted in bulk: a [`bulk_row`] and its `insert_all`. A row whose key is there
/// fails, which is cheaper than to leave it out; behind the table's name stands what else the statement ends with.
macro_rules! bulk_insert {
    (
        $(#[$doc:meta])*
        $vis:vis struct $row:ident of $table:ident $(, $ending:literal)? {
            $( $(#[$field_doc:meta])* $field:ident : $value:ty as $sql:ty, )+
        }
    ) => {
        $crate::db::bulk::bulk_row! {
            $(#[$doc])*
            $vis struct $row of $table {
                $( $(#[$field_doc])* $field: $value as $sql, )+
            }
        }

        impl $crate::db::bulk::RowStatement for $row {
            fn walk<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, diesel::sqlite::Sqlite>,
            ) -> diesel::QueryResult<()> {
                use $crate::db::bulk::List;
                out.push_sql(concat!("INSERT INTO ", stringify!($table), " ("));
                let mut names = List::new(&mut out, ", ");
                $( names.text(stringify!($field)); )+
                out.push_sql(") VALUES (");
                let mut values = List::new(&mut out, ", ");
                $( values.text("").value::<$sql, $value>(&self.$field)?; )+
                out.push_sql(concat!(")", $( " ", $ending )?));
                Ok(())
            }
        }

        impl $row {
            /// Inserts the rows.
            ///
            /// # Errors
            /// Those of the database; `Duplicate` when a row's key is there, and then nothing of the transaction counts.
            $vis async fn insert_all(conn: &mut $crate::db::Conn, rows: Vec<Self>) -> Result<(), $crate::db::DbError> {
                use $crate::db::bulk::{Column, OverArrays};
                if rows.is_empty() {
                    return Ok(());
                }
                conn.count_statement();
                match conn {
                    $crate::db::Conn::Postgres { conn, .. } => {
                        $( let mut $field: Vec<$value> = Vec::with_capacity(rows.len()); )+
                        for row in rows {
                            $( $field.push(row.$field); )+
                        }
                        let columns = vec![$( Column::<$sql, $value>::boxed($field) ),+];
                        let (names, ending) = ([$( stringify!($field) ),+], concat!("", $( " ", $ending )?));
                        let statement = OverArrays::insert(stringify!($table), &names, columns, ending);
                        diesel_async::RunQueryDsl::execute(statement, conn).await?;
                    }
                    $crate::db::Conn::Sqlite { conn, .. } => {
                        conn.spawn_blocking(move |conn| $crate::db::bulk::execute_each(conn, &rows)).await?;
                    }
                }
                Ok(())
            }
        }
    };
}

/// Declares changes of a table's rows that are made in bulk: a struct and its `update_all`.
macro_rules! bulk_update {
    (
        $(#[$doc:meta])*
        $vis:vis struct $row:ident of $table:ident {
            keys { $( $key:ident : $key_value:ty as $key_sql:ty, )+ }
            values { $( $field:ident : $value:ty as $sql:ty, )+ }
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        $vis struct $row {
            $( $vis $key: $key_value, )+
            $( $vis $field: $value, )+
        }

        impl $crate::db::bulk::RowStatement for $row {
            fn walk<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, diesel::sqlite::Sqlite>,
            ) -> diesel::QueryResult<()> {
                use $crate::db::bulk::{List, REVISION};
                out.push_sql(concat!("UPDATE ", stringify!($table), " SET "));
                let mut set = List::new(&mut out, ", ");
                $( set.text(concat!(stringify!($field), " = ")).value::<$sql, $value>(&self.$field)?; )+
                out.push_sql(" WHERE ");
                let mut same = List::new(&mut out, " AND ");
                $( same.text(concat!(stringify!($key), " = ")).value::<$key_sql, $key_value>(&self.$key)?; )+
                $(
                    if stringify!($field) == REVISION {
                        same.text(concat!("1 + ", stringify!($field), " = "))
                            .value::<$sql, $value>(&self.$field)?;
                    }
                )+
                Ok(())
            }
        }

        impl $row {
            /// Changes the rows.
            ///
            /// # Errors
            /// Those of the database; `Conflict` when one is not there as it was read, and then nothing of the
            /// transaction counts.
            $vis async fn update_all(conn: &mut $crate::db::Conn, rows: Vec<Self>) -> Result<(), $crate::db::DbError> {
                use $crate::db::bulk::{Column, OverArrays};
                if rows.is_empty() {
                    return Ok(());
                }
                conn.count_statement();
                let sent = rows.len();
                let changed = match conn {
                    $crate::db::Conn::Postgres { conn, .. } => {
                        $( let mut $key: Vec<$key_value> = Vec::with_capacity(rows.len()); )+
                        $( let mut $field: Vec<$value> = Vec::with_capacity(rows.len()); )+
                        for row in rows {
                            $( $key.push(row.$key); )+
                            $( $field.push(row.$field); )+
                        }
                        let columns = vec![
                            $( Column::<$key_sql, $key_value>::boxed($key), )+
                            $( Column::<$sql, $value>::boxed($field), )+
                        ];
                        let keys = [$( stringify!($key) ),+];
                        let values = [$( stringify!($field) ),+];
                        let statement = OverArrays::update(stringify!($table), &keys, &values, columns);
                        diesel_async::RunQueryDsl::execute(statement, conn).await?
                    }
                    $crate::db::Conn::Sqlite { conn, .. } => {
                        conn.spawn_blocking(move |conn| $crate::db::bulk::execute_each(conn, &rows)).await?
                    }
                };
                if changed == sent { Ok(()) } else { Err($crate::db::DbError::overtaken()) }
            }
        }
    };
}

/// Selects rows by many keys at once, in no order: one statement over arrays on PostgreSQL, prepared look-ups in one
/// blocking hop on SQLite. Each row wanted is a tuple of its keys; a key is compared by `eq` or `gt`.
macro_rules! select_by_keys {
    ($conn:expr, $row:ident of $table:ident, $wanted:expr, { $( $key:ident $is:ident $value:ty as $sql:ty, )+ }) => {{
        use $crate::db::bulk::{BulkRow, Column, SelectOverArrays};
        let conn: &mut $crate::db::Conn = $conn;
        let wanted: Vec<($( $value, )+)> = $wanted;
        if wanted.is_empty() {
            Ok(Vec::new())
        } else {
            conn.count_statement();
            let found: diesel::QueryResult<Vec<$row>> = match conn {
                $crate::db::Conn::Postgres { conn, .. } => {
                    struct Arrays { $( $key: Vec<$value>, )+ }
                    let mut arrays = Arrays { $( $key: Vec::with_capacity(wanted.len()), )+ };
                    for ($( $key, )+) in wanted {
                        $( arrays.$key.push($key); )+
                    }
                    let columns = vec![$( Column::<$sql, $value>::boxed(arrays.$key) ),+];
                    let keys = [$( (stringify!($key), stringify!($is)) ),+];
                    let names = <$row as BulkRow>::COLUMNS;
                    let query =
                        SelectOverArrays::<<$row as BulkRow>::Sql>::by_keys(stringify!($table), &keys, names, columns);
                    diesel_async::RunQueryDsl::load(query, conn).await
                }
                $crate::db::Conn::Sqlite { conn, .. } => {
                    conn.spawn_blocking(move |conn| {
                        use diesel::prelude::*;
                        let mut found: Vec<$row> = Vec::new();
                        for ($( $key, )+) in wanted {
                            let query = $table::table
                                $( .filter($table::$key.$is($key)) )+
                                .select(<$row>::as_select());
                            found.extend(diesel::RunQueryDsl::load::<$row>(query, conn)?);
                        }
                        Ok(found)
                    })
                    .await
                }
            };
            found.map_err($crate::db::DbError::from)
        }
    }};
}
pub(crate) use {bulk_insert, bulk_row, bulk_update, select_by_keys};
