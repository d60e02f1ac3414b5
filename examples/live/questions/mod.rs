//! The questions, in an order in which each finds what it needs.

mod access;
mod image;
mod more;

use super::kit::{Kit, question};
use access::{names, other_scopes, sign_in, strangers, tokens};
use crg_pipe::parts::Digest;
use crg_pipe::parts::live::{Live, Place, Question, Reply, Rights, UploadSession};
use image::{lists, push, read};
use more::{deletes, immutable, limits, mounts, referrers};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Asks them; gives why not all, if so.
pub(super) async fn ask_all(kit: &mut Kit<'_>) -> Option<&'static str> {
    if !sign_in(kit).await {
        return Some("the registry does not answer as one");
    }
    tokens(kit).await;
    strangers(kit).await;
    names(kit).await;
    let Some(image) = push(kit).await else {
        return Some("no image could be pushed to the package");
    };
    read(kit, &image).await;
    lists(kit, &image).await;
    referrers(kit, &image).await;
    mounts(kit, &image).await;
    limits(kit).await;
    immutable(kit, &image).await;
    other_scopes(kit).await;
    deletes(kit, &image).await;
    None
}

/// An answer in a few words.
fn told(reply: &Reply) -> String {
    let Reply {
        status, code, words, ..
    } = reply;
    if *status == 0 {
        return format!("no answer: {words}");
    }
    let who = if reply.at_sign_in { "at the sign-in " } else { "" };
    let code = if code.is_empty() {
        String::new()
    } else {
        format!(" `{code}`")
    };
    let words = if words.is_empty() {
        String::new()
    } else {
        format!(", “{words}”")
    };
    format!("{who}{status}{code}{words}")
}

fn manifest(live: &Live, name: &str) -> String {
    format!("{}/manifests/{name}", live.path())
}

fn put(path: String, media_type: &str, body: String) -> Question {
    Question {
        media_type: Some(media_type.to_owned()),
        body: Some(body.into()),
        ..question("PUT", path, Rights::PullPush)
    }
}

/// To a session: more of the blob, or its end with the digest.
fn to_session(method: &'static str, session: &UploadSession, digest: Option<&Digest>, body: Vec<u8>) -> Question {
    Question {
        place: Place::Session(session.clone(), digest.map(ToString::to_string)),
        media_type: Some("application/octet-stream".to_owned()),
        body: (method != "DELETE").then(|| body.into()),
        ..question(method, String::new(), Rights::PullPush)
    }
}

fn uploads(live: &Live) -> Question {
    Question {
        body: Some(Vec::new().into()),
        ..question("POST", format!("{}/blobs/uploads/", live.path()), Rights::PullPush)
    }
}
