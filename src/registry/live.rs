//! Single questions to a registry, each with its answer as it came: for `examples/live`, which a person with an account runs to
//! find out what no documentation says. They go out as all requests of the pipe do, by the same sign-in and the same rules of
//! what is asked where; the pipe itself has no use for them, and its binary is without them.

use super::challenge::Challenge;
use super::error::{Error, ErrorKind};
use super::exchange::{Answer, Ask, Target};
use super::manifest;
use super::network::{Network, NetworkSettings};
use super::proxy::Proxy;
use super::scope::{Access, Scopes};
use super::token::Realm;
use super::trust::Purpose;
use super::{Registry, SignIn};
use crate::credential::jwt::Jwt;
use crate::credential::kind::TokenKind;
use crate::credential::{Credential, Source};
use crate::names::{Digest, Host, Repository};
use crate::text::{Secret, hide_pair, redact};
use bytes::Bytes;
use reqwest::header::LOCATION;
use reqwest::{Method, Url};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long a question may go without a byte.
const PATIENCE: Duration = Duration::from_secs(60);

/// How the world is reached.
#[derive(Debug, Clone, Default)]
pub struct Way {
    /// `HTTPS_PROXY`.
    pub proxy: Option<String>,
    /// `NO_PROXY`.
    pub no_proxy: String,
    /// Certificates to trust besides the public ones, as PEM.
    pub authority: Option<String>,
}

/// One repository as one credential sees it.
#[derive(Debug, Clone)]
pub struct Live {
    network: Rc<Network>,
    registry: Registry,
    repository: Repository,
}

/// What the token of a question is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the actions'")]
pub enum Rights {
    Pull,
    PullPush,
    PullDelete,
}

/// Where a question goes.
#[derive(Debug, Clone)]
pub enum Place {
    /// Below `/v2/`.
    Below(String),
    /// An upload session; with a digest, to end it.
    Session(UploadSession, Option<String>),
}

/// An upload session that a registry opened.
#[derive(Debug, Clone)]
pub struct UploadSession(Url);

/// What is asked of a registry, and with which rights.
#[derive(Debug, Clone)]
pub struct Question {
    /// As `GET`.
    pub method: &'static str,
    /// Where it goes.
    pub place: Place,
    /// What its token is asked for.
    pub rights: Rights,
    /// Another repository of the registry that its token is to read too.
    pub also: Option<String>,
    /// The media type of its body, if it has one.
    pub media_type: Option<String>,
    /// What is sent with it.
    pub body: Option<Bytes>,
    /// First byte, and the one after the last.
    pub range: Option<(u64, Option<u64>)>,
}

/// What came of a question, whole.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// The registry's status; of a sign-in that was refused, that of the token server. 0 without an answer.
    pub status: u16,
    /// The code of the error body.
    pub code: String,
    /// Its words; where there was no answer, why.
    pub words: String,
    /// Whether it was the sign-in that was refused.
    pub at_sign_in: bool,
    /// The body of a success.
    pub body: Bytes,
    /// The headers of a success, each with its first value.
    pub headers: Vec<(String, String)>,
    /// The upload session that it names.
    pub session: Option<UploadSession>,
    /// The host that it came from in the end, where that is another.
    pub elsewhere: Option<String>,
}

