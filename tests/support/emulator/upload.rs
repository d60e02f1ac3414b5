//! Uploads of blobs: sessions in pieces or at once, and mounts from another package.

use super::super::sha512::digest_like;
use super::State;
use super::answer::{Answer, Asked};
use super::fault::Kept;
use super::registry::may_pull;
use bytes::Bytes;
use hyper::Method;

/// `POST /v2/NAME/blobs/uploads/`: a mount (201), a blob at once, or a new session (202).
pub(super) fn open(state: &mut State, origin: &str, package: &str, asked: &Asked) -> Answer {
    if asked.method != Method::POST {
        return Answer::error(405, "UNSUPPORTED", "the operation is unsupported");
    }
    if let (Some(blob), Some(from)) = (asked.query("mount"), asked.query("from"))
        && state.settings.mounts
        && may_pull(state, asked, from)
        && state.storage.mount(from, package, blob)
    {
        return created(package, blob);
    }
    if let Some(named) = asked.query("digest")
        && state.settings.single_post
    {
        return finish(state, package, named, asked.body.clone());
    }
    let id = state.storage.open(package);
    session(state, origin, package, &id, 202)
}

/// `PATCH`, `PUT`, `GET` and `DELETE` of a session.
pub(super) fn go_on(state: &mut State, origin: &str, package: &str, id: &str, asked: &Asked) -> Answer {
    let unknown = || Answer::error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
    let Some(upload) = state
        .storage
        .uploads
        .get_mut(id)
        .filter(|upload| upload.package == package)
    else {
        return unknown();
    };
    if asked.query("_state") != Some(&state_of(id, upload.step)) {
        return Answer::error(
            400,
            "BLOB_UPLOAD_INVALID",
            "blob upload invalid: `_state` is not the newest",
        );
    }
    if let Some(range) = asked.header("content-range") {
        let first = range.trim_start_matches("bytes ").split('-').next();
        if first.and_then(|first| first.parse().ok()) != Some(upload.bytes.len()) {
            return session(state, origin, package, id, 416);
        }
    }
    match asked.method {
        Method::GET => session(state, origin, package, id, 204),
        Method::PATCH => {
            upload.bytes.extend_from_slice(&asked.body);
            upload.step += 1;
            session(state, origin, package, id, 202)
        }
        Method::PUT => {
            let Some(named) = asked.query("digest") else {
                return Answer::error(400, "DIGEST_INVALID", "digest missing");
            };
            upload.bytes.extend_from_slice(&asked.body);
            let bytes = upload.bytes.split().freeze();
            state.storage.uploads.remove(id);
            finish(state, package, named, bytes)
        }
        Method::DELETE => {
            state.storage.uploads.remove(id);
            Answer::new(204)
        }
        _ => Answer::error(405, "UNSUPPORTED", "the operation is unsupported"),
    }
}

/// What becomes of the session of a request whose body broke off.
pub(super) fn broken(state: &mut State, asked: &Asked, kept: Kept) {
    let id = asked.path.rsplit('/').next().unwrap_or_default();
    match (kept, state.storage.uploads.get_mut(id)) {
        (Kept::All, Some(upload)) => upload.bytes.extend_from_slice(&asked.body),
        (Kept::Others, Some(upload)) => upload.bytes.extend(asked.body.iter().map(|byte| !byte)),
        (Kept::Gone, Some(_)) => drop(state.storage.uploads.remove(id)),
        (Kept::Nothing, _) | (_, None) => {}
    }
}

fn finish(state: &mut State, package: &str, named: &str, bytes: Bytes) -> Answer {
    if digest_like(named, &bytes) != named {
        return Answer::error(400, "DIGEST_INVALID", "provided digest did not match uploaded content");
    }
    state.storage.put_blob_as(package, named, bytes);
    created(package, named)
}

fn created(package: &str, digest: &str) -> Answer {
    Answer::new(201)
        .header("Location", &format!("/v2/{package}/blobs/{digest}"))
        .header("Docker-Content-Digest", digest)
}

/// Where a session stands. An empty one says `0-0`, as docker-registry does.
fn session(state: &State, origin: &str, package: &str, id: &str, status: u16) -> Answer {
    let Some(upload) = state.storage.uploads.get(id) else {
        return Answer::new(404);
    };
    let host = if state.settings.absolute_locations { origin } else { "" };
    let token: String = state_of(id, upload.step).replace('+', "%2B").replace('=', "%3D");
    Answer::new(status)
        .header(
            "Location",
            &format!("{host}/v2/{package}/blobs/uploads/{id}?_state={token}"),
        )
        .header("Docker-Upload-UUID", id)
        .header("Range", &format!("0-{}", upload.bytes.len().saturating_sub(1)))
}

/// What a client must bring back byte for byte; the signs in it suffer from decoding and encoding anew.
fn state_of(id: &str, step: usize) -> String {
    format!("{}+{step}==", &id[..8])
}
