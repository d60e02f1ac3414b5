//! The registry: routes of the OCI distribution specification, who may use them, manifests, tags and blobs.

use super::super::image::digest;
use super::super::sha512::digest_512;
use super::accounts::Action;
use super::answer::{Answer, Asked};
use super::settings::{Deletes, Settings, SignIn};
use super::token::{Right, SERVICE, basic};
use super::{State, upload};
use hyper::Method;
use serde_json::{Value, json};

/// Where a path leads.
enum Route {
    Base,
    Catalog,
    Manifest { package: String, reference: String },
    Blob { package: String, digest: String },
    Uploads { package: String },
    Upload { package: String, id: String },
    Tags { package: String },
    Referrers { package: String, digest: String },
}

impl Route {
    fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/v2")?.strip_prefix('/').unwrap_or_default();
        let parts: Vec<&str> = rest.split('/').collect();
        Some(match parts.as_slice() {
            [""] => Self::Base,
            ["_catalog"] => Self::Catalog,
            [package @ .., "blobs", "uploads"] | [package @ .., "blobs", "uploads", ""] => Self::Uploads {
                package: package.join("/"),
            },
            [package @ .., "blobs", "uploads", id] => Self::Upload {
                package: package.join("/"),
                id: (*id).to_owned(),
            },
            [package @ .., "blobs", digest] => Self::Blob {
                package: package.join("/"),
                digest: (*digest).to_owned(),
            },
            [package @ .., "manifests", reference] => Self::Manifest {
                package: package.join("/"),
                reference: (*reference).to_owned(),
            },
            [package @ .., "tags", "list"] => Self::Tags {
                package: package.join("/"),
            },
            [package @ .., "referrers", digest] => Self::Referrers {
                package: package.join("/"),
                digest: (*digest).to_owned(),
            },
            _ => return None,
        })
    }

    fn package(&self) -> Option<&str> {
        match self {
            Self::Base | Self::Catalog => None,
            Self::Manifest { package, .. }
            | Self::Blob { package, .. }
            | Self::Uploads { package }
            | Self::Upload { package, .. }
            | Self::Tags { package }
            | Self::Referrers { package, .. } => Some(package),
        }
    }
}

/// Answers `/v2/…`.
pub(super) fn answer(state: &mut State, origin: &str, asked: &Asked) -> Answer {
    let mut answer = match Route::parse(&asked.path) {
        None => Answer::error(404, "NOT_FOUND", "page not found"),
        Some(route) => match permit(state, origin, &route, asked) {
            Err(refusal) => refusal,
            Ok(()) => serve(state, origin, &route, asked),
        },
    };
    if asked.path.contains("/manifests/") {
        let more = state.settings.manifest_headers.iter();
        answer = more.fold(answer, |answer, (name, value)| answer.header(name, value));
    }
    answer.header("Docker-Distribution-Api-Version", "registry/2.0")
}

/// What a request needs, as docker-registry sees it: a write needs both actions, a mount also `pull` of its source.
fn needs(route: &Route, asked: &Asked) -> Vec<(String, Action)> {
    let Some(package) = route.package() else {
        return Vec::new();
    };
    let mut needs = vec![(package.to_owned(), Action::Pull)];
    if matches!(route, Route::Manifest { .. }) && asked.method == Method::DELETE {
        return vec![(package.to_owned(), Action::Delete)];
    }
    if !matches!(asked.method, Method::GET | Method::HEAD) || matches!(route, Route::Upload { .. }) {
        needs.push((package.to_owned(), Action::Push));
    }
    if let (Route::Uploads { .. }, Some(_), Some(from)) = (route, asked.query("mount"), asked.query("from")) {
        needs.push((from.to_owned(), Action::Pull));
    }
    needs
}

