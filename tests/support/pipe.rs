//! Runs the real binary as a pipeline step would: its own clone folder, a cleared environment, variables as Pipelines
//! writes them. One run is one chain: `Pipe::new().var("ACTION", "retag")….run().succeeds()`.

use super::distribution::Distribution;
use super::emulator::{Emulator, Setup};
use super::engine::Engine;
use super::outcome::{Outcome, Secrets};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Variables whose values are secrets, with the variable of the user name beside each.
const SECRETS: [(&str, &str); 3] = [
    ("ATLASSIAN_API_TOKEN", "ATLASSIAN_ACCOUNT_EMAIL"),
    ("BITBUCKET_PACKAGES_TOKEN", "BITBUCKET_PACKAGES_USERNAME"),
    ("SOURCE_PASSWORD", "SOURCE_USERNAME"),
];

/// A proxy at a port where nobody listens.
const NO_NETWORK: &str = "http://127.0.0.1:9";

/// A run in preparation.
pub struct Pipe<'a> {
    program: Vec<String>,
    folder: TempDir,
    working: PathBuf,
    environment: BTreeMap<String, String>,
    secrets: Secrets,
    emulator: Option<&'a Emulator>,
    patience: Duration,
}

impl Default for Pipe<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Pipe<'a> {
    /// A fresh clone folder, which is the working folder too and `BITBUCKET_CLONE_DIR`. The only other variables are
    /// a proxy that refuses, so that no test reaches a network beyond this machine.
    pub fn new() -> Self {
        Self::called_with(&[])
    }

    /// The same with arguments for the binary.
    pub fn called_with(arguments: &[&str]) -> Self {
        let program = program();
        let words: Vec<&str> = program
            .iter()
            .map(String::as_str)
            .chain(arguments.iter().copied())
            .collect();
        Self::of(&words)
    }

    /// Another program with its arguments in place of the binary: for a proof of this runner, or a wrapped binary.
    pub fn of(program: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("crg-pipe-clone-").tempdir().unwrap();
        let pipe = Self {
            program: program.iter().map(|&part| part.to_owned()).collect(),
            working: folder.path().to_owned(),
            folder,
            environment: BTreeMap::new(),
            secrets: Secrets::default(),
            emulator: None,
            patience: Duration::from_secs(30),
        };
        let clone = pipe.clone_folder().display().to_string();
        pipe.env("BITBUCKET_CLONE_DIR", &clone)
            .env("HTTPS_PROXY", NO_NETWORK)
            .env("NO_PROXY", "localhost,127.0.0.1")
    }

    /// A pipe variable, or any other one of the environment.
    #[must_use]
    pub fn var(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A variable of the environment that is none of the pipe's; the same as [`Pipe::var`].
    #[must_use]
    pub fn env(self, name: &str, value: &str) -> Self {
        self.var(name, value)
    }

    /// Takes a variable away again.
    #[must_use]
    pub fn unset(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// A list as Pipelines hands it over: `NAME_COUNT`, `NAME_0`, ….
    #[must_use]
    pub fn list(self, name: &str, items: &[&str]) -> Self {
        let start = self.var(&format!("{name}_COUNT"), &items.len().to_string());
        let numbered = items.iter().enumerate();
        numbered.fold(start, |pipe, (number, item)| {
            pipe.var(&format!("{name}_{number}"), item)
        })
    }

    /// A variable whose value may appear nowhere; those of the credentials are known already.
    #[must_use]
    pub fn secret(mut self, name: &str, value: &str) -> Self {
        self.secrets.add(None, value);
        self.var(name, value)
    }

    /// A text that may appear nowhere: a secret that is part of a value, or that the run is given by others.
    #[must_use]
    pub fn hidden(mut self, text: &str) -> Self {
        self.secrets.add(None, text);
        self
    }

    /// The workspace of the step's repository, `WORKSPACE/api`, in all variables that name it.
    #[must_use]
    pub fn workspace(self, workspace: &str) -> Self {
        self.var("BITBUCKET_WORKSPACE", workspace)
            .var("BITBUCKET_REPO_OWNER", workspace)
            .var("BITBUCKET_REPO_SLUG", "api")
            .var("BITBUCKET_REPO_FULL_NAME", &format!("{workspace}/api"))
    }

    /// The emulator as `REGISTRY`, with what reaching it takes: its CA in `CA_CERTIFICATE`, its proxy in `HTTPS_PROXY`.
    #[must_use]
    pub fn registry(mut self, emulator: &'a Emulator) -> Self {
        self.emulator = Some(emulator);
        let mut pipe = self.var("REGISTRY", emulator.host());
        if let Some(pem) = emulator.authority_pem() {
            pipe = pipe.var("CA_CERTIFICATE", &pem);
        }
        pipe.var("HTTPS_PROXY", &emulator.proxy())
    }

    /// Runs where `host.docker.internal` is the emulator's API proxy, as a step of Pipelines has it; with `None` where no
    /// name is known at all. The machine's own files stay as they are. Where `nsswitch.conf` names another source of host
    /// names (systemd's `resolve`), a name would be asked for beside `resolv.conf`.
    #[must_use]
    pub fn in_step(mut self, emulator: Option<&Emulator>) -> Self {
        let names = emulator.map_or_else(String::new, |emulator| {
            let address = emulator.api_proxy().expect("an emulator with an API proxy");
            format!("{address} host.docker.internal")
        });
        let script = format!(
            "set -e; mount -t tmpfs none /mnt; printf '127.0.0.1 localhost\n{names}\n' >/mnt/hosts; \
             printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' >/mnt/resolv.conf; \
             printf 'hosts: files dns\n' >/mnt/nsswitch.conf; \
             for file in hosts resolv.conf nsswitch.conf; do mount --bind /mnt/$file /etc/$file; done; exec \"$0\" \"$@\""
        );
        let wrapper = [
            "/usr/bin/unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            &script,
        ];
        self.program.splice(0..0, wrapper.map(str::to_owned));
        self
    }

    /// Debian's docker-registry as `REGISTRY`, and its CA in `CA_CERTIFICATE`.
    #[must_use]
    pub fn distribution(self, registry: &Distribution) -> Self {
        let pipe = self.var("REGISTRY", &registry.host());
        match registry.authority_pem() {
            Some(pem) => pipe.var("CA_CERTIFICATE", &pem),
            None => pipe,
        }
    }

    /// A Docker Engine as `DOCKER_HOST`, by TCP on loopback.
    #[must_use]
    pub fn engine(self, engine: &Engine) -> Self {
        self.docker_host(&engine.tcp())
    }

    /// An action in the workspace of [`Setup::shop`], with its person's API token.
    #[must_use]
    pub fn of_shop(emulator: &'a Emulator, action: &str) -> Self {
        Self::new()
            .workspace("shop")
            .registry(emulator)
            .api_token()
            .var("ACTION", action)
    }

    /// The person of [`Setup::shop`] as `ATLASSIAN_ACCOUNT_EMAIL` and `ATLASSIAN_API_TOKEN`.
    #[must_use]
    pub fn api_token(self) -> Self {
        self.var("ATLASSIAN_ACCOUNT_EMAIL", Setup::EMAIL)
            .var("ATLASSIAN_API_TOKEN", &Setup::api_token())
    }

    /// The built-in credential of [`Setup::shop`].
    #[must_use]
    pub fn built_in(self) -> Self {
        self.var("BITBUCKET_PACKAGES_USERNAME", Setup::BUILT_IN_USERNAME)
            .var("BITBUCKET_PACKAGES_TOKEN", Setup::BUILT_IN_TOKEN)
    }

    /// The Docker daemon to use (`DOCKER_HOST`).
    #[must_use]
    pub fn docker_host(self, host: &str) -> Self {
        self.var("DOCKER_HOST", host)
    }

    /// Writes a file into the clone folder.
    #[must_use]
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.clone_folder().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// Runs in this folder below the clone folder: `cd sub` before the pipe.
    #[must_use]
    pub fn working_folder(mut self, below: &str) -> Self {
        self.working = self.clone_folder().join(below);
        std::fs::create_dir_all(&self.working).unwrap();
        self
    }

    /// Gives up later than after 30 seconds.
    #[must_use]
    pub fn patience(self, seconds: u64) -> Self {
        self.patience_of(Duration::from_secs(seconds))
    }

    /// Gives up after this time.
    #[must_use]
    pub fn patience_of(mut self, time: Duration) -> Self {
        self.patience = time;
        self
    }

    /// The clone folder.
    pub fn clone_folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs to the end.
    pub fn run(self) -> Outcome<'a> {
        self.start().wait()
    }

    /// Starts, for tests that do something meanwhile.
    pub fn start(mut self) -> Running<'a> {
        for (token, username) in SECRETS {
            if let Some(value) = self.environment.get(token) {
                self.secrets
                    .add(self.environment.get(username).map(String::as_str), value);
            }
        }
        let before = self.emulator.map(Mark::now);
        let files = self.secrets.look_at(self.folder.path());
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut command = Command::new(&self.program[0]);
        command
            .args(&self.program[1..])
            .env_clear()
            .envs(&self.environment)
            .current_dir(&self.working)
            .stdin(Stdio::null())
            // One pipe for both: the lines stay in the order in which a log shows them.
            .stdout(writer.try_clone().unwrap())
            .stderr(writer);
        let begun = Instant::now();
        let child = command.spawn().expect("the program starts");
        drop(command);
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count) = reader.read(&mut bytes) {
                if count == 0 || sender.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Running {
            process: Process(child),
            output,
            read: Vec::new(),
            begun,
            before,
            files,
            pipe: self,
        }
    }
}

