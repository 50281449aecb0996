//! What a photo may cost. Checked against headers, before any allocation that depends on them.

use crate::error::{Limit, PhotoError};

/// Upper bounds; a photo beyond one is refused with [`PhotoError::LimitExceeded`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Pixels along one side.
    pub side: u32,
    /// Pixels altogether.
    pub pixels: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes of coefficients or samples in one step. Each step is checked by itself: a picture that is encoded again
    /// holds its old and its new coefficients, and a plane of samples, at once.
    pub decoded_bytes: u64,
    /// Bytes of an EXIF block that are read, from its beginning; what lies behind them gives no facts. Never refuses a
    /// photo.
    pub exif_bytes: usize,
}

impl Default for Limits {
    /// 16,384 a side, 120 MP, 256 MiB of file, 512 MiB decoded, 64 kB of EXIF.
    fn default() -> Self {
        Self { side: 16_384, pixels: 120_000_000, file_bytes: 256 << 20, decoded_bytes: 512 << 20, exif_bytes: 65_536 }
    }
}

impl Limits {
    /// Checks a picture's size.
    ///
    /// # Errors
    /// [`PhotoError::LimitExceeded`] with `side` or `pixels`.
    pub fn check_size(&self, width: u32, height: u32) -> Result<(), PhotoError> {
        if width.max(height) > self.side {
            return Err(PhotoError::LimitExceeded { limit: Limit::Side, maximum: self.side.into() });
        }
        if u64::from(width) * u64::from(height) > self.pixels {
            return Err(PhotoError::LimitExceeded { limit: Limit::Pixels, maximum: self.pixels });
        }
        Ok(())
    }

    /// Checks a file's size.
    ///
    /// # Errors
    /// [`PhotoError::LimitExceeded`] with `file-bytes`.
    pub fn check_file(&self, bytes: u64) -> Result<(), PhotoError> {
        if bytes > self.file_bytes {
            return Err(PhotoError::LimitExceeded { limit: Limit::FileBytes, maximum: self.file_bytes });
        }
        Ok(())
    }

    /// Checks what one step would hold in memory.
    ///
    /// # Errors
    /// [`PhotoError::LimitExceeded`] with `decoded-bytes`.
    pub fn check_decoded(&self, bytes: u64) -> Result<(), PhotoError> {
        if bytes > self.decoded_bytes {
            return Err(PhotoError::LimitExceeded { limit: Limit::DecodedBytes, maximum: self.decoded_bytes });
        }
        Ok(())
    }
}
