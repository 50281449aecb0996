//! HEIC boxes: orientation, EXIF, colour. HEVC is not decoded here.
