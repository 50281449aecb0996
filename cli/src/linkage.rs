//! Whom, why and where, from files and flags.

use std::path::PathBuf;

use clap::Args;
use moulage::clock::SystemRandomness;
use moulage::dicom::mint_uid;
use moulage::patient::{AnatomicSite, Encounter, Laterality, Lesion, Patient, Sex, SiteList};

use crate::choice::choice;
use crate::failure::{Exit, Failure};
use crate::input;

/// Whose chart the photos belong to.
#[derive(Args)]
#[command(next_help_heading = "Patient (one of the two ways)")]
pub(crate) struct PatientArgs {
    /// FHIR R4 or R5 Patient resource in JSON
    #[arg(long, value_name = "FILE", conflicts_with_all = ["patient_id", "issuer", "name", "birth_date", "sex"])]
    patient: Option<PathBuf>,
    /// PatientID, as the issuer wrote it
    #[arg(long, value_name = "ID", required_unless_present = "patient", requires = "issuer")]
    patient_id: Option<String>,
    /// Who gave out the PatientID: an id alone names nobody
    #[arg(long, value_name = "NAME", requires = "patient_id")]
    issuer: Option<String>,
    /// PatientName: Family^Given^Middle^Prefix^Suffix
    #[arg(long, value_name = "NAME", requires = "patient_id")]
    name: Option<String>,
    /// PatientBirthDate: YYYY-MM-DD
    #[arg(long, value_name = "DATE", requires = "patient_id")]
    birth_date: Option<String>,
    /// PatientSex
    #[arg(long, value_name = "SEX", requires = "patient_id", value_parser = choice(SEXES))]
    sex: Option<Sex>,
}

const SEXES: &[(&str, Sex)] = &[("F", Sex::Female), ("M", Sex::Male), ("O", Sex::Other)];

impl PatientArgs {
    pub(crate) fn patient(&self) -> Result<Patient, Failure> {
        if let Some(file) = &self.patient {
            return Ok(Patient::from_fhir(&input::resource(file)?)?);
        }
        let given = |value: &'_ Option<String>| value.clone().unwrap_or_default();
        let patient = Patient::new(&given(&self.patient_id), given(&self.issuer).as_str())?
            .patient_name(given(&self.name).as_str())?
            .patient_birth_date(&given(&self.birth_date))?;
        Ok(match self.sex {
            Some(sex) => patient.patient_sex(sex),
            None => patient,
        })
    }
}

/// Why and by whom.
#[derive(Args)]
#[command(next_help_heading = "Encounter (all of it may be left out)")]
pub(crate) struct EncounterArgs {
    /// FHIR R4 or R5 Encounter resource in JSON
    #[arg(long, value_name = "FILE", conflicts_with = "admission_id")]
    encounter: Option<PathBuf>,
    /// FHIR R4 or R5 ServiceRequest resource in JSON
    #[arg(long, value_name = "FILE", conflicts_with = "accession_number")]
    order: Option<PathBuf>,
    /// AdmissionID: the number of the visit or stay
    #[arg(long, value_name = "ID")]
    admission_id: Option<String>,
    /// AccessionNumber of the order
    #[arg(long, value_name = "NUMBER")]
    accession_number: Option<String>,
    /// StudyInstanceUID, to add to a study that exists; without it each run is a study of its own
    #[arg(long, value_name = "UID")]
    study_instance_uid: Option<String>,
    /// StudyDescription
    #[arg(long, value_name = "TEXT")]
    study_description: Option<String>,
    /// OperatorsName, who takes the photos: Family^Given
    #[arg(long, value_name = "NAME")]
    operator: Option<String>,
    /// InstitutionName, where they are taken
    #[arg(long, value_name = "NAME")]
    institution: Option<String>,
    /// InstitutionalDepartmentName
    #[arg(long, value_name = "NAME")]
    department: Option<String>,
}

impl EncounterArgs {
    pub(crate) fn encounter(&self) -> Result<Encounter, Failure> {
        let mut encounter = match &self.encounter {
            Some(file) => Encounter::from_fhir(&input::resource(file)?)?,
            None => Encounter::default(),
        };
        if let Some(file) = &self.order {
            encounter = encounter.order_from_fhir(&input::resource(file)?)?;
        }
        if let Some(id) = &self.admission_id {
            encounter = encounter.admission_id(id, "")?;
        }
        if let Some(number) = &self.accession_number {
            encounter = encounter.accession_number(number, "")?;
        }
        if let Some(uid) = &self.study_instance_uid {
            encounter = encounter.study_instance_uid(uid)?;
        }
        if let Some(description) = &self.study_description {
            encounter = encounter.study_description(description)?;
        }
        if let Some(name) = &self.operator {
            encounter = encounter.operators_name(name.as_str())?;
        }
        if let Some(name) = &self.institution {
            encounter = encounter.institution_name(name)?;
        }
        if let Some(name) = &self.department {
            encounter = encounter.institutional_department_name(name)?;
        }
        Ok(encounter)
    }
}

/// What the photos show.
#[derive(Args)]
#[command(next_help_heading = "Site")]
pub(crate) struct SiteArgs {
    /// Where on the body: a key of `moulage sites`
    #[arg(long, value_name = "KEY")]
    site: String,
    /// ImageLaterality: R, L, B (both) or U (unpaired); a site that is one of a pair needs it
    #[arg(long, value_name = "SIDE", value_parser = choice(SIDES))]
    laterality: Option<Laterality>,
    /// Where exactly, in words: ImageComments
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// TrackingID: what the ward calls the lesion or wound
    #[arg(long, value_name = "TEXT")]
    lesion: Option<String>,
    /// TrackingUID of the lesion from an earlier visit; without it a new one is minted and printed
    #[arg(long, value_name = "UID", requires = "lesion")]
    lesion_uid: Option<String>,
}

const SIDES: &[(&str, Laterality)] =
    &[("R", Laterality::Right), ("L", Laterality::Left), ("B", Laterality::Both), ("U", Laterality::Unpaired)];

impl SiteArgs {
    pub(crate) fn site(&self) -> Result<AnatomicSite, Failure> {
        let sites = SiteList::standard();
        let site = sites
            .site(&self.site)
            .map_err(|error| Failure::from(error).help("`moulage sites` lists the keys that --site takes"))?;
        let fitting = if site.is_paired() {
            "the site is one of a pair: --laterality R, L or B"
        } else {
            "the site is not one of a pair: --laterality U, or R or L for one half of it"
        };
        let site = site.on(self.laterality).map_err(|error| Failure::from(error).help(fitting))?;
        Ok(match &self.label {
            Some(label) => site.labelled(label)?,
            None => site,
        })
    }

    /// The lesion with its TrackingUID.
    pub(crate) fn lesion(&self) -> Result<Option<(Lesion, String)>, Failure> {
        let Some(tracking_id) = &self.lesion else { return Ok(None) };
        let uid = match &self.lesion_uid {
            Some(uid) => uid.clone(),
            None => mint_uid(&SystemRandomness)
                .map_err(|error| Failure::new(Exit::Trouble, "no-randomness", error.to_string()))?,
        };
        Ok(Some((Lesion::new(tracking_id, &uid)?, uid)))
    }
}
