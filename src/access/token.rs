//! What callers show: the secret of a key, or the token of a portal session. Both are a prefix that says what they are,
//! and base32.
//!
//! - A key's secret: `sk_`, its id (16 bytes) and 20 random bytes.
//! - A portal token: `ps_`, a version (1), the customer (16), its beginning and its end in microseconds (8 each), and
//!   HMAC-SHA-256 over all that by a key that the servers on one database share (32).

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::model::PortalSession;
use crate::base::ids::{ApiKeyId, CustomerId, base32};
use crate::base::time::Time;

const KEY: &str = "sk_";
const PORTAL: &str = "ps_";
const VERSION: u8 = 2;
/// How many characters of a secret's end people see.
const SHOWN: usize = 4;

/// How many random bytes a secret has.
pub(super) const RANDOM: usize = 20;

/// The secret of a key. It is never printed by way of `Debug`.
pub(super) struct Secret {
    text: String,
}

impl Secret {
    /// The secret of a new key.
    pub(super) fn new(id: ApiKeyId, random: [u8; RANDOM]) -> Self {
        let bytes = [id.0.as_bytes().as_slice(), &random].concat();
        Self { text: format!("{KEY}{}", base32().encode(&bytes)) }
    }

    /// The secret that a caller shows, and the key that it is of.
    pub(super) fn read(text: &str) -> Option<(ApiKeyId, Self)> {
        let bytes = base32().decode(text.strip_prefix(KEY)?.as_bytes()).ok()?;
        let (id, random) = bytes.split_first_chunk::<16>()?;
        (random.len() == RANDOM).then(|| (ApiKeyId(Uuid::from_bytes(*id)), Self { text: text.to_owned() }))
    }

    /// What is kept of it.
    pub(super) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.text.as_bytes()).into()
    }

    /// How it begins and ends.
    pub(super) fn hint(&self) -> String {
        let end = self.text.get(self.text.len().saturating_sub(SHOWN)..).unwrap_or_default();
        format!("{KEY}…{end}")
    }

    /// The secret itself, to be shown once.
    pub(super) fn shown(self) -> String {
        self.text
    }
}

/// Whether two hashes are the same, in a time that does not tell where they differ.
pub(super) fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.ct_eq(other).into()
}

/// Whether a text says that it is a portal token.
pub(super) fn is_portal(text: &str) -> bool {
    text.starts_with(PORTAL)
}

/// Signs and reads portal tokens.
pub(super) struct Signer(Hmac<Sha256>);

impl Signer {
    /// By the key that the servers on one database share.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        Hmac::new_from_slice(key).ok().map(Self)
    }

    pub(super) fn sign(&self, session: PortalSession) -> String {
        let said = said(session);
        let mac = self.0.clone().chain_update(&said).finalize().into_bytes();
        format!("{PORTAL}{}", base32().encode(&[said.as_slice(), &mac].concat()))
    }

    /// The session of a token that was signed here, whether it is over or not.
    pub(super) fn read(&self, text: &str) -> Option<PortalSession> {
        let bytes = base32().decode(text.strip_prefix(PORTAL)?.as_bytes()).ok()?;
        let (said, mac) = bytes.split_at_checked(33)?;
        self.0.clone().chain_update(said).verify_slice(mac).ok()?;
        let (version, rest) = said.split_first()?;
        let (customer, times) = rest.split_first_chunk::<16>()?;
        let (begin, end) = times.split_first_chunk::<8>()?;
        let time = |bytes: [u8; 8]| Time::from_micros(i64::from_be_bytes(bytes));
        let (began_at, expires_at) = (time(*begin)?, time(end.try_into().ok()?)?);
        let customer = CustomerId(Uuid::from_bytes(*customer));
        (*version == VERSION).then_some(PortalSession { customer, began_at, expires_at })
    }
}

fn said(session: PortalSession) -> Vec<u8> {
    let customer = session.customer.0.as_bytes().as_slice();
    let [begin, end] = [session.began_at, session.expires_at].map(|time| time.micros().to_be_bytes());
    [[VERSION].as_slice(), customer, &begin, &end].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn session() -> PortalSession {
        let [began_at, expires_at] = [1_000_000, 2_000_000].map(|micros| Time::from_micros(micros).unwrap());
        PortalSession { customer: CustomerId(Uuid::from_u128(7)), began_at, expires_at }
    }

    #[test]
    fn a_secret_names_its_key_and_shows_people_four_characters() {
        let id = ApiKeyId(Uuid::from_u128(0x0123_4567));
        let secret = Secret::new(id, [255; RANDOM]);
        assert_eq!(secret.hint(), "sk_…vvvs");
        let (read, again) = Secret::read(&secret.text).unwrap();
        assert_eq!((read, again.hash()), (id, secret.hash()));
        assert!(same(&secret.hash(), &again.hash()) && !same(&secret.hash(), &[0; 32]));
    }

    proptest! {
        #[test]
        fn property_a_token_that_was_changed_is_nobodys(at in 0_usize..110, to in "[0-9a-v]") {
            let signer = Signer::new(&[1; 32]).unwrap();
            let token = signer.sign(session());
            prop_assert_eq!(signer.read(&token), Some(session()));
            prop_assert_eq!(Signer::new(&[2; 32]).unwrap().read(&token), None);
            let at = PORTAL.len() + at % (token.len() - PORTAL.len());
            let mut changed = token.clone();
            changed.replace_range(at..=at, &to);
            prop_assert!(changed == token || signer.read(&changed).is_none());
        }

        #[test]
        fn property_no_text_makes_the_readers_panic(text in "(sk|ps)_[0-9a-v]{0,100}") {
            let _ = Secret::read(&text);
            prop_assert_eq!(Signer::new(&[1; 32]).unwrap().read(&text), None);
        }
    }
}
