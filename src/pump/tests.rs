//! What a carried connection is counted as, however it ends, and what it costs while it is silent.

use super::*;
use crate::drain::Connections;
use crate::meter::{
    Bounds, Detail, Extras, HttpKey, Layout, Meter, Route, RouteId, Shard, Side, Snapshot, TcpKey,
};
use crate::observe::host::{HostId, KnownHosts};
use crate::observe::{Flags, Rules};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpListener, TcpStream};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A proxy of one port, in one task with its clients and its app.
struct Rig {
    meter: Arc<Meter>,
    shard: Rc<Shard>,
    clock: Clock,
    rules: Arc<Rules>,
    scratch: Rc<Scratch>,
    listener: TcpListener,
    app: TcpListener,
    carriage: Rc<Carriage>,
    target: SocketAddr,
}

impl Rig {
    async fn new() -> Self {
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        let app = TcpListener::bind(any).await.unwrap();
        let some = Bounds::union([[1_000_000u64].as_slice()]);
        let meter = Meter::new(Layout {
            routes: vec![Route { side: Side::Inbound, listen: any, target: any, opaque: false }],
            first_host: HostId::UNKNOWN,
            inbound: Detail::default(),
            outbound: Detail::default(),
            durations: some.clone(),
            sizes: some.clone(),
            held: some,
            shards: 1,
            max_series: 100,
            extras: Extras::default(),
        });
        Self {
            shard: meter.shard(0).unwrap(),
            meter,
            clock: Clock::start(),
            rules: Arc::new(Rules {
                hosts: KnownHosts::new::<String>(&[]),
                max_head_bytes: 65_536,
                probes_apart: true,
                paths: None,
                traces: true,
            }),
            scratch: Scratch::new(),
            listener: TcpListener::bind(any).await.unwrap(),
            target: app.local_addr().unwrap(),
            carriage: Rc::new(Carriage {
                connect_timeout: Duration::from_secs(10),
                idle_timeout: None,
            }),
            app,
        }
    }

    /// One on whose target nobody listens.
    async fn without_app() -> Self {
        let mut this = Self::new().await;
        this.app = TcpListener::bind("127.0.0.1:0").await.unwrap();
        this
    }

    async fn client(&self) -> TcpStream {
        TcpStream::connect(self.listener.local_addr().unwrap()).await.unwrap()
    }

    /// Carries the next connection to its end.
    async fn carry(&self) {
        let client = Socket::new(self.listener.accept().await.unwrap().0);
        self.carried(client).await;
    }

    fn carried(&self, client: Socket) -> impl Future<Output = ()> + use<> {
        let (carriage, scratch) = (Rc::clone(&self.carriage), Rc::clone(&self.scratch));
        let place = Connections::new(1).admit().unwrap();
        let books = self.books();
        let target = Target::plain(self.target);
        carry(Box::new(Connection { books, client, app: None, target, carriage, scratch, place }))
    }

    fn books(&self) -> Books {
        let recorder = Recorder::new(&self.shard, RouteId(0));
        Books::open(self.clock, Watcher::new(&self.rules), recorder)
    }

    /// Carries a connection while `ends` plays both of its ends.
    async fn plays<F: Future<Output = ()>>(&self, ends: impl FnOnce(TcpStream, TcpStream) -> F) {
        let ends = async {
            let client = self.client().await;
            let app = self.app.accept().await.unwrap().0;
            ends(client, app).await;
        };
        tokio::join!(self.carry(), ends);
    }

    /// The one HTTP status and flag that was counted, and of TCP the flag.
    fn counted(&self) -> (Option<(u16, Flags)>, Option<Flags>) {
        let Snapshot { http, tcp, routes, .. } = self.meter.snapshot();
        assert_eq!((routes[0].connections, routes[0].connections_active), (1, 0));
        assert_eq!(routes[0].requests_active, 0);
        let http = http.iter().filter(|(_, totals)| totals.requests() > 0);
        let tcp = tcp.iter().filter(|(_, totals)| totals.closed > 0);
        let http: Vec<_> =
            http.map(|(HttpKey { status, flags, .. }, _)| (*status, *flags)).collect();
        let tcp: Vec<_> = tcp.map(|(TcpKey { flags, .. }, _)| *flags).collect();
        assert!(http.len() <= 1 && tcp.len() <= 1, "{http:?} {tcp:?}");
        (http.first().copied(), tcp.first().copied())
    }
}

