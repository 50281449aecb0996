//! `index.html`: what, where and when of all that is in the archive, newest first. No script, no request to anywhere.
//!
//! It is made anew from the objects themselves, under a lock, so that it cannot say anything else than they do, and
//! that two runs at once lose nothing of each other.

use std::collections::HashMap;
use std::fmt::Write;
use std::io;

use chrono::{DateTime, NaiveDateTime, TimeZone, Utc};
use moulage::dicom::{Head, Moment, SopClass};

use crate::archive::{Archive, StoredObject};
use crate::failure::Failure;

/// Its name in the archive.
pub(crate) const NAME: &str = "index.html";

/// Makes the sheet of all that is there now.
pub(crate) fn rebuild(archive: &Archive) -> Result<(), Failure> {
    let make = || {
        let _lock = archive.lock()?;
        archive.replace(NAME, page(entries(archive)?).as_bytes())
    };
    make().map_err(|error: io::Error| Failure::unwritable("the contact sheet", &error))
}

struct Entry {
    object: StoredObject,
    has_thumbnail: bool,
    /// `None` when the object cannot be read.
    head: Option<Head>,
}

impl Entry {
    fn moment(&self) -> Option<&Moment> {
        self.head.as_ref()?.moment.as_ref()
    }

    /// For the order: the instant, as far as it is known.
    fn instant(&self) -> DateTime<Utc> {
        let instant = |moment: &Moment| match moment.offset {
            Some(offset) => offset
                .from_local_datetime(&moment.local)
                .single()
                .map_or_else(|| moment.local.and_utc(), |t| t.to_utc()),
            None => moment.local.and_utc(),
        };
        self.moment().map_or_else(DateTime::default, instant)
    }
}

fn entries(archive: &Archive) -> io::Result<Vec<Entry>> {
    let thumbnails = archive.thumbnails()?;
    let entry = |object: StoredObject| {
        // An object that cannot be read has its place in the sheet all the same.
        let head = archive.beginning(&object).ok().and_then(|bytes| Head::read(&bytes).ok());
        Entry { has_thumbnail: thumbnails.contains(&object.sop_instance_uid), object, head }
    };
    Ok(archive.objects()?.into_iter().map(entry).collect())
}

/// Studies by their newest photo, photos newest first.
fn page(mut entries: Vec<Entry>) -> String {
    entries.sort_by_key(|entry| {
        let number = entry.head.as_ref().map_or(0, |head| head.instance_number);
        std::cmp::Reverse((entry.instant(), number))
    });
    let mut studies: Vec<Vec<&Entry>> = Vec::new();
    let mut places = HashMap::new();
    for entry in &entries {
        let place = *places.entry(&entry.object.study_instance_uid).or_insert(studies.len());
        match studies.get_mut(place) {
            Some(study) => study.push(entry),
            None => studies.push(vec![entry]),
        }
    }
    let mut html = HEAD.to_owned();
    let _ = write!(
        html,
        "<header>\n<h1>Contact sheet</h1>\n<p>{} in {}. Pictures of patients: handle this page as part of their records. \
         Whose they are is told by the DICOM files, not here.</p>\n</header>\n",
        counted(entries.len(), "photo", "photos"),
        counted(studies.len(), "study", "studies")
    );
    for study in studies {
        section(&mut html, &study);
    }
    html += "</body>\n</html>\n";
    html
}

fn section(html: &mut String, study: &[&Entry]) {
    let newest = &study[0];
    let day = newest.moment().map_or("Day not known".to_owned(), |moment| day(moment.local));
    let _ = write!(
        html,
        "<section>\n<h2>{day} <small>{}</small></h2>\n<p class=\"uid\">Study {}</p>\n<div class=\"sheet\">\n",
        counted(study.len(), "photo", "photos"),
        escape(&newest.object.study_instance_uid)
    );
    for entry in study {
        figure(html, entry);
    }
    *html += "</div>\n</section>\n";
}

fn figure(html: &mut String, entry: &Entry) {
    let object = &entry.object;
    let (place, side, kind) = match &entry.head {
        Some(head) => (known(&head.anatomic_region, "Site not told"), side(&head.image_laterality), kind(head)),
        None => ("Not readable".to_owned(), "", "No object that this page understands".to_owned()),
    };
    let when = entry.moment().map_or("time not known".to_owned(), when);
    let what = if side.is_empty() { escape(&place) } else { format!("{}, {side}", escape(&place)) };
    let picture = if entry.has_thumbnail {
        let source = escape(&Archive::thumbnail_path(&object.sop_instance_uid));
        let plain = entry.moment().map_or(String::new(), |moment| format!(", {}", day_and_time(moment.local)));
        format!("<img src=\"{source}\" loading=\"lazy\" decoding=\"async\" alt=\"{what}{plain}\">")
    } else {
        "<div class=\"none\">No preview</div>".to_owned()
    };
    let _ = write!(
        html,
        "<figure>\n{picture}\n<figcaption>\n<strong>{what}</strong>\n<span>{when}</span>\n<span class=\"kind\">{kind} \
         <a href=\"{}\" download>DICOM file</a></span>\n</figcaption>\n</figure>\n",
        escape(&object.path)
    );
}

fn known(text: &str, otherwise: &str) -> String {
    if text.is_empty() { otherwise } else { text }.to_owned()
}

fn side(laterality: &str) -> &'static str {
    match laterality {
        "R" => "right",
        "L" => "left",
        "B" => "both sides",
        _ => "",
    }
}

