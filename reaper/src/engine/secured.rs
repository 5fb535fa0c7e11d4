//! TLS to an engine: who it has to be, and who we are, by the files that Docker's command takes for it.
//!
//! The provider of the cryptography is named: a graph of crates may have two, and rustls' default panics there.
//! Whatever goes wrong with a certificate stays wrong, so it is said at once, with what leads out.

use std::io;
#[cfg(feature = "tls")]
use std::sync::{Arc, OnceLock};

use super::stream::Stream;
use crate::settings::Found;

/// Where an engine listens that has TLS, unless its address says where.
#[cfg(feature = "tls")]
pub(super) const SECURE_PORT: u16 = 2376;

/// The files of the two ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Files {
    /// With `ca.pem`, which the engine's certificate hangs on, and `cert.pem` and `key.pem` of ours.
    pub(crate) folder: Found,
    /// Whether it matters whose certificate the engine has.
    pub(crate) verified: bool,
}

/// An engine behind TLS.
#[derive(Debug, Clone)]
pub(crate) struct Secured {
    /// `host:port`.
    pub(crate) address: String,
    pub(crate) files: Files,
    /// What the files came to, read once for all clones of this.
    #[cfg(feature = "tls")]
    read: Arc<OnceLock<Arc<rustls::ClientConfig>>>,
}

/// The host of `host:port`.
pub(super) fn host(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']'])
}

impl Secured {
    /// The same under another address.
    pub(super) fn at(&self, address: String) -> Self {
        Self { address, ..self.clone() }
    }
}

impl PartialEq for Secured {
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address && self.files == other.files
    }
}

impl Eq for Secured {}

#[cfg(not(feature = "tls"))]
pub(super) fn connect(_: &Secured) -> std::future::Ready<io::Result<Stream>> {
    std::future::ready(Err(io::Error::new(io::ErrorKind::Unsupported, "TLS takes the feature `tls`")))
}

#[cfg(feature = "tls")]
pub(super) use self::tls::connect;

#[cfg(feature = "tls")]
mod tls {
    use std::path::Path;
    use std::task::{Context, Poll};

    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
    use rustls::server::WebPkiClientVerifier;
    use rustls::{
        AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore,
        SignatureScheme,
    };
    use tokio_rustls::TlsConnector;

    use super::super::stream::{Explain, Explained, tcp};
    use super::super::verdict::Hopeless;
    use super::{Arc, Files, OnceLock, Secured, Stream, host, io};
    use crate::error;

    impl Secured {
        pub(crate) fn new(address: String, files: Files) -> Self {
            Self { address, files, read: Arc::new(OnceLock::new()) }
        }

        /// Reads the files; what is wrong with them is an error that names the setting.
        pub(in super::super) fn ready(&self) -> error::Result<()> {
            self.config().map(drop).map_err(|problem| {
                self.files.folder.refuse(format!(
                    "a folder with ca.pem, and with cert.pem and key.pem where the engine asks for a client's \
                     certificate ({problem})"
                ))
            })
        }

        fn config(&self) -> Result<Arc<ClientConfig>, String> {
            if let Some(read) = self.read.get() {
                return Ok(Arc::clone(read));
            }
            let read = Arc::new(self.files.read()?);
            Ok(Arc::clone(self.read.get_or_init(|| read)))
        }
    }

    impl Files {
        fn read(&self) -> Result<ClientConfig, String> {
            let provider = Arc::new(ring::default_provider());
            let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()
                .map_err(|error| error.to_string())?;
            let config = if self.verified {
                config.with_root_certificates(self.authorities()?)
            } else {
                config.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            };
            match self.identity()? {
                Some((chain, key)) => config
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| format!("cert.pem and key.pem: {error}")),
                None => Ok(config.with_no_client_auth()),
            }
        }

        fn authorities(&self) -> Result<RootCertStore, String> {
            let mut authorities = RootCertStore::empty();
            for certificate in certificates(&self.path("ca.pem"))? {
                authorities.add(certificate).map_err(|error| format!("ca.pem: {error}"))?;
            }
            Ok(authorities)
        }

        /// What we show of ourselves, if there is anything.
        fn identity(&self) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>, String> {
            let [certificate, key] = ["cert.pem", "key.pem"].map(|name| self.path(name));
            if !certificate.exists() && !key.exists() {
                return Ok(None);
            }
            let chain = certificates(&certificate)?;
            let key = PrivateKeyDer::from_pem_file(&key).map_err(|error| unread(&key, &error))?;
            Ok(Some((chain, key)))
        }

        fn path(&self, name: &str) -> std::path::PathBuf {
            Path::new(&self.folder.value).join(name)
        }

