//! A private certificate authority and server certificates, made at run time: no key is ever committed.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Names that every server certificate of the tests holds.
const NAMES: [&str; 4] = ["localhost", "127.0.0.1", "host.docker.internal", "api.bitbucket.org"];

/// A private certificate authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// A new authority with its own key.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "crg-pipe tests private CA");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer }
    }

    /// The one authority of this test process: what trusts it (a Docker Engine, say) is shared too.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Authority> = OnceLock::new();
        SHARED.get_or_init(Self::new)
    }

    /// The authority's certificate: what a client must trust.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Writes the certificate as `ca.crt` into a folder, the name that `skopeo --cert-dir` looks for.
    pub fn write_to(&self, folder: &Path) -> PathBuf {
        let path = folder.join("ca.crt");
        std::fs::write(&path, self.pem()).unwrap();
        path
    }

    /// A server certificate for [`NAMES`] and `more`, names or addresses.
    pub fn server(&self, more: &[&str]) -> ServerIdentity {
        let names: Vec<String> = NAMES.iter().chain(more).map(|&name| name.to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params
            .distinguished_name
            .push(DnType::CommonName, "crg-pipe tests server");
        ServerIdentity::new(&params.signed_by(&key, &self.issuer).unwrap(), &key)
    }
}

/// A server's certificate and key, as PEM for other programs and as settings for our own servers.
#[derive(Clone)]
pub struct ServerIdentity {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key.
    pub key_pem: String,
    /// Both for rustls.
    pub config: Arc<ServerConfig>,
}

/// How a server's own certificate differs from the one of `openssl req -x509`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// Not at all: it calls itself an authority.
    Usual,
    /// It calls itself none.
    NoAuthority,
    /// It has expired.
    Expired,
    /// It is for another name.
    OtherName,
    /// It has a common name alone.
    NoNames,
    /// It is for clients.
    ForClients,
}

impl ServerIdentity {
    fn new(certificate: &Certificate, key: &KeyPair) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            config: Arc::new(config),
        }
    }

    /// A certificate for `localhost` that vouches for itself.
    pub fn self_signed(own: Own) -> Self {
        let key = KeyPair::generate().unwrap();
        let names = match own {
            Own::OtherName => vec!["registry.example.org".to_owned()],
            Own::NoNames => Vec::new(),
            _ => vec!["localhost".to_owned()],
        };
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "localhost");
        params.is_ca = match own {
            Own::NoAuthority | Own::ForClients => IsCa::ExplicitNoCa,
            _ => IsCa::Ca(BasicConstraints::Unconstrained),
        };
        if own == Own::Expired {
            params.not_after = rcgen::date_time_ymd(2020, 1, 2);
        }
        if own == Own::ForClients {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        }
        Self::new(&params.self_signed(&key).unwrap(), &key)
    }
}
