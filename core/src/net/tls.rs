//! TLS for HTTP clients: rustls over ring, with the certificates that the system trusts.

use std::sync::{Arc, OnceLock};

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

/// The settings that all clients of this process share; cheap after the first call, which reads the
/// system's certificates (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others) and blocks for that long.
///
/// A machine without any certificates still reaches plain HTTP hosts: there every HTTPS host fails with
/// an unknown issuer.
pub fn config() -> ClientConfig {
    // Certificates belong to the machine, not to one engine, and a hundred of them are slow to parse.
    static CONFIG: OnceLock<ClientConfig> = OnceLock::new();
    CONFIG
        .get_or_init(|| {
            let trusting = || {
                ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                    .with_safe_default_protocol_versions()
                    .expect("ring has the cipher suites of TLS 1.2 and 1.3")
            };
            let config = trusting().with_platform_verifier().unwrap_or_else(|error| {
                tracing::warn!(%error, "HTTPS will not work");
                trusting().with_root_certificates(RootCertStore::empty())
            });
            let mut config = config.with_no_client_auth();
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            config
        })
        .clone()
}
