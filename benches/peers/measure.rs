//! One run of a program as a whole process: how long, how much CPU, how much memory.
//!
//! A process that is made takes over the peak memory of the one that made it, as far as the kernel's account goes. So
//! the bench, which has held whole layers, starts itself anew for each run, and that small process starts the program.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use wait4::Wait4 as _;

/// First argument of a bench that only measures.
pub(crate) const MEASURE: &str = "--measure";

/// A program to run.
pub(crate) struct Invocation {
    /// Program and arguments.
    pub(crate) arguments: Vec<String>,
    /// All of its environment.
    pub(crate) environment: BTreeMap<String, String>,
}

/// What a run took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// From before the start to after the end.
    pub(crate) wall: Duration,
    /// User and system time, with that of its own children.
    pub(crate) cpu: Duration,
    /// Largest resident set, in bytes; not below about 2 MiB, the measuring process's own.
    pub(crate) peak: u64,
    /// Exit status; -1 where a signal ended it.
    pub(crate) status: i32,
}

impl Measured {
    /// The peak in MiB.
    #[allow(clippy::cast_precision_loss, reason = "for people to read")]
    pub(crate) fn peak_mebi(&self) -> f64 {
        self.peak as f64 / 1_048_576.0
    }
}

/// Runs it in a folder; its output goes into `log` there.
pub(crate) fn measure(invocation: &Invocation, folder: &Path) -> Measured {
    let output = Command::new(std::env::current_exe().expect("the bench's own path"))
        .arg(MEASURE)
        .args(&invocation.arguments)
        .current_dir(folder)
        .env_clear()
        .envs(&invocation.environment)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("the bench starts itself");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = text.split_whitespace().map(|word| word.parse::<i64>().unwrap_or(-1));
    let mut next = || numbers.next().unwrap_or_else(|| panic!("could not measure: {text}"));
    let mut micros = || Duration::from_micros(u64::try_from(next()).unwrap_or_default());
    let (wall, cpu) = (micros(), micros());
    Measured {
        wall,
        cpu,
        peak: u64::try_from(next()).unwrap_or_default(),
        status: i32::try_from(next()).unwrap_or(-1),
    }
}

/// The bench that only measures: prints microseconds, microseconds, bytes, exit status.
pub(crate) fn measuring(arguments: &[String]) {
    let log = File::create("log").expect("a log file in the run's folder");
    let (program, arguments) = arguments.split_first().expect("a program to measure");
    let start = Instant::now();
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("the log file twice"))
        .stderr(log)
        .spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{program}: {error}"));
    let ended = child.wait4().expect("the child's end");
    let wall = start.elapsed();
    let used = ended.rusage;
    println!(
        "{} {} {} {}",
        wall.as_micros(),
        (used.utime + used.stime).as_micros(),
        used.maxrss,
        ended.status.code().unwrap_or(-1)
    );
}
