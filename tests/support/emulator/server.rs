//! The sockets: listeners, TLS, HTTP/1.1, and the thread that serves them until the emulator is dropped.

use super::super::pki::Authority;
use super::answer::{Answer, Asked};
use super::fault::Fault;
use super::journal::{Entry, Journal, Service};
use super::proxy::{self, Names};
use super::setup::Setup;
use super::{Emulator, Shared, State, api, registry, reports, token};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The running sockets.
pub(super) struct Server {
    pub registry: SocketAddr,
    pub proxy: SocketAddr,
    pub authority: Option<&'static Authority>,
    pub api_proxy: Option<IpAddr>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What a listener's connections speak.
#[derive(Clone)]
enum Speaks {
    Http(Service, Option<Arc<ServerConfig>>),
    Connect(Arc<Names>),
}

impl Server {
    pub(super) fn start(setup: Setup) -> Emulator {
        let listeners = bind(&setup.addresses);
        let registry = listeners[0].local_addr().unwrap();
        let scheme = if setup.registry_tls.is_some() { "https" } else { "http" };
        let origin = if setup.default_port {
            format!("{scheme}://{}", setup.name)
        } else {
            format!("{scheme}://{}:{}", setup.name, registry.port())
        };
        let tls = setup
            .registry_tls
            .map(|authority| authority.server(&[&setup.name]).config);
        let mut all: Vec<(TcpListener, Speaks)> = listeners
            .into_iter()
            .map(|listener| (listener, Speaks::Http(Service::Registry, tls.clone())))
            .collect();
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
        let port = if setup.default_port { 443 } else { registry.port() };
        let mut names = vec![(format!("{}:{port}", setup.name), registry)];
        if let Some(authority) = setup.api_tls {
            let api = bind(&loopback).remove(0);
            names.push(("api.bitbucket.org:443".to_owned(), api.local_addr().unwrap()));
            all.push((api, Speaks::Http(Service::Api, Some(authority.server(&[]).config))));
        }
        if let Some(address) = setup.api_proxy {
            all.push((reports::bind(address), Speaks::Http(Service::ApiProxy, None)));
        }
        let connect = bind(&loopback).remove(0);
        let proxy = connect.local_addr().unwrap();
        all.push((connect, Speaks::Connect(Arc::new(names))));
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                settings: setup.settings,
                accounts: setup.accounts,
                storage: super::Storage::default(),
                reports: super::Reports::default(),
                issued: super::Issued::default(),
                script: super::Script::default(),
            }),
            journal: Arc::new(Journal::default()),
            origin,
        });
        let (stop, stopped) = oneshot::channel();
        let server = Self {
            registry,
            proxy,
            authority: setup.registry_tls.or(setup.api_tls),
            api_proxy: setup.api_proxy,
            stop: Some(stop),
            thread: Some(spawn(all, shared.clone(), stopped)),
        };
        Emulator { shared, server }
    }
}

/// One free port on all addresses.
fn bind(addresses: &[IpAddr]) -> Vec<TcpListener> {
    for _ in 0..20 {
        let first = TcpListener::bind((addresses[0], 0)).expect("a free port");
        let port = first.local_addr().unwrap().port();
        let more = addresses[1..].iter().map(|&address| TcpListener::bind((address, port)));
        if let Ok(more) = more.collect::<Result<Vec<_>, _>>() {
            return std::iter::once(first).chain(more).collect();
        }
    }
    panic!("no port is free on all of {addresses:?}");
}

fn spawn(listeners: Vec<(TcpListener, Speaks)>, shared: Arc<Shared>, stopped: oneshot::Receiver<()>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            for (listener, speaks) in listeners {
                listener.set_nonblocking(true).unwrap();
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::spawn(accept(listener, speaks, shared.clone()));
            }
            let _ = stopped.await;
        });
        runtime.shutdown_timeout(Duration::from_secs(1));
    })
}

async fn accept(listener: tokio::net::TcpListener, speaks: Speaks, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        shared.journal.connected();
        let _ = stream.set_nodelay(true);
        let (speaks, shared) = (speaks.clone(), shared.clone());
        tokio::spawn(async move {
            match speaks {
                Speaks::Connect(names) => {
                    // A client that goes away in the middle is no fault of the proxy.
                    let _ = proxy::serve(stream, names, shared.journal.clone()).await;
                }
                Speaks::Http(service, None) => speak(stream, service, shared).await,
                Speaks::Http(service, Some(config)) => {
                    if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
                        speak(stream, service, shared).await;
                    }
                }
            }
        });
    }
}

/// The TCP socket below a stream, for a reset.
trait Socket {
    fn socket(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Socket for TlsStream<TcpStream> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Socket + Unpin, service: Service, shared: Arc<Shared>) {
    let handler = service_fn(move |request| Box::pin(handle(service, shared.clone(), request)));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), handler);
    let served = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let stream = connection.into_parts().io.into_inner();
    if served.is_err_and(|error| error.is_user()) {
        let _ = stream.socket().set_zero_linger();
    }
}

/// The connection is to be reset.
#[derive(Debug)]
struct Reset;

impl std::fmt::Display for Reset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("scripted reset")
    }
}

impl std::error::Error for Reset {}

async fn handle(
    service: Service,
    shared: Arc<Shared>,
    mut request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Reset> {
    let body = request.body_mut().collect().await.map_err(|_| Reset)?.to_bytes();
    let asked = Asked::new(&request, body);
    let service = match service {
        Service::Registry if asked.path == "/token" => Service::Token,
        other => other,
    };
    let mut entry = Entry::new(service, &asked);
    let answer = {
        let mut state = shared.state();
        match state.script.take(&asked) {
            Some(Fault::Answer(answer)) => Some(answer),
            Some(Fault::Reset) => {
                drop(state);
                shared.journal.add(entry);
                return Err(Reset);
            }
            Some(Fault::Silence) => None,
            None => Some(respond(&mut state, &shared.origin, service, &asked)),
        }
    };
    let Some(answer) = answer else {
        shared.journal.add(entry);
        return std::future::pending().await;
    };
    entry.status = answer.status;
    entry.sent = if asked.method == hyper::Method::HEAD {
        0
    } else {
        answer.body.len() as u64
    };
    shared.journal.add(entry);
    let mut response = Response::new(Full::new(answer.body.clone()));
    *response.status_mut() = answer.status_code();
    *response.headers_mut() = answer.header_map();
    Ok(response)
}

fn respond(state: &mut State, origin: &str, service: Service, asked: &Asked) -> Answer {
    match service {
        Service::Api => api::answer(state, asked),
        Service::ApiProxy => reports::answer(&mut state.reports, asked),
        Service::Token => token::answer(state, asked),
        _ if asked.path == "/v2" || asked.path.starts_with("/v2/") => registry::answer(state, origin, asked),
        _ => Answer::new(404),
    }
}
