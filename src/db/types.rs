//! The SQL types that both databases know, and which of our values are stored as which.
//!
//! - [`Id`]: `uuid` in PostgreSQL, a 16-byte blob in SQLite.
//! - [`Micros`]: `timestamptz` in PostgreSQL, microseconds since 1970 in SQLite. `infinity`, the greatest integer in
//!   both, is a [`Deadline`] that never comes.
//!
//! Credits, JSON and enumerations need no type of their own: they are 64-bit integers, text and small integers in both.

use diesel::deserialize::{self, FromSql, Queryable};
use diesel::expression::AsExpression;
use diesel::internal::derives::as_expression::Bound;
use diesel::pg::{Pg, PgValue};
use diesel::query_builder::QueryId;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{BigInt, Binary, Nullable, SqlType, Text, Uuid as PgUuid};
use diesel::sqlite::Sqlite;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::DbError;
use crate::base::credits::Credits;
use crate::base::ids::{ApiKeyId, CustomerId, MeterId, PlanId, PlanVersionId, ProductId, PurchaseOptionId};
use crate::base::json::CanonicalJson;
use crate::base::time::Time;

/// A UUID.
#[derive(Clone, Copy, Debug, SqlType, QueryId)]
#[diesel(postgres_type(oid = 2950, array_oid = 2951))]
#[diesel(sqlite_type(name = "Binary"))]
pub struct Id;

/// An instant to the microsecond.
#[derive(Clone, Copy, Debug, SqlType, QueryId)]
#[diesel(postgres_type(oid = 1184, array_oid = 1185))]
#[diesel(sqlite_type(name = "Long"))]
pub struct Micros;

/// The id of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnyId(pub Uuid);

/// An instant that may never come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(i64);

impl Deadline {
    /// The instant, or never.
    #[must_use]
    pub fn of(time: Option<Time>) -> Self {
        Self(time.map_or(i64::MAX, Time::micros))
    }

    /// The instant; `None` is never.
    #[must_use]
    pub fn time(self) -> Option<Time> {
        Time::from_micros(self.0)
    }
}

/// A value as JSON in a text column. A value that has no JSON form fails the statement that is to write it, so that its
/// transaction writes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonText(Result<String, String>);

impl JsonText {
    /// The value's JSON.
    #[must_use]
    pub fn of(value: &impl Serialize) -> Self {
        Self(serde_json::to_string(value).map_err(|error| error.to_string()))
    }

    /// The value that was stored; `what` names it in the error.
    ///
    /// # Errors
    /// [`DbError::Corrupt`] when the text is not its JSON.
    pub fn read<'a, T: Deserialize<'a>>(&'a self, what: &str) -> Result<T, DbError> {
        let corrupt = |why: &dyn std::fmt::Display| DbError::Corrupt(format!("{what}: {why}"));
        let text = self.0.as_deref().map_err(|error| corrupt(error))?;
        serde_json::from_str(text).map_err(|error| corrupt(&error))
    }
}

/// Microseconds between 1970 and 2000, where PostgreSQL begins to count.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// Lets a value stand in queries as that SQL type, and be read from it.
macro_rules! stored_as {
    ($($value:ty => $sql:ty),+ $(,)?) => {$(
        impl AsExpression<$sql> for $value {
            type Expression = Bound<$sql, Self>;
            fn as_expression(self) -> Self::Expression {
                Bound::new(self)
            }
        }
        impl AsExpression<Nullable<$sql>> for $value {
            type Expression = Bound<Nullable<$sql>, Self>;
            fn as_expression(self) -> Self::Expression {
                Bound::new(self)
            }
        }
        impl<'a> AsExpression<$sql> for &'a $value {
            type Expression = Bound<$sql, &'a $value>;
            fn as_expression(self) -> Self::Expression {
                Bound::new(self)
            }
        }
        impl<'a> AsExpression<Nullable<$sql>> for &'a $value {
            type Expression = Bound<Nullable<$sql>, &'a $value>;
            fn as_expression(self) -> Self::Expression {
                Bound::new(self)
            }
        }
        impl<DB: diesel::backend::Backend> ToSql<Nullable<$sql>, DB> for $value
        where
            $value: ToSql<$sql, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                ToSql::<$sql, DB>::to_sql(self, out)
            }
        }
        impl<DB: diesel::backend::Backend> Queryable<$sql, DB> for $value
        where
            $value: FromSql<$sql, DB>,
        {
            type Row = Self;
            fn build(row: Self) -> deserialize::Result<Self> {
                Ok(row)
            }
        }
    )+};
}

