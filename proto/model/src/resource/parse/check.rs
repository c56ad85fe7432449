//! Rules of resources that a schema does not say.

use std::collections::BTreeSet;

use super::Fault;
use crate::{
    gate::{Gate, Phase},
    resource::{FleetSpec, RefSpec, Resource, SyncProfile},
    window::Window,
};

/// Rules that a schema does not say.
pub(super) fn check(resource: &Resource) -> Result<(), Fault> {
    match resource {
        Resource::Repository(repository) => check_ref(&repository.spec.r#ref),
        Resource::Fleet(fleet) => {
            fleet.spec.r#ref.iter().try_for_each(check_ref)?;
            let mut seen = BTreeSet::new();
            for (at, stage) in fleet.spec.stages.iter().enumerate() {
                if !seen.insert(&stage.name) {
                    let pointer = format!("/spec/stages/{at}/name");
                    return Err(Fault::new(
                        &pointer,
                        format!("two stages are named {}", stage.name),
                    ));
                }
            }
            check_gates(&fleet.spec)?;
            check_windows(&fleet.spec.windows)
        }
        Resource::SyncProfile(profile) => check_profile(profile),
        Resource::Gateway(_) | Resource::Operator(_) | Resource::Secret(_) => Ok(()),
    }
}

fn check_ref(r#ref: &RefSpec) -> Result<(), Fault> {
    match r#ref.set().count() {
        1 => Ok(()),
        _ => Err(Fault::new("/spec/ref", "set exactly one of branch, tag, semver, commit")),
    }
}

fn check_gates(fleet: &FleetSpec) -> Result<(), Fault> {
    let mut seen = BTreeSet::new();
    let mut check = |gate: &Gate, pointer: String, in_stage: bool| {
        gate.check().map_err(|error| Fault::new(&pointer, error.to_string()))?;
        if !seen.insert(gate.name.clone()) {
            let message = format!("two gates are named {}", gate.name);
            return Err(Fault::new(&format!("{pointer}/name"), message));
        }
        if in_stage && gate.phase == Phase::PrePlan {
            let message = "a stage's gate cannot be asked before the plan: write it in /spec/gates";
            return Err(Fault::new(&format!("{pointer}/phase"), message));
        }
        Ok(())
    };
    for (at, gate) in fleet.gates.iter().enumerate() {
        check(gate, format!("/spec/gates/{at}"), false)?;
    }
    for (at, stage) in fleet.stages.iter().enumerate() {
        for (of, gate) in stage.gates.iter().enumerate() {
            check(gate, format!("/spec/stages/{at}/gates/{of}"), true)?;
        }
    }
    Ok(())
}

fn check_windows(windows: &[Window]) -> Result<(), Fault> {
    let mut seen = BTreeSet::new();
    for (at, window) in windows.iter().enumerate() {
        window.check().map_err(|error| {
            Fault::new(&format!("/spec/windows/{at}/{}", error.field()), error.to_string())
        })?;
        if !seen.insert(&window.name) {
            let pointer = format!("/spec/windows/{at}/name");
            return Err(Fault::new(&pointer, format!("two windows are named {}", window.name)));
        }
    }
    Ok(())
}

fn check_profile(profile: &SyncProfile) -> Result<(), Fault> {
    let spec = &profile.spec;
    let patterns = |patterns: &[String], pointer: String| {
        let read = crate::glob::Patterns::compile(patterns);
        read.map(drop).map_err(|error| Fault::new(&pointer, error.to_string()))
    };
    for (at, mapping) in spec.mappings.iter().enumerate() {
        patterns(&mapping.include, format!("/spec/mappings/{at}/include"))?;
        patterns(&mapping.exclude, format!("/spec/mappings/{at}/exclude"))?;
    }
    for (at, rule) in spec.normalize.iter().enumerate() {
        patterns(std::slice::from_ref(&rule.files), format!("/spec/normalize/{at}/files"))?;
    }
    if spec.mappings.is_empty() && spec.include_from.is_empty() && spec.deployment_mode.is_none() {
        let message = "a profile without mappings, includeFrom and deploymentMode maps nothing";
        return Err(Fault::new("/spec/mappings", message));
    }
    patterns(&spec.exclude_patterns, "/spec/excludePatterns".to_owned())
}
