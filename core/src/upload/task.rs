//! What the host is asked to do, and what it tells about it.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::error::UploadError;
use crate::outbox::{Block, ItemId, Reason};

/// The next thing to do.
pub enum UploadTask {
    /// Send this, and tell [`super::Uploader::finish_upload`] how it went. More than one may be under way.
    Send(UploadRequest),
    /// Nothing to send now: ask again after this time, or earlier when an upload was finished, an item was added or something was put right.
    Wait(Duration),
    /// Nothing to send at all, until an item is added or somebody acts. What is left in the outbox tells why by its state.
    Done,
}

/// One request. It cannot be printed: the URL holds UIDs, the headers a token, the body a photo.
pub struct UploadRequest {
    /// For [`super::Uploader::finish_upload`].
    pub id: UploadId,
    /// The item that it is about.
    pub item: ItemId,
    /// What it is for.
    pub step: Step,
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Where to. **Never follow a redirect from there.**
    pub url: Url,
    /// All that must be sent, but for `host` and `content-length`.
    pub headers: Vec<Header>,
    /// The body; empty for `GET`.
    pub body: Body,
    /// Most bytes of the answer's body to read. Tell of a longer one without its body.
    pub response_limit: u64,
}

impl UploadRequest {
    pub(super) fn into_post(self) -> Self {
        Self { method: "POST", ..self }
    }
}

/// Names a request that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(pub(super) u64);

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// To store the object, or the sealed item.
    Store,
    /// To ask whether the archive has it.
    Query,
    /// To read it back.
    Retrieve,
    /// To ask the archive for its commitment.
    Commit,
    /// To ask what became of that.
    CommitResult,
}

impl Step {
    /// A stable word for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Query => "query",
            Self::Retrieve => "retrieve",
            Self::Commit => "commit",
            Self::CommitResult => "commit-result",
        }
    }
}

/// A URL that cannot be printed: UIDs identify.
pub struct Url(pub(super) String);

impl Url {
    /// For the request only; never for a log or an error.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// One header of a request. It cannot be printed.
pub struct Header {
    /// Lower case.
    pub name: &'static str,
    value: Zeroizing<String>,
}

impl Header {
    pub(super) fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: Zeroizing::new(value.into()) }
    }

    /// For the request only: visible ASCII and spaces.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.value
    }
}

/// A bearer token (RFC 6750), or a name and a password. It cannot be printed and is wiped from memory.
#[derive(Clone)]
pub struct AccessToken {
    scheme: &'static str,
    credentials: Zeroizing<String>,
}

impl AccessToken {
    /// As the identity provider gave it.
    ///
    /// # Errors
    /// [`UploadError::Token`] when it is empty, longer than 16 KiB, or not visible ASCII.
    pub fn new(token: impl Into<String>) -> Result<Self, UploadError> {
        let token = Zeroizing::new(token.into());
        let valid = (1..=16 << 10).contains(&token.len()) && token.bytes().all(|c| c.is_ascii_graphic());
        valid.then_some(Self { scheme: "Bearer", credentials: token }).ok_or(UploadError::Token)
    }

    /// A name and a password (RFC 7617), for an archive inside the institution that knows no tokens.
    ///
    /// # Errors
    /// [`UploadError::Token`] when the name holds a colon, one of them a control character, or both are longer than 16 KiB.
    pub fn basic(user: &str, password: &str) -> Result<Self, UploadError> {
        let both = Zeroizing::new(format!("{user}:{password}"));
        let valid = both.len() <= 16 << 10 && !user.contains(':') && !both.chars().any(char::is_control);
        let credentials = Zeroizing::new(super::base64(both.as_bytes()));
        valid.then_some(Self { scheme: "Basic", credentials }).ok_or(UploadError::Token)
    }

    pub(super) fn header(&self) -> Header {
        Header::new("authorization", format!("{} {}", self.scheme, self.credentials.as_str()))
    }

    pub(super) fn digest(&self) -> [u8; 32] {
        super::sha256(self.credentials.as_bytes())
    }
}

