//! Edits a payload in the user's editor.

use std::{fs, process::Command};

use anyhow::{Context, bail};
use bytes::Bytes;

/// Opens a payload in an editor and returns the saved content. Returns `None` if the file was saved
/// empty.
pub(crate) fn edit(editor: &str, data: &[u8]) -> anyhow::Result<Option<Bytes>> {
    let folder = tempfile::tempdir().context("cannot create a temporary folder")?;
    let path = folder.path().join("dead-letter.json");
    fs::write(&path, data).with_context(|| format!("cannot write {}", path.display()))?;
    // The setting may contain options and quotes, as in `'/opt/my editor' --wait`.
    let words = shell_words::split(editor).with_context(|| {
        format!("cannot split the editor command `{editor}`; set EDITOR or pass --editor")
    })?;
    let (program, options) = words
        .split_first()
        .context("no editor configured: set EDITOR or pass --editor")?;
    let status = Command::new(program).args(options).arg(&path).status();
    let status = status.with_context(|| {
        format!("cannot start the editor {editor}; set EDITOR or pass --editor")
    })?;
    if !status.success() {
        bail!("the editor {editor} failed with {status}; the dead letter is unchanged");
    }
    let saved = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let is_empty = saved.iter().all(u8::is_ascii_whitespace);
    Ok((!is_empty).then(|| saved.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saved_content_is_returned_and_empty_content_is_none() {
        assert_eq!(edit("true", b"{}").unwrap().unwrap(), "{}");
        assert_eq!(
            edit("sed -i s/2021-02-30/2021-02-28/", b"\"2021-02-30\"")
                .unwrap()
                .unwrap(),
            "\"2021-02-28\"\n"[..12]
        );
        assert_eq!(edit("truncate -s 0", b"{}").unwrap(), None);
    }

    #[test]
    fn editor_failure_is_reported() {
        for editor in ["false", "there-is-no-such-editor", " ", "vi '"] {
            let error = format!("{:#}", edit(editor, b"{}").unwrap_err());
            assert!(error.contains("editor"), "{error}");
        }
    }
}
