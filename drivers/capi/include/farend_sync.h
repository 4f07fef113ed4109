#ifndef FAREND_SYNC_H
#define FAREND_SYNC_H

/* Written by cbindgen from drivers/capi: change it there. */

#include <stddef.h>
#include <stdint.h>

/*
 Waits as long as it takes.
 */
#define FAREND_FOREVER UINT64_MAX

/*
 It is done.
 */
#define FAREND_OK 0

/*
 The mutex is taken, and its last owner died with it: what it guards is as that one
 left it. Say `farend_mutex_make_consistent` before it is given up.
 */
#define FAREND_OWNER_DIED 1

/*
 An argument is null, or no UTF-8.
 */
#define FAREND_INVALID -1

/*
 A structure is of another size, or data of another length or version.
 */
#define FAREND_SIZE -2

/*
 It did not happen in time.
 */
#define FAREND_TIMED_OUT -3

/*
 The calling thread has the mutex already.
 */
#define FAREND_REENTRANT -4

/*
 The calling thread does not have the mutex.
 */
#define FAREND_NOT_OWNER -5

/*
 An owner died and the next one gave the mutex up without putting its data right.
 */
#define FAREND_NOT_RECOVERABLE -6

/*
 The name cannot name a segment.
 */
#define FAREND_NAME -7

/*
 Another living process has it.
 */
#define FAREND_IN_USE -8

/*
 This user may not have it.
 */
#define FAREND_DENIED -9

/*
 There is something else under the name.
 */
#define FAREND_FOREIGN -10

/*
 The other side ended, and nothing is left to receive.
 */
#define FAREND_PEER_LEFT -11

/*
 The other side died, and nothing is left to receive.
 */
#define FAREND_PEER_DIED -12

/*
 The message is longer than the ring takes.
 */
#define FAREND_TOO_LONG -13

/*
 The buffer is shorter than the message, which is still the next one.
 */
#define FAREND_BUFFER_TOO_SHORT -14

/*
 A number is out of its range.
 */
#define FAREND_RANGE -15

/*
 The memory was overwritten by a broken process.
 */
#define FAREND_CORRUPT -16

/*
 The system refused, or this process cannot own locks.
 */
#define FAREND_SYSTEM -17

/*
 A condition variable that processes share.
 */
typedef struct farend_condvar farend_condvar;

/*
 A mutex that processes share.
 */
typedef struct farend_mutex farend_mutex;

/*
 The side that receives.
 */
typedef struct farend_receiver farend_receiver;

/*
 Memory that processes share.
 */
typedef struct farend_segment farend_segment;

/*
 A semaphore that processes share.
 */
typedef struct farend_semaphore farend_semaphore;

/*
 The side that sends.
 */
typedef struct farend_sender farend_sender;

/*
 What a ring is made for. Who opens one that is there, takes it as it is.
 */
typedef struct farend_ring_options {
  /*
   `sizeof` of this structure, by which versions are told apart.
   */
  size_t size;
  /*
   Messages that a sender has room for: a power of two, at least 2.
   */
  uint64_t capacity_messages;
  /*
   Octets of the longest message.
   */
  uint64_t message_octets_max;
  /*
   Senders of a channel at a time, up to 32.
   */
  uint32_t senders_max;
  /*
   Receivers at a time, up to 64.
   */
  uint32_t receivers_max;
  /*
   What becomes of a receiver that does not keep up: 0 senders wait for it, 1 new
   messages are dropped, 2 old messages are overwritten.
   */
  uint32_t slow_receiver;
} farend_ring_options;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Opens the mutex of this name, or makes it.

 # Safety
 `name` is null or ends with 0; `mutex` is null or room for an address.
 */
int32_t farend_mutex_open(const char *name, struct farend_mutex **mutex);

/*
 Closes a mutex. Null is nothing.

 The handle that made the mutex takes its name away with it: who opens the name
 after that makes another mutex, while those who have this one still share it. So
 the maker closes last.

 # Safety
 `mutex` is null or open, and no longer used.
 */
