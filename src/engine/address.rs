//! Where the Docker daemon listens: `DOCKER_HOST`, read as Docker's own client reads it, for the two ways that a
//! pipe's container has (plain TCP and a Unix socket).

use crate::mistake::{Mistake, MistakeKind};
use reqwest::Url;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where Docker's client looks if nothing is said.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
/// Docker's port without TLS.
const DEFAULT_PORT: u16 = 2375;
const VARIABLE: &str = "DOCKER_HOST";

/// The address of a Docker daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// The path of a Unix socket.
    Unix(PathBuf),
    /// Plain HTTP over TCP, as the docker service of Pipelines speaks it.
    Tcp {
        /// Name or address; an IPv6 address in brackets.
        host: String,
        /// Where the daemon listens there.
        port: u16,
    },
}

impl Address {
    /// Reads the value of `DOCKER_HOST`; unset or empty means `unix:///var/run/docker.sock`.
    ///
    /// # Errors
    /// A [`Mistake`] that names the form to write: TLS, SSH and named pipes are not spoken here.
    pub fn parse(docker_host: Option<&str>) -> Result<Self, Mistake> {
        let text = match docker_host {
            None | Some("") => return Ok(Self::Unix(DEFAULT_SOCKET.into())),
            Some(text) => text,
        };
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        if rest.split_once('@').is_some_and(|(user, _)| user.contains(':')) && scheme != "unix" {
            // A password, which no message may show.
            return Err(Mistake::unshown(
                MistakeKind::DaemonAddress,
                VARIABLE,
                "it holds a user name or password, which a Docker daemon does not take",
                "write `tcp://host:2375`",
            ));
        }
        match scheme {
            "unix" => unix(text, rest),
            "tcp" | "http" => tcp(text, rest),
            "https" => Err(Mistake::new(
                MistakeKind::DaemonAddress,
                VARIABLE,
                text,
                "the pipe speaks to a Docker daemon without TLS",
                "start the daemon with `--tls=false`, as the docker service of Pipelines does, and write `tcp://host:2375`",
            )),
            "ssh" => Err(Mistake::new(
                MistakeKind::DaemonAddress,
                VARIABLE,
                text,
                "the pipe does not speak to a Docker daemon through SSH",
                "add `services: [docker]` to the step, or write `tcp://host:2375`",
            )),
            "npipe" => Err(Mistake::new(
                MistakeKind::DaemonAddress,
                VARIABLE,
                text,
                "named pipes are for Windows, where this pipe does not run",
                "write `tcp://host:2375`",
            )),
            _ => Err(not_an_address(text)),
        }
    }

    /// The socket's path, if it is one.
    #[must_use]
    pub fn socket(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) => Some(path),
            Self::Tcp { .. } => None,
        }
    }

    /// What request URLs begin with. The host of a socket's URL is a placeholder, as in Docker's own client.
    #[must_use]
    pub(super) fn base(&self) -> String {
        match self {
            Self::Unix(_) => "http://docker".to_owned(),
            Self::Tcp { host, port } => format!("http://{host}:{port}"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
        }
    }
}

fn unix(text: &str, path: &str) -> Result<Address, Mistake> {
    if path.is_empty() {
        return Ok(Address::Unix(DEFAULT_SOCKET.into()));
    }
    // A socket's address holds 108 bytes with its end (unix(7)).
    if !path.starts_with('/') || path.len() > 107 || path.chars().any(char::is_control) {
        return Err(Mistake::new(
            MistakeKind::DaemonAddress,
            VARIABLE,
            text,
            "a socket is named by its absolute path of at most 107 bytes",
            format!("write `unix://{DEFAULT_SOCKET}`"),
        ));
    }
    Ok(Address::Unix(path.into()))
}

fn tcp(text: &str, rest: &str) -> Result<Address, Mistake> {
    let url = Url::parse(&format!("http://{rest}")).map_err(|_| not_an_address(text))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Mistake::unshown(
            MistakeKind::DaemonAddress,
            VARIABLE,
            "it holds a user name or password, which a Docker daemon does not take",
            "write `tcp://host:2375`",
        ));
    }
    let host = url
        .host_str()
        .filter(|host| !host.is_empty())
        .ok_or_else(|| not_an_address(text))?;
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(not_an_address(text));
    }
    // `Url` leaves the port out where it is HTTP's own 80.
    let written_80 = rest.trim_end_matches('/').ends_with(":80");
    let port = url.port().unwrap_or(if written_80 { 80 } else { DEFAULT_PORT });
    if port == 0 {
        return Err(not_an_address(text));
    }
    Ok(Address::Tcp {
        host: host.to_owned(),
        port,
    })
}

fn not_an_address(text: &str) -> Mistake {
    Mistake::new(
        MistakeKind::DaemonAddress,
        VARIABLE,
        text,
        "this is not the address of a Docker daemon",
        format!("write `tcp://host:2375` or `unix://{DEFAULT_SOCKET}`"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_docker_reads_them() {
        for (written, meant) in [
            (None, "unix:///var/run/docker.sock"),
            (Some(""), "unix:///var/run/docker.sock"),
            (Some("unix://"), "unix:///var/run/docker.sock"),
            (Some("unix:///run/user/1/docker.sock"), "unix:///run/user/1/docker.sock"),
            (
                Some("tcp://host.docker.internal:2375"),
                "tcp://host.docker.internal:2375",
            ),
            (Some("tcp://docker_in_docker:2375/"), "tcp://docker_in_docker:2375"),
            (Some("tcp://10.1.2.3"), "tcp://10.1.2.3:2375"),
            (Some("tcp://10.1.2.3:80"), "tcp://10.1.2.3:80"),
            (Some("http://localhost:2375"), "tcp://localhost:2375"),
            (Some("tcp://[::1]:2375"), "tcp://[::1]:2375"),
        ] {
            assert_eq!(
                Address::parse(written).map(|a| a.to_string()),
                Ok(meant.to_owned()),
                "{written:?}"
            );
        }
    }

    #[test]
    fn no_password_is_shown() {
        for written in [
            "ssh://me:hunter2@build",
            "https://me:hunter2@docker:2376",
            "tcp://me:hunter2@docker",
        ] {
            let mistake = Address::parse(Some(written)).expect_err(written);
            assert!(!mistake.to_string().contains("hunter2"), "{mistake}");
        }
    }

    #[test]
    fn other_addresses_say_what_to_write() {
        for (written, problem) in [
            ("ssh://me@build", "SSH"),
            ("npipe:////./pipe/docker_engine", "Windows"),
            ("https://docker:2376", "without TLS"),
            ("fd://", "not the address"),
            ("docker:2375", "not the address"),
            ("tcp://", "not the address"),
            ("tcp://docker:x", "not the address"),
            ("tcp://docker:0", "not the address"),
            ("tcp://docker:2375/v1.41", "not the address"),
            ("unix://docker.sock", "absolute path"),
        ] {
            let mistake = Address::parse(Some(written)).expect_err(written);
            assert_eq!(mistake.variable, "DOCKER_HOST");
            assert!(mistake.problem.contains(problem), "{written}: {mistake}");
            assert!(mistake.cure.contains("write `"), "{written}: {mistake}");
        }
    }

    #[test]
    fn a_password_in_the_address_is_not_repeated() {
        let mistake = Address::parse(Some("tcp://me:hunter2@docker:2375")).expect_err("password");
        assert!(!mistake.to_string().contains("hunter2"), "{mistake}");
    }
}