/// The binary that Cargo has built for the tests, or the words of `CRG_PIPE`: one of another machine, with its emulator.
pub fn program() -> Vec<String> {
    match std::env::var("CRG_PIPE") {
        Ok(words) => words.split_whitespace().map(str::to_owned).collect(),
        Err(_) => vec![env!("CARGO_BIN_EXE_crg-pipe").to_owned()],
    }
}

/// How much an emulator's journal held when a run began.
pub(super) struct Mark {
    pub entries: usize,
    pub connections: usize,
}

impl Mark {
    fn now(emulator: &Emulator) -> Self {
        Self {
            entries: emulator.journal().len(),
            connections: emulator.connections(),
        }
    }
}

/// The process of a run; a test that fails meanwhile does not leave it behind.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail where the run has ended and was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A run that goes on.
pub struct Running<'a> {
    process: Process,
    output: Receiver<Vec<u8>>,
    read: Vec<u8>,
    begun: Instant,
    before: Option<Mark>,
    files: super::outcome::Files,
    pipe: Pipe<'a>,
}

impl<'a> Running<'a> {
    /// Waits until the output holds a text; colours do not count.
    #[must_use]
    pub fn until(mut self, text: &str) -> Self {
        while !super::outcome::without_colours(&String::from_utf8_lossy(&self.read)).contains(text) {
            if !self.read_more() {
                let said = self.give_up();
                panic!("the run never said `{text}`, but:\n{said}");
            }
        }
        self
    }

