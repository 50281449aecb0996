//! A record as a DICOM Audit Message (PS3.15 A.5), for a syslog to the hospital's audit record repository (RFC 5424, 5425).

use quick_xml::Writer;
use quick_xml::events::BytesText;

use super::vocabulary::Meaning;
use super::vocabulary::{
    APPLICATION, Code, DESTINATION, DESTINATION_MEDIA, SOURCE, STUDY_INSTANCE_UID, URI_MEDIA, is_transfer, item_uri,
    meaning,
};
use super::{Event, Record, Source, Subject};

/// The message, as XML without a namespace, valid by the schema of PS3.15 A.5.1.
///
/// With a `subject` it names the patient and the study, which most messages of A.5.3 must; without one it names the item alone.
/// `None` for a [`Event::Noted`].
#[must_use]
pub fn dicom_message(record: &Record, source: &Source<'_>, subject: Option<&Subject>) -> Option<String> {
    let meaning = meaning(record.event)?;
    let life_cycle = meaning.life_cycle.map_or("", |(code, _)| code);
    let mut children = vec![event_identification(record, &meaning)];
    children.extend(participants(record.event, source));
    children.push(audit_source(source));
    if let Some(subject) = subject.filter(|_| record.item.is_some()) {
        children.push(patient(subject));
        children.push(study(subject, life_cycle));
    }
    children.extend(record.item.as_ref().map(|item| sealed_item(item, life_cycle)));
    let message = Node { children, ..Node::new("AuditMessage") };
    let mut writer = Writer::new(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_vec());
    message.write(&mut writer).expect("memory takes all that is written");
    Some(String::from_utf8(writer.into_inner()).expect("texts stay texts"))
}

struct Node {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    children: Vec<Node>,
    text: String,
}

impl Node {
    fn new(name: &'static str) -> Self {
        Self { name, attributes: Vec::new(), children: Vec::new(), text: String::new() }
    }

    fn text(name: &'static str, text: &str) -> Self {
        Self { text: printable(text), ..Self::new(name) }
    }

    fn coded(name: &'static str, (value, meaning): Code) -> Self {
        Self::new(name).with("csd-code", value).with("codeSystemName", "DCM").with("originalText", meaning)
    }

    fn with(mut self, attribute: &'static str, value: &str) -> Self {
        self.attributes.push((attribute, printable(value)));
        self
    }

    /// Left out when it is empty.
    fn known(self, attribute: &'static str, value: &str) -> Self {
        if value.is_empty() { self } else { self.with(attribute, value) }
    }

    fn child(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    fn write(&self, writer: &mut Writer<Vec<u8>>) -> std::io::Result<()> {
        let attributes = self.attributes.iter().map(|(name, value)| (*name, value.as_str()));
        let element = writer.create_element(self.name).with_attributes(attributes);
        match (self.children.is_empty(), self.text.is_empty()) {
            (true, true) => element.write_empty()?,
            (true, false) => element.write_text_content(BytesText::new(&self.text))?,
            (false, _) => {
                element.write_inner_content(|writer| self.children.iter().try_for_each(|child| child.write(writer)))?
            }
        };
        Ok(())
    }
}

/// XML has no form for control characters.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') { ' ' } else { c }).collect()
}

fn event_identification(record: &Record, meaning: &Meaning) -> Node {
    let moment = record.moment.to_rfc3339_opts(chrono::SecondsFormat::Millis, false);
    let mut event = Node::new("EventIdentification")
        .with("EventActionCode", meaning.action)
        .with("EventDateTime", &moment)
        .with("EventOutcomeIndicator", meaning.outcome)
        .child(Node::coded("EventID", meaning.event));
    if let Some(kind) = meaning.kind {
        event = event.child(Node::coded("EventTypeCode", kind));
    }
    let count =
        if record.event == Event::Gap { format!("{} records are missing", record.count) } else { String::new() };
    let told: Vec<&str> = [record.code.as_str(), &count].into_iter().filter(|text| !text.is_empty()).collect();
    if told.is_empty() { event } else { event.child(Node::text("EventOutcomeDescription", &told.join(": "))) }
}

