//! What the gateway answers, in a closed list of words.

use hyper::StatusCode;
use serde_json::json;

/// What became of one item. Anything but [`Answer::Stored`]: the phone keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Answer {
    /// The archive holds it, and said so when it was asked.
    Stored,
    /// Not a sealed item, changed on the way, or not what the digest says.
    Damaged,
    /// Sealed to other institutions than ours.
    WrongKey,
    /// A later version of the format, or none.
    UnknownVersion,
    /// Larger than the gateway takes.
    TooLarge,
    /// What was inside is no object of ours, or not a clean one.
    NotDicom,
    /// Not signed by one of the devices that we trust.
    UntrustedSigner,
    /// The archive holds something else under this UID.
    Conflict,
    /// The archive will not have it, however often it is asked.
    ArchiveRefused,
    /// The archive does not answer, or cannot store at the moment.
    ArchiveUnavailable,
    /// Too much at once; later.
    Busy,
    /// No token that we know.
    Unauthorized,
    /// It broke off on the way, or took longer than the gateway waits.
    Incomplete,
    /// A bug of ours.
    Internal,
}

impl Answer {
    /// A stable word for programs.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Damaged => "damaged",
            Self::WrongKey => "wrong-key",
            Self::UnknownVersion => "unknown-version",
            Self::TooLarge => "too-large",
            Self::NotDicom => "not-dicom",
            Self::UntrustedSigner => "untrusted-signer",
            Self::Conflict => "conflict",
            Self::ArchiveRefused => "archive-refused",
            Self::ArchiveUnavailable => "archive-unavailable",
            Self::Busy => "busy",
            Self::Unauthorized => "unauthorized",
            Self::Incomplete => "incomplete",
            Self::Internal => "internal",
        }
    }

    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Stored => StatusCode::OK,
            Self::Damaged => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::UntrustedSigner => StatusCode::FORBIDDEN,
            Self::Incomplete => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::WrongKey | Self::UnknownVersion | Self::NotDicom | Self::ArchiveRefused => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Busy | Self::ArchiveUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Seconds after which another try makes sense (RFC 9110 10.2.3).
    pub(super) fn retry_after(self) -> Option<&'static str> {
        match self {
            Self::Busy => Some("5"),
            Self::ArchiveUnavailable => Some("30"),
            _ => None,
        }
    }

    /// The body. The digest of the sealed bytes in hexadecimal, where they were read.
    pub(super) fn body(self, item: Option<&str>) -> String {
        match self {
            Self::Stored => json!({ "item": item, "stored": true }),
            refused => json!({ "item": item, "stored": false, "code": refused.code() }),
        }
        .to_string()
    }
}