void farend_mutex_close(struct farend_mutex *mutex);

/*
 Takes the mutex. `FAREND_OK` and `FAREND_OWNER_DIED` mean that it is taken.

 # Safety
 `mutex` is null or open.
 */
int32_t farend_mutex_lock(const struct farend_mutex *mutex, uint64_t timeout_ns);

/*
 Gives the mutex up, which the calling thread has.

 # Safety
 `mutex` is null or open.
 */
int32_t farend_mutex_unlock(const struct farend_mutex *mutex);

/*
 Says that the data is sound again after `FAREND_OWNER_DIED`.

 # Safety
 `mutex` is null or open.
 */
int32_t farend_mutex_make_consistent(const struct farend_mutex *mutex);

/*
 Opens the condition variable of this name, or makes it.

 # Safety
 `name` is null or ends with 0; `condvar` is null or room for an address.
 */
int32_t farend_condvar_open(const char *name, struct farend_condvar **condvar);

/*
 Closes a condition variable. Null is nothing.

 # Safety
 `condvar` is null or open, and no longer used.
 */
void farend_condvar_close(struct farend_condvar *condvar);

/*
 Gives the mutex up, waits for a notice, and takes the mutex again: it is taken with
 `FAREND_OK`, `FAREND_OWNER_DIED` and `FAREND_TIMED_OUT`. May return without a notice.

 # Safety
 `condvar` and `mutex` are null or open.
 */
int32_t farend_condvar_wait(const struct farend_condvar *condvar,
                            const struct farend_mutex *mutex,
                            uint64_t timeout_ns);

/*
 Wakes one that waits.

 # Safety
 `condvar` is null or open.
 */
int32_t farend_condvar_notify_one(const struct farend_condvar *condvar);

/*
 Wakes all that wait.

 # Safety
 `condvar` is null or open.
 */
int32_t farend_condvar_notify_all(const struct farend_condvar *condvar);

/*
 Opens the semaphore of this name, or makes it with so many units.

 # Safety
 `name` is null or ends with 0; `semaphore` is null or room for an address.
 */
int32_t farend_semaphore_open(const char *name,
                              uint32_t units,
                              struct farend_semaphore **semaphore);

/*
 Closes a semaphore. Null is nothing.

 # Safety
 `semaphore` is null or open, and no longer used.
 */
void farend_semaphore_close(struct farend_semaphore *semaphore);

/*
 Takes a unit.

 # Safety
 `semaphore` is null or open.
 */
int32_t farend_semaphore_acquire(const struct farend_semaphore *semaphore, uint64_t timeout_ns);

/*
 Adds so many units.

 # Safety
 `semaphore` is null or open.
 */
int32_t farend_semaphore_post(const struct farend_semaphore *semaphore, uint32_t units);

/*
 Stores how many units there are at this moment.

 # Safety
 `semaphore` is null or open; `units` is null or room for a number.
 */
int32_t farend_semaphore_count(const struct farend_semaphore *semaphore, uint32_t *units);

/*
 Fills options with the usual: 64 messages of 1,024 octets, 8 senders, 8 receivers, for
 whom senders wait.

 # Safety
 `options` is null or room for options.
 */
int32_t farend_ring_options_default(struct farend_ring_options *options);

/*
 Becomes the one sender of the queue of this name, and makes it with so many octets (a
 power of two) if nobody has.

 # Safety
 `name` is null or ends with 0; `sender` is null or room for an address.
 */
int32_t farend_queue_sender(const char *name,
                            uint64_t capacity_octets,
                            struct farend_sender **sender);

/*
 Becomes the one receiver of the queue of this name, and makes it with so many octets (a
 power of two) if nobody has.

 # Safety
 `name` is null or ends with 0; `receiver` is null or room for an address.
 */
int32_t farend_queue_receiver(const char *name,
                              uint64_t capacity_octets,
                              struct farend_receiver **receiver);

