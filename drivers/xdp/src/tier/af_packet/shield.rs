//! Keeps the host's own network stack from the frames that this tier answers.
//!
//! A packet socket is a tap: the host gets every frame too, spends more time on
//! it than the answer takes, and sends an ICMP error where no program listens.
//! The shield is a program at the tc ingress hook, which stands behind the tap:
//! it asks the same core with the same policy, and drops what is answered. All
//! else goes on to the tc programs behind it and to the host, so ARP, neighbour
//! discovery, ssh and a firewall keep working.
//!
//! It hangs on a link of the kernel (tcx, Linux 6.6), which goes with the
//! process, however that ends.

use std::fmt;

use aya::{
    Ebpf, EbpfError, EbpfLoader,
    programs::{
        LinkOrder, ProgramError, SchedClassifier, TcAttachType,
        tc::{SchedClassifierLink, TcAttachOptions},
    },
};
use farend_core::Policy;
use rustix::{
    io::Errno,
    net::{AddressFamily, SocketType, netdevice::index_to_name, socket},
};

/// The compiled programs.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../../../ebpf/prebuilt/farend.bpf.o");

/// The name of the program in the object.
const PROGRAM: &str = "farend_shield";

/// A shield in place. Dropping it takes it away.
#[derive(Debug)]
pub struct Shield {
    interface_index: u32,
    /// `None` if a replacement failed half-way.
    link: Option<SchedClassifierLink>,
}

impl Shield {
    /// Puts a shield in place, before all other tcx programs of the interface.
    /// Needs `CAP_BPF` and `CAP_NET_ADMIN`.
    ///
    /// # Errors
    ///
    /// [`ShieldError`]; the tier works without it, slower.
    pub fn attach(interface_index: u32, policy: &Policy) -> Result<Self, ShieldError> {
        let mut object = load(policy)?;
        let link = Some(attach(program(&mut object)?, interface_index)?);
        Ok(Self { interface_index, link })
    }

    /// Puts a shield with another policy in place of this one, at one stroke.
    ///
    /// # Errors
    ///
    /// [`ShieldError`]. If the new one could not be loaded, the old one stays.
    pub fn replace(&mut self, policy: &Policy) -> Result<(), ShieldError> {
        let mut object = load(policy)?;
        let program = program(&mut object)?;
        self.link = Some(match self.link.take() {
            Some(link) => {
                let id = program.attach_to_link(link)?;
                program.take_link(id)?
            }
            None => attach(program, self.interface_index)?,
        });
        Ok(())
    }
}

fn load(policy: &Policy) -> Result<Ebpf, ShieldError> {
    let mut object =
        EbpfLoader::new().override_global("POLICY", policy.as_octets(), true).load(OBJECT)?;
    program(&mut object)?.load()?;
    Ok(object)
}

fn program(object: &mut Ebpf) -> Result<&mut SchedClassifier, ShieldError> {
    Ok(object.program_mut(PROGRAM).ok_or(ShieldError::NoProgram)?.try_into()?)
}

fn name_of(interface_index: u32) -> Result<String, Errno> {
    let any = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    index_to_name(any, interface_index)
}

/// The link keeps the program; the object may go.
fn attach(
    program: &mut SchedClassifier,
    interface_index: u32,
) -> Result<SchedClassifierLink, ShieldError> {
    let name = name_of(interface_index)?;
    let options = TcAttachOptions::TcxOrder(LinkOrder::first());
    let id = program.attach_with_options(&name, TcAttachType::Ingress, options)?;
    Ok(program.take_link(id)?)
}

/// Why there is no shield.
#[derive(Debug)]
#[non_exhaustive]
pub enum ShieldError {
    /// The compiled object has no such program: the build is broken.
    NoProgram,
    /// There is no such interface.
    Interface(Errno),
    /// The object could not be read, or its maps not be made.
    Object(Box<EbpfError>),
    /// The kernel refused the program or its link.
    Program(Box<ProgramError>),
}

impl From<Errno> for ShieldError {
    fn from(error: Errno) -> Self {
        Self::Interface(error)
    }
}

impl From<EbpfError> for ShieldError {
    fn from(error: EbpfError) -> Self {
        Self::Object(Box::new(error))
    }
}

impl From<ProgramError> for ShieldError {
    fn from(error: ProgramError) -> Self {
        Self::Program(Box::new(error))
    }
}

impl fmt::Display for ShieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no shield, so the host stack handles test traffic too, and may answer it: ")?;
        // Errors of a verifier have many lines; the cause stands in the first.
        let first = |error: &dyn fmt::Display| {
            error.to_string().lines().next().unwrap_or_default().to_owned()
        };
        match self {
            Self::NoProgram => write!(f, "{PROGRAM} is not in the object"),
            Self::Interface(error) => write!(f, "{error}"),
            Self::Object(error) => f.write_str(&first(error)),
            Self::Program(error) => f.write_str(&first(error)),
        }?;
        f.write_str("; it needs CAP_BPF, CAP_NET_ADMIN and Linux 6.6")
    }
}

impl std::error::Error for ShieldError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoProgram => None,
            Self::Interface(error) => Some(error),
            Self::Object(error) => Some(error),
            Self::Program(error) => Some(error),
        }
    }
}
