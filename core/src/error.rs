//! One closed enum a stage. No text here holds patient data, a file name or another program's words.

use crate::clock::RandomnessUnavailable;

/// Why a photo was refused. [`PhotoError::code`] is stable; the text is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhotoError {
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
    /// A file of a kind that is not read, named (`tiff`, `gif`, `unknown` ...).
    #[error("unsupported format: {0}")]
    UnsupportedFormat(&'static str),
    /// HEIC without decoded pixels.
    #[error("heic is decoded by the phone: hand over its pixels together with the file")]
    HeicNeedsPixels,
    /// A JPEG process that is not read, named (`arithmetic`, `lossless`, `hierarchical`, `12-bit`), or that baseline
    /// cannot write (`16-bit quantisation`).
    #[error("unsupported jpeg coding: {0}")]
    UnsupportedCoding(&'static str),
    /// Colour whose meaning is unknown or unsupported.
    #[error("unsupported colour: {0}")]
    UnsupportedColour(&'static str),
    /// A configured limit was passed.
    #[error("limit exceeded: at most {maximum} {limit}")]
    LimitExceeded {
        /// Which one.
        limit: Limit,
        /// Its value, in the limit's own unit.
        maximum: u64,
    },
    /// The file ends too early, inside the part that is named.
    #[error("truncated inside {0}")]
    Truncated(&'static str),
    /// The part that is named breaks its format.
    #[error("malformed {part} at byte {offset}")]
    Malformed {
        /// Marker, chunk or box.
        part: &'static str,
        /// Where, from the start of the file.
        offset: u64,
    },
    /// Policy `refuse`: it cannot be set upright without loss.
    #[error("cannot be set upright without loss")]
    NotLossless,
    /// Pixels handed over do not fit their own description.
    #[error("the pixels do not fit their description")]
    PixelsMismatch,
    /// A decoder of another library refused or failed.
    #[error("the picture cannot be decoded")]
    Undecodable,
    /// What was written did not pass the second parser. A bug of ours; nothing leaves.
    #[error("the clean stream failed its own check: {0}")]
    CheckFailed(&'static str),
}

/// The limits of [`crate::photo::Limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Pixels along one side.
    Side,
    /// Pixels altogether.
    Pixels,
    /// Bytes of the file.
    FileBytes,
    /// Bytes of coefficients or samples in one step.
    DecodedBytes,
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Side => "pixels a side",
            Self::Pixels => "pixels",
            Self::FileBytes => "bytes of file",
            Self::DecodedBytes => "decoded bytes",
        })
    }
}

impl PhotoError {
    /// A stable word for programs, for example `limit-pixels`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::UnsupportedFormat(_) => "unsupported-format",
            Self::HeicNeedsPixels => "heic-needs-pixels",
            Self::UnsupportedCoding(_) => "unsupported-coding",
            Self::UnsupportedColour(_) => "unsupported-colour",
            Self::LimitExceeded { limit, .. } => match limit {
                Limit::Side => "limit-side",
                Limit::Pixels => "limit-pixels",
                Limit::FileBytes => "limit-file-bytes",
                Limit::DecodedBytes => "limit-decoded-bytes",
            },
            Self::Truncated(_) => "truncated",
            Self::Malformed { .. } => "malformed",
            Self::NotLossless => "not-lossless",
            Self::PixelsMismatch => "pixels-mismatch",
            Self::Undecodable => "undecodable",
            Self::CheckFailed(_) => "check-failed",
        }
    }
}

/// Why patient, encounter or site were refused: the attribute, never its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatientError {
    /// Something that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A value breaks its VR or its coding.
    #[error("{keyword} {problem}")]
    Invalid {
        /// DICOM keyword, or the FHIR resource.
        keyword: &'static str,
        /// What is wrong.
        problem: Problem,
    },
}

