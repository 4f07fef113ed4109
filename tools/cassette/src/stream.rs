//! The records of one exchange in pieces.

use crate::{
    ReadError, Source,
    record::{Kind, Record},
    recovery::Tail,
    walk::{Step, Walk},
};

/// Reads what belongs to one exchange, in its order, among others' records.
#[derive(Debug)]
pub struct Stream<S> {
    walk: Walk<S>,
    exchange: u64,
    has_ended: bool,
}

impl<S: Source> Stream<S> {
    pub(crate) fn new(walk: Walk<S>, exchange: u64) -> Self {
        Self { walk, exchange, has_ended: false }
    }

    /// The next record of the exchange; `None` behind its end, or behind the end of the
    /// file for one that has none.
    ///
    /// # Errors
    ///
    /// [`ReadError::Damaged`] if there is damage before its end, in which a piece of it
    /// may be lost.
    // One that lends out of the window cannot be an iterator.
    #[expect(clippy::should_implement_trait, reason = "the record borrows from the stream")]
    pub fn next(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        while !self.has_ended {
            let head = match self.walk.step()? {
                Step::Record(record) => record.head,
                Step::Damage(damage) => return Err(ReadError::Damaged { offset: damage.from }),
                Step::End(Tail::Clean | Tail::Zeros { .. } | Tail::Torn { .. }) => {
                    self.has_ended = true;
                    return Ok(None);
                }
            };
            if head.exchange == self.exchange {
                self.has_ended = head.kind == Kind::END;
                return Ok(self.walk.last());
            }
        }
        Ok(None)
    }
}
