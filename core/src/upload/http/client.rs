//! One request, one answer, and exactness about what may have left.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::io::{self, Read};
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, NoProxy, Request, Response, Url};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::io::ReaderStream;

use super::tls::{Introduction, Tls};
use super::{HttpOptions, Proxy};
use crate::error::HttpError;
use crate::upload::{NotSent, UploadRequest, UploadResult};

/// The body is handed over in pieces of this size.
const PIECE: usize = 64 << 10;
/// Names and values of all headers of an answer.
const HEADER_BYTES: usize = 64 << 10;
/// Bytes of an answer in a second, on average, or it is given up.
const SLOWEST: u64 = 1 << 10;
/// Servers close what lies idle, some after 5 s; a request that meets such a close is one more that may have arrived.
const IDLE_CONNECTION: Duration = Duration::from_secs(3);

/// The only HTTP client of Moulage. It belongs to one tokio runtime.
pub(super) struct Client {
    client: reqwest::Client,
    introduction: Arc<Introduction>,
    idle: Duration,
}

impl Client {
    /// TLS as configured; no redirect, no retry, no cookies, no decompression, no proxy but the one that was chosen.
    pub(super) fn new(options: &HttpOptions, tls: &Tls) -> Result<Self, HttpError> {
        #[expect(clippy::disallowed_methods, reason = "the one constructor")]
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.config.clone())
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .connect_timeout(options.connect_timeout)
            .pool_idle_timeout(IDLE_CONNECTION)
            .dns_resolver(Arc::new(SystemResolver))
            .no_proxy();
        if let Some(url) = proxy_url(&options.proxy) {
            // For https only: what goes to this machine in the clear goes to nobody else.
            let proxy = reqwest::Proxy::https(url).map_err(|_| HttpError::Proxy)?;
            let exceptions = if matches!(options.proxy, Proxy::Environment) { NoProxy::from_env() } else { None };
            builder = builder.proxy(proxy.no_proxy(exceptions));
        }
        let client = builder.build().map_err(|_| HttpError::Client)?;
        Ok(Self { client, introduction: tls.introduction.clone(), idle: options.idle_timeout })
    }

    /// Sends and reads the answer. `on_progress` hears how many bytes of the body have been handed over.
    pub(super) async fn send(&self, request: &UploadRequest, on_progress: &(dyn Fn(u64) + Sync)) -> UploadResult {
        let Ok(url) = Url::parse(request.url.expose()) else { return UploadResult::NotSent(NotSent::Name) };
        let sent = Arc::new(Sent::default());
        let result = self.exchange(request, url.clone(), &sent, on_progress).await;
        if !sent.held.load(Ordering::SeqCst) {
            return result;
        }
        match self.introduce(url.clone()).await {
            Ok(()) => self.exchange(request, url, &Arc::default(), on_progress).await,
            Err(why) => UploadResult::NotSent(why),
        }
    }

    async fn exchange(
        &self,
        request: &UploadRequest,
        url: Url,
        sent: &Arc<Sent>,
        on_progress: &(dyn Fn(u64) + Sync),
    ) -> UploadResult {
        let Ok(outgoing) = self.outgoing(request, url, sent) else {
            return UploadResult::NotSent(NotSent::Unreachable);
        };
        let answer = pin!(self.client.execute(outgoing));
        match before(answer, sent.stops(self.idle, on_progress)).await {
            Some(Ok(response)) => self.read(response, request.response_limit).await,
            Some(Err(error)) if request.body.is_empty() && !error.is_connect() => UploadResult::Ambiguous,
            // Not a byte of the body was handed over, so none left: the server cannot have the object.
            Some(Err(error)) if sent.bytes() == 0 => UploadResult::NotSent(why(&error)),
            None if sent.bytes() == 0 && !request.body.is_empty() => UploadResult::NotSent(NotSent::Unreachable),
            _ => UploadResult::Ambiguous,
        }
    }

    fn outgoing(&self, request: &UploadRequest, url: Url, sent: &Arc<Sent>) -> Result<Request, Unsendable> {
        let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| Unsendable)?;
        let mut outgoing = Request::new(method, url);
        for header in &request.headers {
            let mut value = HeaderValue::from_str(header.expose()).map_err(|_| Unsendable)?;
            value.set_sensitive(true);
            outgoing.headers_mut().append(HeaderName::from_static(header.name), value);
        }
        if !request.body.is_empty() {
            let length = request.body.len();
            outgoing.headers_mut().insert(CONTENT_LENGTH, length.into());
            let reader = request.body.reader().map_err(|_| Unsendable)?.take(length);
            let body = Outgoing { reader, sent: sent.clone(), introduction: self.introduction.clone() };
            *outgoing.body_mut() = Some(reqwest::Body::wrap_stream(ReaderStream::with_capacity(body, PIECE)));
        }
        Ok(outgoing)
    }

    /// A request without a body, to a server that asked for a certificate: whatever it answers, it let us in.
    async fn introduce(&self, mut url: Url) -> Result<(), NotSent> {
        url.set_path("/");
        url.set_query(None);
        match timeout(self.idle, self.client.execute(Request::new(Method::OPTIONS, url))).await {
            Ok(Ok(_)) => {
                self.introduction.accept();
                Ok(())
            }
            Ok(Err(error)) => Err(why(&error)),
            Err(_) => Err(NotSent::Unreachable),
        }
    }

    async fn read(&self, mut response: Response, limit: u64) -> UploadResult {
        let status = response.status().as_u16();
        let Some(headers) = headers(response.headers()) else { return UploadResult::Ambiguous };
        let began = Instant::now();
        let mut body = Vec::new();
        loop {
            let earned = Duration::from_secs(body.len() as u64 / SLOWEST);
            let left = (self.idle + earned).saturating_sub(began.elapsed()).min(self.idle);
            match timeout(left, response.chunk()).await {
                Ok(Ok(Some(piece))) if (body.len() + piece.len()) as u64 <= limit => body.extend_from_slice(&piece),
                Ok(Ok(Some(_))) => return UploadResult::Response { status, headers, body: Vec::new() },
                Ok(Ok(None)) => return UploadResult::Response { status, headers, body },
                Ok(Err(_)) | Err(_) => return UploadResult::Ambiguous,
            }
        }
    }
}