stored_as! {
    AnyId => Id,
    ApiKeyId => Id,
    CustomerId => Id,
    MeterId => Id,
    PlanId => Id,
    PlanVersionId => Id,
    ProductId => Id,
    PurchaseOptionId => Id,
    Time => Micros,
    Deadline => Micros,
    Credits => BigInt,
    CanonicalJson => Text,
    JsonText => Text,
}

macro_rules! uuids {
    ($($value:ident),+) => {$(
        impl ToSql<Id, Pg> for $value {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                ToSql::<PgUuid, Pg>::to_sql(&self.0, out)
            }
        }
        impl FromSql<Id, Pg> for $value {
            fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
                <Uuid as FromSql<PgUuid, Pg>>::from_sql(value).map(Self)
            }
        }
        impl ToSql<Id, Sqlite> for $value {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
                out.set_value(self.0.as_bytes().as_slice());
                Ok(IsNull::No)
            }
        }
        impl FromSql<Id, Sqlite> for $value {
            fn from_sql(value: <Sqlite as diesel::backend::Backend>::RawValue<'_>) -> deserialize::Result<Self> {
                let bytes = <Vec<u8> as FromSql<Binary, Sqlite>>::from_sql(value)?;
                Ok(Self(Uuid::from_slice(&bytes)?))
            }
        }
    )+};
}

uuids!(AnyId, ApiKeyId, CustomerId, MeterId, PlanId, PlanVersionId, ProductId, PurchaseOptionId);

fn to_postgres(micros: i64, out: &mut Output<'_, '_, Pg>) -> serialize::Result {
    let value = if micros == i64::MAX { micros } else { micros.saturating_sub(POSTGRES_EPOCH) };
    ToSql::<BigInt, Pg>::to_sql(&value, &mut out.reborrow())
}

fn from_postgres(value: PgValue<'_>) -> deserialize::Result<i64> {
    let value = <i64 as FromSql<BigInt, Pg>>::from_sql(value)?;
    Ok(value.saturating_add(POSTGRES_EPOCH))
}

impl ToSql<Micros, Pg> for Time {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        to_postgres(self.micros(), out)
    }
}

impl FromSql<Micros, Pg> for Time {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Self::from_micros(from_postgres(value)?).ok_or_else(|| "a time outside the years 1 to 9999".into())
    }
}

impl ToSql<Micros, Pg> for Deadline {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        to_postgres(self.0, out)
    }
}

impl FromSql<Micros, Pg> for Deadline {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        from_postgres(value).map(Self)
    }
}

impl ToSql<Micros, Sqlite> for Time {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.micros());
        Ok(IsNull::No)
    }
}

impl FromSql<Micros, Sqlite> for Time {
    fn from_sql(value: <Sqlite as diesel::backend::Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        let micros = <i64 as FromSql<BigInt, Sqlite>>::from_sql(value)?;
        Self::from_micros(micros).ok_or_else(|| "a time outside the years 1 to 9999".into())
    }
}

impl ToSql<Micros, Sqlite> for Deadline {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0);
        Ok(IsNull::No)
    }
}

impl FromSql<Micros, Sqlite> for Deadline {
    fn from_sql(value: <Sqlite as diesel::backend::Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        <i64 as FromSql<BigInt, Sqlite>>::from_sql(value).map(Self)
    }
}

impl ToSql<BigInt, Pg> for Credits {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<BigInt, Pg>::to_sql(&self.micros(), &mut out.reborrow())
    }
}

impl ToSql<BigInt, Sqlite> for Credits {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.micros());
        Ok(IsNull::No)
    }
}

impl<DB: diesel::backend::Backend> FromSql<BigInt, DB> for Credits
where
    i64: FromSql<BigInt, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
        i64::from_sql(value).map(Self::from_micros)
    }
}

impl<DB: diesel::backend::Backend> ToSql<Text, DB> for CanonicalJson
where
    str: ToSql<Text, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        ToSql::<Text, DB>::to_sql(self.as_str(), out)
    }
}

impl<DB: diesel::backend::Backend> FromSql<Text, DB> for CanonicalJson
where
    String: FromSql<Text, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
        String::from_sql(value).map(Self::from_stored)
    }
}

impl<DB: diesel::backend::Backend> ToSql<Text, DB> for JsonText
where
    str: ToSql<Text, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        match &self.0 {
            Ok(text) => ToSql::<Text, DB>::to_sql(text.as_str(), out),
            Err(error) => Err(format!("a value has no JSON form: {error}").into()),
        }
    }
}

impl<DB: diesel::backend::Backend> FromSql<Text, DB> for JsonText
where
    String: FromSql<Text, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
        String::from_sql(value).map(|text| Self(Ok(text)))
    }
}