fn reset(stream: TcpStream) {
    drop(Socket::new(stream));
}

async fn read(stream: &mut TcpStream, count: usize) {
    stream.read_exact(&mut vec![0; count]).await.unwrap();
}

/// Writes until nobody takes any more.
async fn fill(stream: &mut TcpStream) {
    let chunk = [b'x'; 8192];
    while let Ok(written) = tokio::time::timeout(SILENCE, stream.write(&chunk)).await {
        written.unwrap();
    }
}

/// Lets the clock run ahead until `until` is ready. The kernel needs real time for what it does.
async fn time_passes_until(until: impl Future) {
    let clock = async {
        for _ in 0..100_000 {
            pass(Duration::from_millis(100)).await;
            tokio::task::yield_now().await;
        }
        panic!("nothing came of it");
    };
    tokio::select! {
        biased;
        _ = until => {}
        () = clock => {}
    }
}

async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// Nobody takes anything for so long: every buffer on the way is full.
const SILENCE: Duration = Duration::from_millis(100);

#[tokio::test]
async fn an_answered_request_counts_as_its_answer() {
    let rig = Rig::new().await;
    rig.plays(async |mut client, mut app| {
        client.write_all(GET).await.unwrap();
        read(&mut app, GET.len()).await;
        app.write_all(OK).await.unwrap();
        read(&mut client, OK.len()).await;
    })
    .await;
    assert_eq!(rig.counted(), (Some((200, Flags::None)), None));
}

#[tokio::test]
async fn an_app_that_resets_before_a_status_counts_as_503_uc() {
    let rig = Rig::new().await;
    rig.plays(async |mut client, mut app| {
        client.write_all(GET).await.unwrap();
        read(&mut app, GET.len()).await;
        reset(app);
        assert!(client.read(&mut [0]).await.is_err());
    })
    .await;
    assert_eq!(rig.counted(), (Some((503, Flags::UpstreamClosed)), None));
}

#[tokio::test]
async fn an_app_that_resets_in_mid_answer_counts_as_its_status_with_upe() {
    let rig = Rig::new().await;
    rig.plays(async |mut client, mut app| {
        client.write_all(GET).await.unwrap();
        read(&mut app, GET.len()).await;
        app.write_all(&OK[..OK.len() - 1]).await.unwrap();
        reset(app);
        client.read_to_end(&mut Vec::new()).await.unwrap_err();
    })
    .await;
    assert_eq!(rig.counted(), (Some((200, Flags::UpstreamProtocolError)), None));
}

#[tokio::test]
async fn an_answer_cut_short_while_the_client_sends_counts_as_cut_short() {
    let rig = Rig::new().await;
    rig.plays(async |mut client, mut app| {
        client.write_all(POST).await.unwrap();
        read(&mut app, POST.len()).await;
        app.write_all(b"HTTP/1.1 413 No\r\n\r\nto the end").await.unwrap();
        read(&mut client, 29).await;
        reset(app);
        while client.write(&[0; 8192]).await.is_ok() {}
    })
    .await;
    assert_eq!(rig.counted(), (Some((413, Flags::UpstreamProtocolError)), None));
}

