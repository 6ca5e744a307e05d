//! A server under measurement: a process of its own, with all that it starts, on a core of its own.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::Result;
use crate::driver::{self, Load, Pace};

/// Where the server runs, and where the driver does.
const SERVER_CORE: usize = 0;
const DRIVER_CORE: usize = 1;

/// How long a server may take to serve, and to stop.
const SERVES_WITHIN: Duration = Duration::from_secs(60);
const STOPS_WITHIN: Duration = Duration::from_secs(40);

/// A running server. It is stopped when it is dropped.
pub(crate) struct Process {
    child: Child,
    /// The server's and all its children's.
    group: Pid,
    /// Where it is served.
    pub(crate) address: SocketAddr,
    /// When it was started.
    pub(crate) started: Instant,
    /// How long it then took to be ready.
    pub(crate) ready_after: Duration,
}

/// Memory of a server's processes, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) resident: u64,
    /// The most that ever was.
    pub(crate) peak: u64,
}

/// An address that nobody serves at.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Whether server and driver have a core each. Asked before either is kept on its own.
pub(crate) static APART: LazyLock<bool> =
    LazyLock::new(|| std::thread::available_parallelism().is_ok_and(|cores| cores.get() >= 2));

/// Keeps the driver away from the servers.
pub(crate) fn stay_on_driver_core() -> Result<()> {
    stay_on(DRIVER_CORE)
}

/// Keeps the calling thread, and what it starts, on one core.
fn stay_on(core: usize) -> Result<()> {
    if !*APART {
        return Ok(());
    }
    let mut cores = CpuSet::new();
    cores.set(core);
    Ok(sched_setaffinity(None, &cores)?)
}

impl Process {
    /// Starts a server that will serve at `address`; what it says goes into the file `log`.
    pub(crate) fn start(mut command: Command, address: SocketAddr, log: &Path) -> Result<Self> {
        if let Some(folder) = log.parent() {
            fs::create_dir_all(folder)?;
        }
        let out = File::create(log)?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).process_group(0);
        // A process starts on the cores of the thread that starts it.
        stay_on(SERVER_CORE)?;
        let started = Instant::now();
        let child = command.spawn();
        stay_on_driver_core()?;
        let child =
            child.map_err(|error| format!("{:?} can't be started: {error}", command.get_program()))?;
        Ok(Self { group: Pid::from_child(&child), child, address, started, ready_after: Duration::ZERO })
    }

    /// Waits until `GET path` is answered with 2xx.
    pub(crate) async fn ready(&mut self, path: &str) -> Result<()> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        let request: driver::Requests =
            std::rc::Rc::new(move |_, into| into.extend_from_slice(request.as_bytes()));
        let load = Load {
            address: self.address,
            requests: request,
            most: 1,
            connections: 1,
            pace: Pace::Closed,
            warm_up: Duration::ZERO,
            counted: SERVES_WITHIN,
        };
        loop {
            let failed = match driver::collect(load.clone()).await {
                Ok(_) => {
                    self.ready_after = self.started.elapsed();
                    return Ok(());
                }
                Err(failed) => failed,
            };
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("it ended: {status}").into());
            }
            if self.started.elapsed() > SERVES_WITHIN {
                return Err(failed);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The identifier of the process that was started.
    pub(crate) fn id(&self) -> String {
        self.group.as_raw_pid().to_string()
    }

    /// The processor time that it has taken, all of its processes and threads.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut ticks = 0;
        for entry in fs::read_dir("/proc")? {
            // What is no process, or is gone meanwhile, took none.
            let Ok(stat) = fs::read_to_string(entry?.path().join("stat")) else { continue };
            let stat = Stat::parse(&stat);
            if stat.group == i64::from(self.group.as_raw_pid()) {
                ticks += stat.ticks;
            }
        }
        Ok(from_ticks(ticks))
    }

    /// Its memory: that of the one process that was started.
    pub(crate) fn memory(&self) -> Result<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.group.as_raw_pid()))?;
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            kib.map(|kib| kib * 1024).ok_or_else(|| format!("no {name} in /proc"))
        };
        Ok(Memory { resident: bytes("VmRSS:")?, peak: bytes("VmHWM:")? })
    }

    /// Stops it and waits for its end.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.end(Signal::TERM)
    }

    fn end(&mut self, signal: Signal) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        kill_process_group(self.group, signal)?;
        let asked = Instant::now();
        while self.child.try_wait()?.is_none() {
            if asked.elapsed() > STOPS_WITHIN {
                return Err("a server does not stop".into());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.end(Signal::KILL) {
            eprintln!("a server may still be running: {error}");
        }
    }
}

/// What `/proc/PID/stat` says (proc(5)).
struct Stat {
    group: i64,
    /// User and system time.
    ticks: u64,
}

impl Stat {
    fn parse(line: &str) -> Self {
        // The second field is the program's name, in parentheses, and may hold anything.
        let rest = line.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let field =
            |n: usize| rest.split(' ').nth(n - 3).and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
        Self { group: field(5), ticks: field(14).unsigned_abs() + field(15).unsigned_abs() }
    }
}

/// Kernel clock ticks as a time.
pub(crate) fn from_ticks(ticks: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let stat = Stat::parse("7 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 300 20 5 5 20 0 1 0 9 9 9");
        assert_eq!((stat.group, stat.ticks), (42, 320));
    }
}
