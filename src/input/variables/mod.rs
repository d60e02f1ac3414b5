//! The environment, read once: raw text, lists put together, names looked over. Nothing is judged by its meaning here.
//!
//! How values arrive: a list `X` as `X_COUNT`, `X_0`, `X_1`, …, a string as itself; an unset `$NAME` as an empty text
//! ("Advanced techniques for writing pipes", Atlassian).

use super::actions::Scalars;
use super::{ActionName, NAMES, pasted};
use crate::mistake::{Mistake, MistakeKind};
use crate::text::{self, Secret};
use std::collections::BTreeMap;
use std::ffi::OsString;
use strsim::osa_distance;

/// Variables that are lists.
const LISTS: [&str; 4] = ["IMAGES", "TAGS", "KEEP_TAGS", "REQUIRE"];

/// What Pipelines itself passes and the pipe looks at.
const CONTEXT: [&str; 11] = [
    "BITBUCKET_WORKSPACE",
    "BITBUCKET_REPO_FULL_NAME",
    "BITBUCKET_REPO_SLUG",
    "BITBUCKET_COMMIT",
    "BITBUCKET_BUILD_NUMBER",
    "BITBUCKET_CLONE_DIR",
    "BITBUCKET_PIPE_STORAGE_DIR",
    "BITBUCKET_PARALLEL_STEP",
    "BITBUCKET_PARALLEL_STEP_COUNT",
    "DOCKER_HOST",
    "NO_COLOR",
];

/// Those that `prune` alone uses.
pub(super) const OF_PRUNE: [&str; 4] = ["KEEP", "KEEP_TAGS", "OLDER_THAN", "DRY_RUN"];

/// Those that may arrive empty: `pipe.yml` hands them over whether or not the step has them, or nothing depends on them.
const MAY_BE_EMPTY: [&str; 6] = [
    "ATLASSIAN_ACCOUNT_EMAIL",
    "ATLASSIAN_API_TOKEN",
    "BITBUCKET_PACKAGES_USERNAME",
    "BITBUCKET_PACKAGES_TOKEN",
    "TOKEN_EXPIRES_ON",
    "DEBUG",
];

/// Which proxy is asked for a connection by TLS, the first that is set. curl's and Go's clients read both cases.
const PROXIES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
/// Who is asked without it.
const NO_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// Names that users of other pipes and tools write, with the one of ours that they mean.
const OTHER_NAMES: [(&str, &str); 17] = [
    ("TAG", "TAGS"),
    ("IMAGE", "IMAGES"),
    ("IMAGE_NAME", "SOURCE"),
    ("IMAGE_NAMES", "IMAGES"),
    ("SOURCE_IMAGE", "SOURCE"),
    ("TARGET_IMAGE", "TARGET"),
    ("DESTINATION", "TARGET"),
    ("PLATFORMS", "PLATFORM"),
    ("REGISTRY_URL", "REGISTRY"),
    ("REGISTRY_USERNAME", "ATLASSIAN_ACCOUNT_EMAIL"),
    ("REGISTRY_PASSWORD", "ATLASSIAN_API_TOKEN"),
    ("PACKAGES_USERNAME", "BITBUCKET_PACKAGES_USERNAME"),
    ("PACKAGES_TOKEN", "BITBUCKET_PACKAGES_TOKEN"),
    ("ATLASSIAN_EMAIL", "ATLASSIAN_ACCOUNT_EMAIL"),
    ("API_TOKEN", "ATLASSIAN_API_TOKEN"),
    ("ATLASSIAN_TOKEN", "ATLASSIAN_API_TOKEN"),
    ("BITBUCKET_ACCESS_TOKEN", "ATLASSIAN_API_TOKEN"),
];

/// Most items of one list.
const LONGEST_LIST: usize = 10_000;

