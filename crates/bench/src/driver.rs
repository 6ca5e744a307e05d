//! The load: many connections that send prepared requests, as fast as they are answered or at a constant rate.
//!
//! Written on the bare socket, so that one core of it can saturate one core of a server that does next to nothing.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::Result;

/// Appends the `n`th request, headers and body, to a buffer.
pub(crate) type Requests = Rc<dyn Fn(u64, &mut Vec<u8>)>;

/// When requests are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Each connection sends its next request when its last one was answered.
    Closed,
    /// So many a second, evenly, whether or not the ones before were answered.
    Open(f64),
}

/// What is sent.
#[derive(Clone)]
pub(crate) struct Load {
    /// To whom.
    pub(crate) address: SocketAddr,
    /// The requests.
    pub(crate) requests: Requests,
    /// The most of them; the load ends early when there are no more.
    pub(crate) most: u64,
    /// Over how many connections.
    pub(crate) connections: usize,
    /// How fast.
    pub(crate) pace: Pace,
    /// How long before anything counts.
    pub(crate) warm_up: Duration,
    /// How long it counts.
    pub(crate) counted: Duration,
}

/// What was answered in the time that counts.
pub(crate) struct Answers {
    /// How long that was.
    pub(crate) elapsed: Duration,
    /// Answered with 2xx.
    pub(crate) good: u64,
    /// Answered with 503 and `Retry-After`.
    pub(crate) shed: u64,
    /// Answered with anything else, or not at all.
    pub(crate) bad: u64,
    /// One of those, for people to read.
    pub(crate) example: Option<String>,
    /// Nanoseconds from the moment that a good request was due to its answer. At a constant rate a request that had to
    /// wait for a connection is late by its own waiting, so that a server that stops does not stop the clock
    /// (coordinated omission).
    pub(crate) since_due: Histogram<u64>,
    /// Nanoseconds from the moment that a good request was sent to its answer.
    pub(crate) since_sent: Histogram<u64>,
}

impl Answers {
    fn new() -> Result<Self> {
        let histogram = || Histogram::new_with_bounds(1_000, 600_000_000_000, 3);
        Ok(Self {
            elapsed: Duration::ZERO,
            good: 0,
            shed: 0,
            bad: 0,
            example: None,
            since_due: histogram()?,
            since_sent: histogram()?,
        })
    }

    /// Every request that was answered or failed.
    pub(crate) fn all(&self) -> u64 {
        self.good + self.shed + self.bad
    }

    /// Good answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.good as f64 / self.elapsed.as_secs_f64()
    }

    /// Itself, unless something else than good answers came, or none.
    pub(crate) fn all_good(self, what: &str) -> Result<Self> {
        match &self.example {
            None if self.good > 0 && self.shed == 0 => Ok(self),
            example => Err(format!(
                "{what}: {} good answers, {} shed, {} others, such as {example:?}",
                self.good, self.shed, self.bad
            )
            .into()),
        }
    }
}

/// One answer.
struct Answer {
    status: u16,
    retry_after: bool,
    body: Vec<u8>,
}

struct Shared {
    load: Load,
    began: Instant,
    next: Mutex<u64>,
    stopped: Cell<bool>,
    answers: RefCell<Answers>,
    /// Where bodies of good answers are kept, if anybody wants them.
    bodies: Option<RefCell<Vec<Vec<u8>>>>,
}

impl Shared {
    /// The next request and when it is due; waits until then.
    async fn next(&self) -> Option<(u64, Instant)> {
        // Who holds this waits for its moment, and the others in the queue behind it.
        let mut next = self.next.lock().await;
        let n = *next;
        if n >= self.load.most || self.stopped.get() {
            return None;
        }
        *next += 1;
        let Pace::Open(rate) = self.load.pace else { return Some((n, Instant::now())) };
        let due = self.began + Duration::from_secs_f64(n as f64 / rate);
        // The runtime's timers are too coarse to send 50,000 requests a second evenly.
        while Instant::now() < due {
            if self.stopped.get() {
                return None;
            }
            tokio::task::yield_now().await;
        }
        Some((n, due))
    }

