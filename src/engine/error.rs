//! Why the Docker daemon did not do what it was asked: told apart by what the user can do about it.

use super::address::Address;
use crate::text::Quoted;
use std::fmt;
use std::time::Duration;

/// Why no connection came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Nothing listens at that address.
    Refused,
    /// The socket's file is not there.
    NoSocket,
    /// The socket may not be opened.
    Permission,
    /// The host's name has no address.
    NameNotResolved,
    /// No answer in time.
    TimedOut,
    /// Anything else, such as no route.
    Other,
}

/// What a registry refused through the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The credential is not known.
    Unauthorized,
    /// The credential is known and may not.
    Denied,
    /// There is no such repository.
    NameUnknown,
    /// There is no such manifest.
    ManifestUnknown,
    /// The tag is there and may not be moved.
    Immutable,
    /// A limit of requests was met.
    TooManyRequests,
}

/// Why the daemon did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// No connection to the daemon.
    Unreachable {
        /// Where it was looked for.
        address: Address,
        /// Why.
        cause: Cause,
    },
    /// The connection broke before the answer was whole.
    Broken {
        /// Where the daemon is.
        address: Address,
        /// What was asked.
        asked: String,
    },
    /// The daemon said nothing for too long.
    Stalled {
        /// What was asked.
        asked: String,
        /// How long nothing came.
        silence: Duration,
    },
    /// The daemon speaks no version of the API that this pipe speaks.
    Version {
        /// The lowest version that the daemon takes.
        minimum: String,
    },
    /// The authorization plugin of the step's daemon forbids the call.
    Plugin {
        /// What was asked.
        asked: String,
        /// What the plugin said.
        words: Quoted,
    },
    /// The daemon has no image of that name.
    NoSuchImage {
        /// The name as it was asked for.
        name: String,
    },
    /// A registry refused, as the daemon relays it.
    Registry {
        /// What was asked.
        asked: String,
        /// The kind of refusal.
        refusal: Refusal,
        /// What the daemon said of it.
        words: Quoted,
    },
    /// The daemon does not reach the registry.
    RegistryUnreachable {
        /// What was asked.
        asked: String,
        /// What the daemon said.
        words: Quoted,
        /// Whether it does not trust the registry's certificate.
        untrusted: bool,
    },
    /// The image is for another platform than the daemon takes.
    Platform {
        /// What was asked.
        asked: String,
        /// What the daemon said.
        words: Quoted,
    },
    /// The daemon's disk is full.
    NoSpace {
        /// What was asked.
        asked: String,
        /// What the daemon said.
        words: Quoted,
    },
    /// The daemon has a layer whole and cannot unpack it.
    Layer {
        /// What was asked.
        asked: String,
        /// What the daemon said.
        words: Quoted,
    },
    /// The daemon refused for a reason of its own.
    Daemon {
        /// What was asked.
        asked: String,
        /// What the daemon said.
        words: Quoted,
    },
    /// What answered is no Docker daemon, or not as the Engine API says.
    Protocol {
        /// What was asked.
        asked: String,
        /// What is wrong with the answer.
        problem: String,
    },
}

