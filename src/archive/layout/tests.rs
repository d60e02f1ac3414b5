use super::super::fixture::{self, Image, gzip, index, index_json, location, tar};
use super::*;
use serde_json::json;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

/// A layout of these files: as a folder, in a tar, in a gzip-compressed tar.
fn layouts(folder: &Path, files: &[(String, Vec<u8>)]) -> Vec<Location> {
    fixture::write(&folder.join("layout"), files);
    let entries: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    let archive = tar(&entries);
    std::fs::write(folder.join("x.tar"), &archive).unwrap();
    std::fs::write(folder.join("x.tar.gz"), gzip(&archive)).unwrap();
    vec![
        location("oci", &folder.join("layout")),
        location("oci-archive", &folder.join("x.tar")),
        location("oci-archive", &folder.join("x.tar.gz")),
    ]
}

fn failure<T: std::fmt::Debug>(result: Result<T, ArchiveError>) -> String {
    let error = result.expect_err("must fail");
    format!("{error}; {}", error.hint().unwrap_or_default())
}

fn read(source: &BlobSource) -> Vec<u8> {
    let mut bytes = Vec::new();
    source.reader().read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn images_are_chosen_by_tag_reference_or_number() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second, third] = ["first", "second", "third"].map(|seed| Image::new(seed, 2));
    let mut files: Vec<_> = [&first, &second, &third].into_iter().flat_map(Image::files).collect();
    let annotated = index_json(&[
        (&first.manifest, json!({ REF_NAME: "1.0" })),
        (&first.manifest, json!({ REF_NAME: "latest" })),
        (
            &second.manifest,
            json!({ REF_NAME: "2.0", CONTAINERD_NAME: "docker.io/shop/api:2.0" }),
        ),
        (&third.manifest, json!({ REF_NAME: "localhost:5000/shop/web:3" })),
        (&third.manifest, json!(null)),
    ]);
    files.push((INDEX.to_owned(), annotated));
    for location in layouts(folder.path(), &files) {
        let layout = Layout::open(&location).unwrap();
        for (name, image) in [
            ("1.0", &first),
            ("latest", &first),
            ("2.0", &second),
            ("docker.io/shop/api:2.0", &second),
            ("3", &third),
            ("localhost:5000/shop/web:3", &third),
            ("@4", &third),
        ] {
            let chosen = layout.choose(Some(name)).expect(name);
            let manifest = layout.manifest(&chosen.descriptor).unwrap();
            assert_eq!(manifest, image.manifest, "{name}");
            let Content::Image { config, layers } = manifest.content().unwrap() else {
                panic!("no image");
            };
            for (descriptor, bytes) in [config].iter().chain(&layers).zip(&image.blobs) {
                assert_eq!(read(&layout.blob(descriptor).unwrap()), *bytes);
            }
        }
        for (name, text) in [
            (Some("4"), "has no image `4`, but `1.0`, `latest`, `2.0`"),
            (Some("5000/shop/web:3"), "has no image"),
            (Some("@5"), "has no image `@5`"),
            (
                None,
                "has several images: `1.0`, `latest`, `2.0`, `localhost:5000/shop/web:3`, `@4`; write the",
            ),
        ] {
            let said = failure(layout.choose(name));
            assert!(said.contains(text), "{name:?}: {said}");
        }
    }
    // Two names of one image leave no choice, two images do.
    for (second, is_one) in [(&first, true), (&second, false)] {
        let both = [
            (&first.manifest, json!({ REF_NAME: "a" })),
            (&second.manifest, json!({ REF_NAME: "b" })),
        ];
        let folder = tempfile::tempdir().unwrap();
        fixture::write(folder.path(), &[(INDEX.to_owned(), index_json(&both))]);
        let layout = Layout::open(&location("oci", folder.path())).unwrap();
        assert_eq!(layout.choose(None).is_ok(), is_one);
    }
}

#[test]
fn an_index_travels_with_what_it_points_to() {
    let folder = tempfile::tempdir().unwrap();
    let (amd64, arm64) = (Image::new("amd64", 1), Image::new("arm64", 1));
    let inner = index(&[&amd64.manifest, &arm64.manifest]);
    let outer = index(&[&inner]);
    let mut files = amd64.files();
    for manifest in [&inner, &outer] {
        files.push((blob_name(&manifest.digest), manifest.bytes.to_vec()));
    }
    files.push((INDEX.to_owned(), index_json(&[(&outer, json!({}))])));
    for location in layouts(folder.path(), &files) {
        let layout = Layout::open(&location).unwrap();
        let below = |manifest: &Manifest| match manifest.content().unwrap() {
            Content::Index(entries) => entries,
            Content::Image { .. } | Content::Other(_) => panic!("no index"),
        };
        let root = layout.manifest(&layout.choose(None).unwrap().descriptor).unwrap();
        let children = below(&layout.manifest(&below(&root)[0]).unwrap());
        assert_eq!(layout.manifest(&children[0]).unwrap(), amd64.manifest);
        assert!(layout.has(&children[0]).unwrap() && !layout.has(&children[1]).unwrap());
        let said = failure(layout.manifest(&children[1]));
        assert!(said.contains("lacks `blobs/sha256/"), "{said}");
    }
}

