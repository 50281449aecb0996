//! Colour profiles: put together from their chunks, checked, and made fit for (0028,2000) (PS3.3 C.11.15).

/// Which primaries a matrix profile has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Primaries {
    /// sRGB / ITU-R BT.709.
    Srgb,
    /// Display P3.
    DisplayP3,
    /// Adobe RGB (1998).
    AdobeRgb,
    /// Anything else, or a profile without a matrix.
    Other,
}

/// An RGB input profile: device class `scnr`, PCS XYZ or Lab, no name, no date, profile ID zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IccProfile {
    pub(crate) bytes: Vec<u8>,
    pub(crate) primaries: Primaries,
}

impl IccProfile {
    /// The profile, ready for (0028,2000).
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its primaries.
    #[must_use]
    pub fn primaries(&self) -> Primaries {
        self.primaries
    }
}
