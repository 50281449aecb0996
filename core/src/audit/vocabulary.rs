//! Codes of DICOM PS3.15 A.5 and PS3.16 CID 400, 401, 402, 405 for each event; FHIR takes the same ones.

use super::Event;

/// A code of DCM: value and meaning.
pub(super) type Code = (&'static str, &'static str);

pub(super) const APPLICATION: Code = ("110150", "Application");
pub(super) const DESTINATION: Code = ("110152", "Destination Role ID");
pub(super) const SOURCE: Code = ("110153", "Source Role ID");
pub(super) const DESTINATION_MEDIA: Code = ("110154", "Destination Media");
pub(super) const URI_MEDIA: Code = ("110037", "URI");
pub(super) const STUDY_INSTANCE_UID: Code = ("110180", "Study Instance UID");

/// What an export says of an event.
pub(super) struct Meaning {
    /// EventID.
    pub(super) event: Code,
    /// EventTypeCode.
    pub(super) kind: Option<Code>,
    /// EventActionCode: Create, Read, Update, Delete or Execute.
    pub(super) action: &'static str,
    /// EventOutcomeIndicator: 0 success, 4 minor failure, 8 serious failure.
    pub(super) outcome: &'static str,
    /// ParticipantObjectDataLifeCycle: 1 origination, 6 use, 10 export, 15 erasure; and its name.
    pub(super) life_cycle: Option<Code>,
}

const PATIENT_RECORD: Code = ("110110", "Patient Record");
const ACCESSED: Code = ("110103", "DICOM Instances Accessed");
const ALERT: Code = ("110113", "Security Alert");
const SECURITY_CONFIGURATION: Code = ("110129", "Security Configuration");
const TRANSFERRED: Code = ("110104", "DICOM Instances Transferred");

/// `None` for what the standards have no event for.
pub(super) fn meaning(event: Event) -> Option<Meaning> {
    let origination = Some(("1", "Origination / Creation"));
    let usage = Some(("6", "Access / Use"));
    let export = Some(("10", "Export"));
    let erasure = Some(("15", "Permanent erasure / Physical destruction"));
    let (event, kind, action, outcome, life_cycle) = match event {
        Event::Started => (("110100", "Application Activity"), Some(("110120", "Application Start")), "E", "0", None),
        Event::Captured => (PATIENT_RECORD, None, "U", "0", origination),
        Event::Sealed => (ACCESSED, None, "U", "0", usage),
        Event::Stored => (TRANSFERRED, None, "C", "0", export),
        Event::Refused => (TRANSFERRED, None, "C", "8", export),
        Event::Removed => (ACCESSED, None, "D", "0", erasure),
        Event::Exported => (("110106", "Export"), None, "R", "0", export),
        Event::Unsealed => (ACCESSED, None, "R", "0", usage),
        Event::AuthenticationFailed => (("110114", "User Authentication"), Some(("110122", "Login")), "E", "4", None),
        Event::Gap => (ALERT, Some(("110133", "Audit Recording Stopped")), "E", "8", None),
        Event::Sent => (("110102", "Begin Transferring DICOM Instances"), None, "E", "0", export),
        Event::KeyMade => (ALERT, Some(SECURITY_CONFIGURATION), "E", "0", None),
        Event::KeyTrouble => (ALERT, Some(SECURITY_CONFIGURATION), "E", "4", None),
        Event::Noted => return None,
    };
    Some(Meaning { event, kind, action, outcome, life_cycle })
}

/// Whether objects go from here to somewhere.
pub(super) fn is_transfer(event: Event) -> bool {
    matches!(event, Event::Sent | Event::Stored | Event::Refused | Event::Exported)
}

/// An item's id as a URI.
pub(super) fn item_uri(item: &[u8; 16]) -> String {
    uuid::Uuid::from_bytes(*item).urn().to_string()
}
