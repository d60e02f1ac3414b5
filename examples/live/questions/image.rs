//! An image: pushed, read back, listed.

use super::super::kit::{Kit, TAG, question};
use super::{MANIFEST, manifest, put, to_session, told, uploads};
use crg_pipe::parts::Digest;
use crg_pipe::parts::live::{Live, Question, Rights};

/// The image that is tried with.
pub(super) struct Pushed {
    pub(super) layer: Vec<u8>,
    pub(super) layer_digest: Digest,
    pub(super) config: String,
    pub(super) tags: [String; 2],
    pub(super) digest: Digest,
    pub(super) bytes: String,
}

pub(super) fn descriptor(media_type: &str, digest: &Digest, size: usize) -> String {
    format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}}"#)
}

fn image(config: &str, layer: &[u8]) -> String {
    let config = descriptor(
        "application/vnd.oci.image.config.v1+json",
        &Digest::of(config.as_bytes()),
        config.len(),
    );
    let layer = descriptor(
        "application/vnd.oci.image.layer.v1.tar",
        &Digest::of(layer),
        layer.len(),
    );
    format!(r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{config},"layers":[{layer}]}}"#)
}

/// Uploads a blob in one request.
async fn upload(kit: &mut Kit<'_>, live: &Live, bytes: &[u8]) -> (String, bool) {
    let opened = kit.ask(live, uploads(live)).await;
    let Some(session) = opened.session.clone() else {
        return (told(&opened), false);
    };
    let closed = to_session("PUT", &session, Some(&Digest::of(bytes)), bytes.to_vec());
    let closed = kit.ask(live, closed).await;
    (
        format!("{}, then {}", told(&opened), told(&closed)),
        opened.status == 202 && closed.status == 201,
    )
}

pub(super) async fn push(kit: &mut Kit<'_>) -> Option<Pushed> {
    let live = kit.live.clone();
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":[]}},"created_by":"{}"}}"#,
        kit.id
    );
    let layer = format!("the live kit {}", kit.id).into_bytes();
    let (answer, agrees) = upload(kit, &live, config.as_bytes()).await;
    kit.row("Does it take a blob in one request?", "202, then 201", &answer, agrees);

    let opened = kit.ask(&live, uploads(&live)).await;
    let mut answers = vec![told(&opened)];
    let mut session = opened.session.clone();
    let (first, rest) = layer.split_at(layer.len() / 2);
    let mut is_taken = opened.status == 202;
    for part in [first, rest] {
        if let Some(open) = session.clone() {
            let reply = kit.ask(&live, to_session("PATCH", &open, None, part.to_vec())).await;
            is_taken &= matches!(reply.status, 200..=204);
            answers.push(told(&reply));
            session = reply.session.or(Some(open));
        }
    }
    if let Some(open) = session {
        let reply = kit
            .ask(&live, to_session("PUT", &open, Some(&Digest::of(&layer)), Vec::new()))
            .await;
        is_taken &= reply.status == 201;
        answers.push(told(&reply));
    }
    kit.row(
        "Does it take a blob in pieces?",
        "202 each, then 201",
        &answers.join(", "),
        is_taken,
    );
    if !is_taken {
        // An image may still be made of it.
        upload(kit, &live, &layer).await;
    }

    let bytes = image(&config, &layer);
    let digest = Digest::of(bytes.as_bytes());
    let tags = [format!("{TAG}{}-1", kit.id), format!("{TAG}{}-2", kit.id)];
    kit.pushed.push(digest.to_string());
    kit.pushed.push(tags[0].clone());
    let reply = kit
        .ask(&live, put(manifest(&live, &tags[0]), MANIFEST, bytes.clone()))
        .await;
    let claimed = reply.header("docker-content-digest").map(str::to_owned);
    let agrees = reply.status == 201 && claimed.is_none_or(|claimed| claimed == digest.to_string());
    kit.row(
        "Does it take a manifest under a tag?",
        "201, and its digest",
        &told(&reply),
        agrees,
    );
    if reply.status == 0 || reply.status >= 300 {
        return None;
    }
    let again = kit
        .ask(&live, put(manifest(&live, &tags[0]), MANIFEST, bytes.clone()))
        .await;
    kit.row(
        "And the same once more?",
        "201; the pipe looks first and does not write",
        &told(&again),
        again.status == 201,
    );
    kit.pushed.push(tags[1].clone());
    let second = kit
        .ask(&live, put(manifest(&live, &tags[1]), MANIFEST, bytes.clone()))
        .await;
    kit.row(
        "And under a second tag, without a layer moved?",
        "201: this is `retag`",
        &told(&second),
        second.status == 201,
    );
    Some(Pushed {
        layer_digest: Digest::of(&layer),
        layer,
        config,
        tags,
        digest,
        bytes,
    })
}

