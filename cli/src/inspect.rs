//! `moulage inspect`: what is in a photo, and what would become of it.

use std::io;
use std::path::PathBuf;

use clap::Args;
use moulage::PhotoError;
use moulage::photo::Outcome;
use serde_json::json;

use crate::console::{Console, Names};
use crate::failure::Failure;
use crate::picture::PictureArgs;
use crate::report;

#[derive(Args)]
pub(crate) struct InspectArgs {
    /// JPEG, PNG or HEIC, told by their content
    #[arg(value_name = "PHOTO", required = true)]
    photos: Vec<PathBuf>,
    /// One JSON object a photo on stdout, a line each
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    picture: PictureArgs,
}

impl InspectArgs {
    pub(crate) fn run(&self, console: &mut Console) -> Result<(), Failure> {
        self.picture.check(self.photos.len())?;
        let names = Names::new("photo", &self.photos);
        for (index, path) in self.photos.iter().enumerate() {
            let inspected = self.picture.inspect(path);
            // A HEIC alone can be looked into, but not captured.
            let failure = match &inspected {
                Ok(report) if report.outcome == Outcome::NeedsPixels => Some(PhotoError::HeicNeedsPixels.into()),
                Ok(_) => None,
                Err(failure) => Some(failure.clone()),
            };
            let report = inspected.ok().map(|report| json!(report));
            if self.json {
                let outcome = if failure.is_some() { "refused" } else { "acceptable" };
                let error = failure.as_ref().map(Failure::json);
                console.say_json(&json!({ "photo": index + 1, "outcome": outcome, "error": error, "report": report }));
            } else if let Some(report) = &report {
                console.say(&format!("{}\n{}", names.name(index, &io::stdout()), report::table(report)));
            }
            if let Some(failure) = failure {
                console.fail(&format!("{}: refused", names.name(index, &io::stderr())), &failure);
            }
        }
        Ok(())
    }
}
