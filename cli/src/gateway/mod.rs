//! `moulage gateway`: the hospital's side of sealed items.
//!
//! ```text
//! phone --POST /sealed-items--> serve --> receive: token, length, digest --> unseal --> dicom::check --> archive --confirmed--> 200
//! ```
//!
//! It keeps nothing: no spool, no database. A phone erases its photo only after the 200, which comes only after the archive
//! said that it holds the object; whenever a gateway dies before, the phone asks again, this one or another.

mod access;
mod answer;
mod archive;
mod journal;
mod metrics;
mod receive;
mod room;
mod secret_file;
mod serve;
mod volatile;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use moulage::capture::AuditLog;
use moulage::clock::SystemRandomness;
use moulage::error::OutboxError;
use moulage::outbox::FileStorage;
use moulage::seal::{InstitutionKey, LARGEST_SEALED, TrustedSigners, Unsealer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::clock::LocalClock;
use crate::console::Console;
use crate::failure::{Exit, Failure};
use crate::file_keystore::FileKeystore;
use access::Tokens;
use archive::{Archive, ArchiveArgs};
use journal::Journal;
use metrics::Metrics;
use receive::Gateway;
use room::{Memory, Turns};
use serve::{Door, Patience};

#[derive(Args)]
pub(crate) struct GatewayArgs {
    /// Where phones, or a load balancer, reach it
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Certificate chain and private key of the server, PEM. Without it: plain http, on this machine only
    #[arg(long, value_name = "FILE")]
    tls: Option<PathBuf>,
    /// Certificates of the authorities whose clients may come, PEM. Others are turned away
    #[arg(long, value_name = "FILE", requires = "tls")]
    client_ca: Option<PathBuf>,
    /// Access tokens that phones may come with, one a line
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
    /// Private key (PKCS#8) and certificate of the institution, PEM. Several times around a change of keys
    #[arg(long = "key", value_name = "FILE", required = true)]
    keys: Vec<PathBuf>,
    /// Certificates of devices, or of the authorities that issue theirs, PEM. Items that none of them signed are refused
    #[arg(long, value_name = "FILE")]
    trusted_signers: Option<PathBuf>,
    #[command(flatten)]
    archive: ArchiveArgs,
    /// Folder for a chain of audit records; `moulage audit --outbox` reads it. Its key lies beside it, as an outbox's does
    #[arg(long, value_name = "FOLDER")]
    audit: Option<PathBuf>,
    /// Where health and Prometheus metrics are asked for, in plain http
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
    /// Largest sealed item, MiB
    #[arg(long, value_name = "MIB", default_value_t = 65, value_parser = clap::value_parser!(u64).range(1..=65))]
    largest: u64,
    /// Memory for items, all together, MiB. An item counts four times its length
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    memory: u64,
    /// Most connections at once
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// Within so many seconds an item must have come in
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..))]
    receive_within: u64,
    /// A connection without a request is closed after so many seconds; a load balancer in front must close it earlier
    #[arg(long, value_name = "SECONDS", default_value_t = 75, value_parser = clap::value_parser!(u64).range(1..))]
    idle: u64,
}

