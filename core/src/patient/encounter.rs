//! Why and by whom: study, visit and order (PS3.3 C.7.2.1, C.7.2.2, C.7.3.1, 10.4, 10.6).

use super::code::CodedConcept;
use super::issuer::{Issued, Issuer};
use super::name::{Name, person_name};
use super::value::{LO, LT, Private, SH, identifier, line, paragraphs, uid};
use crate::error::PatientError;

const NAMESPACE: &str = "LocalNamespaceEntityID";

/// The visit, with the order when there is one. Cannot be printed.
///
/// The default is legal: nothing known, a study of its own. Each method checks its value against the attribute's VR; an
/// empty value leaves the attribute out.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Encounter {
    /// StudyInstanceUID, UI; to be minted when not given.
    pub(crate) study_instance_uid: Option<Private<String>>,
    /// StudyID, SH.
    pub(crate) study_id: Option<Private<String>>,
    /// StudyDescription, LO.
    pub(crate) study_description: Option<Private<String>>,
    /// AccessionNumber (SH) and IssuerOfAccessionNumberSequence.
    pub(crate) accession_number: Option<Issued>,
    /// ReferringPhysicianName, PN.
    pub(crate) referring_physician_name: Option<Private<String>>,
    /// OperatorsName, PN, one value.
    pub(crate) operators_name: Option<Private<String>>,
    /// OperatorIdentificationSequence, its one item.
    pub(crate) operator_identification: Option<PersonIdentification>,
    /// InstitutionName, LO.
    pub(crate) institution_name: Option<Private<String>>,
    /// InstitutionalDepartmentName, LO.
    pub(crate) institutional_department_name: Option<Private<String>>,
    /// AdmissionID (LO) and IssuerOfAdmissionIDSequence.
    pub(crate) admission_id: Option<Issued>,
    /// ServiceEpisodeID (LO) and IssuerOfServiceEpisodeIDSequence.
    pub(crate) service_episode_id: Option<Issued>,
    /// ReasonForVisit, UT.
    pub(crate) reason_for_visit: Option<Private<String>>,
    /// ReasonForVisitCodeSequence.
    pub(crate) reason_for_visit_codes: Vec<CodedConcept>,
    /// RequestAttributesSequence, its one item; with an order only.
    pub(crate) order: Option<Order>,
    /// Id of the FHIR Patient that the visit or the order belongs to.
    pub(super) subject_id: Option<Private<String>>,
}

/// Person Identification Macro (PS3.3 10.1): a code is Type 1 there, and so is the institution.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PersonIdentification {
    /// PersonIdentificationCodeSequence, its one item.
    pub(crate) code: CodedConcept,
    /// InstitutionName, LO.
    pub(crate) institution_name: Private<String>,
}

/// What was ordered: the Request Attributes Macro (PS3.3 10.6), and the order's numbers. Cannot be printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Order {
    /// RequestedProcedureID, SH.
    pub(crate) requested_procedure_id: Option<Private<String>>,
    /// ScheduledProcedureStepID, SH.
    pub(crate) scheduled_procedure_step_id: Option<Private<String>>,
    /// RequestedProcedureDescription, LO.
    pub(crate) requested_procedure_description: Option<Private<String>>,
    /// RequestedProcedureCodeSequence, its one item.
    pub(crate) requested_procedure_code: Option<CodedConcept>,
    /// ReasonForTheRequestedProcedure, LO.
    pub(crate) reason_for_the_requested_procedure: Option<Private<String>>,
    /// PlacerOrderNumberImagingServiceRequest, LO. Not of the macro: of the Imaging Service Request module.
    pub(crate) placer_order_number: Option<Private<String>>,
    /// FillerOrderNumberImagingServiceRequest, LO. As the placer's.
    pub(crate) filler_order_number: Option<Private<String>>,
}

impl Encounter {
    /// StudyInstanceUID (0020,000D) of the order or of an earlier object of the same visit.
    ///
    /// # Errors
    /// [`PatientError::Invalid`] for what is no UID, or one under a root that is not for instances.
    pub fn study_instance_uid(mut self, uid_text: &str) -> Result<Self, PatientError> {
        self.study_instance_uid = uid("StudyInstanceUID", uid_text)?;
        Ok(self)
    }

    /// StudyID (0020,0010), SH.
    ///
    /// # Errors
    /// [`PatientError::Invalid`].
    pub fn study_id(mut self, id: &str) -> Result<Self, PatientError> {
        self.study_id = identifier("StudyID", SH, id)?;
        Ok(self)
    }

    /// StudyDescription (0008,1030), LO.
    ///
    /// # Errors
    /// [`PatientError::Invalid`].
    pub fn study_description(mut self, description: &str) -> Result<Self, PatientError> {
        self.study_description = line("StudyDescription", LO, description)?;
        Ok(self)
    }

