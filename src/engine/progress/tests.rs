//! Lines as engines wrote them, and what they add up to.

use super::*;
use proptest::prelude::*;

const DIGEST: &str = "sha256:38e4339c777e978243d32feb3ac27ff539ae54980b801775ac7864b911beef2c";

fn layer(status: &str, detail: &str) -> String {
    of("a", status, detail)
}

fn of(id: &str, status: &str, detail: &str) -> String {
    format!(r#"{{"status":"{status}","progressDetail":{{{detail}}},"id":"{id}"}}"#)
}

fn after<L: AsRef<str>>(mut progress: DaemonProgress, lines: &[L]) -> DaemonProgress {
    for line in lines {
        let line = line.as_ref();
        assert!(
            matches!(progress.take(line.as_bytes()), LineVerdict::On | LineVerdict::Still),
            "{line}"
        );
    }
    progress
}

#[test]
fn bytes_of_a_pull_add_up() {
    let mut lines = vec![
        r#"{"status":"Pulling from shop/base","id":"1"}"#,
        r#"{"status":"Pulling fs layer","progressDetail":{},"id":"6deeeb907ed8"}"#,
        r#"{"status":"Downloading","progressDetail":{"current":300,"total":1000},"progress":"[=>  ]","id":"6deeeb907ed8"}"#,
        r#"{"status":"Downloading","progressDetail":{"current":50,"total":70},"id":"aaaaaaaaaaaa"}"#,
    ];
    let progress = after(DaemonProgress::default(), &lines);
    assert_eq!((progress.moved(), progress.expected()), (350, 1070));
    assert_eq!(progress.silence(), Silence::Stall);
    lines.push(r#"{"status":"Verifying Checksum","progressDetail":{},"id":"aaaaaaaaaaaa"}"#);
    lines.push(r#"{"status":"Download complete","progressDetail":{},"id":"6deeeb907ed8"}"#);
    lines.push(r#"{"status":"Extracting","progressDetail":{"current":32768,"total":1000},"id":"6deeeb907ed8"}"#);
    let progress = after(DaemonProgress::default(), &lines);
    assert_eq!((progress.moved(), progress.expected()), (1050, 1070));
    assert_eq!(progress.silence(), Silence::Work);
}

/// Small layers come between two lines: Docker with containerd's image store and podman tell their end alone.
#[test]
fn what_is_known_beforehand_counts_where_the_daemon_tells_no_byte() {
    let (big, small, there) = (Digest::of(b"big"), Digest::of(b"small"), Digest::of(b"there"));
    let sizes = [(&big, 3000), (&small, 500), (&there, 70)];
    let id = |digest| layer_name(digest);
    for (last, amount) in [("Download complete", (3500, 3500)), ("Already exists", (500, 500))] {
        let lines = [
            of(&id(&big), "Pulling fs layer", ""),
            of(&id(&small), "Download complete", r#""hidecounts":true"#),
            of(&id(&there), "Already exists", ""),
            of(&id(&big), last, r#""hidecounts":true"#),
        ];
        let progress = after(DaemonProgress::of_pull(sizes), &lines);
        assert_eq!((progress.moved(), progress.expected()), amount, "{last}");
        let unknown = after(DaemonProgress::of_pull([]), &lines);
        assert_eq!((unknown.moved(), unknown.expected()), (0, 0), "{last}");
        let mut of_unknown_size = unknown.of_unknown_size();
        of_unknown_size.sort();
        let mut moved = vec![id(&small)];
        moved.extend((last == "Download complete").then(|| id(&big)));
        moved.sort();
        assert_eq!(of_unknown_size, moved, "{last}");
        assert_eq!(progress.of_unknown_size(), <[String; 0]>::default(), "{last}");
    }
    let begun = after(DaemonProgress::of_pull(sizes), &[of(&id(&big), "Pulling fs layer", "")]);
    assert_eq!((begun.moved(), begun.expected()), (0, 3000));
}

#[test]
fn a_push_ends_with_its_digest() {
    let aux = format!(r#"{{"progressDetail":{{}},"aux":{{"Tag":"1","Digest":"{DIGEST}","Size":528}}}}"#);
    let lines = [
        r#"{"status":"The push refers to repository [127.0.0.1:5000/shop/base]"}"#,
        r#"{"status":"Preparing","progressDetail":{},"id":"56a878ea7ba1"}"#,
        r#"{"status":"Layer already exists","progressDetail":{},"id":"bbbbbbbbbbbb"}"#,
        r#"{"status":"Pushing","progressDetail":{"current":30002176,"total":30000000},"id":"56a878ea7ba1"}"#,
        r#"{"status":"Pushed","progressDetail":{},"id":"56a878ea7ba1"}"#,
        &aux,
    ];
    let progress = after(DaemonProgress::of_push(), &lines);
    assert_eq!((progress.moved(), progress.expected()), (30_002_176, 30_002_176));
    assert_eq!(progress.pushed().map(Digest::as_str), Some(DIGEST));
    assert!(!progress.is_instead_of_index());
    let note = [r#"{"progressDetail":{},"aux":{"manifestPushedInsteadOfIndex":true}}"#];
    let progress = after(progress, &note);
    assert!(progress.is_instead_of_index() && progress.pushed().is_some());
}

/// A line counts as news of a transfer only where it differs from what was said of the same layer before.
#[test]
fn a_line_that_is_repeated_is_no_progress() {
    let five = r#""current":5,"total":10"#;
    for (line, again) in [
        (layer("Downloading", five), LineVerdict::Still),
        (layer("Downloading", r#""current":6,"total":10"#), LineVerdict::On),
        (layer("Pushing", five), LineVerdict::Still),
        (layer("Extracting", five), LineVerdict::On),
        (layer("Download complete", r#""hidecounts":true"#), LineVerdict::On),
        (layer("Retrying in 4 seconds", ""), LineVerdict::On),
        (of("b", "Downloading", five), LineVerdict::On),
    ] {
        let mut progress = after(DaemonProgress::default(), &[layer("Downloading", five)]);
        assert_eq!(progress.take(line.as_bytes()), again, "{line}");
        assert_eq!(progress.take(line.as_bytes()), LineVerdict::Still, "{line} again");
    }
    // Two layers by turns; and what counts seconds.
    let turns = [
        of("a", "Downloading", five),
        of("b", "Waiting", ""),
        of("c", "Extracting", r#""current":3,"units":"s""#),
    ];
    let mut progress = after(DaemonProgress::default(), &turns);
    for line in &turns {
        assert_eq!(progress.take(line.as_bytes()), LineVerdict::Still, "{line}");
    }
    let on = of("c", "Extracting", r#""current":4,"units":"s""#);
    assert_eq!(progress.take(on.as_bytes()), LineVerdict::On);
    let words = r#"{"status":"The push refers to repository [r/x]"}"#;
    assert_eq!(progress.take(words.as_bytes()), LineVerdict::On);
    assert_eq!(progress.take(words.as_bytes()), LineVerdict::Still);
}

/// A daemon may change its mind for ever, and says nothing by it. What counts up is bounded by the transfer's time alone.
#[test]
fn changes_without_a_byte_more_are_counted() {
    let five = r#""current":5,"total":10"#;
    let turns: [&[String]; 6] = [
        &[
            layer("Waiting", ""),
            layer("Pulling fs layer", ""),
            layer("Verifying Checksum", ""),
        ],
        &[
            layer("Downloading", five),
            layer("Extracting", five),
            layer("Waiting", ""),
        ],
        &[
            layer("Downloading", five),
            layer("Downloading", r#""current":4,"total":10"#),
        ],
        &[layer("Retrying in 2 seconds", ""), layer("Retrying in 1 second", "")],
        &[of("b", "Already exists", ""), of("b", "Pull complete", "")],
        &[of("", "so", ""), of("", "or so", ""), layer("Download complete", "")],
    ];
    for turns in turns {
        let mut progress = DaemonProgress::default();
        let mut last = LineVerdict::On;
        for turn in 0..2 * MOST_CHANGES + 10 {
            last = progress.take(turns[turn % turns.len()].as_bytes());
        }
        assert_eq!(last, LineVerdict::Still, "{turns:?}");
        let more = layer("Downloading", r#""current":9,"total":10"#);
        assert_eq!(progress.take(more.as_bytes()), LineVerdict::On, "{turns:?}");
    }
    let mut progress = DaemonProgress::default();
    for layers in 0..2 * MOST_CHANGES {
        let verdict = progress.take(of(&layers.to_string(), "Waiting", "").as_bytes());
        assert_eq!(
            verdict == LineVerdict::On,
            layers < MOST_CHANGES,
            "layers without end: {layers}"
        );
    }
    let mut progress = DaemonProgress::default();
    for second in 1..=2 * MOST_CHANGES {
        let line = layer("Extracting", &format!(r#""current":{second},"units":"s""#));
        assert_eq!(progress.take(line.as_bytes()), LineVerdict::On, "{second}");
    }
}

#[test]
fn silence_means_what_the_layers_are_at() {
    let (part, whole) = (r#""current":5,"total":10"#, r#""current":10,"total":10"#);
    let moving = layer("Downloading", part);
    for (is_push, lines, silence) in [
        (false, vec![], Silence::Turn),
        (false, vec![layer("Pulling fs layer", "")], Silence::Turn),
        (false, vec![layer("Waiting", "")], Silence::Turn),
        (false, vec![layer("Downloading", "")], Silence::Turn),
        (
            false,
            vec![layer("Downloading", r#""current":-1,"total":-1"#)],
            Silence::Turn,
        ),
        (false, vec![moving.clone()], Silence::Stall),
        (false, vec![moving.clone(), of("b", "Waiting", "")], Silence::Stall),
        (
            false,
            vec![of("b", "Pull complete", ""), moving.clone()],
            Silence::Stall,
        ),
        (
            false,
            vec![moving.clone(), of("b", "Pull complete", "")],
            Silence::Stall,
        ),
        // One is unpacked while another one waits for its bytes.
        (false, vec![moving.clone(), of("b", "Extracting", part)], Silence::Work),
        (false, vec![of("b", "Extracting", part), moving.clone()], Silence::Work),
        (
            false,
            vec![moving.clone(), layer("Verifying Checksum", "")],
            Silence::Work,
        ),
        // containerd's image store unpacks in silence.
        (
            false,
            vec![layer("Download complete", r#""hidecounts":true"#)],
            Silence::Work,
        ),
        (
            false,
            vec![layer("Download complete", ""), of("b", "Pulling fs layer", "")],
            Silence::Turn,
        ),
        (false, vec![moving, layer("Retrying in 5 seconds", "")], Silence::Stall),
        (true, vec![layer("Pushing", part)], Silence::Stall),
        (true, vec![layer("Pushing", r#""total":10"#)], Silence::Stall),
        // All bytes are read: the registry may take its time to store them.
        (true, vec![layer("Pushing", whole)], Silence::Work),
        (true, vec![layer("Pushing", r#""current":5"#)], Silence::Work),
        (true, vec![layer("Preparing", "")], Silence::Work),
        (true, vec![layer("Waiting", "")], Silence::Turn),
        (true, vec![layer("Layer already exists", "")], Silence::Work),
        // podman tells no more until the push is done.
        (
            true,
            vec![r#"{"status":"The push refers to repository [r/x:1]"}"#.to_owned()],
            Silence::Work,
        ),
    ] {
        let progress = if is_push {
            DaemonProgress::of_push()
        } else {
            DaemonProgress::of_pull([])
        };
        assert_eq!(after(progress, &lines).silence(), silence, "{lines:?}");
    }
}

#[test]
fn layers_do_not_grow_without_bound() {
    let mut progress = DaemonProgress::default();
    for id in 0..2 * MOST_LAYERS {
        let line = of(&id.to_string(), "Downloading", r#""current":1,"total":2"#);
        assert_eq!(progress.take(line.as_bytes()), LineVerdict::On);
    }
    assert_eq!(progress.moved(), MOST_LAYERS as u64);
}

proptest! {
    #[test]
    fn no_line_panics(line in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = DaemonProgress::default().take(&line);
    }
}