/// What is wrong with a value of the linkage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// More characters than the VR holds.
    TooLong,
    /// A control character, or one that reorders, hides or replaces text.
    ControlCharacter,
    /// A character that cannot be seen, in an identifier.
    InvisibleCharacter,
    /// A character that separates values or parts of them.
    Delimiter,
    /// Not digits and dots as a UID has them.
    NotAUid,
    /// A UID under a root that is not for instances.
    ReservedRoot,
    /// Not a full date of the calendar.
    NotADate,
    /// Not a code of its set.
    NotACode,
    /// A coding scheme that the standard retired.
    RetiredScheme,
    /// Not of the form that its type names.
    NotOfItsType,
    /// A key that is malformed or taken.
    BadKey,
    /// A key that the list does not have.
    UnknownSite,
    /// A side that the site cannot have.
    WrongSide,
    /// A side where none belongs.
    SideInModifier,
    /// Several values of the same rank, and no rule that prefers one.
    SeveralCandidates,
    /// Nested too deeply.
    TooDeep,
    /// Not JSON, or not the elements that the resource has.
    Malformed,
    /// A resource of another type.
    OtherResource,
    /// A resource that says that unknown rules change its meaning.
    UnknownRule,
    /// A record that was cancelled, replaced or entered in error.
    NotInUse,
    /// Patient, visit and order are not of the same patient.
    OtherPatient,
}

impl Problem {
    fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::TooLong => ("too-long", "is too long"),
            Self::ControlCharacter => ("control-character", "holds a control character"),
            Self::InvisibleCharacter => ("invisible-character", "holds a character that cannot be seen"),
            Self::Delimiter => ("delimiter", "holds a delimiter"),
            Self::NotAUid => ("not-a-uid", "is not a uid"),
            Self::ReservedRoot => ("reserved-root", "has a root that is not for instances"),
            Self::NotADate => ("not-a-date", "is not a full date"),
            Self::NotACode => ("not-a-code", "is not a code of its set"),
            Self::RetiredScheme => ("retired-scheme", "is a retired scheme"),
            Self::NotOfItsType => ("not-of-its-type", "is not of the form that its type names"),
            Self::BadKey => ("bad-key", "has a key that is malformed or taken"),
            Self::UnknownSite => ("unknown-site", "is not a site of the list"),
            Self::WrongSide => ("wrong-side", "is a side that the site cannot have"),
            Self::SideInModifier => ("side-in-modifier", "holds a side"),
            Self::SeveralCandidates => ("several-candidates", "has several candidates"),
            Self::TooDeep => ("too-deep", "is nested too deeply"),
            Self::Malformed => ("malformed-resource", "is malformed"),
            Self::OtherResource => ("other-resource", "is a resource of another type"),
            Self::UnknownRule => ("unknown-rule", "has rules that are not known"),
            Self::NotInUse => ("not-in-use", "is not in use"),
            Self::OtherPatient => ("other-patient", "is not the same in all resources"),
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text().1)
    }
}

impl PatientError {
    /// A stable word for programs, for example `too-long`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing-attribute",
            Self::Invalid { problem, .. } => problem.text().0,
        }
    }
}

