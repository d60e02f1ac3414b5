//! Real servers that end with the test process, whatever ends it: each runs below a shell that reads a pipe which
//! only the test process holds open. At the pipe's end the shell stops the server, cleans up and removes its folder.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// Keeps the server until the pipe ends.
const KEEPER: &str = r#"
"$@" >"$SUPERVISED_FOLDER/log" 2>&1 &
pid=$!
echo "$pid" >"$SUPERVISED_FOLDER/pid"
read -r _
kill "$pid"
wait "$pid"
eval "$SUPERVISED_CLEANUP"
rm -rf "$SUPERVISED_FOLDER"
"#;
/// How long a server may take until it is ready, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server process and its folder; both go when this is dropped or the test process ends.
pub struct Supervised {
    keeper: Child,
    pipe: Option<ChildStdin>,
    folder: PathBuf,
}

/// A server to start.
pub struct Program {
    folder: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    cleanup: String,
}

impl Program {
    /// A program with a new folder of its own, readable only to us.
    pub fn new(program: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("crg-pipe-").tempdir().unwrap().keep();
        Self {
            folder,
            arguments: vec![program.to_owned()],
            environment: Vec::new(),
            cleanup: String::new(),
        }
    }

    /// Its folder: for configuration before the start, and for data.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a file into the folder; gives its path.
    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// Writes lines for `sh` into the folder, as a program; gives its path.
    pub fn script(&self, name: &str, lines: &str) -> PathBuf {
        let path = PathBuf::from(self.file(name, &format!("#!/bin/sh\n{lines}\n")));
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// More arguments.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// One more variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A shell line to run after the server's end.
    #[must_use]
    pub fn afterwards(mut self, line: &str) -> Self {
        self.cleanup.push_str(line);
        self.cleanup.push('\n');
        self
    }

    /// Starts it.
    pub fn start(self) -> Supervised {
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .args(&self.arguments)
            .env("SUPERVISED_FOLDER", &self.folder)
            .env("SUPERVISED_CLEANUP", &self.cleanup)
            .envs(self.environment)
            // A group of its own: an interrupt at the terminal ends the test, and so the pipe, but not the keeper.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        let pipe = keeper.stdin.take();
        Supervised {
            keeper,
            pipe,
            folder: self.folder,
        }
    }
}

impl Supervised {
    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.folder.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Polls until the server is ready. Panics with its log if it ends or takes too long.
    pub fn wait_until<T>(&self, what: &str, mut ready: impl FnMut(&Self) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = ready(self) {
                return found;
            }
            assert!(!self.has_ended(), "it ended before {what}:\n{}", self.log());
            assert!(
                begun.elapsed() < PATIENCE,
                "no sign of {what} in {PATIENCE:?}:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether the server is gone, or a zombie that the keeper has yet to collect.
    fn has_ended(&self) -> bool {
        let Ok(pid) = std::fs::read_to_string(self.folder.join("pid")) else {
            return false;
        };
        let pid = pid.trim();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        !pid.is_empty() && stat.map_or(true, |stat| stat.contains(") Z "))
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let _ = self.keeper.wait();
    }
}
