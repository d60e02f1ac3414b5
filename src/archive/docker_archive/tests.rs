use super::super::fixture::{Image, descriptor, gzip, index, index_json, location, tar};
use super::super::layout::blob_name;
use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::Path;

/// The archive, plain and gzip-compressed.
fn archives(folder: &Path, bytes: &[u8]) -> [Location; 2] {
    [("x.tar", bytes.to_vec()), ("x.tar.gz", gzip(bytes))].map(|(name, bytes)| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        location("docker-archive", &path)
    })
}

fn read(source: &BlobSource) -> Vec<u8> {
    let mut bytes = Vec::new();
    source.reader().read_to_end(&mut bytes).unwrap();
    bytes
}

fn failure<T: std::fmt::Debug>(result: Result<T, ArchiveError>) -> String {
    let error = result.expect_err("must fail");
    format!("{error}; {}", error.hint().unwrap_or_default())
}

/// What Docker before 25 saves: two images that share their lower layer, which the second has as a link.
fn old_form(first: &Image, second: &Image) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut file = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, name, bytes).unwrap();
    };
    let config = |image: &Image| format!("{}.json", &image.config_digest().as_str()[7..]);
    let list = json!([
        { "Config": config(first), "RepoTags": ["shop/api:1", "api:latest"], "Layers": ["a/layer.tar", "b/layer.tar"] },
        { "Config": config(second), "RepoTags": null, "Layers": ["c/layer.tar", "d/layer.tar"] },
    ]);
    file("a/VERSION", b"1.0");
    file("a/layer.tar", &first.layer_tars[0]);
    file("b/layer.tar", &first.layer_tars[1]);
    file("d/layer.tar", &second.layer_tars[1]);
    file(&config(first), &first.blobs[0]);
    file(&config(second), &second.blobs[0]);
    file("manifest.json", list.to_string().as_bytes());
    file("repositories", b"{}");
    let mut link = tar::Header::new_ustar();
    link.set_entry_type(tar::EntryType::Symlink);
    archive.append_link(&mut link, "c/layer.tar", "../a/layer.tar").unwrap();
    archive.into_inner().unwrap()
}

#[test]
fn old_engines_archives_with_links_between_layers() {
    let folder = tempfile::tempdir().unwrap();
    let first = Image::new("x", 2);
    let mut second = Image::new("y", 2);
    second.layer_tars[0].clone_from(&first.layer_tars[0]);
    let diff_ids: Vec<String> = second
        .layer_tars
        .iter()
        .map(|tar| Digest::of(tar).to_string())
        .collect();
    second.blobs[0] = json!({ "rootfs": { "diff_ids": diff_ids } }).to_string().into();
    for location in archives(folder.path(), &old_form(&first, &second)) {
        let archive = DockerArchive::open(&location).unwrap();
        for (name, image) in [
            ("shop/api:1", &first),
            ("api", &first),
            ("docker.io/library/api:latest", &first),
            ("@1", &second),
        ] {
            let chosen = archive.choose(Some(name)).expect(name);
            assert_eq!(
                (&chosen.config, &chosen.config_digest),
                (&image.blobs[0], &image.config_digest())
            );
            assert_eq!((chosen.layers.len(), chosen.manifest), (2, None));
            for (layer, tar) in chosen.layers.iter().zip(&image.layer_tars) {
                assert_eq!(
                    (&layer.diff_id, layer.compression),
                    (&Digest::of(tar), Compression::None)
                );
                assert_eq!(layer.digest, None);
                assert_eq!(read(&layer.content), *tar);
            }
        }
        for (name, text) in [
            (
                Some("shop/api"),
                "has no image `shop/api`, but `shop/api:1`, `api:latest`",
            ),
            (Some("@2"), "has no image"),
            (None, "has several images: `shop/api:1`, `@1`"),
        ] {
            let said = failure(archive.choose(name));
            assert!(said.contains(text), "{said}");
        }
    }
}