    fn note(&self, answer: std::io::Result<Answer>, due: Instant, sent: Instant) {
        let mut answers = self.answers.borrow_mut();
        match answer {
            Ok(answer) if (200..300).contains(&answer.status) => {
                answers.good += 1;
                let nanos = |since: Instant| u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
                answers.since_due.saturating_record(nanos(due));
                answers.since_sent.saturating_record(nanos(sent));
                if let Some(bodies) = &self.bodies {
                    bodies.borrow_mut().push(answer.body);
                }
            }
            Ok(answer) if answer.status == 503 && answer.retry_after => answers.shed += 1,
            Ok(answer) => {
                answers.bad += 1;
                answers.example.get_or_insert_with(|| {
                    format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))
                });
            }
            Err(error) => {
                answers.bad += 1;
                answers.example.get_or_insert_with(|| error.to_string());
            }
        }
    }
}

/// Sends the load. Answers with what came back, and with what `sample` said at the beginning and at the end of the time
/// that counts.
pub(crate) async fn drive<S>(load: Load, sample: impl Fn() -> Result<S>) -> Result<(Answers, S, S)> {
    let (warm_up, counted) = (load.warm_up, load.counted);
    let (shared, mut connections, _awake) = start(load, false)?;
    if !warm_up.is_zero() {
        tokio::time::sleep(warm_up).await;
    }
    *shared.answers.borrow_mut() = Answers::new()?;
    let (before, began) = (sample()?, Instant::now());
    tokio::select! {
        () = tokio::time::sleep(counted) => {}
        () = all_done(&mut connections) => {}
    }
    let (after, elapsed) = (sample()?, began.elapsed());
    let mut answers = shared.answers.replace(Answers::new()?);
    answers.elapsed = elapsed;
    shared.stopped.set(true);
    // What is still under way counts no more; a server that never answers may not keep us.
    connections.shutdown().await;
    Ok((answers, before, after))
}

/// Sends all requests of the load and answers with the bodies, which must all be good ones; in no particular order.
pub(crate) async fn collect(load: Load) -> Result<Vec<Vec<u8>>> {
    let (shared, mut connections, _awake) = start(load, true)?;
    all_done(&mut connections).await;
    shared.answers.replace(Answers::new()?).all_good("preparing")?;
    Ok(shared.bodies.as_ref().map(RefCell::take).unwrap_or_default())
}

/// Starts the connections, and beside them a task that keeps the driver's core from sleeping as long as it is kept: on
/// one machine the server would pay for waking it, the more often the slower the server is.
fn start(load: Load, keep: bool) -> Result<(Rc<Shared>, JoinSet<()>, JoinSet<()>)> {
    let shared = Rc::new(Shared {
        began: Instant::now(),
        next: Mutex::new(0),
        stopped: Cell::new(false),
        answers: RefCell::new(Answers::new()?),
        bodies: keep.then(RefCell::default),
        load,
    });
    let mut connections = JoinSet::new();
    for _ in 0..shared.load.connections {
        connections.spawn_local(connection(shared.clone()));
    }
    let mut awake = JoinSet::new();
    awake.spawn_local(async {
        loop {
            tokio::task::yield_now().await;
        }
    });
    Ok((shared, connections, awake))
}

async fn all_done(connections: &mut JoinSet<()>) {
    while connections.join_next().await.is_some() {}
}

async fn connection(shared: Rc<Shared>) {
    let mut stream = None;
    let (mut request, mut buffer) = (Vec::new(), Vec::new());
    while let Some((n, due)) = shared.next().await {
        request.clear();
        (shared.load.requests)(n, &mut request);
        let sent = Instant::now();
        let answer = exchange(&mut stream, shared.load.address, &request, &mut buffer).await;
        shared.note(answer, due, sent);
    }
}

