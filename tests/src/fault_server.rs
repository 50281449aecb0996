//! A server on 127.0.0.1 that does what a script says, over real sockets, with or without TLS: it cuts, stalls, resets, lies. Where the
//! script says nothing it is a small DICOMweb archive that works.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection};

use crate::dicomweb::{Archive, Kind, Reply, Request, Stored};

/// What is done with one request.
#[derive(Clone)]
pub struct Act {
    /// The kind of request that it waits for; requests of other kinds are answered as an archive does.
    pub on: Kind,
    /// Read so many bytes of the body and no more, then cut.
    pub cut_request: Option<usize>,
    /// Store what came, and when it can be found.
    pub commit: Option<Duration>,
    /// What is said.
    pub say: Say,
    /// Bytes at a time, and how long to wait after them.
    pub pace: Option<(usize, Duration)>,
    /// Say so many bytes and no more, then cut.
    pub cut_answer: Option<usize>,
    /// How a cut, and everything else that ends the connection, looks to the other side.
    pub end: End,
}

/// What is said.
#[derive(Clone)]
pub enum Say {
    /// What an archive that works says.
    Archive,
    /// This, made from the request.
    Reply(Arc<dyn Fn(&Request) -> Reply + Send + Sync>),
    /// These bytes, as they are.
    Raw(Vec<u8>),
    /// These bytes, then others again and again, that many times.
    Repeat(Vec<u8>, Vec<u8>, u64),
    /// Nothing for this long.
    Nothing(Duration),
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It does not: the next request may come.
    KeepAlive,
    /// In order; with TLS it is said (`close_notify`).
    Close,
    /// In order as TCP sees it, but TLS is not told.
    Truncate,
    /// RST.
    Reset,
}

impl Act {
    /// As an archive does.
    #[must_use]
    pub fn archive(on: Kind) -> Self {
        let (cut_request, commit, pace, cut_answer) = (None, (on == Kind::Store).then_some(Duration::ZERO), None, None);
        Self { on, cut_request, commit, say: Say::Archive, pace, cut_answer, end: End::KeepAlive }
    }

    /// Says this and stores nothing.
    #[must_use]
    pub fn say(on: Kind, say: Say) -> Self {
        Self { commit: None, say, ..Self::archive(on) }
    }

    /// Answers with this and stores nothing.
    #[must_use]
    pub fn reply(on: Kind, reply: Reply) -> Self {
        Self::say(on, Say::Reply(Arc::new(move |_| reply.clone())))
    }
}

/// The server. Dropped, it ends.
pub struct FaultServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    tls: Option<Arc<ServerConfig>>,
    stopped: AtomicBool,
    received: AtomicU64,
}

#[derive(Default)]
struct State {
    script: VecDeque<Act>,
    archive: Archive,
    requests: Vec<(Kind, String)>,
    body_bytes: u64,
    offline: bool,
}

