//! The one use case: a session (patient + encounter, frozen) turns prepared photos into objects.

/// The camera.
pub struct Device {}
/// What a picture shows.
pub struct View {}
/// Patient and encounter, frozen.
pub struct Session {}