/// Sends one request, over a new connection if the last answer or failure closed the one before.
async fn exchange(
    kept: &mut Option<TcpStream>,
    address: SocketAddr,
    request: &[u8],
    buffer: &mut Vec<u8>,
) -> std::io::Result<Answer> {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            stream
        }
    };
    stream.write_all(request).await?;
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err(std::io::Error::other("the connection broke off"));
        }
        if let Some((answer, keep)) = parse(buffer)? {
            if keep {
                *kept = Some(stream);
            }
            return Ok(answer);
        }
    }
}

/// The answer, once all of it is there, and whether the connection stays open.
fn parse(bytes: &[u8]) -> std::io::Result<Option<(Answer, bool)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(body_at) = head.parse(bytes).map_err(std::io::Error::other)? else {
        return Ok(None);
    };
    let header = |name: &str| {
        let found = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok()
    };
    let length: usize = header("content-length")
        .and_then(|length| length.parse().ok())
        .ok_or_else(|| std::io::Error::other("an answer without a length"))?;
    let Some(body) = bytes.get(body_at..body_at.saturating_add(length)) else { return Ok(None) };
    let keep = !header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    let answer = Answer {
        status: head.code.unwrap_or_default(),
        retry_after: header("retry-after").is_some(),
        body: body.to_vec(),
    };
    Ok(Some((answer, keep)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::floor::{self, Sizes};
    use tokio::net::TcpListener;
    use tokio::task::LocalSet;

    const SIZES: Sizes = Sizes { signed: 400, token: 700, api: 300 };

    fn load(address: SocketAddr, path: &str, most: u64, pace: Pace) -> Load {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        Load {
            address,
            requests: Rc::new(move |_, into| into.extend_from_slice(head.as_bytes())),
            most,
            connections: 8,
            pace,
            warm_up: Duration::ZERO,
            counted: Duration::from_secs(60),
        }
    }

    /// The floor, served by this program.
    fn floor() -> SocketAddr {
        let address = crate::process::free_address().unwrap();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(floor::serve(address, SIZES)).unwrap();
        });
        while std::net::TcpStream::connect(address).is_err() {
            std::thread::yield_now();
        }
        address
    }

    fn run<T>(task: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, task)
    }

    /// Answers each request on every connection with the next of the answers.
    async fn scripted(answers: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::task::spawn_local(async move {
            let mut answers = answers.iter();
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = [0; 1024];
                while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                    let Some(answer) = answers.next() else { break };
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    if answer.contains("close") {
                        break;
                    }
                }
            }
        });
        address
    }

    #[test]
    fn every_answer_of_the_floor_is_counted_once() {
        let address = floor();
        run(async {
            let bodies = collect(load(address, floor::API, 1_000, Pace::Closed)).await.unwrap();
            assert_eq!(bodies.len(), 1_000);
            assert!(bodies.iter().all(|body| body.len() == SIZES.api));
            for algorithm in crate::feedback::Algorithm::ALL {
                let verified = load(address, &floor::verifying(algorithm), 1, Pace::Closed);
                assert_eq!(collect(verified).await.unwrap(), [vec![b'x'; SIZES.api]]);
            }
            assert!(collect(load(address, "/nowhere", 1, Pace::Closed)).await.is_err());
        });
    }

    #[test]
    fn a_constant_rate_is_kept() {
        let address = floor();
        run(async {
            let began = Instant::now();
            let load = load(address, floor::API, 500, Pace::Open(1_000.0));
            let (answers, (), ()) = drive(load, || Ok(())).await.unwrap();
            assert_eq!((answers.good, answers.bad), (500, 0));
            assert_eq!(answers.since_due.len(), 500);
            // The last one is due 499 ms after the first.
            assert!(began.elapsed() >= Duration::from_millis(499), "{:?}", began.elapsed());
        });
    }

    #[test]
    fn what_came_is_told_apart() {
        run(async {
            let address = scripted(&[
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
                "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
                "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
                "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
            ])
            .await;
            let load = Load { connections: 1, ..load(address, "/", 5, Pace::Closed) };
            let (answers, (), ()) = drive(load, || Ok(())).await.unwrap();
            assert_eq!((answers.good, answers.shed, answers.bad), (2, 1, 2), "{:?}", answers.example);
            assert_eq!(answers.example.as_deref(), Some("503 "));
        });
    }
}
