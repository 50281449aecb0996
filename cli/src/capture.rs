//! `moulage capture`: photos in, objects out: into a folder archive, or sealed into an outbox.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use moulage::capture::{self, CustodySession};
use moulage::clock::SystemRandomness;
use moulage::dicom::{SopClass, View};
use moulage::photo::{PreparedPhoto, ScrubReport};
use moulage::{DicomError, Session};
use serde_json::json;

use crate::archive::Archive;
use crate::clock::LocalClock;
use crate::console::{Console, Names, shown};
use crate::failure::{Exit, Failure};
use crate::linkage::{EncounterArgs, PatientArgs, SiteArgs};
use crate::object::ObjectArgs;
use crate::picture::PictureArgs;
use crate::{contact_sheet, custody, report};

#[derive(Args)]
pub(crate) struct CaptureArgs {
    /// JPEG, PNG or HEIC, told by their content
    #[arg(value_name = "PHOTO", required = true)]
    photos: Vec<PathBuf>,
    /// Folder archive: made when it is not there, added to when it is
    #[arg(long, value_name = "FOLDER", required_unless_present = "outbox", conflicts_with = "outbox")]
    out: Option<PathBuf>,
    /// Outbox: objects are sealed, and wait there until an archive has them. Its key store is made beside it on first use
    #[arg(long, value_name = "FOLDER")]
    outbox: Option<PathBuf>,
    /// Its key store; without it, the one beside it
    #[arg(long, value_name = "FILE", conflicts_with = "out")]
    keystore: Option<PathBuf>,
    /// Certificate (PEM or DER) of an institution that can open the items, too; may be given several times
    #[arg(long, value_name = "CERT.pem", conflicts_with = "out")]
    recipient: Vec<PathBuf>,
    /// One JSON object a photo on stdout, a line each
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    site: SiteArgs,
    #[command(flatten)]
    patient: PatientArgs,
    #[command(flatten)]
    encounter: EncounterArgs,
    #[command(flatten)]
    picture: PictureArgs,
    #[command(flatten)]
    object: ObjectArgs,
}

impl CaptureArgs {
    /// Everything that is the same for all photos is checked before the first is read.
    pub(crate) fn run(&self, console: &mut Console) -> Result<(), Failure> {
        self.picture.check(self.photos.len())?;
        let mut view = self.object.view(self.site.site()?)?;
        let tracking_uid = self.site.lesion()?.map(|(lesion, uid)| {
            view.lesion = Some(lesion);
            uid
        });
        let place = self.place()?;
        let count = self.photos.len();
        let mut run = Run {
            args: self,
            names: Names::new("photo", &self.photos),
            console,
            place,
            view,
            progress: progress(count),
            tracking_uid,
            captured: 0,
        };
        if self.object.sop_class == SopClass::MultiFrameTrueColorSc {
            run.frames()
        } else {
            run.photos()
        }
        run.finish();
        Ok(())
    }

    fn place(&self) -> Result<Place, Failure> {
        let (patient, encounter, device) = (self.patient.patient()?, self.encounter.encounter()?, self.object.device());
        if let Some(outbox) = &self.outbox {
            let session = custody::open(outbox, self.keystore.as_deref(), &self.recipient)?
                .session(patient, encounter, device)?;
            return Ok(Place::Outbox(Box::new(session)));
        }
        let session = Session::begin(patient, encounter, device, Arc::new(LocalClock), Arc::new(SystemRandomness))?;
        let archive = Archive::new(self.out.as_deref().unwrap_or(Path::new(".")));
        Ok(Place::Archive(Box::new(session), archive))
    }
}

/// Where objects go.
enum Place {
    Archive(Box<Session>, Archive),
    Outbox(Box<CustodySession>),
}

/// An object that is in its place.
struct Captured {
    sop_class: SopClass,
    sop_instance_uid: String,
    series_instance_uid: String,
    study_instance_uid: String,
    /// `object` and its path in the archive, or `item` and its name in the outbox.
    place: (&'static str, String),
}

impl Place {
    /// Asked before a photo is read.
    fn ready(&self) -> Result<(), Failure> {
        match self {
            Self::Archive(..) => Ok(()),
            Self::Outbox(session) => Ok(session.ready()?),
        }
    }