#[tokio::test]
async fn a_whole_early_answer_counts_as_answered_though_the_app_resets_then() {
    let rig = Rig::new().await;
    rig.plays(async |mut client, mut app| {
        client.write_all(POST).await.unwrap();
        read(&mut app, POST.len()).await;
        app.write_all(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        reset(app);
        while client.write(&[0; 8192]).await.is_ok() {}
    })
    .await;
    assert_eq!(rig.counted(), (Some((413, Flags::None)), None));
}

#[tokio::test]
async fn a_client_that_resets_while_the_app_works_counts_as_0_dc() {
    let rig = Rig::new().await;
    rig.plays(async |mut client, mut app| {
        client.write_all(GET).await.unwrap();
        read(&mut app, GET.len()).await;
        reset(client);
        assert!(app.read(&mut [0]).await.is_err());
    })
    .await;
    assert_eq!(rig.counted(), (Some((0, Flags::DownstreamClosed)), None));
}

#[tokio::test]
async fn a_client_that_finishes_and_then_resets_counts_as_0_dc() {
    let rig = Rig::new().await;
    rig.plays(async |mut client, mut app| {
        client.write_all(GET).await.unwrap();
        client.shutdown().await.unwrap();
        app.read_to_end(&mut Vec::new()).await.unwrap();
        reset(client);
    })
    .await;
    assert_eq!(rig.counted(), (Some((0, Flags::DownstreamClosed)), None));
}

#[tokio::test]
async fn a_client_that_resets_while_the_app_takes_nothing_is_noticed_and_counts_as_0_dc() {
    let rig = Rig::new().await;
    rig.plays(async |mut client, app| {
        client.write_all(POST).await.unwrap();
        fill(&mut client).await;
        reset(client);
        // The app has read nothing and never will.
        time_passes_until(app.ready(Interest::ERROR)).await;
    })
    .await;
    assert_eq!(rig.counted(), (Some((0, Flags::DownstreamClosed)), None));
}

#[tokio::test]
async fn an_app_that_resets_while_the_client_takes_nothing_is_noticed_and_counts_as_upe() {
    let rig = Rig::new().await;
    rig.plays(async |mut client, mut app| {
        client.write_all(GET).await.unwrap();
        app.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        fill(&mut app).await;
        reset(app);
        time_passes_until(client.ready(Interest::ERROR)).await;
    })
    .await;
    assert_eq!(rig.counted(), (Some((200, Flags::UpstreamProtocolError)), None));
}

#[tokio::test]
async fn a_request_to_an_app_that_is_down_counts_as_503_uf() {
    for request in [GET, POST, b"GET /half"] {
        let rig = Rig::without_app().await;
        let client = async {
            let mut client = rig.client().await;
            client.write_all(request).await.unwrap();
            client.read(&mut [0]).await.unwrap_err();
        };
        tokio::join!(rig.carry(), client);
        let refused = Flags::UpstreamConnectFailure;
        assert_eq!(rig.counted(), (Some((503, refused)), None));
    }
}

#[tokio::test]
async fn anything_else_to_an_app_that_is_down_counts_as_tcp_with_uf() {
    for bytes in [&b""[..], b"\0\0\0\0", b"G"] {
        let rig = Rig::without_app().await;
        let client = async {
            let mut client = rig.client().await;
            client.write_all(bytes).await.unwrap();
            client.read(&mut [0]).await.unwrap_err();
        };
        tokio::join!(rig.carry(), client);
        assert_eq!(rig.counted(), (None, Some(Flags::UpstreamConnectFailure)));
    }
}

#[tokio::test]
async fn what_is_given_up_counts_as_0_dc() {
    let rig = Rig::new().await;
    let ends = async {
        let mut client = rig.client().await;
        let mut app = rig.app.accept().await.unwrap().0;
        client.write_all(GET).await.unwrap();
        read(&mut app, GET.len()).await;
    };
    // Dropped as a worker drops what is left when it stops.
    tokio::select! {
        () = rig.carry() => panic!("it ended by itself"),
        () = ends => {}
    }
    assert_eq!(rig.counted(), (Some((0, Flags::DownstreamClosed)), None));
}

#[tokio::test(start_paused = true)]
async fn silence_costs_nothing_whatever_came_before_it() {
    for state in 0..4 {
        let rig = Rig::new().await;
        let mut polls = 0;
        let ends = async {
            let mut client = rig.client().await;
            let mut app = rig.app.accept().await.unwrap().0;
            match state {
                0 => client.shutdown().await.unwrap(),
                1 => app.shutdown().await.unwrap(),
                2 => fill(&mut client).await,
                _ => fill(&mut app).await,
            }
            // A pump that keeps itself awake would never let time pass, but be polled for ever.
            tokio::time::sleep(Duration::from_secs(3600)).await;
        };
        let carry = rig.carry();
        tokio::pin!(carry);
        let counted = std::future::poll_fn(|cx| {
            polls += 1;
            assert!(polls < 100_000, "state {state} does not come to rest");
            carry.as_mut().poll(cx)
        });
        tokio::select! {
            () = counted => panic!("state {state} ended by itself"),
            () = ends => {}
        }
    }
}

#[tokio::test]
async fn a_silent_connection_is_small() {
    let rig = Rig::new().await;
    let _client = rig.client().await;
    let socket = Socket::new(rig.listener.accept().await.unwrap().0);
    let size = size_of_val(&rig.carried(socket)) + size_of::<Connection>();
    // A thousand of them fit into a megabyte.
    assert!(size <= 1_000, "{size} bytes");
}