/// Who did it: somebody, by the program; or the program itself.
fn participants(event: Event, source: &Source<'_>) -> Vec<Node> {
    let requestor = |yes: bool| if yes { "true" } else { "false" };
    let participant = |id: &str, requests: bool| {
        Node::new("ActiveParticipant").with("UserID", id).with("UserIsRequestor", requestor(requests))
    };
    let role = if is_transfer(event) { SOURCE } else { APPLICATION };
    let mut all = vec![
        participant(source.application, source.user.is_empty())
            .known("AlternativeUserID", source.id)
            .child(Node::coded("RoleIDCode", role)),
    ];
    if !source.user.is_empty() {
        all.push(participant(source.user, true));
    }
    if event == Event::Exported {
        let media = Node::new("MediaIdentifier").child(Node::coded("MediaType", URI_MEDIA));
        let file = participant("file", false).child(Node::coded("RoleIDCode", DESTINATION_MEDIA));
        all.push(file.child(media));
    } else if is_transfer(event) {
        let destination = if source.destination.is_empty() { "archive" } else { source.destination };
        all.push(participant(destination, false).child(Node::coded("RoleIDCode", DESTINATION)));
    }
    all
}

fn audit_source(source: &Source<'_>) -> Node {
    // 1: end-user interface (A.5.1.2.1).
    Node::new("AuditSourceIdentification")
        .known("AuditEnterpriseSiteID", source.enterprise_site)
        .with("AuditSourceID", source.id)
        .child(Node::new("AuditSourceTypeCode").with("csd-code", "1"))
}

fn patient(subject: &Subject) -> Node {
    object(&subject.patient_id, ("1", "1"), "").child(rfc_3881("2", "Patient Number")).child(named(""))
}

fn study(subject: &Subject, life_cycle: &str) -> Node {
    let instance = Node::new("Instance").with("UID", &subject.sop_instance_uid);
    let class = Node::new("SOPClass").with("UID", &subject.sop_class_uid).with("NumberOfInstances", "1");
    object(&subject.study_instance_uid, ("2", "3"), life_cycle)
        .child(Node::coded("ParticipantObjectIDTypeCode", STUDY_INSTANCE_UID))
        .child(named(""))
        .child(Node::new("ParticipantObjectDescription").child(class.child(instance)))
}

fn sealed_item(item: &[u8; 16], life_cycle: &str) -> Node {
    object(&item_uri(item), ("2", "20"), life_cycle).child(rfc_3881("12", "URI")).child(named("sealed item"))
}

/// With its type and its role.
fn object(id: &str, (kind, role): (&str, &str), life_cycle: &str) -> Node {
    Node::new("ParticipantObjectIdentification")
        .with("ParticipantObjectID", id)
        .with("ParticipantObjectTypeCode", kind)
        .with("ParticipantObjectTypeCodeRole", role)
        .known("ParticipantObjectDataLifeCycle", life_cycle)
}

fn rfc_3881(value: &str, meaning: &str) -> Node {
    Node::new("ParticipantObjectIDTypeCode")
        .with("csd-code", value)
        .with("codeSystemName", "RFC-3881")
        .with("originalText", meaning)
}

/// The schema asks for a name or a query; there is no name but here and there.
fn named(name: &str) -> Node {
    Node::text("ParticipantObjectName", name)
}

#[cfg(test)]
pub(super) mod tests {
    use chrono::DateTime;
    use quick_xml::Reader;
    use quick_xml::events::{BytesStart, Event as Xml};

    use super::*;

    pub(in crate::audit) fn record(event: Event) -> Record {
        let moment = DateTime::parse_from_rfc3339("2026-03-14T09:26:53.589+01:00").unwrap();
        let item = (!matches!(event, Event::Started | Event::Gap)).then_some([0xAB; 16]);
        let code = if event == Event::Refused { "dataset-refused" } else { "" };
        Record { sequence: 7, moment, event, item, code: code.into(), count: 3 }
    }