fn permit(state: &State, origin: &str, route: &Route, asked: &Asked) -> Result<(), Answer> {
    let needs = needs(route, asked);
    let is_base = matches!(route, Route::Base);
    if is_base && state.settings.open_base {
        return Ok(());
    }
    if let Some(hidden) = &state.settings.hides
        && !is_base
        && !asked.headers.contains_key("authorization")
    {
        return Err(hidden.clone());
    }
    let own = |package: &str| route.package() == Some(package);
    let challenge = |error: Option<&str>| {
        let header = challenge(&state.settings, origin, &needs, error);
        let answer = Answer::error(401, "UNAUTHORIZED", "authentication required");
        Err(answer.header("WWW-Authenticate", &header))
    };
    let rights: Vec<Right> = match state.settings.sign_in {
        SignIn::Basic => {
            let Some((name, secret)) = basic(asked) else {
                return challenge(None);
            };
            let Some(identity) = state.accounts.identify(&name, &secret) else {
                let header = challenge(None).err().map(|answer| answer.headers).unwrap_or_default();
                let mut refusal = state.settings.unknown_credential.clone();
                refusal
                    .headers
                    .extend(header.into_iter().filter(|(name, _)| name == "WWW-Authenticate"));
                return Err(refusal);
            };
            let may = |(package, action): &(String, Action)| state.accounts.may(&identity, package, *action);
            let right = |may| if may { Right::Granted } else { Right::NotGranted };
            needs.iter().map(may).map(right).collect()
        }
        SignIn::Bearer => {
            let token = asked
                .header("authorization")
                .and_then(|value| value.strip_prefix("Bearer "));
            match token {
                None => return challenge(None),
                Some(token) if !state.issued.is_valid(token) => return challenge(Some("invalid_token")),
                Some(token) => needs
                    .iter()
                    .map(|(package, action)| state.issued.right(token, package, *action))
                    .collect(),
            }
        }
    };
    if rights.contains(&Right::NotAsked) {
        return challenge(Some("insufficient_scope"));
    }
    let makes = state.settings.makes_packages && asked.method != Method::GET && asked.method != Method::HEAD;
    if let Some(package) = route
        .package()
        .filter(|package| !makes && !state.accounts.has_package(package) && !state.storage.has_package(package))
    {
        let name = package.split_once('/').map_or(package, |(_, name)| name);
        return Err(state.settings.unknown_package.about(name));
    }
    // Of a mount's source it only matters whether the mount is done: `upload` looks again.
    let refused = needs.iter().zip(&rights);
    let refused = refused
        .filter(|((package, _), right)| own(package) && **right != Right::Granted)
        .count();
    if refused > 0 {
        return Err(state.settings.denied.about(route.package().unwrap_or_default()));
    }
    Ok(())
}

/// Whether the one who asks may pull from a package; for the source of a mount.
pub(super) fn may_pull(state: &State, asked: &Asked, package: &str) -> bool {
    if state.settings.sign_in == SignIn::Basic {
        let identity = basic(asked).and_then(|(name, secret)| state.accounts.identify(&name, &secret));
        return identity.is_some_and(|identity| state.accounts.may(&identity, package, Action::Pull));
    }
    let token = asked
        .header("authorization")
        .and_then(|value| value.strip_prefix("Bearer "));
    token.is_some_and(|token| state.issued.right(token, package, Action::Pull) == Right::Granted)
}

fn challenge(settings: &Settings, origin: &str, needs: &[(String, Action)], error: Option<&str>) -> String {
    if settings.sign_in == SignIn::Basic {
        return "Basic realm=\"Bitbucket packages\"".to_owned();
    }
    let own = format!("{origin}/token");
    let realm = settings.realm.as_ref().unwrap_or(&own);
    let mut scopes: Vec<(&str, Vec<&str>)> = Vec::new();
    for (package, action) in needs {
        let action = match action {
            Action::Pull => "pull",
            Action::Push => "push",
            Action::Delete => "delete",
        };
        match scopes.iter_mut().find(|(name, _)| name == package) {
            Some((_, actions)) => actions.push(action),
            None => scopes.push((package, vec![action])),
        }
    }
    let scopes: Vec<String> = scopes
        .iter()
        .map(|(name, actions)| format!("repository:{name}:{}", actions.join(",")))
        .collect();
    let mut header = format!("Bearer realm=\"{realm}\",service=\"{SERVICE}\"");
    if !scopes.is_empty() {
        header.push_str(&[",scope=\"", &scopes.join(" "), "\""].concat());
    }
    if let Some(error) = error {
        header.push_str(&[",error=\"", error, "\""].concat());
    }
    header
}

/// Answers `/storage/NAME/blobs/DIGEST`: the host that blobs are redirected to. It wants no credential and gets none.
pub(super) fn storage(state: &State, asked: &Asked) -> Answer {
    let path = asked.path.strip_prefix("/storage/").unwrap_or_default();
    match path.split_once("/blobs/") {
        _ if asked.headers.contains_key("authorization") => Answer::error(400, "LEAK", "a credential for the registry"),
        Some((package, digest)) => blob(state, package, digest, asked),
        None => Answer::new(404),
    }
}

