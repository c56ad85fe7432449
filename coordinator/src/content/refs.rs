//! What refs mean in a mirror: as resources say them, and as a person types them.

use millwright_model::{digest::GitId, resource::RefSpec, template::nearest, time::Timestamp};

use super::mirror::{Mirror, MirrorFailed, chain, from_git, to_git};

/// Shortest beginning of a commit id that is taken for one.
const SHORT_MIN: usize = 7;
/// Longest ref that a person may type.
const TYPED_MAX: usize = 255;

/// A ref and what it means now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// As followed, such as `branch main`.
    pub reference: String,
    /// Its commit.
    pub commit: GitId,
    /// Author's name.
    pub author: String,
    /// First line of the message.
    pub subject: String,
    /// When it was committed.
    pub committed_at: Timestamp,
}

impl Mirror {
    /// What a ref means in the mirror now.
    pub fn resolve(&self, reference: &RefSpec) -> Result<Resolved, MirrorFailed> {
        let repository = self.local();
        let (text, id) = match reference {
            RefSpec { branch: Some(name), .. } => {
                (format!("branch {name}"), peeled(&repository, "heads", "branch", name)?)
            }
            RefSpec { tag: Some(name), .. } => {
                (format!("tag {name}"), peeled(&repository, "tags", "tag", name)?)
            }
            RefSpec { semver: Some(range), .. } => highest(&repository, range)?,
            RefSpec { commit: Some(commit), .. } => {
                let id: GitId = commit
                    .parse()
                    .map_err(|_| MirrorFailed::Reference(format!("{commit:?} is no commit id")))?;
                (format!("commit {}", id.short()), to_git(id))
            }
            RefSpec { .. } => return Err(MirrorFailed::Reference("no ref is set".to_owned())),
        };
        described(&repository, text, id)
    }

    /// What a commit says of itself.
    pub fn message(&self, commit: GitId) -> Result<String, MirrorFailed> {
        let repository = self.local();
        let failed = |why: String| MirrorFailed::Object { id: commit.to_string(), why };
        let found = repository.find_commit(to_git(commit)).map_err(|e| failed(chain(&e)))?;
        Ok(found.message_raw().map_err(|e| failed(chain(&e)))?.to_string())
    }

    /// What a person means: `heads/BRANCH`, `tags/TAG`, a branch, a tag, or the beginning of a commit
    /// id. A name that is both a branch and a tag is refused.
    pub fn resolve_typed(&self, typed: &str) -> Result<Resolved, MirrorFailed> {
        if typed.is_empty() || typed.len() > TYPED_MAX {
            let message = format!("a ref has 1 to {TYPED_MAX} characters");
            return Err(MirrorFailed::Reference(message));
        }
        let repository = self.local();
        let one = |folder: &str, what: &str, name: &str| {
            peeled(&repository, folder, what, name).map(|id| (format!("{what} {name}"), id))
        };
        let found = if let Some(name) = typed.strip_prefix("heads/") {
            one("heads", "branch", name)?
        } else if let Some(name) = typed.strip_prefix("tags/") {
            one("tags", "tag", name)?
        } else {
            match (one("heads", "branch", typed), one("tags", "tag", typed)) {
                (Ok(_), Ok(_)) => {
                    return Err(MirrorFailed::Reference(format!(
                        "{typed:?} is a branch and a tag: write heads/{typed} or tags/{typed}"
                    )));
                }
                (Ok(found), Err(_)) | (Err(_), Ok(found)) => found,
                (Err(_), Err(_)) => commit(&repository, typed)?,
            }
        };
        described(&repository, found.0, found.1)
    }
}

