//! Looks over `bitbucket-pipelines.yml` for images of steps and services that Pipelines will not be able to pull. A pipe
//! cannot help these: Pipelines pulls them before the pipe runs.

use super::yaml::{self, BadYaml};
use super::{PassedOver, Place, walk};
use crate::names::{Host, split_host, wrong_host};
use crate::text::Quoted;
use serde_yaml::Value;
use std::path::{Path, PathBuf};

/// The file that Pipelines reads, in the clone's top folder.
pub const FILE: &str = "bitbucket-pipelines.yml";
/// What is no part of a pipeline's own structure: a pipe's variables and the like may have an `image` that is none.
const OPAQUE: [&str; 4] = ["script", "after-script", "variables", "caches"];

/// An `image` that will not work as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, relative to the clone, and the line, as far as it is sure.
    pub place: Place,
    /// The image as it is written.
    pub image: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with an `image`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Its host is none that serves Bitbucket's packages; with what that host is.
    WrongHost(&'static str),
    /// It signs in as recipes for access tokens have it, with this username.
    AccessToken(String),
    /// It signs in with this variable of the credential built into Pipelines, which a step has only once it runs.
    BuiltIn(&'static str),
    /// It has no username or no password.
    NoCredential,
}

impl Finding {
    /// The fact, on one line, without a trailing period.
    #[must_use]
    pub fn message(&self) -> String {
        let image = Quoted::new(&self.image);
        match &self.problem {
            Problem::WrongHost(what) => format!("`image: {image}` is not in Bitbucket's container registry: {what}"),
            Problem::AccessToken(username) => format!(
                "`image: {image}` signs in as `{}`, but no access token works in the container registry",
                Quoted::new(username)
            ),
            Problem::BuiltIn(variable) => {
                format!("`image: {image}` signs in with `${variable}`, which is not there yet when the image is pulled")
            }
            Problem::NoCredential => format!("`image: {image}` has no username and password, so it cannot be pulled"),
        }
    }

    /// What to write instead, without a trailing period.
    #[must_use]
    pub fn hint(&self) -> String {
        let image = match self.image.split_once('/') {
            Some((_, path)) if matches!(self.problem, Problem::WrongHost(_)) => format!("{}/{path}", Host::BITBUCKET),
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

/// What `bitbucket-pipelines.yml` of the clone says; nothing if there is none.
///
/// # Errors
/// Where and why it cannot be read.
pub fn look_over(clone: &Path, registry: &Host) -> Result<Vec<Finding>, PassedOver> {
    let unread = |line, problem| PassedOver {
        place: Place {
            file: PathBuf::from(FILE),
            line,
        },
        problem,
    };
    let path = clone.join(FILE);
    match walk::read(&path) {
        Some(text) => findings(Path::new(FILE), &text, registry)
            .map_err(|bad| unread(bad.line, Quoted::new(&bad.to_string()).to_string())),
        None if path.exists() => Err(unread(None, "it cannot be read, or is longer than 1 MiB".to_owned())),
        None => Ok(Vec::new()),
    }
}

/// What is wrong with the images of `registry`, or of a host taken for it, in the text of a `bitbucket-pipelines.yml`. What
/// an `import` brings is not looked at.
///
/// # Errors
/// [`BadYaml`] with the line.
pub fn findings(file: &Path, text: &str, registry: &Host) -> Result<Vec<Finding>, BadYaml> {
    let documents = yaml::documents(text)?;
    let mut images = Vec::new();
    for document in &documents {
        collect(document, &mut images);
    }
    let names: Vec<&str> = images.iter().map(|image| image.name).collect();
    let lines = yaml::lines(text, &["image", "name"], &names);
    let mut findings = Vec::new();
    for (image, line) in images.iter().zip(lines) {
        for problem in image.problems(registry) {
            let finding = Finding {
                place: Place {
                    file: file.to_owned(),
                    line,
                },
                image: image.name.to_owned(),
                problem,
            };
            // An anchor's image is met wherever it is used.
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    Ok(findings)
}

/// The value of an `image`.
#[derive(Debug)]
struct Image<'a> {
    name: &'a str,
    username: Option<&'a str>,
    password: Option<&'a str>,
}

/// Every `image` in the order of the document, in whatever it is nested.
fn collect<'a>(value: &'a Value, images: &mut Vec<Image<'a>>) {
    match yaml::untagged(value) {
        Value::Sequence(items) => items.iter().for_each(|item| collect(item, images)),
        Value::Mapping(entries) => {
            for (key, value) in entries {
                let key = key.as_str().unwrap_or_default();
                match Image::of(value).filter(|_| key == "image") {
                    Some(image) => images.push(image),
                    None if OPAQUE.contains(&key) => {}
                    None => collect(value, images),
                }
            }
        }
        _ => {}
    }
}

impl<'a> Image<'a> {
    fn of(value: &'a Value) -> Option<Self> {
        let text = |key| yaml::entry(value, key).and_then(Value::as_str).map(str::trim);
        let name = yaml::untagged(value).as_str().map(str::trim).or_else(|| text("name"))?;
        Some(Self {
            name,
            username: text("username"),
            password: text("password"),
        })
    }

    fn problems(&self, registry: &Host) -> Vec<Problem> {
        let host = split_host(self.name).0.and_then(|host| Host::parse(host).ok());
        let wrong = host.as_ref().and_then(wrong_host);
        if wrong.is_none() && host.as_ref() != Some(registry) {
            return Vec::new();
        }
        let mut problems: Vec<Problem> = wrong.map(Problem::WrongHost).into_iter().collect();
        problems.extend(self.sign_in());
        problems
    }

    fn sign_in(&self) -> Option<Problem> {
        let (Some(username), Some(password)) = (
            self.username.filter(|username| !username.is_empty()),
            self.password.filter(|password| !password.is_empty()),
        ) else {
            return Some(Problem::NoCredential);
        };
        let lower = username.to_ascii_lowercase();
        if lower == "x-token-auth" || lower.ends_with("bots.bitbucket.org") {
            return Some(Problem::AccessToken(username.to_owned()));
        }
        ["BITBUCKET_PACKAGES_USERNAME", "BITBUCKET_PACKAGES_TOKEN"]
            .into_iter()
            .find(|variable| username.contains(variable) || password.contains(variable))
            .map(Problem::BuiltIn)
    }
}

#[cfg(test)]
mod tests;
