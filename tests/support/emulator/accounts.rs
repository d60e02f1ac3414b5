//! Who there is and what they may do: packages linked to repositories, people with roles in them and tokens with
//! scopes, the credential built into Pipelines, and access tokens, which serve no package.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// The scope that pulling needs.
pub const READ_PACKAGE: &str = "read:package:bitbucket";
/// The scope that pushing needs besides.
pub const WRITE_PACKAGE: &str = "write:package:bitbucket";

/// A person's role in a repository, and so in the packages linked to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Sees nothing.
    None,
    /// Pulls.
    Read,
    /// Pushes too.
    Write,
    /// Makes and deletes packages.
    Admin,
}

/// A person and their API token.
#[derive(Debug, Clone)]
pub struct User {
    email: String,
    token: String,
    scopes: Vec<String>,
    roles: BTreeMap<String, Role>,
    expired: bool,
}

impl User {
    /// A person without scopes and roles.
    pub fn new(email: &str, token: &str) -> Self {
        Self {
            email: email.to_owned(),
            token: token.to_owned(),
            scopes: Vec::new(),
            roles: BTreeMap::new(),
            expired: false,
        }
    }

    /// What the token was made with.
    #[must_use]
    pub fn scopes(mut self, scopes: &[&str]) -> Self {
        self.scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        self
    }

    /// The token has both package scopes.
    #[must_use]
    pub fn package_scopes(self) -> Self {
        self.scopes(&[READ_PACKAGE, WRITE_PACKAGE])
    }

    /// The role in a repository (`workspace/repository`).
    #[must_use]
    pub fn role(mut self, repository: &str, role: Role) -> Self {
        self.roles.insert(repository.to_owned(), role);
        self
    }

    /// The token's last day has passed.
    #[must_use]
    pub fn expired(mut self) -> Self {
        self.expired = true;
        self
    }
}

/// Where an access token was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessTokenKind {
    /// In a repository's settings.
    Repository,
    /// In a project's settings.
    Project,
    /// In the workspace's settings.
    Workspace,
}

#[derive(Debug, Clone)]
struct AccessToken {
    token: String,
    kind: AccessTokenKind,
    scopes: Vec<String>,
}

#[derive(Debug, Clone)]
struct BuiltIn {
    username: String,
    token: String,
    repository: String,
    only_reads: bool,
}

/// Who signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Identity {
    /// By email, with one of the person's tokens.
    User { email: String, token: String },
    /// By user name.
    BuiltIn(String),
    /// Without a credential, where the registry is public.
    Anyone,
}

impl Identity {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::User { email: name, .. } | Self::BuiltIn(name) => name,
            Self::Anyone => "",
        }
    }
}

/// What someone wants to do with a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    Pull,
    Push,
    Delete,
}

/// All accounts and packages.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    packages: BTreeMap<String, String>,
    users: Vec<User>,
    built_in: Vec<BuiltIn>,
    access_tokens: Vec<AccessToken>,
}

impl Accounts {
    /// Makes `workspace/package`, linked to `workspace/repository`.
    pub fn add_package(&mut self, package: &str, repository: &str) {
        self.packages.insert(package.to_owned(), repository.to_owned());
    }

    /// Adds a person, in place of the one of the same email.
    pub fn add_user(&mut self, user: User) {
        self.users.retain(|other| other.email != user.email);
        self.users.push(user);
    }

    /// Adds another token of a person.
    pub fn add_token(&mut self, user: User) {
        self.users.push(user);
    }

    /// Adds the credential that a step of a repository has.
    pub fn add_built_in(&mut self, username: &str, token: &str, repository: &str) {
        self.built_in.push(BuiltIn {
            username: username.to_owned(),
            token: token.to_owned(),
            repository: repository.to_owned(),
            only_reads: false,
        });
    }

    /// Takes the right to write from the credentials that steps have.
    pub fn let_built_in_only_read(&mut self) {
        for built_in in &mut self.built_in {
            built_in.only_reads = true;
        }
    }

