//! Runs skopeo, a client that knows nothing of ours, with its own folder for credentials and blobs.

use super::called::Called;
use super::image::Image;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// skopeo with settings.
pub struct Skopeo {
    folder: TempDir,
    certificates: Option<PathBuf>,
    environment: Vec<(String, String)>,
    patience: Option<u64>,
    wrapper: Vec<String>,
}

impl Default for Skopeo {
    fn default() -> Self {
        Self::new()
    }
}

impl Skopeo {
    /// For plain HTTP.
    pub fn new() -> Self {
        Self {
            folder: tempfile::Builder::new().prefix("crg-pipe-skopeo-").tempdir().unwrap(),
            certificates: None,
            environment: Vec::new(),
            patience: None,
            wrapper: Vec::new(),
        }
    }

    /// For TLS under a private CA.
    #[must_use]
    pub fn trusting(mut self, ca_pem: &str) -> Self {
        let folder = self.folder.path().join("certificates");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("ca.crt"), ca_pem).unwrap();
        self.certificates = Some(folder);
        self
    }

    /// One more variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Ended after so many seconds, as failed: it waits for ever where nothing comes.
    #[must_use]
    pub fn patience(mut self, seconds: u64) -> Self {
        self.patience = Some(seconds);
        self
    }

    /// Run by another program, with its arguments: `unshare`, say.
    #[must_use]
    pub fn by(mut self, wrapper: &[String]) -> Self {
        self.wrapper = wrapper.to_vec();
        self
    }

    /// `skopeo login`; later calls use what it stored.
    pub fn login(&self, host: &str, username: &str, password: &str) -> Called {
        self.run(&[
            "login",
            &self.tls(""),
            "--username",
            username,
            "--password",
            password,
            host,
        ])
    }

    /// `skopeo inspect --raw`: the bytes of a manifest.
    pub fn raw(&self, reference: &str) -> Called {
        self.run(&["inspect", "--raw", &self.tls(""), &format!("docker://{reference}")])
    }

    /// `skopeo copy` with its options, between transports as skopeo spells them.
    pub fn copy(&self, options: &[&str], source: &str, target: &str) -> Called {
        let (from, to) = (self.tls("src-"), self.tls("dest-"));
        self.run(&[&["copy", &from, &to], options, &[source, target]].concat())
    }

    /// Puts an image into a registry through an OCI layout, all platforms, digests kept.
    pub fn push(&self, image: &Image, reference: &str) -> Called {
        let layout = self.folder.path().join(format!("layout-{}", &image.digest()[7..19]));
        write_layout(&layout, image);
        self.copy(
            &["--all", "--preserve-digests"],
            &format!("oci:{}", layout.display()),
            &format!("docker://{reference}"),
        )
    }

    /// Its own folder, for archives.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Any call.
    pub fn run(&self, arguments: &[&str]) -> Called {
        let mut program = self.wrapper.clone();
        if let Some(seconds) = self.patience {
            program.extend(["timeout", "--kill-after=1", &seconds.to_string()].map(str::to_owned));
        }
        program.push("skopeo".to_owned());
        let command = Command::new(&program[0])
            .args(&program[1..])
            .arg("--insecure-policy")
            .args(arguments)
            .env("HOME", self.folder.path())
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .env("XDG_DATA_HOME", self.folder.path().join("data"))
            // Its memory of blobs then is below XDG_DATA_HOME for root too, not in /var/lib/containers.
            .env("_CONTAINERS_ROOTLESS_UID", "1000")
            .env("REGISTRY_AUTH_FILE", self.folder.path().join("auth.json"))
            .env("TMPDIR", self.folder.path())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .output()
            .expect("skopeo is not installed: apt-get install skopeo");
        Called::new("skopeo", &command)
    }

    fn tls(&self, side: &str) -> String {
        match &self.certificates {
            Some(folder) => format!("--{side}cert-dir={}", folder.display()),
            None => format!("--{side}tls-verify=false"),
        }
    }
}

/// An OCI image layout of an image, without a name.
pub fn write_layout(folder: &Path, image: &Image) {
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let write = |digest: &str, bytes: &[u8]| std::fs::write(blobs.join(&digest[7..]), bytes).unwrap();
    for part in image.walk() {
        write(&part.digest(), part.bytes());
        for blob in part.blobs() {
            write(&blob.digest(), &blob.bytes);
        }
    }
    let descriptor: Value = serde_json::json!({
        "mediaType": image.media_type(), "digest": image.digest(), "size": image.bytes().len(),
    });
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": [descriptor] });
    std::fs::write(folder.join("index.json"), index.to_string()).unwrap();
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}