impl GatewayArgs {
    pub(crate) fn run(&self, _: &mut Console) -> Result<(), Failure> {
        let outside = !self.listen.ip().is_loopback();
        if outside && self.tls.is_none() {
            return Err(Failure::usage(
                "gateway-open",
                "photos are received over TLS only, but on this machine itself",
            )
            .help("--tls FILE gives the certificate"));
        }
        if outside && self.tokens.is_none() && self.client_ca.is_none() {
            return Err(Failure::usage("gateway-open", "anybody could hand in items")
                .help("--tokens FILE or --client-ca FILE say who may"));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(|_| Failure::new(Exit::Trouble, "gateway-threads", "no threads can be made"))?;
        runtime.block_on(self.serve())
    }

    async fn serve(&self) -> Result<(), Failure> {
        let metrics = Arc::new(Metrics::new());
        let largest = (self.largest << 20).min(LARGEST_SEALED as u64);
        let gateway = Arc::new(Gateway {
            tokens: self.tokens.as_deref().map(Tokens::read).transpose()?,
            keys: self.keys.iter().map(|path| institution_key(path)).collect::<Result<_, _>>()?,
            trusted: self.trusted_signers.as_deref().map(trusted_signers).transpose()?,
            archive: Archive::open(&self.archive)?,
            largest,
            memory: Memory::new(self.memory << 20, largest),
            turns: Turns::new(),
            receive_within: Duration::from_secs(self.receive_within),
            stopping: AtomicBool::new(false),
            journal: Journal::new(Arc::clone(&metrics), self.audit.as_deref().map(audit_log).transpose()?),
            metrics: Arc::clone(&metrics),
        });
        let tls =
            self.tls.as_deref().map(|tls| server_config(tls, self.client_ca.as_deref())).transpose()?.map(Arc::new);
        let patience = Patience { idle: Duration::from_secs(self.idle), connections: self.connections as usize };
        let open = |address, tls, patience| Door::open(address, tls, patience, Arc::clone(&metrics));
        let door = open(self.listen, tls, patience).await.map_err(|_| not_listening())?;
        let inside = match self.metrics {
            Some(address) => {
                Some(open(address, None, Patience { connections: 64, ..patience }).await.map_err(|_| not_listening())?)
            }
            None => None,
        };
        let (stop, stopped) = watch::channel(false);
        let stopped = move || {
            let mut stopped = stopped.clone();
            async move { drop(stopped.wait_for(|stop| *stop).await) }
        };
        gateway.journal.listening(door.address, inside.as_ref().map(|inside| inside.address));
        let inside = inside.map(|inside| {
            let gateway = Arc::clone(&gateway);
            tokio::spawn(inside.serve(move |request| Arc::clone(&gateway).answer_inside(request), stopped()))
        });
        let outside = Arc::clone(&gateway);
        let outside = tokio::spawn(door.serve(move |request| Arc::clone(&outside).answer(request), stopped()));
        asked_to_stop().await;
        gateway.stopping.store(true, Ordering::Relaxed);
        gateway.journal.event("stopping");
        let _ = stop.send(true);
        let _ = outside.await;
        // Items of phones that hung up are brought to their end, too.
        gateway.memory.empty().await;
        if let Some(inside) = inside {
            let _ = inside.await;
        }
        gateway.journal.event("stopped");
        Ok(())
    }
}

/// SIGTERM, or Ctrl-C.
async fn asked_to_stop() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

fn not_listening() -> Failure {
    Failure::new(Exit::Trouble, "gateway-listen", "the address cannot be listened on")
}

fn audit_log(folder: &Path) -> Result<AuditLog, Failure> {
    let storage = FileStorage::new(folder).map_err(OutboxError::from)?;
    let keystore = FileKeystore::open(&FileKeystore::beside(folder))?;
    Ok(AuditLog::on(Arc::new(storage), Some(Arc::new(keystore)), Arc::new(LocalClock), Arc::new(SystemRandomness)))
}

fn institution_key(path: &Path) -> Result<Box<dyn Unsealer>, Failure> {
    let file = secret_file::read(path, "the institution's key")?;
    let block = |label: &str| {
        let text = std::str::from_utf8(&file).ok()?;
        let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
        let start = text.find(&begin)?;
        let length = text.get(start..)?.find(&end)? + end.len();
        text.get(start..start + length)
    };
    let (Some(key), Some(certificate)) = (block("PRIVATE KEY"), block("CERTIFICATE")) else {
        return Err(Failure::usage("gateway-key", "the institution's key and its certificate must be in one PEM file"));
    };
    let key = InstitutionKey::from_pem(key.as_bytes(), certificate.as_bytes());
    Ok(Box::new(key.map_err(|error| Failure::usage(error.code(), format!("the institution's key: {error}")))?))
}

fn trusted_signers(path: &Path) -> Result<TrustedSigners, Failure> {
    let file = secret_file::read_public(path, "the trusted signers")?;
    TrustedSigners::from_pem(&file)
        .map_err(|error| Failure::usage(error.code(), format!("the trusted signers: {error}")))
}

fn server_config(tls: &Path, client_ca: Option<&Path>) -> Result<ServerConfig, Failure> {
    let unusable = |what: &str| Failure::usage("gateway-tls", format!("{what} cannot be used for TLS"));
    let file = secret_file::read(tls, "the server's certificate and key")?;
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(&file).collect::<Result<_, _>>().map_err(|_| unusable("the certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(&file).map_err(|_| unusable("the key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|_| unusable("the certificate"))?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let file = secret_file::read_public(path, "the clients' authorities")?;
            let mut roots = RootCertStore::empty();
            for root in CertificateDer::pem_slice_iter(&file) {
                let added = root.ok().and_then(|root| roots.add(root).ok());
                added.ok_or_else(|| unusable("a client's authority"))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|_| unusable("the clients' authorities"))?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|_| unusable("the certificate with its key"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
