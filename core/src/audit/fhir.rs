//! A record as a FHIR R4 AuditEvent, as IHE's Basic Audit Log Patterns map it (ITI TF-2 3.20, ITI-20).

use serde_json::{Value, json};

use super::vocabulary::{APPLICATION, Code, DESTINATION, SOURCE, is_transfer, item_uri, meaning};
use super::{Event, Record, Source, Subject};

const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";

/// The resource, without an id: the repository gives it one.
///
/// With a `subject` it names the patient and the study; without one it names the item alone.
/// `None` for a [`Event::Noted`].
#[must_use]
pub fn fhir_event(record: &Record, source: &Source<'_>, subject: Option<&Subject>) -> Option<Value> {
    let meaning = meaning(record.event)?;
    let mut event = json!({
        "resourceType": "AuditEvent",
        "type": coding(DCM, meaning.event),
        "action": meaning.action,
        "recorded": record.moment.to_rfc3339_opts(chrono::SecondsFormat::Millis, false),
        "outcome": meaning.outcome,
        "agent": agents(record.event, source),
        "source": {
            "observer": { "identifier": { "value": source.id } },
            "type": [coding("http://terminology.hl7.org/CodeSystem/security-source-type", ("1", "User Device"))],
        },
    });
    if let Some(kind) = meaning.kind {
        event["subtype"] = json!([coding(DCM, kind)]);
    }
    if !record.code.is_empty() {
        event["outcomeDesc"] = json!(record.code);
    }
    if !source.enterprise_site.is_empty() {
        event["source"]["site"] = json!(source.enterprise_site);
    }
    let entities = entities(record, meaning.life_cycle, subject);
    if !entities.is_empty() {
        event["entity"] = json!(entities);
    }
    Some(event)
}

fn coding(system: &str, (code, display): Code) -> Value {
    json!({ "system": system, "code": code, "display": display })
}

fn agents(event: Event, source: &Source<'_>) -> Vec<Value> {
    let agent = |kind: Value, who: &str, requests: bool| json!({ "type": { "coding": [kind] }, "who": { "identifier": { "value": who } }, "requestor": requests });
    let role = if is_transfer(event) { SOURCE } else { APPLICATION };
    let mut all = vec![agent(coding(DCM, role), source.application, source.user.is_empty())];
    if !source.user.is_empty() {
        let person =
            coding("http://terminology.hl7.org/CodeSystem/extra-security-role-type", ("humanuser", "human user"));
        all.push(agent(person, source.user, true));
    }
    if is_transfer(event) && event != Event::Exported {
        let destination = if source.destination.is_empty() { "archive" } else { source.destination };
        all.push(agent(coding(DCM, DESTINATION), destination, false));
    }
    all
}

/// Whom and what it is about.
fn entities(record: &Record, life_cycle: Option<Code>, subject: Option<&Subject>) -> Vec<Value> {
    let entity = |identifier: Value, kind: Code, role: Code| {
        let mut entity = json!({
            "what": { "identifier": identifier },
            "type": coding("http://terminology.hl7.org/CodeSystem/audit-entity-type", kind),
            "role": coding("http://terminology.hl7.org/CodeSystem/object-role", role),
        });
        if let (Some(stage), "2") = (life_cycle, kind.0) {
            entity["lifecycle"] = coding("http://terminology.hl7.org/CodeSystem/dicom-audit-lifecycle", stage);
        }
        entity
    };
    const SYSTEM_OBJECT: Code = ("2", "System Object");
    let mut all = Vec::new();
    if let Some(subject) = subject.filter(|_| record.item.is_some()) {
        all.push(entity(json!({ "value": subject.patient_id }), ("1", "Person"), ("1", "Patient")));
        let uid = format!("urn:oid:{}", subject.study_instance_uid);
        let mut study = entity(json!({ "system": "urn:dicom:uid", "value": uid }), SYSTEM_OBJECT, ("3", "Report"));
        study["detail"] = json!([
            { "type": "SOPClassUID", "valueString": subject.sop_class_uid },
            { "type": "SOPInstanceUID", "valueString": subject.sop_instance_uid },
        ]);
        all.push(study);
    }
    if let Some(item) = &record.item {
        let identifier = json!({ "system": "urn:ietf:rfc:3986", "value": item_uri(item) });
        all.push(entity(identifier, SYSTEM_OBJECT, ("20", "Job")));
    }
    if record.event == Event::Gap {
        let mut log = entity(json!({ "value": "audit log" }), SYSTEM_OBJECT, ("13", "Security Resource"));
        log["detail"] = json!([{ "type": "missing records", "valueString": record.count.to_string() }]);
        all.push(log);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::dicom_message::tests::{record, source, subject};
    use super::*;

    /// What R4 asks of an AuditEvent: its Required bindings, and 1..1 and 1..* elements.
    fn check(event: &Value) {
        let coded =
            |value: &Value| ["system", "code"].iter().all(|key| value[key].as_str().is_some_and(|t| !t.is_empty()));
        assert_eq!(event["resourceType"], "AuditEvent");
        assert!(coded(&event["type"]), "{event}");
        assert!(["C", "R", "U", "D", "E"].contains(&event["action"].as_str().unwrap()));
        assert!(["0", "4", "8", "12"].contains(&event["outcome"].as_str().unwrap()));
        let recorded = event["recorded"].as_str().unwrap();
        assert!(chrono::DateTime::parse_from_rfc3339(recorded).is_ok());
        assert!(event["source"]["observer"]["identifier"]["value"].is_string());
        let agents = event["agent"].as_array().unwrap();
        assert!(agents.iter().filter(|agent| agent["requestor"] == true).count() == 1);
        assert!(agents.iter().all(|agent| agent["requestor"].is_boolean() && coded(&agent["type"]["coding"][0])));
        for entity in event.get("entity").map_or(&Vec::new(), |entities| entities.as_array().unwrap()) {
            assert!(
                entity["what"]["identifier"]["value"].is_string() && coded(&entity["type"]) && coded(&entity["role"])
            );
            for detail in entity.get("detail").map_or(&Vec::new(), |details| details.as_array().unwrap()) {
                assert!(detail["type"].is_string() && detail["valueString"].as_str().is_some_and(|v| !v.is_empty()));
            }
        }
        let known =
            ["resourceType", "type", "subtype", "action", "recorded", "outcome", "outcomeDesc", "agent", "source"];
        assert!(event.as_object().unwrap().keys().all(|key| key == "entity" || known.contains(&key.as_str())));
    }

    #[test]
    fn every_event_has_what_r4_asks_for() {
        for event in Event::ALL {
            for subject in [None, Some(&subject())] {
                for source in [source(), Source { id: "1", application: "moulage", ..Source::default() }] {
                    let made = fhir_event(&record(event), &source, subject);
                    assert_eq!(made.is_none(), event == Event::Noted);
                    made.iter().for_each(check);
                }
            }
        }
    }

    #[test]
    fn the_patient_is_named_only_when_joined() {
        let of = |subject| fhir_event(&record(Event::Refused), &source(), subject).unwrap().to_string();
        assert!(!of(None).contains("4711"));
        let joined = fhir_event(&record(Event::Refused), &source(), Some(&subject())).unwrap();
        assert_eq!(joined["entity"][0]["what"]["identifier"]["value"], "MRN <4711>");
        assert_eq!((&joined["outcome"], &joined["outcomeDesc"]), (&json!("8"), &json!("dataset-refused")));
        assert_eq!(joined["type"]["code"], "110104");
    }
}
