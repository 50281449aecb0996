//! What the caller says about the camera, about a picture, and about how it is to be written.

use super::{SopClass, TransferSyntax};
use crate::patient::{AnatomicSite, Lesion};

/// The camera and the program that drives it (General Equipment module, PS3.3 C.7.5.1), as far as the caller knows them.
///
/// What the photo's own EXIF says of make, model and software comes first; these values fill what it does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// DeviceSerialNumber (0018,1000), LO: an id of the installation. Phones hide their serial, and it belongs to a person.
    /// Dermoscopic objects need it.
    pub device_serial_number: String,
    /// Manufacturer (0008,0070), LO.
    pub manufacturer: String,
    /// ManufacturerModelName (0008,1090), LO.
    pub manufacturer_model_name: String,
    /// SoftwareVersions (0018,1020), LO each: the system's, the program's. This library adds its own.
    pub software_versions: Vec<String>,
}

/// Where a photo comes from. It decides whose clock counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// The shutter was pressed in this session: the session's clock is the time of the picture, with its offset from UTC. A
    /// phone's EXIF is evidence only: its clock may be set by hand, and two photos in three carry no offset. Secondary
    /// Capture: ConversionType DI (digital interface).
    Camera,
    /// A file that was there before: its EXIF is all that is known of the time. AcquisitionDateTime and Content Date and Time
    /// are DateTimeOriginal, local; TimezoneOffsetFromUTC only if the file gives it, for nobody knows the zone of the place.
    /// Without an EXIF time there is no AcquisitionDateTime; Content Date and Time, which VL Image wants, are the session
    /// clock's. Secondary Capture: ConversionType WSD (workstation).
    File,
}

/// What a picture shows, and how it becomes an object. Made by [`View::of`]; the fields are free to change.
#[derive(Clone)]
pub struct View {
    /// AnatomicRegionSequence, ImageLaterality, ImageComments.
    pub site: AnatomicSite,
    /// The lesion, when it is followed over visits.
    pub lesion: Option<Lesion>,
    /// Which kind of object.
    pub sop_class: SopClass,
    /// Where the photo comes from.
    pub provenance: Provenance,
    /// How the pixels are stored.
    pub transfer_syntax: TransferSyntax,
    /// BurnedInAnnotation (0028,0301): is there a wristband, label or screen that names the patient? `None`: nobody looked.
    /// Then the attribute is absent, but for multi-frame objects, which must have it: YES, so that nobody relies on a no.
    pub burned_in_annotation: Option<bool>,
    /// RecognizableVisualFeatures (0028,0302): is there a face, a fingerprint, a tattoo? `None`: nobody looked. Then the
    /// attribute is absent, but for dermoscopic objects, which must have it: YES, so that nobody relies on a no.
    pub recognizable_visual_features: Option<bool>,
    /// Dermoscopic objects only.
    pub dermoscopy: Dermoscopy,
    /// Whether TrackingID and TrackingUID are written for a lesion into the classes that do not list them (all but
    /// dermoscopic): a Standard Extended SOP Class (PS3.2 7.3), so that viewers find a lesion by one query.
    pub tracking_everywhere: bool,
}

impl View {
    /// The plain case: a clinical photo of that site, taken in this session, stored as JPEG; nobody looked for faces.
    #[must_use]
    pub fn of(site: AnatomicSite) -> Self {
        Self {
            site,
            lesion: None,
            sop_class: SopClass::default(),
            provenance: Provenance::Camera,
            transfer_syntax: TransferSyntax::default(),
            burned_in_annotation: None,
            recognizable_visual_features: None,
            dermoscopy: Dermoscopy::default(),
            tracking_everywhere: true,
        }
    }
}

/// The dermatoscope (PS3.3 C.8.12.13); what is not known stays empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dermoscopy {
    /// LightSourcePolarization (0016,1001).
    pub light_source_polarization: Option<Polarization>,
    /// EmitterColorTemperature (0016,1002), kelvin.
    pub emitter_color_temperature: Option<u32>,
    /// ContactMethod (0016,1003), and what is between glass and skin.
    pub contact_method: Option<ContactMethod>,
    /// OpticalMagnificationFactor (0016,1005), for example 10.
    pub optical_magnification_factor: Option<f64>,
}

/// LightSourcePolarization (0016,1001).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polarization {
    /// `POLARIZED`.
    Polarized,
    /// `NON_POLARIZED`.
    NonPolarized,
}

/// ContactMethod (0016,1003).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContactMethod {
    /// `CONTACT`, with one ImmersionMedia (0016,1004) or several.
    Contact(Vec<ImmersionMedia>),
    /// `NON_CONTACT`.
    NonContact,
}

/// ImmersionMedia (0016,1004).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImmersionMedia {
    /// `ULTRASOUND_GEL`.
    UltrasoundGel,
    /// `ALCOHOL`.
    Alcohol,
    /// `WATER`.
    Water,
    /// `MINERAL_OIL`.
    MineralOil,
    /// `PLASTIC_CAP`.
    PlasticCap,
}

impl ImmersionMedia {
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::UltrasoundGel => "ULTRASOUND_GEL",
            Self::Alcohol => "ALCOHOL",
            Self::Water => "WATER",
            Self::MineralOil => "MINERAL_OIL",
            Self::PlasticCap => "PLASTIC_CAP",
        }
    }
}