/// Docker 25 and later; with containerd's store the layers are as in the registry, beside other platforms' manifests.
#[test]
fn new_engines_archives_keep_the_manifest_where_it_fits() {
    let folder = tempfile::tempdir().unwrap();
    let (image, other) = (Image::new("x", 2), Image::new("other platform", 2));
    // What has its configuration or its layers alone is another image.
    let decoy = |parts: [&[u8]; 3]| {
        let [config, layers @ ..] = parts.map(|bytes| descriptor("m", bytes));
        Manifest::new(
            json!({ "schemaVersion": 2, "config": config, "layers": layers })
                .to_string()
                .into(),
            None,
        )
        .unwrap()
    };
    let (own, foreign) = (&image.blobs, &other.blobs);
    let decoys = [
        decoy([&foreign[0], &own[1], &own[2]]),
        decoy([&own[0], &foreign[1], &foreign[2]]),
        decoy([&own[0], &own[1], &foreign[2]]),
    ];
    let [first, second, third] = &decoys;
    let root = index(&[first, second, third, &other.manifest, &image.manifest]);
    let layers: Vec<String> = image.blobs[1..]
        .iter()
        .map(|blob| blob_name(&Digest::of(blob)))
        .collect();
    let list = json!([{ "Config": blob_name(&image.config_digest()), "RepoTags": ["api:1"], "Layers": layers }]);
    let mut files = image.files();
    let manifests = decoys.iter().chain([&root]);
    files.extend(manifests.map(|manifest| (blob_name(&manifest.digest), manifest.bytes.to_vec())));
    files.push(("index.json".to_owned(), index_json(&[(&root, json!({}))])));
    files.push(("manifest.json".to_owned(), list.to_string().into_bytes()));
    let entries: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    for location in archives(folder.path(), &tar(&entries)) {
        let chosen = DockerArchive::open(&location).unwrap().choose(None).unwrap();
        assert_eq!(chosen.manifest.as_ref(), Some(&image.manifest));
        assert_eq!(chosen.names, ["api:1"]);
        for (layer, blob) in chosen.layers.iter().zip(&image.blobs[1..]) {
            assert_eq!(
                (layer.compression, layer.digest.clone()),
                (Compression::Gzip, Some(Digest::of(blob)))
            );
            assert_eq!(read(&layer.content), *blob);
        }
    }

    // Without containerd's store the layers are plain tars and the manifest is made up for the archive.
    let plain = &image.layer_tars[0];
    let config = json!({ "rootfs": { "diff_ids": [Digest::of(plain).as_str()] } }).to_string();
    let manifest =
        json!({ "schemaVersion": 2, "config": descriptor("c", config.as_bytes()), "layers": [descriptor("l", plain)] })
            .to_string();
    let manifest = Manifest::new(manifest.into(), None).unwrap();
    let names = [config.as_bytes(), plain, &manifest.bytes].map(|bytes| blob_name(&Digest::of(bytes)));
    let list = json!([{ "Config": names[0], "RepoTags": ["api:1"], "Layers": [names[1]] }]).to_string();
    let bytes = tar(&[
        (&names[0], config.as_bytes()),
        (&names[1], plain),
        (&names[2], &manifest.bytes),
        ("index.json", &index_json(&[(&manifest, json!({}))])),
        ("manifest.json", list.as_bytes()),
    ]);
    for location in archives(folder.path(), &bytes) {
        let chosen = DockerArchive::open(&location).unwrap().choose(None).unwrap();
        assert_eq!(chosen.manifest, None);
        assert_eq!(chosen.layers[0].compression, Compression::None);
    }
}

/// Four indexes that each name the one below a thousand times are 10^12 manifests, if each is read as often as it is named.
#[test]
fn each_manifest_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let (image, other) = (Image::new("x", 1), Image::new("other", 1));
    let mut files = [image.files(), other.files()].concat();
    let mut below = other.manifest;
    for _ in 0..3 {
        below = index(&[&below; 1000]);
        files.push((blob_name(&below.digest), below.bytes.to_vec()));
    }
    files.push(("index.json".to_owned(), index_json(&vec![(&below, json!({})); 1000])));
    let layer = blob_name(&Digest::of(&image.blobs[1]));
    let list = json!([{ "Config": blob_name(&image.config_digest()), "RepoTags": null, "Layers": [layer] }]);
    files.push(("manifest.json".to_owned(), list.to_string().into_bytes()));
    let entries: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    let path = folder.path().join("x.tar");
    std::fs::write(&path, tar(&entries)).unwrap();
    let archive = DockerArchive::open(&location("docker-archive", &path)).unwrap();
    assert_eq!(archive.choose(None).unwrap().manifest, None);
}

