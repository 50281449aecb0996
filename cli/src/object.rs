//! What kind of object the photos become.

use clap::Args;
use moulage::dicom::{
    ContactMethod, Dermoscopy, Device, ImmersionMedia, Polarization, Provenance, SopClass, TransferSyntax, View,
};
use moulage::patient::AnatomicSite;

use crate::choice::{YES_OR_NO, choice};
use crate::failure::Failure;

#[derive(Args)]
#[command(next_help_heading = "Object")]
pub(crate) struct ObjectArgs {
    /// What kind of object; multi-frame makes one of all photos
    #[arg(long, value_name = "CLASS", default_value = "vl-photographic", value_parser = choice(CLASSES))]
    pub(crate) sop_class: SopClass,
    /// How pixels are stored: the camera's JPEG, or decoded for archives that read no JPEG (about 15 times larger)
    #[arg(long, value_name = "SYNTAX", default_value = "jpeg", value_parser = choice(SYNTAXES))]
    transfer_syntax: TransferSyntax,
    /// Does a wristband, label or screen in the picture name the patient? Left out when nobody looked
    #[arg(long, value_name = "ANSWER", value_parser = choice(YES_OR_NO))]
    burned_in_annotation: Option<bool>,
    /// Is there a face, a fingerprint, a tattoo? Left out when nobody looked
    #[arg(long, value_name = "ANSWER", value_parser = choice(YES_OR_NO))]
    recognizable_visual_features: Option<bool>,
    /// Who made the camera, when the photo does not tell
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    manufacturer: String,
    /// ManufacturerModelName, when the photo does not tell
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    model: String,
    /// Which camera or installation; dermoscopic objects need it
    #[arg(long, value_name = "NUMBER", default_value = "", hide_default_value = true)]
    device_serial_number: String,
    #[command(flatten)]
    dermoscopy: DermoscopyArgs,
}

const CLASSES: &[(&str, SopClass)] = &[
    ("vl-photographic", SopClass::VlPhotographic),
    ("dermoscopic", SopClass::Dermoscopic),
    ("secondary-capture", SopClass::SecondaryCapture),
    ("multi-frame", SopClass::MultiFrameTrueColorSc),
];

const SYNTAXES: &[(&str, TransferSyntax)] =
    &[("jpeg", TransferSyntax::JpegBaseline), ("explicit", TransferSyntax::ExplicitVrLittleEndian)];

#[derive(Args)]
#[command(next_help_heading = "Dermatoscope (what is not known stays empty)")]
struct DermoscopyArgs {
    /// Is the light polarized?
    #[arg(long, value_name = "LIGHT", value_parser = choice(POLARIZATIONS))]
    light_source_polarization: Option<Polarization>,
    /// Colour of the lamp's light
    #[arg(long, value_name = "KELVIN")]
    emitter_color_temperature: Option<u32>,
    /// Does the glass touch the skin? With contact goes --immersion-media
    #[arg(long, value_name = "METHOD", value_parser = choice(CONTACTS))]
    contact_method: Option<bool>,
    /// What is between glass and skin; may be given several times
    #[arg(long, value_name = "MEDIUM", value_parser = choice(MEDIA))]
    immersion_media: Vec<ImmersionMedia>,
    /// How many times the lens enlarges
    #[arg(long, value_name = "FACTOR")]
    optical_magnification_factor: Option<f64>,
}

const POLARIZATIONS: &[(&str, Polarization)] =
    &[("polarized", Polarization::Polarized), ("non-polarized", Polarization::NonPolarized)];

const CONTACTS: &[(&str, bool)] = &[("contact", true), ("non-contact", false)];

const MEDIA: &[(&str, ImmersionMedia)] = &[
    ("ultrasound-gel", ImmersionMedia::UltrasoundGel),
    ("alcohol", ImmersionMedia::Alcohol),
    ("water", ImmersionMedia::Water),
    ("mineral-oil", ImmersionMedia::MineralOil),
    ("plastic-cap", ImmersionMedia::PlasticCap),
];

impl ObjectArgs {
    pub(crate) fn device(&self) -> Device {
        Device {
            device_serial_number: self.device_serial_number.clone(),
            manufacturer: self.manufacturer.clone(),
            manufacturer_model_name: self.model.clone(),
            software_versions: Vec::new(),
        }
    }

    /// A view of that site. A photo given to the command is a file that was there before.
    pub(crate) fn view(&self, site: AnatomicSite) -> Result<View, Failure> {
        let mut view = View::of(site);
        view.sop_class = self.sop_class;
        view.provenance = Provenance::File;
        view.transfer_syntax = self.transfer_syntax;
        view.burned_in_annotation = self.burned_in_annotation;
        view.recognizable_visual_features = self.recognizable_visual_features;
        view.dermoscopy = self.dermoscopy.dermoscopy()?;
        if view.sop_class != SopClass::Dermoscopic && view.dermoscopy != Dermoscopy::default() {
            return Err(Failure::usage("usage", "a dermatoscope goes with --sop-class dermoscopic"));
        }
        Ok(view)
    }
}

impl DermoscopyArgs {
    fn dermoscopy(&self) -> Result<Dermoscopy, Failure> {
        let media = &self.immersion_media;
        let contact_method = match (self.contact_method, media.is_empty()) {
            (None, true) => None,
            (Some(false), true) => Some(ContactMethod::NonContact),
            (None | Some(true), false) => Some(ContactMethod::Contact(media.clone())),
            (Some(true), true) => return Err(Failure::usage("usage", "contact needs --immersion-media")),
            (Some(false), false) => {
                return Err(Failure::usage("usage", "without contact there is no --immersion-media"));
            }
        };
        Ok(Dermoscopy {
            light_source_polarization: self.light_source_polarization,
            emitter_color_temperature: self.emitter_color_temperature,
            contact_method,
            optical_magnification_factor: self.optical_magnification_factor,
        })
    }
}