/// Why an object was refused by [`crate::dicom::check`], or could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DicomError {
    /// The object breaks its IOD.
    #[error("{keyword}: {rule}")]
    Broken {
        /// DICOM keyword of the attribute.
        keyword: &'static str,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// A value has no valid form in its VR.
    #[error("{0} cannot be written")]
    Unwritable(&'static str),
    /// The class of object needs it, and neither the photo nor the caller tells it.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The photos cannot be frames of one object.
    #[error("frames: {0}")]
    Frames(&'static str),
    /// Not a DICOM Part 10 file, or one that cannot be read.
    #[error("not a readable DICOM file")]
    Unreadable,
}

impl DicomError {
    /// A stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Broken { .. } => "iod-broken",
            Self::Unwritable(_) => "unwritable",
            Self::Missing(_) => "missing-attribute",
            Self::Frames(_) => "frames",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Why a capture failed: one of the stages, or no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    /// The photo.
    #[error(transparent)]
    Photo(#[from] PhotoError),
    /// The linkage.
    #[error(transparent)]
    Patient(#[from] PatientError),
    /// The object.
    #[error(transparent)]
    Dicom(#[from] DicomError),
    /// No UID could be minted.
    #[error(transparent)]
    Randomness(#[from] RandomnessUnavailable),
    /// The outbox did not take the object.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}

impl CaptureError {
    /// A stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Photo(e) => e.code(),
            Self::Patient(e) => e.code(),
            Self::Dicom(e) => e.code(),
            Self::Randomness(_) => "no-randomness",
            Self::Outbox(e) => e.code(),
        }
    }
}

/// Why the platform's store of keys did not do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeystoreError {
    /// The device was not unlocked yet; later it works.
    #[error("the key store is locked")]
    Locked,
    /// The key is gone for good: the lock screen was removed, the app was restored on another device.
    #[error("the key is no longer in the key store")]
    Invalidated,
    /// It failed for another reason; later it may work.
    #[error("the key store is unavailable")]
    Unavailable,
}

impl KeystoreError {
    /// A stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Locked => "keystore-locked",
            Self::Invalidated => "keystore-invalidated",
            Self::Unavailable => "keystore-unavailable",
        }
    }
}

/// Why an object was not sealed, or a sealed item not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// More bytes than are held in memory.
    #[error("larger than {maximum} bytes")]
    TooLarge {
        /// In bytes.
        maximum: u64,
    },
    /// Bytes that are CMS SignedData themselves: opened again they would be taken for a signature of ours.
    #[error("the object is signed data already")]
    AlreadySigned,
    /// Neither a device key nor an institution.
    #[error("there is nobody to seal to")]
    NoRecipient,
    /// More institutions than one item is sealed to.
    #[error("too many recipients")]
    TooManyRecipients,
    /// A certificate that cannot be sealed to, or a signer's that cannot be relied on.
    #[error("unsupported certificate: {0}")]
    CertificateUnsupported(&'static str),
    /// Its last day is over.
    #[error("the certificate has expired")]
    CertificateExpired,
    /// Its first day is still to come.
    #[error("the certificate is not valid yet")]
    CertificateNotYetValid,
    /// A private key that is not read, or not the certificate's.
    #[error("unsupported private key: {0}")]
    KeyUnsupported(&'static str),
    /// A sealed item of a later version, or one that is not ours. To be kept.
    #[error("a version that is not known")]
    UnknownVersion,
    /// It ends too early.
    #[error("the sealed item is cut off")]
    Truncated,
    /// It is not as it was sealed.
    #[error("the sealed item is damaged")]
    Damaged,
    /// Not sealed to this key.
    #[error("not sealed to this key")]
    WrongKey,
    /// The signature inside does not fit the object, or the signer gave one that does not fit.
    #[error("the signature does not fit")]
    SignatureInvalid,
    /// Signed by a device that is not trusted.
    #[error("signed by one who is not trusted")]
    SignerUntrusted,
    /// Not signed, where a signature is asked for.
    #[error("not signed")]
    Unsigned,
    /// The store of keys failed.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// No key could be made.
    #[error("no randomness available")]
    NoRandomness,
}

impl SealError {
    /// A stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too-large",
            Self::AlreadySigned => "already-signed",
            Self::NoRecipient => "no-recipient",
            Self::TooManyRecipients => "too-many-recipients",
            Self::CertificateUnsupported(_) => "certificate-unsupported",
            Self::CertificateExpired => "certificate-expired",
            Self::CertificateNotYetValid => "certificate-not-yet-valid",
            Self::KeyUnsupported(_) => "key-unsupported",
            Self::UnknownVersion => "unknown-version",
            Self::Truncated => "truncated",
            Self::Damaged => "damaged",
            Self::WrongKey => "wrong-key",
            Self::SignatureInvalid => "signature-invalid",
            Self::SignerUntrusted => "untrusted-signer",
            Self::Unsigned => "unsigned",
            Self::Keystore(error) => error.code(),
            Self::NoRandomness => "no-randomness",
        }
    }
}

impl From<RandomnessUnavailable> for SealError {
    fn from(_: RandomnessUnavailable) -> Self {
        Self::NoRandomness
    }
}

/// Why the storage of the outbox did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// No room is left.
    #[error("the storage is full")]
    Full,
    /// The folder does not belong to this program.
    #[error("the storage may not be used")]
    Denied,
    /// Nothing can be written.
    #[error("the storage is read-only")]
    ReadOnly,
    /// A file is not there.
    #[error("a file of the storage is missing")]
    Missing,
    /// A file is there already.
    #[error("a file of the storage is there already")]
    Exists,
    /// No further file can be opened now.
    #[error("too many files are open")]
    TooManyOpen,
    /// A file is longer than any of ours.
    #[error("a file of the storage is too large")]
    TooLarge,
    /// Reading, writing or making durable failed.
    #[error("the storage failed")]
    Failed,
}

