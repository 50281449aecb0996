//! Listening: TLS, time limits, and an end that breaks nothing off. HTTP/1.1 only: it is what load balancers speak to those
//! behind them, and a connection carries one item at a time.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::metrics::Metrics;

/// A client that takes longer to agree on TLS is cut off.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// After being asked to stop, requests that have begun may take that long: longer than any of them takes.
const GRACE: Duration = Duration::from_secs(300);
/// Bytes of a request's head.
const LARGEST_HEAD: usize = 16 << 10;

pub(super) type Answered = Response<Full<Bytes>>;

/// How much of clients is borne.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// From one request's end to the end of the next one's head.
    pub(super) idle: Duration,
    /// At once.
    pub(super) connections: usize,
}

/// An address that is listened on.
pub(super) struct Door {
    pub(super) address: SocketAddr,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    idle: Duration,
    connections: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

impl Door {
    pub(super) async fn open(
        address: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        patience: Patience,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let connections = Arc::new(Semaphore::new(patience.connections));
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            tls: tls.map(TlsAcceptor::from),
            idle: patience.idle,
            connections,
            metrics,
        })
    }

    /// Serves until `stop`; then takes no connection any more, and lets requests that have begun end.
    pub(super) async fn serve<H, F>(self, handle: H, stop: impl Future<Output = ()> + Send)
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Answered> + Send + 'static,
    {
        let graceful = GracefulShutdown::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = self.accept() => accepted,
            };
            // No file descriptors left, or the client is gone already: neither is the end.
            let Ok((stream, permit)) = accepted else {
                sleep(Duration::from_millis(50)).await;
                continue;
            };
            let (tls, metrics, watcher, handle) =
                (self.tls.clone(), Arc::clone(&self.metrics), graceful.watcher(), handle.clone());
            let idle = self.idle;
            tokio::spawn(async move {
                metrics.connections.inc();
                match tls {
                    None => speak(stream, handle, idle, watcher).await,
                    Some(tls) => match timeout(HANDSHAKE, tls.accept(stream)).await {
                        Ok(Ok(stream)) => speak(stream, handle, idle, watcher).await,
                        _ => {
                            metrics.rejected_handshakes.inc();
                        }
                    },
                }
                metrics.connections.dec();
                drop(permit);
            });
        }
        drop(self.listener);
        let _ = timeout(GRACE, graceful.shutdown()).await;
    }

    async fn accept(&self) -> std::io::Result<(TcpStream, OwnedSemaphorePermit)> {
        // The system keeps those that wait.
        let permit = Arc::clone(&self.connections).acquire_owned().await.map_err(std::io::Error::other)?;
        let (stream, _) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok((stream, permit))
    }
}

async fn speak<S, H, F>(stream: S, handle: H, idle: Duration, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Answered> + Send + 'static,
{
    let service = service_fn(move |request| {
        let answer = handle(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    // How a connection ends is the client's matter.
    let _ = watcher.watch(connection).await;
}
