//! PreparedPhoto + linkage -> [`Instance`].

/// One object, checked against its IOD. Made by [`crate::Session`] only.
pub struct Instance {}
