//! A `config.json` that is there already, whatever is in it.

use super::fits_in_the_log;
use crate::credential::{Credential, Source};
use crate::docker_config::keys::{Entries, same};
use crate::docker_config::pull_secret::{SecretName, manifest};
use crate::docker_config::{ConfigNote, merge};
use crate::names::Host;
use crate::text::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

const SECRET: &str = "correct-horse-battery-staple";

/// The credential gets in; all else stays as and where it is; a second login changes nothing; no secret is told, of this
/// credential or of those that are there.
pub fn docker_config(bytes: &[u8]) {
    let auth = STANDARD.encode(format!("me@example.org:{SECRET}"));
    // A fuzzer learns what it is compared with.
    if [SECRET, &auth]
        .iter()
        .any(|secret| bytes.windows(secret.len()).any(|part| part == secret.as_bytes()))
    {
        return;
    }
    let credential = Credential {
        source: Source::ApiToken,
        username: "me@example.org".to_owned(),
        token: Secret::new(SECRET),
    };
    names_of_secrets(&String::from_utf8_lossy(bytes), &credential);
    for (registry, key) in [
        ("crg.apkg.io", "crg.apkg.io"),
        ("docker.io", "https://index.docker.io/v1/"),
    ] {
        let Ok(host) = Host::parse(registry) else {
            panic!("{registry} is a host");
        };
        let merged = match merge(Some(bytes), &host, &credential) {
            Ok(merged) => merged,
            Err(fault) => return fits_in_the_log(&fault.to_string()),
        };
        let shown = format!("{merged:?}");
        assert!(!shown.contains(SECRET) && !shown.contains(&auth), "{shown}");
        merged.notes.iter().for_each(|note| fits_in_the_log(&note.to_string()));

        let after = object(merged.text.expose().as_bytes());
        assert_eq!(after["auths"][key]["auth"], Value::String(auth.clone()));
        let Entries(before) = if bytes.trim_ascii().is_empty() {
            Entries(Vec::new())
        } else {
            let Ok(before) = serde_json::from_slice(bytes) else {
                panic!("what was merged is no JSON object");
            };
            before
        };
        let helper = after.get("credHelpers").and_then(|helpers| helpers.get(key));
        let has_store = after
            .get("credsStore")
            .and_then(Value::as_str)
            .is_some_and(|store| !store.is_empty());
        assert_eq!(helper, has_store.then_some(&Value::String(String::new())));
        let lists = ["auths", "credHelpers"];
        let named = ["auths", "credHelpers", "credsStore"];
        let others = before
            .iter()
            .filter(|(key, _)| !named.iter().any(|name| same(name, key)));
        stays(&others.cloned().collect(), &after, &named);
        for list in lists {
            let written: Vec<&Value> = before
                .iter()
                .filter(|(key, _)| same(list, key))
                .map(|(_, value)| value)
                .collect();
            // Of several, the later goes before, entry by entry.
            if let ([Value::Object(before)], Some(Value::Object(after))) = (&written[..], after.get(list)) {
                stays(before, after, &[key]);
            }
        }

        match merge(Some(merged.text.expose().as_bytes()), &host, &credential) {
            Ok(again) => {
                assert_eq!(again.text.expose(), merged.text.expose());
                assert!(
                    !again
                        .notes
                        .iter()
                        .any(|note| matches!(note, ConfigNote::HelperRemoved { .. }))
                );
            }
            Err(fault) => panic!("what was written is not read: {fault}"),
        }
    }
}

/// A name that is taken stands in the manifest as it is, and nothing beside it.
fn names_of_secrets(text: &str, credential: &Credential) {
    for text in text.split_whitespace().take(20) {
        let name = match SecretName::parse(text) {
            Ok(name) => name,
            Err(bad) => {
                fits_in_the_log(&bad.hint());
                continue;
            }
        };
        assert_eq!(name.to_string(), text);
        let Ok(manifest) = manifest(&name, &Host::bitbucket(), credential) else {
            panic!("no manifest of {text}");
        };
        let lines: Vec<&str> = manifest.expose().lines().collect();
        assert_eq!(lines.len(), 7 + usize::from(text.contains('/')), "{text}");
        assert_eq!(lines[3], format!("  name: \"{}\"", name.name()));
    }
}

/// Every key is there still, in its order and with its value, but those that are concerned.
fn stays(before: &Map<String, Value>, after: &Map<String, Value>, concerned: &[&str]) {
    let others = |map: &Map<String, Value>| {
        let others = map.iter().filter(|(key, _)| !concerned.contains(&key.as_str()));
        others
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(others(after), others(before));
}

fn object(bytes: &[u8]) -> Map<String, Value> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => object,
        other => panic!("no JSON object: {other:?}"),
    }
}
