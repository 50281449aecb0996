//! Empties an outbox over the network: for desktops, and for apps in the foreground.
//!
//! ```text
//! Uploader --next_upload--> request --Client--> answer | not sent | may have arrived --finish_upload--> Uploader
//! ```
//!
//! What is not known is never guessed: a request counts as not sent only when not one byte of its body was handed to an
//! encrypted connection; everything else that has no whole answer may have arrived.

mod client;
mod tls;
mod token;

use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::{AccessToken, Outcome, Step, UploadRequest, UploadResult, UploadTask, Uploader};
use crate::error::{HttpError, UploadError};
use crate::outbox::ItemId;
use client::Client;
use tls::Tls;

pub use tls::{ClientCertificate, Pins, Roots};
pub use token::{TokenSource, Tokens};

/// How the archive or gateway is reached.
#[derive(Clone)]
pub struct HttpOptions {
    /// Who may vouch for the server.
    pub roots: Roots,
    /// Which keys it may have.
    pub pins: Option<Pins>,
    /// Our certificate, for servers that want one.
    pub client_certificate: Option<ClientCertificate>,
    /// What to go through. Never for plain http.
    pub proxy: Proxy,
    /// Name, TCP and TLS together. 15 s.
    pub connect_timeout: Duration,
    /// Longest time in which nothing moves, and in which an answer must begin after the body has left. There is no limit to a transfer
    /// that moves; an answer must bring 1 KiB a second after this time. 60 s; shorter than [`super::Destination::quarantine`].
    pub idle_timeout: Duration,
    /// Uploads at the same time, each over its own connection. 2.
    pub concurrency: usize,
    /// [`HttpDriver::drain`] ends when there is nothing to do for longer than this. 10 min.
    pub longest_wait: Duration,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            roots: Roots::default(),
            pins: None,
            client_certificate: None,
            proxy: Proxy::default(),
            connect_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(60),
            concurrency: 2,
            longest_wait: Duration::from_secs(600),
        }
    }
}

/// What to go through. It sees the name of the server, and nothing that is said to it.
#[derive(Clone, Default)]
pub enum Proxy {
    /// Nothing, whatever the environment says.
    #[default]
    None,
    /// `http://host:port` of an HTTP proxy that knows CONNECT; user and password may be in the URL.
    Url(String),
    /// `HTTPS_PROXY` or `ALL_PROXY`, but for what `NO_PROXY` lists; nothing when they are not set.
    Environment,
}

/// Hears how a drain goes; called by several threads, with no lock held.
pub trait DrainObserver: Send + Sync {
    /// Of an item's request, so many bytes of `bytes` have been handed to the connection.
    fn on_progress(&self, _item: &ItemId, _step: Step, _sent: u64, _bytes: u64) {}

    /// A request was finished.
    fn on_outcome(&self, _item: &ItemId, _step: Step, _outcome: Outcome) {}
}

/// Nobody listens.
impl DrainObserver for () {}

/// Drives an [`Uploader`] over HTTP.
pub struct HttpDriver {
    options: HttpOptions,
    tls: Tls,
}

impl HttpDriver {
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// [`HttpError`], when the roots, certificates or the proxy cannot be used.
    pub fn new(options: HttpOptions) -> Result<Self, HttpError> {
        let tls = Tls::new(&options.roots, options.pins.as_ref(), options.client_certificate.as_ref())?;
        Client::new(&options, &tls)?;
        Ok(Self { options, tls })
    }

