//! `farend_redirect`: hands to user space what a reflector answers, and nothing
//! else.
//!
//! No socket stands behind the map here, so that each frame comes back as
//! `XDP_PASS`; what the program decided shows in its counters. With sockets it
//! runs in the `AF_XDP` tier's own tests.

use std::{io, mem::size_of};

use aya::{
    Ebpf, EbpfLoader,
    maps::{PerCpuArray, PerCpuValues, RingBuf},
    programs::{TestRun, TestRunOptions, Xdp},
    util::nr_cpus,
};
use farend_core::{
    Policy, Verdict,
    cpu_state::CpuState,
    refused::{Copy, FRAME_OCTETS_MAX},
};
use farend_lab::kernel::{REDIRECT_OBJECT, XDP_PASS};
use farend_truth::{
    agreement,
    corpus::{self, by_policy},
};

use crate::{can_load, program};

const PROGRAM: &str = "farend_redirect";

/// One CPU's verdicts as plain numbers.
type State = [u64; size_of::<CpuState>() / 8];

/// Frames given to a socket, frames that no socket took.
type HandedOver = [u64; 2];

fn load(object: &[u8], policy: &Policy, copied_every: u32) -> Result<Ebpf, String> {
    let mut ebpf = EbpfLoader::new()
        .override_global("POLICY", policy.as_octets(), true)
        .override_global("REFUSED_EVERY", &copied_every, true)
        .override_global("REFUSED_OCTETS_MAX", &FRAME_OCTETS_MAX, true)
        .load(object)
        .map_err(|error| program::said(&error))?;
    let redirect: &mut Xdp = ebpf
        .program_mut(PROGRAM)
        .ok_or("the object has no such program")?
        .try_into()
        .map_err(|error| program::said(&error))?;
    redirect.load().map_err(|error| program::said(&error))?;
    Ok(ebpf)
}

/// The action and the frame afterwards, or `None` if the kernel takes no frame
/// as short as this.
fn run(ebpf: &Ebpf, frame: &[u8]) -> Result<Option<(u32, Vec<u8>)>, String> {
    let redirect: &Xdp = ebpf
        .program(PROGRAM)
        .and_then(|program| program.try_into().ok())
        .ok_or("the program is gone")?;
    let mut octets = vec![0; frame.len() + 64];
    let options = TestRunOptions {
        data_in: Some(frame),
        data_out: Some(&mut octets),
        ..TestRunOptions::default()
    };
    match redirect.test_run(options) {
        Ok(run) => {
            octets.truncate(run.data_size_out as usize);
            Ok(Some((run.return_value, octets)))
        }
        Err(error) => {
            let kind = program::io_error(&error).map(io::Error::kind);
            if frame.len() < 14 && kind == Some(io::ErrorKind::InvalidInput) {
                return Ok(None);
            }
            Err(program::said(&error))
        }
    }
}

/// The sums of a map over all CPUs, which are then set to zero.
fn take<const WORDS: usize>(ebpf: &mut Ebpf, name: &str) -> Result<[u64; WORDS], String>
where
    [u64; WORDS]: aya::Pod,
{
    let map = ebpf.map_mut(name).ok_or("the object has no such map")?;
    let mut map: PerCpuArray<_, [u64; WORDS]> =
        map.try_into().map_err(|error| program::said(&error))?;
    let values = map.get(&0, 0).map_err(|error| program::said(&error))?;
    let mut sum = [0_u64; WORDS];
    for words in values.iter() {
        for (sum, word) in sum.iter_mut().zip(words) {
            *sum += word;
        }
    }
    let cpus = nr_cpus().map_err(|(file, error)| format!("{file}: {error}"))?;
    let zero =
        PerCpuValues::try_from(vec![[0; WORDS]; cpus]).map_err(|error| program::said(&error))?;
    map.set(0, zero, 0).map_err(|error| program::said(&error))?;
    Ok(sum)
}

