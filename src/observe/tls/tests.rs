//! Client hellos of every age, whole and in pieces.

use super::*;
use proptest::prelude::*;

fn vec8(bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

fn vec16(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

fn extension(kind: u16, value: &[u8]) -> Vec<u8> {
    [kind.to_be_bytes().to_vec(), vec16(value)].concat()
}

fn name(host: &str) -> Vec<u8> {
    extension(SERVER_NAME, &vec16(&[vec![HOST_NAME], vec16(host.as_bytes())].concat()))
}

fn protocols(names: &[&[u8]]) -> Vec<u8> {
    extension(ALPN, &vec16(&names.iter().flat_map(|name| vec8(name)).collect::<Vec<_>>()))
}

fn versions(versions: &[u16]) -> Vec<u8> {
    let bytes: Vec<u8> = versions.iter().flat_map(|version| version.to_be_bytes()).collect();
    extension(SUPPORTED_VERSIONS, &vec8(&bytes))
}

/// The hello in records of up to `size` bytes.
fn hello(legacy: u16, extensions: Option<&[u8]>, size: usize) -> Vec<u8> {
    let body = [
        legacy.to_be_bytes().as_slice(),
        &[7; RANDOM],
        &vec8(&[9; 32]),
        &vec16(&[0x0a, 0x0a, 0x13, 0x01]),
        &vec8(&[0]),
        &extensions.map(vec16).unwrap_or_default(),
    ]
    .concat();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let handshake = [&[CLIENT_HELLO], &length[1..], &body].concat();
    let records =
        handshake.chunks(size).flat_map(|part| [vec![HANDSHAKE, 3, 1], vec16(part)].concat());
    records.collect()
}

fn hosts() -> KnownHosts {
    KnownHosts::new(&["shop.prod.svc.cluster.local"])
}

/// What is read, and that it is the same in every two pieces and byte by byte.
fn told(bytes: &[u8]) -> Option<Tls> {
    let whole = Hello::default().take(bytes, &hosts(), 4096);
    for at in 0..bytes.len() {
        let mut hello = Hello::default();
        let first = hello.take(&bytes[..at], &hosts(), 4096);
        assert_eq!(first.or_else(|| hello.take(&bytes[at..], &hosts(), 4096)), whole, "{at}");
    }
    let mut hello = Hello::default();
    assert_eq!(bytes.iter().find_map(|byte| hello.take(&[*byte], &hosts(), 4096)), whole);
    whole
}

#[test]
fn a_modern_hello_tells_its_name_protocol_and_version() {
    let extensions = [
        extension(0x2a2a, b""),
        name("shop.prod"),
        protocols(&[b"\x4a\x4a", b"h2", b"http/1.1"]),
        versions(&[0x6a6a, 0x0304, 0x0303]),
        extension(0xfe0d, &[0; 40]),
    ];
    for size in [10_000, 100, 1] {
        let bytes = hello(0x0303, Some(&extensions.concat()), size);
        let expected =
            Tls { server_name: Some(HostId(0)), alpn: Alpn::H2, version: TlsVersion::Tls13 };
        assert_eq!(told(&bytes), Some(expected));
        assert_eq!(told(&bytes[..bytes.len() - 1]), None);
    }
}

#[test]
fn an_old_hello_tells_what_it_has() {
    for (legacy, version) in [
        (0x0300, TlsVersion::Ssl3),
        (0x0301, TlsVersion::Tls10),
        (0x0302, TlsVersion::Tls11),
        (0x0303, TlsVersion::Tls12),
    ] {
        let none = Tls { version, ..Tls::default() };
        assert_eq!(told(&hello(legacy, None, 1000)), Some(none));
        assert_eq!(told(&hello(legacy, Some(b""), 1000)), Some(none));
        let strange = Tls { server_name: Some(HostId::UNKNOWN), alpn: Alpn::Other, version };
        let extensions = [name("evil.example"), protocols(&[b"mqtt"])].concat();
        assert_eq!(told(&hello(legacy, Some(&extensions), 1000)), Some(strange));
    }
    let http = told(&hello(0x0303, Some(&protocols(&[b"http/1.1", b"h2"])), 1000));
    assert_eq!(http.map(|tls| tls.alpn), Some(Alpn::Http11));
}

#[test]
fn what_is_no_hello_tells_nothing() {
    for bytes in [
        b"\x16\x03\x01\0\0".as_slice(),
        b"\x17\x03\x03\0\x01x",
        b"\x16\x03\x01\0\x04\x02\0\0\0",
        b"\x16\x03\x01\0\x05\x01\0\0\x01\x03",
        b"\x16\x02\x01\0\x05",
    ] {
        assert_eq!(told(bytes), Some(Tls::default()), "{bytes:?}");
    }
    let broken = hello(0x0303, Some(b"\0\0\0\x09x"), 1000);
    assert_eq!(told(&broken), Some(Tls::default()));
}

#[test]
fn a_hello_that_is_too_long_is_given_up_wherever_it_is_split() {
    let bytes = hello(0x0303, Some(&extension(21, &[0; 3000])), 16_000);
    assert_eq!(Hello::default().take(&bytes, &hosts(), 1000), Some(Tls::default()));
    let mut hello = Hello::default();
    assert_eq!(hello.take(&bytes[..5], &hosts(), 1000), Some(Tls::default()));
    assert!(hello.kept_bytes() <= 1000);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let handshake = [&[HANDSHAKE, 3, 1], vec16(&bytes).as_slice()].concat();
        let _: Option<Tls> = told(&handshake);
        let _: Option<Tls> = read(&bytes, &hosts());
    }

    #[test]
    fn one_wrong_byte_makes_no_panic(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let extensions = [name("shop"), protocols(&[b"h2"]), versions(&[0x0304])].concat();
        let mut bytes = hello(0x0303, Some(&extensions), 50);
        let place = place.index(bytes.len());
        bytes[place] = byte;
        let _: Option<Tls> = told(&bytes);
    }
}
