//! HTTP as the tests speak it.

use scrip::base::tls;

/// A client with connections of its own.
pub(crate) fn client() -> reqwest::Client {
    tls::install_provider();
    reqwest::Client::new()
}
