//! Clients of HTTP/2: one that keeps to the standard, and one that writes its frames by hand.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::support::PATIENCE;

/// Any certificate will do: these tests are about what is said behind it.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A TLS connection that speaks `protocol`.
pub(super) async fn tls(address: SocketAddr, protocol: &str) -> TlsStream<TcpStream> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("tv.example").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

/// One connection of a client that keeps to the standard.
pub(super) struct Http2 {
    requests: SendRequest<Bytes>,
    task: tokio::task::JoinHandle<()>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// One frame of a request's body.
#[derive(Clone, Copy, Debug)]
pub(super) enum Frame {
    Data(&'static str),
    /// Ends the stream with the data.
    Last(&'static str),
    Trailers,
}

impl Http2 {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        Self::with(address, &h2::client::Builder::new()).await
    }

    /// With settings of its own.
    pub(super) async fn with(address: SocketAddr, builder: &h2::client::Builder) -> Self {
        let (requests, connection) = builder.handshake(tls(address, "h2").await).await.unwrap();
        let task = tokio::spawn(async move {
            let _ = connection.await; // the requests tell how it ended
        });
        Self { requests, task }
    }

    /// Begins a request. Without `frames` its header ends it.
    pub(super) async fn begin(&mut self, request: Request<()>, frames: &[Frame]) -> Result<ResponseFuture, h2::Error> {
        let mut ready = self.requests.clone().ready().await?;
        let (response, mut stream) = ready.send_request(request, frames.is_empty())?;
        for frame in frames {
            write(&mut stream, *frame)?;
        }
        Ok(response)
    }

    /// Asks and reads the answer.
    pub(super) async fn ask(&mut self, request: Request<()>, frames: &[Frame]) -> Result<Answered, h2::Error> {
        let answer = async {
            let response = self.begin(request, frames).await?.await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = read(response.into_body()).await?;
            Ok(Answered { status, headers, body })
        };
        tokio::time::timeout(PATIENCE, answer).await.expect("no answer")
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn write(stream: &mut SendStream<Bytes>, frame: Frame) -> Result<(), h2::Error> {
    match frame {
        Frame::Data(data) => stream.send_data(Bytes::from_static(data.as_bytes()), false),
        Frame::Last(data) => stream.send_data(Bytes::from_static(data.as_bytes()), true),
        Frame::Trailers => {
            let mut trailers = HeaderMap::new();
            trailers.insert("x-checksum", "abc".parse().unwrap());
            stream.send_trailers(trailers)
        }
    }
}

async fn read(mut body: RecvStream) -> Result<Bytes, h2::Error> {
    let mut all = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        let _ = body.flow_control().release_capacity(data.len());
        all.extend_from_slice(&data);
    }
    Ok(all.into())
}

// --------------------------------------------------------------------------------------------------------------- by hand

/// What became of a request that was written by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Answered with 400.
    BadRequest,
    /// Answered otherwise.
    Answered,
    /// The stream or the connection was ended with an error.
    Ended,
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 400` of the static table.
const STATUS_400: u8 = 0x80 | 0x0c;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A block of literal fields, none of them indexed or compressed (RFC 7541 §6.2.2).
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            assert!(text.len() < 127, "one byte of length");
            bytes.push(u8::try_from(text.len()).unwrap());
            bytes.extend(text.as_bytes());
        }
    }
    bytes
}

/// Sends a request as it is written, and `body` in frames, the last of which ends it. Without a body its header does.
pub(super) async fn by_hand(address: SocketAddr, fields: &[(&str, &str)], body: &[&str]) -> Fate {
    let mut stream = tls(address, "h2").await;
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    let end = if body.is_empty() { END_STREAM } else { 0 };
    bytes.extend(frame(HEADERS, END_HEADERS | end, 1, &block(fields)));
    for (nth, data) in body.iter().enumerate() {
        let end = if nth + 1 == body.len() { END_STREAM } else { 0 };
        bytes.extend(frame(DATA, end, 1, data.as_bytes()));
    }
    stream.write_all(&bytes).await.unwrap();
    tokio::time::timeout(PATIENCE, fate(&mut stream)).await.expect("nothing came of it")
}

async fn fate(stream: &mut TlsStream<TcpStream>) -> Fate {
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).await.is_err() {
            return Fate::Ended;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        if stream.read_exact(&mut payload).await.is_err() {
            return Fate::Ended;
        }
        match head[3] {
            RESET | GOAWAY => return Fate::Ended,
            // The table's size may be changed in front of the first field.
            HEADERS if payload.iter().find(|byte| **byte & 0xe0 != 0x20) == Some(&STATUS_400) => {
                return Fate::BadRequest;
            }
            HEADERS => return Fate::Answered,
            _ => {}
        }
    }
}
