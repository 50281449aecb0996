//! `moulage store`: empties an outbox into an archive or a gateway.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, FixedOffset, NaiveDate};
use clap::{ArgGroup, Args};
use indicatif::{ProgressBar, ProgressStyle};
use moulage::capture::DicomObjects;
use moulage::error::{HttpError, UploadError};
use moulage::outbox::ItemId;
use moulage::upload::http::{
    ClientCertificate, DrainObserver, HttpDriver, HttpOptions, Pins, Proxy, Roots, TokenSource, Tokens,
};
use moulage::upload::{AccessToken, Confirm, Destination, Outcome, Policy, Step, Uploader};
use serde_json::json;
use zeroize::Zeroizing;

use crate::choice::choice;
use crate::console::Console;
use crate::failure::{Exit, Failure};
use crate::file_keystore::private;
use crate::input;
use crate::outbox;

/// The environment's access token, when no file is named.
const TOKEN: &str = "MOULAGE_TOKEN";

#[derive(Args)]
#[command(group = ArgGroup::new("destination").required(true))]
pub(crate) struct StoreArgs {
    #[command(flatten)]
    outbox: outbox::Place,
    /// A DICOMweb archive: the URL that `/studies` follows; https, or http to this computer
    #[arg(long, value_name = "URL", group = "destination")]
    archive: Option<String>,
    /// The institution's gateway: items leave as they are sealed
    #[arg(long, value_name = "URL", group = "destination")]
    gateway: Option<String>,
    /// Certificate (PEM or DER) of the institution: items that were captured without any are sealed to it first; may be given several times
    #[arg(long, value_name = "CERT.pem", conflicts_with = "archive")]
    recipient: Vec<PathBuf>,
    /// How sure it must be that the archive has a photo before it is erased here
    #[arg(long, value_name = "LEVEL", default_value = "found", value_parser = choice(CONFIRM), conflicts_with = "gateway")]
    confirm: Confirm,
    /// Certificate authorities to trust instead of the system's, PEM
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// SHA-256 of a public key that the server may have, base64; at least twice, with one in reserve
    #[arg(long, value_name = "DIGEST", requires = "pins_until")]
    pin: Vec<String>,
    /// From this day on the pins count no more
    #[arg(long, value_name = "YYYY-MM-DD", requires = "pin")]
    pins_until: Option<NaiveDate>,
    /// Our certificate, for servers that want one, PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its key, PEM; only its owner may read it
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Access token; read again when it was refused. Without it, MOULAGE_TOKEN
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// HTTP proxy, `http://host:port`; `env` takes HTTPS_PROXY and NO_PROXY
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// Photos on their way at the same time
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    concurrency: u8,
    /// End when there is nothing to do for longer than this
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    wait: u64,
    /// One JSON object a line on stdout
    #[arg(long)]
    json: bool,
}

const CONFIRM: &[(&str, Confirm)] = &[
    ("listed", Confirm::Listed),
    ("found", Confirm::Found),
    ("compared", Confirm::Compared),
    ("committed", Confirm::Committed),
];

impl StoreArgs {
    pub(crate) fn run(&self, console: &mut Console) -> Result<(), Failure> {
        let destination = self.destination()?;
        let driver = HttpDriver::new(self.options()?)?;
        let tokens = self.tokens()?;
        let custody = self.outbox.open(&self.recipient)?;
        let outbox = custody.outbox();
        let uploader = Uploader::new(Arc::clone(outbox), destination, Arc::new(DicomObjects));
        let progress = Progress::new(outbox.items()?.len() as u64);
        let drained = driver.drain(&uploader, tokens.as_ref(), &progress);
        progress.bar.finish_and_clear();

        for item in progress.stored.into_inner().unwrap_or_else(PoisonError::into_inner) {
            match self.json {
                true => console.say_json(&json!({ "item": item.to_string(), "outcome": "stored" })),
                false => console.say(&format!("{item}: stored")),
            }
        }
        let left = outbox.items()?;
        for item in &left {
            outbox::say(console, item, self.json);
        }
        if !left.is_empty() {
            console.note(Exit::Refused);
        }
        Ok(drained?)
    }

    fn destination(&self) -> Result<Destination, Failure> {
        let destination = match (&self.archive, &self.gateway) {
            (Some(url), _) => Destination::new(url, Policy::Direct)?.confirm(self.confirm),
            (None, url) => Destination::new(url.as_deref().unwrap_or_default(), Policy::Sealed)?,
        };
        Ok(destination)
    }

