//! Why no answer came, by what can be done about it. Pure.

use crate::text::Quoted;
use std::fmt;

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The host name is not known.
    Name,
    ConnectionRefused,
    /// The certificate is of no CA that is trusted.
    UnknownIssuer,
    /// The certificate is wrong in another way.
    Certificate(Certificate),
    /// TLS failed before there was a certificate, or beside it.
    Tls(Handshake),
    /// Too long without a byte.
    Timeout,
    /// Bytes came, and too few of them for the time.
    Drip,
    /// A proxy made no connection to who was asked.
    NoTunnel,
    /// A proxy wants to know who asks.
    ProxyAuthorization,
    Broken(String),
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Certificate {
    /// Since that day.
    Expired(Option<String>),
    /// Until that day.
    NotYet(Option<String>),
    /// It is for these.
    OtherName(Vec<Quoted>),
    /// It is for no host that it names where names count.
    NotNamed,
    /// It is an authority's own.
    Authority,
    /// Its issuer took it back.
    Revoked,
    /// It is not for servers.
    Purpose,
    /// Its signature is of a kind that is not taken.
    Algorithm,
    /// It cannot be read.
    Unread,
    /// It breaks another rule for certificates.
    Rules,
    /// There was none.
    Missing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handshake {
    /// What answers does not speak it.
    NoTls,
    /// There is no version or cipher that both take.
    NothingInCommon,
    /// The server has no host of that name.
    UnknownName,
    /// The server wants a certificate of the client's.
    WantsCertificate,
    /// The server says that the fault is its own.
    TheirFault,
    /// The server broke it off.
    BrokenOff,
    /// What came makes no sense.
    Garbled,
}

impl Reach {
    /// Whether another try can help: a wrong certificate stays wrong.
    #[must_use]
    pub(crate) const fn may_pass(&self) -> bool {
        !matches!(
            self,
            Self::UnknownIssuer | Self::Certificate(_) | Self::Tls(_) | Self::ProxyAuthorization
        )
    }

    /// Whether there was an answer, though no secure one.
    #[must_use]
    pub(crate) const fn is_insecure(&self) -> bool {
        matches!(self, Self::UnknownIssuer | Self::Certificate(_) | Self::Tls(_))
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("its name could not be resolved"),
            Self::ConnectionRefused => f.write_str("the connection was refused"),
            Self::UnknownIssuer => f.write_str("its certificate is signed by an authority that is not trusted here"),
            Self::Certificate(what) => write!(f, "its certificate is not valid: {what}"),
            Self::Tls(what) => write!(f, "TLS failed: {what}"),
            Self::Timeout => f.write_str("it was silent for too long"),
            Self::Drip => f.write_str("its bytes came so slowly that it would not have ended"),
            Self::NoTunnel => f.write_str("it made no connection"),
            Self::ProxyAuthorization => f.write_str("it asks for a user name and a password"),
            Self::Broken(what) => write!(f, "the connection broke: {what}"),
        }
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired(Some(day)) => write!(f, "it expired on {day}"),
            Self::Expired(None) => f.write_str("it has expired"),
            Self::NotYet(Some(day)) => write!(f, "it begins on {day}"),
            Self::NotYet(None) => f.write_str("its time has not begun"),
            Self::OtherName(names) => {
                f.write_str("it is for ")?;
                for (number, name) in names.iter().enumerate() {
                    write!(f, "{}`{name}`", if number == 0 { "" } else { ", " })?;
                }
                f.write_str(", which is another name")
            }
            Self::NotNamed => f.write_str("it does not name this host, neither as a DNS name nor as an address"),
            Self::Authority => f.write_str("it is the certificate of an authority, not of a server"),
            Self::Revoked => f.write_str("it was revoked"),
            Self::Purpose => f.write_str("it is not made for a server"),
            Self::Algorithm => f.write_str("it is signed in a way that is not taken here"),
            Self::Unread => f.write_str("it cannot be read"),
            Self::Rules => f.write_str("it breaks a rule for certificates"),
            Self::Missing => f.write_str("there is none"),
        }
    }
}

impl fmt::Display for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoTls => "what answers does not speak it",
            Self::NothingInCommon => "there is no version or cipher that both sides take",
            Self::UnknownName => "it has no host of this name",
            Self::WantsCertificate => "it wants a certificate of whoever asks",
            Self::TheirFault => "it had a fault of its own",
            Self::BrokenOff => "the handshake was broken off",
            Self::Garbled => "the answer makes no sense",
        })
    }
}