pub(super) async fn read(kit: &mut Kit<'_>, image: &Pushed) {
    let live = kit.live.clone();
    let reply = kit
        .ask(&live, question("GET", manifest(&live, &image.tags[0]), Rights::Pull))
        .await;
    let agrees = reply.status == 200 && reply.body == image.bytes.as_bytes();
    kit.row(
        "Does it give the manifest as it was put?",
        "200, byte for byte",
        &told(&reply),
        agrees,
    );

    let reply = kit
        .ask(&live, question("HEAD", manifest(&live, &image.tags[0]), Rights::Pull))
        .await;
    let claimed = reply.header("docker-content-digest").unwrap_or("no digest").to_owned();
    let claimed = if claimed == image.digest.to_string() {
        "its digest".to_owned()
    } else {
        claimed
    };
    let agrees = reply.status == 200 && claimed == "its digest";
    kit.row(
        "Does a HEAD of a tag give its digest?",
        "200, and its digest",
        &format!("{}, {claimed}", told(&reply)),
        agrees,
    );

    let blob = format!("{}/blobs/{}", live.path(), image.layer_digest);
    let part = Question {
        range: Some((4, Some(8))),
        ..question("GET", blob.clone(), Rights::Pull)
    };
    let reply = kit.ask(&live, part).await;
    let is_part = reply.status == 206 && reply.body == image.layer[4..8];
    let is_whole = reply.status == 200 && reply.body == image.layer;
    let what = if is_part {
        "the part"
    } else if is_whole {
        "all of it"
    } else {
        "something else"
    };
    let answer = format!("{}: {what}", told(&reply));
    kit.row(
        "Does it give a part of a blob?",
        "206 and the part, or 200 and all",
        &answer,
        is_part || is_whole,
    );
    let reply = kit.ask(&live, question("GET", blob, Rights::Pull)).await;
    let from = reply
        .elsewhere
        .clone()
        .unwrap_or_else(|| "the registry itself".to_owned());
    let answer = format!("{} from {from}", told(&reply));
    kit.row(
        "Where do blobs come from?",
        "the registry, or a host that gets no credential",
        &answer,
        reply.body == image.layer,
    );
}

pub(super) async fn lists(kit: &mut Kit<'_>, image: &Pushed) {
    let live = kit.live.clone();
    let reply = kit
        .ask(
            &live,
            question("GET", format!("{}/tags/list?n=1", live.path()), Rights::Pull),
        )
        .await;
    let text = String::from_utf8_lossy(&reply.body);
    let tags = text.split_once('[').map_or(0, |(_, rest)| {
        rest.split(']').next().unwrap_or_default().matches('"').count() / 2
    });
    let link = if reply.header("link").is_some() {
        "a `Link`"
    } else {
        "no `Link`"
    };
    let answer = format!("{}, {tags} on the page, {link}", told(&reply));
    let agrees = reply.status == 200 && tags == 1 && link == "a `Link`";
    kit.row(
        "Does the list of tags have pages (`n=1`)?",
        "one tag, and a `Link` to the next",
        &answer,
        agrees,
    );
    let assumed = "all of them, however the pages go on";
    match live.tags().await {
        Err(reply) => kit.row("Does the pipe find all tags?", assumed, &told(&reply), false),
        Ok(all) => {
            let found = image.tags.iter().filter(|tag| all.contains(tag)).count();
            let answer = format!("{found} of the {} that were pushed", image.tags.len());
            kit.row(
                "Does the pipe find all tags?",
                assumed,
                &answer,
                found == image.tags.len(),
            );
        }
    }
}