impl StorageError {
    /// A stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Full => "storage-full",
            Self::Denied => "storage-denied",
            Self::ReadOnly => "storage-read-only",
            Self::Missing => "storage-missing",
            Self::Exists => "storage-exists",
            Self::TooManyOpen => "storage-too-many-open",
            Self::TooLarge => "storage-too-large",
            Self::Failed => "storage-failed",
        }
    }
}

/// Why the outbox did not take, give or erase an item. Unless the variant says otherwise, nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutboxError {
    /// The storage.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Sealing or opening, and the keys for it.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// As many items wait as may.
    #[error("the outbox is full: at most {maximum} items")]
    FullOfItems {
        /// How many may.
        maximum: u64,
    },
    /// As many bytes wait as may.
    #[error("the outbox is full: at most {maximum} bytes")]
    FullOfBytes {
        /// How many may.
        maximum: u64,
    },
    /// Too little room would be left on the device.
    #[error("too little room on the device: {minimum} bytes must stay free")]
    LowSpace {
        /// How much must be left.
        minimum: u64,
    },
    /// The object is larger than any that is taken.
    #[error("the object is too large: at most {maximum} bytes")]
    ObjectTooLarge {
        /// The limit.
        maximum: u64,
    },
    /// Adding failed, and so did undoing it: after a restart the item may be there.
    #[error("adding failed, and it is not certain that nothing is left of it")]
    NotUndone,
    /// No item of that name.
    #[error("no such item")]
    NoSuchItem,
    /// Somebody is at work with the item.
    #[error("the item is in use")]
    InUse,
    /// The device cannot open the item: its key is lost, or it was sealed without one.
    #[error("only the institution can open the item")]
    Unopenable,
    /// The operating system cannot be lent a file of this storage.
    #[error("this storage has no files that can be lent")]
    NotLendable,
}

impl OutboxError {
    /// A stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Storage(e) => e.code(),
            Self::Seal(e) => e.code(),
            Self::FullOfItems { .. } => "outbox-full-of-items",
            Self::FullOfBytes { .. } => "outbox-full-of-bytes",
            Self::LowSpace { .. } => "low-space",
            Self::ObjectTooLarge { .. } => "object-too-large",
            Self::NotUndone => "not-undone",
            Self::NoSuchItem => "no-such-item",
            Self::InUse => "in-use",
            Self::Unopenable => "unopenable",
            Self::NotLendable => "not-lendable",
        }
    }
}