    /// AccessionNumber (0008,0050), SH, and its issuer. Only one that somebody issued: none is made up.
    ///
    /// # Errors
    /// [`PatientError::Invalid`].
    pub fn accession_number<'a>(mut self, number: &str, issuer: impl Into<Issuer<'a>>) -> Result<Self, PatientError> {
        self.accession_number = Issued::new("AccessionNumber", SH, number, NAMESPACE, issuer.into())?;
        Ok(self)
    }

    /// ReferringPhysicianName (0008,0090).
    ///
    /// # Errors
    /// [`PatientError::Invalid`].
    pub fn referring_physician_name<'a>(mut self, name: impl Into<Name<'a>>) -> Result<Self, PatientError> {
        self.referring_physician_name = person_name("ReferringPhysicianName", name.into())?;
        Ok(self)
    }

    /// OperatorsName (0008,1070): who takes the photo.
    ///
    /// # Errors
    /// [`PatientError::Invalid`].
    pub fn operators_name<'a>(mut self, name: impl Into<Name<'a>>) -> Result<Self, PatientError> {
        self.operators_name = person_name("OperatorsName", name.into())?;
        Ok(self)
    }

    /// OperatorIdentificationSequence (0008,1072): the staff number as a code of the institution that gave it out, for
    /// example `(4711, 99STAFF, Nora Nurse)`. The standard knows no other form, and wants the institution with it.
    ///
    /// # Errors
    /// [`PatientError::Missing`] without an institution, [`PatientError::Invalid`].
    pub fn operator_identification(mut self, code: CodedConcept, institution: &str) -> Result<Self, PatientError> {
        const INSTITUTION: &str = "InstitutionName";
        let institution_name = line(INSTITUTION, LO, institution)?.ok_or(PatientError::Missing(INSTITUTION))?;
        self.operator_identification = Some(PersonIdentification { code, institution_name });
        Ok(self)
    }

    /// InstitutionName (0008,0080), LO: where the photo is taken.
    ///
    /// # Errors
    /// [`PatientError::Invalid`].
    pub fn institution_name(mut self, name: &str) -> Result<Self, PatientError> {
        self.institution_name = line("InstitutionName", LO, name)?;
        Ok(self)
    }

    /// InstitutionalDepartmentName (0008,1040), LO.
    ///
    /// # Errors
    /// [`PatientError::Invalid`].
    pub fn institutional_department_name(mut self, name: &str) -> Result<Self, PatientError> {
        self.institutional_department_name = line("InstitutionalDepartmentName", LO, name)?;
        Ok(self)
    }

    /// AdmissionID (0038,0010), LO: the number of the visit or stay, and its issuer.
    ///
    /// # Errors
    /// [`PatientError::Invalid`].
    pub fn admission_id<'a>(mut self, id: &str, issuer: impl Into<Issuer<'a>>) -> Result<Self, PatientError> {
        self.admission_id = Issued::new("AdmissionID", LO, id, NAMESPACE, issuer.into())?;
        Ok(self)
    }

    /// ServiceEpisodeID (0038,0060), LO: the episode of care that holds several visits, and its issuer.
    ///
    /// # Errors
    /// [`PatientError::Invalid`].
    pub fn service_episode_id<'a>(mut self, id: &str, issuer: impl Into<Issuer<'a>>) -> Result<Self, PatientError> {
        self.service_episode_id = Issued::new("ServiceEpisodeID", LO, id, NAMESPACE, issuer.into())?;
        Ok(self)
    }

    /// ReasonForVisit (0032,1066), UT, at most 10,240 characters.
    ///
    /// # Errors
    /// [`PatientError::Invalid`].
    pub fn reason_for_visit(mut self, reason: &str) -> Result<Self, PatientError> {
        self.reason_for_visit = paragraphs("ReasonForVisit", LT, reason)?;
        Ok(self)
    }

    /// One more item of ReasonForVisitCodeSequence (0032,1067).
    #[must_use]
    pub fn reason_for_visit_code(mut self, code: CodedConcept) -> Self {
        self.reason_for_visit_codes.push(code);
        self
    }

    /// The order that the photo answers. A visit without one has none.
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.order = Some(order);
        self
    }
}

impl Order {
    /// RequestedProcedureID (0040,1001), SH.
    ///
    /// # Errors
    /// [`PatientError::Invalid`].
    pub fn requested_procedure_id(mut self, id: &str) -> Result<Self, PatientError> {
        self.requested_procedure_id = identifier("RequestedProcedureID", SH, id)?;
        Ok(self)
    }

    /// ScheduledProcedureStepID (0040,0009), SH.
    ///
    /// # Errors
    /// [`PatientError::Invalid`].
    pub fn scheduled_procedure_step_id(mut self, id: &str) -> Result<Self, PatientError> {
        self.scheduled_procedure_step_id = identifier("ScheduledProcedureStepID", SH, id)?;
        Ok(self)
    }

    /// RequestedProcedureDescription (0032,1060), LO.
    ///
    /// # Errors
    /// [`PatientError::Invalid`].
    pub fn requested_procedure_description(mut self, description: &str) -> Result<Self, PatientError> {
        self.requested_procedure_description = line("RequestedProcedureDescription", LO, description)?;
        Ok(self)
    }

    /// RequestedProcedureCodeSequence (0032,1064).
    #[must_use]
    pub fn requested_procedure_code(mut self, code: CodedConcept) -> Self {
        self.requested_procedure_code = Some(code);
        self
    }

    /// ReasonForTheRequestedProcedure (0040,1002), LO.
    ///
    /// # Errors
    /// [`PatientError::Invalid`].
    pub fn reason_for_the_requested_procedure(mut self, reason: &str) -> Result<Self, PatientError> {
        self.reason_for_the_requested_procedure = line("ReasonForTheRequestedProcedure", LO, reason)?;
        Ok(self)
    }

    /// PlacerOrderNumberImagingServiceRequest (0040,2016), LO.
    ///
    /// # Errors
    /// [`PatientError::Invalid`].
    pub fn placer_order_number(mut self, number: &str) -> Result<Self, PatientError> {
        self.placer_order_number = identifier("PlacerOrderNumberImagingServiceRequest", LO, number)?;
        Ok(self)
    }

    /// FillerOrderNumberImagingServiceRequest (0040,2017), LO.
    ///
    /// # Errors
    /// [`PatientError::Invalid`].
    pub fn filler_order_number(mut self, number: &str) -> Result<Self, PatientError> {
        self.filler_order_number = identifier("FillerOrderNumberImagingServiceRequest", LO, number)?;
        Ok(self)
    }
}