/*
 Becomes the one sender of the route of this name, and makes it if nobody has.

 # Safety
 `name` is null or ends with 0; `options` is null or of the size that it says; `sender` is
 null or room for an address.
 */
int32_t farend_route_sender(const char *name,
                            const struct farend_ring_options *options,
                            struct farend_sender **sender);

/*
 Becomes a receiver of the route of this name, from the next message on, and makes the
 route if nobody has.

 # Safety
 As `farend_route_sender`.
 */
int32_t farend_route_receiver(const char *name,
                              const struct farend_ring_options *options,
                              struct farend_receiver **receiver);

/*
 Becomes one of the senders of the channel of this name, and makes it if nobody has.

 # Safety
 As `farend_route_sender`.
 */
int32_t farend_channel_sender(const char *name,
                              const struct farend_ring_options *options,
                              struct farend_sender **sender);

/*
 Becomes one of the receivers of the channel of this name, from each sender's next message
 on, and makes the channel if nobody has.

 # Safety
 As `farend_route_sender`.
 */
int32_t farend_channel_receiver(const char *name,
                                const struct farend_ring_options *options,
                                struct farend_receiver **receiver);

/*
 Sends a message. `FAREND_TIMED_OUT` if a receiver leaves no room, or the message was
 dropped for it.

 # Safety
 `sender` is null or open, and no other thread's meanwhile; `message` is null or so many
 octets.
 */
int32_t farend_sender_send(struct farend_sender *sender,
                           const void *message,
                           size_t message_octets,
                           uint64_t timeout_ns);

/*
 Waits until there are so many receivers of a route or channel. A queue has one: its
 sender need not wait.

 # Safety
 `sender` is null or open, and no other thread's meanwhile.
 */
int32_t farend_sender_wait_receivers(struct farend_sender *sender,
                                     uint32_t receivers,
                                     uint64_t timeout_ns);

/*
 Closes a sender. Null is nothing.

 # Safety
 `sender` is null or open, and no longer used.
 */
void farend_sender_close(struct farend_sender *sender);

/*
 Receives a message into a buffer, and stores its length.

 # Safety
 `receiver` is null or open, and no other thread's meanwhile; `buffer` is null or so many
 octets; `message_octets` is null or room for a number.
 */
int32_t farend_receiver_receive(struct farend_receiver *receiver,
                                void *buffer,
                                size_t buffer_octets,
                                size_t *message_octets,
                                uint64_t timeout_ns);

/*
 Closes a receiver. Null is nothing.

 # Safety
 `receiver` is null or open, and no longer used.
 */
void farend_receiver_close(struct farend_receiver *receiver);

/*
 Opens the memory of this name, or makes it, all zero. `version` tells what lies there:
 `FAREND_SIZE` if it is of another length or version.

 # Safety
 `name` is null or ends with 0; `segment` is null or room for an address.
 */
int32_t farend_segment_open(const char *name,
                            size_t octets,
                            uint64_t version,
                            struct farend_segment **segment);

/*
 Where the memory starts, at a multiple of 256; null of null. It stays there until the
 process ends, also when the segment is closed.

 # Safety
 `segment` is null or open.
 */
void *farend_segment_base(const struct farend_segment *segment);

/*
 Octets of the memory; 0 of null.

 # Safety
 `segment` is null or open.
 */
size_t farend_segment_octets(const struct farend_segment *segment);

/*
 Closes a segment. Null is nothing.

 # Safety
 `segment` is null or open, and no longer used.
 */
void farend_segment_close(struct farend_segment *segment);

/*
 Removes a name that a killed process left, of a lock, a segment or a ring.

 # Safety
 `name` is null or ends with 0.
 */
int32_t farend_unlink(const char *name);

/*
 What a status means, in English. Never null, and valid for ever.
 */
const char *farend_status_text(int32_t status);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* FAREND_SYNC_H */
