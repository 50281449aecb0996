//! A small DICOMweb archive in memory that stores whatever it is given, twice too: STOW-RS, QIDO-RS, WADO-RS (PS3.18 10), and a
//! gateway's `sealed-items`.

use std::time::Instant;

use serde_json::{Value, json};

/// What was asked.
pub struct Request {
    /// `GET`, `POST`, ...
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// All of it.
    pub body: Vec<u8>,
}

/// What kind of request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An object or a sealed item.
    Store,
    /// QIDO-RS.
    Query,
    /// WADO-RS.
    Retrieve,
    /// Storage commitment, either way.
    Commit,
    /// Anything else.
    Other,
}

/// An answer, whole.
#[derive(Debug, Clone)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// As they are sent; `content-length` is added.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// The archive.
#[derive(Default)]
pub struct Archive {
    objects: Vec<Stored>,
}

/// Something that it holds.
#[derive(Clone)]
pub struct Stored {
    /// SOPInstanceUID (0008,0018), or the SHA-256 of a sealed item.
    pub sop_instance_uid: String,
    /// As it came.
    pub bytes: Vec<u8>,
    visible: Instant,
}

impl Request {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn path(&self) -> Vec<&str> {
        self.target.split('?').next().unwrap_or_default().split('/').filter(|part| !part.is_empty()).collect()
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// What kind it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match (self.method.as_str(), self.path().as_slice()) {
            (_, [.., "commitment-requests", _] | [.., "commitment-requests", _, _]) => Kind::Commit,
            ("POST", [.., "studies" | "sealed-items"]) => Kind::Store,
            ("GET", [.., "studies" | "series" | "instances" | "metadata"]) => Kind::Query,
            ("GET", [.., "instances", _]) => Kind::Retrieve,
            _ => Kind::Other,
        }
    }
}

impl Reply {
    /// An answer in DICOM JSON.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type".into(), "application/dicom+json".into())];
        Self { status, headers, body: body.to_string().into_bytes() }
    }

    /// An answer without a body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// Head and body as they go over the wire.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("HTTP/1.1 {} Answer\r\n", self.status).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend(format!("{name}: {value}\r\n").bytes());
        }
        if self.status != 204 {
            bytes.extend(format!("content-length: {}\r\n", self.body.len()).bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(&self.body);
        bytes
    }
}

impl Archive {
    /// Everything that was stored, twice when it was stored twice.
    #[must_use]
    pub fn objects(&self) -> &[Stored] {
        &self.objects
    }

    /// Stores what the request holds; it can be found from `visible` on. A gateway asks its archive before it stores, so a sealed item
    /// is stored once.
    pub fn commit(&mut self, request: &Request, visible: Instant) {
        for bytes in contents(request) {
            let sop_instance_uid = name(request, &bytes);
            if is_sealed(request) && self.objects.iter().any(|object| object.sop_instance_uid == sop_instance_uid) {
                continue;
            }
            self.objects.push(Stored { sop_instance_uid, bytes, visible });
        }
    }

    /// What an archive that works would say. It stores nothing: see [`Archive::commit`].
    #[must_use]
    pub fn answer(&self, request: &Request) -> Reply {
        match request.kind() {
            Kind::Store if is_sealed(request) => {
                Reply::json(200, &json!({ "item": name(request, &request.body), "stored": true }))
            }
            Kind::Store => store_reply(request),
            Kind::Query => self.query(request),
            Kind::Retrieve => self.retrieve(request),
            // An archive that does not do commitment.
            Kind::Commit => Reply::empty(404),
            Kind::Other => Reply::empty(if request.method == "OPTIONS" { 204 } else { 404 }),
        }
    }

    fn visible(&self) -> impl Iterator<Item = &Stored> {
        self.objects.iter().filter(|object| object.visible <= Instant::now())
    }

    fn query(&self, request: &Request) -> Reply {
        let path = request.path();
        let in_path = match path.as_slice() {
            [.., "instances", uid, "metadata"] => Some(*uid),
            _ => None,
        };
        let uid = request.parameter("SOPInstanceUID").or(in_path);
        let found: Vec<Value> =
            self.visible().filter(|object| uid.is_none_or(|uid| uid == object.sop_instance_uid)).map(found).collect();
        if found.is_empty() { Reply::empty(204) } else { Reply::json(200, &json!(found)) }
    }

    fn retrieve(&self, request: &Request) -> Reply {
        let uid = request.path().last().copied().unwrap_or_default().to_owned();
        let Some(object) = self.visible().find(|object| object.sop_instance_uid == uid) else {
            return Reply::empty(404);
        };
        let kind = "multipart/related; type=\"application/dicom\"; boundary=archive";
        let head = b"--archive\r\ncontent-type: application/dicom\r\n\r\n";
        let body = [&head[..], &object.bytes, b"\r\n--archive--\r\n"].concat();
        Reply { status: 200, headers: vec![("content-type".into(), kind.into())], body }
    }
}

