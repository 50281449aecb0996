//! Whom and where: [`Patient`], [`Encounter`], [`AnatomicSite`], [`Lesion`].