/// Why nothing could be uploaded, or what was told about an upload could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    /// A destination's URL is not `https://host[:port][/path]`.
    #[error("not a base url")]
    BaseUrl,
    /// A destination without TLS that is not this machine.
    #[error("without tls nothing is sent to another machine")]
    PlainHttp,
    /// Not an access token.
    #[error("not an access token")]
    Token,
    /// The destination refused the access token, or that there was none.
    #[error("the destination refused the access token")]
    Unauthorized,
    /// A background transfer would need the object in a file, unsealed.
    #[error("only a sealed item may be in a file")]
    PlaintextInFile,
    /// Nothing of that name is under way.
    #[error("no such upload is under way")]
    UnknownUpload,
    /// The destination demands the archive's commitment, and the archive gives none.
    #[error("the archive knows no storage commitment")]
    CommitmentUnsupported,
    /// The outbox.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}

impl UploadError {
    /// A stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::BaseUrl => "base-url",
            Self::PlainHttp => "plain-http",
            Self::Token => "token",
            Self::Unauthorized => "unauthorized",
            Self::PlaintextInFile => "plaintext-in-file",
            Self::UnknownUpload => "unknown-upload",
            Self::CommitmentUnsupported => "commitment-unsupported",
            Self::Outbox(e) => e.code(),
        }
    }
}

/// Why uploads over HTTP cannot go on. What goes wrong with one request is no error: the item waits, see [`crate::outbox::State`].
#[cfg(feature = "http")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// No certificate authority to trust, or one that cannot be read.
    #[error("no usable certificate authority")]
    Roots,
    /// A pin is not the base64 of a SHA-256 digest.
    #[error("a pin is not a sha-256 digest in base64")]
    Pin,
    /// Fewer than two different pins.
    #[error("two different pins are needed, one of them of a key in reserve")]
    TooFewPins,
    /// Our own certificate or its key cannot be read, or they do not belong together.
    #[error("client certificate and key are not usable")]
    ClientCertificate,
    /// The proxy's URL.
    #[error("the proxy's url is not usable")]
    Proxy,
    /// The system gives no thread, timer or socket.
    #[error("no http client can be made")]
    Client,
    /// The token source has none.
    #[error("no access token")]
    NoToken,
    /// The outbox, or the archive refuses every token.
    #[error(transparent)]
    Upload(#[from] UploadError),
}

#[cfg(feature = "http")]
impl HttpError {
    /// A stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Roots => "http-roots",
            Self::Pin => "http-pin",
            Self::TooFewPins => "http-too-few-pins",
            Self::ClientCertificate => "http-client-certificate",
            Self::Proxy => "http-proxy",
            Self::Client => "http-client",
            Self::NoToken => "http-no-token",
            Self::Upload(error) => error.code(),
        }
    }
}

/// Why an audit log is not the one that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// The chain breaks at a record: it was altered, moved or put in, or the one before it is gone.
    #[error("the chain breaks at record {record}")]
    Broken {
        /// Its number, from 0.
        record: u64,
    },
    /// Records are missing at the end.
    #[error("{records} records are left of {head}")]
    Short {
        /// How many are there.
        records: u64,
        /// How many there were.
        head: u64,
    },
    /// The log ends inside a record: a crash left it. The records before it are whole.
    #[error("the log ends inside record {record}")]
    Torn {
        /// Its number, from 0.
        record: u64,
    },
    /// The head is damaged, altered, of another log, or made with another key.
    #[error("the head is not of this log and key")]
    Head,
    /// A later version of this library wrote it.
    #[error("a later version wrote it")]
    UnknownVersion,
    /// The key store does not give the chain's key, or that is not there.
    #[error("the chain's key cannot be had")]
    Key,
    /// A whole chain, or a part of one, is not there or cannot be read.
    #[error("the log, or a part of it, is missing")]
    Missing,
}

impl AuditError {
    /// A stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Broken { .. } => "audit-broken",
            Self::Short { .. } => "audit-short",
            Self::Torn { .. } => "audit-torn",
            Self::Head => "audit-head",
            Self::UnknownVersion => "audit-unknown-version",
            Self::Key => "audit-key",
            Self::Missing => "audit-missing",
        }
    }
}
