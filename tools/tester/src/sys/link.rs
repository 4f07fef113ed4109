//! Interfaces and packet sockets (netdevice(7), packet(7)).
#![expect(unsafe_code, reason = "ioctl, bind of a link address, if_nameindex")]

use std::{
    ffi::{CStr, CString, c_int, c_ulong},
    io,
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
};

use farend_core::MacAddress;

/// Opens a packet socket that receives nothing until it is bound to a
/// protocol.
pub(crate) fn packet_socket() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: no pointers.
    let socket = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(socket) })
}

/// Binds a packet socket to an interface; `protocol` 0 to send only.
pub(crate) fn bind(socket: impl AsFd, index: u32, protocol: u16) -> io::Result<()> {
    // SAFETY: the type is integers, for which zeros are valid.
    let mut address: libc::sockaddr_ll = unsafe { MaybeUninit::zeroed().assume_init() };
    address.sll_family = libc::sa_family_t::try_from(libc::AF_PACKET).map_err(io::Error::other)?;
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = c_int::try_from(index).map_err(io::Error::other)?;
    let octets = size_of::<libc::sockaddr_ll>();
    let octets = libc::socklen_t::try_from(octets).map_err(io::Error::other)?;
    // SAFETY: the pointer is to `octets` octets of a live address.
    let result =
        unsafe { libc::bind(socket.as_fd().as_raw_fd(), (&raw const address).cast(), octets) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The index of an interface, or an error if there is none of this name.
pub(crate) fn index_of(name: &str) -> io::Result<u32> {
    let name = CString::new(name)?;
    // SAFETY: the text ends with a zero and outlives the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if index == 0 { Err(io::Error::last_os_error()) } else { Ok(index) }
}

/// The names of all interfaces.
pub(crate) fn names() -> io::Result<Vec<String>> {
    // SAFETY: no arguments.
    let list = unsafe { libc::if_nameindex() };
    if list.is_null() {
        return Err(io::Error::last_os_error());
    }
    let mut names = Vec::new();
    let mut entry = list;
    loop {
        // SAFETY: the list goes on up to an entry whose name is null, and this
        // one is not behind it.
        let libc::if_nameindex { if_name, .. } = unsafe { *entry };
        if if_name.is_null() {
            break;
        }
        // SAFETY: the name of an entry is text that ends with a zero, live
        // until the list is freed.
        let name = unsafe { CStr::from_ptr(if_name) };
        names.push(name.to_string_lossy().into_owned());
        // SAFETY: an entry with a name is followed by another.
        entry = unsafe { entry.add(1) };
    }
    // SAFETY: the list is the one above, freed once, and no name is used
    // afterwards.
    unsafe { libc::if_freenameindex(list) };
    Ok(names)
}

/// What is known of an interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Link {
    pub(crate) mac: MacAddress,
    /// Octets of an IP packet.
    pub(crate) mtu_octets: usize,
    pub(crate) is_up: bool,
    /// Whether it is Ethernet, or the loopback interface, which frames like
    /// it.
    pub(crate) is_ethernet: bool,
    pub(crate) driver: Option<String>,
}

/// Asks the kernel about an interface, through any socket of its namespace.
pub(crate) fn describe(socket: impl AsFd, name: &str) -> io::Result<Link> {
    let hardware = ask(&socket, name, libc::SIOCGIFHWADDR)?;
    // SAFETY: the kernel wrote this member of the union.
    let address = unsafe { hardware.ifr_ifru.ifru_hwaddr };
    let octets = address.sa_data.map(|octet| octet.to_ne_bytes()[0]);
    let mac = MacAddress(octets.first_chunk().copied().unwrap_or_default());
    let mtu = ask(&socket, name, libc::SIOCGIFMTU)?;
    // SAFETY: the kernel wrote this member of the union.
    let mtu = unsafe { mtu.ifr_ifru.ifru_mtu };
    let flags = ask(&socket, name, libc::SIOCGIFFLAGS)?;
    // SAFETY: the kernel wrote this member of the union.
    let flags = unsafe { flags.ifr_ifru.ifru_flags };
    Ok(Link {
        mac,
        mtu_octets: usize::try_from(mtu).unwrap_or(0),
        is_up: c_int::from(flags) & libc::IFF_UP != 0,
        is_ethernet: matches!(address.sa_family, libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK),
        driver: driver(&socket, name).ok(),
    })
}

/// `struct ethtool_drvinfo` of linux/ethtool.h, as octets: the command, then
/// the driver's name.
#[repr(C, align(4))]
struct DriverInformation {
    command: u32,
    driver: [u8; 32],
    rest: [u8; 160],
}

fn driver(socket: impl AsFd, name: &str) -> io::Result<String> {
    const ETHTOOL_GDRVINFO: u32 = 3;
    let mut information =
        DriverInformation { command: ETHTOOL_GDRVINFO, driver: [0; 32], rest: [0; 160] };
    let mut request = request_for(name)?;
    request.ifr_ifru.ifru_data = (&raw mut information).cast();
    // SAFETY: the request names an interface and points to a live structure
    // of the size that this command writes.
    let result = unsafe {
        libc::ioctl(socket.as_fd().as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request)
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let driver = CStr::from_bytes_until_nul(&information.driver).map_err(io::Error::other)?;
    Ok(driver.to_string_lossy().into_owned())
}

fn ask(socket: impl AsFd, name: &str, command: c_ulong) -> io::Result<libc::ifreq> {
    let mut request = request_for(name)?;
    // SAFETY: the request names an interface, and these commands write no more
    // than the request.
    let result = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), command as _, &raw mut request) };
    if result == 0 { Ok(request) } else { Err(io::Error::last_os_error()) }
}

fn request_for(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: the type is integers and pointers, for which zeros are valid.
    let mut request: libc::ifreq = unsafe { MaybeUninit::zeroed().assume_init() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    Ok(request)
}
