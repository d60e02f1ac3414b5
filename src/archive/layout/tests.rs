use super::super::docker_archive::DockerArchive;
use super::super::fixture::{self, Image, descriptor, gzip, index, index_json, location, tar};
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
        assert!(said.contains("does not have `blobs/sha256/"), "{said}");
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
        (
            vec![],
            b"[]".to_vec(),
            "`index.json`: invalid length 0, expected an object",
        ),
        (vec![], br#"{"manifests":["x"]}"#.to_vec(), "\"x\", expected an object"),
        (vec![], b"{}".to_vec(), "lists no image"),
        (
            vec![],
            br#"{"schemaVersion":2,"manifests":null}"#.to_vec(),
            "lists no image",
        ),
        (vec![], large, "is more than"),
        (
            vec![],
            br#"{"schemaVersion":2,"manifests":[]}"#.to_vec(),
            "lists no image",
        ),
        (
            vec![],
            br#"{"schemaVersion":2,"manifests":[{"digest":"sha256:../../etc/passwd","size":1}]}"#.to_vec(),
            "is not a digest",
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
    std::fs::write(at("twice.tar.gz"), gzip(&gzip(&whole))).unwrap();
    std::fs::write(at("a:b.tar"), &whole).unwrap();
    std::fs::write(at("docker.tar"), tar(&[("manifest.json", b"[]")])).unwrap();
    std::fs::write(at("oci.tar"), &whole).unwrap();
    std::fs::write(at("export.tar"), tar(&[("dev/console", b""), ("etc/hosts", b"")])).unwrap();
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
        ("oci", "empty", "cannot be read as `oci:`: it has no `index.json`"),
        ("oci", "file", "it is a file; write `oci-archive:…` in place of it"),
        ("oci-archive", "none", "there is no `"),
        ("oci-archive", "none/x", "there is no `"),
        ("oci-archive", "empty", "it is a folder; write `oci:…` in place of it"),
        ("oci-archive", "file", "is empty; what writes it has failed"),
        ("oci-archive", "text", "is not a tar; name a file that `docker save`"),
        ("oci-archive", "twice.tar.gz", "is not a tar; it is compressed twice"),
        ("oci-archive", "a", "there is `"),
        (
            "oci-archive",
            "docker.tar",
            "no `index.json`; write `docker-archive:…` in place",
        ),
        (
            "oci-archive",
            "export.tar",
            "it holds a file system and no image; `docker export` writes",
        ),
        (
            "docker-archive",
            "export.tar",
            "it holds a file system and no image; `docker export` writes",
        ),
        (
            "docker-archive",
            "oci.tar",
            "no `manifest.json`; write `oci-archive:…` in place",
        ),
        ("oci-archive", "other.tar", "it has no `index.json`"),
        ("oci-archive", "cut.tar", "nor its own end: it was cut short"),
        ("oci-archive", "cut.tar.gz", "was cut short"),
        ("oci-archive", "x.tar.zst", "compressed with zstd"),
        ("oci-archive", "x.tar.bz2", "compressed with bzip2"),
        ("oci-archive", "x.tar.xz", "compressed with xz"),
        ("oci-archive", "version.tar", "its version is 2.0"),
    ] {
        let location = Location {
            name: (name == "a").then(|| "b.tar".to_owned()),
            ..location(transport, &at(name))
        };
        let said = match transport {
            "docker-archive" => failure(DockerArchive::open(&location)),
            _ => failure(Layout::open(&location)),
        };
        assert!(said.contains(text), "{name}: {said}");
    }
}

