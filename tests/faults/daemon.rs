//! The Docker daemon's streams, broken off on their way from a real daemon: what counts is what the daemon and the
//! registry have in the end.

use super::case::{Action, LAYER};
use super::page;
use super::run::{self, Cell};
use crate::support::emulator::{Emulator, Setup};
use crate::support::engine::Engine;
use crate::support::image::{Image, ImageBuilder};
use crate::support::outcome::Outcome;
use crate::support::pipe::Pipe;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

on_docker!(no_broken_stream_loses_anything);

/// What becomes of an answer.
#[derive(Debug, Clone, Copy)]
enum How {
    /// So many bytes of it, head and all, then the connection is closed.
    Cut(usize),
    /// None of it, and the connection stays open.
    Silent,
}

/// A relay before an engine that breaks the first answers to a request; it lives as long as the test process.
struct Relay {
    address: SocketAddr,
    asked: Arc<Mutex<usize>>,
}

impl Relay {
    fn before(engine: &str, path: &'static str, times: usize, how: How) -> Self {
        let target = engine.strip_prefix("tcp://").expect("a TCP address").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(0));
        let counted = asked.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (target, counted) = (target.clone(), counted.clone());
                std::thread::spawn(move || {
                    relay(&client, &target, &|request| {
                        let mut asked = counted.lock().unwrap();
                        *asked += usize::from(request.contains(path));
                        (request.contains(path) && *asked <= times).then_some(how)
                    });
                });
            }
        });
        Self { address, asked }
    }
}

fn relay(client: &TcpStream, target: &str, judge: &dyn Fn(&str) -> Option<How>) {
    let Ok(server) = TcpStream::connect(target) else { return };
    let fault = Arc::new(Mutex::new(None));
    let (mut answers, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let met = fault.clone();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = answers.read(&mut bytes) {
            let mut fault = met.lock().unwrap();
            let passes = match *fault {
                None => count,
                Some(How::Silent) => 0,
                Some(How::Cut(left)) => {
                    *fault = Some(How::Cut(left.saturating_sub(count)));
                    count.min(left)
                }
            };
            let is_cut = matches!(*fault, Some(How::Cut(0)));
            if to_client.write_all(&bytes[..passes]).is_err() || is_cut {
                break;
            }
        }
        let _ = to_client.shutdown(Shutdown::Both);
    });
    let (mut from_client, mut to_server) = (client, &server);
    let mut bytes = [0; 16 << 10];
    // A client writes the head of a request at once, and no request before the answer to the last.
    while let Ok(count @ 1..) = from_client.read(&mut bytes) {
        let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
        if let Some(how) = text.lines().next().and_then(judge) {
            *fault.lock().unwrap() = Some(how);
        }
        if to_server.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
}

/// A row: what becomes of how many answers, and what is to come of it.
struct Row {
    fault: &'static str,
    times: usize,
    how: How,
    tries: usize,
    status: i32,
}

const ROWS: [Row; 7] = [
    row("nothing", 0, How::Silent, 1),
    row("closed before an answer", 1, How::Cut(0), 2),
    row("cut in the head", 1, How::Cut(20), 2),
    row("cut among the lines", 1, How::Cut(420), 2),
    row("cut twice among the lines", 2, How::Cut(420), 3),
    row("no answer at all", 1, How::Silent, 2),
    Row {
        status: 6,
        ..row("cut among the lines, for ever", usize::MAX, How::Cut(420), 3)
    },
];

const fn row(fault: &'static str, times: usize, how: How, tries: usize) -> Row {
    Row {
        fault,
        times,
        how,
        tries,
        status: 0,
    }
}

impl Row {
    /// Its own, so that the daemon has nothing of it yet.
    fn image(&self, action: &str) -> Image {
        let builder = ImageBuilder::new(&format!("{action}: {}", self.fault));
        builder.docker().layers(1, LAYER).build()
    }

