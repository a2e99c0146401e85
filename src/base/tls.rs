//! TLS for outgoing connections.

/// Chooses ring as the implementation of TLS for the whole process. HTTP clients need it before they are built; a second call
/// changes nothing.
pub fn install_provider() {
    // An error says that a provider is installed already.
    drop(rustls::crypto::ring::default_provider().install_default());
}
