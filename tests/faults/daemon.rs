//! The Docker daemon's streams, broken off on their way from a real daemon: what counts is what the daemon and the
//! registry have in the end.

use crate::support::emulator::{Emulator, Setup};
use crate::support::engine::Engine;
use crate::support::image::ImageBuilder;
use crate::support::pipe::Pipe;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

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

/// Faults of a stream and the tries that they cost.
const FAULTS: [(&str, usize, How, usize); 5] = [
    ("closed before an answer", 1, How::Cut(0), 2),
    ("cut in the head", 1, How::Cut(20), 2),
    ("cut among the lines", 1, How::Cut(420), 2),
    ("cut twice", 2, How::Cut(420), 3),
    ("no answer", 1, How::Silent, 2),
];

fn pipe<'a>(emulator: &'a Emulator, relay: &Relay, how: How) -> Pipe<'a> {
    let timeout = if matches!(how, How::Silent) { "4" } else { "60" };
    Pipe::new()
        .workspace("shop")
        .registry(emulator)
        .api_token()
        .docker_host(&format!("tcp://{}", relay.address))
        .var("DEBUG", "true")
        .var("RETRIES", "2")
        .var("TIMEOUT", timeout)
        .patience(90)
}

#[test]
fn a_pull_whose_stream_breaks_off_is_asked_for_again() {
    super::all(&FAULTS, |&(what, times, how, tries)| {
        let emulator = Emulator::start(Setup::shop());
        let image = ImageBuilder::new(what).layers(2, 10_000).build();
        emulator.put_image("shop/base", "1", &image);
        let relay = Relay::before(&Engine::shared().tcp(), "/images/create", times, how);
        pipe(&emulator, &relay, how)
            .var("ACTION", "pull")
            .var("IMAGES", "base:1")
            .run()
            .succeeds()
            .says("trying again in");
        assert_eq!(*relay.asked.lock().unwrap(), tries, "{what}");
        let id = Engine::shared().inspect(&format!("{}/shop/base:1", emulator.host()), "{{.Id}}");
        assert_eq!(id, Some(image.config_digest()), "{what}");
    });
}

#[test]
fn a_push_whose_stream_breaks_off_is_asked_for_again() {
    super::all(&FAULTS, |&(what, times, how, tries)| {
        let emulator = Emulator::start(Setup::shop());
        let image = ImageBuilder::new(what).docker().layers(2, 10_000).build();
        let name = format!("faults:push-{}", what.replace(' ', "-"));
        Engine::shared()
            .docker_reading(&["load"], &image.docker_archive(&[&name]))
            .succeeds();
        let relay = Relay::before(&Engine::shared().tcp(), "/push", times, how);
        pipe(&emulator, &relay, how)
            .var("ACTION", "push")
            .var("SOURCE", &format!("docker-daemon:{name}"))
            .var("TARGET", "web:1")
            .run()
            .succeeds()
            .says("trying again in");
        assert_eq!(*relay.asked.lock().unwrap(), tries, "{what}");
        let manifest = emulator.manifest("shop/web", "1").unwrap();
        assert!(
            String::from_utf8_lossy(&manifest).contains(&image.config_digest()),
            "{what}"
        );
    });
}

#[test]
fn a_stream_that_always_breaks_is_given_up() {
    let emulator = Emulator::start(Setup::shop());
    emulator.put_image("shop/base", "1", &ImageBuilder::new("always").build());
    let relay = Relay::before(&Engine::shared().tcp(), "/images/create", usize::MAX, How::Cut(420));
    pipe(&emulator, &relay, How::Cut(420))
        .var("ACTION", "pull")
        .var("IMAGES", "base:1")
        .run()
        .fails(6)
        .says("broke off");
    assert_eq!(*relay.asked.lock().unwrap(), 3);
}
