//! `moulage inspect`: what is in a photo, and what would become of it.

use std::io;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::console::{Console, numbered};
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
        for (index, path) in self.photos.iter().enumerate() {
            let number = |on: &dyn Fn() -> bool| numbered("photo", index, self.photos.len(), path, on());
            let outcome = self.picture.inspect(path).map(|report| report::value(&report));
            match outcome {
                Ok(report) => {}
                Err(failure) => {}
            }
        }
        Ok(())
    }
}
