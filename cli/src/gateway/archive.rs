//! Where objects go: a folder of our own, or an archive that speaks DICOMweb.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use moulage::capture::DicomObjects;
use moulage::dicom::Head;
use moulage::outbox::Reason;
use moulage::upload::http::{ClientCertificate, HttpClient, HttpOptions, Roots};
use moulage::upload::{AccessToken, Confirm, Destination, Outcome, Policy, UploadTask, Uploader};
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use zeroize::Zeroizing;

use super::answer::Answer;
use super::room::Turns;
use super::{secret_file, volatile};
use crate::archive::{self, Kept};
use crate::failure::Failure;

/// An archive that has not confirmed an object by then has the phone ask again. It must be well within a phone's quarantine.
const PATIENCE: Duration = Duration::from_secs(30);
/// A request to the archive in which nothing moves is given up.
const IDLE: Duration = Duration::from_secs(30);

#[derive(Args)]
pub(super) struct ArchiveArgs {
    /// Keep the objects in a folder archive, as `moulage capture --out` makes it
    #[arg(long, value_name = "FOLDER", default_value = "archive", conflicts_with = "archive")]
    archive_folder: PathBuf,
    /// Store them in an archive that speaks DICOMweb, at this URL: what `/studies` follows
    #[arg(long, value_name = "URL")]
    archive: Option<String>,
    /// Certificates of the authorities that vouch for the archive, PEM, instead of the system's
    #[arg(long, value_name = "FILE", requires = "archive")]
    archive_ca: Option<PathBuf>,
    /// What to say to the archive: `Bearer TOKEN` or `Basic USER:PASSWORD`
    #[arg(long, value_name = "FILE", requires = "archive")]
    archive_login: Option<PathBuf>,
    /// Our certificate and private key for the archive, PEM
    #[arg(long, value_name = "FILE", requires = "archive")]
    archive_certificate: Option<PathBuf>,
    /// When an object counts as stored: found by a query, or read back and compared
    #[arg(long, value_enum, value_name = "HOW", default_value_t = How::Found, requires = "archive")]
    confirm: How,
}

#[derive(Clone, Copy, ValueEnum)]
enum How {
    Found,
    Compared,
}

pub(super) enum Archive {
    Folder(Arc<archive::Archive>),
    Web(Box<WebArchive>),
}

impl Archive {
    pub(super) fn open(args: &ArchiveArgs) -> Result<Self, Failure> {
        match &args.archive {
            Some(url) => Ok(Self::Web(Box::new(WebArchive::new(url, args)?))),
            None => Ok(Self::Folder(Arc::new(archive::Archive::new(&args.archive_folder)))),
        }
    }

    /// `Ok`: the archive holds the object. One that it holds already is not stored again.
    pub(super) async fn store(&self, object: Zeroizing<Vec<u8>>, turns: &Turns) -> Result<(), Answer> {
        let head = Head::read(&object).map_err(|_| Answer::NotDicom)?;
        let _turn = turns.of(&head.sop_instance_uid).await;
        match self {
            Self::Folder(folder) => {
                let folder = Arc::clone(folder);
                let keep = move || {
                    let uids = [&head.study_instance_uid, &head.series_instance_uid, &head.sop_instance_uid];
                    folder.keep(uids.map(String::as_str), &object)
                };
                match spawn_blocking(keep).await.map_err(|_| Answer::Internal)? {
                    Ok(Kept::New | Kept::Same) => Ok(()),
                    Ok(Kept::Other) => Err(Answer::Conflict),
                    Err(_) => Err(Answer::ArchiveUnavailable),
                }
            }
            Self::Web(web) => web.store(object).await,
        }
    }
}

pub(super) struct WebArchive {
    client: HttpClient,
    destination: Destination,
    token: Option<AccessToken>,
}

impl WebArchive {
    fn new(url: &str, args: &ArchiveArgs) -> Result<Self, Failure> {
        let refused = |what: &str| Failure::usage("gateway-archive", format!("{what} cannot be used"));
        let confirm = match args.confirm {
            How::Found => Confirm::Found,
            How::Compared => Confirm::Compared,
        };
        let destination = Destination::new(url, Policy::Direct)
            .map_err(|error| Failure::usage(error.code(), format!("the archive: {error}")))?
            .confirm(confirm);
        let mut options = HttpOptions { idle_timeout: IDLE, ..HttpOptions::default() };
        if let Some(path) = &args.archive_ca {
            options.roots = Roots::Only(secret_file::read_public(path, "the archive's authorities")?.to_vec());
        }
        if let Some(path) = &args.archive_certificate {
            let file = secret_file::read(path, "our certificate for the archive")?;
            let certificate = ClientCertificate::from_pem(&file, &file);
            options.client_certificate = Some(certificate.map_err(|_| refused("our certificate for the archive"))?);
        }
        let client = HttpClient::new(&options)
            .map_err(|error| Failure::usage(error.code(), format!("the way to the archive: {error}")))?;
        let token = args.archive_login.as_deref().map(login).transpose()?;
        Ok(Self { client, destination, token })
    }

    async fn store(&self, object: Zeroizing<Vec<u8>>) -> Result<(), Answer> {
        let quarantine = self.destination.quarantined_for();
        let outbox = spawn_blocking(move || volatile::outbox(&object, quarantine)).await;
        let outbox = outbox.ok().and_then(Result::ok).ok_or(Answer::Internal)?;
        let uploader = Uploader::new(Arc::new(outbox), self.destination.clone(), Arc::new(DicomObjects));
        let until = Instant::now() + PATIENCE;
        loop {
            match uploader.next_upload(self.token.as_ref()) {
                Ok(UploadTask::Send(request)) => {
                    let result = self.client.send(&request).await;
                    match uploader.finish_upload(request.id, result) {
                        Ok(Outcome::Stored) => return Ok(()),
                        Ok(Outcome::Continues | Outcome::Waits(_)) => {}
                        Ok(Outcome::Refused(Reason::Conflict | Reason::OtherPatient)) => return Err(Answer::Conflict),
                        Ok(Outcome::Refused(_)) => return Err(Answer::ArchiveRefused),
                        Ok(Outcome::Blocked(_)) | Err(_) => return Err(Answer::ArchiveUnavailable),
                    }
                }
                Ok(UploadTask::Wait(wait)) if Instant::now() + wait < until => sleep(wait).await,
                _ => return Err(Answer::ArchiveUnavailable),
            }
        }
    }
}

fn login(path: &Path) -> Result<AccessToken, Failure> {
    let wrong = || Failure::usage("gateway-login", "the login is neither `Bearer TOKEN` nor `Basic USER:PASSWORD`");
    let file = secret_file::read(path, "the login")?;
    let text = std::str::from_utf8(&file).map_err(|_| wrong())?.trim();
    let (scheme, secret) = text.split_once(' ').ok_or_else(wrong)?;
    match scheme {
        "Bearer" => AccessToken::new(secret).map_err(|_| wrong()),
        "Basic" => {
            let (user, password) = secret.split_once(':').ok_or_else(wrong)?;
            AccessToken::basic(user, password).map_err(|_| wrong())
        }
        _ => Err(wrong()),
    }
}