impl Reply {
    /// A header of a success.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What can be said of a token without showing it.
#[derive(Debug, Clone)]
pub struct TokenFacts {
    /// Whether it is a JSON Web Token, which tells what it grants.
    pub is_jwt: bool,
    /// In characters.
    pub length: usize,
    /// Seconds that it is good for, as the pipe reads them.
    pub seconds: u64,
    /// What it grants on the repository, if it tells.
    pub granted: Option<String>,
}

/// A text without the secrets that are known here.
#[must_use]
pub fn shown(text: &str) -> String {
    redact(text)
}

impl Live {
    /// Opens no connection. Without a user name and a token it asks as nobody.
    ///
    /// # Errors
    /// What is wrong with a value; or the token is another service's, which no registry of Atlassian's may see.
    pub fn new(host: &str, path: &str, credential: Option<(&str, &str)>, way: &Way) -> Result<Self, String> {
        let host = Host::parse(host).map_err(|bad| bad.to_string())?;
        let repository = Repository::new(host.clone(), path).map_err(|bad| bad.to_string())?;
        let proxy = way.proxy.as_deref().map(|proxy| Proxy::parse(proxy, &way.no_proxy));
        let proxy = proxy
            .transpose()
            .map_err(|_| "the proxy is not an address".to_owned())?;
        let pem = way.authority.as_deref().unwrap_or_default();
        let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        let network = Network::new(NetworkSettings {
            extra_roots: roots.map_err(|_| "the certificates are not PEM".to_owned())?,
            proxy,
            timeout: PATIENCE,
            retries: 1,
        });
        let nobody = Self {
            registry: Registry::new(&network, &host, None),
            network,
            repository,
        };
        credential.map_or(Ok(nobody.clone()), |(username, token)| {
            nobody.with_credential(username, token)
        })
    }

    /// The same repository with another credential.
    ///
    /// # Errors
    /// The token is another service's.
    pub fn with_credential(&self, username: &str, token: &str) -> Result<Self, String> {
        let token = Secret::new(token);
        hide_pair(username, &token);
        let host = self.repository.host();
        if host.is_atlassian() && TokenKind::of(token.expose()).is_foreign() {
            return Err("the token is another service's, and was not sent".to_owned());
        }
        let credential = Credential {
            source: Source::ApiToken,
            username: username.to_owned(),
            token,
        };
        Ok(Self {
            registry: Registry::new(&self.network, host, Some(credential)),
            ..self.clone()
        })
    }

    /// The same credential at another repository.
    ///
    /// # Errors
    /// That is not a name.
    pub fn at(&self, path: &str) -> Result<Self, String> {
        let repository = Repository::new(self.repository.host().clone(), path).map_err(|bad| bad.to_string())?;
        Ok(Self {
            repository,
            ..self.clone()
        })
    }

    /// `workspace/package`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.repository.path()
    }

    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    pub(crate) fn host(&self) -> &Host {
        self.repository.host()
    }

    pub(crate) fn credential(&self) -> Option<&Credential> {
        self.registry.credential()
    }

    fn scopes(&self, rights: Rights) -> Scopes {
        let access = match rights {
            Rights::Pull => Access::Pull,
            Rights::PullPush => Access::PullPush,
            Rights::PullDelete => Access::PullDelete,
        };
        Scopes::of(&self.repository, access)
    }

    /// How the registry wants to be signed in to: realm and service.
    ///
    /// # Errors
    /// No answer, or one that is no registry's.
    pub async fn greet(&self) -> Result<String, String> {
        let greeted = self.registry.greet().await.map_err(|error| error.to_string())?;
        Ok(match greeted {
            SignIn::Open => "asks for no sign-in".to_owned(),
            SignIn::Basic => "Basic".to_owned(),
            SignIn::Token(realm) => match self.realm() {
                Some((_, Some(service))) => format!("Bearer, realm `{realm}`, service `{service}`"),
                _ => format!("Bearer, realm `{realm}`, no service"),
            },
        })
    }

    fn realm(&self) -> Option<(Url, Option<String>)> {
        match self.registry.0.state.known()?.challenge {
            Challenge::Bearer { realm, service } => Some((realm, service)),
            Challenge::Open | Challenge::Basic => None,
        }
    }

