//! The four kinds of object, and how their pixels are stored.

use dicom_dictionary_std::uids;

/// What kind of object a photo becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SopClass {
    /// VL Photographic Image (PS3.3 A.32.4): a clinical photo. Modality XC.
    #[default]
    VlPhotographic,
    /// Dermoscopic Photography Image (A.32.11): a photo through a dermatoscope. Modality DMS.
    Dermoscopic,
    /// Secondary Capture Image (A.8.1), for archives that know no other. Modality XC.
    SecondaryCapture,
    /// Multi-frame True Color Secondary Capture Image (A.8.5): several exposures as one object. Modality XC.
    MultiFrameTrueColorSc,
}

impl SopClass {
    pub(crate) const ALL: [Self; 4] =
        [Self::VlPhotographic, Self::Dermoscopic, Self::SecondaryCapture, Self::MultiFrameTrueColorSc];

    /// SOPClassUID (0008,0016).
    #[must_use]
    pub fn uid(self) -> &'static str {
        match self {
            Self::VlPhotographic => uids::VL_PHOTOGRAPHIC_IMAGE_STORAGE,
            Self::Dermoscopic => uids::DERMOSCOPIC_PHOTOGRAPHY_IMAGE_STORAGE,
            Self::SecondaryCapture => uids::SECONDARY_CAPTURE_IMAGE_STORAGE,
            Self::MultiFrameTrueColorSc => uids::MULTI_FRAME_TRUE_COLOR_SECONDARY_CAPTURE_IMAGE_STORAGE,
        }
    }

    /// Modality (0008,0060).
    #[must_use]
    pub fn modality(self) -> &'static str {
        if self == Self::Dermoscopic { "DMS" } else { "XC" }
    }

    /// The stable word for programs, for example `vl-photographic`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::VlPhotographic => "vl-photographic",
            Self::Dermoscopic => "dermoscopic",
            Self::SecondaryCapture => "secondary-capture",
            Self::MultiFrameTrueColorSc => "multi-frame-true-color-sc",
        }
    }

    /// The class of that [`SopClass::key`].
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.key() == key)
    }

    /// The class of that UID, if it is one of the four.
    #[must_use]
    pub fn from_uid(uid: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.uid() == uid)
    }

    /// One of the two of the visible light family (PS3.3 C.8.12.1), not of the secondary captures.
    pub(super) fn is_visible_light(self) -> bool {
        matches!(self, Self::VlPhotographic | Self::Dermoscopic)
    }
}

/// How the pixels are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TransferSyntax {
    /// JPEG Baseline (Process 1), 1.2.840.10008.1.2.4.50: the camera's stream as it is.
    #[default]
    JpegBaseline,
    /// Explicit VR Little Endian, 1.2.840.10008.1.2.1: decoded, for archives that read no JPEG. About 15 times larger.
    ExplicitVrLittleEndian,
}

impl TransferSyntax {
    /// TransferSyntaxUID (0002,0010).
    #[must_use]
    pub fn uid(self) -> &'static str {
        match self {
            Self::JpegBaseline => uids::JPEG_BASELINE8_BIT,
            Self::ExplicitVrLittleEndian => uids::EXPLICIT_VR_LITTLE_ENDIAN,
        }
    }
}
