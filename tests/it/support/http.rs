//! HTTP as the tests speak it.

use scrip::base::tls;

/// A client with connections of its own, for plain HTTP: reading the machine's certificates would cost each test milliseconds.
pub(crate) fn client() -> reqwest::Client {
    tls::install_provider();
    reqwest::Client::builder().tls_certs_only([]).build().expect("a client for plain HTTP can be built")
}