impl Error {
    /// What happened, in one sentence without a trailing period.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Unreachable { address, cause } => {
                let why = match cause {
                    Cause::Refused => "nothing listens there",
                    Cause::NoSocket => "there is no such socket",
                    Cause::Permission => "the socket may not be opened",
                    Cause::NameNotResolved => "the host's name has no address",
                    Cause::TimedOut => "no answer in time",
                    Cause::Other => "the connection failed",
                };
                format!("no Docker daemon at `{address}`: {why}")
            }
            Self::Broken { address, asked } => {
                format!("the connection to the Docker daemon at `{address}` broke off: {asked}")
            }
            Self::Stalled { asked, silence } => {
                format!(
                    "the Docker daemon said nothing for {} seconds: {asked}",
                    silence.as_secs()
                )
            }
            Self::Version { minimum } => format!(
                "the Docker daemon asks for Engine API {minimum} or newer; this pipe speaks up to {}.{}",
                super::NEWEST.0,
                super::NEWEST.1
            ),
            Self::Plugin { asked, words } => {
                format!("the Docker daemon's authorization plugin forbids this: {asked}; the daemon's words: {words}")
            }
            Self::NoSuchImage { name } => format!("the Docker daemon has no image `{name}`"),
            Self::Registry { asked, refusal, words } => {
                let what = match refusal {
                    Refusal::Unauthorized => "does not accept the credential",
                    Refusal::Denied => "refused access",
                    Refusal::NameUnknown => "knows no such repository",
                    Refusal::ManifestUnknown => "has no such image",
                    Refusal::Immutable => "does not let the tag be overwritten",
                    Refusal::TooManyRequests => "got too many requests",
                };
                format!("the registry {what}: {asked}; the daemon's words: {words}")
            }
            Self::RegistryUnreachable {
                asked,
                words,
                untrusted,
            } => {
                let what = if *untrusted { "does not trust" } else { "does not reach" };
                format!("the Docker daemon {what} the registry: {asked}; the daemon's words: {words}")
            }
            Self::Platform { asked, words } => {
                format!("the image is for another platform: {asked}; the daemon's words: {words}")
            }
            Self::NoSpace { asked, words } => {
                format!("the Docker daemon's disk is full: {asked}; the daemon's words: {words}")
            }
            Self::Layer { asked, words } | Self::Daemon { asked, words } => {
                format!("the Docker daemon refused: {asked}; its words: {words}")
            }
            Self::Protocol { asked, problem } => format!("{problem}: {asked}"),
        }
    }

    /// What the user can do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { address, cause } => Some(match (address, cause) {
                (Address::Unix(_), Cause::Permission) => {
                    "run the pipe's container as root, as Pipelines does, or give its user the socket's group".to_owned()
                }
                (Address::Unix(_), _) => {
                    "add `services: [docker]` to the step: Pipelines then starts a Docker daemon and names it to the pipe \
                     in `DOCKER_HOST`. Outside of Pipelines, set `DOCKER_HOST` or mount `/var/run/docker.sock`"
                        .to_owned()
                }
                (Address::Tcp { .. }, Cause::NameNotResolved) => {
                    "`host.docker.internal` is given to pipes by Pipelines; run by hand, the container needs \
                     `--add-host=host.docker.internal:host-gateway`, or another `DOCKER_HOST`"
                        .to_owned()
                }
                (Address::Tcp { .. }, _) => {
                    "add `services: [docker]` to the step. If it is there, the daemon may have run out of memory: look at \
                     the log of the `docker` service and raise `definitions.services.docker.memory`. A docker service of \
                     your own (runtime v3, self-hosted runners) must listen on TCP port 2375 with `--tls=false`"
                        .to_owned()
                }
            }),
            Self::Broken { .. } => Some(MEMORY.to_owned()),
            Self::Stalled { .. } => Some(format!(
                "raise `TIMEOUT` if the network is slow; else look at the log of the `docker` service. {MEMORY}"
            )),
            Self::Version { .. } => Some("use a newer version of this pipe".to_owned()),
            Self::Plugin { .. } => Some(
                "on Pipelines' default runtime a plugin limits what a step may ask of its daemon; runtime v3 \
                 (`runtime: {cloud: {version: '3'}}` in the step) and self-hosted runners with an own `docker` service have \
                 no such limit"
                    .to_owned(),
            ),
            Self::NoSuchImage { .. } => {
                Some("build or pull it earlier in the same step: each step begins with an empty daemon".to_owned())
            }
            Self::Registry { refusal, .. } => match refusal {
                Refusal::TooManyRequests => Some("try again later, or run fewer steps at a time".to_owned()),
                // The credential's story is told by who chose it.
                _ => None,
            },
            Self::RegistryUnreachable { untrusted: true, .. } => Some(
                "`CA_CERTIFICATE` serves this pipe only: the daemon needs the CA in `/etc/docker/certs.d/HOST/ca.crt` of \
                 its own container"
                    .to_owned(),
            ),
            Self::RegistryUnreachable { .. } => Some(
                "the daemon opens its own connections: a proxy or firewall rule must serve the `docker` service too".to_owned(),
            ),
            Self::Platform { .. } => Some(
                "set `PLATFORM` to what the image has, or run the step on that architecture (`runtime: {cloud: {arch: arm}}`)"
                    .to_owned(),
            ),
            Self::NoSpace { .. } => {
                Some("free space earlier in the step (`docker system prune -af`), or use a larger `size` of step".to_owned())
            }
            // moby#41759: "add support for pulling zstd compressed layers", Docker 23.0.
            Self::Layer { .. } => Some(
                "the daemon has the layer and cannot unpack it: before Docker 23 it knows no zstd; use a newer `docker` \
                 service, or have the image built with `compression=gzip`"
                    .to_owned(),
            ),
            Self::Daemon { .. } => None,
            Self::Protocol { .. } => {
                Some("check that a Docker daemon without TLS listens where `DOCKER_HOST` says".to_owned())
            }
        }
    }

    /// Whether the same request may do better in a while.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { cause, .. } => matches!(cause, Cause::Refused | Cause::TimedOut | Cause::Other),
            Self::Registry { refusal, .. } => *refusal == Refusal::TooManyRequests,
            Self::RegistryUnreachable { untrusted, .. } => !untrusted,
            Self::Broken { .. } | Self::Stalled { .. } => true,
            Self::Version { .. }
            | Self::Plugin { .. }
            | Self::NoSuchImage { .. }
            | Self::Platform { .. }
            | Self::NoSpace { .. }
            | Self::Layer { .. }
            | Self::Daemon { .. }
            | Self::Protocol { .. } => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl std::error::Error for Error {}

