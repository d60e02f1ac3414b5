//! The sockets: listeners, TLS, HTTP/1.1, and the thread that serves them until the emulator is dropped.

use super::super::pki::Authority;
use super::answer::{Answer, Asked};
use super::body::{self, Body, Broken};
use super::fault::{Break, Fault};
use super::journal::{Entry, Journal, Service};
use super::proxy::{self, Names};
use super::setup::Setup;
use super::{Emulator, Shared, State, api, registry, reports, token, upload};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use std::error::Error as _;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The running sockets.
pub(super) struct Server {
    pub registry: SocketAddr,
    pub proxy: SocketAddr,
    pub trusted_pem: Option<String>,
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
        let is_tls = setup.registry_tls.is_some() || setup.identity.is_some();
        let scheme = if is_tls { "https" } else { "http" };
        let origin = if setup.default_port {
            format!("{scheme}://{}", setup.name)
        } else {
            format!("{scheme}://{}:{}", setup.name, registry.port())
        };
        let own_pem = setup.identity.as_ref().map(|identity| identity.certificate_pem.clone());
        let tls = match (setup.identity, setup.registry_tls) {
            (Some(identity), _) => Some(identity.config),
            (None, authority) => authority.map(|authority| authority.server(&[&setup.name]).config),
        };
        let speaks = Speaks::Http(Service::Registry, tls);
        let mut all: Vec<Opens> = listeners
            .into_iter()
            .map(|socket| (socket, speaks.clone(), setup.opens_after))
            .collect();
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
        let port = if setup.default_port { 443 } else { registry.port() };
        let mut names = vec![(format!("{}:{port}", setup.name), registry)];
        if let Some(authority) = setup.api_tls {
            let api = bind(&loopback).remove(0);
            names.push(("api.bitbucket.org:443".to_owned(), api.local_addr().unwrap()));
            let speaks = Speaks::Http(Service::Api, Some(authority.server(&[]).config));
            all.push((api, speaks, Duration::ZERO));
        }
        if let Some(address) = setup.api_proxy {
            let speaks = Speaks::Http(Service::ApiProxy, None);
            all.push((reports::bind(address), speaks, Duration::ZERO));
        }
        let connect = bind(&loopback).remove(0);
        let proxy = connect.local_addr().unwrap();
        all.push((connect, Speaks::Connect(Arc::new(names)), Duration::ZERO));
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
            trusted_pem: own_pem.or(setup.registry_tls.or(setup.api_tls).map(Authority::pem)),
            api_proxy: setup.api_proxy,
            stop: Some(stop),
            thread: Some(spawn(all, shared.clone(), stopped)),
        };
        Emulator { shared, server }
    }
}

/// A port of its own, what is spoken there, and how long connections are refused before.
type Opens = (TcpSocket, Speaks, Duration);

/// One free port on all addresses. Nothing listens there yet.
fn bind(addresses: &[IpAddr]) -> Vec<TcpSocket> {
    let at = |address: IpAddr, port| {
        let socket = match address {
            IpAddr::V4(_) => TcpSocket::new_v4(),
            IpAddr::V6(_) => TcpSocket::new_v6(),
        };
        let socket = socket.expect("a socket");
        // The kernel takes no megabytes that nobody reads: what counts as sent or taken then nearly is.
        socket.set_recv_buffer_size(64 * 1024).expect("a smaller buffer");
        socket.set_send_buffer_size(256 * 1024).expect("a smaller buffer");
        socket.bind(SocketAddr::new(address, port)).map(|()| socket)
    };
    for _ in 0..20 {
        let first = at(addresses[0], 0).expect("a free port");
        let port = first.local_addr().unwrap().port();
        let more = addresses[1..].iter().map(|&address| at(address, port));
        if let Ok(more) = more.collect::<Result<Vec<_>, _>>() {
            return std::iter::once(first).chain(more).collect();
        }
    }
    panic!("no port is free on all of {addresses:?}");
}