#[test]
fn a_link_leads_out_of_a_folder_only_to_what_has_its_digest() {
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
    assert_eq!(read(&open(&root).unwrap()), image.blobs[1]);
    // Of anything else not a byte is given.
    let linked = open(&root).unwrap();
    std::fs::write(&secret, vec![b's'; image.blobs[1].len()]).unwrap();
    let mut bytes = Vec::new();
    let error = linked.reader().read_to_end(&mut bytes).expect_err("a secret");
    assert!(
        error.to_string().contains("has other bytes") && bytes.is_empty(),
        "{error}"
    );
    std::fs::remove_file(&secret).unwrap();
    let said = failure(open(&root));
    assert!(
        said.contains("is a link to what is not there; before the pipe, copy"),
        "{said}"
    );
    assert!(said.contains("`- cp -rL '"), "{said}");

    let root = make("link of the folder");
    std::fs::rename(root.join("blobs"), folder.path().join("blobs")).unwrap();
    symlink("../blobs", root.join("blobs")).unwrap();
    assert_eq!(read(&open(&root).unwrap()), image.blobs[1]);
    std::fs::remove_dir_all(folder.path().join("blobs")).unwrap();
    let said = failure(open(&root));
    assert!(said.contains("is a link to what is not there"), "{said}");

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
    assert!(failure(open(&root)).contains("is not a file"));

    let root = make("link to a device");
    std::fs::remove_file(root.join(&layer)).unwrap();
    symlink("/dev/zero", root.join(&layer)).unwrap();
    assert!(failure(open(&root)).contains("is not a file"));
}

/// A layout of several platforms, of which some parts are not there.
#[test]
fn what_an_index_names_is_there_before_anything_moves() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["amd64", "arm64"].map(|seed| Image::new(seed, 1));
    let entry = |image: &Image, architecture: &str| {
        let mut entry = descriptor(&image.manifest.media_type, &image.manifest.bytes);
        entry["platform"] = json!({ "os": "linux", "architecture": architecture });
        entry
    };
    let root = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry(&first, "amd64"), entry(&second, "arm64")],
    });
    let root = Manifest::new(root.to_string().into(), None).unwrap();
    let name = |bytes: &[u8]| blob_name(&Digest::of(bytes));
    for (number, (missing, fact)) in [
        (vec![], None),
        (
            vec![name(&second.manifest.bytes)],
            Some("1 entry is not there; write in `PLATFORM` what it has, `linux/amd64`"),
        ),
        (
            vec![name(&second.blobs[0])],
            Some("what it has, `linux/amd64`; or make"),
        ),
        (
            vec![name(&second.blobs[1])],
            Some("what it has, `linux/amd64`; or make"),
        ),
        (vec![name(&first.blobs[1])], Some("what it has, `linux/arm64`; or make")),
        (
            vec![name(&first.blobs[1]), name(&second.manifest.bytes)],
            Some("2 entries are not there; make it again"),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let folder = folder.path().join(number.to_string());
        std::fs::create_dir(&folder).unwrap();
        let mut files = [first.files(), second.files()].concat();
        files.push((name(&root.bytes), root.bytes.to_vec()));
        files.push((INDEX.to_owned(), index_json(&[(&root, json!({}))])));
        files.retain(|(name, _)| !missing.contains(name));
        for location in layouts(&folder, &files) {
            let layout = Layout::open(&location).unwrap();
            let checked = layout.check_whole(&layout.root(layout.choose(None).unwrap()).unwrap());
            match fact {
                None => checked.unwrap(),
                Some(fact) => {
                    let said = failure(checked);
                    assert!(said.contains(fact), "{said}");
                }
            }
        }
    }
}