    pub(in crate::audit) fn source() -> Source<'static> {
        Source {
            id: "installation-1",
            enterprise_site: "City <Hospital> & \"Sons\"",
            application: "moulage",
            user: "nurse.nora",
            destination: "https://pacs.example/dicomweb",
        }
    }

    pub(in crate::audit) fn subject() -> Subject {
        Subject {
            patient_id: "MRN <4711>".into(),
            study_instance_uid: "2.25.1".into(),
            sop_class_uid: "1.2.840.10008.5.1.4.1.1.77.1.4".into(),
            sop_instance_uid: "2.25.3".into(),
        }
    }

    /// The schema of PS3.15 A.5.1, as far as messages of ours use it: an element, its attributes (`!` must be there; `=` one of
    /// these), its children in their order (`?` at most one, `*` any number, `+` one or more).
    const SCHEMA: [(&str, &[&str], &[&str]); 18] = [
        (
            "AuditMessage",
            &[],
            &[
                "EventIdentification",
                "ActiveParticipant+",
                "AuditSourceIdentification",
                "ParticipantObjectIdentification*",
            ],
        ),
        (
            "EventIdentification",
            &["EventActionCode=C R U D E", "!EventDateTime", "!EventOutcomeIndicator=0 4 8 12"],
            &["EventID", "EventTypeCode*", "EventOutcomeDescription?"],
        ),
        ("EventID", CODED, &[]),
        ("EventTypeCode", CODED, &[]),
        ("EventOutcomeDescription", &[], &[]),
        (
            "ActiveParticipant",
            &["!UserID", "AlternativeUserID", "UserName", "!UserIsRequestor=true false", "NetworkAccessPointID"],
            &["RoleIDCode*", "MediaIdentifier?"],
        ),
        ("RoleIDCode", CODED, &[]),
        ("MediaIdentifier", &[], &["MediaType"]),
        ("MediaType", CODED, &[]),
        ("AuditSourceIdentification", &["AuditEnterpriseSiteID", "!AuditSourceID"], &["AuditSourceTypeCode*"]),
        ("AuditSourceTypeCode", &["!csd-code=1 2 3 4 5 6 7 8 9"], &[]),
        (
            "ParticipantObjectIdentification",
            &[
                "!ParticipantObjectID",
                "ParticipantObjectTypeCode=1 2 3 4",
                "ParticipantObjectTypeCodeRole=1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26",
                "ParticipantObjectDataLifeCycle=1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
                "ParticipantObjectSensitivity",
            ],
            &[
                "ParticipantObjectIDTypeCode",
                "ParticipantObjectName",
                "ParticipantObjectDetail*",
                "ParticipantObjectDescription*",
            ],
        ),
        ("ParticipantObjectIDTypeCode", CODED, &[]),
        ("ParticipantObjectName", &[], &[]),
        ("ParticipantObjectDetail", &["!type", "!value"], &[]),
        ("ParticipantObjectDescription", &[], &["MPPS*", "Accession*", "SOPClass*", "Encrypted?", "Anonymized?"]),
        ("SOPClass", &["UID", "!NumberOfInstances"], &["Instance*"]),
        ("Instance", &["!UID"], &[]),
    ];

    const CODED: &[&str] = &["!csd-code", "!codeSystemName", "displayName", "!originalText"];

    fn name(tag: &BytesStart<'_>) -> String {
        String::from_utf8(tag.name().as_ref().to_vec()).unwrap()
    }

    fn check_attributes(tag: &BytesStart<'_>, allowed: &[&str]) {
        let given: Vec<(String, String)> = tag
            .attributes()
            .map(|a| a.unwrap())
            .map(|a| (String::from_utf8(a.key.as_ref().to_vec()).unwrap(), a.unescape_value().unwrap().into_owned()))
            .collect();
        let rule = |rule: &&str| rule.trim_start_matches('!').split('=').next().unwrap().to_owned();
        for (attribute, value) in &given {
            let Some(allowed) = allowed.iter().find(|r| rule(r) == *attribute) else {
                panic!("{}: {attribute}", name(tag))
            };
            if let Some((_, values)) = allowed.split_once('=') {
                assert!(values.split(' ').any(|one| one == value), "{}: {attribute} {value}", name(tag));
            }
        }
        for needed in allowed.iter().filter(|rule| rule.starts_with('!')) {
            assert!(given.iter().any(|(attribute, _)| *attribute == rule(needed)), "{}: no {needed}", name(tag));
        }
    }

    fn check_children(parent: &str, children: &[String], allowed: &[&str]) {
        let mut left = children;
        for rule in allowed {
            let one = rule.trim_end_matches(['?', '*', '+']);
            let count = left.iter().take_while(|child| *child == one).count();
            let fits = match rule.chars().last() {
                Some('?') => count <= 1,
                Some('*') => true,
                Some('+') => count >= 1,
                _ => count == 1,
            };
            assert!(fits, "{parent}: {count} {one}");
            left = &left[count..];
        }
        assert!(left.is_empty(), "{parent}: {left:?}");
    }

    /// Panics where the message breaks the schema.
    fn check(message: &str) {
        let mut reader = Reader::from_str(message);
        let mut open: Vec<(String, Vec<String>)> = vec![(String::new(), Vec::new())];
        let close = |(parent, children): (String, Vec<String>)| {
            let (_, _, allowed) = SCHEMA.iter().find(|(element, ..)| *element == parent).unwrap();
            check_children(&parent, &children, allowed);
        };
        loop {
            match reader.read_event().unwrap() {
                Xml::Start(tag) => {
                    begin(&tag, &mut open);
                    open.push((name(&tag), Vec::new()));
                }
                Xml::Empty(tag) => {
                    begin(&tag, &mut open);
                    close((name(&tag), Vec::new()));
                }
                Xml::End(_) => close(open.pop().unwrap()),
                Xml::Eof => break,
                _ => {}
            }
        }
        assert_eq!(open, [(String::new(), vec!["AuditMessage".to_owned()])]);
    }

    fn begin(tag: &BytesStart<'_>, open: &mut [(String, Vec<String>)]) {
        let element = name(tag);
        let known = SCHEMA.iter().find(|(known, ..)| *known == element);
        let (_, attributes, _) = known.unwrap_or_else(|| panic!("{element} is not of the schema"));
        check_attributes(tag, attributes);
        open.last_mut().unwrap().1.push(element);
    }

    #[test]
    fn every_event_is_a_message_of_the_schema() {
        for event in Event::ALL {
            for subject in [None, Some(&subject())] {
                for source in [source(), Source { id: "1", application: "moulage", ..Source::default() }] {
                    let message = dicom_message(&record(event), &source, subject);
                    assert_eq!(message.is_none(), event == Event::Noted);
                    message.iter().for_each(|message| check(message));
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "no !UserID")]
    fn the_schema_finds_what_is_missing() {
        check(&dicom_message(&record(Event::Stored), &source(), None).unwrap().replace(" UserID=", " UserName="));
    }

    #[test]
    #[should_panic(expected = "0 EventID")]
    fn the_schema_finds_what_is_in_the_wrong_place() {
        check("<AuditMessage><EventIdentification EventDateTime='' EventOutcomeIndicator='0'/></AuditMessage>");
    }

    #[test]
    fn a_stored_object_is_a_transfer_of_one_instance() {
        let message = dicom_message(&record(Event::Stored), &source(), Some(&subject())).unwrap();
        for part in [
            "<EventID csd-code=\"110104\" codeSystemName=\"DCM\" originalText=\"DICOM Instances Transferred\"/>",
            "EventActionCode=\"C\" EventDateTime=\"2026-03-14T09:26:53.589+01:00\" EventOutcomeIndicator=\"0\"",
            "ParticipantObjectID=\"MRN &lt;4711&gt;\" ParticipantObjectTypeCode=\"1\" ParticipantObjectTypeCodeRole=\"1\"",
            "<SOPClass UID=\"1.2.840.10008.5.1.4.1.1.77.1.4\" NumberOfInstances=\"1\"><Instance UID=\"2.25.3\"/></SOPClass>",
            "ParticipantObjectID=\"urn:uuid:abababab-abab-abab-abab-abababababab\"",
        ] {
            assert!(message.contains(part), "{part}\n{message}");
        }
    }

    #[test]
    fn a_gap_is_an_alert_with_its_size_and_names_nobody() {
        let message = dicom_message(&record(Event::Gap), &source(), Some(&subject())).unwrap();
        assert!(message.contains("<EventOutcomeDescription>3 records are missing</EventOutcomeDescription>"));
        assert!(message.contains("110113") && message.contains("110133") && !message.contains("4711"));
    }
}
