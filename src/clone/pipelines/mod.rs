//! Looks over `bitbucket-pipelines.yml` for images of steps and services that Pipelines will not be able to pull. A pipe
//! cannot help these: Pipelines pulls them before the pipe runs.

mod artifacts;
mod named;
mod structure;

pub(crate) use artifacts::keeping;
pub(crate) use named::{in_text, named};
pub(crate) use structure::{Image, ScriptItem, contents};

use super::files::Unread;
use super::scripts::{ByHand, Script};
use super::{ClonePlace, PassedOver, meant, walk};
use crate::names::{BadReference, Host, Namespace, Reference, split_host};
use crate::text::Quoted;
use crate::text::order::sort_by_key;
use std::path::{Path, PathBuf};

/// The file that Pipelines reads, in the clone's top folder.
pub(crate) const FILE: &str = "bitbucket-pipelines.yml";
/// Most findings that are told.
const MOST_FINDINGS: usize = 1_000;

/// An `image` that will not work as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImageFinding {
    /// The file, relative to the clone, and the line, as far as it is sure.
    pub place: ClonePlace,
    /// The image as it is written.
    pub image: String,
    /// What is wrong with it.
    pub problem: ImageProblem,
}

/// What is wrong with an `image`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ImageProblem {
    /// Its host is none that serves Bitbucket's packages; with what that host is.
    WrongHost(&'static str),
    /// It is no name that can be pulled; with why, and the right name.
    Name(String, String),
    /// It signs in as recipes for access tokens have it, with this username.
    AccessToken(String),
    /// It signs in with a username that is for Git.
    GitUsername,
    /// It signs in with this username, which is not an e-mail address.
    NoEmail(String),
    /// It signs in with this variable of the credential built into Pipelines, which a step has only once it runs.
    BuiltIn(&'static str),
    /// It has no username or no password.
    NoCredential,
}

impl ImageFinding {
    /// The fact, on one line, without a trailing period.
    #[must_use]
    pub(crate) fn message(&self) -> String {
        let image = Quoted::new(&self.image);
        match &self.problem {
            ImageProblem::WrongHost(what) => {
                format!("`image: {image}` is not in Bitbucket's container registry: {what}")
            }
            ImageProblem::Name(why, _) => format!("`image: {image}` cannot be pulled: {why}"),
            ImageProblem::GitUsername => format!(
                "`image: {image}` signs in as `{GIT_USERNAME}`, which is for Git; the container registry takes the e-mail \
                 address of the API token's owner"
            ),
            ImageProblem::NoEmail(username) => format!(
                "`image: {image}` signs in as `{}`, which holds no `@`; the container registry takes the e-mail address of \
                 the API token's owner",
                Quoted::new(username)
            ),
            ImageProblem::AccessToken(username) => format!(
                "`image: {image}` signs in as `{}`, but no access token works in the container registry",
                Quoted::new(username)
            ),
            ImageProblem::BuiltIn(variable) => {
                format!("`image: {image}` signs in with `${variable}`, which is not there yet when the image is pulled")
            }
            ImageProblem::NoCredential => {
                format!("`image: {image}` has no username and password, so it cannot be pulled")
            }
        }
    }

    /// What to write instead, without a trailing period.
    #[must_use]
    pub(crate) fn hint(&self) -> String {
        let image = match (&self.problem, self.image.split_once('/')) {
            (ImageProblem::WrongHost(_), Some((_, path))) => format!("{}/{path}", Host::BITBUCKET),
            (ImageProblem::Name(_, right), _) => right.clone(),
            _ => self.image.clone(),
        };
        format!(
            "write `image: {{name: {}, username: $ATLASSIAN_ACCOUNT_EMAIL, password: $ATLASSIAN_API_TOKEN}}` with secured \
             variables of the repository or workspace, and an API token with the scope `read:package:bitbucket`; a pipe \
             cannot help here, since this image is pulled before the step runs",
            Quoted::new(&image)
        )
    }
}

/// What was found in a `bitbucket-pipelines.yml`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LookedOver {
    /// Images that will not work.
    pub findings: Vec<ImageFinding>,
    /// Commands of scripts that the pipe can do.
    pub(crate) by_hand: Vec<(ClonePlace, ByHand)>,
}

/// What `bitbucket-pipelines.yml` of the clone says; nothing if there is none. `workspace` is whose pipelines these are.
///
/// # Errors
/// Where and why it cannot be read.
pub(crate) fn look_over(clone: &Path, registry: &Host, workspace: Option<&str>) -> Result<LookedOver, PassedOver> {
    let unread = |line, problem| PassedOver {
        place: ClonePlace {
            file: PathBuf::from(FILE),
            line,
        },
        problem,
    };
    match walk::read(&clone.join(FILE)) {
        Ok(text) => match contents(&text) {
            Ok(contents) => Ok(LookedOver {
                findings: of_images(Path::new(FILE), &contents.images, registry),
                by_hand: by_hand(Path::new(FILE), &contents.script, registry, workspace),
            }),
            Err(bad) => Err(unread(bad.line, Quoted::new(&bad.to_string()).to_string())),
        },
        Err(Unread::Absent) => Ok(LookedOver::default()),
        Err(why) => Err(unread(None, why.to_string())),
    }
}