    /// The token for these rights; `None` where the registry takes none.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn token(&self, rights: Rights) -> Result<Option<TokenFacts>, Reply> {
        let Some((url, service)) = self.realm() else {
            return Ok(None);
        };
        let realm = Realm {
            registry: self.repository.host(),
            url: &url,
            service: service.as_deref(),
        };
        let scopes = self.scopes(rights);
        let obtained = self
            .registry
            .0
            .tokens
            .obtain(&self.network, self.credential(), realm, &scopes)
            .await;
        match obtained {
            Ok((token, _)) => Ok(Some(TokenFacts {
                is_jwt: Jwt::of(token.bearer.expose()).is_some(),
                length: token.bearer.expose().chars().count(),
                seconds: token.until.saturating_duration_since(Instant::now()).as_secs(),
                granted: token.granted.on(&self.repository),
            })),
            Err((kind, _)) => {
                let during = "asking for a token".to_owned();
                Err(refusal(&self.registry.error(during, kind, 1)))
            }
        }
    }

    /// Asks one question.
    pub async fn ask(&self, question: &Question) -> Reply {
        let Ok(method) = Method::from_bytes(question.method.as_bytes()) else {
            return Reply::default();
        };
        let mut scopes = self.scopes(question.rights);
        if let Some(Ok(other)) = question.also.as_deref().map(|also| self.at(also)) {
            scopes = scopes.and(&other.scopes(Rights::Pull));
        }
        let target = match &question.place {
            Place::Below(path) => Target::Path(path.clone()),
            Place::Session(UploadSession(address), digest) => {
                let mut address = address.clone();
                if let Some(digest) = digest {
                    address.query_pairs_mut().append_pair("digest", digest);
                }
                Target::Address(address, Purpose::Upload)
            }
        };
        let ask = Ask {
            method,
            target,
            accept: question.body.is_none().then_some(manifest::ACCEPT),
            content_type: question.media_type.clone(),
            body: question.body.clone(),
            range: question.range,
            takes: &[200, 201, 202, 204, 206],
            stores: question.body.is_some(),
            once: true,
            ..Ask::get(String::new(), &scopes, manifest::LARGEST, "asking".to_owned())
        };
        match self.registry.exchange(ask).await {
            Ok(answer) => self.reply(answer),
            Err(error) => refusal(&error),
        }
    }

    fn reply(&self, answer: Answer) -> Reply {
        let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let session = location.and_then(|location| answer.url.join(location).ok());
        let names = answer.headers.keys();
        let headers = names.filter_map(|name| {
            let value = answer.headers.get(name)?.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        });
        let own = self.repository.host().api();
        let own = own.split(':').next().unwrap_or_default();
        let from = answer.url.host_str().unwrap_or_default();
        Reply {
            status: answer.status,
            headers: headers.collect(),
            session: session.map(UploadSession),
            elsewhere: (from != own).then(|| from.to_owned()),
            body: answer.body,
            ..Reply::default()
        }
    }

    /// All tags, as `copy` lists those of a pattern.
    ///
    /// # Errors
    /// The refusal, or a list that is not known to be whole.
    pub async fn tags(&self) -> Result<Vec<String>, Reply> {
        let remote = self.registry.remote(&self.repository, &self.scopes(Rights::Pull));
        let tags = remote.all_tags(|_| true).await.map_err(|error| refusal(&error))?;
        Ok(tags.iter().map(|tag| tag.as_str().to_owned()).collect())
    }

    /// What refers to a manifest, as `copy` with `REFERRERS` lists it.
    ///
    /// # Errors
    /// The refusal, or a list that may not be believed.
    pub async fn referrers(&self, subject: &str) -> Result<Vec<String>, Reply> {
        let subject = Digest::parse(subject).map_err(|bad| Reply {
            words: bad.to_string(),
            ..Reply::default()
        })?;
        let remote = self.registry.remote(&self.repository, &self.scopes(Rights::Pull));
        let listed = remote.referrers(&subject, &mut false).await;
        let listed = listed.map_err(|error| refusal(&error))?;
        Ok(listed.iter().map(|referrer| referrer.digest.to_string()).collect())
    }
}

/// What an error was answered with.
fn refusal(error: &Error) -> Reply {
    let said = |status: u16, code: String, words: String, at_sign_in| Reply {
        status,
        code,
        words,
        at_sign_in,
        ..Reply::default()
    };
    match error.kind.cause() {
        ErrorKind::Refused {
            status, code, words, ..
        } => {
            let code = code.as_ref().map(ToString::to_string).unwrap_or_default();
            said(*status, code, words.to_string(), false)
        }
        ErrorKind::SignIn { status, words, .. } => said(*status, String::new(), words.to_string(), true),
        _ => said(0, String::new(), error.to_string(), false),
    }
}
