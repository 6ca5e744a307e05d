//! Where things are: the program that is measured, and a folder for stores, logs and what the peers need.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;

/// The folders, and the program, built as for a release.
pub(crate) struct Workplace {
    /// The repository.
    pub(crate) root: PathBuf,
    /// The program that is measured.
    pub(crate) binary: PathBuf,
    folder: PathBuf,
}

impl Workplace {
    /// Builds the program.
    pub(crate) fn open() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
        // Where this program was built, that one is: target/release/bench.
        let release = std::env::current_exe()?.parent().map(Path::to_owned).ok_or("no target folder")?;
        let target = release.parent().ok_or("no target folder")?;
        if cfg!(debug_assertions) {
            return Err("measure what is released: cargo run --release -p bench -- …".into());
        }
        build(&root, target, &[])?;
        let folder = target.join("bench");
        fs::create_dir_all(&folder)?;
        Ok(Self { binary: release.join("feedback"), folder, root })
    }

    /// With the program built so that a profiler can name its functions.
    pub(crate) fn with_symbols(self) -> Result<Self> {
        let target = self.kept("../perf");
        let symbols =
            [("CARGO_PROFILE_RELEASE_STRIP", "none"), ("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only")];
        build(&self.root, &target, &symbols)?;
        Ok(Self { binary: target.join("release/feedback"), ..self })
    }

    /// A place of that name that is kept from run to run.
    pub(crate) fn kept(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// An empty folder of that name, made anew.
    pub(crate) fn fresh(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join("fresh").join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// The file that a server's output goes to.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.folder.join("logs").join(name).with_extension("log")
    }
}

fn build(root: &Path, target: &Path, settings: &[(&str, &str)]) -> Result<()> {
    let mut build = Command::new("cargo");
    build.args(["build", "--release", "--locked", "--bin", "feedback", "--target-dir"]).arg(target);
    run(build.envs(settings.iter().copied()).current_dir(root))
}

/// Runs a command to its end; a failure names it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).stdout(std::io::stderr()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?} failed: {status}").into()),
        Err(error) => Err(format!("{command:?} can't be run: {error}").into()),
    }
}
