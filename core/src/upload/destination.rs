//! Where objects are stored, and what counts as stored there.

use std::time::Duration;

use crate::error::UploadError;

/// The archive or gateway that the outbox is emptied to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    base_url: String,
    policy: Policy,
    confirm: Confirm,
    quarantine: Duration,
}

impl Destination {
    /// A DICOMweb archive's base URL (the one that `/studies` follows), or a gateway's. Confirmation is [`Confirm::Found`], the quarantine
    /// 120 s.
    ///
    /// # Errors
    /// [`UploadError::PlainHttp`] for `http` to anything but this machine; [`UploadError::BaseUrl`] for anything that is not
    /// `https://host[:port][/path]`: no user, query or fragment, only visible ASCII.
    pub fn new(base_url: &str, policy: Policy) -> Result<Self, UploadError> {
        let base_url = base_url.trim_end_matches('/');
        let (scheme, rest) = base_url.split_once("://").ok_or(UploadError::BaseUrl)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let visible = |c: u8| c.is_ascii_graphic() && !b"?#@\\\"<>^`{|}".contains(&c);
        if !rest.bytes().all(visible) || path.contains("//") || path.split('/').any(|part| part == "..") {
            return Err(UploadError::BaseUrl);
        }
        let host = host(authority).ok_or(UploadError::BaseUrl)?;
        if scheme.eq_ignore_ascii_case("http") {
            is_loopback(host).then_some(()).ok_or(UploadError::PlainHttp)?;
        } else if !scheme.eq_ignore_ascii_case("https") {
            return Err(UploadError::BaseUrl);
        }
        let base_url = format!("{}://{rest}", scheme.to_ascii_lowercase());
        Ok(Self { base_url, policy, confirm: Confirm::Found, quarantine: Duration::from_secs(120) })
    }

    /// How sure it must be that the archive has a photo before it is erased here. A gateway confirms in its own way.
    #[must_use]
    pub fn confirm(self, confirm: Confirm) -> Self {
        Self { confirm, ..self }
    }

    /// How long after a transfer that may have arrived the archive may still be storing it: no shorter than its own time limit, or photos
    /// will be stored twice by an archive that does not mind. An archive that does not have the photo after that time does not get it any
    /// more from that transfer.
    #[must_use]
    pub fn quarantine(self, quarantine: Duration) -> Self {
        Self { quarantine, ..self }
    }

    /// As it is used: without a slash at its end.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// What leaves the device.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.policy
    }

    pub(super) fn level(&self) -> Confirm {
        self.confirm
    }

    /// See [`Destination::quarantine`].
    #[must_use]
    pub fn quarantined_for(&self) -> Duration {
        self.quarantine
    }
}

/// What leaves the device. A third way will join: objects whose identity only the holder of a key can read (Encrypted Attributes
/// Sequence, PS3.15 E.1.1), to any archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// The object itself, by STOW-RS (PS3.18 10.5) to any DICOMweb archive.
    Direct,
    /// The sealed item as it is, to the institution's gateway.
    Sealed,
}

/// How sure it must be that the archive has a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirm {
    /// C0: the answer to storing it, 200 or 202, lists its SOP Instance UID and warns of nothing. Nobody asks whose chart it is in.
    Listed,
    /// C1: a query (QIDO-RS, PS3.18 10.6) finds it under the patient that it is of.
    Found,
    /// C2: C1, and read back (WADO-RS, PS3.18 10.4), it is the same: the whole file, or everything behind its File Meta Information (PS3.10 7.1),
    /// which an archive may write anew.
    Compared,
    /// C3: C1, and the archive commits itself to keep it (PS3.18 13.4).
    Committed,
}

/// The host of `host`, `host:port`, `[address]` or `[address]:port`.
fn host(authority: &str) -> Option<&str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            (address, port)
        }
        None => {
            let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            let named = |c: u8| c.is_ascii_alphanumeric() || b"-._".contains(&c);
            host.bytes().all(named).then_some(())?;
            (host, port)
        }
    };
    let valid_port = port.is_empty() || port.strip_prefix(':')?.parse::<u16>().is_ok_and(|port| port > 0);
    (valid_port && !host.is_empty()).then_some(host)
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_reached_without_tls() {
        for url in [
            "http://localhost:8042/dicom-web",
            "http://127.0.0.1",
            "HTTP://127.9.9.9/",
            "http://[::1]:80/x",
            "https://pacs.example/rs/",
        ] {
            assert!(Destination::new(url, Policy::Direct).is_ok(), "{url}");
        }
        for url in [
            "http://pacs.example",
            "http://localhost.example",
            "http://128.0.0.1",
            "http://[::2]",
            "http://127.0.0.1.example/",
        ] {
            assert_eq!(Destination::new(url, Policy::Direct), Err(UploadError::PlainHttp), "{url}");
        }
        for url in [
            "",
            "pacs.example",
            "ftp://x",
            "https://",
            "https:///x",
            "https://u@x",
            "https://x?y",
            "https://x#y",
            "https://x:0",
            "https://x:y",
            "https://x:70000",
            "https://x y",
            "https://x/\n",
            "https://[::1",
            "https://[x]",
            "https://ä",
            "https://x/../y",
            "https://x//y",
            "http://127.0.0.1@evil",
            "http://127.0.0.1\\@evil",
            "https://[::1]x",
        ] {
            assert_eq!(Destination::new(url, Policy::Direct), Err(UploadError::BaseUrl), "{url}");
        }
        assert_eq!(Destination::new("HTTPS://x:1/rs//", Policy::Sealed).unwrap().base_url(), "https://x:1/rs");
    }
}
