//! A bad network on the way to a server: it carries bytes, encrypted or not, and now and then cuts, loses or delays them.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::random::Random;

/// A server that has been quiet for so long has answered.
const QUIET: Duration = Duration::from_millis(400);

/// A running one. It ends with the value.
pub struct CuttingProxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    to: u16,
    /// Of 100 exchanges, this many go wrong.
    percent: usize,
    random: Mutex<Random>,
    exchanges: AtomicU64,
    faults: AtomicU64,
    over: AtomicBool,
}

/// What happens to one exchange: what the client says until the server has answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// Cut when the client has said so many bytes.
    Cut(usize),
    /// All that the client says arrives; what the server says does not.
    AnswerLost,
}

impl CuttingProxy {
    /// On the way to a server at 127.0.0.1; of 100 exchanges `percent` go wrong.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn start(to: u16, percent: usize, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let random = Mutex::new(Random::new(seed));
        let (exchanges, faults, over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        let shared = Arc::new(Shared { to, percent, random, exchanges, faults, over });
        let proxy = Self { port, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", shared.to)) else { continue };
                carry(&shared, client, server);
            }
        });
        proxy
    }

    /// Where it listens, at 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Exchanges so far, and how many of them went wrong. Agreeing on TLS is one, each request another.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.shared.exchanges.load(Ordering::SeqCst), self.shared.faults.load(Ordering::SeqCst))
    }
}

impl Drop for CuttingProxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // Wakes it.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn fault(&self) -> Fault {
        self.exchanges.fetch_add(1, Ordering::SeqCst);
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        if random.below(100) >= self.percent {
            return Fault::None;
        }
        self.faults.fetch_add(1, Ordering::SeqCst);
        if random.below(2) == 0 { Fault::AnswerLost } else { Fault::Cut(random.below(12_000)) }
    }
}

/// Whose turn it is to speak, and what becomes of it.
struct Exchange {
    fault: Fault,
    client_speaks: bool,
    said: usize,
}

fn carry(shared: &Arc<Shared>, client: TcpStream, server: TcpStream) {
    let exchange = Arc::new(Mutex::new(Exchange { fault: Fault::None, client_speaks: false, said: 0 }));
    let streams = || Some((client.try_clone().ok()?, server.try_clone().ok()?));
    let (Some(up), Some(down)) = (streams(), streams()) else { return };
    let (shared, other) = (Arc::clone(shared), Arc::clone(&exchange));
    thread::spawn(move || {
        client_to_server(&shared, &exchange, &up.0, &up.1);
        end(&up);
    });
    thread::spawn(move || {
        server_to_client(&other, &down.0, &down.1);
        end(&down);
    });
}

fn client_to_server(shared: &Shared, exchange: &Mutex<Exchange>, mut client: &TcpStream, mut server: &TcpStream) {
    let mut buffer = [0; 16 << 10];
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        let pass = {
            let mut exchange = lock(exchange);
            if !exchange.client_speaks {
                *exchange = Exchange { fault: shared.fault(), client_speaks: true, said: 0 };
            }
            exchange.said += count;
            match exchange.fault {
                Fault::Cut(at) if exchange.said > at => count - (exchange.said - at).min(count),
                _ => count,
            }
        };
        if server.write_all(&buffer[..pass]).is_err() || pass < count {
            return;
        }
    }
}

fn server_to_client(exchange: &Mutex<Exchange>, mut client: &TcpStream, mut server: &TcpStream) {
    let mut buffer = [0; 16 << 10];
    if server.set_read_timeout(Some(QUIET)).is_err() {
        return;
    }
    let mut heard = false;
    loop {
        let read = server.read(&mut buffer);
        let lost = lock(exchange).fault == Fault::AnswerLost;
        match read {
            Ok(0) => return,
            Ok(_) if lost => heard = true,
            Ok(count) => {
                lock(exchange).client_speaks = false;
                if client.write_all(&buffer[..count]).is_err() {
                    return;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if lost && heard {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

fn lock(exchange: &Mutex<Exchange>) -> MutexGuard<'_, Exchange> {
    exchange.lock().unwrap_or_else(PoisonError::into_inner)
}

fn end((client, server): &(TcpStream, TcpStream)) {
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}