fn one(list: &Value, config: &str, layer: (&str, &[u8])) -> Vec<u8> {
    tar(&[
        ("manifest.json", list.to_string().as_bytes()),
        ("config.json", config.as_bytes()),
        layer,
    ])
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let diff_id = Digest::of(b"layer").to_string();
    let config = json!({ "rootfs": { "diff_ids": [diff_id] } }).to_string();
    let list = json!([{ "Config": "config.json", "RepoTags": ["a:1"], "Layers": ["layer.tar"] }]);
    let of_kaniko = format!("sha256:{}", "1".repeat(64));
    let wrong_name = format!("{}.json", "0".repeat(64));
    for (bytes, text) in [
        (
            one(&list, &config, ("other.tar", b"layer")),
            "does not have `layer.tar`",
        ),
        (
            one(&list, &config, ("layer.tar", b"BZh91AY")),
            "has a layer compressed with bzip2: `layer.tar`",
        ),
        (
            one(&list, r#"{"rootfs":{"diff_ids":[]}}"#, ("layer.tar", b"")),
            "it has 1 layers where the configuration has 0",
        ),
        (
            one(&list, r#"{"rootfs":{"diff_ids":["x"]}}"#, ("layer.tar", b"")),
            "`x` is not a digest",
        ),
        (one(&list, "{}", ("layer.tar", b"")), "damaged at `config.json`"),
        (one(&json!([]), "{}", ("layer.tar", b"")), "lists no image"),
        (one(&json!(null), "{}", ("layer.tar", b"")), "lists no image"),
        (
            one(&json!([{ "Config": "../../etc/passwd" }]), "{}", ("layer.tar", b"")),
            "is not safe to use",
        ),
        (
            one(&json!([{ "Config": "/etc/passwd" }]), "{}", ("layer.tar", b"")),
            "is not safe to use",
        ),
        (
            one(&json!([{ "Config": wrong_name }]), "{}", (&wrong_name, b"{}")),
            "wrong bytes for sha256:000",
        ),
        (
            one(&json!([{ "Config": of_kaniko }]), "{}", (&of_kaniko, b"{}")),
            "wrong bytes for sha256:111",
        ),
        (tar(&[("repositories", b"{}")]), "it has no `manifest.json`"),
    ] {
        for location in archives(folder.path(), &bytes) {
            let said = failure(DockerArchive::open(&location).and_then(|archive| archive.choose(None)));
            assert!(said.contains(text), "`{text}` is not in {said}");
        }
    }
    let whole = one(&list, &config, ("layer.tar", &[b'x'; 2000]));
    for location in archives(folder.path(), &whole[..whole.len() - 2000]) {
        let said = failure(DockerArchive::open(&location).and_then(|archive| archive.choose(None)));
        assert!(said.contains("was cut short"), "{said}");
    }
}

/// `crane pull` writes a configuration once for each image that has it.
#[test]
fn a_document_may_be_there_again_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({ "rootfs": { "diff_ids": [Digest::of(b"layer").as_str()] } }).to_string();
    let name = Digest::of(config.as_bytes()).to_string();
    let image = |tag: &str| json!({ "Config": name, "RepoTags": [tag], "Layers": ["layer.tar"] });
    let list = json!([image("a:1"), image("a:2")]).to_string();
    let large =
        json!({ "rootfs": { "diff_ids": [Digest::of(b"layer").as_str()] }, "x": "y".repeat(70_000) }).to_string();
    let again: [(&str, &str, Result<(), &str>); 9] = [
        (&name, &config, Ok(())),
        (&format!("./{name}"), &config, Ok(())),
        ("manifest.json", &list, Ok(())),
        (&name, &config.replace('r', "R"), Err("is there twice")),
        (&name, "", Err("is there twice")),
        ("manifest.json", "[]", Err("is there twice")),
        ("layer.tar", "other", Err("is there twice")),
        // Only documents are compared, and no large ones.
        ("layer.tar", "layer", Err("is there twice")),
        (&name, &large, Err("is there twice")),
    ];
    for (entry, bytes, wanted) in again {
        let first = if bytes == large { &large } else { &config };
        let bytes = tar(&[
            (name.as_str(), first.as_bytes()),
            ("layer.tar", b"layer"),
            ("manifest.json", list.as_bytes()),
            (entry, bytes.as_bytes()),
        ]);
        for location in archives(folder.path(), &bytes) {
            let chosen = DockerArchive::open(&location).and_then(|archive| archive.choose(None));
            match wanted {
                Ok(()) => assert_eq!(chosen.unwrap().config, config.as_bytes(), "{entry}"),
                Err(text) => {
                    let said = failure(chosen);
                    assert!(said.contains(text), "`{text}` is not in {said}");
                }
            }
        }
    }
}

/// containerify, in JavaScript; Go reads keys in any case, and writes an empty list as `null`.
#[test]
fn keys_count_in_any_case_and_null_is_an_empty_list() {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({ "RootFS": { "Diff_IDs": [Digest::of(b"layer").as_str()] } }).to_string();
    let empty = json!({ "rootfs": { "type": "layers", "diff_ids": null } }).to_string();
    for (list, config, layers) in [
        (
            json!([{ "config": "config.json", "repoTags": ["a:1"], "layers": ["layer.tar"] }]),
            &config,
            Ok(1),
        ),
        (
            json!([{ "CONFIG": "config.json", "repotags": null, "LAYERS": ["layer.tar"], "parent": "x" }]),
            &config,
            Ok(1),
        ),
        (
            json!([{ "Config": "config.json", "RepoTags": null, "Layers": null }]),
            &empty,
            Ok(0),
        ),
        (json!([{ "Config": "config.json" }]), &empty, Ok(0)),
        (
            json!([{ "Config": "config.json", "config": "layer.tar" }]),
            &empty,
            Err("has `Config` twice"),
        ),
        (json!([{ "Layers": [] }]), &empty, Err("`Config`: invalid type")),
    ] {
        for location in archives(folder.path(), &one(&list, config, ("layer.tar", b"layer"))) {
            let chosen = DockerArchive::open(&location).and_then(|archive| archive.choose(None));
            match layers {
                Ok(count) => assert_eq!(chosen.unwrap().layers.len(), count, "{list}"),
                Err(text) => assert!(failure(chosen).contains(text), "{list}"),
            }
        }
    }
}

/// An engine with containerd's store names two manifests over one configuration.
#[test]
fn of_two_manifests_with_one_configuration_the_named_one_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let image = Image::new("x", 1);
    let text = String::from_utf8(image.manifest.bytes.to_vec()).unwrap();
    let other = Manifest::new(format!("{text} ").into(), None).unwrap();
    let layer = blob_name(&Digest::of(&image.blobs[1]));
    let config = blob_name(&image.config_digest());
    let entry = |name: &str| json!({ "Config": config, "RepoTags": [name], "Layers": [layer] });
    let named = |name: &str| json!({ "io.containerd.image.name": name, "org.opencontainers.image.ref.name": "1" });
    let list = |second: &str| json!([entry("shop/a:1"), entry(second)]).to_string();
    for (index, second, chosen) in [
        (
            Some(vec![
                (&image.manifest, named("docker.io/shop/a:1")),
                (&other, named("docker.io/shop/b:1")),
            ]),
            "shop/b:1",
            [None, Some(&image.manifest), Some(&other)],
        ),
        // One image under two names is one image.
        (
            Some(vec![
                (&other, named("docker.io/shop/a:1")),
                (&other, named("docker.io/shop/b:1")),
            ]),
            "shop/b:1",
            [Some(&other), Some(&other), Some(&other)],
        ),
        // What lists nothing, or cannot be read, is no bonus and no harm.
        (None, "shop/b:1", [None, None, None]),
    ] {
        let mut files = image.files();
        files.push((blob_name(&other.digest), other.bytes.to_vec()));
        files.push(("manifest.json".to_owned(), list(second).into_bytes()));
        let is_read = index.is_some();
        files.push((
            "index.json".to_owned(),
            index.map_or(b"{\"manifests\": 1}".to_vec(), |index| index_json(&index)),
        ));
        let entries: Vec<(&str, &[u8])> = files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
            .collect();
        for location in archives(folder.path(), &tar(&entries)) {
            let archive = DockerArchive::open(&location).unwrap();
            for (name, wanted) in [None, Some("shop/a:1"), Some("shop/b:1")].into_iter().zip(chosen) {
                match archive.choose(name) {
                    Ok(image) => assert_eq!(image.manifest.as_ref(), wanted, "{name:?}"),
                    Err(error) => {
                        assert!(is_read && name.is_none() && wanted.is_none(), "{error}");
                        let said = error.to_string();
                        assert!(said.contains("several images: `shop/a:1`, `shop/b:1`"), "{said}");
                    }
                }
            }
        }
    }
}

