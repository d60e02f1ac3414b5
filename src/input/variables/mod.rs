//! The environment, read once: raw text, lists put together, names looked over. Nothing is judged by its meaning here.
//!
//! How values arrive: a list `X` as `X_COUNT`, `X_0`, `X_1`, …, a string as itself; an unset `$NAME` as an empty text
//! ("Advanced techniques for writing pipes", Atlassian).

mod scalars;

use super::{ActionName, NAMES, pasted};
use crate::mistake::{Mistake, MistakeKind};
use crate::names::BadReference;
use crate::text::{self, Secret};
use scalars::Scalars;
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

/// Those that `pull` does not use and that nobody has in an environment by chance.
const OF_OTHERS: [&str; 13] = [
    "SOURCE",
    "TARGET",
    "TAGS",
    "ON_EXISTING",
    "REFERRERS",
    "REQUIRE",
    "SHARD",
    "KEEP",
    "KEEP_TAGS",
    "OLDER_THAN",
    "DRY_RUN",
    "PULL_SECRET",
    "PULL_SECRET_NAME",
];

/// Those that may arrive empty: `pipe.yml` hands them over whether or not the step has them, or nothing depends on them.
const MAY_BE_EMPTY: [&str; 6] = [
    "ATLASSIAN_ACCOUNT_EMAIL",
    "ATLASSIAN_API_TOKEN",
    "BITBUCKET_PACKAGES_USERNAME",
    "BITBUCKET_PACKAGES_TOKEN",
    "TOKEN_EXPIRES_ON",
    "DEBUG",
];

/// Those in which an unfilled `$NAME` is told elsewhere: names of images by what is wrong with them, credentials by their form.
const LOOKED_AT_ELSEWHERE: [&str; 8] = [
    "SOURCE",
    "TARGET",
    "ATLASSIAN_ACCOUNT_EMAIL",
    "ATLASSIAN_API_TOKEN",
    "BITBUCKET_PACKAGES_USERNAME",
    "BITBUCKET_PACKAGES_TOKEN",
    "SOURCE_USERNAME",
    "SOURCE_PASSWORD",
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
    /// Names of ours that were written and hold nothing that could be read: that is told, and not that they are missing.
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
        let mut unset = Vec::new();
        for (name, value) in environment {
            let Some(name) = name.to_str() else { continue };
            let ours = NAMES.into_iter().map(|(ours, _)| ours).find(|ours| *ours == name);
            match value.into_string() {
                Ok(value) if value.trim().is_empty() => {
                    // What a user writes and arrives empty was meant to hold something.
                    unset.extend(ours.filter(|ours| !MAY_BE_EMPTY.contains(ours)));
                }
                Ok(value) if ours.is_some_and(|ours| is_looked_at(ours) && is_unfilled(&value)) => {
                    mistakes.push(not_filled_in(name, &value));
                    empty.extend(ours);
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
        let action = ActionName::of(texts.get("ACTION").map(String::as_str));
        mistakes.extend(unset.iter().map(|name| is_empty(name, "line", action)));
        empty.append(&mut unset);
        let [images, tags, keep_tags, required] = LISTS.map(|name| {
            let known = mistakes.len();
            let items = list(name, &texts, action, &mut mistakes);
            if items.is_empty() && mistakes.len() > known {
                empty.push(name);
            }
            items
        });
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
        let names = NAMES.into_iter().map(|(name, _)| name);
        let names = names.filter(|name| OF_OTHERS.contains(name));
        names.filter(written).collect()
    }

    /// Whether `ACTION` is written, and no action can be read from it; that is among the mistakes.
    #[must_use]
    pub(crate) fn has_no_action(&self) -> bool {
        self.mistakes.iter().any(|mistake| mistake.variable == "ACTION")
    }

    /// Has every secret of the variables hidden in what is printed from now on, in the forms in which it travels.
    pub(crate) fn hide_secrets(&self) {
        let scalars = &self.scalars;
        for (username, token) in [
            (&scalars.bitbucket_packages_username, &scalars.bitbucket_packages_token),
            (&scalars.atlassian_account_email, &scalars.atlassian_api_token),
            (&scalars.source_username, &scalars.source_password),
        ] {
            // What holds the name of one of our variables would hide that name wherever it is printed.
            let Some(token) = token.as_ref().filter(|token| !names_ours(token)) else {
                continue;
            };
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
fn is_empty(name: &str, what: &str, action: Option<ActionName>) -> Mistake {
    let is_required = match name {
        "SOURCE" => true,
        "TAGS" => action == Some(ActionName::Retag),
        "IMAGES" => action == Some(ActionName::Prune),
        _ => false,
    };
    let cure = if is_required {
        "set that variable".to_owned()
    } else {
        format!("set that variable, or leave the {what} out for the default")
    };
    let problem = "it is empty: the variable in its value is not set in this step";
    Mistake::unshown(MistakeKind::Empty, name, problem, cure)
}

fn is_looked_at(name: &str) -> bool {
    !LISTS.contains(&name) && !LOOKED_AT_ELSEWHERE.contains(&name)
}

/// Whether a text holds `$NAME` or `${NAME`.
fn is_unfilled(text: &str) -> bool {
    text.split('$').skip(1).any(|rest| {
        let name = rest.strip_prefix('{').unwrap_or(rest);
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
    })
}

/// Whether a secret is `$NAME` or `${NAME}` with the name of one of ours.
fn names_ours(secret: &Secret) -> bool {
    let name = secret.expose().trim().strip_prefix('$');
    let name = name.map(|name| {
        name.strip_prefix('{')
            .and_then(|name| name.strip_suffix('}'))
            .unwrap_or(name)
    });
    name.is_some_and(|name| NAMES.iter().any(|(ours, _)| *ours == name))
}

/// The mistake of a value with the name of a variable that was not filled in.
fn not_filled_in(name: &str, value: &str) -> Mistake {
    let bad = BadReference::Unexpanded;
    // A token may be pasted there.
    if name == "CREDENTIAL" {
        return Mistake::unshown(MistakeKind::NotFilledIn, name, bad.to_string(), bad.hint());
    }
    Mistake::of_reference(name, value, &bad)
}

/// Puts a list together from `X_COUNT` and `X_0` …, or from one string split at white space and commas.
fn list(
    name: &str,
    texts: &BTreeMap<String, String>,
    action: Option<ActionName>,
    mistakes: &mut Vec<Mistake>,
) -> Vec<String> {
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
            mistakes.push(is_empty(name, "list", action));
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
pub(super) fn items(name: &str, text: Option<&String>, place: &str, mistakes: &mut Vec<Mistake>) -> Vec<String> {
    let pieces: Vec<&str> = text.map_or_else(Vec::new, |text| text.split(',').collect());
    if pieces.is_empty() || pieces.iter().any(|piece| piece.trim().is_empty()) {
        mistakes.push(Mistake::unshown(
            MistakeKind::Empty,
            name,
            format!("{place} is empty: the variable in it is not set in this step"),
            "set that variable, or leave the item out",
        ));
    }
    let (unfilled, items): (Vec<&str>, Vec<&str>) = pieces
        .into_iter()
        .flat_map(str::split_whitespace)
        .partition(|item| is_unfilled(item));
    mistakes.extend(unfilled.into_iter().map(|item| not_filled_in(name, item)));
    items.into_iter().map(str::to_owned).collect()
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
