//! The chain itself: lines, their codes, the head.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat};
use ring::hmac;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Entry, Event, Record};
use crate::clock::{Randomness, RandomnessUnavailable};
use crate::error::AuditError;

const VERSION: u32 = 1;
/// What a code is made over begins with what it is for, so that a head is never a record.
const RECORD: &[u8] = b"moulage audit record\n";
const HEAD: &[u8] = b"moulage audit head\n";
/// Before the first record.
const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Characters of a code word.
const LONGEST_WORD: usize = 64;
/// Bytes that no line exceeds; a line takes about 330.
pub const LONGEST_LINE: usize = 640;

/// What makes the codes of one chain. Cannot be printed.
pub struct AuditKey(hmac::Key);

impl AuditKey {
    /// A new secret, to be kept in the platform's key store.
    ///
    /// # Errors
    /// [`RandomnessUnavailable`].
    pub fn draw(randomness: &dyn Randomness) -> Result<Zeroizing<[u8; 32]>, RandomnessUnavailable> {
        let mut secret = Zeroizing::new([0; 32]);
        randomness.fill(&mut *secret)?;
        Ok(secret)
    }

    /// The key of a secret. One secret makes one chain.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    fn code(&self, purpose: &[u8], body: &str) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(purpose);
        context.update(body.as_bytes());
        hex(context.sign().as_ref())
    }

    /// `body` without its closing brace, and the code after it.
    fn signed(&self, purpose: &[u8], body: &str) -> (String, String) {
        let open = body.strip_suffix('}').unwrap_or(body);
        let code = self.code(purpose, open);
        (format!("{open},\"mac\":\"{code}\"}}\n"), code)
    }

    /// The body and the code of a line without its end, when the code is that of the body.
    fn opened<'a>(&self, purpose: &[u8], line: &'a str) -> Option<(String, &'a str)> {
        let (open, code) = line.strip_suffix("\"}")?.rsplit_once(",\"mac\":\"")?;
        (self.code(purpose, open) == code).then(|| (format!("{open}}}"), code))
    }
}

/// A record as it stands in its line; the order of the fields is the order there.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    v: u32,
    seq: u64,
    at: String,
    event: Event,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    code: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    count: u64,
    prev: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    v: u32,
    records: u64,
    last: String,
}

/// The end of a log, where records are appended.
///
/// What it gives is to be written in this order: the lines, durably; then the head, in one step. After a crash the head is
/// then as old as the log, or older.
pub struct Chain {
    key: AuditKey,
    records: u64,
    last: String,
}

impl Chain {
    /// A chain without records. Its head is to be written before the first of them.
    #[must_use]
    pub fn begin(key: AuditKey) -> Self {
        Self { key, records: 0, last: NOTHING.to_owned() }
    }

    /// Goes on where a log ends, of which the last records are enough. Gives the bytes of it that are whole records, too: what follows them
    /// is what a crash left of the last append, and is to be cut off.
    ///
    /// # Errors
    /// As [`verify`], but for [`AuditError::Torn`]: nothing may be appended to such a log.
    pub fn resume(key: AuditKey, log: &[u8], head: &[u8]) -> Result<(Self, usize), AuditError> {
        let head = open_head(&key, head)?;
        let walk = Walk::from_its_first(&key, log);
        walk.meets(&head)?;
        if walk.end == Some(AuditError::UnknownVersion) {
            return Err(AuditError::UnknownVersion);
        }
        let bytes = walk.bytes;
        let (records, last) = (walk.count(), walk.last().to_owned());
        Ok((Self { key, records, last }, bytes))
    }

    /// The next record's line, with its line feed.
    pub fn append(&mut self, entry: &Entry) -> String {
        let line = Line {
            v: VERSION,
            seq: self.records,
            at: entry.moment.to_rfc3339_opts(SecondsFormat::Millis, false),
            event: entry.event,
            item: entry.item.map(|item| hex(&item)),
            code: entry.code.chars().filter(|c| is_word(*c)).take(LONGEST_WORD).collect(),
            count: entry.count,
            prev: std::mem::take(&mut self.last),
        };
        let (line, code) = self.key.signed(RECORD, &json(&line));
        self.records += 1;
        self.last = code;
        line
    }

    /// How many records there are, and how they end; with its line feed.
    #[must_use]
    pub fn head(&self) -> String {
        let head = Head { v: VERSION, records: self.records, last: self.last.clone() };
        self.key.signed(HEAD, &json(&head)).0
    }

    /// How many records there are.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }
}