const MEMORY: &str = "A daemon that dies under load mostly lacks memory: raise `definitions.services.docker.memory`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_daemon_is_explained() {
        let tcp = Address::Tcp {
            host: "host.docker.internal".to_owned(),
            port: 2375,
        };
        let socket = Address::Unix("/var/run/docker.sock".into());
        for (address, cause, fact, cure) in [
            (
                &tcp,
                Cause::Refused,
                "nothing listens",
                "definitions.services.docker.memory",
            ),
            (
                &tcp,
                Cause::Refused,
                "tcp://host.docker.internal:2375",
                "services: [docker]",
            ),
            (&tcp, Cause::NameNotResolved, "has no address", "--add-host"),
            (&tcp, Cause::TimedOut, "no answer", "--tls=false"),
            (&socket, Cause::NoSocket, "no such socket", "services: [docker]"),
            (&socket, Cause::Permission, "may not be opened", "root"),
        ] {
            let error = Error::Unreachable {
                address: address.clone(),
                cause,
            };
            assert!(error.message().contains(fact), "{error}");
            assert!(error.hint().unwrap().contains(cure), "{:?}", error.hint());
            assert!(!error.message().ends_with('.') && !error.hint().unwrap().ends_with('.'));
        }
    }

    #[test]
    fn of_the_registrys_refusals_too_many_requests_alone_may_pass() {
        for (refusal, may_pass) in [
            (Refusal::TooManyRequests, true),
            (Refusal::Unauthorized, false),
            (Refusal::Denied, false),
            (Refusal::ManifestUnknown, false),
        ] {
            let error = Error::Registry {
                asked: "pushing `shop/api:1`".to_owned(),
                refusal,
                words: Quoted::default(),
            };
            assert_eq!(
                (error.is_transient(), error.hint().is_some()),
                (may_pass, may_pass),
                "{error}"
            );
        }
    }
}