fn kind(head: &Head) -> String {
    match head.sop_class {
        SopClass::VlPhotographic => "Photo".to_owned(),
        SopClass::Dermoscopic => "Dermoscopy".to_owned(),
        SopClass::SecondaryCapture => "Photo (secondary capture)".to_owned(),
        SopClass::MultiFrameTrueColorSc => {
            format!("{} in one object", counted(head.frames as usize, "frame", "frames"))
        }
    }
}

/// Local time with its offset; an import without a time of its own never looks like a time of capture.
fn when(moment: &Moment) -> String {
    let local = day_and_time(moment.local);
    let machine = moment.local.format("%Y-%m-%dT%H:%M:%S");
    let (machine, offset) = match moment.offset {
        Some(offset) => (format!("{machine}{offset}"), format!("UTC{offset}")),
        None => (machine.to_string(), "local, zone not told".to_owned()),
    };
    let time = format!("<time datetime=\"{machine}\">{local}</time> <small>{offset}</small>");
    if moment.taken { time } else { format!("Time of the photo not known; imported {time}") }
}

fn day(local: NaiveDateTime) -> String {
    local.format("%-d %B %Y").to_string()
}

fn day_and_time(local: NaiveDateTime) -> String {
    local.format("%-d %B %Y, %H:%M").to_string()
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// For text and for attributes in double quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            c => escaped.push(c),
        }
    }
    escaped
}

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Contact sheet</title>
<style>
:root { color-scheme: light dark; --page: #f4f4f2; --card: #fff; --text: #1c1c1a; --quiet: #5d5d58; --line: #d9d9d4; --mat: #e7e7e3; }
@media (prefers-color-scheme: dark) {
  :root { --page: #161614; --card: #22221f; --text: #efefea; --quiet: #a9a9a1; --line: #3a3a35; --mat: #000; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 80rem; background: var(--page); color: var(--text);
  font: 1rem/1.45 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.5rem; }
header p { margin: .25rem 0 0; max-width: 45rem; color: var(--quiet); }
section { content-visibility: auto; contain-intrinsic-size: auto 26rem; }
h2 { margin: 2rem 0 0; padding-top: 1rem; border-top: 1px solid var(--line); font-size: 1.15rem; }
small, .kind, .uid { color: var(--quiet); font-size: .85rem; font-weight: normal; }
.uid { margin: 0 0 .75rem; overflow-wrap: anywhere; font-size: .75rem; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); gap: 1rem; }
figure { margin: 0; overflow: hidden; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
img, .none { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; background: var(--mat); }
.none { display: grid; place-items: center; background: var(--page); color: var(--quiet); }
figcaption { display: grid; gap: .1rem; padding: .6rem .75rem .75rem; }
strong { font-size: 1.05rem; }
a { margin-left: .5rem; color: inherit; white-space: nowrap; }
@media print { figure { break-inside: avoid; } }
</style>
</head>
<body>
"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(study: &str, sop: &str, acquisition: &str, offset: &str, region: &str) -> Entry {
        let local = NaiveDateTime::parse_from_str(acquisition, "%Y%m%d%H%M%S").ok();
        let moment = local.map(|local| Moment { local, offset: offset.parse().ok(), taken: true });
        let head = Head { anatomic_region: region.to_owned(), moment, ..Head::default() };
        let object = StoredObject {
            study_instance_uid: study.to_owned(),
            sop_instance_uid: sop.to_owned(),
            path: format!("{study}/9/{sop}.dcm"),
        };
        Entry { object, has_thumbnail: true, head: Some(head) }
    }

    #[test]
    fn newest_first_by_instant_and_grouped_by_study() {
        // One hour later by the clock on the wall, one hour earlier in truth.
        let entries = vec![
            entry("1.1", "1.1.1", "20260314090000", "+0300", "Heel"),
            entry("1.2", "1.2.1", "20260314080000", "+0100", "Palm"),
            entry("1.1", "1.1.2", "20250101000000", "", "Heel"),
            entry("1.2", "1.2.2", "20260314080001", "+0100", "Palm"),
        ];
        let html = page(entries);
        let at = |text: &str| html.find(text).unwrap();
        let order = ["Study 1.2", "1.2.2.dcm", "1.2.1.dcm", "Study 1.1", "1.1.1.dcm", "1.1.2.dcm"].map(at);
        assert!(order.is_sorted(), "{order:?}");
        assert!(html.contains("4 photos in 2 studies"));
        assert!(
            html.contains("<time datetime=\"2026-03-14T09:00:00+03:00\">14 March 2026, 09:00</time> <small>UTC+03:00")
        );
    }

    #[test]
    fn nothing_of_an_object_becomes_markup() {
        let hostile = "<script>\"'&</script>";
        let html = page(vec![entry("1.1", "1.1.1", "", "", hostile)]);
        assert!(html.contains("&lt;script&gt;&quot;&#39;&amp;&lt;/script&gt;") && !html.contains("<script"));
        assert!(html.contains("time not known"));
    }

    #[test]
    fn an_object_that_cannot_be_read_is_not_left_out() {
        let unreadable = Entry { head: None, has_thumbnail: false, ..entry("1.1", "1.1.1", "", "", "") };
        let html = page(vec![unreadable]);
        assert!(html.contains("Not readable") && html.contains("No preview") && html.contains("1.1.1.dcm"));
    }
}