/// Reads a whole log, and finds everything that is not as it was written.
///
/// A log may have more records than its head says, for the head is written after them; it may not have less.
///
/// # Errors
/// [`AuditError::Head`] for a head that this key did not make; [`AuditError::Broken`] at the first record that was altered,
/// moved, put in or that has lost the one before it; [`AuditError::Short`] when records are missing at the end;
/// [`AuditError::Torn`] when a crash left a part of a record there; [`AuditError::UnknownVersion`].
pub fn verify(key: &AuditKey, log: &[u8], head: &[u8]) -> Result<Vec<Record>, AuditError> {
    let head = open_head(key, head)?;
    let walk = Walk::whole(key, log);
    walk.meets(&head)?;
    match walk.end {
        None => Ok(walk.records),
        Some(error) => Err(error),
    }
}

fn open_head(key: &AuditKey, head: &[u8]) -> Result<Head, AuditError> {
    let line = std::str::from_utf8(head).ok().and_then(|text| text.strip_suffix('\n')).ok_or(AuditError::Head)?;
    let (body, _) = key.opened(HEAD, line).ok_or(AuditError::Head)?;
    let head: Head = serde_json::from_str(&body).map_err(|_| AuditError::Head)?;
    if head.v == VERSION { Ok(head) } else { Err(AuditError::UnknownVersion) }
}

/// The records of a log to its end, or to the first that is not as it was written.
struct Walk {
    /// How many records there are before it, and the code of the last of them.
    before: (u64, String),
    records: Vec<Record>,
    /// The code of each.
    codes: Vec<String>,
    /// What they take of the log.
    bytes: usize,
    /// Why it is not the whole log.
    end: Option<AuditError>,
}

impl Walk {
    fn whole(key: &AuditKey, log: &[u8]) -> Self {
        Self::after((0, NOTHING.to_owned()), key, log)
    }

    /// The first record tells how many there are before it: its code vouches for that.
    fn from_its_first(key: &AuditKey, log: &[u8]) -> Self {
        let first = log.split(|byte| *byte == b'\n').next().and_then(|line| std::str::from_utf8(line).ok());
        let line: Option<Line> =
            first.and_then(|line| key.opened(RECORD, line)).and_then(|(body, _)| serde_json::from_str(&body).ok());
        Self::after(line.map_or((0, NOTHING.to_owned()), |line| (line.seq, line.prev)), key, log)
    }

    fn after(before: (u64, String), key: &AuditKey, log: &[u8]) -> Self {
        let mut walk = Self { before, records: Vec::new(), codes: Vec::new(), bytes: 0, end: None };
        for line in log.split_inclusive(|byte| *byte == b'\n') {
            match walk.next(key, line) {
                Ok((record, code)) => {
                    walk.records.push(record);
                    walk.codes.push(code);
                    walk.bytes += line.len();
                }
                Err(error) => {
                    walk.end = Some(error);
                    break;
                }
            }
        }
        walk
    }

    /// How many records there are, with those before the log.
    fn count(&self) -> u64 {
        self.before.0.saturating_add(self.records.len() as u64)
    }

    /// The code of the last of them.
    fn last(&self) -> &str {
        self.codes.last().unwrap_or(&self.before.1)
    }

    fn next(&self, key: &AuditKey, line: &[u8]) -> Result<(Record, String), AuditError> {
        let record = self.count();
        let broken = AuditError::Broken { record };
        let line = line.strip_suffix(b"\n").ok_or(AuditError::Torn { record })?;
        let line = std::str::from_utf8(line).map_err(|_| broken)?;
        let (body, code) = key.opened(RECORD, line).ok_or(broken)?;
        let version: Version = serde_json::from_str(&body).map_err(|_| broken)?;
        if version.v != VERSION {
            return Err(AuditError::UnknownVersion);
        }
        let line: Line = serde_json::from_str(&body).map_err(|_| broken)?;
        if line.seq != record || line.prev != self.last() {
            return Err(broken);
        }
        let record = Record {
            sequence: record,
            moment: DateTime::parse_from_rfc3339(&line.at).map_err(|_| broken)?,
            event: line.event,
            item: line.item.map(|item| from_hex(&item).ok_or(broken)).transpose()?,
            code: line.code,
            count: line.count,
        };
        Ok((record, code.to_owned()))
    }

    /// Whether the records that the head speaks of are there.
    fn meets(&self, head: &Head) -> Result<(), AuditError> {
        let last = match head.records.checked_sub(self.before.0) {
            None => return Err(AuditError::Head),
            Some(0) => Some(&self.before.1),
            Some(here) => usize::try_from(here - 1).ok().and_then(|at| self.codes.get(at)),
        };
        match (last, self.end) {
            (Some(last), _) if *last == head.last => Ok(()),
            (Some(_), _) => Err(AuditError::Head),
            (None, Some(error @ (AuditError::Broken { .. } | AuditError::UnknownVersion))) => Err(error),
            (None, _) => Err(AuditError::Short { records: self.count(), head: head.records }),
        }
    }
}

