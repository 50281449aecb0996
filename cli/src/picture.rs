//! How photos are read and set upright: the same for `capture` and `inspect`.

use std::path::{Path, PathBuf};

use clap::Args;
use moulage::photo::{self, Pixels, PrepareOptions, PreparedPhoto, ScrubReport, TurnPolicy};

use crate::choice::choice;
use crate::failure::Failure;
use crate::input;

#[derive(Args)]
#[command(next_help_heading = "Picture")]
pub(crate) struct PictureArgs {
    /// A photo that cannot be set upright without loss: encode it again, trim the incomplete blocks, or refuse it
    #[arg(long, value_name = "POLICY", default_value = "reencode", value_parser = choice(TURN))]
    turn: TurnPolicy,
    /// What shows through transparent pixels
    #[arg(long, value_name = "RRGGBB", default_value = "ffffff", value_parser = background)]
    background: [u8; 3],
    /// PNG that the system's own decoder made of the one HEIC: upright, in the HEIC's own colours
    #[arg(long, value_name = "FILE")]
    heic_pixels: Option<PathBuf>,
    /// That PNG is as the camera stored it, not turned upright yet
    #[arg(long, requires = "heic_pixels")]
    heic_pixels_as_stored: bool,
    /// The colours of that PNG were converted to sRGB
    #[arg(long, requires = "heic_pixels")]
    heic_pixels_in_srgb: bool,
}

const TURN: &[(&str, TurnPolicy)] =
    &[("reencode", TurnPolicy::Reencode), ("trim", TurnPolicy::Trim), ("refuse", TurnPolicy::Refuse)];

fn background(text: &str) -> Result<[u8; 3], &'static str> {
    let wrong = "six hexadecimal digits";
    if text.len() != 6 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(wrong);
    }
    let [_, red, green, blue] = u32::from_str_radix(text, 16).map_err(|_| wrong)?.to_be_bytes();
    Ok([red, green, blue])
}

impl PictureArgs {
    /// One HEIC, one PNG.
    pub(crate) fn check(&self, photos: usize) -> Result<(), Failure> {
        if self.heic_pixels.is_some() && photos != 1 {
            return Err(Failure::usage("usage", "--heic-pixels goes with exactly one photo"));
        }
        Ok(())
    }

    pub(crate) fn prepare(&self, path: &Path) -> Result<(PreparedPhoto, ScrubReport), Failure> {
        let options = self.options();
        let file = input::photo(path, &options.limits)?;
        Ok(match &self.heic_pixels {
            Some(png) => {
                let decoded = input::pixels(png, &options.limits)?;
                let pixels = Pixels {
                    rgb: &decoded.rgb,
                    width: decoded.width,
                    height: decoded.height,
                    stride: 3 * decoded.width as usize,
                    turned: !self.heic_pixels_as_stored,
                    converted_to_srgb: self.heic_pixels_in_srgb,
                };
                photo::prepare_pixels(&pixels, Some(&file), &options)?
            }
            None => photo::prepare(&file, &options)?,
        })
    }

    /// What [`PictureArgs::prepare`] would do.
    pub(crate) fn inspect(&self, path: &Path) -> Result<ScrubReport, Failure> {
        if self.heic_pixels.is_some() {
            return self.prepare(path).map(|(_, report)| report);
        }
        let options = self.options();
        Ok(photo::inspect(&input::photo(path, &options.limits)?, &options)?)
    }

    fn options(&self) -> PrepareOptions {
        PrepareOptions { turn: self.turn, background: self.background, ..PrepareOptions::default() }
    }
}