/// An image is known by what it says of itself; what another manifest says of it must be the same.
#[test]
fn media_types_agree() {
    const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
    const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
    const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
    let folder = tempfile::tempdir().unwrap();
    let config = json!({ "mediaType": "c", "digest": Digest::of(b"{}").as_str(), "size": 2 });
    for (number, (own, stated, root, below)) in [
        (Some(OCI), OCI, Some(OCI), Some(OCI)),
        (Some(DOCKER), OCI, Some(DOCKER), None),
        (Some(OCI), DOCKER, Some(OCI), None),
        (Some(OCI), INDEX_TYPE, Some(OCI), None),
        (Some(DOCKER), LIST, Some(DOCKER), None),
        (Some(OCI), "", Some(OCI), Some(OCI)),
        (None, DOCKER, Some(DOCKER), Some(DOCKER)),
        (None, OCI, Some(OCI), Some(OCI)),
        (None, "", Some(OCI), Some(OCI)),
        (None, INDEX_TYPE, Some(OCI), None),
        (Some(INDEX_TYPE), OCI, None, None),
    ]
    .into_iter()
    .enumerate()
    {
        let mut document = json!({ "schemaVersion": 2, "config": config, "layers": [] });
        if let Some(own) = own {
            document["mediaType"] = json!(own);
        }
        let bytes = document.to_string();
        let mut listed = descriptor(stated, bytes.as_bytes());
        if stated.is_empty() {
            listed.as_object_mut().unwrap().remove("mediaType");
        }
        let list = json!({ "schemaVersion": 2, "manifests": [listed] }).to_string();
        let files = [
            (blob_name(&Digest::of(bytes.as_bytes())), bytes.clone().into_bytes()),
            (INDEX.to_owned(), list.into_bytes()),
        ];
        let folder = folder.path().join(number.to_string());
        std::fs::create_dir(&folder).unwrap();
        for location in layouts(&folder, &files) {
            let layout = Layout::open(&location).unwrap();
            let image = layout.choose(None).unwrap();
            let types = [layout.root(image), layout.manifest(&image.descriptor)]
                .map(|manifest| manifest.ok().map(|manifest| manifest.media_type));
            let wanted = [root, below].map(|wanted| wanted.map(str::to_owned));
            assert_eq!(types, wanted, "{own:?} {stated}");
        }
    }
}

/// What an index names by SHA-512 is found by that name, and not left out.
#[test]
fn a_manifest_keeps_the_digest_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let image = Image::new("x", 1);
    let sha512 = Digest::from_sha512(&<sha2::Sha512 as sha2::Digest>::digest(&image.manifest.bytes));
    let entry = Descriptor {
        media_type: image.manifest.media_type.clone(),
        digest: sha512.clone(),
        size: image.manifest.bytes.len() as u64,
        platform: None,
    };
    let list = json!({ "schemaVersion": 2, "manifests": [{
        "mediaType": entry.media_type, "digest": sha512.as_str(), "size": entry.size,
    }] });
    let files = [
        (blob_name(&sha512), image.manifest.bytes.to_vec()),
        (INDEX.to_owned(), list.to_string().into_bytes()),
    ];
    for location in layouts(folder.path(), &files) {
        let layout = Layout::open(&location).unwrap();
        assert_eq!(layout.manifest(&entry).unwrap().digest, sha512);
        assert_eq!(layout.root(layout.choose(None).unwrap()).unwrap(), image.manifest);
    }
}

#[test]
fn images_of_one_tag_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second, third] = ["first", "second", "third"].map(|seed| Image::new(seed, 1));
    let mut files: Vec<_> = [&first, &second, &third].into_iter().flat_map(Image::files).collect();
    files.push((
        INDEX.to_owned(),
        index_json(&[
            (
                &first.manifest,
                json!({ REF_NAME: "1", CONTAINERD_NAME: "docker.io/shop/a:1" }),
            ),
            (
                &second.manifest,
                json!({ REF_NAME: "1", CONTAINERD_NAME: "docker.io/shop/b:1" }),
            ),
            (&third.manifest, json!({ REF_NAME: "1" })),
        ]),
    ));
    for location in layouts(folder.path(), &files) {
        let layout = Layout::open(&location).unwrap();
        for name in [None, Some("1")] {
            let said = failure(layout.choose(name));
            assert!(
                said.contains("several images: `docker.io/shop/a:1`, `docker.io/shop/b:1`, `@2`"),
                "{said}"
            );
        }
        for (name, image) in [("docker.io/shop/b:1", &second), ("@2", &third)] {
            let chosen = layout.choose(Some(name)).unwrap();
            assert_eq!(layout.root(chosen).unwrap(), image.manifest);
        }
    }
}
