//! What holds for every page of a list, whoever wrote it.

#![allow(
    clippy::missing_panics_doc,
    unreachable_pub,
    reason = "a panic is the answer, to a fuzz target"
)]

use super::referrers::{MOST_REFERRERS, entries};
use super::{escaped, link, page};
use crate::names::{Digest, Tag};
use crate::properties::fits_in_the_log;
use crate::registry::attachment::of_descriptor;
use crate::registry::budget::MemoryBudget;
use reqwest::header::{HeaderMap, HeaderValue, LINK};
use serde_json::Value;
use std::collections::HashSet;

/// A page of tags is what any reader of JSON sees in it, or an error; and its `Link` leads to one place. The first line is the
/// header, the rest the page.
pub fn tags(bytes: &[u8]) {
    let (header, body) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &b""[..]),
    };
    leads_to_one_place(header);
    let mut found = Vec::new();
    let read = page::strings(body, "tags", |tag| found.push(tag.to_owned()));
    let value = serde_json::from_slice::<Value>(body).ok();
    let listed = value.as_ref().and_then(|value| match value.get("tags")? {
        Value::Null => Some(Vec::new()),
        Value::Array(tags) => tags.iter().map(|tag| tag.as_str().map(str::to_owned)).collect(),
        _ => None,
    });
    match (&read, value.is_some()) {
        (Ok(()), true) => assert_eq!(Some(&found), listed.as_ref()),
        // What is skipped is not read to its depth.
        (Ok(()), false) => {}
        (Err(what), _) => {
            fits_in_the_log(what);
            // Of two lists other readers take the last.
            let is_once = body.windows(4).filter(|part| part == b"tags").count() == 1 && !body.contains(&b'\\');
            assert!(listed.is_none() || !is_once, "{what}");
        }
    }
    for tag in found.iter().filter_map(|tag| Tag::parse(tag).ok()) {
        assert_eq!(escaped(tag.as_str()), tag.as_str(), "a tag needs no escape");
    }
}

fn leads_to_one_place(header: &[u8]) {
    let next = |value: &[u8]| {
        let mut headers = HeaderMap::new();
        headers.insert(LINK, HeaderValue::from_bytes(value).ok()?);
        link::next(&headers).ok()?
    };
    let Some(target) = next(header) else { return };
    let text = String::from_utf8_lossy(header);
    assert!(text.contains(&format!("<{target}>")), "{target:?} in {text:?}");
    for form in [
        format!("<{target}>; rel=next"),
        format!("<{target}>;rel=\"x next\", <other>; rel=prev"),
    ] {
        assert_eq!(next(form.as_bytes()).as_ref(), Some(&target), "{form:?}");
    }
}

/// A list of referrers is what any reader of JSON sees in it, each manifest once and as it was listed, and not too many; or an
/// error.
pub fn referrers(bytes: &[u8]) {
    let mut found = Vec::new();
    let read = entries(bytes, &mut found, MemoryBudget::default().charge());
    assert!(found.len() <= MOST_REFERRERS.entries + 1);
    let digests: Vec<&Digest> = found.iter().map(|referrer| &referrer.digest).collect();
    let distinct: HashSet<&Digest> = digests.iter().copied().collect();
    assert_eq!(distinct.len(), digests.len());
    for referrer in &found {
        // Whatever its labels are, they are read or say nothing.
        let _ = of_descriptor(&referrer.descriptor);
        let text = referrer.descriptor.get().as_bytes();
        assert!(bytes.windows(text.len()).any(|window| window == text));
        assert!(
            referrer
                .descriptor
                .get()
                .contains(referrer.digest.as_str().split_at(7).1)
        );
    }
    match (read, serde_json::from_slice::<Value>(bytes)) {
        (Ok(()), Ok(value)) => {
            assert_eq!(value["schemaVersion"], 2);
            assert!(value.get("config").is_none_or(Value::is_null) && value.get("layers").is_none_or(Value::is_null));
            let listed = value["manifests"].as_array().map_or(&[][..], Vec::as_slice);
            let mut seen = HashSet::new();
            let listed = listed.iter().filter_map(|entry| entry["digest"].as_str());
            let listed: Vec<&str> = listed.filter(|digest| seen.insert(*digest)).collect();
            let found: Vec<&str> = digests.iter().map(|digest| digest.as_str()).collect();
            assert_eq!(
                found,
                listed.into_iter().take(MOST_REFERRERS.entries + 1).collect::<Vec<_>>()
            );
        }
        (Ok(()), Err(_)) => {}
        (Err(kind), _) => fits_in_the_log(&format!("{kind:?}").replace('\n', " ")),
    }
}
