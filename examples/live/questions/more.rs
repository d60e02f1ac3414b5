//! What is built on an image: referrers, an index, mounts, limits, immutable tags, deleting.

use super::super::kit::{Kit, TAG, question};
use super::image::{Pushed, descriptor};
use super::{INDEX, MANIFEST, manifest, put, to_session, told, uploads};
use crg_pipe::parts::Digest;
use crg_pipe::parts::live::{Question, Rights};

pub(super) async fn referrers(kit: &mut Kit<'_>, image: &Pushed) {
    let live = kit.live.clone();
    let config = descriptor(
        "application/vnd.oci.image.config.v1+json",
        &Digest::of(image.config.as_bytes()),
        image.config.len(),
    );
    let layer = descriptor("application/vnd.crg-pipe.live", &image.layer_digest, image.layer.len());
    let subject = descriptor(MANIFEST, &image.digest, image.bytes.len());
    let bytes = format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","artifactType":"application/vnd.crg-pipe.live","config":{config},"layers":[{layer}],"subject":{subject}}}"#
    );
    let digest = Digest::of(bytes.as_bytes()).to_string();
    kit.pushed.push(digest.clone());
    let reply = kit.ask(&live, put(manifest(&live, &digest), MANIFEST, bytes)).await;
    let lists = reply.header("oci-subject").is_some();
    let answer = format!(
        "{}, {}",
        told(&reply),
        if lists { "`OCI-Subject`" } else { "no `OCI-Subject`" }
    );
    let assumed = "201; `OCI-Subject` where it lists referrers by itself";
    kit.row(
        "Does it take an artifact that refers to an image?",
        assumed,
        &answer,
        reply.status == 201,
    );

    let reply = kit
        .ask(
            &live,
            question(
                "GET",
                format!("{}/referrers/{}", live.path(), image.digest),
                Rights::Pull,
            ),
        )
        .await;
    let found = live.referrers(&image.digest.to_string()).await;
    let is_found = found.as_ref().is_ok_and(|found| found.contains(&digest));
    let answer = format!(
        "{}, {}",
        told(&reply),
        if is_found { "it is listed" } else { "it is not listed" }
    );
    let has_none = !lists && found.is_ok();
    let assumed = "an index that lists it; after a 404, the tag `sha256-…`";
    kit.row(
        "Is there a list of what refers to an image?",
        assumed,
        &answer,
        is_found || has_none,
    );

    let entry = descriptor(MANIFEST, &image.digest, image.bytes.len());
    let bytes = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{entry}]}}"#);
    let tag = format!("{TAG}{}-index", kit.id);
    kit.pushed.push(Digest::of(bytes.as_bytes()).to_string());
    kit.pushed.push(tag.clone());
    let reply = kit.ask(&live, put(manifest(&live, &tag), INDEX, bytes)).await;
    kit.row(
        "Does it take an index of an image?",
        "201",
        &told(&reply),
        reply.status == 201,
    );
}

pub(super) async fn mounts(kit: &mut Kit<'_>, image: &Pushed) {
    let assumed = "201; after a 202 the blob is sent";
    let own = kit.live.clone();
    let mut cases = vec![("Does it mount a blob from the repository itself?", Some(own.clone()))];
    let second = kit
        .given
        .second
        .as_ref()
        .map(|second| own.at(&format!("{}/{second}", kit.given.workspace)));
    cases.push((
        "Does it mount a blob into another package?",
        second.and_then(Result::ok),
    ));
    for (asked, into) in cases {
        let Some(into) = into else {
            kit.skip(asked, assumed, "SECOND_PACKAGE is not set");
            continue;
        };
        let path = format!(
            "{}/blobs/uploads/?mount={}&from={}",
            into.path(),
            image.layer_digest,
            own.path()
        );
        let mount = Question {
            also: (into.path() != own.path()).then(|| own.path().to_owned()),
            body: Some(Vec::new().into()),
            ..question("POST", path, Rights::PullPush)
        };
        let reply = kit.ask(&into, mount).await;
        if reply.status == 202
            && let Some(session) = &reply.session
        {
            kit.ask(&into, to_session("DELETE", session, None, Vec::new())).await;
        }
        kit.row(asked, assumed, &told(&reply), matches!(reply.status, 201 | 202));
    }
}

