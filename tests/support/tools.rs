//! buildah, podman and umoci, which write and read archives and layouts: each with storage of its own.

use super::called::Called;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

const POLICY: &str = r#"{"default": [{"type": "insecureAcceptAnything"}]}"#;
/// Nothing is shared with another podman of this machine: no locks in shared memory, no journal.
const CONTAINERS: &str = "[engine]\nlock_type = \"file\"\nevents_logger = \"none\"\ncgroup_manager = \"cgroupfs\"\n";

/// A folder in which they work.
pub struct Tools {
    folder: TempDir,
}

impl Default for Tools {
    fn default() -> Self {
        Self::new()
    }
}

impl Tools {
    /// With empty storage.
    pub fn new() -> Self {
        // buildah makes a name of the path, and names have no capital letters.
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "crg-pipe-tools-{}-{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        let folder = tempfile::Builder::new().prefix(&name).rand_bytes(0).tempdir().unwrap();
        let settings = folder.path().join(".config/containers");
        std::fs::create_dir_all(&settings).unwrap();
        std::fs::write(settings.join("policy.json"), POLICY).unwrap();
        std::fs::write(folder.path().join("containers.conf"), CONTAINERS).unwrap();
        Self { folder }
    }

    /// Where they are called.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `buildah`
    pub fn buildah(&self, arguments: &[&str]) -> Called {
        self.stored("buildah", &[], arguments)
    }

    /// `podman`
    pub fn podman(&self, arguments: &[&str]) -> Called {
        let tmpdir = format!("--tmpdir={}", self.folder().join("tmp").display());
        self.stored("podman", &[&tmpdir], arguments)
    }

    /// `umoci`
    pub fn umoci(&self, arguments: &[&str]) -> Called {
        self.run("umoci", &[], arguments)
    }

    fn stored(&self, program: &'static str, options: &[&str], arguments: &[&str]) -> Called {
        let below = |name: &str| self.folder().join(name).display().to_string();
        let (root, runroot) = (
            format!("--root={}", below("storage")),
            format!("--runroot={}", below("run")),
        );
        let storage = [root.as_str(), runroot.as_str(), "--storage-driver=vfs"];
        self.run(program, &[&storage[..], options].concat(), arguments)
    }

    fn run(&self, program: &'static str, options: &[&str], arguments: &[&str]) -> Called {
        let output = Command::new(program)
            .args(options)
            .args(arguments)
            .current_dir(self.folder())
            .env("HOME", self.folder())
            .env("TMPDIR", self.folder())
            .env("CONTAINERS_CONF", self.folder().join("containers.conf"))
            .output()
            .unwrap_or_else(|_| {
                panic!("{program} is not installed: `make tools` does it, or apt-get install {program}")
            });
        Called::new(program, &output)
    }
}