/// What is wrong with one frame's run.
fn fault(ebpf: &mut Ebpf, entry: &corpus::Entry) -> Result<bool, String> {
    let Some((action, octets)) = run(ebpf, &entry.octets)? else { return Ok(false) };
    let [redirected, unclaimed]: HandedOver = take(ebpf, "REDIRECTED")?;
    let state: State = take(ebpf, "STATE")?;
    if action != XDP_PASS {
        return Err(format!("action {action} without any socket"));
    }
    if octets != entry.octets {
        let at = agreement::first_difference(&octets, &entry.octets);
        return Err(format!("touched, from octet {at} on"));
    }
    // The rate cap is user space's own.
    let is_answered = matches!(entry.verdict, Verdict::Reflect(_) | Verdict::Drop(_));
    if (redirected, unclaimed) != (0, u64::from(is_answered)) {
        return Err(format!("{redirected} redirected, {unclaimed} unclaimed"));
    }
    let mut wanted: State = [0; size_of::<CpuState>() / 8];
    if !is_answered {
        wanted[usize::from(entry.verdict.code())] = 1;
    }
    if state == wanted { Ok(true) } else { Err(format!("counted {state:?}")) }
}

#[test]
fn user_space_is_given_what_a_reflector_answers_and_nothing_else() {
    if !can_load("the corpus through the redirecting program") {
        return;
    }
    let object = program::read(REDIRECT_OBJECT).unwrap_or_else(|error| panic!("{error}"));
    let entries = corpus::load().unwrap_or_else(|error| panic!("{error}"));
    let mut faults = Vec::new();
    let (mut ran, mut too_short) = (0, 0);
    for (policy, entries) in by_policy(&entries) {
        let mut ebpf = load(&object, &entries[0].policy, 0)
            .unwrap_or_else(|error| panic!("policy `{policy}` does not load: {error}"));
        for entry in entries {
            match fault(&mut ebpf, entry) {
                Ok(true) => ran += 1,
                Ok(false) => too_short += 1,
                Err(error) => faults.push(format!("{}: {error}", entry.name)),
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    println!("{ran} frames, {too_short} too short for BPF_PROG_TEST_RUN");
}

/// What is wrong with the copy of one frame.
fn copy_fault(
    ebpf: &Ebpf,
    copies: &mut RingBuf<aya::maps::MapData>,
    entry: &corpus::Entry,
) -> Result<bool, String> {
    let Some((_, octets)) = run(ebpf, &entry.octets)? else { return Ok(false) };
    let record = copies.next();
    let is_answered = matches!(entry.verdict, Verdict::Reflect(_) | Verdict::Drop(_));
    let Some(record) = record else {
        return if is_answered { Ok(false) } else { Err("no copy".to_owned()) };
    };
    let copy = Copy::parse(&record).ok_or("a broken copy")?;
    let kept = &octets[..octets.len().min(FRAME_OCTETS_MAX as usize)];
    if is_answered || (copy.verdict, copy.whole_octets as usize) != (entry.verdict, octets.len()) {
        return Err(format!("copied as {:?}, {}", copy.verdict, copy.whole_octets));
    }
    if copy.octets == kept && octets == entry.octets { Ok(true) } else { Err("altered".to_owned()) }
}

#[test]
fn refused_frames_alone_are_copied_octet_for_octet() {
    if !can_load("the copies of the redirecting program") {
        return;
    }
    let object = program::read(REDIRECT_OBJECT).unwrap_or_else(|error| panic!("{error}"));
    let entries = corpus::load().unwrap_or_else(|error| panic!("{error}"));
    let mut faults = Vec::new();
    let mut frames = 0;
    for (policy, entries) in by_policy(&entries) {
        let mut ebpf = load(&object, &entries[0].policy, 1)
            .unwrap_or_else(|error| panic!("policy `{policy}` does not load: {error}"));
        let copies = ebpf.take_map("REFUSED").expect("the object has the map");
        let mut copies = RingBuf::try_from(copies).expect("the map is a ring");
        for entry in entries {
            match copy_fault(&ebpf, &mut copies, entry) {
                Ok(is_copied) => frames += u32::from(is_copied),
                Err(error) => faults.push(format!("{}: {error}", entry.name)),
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert!(frames > 100, "{frames} copies");
}
