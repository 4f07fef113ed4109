//! The JSON lines as types: written by drivers, read by everybody else.

pub use farend_control::statistics::*;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use farend_core::{
        Kind, MacAddress, Verdict,
        measure::testers::{Sender, Set, Testers},
    };

    use super::*;
    use crate::{
        observe::CopyStatistics,
        statistics::{InterfaceStatistics, Snapshot, line_of},
    };

    #[test]
    fn line_is_read_as_it_was_written() {
        let mut one = InterfaceStatistics { interface: "a".to_owned(), ..Default::default() };
        let worker = &mut one.worker;
        worker.counters.count(Verdict::Reflect(Kind::Probeot), 60);
        worker.sent = Some(1);
        worker.losses.push(("transmit_refused", 3));
        worker.queues.push(QueueCounts { queue: 2, answers: 1, sent: None, lost: 3 });
        worker.measured.residence.get_or_insert_default().record(Kind::Probeot, 700, 1);
        let mut testers = Testers::new(vec![Set::default(); 1].into_boxed_slice(), 0);
        let address = std::net::Ipv4Addr::new(192, 0, 2, 1).into();
        let sender = Sender { mac: MacAddress([2, 0, 0, 0, 0, 2]), address };
        testers.count(&sender, Verdict::Reflect(Kind::Probeot), 60, 0);
        worker.measured.testers = Some(testers);
        let copies = Copies { written_frames: 1, dropped_frames: 2 };
        let copies = CopyStatistics { sample: Some(copies), tap: None };
        let elapsed = Duration::from_millis(1_500);
        let snapshot = Snapshot { elapsed, interfaces: vec![one], copies };
        let text = serde_json::to_string(&line_of("final", &snapshot, &snapshot)).unwrap();
        let line: StatisticsLine = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&line).unwrap(), text);
        let counts = &line.body.interfaces[0];
        assert_eq!((counts.sent, counts.lost), (Some(1), 3));
        assert_eq!(counts.reflected.get("probeot"), Some(1));
        assert_eq!(counts.residence_ns.as_ref().unwrap().get("probeot").unwrap().frames, 1);
        assert_eq!(counts.testers.as_ref().unwrap().known[0].reflected_frames, 1);
        assert_eq!(line.body.total.queues, []);
    }

    #[test]
    fn line_of_an_older_driver_is_read() {
        let none = Snapshot::default();
        let text = serde_json::to_string(&line_of("statistics", &none, &none)).unwrap();
        let mut line: serde_json::Value = serde_json::from_str(&text).unwrap();
        for name in ["sent", "lost", "queues", "answered"] {
            line["total"].as_object_mut().unwrap().remove(name).unwrap();
        }
        let line: StatisticsLine = serde_json::from_value(line).unwrap();
        assert_eq!((line.body.total.sent, line.body.total.lost), (None, 0));
    }
}