/// The variables of one run, read once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variables {
    /// Those that are no lists.
    pub scalars: Scalars,
    /// `IMAGES`.
    pub images: Vec<String>,
    /// `TAGS`.
    pub tags: Vec<String>,
    /// `KEEP_TAGS`.
    pub keep_tags: Vec<String>,
    /// `REQUIRE`.
    pub required: Vec<String>,
    /// Texts that no variable could be made of.
    pub mistakes: Vec<Mistake>,
    /// Names of ours that are set.
    pub set: Vec<&'static str>,
    /// Names of ours that were written and arrived empty, though they may not.
    pub empty: Vec<&'static str>,
    /// Names that look like one of ours, with that one.
    pub near_misses: Vec<(String, &'static str)>,
    /// The proxy for requests by TLS, with the name of the variable.
    pub proxy: Option<(&'static str, Secret)>,
    /// Who is asked without it.
    pub no_proxy: Option<String>,
    /// Passwords in the addresses of proxies, as they stand there.
    pub proxy_passwords: Vec<Secret>,
    /// Tokens in variables that take none.
    pub pasted: Vec<Secret>,
}

impl Variables {
    /// Takes one snapshot of an environment (`std::env::vars_os()`). Bytes that are no UTF-8 are a mistake in one of our
    /// variables and of no interest elsewhere.
    #[must_use]
    pub(crate) fn read(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut texts = BTreeMap::new();
        let mut mistakes = Vec::new();
        let mut empty = Vec::new();
        for (name, value) in environment {
            let Some(name) = name.to_str() else { continue };
            match value.into_string() {
                Ok(value) if value.trim().is_empty() => {
                    // What a user writes and arrives empty was meant to hold something.
                    let ours = NAMES.into_iter().map(|(ours, _)| ours).find(|ours| *ours == name);
                    if let Some(ours) = ours.filter(|ours| !MAY_BE_EMPTY.contains(ours)) {
                        mistakes.push(is_empty(ours, "leave the line out for the default"));
                        empty.push(ours);
                    }
                }
                Ok(value) => {
                    texts.insert(name.to_owned(), value);
                }
                Err(_) if is_ours(name) || PROXIES.contains(&name) => {
                    mistakes.push(Mistake::unshown(
                        MistakeKind::Value,
                        name,
                        "it holds bytes that are not UTF-8",
                        "write plain text",
                    ));
                }
                Err(_) => {}
            }
        }
        let [images, tags, keep_tags, required] = LISTS.map(|name| list(name, &texts, &mut mistakes));
        for name in scalar_names() {
            if texts.contains_key(&format!("{name}_COUNT")) {
                mistakes.push(Mistake::unshown(
                    MistakeKind::Value,
                    name,
                    "it is a list, but takes one value",
                    format!("write `{name}: '…'`"),
                ));
            }
        }
        let known = scalar_names().chain(CONTEXT);
        let scalars = known.filter_map(|name| Some((name.to_owned(), texts.get(name)?.clone())));
        let scalars = match envy::from_iter(scalars) {
            Ok(scalars) => scalars,
            Err(error) => {
                // Every field is an optional text, so envy has nothing to refuse; if it ever did, it must not pass in silence.
                mistakes.push(Mistake::unshown(
                    MistakeKind::Value,
                    "environment",
                    error.to_string(),
                    "report this as a fault of crg-pipe",
                ));
                Scalars::default()
            }
        };
        Self {
            scalars,
            images,
            tags,
            keep_tags,
            required,
            mistakes,
            set: NAMES
                .map(|(name, _)| name)
                .into_iter()
                .filter(|name| texts.contains_key(*name) || texts.contains_key(&format!("{name}_COUNT")))
                .collect(),
            empty,
            near_misses: texts
                .keys()
                .filter_map(|name| Some((name.clone(), near_miss(name)?)))
                .collect(),
            proxy: PROXIES.iter().find_map(|name| {
                let value = texts.get(*name).filter(|value| !value.trim().is_empty())?;
                Some((*name, Secret::new(value)))
            }),
            no_proxy: NO_PROXY.iter().find_map(|name| texts.get(*name).cloned()),
            proxy_passwords: texts
                .iter()
                .filter_map(|(name, value)| proxy_password(name, value))
                .collect(),
            pasted: texts
                .iter()
                .filter(|(name, _)| is_ours(name))
                .flat_map(|(_, value)| pasted::tokens(value))
                .collect(),
        }
    }

    /// The names that are set and that `action` does not use, with the actions that do.
    pub(crate) fn unused_by(&self, action: ActionName) -> impl Iterator<Item = (&'static str, &'static [ActionName])> {
        NAMES
            .into_iter()
            .filter(move |(name, actions)| self.set.contains(name) && !actions.contains(&action))
    }

    /// What only other actions than `pull` use, where `ACTION` was not written: nobody who sets it means the default.
    #[must_use]
    pub(crate) fn without_action(&self) -> Vec<&'static str> {
        let written = |name: &&str| self.set.contains(name) || self.empty.contains(name);
        if written(&"ACTION") {
            return Vec::new();
        }
        let names = ["SOURCE", "TARGET", "TAGS", "REQUIRE", "PULL_SECRET"]
            .iter()
            .chain(&OF_PRUNE);
        names.copied().filter(written).collect()
    }

    /// Has every secret of the variables hidden in what is printed from now on, in the forms in which it travels.
    pub(crate) fn hide_secrets(&self) {
        let scalars = &self.scalars;
        for (username, token) in [
            (&scalars.bitbucket_packages_username, &scalars.bitbucket_packages_token),
            (&scalars.atlassian_account_email, &scalars.atlassian_api_token),
            (&scalars.source_username, &scalars.source_password),
        ] {
            let Some(token) = token else { continue };
            text::hide_pair(username.as_deref().unwrap_or_default(), token);
        }
        for secret in self.proxy_passwords.iter().chain(&self.pasted) {
            text::hide(secret);
        }
    }
}

