//! TLS for HTTP clients: rustls over ring, with the certificates that the system trusts.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
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

/// The same without a look at who the server is, for hosts of which a person has said that it does not
/// matter. What is sent is still encrypted, for whoever answers there.
pub fn any_certificate() -> ClientConfig {
    let mut config = config();
    let algorithms = ring::default_provider().signature_verification_algorithms;
    config.dangerous().set_certificate_verifier(Arc::new(Anybody(algorithms)));
    config
}

/// Takes any certificate. The server must still have its key.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
