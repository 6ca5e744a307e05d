//! The machine that measures: what it is, and whether something else used it meanwhile.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Result;
use crate::process::{APART, from_ticks};

/// How busy the machine was up to a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Busy {
    at: Instant,
    /// Processor time of all programs, and what other machines took away from this one's cores.
    all: Duration,
    /// This program's own part.
    own: Duration,
    cores: u32,
}

impl Busy {
    /// Up to now.
    pub(crate) fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let line = stat.lines().next().unwrap_or_default();
        let field = |n: usize| line.split_whitespace().nth(n).and_then(|text| text.parse::<u64>().ok());
        // user, nice, system, and steal (proc(5)).
        let ticks = [1, 2, 3, 8].into_iter().filter_map(field).sum();
        let own = fs::read_to_string("/proc/self/schedstat")?;
        let own = own.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default();
        let cores = stat.lines().filter(|line| line.starts_with("cpu")).count().saturating_sub(1);
        Ok(Self {
            at: Instant::now(),
            all: from_ticks(ticks),
            own: Duration::from_nanos(own),
            cores: u32::try_from(cores)?.max(1),
        })
    }

    /// The part of all cores, 0 to 1, that went to neither this program nor a server that took `server`, from `self` to
    /// `later`.
    pub(crate) fn others_until(&self, later: &Self, server: Duration) -> f64 {
        let cores = (later.at - self.at).as_secs_f64() * f64::from(self.cores);
        let ours = (later.own - self.own) + server;
        (later.all - self.all).saturating_sub(ours).as_secs_f64() / cores
    }
}

/// What the figures were measured on, as a Markdown list.
pub(crate) fn description() -> Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let models: Vec<&str> = cpu
        .lines()
        .filter_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, model)| model))
        .collect();
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kib = memory.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let rustc = Command::new("rustc").arg("--version").output()?;
    let apart = if *APART {
        "the servers on one core, the driver on another"
    } else {
        "servers and driver share the one core, so nothing here says how fast they are"
    };
    Ok(format!(
        "- {} cores of {}, {:.0} GiB of memory\n- Linux {}\n- {}, release build\n- {apart}\n",
        models.len(),
        models.first().unwrap_or(&"an unnamed processor"),
        kib / 1024.0 / 1024.0,
        kernel.trim(),
        String::from_utf8_lossy(&rustc.stdout).trim(),
    ))
}
