//! A TCP relay before a Docker Engine that writes down what is asked of it, and stops a request until a test has done
//! something: what happens between two requests of a run is then no matter of luck.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What happens before a request goes on; it gets the request line.
type Hook = dyn Fn(&str) + Send + Sync;

/// A running relay; it lives as long as the test process.
pub struct Gate {
    address: SocketAddr,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Gate {
    /// Before an engine (`tcp://…`), with what is to happen before each request goes on.
    pub fn before(engine: &str, hook: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let target = engine.strip_prefix("tcp://").expect("a TCP address").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (written, hook): (_, Arc<Hook>) = (lines.clone(), Arc::new(hook));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (target, written, hook) = (target.clone(), written.clone(), hook.clone());
                std::thread::spawn(move || relay(&client, &target, &written, &*hook));
            }
        });
        Self { address, lines }
    }

    /// For `DOCKER_HOST`.
    pub fn tcp(&self) -> String {
        format!("tcp://{}", self.address)
    }

    /// The requests so far as `METHOD /path?query`, without the API's version.
    pub fn requests(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

fn relay(client: &TcpStream, target: &str, lines: &Mutex<Vec<String>>, hook: &Hook) {
    let Ok(server) = TcpStream::connect(target) else {
        return;
    };
    let (mut answers, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut answers, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
    let (mut from_client, mut to_server) = (client, &server);
    let mut bytes = [0; 16 << 10];
    // A client writes the head of a request at once, and no request before the answer to the last.
    while let Ok(count @ 1..) = from_client.read(&mut bytes) {
        if let Some(line) = request_line(&bytes[..count]) {
            lines.lock().unwrap().push(line.clone());
            hook(&line);
        }
        if to_server.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
}

fn request_line(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().next()?.strip_suffix(" HTTP/1.1")?;
    let (method, path) = line.split_once(' ')?;
    let unversioned = path
        .strip_prefix("/v1.")
        .and_then(|rest| rest.find('/').map(|at| &rest[at..]));
    Some(format!("{method} {}", unversioned.unwrap_or(path)))
}