/// The commit whose id this begins.
fn commit(
    repository: &gix::Repository,
    typed: &str,
) -> Result<(String, gix::ObjectId), MirrorFailed> {
    let hex = typed.len() >= SHORT_MIN && typed.chars().all(|c| c.is_ascii_hexdigit());
    let prefix = gix::hash::Prefix::from_hex(&typed.to_ascii_lowercase());
    let (true, Ok(prefix)) = (hex, prefix) else {
        let known: Vec<String> =
            ["heads", "tags"].iter().flat_map(|folder| names(repository, folder)).collect();
        let hint = nearest(typed, known.iter().map(String::as_str));
        let hint = hint.map(|near| format!(", did you mean {near:?}?")).unwrap_or_default();
        return Err(MirrorFailed::Reference(format!(
            "the repository has no branch, tag or commit {typed:?}{hint}"
        )));
    };
    let found = repository.objects.lookup_prefix(prefix, None);
    match found.map_err(|error| MirrorFailed::Reference(chain(&error)))? {
        Some(Ok(id)) => Ok((format!("commit {}", from_git(&id).short()), id)),
        Some(Err(())) => Err(MirrorFailed::Reference(format!(
            "{typed} begins the ids of several objects: write more of it"
        ))),
        None => Err(MirrorFailed::Reference(format!("the repository has no commit {typed}"))),
    }
}

fn described(
    repository: &gix::Repository,
    text: String,
    id: gix::ObjectId,
) -> Result<Resolved, MirrorFailed> {
    let failed = |why: String| MirrorFailed::Object { id: id.to_string(), why };
    let commit = repository.find_commit(id).map_err(|e| failed(chain(&e)))?;
    let author = commit.author().map_err(|e| failed(chain(&e)))?;
    let subject = commit.message().map_err(|e| failed(chain(&e)))?.summary().to_string();
    let seconds = commit.time().map_err(|e| failed(chain(&e)))?.seconds;
    Ok(Resolved {
        reference: text,
        commit: from_git(&id),
        author: author.name.to_string().chars().take(100).collect(),
        subject: subject.chars().take(200).collect(),
        committed_at: Timestamp(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000)),
    })
}

fn names(repository: &gix::Repository, folder: &str) -> Vec<String> {
    let prefix = format!("refs/{folder}/");
    let Ok(platform) = repository.references() else { return Vec::new() };
    let Ok(found) = platform.prefixed(prefix.as_str()) else { return Vec::new() };
    found
        .filter_map(Result::ok)
        .filter_map(|r| r.name().as_bstr().to_string().strip_prefix(&prefix).map(str::to_owned))
        .collect()
}

/// The commit of a branch or tag; annotated tags are peeled, so that a tag object's id never stands
/// for a commit.
fn peeled(
    repository: &gix::Repository,
    folder: &str,
    what: &str,
    name: &str,
) -> Result<gix::ObjectId, MirrorFailed> {
    let full = format!("refs/{folder}/{name}");
    let unknown = || {
        let known = names(repository, folder);
        let hint = nearest(name, known.iter().map(String::as_str));
        let hint = hint.map(|near| format!(", did you mean {near:?}?")).unwrap_or_default();
        MirrorFailed::Reference(format!("the repository has no {what} {name:?}{hint}"))
    };
    let mut found = repository.find_reference(full.as_str()).map_err(|_| unknown())?;
    let id = found.peel_to_id().map_err(|e| MirrorFailed::Reference(chain(&e)))?;
    Ok(id.detach())
}

fn highest(
    repository: &gix::Repository,
    range: &str,
) -> Result<(String, gix::ObjectId), MirrorFailed> {
    let wanted = semver::VersionReq::parse(range)
        .map_err(|error| MirrorFailed::Reference(format!("version range {range:?}: {error}")))?;
    let best = names(repository, "tags")
        .into_iter()
        .filter_map(|tag| {
            let version = semver::Version::parse(tag.strip_prefix('v').unwrap_or(&tag)).ok()?;
            wanted.matches(&version).then_some((version, tag))
        })
        .max();
    let Some((_, tag)) = best else {
        return Err(MirrorFailed::Reference(format!("no tag matches the range {range:?}")));
    };
    let id = peeled(repository, "tags", "tag", &tag)?;
    Ok((format!("tag {tag} ({range})"), id))
}