    /// Uploads until nothing is left to do, or nothing for longer than [`HttpOptions::longest_wait`]; what is left in the outbox tells why
    /// by its state. Blocks, and works with [`HttpOptions::concurrency`] threads of its own. May be called outside of any async runtime
    /// only.
    ///
    /// # Errors
    /// [`HttpError::Upload`] when the outbox fails, [`HttpError::NoToken`] when the source has none. The other threads finish what they do.
    pub fn drain(
        &self,
        uploader: &Uploader,
        tokens: Option<&Tokens>,
        observer: &dyn DrainObserver,
    ) -> Result<(), HttpError> {
        let finished = Notify::new();
        std::thread::scope(|scope| {
            let lane = || self.lane(Lane { uploader, tokens, observer, finished: &finished });
            let lanes: Vec<_> = (0..self.options.concurrency.max(1)).map(|_| scope.spawn(lane)).collect();
            let ends = lanes.into_iter().map(|lane| lane.join().unwrap_or(Err(HttpError::Client)));
            ends.fold(Ok(()), Result::and)
        })
    }

    /// One upload after the other.
    fn lane(&self, lane: Lane<'_>) -> Result<(), HttpError> {
        let client = Client::new(&self.options, &self.tls)?;
        runtime()?.block_on(lane.run(&client, self.options.longest_wait))
    }
}

/// Sends requests one by one, for a program with a runtime of its own and many uploaders: a gateway.
pub struct HttpClient(Client);

impl HttpClient {
    /// Nothing is connected yet. It belongs to the tokio runtime that it is first used in. Of the options, `concurrency` and `longest_wait`
    /// do not count.
    ///
    /// # Errors
    /// [`HttpError`], when the roots, certificates or the proxy cannot be used.
    pub fn new(options: &HttpOptions) -> Result<Self, HttpError> {
        let tls = Tls::new(&options.roots, options.pins.as_ref(), options.client_certificate.as_ref())?;
        Client::new(options, &tls).map(Self)
    }

    /// Sends a request and reads the answer, for [`Uploader::finish_upload`].
    pub async fn send(&self, request: &UploadRequest) -> UploadResult {
        self.0.send(request, &|_| {}).await
    }
}

struct Lane<'a> {
    uploader: &'a Uploader,
    tokens: Option<&'a Tokens>,
    observer: &'a dyn DrainObserver,
    finished: &'a Notify,
}

impl Lane<'_> {
    async fn run(&self, client: &Client, longest_wait: Duration) -> Result<(), HttpError> {
        loop {
            // Before the question: what another lane finishes in between is not missed.
            let finished = self.finished.notified();
            let token = self.tokens.map(Tokens::current).transpose()?;
            let next = match (self.uploader.next_upload(token.as_ref()), self.tokens, &token) {
                // Another lane has fetched a new one meanwhile.
                (Err(UploadError::Unauthorized), Some(tokens), Some(token)) if !tokens.is_current(token) => continue,
                (next, ..) => next?,
            };
            match next {
                UploadTask::Send(request) => self.upload(client, request, token.as_ref()).await?,
                UploadTask::Wait(time) if time <= longest_wait => {
                    // Whichever comes first is a reason to ask again.
                    let _ = timeout(time, finished).await;
                }
                UploadTask::Wait(_) | UploadTask::Done => return Ok(()),
            }
        }
    }

    async fn upload(
        &self,
        client: &Client,
        request: UploadRequest,
        token: Option<&AccessToken>,
    ) -> Result<(), HttpError> {
        let (item, step, bytes) = (request.item, request.step, request.body.len());
        let on_progress = |sent| self.observer.on_progress(&item, step, sent, bytes);
        let result = client.send(&request, &on_progress).await;
        let status = match result {
            UploadResult::Response { status, .. } => Some(status),
            _ => None,
        };
        let outcome = self.uploader.finish_upload(request.id, result)?;
        self.observer.on_outcome(&item, step, outcome);
        match (self.tokens, token, status) {
            (Some(tokens), Some(token), Some(401)) => {
                tokens.refused(token, step)?;
            }
            (Some(tokens), Some(token), Some(200..=299)) => tokens.accepted(token, step),
            _ => {}
        }
        self.finished.notify_waiters();
        Ok(())
    }
}

fn runtime() -> Result<Runtime, HttpError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|_| HttpError::Client)
}