/// The answer to a store that worked (PS3.18 I.2.2).
#[must_use]
pub fn store_reply(request: &Request) -> Reply {
    let stored: Vec<Value> = contents(request)
        .iter()
        .map(|object| {
            let uid = element(object, 0x0008, 0x0018).unwrap_or_default();
            json!({
                "00081150": { "vr": "UI", "Value": [element(object, 0x0008, 0x0016)] },
                "00081155": { "vr": "UI", "Value": [uid] },
                "00081190": { "vr": "UR", "Value": [format!("http://archive/instances/{uid}")] },
            })
        })
        .collect();
    Reply::json(200, &json!({ "00081199": { "vr": "SQ", "Value": stored } }))
}

/// SOPClassUID and SOPInstanceUID of what the request stores.
#[must_use]
pub fn sop(request: &Request) -> (String, String) {
    let object = contents(request).into_iter().next().unwrap_or_default();
    let of = |element_number| element(&object, 0x0008, element_number).unwrap_or_default();
    (of(0x0016), of(0x0018))
}

fn found(object: &Stored) -> Value {
    let mut found = serde_json::Map::new();
    for (group, number, vr) in [
        (0x0008, 0x0016, "UI"),
        (0x0008, 0x0018, "UI"),
        (0x0010, 0x0020, "LO"),
        (0x0010, 0x0021, "LO"),
        (0x0020, 0x000D, "UI"),
        (0x0020, 0x000E, "UI"),
    ] {
        if let Some(value) = element(&object.bytes, group, number) {
            found.insert(format!("{group:04X}{number:04X}"), json!({ "vr": vr, "Value": [value] }));
        }
    }
    Value::Object(found)
}

fn name(request: &Request, bytes: &[u8]) -> String {
    if is_sealed(request) {
        return sha256(bytes);
    }
    element(bytes, 0x0008, 0x0018).unwrap_or_default()
}

fn is_sealed(request: &Request) -> bool {
    request.target.ends_with("/sealed-items")
}

/// The parts of a multipart body, or the body itself.
fn contents(request: &Request) -> Vec<Vec<u8>> {
    let kind = request.header("content-type").unwrap_or_default();
    let Some((_, boundary)) = kind.split_once("boundary=") else { return vec![request.body.clone()] };
    let boundary = boundary.split(';').next().unwrap_or_default().trim_matches('"');
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut rest = &request.body[..];
    while let Some(at) = memchr::memmem::find(rest, delimiter.as_bytes()) {
        rest = &rest[at + delimiter.len()..];
        let Some(head) = memchr::memmem::find(rest, b"\r\n\r\n").filter(|_| !rest.starts_with(b"--")) else { break };
        let part = &rest[head + 4..];
        let Some(end) = memchr::memmem::find(part, format!("\r\n{delimiter}").as_bytes()) else { break };
        parts.push(part[..end].to_vec());
        rest = &part[end..];
    }
    parts
}

/// The value of a top-level element of a Part 10 file in an explicit VR little endian syntax, without padding.
#[must_use]
pub fn element(file: &[u8], group: u16, number: u16) -> Option<String> {
    let mut at = 132;
    loop {
        let head = file.get(at..at + 8)?;
        let read16 = |k: usize| u16::from_le_bytes([head[k], head[k + 1]]);
        let (value, length) = match &head[4..6] {
            b"OB" | b"OW" | b"SQ" | b"UN" | b"UT" | b"UC" | b"UR" => {
                (at + 12, u32::from_le_bytes(file.get(at + 8..at + 12)?.try_into().ok()?) as usize)
            }
            _ => (at + 8, usize::from(read16(6))),
        };
        if (read16(0), read16(2)) == (group, number) {
            let text = String::from_utf8_lossy(file.get(value..value + length)?).into_owned();
            return Some(text.trim_matches(['\0', ' ']).to_owned());
        }
        if (read16(0), read16(2)) > (group, number) {
            return None;
        }
        at = if length == u32::MAX as usize { skip(file, value)? } else { value + length };
    }
}

/// Behind a sequence of undefined length.
fn skip(file: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 1;
    while depth > 0 {
        let head = file.get(at..at + 8)?;
        let short = u16::from_le_bytes([head[6], head[7]]);
        let long = u32::from_le_bytes(file.get(at + 4..at + 8)?.try_into().ok()?);
        at += match (&head[..4], &head[4..6]) {
            (b"\xFE\xFF\xDD\xE0" | b"\xFE\xFF\x0D\xE0", _) => {
                depth -= 1;
                8
            }
            (b"\xFE\xFF\x00\xE0", _) if long == u32::MAX => {
                depth += 1;
                8
            }
            // An item of defined length holds whole elements: walk into it, it needs no end.
            (b"\xFE\xFF\x00\xE0", _) => 8,
            (_, b"OB" | b"OW" | b"SQ" | b"UN" | b"UT" | b"UC" | b"UR") => {
                let length = u32::from_le_bytes(file.get(at + 8..at + 12)?.try_into().ok()?);
                if length == u32::MAX {
                    depth += 1;
                    12
                } else {
                    12 + length as usize
                }
            }
            _ => 8 + usize::from(short),
        };
    }
    Some(at)
}

/// In lower-case hexadecimal digits.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    ring::digest::digest(&ring::digest::SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