/// What is wrong with the images of `registry`, or of a host taken for it, in the text of a `bitbucket-pipelines.yml`. What
/// an `import` brings is not looked at.
///
/// # Errors
/// `BadYaml` with the line.
#[cfg(any(test, fuzzing))]
pub(crate) fn findings(file: &Path, text: &str, registry: &Host) -> Result<Vec<ImageFinding>, super::yaml::BadYaml> {
    Ok(of_images(file, &contents(text)?.images, registry))
}

fn of_images(file: &Path, images: &[Image], registry: &Host) -> Vec<ImageFinding> {
    let mut findings: Vec<ImageFinding> = Vec::new();
    for image in images {
        let Some(problem) = problem(image, registry) else {
            continue;
        };
        let finding = ImageFinding {
            place: ClonePlace {
                file: file.to_owned(),
                line: Some(image.line),
            },
            image: image.name.clone(),
            problem,
        };
        // An anchor's image is met wherever it is used.
        if findings.len() < MOST_FINDINGS && !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    sort_by_key(&mut findings, |finding| finding.place.clone());
    findings
}

/// The commands in scripts that the pipe can do.
fn by_hand(file: &Path, items: &[ScriptItem], registry: &Host, workspace: Option<&str>) -> Vec<(ClonePlace, ByHand)> {
    let mut found = Vec::new();
    for items in items.chunk_by(|one, next| one.script == next.script) {
        let mut script = Script::new(registry, workspace);
        for item in items {
            let commands = script.by_hand(&item.text);
            let places = commands.into_iter().map(|by_hand| {
                let inside = if item.is_block { by_hand.line + 1 } else { 0 };
                let place = ClonePlace {
                    file: file.to_owned(),
                    line: Some(item.line + inside),
                };
                (place, by_hand)
            });
            // What it assigns is known to the script that has it again; what it does is told once.
            let left = MOST_FINDINGS.saturating_sub(found.len());
            found.extend(places.take(if item.is_again { 0 } else { left }));
        }
    }
    found
}

/// What Git's own documentation gives as username for API tokens.
const GIT_USERNAME: &str = "x-bitbucket-api-token-auth";

/// The first thing to put right; what comes after it may be right then.
fn problem(image: &Image, registry: &Host) -> Option<ImageProblem> {
    name_problem(&image.name, registry).or_else(|| {
        let host = split_host(&image.name).0.and_then(|host| Host::parse(host).ok());
        (host.as_ref() == Some(registry)).then(|| sign_in_problem(image))?
    })
}

fn name_problem(name: &str, registry: &Host) -> Option<ImageProblem> {
    if let Some(odd) = meant::odd(name, registry) {
        return Some(ImageProblem::Name(odd.problem, odd.right));
    }
    let (host, path) = split_host(name);
    let host = Host::parse(host?).ok()?;
    let namespace = Namespace {
        registry: registry.clone(),
        workspace: None,
    };
    // Of any image there, so that variables in the rest of the name hide nothing.
    if let Err(BadReference::WrongHost { what, .. }) =
        Reference::parse(&format!("{host}/workspace/package"), &namespace)
    {
        return Some(ImageProblem::WrongHost(what));
    }
    if host != *registry {
        return None;
    }
    let package = path.split([':', '@']).next().unwrap_or(path);
    if package.contains('$') {
        return None;
    }
    if !package.contains('/') && !package.is_empty() {
        let why = format!("`{}` has no workspace before it", Quoted::new(package));
        return Some(ImageProblem::Name(
            why,
            format!("{registry}/$BITBUCKET_WORKSPACE/{path}"),
        ));
    }
    // Only what is not a variable can be judged.
    if name.contains('$') {
        return None;
    }
    match Reference::parse(name, &namespace) {
        Err(bad @ BadReference::Uppercase { .. }) => {
            // A tag may have capital letters.
            let (lower, rest) = name.split_at(name.len() - path.len() + package.len());
            Some(ImageProblem::Name(bad.to_string(), lower.to_ascii_lowercase() + rest))
        }
        Err(bad) => Some(ImageProblem::Name(
            bad.to_string(),
            format!("{registry}/$BITBUCKET_WORKSPACE/package:tag"),
        )),
        Ok(_) => None,
    }
}

fn sign_in_problem(image: &Image) -> Option<ImageProblem> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (Some(username), Some(password)) = (given(&image.username), given(&image.password)) else {
        return Some(ImageProblem::NoCredential);
    };
    let lower = username.to_ascii_lowercase();
    if lower == "x-token-auth" || lower.ends_with("bots.bitbucket.org") {
        return Some(ImageProblem::AccessToken(username));
    }
    if lower == GIT_USERNAME {
        return Some(ImageProblem::GitUsername);
    }
    ["BITBUCKET_PACKAGES_USERNAME", "BITBUCKET_PACKAGES_TOKEN"]
        .into_iter()
        .find(|variable| uses(&username, variable) || uses(&password, variable))
        .map(ImageProblem::BuiltIn)
        .or_else(|| (!username.contains(['@', '$'])).then_some(ImageProblem::NoEmail(username)))
}

/// Whether a text has `$VARIABLE` or `${VARIABLE}` in it; not one with a longer name.
fn uses(text: &str, variable: &str) -> bool {
    text.match_indices(variable).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + variable.len()..]);
        let is_whole = !after.starts_with(|c: char| c == '_' || c.is_ascii_alphanumeric());
        is_whole && (before.ends_with('$') || before.trim_end().ends_with("${") || before.trim_end().ends_with("${{"))
    })
}

#[cfg(test)]
mod tests;