    /// The object first: it is what must not be lost. The other failure is that of the small picture.
    fn keep(&mut self, photos: &[PreparedPhoto], view: &View) -> Result<(Captured, Option<Failure>), Failure> {
        match self {
            Self::Archive(session, archive) => {
                let instance = session.capture_frames(photos, view)?;
                let place = archive.store(&instance)?.display().to_string();
                let preview = photos.first().map(PreparedPhoto::preview);
                let pictured = preview.map(|preview| archive.store_thumbnail(instance.sop_instance_uid(), preview));
                let captured = Captured {
                    sop_class: instance.sop_class(),
                    sop_instance_uid: instance.sop_instance_uid().to_owned(),
                    series_instance_uid: instance.series_instance_uid().to_owned(),
                    study_instance_uid: instance.study_instance_uid().to_owned(),
                    place: ("object", place),
                };
                Ok((captured, pictured.and_then(Result::err)))
            }
            Self::Outbox(session) => {
                let capture::Captured { item, sop_class, sop_instance_uid, series_instance_uid, study_instance_uid } =
                    session.capture_frames(photos, view)?;
                let place = ("item", item.to_string());
                Ok((Captured { sop_class, sop_instance_uid, series_instance_uid, study_instance_uid, place }, None))
            }
        }
    }
}

/// A bar on stderr for several photos, when somebody sees it.
fn progress(photos: usize) -> ProgressBar {
    if photos < 2 {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} photos, {eta} left");
    ProgressBar::new(photos as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

struct Run<'a> {
    args: &'a CaptureArgs,
    names: Names<'a>,
    console: &'a mut Console,
    place: Place,
    view: View,
    progress: ProgressBar,
    tracking_uid: Option<String>,
    captured: usize,
}

impl Run<'_> {
    /// A photo, an object.
    fn photos(&mut self) {
        for (index, path) in self.args.photos.iter().enumerate() {
            let prepared = self.place.ready().and_then(|()| self.args.picture.prepare(path));
            let outcome = prepared.and_then(|(photo, report)| Ok((self.keep(&[photo])?, report)));
            match outcome {
                Ok((captured, report)) => self.tell_captured(index, &captured, &report),
                Err(failure) => self.tell_refused(index, &failure),
            }
            self.progress.inc(1);
        }
    }

    /// All photos, one object; or none, when one of them is refused.
    fn frames(&mut self) {
        let mut frames = Vec::new();
        let mut reports = Vec::new();
        let mut refusals = Vec::new();
        for (index, path) in self.args.photos.iter().enumerate() {
            match self.place.ready().and_then(|()| self.args.picture.prepare(path)) {
                Ok((photo, report)) => {
                    frames.push(photo);
                    reports.push(report);
                }
                Err(failure) => refusals.push((index, failure)),
            }
            self.progress.inc(1);
        }
        let outcome = if refusals.is_empty() {
            self.keep(&frames)
        } else {
            Err(DicomError::Frames("another photo of the object was refused").into())
        };
        match outcome {
            Ok(captured) => {
                for (index, report) in reports.iter().enumerate() {
                    self.tell_captured(index, &captured, report);
                }
            }
            Err(failure) => {
                for index in 0..self.args.photos.len() {
                    let own = refusals.iter().find(|(refused, _)| *refused == index);
                    self.tell_refused(index, own.map_or(&failure, |(_, own)| own));
                }
            }
        }
    }

    fn keep(&mut self, photos: &[PreparedPhoto]) -> Result<Captured, Failure> {
        let (captured, failure) = self.place.keep(photos, &self.view)?;
        if let Some(failure) = failure {
            self.progress.suspend(|| self.console.fail("", &failure));
        }
        Ok(captured)
    }

    fn tell_captured(&mut self, index: usize, captured: &Captured, report: &ScrubReport) {
        self.captured += 1;
        let (what, place) = &captured.place;
        if self.args.json {
            let mut line = json!({
                "photo": index + 1,
                "outcome": "captured",
                *what: place,
                "sop_class": captured.sop_class.key(),
                "sop_instance_uid": captured.sop_instance_uid,
                "series_instance_uid": captured.series_instance_uid,
                "study_instance_uid": captured.study_instance_uid,
                "report": report,
            });
            if let Some(uid) = &self.tracking_uid {
                line["tracking_uid"] = json!(uid);
            }
            self.progress.suspend(|| self.console.say_json(&line));
        } else {
            let photo = self.names.name(index, &io::stdout());
            let text = format!("{photo}: captured, {}\n  {place}", report::summary(report));
            self.progress.suspend(|| self.console.say(&text));
        }
    }

    fn tell_refused(&mut self, index: usize, failure: &Failure) {
        let outcome = if failure.exit == Exit::Trouble { "failed" } else { "refused" };
        let photo = self.names.name(index, &io::stderr());
        self.progress.suspend(|| {
            if self.args.json {
                self.console.say_json(&json!({ "photo": index + 1, "outcome": outcome, "error": failure.json() }));
            }
            self.console.fail(&format!("{photo}: {outcome}"), failure);
        });
    }

    fn finish(self) {
        self.progress.finish_and_clear();
        if self.captured == 0 {
            return;
        }
        let see = match &self.place {
            Place::Archive(_, archive) => {
                if let Err(failure) = contact_sheet::rebuild(archive) {
                    self.console.fail("", &failure);
                }
                let sheet = self.args.out.as_ref().map(|out| shown(&out.join(contact_sheet::NAME)));
                let sheet = sheet.filter(|_| io::IsTerminal::is_terminal(&io::stdout()));
                format!("see {}", sheet.unwrap_or(contact_sheet::NAME.to_owned()))
            }
            Place::Outbox(_) => "sealed in the outbox".to_owned(),
        };
        if self.args.json {
            return;
        }
        self.console.say(&format!("{} of {} photos captured; {see}", self.captured, self.args.photos.len()));
        if let Some(uid) = &self.tracking_uid {
            self.console.say(&format!("the lesion's TrackingUID: {uid}\n  next time: --lesion-uid {uid}"));
        }
    }
}