#[test]
fn names_mean_what_they_mean_to_docker() {
    for (name, whole) in [
        ("api", "docker.io/library/api:latest"),
        ("api:1", "docker.io/library/api:1"),
        ("shop/api:1", "docker.io/shop/api:1"),
        ("localhost/api", "localhost/api:latest"),
        ("localhost:5000/api:1", "localhost:5000/api:1"),
        ("docker.io/api:1", "docker.io/library/api:1"),
    ] {
        assert_eq!(familiar(name), whole, "{name}");
    }
}

proptest! {
    #[test]
    fn no_list_breaks_it(list in "\\PC{0,60}", config in "[a-z./]{0,12}", layers in prop::collection::vec("[a-z./]{0,12}", 0..3), name in "\\PC{0,12}") {
        let folder = tempfile::tempdir().unwrap();
        let sound = json!([{ "Config": config, "RepoTags": [name], "Layers": layers }]).to_string();
        for list in [list, sound] {
            let path = folder.path().join("x.tar");
            std::fs::write(&path, tar(&[("manifest.json", list.as_bytes()), ("a", b"{}")])).unwrap();
            if let Ok(archive) = DockerArchive::open(&location("docker-archive", &path)) {
                let _ = archive.choose(Some(&name));
                let _ = archive.choose(None);
            }
        }
    }
}
