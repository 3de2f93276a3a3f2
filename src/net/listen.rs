//! Binds an address, and listens there later.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, SockRef, Socket, Type};

/// Maximum connections in the backlog. The system has its own limit (`net.core.somaxconn`).
const BACKLOG: i32 = 65_535;

/// Binds an address for a listener that starts to [`listen`] later. Until then connections are refused.
///
/// # Errors
/// The address is in use, the machine does not have it, or the user may not use the port.
pub fn reserve(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Starts to listen: from here on connections wait to be accepted.
///
/// # Errors
/// Another process has started to listen there since the address was reserved.
pub fn listen(reserved: &TcpListener) -> io::Result<()> {
    SockRef::from(reserved).listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn nobody_is_connected_before_one_listens_and_of_two_one_does() {
        let first = reserve((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = first.local_addr().unwrap();
        let second = reserve(address).unwrap();
        assert!(std::net::TcpStream::connect(address).is_err());
        listen(&first).unwrap();
        assert!(std::net::TcpStream::connect(address).is_ok());
        assert_eq!(listen(&second).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(reserve(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