    /// Adds an access token with scopes in their old words (`repository:write`).
    pub fn add_access_token(&mut self, token: &str, kind: AccessTokenKind, scopes: &[&str]) {
        self.access_tokens.push(AccessToken {
            token: token.to_owned(),
            kind,
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        });
    }

    /// Whether `workspace/package` was made.
    pub fn has_package(&self, package: &str) -> bool {
        self.packages.contains_key(package)
    }

    /// The account of a user name and its token or password. An access token is nobody's.
    pub(super) fn identify(&self, username: &str, secret: &str) -> Option<Identity> {
        if let Some(user) = self.user(username, secret) {
            let (email, token) = (user.email.clone(), user.token.clone());
            return Some(Identity::User { email, token });
        }
        let mut built_in = self.built_in.iter();
        built_in
            .find(|credential| credential.username == username && credential.token == secret)
            .map(|credential| Identity::BuiltIn(credential.username.clone()))
    }

    /// The scopes of a person's token, if it is valid.
    pub(super) fn scopes(&self, email: &str, token: &str) -> Option<&[String]> {
        self.user(email, token).map(|user| user.scopes.as_slice())
    }

    pub(super) fn access_token(&self, token: &str) -> Option<(AccessTokenKind, &[String])> {
        let mut tokens = self.access_tokens.iter();
        let found = tokens.find(|known| known.token == token)?;
        Some((found.kind, &found.scopes))
    }

    /// Whether an account may do something with a package. Of a package that does not exist, only the token's own
    /// scopes decide: the registry then says that it does not know the name.
    pub(super) fn may(&self, identity: &Identity, package: &str, action: Action) -> bool {
        let repository = self.packages.get(package);
        match identity {
            Identity::Anyone => action == Action::Pull,
            Identity::BuiltIn(name) => {
                let own = self.built_in.iter().find(|credential| credential.username == *name);
                own.is_some_and(|own| {
                    let may_act = action == Action::Pull || !own.only_reads;
                    may_act && repository.is_none_or(|linked| *linked == own.repository)
                })
            }
            Identity::User { email, token } => {
                let mut users = self.users.iter();
                let Some(user) = users.find(|user| user.email == *email && user.token == *token) else {
                    return false;
                };
                let (scope, least) = match action {
                    Action::Pull => (READ_PACKAGE, Role::Read),
                    Action::Push | Action::Delete => (WRITE_PACKAGE, Role::Write),
                };
                let role = |linked: &String| user.roles.get(linked).copied().unwrap_or(Role::None);
                user.scopes.iter().any(|own| own == scope) && repository.is_none_or(|linked| role(linked) >= least)
            }
        }
    }

    fn user(&self, email: &str, token: &str) -> Option<&User> {
        let mut users = self.users.iter();
        users.find(|user| user.email.eq_ignore_ascii_case(email) && user.token == token && !user.expired)
    }
}

/// A text in the shape of a user's API token (`ATATT3xFfGF0…=XXXXXXXX`, CRC-32 at its end), the same for the same seed.
pub fn api_token(seed: &str) -> String {
    shaped("ATAT", b"O|E|at", seed)
}

/// A text in the shape of a repository's, project's or workspace's access token.
pub fn access_token(seed: &str) -> String {
    shaped("ATCT", b"O|E|ct", seed)
}

fn shaped(prefix: &str, head: &[u8], seed: &str) -> String {
    let mut payload = head.to_vec();
    let mut block = Sha256::digest(format!("{prefix}{seed}"));
    while payload.len() < 134 {
        payload.extend_from_slice(&block);
        block = Sha256::digest(block);
    }
    payload.truncate(134);
    let body = format!("{prefix}{}=", URL_SAFE_NO_PAD.encode(payload));
    let sum = crc32fast::hash(body.as_bytes());
    format!("{body}{sum:08X}")
}