/// The body of a request. It cannot be printed.
#[derive(Clone)]
pub struct Body(Content);

#[derive(Clone)]
enum Content {
    Memory([Arc<Zeroizing<Vec<u8>>>; 3]),
    File(PathBuf, u64),
}

impl Body {
    pub(super) fn empty() -> Self {
        Self::of(Zeroizing::default())
    }

    pub(super) fn of(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self::framed(Vec::new(), Arc::new(bytes), Vec::new())
    }

    pub(super) fn framed(head: Vec<u8>, object: Arc<Zeroizing<Vec<u8>>>, tail: Vec<u8>) -> Self {
        let plain = |bytes| Arc::new(Zeroizing::new(bytes));
        Self(Content::Memory([plain(head), object, plain(tail)]))
    }

    pub(super) fn file(path: PathBuf, length: u64) -> Self {
        Self(Content::File(path, length))
    }

    /// Bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match &self.0 {
            Content::Memory(parts) => parts.iter().map(|part| part.len() as u64).sum(),
            Content::File(_, length) => *length,
        }
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The file that holds all of it, for a transfer that the operating system makes by itself; it may be read and removed. Only a sealed
    /// item is ever in a file, and only when [`super::Uploader::next_background_upload`] was called.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            Content::Memory(_) => None,
            Content::File(path, _) => Some(path),
        }
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// As `to`, and as the file.
    pub fn write_to(&self, to: &mut dyn Write) -> io::Result<()> {
        match &self.0 {
            Content::Memory(parts) => parts.iter().try_for_each(|part| to.write_all(part)),
            Content::File(path, _) => io::copy(&mut std::fs::File::open(path)?, to).map(drop),
        }
    }

    /// Reads all of it, from its start. The reader can outlive the body.
    ///
    /// # Errors
    /// When the file is gone.
    pub fn reader(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(match &self.0 {
            Content::Memory([head, object, tail]) => {
                Box::new(Part::new(head).chain(Part::new(object)).chain(Part::new(tail)))
            }
            Content::File(path, _) => Box::new(std::fs::File::open(path)?),
        })
    }
}

struct Part {
    bytes: Arc<Zeroizing<Vec<u8>>>,
    read: usize,
}

impl Part {
    fn new(bytes: &Arc<Zeroizing<Vec<u8>>>) -> Self {
        Self { bytes: Arc::clone(bytes), read: 0 }
    }
}

impl Read for Part {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = (&self.bytes[self.read..]).read(to)?;
        self.read += count;
        Ok(count)
    }
}

/// How a request went.
pub enum UploadResult {
    /// An answer came, whole.
    Response {
        /// HTTP status.
        status: u16,
        /// In any case and order.
        headers: Vec<(String, String)>,
        /// At most [`UploadRequest::response_limit`] bytes; empty when it was longer.
        body: Vec<u8>,
    },
    /// Not one byte of the request left this machine.
    NotSent(NotSent),
    /// It may have arrived: a time limit, a connection that broke, an answer that was cut. When in doubt, this.
    Ambiguous,
    /// The host gave it up, and does not know how far it came.
    Cancelled,
}

/// Why nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSent {
    /// No network, or nobody there.
    Unreachable,
    /// The name is not known.
    Name,
    /// No trusted, encrypted channel could be made.
    Tls,
}

/// What became of the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The archive has it, as surely as the destination demands; it is erased here.
    Stored,
    /// There is more to do for it at once.
    Continues,
    /// It is tried again by itself, not before this time has passed.
    Waits(Duration),
    /// It waits until somebody puts something right, see [`crate::outbox::Outbox::unblock`]. For [`Block::Auth`], a new token does, see
    /// [`super::Uploader::next_upload`].
    Blocked(Block),
    /// It will not be stored as it is; a person must decide.
    Refused(Reason),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_password_are_told_as_rfc_7617_has_it() {
        let login = AccessToken::basic("Aladdin", "open sesame").unwrap();
        assert_eq!(login.header().expose(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(AccessToken::basic("a:b", "c").is_err() && AccessToken::basic("a", "b\r\nc").is_err());
    }
}
