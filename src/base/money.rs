//! Money: major units with exactly as many digits as the currency has, kept as integers of the currency's unit.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::decimal::{self, Decimal, DecimalError};

/// A currency of ISO 4217, active or ended; stored as its code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Currency([u8; 3]);

/// The currencies that can be chosen: those of ISO 4217's list one as published on 2026-01-01, without codes of funds, metals
/// and units of account other than CLF and UYW. In order, and two fraction digits unless listed below.
const CODES: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD \
CAD CDF CHF CLF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD \
HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD \
MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON \
RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX \
USD UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG";
const NO_DIGITS: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF";
const THREE_DIGITS: &str = "BHD IQD JOD KWD LYD OMR TND";
const FOUR_DIGITS: &str = "CLF UYW";

impl Currency {
    /// Reads a code such as "EUR" that a caller chose; `None` when ISO 4217 has no such active currency.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        CODES.split(' ').any(|known| known == code).then(|| Self::stored(code)).flatten()
    }

    /// Reads a code that was stored, whether or not its currency has ended since; `None` when it is not three capital letters.
    #[must_use]
    pub fn stored(code: &str) -> Option<Self> {
        let bytes: [u8; 3] = code.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_uppercase).then_some(Self(bytes))
    }

    /// The three letters.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Fraction digits of its major unit.
    #[must_use]
    pub fn digits(self) -> u32 {
        let among = |list: &str| list.split(' ').any(|known| known == self.code());
        match () {
            () if among(NO_DIGITS) => 0,
            () if among(THREE_DIGITS) => 3,
            () if among(FOUR_DIGITS) => 4,
            () => 2,
        }
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

impl TryFrom<String> for Currency {
    type Error = &'static str;

    fn try_from(code: String) -> Result<Self, Self::Error> {
        Self::stored(&code).ok_or("is no currency")
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An amount of money in the smallest unit of its currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    /// In the currency's smallest unit: cents for EUR, yen for JPY.
    pub minor: i64,
    /// The currency.
    pub currency: Currency,
}

/// Why an amount of money is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MoneyError {
    /// Not a decimal, or with more digits than the currency has.
    #[error(transparent)]
    Decimal(#[from] DecimalError),
    /// Below zero.
    #[error("is negative")]
    Negative,
    /// Beyond 10^12 major units.
    #[error("is over the greatest amount, 1000000000000")]
    TooLarge,
}

impl Money {
    /// A price that a caller named: 0 to 10^12 major units, no more digits than the currency has.
    ///
    /// # Errors
    /// [`MoneyError`] says what is wrong with it.
    pub fn price(given: &Decimal, currency: Currency) -> Result<Self, MoneyError> {
        let minor = match given.scaled(currency.digits()) {
            Err(DecimalError::Size) => return Err(MoneyError::TooLarge),
            other => other?,
        };
        if minor < 0 {
            return Err(MoneyError::Negative);
        }
        let most = decimal::pow10(currency.digits()).saturating_mul(1_000_000_000_000);
        match i64::try_from(minor) {
            Ok(value) if minor <= most => Ok(Self { minor: value, currency }),
            _ => Err(MoneyError::TooLarge),
        }
    }

    /// The amount in major units, with exactly the currency's digits.
    #[must_use]
    pub fn amount(&self) -> String {
        let digits = self.currency.digits();
        let mut out = String::new();
        // Writing to a String does not fail.
        let _ =
            decimal::write_least(&mut out, i128::from(self.minor), digits, usize::try_from(digits).unwrap_or_default());
        out
    }
}

/// For people: `19.99 EUR`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount(), self.currency.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_with_exactly_the_digits_of_its_currency() {
        for (given, code, written) in
            [("5", "EUR", "5.00"), ("5.5", "EUR", "5.50"), ("500", "JPY", "500"), ("0.1", "KWD", "0.100")]
        {
            let money = Money::price(&Decimal::new(given).unwrap(), Currency::parse(code).unwrap()).unwrap();
            assert_eq!(money.amount(), written);
        }
    }

    #[test]
    fn list_of_currencies_is_in_order_and_complete() {
        let codes: Vec<&str> = CODES.split(' ').collect();
        assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
        assert_eq!(codes.len(), 157);
        for listed in [NO_DIGITS, THREE_DIGITS, FOUR_DIGITS] {
            assert!(listed.split(' ').all(|code| codes.contains(&code)), "{listed}");
        }
    }

    #[test]
    fn currency_that_has_ended_is_read_and_not_offered() {
        for (ended, successor) in [("BGN", "EUR"), ("ANG", "XCG")] {
            assert_eq!(Currency::parse(ended), None);
            assert!(Currency::parse(successor).is_some());
            let stored: Currency = serde_json::from_str(&format!("\"{ended}\"")).unwrap();
            assert_eq!(Money { minor: 1999, currency: stored }.to_string(), format!("19.99 {ended}"));
        }
        for code in ["", "eur", "EURO", "E1R"] {
            assert_eq!(Currency::stored(code), None, "{code}");
        }
    }

    #[test]
    fn more_digits_than_the_currency_has_are_refused() {
        let yen = Currency::parse("JPY").unwrap();
        assert_eq!(Money::price(&Decimal::new("1.5").unwrap(), yen), Err(MoneyError::Decimal(DecimalError::Digits(0))));
        assert_eq!(Currency::parse("eur"), None);
        assert_eq!(Currency::parse("XXX"), None);
    }
}
