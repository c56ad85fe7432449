//! How a difference looks: to a person as a unified diff that `patch` understands, to a program as
//! data.

use millwright_proto::control::DiffFile;
use serde_json::{Value, json};

use super::text::Compared;
use crate::{
    output::{Style, style::Tone, terminal::is_terminal},
    view::bytes,
};

/// What was told so far.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// For a program; for a person only as many empty ones as there were files.
    pub(super) files: Vec<Value>,
    pub(super) added: u64,
    pub(super) changed: u64,
    pub(super) removed: u64,
    /// Lines that are new, and gone.
    pub(super) lines: (u64, u64),
}

impl Told {
    pub(super) fn count(&mut self, file: &DiffFile, compared: Compared, keep: bool) {
        match file.change.as_str() {
            "added" => self.added += 1,
            "removed" => self.removed += 1,
            _ => self.changed += 1,
        }
        self.lines.0 += compared.added;
        self.lines.1 += compared.removed;
        self.files.push(if keep { value(file, compared) } else { Value::Null });
    }

    pub(super) fn summary(&self) -> String {
        if self.files.is_empty() {
            return "no file differs".to_owned();
        }
        format!(
            "{} files differ: {} added, {} changed, {} removed; {} lines added, {} removed",
            self.files.len(),
            self.added,
            self.changed,
            self.removed,
            self.lines.0,
            self.lines.1
        )
    }
}

fn value(file: &DiffFile, compared: Compared) -> Value {
    let mode = |mode: u32| (mode != 0).then(|| format!("{mode:o}"));
    let mut value = json!({
        "path": file.path, "change": file.change, "oldSize": file.old_size,
        "newSize": file.new_size, "oldMode": mode(file.old_mode), "newMode": mode(file.new_mode),
        "linesAdded": compared.added, "linesRemoved": compared.removed, "masked": file.masked,
    });
    if !file.omitted.is_empty() {
        value["omitted"] = json!(file.omitted);
    } else if !compared.hunks.is_empty() {
        value["diff"] = json!(compared.hunks);
    }
    value
}

/// One line about a file.
pub(super) fn stat(file: &DiffFile, compared: &Compared, style: Style) -> String {
    let tone = match file.change.as_str() {
        "added" => Tone::Good,
        "removed" => Tone::Bad,
        _ => Tone::Waiting,
    };
    let word = style.paint(tone, &format!("{:<7}", file.change));
    let counts = format!("+{} -{}", compared.added, compared.removed);
    let why = match file.omitted.as_str() {
        "" => String::new(),
        why => format!("  ({why}: {})", sizes(file)),
    };
    format!("{word}  {counts:<11}  {}{why}\n", file.path)
}

fn sizes(file: &DiffFile) -> String {
    format!("{} → {}", bytes(file.old_size), bytes(file.new_size))
}

/// A file as a unified diff shows it.
pub(super) fn file(file: &DiffFile, compared: &Compared, style: Style) -> String {
    let side = |letter: &str, absent: &str| match file.change == absent {
        true => "/dev/null".to_owned(),
        false => format!("{letter}/{}", file.path),
    };
    let (old, new) = (side("a", "added"), side("b", "removed"));
    let mut out = String::new();
    if file.change == "changed" && file.old_mode != file.new_mode {
        let line = format!("mode of {}: {:o} → {:o}", file.path, file.old_mode, file.new_mode);
        out.push_str(&format!("{}\n", style.paint(Tone::Strong, &line)));
    }
    if !file.omitted.is_empty() {
        let line = format!("{old} and {new} differ: {} ({})", file.omitted, sizes(file));
        out.push_str(&format!("{}\n", style.paint(Tone::Strong, &line)));
        return out;
    }
    if compared.hunks.is_empty() && file.change == "changed" {
        return out;
    }
    for line in [format!("--- {old}"), format!("+++ {new}")] {
        out.push_str(&format!("{}\n", style.paint(Tone::Strong, &line)));
    }
    for line in compared.hunks.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        let tone = match line.as_bytes().first() {
            Some(b'+') => Tone::Good,
            Some(b'-') => Tone::Bad,
            Some(b'@') => Tone::Busy,
            Some(_) | None => Tone::Plain,
        };
        out.push_str(&style.paint(tone, &harmless(line)));
        out.push_str(end);
    }
    out
}

/// A line without what a terminal would take for a command; a pipe gets every byte.
fn harmless(line: &str) -> String {
    if !is_terminal() {
        return line.to_owned();
    }
    let safe = |c: char| if c.is_control() && c != '\t' { '\u{fffd}' } else { c };
    line.trim_end_matches('\r').chars().map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(change: &str) -> DiffFile {
        let (path, change) = ("projects/a/config.json".to_owned(), change.to_owned());
        DiffFile { path, change, old_mode: 0o644, new_mode: 0o644, ..DiffFile::default() }
    }

    #[test]
    fn what_is_not_there_is_dev_null() {
        let hunks = "@@ -0,0 +1 @@\n+a\n".to_owned();
        let compared = Compared { hunks, added: 1, removed: 0 };
        let shown = file(&of("added"), &compared, Style::default());
        assert_eq!(shown, "--- /dev/null\n+++ b/projects/a/config.json\n@@ -0,0 +1 @@\n+a\n");
        let shown = file(&of("removed"), &Compared::default(), Style::default());
        assert_eq!(shown, "--- a/projects/a/config.json\n+++ /dev/null\n");
    }

    #[test]
    fn modes_and_what_is_no_text_are_said_in_words() {
        let mut changed = of("changed");
        changed.new_mode = 0o755;
        let shown = file(&changed, &Compared::default(), Style::default());
        assert_eq!(shown, "mode of projects/a/config.json: 644 → 755\n");
        changed.new_mode = 0o644;
        changed.omitted = "it is no text".to_owned();
        let shown = file(&changed, &Compared::default(), Style::default());
        assert!(shown.contains("differ: it is no text (0 B → 0 B)"), "{shown}");
    }
}
