//! What was removed, what was kept, and whether a coefficient changed. Holds no patient data.

/// The report on one photo; serialises to JSON.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ScrubReport {}