impl FaultServer {
    /// Without TLS.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn start(script: impl IntoIterator<Item = Act>) -> Self {
        Self::begin(script, None)
    }

    /// With TLS.
    ///
    /// # Panics
    /// As [`FaultServer::start`].
    #[must_use]
    pub fn start_tls(script: impl IntoIterator<Item = Act>, tls: ServerConfig) -> Self {
        Self::begin(script, Some(Arc::new(tls)))
    }

    fn begin(script: impl IntoIterator<Item = Act>, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let state = State { script: script.into_iter().collect(), ..State::default() };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            tls,
            stopped: AtomicBool::new(false),
            received: AtomicU64::new(0),
        });
        let served = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if served.stopped.load(Ordering::SeqCst) {
                    break;
                }
                let shared = served.clone();
                thread::spawn(move || shared.connection(stream));
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:port` or `https://localhost:port`.
    #[must_use]
    pub fn url(&self) -> String {
        match self.shared.tls {
            Some(_) => format!("https://localhost:{}", self.address.port()),
            None => format!("http://{}", self.address),
        }
    }

    /// Adds to the script.
    pub fn then(&self, act: Act) {
        self.shared.state().script.push_back(act);
    }

    /// What of the script has not happened yet.
    #[must_use]
    pub fn left(&self) -> usize {
        self.shared.state().script.len()
    }

    /// Every connection is cut as soon as it is made, or no more.
    pub fn set_offline(&self, offline: bool) {
        self.shared.state().offline = offline;
    }

    /// What the archive holds.
    #[must_use]
    pub fn stored(&self) -> Vec<Stored> {
        self.shared.state().archive.objects().to_vec()
    }

    /// All requests so far: kind, method and target.
    #[must_use]
    pub fn requests(&self) -> Vec<(Kind, String)> {
        self.shared.state().requests.clone()
    }

    /// Bytes of bodies that came, whole or not.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.shared.state().body_bytes
    }

    /// Bytes that came through the sockets, TLS and all.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.shared.received.load(Ordering::SeqCst)
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts; it may have ended already.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connection(&self, stream: TcpStream) {
        let Ok(socket) = stream.try_clone() else { return };
        // A client that is gone, or that we cut ourselves, is no failure of the server.
        let end = self.talk(stream).unwrap_or(End::Close);
        if end == End::Reset {
            let _ = socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO));
        }
    }

    fn talk(&self, stream: TcpStream) -> io::Result<End> {
        if self.state().offline {
            return Ok(End::Reset);
        }
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let counted = Counted { stream, received: &self.received };
        match &self.tls {
            None => self.serve(counted),
            Some(config) => {
                let connection = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
                let mut tls = rustls::StreamOwned::new(connection, counted);
                let end = self.serve(&mut tls)?;
                if matches!(end, End::KeepAlive | End::Close) {
                    tls.conn.send_close_notify();
                    tls.flush()?;
                }
                Ok(end)
            }
        }
    }

    fn serve(&self, mut wire: impl Read + Write) -> io::Result<End> {
        let mut buffer = Vec::new();
        loop {
            let Some((request, length)) = read_head(&mut wire, &mut buffer)? else { return Ok(End::Close) };
            let end = self.act(request, length, &mut wire, &mut buffer)?;
            if end != End::KeepAlive {
                return Ok(end);
            }
        }
    }

    fn act(
        &self,
        mut request: Request,
        length: usize,
        wire: &mut (impl Read + Write),
        buffer: &mut Vec<u8>,
    ) -> io::Result<End> {
        let kind = request.kind();
        let act = {
            let mut state = self.state();
            state.requests.push((kind, format!("{} {}", request.method, request.target)));
            let scripted = state.script.front().is_some_and(|act| act.on == kind);
            scripted.then(|| state.script.pop_front()).flatten().unwrap_or_else(|| Act::archive(kind))
        };
        let wanted = act.cut_request.map_or(length, |cut| cut.min(length));
        request.body = read_body(wire, buffer, wanted, &mut |bytes| self.state().body_bytes += bytes as u64)?;
        if act.cut_request.is_some() {
            return Ok(act.end);
        }
        if let Some(delay) = act.commit {
            self.state().archive.commit(&request, Instant::now() + delay);
        }
        let (bytes, repeated) = match &act.say {
            Say::Archive => (self.state().archive.answer(&request).bytes(), None),
            Say::Reply(make) => (make(&request).bytes(), None),
            Say::Raw(bytes) => (bytes.clone(), None),
            Say::Repeat(bytes, again, times) => (bytes.clone(), Some((again, *times))),
            Say::Nothing(time) => {
                thread::sleep(*time);
                return Ok(act.end);
            }
        };
        let said = bytes.get(..act.cut_answer.unwrap_or(bytes.len())).unwrap_or(&bytes);
        match act.pace {
            None => wire.write_all(said)?,
            Some((count, pause)) => {
                for piece in said.chunks(count) {
                    wire.write_all(piece)?;
                    wire.flush()?;
                    thread::sleep(pause);
                }
            }
        }
        if let Some((again, times)) = repeated {
            for _ in 0..times {
                wire.write_all(again)?;
            }
        }
        wire.flush()?;
        Ok(if act.cut_answer.is_some() && act.end == End::KeepAlive { End::Close } else { act.end })
    }
}

/// Request line and headers, and the length of the body; `None` when the other side is gone.
fn read_head(wire: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<Option<(Request, usize)>> {
    let end = loop {
        if let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") {
            break end;
        }
        if buffer.len() > 64 << 10 || !read_more(wire, buffer)? {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    buffer.drain(..end + 4);
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default().to_owned();
    let header = |line: &str| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    let headers: Vec<_> = lines.filter_map(header).collect();
    let request = Request { method, target, headers, body: Vec::new() };
    let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    Ok(Some((request, length)))
}

fn read_body(
    wire: &mut impl Read,
    buffer: &mut Vec<u8>,
    length: usize,
    count: &mut dyn FnMut(usize),
) -> io::Result<Vec<u8>> {
    count(buffer.len().min(length));
    while buffer.len() < length {
        let before = buffer.len();
        if !read_more(wire, buffer)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        count(buffer.len().min(length) - before);
    }
    Ok(buffer.drain(..length).collect())
}

fn read_more(wire: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<bool> {
    let mut piece = [0; 16 << 10];
    let count = wire.read(&mut piece)?;
    buffer.extend(&piece[..count]);
    Ok(count > 0)
}

struct Counted<'a> {
    stream: TcpStream,
    received: &'a AtomicU64,
}

impl Read for Counted<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(bytes)?;
        self.received.fetch_add(count as u64, Ordering::SeqCst);
        Ok(count)
    }
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