fn spawn(sockets: Vec<Opens>, shared: Arc<Shared>, stopped: oneshot::Receiver<()>) -> JoinHandle<()> {
    let (open, opened) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            for (socket, speaks, after) in sockets {
                let shared = shared.clone();
                if after.is_zero() {
                    tokio::spawn(accept(socket.listen(1024).unwrap(), speaks, shared));
                } else {
                    tokio::spawn(async move {
                        tokio::time::sleep(after).await;
                        accept(socket.listen(1024).unwrap(), speaks, shared).await;
                    });
                }
            }
            open.send(()).unwrap();
            let _ = stopped.await;
        });
        runtime.shutdown_timeout(Duration::from_secs(1));
    });
    opened.recv().expect("the sockets open");
    thread
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
    let is_reset = |error: hyper::Error| {
        error
            .source()?
            .downcast_ref::<Broken>()
            .map(|broken| broken.0 == Break::Reset)
    };
    if served.is_err_and(|error| is_reset(error) == Some(true)) {
        let _ = stream.socket().set_zero_linger();
    }
}

async fn handle(
    service: Service,
    shared: Arc<Shared>,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Broken> {
    let mut asked = Asked::new(&request);
    let service = match service {
        Service::Registry if asked.path == "/token" => Service::Token,
        other => other,
    };
    let fault = shared.state().script.take(&asked);
    let most = match fault {
        Some(Fault::Received(most, ..)) => most,
        _ => usize::MAX,
    };
    asked.body = body::read(request.body_mut(), most).await?;
    let mut entry = Entry::new(service, &asked);
    let is_head = asked.method == hyper::Method::HEAD;
    let own = || respond(&mut shared.state(), &shared.origin, service, &asked);
    let (answer, body) = match fault {
        None => {
            let answer = own();
            let body = Body::whole(answer.body.clone());
            (answer, body)
        }
        Some(Fault::Answer(answer)) => {
            let body = Body::whole(answer.body.clone());
            (answer, body)
        }
        Some(Fault::As(status)) => {
            let answer = Answer { status, ..own() };
            let body = Body::whole(answer.body.clone());
            (answer, body)
        }
        Some(Fault::Redirected(status, more)) => {
            let to = format!("{}{more}", asked.uri);
            (Answer::new(status).header("Location", &to), Body::whole(Bytes::new()))
        }
        Some(Fault::Expired) => {
            shared.state().issued.expire_all();
            let answer = own();
            let body = Body::whole(answer.body.clone());
            (answer, body)
        }
        Some(Fault::Sent(at, then)) => {
            let answer = own();
            let length = answer.body.len().to_string();
            let body = Body::broken(answer.body.clone(), at, then);
            (answer.header("Content-Length", &length), body)
        }
        Some(Fault::Endless(answer)) => {
            let body = Body::endless(answer.body.clone());
            (answer, body)
        }
        Some(Fault::Reset) => return broken(&shared, entry, Break::Reset).await,
        Some(Fault::Silence) => return broken(&shared, entry, Break::Stall).await,
        Some(Fault::Unheard(then)) => {
            own();
            return broken(&shared, entry, then).await;
        }
        Some(Fault::Received(_, kept, then)) => {
            upload::broken(&mut shared.state(), &asked, kept);
            return broken(&shared, entry, then).await;
        }
    };
    entry.status = answer.status;
    let sent = if is_head {
        Arc::default()
    } else {
        Arc::clone(&body.sent)
    };
    shared.journal.add_sending(entry, sent);
    let mut response = Response::new(body);
    *response.status_mut() = answer.status_code();
    *response.headers_mut() = answer.header_map();
    Ok(response)
}

/// No answer.
async fn broken(shared: &Shared, entry: Entry, how: Break) -> Result<Response<Body>, Broken> {
    shared.journal.add(entry);
    if how == Break::Stall {
        return std::future::pending().await;
    }
    Err(Broken(how))
}

fn respond(state: &mut State, origin: &str, service: Service, asked: &Asked) -> Answer {
    match service {
        Service::Api => api::answer(state, asked),
        Service::ApiProxy => reports::answer(&mut state.reports, asked),
        Service::Token => token::answer(state, asked),
        _ if asked.path == "/v2" || asked.path.starts_with("/v2/") => registry::answer(state, origin, asked),
        _ if asked.path.starts_with("/storage/") => registry::storage(state, asked),
        _ => Answer::new(404),
    }
}