/// How much fits into one request. Nothing of it is kept.
pub(super) async fn limits(kit: &mut Kit<'_>) {
    let live = kit.live.clone();
    let opened = kit.ask(&live, uploads(&live)).await;
    let megabytes = kit.given.megabytes;
    let asked = format!("Does it take {megabytes} MB in one request?");
    let assumed = "202; 413 is reported as a limit";
    let Some(session) = opened.session.clone() else {
        kit.row(&asked, assumed, &told(&opened), false);
        return;
    };
    let least = opened
        .header("oci-chunk-min-length")
        .map(|least| format!(", pieces of at least {least} bytes"));
    let reply = kit
        .ask(
            &live,
            to_session("PATCH", &session, None, vec![0; megabytes * 1_000_000]),
        )
        .await;
    let answer = format!("{}{}", told(&reply), least.unwrap_or_default());
    kit.row(&asked, assumed, &answer, matches!(reply.status, 200..=204));
    let session = reply.session.unwrap_or(session);
    let reply = kit.ask(&live, to_session("DELETE", &session, None, Vec::new())).await;
    let assumed = "204; otherwise the registry drops it later";
    kit.row("Can an upload be given up?", assumed, &told(&reply), reply.status != 0);
}

pub(super) async fn immutable(kit: &mut Kit<'_>, pushed: &Pushed) {
    let asked = [
        "How does it answer the same image again under an immutable tag?",
        "How does it refuse another image under an immutable tag?",
        "How does it refuse to delete an immutable tag?",
    ];
    let assumed = [
        "any; the pipe looks first and does not write",
        "4xx, with `immutable` in code or words",
        "refused; `prune` leaves such tags",
    ];
    let Some(tag) = kit.given.immutable.clone() else {
        for (asked, assumed) in asked.into_iter().zip(assumed) {
            kit.skip(asked, assumed, "IMMUTABLE_TAG is not set");
        }
        return;
    };
    let live = kit.live.clone();
    let path = manifest(&live, &tag);
    let there = kit.ask(&live, question("HEAD", path.clone(), Rights::Pull)).await;
    if there.status != 404 {
        for (asked, assumed) in asked.into_iter().zip(assumed) {
            kit.skip(asked, assumed, "the tag exists already");
        }
        return;
    }
    // Images of their own: what a rule protects keeps its manifest from being deleted too.
    let annotated = |with: &str| {
        let begin = format!(r#"{{"annotations":{{"live":"{with}"}},"#);
        pushed.bytes.replacen('{', &begin, 1)
    };
    let (own, other) = (annotated("own"), annotated("other"));
    kit.pushed.push(Digest::of(own.as_bytes()).to_string());
    kit.pushed.push(tag.clone());
    let first = kit.ask(&live, put(path.clone(), MANIFEST, own.clone())).await;
    let again = kit.ask(&live, put(path.clone(), MANIFEST, own)).await;
    let answer = format!("{} after {}", told(&again), told(&first));
    kit.row(asked[0], assumed[0], &answer, first.status == 201 && again.status != 0);
    let reply = kit.ask(&live, put(path.clone(), MANIFEST, other.clone())).await;
    if reply.status == 201 {
        kit.pushed.push(Digest::of(other.as_bytes()).to_string());
    }
    let says = format!("{} {}", reply.code, reply.words)
        .to_ascii_lowercase()
        .contains("immutable");
    kit.row(
        asked[1],
        assumed[1],
        &told(&reply),
        (400..=499).contains(&reply.status) && says,
    );
    let reply = kit.ask(&live, question("DELETE", path, Rights::PullDelete)).await;
    kit.row(asked[2], assumed[2], &told(&reply), (400..=499).contains(&reply.status));
}

pub(super) async fn deletes(kit: &mut Kit<'_>, image: &Pushed) {
    let live = kit.live.clone();
    let [first, second] = &image.tags;
    let reply = kit
        .ask(&live, question("DELETE", manifest(&live, second), Rights::PullDelete))
        .await;
    let gone = kit
        .ask(&live, question("GET", manifest(&live, second), Rights::Pull))
        .await;
    let other = kit
        .ask(&live, question("GET", manifest(&live, first), Rights::Pull))
        .await;
    let answer = format!(
        "{}; the tag then: {}; another tag of its image: {}",
        told(&reply),
        told(&gone),
        told(&other)
    );
    let agrees = reply.status == 202 && gone.status == 404 && other.status == 200;
    kit.row(
        "Does it delete one of two tags of an image, by its name?",
        "202; the tag is gone, the other stays",
        &answer,
        agrees,
    );
    let digest = image.digest.to_string();
    let reply = kit
        .ask(&live, question("DELETE", manifest(&live, &digest), Rights::PullDelete))
        .await;
    let gone = kit
        .ask(&live, question("GET", manifest(&live, first), Rights::Pull))
        .await;
    let answer = format!("{}; its tag then: {}", told(&reply), told(&gone));
    let agrees = reply.status == 202 && gone.status == 404;
    kit.row(
        "Does it delete an image by its digest?",
        "202; all its tags go with it",
        &answer,
        agrees,
    );
}
