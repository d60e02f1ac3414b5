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
    /// There is a manifest, and no blob or manifest that it names.
    PartUnknown,
    /// The tag is there and may not be moved.
    Immutable,
    /// A limit of requests was met.
    TooManyRequests,
    /// A refusal of no kind of its own, such as 400 or 405.
    Other,
    /// The registry's words alone are relayed, neither its status nor its code: a fault of the registry may read so too.
    Unstated,
}

/// Why the daemon did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// No connection to the daemon.
    Unreachable {
        /// Where it was looked for.
        address: Address,
        /// Why there was none.
        cause: Cause,
    },
    /// The connection broke before the answer was whole.
    Broken {
        /// Where the daemon is.
        address: Address,
        /// What was asked of the daemon.
        asked: String,
    },
    /// The daemon said nothing for too long, or the same over and over.
    Stalled {
        /// What was asked of the daemon.
        asked: String,
        /// How long nothing came.
        silence: Duration,
        /// Whether it is the network that was waited for: the daemon was amid bytes, or at their beginning.
        is_network: bool,
    },
    /// The authorization plugin of the step's daemon forbids the call.
    Plugin {
        /// What was asked of the daemon.
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
        /// What was asked of the daemon.
        asked: String,
        /// The kind of refusal.
        refusal: Refusal,
        /// What the daemon said of it.
        words: Quoted,
    },
    /// The daemon does not reach the registry.
    RegistryUnreachable {
        /// What was asked of the daemon.
        asked: String,
        /// What the daemon said.
        words: Quoted,
        /// Whether it does not trust the registry's certificate.
        untrusted: bool,
    },
    /// The image is for another platform than the daemon takes.
    Platform {
        /// What was asked of the daemon.
        asked: String,
        /// What the daemon said.
        words: Quoted,
    },
    /// The daemon's disk is full.
    NoSpace {
        /// What was asked of the daemon.
        asked: String,
        /// What the daemon said.
        words: Quoted,
    },
    /// The daemon has a layer whole and cannot unpack it.
    Layer {
        /// What was asked of the daemon.
        asked: String,
        /// What the daemon said.
        words: Quoted,
        /// Whether the daemon is older than its support of zstd.
        may_be_zstd: bool,
    },
    /// The daemon did not find what the pipe has just read.
    NotResolved {
        /// What was asked of the daemon.
        asked: String,
        /// What the daemon said.
        words: Quoted,
    },
    /// The daemon has a part of the image alone.
    Incomplete {
        /// What was asked of the daemon.
        asked: String,
        /// What the daemon said.
        words: Quoted,
    },
    /// What the daemon got is not what its digest names.
    WrongBytes {
        /// What was asked of the daemon.
        asked: String,
        /// What the daemon said.
        words: Quoted,
    },
    /// The daemon refused for a reason of its own.
    Daemon {
        /// What was asked of the daemon.
        asked: String,
        /// What the daemon said.
        words: Quoted,
    },
    /// The daemon goes on telling of a transfer, and comes to no end.
    Endless {
        /// The transfer, as `pulling …`.
        asked: String,
        /// What of it was too much: `more than …`, `for … hours`.
        limit: String,
    },
    /// What answered is not a Docker daemon, or not as the Engine API says.
    Protocol {
        /// What was asked of the daemon.
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
            Self::Stalled {
                asked,
                silence,
                is_network,
            } => {
                let what = if *is_network { "moved no byte" } else { "said nothing" };
                format!("the Docker daemon {what} for {} seconds: {asked}", silence.as_secs())
            }
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
                    Refusal::PartUnknown => "does not have a part of the image",
                    Refusal::Immutable => "does not let the tag be overwritten",
                    Refusal::TooManyRequests => "got too many requests",
                    Refusal::Other | Refusal::Unstated => "refused",
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
            Self::NotResolved { asked, words } => {
                format!("the Docker daemon did not find what the registry has: {asked}; the daemon's words: {words}")
            }
            Self::Incomplete { asked, words } => {
                format!("the Docker daemon has only a part of the image: {asked}; the daemon's words: {words}")
            }
            Self::WrongBytes { asked, words } => {
                format!("the Docker daemon got other bytes than the image has: {asked}; the daemon's words: {words}")
            }
            Self::Layer { asked, words, .. } | Self::Daemon { asked, words } => {
                format!("the Docker daemon refused: {asked}; its words: {words}")
            }
            Self::Endless { asked, limit } => format!("the Docker daemon wrote without end ({limit}): {asked}"),
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
            Self::Stalled { is_network: true, .. } => Some(
                "the registry, or the network between it and the daemon, stalls: raise `TIMEOUT` if it is slow; else run the \
                 step again, and look at the log of the `docker` service"
                    .to_owned(),
            ),
            Self::Stalled { .. } => Some(format!(
                "raise `TIMEOUT` if the network is slow; else look at the log of the `docker` service. {MEMORY}"
            )),
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
                Refusal::Other | Refusal::Unstated => {
                    Some("the registry's own words above are all that is known of the reason".to_owned())
                }
                // The credential's story is told by who chose it.
                _ => None,
            },
            Self::RegistryUnreachable { untrusted: true, .. } => Some(
                "`CA_CERTIFICATE` is for this pipe only: the daemon needs the CA in `/etc/docker/certs.d/HOST/ca.crt` of \
                 its own container"
                    .to_owned(),
            ),
            Self::RegistryUnreachable { .. } => Some(
                "the daemon opens its own connections: a proxy or firewall rule must let the `docker` service through too".to_owned(),
            ),
            Self::Platform { .. } => Some(
                "set `PLATFORM` to what the image has, or run the step on that architecture (`runtime: {cloud: {arch: arm}}`)"
                    .to_owned(),
            ),
            Self::NoSpace { .. } => {
                Some("free space earlier in the step (`docker system prune -af`), or use a larger `size` of step".to_owned())
            }
            Self::NotResolved { .. } => Some(
                "this pipe read it from the registry just before: the daemon's connection to the registry broke off, or the \
                 registry did not accept the token that the daemon got. Run the step again; if it stays so, a proxy or \
                 firewall rule must let the `docker` service through too"
                    .to_owned(),
            ),
            Self::Incomplete { .. } => Some(
                "it is an image for several platforms, of which the daemon has some: pull it with `PLATFORM` and push that, or \
                 use `ACTION: copy`, which needs no daemon and takes all platforms"
                    .to_owned(),
            ),
            Self::WrongBytes { .. } => Some(
                "the daemon threw them away; a proxy on the way or the registry's storage is at fault".to_owned(),
            ),
            Self::Layer { may_be_zstd: false, .. } => Some(
                "the daemon has the layer and cannot unpack it: the image is damaged in the registry; have it built and \
                 pushed again"
                    .to_owned(),
            ),
            // moby#41759: "add support for pulling zstd compressed layers", Docker 23.0.
            Self::Layer { .. } => Some(
                "the daemon has the layer and cannot unpack it: before Docker 23 it knows no zstd; use a newer `docker` \
                 service, or have the image built with `compression=gzip`"
                    .to_owned(),
            ),
            Self::Daemon { .. } => None,
            Self::Endless { .. } => Some(
                "look at the log of the `docker` service; if it is a Docker daemon that answers, run the step again, which \
                 starts a new one"
                    .to_owned(),
            ),
            Self::Protocol { .. } => {
                Some("check that a Docker daemon without TLS listens where `DOCKER_HOST` says".to_owned())
            }
        }
    }

    /// Whether the daemon said so itself: it has ended what it was asked for.
    #[must_use]
    pub const fn is_relayed(&self) -> bool {
        matches!(
            self,
            Self::Registry { .. } | Self::RegistryUnreachable { .. } | Self::Daemon { .. }
        )
    }

    /// Whether the same request may do better in a while.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { cause, .. } => matches!(cause, Cause::Refused | Cause::TimedOut | Cause::Other),
            Self::Registry { refusal, .. } => matches!(refusal, Refusal::TooManyRequests | Refusal::Unstated),
            Self::RegistryUnreachable { untrusted, .. } => !untrusted,
            Self::Broken { .. } | Self::Stalled { .. } | Self::NotResolved { .. } => true,
            Self::Plugin { .. }
            | Self::NoSuchImage { .. }
            | Self::Platform { .. }
            | Self::NoSpace { .. }
            | Self::Layer { .. }
            | Self::Incomplete { .. }
            | Self::WrongBytes { .. }
            | Self::Daemon { .. }
            | Self::Endless { .. }
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

const MEMORY: &str =
    "A daemon that dies under load mostly needs more memory: raise `definitions.services.docker.memory`";

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