    fn pipe<'a>(&self, emulator: &'a Emulator, relay: &Relay) -> Pipe<'a> {
        let is_silent = self.times > 0 && matches!(self.how, How::Silent);
        Pipe::new()
            .workspace("shop")
            .registry(emulator)
            .api_token()
            .docker_host(&format!("tcp://{}", relay.address))
            .var("DEBUG", "true")
            .var("RETRIES", "2")
            .var("TIMEOUT", if is_silent { "4" } else { "60" })
            .patience(90)
    }

    fn pull(&self, engine: &Engine) -> Cell {
        let emulator = Emulator::start(Setup::shop());
        let image = self.image("pull");
        emulator.put_image("shop/base", "1", &image);
        let relay = Relay::before(&engine.tcp(), "/images/create", self.times, self.how);
        let pipe = self.pipe(&emulator, &relay);
        let outcome = pipe.var("ACTION", "pull").var("IMAGES", "base:1").run();
        let config = engine.config_digest(&format!("{}/shop/base:1", emulator.host()));
        let left = match (outcome.status, config) {
            (0, Some(config)) if config == image.config_digest() => None,
            (0, config) => Some(format!("the daemon has {config:?}")),
            (_, config) => config.map(|config| format!("the daemon has {config}")),
        };
        let again = run::again(Action::Pull, &image, &emulator, Some(&emulator));
        relay.cell(&outcome, again, left)
    }

    fn push(&self, engine: &Engine) -> Cell {
        let emulator = Emulator::start(Setup::shop());
        let image = self.image("push");
        let name = format!("faults:push-{}", self.fault.replace([' ', ','], "-"));
        let loaded = engine.docker_reading(&["load"], &image.docker_archive(&[&name]));
        loaded.succeeds();
        let relay = Relay::before(&engine.tcp(), "/push", self.times, self.how);
        let pipe = self.pipe(&emulator, &relay).var("ACTION", "push");
        let pipe = pipe.var("SOURCE", &format!("docker-daemon:{name}"));
        let outcome = pipe.var("TARGET", "web:1").run();
        let manifest = emulator.manifest("shop/web", "1").unwrap_or_default();
        let names = String::from_utf8_lossy(&manifest).contains(&image.config_digest());
        let left = match outcome.status {
            0 if !names => Some("the tag names another image".to_owned()),
            0 => run::arrived(Action::PushPlain, &image, &emulator),
            // What a daemon was told to push it may have pushed when nobody listens any more.
            _ if names || manifest.is_empty() => None,
            _ => Some("the tag names another image".to_owned()),
        };
        let again = run::again(Action::PushPlain, &image, &emulator, None);
        relay.cell(&outcome, again, left)
    }

    /// How a cell differs from what is expected.
    fn wrong(&self, cell: &Cell) -> Option<String> {
        // At each break the daemon may drop what it had of the layer, which it compresses in its own way.
        let layer = self.image("").blobs()[1].bytes.len() + 1024;
        let most = ((self.tries - 1) * layer) as u64;
        let is_right =
            cell.status == self.status && cell.tries == self.tries && cell.again <= most && cell.left.is_none();
        (!is_right).then(|| {
            format!(
                "{}: status {}, {} tries, {} of at most {most} bytes again, {}\n{}",
                self.fault,
                cell.status,
                cell.tries,
                cell.again,
                cell.left.as_deref().unwrap_or("nothing wrong left behind"),
                cell.said
            )
        })
    }
}

impl Relay {
    fn cell(&self, outcome: &Outcome<'_>, again: u64, left: Option<String>) -> Cell {
        Cell {
            status: outcome.status,
            tries: *self.asked.lock().unwrap(),
            again,
            seconds: outcome.seconds,
            left,
            said: outcome.plain(),
        }
    }
}

fn no_broken_stream_loses_anything(engine: &Engine) {
    let cells = super::all(&ROWS, |row| (row.pull(engine), row.push(engine)));
    let table = page::streams(ROWS.iter().map(|row| row.fault).zip(&cells));
    let wrong: Vec<String> = ROWS
        .iter()
        .zip(&cells)
        .flat_map(|(row, (pull, push))| [("pull", row.wrong(pull)), ("push", row.wrong(push))])
        .filter_map(|(action, wrong)| Some(format!("{action}, {}", wrong?)))
        .collect();
    assert!(
        wrong.is_empty(),
        "{table}\n{} cells:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    if let Some(path) = std::env::var_os("FAULTS_PAGE") {
        let table_name = format!("streams, {}", engine.name());
        page::write(path.as_ref(), &table_name, &engine.described(), &table);
    }
}