    /// Sends a signal (`TERM`, `INT`); none to a process that has ended.
    #[must_use]
    pub fn signal(mut self, name: &str) -> Self {
        if self.has_ended() {
            return self;
        }
        // The shell's own `kill`: a small Debian has no other.
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", self.process.0.id())])
            .status();
        assert!(sent.unwrap().success(), "kill -{name}");
        self
    }

    /// A file of the process below `/proc`.
    pub fn proc_file(&self, name: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{name}", self.process.0.id())).unwrap()
    }

    /// Whether the process is there no more.
    pub fn has_ended(&mut self) -> bool {
        self.process.0.try_wait().unwrap().is_some()
    }

    /// Waits for the end.
    pub fn wait(mut self) -> Outcome<'a> {
        while self.read_more() {}
        // Output ends with the process; if it closed its output and lives on, that is bounded too.
        let status = loop {
            match self.process.0.try_wait().unwrap() {
                Some(status) => break status,
                None if self.left().is_zero() => {
                    let said = self.give_up();
                    panic!("the run did not end within {:?}; it said:\n{said}", self.pipe.patience);
                }
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        let seconds = self.begun.elapsed().as_secs_f64();
        Outcome::new(
            status,
            String::from_utf8_lossy(&self.read).into_owned(),
            seconds,
            self.pipe.emulator.zip(self.before),
            self.pipe.folder,
            self.pipe.working,
            self.pipe.environment.get("REPORT").map(String::as_str),
            &self.pipe.secrets,
            &self.files,
        )
    }

    fn left(&self) -> Duration {
        self.pipe.patience.saturating_sub(self.begun.elapsed())
    }

    /// False at the end of the output, or when patience ends.
    fn read_more(&mut self) -> bool {
        let more = self.output.recv_timeout(self.left());
        more.is_ok_and(|bytes| {
            self.read.extend_from_slice(&bytes);
            true
        })
    }

    fn give_up(&mut self) -> String {
        let _ = self.process.0.kill();
        let _ = self.process.0.wait();
        String::from_utf8_lossy(&self.read).into_owned()
    }
}