/// Something of the request cannot be put on the wire, or its file is gone.
struct Unsendable;

/// What of a body was handed over.
#[derive(Default)]
struct Sent {
    bytes: AtomicU64,
    /// The body was asked for, and held back.
    held: AtomicBool,
}

impl Sent {
    fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }

    /// Ends when nothing has moved for `idle`, or up to twice as long.
    async fn stops(&self, idle: Duration, on_progress: &(dyn Fn(u64) + Sync)) {
        const LOOK: u32 = 8;
        let (mut seen, mut looks) = (0, 0);
        while looks < LOOK {
            sleep(idle / LOOK).await;
            let bytes = self.bytes();
            looks = if bytes == seen { looks + 1 } else { 0 };
            seen = bytes;
            on_progress(bytes);
        }
    }
}

/// The body on its way out.
struct Outgoing<R> {
    reader: R,
    sent: Arc<Sent>,
    introduction: Arc<Introduction>,
}

impl<R: Read + Unpin> AsyncRead for Outgoing<R> {
    /// Is asked for the first time when the connection is there. The reader reads memory or a local file: it does not wait.
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, piece: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.introduction.is_over() {
            self.sent.held.store(true, Ordering::SeqCst);
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let count = self.reader.read(piece.initialize_unfilled())?;
        piece.advance(count);
        self.sent.bytes.fetch_add(count as u64, Ordering::SeqCst);
        Poll::Ready(Ok(()))
    }
}

/// What `future` gives, unless `end` comes first.
async fn before<T>(mut future: Pin<&mut impl Future<Output = T>>, end: impl Future<Output = ()>) -> Option<T> {
    let mut end = pin!(end);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => end.as_mut().poll(context).map(|()| None),
    })
    .await
}

/// Those that are text; `None` when they are too many.
fn headers(headers: &HeaderMap) -> Option<Vec<(String, String)>> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    let text =
        |(name, value): (&HeaderName, &HeaderValue)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()));
    (bytes <= HEADER_BYTES).then(|| headers.iter().filter_map(text).collect())
}

/// Why no connection was made. Only the types of the causes are looked at: their texts may hold names and addresses.
fn why(error: &reqwest::Error) -> NotSent {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(this) = cause {
        if this.is::<rustls::Error>() {
            return NotSent::Tls;
        }
        if this.is::<UnknownName>() {
            return NotSent::Name;
        }
        // An I/O error is silent about what it wraps: its `source` is the source of that.
        let wrapped = this.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = wrapped.map(|inner| inner as _).or_else(|| this.source());
    }
    NotSent::Unreachable
}

/// The system knows no such name.
#[derive(Debug, thiserror::Error)]
#[error("unknown name")]
struct UnknownName;

/// The system's resolver, with an error that can be told from others.
struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let here_only = name.as_str().eq_ignore_ascii_case("localhost");
        let look_up = move || (name.as_str(), 0).to_socket_addrs().map(Iterator::collect::<Vec<SocketAddr>>);
        Box::pin(async move {
            let mut found = tokio::task::spawn_blocking(look_up).await?.map_err(|_| UnknownName)?;
            // Plain http is for this machine, whatever the system's tables say about its name.
            found.retain(|address| !here_only || address.ip().is_loopback());
            if found.is_empty() {
                return Err(UnknownName.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

fn proxy_url(proxy: &Proxy) -> Option<String> {
    match proxy {
        Proxy::None => None,
        Proxy::Url(url) => Some(url.clone()),
        Proxy::Environment => ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|url| !url.is_empty())),
    }
}
