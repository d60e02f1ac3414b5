//! TLS of a run: whose certificates are trusted, and what its errors mean, each in words.

use super::reach::{Certificate, Handshake, Reach};
use crate::text::Quoted;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::sync::Arc;
use time::OffsetDateTime;

/// Most names of a certificate that are told.
const MOST_NAMES: usize = 5;

/// The settings of every connection by TLS: the public roots, and those of `CA_CERTIFICATE`.
///
/// # Errors
/// A root that is none.
pub(crate) fn settings(own: &[CertificateDer<'static>]) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    for root in own {
        roots.add(root.clone())?;
    }
    let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    let verifier = Verifier {
        webpki,
        own: own.to_vec(),
    };
    let mut settings = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    settings.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(settings)
}

/// Trusts what the roots vouch for, and a server's certificate that is itself, byte for byte, in `CA_CERTIFICATE`: the
/// self-signed one of `openssl req -x509` calls itself an authority, which no server may be by RFC 5280; `OpenSSL` and Go
/// take it.
#[derive(Debug)]
struct Verifier {
    webpki: Arc<WebPkiServerVerifier>,
    own: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self
            .webpki
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // Only these, which are said after the dates were found right; the name is looked at last.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature | CertificateError::Other(_),
            )) if self.own.contains(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// Why no connection by TLS came about.
pub(super) fn reach(error: &rustls::Error) -> Reach {
    use rustls::Error;
    let handshake = match error {
        Error::InvalidCertificate(what) => return certificate(what),
        Error::NoCertificatesPresented => return Reach::Certificate(Certificate::Missing),
        Error::UnsupportedNameType => return Reach::Certificate(Certificate::NotNamed),
        Error::InvalidMessage(_) => Handshake::NoTls,
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => Handshake::NothingInCommon,
        Error::AlertReceived(alert) => match alert {
            AlertDescription::HandshakeFailure
            | AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity
            | AlertDescription::NoApplicationProtocol => Handshake::NothingInCommon,
            AlertDescription::UnrecognisedName => Handshake::UnknownName,
            AlertDescription::CertificateRequired
            | AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::AccessDenied => Handshake::WantsCertificate,
            AlertDescription::InternalError => Handshake::TheirFault,
            _ => Handshake::BrokenOff,
        },
        Error::FailedToGetCurrentTime | Error::FailedToGetRandomBytes | Error::General(_) | Error::Other(_) => {
            Handshake::BrokenOff
        }
        // What cannot be deciphered, or comes out of turn.
        _ => Handshake::Garbled,
    };
    Reach::Tls(handshake)
}

fn certificate(error: &CertificateError) -> Reach {
    use CertificateError as E;
    Reach::Certificate(match error {
        // A bad signature is that of another authority of the same name.
        E::UnknownIssuer | E::BadSignature => return Reach::UnknownIssuer,
        E::Expired => Certificate::Expired(None),
        E::ExpiredContext { not_after, .. } => Certificate::Expired(day(*not_after)),
        E::NotValidYet => Certificate::NotYet(None),
        E::NotValidYetContext { not_before, .. } => Certificate::NotYet(day(*not_before)),
        E::Revoked => Certificate::Revoked,
        E::NotValidForName => Certificate::NotNamed,
        E::NotValidForNameContext { presented, .. } => match names(presented) {
            names if names.is_empty() => Certificate::NotNamed,
            names => Certificate::OtherName(names),
        },
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => Certificate::Purpose,
        // What webpki has no kind for, by its own name.
        E::Other(other) if other.to_string() == "CaUsedAsEndEntity" => Certificate::Authority,
        E::BadEncoding | E::UnhandledCriticalExtension => Certificate::Unread,
        E::UnsupportedSignatureAlgorithmContext { .. } | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            Certificate::Algorithm
        }
        E::Other(other) => match &*other.to_string() {
            "UnsupportedCertVersion" | "UnsupportedCriticalExtension" => Certificate::Unread,
            _ => Certificate::Rules,
        },
        _ => Certificate::Rules,
    })
}

fn day(at: UnixTime) -> Option<String> {
    let at = i64::try_from(at.as_secs()).ok()?;
    Some(OffsetDateTime::from_unix_timestamp(at).ok()?.date().to_string())
}