/// All that is read of a record before its version is known.
#[derive(Deserialize)]
struct Version {
    v: u32,
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("numbers and texts have a form in JSON")
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn is_word(c: char) -> bool {
    matches!(c, 'a'..='z' | '0'..='9' | '-')
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn from_hex(text: &str) -> Option<[u8; 16]> {
    let number = u128::from_str_radix(text, 16).ok()?;
    (text.len() == 32).then(|| number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use static_assertions::assert_not_impl_any;

    use super::*;

    assert_not_impl_any!(AuditKey: std::fmt::Debug, std::fmt::Display, Clone);
    assert_not_impl_any!(Chain: std::fmt::Debug, std::fmt::Display);

    const SECRET: [u8; 32] = [42; 32];

    fn key() -> AuditKey {
        AuditKey::new(&SECRET)
    }

    fn entry(at: u64) -> Entry {
        let moment = DateTime::parse_from_rfc3339("2026-03-14T09:26:53.589+01:00").unwrap();
        let event = Event::ALL[at as usize % Event::ALL.len()];
        let item = (event != Event::Started).then_some([at as u8; 16]);
        let code = if event == Event::Refused { "dataset-refused" } else { "" };
        Entry { moment: moment + chrono::TimeDelta::seconds(at as i64), event, item, code, count: at % 3 }
    }

    fn fifty() -> (Vec<String>, String) {
        let mut chain = Chain::begin(key());
        let lines = (0..50).map(|at| chain.append(&entry(at))).collect();
        (lines, chain.head())
    }

    fn verdict(lines: &[String], head: &str) -> Result<Vec<Record>, AuditError> {
        verify(&key(), lines.concat().as_bytes(), head.as_bytes())
    }

    #[test]
    fn what_was_written_is_read() {
        let (lines, head) = fifty();
        let records = verdict(&lines, &head).unwrap();
        for (at, record) in records.iter().enumerate() {
            let Entry { moment, event, item, code, count } = entry(at as u64);
            let expected = Record { sequence: at as u64, moment, event, item, code: code.into(), count };
            assert_eq!(*record, expected);
        }
        assert_eq!(records.len(), 50);
        assert!(lines.iter().all(|line| line.len() < LONGEST_LINE));
        // The codes by Python's hmac.
        assert_eq!(
            lines[4],
            "{\"v\":1,\"seq\":4,\"at\":\"2026-03-14T09:26:57.589+01:00\",\"event\":\"refused\",\
             \"item\":\"04040404040404040404040404040404\",\"code\":\"dataset-refused\",\"count\":1,\
             \"prev\":\"fd897a2afd5c427c17a02c8a5eadb48f1b87787d2079a1125862abf85c280f23\",\
             \"mac\":\"507677add9b2ebdb7e30f8d6ebb7258c9cce0f3922bf8230b7f4a5aa2a88a1a9\"}\n"
        );
    }

    #[test]
    fn every_deletion_is_found() {
        let (lines, head) = fifty();
        for first in 0..50 {
            for after in first + 1..=50 {
                let left = [&lines[..first], &lines[after..]].concat();
                let found = verdict(&left, &head).unwrap_err();
                let expected = if after == 50 {
                    AuditError::Short { records: first as u64, head: 50 }
                } else {
                    AuditError::Broken { record: first as u64 }
                };
                assert_eq!(found, expected, "{first}..{after}");
            }
        }
    }

    #[test]
    fn every_swap_and_every_copy_is_found() {
        let (lines, head) = fifty();
        for one in 0..50 {
            for other in 0..50 {
                let mut copied = lines.clone();
                copied.insert(one, lines[other].clone());
                let broken = |record: usize| Err(AuditError::Broken { record: record as u64 });
                // A copy of a record just before it is found at the record itself.
                assert_eq!(verdict(&copied, &head), broken(if one == other { one + 1 } else { one }));
                if one < other {
                    let mut swapped = lines.clone();
                    swapped.swap(one, other);
                    assert_eq!(verdict(&swapped, &head), broken(one));
                }
            }
        }
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let (lines, head) = fifty();
        let mut log = lines.concat().into_bytes();
        for at in 0..log.len() {
            for bit in 0..8 {
                log[at] ^= 1 << bit;
                // Only the record itself needs to be looked at: what is before it is as it was.
                let whole = at % 331 == 0;
                let (begin, record) = place(&lines, at);
                let found = if whole {
                    verify(&key(), &log, head.as_bytes()).err()
                } else {
                    let before = codes(&lines, record).pop().unwrap_or(NOTHING.to_owned());
                    let walk = Walk::after((record as u64, before), &key(), b"");
                    let end = (begin + lines[record].len()).min(log.len());
                    let line = log[begin..end].split_inclusive(|byte| *byte == b'\n').next().unwrap();
                    walk.next(&key(), line).err()
                };
                assert!(found.is_some(), "byte {at}, bit {bit}");
                log[at] ^= 1 << bit;
            }
        }
        let mut bytes = head.clone().into_bytes();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                bytes[at] ^= 1 << bit;
                assert_eq!(verify(&key(), &log, &bytes), Err(AuditError::Head));
                bytes[at] ^= 1 << bit;
            }
        }
    }

    fn place(lines: &[String], at: usize) -> (usize, usize) {
        let mut begin = 0;
        for (record, line) in lines.iter().enumerate() {
            if at < begin + line.len() {
                return (begin, record);
            }
            begin += line.len();
        }
        unreachable!()
    }

    fn codes(lines: &[String], records: usize) -> Vec<String> {
        lines[..records].iter().map(|line| line[line.len() - 67..line.len() - 3].to_owned()).collect()
    }

    #[test]
    fn another_key_makes_nothing_that_passes() {
        let (lines, head) = fifty();
        let mut forged = Chain::begin(AuditKey::new(&[43; 32]));
        let line = forged.append(&entry(0));
        assert_eq!(verdict(&lines, &forged.head()), Err(AuditError::Head));
        assert_eq!(verdict(&[line], &head), Err(AuditError::Broken { record: 0 }));
        // A head is no record, and a record is no head.
        assert_eq!(verdict(&lines, &lines[0]), Err(AuditError::Head));
        assert_eq!(verdict(&[head.clone()], &head), Err(AuditError::Broken { record: 0 }));
    }

    #[test]
    fn the_head_may_be_older_and_a_torn_end_is_told_and_cut_off() {
        let (lines, _) = fifty();
        let mut chain = Chain::begin(key());
        let begun = chain.head();
        (0..40).for_each(|at| drop(chain.append(&entry(at))));
        let older = chain.head();
        assert_eq!(verdict(&lines, &older).unwrap().len(), 50);
        assert_eq!(verdict(&lines, &begun).unwrap().len(), 50);
        let log = lines.concat();
        let whole = lines[..49].concat().len();
        for end in whole + 1..log.len() {
            let torn = &log.as_bytes()[..end];
            assert_eq!(verify(&key(), torn, older.as_bytes()), Err(AuditError::Torn { record: 49 }));
            let (mut chain, bytes) = Chain::resume(key(), torn, older.as_bytes()).unwrap();
            assert_eq!((chain.records(), bytes), (49, whole));
            let again = log[..whole].to_owned() + &chain.append(&entry(49));
            assert_eq!(again, log);
        }
        // The last records are enough, back to the one that the head tells of.
        for from in 0..=40 {
            let tail = lines[from..].concat();
            assert_eq!(Chain::resume(key(), tail.as_bytes(), older.as_bytes()).unwrap().0.records(), 50);
            assert_eq!(verify(&key(), tail.as_bytes(), older.as_bytes()).is_ok(), from == 0);
        }
        assert!(Chain::resume(key(), lines[41..].concat().as_bytes(), older.as_bytes()).is_err());
        assert!(Chain::resume(key(), lines[..39].concat().as_bytes(), older.as_bytes()).is_err());
        assert_eq!(Chain::resume(key(), b"", begun.as_bytes()).unwrap().1, 0);
    }

    #[test]
    fn a_later_version_is_told_and_nothing_is_appended_to_it() {
        let chain = Chain::begin(key());
        let later = key().signed(RECORD, &format!("{{\"v\":2,\"seq\":0,\"new\":[],\"prev\":\"{NOTHING}\"}}")).0;
        assert_eq!(verify(&key(), later.as_bytes(), chain.head().as_bytes()), Err(AuditError::UnknownVersion));
        let resumed = Chain::resume(key(), later.as_bytes(), chain.head().as_bytes());
        assert_eq!(resumed.err(), Some(AuditError::UnknownVersion));
    }

    #[test]
    fn no_code_brings_in_what_is_no_word() {
        let mut chain = Chain::begin(key());
        let entry = Entry { code: "Muster^Erika\n\"} 4711", ..entry(0) };
        let line = chain.append(&entry);
        assert!(line.contains("\"code\":\"usterrika4711\""), "{line}");
        assert!(verify(&key(), line.as_bytes(), chain.head().as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn no_log_is_trouble(log in prop::collection::vec(any::<u8>(), 0..400)) {
            let head = Chain::begin(key()).head();
            let _ = verify(&key(), &log, head.as_bytes());
            let _ = verify(&key(), head.as_bytes(), &log);
            let _ = Chain::resume(key(), &log, head.as_bytes());
        }
    }
}
