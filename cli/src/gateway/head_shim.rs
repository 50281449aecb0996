pub(super) struct Head {
    pub sop_instance_uid: String,
    pub study_instance_uid: String,
    pub series_instance_uid: String,
}
impl Head {
    pub(super) fn read(b: &[u8]) -> Result<Self, ()> {
        let f = |t: [u8; 4]| {
            let at = b.windows(6).position(|w| w[..4] == t && &w[4..] == b"UI").ok_or(())?;
            let n = u16::from_le_bytes([b[at + 6], b[at + 7]]) as usize;
            Ok(String::from_utf8_lossy(&b[at + 8..at + 8 + n]).trim_end_matches('\0').to_owned())
        };
        Ok(Self {
            sop_instance_uid: f([8, 0, 0x18, 0])?,
            study_instance_uid: f([0x20, 0, 0x0d, 0])?,
            series_instance_uid: f([0x20, 0, 0x0e, 0])?,
        })
    }
}
