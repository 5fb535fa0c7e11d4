//! A folder of this user's own, and how to write in it.
//!
//! It lies among the temporary files, where anybody may put things, so it is looked at before it is used and
//! nothing in it is reached through a symbolic link. Rejected: the user's cache folder, which survives the
//! machine, may be on a network, and is one for all containers that share a home.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::platform::random;

/// A folder that belongs to this user alone; by a path that means the same to a process that works elsewhere.
pub(crate) fn folder() -> io::Result<PathBuf> {
    let folder = std::path::absolute(std::env::temp_dir())?.join(imp::folder_name());
    make_private(&folder).map_err(|error| {
        let text = format!("cannot use {}, among the temporary files: {error}", folder.display());
        io::Error::new(error.kind(), text)
    })?;
    Ok(folder)
}

/// Makes a folder for this user alone; gives whether there was none. One that is there already has to be as
/// it would have been made.
pub(crate) fn make_private(folder: &Path) -> io::Result<bool> {
    let mut builder = DirBuilder::new();
    imp::private_folder(&mut builder);
    let made = match builder.create(folder) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(error),
    };
    if imp::is_private(&std::fs::symlink_metadata(folder)?) {
        Ok(made)
    } else {
        Err(io::Error::other(format!("{} must be a folder of yours with mode 700", folder.display())))
    }
}

/// Opens a file for this user alone, and never through a symbolic link.
pub(crate) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    imp::private_file(options);
    options.open(path)
}

/// What a file of this user's says.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open(path, File::options().read(true))?.read_to_string(&mut text)?;
    Ok(text)
}

/// Puts a file there in one piece: who reads it finds the old one, this one or none, whenever this process
/// may be killed.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    // Not named by a pid: threads write at once, and containers may share the folder, and not the pids.
    let new = path.with_extension(format!("{}.new", random()));
    open(&new, File::options().write(true).create(true).truncate(true))?.write_all(content)?;
    std::fs::rename(new, path)
}

#[cfg(unix)]
mod imp {
    use std::fs::{DirBuilder, Metadata, OpenOptions};
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};

    use rustix::fs::OFlags;

    fn user() -> u32 {
        rustix::process::getuid().as_raw()
    }

    pub(super) fn folder_name() -> String {
        format!("reaper-{}", user())
    }

    pub(super) fn private_folder(builder: &mut DirBuilder) {
        builder.mode(0o700);
    }

    pub(super) fn is_private(metadata: &Metadata) -> bool {
        metadata.is_dir() && metadata.uid() == user() && metadata.mode() & 0o777 == 0o700
    }

    pub(super) fn private_file(options: &mut OpenOptions) {
        options.mode(0o600).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    }
}

/// Where the folder for temporary files is the user's own already.
#[cfg(not(unix))]
mod imp {
    use std::fs::{DirBuilder, Metadata, OpenOptions};

    pub(super) fn folder_name() -> String {
        "reaper".into()
    }

    pub(super) fn private_folder(_builder: &mut DirBuilder) {}

    pub(super) fn is_private(metadata: &Metadata) -> bool {
        metadata.is_dir()
    }

    pub(super) fn private_file(_options: &mut OpenOptions) {}
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_folder_is_made_once_and_for_its_user_alone() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("mine");
        assert!(make_private(&folder).unwrap());
        assert!(!make_private(&folder).unwrap());
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_folder_that_others_may_enter_and_a_link_to_one_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let (open_to_all, link) = (root.path().join("open"), root.path().join("link"));
        std::fs::create_dir(&open_to_all).unwrap();
        std::fs::set_permissions(&open_to_all, std::fs::Permissions::from_mode(0o755)).unwrap();
        make_private(&root.path().join("mine")).unwrap();
        symlink(root.path().join("mine"), &link).unwrap();
        for folder in [open_to_all, link] {
            let text = make_private(&folder).unwrap_err().to_string();
            assert!(text.contains("must be a folder of yours with mode 700"), "{text}");
        }
    }

    #[test]
    fn a_link_in_the_place_of_a_file_is_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let (file, link) = (root.path().join("file"), root.path().join("link"));
        std::fs::write(&file, "kept").unwrap();
        symlink(&file, &link).unwrap();
        open(&link, File::options().write(true).create(true).truncate(true)).unwrap_err();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "kept");
    }
}