/// The names of a certificate, out of `DnsName("localhost")` and `IpAddress(127.0.0.1)`.
fn names(presented: &[String]) -> Vec<Quoted> {
    let name = |name: &String| {
        let (kind, name) = name.strip_suffix(')')?.split_once('(')?;
        matches!(kind, "DnsName" | "IpAddress").then(|| Quoted::new(name.trim_matches('"')))
    };
    presented.iter().filter_map(name).take(MOST_NAMES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{Error, InvalidMessage, OtherError, PeerIncompatible, PeerMisbehaved};
    use std::time::Duration;

    #[test]
    fn every_fault_has_words_and_none_is_debug_text() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let other = |text: &str| CertificateError::Other(OtherError(Arc::new(std::io::Error::other(text.to_owned()))));
        let name = ServerName::try_from("localhost").unwrap().to_owned();
        let presented = |names: &[&str]| CertificateError::NotValidForNameContext {
            expected: name.clone(),
            presented: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        let expired = CertificateError::ExpiredContext {
            time: at(1_600_000_000),
            not_after: at(1_577_923_200),
        };
        for (what, words) in [
            (expired, "it expired on 2020-01-02"),
            (CertificateError::Expired, "it has expired"),
            (
                CertificateError::NotValidYetContext {
                    time: at(0),
                    not_before: at(86_400),
                },
                "it begins on 1970-01-02",
            ),
            (
                presented(&["DnsName(\"a.example\")", "IpAddress(10.0.0.5)", "Unsupported(0x81)"]),
                "it is for `a.example`, `10.0.0.5`, which is another name",
            ),
            (
                presented(&["DnsName(\"a\u{1b}[31m\n\")"]),
                "it is for `a\\u{1b}[31m`, which is another name",
            ),
            (
                presented(&[]),
                "it does not name this host, neither as a DNS name nor as an address",
            ),
            (CertificateError::Revoked, "it was revoked"),
            (CertificateError::InvalidPurpose, "it is not made for a server"),
            (CertificateError::BadEncoding, "it cannot be read"),
            (CertificateError::UnhandledCriticalExtension, "it cannot be read"),
            (
                CertificateError::UnknownRevocationStatus,
                "it breaks a rule for certificates",
            ),
            (
                CertificateError::ApplicationVerificationFailure,
                "it breaks a rule for certificates",
            ),
            (
                other("CaUsedAsEndEntity"),
                "it is the certificate of an authority, not of a server",
            ),
            (other("UnsupportedCertVersion"), "it cannot be read"),
            (other("PathLenConstraintViolated"), "it breaks a rule for certificates"),
        ] {
            let said = reach(&Error::InvalidCertificate(what.clone())).to_string();
            assert_eq!(said, format!("its certificate is not valid: {words}"), "{what:?}");
        }
        let alert = Error::AlertReceived;
        for (error, words) in [
            (
                Error::InvalidMessage(InvalidMessage::InvalidContentType),
                "what answers does not speak it",
            ),
            (
                Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered),
                "there is no version or cipher",
            ),
            (
                alert(AlertDescription::HandshakeFailure),
                "there is no version or cipher",
            ),
            (
                alert(AlertDescription::ProtocolVersion),
                "there is no version or cipher",
            ),
            (alert(AlertDescription::UnrecognisedName), "it has no host of this name"),
            (alert(AlertDescription::CertificateRequired), "it wants a certificate"),
            (alert(AlertDescription::InternalError), "it had a fault of its own"),
            (alert(AlertDescription::Unknown(200)), "the handshake was broken off"),
            (Error::General("Debug(Text)".to_owned()), "the handshake was broken off"),
            (Error::DecryptError, "the answer makes no sense"),
            (
                Error::PeerMisbehaved(PeerMisbehaved::IllegalMiddleboxChangeCipherSpec),
                "the answer makes no sense",
            ),
        ] {
            let said = reach(&error).to_string();
            assert!(said.starts_with(&format!("TLS failed: {words}")), "{error:?}: {said}");
            assert!(!reach(&error).may_pass());
        }
        for what in [CertificateError::UnknownIssuer, CertificateError::BadSignature] {
            assert_eq!(reach(&Error::InvalidCertificate(what)), Reach::UnknownIssuer);
        }
        assert_eq!(
            reach(&Error::NoCertificatesPresented),
            Reach::Certificate(Certificate::Missing)
        );
    }
}
