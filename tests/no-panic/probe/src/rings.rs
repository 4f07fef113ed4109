//! Every entry of the core's rings.
#![expect(unsafe_code, reason = "exports")]

use farend_core::ring::{
    Error, Layout, LayoutError, Liveness, Memory, Owner, SlowReader, broadcast, channel, layout,
    spsc,
};

use crate::locks::Restless;

type Producer = spsc::Producer<'static, Restless, Restless>;
type Consumer = spsc::Consumer<'static, Restless, Restless>;
type Writer = broadcast::Writer<'static, Restless, Restless>;
type Many = channel::Receiver<'static, Restless, Restless>;
type Reader = broadcast::Reader<'static, Restless, Restless>;

// SAFETY: nothing runs; the probe is only linked.
unsafe impl Liveness for Restless {
    fn me() -> Owner {
        Owner::new(
            <Self as farend_core::sync::Futex<farend_core::sync::Shared>>::thread_id().get(),
            0,
        )
    }

    fn is_alive(owner: Owner) -> bool {
        owner == Self::me()
    }
}

entries! {
    fn entry_ring_memory(words: &'static mut [u64]) -> Result<Memory<'static>, LayoutError> {
        Memory::from_words(words)
    }

    fn entry_ring_layout(
        memory: &Memory<'static>, dead: Owner
    ) -> Result<Layout, LayoutError> {
        let _taken = layout::inherit::<Restless>(memory, dead);
        let _creator = layout::creator(memory)?;
        Layout::read(memory)
    }

    fn entry_ring_layout_made(
        capacity: u64, octets: u64, readers: u32, policy: SlowReader
    ) -> Result<[Layout; 2], LayoutError> {
        Ok([Layout::spsc(capacity)?, Layout::broadcast(capacity, octets, readers, policy)?])
    }

    fn entry_channel_create(
        memory: Memory<'static>, messages: u64, octets: u64, sides: (u32, u32), realm: u64
    ) -> Result<channel::Channel<'static>, LayoutError> {
        let policy = SlowReader::Block;
        let layout = Layout::channel(messages, octets, sides.0, sides.1, policy)?;
        channel::Channel::create::<Restless>(memory, layout, realm)
    }

    fn entry_channel_open(
        memory: Memory<'static>
    ) -> Result<channel::Channel<'static>, LayoutError> {
        channel::Channel::open(memory)
    }

    fn entry_channel_sender(channel: &channel::Channel<'static>) -> Result<Writer, Error> {
        channel.sender()
    }

    fn entry_channel_receiver(channel: &channel::Channel<'static>) -> Result<Many, Error> {
        channel.receiver()
    }

    fn entry_channel_read(
        receiver: &mut Many, buffer: &mut [u8]
    ) -> Result<Option<channel::Message>, Error> {
        receiver.read(buffer)
    }

    fn entry_channel_peek(receiver: &mut Many) -> Result<usize, Error> {
        let octets = receiver.peek()?.map_or(0, <[u8]>::len);
        receiver.release()?;
        receiver.flush();
        Ok(octets)
    }

    fn entry_channel_wait(receiver: &mut Many, deadline_ns: u64) -> Result<(), Error> {
        receiver.wait_message(deadline_ns)?;
        receiver.check_peers()
    }

    fn entry_writer_wait_readers(
        writer: &mut Writer, readers: u32, deadline_ns: u64
    ) -> Result<(), Error> {
        writer.wait_readers(readers, deadline_ns)
    }

    fn entry_spsc_create(
        memory: Memory<'static>, capacity: u64, realm: u64
    ) -> Result<spsc::Ring<'static>, LayoutError> {
        spsc::Ring::create::<Restless>(memory, capacity, realm)
    }

    fn entry_spsc_open(memory: Memory<'static>) -> Result<spsc::Ring<'static>, LayoutError> {
        spsc::Ring::open(memory)
    }

    fn entry_spsc_producer(ring: &spsc::Ring<'static>) -> Result<Producer, Error> {
        ring.producer()
    }

    fn entry_spsc_consumer(ring: &spsc::Ring<'static>) -> Result<Consumer, Error> {
        ring.consumer()
    }

    fn entry_spsc_push(producer: &mut Producer, record: &[u8]) -> Result<bool, Error> {
        let is_sent = producer.push(record)?;
        producer.flush();
        Ok(is_sent)
    }

    fn entry_spsc_loan(producer: &mut Producer, octets: usize, kept: usize) -> Result<(), Error> {
        if let Some(mut loan) = producer.reserve(octets)? {
            loan.fill(1);
            loan.commit()?;
        }
        if let Some(loan) = producer.reserve(octets)? {
            loan.send()?;
        }
        if let Some(loan) = producer.reserve(octets)? {
            loan.commit_first(kept)?;
        }
        Ok(())
    }

    fn entry_spsc_wait_room(
        producer: &mut Producer, octets: usize, deadline_ns: u64
    ) -> Result<(), Error> {
        producer.wait_room(octets, deadline_ns)
    }

    fn entry_spsc_peek(consumer: &mut Consumer, visit: fn(&[u8])) -> Result<(), Error> {
        if let Some(record) = consumer.peek()? {
            visit(record);
            consumer.release();
        }
        consumer.flush();
        Ok(())
    }

    fn entry_spsc_wait_record(consumer: &mut Consumer, deadline_ns: u64) -> Result<(), Error> {
        consumer.wait_record(deadline_ns)
    }

    fn entry_spsc_producer_leaves(producer: Producer) -> () {
        drop(producer);
    }

    fn entry_spsc_consumer_leaves(consumer: Consumer) -> () {
        drop(consumer);
    }

    fn entry_broadcast_create(
        memory: Memory<'static>, layout: Layout, realm: u64
    ) -> Result<broadcast::Ring<'static>, LayoutError> {
        broadcast::Ring::create::<Restless>(memory, layout, realm)
    }

    fn entry_broadcast_open(
        memory: Memory<'static>
    ) -> Result<broadcast::Ring<'static>, LayoutError> {
        broadcast::Ring::open(memory)
    }

    fn entry_broadcast_writer(ring: &broadcast::Ring<'static>) -> Result<Writer, Error> {
        ring.writer()
    }

    fn entry_broadcast_reader(ring: &broadcast::Ring<'static>) -> Result<Reader, Error> {
        ring.reader()
    }

    fn entry_broadcast_push(
        writer: &mut Writer, message: &[u8], head: [u64; 3]
    ) -> Result<bool, Error> {
        let is_sent = writer.push(message)? & writer.push_with_head(head, message)?;
        writer.flush();
        Ok(is_sent)
    }

    fn entry_broadcast_wait_room(writer: &mut Writer, deadline_ns: u64) -> Result<u64, Error> {
        writer.wait_room(deadline_ns)?;
        Ok(writer.dropped().wrapping_add(writer.readers().into()))
    }

    fn entry_broadcast_read(
        reader: &mut Reader, buffer: &mut [u8]
    ) -> Result<Option<broadcast::Message>, Error> {
        reader.rewind(1);
        reader.read(buffer)
    }

    fn entry_broadcast_peek(reader: &mut Reader, visit: fn(&[u8])) -> Result<(), Error> {
        if let Some(message) = reader.peek()? {
            visit(message);
            reader.release()?;
        }
        reader.flush();
        Ok(())
    }

    fn entry_broadcast_wait(reader: &mut Reader, deadline_ns: u64) -> Result<(), Error> {
        reader.wait_message(deadline_ns)
    }

    fn entry_broadcast_writer_leaves(writer: Writer) -> () {
        drop(writer);
    }

    fn entry_broadcast_reader_leaves(reader: Reader) -> () {
        drop(reader);
    }
}