    fn options(&self) -> Result<HttpOptions, Failure> {
        let roots = self.ca.as_deref().map(input::resource).transpose()?.map_or(Roots::Platform, Roots::Only);
        let pins =
            self.pins_until.map(|day| Pins::new(self.pin.iter().map(String::as_str), midnight(day))).transpose()?;
        let client_certificate = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => Some(ClientCertificate::from_pem(&input::resource(cert)?, &secret(key)?)?),
            _ => None,
        };
        let proxy = match self.proxy.as_deref() {
            None => Proxy::None,
            Some("env") => Proxy::Environment,
            Some(url) => Proxy::Url(url.to_owned()),
        };
        Ok(HttpOptions {
            roots,
            pins,
            client_certificate,
            proxy,
            concurrency: self.concurrency.into(),
            longest_wait: Duration::from_secs(self.wait),
            ..HttpOptions::default()
        })
    }

    fn tokens(&self) -> Result<Option<Tokens>, Failure> {
        let source = match &self.token_file {
            Some(path) => {
                secret(path)?;
                TokenPlace::File(path.clone())
            }
            None if std::env::var_os(TOKEN).is_some() => TokenPlace::Environment,
            None => return Ok(None),
        };
        Ok(Some(Tokens::new(Arc::new(source))))
    }
}

/// The first moment of a day, UTC.
fn midnight(day: NaiveDate) -> DateTime<FixedOffset> {
    day.and_time(chrono::NaiveTime::MIN).and_utc().fixed_offset()
}

/// A file that others may not read.
fn secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let bytes = Zeroizing::new(input::resource(path)?);
    if fs::metadata(path).is_ok_and(|metadata| private(&metadata)) {
        return Ok(bytes);
    }
    let failure = Failure::usage("secret-open", "a key or token may be read by others than its owner");
    Err(failure.help("take the others' permissions away (chmod 600)"))
}

enum TokenPlace {
    File(PathBuf),
    Environment,
}

impl TokenSource for TokenPlace {
    fn fetch(&self) -> Result<AccessToken, HttpError> {
        let token = match self {
            Self::File(path) => {
                let bytes = secret(path).map_err(|_| HttpError::NoToken)?;
                Zeroizing::new(String::from_utf8(bytes.to_vec()).map_err(|_| HttpError::NoToken)?)
            }
            Self::Environment => Zeroizing::new(std::env::var(TOKEN).map_err(|_| HttpError::NoToken)?),
        };
        AccessToken::new(token.trim()).map_err(HttpError::from)
    }
}

/// On a terminal, a bar; for the end, what was stored.
struct Progress {
    bar: ProgressBar,
    sent: AtomicU64,
    stored: Mutex<Vec<ItemId>>,
}

impl Progress {
    fn new(items: u64) -> Self {
        // A bar that is no terminal's draws nothing.
        let bar = if io::stderr().is_terminal() { ProgressBar::new(items) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len} stored  {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, sent: AtomicU64::new(0), stored: Mutex::default() }
    }
}

impl DrainObserver for Progress {
    fn on_progress(&self, _: &ItemId, step: Step, sent: u64, bytes: u64) {
        if step == Step::Store && bytes > 0 && self.sent.swap(sent, Ordering::Relaxed) != sent {
            self.bar.set_message(format!("{} %", sent * 100 / bytes));
        }
    }

    fn on_outcome(&self, item: &ItemId, step: Step, outcome: Outcome) {
        match outcome {
            Outcome::Stored => {
                self.stored.lock().unwrap_or_else(PoisonError::into_inner).push(*item);
                self.bar.inc(1);
                self.bar.set_message("");
            }
            Outcome::Waits(_) | Outcome::Blocked(_) if step == Step::Store => self.bar.set_message("waits"),
            _ => {}
        }
    }
}

impl From<UploadError> for Failure {
    fn from(error: UploadError) -> Self {
        let exit = match error {
            UploadError::BaseUrl | UploadError::PlainHttp => Exit::Usage,
            UploadError::Outbox(_) => Exit::Trouble,
            _ => Exit::Refused,
        };
        Self::new(exit, error.code(), error.to_string())
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        let exit = match error {
            HttpError::Upload(error) => return error.into(),
            HttpError::NoToken => Exit::Refused,
            HttpError::Client => Exit::Trouble,
            _ => Exit::Usage,
        };
        Self::new(exit, error.code(), error.to_string())
    }
}
