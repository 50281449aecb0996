//! `moulage capture`: photos in, objects in a folder archive out.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use moulage::clock::SystemRandomness;
use moulage::dicom::{Instance, SopClass, View};
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
use crate::{contact_sheet, report};

#[derive(Args)]
pub(crate) struct CaptureArgs {
    /// JPEG, PNG or HEIC, told by their content
    #[arg(value_name = "PHOTO", required = true)]
    photos: Vec<PathBuf>,
    /// Folder archive: made when it is not there, added to when it is
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
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
        let session = Session::begin(
            self.patient.patient()?,
            self.encounter.encounter()?,
            self.object.device(),
            Arc::new(LocalClock),
            Arc::new(SystemRandomness),
        )?;
        let count = self.photos.len();
        let mut run = Run {
            args: self,
            names: Names::new("photo", &self.photos),
            console,
            session,
            view,
            archive: Archive::new(&self.out),
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
    session: Session,
    view: View,
    archive: Archive,
    progress: ProgressBar,
    tracking_uid: Option<String>,
    captured: usize,
}

/// An object that is in the archive.
struct Captured {
    instance: Instance,
    object: PathBuf,
}

impl Run<'_> {
    /// A photo, an object.
    fn photos(&mut self) {
        for (index, path) in self.args.photos.iter().enumerate() {
            let outcome = self.args.picture.prepare(path).and_then(|(photo, report)| {
                let instance = self.session.capture(&photo, &self.view)?;
                Ok((self.store(instance, &photo)?, report))
            });
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
            match self.args.picture.prepare(path) {
                Ok((photo, report)) => {
                    frames.push(photo);
                    reports.push(report);
                }
                Err(failure) => refusals.push((index, failure)),
            }
            self.progress.inc(1);
        }
        let outcome = if refusals.is_empty() {
            let instance = self.session.capture_frames(&frames, &self.view).map_err(Failure::from);
            instance.and_then(|instance| self.store(instance, &frames[0]))
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

    /// The object first: it is what must not be lost.
    fn store(&mut self, instance: Instance, photo: &PreparedPhoto) -> Result<Captured, Failure> {
        let object = self.archive.store(&instance)?;
        if let Err(failure) = self.archive.store_thumbnail(instance.sop_instance_uid(), photo.preview()) {
            self.progress.suspend(|| self.console.fail("", &failure));
        }
        Ok(Captured { instance, object })
    }

    fn tell_captured(&mut self, index: usize, captured: &Captured, report: &ScrubReport) {
        self.captured += 1;
        let instance = &captured.instance;
        let object = captured.object.display().to_string();
        if self.args.json {
            let mut line = json!({
                "photo": index + 1,
                "outcome": "captured",
                "object": object,
                "sop_class": instance.sop_class().key(),
                "sop_instance_uid": instance.sop_instance_uid(),
                "series_instance_uid": instance.series_instance_uid(),
                "study_instance_uid": instance.study_instance_uid(),
                "report": report,
            });
            if let Some(uid) = &self.tracking_uid {
                line["tracking_uid"] = json!(uid);
            }
            self.progress.suspend(|| self.console.say_json(&line));
        } else {
            let photo = self.names.name(index, &io::stdout());
            let text = format!("{photo}: captured, {}\n  {object}", report::summary(report));
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
        if let Err(failure) = contact_sheet::rebuild(&self.archive) {
            self.console.fail("", &failure);
        }
        if self.args.json {
            return;
        }
        let sheet = if io::IsTerminal::is_terminal(&io::stdout()) {
            shown(&self.args.out.join(contact_sheet::NAME))
        } else {
            contact_sheet::NAME.to_owned()
        };
        self.console.say(&format!("{} of {} photos captured; see {sheet}", self.captured, self.args.photos.len()));
        if let Some(uid) = &self.tracking_uid {
            self.console.say(&format!("the lesion's TrackingUID: {uid}\n  next time: --lesion-uid {uid}"));
        }
    }
}
