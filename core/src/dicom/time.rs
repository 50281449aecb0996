//! All times of one object are local, in one offset from UTC if it is known (PS3.3 C.12.1.1.8).

use chrono::{DateTime, Datelike, FixedOffset, NaiveDateTime, Timelike};

use super::Provenance;
use super::value::is_offset;
use crate::error::DicomError;
use crate::photo::Taken;

/// What the object says about time.
pub(super) struct Times {
    /// TimezoneOffsetFromUTC.
    pub(super) offset: Option<FixedOffset>,
    /// AcquisitionDateTime, without its suffix.
    pub(super) acquisition: Option<NaiveDateTime>,
    /// Content Date and Time.
    pub(super) content: NaiveDateTime,
    /// Study Date and Time: the begin of the session.
    pub(super) study: NaiveDateTime,
    /// Instance Creation Date and Time.
    pub(super) creation: NaiveDateTime,
}

impl Times {
    /// See [`Provenance`] for whose clock counts. Without a declared offset the session's times stay local to the session.
    pub(super) fn of(
        provenance: Provenance,
        taken: Option<Taken>,
        begun: DateTime<FixedOffset>,
        now: DateTime<FixedOffset>,
    ) -> Self {
        let (acquisition, offset) = match provenance {
            Provenance::Camera => (Some(now.naive_local()), Some(*now.offset())),
            Provenance::File => (taken.map(|taken| taken.local), taken.and_then(|taken| taken.offset)),
        };
        let local = |moment: DateTime<FixedOffset>| offset.map_or(moment, |o| moment.with_timezone(&o)).naive_local();
        Self {
            offset,
            acquisition,
            content: acquisition.unwrap_or(now.naive_local()),
            study: local(begun),
            creation: local(now),
        }
    }
}

/// VR DA; a year beyond four digits gives no value of the VR.
pub(super) fn date(moment: NaiveDateTime) -> String {
    format!("{:04}{:02}{:02}", moment.year(), moment.month(), moment.day())
}

/// VR TM, to the microsecond. A leap second is written as the last moment of the second before it.
pub(super) fn time(moment: NaiveDateTime) -> String {
    let whole = format!("{:02}{:02}{:02}", moment.hour(), moment.minute(), moment.second());
    match moment.nanosecond().min(999_999_999) / 1000 {
        0 => whole,
        microseconds => format!("{whole}.{microseconds:06}"),
    }
}

/// `&ZZXX`; whole minutes from -1200 to +1400 only.
pub(super) fn offset(offset: FixedOffset) -> Result<String, DicomError> {
    let seconds = offset.local_minus_utc();
    let minutes = seconds.abs() / 60;
    let text = format!("{}{:02}{:02}", if seconds < 0 { '-' } else { '+' }, minutes / 60, minutes % 60);
    if seconds % 60 == 0 && seconds >= -12 * 3600 && is_offset(&text) {
        Ok(text)
    } else {
        Err(DicomError::Unwritable("TimezoneOffsetFromUTC"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<FixedOffset> {
        DateTime::parse_from_rfc3339(text).unwrap()
    }

    #[test]
    fn the_shutter_takes_the_session_clock_and_its_offset() {
        let taken = Taken { local: at("1999-01-01T00:00:00Z").naive_local(), offset: None };
        let (begun, now) = (at("2026-03-14T09:20:00+01:00"), at("2026-03-14T09:26:53.5+01:00"));
        let times = Times::of(Provenance::Camera, Some(taken), begun, now);
        assert_eq!(times.acquisition, Some(now.naive_local()));
        assert_eq!((times.content, times.creation), (now.naive_local(), now.naive_local()));
        assert_eq!(offset(times.offset.unwrap()).unwrap(), "+0100");
        assert_eq!((date(times.content), time(times.content)), ("20260314".into(), "092653.500000".into()));
    }

    #[test]
    fn a_file_brings_its_own_time_and_the_study_is_told_in_its_offset() {
        let offset = FixedOffset::west_opt(5 * 3600);
        let taken = Taken { local: at("2026-03-01T23:30:00Z").naive_local(), offset };
        let session = at("2026-03-14T01:20:00+01:00");
        let times = Times::of(Provenance::File, Some(taken), session, session);
        assert_eq!((times.acquisition, times.content), (Some(taken.local), taken.local));
        assert_eq!((date(times.study), time(times.study)), ("20260313".into(), "192000".into()));
        assert_eq!(times.creation, times.study);
    }

    #[test]
    fn a_file_without_time_has_none_but_the_content_time() {
        let session = at("2026-03-14T09:20:00+01:00");
        let times = Times::of(Provenance::File, None, session, session);
        assert_eq!((times.offset, times.acquisition), (None, None));
        assert_eq!((times.content, times.study), (session.naive_local(), session.naive_local()));
    }

    #[test]
    fn odd_moments_and_offsets() {
        assert_eq!(time(at("2016-12-31T23:59:60Z").naive_local()), "235959.999999");
        let seconds = |s| FixedOffset::east_opt(s).unwrap();
        assert_eq!(offset(seconds(0)).unwrap(), "+0000");
        assert_eq!(offset(seconds(-(3 * 3600 + 1800))).unwrap(), "-0330");
        assert_eq!(offset(seconds(14 * 3600)).unwrap(), "+1400");
        for impossible in [53 * 60 + 28, 14 * 3600 + 60, -12 * 3600 - 60, 30] {
            assert!(offset(seconds(impossible)).is_err());
        }
    }
}
