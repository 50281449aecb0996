//! One line of JSON for each item that was answered: what a log may keep. No UID, no patient, no token, no address.
//! And, where one is asked for, a chain of audit records.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use moulage::audit::Event;
use moulage::capture::AuditLog;
use moulage::outbox::ItemId;
use serde_json::{Value, json};

use super::answer::Answer;
use super::metrics::Metrics;

/// What became of one request with an item.
pub(super) struct Handled<'a> {
    pub(super) answer: Answer,
    /// SHA-256 of the sealed bytes, in hexadecimal; none when they were not read.
    pub(super) item: Option<&'a str>,
    /// Length of the sealed bytes.
    pub(super) bytes: Option<u64>,
    pub(super) duration: Duration,
}

pub(super) struct Journal {
    metrics: Arc<Metrics>,
    audit: Option<AuditLog>,
}

impl Journal {
    pub(super) fn new(metrics: Arc<Metrics>, audit: Option<AuditLog>) -> Self {
        if let Some(audit) = &audit {
            audit.record(Event::Started, None, "gateway");
        }
        Self { metrics, audit }
    }

    /// Every request with an item comes by here, once, before it is answered.
    pub(super) fn handled(&self, handled: &Handled<'_>) {
        self.metrics.answered(handled.answer, handled.bytes, handled.duration);
        write_line(json!({
            "event": "item",
            "code": handled.answer.code(),
            "item": handled.item.and_then(|item| item.get(..16)),
            "size": handled.bytes.map(bucket),
            "ms": u64::try_from(handled.duration.as_millis()).unwrap_or(u64::MAX),
        }));
        if let Some(audit) = &self.audit {
            // It is made durable: other requests go on meanwhile.
            tokio::task::block_in_place(|| record(audit, handled));
        }
    }

    /// Where the gateway can be reached: with port 0 the system chose one.
    pub(super) fn listening(&self, at: SocketAddr, metrics: Option<SocketAddr>) {
        write_line(json!({ "event": "listening", "address": at, "metrics": metrics }));
    }

    /// Something of the gateway itself.
    pub(super) fn event(&self, event: &str) {
        write_line(json!({ "event": event }));
    }
}

/// An item is known by the first half of its digest.
fn record(audit: &AuditLog, handled: &Handled<'_>) {
    let item = handled.item.and_then(|digest| ItemId::parse(digest.get(..32)?));
    let code = handled.answer.code();
    let unsealed = matches!(
        handled.answer,
        Answer::Stored | Answer::NotDicom | Answer::Conflict | Answer::ArchiveRefused | Answer::ArchiveUnavailable
    );
    if unsealed {
        audit.record(Event::Unsealed, item.as_ref(), "");
    }
    let event = match handled.answer {
        Answer::Stored => Event::Stored,
        Answer::Unauthorized => Event::AuthenticationFailed,
        Answer::Busy | Answer::Incomplete | Answer::Internal | Answer::ArchiveUnavailable => Event::Noted,
        _ => Event::Refused,
    };
    audit.record(event, item.as_ref(), code);
}

fn write_line(mut line: Value) {
    line["at"] = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true).into();
    // A log that cannot be written is no reason to lose a photo.
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Rounded up to a power of two: an exact length could be matched with a photo.
fn bucket(bytes: u64) -> String {
    let bucket = bytes.max(1024).next_power_of_two();
    if bucket < 1 << 20 { format!("{} KiB", bucket >> 10) } else { format!("{} MiB", bucket >> 20) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_roughly() {
        let told = [0, 1, 1024, 1025, 700_000, 1 << 20, 3_000_000, 67_108_865].map(bucket);
        assert_eq!(told, ["1 KiB", "1 KiB", "1 KiB", "2 KiB", "1 MiB", "1 MiB", "4 MiB", "128 MiB"]);
    }
}
