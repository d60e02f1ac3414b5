//! A token server that Debian's docker-registry trusts: Basic in, a JWT signed with ES256 out, whose certificate is in
//! `x5c` (the distribution project's "Docker Registry v2 Bearer token specification").

use super::http::{Body, Served, body};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use rcgen::{CertificateParams, KeyPair};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

/// `issuer` in the registry's configuration.
pub const ISSUER: &str = "crg-pipe tests";
/// `service` in the registry's configuration.
pub const SERVICE: &str = "docker-registry of the tests";
/// How long a token lives, in seconds.
const LIFETIME: u64 = 300;

/// A user and what they may do: repository and actions; `*` is every repository.
#[derive(Debug, Clone)]
struct User {
    name: String,
    password: String,
    rights: Vec<(String, Vec<String>)>,
}

impl User {
    fn may(&self, repository: &str, action: &str) -> bool {
        self.rights.iter().any(|(known, actions)| {
            (known == "*" || known == repository) && actions.iter().any(|allowed| allowed == action)
        })
    }
}

/// Accounts and the key that signs.
struct Signer {
    users: Mutex<Vec<User>>,
    key: EcdsaKeyPair,
    certificate: String,
    calls: Mutex<Vec<String>>,
}

/// A running token server.
pub struct TokenServer {
    served: Served,
    signer: Arc<Signer>,
    certificate_pem: String,
}

impl TokenServer {
    /// On a free port, without users.
    pub fn start() -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["token-server".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.serialized_der(), &random).unwrap();
        let signer = Arc::new(Signer {
            users: Mutex::default(),
            key: pair,
            certificate: STANDARD.encode(certificate.der()),
            calls: Mutex::default(),
        });
        let answering = signer.clone();
        let served = Served::start(move |request| {
            let answer = answering.answer(&request);
            async move { answer }
        });
        Self {
            served,
            signer,
            certificate_pem: certificate.pem(),
        }
    }

    /// Adds a user with rights like `("shop/base", "pull,push")`; `*` is every repository.
    #[must_use]
    pub fn user(self, name: &str, password: &str, rights: &[(&str, &str)]) -> Self {
        let rights = rights
            .iter()
            .map(|(repository, actions)| {
                let actions = actions.split(',').map(str::to_owned).collect();
                ((*repository).to_owned(), actions)
            })
            .collect();
        self.signer.users.lock().unwrap().push(User {
            name: name.to_owned(),
            password: password.to_owned(),
            rights,
        });
        self
    }

    /// `realm` in the registry's configuration.
    pub fn realm(&self) -> String {
        format!("http://localhost:{}/auth", self.served.address.port())
    }

    /// `rootcertbundle` in the registry's configuration.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Its calls so far as `METHOD /path?query STATUS`.
    pub fn calls(&self) -> Vec<String> {
        self.signer.calls.lock().unwrap().clone()
    }
}

impl Signer {
    fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        let (status, json) = match self.user(request) {
            None => (
                StatusCode::UNAUTHORIZED,
                json!({ "errors": [{ "code": "UNAUTHORIZED", "message": "incorrect username or password" }] }),
            ),
            Some(user) => {
                let token = self.token(&user, request.uri().query().unwrap_or_default());
                (StatusCode::OK, json!({ "token": token, "expires_in": LIFETIME }))
            }
        };
        let line = format!("{} {} {}", request.method(), request.uri(), status.as_u16());
        self.calls.lock().unwrap().push(line);
        let mut answer = Response::new(body(json.to_string()));
        *answer.status_mut() = status;
        let headers = answer.headers_mut();
        headers.insert("content-type", "application/json".parse().unwrap());
        answer
    }

    fn user(&self, request: &Request<Incoming>) -> Option<User> {
        let header = request.headers().get("authorization")?.to_str().ok()?;
        let decoded = STANDARD.decode(header.strip_prefix("Basic ")?).ok()?;
        let (name, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
        let users = self.users.lock().unwrap();
        let mut users = users.iter();
        users
            .find(|user| user.name == name && user.password == password)
            .cloned()
    }

    fn token(&self, user: &User, query: &str) -> String {
        let url = reqwest::Url::parse(&format!("http://localhost/?{query}")).unwrap();
        let access: Vec<Value> = url
            .query_pairs()
            .filter(|(name, _)| name == "scope")
            .flat_map(|(_, scopes)| scopes.split(' ').map(str::to_owned).collect::<Vec<_>>())
            .filter_map(|scope| {
                let (repository, actions) = scope.strip_prefix("repository:")?.rsplit_once(':')?;
                let granted: Vec<&str> = actions
                    .split(',')
                    .filter(|action| user.may(repository, action))
                    .collect();
                Some(json!({ "type": "repository", "name": repository, "actions": granted }))
            })
            .collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let header = json!({ "typ": "JWT", "alg": "ES256", "x5c": [self.certificate] });
        let claims = json!({
            "iss": ISSUER, "sub": user.name, "aud": SERVICE, "access": access,
            "iat": now, "nbf": now.saturating_sub(10), "exp": now + LIFETIME, "jti": format!("{now}-{}", user.name),
        });
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
