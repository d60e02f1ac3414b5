//! A Docker daemon that is none: it says what a test wants, in the ways that a real one would need to be broken for.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// `GET /version` of Docker 25, which is Pipelines' daemon.
const DOCKER_25: &str =
    r#"{"Version":"25.0.5","ApiVersion":"1.44","MinAPIVersion":"1.24","Os":"linux","Arch":"amd64"}"#;
/// What does not end is held open for so long.
const HELD: Duration = Duration::from_secs(60);

/// What it says.
#[derive(Debug, Clone)]
pub enum Say {
    /// A document.
    Json(u16, String),
    /// The lines of a transfer.
    Lines(Vec<String>),
    /// Lines, and then nothing more: the connection stays open.
    LinesThenSilence(Vec<String>),
    /// Lines, and then the connection is closed in their midst.
    LinesThenEnd(Vec<String>),
    /// The same lines ten times a second, for a minute.
    LinesOverAndOver(Vec<String>),
    /// Bytes that are no HTTP.
    Bytes(&'static [u8]),
}

impl Say {
    /// A line with why a transfer failed.
    pub fn failure(words: &str) -> Self {
        let words = serde_json::Value::from(words);
        Self::Lines(vec![format!(
            r#"{{"errorDetail":{{"message":{words}}},"error":{words}}}"#
        )])
    }

    /// A refusal by status.
    pub fn refusal(status: u16, words: &str) -> Self {
        Self::Json(status, serde_json::json!({ "message": words }).to_string())
    }
}

/// A running one; it lives as long as the test process.
pub struct ScriptedDaemon {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl ScriptedDaemon {
    /// One that is Docker 25, where `say` has nothing else to say. It gets `METHOD /path?query`, without the API's version.
    pub fn start(say: impl Fn(&str) -> Option<Say> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (asked, say) = (requests.clone(), Arc::new(say));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (asked, say) = (asked.clone(), say.clone());
                std::thread::spawn(move || {
                    let Some(request) = request(&client) else { return };
                    asked.lock().unwrap().push(request.clone());
                    // A client that has gone needs no answer.
                    let _ = answer(&client, say(&request).unwrap_or_else(|| docker_25(&request)));
                });
            }
        });
        Self { address, requests }
    }

    /// For `DOCKER_HOST`.
    pub fn tcp(&self) -> String {
        format!("tcp://{}", self.address)
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// A daemon without images, which has nothing against anything.
fn docker_25(request: &str) -> Say {
    match request.split_once(' ') {
        Some(("GET", "/_ping")) => Say::Json(200, "OK".to_owned()),
        Some(("GET", "/version")) => Say::Json(200, DOCKER_25.to_owned()),
        Some(("GET", "/images/json")) => Say::Json(200, "[]".to_owned()),
        Some(("GET", _)) => Say::refusal(404, "No such image"),
        Some(("POST", path)) if path.contains("/tag?") => Say::Json(201, String::new()),
        _ => Say::Json(200, "[]".to_owned()),
    }
}

fn request(client: &TcpStream) -> Option<String> {
    let mut head = BufReader::new(client)
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty());
    let line = head.next()?;
    head.for_each(drop);
    let (method, path) = line.strip_suffix(" HTTP/1.1")?.split_once(' ')?;
    let unversioned = path
        .strip_prefix("/v1.")
        .and_then(|rest| rest.find('/').map(|at| &rest[at..]));
    Some(format!("{method} {}", unversioned.unwrap_or(path)))
}

fn answer(mut client: &TcpStream, say: Say) -> std::io::Result<()> {
    let mut begin = |lines: &[String]| {
        client.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")?;
        write_lines(client, lines)
    };
    match say {
        Say::Json(status, body) => {
            let length = body.len();
            write!(
                client,
                "HTTP/1.1 {status} -\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
        }
        Say::Lines(lines) => {
            begin(&lines)?;
            client.write_all(b"0\r\n\r\n")
        }
        Say::LinesThenSilence(lines) => {
            begin(&lines)?;
            std::thread::sleep(HELD);
            Ok(())
        }
        Say::LinesThenEnd(lines) => {
            begin(&lines)?;
            client.shutdown(Shutdown::Both)
        }
        Say::LinesOverAndOver(lines) => {
            begin(&lines)?;
            let pause = Duration::from_millis(100);
            for _ in 0..HELD.as_millis() / pause.as_millis() {
                std::thread::sleep(pause);
                write_lines(client, &lines)?;
            }
            Ok(())
        }
        Say::Bytes(bytes) => client.write_all(bytes),
    }
}

fn write_lines(mut client: &TcpStream, lines: &[String]) -> std::io::Result<()> {
    lines
        .iter()
        .try_for_each(|line| write!(client, "{:x}\r\n{line}\n\r\n", line.len() + 1))
}
