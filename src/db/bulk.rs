//! Bulk writes, the hot path: one statement a table and batch on PostgreSQL, over arrays, whose text never changes, so
//! that it is prepared once and meets no bind limit; prepared single-row statements in one blocking hop on SQLite.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{Array, HasSqlType, SingleValue, SqlType};

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
    /// `INSERT INTO table (names) SELECT * FROM unnest(arrays)`, leaving out what is there.
    #[must_use]
    pub fn insert(table: &str, names: &[&str], columns: Vec<Box<dyn QueryFragment<Pg> + Send + Sync>>) -> Self {
        let names = names.join(", ");
        Self {
            before: format!("INSERT INTO {table} ({names}) SELECT * FROM unnest("),
            columns,
            behind: ") ON CONFLICT DO NOTHING".to_owned(),
        }
    }

    /// `UPDATE table SET … FROM unnest(arrays) WHERE keys match`; the arrays are the keys', then the values'. Among the
    /// values, `revision` must be one more than what is there.
    #[must_use]
    pub fn update(
        table: &str,
        keys: &[&str],
        values: &[&str],
        columns: Vec<Box<dyn QueryFragment<Pg> + Send + Sync>>,
    ) -> Self {
        let set: Vec<String> = values.iter().map(|name| format!("{name} = new.{name}")).collect();
        let mut same: Vec<String> = keys.iter().map(|name| format!("{table}.{name} = new.{name}")).collect();
        if values.contains(&"revision") {
            same.push(format!("{table}.revision = new.revision - 1"));
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

/// A row that knows its columns, so that it can be selected by statements that are put together by hand.
pub trait BulkRow {
    /// The SQL types of its columns.
    type Sql;
    /// Their names.
    const COLUMNS: &'static [&'static str];
}

/// Declares the rows of a table that are inserted in bulk: a struct and its `insert_all`, which leaves out rows whose
/// key is there and answers how many were new.
macro_rules! bulk_insert {
    (
        $(#[$doc:meta])*
        $vis:vis struct $row:ident of $table:ident {
            $( $(#[$field_doc:meta])* $field:ident : $value:ty as $sql:ty, )+
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, diesel::Queryable, diesel::Selectable, diesel::Insertable)]
        #[diesel(table_name = $table)]
        $vis struct $row {
            $( $(#[$field_doc])* $vis $field: $value, )+
        }

        impl $crate::db::bulk::BulkRow for $row {
            type Sql = ($( $sql, )+);
            const COLUMNS: &'static [&'static str] = &[$( stringify!($field) ),+];
        }

        impl $row {
            /// Inserts the rows and leaves out those whose key is there; answers how many were new.
            ///
            /// # Errors
            /// Those of the database.
            $vis async fn insert_all(conn: &mut $crate::db::Conn, rows: Vec<Self>) -> Result<usize, $crate::db::DbError> {
                use $crate::db::bulk::{Column, OverArrays};
                if rows.is_empty() {
                    return Ok(0);
                }
                conn.count_statement();
                match conn {
                    $crate::db::Conn::Postgres { conn, .. } => {
                        $( let mut $field: Vec<$value> = Vec::with_capacity(rows.len()); )+
                        for row in rows {
                            $( $field.push(row.$field); )+
                        }
                        let columns = vec![$( Column::<$sql, $value>::boxed($field) ),+];
                        let statement = OverArrays::insert(stringify!($table), &[$( stringify!($field) ),+], columns);
                        Ok(diesel_async::RunQueryDsl::execute(statement, conn).await?)
                    }
                    $crate::db::Conn::Sqlite { conn, .. } => Ok(conn
                        .spawn_blocking(move |conn| {
                            let mut new = 0_usize;
                            for row in &rows {
                                let statement =
                                    diesel::insert_into($table::table).values(row).on_conflict_do_nothing();
                                new = new.saturating_add(diesel::RunQueryDsl::execute(statement, conn)?);
                            }
                            Ok(new)
                        })
                        .await?),
                }
            }
        }
    };
}

/// Declares changes of a table's rows that are made in bulk: a struct and its `update_all`, which answers how many rows
/// were there to change.
macro_rules! bulk_update {
    (
        $(#[$doc:meta])*
        $vis:vis struct $row:ident of $table:ident {
            keys { $( $key:ident : $key_value:ty as $key_sql:ty, )+ }
            $( where $old:ident is $before:expr; )?
            values { $( $field:ident : $value:ty as $sql:ty, )+ }
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        $vis struct $row {
            $( $vis $key: $key_value, )+
            $( $vis $field: $value, )+
        }

        impl $row {
            /// Changes the rows; answers how many were there to change.
            ///
            /// # Errors
            /// Those of the database.
            $vis async fn update_all(conn: &mut $crate::db::Conn, rows: Vec<Self>) -> Result<usize, $crate::db::DbError> {
                use $crate::db::bulk::{Column, OverArrays};
                if rows.is_empty() {
                    return Ok(0);
                }
                conn.count_statement();
                match conn {
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
                        Ok(diesel_async::RunQueryDsl::execute(statement, conn).await?)
                    }
                    $crate::db::Conn::Sqlite { conn, .. } => Ok(conn
                        .spawn_blocking(move |conn| {
                            use diesel::prelude::*;
                            let mut changed = 0_usize;
                            for row in &rows {
                                let statement = diesel::update($table::table)
                                    $( .filter($table::$key.eq(&row.$key)) )+
                                    $( .filter($table::$old.eq($before(row))) )?
                                    .set(($( $table::$field.eq(&row.$field), )+));
                                changed = changed.saturating_add(diesel::RunQueryDsl::execute(statement, conn)?);
                            }
                            Ok(changed)
                        })
                        .await?),
                }
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
                            let query =
                                $table::table $( .filter($table::$key.$is($key)) )+ .select(<$row>::as_select());
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
pub(crate) use {bulk_insert, bulk_update, select_by_keys};
