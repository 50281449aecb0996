//! PNG: decoded by `image`, reduced to 8-bit RGB knowingly.
