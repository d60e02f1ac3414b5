//! Reads which images compose files need, by the Compose specification and as `docker compose` loads them: files that override
//! others, services that extend others, included files, `.env`; and what they build, with which arguments.

mod environment;
mod interpolate;
mod project;
mod service;

pub(super) use project::{is_environment, projects};

/// The names that `docker compose` looks for, in its order, and those of the files that it puts over them.
const MAIN: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
];
const OVERRIDES: [&str; 4] = [
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// Whether a file of this name is a compose file: `compose.yml`, `docker-compose.prod.yaml`, `compose-test.yml`,
/// `docker-compose_dev.yml`, `dev.compose.yml`.
#[must_use]
pub(crate) fn is_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let Some(name) = name.strip_suffix(".yml").or_else(|| name.strip_suffix(".yaml")) else {
        return false;
    };
    let is_start = |rest: &str| {
        rest.chars()
            .next()
            .is_none_or(|next| matches!(next, '.' | '-' | '_') || next.is_ascii_digit())
    };
    let starts = ["docker-compose", "docker_compose", "compose"];
    starts
        .iter()
        .any(|start| name.strip_prefix(start).is_some_and(is_start))
        || ["compose", "docker-compose"].iter().any(|end| {
            name.strip_suffix(end)
                .is_some_and(|rest| rest.ends_with(['.', '-', '_']))
        })
}

#[cfg(test)]
mod tests;
