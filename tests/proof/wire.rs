//! The emulator's registry on the wire: what no finished client does, or does too well to be seen.

use super::curl::curl;
use crate::support::emulator::{Emulator, Settings, Setup, SignIn};
use crate::support::image::{Image, OCI_INDEX, digest};
use serde_json::Value;

/// An emulator that takes Basic, and ada's calls to it.
struct Wire {
    emulator: Emulator,
    credential: String,
}

impl Wire {
    fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let setup = Setup::shop().with(|settings| settings.sign_in = SignIn::Basic);
        Self {
            emulator: Emulator::start(setup.with(change)),
            credential: format!("{}:{}", Setup::EMAIL, Setup::api_token()),
        }
    }

    fn call(&self, method: &str, path: &str, more: &[&str]) -> (u16, String, String) {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            self.emulator.origin().to_owned() + path
        };
        let arguments = [&["-u", &self.credential, "-X", method], more, &[&url]].concat();
        curl(&self.emulator, &arguments)
    }

    fn open(&self) -> String {
        let (status, head, _) = self.call("POST", "/v2/shop/api/blobs/uploads/", &[]);
        assert_eq!(status, 202);
        assert!(head.contains("range: 0-0"), "{head}");
        location(&head)
    }
}

fn location(head: &str) -> String {
    let line = head.lines().find_map(|line| line.strip_prefix("location: "));
    line.expect("a Location").to_owned()
}

fn code(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap();
    body["errors"][0]["code"].as_str().unwrap().to_owned()
}

#[test]
fn an_upload_in_pieces() {
    let wire = Wire::new(|_| {});
    let (status, head, _) = wire.call("PATCH", &wire.open(), &["--data-binary", "one"]);
    assert_eq!(status, 202);
    assert!(head.contains("range: 0-2"), "{head}");
    let next = location(&head);
    let (status, head, _) = wire.call("GET", &next, &[]);
    assert_eq!(status, 204);
    assert!(head.contains("range: 0-2"), "{head}");
    let range = ["-H", "Content-Range: 1-3", "--data-binary", "two"];
    assert_eq!(wire.call("PATCH", &next, &range).0, 416);
    let next = location(&wire.call("PATCH", &next, &["--data-binary", "two"]).1);
    let name = digest(b"onetwo!");
    let (status, _, _) = wire.call("PUT", &format!("{next}&digest={name}"), &["--data-binary", "!"]);
    assert_eq!(status, 201);
    assert!(wire.emulator.has_blob("shop/api", &name));
    assert_eq!(wire.emulator.blob_bytes_received(), 7);
}

#[test]
fn an_upload_that_goes_wrong() {
    let wire = Wire::new(|_| {});
    let wrong = format!("{}&digest={}", wire.open(), digest(b"other"));
    let (status, _, body) = wire.call("PUT", &wrong, &["--data-binary", "this"]);
    assert_eq!((status, code(&body).as_str()), (400, "DIGEST_INVALID"));
    let first = wire.open();
    wire.call("PATCH", &first, &["--data-binary", "x"]);
    let (status, _, body) = wire.call("PATCH", &first, &["--data-binary", "x"]);
    assert_eq!((status, code(&body).as_str()), (400, "BLOB_UPLOAD_INVALID"));
    let other = wire.open();
    assert_eq!(wire.emulator.open_uploads(), 2);
    assert_eq!(wire.call("DELETE", &other, &[]).0, 204);
    let (status, _, body) = wire.call("GET", &other, &[]);
    assert_eq!((status, code(&body).as_str()), (404, "BLOB_UPLOAD_UNKNOWN"));
}

#[test]
fn uploads_and_mounts_by_one_post() {
    let wire = Wire::new(|settings| settings.single_post = true);
    let name = digest(b"all of it");
    let path = format!("/v2/shop/base/blobs/uploads/?digest={name}");
    assert_eq!(wire.call("POST", &path, &["--data-binary", "all of it"]).0, 201);
    let mount = format!("/v2/shop/api/blobs/uploads/?mount={name}&from=shop/base");
    assert_eq!(wire.call("POST", &mount, &[]).0, 201);
    let unknown = format!("/v2/shop/api/blobs/uploads/?mount={}&from=shop/base", digest(b"no"));
    assert_eq!(wire.call("POST", &unknown, &[]).0, 202);
    wire.emulator.settings(|settings| settings.mounts = false);
    assert_eq!(wire.call("POST", &mount, &[]).0, 202);
}

#[test]
fn manifests_need_what_they_name() {
    let wire = Wire::new(|_| {});
    let image = Image::multi("children");
    for part in image.walk() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), part.bytes()).unwrap();
        let data = format!("@{}", file.path().display());
        let content = format!("Content-Type: {}", part.media_type());
        let put = |reference: &str| {
            let path = format!("/v2/shop/api/manifests/{reference}");
            wire.call("PUT", &path, &["-H", &content, "--data-binary", &data])
        };
        let (status, _, body) = put("1");
        let expected = if part.media_type() == OCI_INDEX { 201 } else { 400 };
        assert_eq!(status, expected, "{body}");
        if expected == 400 {
            assert_eq!(code(&body), "MANIFEST_BLOB_UNKNOWN");
            wire.emulator.put_untagged("shop/api", part);
        }
        assert_eq!(put(&part.digest()).0, 201);
        assert_eq!(put(&digest(b"another")).0, 400);
    }
    assert_eq!(wire.emulator.manifest("shop/api", "1").as_ref(), Some(image.bytes()));
    let (status, head, body) = wire.call("GET", "/v2/shop/api/manifests/1", &["-H", "Accept: text/plain"]);
    assert_eq!((status, code(&body).as_str()), (404, "MANIFEST_UNKNOWN"), "{head}");
    let (status, head, _) = wire.call("GET", "/v2/shop/api/manifests/1", &["-I"]);
    assert_eq!(status, 200);
    assert!(
        head.contains(&format!("docker-content-digest: {}", image.digest())),
        "{head}"
    );
    assert!(
        head.contains(&format!("content-length: {}", image.bytes().len())),
        "{head}"
    );
}

#[test]
fn referrers_where_they_are_served() {
    let wire = Wire::new(|settings| settings.referrers = true);
    let image = Image::small("signed");
    wire.emulator.put_image("shop/api", "1", &image);
    for kind in ["application/vnd.test.signature", "application/vnd.test.sbom"] {
        wire.emulator
            .put_untagged("shop/api", &Image::referrer_of(&image, kind));
    }
    let path = format!("/v2/shop/api/referrers/{}", image.digest());
    let listed = |path: &str| -> Value { serde_json::from_str(&wire.call("GET", path, &[]).2).unwrap() };
    assert_eq!(listed(&path)["manifests"].as_array().unwrap().len(), 2);
    let one = listed(&format!("{path}?artifactType=application/vnd.test.sbom"));
    assert_eq!(one["manifests"].as_array().unwrap().len(), 1);
    wire.emulator.settings(|settings| settings.referrers = false);
    assert_eq!(wire.call("GET", &path, &[]).0, 404);
}

#[test]
fn the_realm_may_be_elsewhere() {
    let emulator = Emulator::start(Setup::shop().with(|settings| {
        settings.realm = Some("https://10.0.0.1/token".to_owned());
    }));
    let (status, head, _) = curl(&emulator, &[&format!("{}/v2/", emulator.origin())]);
    assert_eq!(status, 401);
    assert!(
        head.contains("bearer realm=\"https://10.0.0.1/token\",service="),
        "{head}"
    );
}
