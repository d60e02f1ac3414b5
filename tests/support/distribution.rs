//! Debian's docker-registry (the distribution project's): a registry that is not ours, with temporary storage.

use super::pki::Authority;
use super::recorder::Recorder;
use super::supervised::{Program, Supervised};
use super::token_server::{ISSUER, SERVICE, TokenServer};
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};

/// bcrypt of [`Distribution::PASSWORD`], cost 4: docker-registry takes no other hash.
const PASSWORD_HASH: &str = "$2y$04$abcdefghijklmnopqrstuuA1xtOzIK2qGabgR.XUfHQMaXuUKXA9.";

/// How it signs in.
enum Auth<'a> {
    None,
    Htpasswd(String),
    Token(&'a TokenServer),
}

/// A registry in preparation.
pub struct DistributionSetup<'a> {
    auth: Auth<'a>,
    tls: Option<&'static Authority>,
    recorded: bool,
    schema_1: bool,
    deletes: bool,
}

/// A running registry; it stops when dropped.
pub struct Distribution {
    server: Supervised,
    port: u16,
    tls: Option<&'static Authority>,
    recorder: Option<Recorder>,
}

impl Distribution {
    /// The password of every htpasswd user.
    pub const PASSWORD: &str = "proven-by-htpasswd";

    /// Without sign-in, over plain HTTP, not recorded.
    pub fn setup<'a>() -> DistributionSetup<'a> {
        DistributionSetup {
            auth: Auth::None,
            tls: None,
            recorded: false,
            schema_1: false,
            deletes: false,
        }
    }

    /// `localhost:PORT`; the recorder's port, if there is one.
    pub fn host(&self) -> String {
        let recorder = self.recorder.as_ref().map(|recorder| recorder.address().port());
        format!("localhost:{}", recorder.unwrap_or(self.port))
    }

    /// The authority that a client must trust, as PEM.
    pub fn authority_pem(&self) -> Option<String> {
        self.tls.map(Authority::pem)
    }

    /// The recorder before it.
    pub fn recorder(&self) -> &Recorder {
        self.recorder.as_ref().expect("a recorded registry")
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        self.server.log()
    }
}

impl<'a> DistributionSetup<'a> {
    /// One user by htpasswd, with [`Distribution::PASSWORD`].
    #[must_use]
    pub fn htpasswd(mut self, username: &str) -> Self {
        self.auth = Auth::Htpasswd(username.to_owned());
        self
    }

    /// Users and rights of a token server.
    #[must_use]
    pub fn token(mut self, server: &'a TokenServer) -> Self {
        self.auth = Auth::Token(server);
        self
    }

    /// TLS with a certificate of this authority.
    #[must_use]
    pub fn tls(mut self, authority: &'static Authority) -> Self {
        self.tls = Some(authority);
        self
    }

    /// Behind a recorder; not together with TLS, which it cannot look into.
    #[must_use]
    pub fn recorded(mut self) -> Self {
        self.recorded = true;
        self
    }

    /// Takes images of Docker's schema 1.
    #[must_use]
    pub fn schema_1(mut self) -> Self {
        self.schema_1 = true;
        self
    }

    /// Deletes what it is asked to.
    #[must_use]
    pub fn deletes(mut self) -> Self {
        self.deletes = true;
        self
    }

    /// Starts it; returns once it listens.
    pub fn start(self) -> Distribution {
        assert!(!(self.recorded && self.tls.is_some()), "a recorder sees no TLS");
        let program = Program::new("docker-registry");
        let folder = program.folder().display().to_string();
        let mut config = format!(
            "version: 0.1\nlog: {{level: info, formatter: json}}\n\
             storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: {}}}}}\n\
             http:\n  addr: 127.0.0.1:0\n  secret: of-the-tests\n",
            self.deletes
        );
        if let Some(authority) = self.tls {
            let identity = authority.server(&[]);
            let certificate = program.file("server.crt", &identity.certificate_pem);
            let key = program.file("server.key", &identity.key_pem);
            writeln!(config, "  tls: {{certificate: {certificate}, key: {key}}}").unwrap();
        }
        if self.schema_1 {
            config.push_str("compatibility: {schema1: {enabled: true}}\n");
        }
        match self.auth {
            Auth::None => {}
            Auth::Htpasswd(username) => {
                let path = program.file("htpasswd", &format!("{username}:{PASSWORD_HASH}\n"));
                writeln!(config, "auth: {{htpasswd: {{realm: tests, path: {path}}}}}").unwrap();
            }
            Auth::Token(server) => {
                let bundle = program.file("token.crt", server.certificate_pem());
                let realm = server.realm();
                writeln!(
                    config,
                    "auth: {{token: {{realm: '{realm}', service: '{SERVICE}', issuer: '{ISSUER}', rootcertbundle: {bundle}}}}}"
                )
                .unwrap();
            }
        }
        let path = program.file("config.yml", &config);
        assert!(
            std::process::Command::new("docker-registry")
                .arg("--version")
                .output()
                .is_ok(),
            "docker-registry is not installed: apt-get install docker-registry"
        );
        let server = program.arguments(&["serve", &path]).start();
        // It takes any free port and says which, so no other process can take it in between.
        let port = server.wait_until("the line with its port", |server| {
            let log = server.log();
            let (_, rest) = log.split_once("listening on 127.0.0.1:")?;
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            rest.starts_with(|next: char| next.is_ascii_digit() && rest.len() > digits.len())
                .then(|| digits.parse::<u16>().unwrap())
        });
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Distribution {
            server,
            port,
            tls: self.tls,
            recorder: self.recorded.then(|| Recorder::start(address)),
        }
    }
}
