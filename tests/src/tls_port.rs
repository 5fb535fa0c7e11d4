//! A port with TLS at which nobody is an engine: for what goes wrong before anybody could tell.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, Stream};

/// Listens on loopback with the certificate of a folder, and asks clients for one of the same authority. Whoever has one
/// is told that there is nothing.
///
/// # Panics
///
/// When the files cannot be read.
#[must_use]
pub fn listen(folder: &Path) -> SocketAddr {
    let read = |name: &str| {
        let read = CertificateDer::pem_file_iter(folder.join(name)).expect("certificates");
        read.collect::<Result<Vec<_>, _>>().expect("certificates")
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut authorities = RootCertStore::empty();
    authorities.add_parsable_certificates(read("ca.pem"));
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), Arc::clone(&provider));
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).expect("a key");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(clients.build().expect("an authority"))
        .with_single_cert(read("cert.pem"), key)
        .expect("a certificate and its key");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().filter_map(Result::ok) {
            let mut connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            let mut secured = Stream::new(&mut connection, &mut stream);
            // Whoever is refused has ended the connection.
            let mut request = [0; 4096];
            if secured.read(&mut request).is_ok_and(|length| length > 0) {
                let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
                let _ = secured.write_all(answer);
            }
            connection.send_close_notify();
            let _ = connection.write_tls(&mut stream);
        }
    });
    address
}