#[test]
fn wrong_bytes_are_never_taken() {
    let folder = tempfile::tempdir().unwrap();
    let image = Image::new("x", 1);
    let name = blob_name(&image.manifest.digest);
    let mut other = image.manifest.bytes.to_vec();
    other[20] ^= 1;
    let large = vec![b' '; LARGEST + 1];
    let listed = index_json(&[(&image.manifest, json!({}))]);
    for (number, (bytes, index, fact)) in [
        (other, listed.clone(), "wrong bytes for sha256:"),
        (vec![b'{'; 3], listed.clone(), "has 3 bytes where"),
        (large.clone(), listed.clone(), "is more than the 4194304"),
        (vec![], b"[]".to_vec(), "is damaged at `index.json`"),
        (vec![], b"{}".to_vec(), "is damaged at `index.json`"),
        (vec![], large, "is more than"),
        (
            vec![],
            br#"{"schemaVersion":2,"manifests":[]}"#.to_vec(),
            "lists no image",
        ),
        (
            vec![],
            br#"{"schemaVersion":2,"manifests":[{"digest":"sha256:../../etc/passwd","size":1}]}"#.to_vec(),
            "is no digest",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let folder = folder.path().join(number.to_string());
        let files = [(name.clone(), bytes), (INDEX.to_owned(), index)];
        std::fs::create_dir(&folder).unwrap();
        for location in layouts(&folder, &files) {
            let result = Layout::open(&location).and_then(|layout| {
                let descriptor = layout.choose(None)?.descriptor.clone();
                layout.manifest(&descriptor)
            });
            let said = failure(result);
            assert!(said.contains(fact), "{location}: {said}");
        }
    }
}

#[test]
fn what_is_no_layout_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("empty")).unwrap();
    std::fs::write(at("file"), "").unwrap();
    std::fs::write(at("text"), "not a tar at all, but longer than it might be").unwrap();
    std::fs::write(at("other.tar"), tar(&[("x", b"")])).unwrap();
    let whole = tar(&[("x", b""), ("index.json", b"{}")]);
    std::fs::write(at("cut.tar"), &whole[..512]).unwrap();
    std::fs::write(at("cut.tar.gz"), &gzip(&whole)[..30]).unwrap();
    std::fs::write(at("x.tar.zst"), [0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0]).unwrap();
    std::fs::write(at("x.tar.bz2"), b"BZh91AY&SY").unwrap();
    std::fs::write(at("x.tar.xz"), b"\xfd7zXZ\0\0\x04").unwrap();
    std::fs::write(
        at("version.tar"),
        tar(&[
            ("index.json", br#"{"schemaVersion":2,"manifests":[]}"#),
            ("oci-layout", br#"{"imageLayoutVersion":"2.0"}"#),
        ]),
    )
    .unwrap();
    for (transport, name, text) in [
        ("oci", "none", "there is no `"),
        ("oci", "empty", "is no `oci`: it has no `index.json`"),
        ("oci", "file", "it is no folder"),
        ("oci-archive", "none", "there is no `"),
        ("oci-archive", "none/x", "there is no `"),
        ("oci-archive", "empty", "it is a folder"),
        ("oci-archive", "file", "it is empty"),
        ("oci-archive", "text", "it is no tar"),
        ("oci-archive", "other.tar", "it has no `index.json`"),
        ("oci-archive", "cut.tar", "and its own end: it was cut short"),
        ("oci-archive", "cut.tar.gz", "was cut short"),
        ("oci-archive", "x.tar.zst", "compressed with zstd"),
        ("oci-archive", "x.tar.bz2", "compressed with bzip2"),
        ("oci-archive", "x.tar.xz", "compressed with xz"),
        ("oci-archive", "version.tar", "its version is 2.0"),
    ] {
        let said = failure(Layout::open(&location(transport, &at(name))));
        assert!(said.contains(text), "{name}: {said}");
    }
}

#[test]
fn no_link_leads_out_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let image = Image::new("x", 1);
    let secret = folder.path().join("secret");
    std::fs::write(&secret, &image.blobs[1]).unwrap();
    let layer = blob_name(&Digest::of(&image.blobs[1]));
    let open = |root: &Path| -> Result<BlobSource, ArchiveError> {
        let layout = Layout::open(&location("oci", root))?;
        let Content::Image { layers, .. } = image.manifest.content().unwrap() else {
            panic!("no image");
        };
        layout.blob(&layers[0])
    };
    let make = |name: &str| -> PathBuf {
        let root = folder.path().join(name);
        let mut files = image.files();
        files.push((INDEX.to_owned(), index_json(&[(&image.manifest, json!({}))])));
        fixture::write(&root, &files);
        root
    };
    let root = make("link of a blob");
    std::fs::remove_file(root.join(&layer)).unwrap();
    symlink(&secret, root.join(&layer)).unwrap();
    assert!(failure(open(&root)).contains("is a link out of the layout"));

    let root = make("link of the folder");
    std::fs::rename(root.join("blobs"), folder.path().join("blobs")).unwrap();
    symlink("../blobs", root.join("blobs")).unwrap();
    assert!(failure(open(&root)).contains("is a link out of the layout"));

    let root = make("link of the index");
    std::fs::rename(root.join(INDEX), folder.path().join("i")).unwrap();
    symlink("../i", root.join(INDEX)).unwrap();
    assert!(failure(open(&root)).contains("is a link out of the layout"));

    let root = make("link within");
    std::fs::rename(root.join(&layer), root.join("elsewhere")).unwrap();
    symlink("../../elsewhere", root.join(&layer)).unwrap();
    assert_eq!(read(&open(&root).unwrap()), image.blobs[1]);

    let root = make("folder in place of a blob");
    std::fs::remove_file(root.join(&layer)).unwrap();
    std::fs::create_dir(root.join(&layer)).unwrap();
    assert!(failure(open(&root)).contains("is no file"));
}