        /// What an engine with the same authority would have against our certificate: its alert says no more than
        /// that it is bad.
        fn flaw(&self) -> Option<Error> {
            let (chain, _) = self.identity().ok()??;
            let provider = Arc::new(ring::default_provider());
            let authorities = Arc::new(self.authorities().ok()?);
            let verifier = WebPkiClientVerifier::builder_with_provider(authorities, provider).build().ok()?;
            let (own, others) = chain.split_first()?;
            verifier.verify_client_cert(own, others, UnixTime::now()).err()
        }
    }

    fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
        let read = CertificateDer::pem_file_iter(path).map_err(|error| unread(path, &error))?;
        let read: Vec<_> = read.collect::<Result<_, _>>().map_err(|error| unread(path, &error))?;
        if read.is_empty() { Err(format!("there is no certificate in {}", path.display())) } else { Ok(read) }
    }

    fn unread(path: &Path, error: &dyn std::fmt::Display) -> String {
        format!("{}: {error}", path.display())
    }

    pub(in super::super) async fn connect(secured: &Secured) -> io::Result<Stream> {
        let config = secured.config().map_err(|problem| Hopeless {
            problem,
            advice: "name a folder with ca.pem, cert.pem and key.pem with DOCKER_CERT_PATH",
        })?;
        let name = ServerName::try_from(host(&secured.address).to_owned()).map_err(io::Error::other)?;
        let stream = TlsConnector::from(config).connect(name, tcp(&secured.address).await?).await;
        let stream = stream.map_err(|error| told(error, &secured.files))?;
        Ok(Box::new(Explained { stream, known: secured.files.clone() }))
    }

    /// What the engine has against our certificate comes after the handshake.
    impl Explain for Files {
        fn explain(&mut self, _: &mut Context<'_>, read: io::Result<usize>) -> Poll<io::Result<()>> {
            Poll::Ready(read.map(drop).map_err(|error| told(error, self)))
        }
    }

    const ANOTHER_FOLDER: &str =
        "name the folder with this engine's ca.pem, cert.pem and key.pem with DOCKER_CERT_PATH";
    const RENEW_ENGINES: &str =
        "have it renewed where the engine runs, and look at the clocks of both machines";
    const ANOTHER_NAME: &str = "name the engine by a name or address that is in its certificate, or have one made that has \
                                this as a subjectAltName";
    const RENEW_OURS: &str = "have a new cert.pem made, and look at this machine's clock";
    const NO_TLS: &str = "what listens there speaks no TLS: unset DOCKER_TLS_VERIFY, or name the port that has TLS, usually 2376";

    /// What becomes of an error of TLS's.
    fn told(error: io::Error, files: &Files) -> io::Error {
        let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else { return error };
        let (problem, advice) = match tls {
            Error::InvalidCertificate(error) => of_engines(error, files),
            Error::AlertReceived(alert) if is_about_us(*alert) => of_ours(*alert, files),
            Error::InvalidMessage(_) => (format!("no TLS is spoken there: {tls}"), NO_TLS),
            _ => return error,
        };
        Hopeless { problem, advice }.into()
    }

    /// What is wrong with the engine's certificate, and what leads out.
    fn of_engines(error: &CertificateError, files: &Files) -> (String, &'static str) {
        use CertificateError as E;
        if let Some(flaw) = date(error) {
            return (format!("the engine's certificate {flaw}"), RENEW_ENGINES);
        }
        match error {
            E::UnknownIssuer | E::BadSignature => (
                format!("the engine's certificate is not one that {}/ca.pem has signed", files.folder.value),
                ANOTHER_FOLDER,
            ),
            E::NotValidForName | E::NotValidForNameContext { .. } => {
                (format!("the engine's certificate is for another name: {error}"), ANOTHER_NAME)
            }
            _ => (format!("the engine's certificate has no use: {error}"), ANOTHER_FOLDER),
        }
    }

    /// What is wrong with a certificate's dates; the library tells them in seconds since 1970.
    fn date(error: &CertificateError) -> Option<&'static str> {
        use CertificateError as E;
        match error {
            E::Expired | E::ExpiredContext { .. } => Some("has expired"),
            E::NotValidYet | E::NotValidYetContext { .. } => Some("is not valid yet"),
            _ => None,
        }
    }

    fn is_about_us(alert: AlertDescription) -> bool {
        use AlertDescription as A;
        matches!(
            alert,
            A::BadCertificate
                | A::CertificateExpired
                | A::CertificateRequired
                | A::CertificateRevoked
                | A::CertificateUnknown
                | A::UnsupportedCertificate
                | A::UnknownCA
                | A::AccessDenied
                // That our signature does not fit what was signed.
                | A::DecryptError
        )
    }

    /// Why the engine does not take our certificate, or misses one.
    fn of_ours(alert: AlertDescription, files: &Files) -> (String, &'static str) {
        let folder = &files.folder.value;
        if !files.path("cert.pem").exists() {
            let problem = format!("the engine asks for a client's certificate, and {folder} has no cert.pem");
            return (problem, ANOTHER_FOLDER);
        }
        let flaw = match files.flaw() {
            Some(Error::InvalidCertificate(flaw)) => Some(flaw),
            _ => None,
        };
        if let Some(flaw) = flaw.as_ref().and_then(date) {
            return (format!("the certificate {folder}/cert.pem {flaw}"), RENEW_OURS);
        }
        let why = match flaw {
            Some(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
                format!(", which {folder}/ca.pem has not signed")
            }
            _ => format!(": {alert:?}"),
        };
        (format!("the engine does not take {folder}/cert.pem{why}"), ANOTHER_FOLDER)
    }

    /// Takes whoever has the key of the certificate that is shown, for an engine that is named as one whose certificate
    /// does not matter.
    #[derive(Debug)]
    struct Anybody(Arc<CryptoProvider>);

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
            verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.signature_verification_algorithms.supported_schemes()
        }
    }
}
