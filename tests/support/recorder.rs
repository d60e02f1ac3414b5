//! A reverse proxy before a real registry that writes down what is asked of it. The `Host` header stays as it came, so
//! that the registry's `Location`s lead through here too.

use super::http::{Body, Served, body};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

/// A running recorder.
pub struct Recorder {
    served: Served,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    /// Passes everything on to a plain HTTP server.
    pub fn start(target: SocketAddr) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let written = lines.clone();
        let served = Served::start(move |request| pass(target, request, written.clone()));
        Self { served, lines }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.served.address
    }

    /// The requests so far as `METHOD /path?query STATUS`, in the order of their answers.
    pub fn requests(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        self.lines.lock().unwrap().clear();
    }
}

async fn pass(target: SocketAddr, request: Request<Incoming>, lines: Arc<Mutex<Vec<String>>>) -> Response<Body> {
    let asked = format!("{} {}", request.method(), request.uri());
    let answer = send(target, request).await.unwrap_or_else(|error| {
        let mut answer = Response::new(body(format!("recorder: {error}")));
        *answer.status_mut() = hyper::StatusCode::BAD_GATEWAY;
        answer
    });
    lines
        .lock()
        .unwrap()
        .push(format!("{asked} {}", answer.status().as_u16()));
    answer
}

async fn send(
    target: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Body>, Box<dyn std::error::Error + Send + Sync>> {
    let stream = tokio::net::TcpStream::connect(target).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move { drop(connection.await) });
    let answer = sender.send_request(request).await?;
    Ok(answer.map(http_body_util::BodyExt::boxed))
}