fn serve(state: &mut State, origin: &str, route: &Route, asked: &Asked) -> Answer {
    let read = matches!(asked.method, Method::GET | Method::HEAD);
    if let (Route::Manifest { .. }, Some(status)) = (route, state.settings.manifest_head)
        && asked.method == Method::HEAD
    {
        return Answer::new(status);
    }
    match route {
        Route::Base if read => Answer::new(200).json(&json!({})),
        Route::Catalog if read => Answer::new(200).json(&json!({ "repositories": [] })),
        Route::Manifest { package, reference } if read => manifest(state, package, reference, asked),
        Route::Manifest { package, reference } if asked.method == Method::PUT => put(state, package, reference, asked),
        Route::Manifest { package, reference } if asked.method == Method::DELETE => delete(state, package, reference),
        Route::Blob { package, digest } if asked.method == Method::GET && state.settings.redirects => {
            let port = origin.rsplit_once(':').map_or("80", |(_, port)| port);
            let to = format!("http://127.0.0.1:{port}/storage/{package}/blobs/{digest}");
            Answer::new(307).header("Location", &to)
        }
        Route::Blob { package, digest } if read => blob(state, package, digest, asked),
        Route::Tags { package } if read => tags(state, package, asked),
        Route::Referrers { package, digest } if read && state.settings.referrers => {
            referrers(state, package, digest, asked.query("artifactType"))
        }
        Route::Referrers { .. } => Answer::error(404, "NOT_FOUND", "page not found"),
        Route::Uploads { package } => upload::open(state, origin, package, asked),
        Route::Upload { package, id } => upload::go_on(state, origin, package, id, asked),
        _ => Answer::error(405, "UNSUPPORTED", "the operation is unsupported"),
    }
}

fn manifest(state: &State, package: &str, reference: &str, asked: &Asked) -> Answer {
    let unknown = || state.settings.unknown_manifest.about(reference);
    let Some((digest, stored)) = state.storage.manifest(package, reference) else {
        return unknown();
    };
    let mut accepted = asked
        .headers
        .get_all("accept")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .peekable();
    let takes = |list: &str| {
        list.split(',')
            .map(|entry| entry.split(';').next().unwrap_or_default().trim())
            .any(|entry| entry == stored.media_type || entry == "*/*")
    };
    // docker-registry: "OCI index found, but accept header does not support OCI indexes".
    if accepted.peek().is_some() && !accepted.any(takes) {
        return unknown();
    }
    Answer::new(200)
        .header("Content-Type", &stored.media_type)
        .header("Docker-Content-Digest", &named(state, digest, &stored.bytes))
        .body(stored.bytes.clone())
}

/// What a manifest of this digest is called.
fn named(state: &State, digest: &str, bytes: &[u8]) -> String {
    if state.settings.names_by_sha512 {
        digest_512(bytes)
    } else {
        digest.to_owned()
    }
}