fn proxy_password(name: &str, value: &str) -> Option<Secret> {
    let (user, _) = value
        .rsplit_once('@')
        .filter(|_| name.to_ascii_uppercase().ends_with("_PROXY"))?;
    let (_, password) = user.rsplit_once("//").map_or(user, |(_, user)| user).split_once(':')?;
    (!password.is_empty()).then(|| Secret::new(password))
}

fn scalar_names() -> impl Iterator<Item = &'static str> {
    NAMES
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| !LISTS.contains(name))
}

/// Whether a name is one of ours, an item of a list of ours among them.
fn is_ours(name: &str) -> bool {
    NAMES.iter().any(|(ours, _)| {
        name.strip_prefix(ours).is_some_and(|rest| {
            rest.is_empty()
                || rest
                    .strip_prefix('_')
                    .is_some_and(|rest| rest == "COUNT" || rest.bytes().all(|b| b.is_ascii_digit()))
        })
    }) || CONTEXT.contains(&name)
}

/// The mistake of a value that arrived empty: the shell of the step fills in nothing for a variable that it does not have.
fn is_empty(name: &str, otherwise: &str) -> Mistake {
    Mistake::unshown(
        MistakeKind::Empty,
        name,
        "it is empty: the variable in its value is not set in this step",
        format!("set that variable, or {otherwise}"),
    )
}

/// Puts a list together from `X_COUNT` and `X_0` …, or from one string split at white space and commas.
fn list(name: &str, texts: &BTreeMap<String, String>, mistakes: &mut Vec<Mistake>) -> Vec<String> {
    let counted = format!("{name}_COUNT");
    let Some(count) = texts.get(&counted) else {
        return texts
            .get(name)
            .map(|text| items(name, Some(text), "an item", mistakes))
            .unwrap_or_default();
    };
    if let Some(text) = texts.get(name) {
        mistakes.push(Mistake::new(
            MistakeKind::Together,
            name,
            text,
            format!("there is a list of that name too (`{counted}`)"),
            "write one of them",
        ));
    }
    match count.trim().parse::<usize>() {
        Ok(0) => {
            mistakes.push(is_empty(name, "leave the list out for the default"));
            Vec::new()
        }
        Ok(count) if count <= LONGEST_LIST => (0..count)
            .flat_map(|at| {
                items(
                    name,
                    texts.get(&format!("{name}_{at}")),
                    &format!("item {}", at + 1),
                    mistakes,
                )
            })
            .collect(),
        _ => {
            mistakes.push(Mistake::new(
                MistakeKind::Value,
                counted,
                count,
                format!("it is not a number up to {LONGEST_LIST}"),
                format!("write `{name}` as a list or a string"),
            ));
            Vec::new()
        }
    }
}

/// The items of one text, between commas and white space. A piece between commas that holds nothing is a mistake.
fn items(name: &str, text: Option<&String>, place: &str, mistakes: &mut Vec<Mistake>) -> Vec<String> {
    let pieces: Vec<&str> = text.map_or_else(Vec::new, |text| text.split(',').collect());
    if pieces.is_empty() || pieces.iter().any(|piece| piece.trim().is_empty()) {
        mistakes.push(Mistake::unshown(
            MistakeKind::Empty,
            name,
            format!("{place} is empty: the variable in it is not set in this step"),
            "set that variable, or leave the item out",
        ));
    }
    let items = pieces.into_iter().flat_map(str::split_whitespace);
    items.map(str::to_owned).collect()
}

/// The variable of ours that a name which is not ours probably means.
fn near_miss(name: &str) -> Option<&'static str> {
    let built_in =
        name.starts_with("BITBUCKET_") && !name.starts_with("BITBUCKET_PACKAGE") && name != "BITBUCKET_ACCESS_TOKEN";
    if is_ours(name) || built_in {
        return None;
    }
    let written = name.to_ascii_uppercase();
    if let Some((_, ours)) = OTHER_NAMES.iter().find(|(other, _)| *other == written) {
        return Some(ours);
    }
    NAMES.into_iter().map(|(ours, _)| ours).find(|ours| {
        let allowed = match ours.len() {
            0..=4 => 0,
            5..=9 => 1,
            _ => 2,
        };
        *ours == written || osa_distance(ours, &written) <= allowed
    })
}

#[cfg(test)]
mod tests;