fn put(state: &mut State, package: &str, reference: &str, asked: &Asked) -> Answer {
    let Ok(parsed) = serde_json::from_slice::<Value>(&asked.body) else {
        return Answer::error(400, "MANIFEST_INVALID", "manifest invalid");
    };
    let media_type = asked.header("content-type").unwrap_or_default();
    if parsed["mediaType"].as_str().is_some_and(|inside| inside != media_type) {
        return Answer::error(400, "MANIFEST_INVALID", "media type differs from Content-Type");
    }
    if let Some(missing) = state.storage.missing_child(package, &parsed) {
        let detail = json!({ "digest": missing });
        return Answer::error_about(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry", &detail);
    }
    let digest = digest(&asked.body);
    let is_tag = !reference.contains(':');
    if !is_tag && digest != reference {
        return Answer::error(400, "DIGEST_INVALID", "provided digest did not match uploaded content");
    }
    if let Some(held) = state.storage.tag(package, reference)
        && state.settings.is_immutable(reference)
        && !(held == digest && state.settings.immutable_takes_same)
    {
        return state.settings.immutable.about(reference);
    }
    state.storage.put_manifest(package, media_type, asked.body.clone());
    if is_tag {
        state.storage.put_tag(package, reference, &digest);
    }
    let mut answer = Answer::new(201)
        .header("Location", &format!("/v2/{package}/manifests/{digest}"))
        .header("Docker-Content-Digest", &named(state, &digest, &asked.body));
    if let Some(subject) = parsed["subject"]["digest"]
        .as_str()
        .filter(|_| state.settings.referrers)
    {
        answer = answer.header("OCI-Subject", subject);
    }
    answer
}

fn delete(state: &mut State, package: &str, reference: &str) -> Answer {
    let is_digest = reference.contains(':');
    match state.settings.deletes {
        Deletes::Claims => return Answer::new(202),
        Deletes::Digests(status) if !is_digest => {
            return Answer::error(status, "UNSUPPORTED", "The operation is unsupported.");
        }
        Deletes::Nothing => return Answer::error(405, "UNSUPPORTED", "The operation is unsupported."),
        Deletes::Tags | Deletes::Digests(_) => {}
    }
    let held = state.storage.tags(package).into_iter();
    let mut goes = held.filter(|tag| tag == reference || state.storage.tag(package, tag) == Some(reference));
    if let Some(tag) = goes.find(|tag| state.settings.is_immutable(tag)) {
        return state.settings.immutable.about(&tag);
    }
    let deleted = if is_digest {
        state.storage.delete_manifest(package, reference)
    } else {
        state.storage.delete_tag(package, reference)
    };
    if deleted {
        Answer::new(202)
    } else {
        state.settings.unknown_manifest.about(reference)
    }
}

fn blob(state: &State, package: &str, digest: &str, asked: &Asked) -> Answer {
    let Some(bytes) = state.storage.blob(package, digest) else {
        return Answer::error_about(
            404,
            "BLOB_UNKNOWN",
            "blob unknown to registry",
            &json!({ "digest": digest }),
        );
    };
    let answer = |status| {
        Answer::new(status)
            .header("Content-Type", "application/octet-stream")
            .header("Docker-Content-Digest", digest)
            .header("Accept-Ranges", "bytes")
    };
    let Some(range) = asked.header("range").filter(|_| state.settings.ranges) else {
        return answer(200).body(bytes.clone());
    };
    let length = bytes.len();
    let parsed = range.strip_prefix("bytes=").and_then(|range| {
        let (first, last) = range.split_once('-')?;
        let first: usize = first.parse().ok()?;
        let last = if last.is_empty() {
            length.checked_sub(1)?
        } else {
            last.parse().ok()?
        };
        (first <= last && first < length).then(|| (first, last.min(length - 1)))
    });
    match parsed {
        None => Answer::new(416).header("Content-Range", &format!("bytes */{length}")),
        Some((first, last)) => answer(206)
            .header("Content-Range", &format!("bytes {first}-{last}/{length}"))
            .body(bytes.slice(first..=last)),
    }
}

fn tags(state: &State, package: &str, asked: &Asked) -> Answer {
    let after = asked
        .query("last")
        .filter(|_| state.settings.heeds_last)
        .unwrap_or_default();
    let mut all = state.storage.tags(package);
    all.extend(state.settings.ghosts.iter().cloned());
    all.sort_unstable();
    let rest: Vec<&String> = all.iter().filter(|tag| tag.as_str() > after).collect();
    let limit = state.settings.page_limit;
    let size = asked
        .query("n")
        .and_then(|n| n.parse().ok())
        .map_or(limit, |n: usize| n.min(limit));
    let size = if state.settings.heeds_n { size } else { all.len() };
    let page = &rest[..size.min(rest.len())];
    let answer = Answer::new(200).json(&json!({ "name": package, "tags": page }));
    match page.last() {
        Some(last) if page.len() < rest.len() => {
            let next = format!("/v2/{package}/tags/list?last={last}&n={size}");
            let links = state
                .settings
                .page_links
                .iter()
                .map(|link| link.replace("{next}", &next));
            links.fold(answer, |answer, link| answer.header("Link", &link))
        }
        _ => answer,
    }
}

fn referrers(state: &State, package: &str, subject: &str, wanted: Option<&str>) -> Answer {
    let found = state.storage.referrers(package, subject);
    let listed: Vec<Value> = found
        .iter()
        .map(|(digest, stored, parsed)| {
            let mut descriptor = json!({
                "mediaType": stored.media_type, "digest": digest, "size": stored.bytes.len(),
                "artifactType": parsed["artifactType"].as_str().or(parsed["config"]["mediaType"].as_str()),
            });
            if parsed["annotations"].is_object() {
                descriptor["annotations"] = parsed["annotations"].clone();
            }
            descriptor
        })
        .filter(|descriptor| wanted.is_none_or(|wanted| descriptor["artifactType"] == wanted))
        .collect();
    let index = json!({ "schemaVersion": 2, "mediaType": super::super::image::OCI_INDEX, "manifests": listed });
    let answer = Answer::new(200)
        .header("Content-Type", super::super::image::OCI_INDEX)
        .body(index.to_string());
    match wanted {
        Some(_) => answer.header("OCI-Filters-Applied", "artifactType"),
        None => answer,
    }
}
